/* tests/storage/test_db.c - the contract of storage/db.h, over both kinds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/storage/kind.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static struct bytes text(const char *t)
{
    return bytes_of_text(t);
}

static void test_put_get_delete(void)
{
    struct db *db = kind_open(NULL);
    struct bytes v = text("untouched");

    CHECK_ERR("nothing there", db_get(db, DB_META, text("a"), &v), ERR_NOT_FOUND);
    CHECK_BYTES("untouched", v, text("untouched"));
    CHECK(!db_is_dirty(db));
    CHECK_ERR("delete nothing", db_delete(db, DB_META, text("a")), ERR_NOT_FOUND);
    CHECK(!db_is_dirty(db));
    CHECK_ERR("put", db_put(db, DB_ARCHIVE, text("a"), text("one")), ERR_NONE);
    CHECK(db_is_dirty(db));
    CHECK_ERR("own change is seen", db_get(db, DB_ARCHIVE, text("a"), &v), ERR_NONE);
    CHECK_BYTES("one", v, text("one"));
    CHECK_ERR("another table", db_get(db, DB_META, text("a"), &v), ERR_NOT_FOUND);
    CHECK_ERR("replace", db_put(db, DB_ARCHIVE, text("a"), text("")), ERR_NONE);
    CHECK_ERR("get", db_get(db, DB_ARCHIVE, text("a"), &v), ERR_NONE);
    CHECK(v.len == 0);
    CHECK(db_count(db, DB_ARCHIVE) == 1);
    CHECK_ERR("commit", db_commit(db), ERR_NONE);
    CHECK(!db_is_dirty(db));
    db = kind_reopen(db, NULL);
    CHECK_ERR("after reopening", db_get(db, DB_ARCHIVE, text("a"), &v), ERR_NONE);
    CHECK_ERR("delete", db_delete(db, DB_ARCHIVE, text("a")), ERR_NONE);
    CHECK_ERR("gone", db_get(db, DB_ARCHIVE, text("a"), &v), ERR_NOT_FOUND);
    db = kind_reopen(db, NULL);
    CHECK_ERR("the delete was not committed", db_get(db, DB_ARCHIVE, text("a"), &v), ERR_NONE);
    kind_close(db);
}

static void test_rollback(void)
{
    struct db *db = kind_open(NULL);
    struct bytes v;

    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 7, text("seven")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 8, text("eight")), ERR_NONE);
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 8, text("eight again")), ERR_NONE);
    CHECK_ERR("", db_delete_seq(db, DB_BUNDLE_BODY, 7), ERR_NONE);
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 7, text("another seven")), ERR_NONE);
    CHECK_ERR("", db_delete_seq(db, DB_BUNDLE_BODY, 8), ERR_NONE);
    db_rollback(db);
    CHECK(!db_is_dirty(db));
    CHECK_ERR("8", db_get_seq(db, DB_BUNDLE_BODY, 8, &v), ERR_NOT_FOUND);
    CHECK_ERR("7", db_get_seq(db, DB_BUNDLE_BODY, 7, &v), ERR_NONE);
    CHECK_BYTES("7", v, text("seven"));
    CHECK(db_count(db, DB_BUNDLE_BODY) == 1);
    /* A number below one that was rolled back is still put where it belongs. */
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 300, text("x")), ERR_NONE);
    db_rollback(db);
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 256, text("y")), ERR_NONE);
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 2, text("z")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    CHECK(db_count(db, DB_BUNDLE_BODY) == 3);
    kind_close(db);
}

struct walked {
    uint64_t seqs[8];
    size_t count, stop_after;
};

static bool note_seq(void *ctx, uint64_t seq, struct bytes value)
{
    struct walked *w = ctx;

    (void)value;
    w->seqs[w->count++] = seq;
    return w->count < w->stop_after;
}

static void test_order(void)
{
    static const uint64_t put[] = { 256, 1, 65536, 2, 255, UINT64_MAX };
    static const uint64_t sorted[] = { 1, 2, 255, 256, 65536, UINT64_MAX };
    struct db *db = kind_open(NULL);

    for (size_t i = 0; i < 6; i++)
        CHECK_ERR("", db_put_seq(db, DB_SEEN, put[i], text("v")), ERR_NONE);
    for (int round = 0; round < 2; round++) {
        for (size_t from = 0; from < 6; from++) {
            struct walked w = { { 0 }, 0, 8 };

            CHECK_ERR("", db_walk_seq(db, DB_SEEN, sorted[from], note_seq, &w), ERR_NONE);
            CHECK(w.count == 6 - from && memcmp(w.seqs, sorted + from, w.count * sizeof w.seqs[0]) == 0);
        }
        struct walked w = { { 0 }, 0, 2 };
        CHECK_ERR("", db_walk_seq(db, DB_SEEN, 3, note_seq, &w), ERR_NONE);
        CHECK(w.count == 2 && w.seqs[0] == 255 && w.seqs[1] == 256);
        CHECK_ERR("", db_commit(db), ERR_NONE);
    }
    kind_close(db);
}

static bool note_first(void *ctx, struct bytes key, struct bytes value)
{
    struct buffer *b = ctx;

    (void)value;
    REQUIRE(buffer_append(b, key) == ERR_NONE && buffer_append(b, text(" ")) == ERR_NONE);
    return true;
}

static void test_byte_keys(void)
{
    struct db *db = kind_open(NULL);
    struct buffer b = buffer_of_limit(256);
    uint8_t longest[64];

    memset(longest, 'z', sizeof longest);
    CHECK_ERR("", db_put(db, DB_ARCHIVE, text("b"), text("")), ERR_NONE);
    CHECK_ERR("", db_put(db, DB_ARCHIVE, text("ab"), text("")), ERR_NONE);
    CHECK_ERR("", db_put(db, DB_ARCHIVE, text("a"), text("")), ERR_NONE);
    CHECK_ERR("", db_put(db, DB_ARCHIVE, bytes_of(longest, sizeof longest), text("")), ERR_NONE);
    CHECK_ERR("", db_delete(db, DB_ARCHIVE, bytes_of(longest, sizeof longest)), ERR_NONE);
    CHECK_ERR("", db_walk(db, DB_ARCHIVE, text(""), note_first, &b), ERR_NONE);
    CHECK_BYTES("all", buffer_bytes(&b), text("a ab b "));
    b.len = 0;
    CHECK_ERR("", db_walk(db, DB_ARCHIVE, text("aa"), note_first, &b), ERR_NONE);
    CHECK_BYTES("from aa", buffer_bytes(&b), text("ab b "));
    buffer_clear(&b);
    kind_close(db);
}

/* After a change that failed nothing of the transaction becomes durable. */
static void test_spoilt(void)
{
    struct db *db = kind_open(NULL);
    struct fault_once f = { 1, ERR_IO, 0, false };
    struct bytes v;

    CHECK_ERR("", db_put(db, DB_META, text("kept"), text("1")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    db_set_fault(db, fault_once, &f);
    CHECK_ERR("", db_put(db, DB_META, text("first"), text("1")), ERR_NONE);
    CHECK_ERR("the fault", db_put(db, DB_META, text("second"), text("1")), ERR_IO);
    CHECK_ERR("spoilt", db_put(db, DB_META, text("third"), text("1")), ERR_IO);
    CHECK_ERR("spoilt", db_get(db, DB_META, text("first"), &v), ERR_IO);
    CHECK(db_is_dirty(db));
    CHECK_ERR("spoilt", db_commit(db), ERR_IO);
    CHECK(!db_is_dirty(db));
    CHECK_ERR("rolled back", db_get(db, DB_META, text("first"), &v), ERR_NOT_FOUND);
    CHECK_ERR("kept", db_get(db, DB_META, text("kept"), &v), ERR_NONE);
    CHECK_ERR("works again", db_put(db, DB_META, text("fourth"), text("1")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    kind_close(db);
}

/* ---- Random operations against a model that is too simple to be wrong ---- */

enum { MODEL_KEYS = 64, STEPS = 20000 };

struct model_value { bool is_there; uint8_t len, fill; };

static bool is_as_model(struct db *db, enum db_table table, uint64_t key, struct model_value m)
{
    uint8_t want[255];
    struct bytes v;
    enum err e = db_get_seq(db, table, key * 3 + 1, &v);

    if (!m.is_there)
        return e == ERR_NOT_FOUND;
    memset(want, m.fill, m.len);
    return e == ERR_NONE && bytes_are_equal(v, bytes_of(want, m.len));
}

static struct model_value model_now[2][MODEL_KEYS], model_committed[2][MODEL_KEYS];

static void test_model(uint64_t seed)
{
    static const enum db_table tables[2] = { DB_BUNDLE_FACTS, DB_BUNDLE_BODY };
    struct seeded g;
    struct db *db = kind_open(NULL);
    char label[40];

    seeded_init(&g, seed);
    struct rng rng = seeded_rng(&g);
    memset(model_now, 0, sizeof model_now);
    memset(model_committed, 0, sizeof model_committed);
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = rng_below(&rng, 200), t = rng_below(&rng, 2), k = rng_below(&rng, MODEL_KEYS);
        struct model_value *m = &model_now[t][k];

        snprintf(label, sizeof label, "seed %lu step %d", (unsigned long)seed, step);
        if (what < 80) {
            uint8_t value[255];
            struct model_value put = { true, (uint8_t)rng_below(&rng, 256), (uint8_t)rng_below(&rng, 256) };

            memset(value, put.fill, sizeof value);
            CHECK_ERR(label, db_put_seq(db, tables[t], k * 3 + 1, bytes_of(value, put.len)), ERR_NONE);
            *m = put;
        } else if (what < 140) {
            CHECK_ERR(label, db_delete_seq(db, tables[t], k * 3 + 1), m->is_there ? ERR_NONE : ERR_NOT_FOUND);
            m->is_there = false;
        } else if (what < 190) {
            CHECK_CASE(label, is_as_model(db, tables[t], k, *m));
        } else if (what < 196) {
            CHECK_ERR(label, db_commit(db), ERR_NONE);
            memcpy(model_committed, model_now, sizeof model_now);
        } else {
            if (what < 199)
                db_rollback(db);
            else
                db = kind_reopen(db, NULL);
            memcpy(model_now, model_committed, sizeof model_now);
        }
        if (step % 500 != 0)
            continue;
        for (size_t i = 0; i < 2; i++) {
            uint64_t count = 0;

            for (uint64_t j = 0; j < MODEL_KEYS; j++) {
                CHECK_CASE(label, is_as_model(db, tables[i], j, model_now[i][j]));
                count += model_now[i][j].is_there;
            }
            CHECK_CASE(label, db_count(db, tables[i]) == count);
        }
    }
    kind_close(db);
}

int main(int argc, char **argv)
{
    kind_choose(argc, argv);
    test_put_get_delete();
    test_rollback();
    test_order();
    test_byte_keys();
    test_spoilt();
    for (uint64_t seed = 1; seed <= 3; seed++)
        test_model(seed);
    return check_report("db");
}
