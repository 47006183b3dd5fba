/* storage/db_kind.h - what a kind of database provides to db.c. Inside storage/ only. */
#ifndef STA_STORAGE_DB_KIND_H
#define STA_STORAGE_DB_KIND_H

#include "storage/db.h"

enum { DB_KEY_LEN_MAX = 64, DB_SEQ_LEN = 8 };

/* A kind embeds struct db as its first member. `begin` is called once before the first put or erase;
 * after it exactly one of `commit` and `rollback`, and a commit that fails has rolled back. */
struct db_ops {
    enum err (*begin)(struct db *db);
    enum err (*commit)(struct db *db);
    void     (*rollback)(struct db *db);
    enum err (*get)(struct db *db, enum db_table table, struct bytes key, struct bytes *value);
    enum err (*put)(struct db *db, enum db_table table, struct bytes key, struct bytes value);
    enum err (*erase)(struct db *db, enum db_table table, struct bytes key);
    enum err (*walk)(struct db *db, enum db_table table, struct bytes from, db_visit *visit, void *ctx);
    uint64_t (*count)(struct db *db, enum db_table table);
    uint64_t (*used_bytes)(const struct db *db);
    bool     (*has_room)(const struct db *db);
    bool     (*has_reserve)(const struct db *db);
    void     (*close)(struct db *db);
};

struct db {
    const struct db_ops *ops;
    bool is_begun;      /* the kind has a transaction open */
    bool is_dirty;
    enum err spoilt;    /* why the transaction cannot be committed any more */
    db_fault *fault;
    void *fault_ctx;
    unsigned fault_op;
};

/* True for tables whose keys are sequence numbers, kept as 8 bytes big-endian: one order and one
 * file format for every machine, where LMDB's integer keys have the width of a pointer. */
bool db_table_is_seq(enum db_table table);

#endif
