/* crypto/random.h - the system's random generator as a struct rng. Thread-safe. */
#ifndef STA_CRYPTO_RANDOM_H
#define STA_CRYPTO_RANDOM_H

#include "mesh/base/rng.h"

struct rng rng_system(void);

#endif
