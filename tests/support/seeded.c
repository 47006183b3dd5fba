/* tests/support/seeded.c - xoshiro256** by Blackman and Vigna, seeded by splitmix64. */
#include "tests/support/seeded.h"

static uint64_t rotate(uint64_t v, int by) { return v << by | v >> (64 - by); }

static uint64_t next(struct seeded *g)
{
    uint64_t result = rotate(g->s[1] * 5, 7) * 9, t = g->s[1] << 17;

    g->s[2] ^= g->s[0];
    g->s[3] ^= g->s[1];
    g->s[1] ^= g->s[2];
    g->s[0] ^= g->s[3];
    g->s[2] ^= t;
    g->s[3] = rotate(g->s[3], 45);
    return result;
}

void seeded_init(struct seeded *g, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        g->s[i] = z ^ z >> 31;
    }
}

static void fill(void *state, uint8_t *to, size_t len)
{
    while (len > 0) {
        uint64_t v = next(state);

        for (int i = 0; i < 8 && len > 0; i++, len--, v >>= 8)
            *to++ = (uint8_t)v;
    }
}

struct rng seeded_rng(struct seeded *g)
{
    struct rng r = { fill, g };

    return r;
}
