/* apps/simulator/bits.h - a set of small numbers that grows. A zeroed one is empty. */
#ifndef STA_SIMULATOR_BITS_H
#define STA_SIMULATOR_BITS_H

#include <stdlib.h>
#include <string.h>

#include "apps/simulator/table.h"

struct bits {
    uint64_t *words;
    size_t count;
};

static inline bool bits_has(const struct bits *b, uint32_t at)
{
    return at / 64 < b->count && (b->words[at / 64] >> (at % 64) & 1) != 0;
}

static inline void bits_widen(struct bits *b, size_t count)
{
    if (count <= b->count)
        return;
    b->words = (uint64_t *)grow(b->words, count, sizeof *b->words);
    memset(b->words + b->count, 0, (count - b->count) * sizeof *b->words);
    b->count = count;
}

static inline void bits_add(struct bits *b, uint32_t at)
{
    if (at / 64 >= b->count)
        bits_widen(b, at / 32 + 1);
    b->words[at / 64] |= (uint64_t)1 << (at % 64);
}

/* Adds all of `from`; true when that brought anything. */
static inline bool bits_join(struct bits *b, const struct bits *from)
{
    uint64_t news = 0;

    bits_widen(b, from->count);
    for (size_t i = 0; i < from->count; i++) {
        news |= from->words[i] & ~b->words[i];
        b->words[i] |= from->words[i];
    }
    return news != 0;
}

#endif
