/* mesh/base/rng.h - randomness as an argument.
 *
 * The system's generator is crypto/random.h; a seeded one for tests and the
 * simulator is tests/support/seeded.h. Nothing below apps/ draws by itself.
 */
#ifndef STA_BASE_RNG_H
#define STA_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    void (*fill)(void *state, uint8_t *to, size_t len); /* cannot fail */
    void *state;
};

void     rng_fill(const struct rng *g, void *to, size_t len);
uint64_t rng_u64(const struct rng *g);

/* Uniform in 0..bound-1 without bias; bound > 0. */
uint32_t rng_below(const struct rng *g, uint32_t bound);

#endif
