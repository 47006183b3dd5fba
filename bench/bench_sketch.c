/* bench/bench_sketch.c - what it costs two stores to find out how they differ.
 *
 * For sets of several sizes and differences (half on each side) one side encodes and the other decodes, in bursts:
 * 64 cells, then what sketch_cells_wanted asks for, in records of 16 KiB. Every figure is the mean of several runs with
 * different ids; the bytes include 6 for every id wanted or offered afterwards. CPU is that of both ends, from the
 * short ids to the two lists; memory is what the coders hold at the end.
 */
#define _DEFAULT_SOURCE
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "mesh/sketch.h"
#include "tests/support/seeded.h"

enum { RECORD_LEN = 16384, SID_LEN = 6 };

struct result {
    double cells, cell_bytes, bursts, cpu_ms;
    size_t encoder_bytes, decoder_bytes, cell_bytes_most, bursts_most;
    unsigned two_bursts;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_sketch: %s\n", what);
    exit(1);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* One burst. Returns the bytes. */
static size_t burst(struct sketch_encoder *from, struct sketch_decoder *to, size_t cells)
{
    static uint8_t space[RECORD_LEN];
    size_t bytes = 0;

    while (cells > 0) {
        struct writer w = writer_of(space, sizeof space);
        size_t n = sketch_encode(from, cells, &w);
        struct reader r = reader_of(writer_bytes(&w));

        if (n == 0 || sketch_decode(to, n, &r) != ERR_NONE)
            die("the cells were refused");
        cells -= n;
        bytes += writer_len(&w);
    }
    return bytes;
}

static void run(struct result *out, size_t members, size_t difference, uint64_t seed)
{
    struct seeded g;
    struct rng rng = (seeded_init(&g, seed), seeded_rng(&g));
    size_t ours_only = difference / 2, theirs_only = difference - ours_only, bytes = 0, cells = 0, bursts = 0;
    size_t common = members - ours_only, count;
    uint64_t *sids = malloc((ours_only + common + theirs_only + 1) * sizeof *sids);
    uint8_t key[16];
    struct sketch_encoder *theirs;
    struct sketch_decoder *ours;

    if (sids == NULL)
        die("no memory");
    for (size_t i = 0; i < ours_only + common + theirs_only; i++)
        sids[i] = rng_u64(&rng) >> 16;
    rng_fill(&rng, key, sizeof key);

    size_t heap = heap_bytes();
    double began_ms = cpu_ms();
    if (sketch_encoder_new(&theirs, sids + ours_only, common + theirs_only, key) != ERR_NONE)
        die("no encoder");
    size_t encoder_bytes = heap_bytes() - heap;
    if (sketch_decoder_new(&ours, sids, ours_only + common, key) != ERR_NONE)
        die("no decoder");
    sketch_decoder_expect(ours, common + theirs_only);
    while (!sketch_is_decoded(ours)) {
        size_t wanted = sketch_cells_wanted(ours);

        if (wanted == 0)
            die("gave up");
        bytes += burst(theirs, ours, wanted);
        cells += wanted;
        bursts++;
    }
    double took_ms = cpu_ms() - began_ms;
    size_t decoder_bytes = heap_bytes() - heap - encoder_bytes;
    sketch_remote_only(ours, &count);
    if (count != theirs_only)
        die("another difference than there is");
    sketch_local_only(ours, &count);
    if (count != ours_only)
        die("another difference than there is");
    sketch_encoder_free(theirs);
    sketch_decoder_free(ours);
    free(sids);

    out->cells += (double)cells;
    out->cell_bytes += (double)bytes;
    out->bursts += (double)bursts;
    out->cpu_ms += took_ms;
    out->two_bursts += bursts <= 2;
    if (bytes > out->cell_bytes_most)
        out->cell_bytes_most = bytes;
    if (bursts > out->bursts_most)
        out->bursts_most = bursts;
    if (encoder_bytes > out->encoder_bytes)
        out->encoder_bytes = encoder_bytes;
    if (decoder_bytes > out->decoder_bytes)
        out->decoder_bytes = decoder_bytes;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 1000, 10000, 100000 }, differences[] = { 0, 1, 10, 100, 1000, 10000 };
    unsigned runs = 10;

    if (argc == 2 && strcmp(argv[1], "--quick") == 0) {
        runs = 2;
    } else if (argc != 1) {
        fprintf(argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr,
                "usage: bench_sketch [--quick]\n"
                "Two sets that differ: bytes, round trips, CPU of both ends and memory until the difference is known.\n"
                "Bytes are of cells plus 6 for every id wanted or offered; mean and worst of %u runs (2 with --quick).\n",
                runs);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }

    printf("%8s %10s %8s %8s %8s %8s %7s %6s %5s %8s %8s %8s\n", "members", "difference", "cells", "bytes", "worst", "B/diff",
           "bursts", "worst", "<=2", "CPU ms", "enc kB", "dec kB");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof differences / sizeof differences[0]; j++) {
            size_t members = sizes[i], difference = differences[j];
            struct result t = { 0 };

            if (difference / 2 > members)
                continue;
            for (unsigned n = 0; n < runs; n++)
                run(&t, members, difference, 1000 * (uint64_t)members + 10 * difference + n);
            double ids_bytes = (double)(SID_LEN * difference), bytes = t.cell_bytes / runs + ids_bytes;
            printf("%8zu %10zu %8.0f %8.0f %8.0f %8.1f %7.1f %6zu %4.0f%% %8.2f %8.0f %8.0f\n", members, difference,
                   t.cells / runs, bytes, (double)t.cell_bytes_most + ids_bytes,
                   bytes / (difference > 0 ? (double)difference : 1), t.bursts / runs, t.bursts_most,
                   100.0 * t.two_bursts / runs, t.cpu_ms / runs, (double)t.encoder_bytes / 1e3, (double)t.decoder_bytes / 1e3);
        }
    }
    return 0;
}
