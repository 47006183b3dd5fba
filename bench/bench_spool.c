/* bench/bench_spool.c - writes a spool file of random sealed bundles of 256 bytes, for `staffetta import`.
 *
 * Whoever imports it carries them as a stick's: what a relay needs with many bundles is measured so, with the
 * real daemon.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "mesh/links/spool_format.h"

enum { LIFE_H = 7 * 24 };

static void die(const char *what)
{
    fprintf(stderr, "bench_spool: %s\n", what);
    exit(1);
}

static void write_all(FILE *to, const uint8_t *at, size_t len)
{
    if (fwrite(at, 1, len, to) != len)
        die("the file cannot be written");
}

int main(int argc, char **argv)
{
    unsigned long count = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;
    uint8_t bundle[BUNDLE_LEN_MIN], record[SPOOL_OVERHEAD + BUNDLE_LEN_MIN], start[SPOOL_HEADER_LEN];
    struct header h = { .bundle_class = CLASS_SEALED };
    struct spool_header header = { SPOOL_NO_CLOCK };
    struct rng g = rng_system();
    FILE *to;

    if (count == 0) {
        fputs("usage: bench_spool BUNDLES FILE\nWrites a spool file of random bundles of 256 bytes.\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    if (crypto_start() != ERR_NONE || (to = fopen(argv[2], "wb")) == NULL)
        die("the file cannot be made");
    h.expiry_h = expiry_for_unix((uint64_t)time(NULL) + LIFE_H * 3600);
    spool_header_encode(start, &header);
    write_all(to, start, sizeof start);
    for (unsigned long i = 0; i < count; i++) {
        struct writer w = writer_of(record, sizeof record);

        rng_fill(&g, bundle, sizeof bundle);
        rng_fill(&g, h.tag, sizeof h.tag);
        header_encode(&h, bundle);
        spool_record_encode(&w, bytes_of(bundle, sizeof bundle), 1, LIFE_H);
        write_all(to, record, writer_len(&w));
    }
    if (fclose(to) != 0)
        die("the file cannot be written");
    return 0;
}
