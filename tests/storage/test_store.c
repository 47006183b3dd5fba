/* tests/storage/test_store.c - the contract of storage/store.h, over both kinds of database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"
#include "tests/storage/bundles.h"
#include "tests/storage/kind.h"
#include "tests/support/check.h"

static struct store *store_of(struct db *db, const struct store_config *config)
{
    struct store *s = NULL;

    REQUIRE(store_open(&s, db, config) == ERR_NONE);
    return s;
}

static enum err put(struct store *s, struct store_entry *e, uint64_t number)
{
    struct bytes b = bundle_numbered(e, number);

    return store_put(s, e, b);
}

static bool is_equal(const struct store_entry *a, const struct store_entry *b)
{
    return a->seq == b->seq && memcmp(&a->id, &b->id, sizeof a->id) == 0 && memcmp(a->tag, b->tag, TAG_LEN) == 0 &&
           a->len == b->len && a->deadline_s == b->deadline_s && a->expiry_h == b->expiry_h && a->bucket == b->bucket &&
           a->contributor == b->contributor && a->bundle_class == b->bundle_class && a->quota_class == b->quota_class &&
           a->stamp_bits == b->stamp_bits && a->hops == b->hops && a->budget == b->budget && a->given == b->given;
}

static void test_put_find_read(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();
    struct bytes b;

    e.hops = 3;
    e.budget = 7;
    e.given = 2;
    e.stamp_bits = 21;
    e.contributor = 0xfffffffe;
    e.len = 1024;
    CHECK_ERR("put", put(s, &e, 1), ERR_NONE);
    CHECK(e.seq > 0);
    CHECK_ERR("twice", put(s, &e, 1), ERR_EXISTS);
    for (int round = 0; round < 2; round++) {
        const struct store_entry *found = store_find(s, &e.id);

        CHECK(found != NULL && is_equal(found, &e));
        CHECK(store_find_seq(s, e.seq) == found && store_find_tag(s, e.tag) == found);
        CHECK_ERR("read", store_read(s, found, &b), ERR_NONE);
        CHECK(is_bundle_numbered(b, 1));
        CHECK(store_has_seen(s, &e.id));
        CHECK_ERR("commit", db_commit(db), ERR_NONE);
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
    }
    struct bundle_id other;
    id_numbered(&other, 2);
    CHECK(store_find(s, &other) == NULL && store_find_seq(s, e.seq + 1) == NULL && !store_has_seen(s, &other));
    CHECK_ERR("remove what is not there", store_remove(s, &other, true), ERR_NOT_FOUND);
    CHECK_ERR("update what is not there", (e.id = other, store_update(s, &e)), ERR_NOT_FOUND);
    CHECK_ERR("read what is not there", store_read(s, &e, &b), ERR_NOT_FOUND);
    store_close(s);
    kind_close(db);
}

static void test_numbers_are_never_used_twice(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();
    uint64_t last = 0;

    for (uint64_t i = 0; i < 20; i++) {
        CHECK_ERR("", put(s, &e, i), ERR_NONE);
        CHECK(e.seq > last);
        last = e.seq;
        CHECK_ERR("", store_remove(s, &e.id, false), ERR_NONE);
        CHECK_ERR("", db_commit(db), ERR_NONE);
        if (i % 3 != 0)
            continue;
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
    }
    store_close(s);
    kind_close(db);
}

static void test_update(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain(), change;

    CHECK_ERR("", put(s, &e, 1), ERR_NONE);
    change = e;
    change.given = 4;
    change.hops = 5;
    change.budget = 6;
    change.quota_class = QUOTA_OWN;
    change.deadline_s = e.deadline_s + 1;
    change.len = 512; /* may not change */
    CHECK_ERR("", store_update(s, &change), ERR_NONE);
    e.given = 4;
    e.hops = 5;
    e.budget = 6;
    e.quota_class = QUOTA_OWN;
    CHECK(is_equal(store_find(s, &e.id), &e));
    change.deadline_s = e.deadline_s = 77;
    CHECK_ERR("sooner", store_update(s, &change), ERR_NONE);
    CHECK(is_equal(store_find(s, &e.id), &e));
    CHECK(store_next_deadline_s(s) == 77);
    struct store_usage u;
    store_usage(s, &u);
    CHECK(u.class_count[QUOTA_STRANGER] == 0 && u.class_bytes[QUOTA_OWN] == 256 && u.count == 1);
    CHECK(store_contributed(s, e.contributor) == 0);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    CHECK_ERR("nothing changed", store_update(s, &e), ERR_NONE);
    CHECK(!db_is_dirty(db));
    store_close(s);
    db = kind_reopen(db, NULL);
    s = store_of(db, NULL);
    CHECK(is_equal(store_find(s, &e.id), &e));
    store_close(s);
    kind_close(db);
}

/* A stamp is put into a bundle that lies in one piece and into one that lies in many, and stays over a restart. */
static void test_stamp(void)
{
    static const uint8_t stamp[STAMP_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8 }, none[STAMP_LEN];

    for (uint32_t len = BUNDLE_LEN_MIN; len <= BUNDLE_LEN_MAX; len *= 2) {
        struct db *db = kind_open(NULL);
        struct store *s = store_of(db, NULL);
        struct store_entry e = entry_plain(), at;
        uint8_t copy[BUNDLE_LEN_MAX];
        struct bundle_id other;
        struct bytes b;

        e.len = len;
        id_numbered(&other, 2);
        CHECK_ERR("nothing there", store_stamp(s, &other, stamp, 20), ERR_NOT_FOUND);
        CHECK_ERR("", put(s, &e, 1), ERR_NONE);
        CHECK_ERR("", db_commit(db), ERR_NONE);
        CHECK_ERR("rolled back", store_stamp(s, &e.id, stamp, 20), ERR_NONE);
        CHECK(db_is_dirty(db));
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
        CHECK(is_equal(store_find(s, &e.id), &e));
        CHECK(store_read(s, &e, &b) == ERR_NONE && is_bundle_numbered(b, 1));

        CHECK_ERR("", store_stamp(s, &e.id, stamp, 20), ERR_NONE);
        CHECK_ERR("", db_commit(db), ERR_NONE);
        e.stamp_bits = 20;
        for (int round = 0; round < 2; round++) {
            CHECK(is_equal(store_find(s, &e.id), &e));
            if (CHECK(store_read(s, &e, &b) == ERR_NONE && b.len == len)) {
                memcpy(copy, b.at, len);
                CHECK(memcmp(copy + HEADER_AD_LEN, stamp, STAMP_LEN) == 0);
                memcpy(copy + HEADER_AD_LEN, none, STAMP_LEN);
                CHECK(is_bundle_numbered(bytes_of(copy, len), 1));
            }
            store_close(s);
            db = kind_reopen(db, NULL);
            s = store_of(db, NULL);
        }
        /* The quota knows the new worth: it is the unstamped one that goes. */
        store_close(s);
        struct store_config two = { .capacity_bytes = 2 * len, .share_percent = { 0, 0, 0, 100, 0 } };
        s = store_of(db, &two);
        struct store_entry plain = entry_plain();
        plain.len = len;
        CHECK_ERR("", put(s, &plain, 3), ERR_NONE);
        CHECK_ERR("", store_stamp(s, &plain.id, stamp, 10), ERR_NONE);
        CHECK_ERR("", store_stamp(s, &e.id, stamp, 5), ERR_NONE);
        struct store_entry third = entry_plain();
        enum err why;
        third.len = len;
        third.stamp_bits = 30;
        CHECK_ERR("", put(s, &third, 4), ERR_NONE);
        CHECK(store_next_evicted(s, &at, &why) && memcmp(&at.id, &e.id, sizeof e.id) == 0);
        store_close(s);
        kind_close(db);
    }
}

static void test_seen(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();

    CHECK_ERR("", put(s, &e, 1), ERR_NONE);
    CHECK_ERR("", put(s, &e, 2), ERR_NONE);
    struct bundle_id one, two;
    id_numbered(&one, 1);
    id_numbered(&two, 2);
    CHECK_ERR("", store_remove(s, &store_find(s, &one)->id, true), ERR_NONE);
    CHECK_ERR("", store_remove(s, &store_find(s, &two)->id, false), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        CHECK(store_find(s, &one) == NULL && store_has_seen(s, &one) && !store_has_seen(s, &two));
        CHECK_ERR("remembered", put(s, &e, 1), ERR_EXISTS);
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
    }
    CHECK_ERR("forgotten", put(s, &e, 2), ERR_NONE);
    store_clock_advance(s, LIFE_MAX_H * 3600 - 1);
    CHECK_ERR("not yet", put(s, &e, 1), ERR_EXISTS);
    store_clock_advance(s, 1);
    CHECK_ERR("its time is over", put(s, &e, 1), ERR_NONE);
    CHECK_ERR("", store_remove(s, &e.id, true), ERR_NONE);
    CHECK(store_has_seen(s, &one));
    store_close(s);
    kind_close(db);
}

struct walked_seen { struct store *s; struct bundle_id ids[8]; size_t count, most; };

static bool note_walked_seen(void *ctx, const struct bundle_id *id)
{
    struct walked_seen *w = ctx;

    CHECK(store_has_seen(w->s, id) && store_find(w->s, id) == NULL);
    REQUIRE(w->count < 8);
    w->ids[w->count++] = *id;
    return w->count < w->most;
}

static void test_walk_seen(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();
    struct store_usage usage;
    struct bundle_id id;

    for (uint64_t i = 0; i < 6; i++) {
        CHECK_ERR("", put(s, &e, i), ERR_NONE);
        if (i == 3)
            store_clock_advance(s, 100);
        if (i < 5)
            CHECK_ERR("", store_remove(s, &e.id, i != 4), ERR_NONE);
    }
    CHECK_ERR("", db_commit(db), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        struct walked_seen all = { s, { { { 0 } } }, 0, 8 }, some = { s, { { { 0 } } }, 0, 2 };

        store_walk_seen(s, note_walked_seen, &all);
        CHECK(all.count == 4);
        for (size_t i = 0; i < all.count; i++) {
            id_numbered(&id, 3 - i);
            CHECK(memcmp(&all.ids[i], &id, sizeof id) == 0);
        }
        store_walk_seen(s, note_walked_seen, &some);
        CHECK(some.count == 2);
        store_usage(s, &usage);
        CHECK(usage.seen_count == 4);
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
    }
    /* Three are past their time; they are not shown, though they still take a place. */
    store_clock_advance(s, LIFE_MAX_H * 3600 - 50);
    struct walked_seen late = { s, { { { 0 } } }, 0, 8 };
    store_walk_seen(s, note_walked_seen, &late);
    id_numbered(&id, 3);
    CHECK(late.count == 1 && memcmp(&late.ids[0], &id, sizeof id) == 0);
    store_close(s);
    kind_close(db);
}

static void test_seen_is_bounded(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();
    struct bundle_id id;

    for (uint64_t i = 0; i < SEEN_MAX + 10; i++) {
        REQUIRE(put(s, &e, i) == ERR_NONE && store_remove(s, &e.id, true) == ERR_NONE);
        if (i % 1000 == 0)
            REQUIRE(db_commit(db) == ERR_NONE);
    }
    CHECK_ERR("", db_commit(db), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        CHECK(db_count(db, DB_SEEN) == SEEN_MAX);
        for (uint64_t i = 0; i < SEEN_MAX + 10; i += i < 20 ? 1 : 999) {
            id_numbered(&id, i);
            CHECK(store_has_seen(s, &id) == (i >= 10));
        }
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
    }
    /* The queue shrinks by itself when time has passed. */
    store_clock_advance(s, LIFE_MAX_H * 3600);
    for (uint64_t i = 0; i < 100; i++)
        REQUIRE(put(s, &e, 1000000 + i) == ERR_NONE && store_remove(s, &e.id, true) == ERR_NONE);
    CHECK(db_count(db, DB_SEEN) == SEEN_MAX - 100);
    store_close(s);
    kind_close(db);
}

static void test_expiry_and_clock(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain(), left;
    enum err why;

    CHECK(store_next_deadline_s(s) == UINT32_MAX && store_clock_s(s) == 0);
    for (uint64_t i = 0; i < 100; i++) {
        e.deadline_s = 1000 + (uint32_t)(i * 37 % 100);
        CHECK_ERR("", put(s, &e, i), ERR_NONE);
    }
    CHECK(store_next_deadline_s(s) == 1000);
    store_clock_advance(s, 999);
    CHECK(store_expire(s, 1000) == 0);
    store_clock_advance(s, 1);
    CHECK(store_expire(s, 1000) == 1);
    store_clock_advance(s, 49);
    CHECK(store_expire(s, 10) == 10);
    CHECK(store_expire(s, 1000) == 39);
    CHECK(store_next_deadline_s(s) == 1050);
    for (uint32_t deadline = 1000; deadline < 1050; deadline++) {
        CHECK(store_next_evicted(s, &left, &why) && why == ERR_EXPIRED && left.deadline_s == deadline);
        CHECK(store_find(s, &left.id) == NULL && !store_has_seen(s, &left.id));
    }
    CHECK(!store_next_evicted(s, &left, &why));
    CHECK_ERR("", db_commit(db), ERR_NONE);
    store_close(s);
    db = kind_reopen(db, NULL);
    s = store_of(db, NULL);
    CHECK(store_clock_s(s) <= 1049 && store_clock_s(s) + 60 > 1049); /* saved with a commit once a minute */
    store_clock_advance(s, 1049 - store_clock_s(s));
    CHECK(store_next_deadline_s(s) == 1050);

    /* Idle: a commit of its own every ten minutes, not sooner. */
    store_clock_advance(s, 540);
    CHECK(!db_is_dirty(db));
    store_clock_advance(s, 59);
    store_clock_advance(s, 1);
    CHECK(db_is_dirty(db));
    CHECK_ERR("", db_commit(db), ERR_NONE);
    store_close(s);
    db = kind_reopen(db, NULL);
    s = store_of(db, NULL);
    CHECK(store_clock_s(s) == 1649 || store_clock_s(s) == 1648);
    store_clock_advance(s, UINT32_MAX);
    CHECK(store_clock_s(s) == UINT32_MAX - 1);
    CHECK(store_expire(s, 1000) == 50);
    store_close(s);
    kind_close(db);
}

struct walked { uint64_t last; size_t count, stop_after; int step; bool is_ordered; int bundle_class; };

static bool note(void *ctx, const struct store_entry *e)
{
    struct walked *w = ctx;

    if (w->count > 0 && (w->step > 0 ? e->seq <= w->last : e->seq >= w->last))
        w->is_ordered = false;
    if (w->bundle_class >= 0 && e->bundle_class != w->bundle_class)
        w->is_ordered = false;
    w->last = e->seq;
    return ++w->count < w->stop_after;
}

static void test_walks(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();
    uint64_t seqs[300];
    size_t counts[CLASS_COUNT] = { 0 };

    for (uint64_t i = 0; i < 300; i++) {
        e.bundle_class = (uint8_t)(i * 7 % 5 % CLASS_COUNT);
        CHECK_ERR("", put(s, &e, i), ERR_NONE);
        seqs[i] = e.seq;
        counts[e.bundle_class]++;
    }
    for (uint64_t i = 0; i < 300; i += 3) {
        const struct store_entry *gone = store_find_seq(s, seqs[i]);

        counts[gone->bundle_class]--;
        CHECK_ERR("", store_remove(s, &gone->id, false), ERR_NONE);
    }
    CHECK_ERR("", db_commit(db), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        struct store_usage u;

        store_usage(s, &u);
        for (int k = 0; k < CLASS_COUNT; k++) {
            struct walked w = { 0, 0, 1000, -1, true, k };

            store_walk(s, (enum bundle_class)k, note, &w);
            CHECK(w.is_ordered && w.count == counts[k] && u.bundle_class_count[k] == counts[k]);
        }
        for (uint64_t i = 0; i < 300; i += 17) {
            struct walked w = { 0, 0, 1000, 1, true, -1 };
            size_t want = 0;

            for (uint64_t j = i + 1; j < 300; j++)
                want += j % 3 != 0;
            store_walk_since(s, seqs[i], note, &w);
            CHECK(w.is_ordered && w.count == want);
        }
        struct walked w = { 0, 0, 5, 1, true, -1 };
        store_walk_since(s, 0, note, &w);
        CHECK(w.count == 5 && w.last == seqs[7]);
        store_close(s);
        db = kind_reopen(db, NULL);
        s = store_of(db, NULL);
    }
    store_close(s);
    kind_close(db);
}

/* Anybody may send any number of bundles of one tag. */
static void test_one_tag(void)
{
    struct db *db = kind_open(NULL);
    struct store *s = store_of(db, NULL);
    struct store_entry e = entry_plain();
    uint8_t tag[TAG_LEN];

    struct bytes b = bundle_numbered(&e, 0);
    memcpy(tag, e.tag, sizeof tag);
    CHECK_ERR("", store_put(s, &e, b), ERR_NONE);
    for (uint64_t i = 1; i < 2000; i++) {
        b = bundle_numbered(&e, 0);
        id_numbered(&e.id, i);
        CHECK_ERR("", store_put(s, &e, b), ERR_NONE);
    }
    size_t found = 0;
    for (const struct store_entry *at; (at = store_find_tag(s, tag)) != NULL; found++)
        REQUIRE(store_remove(s, &at->id, false) == ERR_NONE);
    CHECK(found == 2000);
    store_close(s);
    kind_close(db);
}

static void test_fingerprint(void)
{
    struct db *db = kind_open(NULL), *db2 = NULL;
    struct store *a = store_of(db, NULL);
    struct store_entry e = entry_plain();
    uint8_t fa[16], fb[16], empty[16] = { 0 };

    REQUIRE(db_open_mem(&db2) == ERR_NONE);
    struct store *b = store_of(db2, NULL);
    for (uint64_t i = 0; i < 50; i++) {
        CHECK_ERR("", put(a, &e, i), ERR_NONE);
        CHECK_ERR("", put(b, &e, 49 - i), ERR_NONE);
    }
    store_fingerprint(a, fa);
    store_fingerprint(b, fb);
    CHECK(memcmp(fa, fb, 16) == 0 && memcmp(fa, empty, 16) != 0);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    store_close(a);
    db = kind_reopen(db, NULL);
    a = store_of(db, NULL);
    store_fingerprint(a, fa);
    CHECK(memcmp(fa, fb, 16) == 0);
    for (uint64_t i = 0; i < 50; i++) {
        id_numbered(&e.id, i);
        CHECK_ERR("", store_remove(a, &e.id, true), ERR_NONE);
        store_fingerprint(a, fa);
        CHECK((memcmp(fa, empty, 16) == 0) == (i == 49));
    }
    store_close(a);
    store_close(b);
    db_close(db2);
    kind_close(db);
}

int main(int argc, char **argv)
{
    kind_choose(argc, argv);
    test_put_find_read();
    test_numbers_are_never_used_twice();
    test_update();
    test_stamp();
    test_seen();
    test_walk_seen();
    test_seen_is_bounded();
    test_expiry_and_clock();
    test_walks();
    test_one_tag();
    test_fingerprint();
    return check_report("store");
}
