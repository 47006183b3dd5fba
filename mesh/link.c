/* mesh/link.c - one encrypted stream. */
#include "mesh/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

static const char PROLOGUE[] = "mesh1.link", PROLOGUE_GATEWAY[] = "mesh1.gateway", PROLOGUE_PEER[] = "mesh1.peer";
enum {
    TRANSPORT_STREAM = 0,
    /* e | e, s sealed, payload sealed | s sealed, payload sealed */
    HANDSHAKE_1_LEN = 32,
    HANDSHAKE_2_LEN = 32 + 48 + LINK_PAYLOAD_LEN + NOISE_TAG_LEN,
    HANDSHAKE_3_LEN = 48 + LINK_PAYLOAD_LEN + NOISE_TAG_LEN,
    /* To a gateway: e, payload sealed | e, payload sealed */
    GATEWAY_1_LEN = 32 + LINK_PAYLOAD_LEN + NOISE_TAG_LEN,
    GATEWAY_2_LEN = 32 + LINK_PAYLOAD_LEN + NOISE_TAG_LEN,
    PROLOGUE_MAX  = 64,
    MESSAGE_MAX     = LINK_FRAME_MAX + NOISE_TAG_LEN,
    FIRST_CAP       = 1024,
};

struct link {
    struct noise *handshake;           /* NULL once ready */
    struct noise_cipher send, receive;
    uint8_t hash[NOISE_HASH_LEN], remote_static[NOISE_KEY_LEN];
    uint32_t sent, received;           /* frames under the present keys */
    unsigned handshake_count;          /* messages both ways so far */
    bool is_broken, is_gateway;

    uint8_t prefix[LINK_PREFIX_LEN];
    size_t  prefix_len;                /* of it there */
    uint8_t *at;                       /* one message being collected, opened in place */
    size_t  len, want, cap;
};

enum err link_new(struct link **out, const struct link_params *p, const struct rng *g)
{
    uint8_t prologue[PROLOGUE_MAX];
    struct writer w = writer_of(prologue, sizeof prologue);
    struct noise_keys keys = { .static_secret = p->is_gateway && p->is_initiator ? NULL : p->static_secret,
                               .remote_static = p->is_gateway && p->is_initiator ? p->remote_static : NULL };
    enum err e;

    if (p->is_gateway) {
        writer_copy(&w, bytes_of_text(p->is_peer ? PROLOGUE_PEER : PROLOGUE_GATEWAY));
        writer_copy(&w, bytes_of(p->binding, LINK_BINDING_BYTES));
    } else {
        writer_copy(&w, bytes_of(PROLOGUE, sizeof PROLOGUE - 1));
        writer_u8(&w, TRANSPORT_STREAM);
        writer_copy(&w, bytes_of(p->is_initiator ? p->advert_ours : p->advert_theirs, LINK_ADVERT_LEN));
        writer_copy(&w, bytes_of(p->is_initiator ? p->advert_theirs : p->advert_ours, LINK_ADVERT_LEN));
    }
    assert(!w.failed);
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ERR_NO_MEMORY;
    l->is_gateway = p->is_gateway;
    e = noise_new(&l->handshake, p->is_gateway ? NOISE_NK : NOISE_XX, p->is_initiator, writer_bytes(&w), &keys, g);
    if (e != ERR_NONE) {
        free(l);
        return e;
    }
    *out = l;
    return ERR_NONE;
}

void link_free(struct link *l)
{
    if (l == NULL)
        return;
    noise_free(l->handshake);
    if (l->at != NULL)
        secret_wipe(l->at, l->cap);
    free(l->at);
    secret_wipe(l, sizeof *l);
    free(l);
}

bool link_is_ready(const struct link *l) { return l->handshake == NULL; }
const uint8_t *link_hash(const struct link *l) { return l->hash; }
const uint8_t *link_remote_static(const struct link *l) { return l->remote_static; }

bool link_owes_handshake(const struct link *l)
{
    return !l->is_broken && l->handshake != NULL && noise_is_my_turn(l->handshake);
}

static enum err finish_handshake(struct link *l)
{
    enum err e;

    if (!noise_is_done(l->handshake))
        return ERR_NONE;
    if ((e = noise_split(l->handshake, &l->send, &l->receive, l->hash, l->remote_static)) != ERR_NONE)
        return e;
    noise_free(l->handshake);
    l->handshake = NULL;
    return ERR_NONE;
}

enum err link_handshake(struct link *l, const uint8_t *payload, struct writer *w)
{
    struct bytes none = bytes_of(NULL, 0);
    struct bytes said = l->handshake_count == 0 && !l->is_gateway ? none : bytes_of(payload, LINK_PAYLOAD_LEN);
    enum err e;

    assert(link_owes_handshake(l));
    writer_u16(w, (uint16_t)(noise_overhead(l->handshake) + said.len));
    if ((e = noise_write(l->handshake, said, w)) != ERR_NONE || (e = finish_handshake(l)) != ERR_NONE) {
        l->is_broken = true;
        return e;
    }
    l->handshake_count++;
    return ERR_NONE;
}

static bool is_length_allowed(const struct link *l, size_t len)
{
    static const size_t handshake[2][3] = { { HANDSHAKE_1_LEN, HANDSHAKE_2_LEN, HANDSHAKE_3_LEN },
                                            { GATEWAY_1_LEN, GATEWAY_2_LEN, 0 } };

    if (l->handshake == NULL)
        return len > NOISE_TAG_LEN && len <= MESSAGE_MAX;
    return !noise_is_my_turn(l->handshake) && l->handshake_count < 3 && len > 0 &&
           len == handshake[l->is_gateway][l->handshake_count];
}

/* Memory follows what peers really send: most never need the longest message. */
static enum err make_room(struct link *l, size_t len)
{
    size_t cap = l->cap == 0 ? FIRST_CAP : l->cap;

    while (cap < len)
        cap *= 2;
    if (cap == l->cap)
        return ERR_NONE;
    uint8_t *at = malloc(cap);
    if (at == NULL)
        return ERR_NO_MEMORY;
    if (l->at != NULL)
        secret_wipe(l->at, l->cap);
    free(l->at);
    l->at = at;
    l->cap = cap;
    return ERR_NONE;
}

static enum err read_handshake(struct link *l, struct bytes *out)
{
    uint8_t payload[LINK_PAYLOAD_LEN];
    struct writer w = writer_of(payload, sizeof payload);
    enum err e = noise_read(l->handshake, bytes_of(l->at, l->len), &w);

    if (e != ERR_NONE)
        return e;
    l->handshake_count++;
    memcpy(l->at, payload, writer_len(&w));
    *out = bytes_of(l->at, writer_len(&w));
    return finish_handshake(l);
}

static enum err open_frame(struct link *l, struct bytes *out)
{
    enum err e = noise_open(&l->receive, bytes_of(NULL, 0), l->at, l->len);

    if (e != ERR_NONE)
        return e;
    *out = bytes_of(l->at, l->len - NOISE_TAG_LEN);
    if (++l->received == LINK_REKEY_RECORDS) {
        noise_rekey(&l->receive);
        l->received = 0;
    }
    return ERR_NONE;
}

static enum link_got break_link(struct link *l, enum err e, enum err *why)
{
    l->is_broken = true;
    *why = e;
    return LINK_BROKEN;
}

/* The whole message is there: opens it. */
static enum link_got take_message(struct link *l, struct bytes *out, enum err *why)
{
    bool was_ready = l->handshake == NULL;
    enum err e = was_ready ? open_frame(l, out) : read_handshake(l, out);

    l->prefix_len = 0;
    l->len = 0;
    if (e != ERR_NONE)
        return break_link(l, e, why);
    return was_ready ? LINK_FRAME : LINK_PAYLOAD;
}

enum link_got link_receive(struct link *l, struct bytes *in, struct bytes *out, enum err *why)
{
    enum err e;

    if (l->is_broken)
        return break_link(l, ERR_STATE, why);
    while (l->prefix_len < LINK_PREFIX_LEN) {
        if (in->len == 0)
            return LINK_NOTHING;
        l->prefix[l->prefix_len++] = *in->at++;
        in->len--;
        if (l->prefix_len < LINK_PREFIX_LEN)
            continue;
        l->want = (size_t)l->prefix[0] | (size_t)l->prefix[1] << 8;
        l->len = 0;
        if (!is_length_allowed(l, l->want))
            return break_link(l, ERR_MALFORMED, why);
        if ((e = make_room(l, l->want)) != ERR_NONE)
            return break_link(l, e, why);
    }
    size_t take = l->want - l->len < in->len ? l->want - l->len : in->len;
    if (take > 0)
        memcpy(l->at + l->len, in->at, take);
    l->len += take;
    in->at += take;
    in->len -= take;
    return l->len < l->want ? LINK_NOTHING : take_message(l, out, why);
}

size_t link_seal(struct link *l, uint8_t *at, size_t len)
{
    assert(l->handshake == NULL && len > 0 && len <= LINK_FRAME_MAX);
    enum err e = noise_seal(&l->send, bytes_of(NULL, 0), at + LINK_PREFIX_LEN, len);
    assert(e == ERR_NONE);  /* a nonce of 64 bits is not used up */
    size_t sealed = len + NOISE_TAG_LEN;
    at[0] = (uint8_t)sealed;
    at[1] = (uint8_t)(sealed >> 8);
    if (++l->sent == LINK_REKEY_RECORDS) {
        noise_rekey(&l->send);
        l->sent = 0;
    }
    return LINK_PREFIX_LEN + sealed;
}
