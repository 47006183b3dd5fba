/* mesh/base/rng.c - randomness as an argument. */
#include "mesh/base/rng.h"

#include <assert.h>

void rng_fill(const struct rng *g, void *to, size_t len)
{
    g->fill(g->state, to, len);
}

uint64_t rng_u64(const struct rng *g)
{
    uint8_t b[8];
    uint64_t v = 0;

    rng_fill(g, b, sizeof b);
    for (size_t i = sizeof b; i > 0; i--)
        v = v << 8 | b[i - 1];
    return v;
}

uint32_t rng_below(const struct rng *g, uint32_t bound)
{
    assert(bound > 0);
    /* Values under (2^64 mod bound) would favour small results. */
    uint64_t floor = (0 - (uint64_t)bound) % bound;
    uint64_t v;

    do
        v = rng_u64(g);
    while (v < floor);
    return (uint32_t)(v % bound);
}
