/* tests/support/seeded.h - a repeatable rng (xoshiro256**), for tests and the simulator.
 * Never linked into a program that seals for people.
 */
#ifndef STA_TESTS_SEEDED_H
#define STA_TESTS_SEEDED_H

#include "mesh/base/rng.h"

struct seeded { uint64_t s[4]; };

void seeded_init(struct seeded *g, uint64_t seed);
struct rng seeded_rng(struct seeded *g);   /* borrows g */

#endif
