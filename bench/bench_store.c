/* bench/bench_store.c - what a bundle costs the store, beside the floor measured in the same run.
 *
 *     bench_store [FOLDER]      a folder on the disk to be measured; /tmp otherwise
 *
 * The floor is LMDB alone: the same bytes (facts and body) appended to two tables and committed as often,
 * with nothing decided, found or counted. Columns are microseconds of CPU a bundle without syncs, bytes on disk and of
 * heap a bundle, and milliseconds to open; syncs are measured apart, since they belong to the disk.
 */
#define _DEFAULT_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>

#include "bench/measure.h"
#include "storage/store.h"

enum { FACTS_BYTES = 68, BATCH = 1000, LEN = 256 };

static char folder[512];

static double wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static uint64_t lots = 1;

static uint64_t draw(void)
{
    lots = lots * 6364136223846793005u + 1442695040888963407u;
    return (lots ^ lots >> 31) * 0x9e3779b97f4a7c15u;
}

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "bench_store: %s failed: %d\n", what, rc);
    exit(1);
}

static void wipe_folder(void)
{
    char path[600];
    static const char *const names[] = { "data.mdb", "lock", "lock.mdb" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}

static double file_bytes(void)
{
    struct stat st;
    char path[600];

    snprintf(path, sizeof path, "%s/data.mdb", folder);
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

/* Makes a bundle that looks as one does; drawing it is not part of what is measured. */
static void make_bundle(struct store_entry *e, uint8_t *bundle)
{
    struct header h;

    memset(&h, 0, sizeof h);
    h.bundle_class = CLASS_SEALED;
    h.expiry_h = 6000;
    for (size_t i = 0; i < TAG_LEN; i += 8) {
        uint64_t v = draw(), w = draw();

        memcpy(h.tag + i, &v, 8);
        memcpy(e->id.octets + i, &w, 8);
    }
    header_encode(&h, bundle);
    memcpy(e->tag, h.tag, TAG_LEN);
    e->len = LEN;
    e->bundle_class = CLASS_SEALED;
    e->quota_class = QUOTA_STRANGER;
    e->expiry_h = h.expiry_h;
    e->deadline_s = 100000 + (uint32_t)(draw() % 1209600);
    e->contributor = 1 + (uint32_t)(draw() % 16);
    e->budget = 255;
}

/* The bundles of a batch are drawn before the clock is read. */
static struct store_entry entries[BATCH];
static uint8_t bundles[BATCH][LEN];

static void make_batch(void)
{
    for (int i = 0; i < BATCH; i++)
        make_bundle(&entries[i], bundles[i]);
}

/* Side tables: id -> seq, and (deadline, seq) and (bucket, seq), in the database instead of in memory. */
static void put_sides(MDB_txn *txn, const MDB_dbi sides[3], const struct store_entry *e, const uint8_t seq[8])
{
    uint8_t by_deadline[12], by_bucket[11];
    MDB_val id = { 16, (void *)(uintptr_t)e->id.octets }, value = { 8, (void *)(uintptr_t)seq }, none = { 0, NULL };
    MDB_val deadline = { sizeof by_deadline, by_deadline }, bucket = { sizeof by_bucket, by_bucket };

    for (int i = 0; i < 4; i++)
        by_deadline[i] = (uint8_t)(e->deadline_s >> (24 - 8 * i));
    memcpy(by_deadline + 4, seq, 8);
    memcpy(by_bucket, e->tag, 3);
    memcpy(by_bucket + 3, seq, 8);
    must(mdb_put(txn, sides[0], &id, &value, 0), "put");
    must(mdb_put(txn, sides[1], &deadline, &none, 0), "put");
    must(mdb_put(txn, sides[2], &bucket, &none, 0), "put");
}

static double run_floor(size_t count, bool is_synced, bool has_sides, double *bytes, double *wall)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi facts, body, sides[3];
    double cpu = 0, began;
    uint8_t record[FACTS_BYTES] = { 1 };

    *wall = 0;
    wipe_folder();
    must(mdb_env_create(&env), "create");
    must(mdb_env_set_maxdbs(env, 5), "maxdbs");
    must(mdb_env_set_mapsize(env, (size_t)1 << 30), "mapsize");
    must(mdb_env_open(env, folder, MDB_NORDAHEAD | MDB_NOTLS | MDB_NOLOCK | (is_synced ? 0 : MDB_NOSYNC), 0600), "open");
    must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    must(mdb_dbi_open(txn, "facts", MDB_CREATE, &facts), "table");
    must(mdb_dbi_open(txn, "body", MDB_CREATE, &body), "table");
    must(mdb_dbi_open(txn, "id", MDB_CREATE, &sides[0]), "table");
    must(mdb_dbi_open(txn, "deadline", MDB_CREATE, &sides[1]), "table");
    must(mdb_dbi_open(txn, "bucket", MDB_CREATE, &sides[2]), "table");
    must(mdb_txn_commit(txn), "commit");
    for (size_t done = 0; done < count; done += BATCH) {
        make_batch();
        double began_wall = wall_us();
        began = cpu_us();
        must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
        for (size_t i = 0; i < BATCH; i++) {
            uint8_t key[8];
            MDB_val k = { 8, key }, f = { FACTS_BYTES, record }, b = { LEN, bundles[i] };

            for (size_t j = 0; j < 8; j++)
                key[j] = (uint8_t)((uint64_t)(done + i + 1) >> (56 - 8 * j));
            memcpy(record + 8, entries[i].id.octets, 16);
            must(mdb_put(txn, body, &k, &b, MDB_APPEND), "put");
            must(mdb_put(txn, facts, &k, &f, MDB_APPEND), "put");
            if (has_sides)
                put_sides(txn, sides, &entries[i], key);
        }
        must(mdb_txn_commit(txn), "commit");
        cpu += cpu_us() - began;
        *wall += wall_us() - began_wall;
    }
    *bytes = file_bytes() / (double)count;
    mdb_env_close(env);
    return cpu / (double)count;
}

static struct db *open_db(bool is_synced)
{
    struct db_options o = { 0, 0, !is_synced };
    struct db *db;

    must((int)db_open_lmdb(&db, folder, &o), "opening the database");
    return db;
}

static double run_store(size_t count, bool is_synced, uint64_t capacity, double *bytes, double *heap, double *wall)
{
    struct store_config config = { capacity, { 0 }, 0x5eed };
    struct store *s;
    double cpu = 0;

    wipe_folder();
    *wall = 0;
    struct db *db = open_db(is_synced);
    size_t heap_before = heap_bytes();
    must((int)store_open(&s, db, &config), "opening the store");
    for (size_t done = 0; done < count; done += BATCH) {
        make_batch();
        double began_wall = wall_us(), began = cpu_us();

        for (size_t i = 0; i < BATCH; i++) {
            enum err e = store_put(s, &entries[i], bytes_of(bundles[i], LEN));

            if (e != ERR_NONE && (capacity == 0 || e != ERR_FULL))
                must((int)e, "put");
        }
        must((int)db_commit(db), "commit");
        cpu += cpu_us() - began;
        *wall += wall_us() - began_wall;
    }
    struct store_usage u;
    store_usage(s, &u);
    *heap = (double)(heap_bytes() - heap_before) / (double)u.count;
    *bytes = file_bytes() / (double)u.count;
    store_close(s);
    db_close(db);
    return cpu / (double)count;
}

static double run_open(double *heap_total)
{
    struct store *s;
    size_t heap_before = heap_bytes();
    double began = cpu_us();
    struct db *db = open_db(true);

    must((int)store_open(&s, db, NULL), "opening the store");
    double took = cpu_us() - began;
    *heap_total = (double)(heap_bytes() - heap_before);
    store_close(s);
    db_close(db);
    return took / 1000;
}

static double run_expire(size_t count)
{
    struct store *s;
    struct db *db = open_db(false);
    double cpu = 0;

    must((int)store_open(&s, db, NULL), "opening the store");
    store_clock_advance(s, UINT32_MAX);
    double began = cpu_us();
    for (size_t done = 0; done < count; done += BATCH) {
        if (store_expire(s, BATCH) != BATCH)
            must(1, "expiry");
        must((int)db_commit(db), "commit");
    }
    cpu = cpu_us() - began;
    store_close(s);
    db_close(db);
    return cpu / (double)count;
}

int main(int argc, char **argv)
{
    static const size_t counts[] = { 1000, 10000, 100000 };
    double bytes, floor_bytes, heap, heap_total, wall, floor_wall;

    if (argc > 2 || (argc > 1 && argv[1][0] == '-')) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs("usage: bench_store [FOLDER]\nWhat a bundle costs the store, beside LMDB alone, on the disk of FOLDER (/tmp).\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    snprintf(folder, sizeof folder, "%s/staffetta-bench-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    printf("bundles of %d bytes, a commit every %d\n", LEN, BATCH);
    printf("%8s  %8s %8s %6s  %8s %8s  %8s %9s %8s  %9s\n", "bundles", "floor", "store", "ratio", "disk", "floor's", "heap", "heap", "open", "expire");
    printf("%8s  %8s %8s %6s  %8s %8s  %8s %9s %8s  %9s\n", "", "us each", "us each", "", "B each", "B each", "B each", "MB in all", "ms", "us each");
    for (size_t i = 0; i < 3; i++) {
        double floor_us = run_floor(counts[i], false, false, &floor_bytes, &floor_wall);
        double store_us = run_store(counts[i], false, 0, &bytes, &heap, &wall);
        double open_ms = run_open(&heap_total);

        printf("%8zu  %8.2f %8.2f %6.2f  %8.0f %8.0f  %8.0f %9.2f %8.1f  %9.2f\n", counts[i], floor_us, store_us, store_us / floor_us,
               bytes, floor_bytes, heap, heap_total / 1e6, open_ms, run_expire(counts[i]));
    }
    double floor_us = run_floor(10000, true, false, &floor_bytes, &floor_wall);
    double store_us = run_store(10000, true, 0, &bytes, &heap, &wall);
    printf("synced, 10000: floor %.2f us CPU, %.1f us wall each; store %.2f us CPU, %.1f us wall each\n", floor_us,
           floor_wall / 10000, store_us, wall / 10000);
    for (size_t i = 1; i < 3; i++) {
        floor_us = run_floor(counts[i], false, true, &floor_bytes, &floor_wall);
        printf("LMDB alone with side tables by id, deadline and bucket, %zu: %.2f us CPU each, %.0f B on disk each\n", counts[i], floor_us, floor_bytes);
    }
    /* A store of 50,000 that is full: every second half of the puts has to evict. */
    store_us = run_store(100000, false, (uint64_t)50000 * LEN, &bytes, &heap, &wall);
    printf("full, 100000 into room for 50000: store %.2f us CPU each\n", store_us);
    wipe_folder();
    rmdir(folder);
    return 0;
}
