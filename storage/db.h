/* storage/db.h - an ordered key-value database with one write transaction.
 *
 * The floor under store.h and archive.h, and the only place where a database
 * library shows. Two kinds: LMDB, which survives a crash, and memory, for tests
 * and the simulator. Both obey the same contract and pass the same tests.
 *
 * One owner, one thread. There is at most one open transaction: the first
 * change opens it, db_commit makes everything since then durable at once, and
 * a reader sees its own uncommitted changes. Commit costs one sync; a loop
 * commits once a turn, never once a message.
 *
 * The map grows by itself, between transactions: one that needs more than its headroom (256 MiB; 32 MiB where
 * addresses have 32 bits) fails with ERR_FULL, and the next has twice as much. A failed commit (ERR_FULL when the disk is full,
 * ERR_IO otherwise) rolls everything since the last commit back, so whatever
 * was derived from it in memory must be thrown away: reopen store and archive.
 * A change that fails (with anything but ERR_NOT_FOUND) spoils the transaction:
 * later changes and the commit return the same error, so that a caller who
 * looks only at the commit never makes half a story durable.
 */
#ifndef STA_STORAGE_DB_H
#define STA_STORAGE_DB_H

#include "mesh/base/bytes.h"

struct db;

/* Tables. Kinds of key: SEQ is a uint64_t ordered as a number; BYTES is 1 to 64
 * bytes ordered as memcmp does. The list is closed on purpose: one place says
 * what lies on disk. */
enum db_table {
    DB_META,          /* BYTES: format version, generation, residence clock */
    DB_BUNDLE_FACTS,  /* SEQ:   one fixed-size record a bundle, read whole at start-up */
    DB_BUNDLE_BODY,   /* SEQ:   the bundle's bytes, in pieces */
    DB_SEEN,          /* SEQ:   ids not to take again, and until when, in order of removal */
    DB_ARCHIVE,       /* BYTES: hashed key -> sealed record (archive.h) */
    DB_TABLE_COUNT,
};

struct db_options {
    uint64_t map_bytes_start; /* 0: a default; grown when short */
    uint64_t reserve_bytes;   /* free disk below which db_has_room is false; 0: a default of 16 MiB */
    bool     is_sync_off;     /* for benchmarks of the floor only */
};

/* Opens or makes the database in directory `path` (made with mode 0700).
 * ERR_LOCKED: another process has it. ERR_VERSION: written by a newer build.
 * ERR_CORRUPT, ERR_IO, ERR_FULL. `options` may be NULL. */
enum err db_open_lmdb(struct db **out, const char *path, const struct db_options *options);

/* The same contract in memory. */
enum err db_open_mem(struct db **out);

/* Rolls back what is not committed. Takes NULL. */
void db_close(struct db *db);

/* Lends the value until the next change, commit or close. ERR_NOT_FOUND. */
enum err db_get(struct db *db, enum db_table table, struct bytes key, struct bytes *value);
enum err db_get_seq(struct db *db, enum db_table table, uint64_t seq, struct bytes *value);

/* Inserts or replaces. Appending in key order (SEQ tables) is the fast path and is
 * found by itself. */
enum err db_put(struct db *db, enum db_table table, struct bytes key, struct bytes value);
enum err db_put_seq(struct db *db, enum db_table table, uint64_t seq, struct bytes value);

/* ERR_NOT_FOUND: nothing changed. */
enum err db_delete(struct db *db, enum db_table table, struct bytes key);
enum err db_delete_seq(struct db *db, enum db_table table, uint64_t seq);

/* Walks a table in key order from the first key >= `from` (empty: the beginning).
 * `visit` returns false to stop. It must not change the database. */
typedef bool db_visit(void *ctx, struct bytes key, struct bytes value);
typedef bool db_visit_seq(void *ctx, uint64_t seq, struct bytes value);
enum err db_walk(struct db *db, enum db_table table, struct bytes from, db_visit *visit, void *ctx);
enum err db_walk_seq(struct db *db, enum db_table table, uint64_t from, db_visit_seq *visit, void *ctx);

/* Records in a table, uncommitted changes included. Costs nothing. */
uint64_t db_count(struct db *db, enum db_table table);

/* Something is waiting for a commit. */
bool db_is_dirty(const struct db *db);

/* Makes all changes durable, or none. Free when nothing is dirty. */
enum err db_commit(struct db *db);

/* Rolls back to the last commit. */
void db_rollback(struct db *db);

/* Bytes of the file in use, and whether more than the reserve is left, on the disk or free for
 * reuse inside the file. The answer is renewed at each commit, so it costs nothing to ask. */
uint64_t db_used_bytes(const struct db *db);
bool     db_has_room(const struct db *db);

/* False when so little of the reserve is left that only deleting is wise: deleting writes pages too, and on a
 * disk without any it could not be done. What it needs is set aside in the file ahead of time. */
bool     db_has_reserve(const struct db *db);

/* Fault injection, for tests: called before each put, delete and commit with its
 * running number, from 0; a value other than ERR_NONE is what that call then returns,
 * having done nothing (for a commit: having rolled back). NULL: off. */
typedef enum err db_fault(void *ctx, unsigned op);
void db_set_fault(struct db *db, db_fault *fault, void *ctx);

#endif
