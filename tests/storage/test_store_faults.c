/* tests/storage/test_store_faults.c - fail every change and every commit of a story in turn.
 *
 * After each failure the store is opened anew: what was acknowledged by a commit is there, whole, and nothing
 * else is; and from there the story can be told to its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/body.h"
#include "tests/storage/bundles.h"
#include "tests/storage/kind.h"
#include "tests/support/check.h"

enum { TURNS = 12, ROOM = 40, FAULTS_MAX = 1000 };

static const struct store_config config = { ROOM * BUNDLE_LEN_MIN, { 5, 10, 35, 40, 10 }, 3 };
static char label[64];

/* What a store holds, boiled down. */
struct state { uint8_t fingerprint[16]; size_t count; uint64_t bytes; uint32_t deadline_s; uint64_t given; size_t seen; };

static bool add_given(void *ctx, const struct store_entry *e)
{
    *(uint64_t *)ctx += e->given;
    return true;
}

static struct state state_of(struct db *db, struct store *s)
{
    struct state st;
    struct store_usage u;

    memset(&st, 0, sizeof st);
    store_usage(s, &u);
    store_fingerprint(s, st.fingerprint);
    store_walk(s, CLASS_SEALED, add_given, &st.given);
    st.count = u.count;
    st.bytes = u.bytes;
    st.deadline_s = store_next_deadline_s(s);
    st.seen = (size_t)db_count(db, DB_SEEN);
    return st;
}

/* One turn of a node: bundles come, one goes out, one is delivered, some expire; then the commit. Every turn
 * follows from the number alone and may be told again after a failure. ERR_EXISTS is that. */
static enum err turn(struct db *db, struct store *s, uint64_t t)
{
    enum err e;

    for (uint64_t i = 0; i < 6; i++) {
        struct store_entry entry = entry_plain();

        entry.len = i == 2 ? 4096 : BUNDLE_LEN_MIN;
        entry.quota_class = i == 0 ? QUOTA_OWN : QUOTA_STRANGER;
        entry.contributor = (uint32_t)(t * 6 + i) % 5;
        entry.deadline_s = (uint32_t)(t * 100 + 150 + i * 100);
        struct bytes b = bundle_numbered(&entry, t * 6 + i);
        e = store_put(s, &entry, b);
        if (e != ERR_NONE && e != ERR_EXISTS)
            return e;
    }
    for (uint64_t i = 0; i < 2; i++) {
        struct bundle_id id;

        id_numbered(&id, t * 6 + i + 1);
        const struct store_entry *found = store_find(s, &id);
        if (found == NULL)
            continue;
        if (i == 0) {
            struct store_entry change = *found;

            change.given++;
            e = store_update(s, &change);
        } else {
            e = store_remove(s, &id, t % 2 == 0);
        }
        if (e != ERR_NONE)
            return e;
    }
    if (store_clock_s(s) < t * 100 + 100)
        store_clock_advance(s, (uint32_t)(t * 100 + 100) - store_clock_s(s));
    store_expire(s, 3);
    return db_commit(db);
}

static bool add_pieces(void *ctx, const struct store_entry *e)
{
    *(uint64_t *)ctx += body_pieces(e->len);
    return true;
}

static uint64_t pieces_in(struct store *s)
{
    uint64_t pieces = 0;

    store_walk(s, CLASS_SEALED, add_pieces, &pieces);
    return pieces;
}

static void check_whole(struct db *db, struct store *s, const struct state *want)
{
    struct state got = state_of(db, s);
    struct store_usage u;

    CHECK_CASE(label, memcmp(&got, want, sizeof got) == 0);
    store_usage(s, &u);
    CHECK_CASE(label, u.damaged_count == 0);
    CHECK_CASE(label, db_count(db, DB_BUNDLE_FACTS) == got.count && db_count(db, DB_BUNDLE_BODY) == pieces_in(s));
    for (uint64_t n = 0; n < TURNS * 6; n++) {
        struct bundle_id id;
        struct bytes b;

        id_numbered(&id, n);
        const struct store_entry *e = store_find(s, &id);
        if (e != NULL)
            CHECK_CASE(label, store_read(s, e, &b) == ERR_NONE && is_bundle_numbered(b, n));
    }
}

static bool tell(unsigned fail_at, enum err why)
{
    struct db *db = kind_open(NULL);
    struct store *s = NULL;
    struct fault_once f = { fail_at, why, 0, false };
    bool was_whole = true;

    REQUIRE(store_open(&s, db, &config) == ERR_NONE);
    struct state acknowledged = state_of(db, s);
    db_set_fault(db, fault_once, &f);
    for (uint64_t t = 0; t < TURNS;) {
        enum err e = turn(db, s, t);

        if (e == ERR_NONE) {
            acknowledged = state_of(db, s);
            t++;
            continue;
        }
        CHECK_ERR(label, e, why);
        was_whole = false;
        /* A caller who looks only at the commit learns it there. */
        if (db_is_dirty(db))
            CHECK_ERR(label, db_commit(db), why);
        store_close(s);
        db = kind_reopen(db, NULL);
        REQUIRE(store_open(&s, db, &config) == ERR_NONE);
        check_whole(db, s, &acknowledged);
    }
    CHECK_CASE(label, was_whole == !f.has_fired);
    store_close(s);
    db = kind_reopen(db, NULL);
    REQUIRE(store_open(&s, db, &config) == ERR_NONE);
    check_whole(db, s, &acknowledged);
    store_close(s);
    kind_close(db);
    return was_whole;
}

/* Records that were damaged on disk are left out, counted and cleared away, each kind in its turn. */
static void damage_one(int how, struct db *db, uint64_t seq)
{
    uint8_t bad[128] = { 0 };
    struct bytes facts;

    REQUIRE(db_get_seq(db, DB_BUNDLE_FACTS, seq, &facts) == ERR_NONE && facts.len < sizeof bad);
    size_t len = facts.len;
    memcpy(bad, facts.at, len);
    switch (how) {
    case 0:
        REQUIRE(db_delete_seq(db, DB_BUNDLE_FACTS, seq) == ERR_NONE);
        return;
    case 1:
        REQUIRE(db_delete_seq(db, DB_BUNDLE_BODY, body_key(seq, 1)) == ERR_NONE);
        return;
    case 2:
        bad[30] ^= 0x10;
        break;
    case 3:
        len--;
        break;
    case 4:
        len++;
        break;
    case 5:
        len = 0;
        break;
    default:
        /* The same bundle twice. */
        REQUIRE(db_get_seq(db, DB_BUNDLE_FACTS, seq + 1, &facts) == ERR_NONE);
        memcpy(bad, facts.at, len);
        break;
    }
    REQUIRE(db_put_seq(db, DB_BUNDLE_FACTS, seq, bytes_of(bad, len)) == ERR_NONE);
}

static void test_damage(void)
{
    for (int how = 0; how < 7; how++) {
        struct db *db = kind_open(NULL);
        struct store *s = NULL;
        struct store_entry e = entry_plain();
        struct store_usage u;
        uint64_t seqs[10];

        e.len = 8192;
        snprintf(label, sizeof label, "damage %d", how);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        for (uint64_t n = 0; n < 10; n++) {
            struct bytes b = bundle_numbered(&e, n);

            CHECK_ERR(label, store_put(s, &e, b), ERR_NONE);
            seqs[n] = e.seq;
        }
        damage_one(how, db, seqs[4]);
        damage_one(how, db, seqs[9] - 1);
        CHECK_ERR(label, db_commit(db), ERR_NONE);
        store_close(s);
        db = kind_reopen(db, NULL);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        store_usage(s, &u);
        CHECK_CASE(label, u.count == 8 && u.damaged_count == 2 && u.bytes == 8 * 8192);
        CHECK_ERR(label, db_commit(db), ERR_NONE);
        CHECK_CASE(label, db_count(db, DB_BUNDLE_FACTS) == 8 && db_count(db, DB_BUNDLE_BODY) == pieces_in(s));
        store_close(s);
        db = kind_reopen(db, NULL);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        store_usage(s, &u);
        CHECK_CASE(label, u.count == 8 && u.damaged_count == 0);
        /* A body that is not what its facts say is told when it is read. */
        uint8_t junk[BODY_PIECE_LEN] = { 0 };
        struct bytes b;
        CHECK_ERR(label, db_put_seq(db, DB_BUNDLE_BODY, body_key(seqs[0], 0), bytes_of(junk, sizeof junk)), ERR_NONE);
        CHECK_ERR(label, store_read(s, store_find_seq(s, seqs[0]), &b), ERR_CORRUPT);
        CHECK_ERR(label, db_put_seq(db, DB_BUNDLE_BODY, body_key(seqs[0], 4), bytes_of(junk, 1)), ERR_NONE);
        CHECK_ERR(label, store_read(s, store_find_seq(s, seqs[0]), &b), ERR_CORRUPT);
        CHECK_ERR(label, db_delete_seq(db, DB_BUNDLE_BODY, body_key(seqs[0], 2)), ERR_NONE);
        CHECK_ERR(label, store_read(s, store_find_seq(s, seqs[0]), &b), ERR_CORRUPT);
        store_close(s);
        kind_close(db);
    }
}

static void test_damaged_numbers(void)
{
    static const char *const keys[] = { "clock", "seq" };
    uint8_t bad[8];

    memset(bad, 0xff, sizeof bad);
    for (int i = 0; i < 6; i++) {
        static const size_t lens[] = { 3, 8, 8 };
        static const char *const how[] = { "cut", "absurd", "zero" };
        struct db *db = kind_open(NULL);
        struct store *s = NULL;
        struct store_entry e = entry_plain();
        struct store_usage u;

        snprintf(label, sizeof label, "%s, %s", keys[i % 2], how[i / 2]);
        if (i / 2 == 2)
            memset(bad, 0, sizeof bad);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        struct bytes b = bundle_numbered(&e, 1);
        CHECK_ERR(label, store_put(s, &e, b), ERR_NONE);
        uint64_t seq = e.seq;
        CHECK_ERR(label, db_put(db, DB_META, bytes_of_text(keys[i % 2]), bytes_of(bad, lens[i / 2])), ERR_NONE);
        CHECK_ERR(label, db_put_seq(db, DB_SEEN, 5, bytes_of_text("short")), ERR_NONE);
        CHECK_ERR(label, db_commit(db), ERR_NONE);
        store_close(s);
        db = kind_reopen(db, NULL);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        store_usage(s, &u);
        CHECK_CASE(label, u.count == 1 && u.damaged_count == (i == 4 ? 1 : 2) && db_count(db, DB_SEEN) == 0 && store_clock_s(s) == 0);
        b = bundle_numbered(&e, 2);
        CHECK_ERR(label, store_put(s, &e, b), ERR_NONE);
        CHECK_CASE(label, e.seq > seq);
        store_clock_advance(s, 1000);
        CHECK_ERR(label, db_commit(db), ERR_NONE);
        store_close(s);
        db = kind_reopen(db, NULL);
        REQUIRE(store_open(&s, db, NULL) == ERR_NONE);
        store_usage(s, &u);
        CHECK_CASE(label, u.count == 2 && u.damaged_count == 0);
        store_close(s);
        kind_close(db);
    }
}

int main(int argc, char **argv)
{
    static const enum err reasons[] = { ERR_FULL, ERR_IO };

    kind_choose(argc, argv);
    for (size_t r = 0; r < 2; r++) {
        bool is_done = false;

        for (unsigned fail_at = 0; !is_done; fail_at++) {
            snprintf(label, sizeof label, "operation %u fails with \"%s\"", fail_at, err_text(reasons[r]));
            REQUIRE(fail_at < FAULTS_MAX);
            is_done = tell(fail_at, reasons[r]);
            if (is_done)
                CHECK_CASE(label, fail_at > TURNS * 10);
        }
    }
    test_damage();
    test_damaged_numbers();
    return check_report("store_faults");
}
