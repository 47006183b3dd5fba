/* tests/media/test_erasure.c - any sufficient subset gives the content back, and how often chance leaves one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/media/erasure.h"
#include "apps/media/layout.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { LEN = 96, ROWS = 255 };

static uint8_t rows[ROWS][LEN];

static void make_block(struct seeded *g, uint32_t k, uint32_t p)
{
    struct rng r = seeded_rng(g);
    struct erasure *e = NULL;

    REQUIRE(erasure_encoder_new(&e, k, p, LEN) == ERR_NONE);
    /* In an order of their own: the sum does not care. */
    for (uint32_t i = 0; i < k; i++)
        rng_fill(&r, rows[i], LEN);
    for (uint32_t i = k; i-- > 0;)
        erasure_add(e, i, rows[i]);
    for (uint32_t i = 0; i < p; i++)
        memcpy(rows[k + i], erasure_row(e, i), LEN);
    erasure_free(e);
}

/* Loses the rows for which `is_lost` says so, as many as leave k, and gets the data back. */
static bool comes_back(uint32_t k, uint32_t p, const bool *is_lost)
{
    uint8_t given[ROWS], wanted[ROWS];
    uint32_t given_count = 0, wanted_count = 0;
    struct erasure *e = NULL;
    bool is_same = true;

    for (uint32_t i = 0; i < k + p && given_count < k; i++)
        if (!is_lost[i])
            given[given_count++] = (uint8_t)i;
    for (uint32_t i = 0; i < k; i++)
        if (is_lost[i])
            wanted[wanted_count++] = (uint8_t)i;
    if (given_count < k)
        return false;
    if (wanted_count == 0)
        return true;
    if (erasure_decoder_new(&e, k, p, LEN, given, wanted, wanted_count) != ERR_NONE)
        return false;
    for (uint32_t i = 0; i < k; i++)
        erasure_add(e, i, rows[given[i]]);
    for (uint32_t i = 0; i < wanted_count; i++)
        is_same = is_same && memcmp(erasure_row(e, i), rows[wanted[i]], LEN) == 0;
    erasure_free(e);
    return is_same;
}

/* Every subset of small blocks. */
static void test_every_subset(void)
{
    struct seeded g;

    seeded_init(&g, 1);
    for (uint32_t k = 1; k <= 6; k++) {
        for (uint32_t p = 1; p <= 4; p++) {
            make_block(&g, k, p);
            for (uint32_t set = 0; set < 1u << (k + p); set++) {
                bool is_lost[ROWS] = { false };
                uint32_t lost = 0;

                for (uint32_t i = 0; i < k + p; i++)
                    lost += is_lost[i] = (set >> i & 1) != 0;
                CHECK(comes_back(k, p, is_lost) == (lost <= p));
            }
        }
    }
}

static void test_large_blocks(void)
{
    struct seeded g;
    struct rng r = seeded_rng(&g);

    seeded_init(&g, 2);
    for (unsigned round = 0; round < 60; round++) {
        uint32_t k = 1 + rng_below(&r, BLOCK_DATA_MAX), p = 1 + rng_below(&r, BLOCK_PARITY_MAX);
        bool is_lost[ROWS] = { false };

        make_block(&g, k, p);
        for (uint32_t lost = 0; lost < p;) {
            uint32_t i = rng_below(&r, k + p);

            lost += !is_lost[i];
            is_lost[i] = true;
        }
        CHECK(comes_back(k, p, is_lost));
    }
}

/* ---- The layout ---- */

static void test_layout(void)
{
    static const uint64_t sizes[] = { 1, 8136, 32712, 32713, 100000, 1000000, 1 << 20, 4186000, 4187137, 50000000, MEDIA_SIZE_MAX };
    struct layout l;

    CHECK(layout_of(&l, PART_ORIGINAL, 0) == ERR_MALFORMED);
    CHECK(layout_of(&l, PART_ORIGINAL, MEDIA_SIZE_MAX + 1) == ERR_TOO_LARGE);
    CHECK(layout_of(&l, PART_LIGHT, LIGHT_SIZE_MAX + 1) == ERR_TOO_LARGE);
    CHECK(layout_of(&l, PART_LIGHT, UINT64_MAX) == ERR_TOO_LARGE);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t sum = 0, block_sum = 0;

        REQUIRE(layout_of(&l, PART_ORIGINAL, sizes[i]) == ERR_NONE);
        REQUIRE(layout_chunks(&l) <= CHUNKS_MAX);
        for (uint32_t b = 0; b < l.blocks; b++) {
            uint32_t k = layout_block_data(&l, b);

            block_sum += k;
            REQUIRE(k >= 1 && k <= BLOCK_DATA_MAX && k + l.parity <= 255);
            for (uint32_t row = 0; row < k + l.parity; row++) {
                uint32_t index = layout_index(&l, b, row);

                REQUIRE(index < layout_chunks(&l) && layout_block(&l, index) == b && layout_row(&l, index) == row);
            }
        }
        for (uint32_t d = 0; d < l.data; d++)
            sum += layout_len(&l, d);
        CHECK(sum == sizes[i] && block_sum == l.data);
        /* What is kept on the way, in whole bundles. */
        if (sizes[i] >= 1000000)
            CHECK((uint64_t)layout_chunks(&l) * 32768 <= sizes[i] * 5 / 4);
    }
}

/* Three couriers who each carry a random 60 % of the chunks of 1 MB: the receiver has enough without asking. */
static bool couriers_suffice(const struct layout *l, uint64_t seed)
{
    uint32_t all = layout_chunks(l), carried = (all * 3 + 4) / 5, order[CHUNKS_MAX];
    bool has_come[CHUNKS_MAX] = { false };
    struct seeded g;
    struct rng r = seeded_rng(&g);

    seeded_init(&g, seed);
    for (int courier = 0; courier < 3; courier++) {
        for (uint32_t i = 0; i < all; i++)
            order[i] = i;
        for (uint32_t i = 0; i < carried; i++) {
            uint32_t j = i + rng_below(&r, all - i), swap = order[i];

            order[i] = order[j];
            order[j] = swap;
            has_come[order[i]] = true;
        }
    }
    for (uint32_t b = 0; b < l->blocks; b++) {
        uint32_t k = layout_block_data(l, b);
        bool is_lost[ROWS] = { false };

        make_block(&g, k, l->parity);
        for (uint32_t row = 0; row < k + l->parity; row++)
            is_lost[row] = !has_come[layout_index(l, b, row)];
        if (!comes_back(k, l->parity, is_lost))
            return false;
    }
    return true;
}

static void test_three_couriers(void)
{
    static const uint64_t sizes[] = { 1000000, 1 << 20 };

    for (size_t i = 0; i < 2; i++) {
        unsigned complete = 0;
        struct layout l;

        REQUIRE(layout_of(&l, PART_ORIGINAL, sizes[i]) == ERR_NONE);
        for (uint64_t seed = 1; seed <= 100; seed++)
            complete += couriers_suffice(&l, seed);
        printf("three couriers, %llu bytes: %u of 100 runs complete, %u chunks for %u\n", (unsigned long long)sizes[i], complete,
               layout_chunks(&l), l.data);
        CHECK(complete >= 99);
        CHECK((uint64_t)layout_chunks(&l) * 32768 <= sizes[i] * 5 / 4);
    }
}

int main(void)
{
    test_every_subset();
    test_large_blocks();
    test_layout();
    test_three_couriers();
    return check_report("erasure");
}
