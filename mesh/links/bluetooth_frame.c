/* mesh/links/bluetooth_frame.c - see bluetooth_frame.h */
#include "mesh/links/bluetooth_frame.h"

#include <string.h>

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

static bool window_is_fair(uint8_t window)
{
    return window >= 1 && window <= FRAME_WINDOW_MAX;
}

enum err frame_decode(struct frame_block *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct frame_block b = { 0 };
    bool is_fair = in.len <= FRAME_BLOCK_MAX;

    b.session = reader_u8(&r);
    b.kind = reader_u8(&r);
    b.number = reader_u16(&r);
    switch (b.kind) {
    case FRAME_OPEN:
        reader_copy(&r, b.nonce, sizeof b.nonce);
        b.version = reader_u8(&r);
        b.window = reader_u8(&r);
        is_fair = is_fair && window_is_fair(b.window);
        break;
    case FRAME_OPENED:
        reader_copy(&r, b.nonce, sizeof b.nonce);
        b.window = reader_u8(&r);
        is_fair = is_fair && window_is_fair(b.window);
        break;
    case FRAME_DATA:
        b.body = reader_rest(&r);
        is_fair = is_fair && b.body.len > 0;
        break;
    case FRAME_GRANT:
        break;
    case FRAME_CLOSE:
        b.reason = reader_u8(&r);
        break;
    default:
        is_fair = false;
    }
    if (!reader_is_done(&r) || !is_fair)
        return ERR_MALFORMED;
    *out = b;
    return ERR_NONE;
}

size_t frame_encode(const struct frame_block *b, uint8_t to[FRAME_BLOCK_MAX])
{
    struct writer w = writer_of(to, FRAME_BLOCK_MAX);

    writer_u8(&w, b->session);
    writer_u8(&w, b->kind);
    writer_u16(&w, b->number);
    switch (b->kind) {
    case FRAME_OPEN:
        writer_copy(&w, bytes_of(b->nonce, sizeof b->nonce));
        writer_u8(&w, b->version);
        writer_u8(&w, b->window);
        break;
    case FRAME_OPENED:
        writer_copy(&w, bytes_of(b->nonce, sizeof b->nonce));
        writer_u8(&w, b->window);
        break;
    case FRAME_DATA:
        writer_copy(&w, b->body);
        break;
    case FRAME_CLOSE:
        writer_u8(&w, b->reason);
        break;
    default:
        break;
    }
    return w.failed ? 0 : writer_len(&w);
}

void frame_inbox_init(struct frame_inbox *x, uint8_t window)
{
    memset(x->lens, 0, sizeof x->lens);
    x->next = 0;
    x->granted = window;
    x->window = window;
}

enum err frame_inbox_put(struct frame_inbox *x, uint16_t number, struct bytes body)
{
    uint16_t ahead = (uint16_t)(number - x->next), room = (uint16_t)(x->granted - x->next);
    size_t slot = number % FRAME_SLOTS;

    if (ahead >= room || x->lens[slot] != 0 || body.len == 0 || body.len > FRAME_BODY_MAX)
        return ERR_MALFORMED;
    memcpy(x->bodies[slot], body.at, body.len);
    x->lens[slot] = (uint8_t)body.len;
    return ERR_NONE;
}

bool frame_inbox_next(struct frame_inbox *x, struct bytes *body)
{
    size_t slot = x->next % FRAME_SLOTS;

    if (x->lens[slot] == 0)
        return false;
    *body = bytes_of(x->bodies[slot], x->lens[slot]);
    x->lens[slot] = 0;
    x->next++;
    return true;
}

bool frame_inbox_grant(struct frame_inbox *x, uint16_t *number)
{
    uint16_t room = (uint16_t)(x->granted - x->next);

    /* A grant for every block would double the traffic; none before the window is used up would stall it. */
    if (room > x->window / 4 * 3)
        return false;
    x->granted = (uint16_t)(x->next + x->window);
    *number = x->granted;
    return true;
}

enum err frame_outbox_grant(struct frame_outbox *x, uint16_t number)
{
    uint16_t before = (uint16_t)(x->limit - x->next), after = (uint16_t)(number - x->next);

    /* Grants may overtake each other: an older one changes nothing. */
    if ((uint16_t)(x->limit - number) <= FRAME_WINDOW_MAX)
        return ERR_NONE;
    if (after > FRAME_WINDOW_MAX || after < before)
        return ERR_MALFORMED;
    x->limit = number;
    return ERR_NONE;
}
