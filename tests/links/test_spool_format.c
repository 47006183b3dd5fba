/* Spool files that are cut, flipped, forged and glued: whole records always come out, and nothing else does. */
#include "mesh/links/spool_format.h"
#include "crypto/hash.h"
#include "tests/links/spool_bundles.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 3, FILE_MAX = 16 * 1024 };

static struct bytes bundles[RECORDS];
static uint8_t bundle_octets[RECORDS][1024];
static uint8_t file[FILE_MAX];
static size_t file_len, ends[RECORDS];

struct seen { unsigned count, wrong; bool has[RECORDS]; enum err answer; };

static enum err on_bundle(void *ctx, struct bytes bundle, uint8_t hops, uint16_t life_h)
{
    struct seen *s = ctx;

    s->count++;
    for (unsigned i = 0; i < RECORDS; i++)
        if (bytes_are_equal(bundle, bundles[i]) && hops == i && life_h == 100 + i) {
            s->has[i] = true;
            return s->answer;
        }
    s->wrong++;
    return s->answer;
}

static void make_file(void)
{
    struct seeded seed;
    struct spool_header h = { 12345 };
    struct writer w = writer_of(file, sizeof file);

    seeded_init(&seed, 7);
    struct rng g = seeded_rng(&seed);
    spool_header_encode(writer_gap(&w, SPOOL_HEADER_LEN), &h);
    for (unsigned i = 0; i < RECORDS; i++) {
        bundles[i] = bundle_make(bundle_octets[i], &g, i == 1 ? 1 : 0, 60000);
        spool_record_encode(&w, bundles[i], (uint8_t)i, (uint16_t)(100 + i));
        ends[i] = writer_len(&w);
    }
    REQUIRE(!w.failed);
    file_len = writer_len(&w);
    CHECK(file_len == SPOOL_HEADER_LEN + 3 * SPOOL_OVERHEAD + 256 + 512 + 256);
}

static struct seen parse(struct bytes in, enum err want, bool *is_damaged)
{
    struct seen s = { .answer = ERR_NONE };
    /* A copy of exactly that length, for the sanitizer to see a step past it. */
    uint8_t *copy = malloc(in.len > 0 ? in.len : 1);

    REQUIRE(copy != NULL);
    if (in.len > 0)
        memcpy(copy, in.at, in.len);
    *is_damaged = false;
    CHECK_ERR("parse", spool_parse(bytes_of(copy, in.len), on_bundle, &s, is_damaged), want);
    free(copy);
    return s;
}

static void test_whole(void)
{
    bool is_damaged;
    struct seen s = parse(bytes_of(file, file_len), ERR_NONE, &is_damaged);

    CHECK(s.count == RECORDS && s.wrong == 0 && !is_damaged);
}

static void test_truncation(void)
{
    for (size_t len = 0; len < file_len; len++) {
        bool is_damaged, is_clean = len == SPOOL_HEADER_LEN;
        struct seen s = parse(bytes_of(file, len), len < SPOOL_HEADER_LEN ? ERR_MALFORMED : ERR_NONE, &is_damaged);
        unsigned whole = 0;

        for (unsigned i = 0; i < RECORDS; i++) {
            whole += ends[i] <= len;
            is_clean = is_clean || ends[i] == len;
        }
        CHECK(s.count == (len < SPOOL_HEADER_LEN ? 0 : whole) && s.wrong == 0);
        CHECK(is_damaged == (len >= SPOOL_HEADER_LEN && !is_clean));
    }
}

/* Every bit in turn: the record it is in is lost, the others are not, and nothing false comes out. */
static void test_flips(void)
{
    for (size_t at = SPOOL_HEADER_LEN; at < file_len; at++)
        for (int bit = 0; bit < 8; bit++) {
            bool is_damaged;
            struct seen s;

            file[at] ^= (uint8_t)(1 << bit);
            s = parse(bytes_of(file, file_len), ERR_NONE, &is_damaged);
            file[at] ^= (uint8_t)(1 << bit);
            if (!CHECK(s.wrong == 0 && s.count == RECORDS - 1 && is_damaged))
                return;
            for (unsigned i = 0; i < RECORDS; i++)
                if (!CHECK(s.has[i] == (at >= ends[i] || (i > 0 ? at < ends[i - 1] : false))))
                    return;
        }
}

/* The same records whatever the parts the file comes in. */
static void test_parts(void)
{
    static const size_t steps[] = { 1, 2, 3, 7, 255, 256, 300, 1000 };

    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
        struct seen seen = { .answer = ERR_NONE };
        struct spool_scan scan = { on_bundle, &seen, 0, false };
        size_t from = SPOOL_HEADER_LEN, to = from, consumed;

        while (to < file_len) {
            to = to + steps[k] < file_len ? to + steps[k] : file_len;
            CHECK_ERR("part", spool_scan(&scan, bytes_of(file + from, to - from), to == file_len, &consumed), ERR_NONE);
            from += consumed;
            CHECK(to - from < SPOOL_RECORD_MAX);
        }
        CHECK(from == file_len && seen.count == RECORDS && seen.wrong == 0 && !scan.is_damaged);
    }
}

static void test_malformed(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "empty",             "", ERR_MALFORMED },
        { "text",              "68656c6c6f20776f726c642c2068656c6c6f", ERR_MALFORMED },
        { "magic only",        "89737461660d0a1a", ERR_MALFORMED },
        { "line ends changed", "89737461660a1a0100000000000000000000", ERR_MALFORMED },
        { "version 0",         "89737461660d0a1a00000000ffffffff", ERR_VERSION },
        { "version 2",         "89737461660d0a1a02000000ffffffff", ERR_VERSION },
        { "no records",        "89737461660d0a1a01000000ffffffff", ERR_NONE },
        { "zeros",             "89737461660d0a1a01000000ffffffff0000000000000000", ERR_NONE },
        { "marker at the end", "89737461660d0a1a01000000ffffffffec42444c", ERR_NONE },
        { "marker cut",        "89737461660d0a1a01000000ffffffffec42", ERR_NONE },
        { "unknown class",     "89737461660d0a1a01000000ffffffffec42444c0064001f0000000000000000000000000000000000000000"
                               "0000000000000000000000000000000000", ERR_NONE },
        { "size code 9",       "89737461660d0a1a01000000ffffffffec42444c006400110900000000000000000000000000000000000000"
                               "0000000000000000000000000000000000", ERR_NONE },
        { "size code 8, cut",  "89737461660d0a1a01000000ffffffffec42444c006400110800000000000000000000000000000000000000"
                               "0000000000000000000000000000000000", ERR_NONE },
    };
    struct buffer b = buffer_of_limit(4096);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes in = check_hex(&b, cases[i].hex);
        bool is_damaged = false;
        struct seen s = parse(in, cases[i].want, &is_damaged);

        CHECK_CASE(cases[i].name, s.count == 0);
        CHECK_CASE(cases[i].name, is_damaged == (cases[i].want == ERR_NONE && in.len > SPOOL_HEADER_LEN));
    }
    buffer_clear(&b);
}

/* A visitor that cannot go on ends it; so does a file that is nothing but forged checksums. */
static void test_stops(void)
{
    struct seen s = { .answer = ERR_NO_MEMORY };
    bool is_damaged = false;
    size_t forged_len = SPOOL_HEADER_LEN + (size_t)40 * 20000;
    uint8_t *forged = calloc(1, forged_len);
    struct spool_scan scan = { on_bundle, &s, 0, false };
    size_t consumed;

    REQUIRE(forged != NULL);
    CHECK_ERR("visitor", spool_parse(bytes_of(file, file_len), on_bundle, &s, &is_damaged), ERR_NO_MEMORY);
    CHECK(s.count == 1);
    for (size_t at = SPOOL_HEADER_LEN; at + 40 <= forged_len; at += 40) {
        memcpy(forged + at, "\xec" "BDL\x00\x64\x00\x11\x00", 9);
    }
    memcpy(forged, file, SPOOL_HEADER_LEN);
    CHECK_ERR("forged", spool_scan(&scan, bytes_of(forged + SPOOL_HEADER_LEN, forged_len - SPOOL_HEADER_LEN), true, &consumed),
              ERR_CORRUPT);
    CHECK_ERR("forged file", spool_parse(bytes_of(forged, forged_len), on_bundle, &s, &is_damaged), ERR_NONE);
    CHECK(is_damaged && s.count == 1);
    free(forged);
}

int main(int argc, char **argv)
{
    REQUIRE(crypto_start() == ERR_NONE);
    make_file();
    /* For the fuzzer's corpus: the good file, written where asked. */
    if (argc == 2) {
        FILE *f = fopen(argv[1], "wb");

        REQUIRE(f != NULL && fwrite(file, 1, file_len, f) == file_len);
        fclose(f);
        return 0;
    }
    test_whole();
    test_truncation();
    test_flips();
    test_parts();
    test_malformed();
    test_stops();
    return check_report("test_spool_format");
}
