/* apps/simulator/dice.h - the simulator's own draws: seeded, repeatable, the same on every machine.
 *
 * xoshiro256** by Blackman and Vigna, seeded by splitmix64. Integers and exact scaling only, so that no
 * mathematics library has a say in a run.
 */
#ifndef STA_SIMULATOR_DICE_H
#define STA_SIMULATOR_DICE_H

#include <stdint.h>

struct dice {
    uint64_t s[4];
};

static inline void dice_init(struct dice *d, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        d->s[i] = z ^ z >> 31;
    }
}

static inline uint64_t dice_u64(struct dice *d)
{
    uint64_t *s = d->s, five = s[1] * 5, result = (five << 7 | five >> 57) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* Uniform in 0..bound-1, bound > 0; the bias is below 2^-32. */
static inline uint32_t dice_below(struct dice *d, uint32_t bound)
{
    return (uint32_t)((dice_u64(d) >> 32) * bound >> 32);
}

/* Uniform in [0, 1). */
static inline double dice_unit(struct dice *d)
{
    return (double)(dice_u64(d) >> 11) * 0x1p-53;
}

#endif
