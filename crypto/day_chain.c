/* crypto/day_chain.c - daily keys of a session (protocol section 3). */
#include "crypto/day_chain.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/tags.h"

static const struct bytes NO_BYTES = { NULL, 0 };

enum err day_chain_key(const struct day_chain *c, uint32_t day, uint8_t out[32])
{
    uint8_t key[32];

    if (day < c->day || day - c->day > DAY_ADVANCE_MAX + DAYS_KEPT || day > DAY_MAX)
        return ERR_NOT_FOUND;
    memcpy(key, c->key, sizeof key);
    for (uint32_t at = c->day; at < day; at++)
        hash_derive_one(key, sizeof key, bytes_of(key, sizeof key), "next", NO_BYTES);
    memcpy(out, key, sizeof key);
    secret_wipe(key, sizeof key);
    return ERR_NONE;
}

enum err day_chain_advance(struct day_chain *c, uint32_t day)
{
    enum err e = day_chain_key(c, day, c->key);

    if (e == ERR_NONE)
        c->day = day;
    return e;
}

void day_key_tag(const uint8_t key[32], uint16_t index, uint8_t reveal[16], uint8_t tag[TAG_LEN])
{
    const uint8_t text[2] = { (uint8_t)index, (uint8_t)(index >> 8) };

    hash_derive_one(reveal, 16, bytes_of(key, 32), "r", bytes_of(text, sizeof text));
    tag_of_reveal(reveal, tag);
}

void day_key_mask(const uint8_t key[32], uint8_t out[32])
{
    hash_derive_one(out, 32, bytes_of(key, 32), "mask", NO_BYTES);
}

void day_window_init(struct day_window *w, const uint8_t root[32], uint32_t day)
{
    memset(w, 0, sizeof *w);
    memcpy(w->oldest.key, root, sizeof w->oldest.key);
    w->oldest.day = w->highest = day;
}

enum err day_window_key(const struct day_window *w, uint32_t day, uint8_t out[32])
{
    /* The bound counts from the highest day seen, so that a long acquaintance does not use it up. */
    if (day > w->highest && day - w->highest > DAY_ADVANCE_MAX)
        return ERR_NOT_FOUND;
    return day_chain_key(&w->oldest, day, out);
}

uint32_t day_window_next(const struct day_window *w, uint32_t day)
{
    for (uint8_t i = 0; i < w->seen_count; i++) {
        if (w->seen[i].day == day)
            return w->seen[i].next;
    }
    return 0;
}

static void forget_before(struct day_window *w, uint32_t day)
{
    uint8_t kept = 0;

    for (uint8_t i = 0; i < w->seen_count; i++) {
        if (w->seen[i].day >= day)
            w->seen[kept++] = w->seen[i];
    }
    w->seen_count = kept;
}

void day_window_seen(struct day_window *w, uint32_t day, uint32_t index)
{
    uint8_t at = 0;

    if (day > w->highest) {
        w->highest = day;
        uint32_t oldest = day > DAYS_KEPT ? day - DAYS_KEPT : 0;
        if (oldest > w->oldest.day) {
            enum err e = day_chain_advance(&w->oldest, oldest);

            assert(e == ERR_NONE);  /* day_window_key has allowed `day` */
            (void)e;
            forget_before(w, oldest);
        }
    }
    while (at < w->seen_count && w->seen[at].day < day)
        at++;
    if (at == w->seen_count || w->seen[at].day != day) {
        assert(w->seen_count < sizeof w->seen / sizeof w->seen[0]);
        memmove(&w->seen[at + 1], &w->seen[at], (size_t)(w->seen_count - at) * sizeof w->seen[0]);
        w->seen_count++;
        w->seen[at].day = day;
        w->seen[at].next = 0;
    }
    if (index + 1 > w->seen[at].next)
        w->seen[at].next = index + 1;
}
