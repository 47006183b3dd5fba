/* crypto/session_state.c - a session as a value: copying, wiping, and its bytes for the archive.
 *
 * format 1 | flags 1: starter 1, established 2, own key 4 | form 1 | id 16 | EK 32 | peer's IKd 32 | start day 4 | day 4 |
 * own day 4 |
 * send chain: key 32, day 4, next index 4 |
 * receive window: key 32, day 4, highest 4, count 1, then day 4 and next index 4 each |
 * ratchet: root 32, own secret 32, own public 32, send chain 32, send n 2, pn 2, receive key 32, receive n 4,
 *          next serial 4, chain count 1, then peer key 32 and serial 4 each |
 * first: mask root 32, card key 32, own IKd 32, prekey id 2 |
 * skipped count 2, then serial 4, n 2, day 4, key 32 each
 */
#include "crypto/session_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

enum {
    SESSION_FORMAT = 1,
    FLAG_STARTER = 1,
    FLAG_ESTABLISHED = 2,
    FLAG_OWN_KEY = 4,
    FLAGS_KNOWN = 7,
    FIXED_LEN = 3 + 16 + 32 + 32 + 12 + 40 + 41 + 32 * 4 + 4 + 32 + 8 + 1 + 98 + 2,
    SEEN_LEN = 8,
    CHAIN_LEN = 36,
    SKIPPED_LEN = 42,
};

enum err session_copy(struct session **out, const struct session *s)
{
    struct session *copy = malloc(sizeof *copy);
    enum err e;

    if (copy == NULL)
        return ERR_NO_MEMORY;
    *copy = *s;
    memset(&copy->skipped, 0, sizeof copy->skipped);
    if ((e = skipped_append(&copy->skipped, s->skipped.at, s->skipped.count)) != ERR_NONE) {
        session_free(copy);
        return e;
    }
    *out = copy;
    return ERR_NONE;
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    skipped_clear(&s->skipped);
    secret_wipe(s, sizeof *s);
    free(s);
}

/* ---- Writing ---- */

static void write_key(struct writer *w, const uint8_t key[32])
{
    writer_copy(w, bytes_of(key, 32));
}

static void write_days(struct writer *w, const struct session *s)
{
    const struct day_window *d = &s->receive_days;

    write_key(w, s->send_days.key);
    writer_u32(w, s->send_days.day);
    writer_u32(w, s->send_index);
    write_key(w, d->oldest.key);
    writer_u32(w, d->oldest.day);
    writer_u32(w, d->highest);
    writer_u8(w, d->seen_count);
    for (uint8_t i = 0; i < d->seen_count; i++) {
        writer_u32(w, d->seen[i].day);
        writer_u32(w, d->seen[i].next);
    }
}

static void write_ratchet(struct writer *w, const struct ratchet *r)
{
    write_key(w, r->root);
    write_key(w, r->own_secret);
    write_key(w, r->own_public);
    write_key(w, r->send_chain);
    writer_u16(w, r->send_n);
    writer_u16(w, r->send_pn);
    write_key(w, r->receive_key);
    writer_u32(w, r->receive_n);
    writer_u32(w, r->next_serial);
    writer_u8(w, r->chain_count);
    for (uint8_t i = 0; i < r->chain_count; i++) {
        write_key(w, r->chains[i].peer_key);
        writer_u32(w, r->chains[i].serial);
    }
}

static void write_skipped(struct writer *w, const struct skipped_keys *s)
{
    writer_u16(w, (uint16_t)s->count);
    for (size_t i = 0; i < s->count; i++) {
        writer_u32(w, s->at[i].serial);
        writer_u16(w, s->at[i].n);
        writer_u32(w, s->at[i].day);
        write_key(w, s->at[i].key);
    }
}

enum err session_encode(const struct session *s, struct buffer *to)
{
    size_t len = FIXED_LEN + s->receive_days.seen_count * (size_t)SEEN_LEN + s->ratchet.chain_count * (size_t)CHAIN_LEN +
                 s->skipped.count * SKIPPED_LEN;
    enum err e = buffer_reserve(to, len);

    if (e != ERR_NONE)
        return e;
    struct writer w = writer_of(to->at + to->len, len);
    writer_u8(&w, SESSION_FORMAT);
    writer_u8(&w, (uint8_t)((s->is_starter ? FLAG_STARTER : 0) | (s->is_established ? FLAG_ESTABLISHED : 0) |
                            (s->ratchet.has_own_key ? FLAG_OWN_KEY : 0)));
    writer_u8(&w, s->form);
    writer_copy(&w, bytes_of(s->id, sizeof s->id));
    write_key(&w, s->start_key);
    write_key(&w, s->peer_dh_key);
    writer_u32(&w, s->start_day);
    writer_u32(&w, s->day);
    writer_u32(&w, s->own_day);
    write_days(&w, s);
    write_ratchet(&w, &s->ratchet);
    write_key(&w, s->first.mask_root);
    write_key(&w, s->first.card_key);
    write_key(&w, s->first.own_dh_key);
    writer_u16(&w, s->first.prekey_id);
    write_skipped(&w, &s->skipped);
    assert(!w.failed && writer_left(&w) == 0);
    to->len += len;
    return ERR_NONE;
}

/* ---- Reading ---- */

static void read_key(struct reader *r, uint8_t key[32])
{
    reader_copy(r, key, 32);
}

static bool read_days(struct reader *r, struct session *s)
{
    struct day_window *d = &s->receive_days;

    read_key(r, s->send_days.key);
    s->send_days.day = reader_u32(r);
    s->send_index = reader_u32(r);
    read_key(r, d->oldest.key);
    d->oldest.day = reader_u32(r);
    d->highest = reader_u32(r);
    d->seen_count = reader_u8(r);
    if (r->failed || d->seen_count > sizeof d->seen / sizeof d->seen[0] || s->send_days.day > DAY_MAX ||
        d->highest > DAY_MAX || d->oldest.day > d->highest || d->highest - d->oldest.day > DAYS_KEPT)
        return false;
    for (uint8_t i = 0; i < d->seen_count; i++) {
        d->seen[i].day = reader_u32(r);
        d->seen[i].next = reader_u32(r);
        if (d->seen[i].day < d->oldest.day || d->seen[i].day > d->highest ||
            (i > 0 && d->seen[i].day <= d->seen[i - 1].day))
            return false;
    }
    return !r->failed;
}

static bool read_ratchet(struct reader *r, struct ratchet *to)
{
    read_key(r, to->root);
    read_key(r, to->own_secret);
    read_key(r, to->own_public);
    read_key(r, to->send_chain);
    to->send_n = reader_u16(r);
    to->send_pn = reader_u16(r);
    read_key(r, to->receive_key);
    to->receive_n = reader_u32(r);
    to->next_serial = reader_u32(r);
    to->chain_count = reader_u8(r);
    if (r->failed || to->chain_count > SESSION_CHAINS_MAX || to->receive_n > UINT16_MAX + 1u)
        return false;
    for (uint8_t i = 0; i < to->chain_count; i++) {
        read_key(r, to->chains[i].peer_key);
        to->chains[i].serial = reader_u32(r);
    }
    return !r->failed && (to->chain_count > 0 || to->has_own_key);
}

static enum err read_skipped(struct reader *r, struct skipped_keys *s)
{
    size_t count = reader_u16(r);
    enum err e = ERR_NONE;

    if (r->failed || count > SESSION_SKIPPED_MAX || reader_left(r) != count * SKIPPED_LEN)
        return ERR_CORRUPT;
    struct skipped_key *keys = calloc(count > 0 ? count : 1, sizeof *keys);
    if (keys == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        keys[i].serial = reader_u32(r);
        keys[i].n = reader_u16(r);
        keys[i].day = reader_u32(r);
        read_key(r, keys[i].key);
        if (i > 0 && keys[i].day < keys[i - 1].day)
            e = ERR_CORRUPT;
    }
    if (e == ERR_NONE)
        e = skipped_append(s, keys, count);
    secret_wipe(keys, count * sizeof *keys);
    free(keys);
    return e;
}

enum err session_decode(struct session **out, struct bytes in)
{
    struct reader r = reader_of(in);
    enum err e = ERR_CORRUPT;
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return ERR_NO_MEMORY;
    uint8_t format = reader_u8(&r), flags = reader_u8(&r);
    s->form = reader_u8(&r);
    s->is_starter = (flags & FLAG_STARTER) != 0;
    s->is_established = (flags & FLAG_ESTABLISHED) != 0;
    s->ratchet.has_own_key = (flags & FLAG_OWN_KEY) != 0;
    reader_copy(&r, s->id, sizeof s->id);
    read_key(&r, s->start_key);
    read_key(&r, s->peer_dh_key);
    s->start_day = reader_u32(&r);
    s->day = reader_u32(&r);
    s->own_day = reader_u32(&r);
    if (r.failed || format != SESSION_FORMAT || (flags & ~FLAGS_KNOWN) != 0 || (s->form != FORM_F1 && s->form != FORM_F2) ||
        (!s->is_starter && !s->is_established) || s->day > DAY_MAX || s->start_day > s->day)
        goto out;
    if (!read_days(&r, s) || !read_ratchet(&r, &s->ratchet))
        goto out;
    /* The first form sends on the starting key, which only the other side's answer takes away. */
    if (s->is_starter && !s->is_established && (!s->ratchet.has_own_key || s->ratchet.chain_count > 0))
        goto out;
    read_key(&r, s->first.mask_root);
    read_key(&r, s->first.card_key);
    read_key(&r, s->first.own_dh_key);
    s->first.prekey_id = reader_u16(&r);
    if ((e = read_skipped(&r, &s->skipped)) != ERR_NONE)
        goto out;
    *out = s;
    s = NULL;
out:
    session_free(s);
    return e;
}
