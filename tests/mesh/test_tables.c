/* tests/mesh/test_tables.c - the small tables behind contacts: fetches, partials, anti-packets, spreading, rings. */
#include <stdlib.h>
#include <string.h>

#include "mesh/fetch.h"
#include "mesh/partial.h"
#include "mesh/reveal.h"
#include "mesh/ring.h"
#include "mesh/spread.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static struct bundle_id id_of(uint32_t n)
{
    struct bundle_id id = { { 0 } };

    memcpy(id.octets, &n, sizeof n);
    return id;
}

/* Against a plain array, at random. */
static void test_fetch(uint64_t seed)
{
    enum { IDS = 400 };
    uint32_t model[IDS] = { 0 }, count = 0;
    uint8_t key[16] = { (uint8_t)seed };
    struct fetch f;
    struct seeded random;

    seeded_init(&random, seed);
    struct rng g = seeded_rng(&random);
    fetch_init(&f, key);
    for (int step = 0; step < 6000; step++) {
        uint32_t n = rng_below(&g, IDS), what = rng_below(&g, 100), link = 1 + rng_below(&g, 5);
        struct bundle_id id = id_of(n);

        if (what < 55) {
            struct fetch_entry e = { id, link, n, 256, 0 };
            CHECK(fetch_add(&f, &e) == (model[n] != 0 ? ERR_EXISTS : ERR_NONE));
            count += model[n] == 0;
            model[n] = model[n] != 0 ? model[n] : link;
        } else if (what < 99) {
            fetch_remove(&f, &id);
            count -= model[n] != 0;
            model[n] = 0;
        } else {
            fetch_remove_link(&f, link);
            for (uint32_t i = 0; i < IDS; i++) {
                count -= model[i] == link;
                model[i] = model[i] == link ? 0 : model[i];
            }
        }
        CHECK(f.count == count);
        if (step % 50 == 0) {
            for (uint32_t i = 0; i < IDS; i++) {
                struct bundle_id at = id_of(i);
                const struct fetch_entry *e = fetch_find(&f, &at);
                CHECK((e != NULL ? e->link : 0) == model[i] && (e == NULL || e->offer == i));
            }
        }
    }
    fetch_clear(&f);
    CHECK(fetch_find(&f, &(struct bundle_id){ { 0 } }) == NULL);
}

static void test_partial(void)
{
    struct partials p = { 0 };
    uint8_t bytes[512];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    struct bundle_id a = id_of(1);
    CHECK(partial_feed(&p, &a, 512, 10, 1, true, 0) == NULL);   /* a gap */
    struct partial *at = partial_feed(&p, &a, 512, 0, 1, true, 0);
    REQUIRE(at != NULL);
    CHECK(partial_append(at, 0, bytes_of(bytes, 100), 1) && partial_have(&p, &a) == 100);
    CHECK(!partial_append(at, 101, bytes_of(bytes, 1), 1));
    CHECK(!partial_append(at, 100, bytes_of(bytes, 413), 1));
    CHECK(partial_feed(&p, &a, 512, 100, 2, true, 2) == NULL);   /* another link feeds it */
    partial_release_link(&p, 1);
    at = partial_feed(&p, &a, 512, 60, 2, true, 3);
    REQUIRE(at != NULL && at->is_mixed);
    CHECK(partial_append(at, 60, bytes_of(bytes + 60, 452), 4) && at->have == 512 && memcmp(at->at, bytes, 512) == 0);
    CHECK(partial_feed(&p, &a, 1024, 0, 2, true, 5) == NULL);   /* another length while it is fed */
    partial_release_link(&p, 2);
    at = partial_feed(&p, &a, 1024, 0, 3, true, 6);
    CHECK(at != NULL && at->have == 0 && !at->is_mixed);
    /* Whoever starts at the beginning starts anew; on the same link the bytes are kept. */
    CHECK(partial_append(at, 0, bytes_of(bytes, 9), 7));
    partial_release_link(&p, 3);
    CHECK((at = partial_feed(&p, &a, 1024, 0, 3, true, 7)) != NULL && at->have == 9);
    partial_release_link(&p, 3);
    CHECK((at = partial_feed(&p, &a, 1024, 0, 4, true, 7)) != NULL && at->have == 0 && !at->is_mixed);
    partial_release_link(&p, 4);
    /* Every link has a place; of links that are gone the latest few are kept, and of these only what was asked for. */
    for (uint32_t i = 0; i < LINKS_MAX; i++) {
        struct bundle_id id = { { (uint8_t)i, 7 } };

        REQUIRE((at = partial_feed(&p, &id, 256, 0, 10 + i, i % 2 == 0, 10 + i)) != NULL);
        CHECK(partial_append(at, 0, bytes_of(bytes, 5), 10 + i));
    }
    for (uint32_t i = 0; i < LINKS_MAX; i++)
        partial_release_link(&p, 10 + i);
    size_t kept = 0;
    for (uint32_t i = 0; i < LINKS_MAX; i++) {
        struct bundle_id id = { { (uint8_t)i, 7 } };

        kept += partial_have(&p, &id) == 5;
        CHECK((partial_have(&p, &id) == 5) == (i % 2 == 0 && i >= LINKS_MAX - 2 * PARTIALS_IDLE_MAX));
    }
    CHECK(kept == PARTIALS_IDLE_MAX && partial_have(&p, &a) == 0);
    /* And not for ever. */
    REQUIRE((at = partial_feed(&p, &a, 256, 0, 99, true, PARTIAL_KEEP_MS + 1000)) != NULL);
    CHECK(partial_append(at, 0, bytes_of(bytes, 5), PARTIAL_KEEP_MS + 1000));
    for (uint32_t i = 0; i < LINKS_MAX; i++) {
        struct bundle_id id = { { (uint8_t)i, 7 } };

        CHECK(partial_have(&p, &id) == 0);
    }
    partials_clear(&p);
    CHECK(partial_have(&p, &a) == 0);
}

static void test_reveals(void)
{
    struct reveals r;
    uint8_t key[16] = { 1 }, proof[16] = { 0 };

    reveals_init(&r, key);
    CHECK(reveals_find(&r, &(struct bundle_id){ { 0 } }) == NULL && reveals_serial(&r, 1) == NULL);
    for (uint32_t i = 1; i <= 5000; i++) {
        struct bundle_id id = id_of(i);
        proof[0] = (uint8_t)i;
        REQUIRE(reveals_add(&r, &id, proof, i) == ERR_NONE);
        const struct reveal *at = reveals_find(&r, &id);
        CHECK(at != NULL && at->deadline_s == i && at->proof[0] == (uint8_t)i && reveals_serial(&r, i) == at);
    }
    size_t kept = 0, recent = 0;
    for (uint32_t i = 1; i <= 5000; i++) {
        struct bundle_id id = id_of(i);
        kept += reveals_find(&r, &id) != NULL;
        recent += reveals_serial(&r, i) != NULL;
    }
    CHECK(kept > REVEALS_MAX / 2 && kept <= REVEALS_MAX);
    CHECK(recent > REVEALS_RECENT / 2 && recent <= REVEALS_RECENT);
    reveals_clear(&r);
}

static void test_spread(void)
{
    static struct spread s;

    s.delay_ms = 100;
    CHECK(spread_released(&s, 7, 0) == 7 && spread_wake_at_ms(&s, 0) == UINT64_MAX);
    CHECK(spread_note(&s, 8, 1, false, 1000));
    spread_choose(&s, 2);
    CHECK(!spread_note(&s, 9, 1, false, 1000));   /* the same moment and origin */
    CHECK(spread_note(&s, 10, 3, false, 1000));
    spread_choose(&s, 4);
    CHECK(spread_note(&s, 11, 3, true, 1050));
    spread_choose(&s, 0);
    CHECK(spread_released(&s, 11, 1099) == 7 && spread_wake_at_ms(&s, 1000) == 1100);
    CHECK(spread_peek_early(&s, 3) == 0 && spread_peek_early(&s, 2) == 8 && spread_peek_early(&s, 4) == 10);
    spread_take_early(&s, 2);
    CHECK(spread_peek_early(&s, 2) == 9);
    CHECK(spread_was_early(&s, 8, 2) && !spread_was_early(&s, 9, 2) && !spread_was_early(&s, 8, 4));
    spread_take_early(&s, 2);
    CHECK(spread_peek_early(&s, 2) == 0);
    spread_drop_link(&s, 4);
    CHECK(spread_peek_early(&s, 4) == 0);
    CHECK(spread_released(&s, 11, 1100) == 10 && spread_released(&s, 11, 1150) == 11);
    /* A moment is a sixteenth of the delay, shared while its link is there. */
    CHECK(spread_note(&s, 12, 1, false, 2000));
    spread_choose(&s, 9);
    CHECK(!spread_note(&s, 13, 1, false, 2006));
    CHECK(spread_note(&s, 14, 1, false, 2007));
    spread_choose(&s, 9);
    spread_drop_link(&s, 9);
    CHECK(spread_note(&s, 15, 1, false, 2008));
    CHECK(spread_released(&s, 15, 2099) == 11 && spread_released(&s, 15, 2100) == 13);
    /* Two that speak by turns, faster than there is room: every bundle goes to its chosen link at once, and the oldest
     * to everybody, however long it lasts. */
    for (uint64_t seq = 16; seq < 16 + 10 * SPREAD_BATCHES_MAX; seq++) {
        uint64_t now_ms = 3000 + seq / 8;
        uint32_t origin = seq % 2 == 0 ? 1 : 0, chosen = seq % 2 == 0 ? 8 : 9;

        CHECK(spread_note(&s, seq, origin, false, now_ms));
        spread_choose(&s, chosen);
        CHECK(spread_peek_early(&s, chosen) == seq);
        spread_take_early(&s, chosen);
        CHECK(seq - spread_released(&s, seq, now_ms) <= SPREAD_BATCHES_MAX);
    }
}

static void test_ring(void)
{
    struct ring r = ring_of(sizeof(uint32_t), 100);
    uint32_t in = 0, out = 0;

    for (int step = 0; step < 2000; step++) {
        if (step % 7 < 4) {
            enum err e = ring_push(&r, &in);
            CHECK(e == (r.len == 100 && e == ERR_FULL ? ERR_FULL : ERR_NONE));
            in += e == ERR_NONE;
        } else if (r.len > 0) {
            CHECK(*(uint32_t *)ring_at(&r, 0) == out);
            ring_pop(&r);
            out++;
        }
        CHECK(r.len == in - out && r.len <= 100);
        if (r.len > 0)
            CHECK(*(uint32_t *)ring_at(&r, r.len - 1) == in - 1);
    }
    ring_clear(&r);
    CHECK(r.len == 0);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        test_fetch(seed);
    test_partial();
    test_reveals();
    test_spread();
    test_ring();
    return check_report("tables");
}
