/* crypto/random.c - the system's random generator. */
#include "crypto/random.h"

#include <sodium.h>

static void fill(void *state, uint8_t *to, size_t len)
{
    (void)state;
    randombytes_buf(to, len);
}

struct rng rng_system(void)
{
    struct rng g = { fill, NULL };

    return g;
}
