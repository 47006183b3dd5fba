/* tests/mesh/test_recon.c - one class of two stores: what each comes to know, and what happens when it does not add up. */
#include "mesh/recon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/seeded.h"

struct end { struct db *db; struct store *store; struct recon_shared shared; struct recon recon; uint64_t count, last_seq; };

static void put(struct end *e, uint64_t number, uint8_t size_code)
{
    static uint8_t bundle[BUNDLE_LEN_MAX];
    struct store_entry entry = { .len = bundle_len_of_code(size_code), .deadline_s = 1000000, .bundle_class = CLASS_SEALED,
                                 .quota_class = QUOTA_STRANGER, .contributor = 2, .budget = 255 };
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = size_code };

    memcpy(entry.id.octets, &number, sizeof number);
    memcpy(entry.tag, &number, sizeof number);
    memcpy(h.tag, &number, sizeof number);
    header_encode(&h, bundle);
    REQUIRE(store_put(e->store, &entry, bytes_of(bundle, entry.len)) == ERR_NONE);
    e->last_seq = entry.seq;
    e->count++;
}

static void open_end(struct end *e)
{
    memset(e, 0, sizeof *e);
    REQUIRE(db_open_mem(&e->db) == ERR_NONE && store_open(&e->store, e->db, NULL) == ERR_NONE);
    e->shared.store = e->store;
}

static void close_end(struct end *e)
{
    recon_clear(&e->recon);
    store_close(e->store);
    db_close(e->db);
}

static void start(struct end *a, struct end *b, const uint8_t hash_a[64], const uint8_t hash_b[64])
{
    static const uint8_t sid_key[16] = { 5 };

    recon_init(&a->recon, &a->shared, CLASS_SEALED, hash_a, sid_key);
    recon_init(&b->recon, &b->shared, CLASS_SEALED, hash_b, sid_key);
    REQUIRE(recon_start(&a->recon, true, a->count, b->count, a->last_seq) == ERR_NONE);
    REQUIRE(recon_start(&b->recon, false, b->count, a->count, b->last_seq) == ERR_NONE);
}

static enum err hear(struct recon *r, struct bytes frame)
{
    struct reader in = reader_of(frame);
    struct record rec;
    enum err e = ERR_NONE;

    while (reader_left(&in) > 0 && e == ERR_NONE) {
        REQUIRE(record_next(&in, &rec) == ERR_NONE);
        switch (rec.type) {
        case RECORD_LIST: e = recon_on_list(r, rec.u.list.sids); break;
        case RECORD_CELLS:
            e = recon_on_cells(r, rec.u.cells.round, rec.u.cells.first, rec.u.cells.count, rec.u.cells.set_count,
                               rec.u.cells.cells);
            break;
        case RECORD_MORE: e = recon_on_more(r, rec.u.more.cells); break;
        case RECORD_SETTLED: e = recon_on_settled(r, (enum settled_how)rec.u.settled.how); break;
        default: REQUIRE(false);
        }
    }
    return e;
}

/* Talks until both are done; returns how often each spoke. */
static int talk(struct end *a, struct end *b, size_t frame_max)
{
    static uint8_t frame[16384];
    int turns = 0, silent = 0;

    for (struct end *from = a, *to = b, *swap; silent < 2 && turns < 100000; swap = from, from = to, to = swap) {
        struct writer w = writer_of(frame, frame_max);

        REQUIRE(recon_write(&from->recon, &w));
        CHECK(!w.failed);
        silent = writer_len(&w) == 0 ? silent + 1 : 0;
        turns += writer_len(&w) > 0;
        CHECK(hear(&to->recon, writer_bytes(&w)) == ERR_NONE);
    }
    CHECK(a->recon.role == RECON_DONE && b->recon.role == RECON_DONE);
    return turns;
}

static size_t count_giving(struct end *e)
{
    size_t count = 0, last_size = 0;
    uint64_t last_seq = UINT64_MAX;

    for (uint64_t seq; difference_peek_giving(&e->recon.difference, &seq); difference_take_giving(&e->recon.difference), count++) {
        const struct store_entry *entry = store_find_seq(e->store, seq);

        CHECK(entry != NULL && entry->len >= last_size);
        if (entry->len > last_size)
            last_seq = UINT64_MAX;
        CHECK(seq < last_seq);   /* new before old within a size */
        last_size = entry->len;
        last_seq = seq;
    }
    CHECK(!difference_is_giving(&e->recon.difference));
    return count;
}

static void test_difference(uint64_t common, uint64_t a_only, uint64_t b_only, size_t frame_max)
{
    struct end a, b;
    uint8_t hash[64] = { 1 };
    char label[64];

    snprintf(label, sizeof label, "%llu common, %llu, %llu", (unsigned long long)common, (unsigned long long)a_only,
             (unsigned long long)b_only);
    open_end(&a);
    open_end(&b);
    for (uint64_t i = 0; i < common; i++) {
        put(&a, i, (uint8_t)(i % 3));
        put(&b, i, (uint8_t)(i % 3));
    }
    for (uint64_t i = 0; i < a_only; i++)
        put(&a, 1000000 + i, (uint8_t)(i % 2));
    for (uint64_t i = 0; i < b_only; i++)
        put(&b, 2000000 + i, (uint8_t)(i % 2));
    start(&a, &b, hash, hash);
    talk(&a, &b, frame_max);
    uint64_t sid;
    size_t lacking[2] = { a.recon.difference.lacking_open, b.recon.difference.lacking_open };
    size_t giving[2] = { count_giving(&a), count_giving(&b) };
    /* Whoever knows the difference knows both halves; with an empty side only what is given is told. */
    CHECK_CASE(label, lacking[0] == b_only || giving[1] == b_only);
    CHECK_CASE(label, lacking[1] == a_only || giving[0] == a_only);
    CHECK_CASE(label, lacking[0] + giving[1] == b_only && lacking[1] + giving[0] == a_only);
    struct recon *knows = lacking[0] > 0 ? &a.recon : &b.recon;
    size_t asked = 0;
    for (; difference_next_lacking(&knows->difference, &sid, 0); asked++)
        CHECK_CASE(label, difference_is_asked(&knows->difference, sid));
    CHECK_CASE(label, asked == lacking[0] + lacking[1] || lacking[0] * lacking[1] > 0);
    CHECK(a.shared.large_count == 0 && b.shared.large_count == 0);
    close_end(&a);
    close_end(&b);
}

/* Two that do not agree on the key: no cells ever add up. Both end by offering everything. */
static void test_never_adds_up(void)
{
    struct end a, b;
    uint8_t hash_a[64] = { 1 }, hash_b[64] = { 2 };

    open_end(&a);
    open_end(&b);
    for (uint64_t i = 0; i < 200; i++) {
        put(&a, i, 0);
        put(&b, i, 0);
    }
    start(&a, &b, hash_a, hash_b);
    talk(&a, &b, 16384);
    CHECK(b.recon.fails == RECON_FAILS_MAX);
    CHECK(count_giving(&a) == 200 && count_giving(&b) == 200);
    CHECK(a.recon.cells_total < 20000);
    close_end(&a);
    close_end(&b);
}

static void test_faults(void)
{
    struct end a, b;
    uint8_t hash[64] = { 1 };
    static const uint8_t junk[256];

    open_end(&a);
    open_end(&b);
    for (uint64_t i = 0; i < 100; i++) {
        put(&a, i, 0);
        put(&b, i + 50, 0);
    }
    start(&a, &b, hash, hash);
    CHECK(recon_on_list(&b.recon, (struct sids){ junk, LIST_MAX }) == ERR_MALFORMED);
    CHECK(recon_on_cells(&b.recon, 0, 0, 0, 100, bytes_of(junk, 0)) == ERR_MALFORMED);
    CHECK(recon_on_cells(&b.recon, 0, 0, 5, SKETCH_SET_MAX + 1, bytes_of(junk, 64)) == ERR_MALFORMED);
    CHECK(recon_on_cells(&b.recon, 0, 0, 100, 100, bytes_of(junk, 3)) == ERR_MALFORMED);
    CHECK(recon_on_more(&a.recon, 0) == ERR_MALFORMED);
    CHECK(recon_on_more(&a.recon, SKETCH_CELLS_MAX + 1ull) == ERR_MALFORMED);
    for (unsigned i = 0; i + 1 < RECON_ROUNDS_MAX; i++)
        CHECK(recon_on_settled(&a.recon, SETTLED_AGAIN) == ERR_NONE);
    CHECK(recon_on_settled(&a.recon, SETTLED_AGAIN) == ERR_MALFORMED);
    CHECK(recon_on_settled(&a.recon, SETTLED_KNOWN) == ERR_NONE && a.recon.role == RECON_DONE);
    CHECK(recon_on_settled(&a.recon, SETTLED_ALL) == ERR_NONE && !difference_is_giving(&a.recon.difference));   /* too late */
    close_end(&a);
    close_end(&b);
}

int main(void)
{
    static const uint64_t counts[] = { 0, 1, 5, 31, 32, 33, 700 };

    for (size_t i = 0; i < 7; i++) {
        for (size_t k = 0; k < 7; k++) {
            for (size_t m = 0; m < 7; m++)
                test_difference(counts[i], counts[k], counts[m], (i + k + m) % 2 == 0 ? 16384 : 1024);
        }
    }
    test_difference(9000, 5000, 10, 16384);
    test_difference(0, 9000, 0, 16384);
    test_difference(0, 9000, 10, 16384);
    test_never_adds_up();
    test_faults();
    return check_report("recon");
}
