/* tests/storage/test_quota.c - shares, lending and eviction (protocol section 10). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/storage/bundles.h"
#include "tests/storage/kind.h"
#include "tests/support/check.h"

enum { ROOM = 1000, LEN = BUNDLE_LEN_MIN };

static const struct store_config config = { ROOM * LEN, { 5, 10, 35, 40, 10 }, 7 };
static uint64_t number;

struct place { struct db *db; struct store *s; };

static struct place place_open(void)
{
    struct place p = { kind_open(NULL), NULL };

    REQUIRE(store_open(&p.s, p.db, &config) == ERR_NONE);
    return p;
}

static void place_close(struct place *p)
{
    store_close(p->s);
    kind_close(p->db);
}

static enum err put_one(struct place *p, enum quota_class k, uint32_t contributor, uint8_t stamp, uint32_t deadline_s)
{
    struct store_entry e = entry_plain();

    e.quota_class = (uint8_t)k;
    e.contributor = contributor;
    e.stamp_bits = stamp;
    e.deadline_s = deadline_s;
    struct bytes b = bundle_numbered(&e, number++);
    return store_put(p->s, &e, b);
}

static size_t put_many(struct place *p, enum quota_class k, uint32_t contributor, size_t count)
{
    size_t taken = 0;

    for (size_t i = 0; i < count; i++)
        taken += put_one(p, k, contributor, 0, 1000000) == ERR_NONE;
    return taken;
}

static size_t count_of(const struct place *p, enum quota_class k)
{
    struct store_usage u;

    store_usage(p->s, &u);
    CHECK(u.bytes <= u.capacity_bytes);
    return u.class_count[k];
}

struct tally { uint32_t contributor; size_t count; uint8_t stamp; };

static bool tally_one(void *ctx, const struct store_entry *e)
{
    struct tally *t = ctx;

    t->count += e->contributor == t->contributor && e->stamp_bits >= t->stamp;
    return true;
}

static size_t held_by(const struct place *p, uint32_t contributor, uint8_t stamp)
{
    struct tally t = { contributor, 0, stamp };

    store_walk(p->s, CLASS_SEALED, tally_one, &t);
    return t.count;
}

/* An unused share is lent, and given back when it is claimed. */
static void test_lending(void)
{
    struct place p = place_open();

    for (uint32_t c = 1; c <= 10; c++)
        CHECK(put_many(&p, QUOTA_STRANGER, c, ROOM / 10) == ROOM / 10);
    CHECK(put_many(&p, QUOTA_CONTACT, 50, 350) == 350);
    CHECK(count_of(&p, QUOTA_STRANGER) == 650);
    CHECK(put_many(&p, QUOTA_PUBLIC, 60, 100) == 100);
    CHECK(put_many(&p, QUOTA_SOS, 61, 50) == 50);
    CHECK(put_many(&p, QUOTA_OWN, 0, 100) == 100);
    CHECK(count_of(&p, QUOTA_STRANGER) == 400 && count_of(&p, QUOTA_CONTACT) == 350);
    CHECK(count_of(&p, QUOTA_PUBLIC) == 100 && count_of(&p, QUOTA_SOS) == 50 && count_of(&p, QUOTA_OWN) == 100);
    /* Everybody has his share now, and nobody gets more at another's cost. */
    for (int k = 0; k < QUOTA_COUNT; k++) {
        if (k == QUOTA_OWN)
            continue;
        put_many(&p, (enum quota_class)k, 70 + (uint32_t)k, 300);
        for (int other = 0; other < QUOTA_COUNT; other++)
            CHECK(count_of(&p, (enum quota_class)other) == (size_t)config.share_percent[other] * 10);
    }
    place_close(&p);
}

static void test_flood_by_one(void)
{
    struct place p = place_open();

    CHECK(put_many(&p, QUOTA_CONTACT, 5, 350) == 350);
    CHECK(put_many(&p, QUOTA_SOS, 6, 20) == 20);
    CHECK(put_many(&p, QUOTA_PUBLIC, 6, 100) == 100);
    CHECK(put_many(&p, QUOTA_OWN, 0, 50) == 50);
    for (uint32_t c = 100; c < 120; c++)
        CHECK(put_many(&p, QUOTA_STRANGER, c, 5) == 5);
    put_many(&p, QUOTA_STRANGER, 7, 5000);
    for (uint32_t c = 100; c < 120; c++)
        CHECK(held_by(&p, c, 0) == 5);
    CHECK(count_of(&p, QUOTA_CONTACT) == 350 && count_of(&p, QUOTA_SOS) == 20);
    CHECK(count_of(&p, QUOTA_PUBLIC) == 100 && count_of(&p, QUOTA_OWN) == 50);
    /* And those who come later get in, at the flood's cost. */
    CHECK(put_many(&p, QUOTA_STRANGER, 200, 30) == 30);
    CHECK(held_by(&p, 200, 0) == 30);
    CHECK(put_many(&p, QUOTA_SOS, 201, 30) == 30);
    place_close(&p);
}

/* Link keys are free: a thousand of them, each with as little as an honest neighbour. */
static void test_flood_by_a_thousand(void)
{
    struct place p = place_open();

    CHECK(put_many(&p, QUOTA_CONTACT, 5, 350) == 350);
    CHECK(put_many(&p, QUOTA_STRANGER, 9, 1) == 1);      /* one without a stamp */
    for (int i = 0; i < 3; i++)
        CHECK_ERR("", put_one(&p, QUOTA_STRANGER, 8, 16, 1000000), ERR_NONE);
    for (uint32_t c = 1000; c < 2000; c++)
        put_many(&p, QUOTA_STRANGER, c, 5);
    CHECK(count_of(&p, QUOTA_CONTACT) == 350);
    CHECK(held_by(&p, 9, 0) == 1);
    /* Where the flood holds one bundle a key, a stamp decides. */
    CHECK(held_by(&p, 8, 16) >= 1);
    for (uint32_t c = 2000; c < 9000; c++)
        put_many(&p, QUOTA_STRANGER, c, 1);
    CHECK(held_by(&p, 8, 16) == 1);
    CHECK(count_of(&p, QUOTA_CONTACT) == 350);
    place_close(&p);
}

static void test_own(void)
{
    struct place p = place_open();

    CHECK(put_many(&p, QUOTA_CONTACT, 5, 350) == 350);
    for (uint32_t c = 1; c <= 13; c++)
        CHECK(put_many(&p, QUOTA_STRANGER, c, 50) == 50);
    CHECK(put_many(&p, QUOTA_OWN, 0, 650) == 650);
    CHECK(count_of(&p, QUOTA_CONTACT) == 350 && count_of(&p, QUOTA_STRANGER) == 0);
    CHECK(put_many(&p, QUOTA_OWN, 0, 10) == 0); /* the others have no more than their share */
    /* Of what own bundles leave the others have their part, whoever came first. */
    CHECK(put_many(&p, QUOTA_STRANGER, 1, 10) == 10);
    CHECK(count_of(&p, QUOTA_OWN) == 650);
    CHECK(put_many(&p, QUOTA_CONTACT, 6, 10) == 10);
    CHECK(count_of(&p, QUOTA_OWN) == 650 && count_of(&p, QUOTA_CONTACT) == 340);
    place_close(&p);
}

/* Own bundles are never evicted, so new ones stop before nobody else can come in. */
static void test_own_leaves_room(void)
{
    struct place p = place_open();
    struct store_entry e = entry_plain();

    CHECK(put_many(&p, QUOTA_OWN, 0, ROOM) == ROOM - ROOM / 4);     /* a tiny store */
    CHECK(put_many(&p, QUOTA_STRANGER, 1, ROOM) >= ROOM / 4);
    CHECK(put_many(&p, QUOTA_SOS, 3, 5) == 5);
    CHECK(put_many(&p, QUOTA_CONTACT, 4, 50) == 50);                /* a friend's acknowledgements */
    CHECK(count_of(&p, QUOTA_OWN) == ROOM - ROOM / 4 && count_of(&p, QUOTA_CONTACT) == 50 && count_of(&p, QUOTA_SOS) == 5);
    CHECK(put_many(&p, QUOTA_OWN, 0, 1) == 0);
    place_close(&p);

    /* What is addressed to us may be claimed at any time. */
    p = place_open();
    CHECK(put_many(&p, QUOTA_OWN, 0, ROOM) == ROOM - ROOM / 4);
    for (int i = 0; i < ROOM / 4; i++) {
        e.quota_class = QUOTA_CONTACT;
        e.contributor = 9;
        struct bytes b = bundle_numbered(&e, number++);
        CHECK_ERR("", store_put(p.s, &e, b), ERR_NONE);
        e.quota_class = QUOTA_OWN;
        CHECK_ERR("claim", store_update(p.s, &e), ERR_NONE);
    }
    CHECK(count_of(&p, QUOTA_OWN) == ROOM);
    place_close(&p);

    static const struct { uint64_t capacity, others; } sizes[] = {
        { 512 << 10, 128 << 10 },
        { 1 << 20, 256 << 10 },
        { 2 << 20, 256 << 10 },
        { 4 << 20, (4 << 20) / 10 },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct store_config one = { .capacity_bytes = sizes[i].capacity };
        struct db *db = NULL;
        uint64_t own = 0;

        REQUIRE(db_open_mem(&db) == ERR_NONE && store_open(&p.s, db, &one) == ERR_NONE);
        e.quota_class = QUOTA_OWN;
        e.contributor = 0;
        e.len = 4096;
        for (enum err got = ERR_NONE; got == ERR_NONE; own += got == ERR_NONE ? e.len : 0) {
            struct bytes b = bundle_numbered(&e, number++);

            got = store_put(p.s, &e, b);
        }
        CHECK(own <= sizes[i].capacity - sizes[i].others && own + e.len > sizes[i].capacity - sizes[i].others);
        store_close(p.s);
        db_close(db);
    }
}

/* Of one contributor the low stamp goes first, then the near deadline. */
static void test_worth(void)
{
    struct place p = place_open();
    struct store_entry left;
    enum err why;

    for (uint32_t i = 0; i < ROOM; i++)
        CHECK_ERR("", put_one(&p, QUOTA_STRANGER, 1, (uint8_t)(i * 7 % 10), 1000000 + i * 1000), ERR_NONE);
    CHECK_ERR("worth less than all", put_one(&p, QUOTA_STRANGER, 1, 0, 999999), ERR_FULL);
    uint8_t stamp = 0;
    uint32_t deadline = 0;
    for (int i = 0; i < 300; i++) {
        CHECK_ERR("", put_one(&p, QUOTA_STRANGER, 1, 30, 1000000), ERR_NONE);
        CHECK(store_next_evicted(p.s, &left, &why) && why == ERR_FULL);
        CHECK(left.stamp_bits > stamp || (left.stamp_bits == stamp && left.deadline_s > deadline));
        stamp = left.stamp_bits;
        deadline = left.deadline_s;
        CHECK(!store_next_evicted(p.s, &left, &why));
    }
    CHECK(stamp == 2);
    place_close(&p);
}

/* A bundle that needs the place of many gets all of them or none. */
static void test_all_or_nothing(void)
{
    struct place p = place_open();
    struct store_usage before, after;
    struct store_entry e = entry_plain(), left;
    uint8_t print_before[16], print_after[16];
    enum err why;

    for (uint32_t i = 0; i < ROOM; i++)
        CHECK_ERR("", put_one(&p, QUOTA_CONTACT, 1, i < 100 ? 0 : 20, 1000000), ERR_NONE);
    CHECK_ERR("", db_commit(p.db), ERR_NONE);
    e.quota_class = QUOTA_CONTACT;
    e.stamp_bits = 10;
    e.len = 256 * 128; /* a hundred of them are worth less, 128 are needed */
    store_usage(p.s, &before);
    store_fingerprint(p.s, print_before);
    struct bytes b = bundle_numbered(&e, number++);
    CHECK_ERR("", store_put(p.s, &e, b), ERR_FULL);
    store_usage(p.s, &after);
    store_fingerprint(p.s, print_after);
    CHECK(memcmp(&before, &after, sizeof before) == 0 && memcmp(print_before, print_after, 16) == 0);
    CHECK(!db_is_dirty(p.db) && !store_next_evicted(p.s, &left, &why));
    e.len = 256 * 64;
    b = bundle_numbered(&e, number++);
    CHECK_ERR("", store_put(p.s, &e, b), ERR_NONE);
    size_t gone = 0;
    for (; store_next_evicted(p.s, &left, &why); gone++)
        CHECK(left.stamp_bits == 0 && why == ERR_FULL && store_find(p.s, &left.id) == NULL);
    CHECK(gone == 64);
    struct store *tiny = NULL;
    struct db *db = NULL;
    struct store_config small = { 65535, { 0 }, 0 };
    REQUIRE(db_open_mem(&db) == ERR_NONE && store_open(&tiny, db, &small) == ERR_NONE);
    e.len = 65536;
    b = bundle_numbered(&e, number++);
    CHECK_ERR("larger than the store", store_put(tiny, &e, b), ERR_FULL);
    store_close(tiny);
    db_close(db);
    place_close(&p);
}

/* Opened with less capacity than it holds, the store shrinks as newcomers arrive, and loses nothing before. */
static void test_smaller_capacity(void)
{
    struct place p = place_open();
    struct store_config half = { ROOM * LEN / 2, { 5, 10, 35, 40, 10 }, 7 };
    struct store_usage u;

    put_many(&p, QUOTA_STRANGER, 1, ROOM);
    CHECK_ERR("", db_commit(p.db), ERR_NONE);
    store_close(p.s);
    p.db = kind_reopen(p.db, NULL);
    REQUIRE(store_open(&p.s, p.db, &half) == ERR_NONE);
    store_usage(p.s, &u);
    CHECK(u.count == ROOM && u.fill_percent == 100);
    for (int i = 0; i < 4; i++)
        CHECK_ERR("", put_one(&p, QUOTA_SOS, 2, 0, 1000000), ERR_NONE);
    store_usage(p.s, &u);
    CHECK(u.bytes <= u.capacity_bytes && u.class_count[QUOTA_SOS] == 4);
    place_close(&p);
}

/* A link that holds more than a tenth of the strangers' share, or 32 KiB of a small store, replaces its own bundles when room
 * is short. */
static void test_link_share(void)
{
    struct place p = place_open();

    for (uint32_t c = 1; c <= 5; c++)
        CHECK(put_many(&p, QUOTA_STRANGER, c, 200) == 200);
    for (uint32_t i = 0; i < 200; i++)
        put_one(&p, QUOTA_STRANGER, 6, 30, 2000000);
    CHECK(held_by(&p, 6, 0) == 128);
    CHECK(store_contributed(p.s, 6) == 128 * LEN && store_contributed(p.s, 7) == 0);
    place_close(&p);
    CHECK(store_link_share(0) == 0 && store_link_share(40000) == 20000 && store_link_share(100000) == 32768);
    CHECK(store_link_share(400000) == 40000 && store_link_share(400000000) == 40000000);
}

/* What may still come is known before it comes: as much as is free, then what others hold more of, then nothing. */
static void test_room(void)
{
    struct place p = place_open();

    CHECK(store_stranger_room(p.s, 1) == ROOM * LEN);
    CHECK(put_many(&p, QUOTA_STRANGER, 1, 600) == 600);
    CHECK(store_stranger_room(p.s, 1) == 400 * LEN && store_stranger_room(p.s, 2) == 400 * LEN);
    CHECK(put_many(&p, QUOTA_CONTACT, 2, 400) == 400);
    CHECK(store_stranger_room(p.s, 1) == 0);
    CHECK(store_stranger_room(p.s, 2) == 128 * LEN);
    uint32_t put = 0;
    for (uint64_t room; put < 200 && (room = store_stranger_room(p.s, 2)) >= LEN; put++)
        CHECK_ERR("", put_one(&p, QUOTA_STRANGER, 2, 0, 1), ERR_NONE);
    CHECK(put == 128);
    CHECK_ERR("", put_one(&p, QUOTA_STRANGER, 2, 0, 1), ERR_FULL);
    place_close(&p);
}

int main(int argc, char **argv)
{
    kind_choose(argc, argv);
    test_lending();
    test_flood_by_one();
    test_flood_by_a_thousand();
    test_own();
    test_own_leaves_room();
    test_worth();
    test_all_or_nothing();
    test_smaller_capacity();
    test_link_share();
    test_room();
    return check_report("quota");
}
