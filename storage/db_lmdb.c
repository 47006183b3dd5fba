/* storage/db_lmdb.c - the kind of database that survives a crash. The only file that knows LMDB.
 *
 * One process owns the folder (a lock on a file of its own), and one thread the database, so LMDB's
 * own lock table is not used: nothing is left behind by a process that died, and no stale reader
 * keeps pages from being used again. A read transaction never outlives the start of a change, which
 * is what makes that safe.
 */
#define _DEFAULT_SOURCE
#define _FILE_OFFSET_BITS 64
#include "storage/db_kind.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"
#include "storage/disk.h"

static const uint64_t MIB = 1024 * 1024;

enum {
    FORMAT_VERSION   = 1,
    RESERVE_MIB      = 16,
    /* What is set aside for deleting: some hundred bundles at once, each on pages of its own. */
    FLOOR_MIB        = 2,
    /* Address space costs nothing where there is plenty of it; with 32 bits the map stays modest and
     * grows in small steps. The headroom is what one transaction may take. */
    MAP_START_MIB    = sizeof(size_t) >= 8 ? 1024 : 64,
    MAP_STEP_MIB     = sizeof(size_t) >= 8 ? 1024 : 32,
    HEADROOM_MIB     = sizeof(size_t) >= 8 ? 256 : 32,
    HEADROOM_MAX_MIB = sizeof(size_t) >= 8 ? 4096 : 128,
    /* Pages at the end of the file that LMDB took and gave back in one transaction are never written. */
    MISSING_PAGES_MAX = 4096,
};

static const char *const table_names[DB_TABLE_COUNT] = { "meta", "facts", "body", "seen", "archive" };
static const char format_key[] = "format";

struct db_lmdb {
    struct db base;
    MDB_env *env;
    MDB_txn *write;              /* open between begin and commit */
    MDB_txn *read;               /* kept, renewed when needed */
    bool is_reading;
    MDB_dbi tables[DB_TABLE_COUNT];
    uint8_t last[DB_TABLE_COUNT][DB_SEQ_LEN]; /* no key of a sequence table is greater */
    bool has_last[DB_TABLE_COUNT];
    uint64_t map_bytes, headroom_bytes, reserve_bytes, floor_bytes;
    uint64_t used_bytes;
    bool has_room, has_reserve;
    int lock_fd;
    char *data_path;
};

static enum err err_of_mdb(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return ERR_NONE;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ERR_FULL;
    case MDB_VERSION_MISMATCH:
        return ERR_VERSION;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
        return ERR_CORRUPT;
    default:
        return rc > 0 ? err_of_errno(rc) : ERR_IO;
    }
}

static MDB_val val_of(struct bytes b)
{
    /* LMDB takes the memory of keys and values as not const, and does not write to it. */
    MDB_val v = { b.len, (void *)(uintptr_t)b.at };

    return v;
}

static struct bytes bytes_of_val(MDB_val v)
{
    return bytes_of(v.mv_data, v.mv_size);
}

static struct db_lmdb *lmdb_of(struct db *db)
{
    return (struct db_lmdb *)(void *)db;
}

/* ---- Room on the disk, room in the map ---- */

static uint64_t page_bytes(const struct db_lmdb *d)
{
    MDB_stat st;

    return mdb_env_stat(d->env, &st) == 0 ? st.ms_psize : 4096;
}

static MDB_txn *reading(struct db_lmdb *d, int *rc)
{
    *rc = 0;
    if (d->write != NULL)
        return d->write;
    if (d->is_reading)
        return d->read;
    *rc = d->read == NULL ? mdb_txn_begin(d->env, NULL, MDB_RDONLY, &d->read) : mdb_txn_renew(d->read);
    d->is_reading = *rc == 0;
    return *rc == 0 ? d->read : NULL;
}

/* Bytes of pages that deleted records left for reuse. LMDB lists them in its table 0: one record a
 * transaction, which starts with their number. */
static uint64_t free_bytes_inside(struct db_lmdb *d)
{
    int rc;
    MDB_txn *txn = reading(d, &rc);
    MDB_cursor *c;
    MDB_val key, value;
    uint64_t pages = 0;

    if (txn == NULL || mdb_cursor_open(txn, 0, &c) != 0)
        return 0;
    for (rc = mdb_cursor_get(c, &key, &value, MDB_FIRST); rc == 0; rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
        size_t n = 0;

        if (value.mv_size >= sizeof n)
            memcpy(&n, value.mv_data, sizeof n);
        pages += n;
    }
    mdb_cursor_close(c);
    return pages * page_bytes(d);
}

static void look_at_room(struct db_lmdb *d)
{
    MDB_envinfo info;
    struct disk_room room;
    int fd;

    if (mdb_env_info(d->env, &info) == 0)
        d->used_bytes = ((uint64_t)info.me_last_pgno + 1) * page_bytes(d);
    disk_look(&room, d->data_path, d->used_bytes);
    /* Somebody else's filling the disk must not keep us from deleting. */
    if (room.aside < d->floor_bytes && mdb_env_get_fd(d->env, &fd) == 0) {
        disk_set_aside(fd, d->used_bytes, 2 * d->floor_bytes);
        disk_look(&room, d->data_path, d->used_bytes);
    }
    uint64_t left = room.left + room.aside;
    /* The free list is walked only when the answer hangs on it. */
    if (left < d->reserve_bytes)
        left += free_bytes_inside(d);
    d->has_room = left >= d->reserve_bytes;
    d->has_reserve = left >= d->floor_bytes;
}

/* Whether the address space has a hole of this size. LMDB gives its map up before it asks for the larger
 * one and cannot go on without either, so it is asked only for what is there. */
static bool can_map(uint64_t bytes)
{
    if (bytes > SIZE_MAX)
        return false;
    void *at = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    munmap(at, (size_t)bytes);
    return true;
}

/* Called with no transaction open. */
static enum err grow_map(struct db_lmdb *d)
{
    uint64_t need = d->used_bytes + d->headroom_bytes;
    uint64_t step = MAP_STEP_MIB * MIB;
    uint64_t want = (need + step) / step * step;

    if (need <= d->map_bytes)
        return ERR_NONE;
    if (!can_map(want))
        want = (need + MIB) / MIB * MIB;
    /* Short of address space: go on with the map as it is, until it is really full. */
    if (!can_map(want))
        return ERR_NONE;
    int rc = mdb_env_set_mapsize(d->env, (size_t)want);
    if (rc != 0)
        return err_of_mdb(rc);
    d->map_bytes = want;
    return ERR_NONE;
}

/* The map was full in the middle of a transaction: the next one starts with more ahead of it. */
static void widen_headroom(struct db_lmdb *d)
{
    if (d->headroom_bytes < HEADROOM_MAX_MIB * MIB)
        d->headroom_bytes *= 2;
}

/* ---- Transactions ---- */

static enum err lmdb_begin(struct db *db)
{
    struct db_lmdb *d = lmdb_of(db);
    enum err e;

    if (d->is_reading)
        mdb_txn_reset(d->read);
    d->is_reading = false;
    if ((e = grow_map(d)) != ERR_NONE)
        return e;
    return err_of_mdb(mdb_txn_begin(d->env, NULL, 0, &d->write));
}

/* LMDB reports a write that the full disk cut short as EIO. */
static bool is_disk_full(const struct db_lmdb *d)
{
    struct disk_room room;

    disk_look(&room, d->data_path, d->used_bytes);
    return room.left < MIB;
}

static enum err lmdb_commit(struct db *db)
{
    struct db_lmdb *d = lmdb_of(db);
    int rc = mdb_txn_commit(d->write);

    d->write = NULL;
    look_at_room(d);
    if (rc == MDB_MAP_FULL)
        widen_headroom(d);
    if (rc == EIO && is_disk_full(d))
        rc = ENOSPC;
    return err_of_mdb(rc);
}

static void lmdb_rollback(struct db *db)
{
    struct db_lmdb *d = lmdb_of(db);

    mdb_txn_abort(d->write);
    d->write = NULL;
}

/* ---- Records ---- */

static enum err lmdb_get(struct db *db, enum db_table table, struct bytes key, struct bytes *value)
{
    struct db_lmdb *d = lmdb_of(db);
    MDB_val k = val_of(key), v;
    int rc;
    MDB_txn *txn = reading(d, &rc);

    if (txn != NULL)
        rc = mdb_get(txn, d->tables[table], &k, &v);
    if (rc == 0)
        *value = bytes_of_val(v);
    return err_of_mdb(rc);
}

static enum err lmdb_put(struct db *db, enum db_table table, struct bytes key, struct bytes value)
{
    struct db_lmdb *d = lmdb_of(db);
    MDB_val k = val_of(key), v = val_of(value);
    unsigned flags = 0;
    bool is_last = db_table_is_seq(table) && (!d->has_last[table] || memcmp(key.at, d->last[table], DB_SEQ_LEN) > 0);

    /* A key past the last is appended without a search, and fills pages to the end. */
    if (is_last)
        flags = MDB_APPEND;
    int rc = mdb_put(d->write, d->tables[table], &k, &v, flags);
    if (rc == MDB_MAP_FULL)
        widen_headroom(d);
    if (rc == 0 && is_last) {
        /* Stands after a rollback too: then it is greater than need be, and still no key is greater. */
        memcpy(d->last[table], key.at, DB_SEQ_LEN);
        d->has_last[table] = true;
    }
    return err_of_mdb(rc);
}

static enum err lmdb_erase(struct db *db, enum db_table table, struct bytes key)
{
    struct db_lmdb *d = lmdb_of(db);
    MDB_val k = val_of(key);
    int rc = mdb_del(d->write, d->tables[table], &k, NULL);

    if (rc == MDB_MAP_FULL)
        widen_headroom(d);
    return err_of_mdb(rc);
}

static enum err lmdb_walk(struct db *db, enum db_table table, struct bytes from, db_visit *visit, void *ctx)
{
    struct db_lmdb *d = lmdb_of(db);
    MDB_val k = val_of(from), v;
    MDB_cursor *c;
    int rc;
    MDB_txn *txn = reading(d, &rc);

    if (txn != NULL)
        rc = mdb_cursor_open(txn, d->tables[table], &c);
    if (rc != 0)
        return err_of_mdb(rc);
    rc = mdb_cursor_get(c, &k, &v, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == 0 && visit(ctx, bytes_of_val(k), bytes_of_val(v)))
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? ERR_NONE : err_of_mdb(rc);
}

static uint64_t lmdb_count(struct db *db, enum db_table table)
{
    struct db_lmdb *d = lmdb_of(db);
    MDB_stat st;
    int rc;
    MDB_txn *txn = reading(d, &rc);

    return txn != NULL && mdb_stat(txn, d->tables[table], &st) == 0 ? st.ms_entries : 0;
}

static uint64_t lmdb_used_bytes(const struct db *db)
{
    return ((const struct db_lmdb *)(const void *)db)->used_bytes;
}

static bool lmdb_has_room(const struct db *db)
{
    return ((const struct db_lmdb *)(const void *)db)->has_room;
}

static bool lmdb_has_reserve(const struct db *db)
{
    return ((const struct db_lmdb *)(const void *)db)->has_reserve;
}

static void close_env(struct db_lmdb *d)
{
    if (d->write != NULL)
        mdb_txn_abort(d->write);
    if (d->read != NULL)
        mdb_txn_abort(d->read);
    if (d->env != NULL)
        mdb_env_close(d->env);
    d->write = d->read = NULL;
    d->is_reading = false;
    d->env = NULL;
}

static void lmdb_close(struct db *db)
{
    struct db_lmdb *d = lmdb_of(db);

    close_env(d);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    free(d->data_path);
    free(d);
}

static const struct db_ops lmdb_ops = {
    lmdb_begin, lmdb_commit, lmdb_rollback, lmdb_get, lmdb_put, lmdb_erase, lmdb_walk, lmdb_count,
    lmdb_used_bytes, lmdb_has_room, lmdb_has_reserve, lmdb_close,
};

/* ---- Opening ---- */

/* Reading a mapped page that the file does not have kills the process, so a file that was cut short
 * is refused, and one that merely lacks pages nothing points to gets them. */
static enum err check_length(struct db_lmdb *d)
{
    MDB_envinfo info;
    struct stat st;
    uint64_t page = page_bytes(d);

    if (mdb_env_info(d->env, &info) != 0 || stat(d->data_path, &st) != 0)
        return ERR_IO;
    uint64_t need = ((uint64_t)info.me_last_pgno + 1) * page, have = (uint64_t)st.st_size;
    if (have >= need)
        return ERR_NONE;
    if (have + MISSING_PAGES_MAX * page < need || need > INT64_MAX)
        return ERR_CORRUPT;
    return truncate(d->data_path, (off_t)need) == 0 ? ERR_NONE : err_of_errno(errno);
}

static enum err open_env(struct db_lmdb *d, const char *path)
{
    /* No MDB_WRITEMAP: a full disk has to be an error of a write, not a signal. No MDB_NOMEMINIT: the slack
     * of a page must not carry what was in our memory onto the disk. */
    unsigned flags = MDB_NOSUBDIR | MDB_NORDAHEAD | MDB_NOTLS | MDB_NOLOCK;
    MDB_envinfo info;
    int rc;

    if ((rc = mdb_env_create(&d->env)) != 0)
        return err_of_mdb(rc);
    if ((rc = mdb_env_set_maxdbs(d->env, DB_TABLE_COUNT)) != 0 || (rc = mdb_env_set_mapsize(d->env, (size_t)d->map_bytes)) != 0)
        return err_of_mdb(rc);
    if ((rc = mdb_env_open(d->env, path, flags, 0600)) != 0)
        return err_of_mdb(rc);
    if ((rc = mdb_env_info(d->env, &info)) != 0)
        return err_of_mdb(rc);
    d->map_bytes = info.me_mapsize;
    return ERR_NONE;
}

/* Opens the tables, which a new file gets, and finds the last key of each sequence table. */
static enum err open_tables(struct db_lmdb *d, unsigned create)
{
    int rc;

    for (int t = 0; t < DB_TABLE_COUNT; t++) {
        MDB_cursor *c;
        MDB_val last, ignored;

        if ((rc = mdb_dbi_open(d->write, table_names[t], create, &d->tables[t])) != 0)
            return rc == MDB_NOTFOUND ? ERR_CORRUPT : err_of_mdb(rc);
        if (!db_table_is_seq((enum db_table)t))
            continue;
        if ((rc = mdb_cursor_open(d->write, d->tables[t], &c)) != 0)
            return err_of_mdb(rc);
        rc = mdb_cursor_get(c, &last, &ignored, MDB_LAST);
        if (rc == 0 && last.mv_size == DB_SEQ_LEN) {
            memcpy(d->last[t], last.mv_data, DB_SEQ_LEN);
            d->has_last[t] = true;
        }
        mdb_cursor_close(c);
        if (rc == 0 && !d->has_last[t])
            return ERR_CORRUPT;
        if (rc != 0 && rc != MDB_NOTFOUND)
            return err_of_mdb(rc);
    }
    return ERR_NONE;
}

static enum err check_version(struct db_lmdb *d)
{
    MDB_val k = val_of(bytes_of_text(format_key)), v;
    int rc = mdb_get(d->write, d->tables[DB_META], &k, &v);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? ERR_CORRUPT : err_of_mdb(rc);
    struct reader r = reader_of(bytes_of_val(v));
    uint32_t version = reader_u32(&r);
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    return version == FORMAT_VERSION ? ERR_NONE : ERR_VERSION;
}

static enum err write_version(struct db_lmdb *d)
{
    uint8_t record[4];
    struct writer w = writer_of(record, sizeof record);

    writer_u32(&w, FORMAT_VERSION);
    MDB_val k = val_of(bytes_of_text(format_key)), v = val_of(writer_bytes(&w));
    return err_of_mdb(mdb_put(d->write, d->tables[DB_META], &k, &v, 0));
}

/* A new database is made beside its place and moved there when it is on the disk: LMDB writes the first pages of
 * a file without a sync, so that a power cut could leave a file that nobody opens. */
static enum err make_file(struct db_lmdb *d, const char *folder)
{
    char *new_path = path_join(folder, "data.new");
    enum err e = new_path != NULL ? ERR_NONE : ERR_NO_MEMORY;

    if (e == ERR_NONE && unlink(new_path) != 0 && errno != ENOENT)
        e = err_of_errno(errno);
    if (e == ERR_NONE && (e = open_env(d, new_path)) == ERR_NONE)
        e = err_of_mdb(mdb_txn_begin(d->env, NULL, 0, &d->write));
    if (e == ERR_NONE && (e = open_tables(d, MDB_CREATE)) == ERR_NONE && (e = write_version(d)) == ERR_NONE) {
        e = err_of_mdb(mdb_txn_commit(d->write));
        d->write = NULL;
    }
    if (e == ERR_NONE)
        e = err_of_mdb(mdb_env_sync(d->env, 1));
    close_env(d);
    if (e == ERR_NONE && rename(new_path, d->data_path) != 0)
        e = err_of_errno(errno);
    if (e == ERR_NONE && (e = folder_sync(folder)) == ERR_NONE)
        e = folder_sync_parent(folder);
    free(new_path);
    return e;
}

static enum err open_file(struct db_lmdb *d)
{
    enum err e;

    if ((e = open_env(d, d->data_path)) != ERR_NONE || (e = check_length(d)) != ERR_NONE)
        return e;
    look_at_room(d);
    if ((e = lmdb_begin(&d->base)) != ERR_NONE || (e = open_tables(d, 0)) != ERR_NONE || (e = check_version(d)) != ERR_NONE)
        return e;
    return lmdb_commit(&d->base); /* keeps the tables open; nothing is written */
}

enum err db_open_lmdb(struct db **out, const char *path, const struct db_options *options)
{
    struct db_options o = { 0, 0, false };
    struct db_lmdb *d = calloc(1, sizeof *d);
    enum err e = ERR_NO_MEMORY;

    if (d == NULL)
        return e;
    if (options != NULL)
        o = *options;
    d->base.ops = &lmdb_ops;
    d->lock_fd = -1;
    d->map_bytes = o.map_bytes_start != 0 ? o.map_bytes_start : MAP_START_MIB * MIB;
    if (d->map_bytes < MIB)
        d->map_bytes = MIB;
    d->headroom_bytes = d->map_bytes / 2 < HEADROOM_MIB * MIB ? d->map_bytes / 2 : HEADROOM_MIB * MIB;
    d->reserve_bytes = o.reserve_bytes != 0 ? o.reserve_bytes : RESERVE_MIB * MIB;
    d->floor_bytes = d->reserve_bytes / 2 < FLOOR_MIB * MIB ? d->reserve_bytes / 2 : FLOOR_MIB * MIB;
    if ((d->data_path = path_join(path, "data.mdb")) == NULL)
        goto fail;
    if ((e = folder_make(path)) != ERR_NONE || (e = folder_lock(&d->lock_fd, path)) != ERR_NONE)
        goto fail;
    if (access(d->data_path, F_OK) != 0 && (e = make_file(d, path)) != ERR_NONE)
        goto fail;
    if ((e = open_file(d)) != ERR_NONE)
        goto fail;
    if (o.is_sync_off && (e = err_of_mdb(mdb_env_set_flags(d->env, MDB_NOSYNC, 1))) != ERR_NONE)
        goto fail;
    *out = &d->base;
    return ERR_NONE;
fail:
    lmdb_close(&d->base);
    return e;
}
