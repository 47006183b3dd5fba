/* bench/bench_stamp.c - what proof of work costs: stamps tried a second, and what the demands of section 10 come to.
 *
 *     bench_stamp
 *
 * CPU time of one thread. The floor is the hash alone, as libsodium computes it of so many bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/hash.h"
#include "mesh/bundle.h"

enum { TRIES = 1 << 20, ROUNDS = 5 };

static double cpu_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static double of_search(void)
{
    struct bundle_id id = { .octets = { 1, 2, 3 } };
    uint8_t bundle[HEADER_LEN] = { 0 };
    uint64_t counter = 0;
    double from = cpu_s();

    /* More bits than are ever found: every try is made. */
    if (stamp_search(bundle, &id, 60, &counter, TRIES))
        abort();
    return TRIES / (cpu_s() - from);
}

static double of_hash(void)
{
    uint8_t in[24] = { 0 }, out[32];
    double from = cpu_s();

    for (int i = 0; i < TRIES; i++) {
        hash_derive_one(out, sizeof out, bytes_of(NULL, 0), "pow", bytes_of(in, sizeof in));
        memcpy(in + 16, out, 8);
    }
    return TRIES / (cpu_s() - from);
}

int main(void)
{
    static const uint8_t fills[] = { 80, 90, 99 };
    double search = 0, hash = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double s = of_search(), h = of_hash();

        search = s > search ? s : search;
        hash = h > hash ? h : hash;
    }
    printf("stamps tried a second   %10.0f   (the hash alone: %.0f)\n", search, hash);
    for (size_t i = 0; i < sizeof fills; i++)
        printf("%u bits, mean            %10.3f s of CPU\n", stamp_demand(fills[i]), (double)(1u << stamp_demand(fills[i])) / search);
    return 0;
}
