/* apps/simulator/table.c - linear probing, removal by shifting back. */
#include "apps/simulator/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *grow(void *at, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        fputs("staffetta-sim: more than this machine can address\n", stderr);
        exit(1);
    }

    void *more = realloc(at, count * size > 0 ? count * size : 1);

    if (more == NULL) {
        fputs("staffetta-sim: out of memory\n", stderr);
        exit(1);
    }
    return more;
}

void *grow_for(void *at, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return at;
    *cap = *cap > 0 ? *cap * 2 : 8;
    return grow(at, *cap, size);
}

static size_t home(const struct table *t, uint64_t key)
{
    uint64_t z = key * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u;
    return (size_t)(z ^ z >> 32) & t->mask;
}

void table_clear(struct table *t)
{
    free(t->keys);
    free(t->values);
    memset(t, 0, sizeof *t);
}

uint32_t table_find(const struct table *t, uint64_t key)
{
    if (t->mask == 0)
        return TABLE_NONE;
    for (size_t i = home(t, key); t->keys[i] != 0; i = (i + 1) & t->mask)
        if (t->keys[i] == key + 1)
            return t->values[i];
    return TABLE_NONE;
}

static void widen(struct table *t)
{
    struct table old = *t;
    size_t slots = old.mask > 0 ? (old.mask + 1) * 2 : 16;

    t->mask = slots - 1;
    t->keys = grow(NULL, slots, sizeof *t->keys);
    t->values = grow(NULL, slots, sizeof *t->values);
    memset(t->keys, 0, slots * sizeof *t->keys);
    t->count = 0;
    for (size_t i = 0; old.mask > 0 && i <= old.mask; i++)
        if (old.keys[i] != 0)
            table_put(t, old.keys[i] - 1, old.values[i]);
    free(old.keys);
    free(old.values);
}

void table_put(struct table *t, uint64_t key, uint32_t value)
{
    if (t->mask == 0 || t->count * 3 > t->mask * 2)
        widen(t);

    size_t i = home(t, key);

    while (t->keys[i] != 0 && t->keys[i] != key + 1)
        i = (i + 1) & t->mask;
    t->count += t->keys[i] == 0;
    t->keys[i] = key + 1;
    t->values[i] = value;
}

void table_remove(struct table *t, uint64_t key)
{
    if (t->mask == 0)
        return;

    size_t i = home(t, key);

    while (t->keys[i] != 0 && t->keys[i] != key + 1)
        i = (i + 1) & t->mask;
    if (t->keys[i] == 0)
        return;
    t->count--;
    /* Later members of the run that may stand here move up, so that no search stops early. */
    for (size_t j = (i + 1) & t->mask; t->keys[j] != 0; j = (j + 1) & t->mask) {
        size_t from = home(t, t->keys[j] - 1);

        if (((j - from) & t->mask) >= ((j - i) & t->mask)) {
            t->keys[i] = t->keys[j];
            t->values[i] = t->values[j];
            i = j;
        }
    }
    t->keys[i] = 0;
}
