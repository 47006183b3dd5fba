/* mesh/sketch_map.h - which cells a short id belongs to, and what it adds to them (protocol section 7.3).
 *
 * The part of a sketch on which two nodes must agree to the bit. A member is in cell 0 and walks from there:
 * after cell i its next cell lies beyond j with probability (i+1)(i+2) / ((j+1)(j+2)), which is the product of the
 * chances 1 - 1/(1 + k/2) of not being in the cells between. Yang et al. approximate the inverse by
 * ceil((i + 1.5) (1/sqrt(u) - 1)); here the defining inequality itself is decided, in integers. Floating point
 * only guesses where to look, so rounding modes, x87 registers and -ffast-math cannot make two machines disagree.
 */
#ifndef STA_MESH_SKETCH_MAP_H
#define STA_MESH_SKETCH_MAP_H

#include <math.h>
#include <stdint.h>

#include "mesh/base/limits.h"

#define SKETCH_SID_MASK (((uint64_t)1 << 48) - 1)

enum {
    SKETCH_DRAW_BITS = 26, /* (i+1)(i+2) << 26 stays below 2^63 for every cell */
    SKETCH_NO_CELL   = SKETCH_CELLS_MAX,
};

struct sketch_key { uint64_t k0, k1; };

static inline struct sketch_key sketch_key_of(const uint8_t key[16])
{
    struct sketch_key k = { 0, 0 };

    for (unsigned i = 8; i > 0; i--) {
        k.k0 = k.k0 << 8 | key[i - 1];
        k.k1 = k.k1 << 8 | key[i + 7];
    }
    return k;
}

/* The finalizer of splitmix64: a bijection, so distinct ids never share a walk. */
static inline uint64_t sketch_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Where the walk of a short id starts. */
static inline uint64_t sketch_seed(const struct sketch_key *k, uint64_t sid)
{
    return sketch_mix(sid ^ k->k0) + k->k1;
}

/* What a member adds to a cell: the short id in the low 48 bits, its check word above. */
static inline uint64_t sketch_word(uint64_t sid, uint64_t seed)
{
    return sid | sketch_mix(seed) >> 48 << 48;
}

/* The cell after cell `at`, at < SKETCH_CELLS_MAX; SKETCH_NO_CELL when it lies beyond the last. */
static inline uint32_t sketch_next(uint64_t *state, uint32_t at)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;

    uint64_t draw = (*state >> (64 - SKETCH_DRAW_BITS)) + 1;
    uint64_t reach = ((uint64_t)at + 1) * ((uint64_t)at + 2) << SKETCH_DRAW_BITS;
    double guess = sqrt((double)(int64_t)reach / (double)(int64_t)draw + 0.25) - 0.5;

    if (guess > SKETCH_CELLS_MAX + 1)
        return SKETCH_NO_CELL;
    /* The smallest j with (j+1)(j+2) * draw > reach; the guess is off by one at most. */
    uint64_t j = (uint64_t)guess;
    while ((j + 1) * (j + 2) * draw <= reach)
        j++;
    while (j > 0 && j * (j + 1) * draw > reach)
        j--;
    return j < SKETCH_CELLS_MAX ? (uint32_t)j : SKETCH_NO_CELL;
}

#endif
