/* apps/messenger/tagbook.c - linear probing with backward-shift removal, at most two thirds full. */
#include "apps/messenger/tagbook.h"

#include <assert.h>
#include <stdlib.h>

#include "crypto/hash.h"

enum { SLOTS_FIRST = 64 };

/* hash 0 marks an empty place; a tag that hashes to it is filed under 1. */
struct place { uint64_t hash, value; };

struct tagbook {
    struct place *at;
    size_t mask, count;
    uint8_t key[16];
};

enum err tagbook_new(struct tagbook **out, const struct rng *g)
{
    struct tagbook *b = calloc(1, sizeof *b);

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->at = calloc(SLOTS_FIRST, sizeof *b->at);
    if (b->at == NULL) {
        free(b);
        return ERR_NO_MEMORY;
    }
    b->mask = SLOTS_FIRST - 1;
    rng_fill(g, b->key, sizeof b->key);
    *out = b;
    return ERR_NONE;
}

void tagbook_free(struct tagbook *b)
{
    if (b == NULL)
        return;
    secret_wipe(b->at, (b->mask + 1) * sizeof *b->at);
    free(b->at);
    secret_wipe(b, sizeof *b);
    free(b);
}

static uint64_t hash_of(const struct tagbook *b, const uint8_t tag[TAG_LEN])
{
    uint64_t h = hash_short(b->key, bytes_of(tag, TAG_LEN));

    return h != 0 ? h : 1;
}

static void put(struct place *at, size_t mask, struct place p)
{
    size_t i = (size_t)p.hash & mask;

    while (at[i].hash != 0)
        i = (i + 1) & mask;
    at[i] = p;
}

static enum err resize(struct tagbook *b, size_t slots)
{
    struct place *at = calloc(slots, sizeof *at);

    if (at == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i <= b->mask; i++) {
        if (b->at[i].hash != 0)
            put(at, slots - 1, b->at[i]);
    }
    secret_wipe(b->at, (b->mask + 1) * sizeof *b->at);
    free(b->at);
    b->at = at;
    b->mask = slots - 1;
    return ERR_NONE;
}

enum err tagbook_add(struct tagbook *b, const uint8_t tag[TAG_LEN], uint64_t value)
{
    struct place p = { hash_of(b, tag), value };
    size_t i = (size_t)p.hash & b->mask;
    enum err e;

    for (; b->at[i].hash != 0; i = (i + 1) & b->mask) {
        if (b->at[i].hash == p.hash && b->at[i].value == value)
            return ERR_NONE;
    }
    if ((b->count + 1) * 3 > (b->mask + 1) * 2) {
        if ((e = resize(b, (b->mask + 1) * 2)) != ERR_NONE)
            return e;
    }
    put(b->at, b->mask, p);
    b->count++;
    return ERR_NONE;
}

bool tagbook_find(const struct tagbook *b, const uint8_t tag[TAG_LEN], unsigned nth, uint64_t *value)
{
    uint64_t hash = hash_of(b, tag);

    for (size_t i = (size_t)hash & b->mask; b->at[i].hash != 0; i = (i + 1) & b->mask) {
        if (b->at[i].hash != hash)
            continue;
        if (nth-- == 0) {
            *value = b->at[i].value;
            return true;
        }
    }
    return false;
}

/* Closes the gap: an entry moves down when its home is not between the gap and itself. */
static void remove_at(struct tagbook *b, size_t gap)
{
    for (size_t i = (gap + 1) & b->mask; b->at[i].hash != 0; i = (i + 1) & b->mask) {
        size_t home = (size_t)b->at[i].hash & b->mask;

        if (((i - home) & b->mask) >= ((i - gap) & b->mask)) {
            b->at[gap] = b->at[i];
            gap = i;
        }
    }
    b->at[gap].hash = 0;
    b->at[gap].value = 0;
    b->count--;
}

bool tagbook_remove(struct tagbook *b, const uint8_t tag[TAG_LEN], uint64_t value)
{
    uint64_t hash = hash_of(b, tag);

    for (size_t i = (size_t)hash & b->mask; b->at[i].hash != 0; i = (i + 1) & b->mask) {
        if (b->at[i].hash == hash && b->at[i].value == value) {
            remove_at(b, i);
            return true;
        }
    }
    return false;
}

bool tagbook_remove_any(struct tagbook *b, uint64_t drawn)
{
    if (b->count == 0)
        return false;
    size_t i = (size_t)drawn & b->mask;
    while (b->at[i].hash == 0)
        i = (i + 1) & b->mask;
    remove_at(b, i);
    return true;
}

size_t tagbook_count(const struct tagbook *b)
{
    return b->count;
}

enum err tagbook_keep(struct tagbook *b, tagbook_keep_if *keep, void *ctx)
{
    size_t kept = 0, slots = SLOTS_FIRST;

    for (size_t i = 0; i <= b->mask; i++)
        kept += b->at[i].hash != 0 && keep(ctx, b->at[i].value);
    while (kept * 3 > slots * 2)
        slots *= 2;
    struct place *at = calloc(slots, sizeof *at);
    if (at == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i <= b->mask; i++) {
        if (b->at[i].hash != 0 && keep(ctx, b->at[i].value))
            put(at, slots - 1, b->at[i]);
    }
    secret_wipe(b->at, (b->mask + 1) * sizeof *b->at);
    free(b->at);
    b->at = at;
    b->mask = slots - 1;
    b->count = kept;
    return ERR_NONE;
}
