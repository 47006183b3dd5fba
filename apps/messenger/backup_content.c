/* apps/messenger/backup_content.c - what a backup holds, as bytes.
 *
 *   version 1 | parts: kind 1, length 4, body | zeros up to a multiple of 256
 */
#include "apps/messenger/backup_content.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { PART_END, PART_SELF, PART_FRIEND };
enum { CONTENT_VERSION = 1, PART_HEAD_LEN = 5, PART_LEN_MAX = 512 };

/* ---- Writing ---- */

static enum err append_part(struct buffer *to, uint8_t kind, const struct writer *body)
{
    uint8_t head[PART_HEAD_LEN];
    struct writer w = writer_of(head, sizeof head);
    enum err e;

    assert(!body->failed);
    writer_u8(&w, kind);
    writer_u32(&w, (uint32_t)writer_len(body));
    if ((e = buffer_append(to, writer_bytes(&w))) == ERR_NONE)
        e = buffer_append(to, writer_bytes(body));
    return e;
}

static void write_self(struct writer *w, const struct backup_content *c)
{
    writer_copy(w, bytes_of(c->self.sign_seed, sizeof c->self.sign_seed));
    writer_copy(w, bytes_of(c->self.dh_secret, sizeof c->self.dh_secret));
    writer_copy(w, bytes_of(c->self.inbox_secret, sizeof c->self.inbox_secret));
    writer_u8(w, c->self.mailbox_bits);
    writer_u32(w, c->self.day);
    writer_u16(w, c->self.next_prekey_id);
    writer_u8(w, c->is_marking_read);
    writer_copy(w, bytes_of(c->self.name, c->self.name_len));
}

static void write_friend(struct writer *w, const struct backup_friend *f)
{
    uint8_t card[CARD_LEN_MAX];
    size_t name_len = strlen(f->name);

    writer_u8(w, f->flags);
    writer_u32(w, f->disappear_s);
    writer_u8(w, (uint8_t)name_len);
    writer_copy(w, bytes_of(f->name, name_len));
    writer_copy(w, bytes_of(card, card_encode(&f->card, card)));
}

enum err backup_content_encode(const struct backup_content *c, struct buffer *to)
{
    static const uint8_t version = CONTENT_VERSION, zeros[BACKUP_PAD_LEN];
    size_t start = to->len;
    uint8_t body[PART_LEN_MAX];
    struct writer w = writer_of(body, sizeof body);
    enum err e = buffer_append(to, bytes_of(&version, 1));

    write_self(&w, c);
    if (e == ERR_NONE)
        e = append_part(to, PART_SELF, &w);
    for (uint32_t i = 0; i < c->friend_count && e == ERR_NONE; i++) {
        w = writer_of(body, sizeof body);
        write_friend(&w, &c->friends[i]);
        e = append_part(to, PART_FRIEND, &w);
    }
    if (e == ERR_NONE && (to->len - start) % BACKUP_PAD_LEN != 0)
        e = buffer_append(to, bytes_of(zeros, BACKUP_PAD_LEN - (to->len - start) % BACKUP_PAD_LEN));
    secret_wipe(body, sizeof body);
    return e;
}

/* ---- Reading ---- */

static enum err read_self(struct backup_content *out, struct bytes in)
{
    struct reader r = reader_of(in);

    reader_copy(&r, out->self.sign_seed, sizeof out->self.sign_seed);
    reader_copy(&r, out->self.dh_secret, sizeof out->self.dh_secret);
    reader_copy(&r, out->self.inbox_secret, sizeof out->self.inbox_secret);
    out->self.mailbox_bits = reader_u8(&r);
    out->self.day = reader_u32(&r);
    out->self.next_prekey_id = reader_u16(&r);
    uint8_t marks = reader_u8(&r);
    out->is_marking_read = marks == 1;
    struct bytes name = reader_rest(&r);
    if (r.failed || marks > 1 || name.len == 0 || name.len > CARD_NAME_MAX || out->self.mailbox_bits > MAILBOX_BITS_MAX)
        return ERR_MALFORMED;
    out->self.name_len = (uint8_t)name.len;
    memcpy(out->self.name, name.at, name.len);
    return ERR_NONE;
}

static enum err read_friend(struct backup_content *out, struct bytes in)
{
    struct backup_friend *more, *f;
    struct reader r = reader_of(in);
    enum err e;

    if (out->friend_count == FRIENDS_MAX)
        return ERR_TOO_LARGE;
    if ((more = realloc(out->friends, (out->friend_count + 1) * sizeof *more)) == NULL)
        return ERR_NO_MEMORY;
    out->friends = more;
    f = &more[out->friend_count];
    memset(f, 0, sizeof *f);
    f->flags = reader_u8(&r);
    f->disappear_s = reader_u32(&r);
    struct bytes name = reader_take(&r, reader_u8(&r));
    if (r.failed || (f->flags & ~BACKUP_FLAGS) != 0 || !friend_name_is_sound(name))
        return ERR_MALFORMED;
    memcpy(f->name, name.at, name.len);
    if ((e = card_decode(&f->card, reader_rest(&r))) != ERR_NONE)
        return e;
    for (uint32_t i = 0; i < out->friend_count; i++) {
        if (card_is_same_person(&more[i].card, &f->card))
            return ERR_MALFORMED;
    }
    out->friend_count++;
    return ERR_NONE;
}

static bool is_zero(struct bytes in)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.at[i] != 0)
            return false;
    }
    return true;
}

enum err backup_content_decode(struct backup_content *out, struct bytes in)
{
    struct backup_content c;
    struct reader r = reader_of(in);
    bool has_self = false;
    enum err e = ERR_NONE;

    memset(&c, 0, sizeof c);
    uint8_t version = reader_u8(&r);
    if (r.failed)
        return ERR_MALFORMED;
    if (version != CONTENT_VERSION)
        return ERR_VERSION;
    while (e == ERR_NONE && reader_left(&r) > 0) {
        uint8_t kind = reader_u8(&r);

        if (kind == PART_END) {
            e = reader_left(&r) < BACKUP_PAD_LEN && is_zero(reader_rest(&r)) ? ERR_NONE : ERR_MALFORMED;
            break;
        }
        struct bytes body = reader_take(&r, reader_u32(&r));
        if (r.failed)
            e = ERR_MALFORMED;
        else if (kind > PART_FRIEND)
            e = ERR_VERSION;
        else if ((kind == PART_SELF) == has_self)   /* first, and once */
            e = ERR_MALFORMED;
        else if (kind == PART_SELF)
            e = read_self(&c, body);
        else
            e = read_friend(&c, body);
        has_self = true;
    }
    if (e == ERR_NONE && !has_self)
        e = ERR_MALFORMED;
    if (e != ERR_NONE) {
        backup_content_clear(&c);
        return e;
    }
    *out = c;
    secret_wipe(&c, sizeof c);
    return ERR_NONE;
}

void backup_content_clear(struct backup_content *c)
{
    if (c->friends != NULL)
        secret_wipe(c->friends, c->friend_count * sizeof *c->friends);
    free(c->friends);
    secret_wipe(c, sizeof *c);
}
