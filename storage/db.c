/* storage/db.c - what both kinds of database share: faults, spoilt transactions, keys. */
#include <assert.h>
#include <string.h>

#include "storage/db_kind.h"

struct seq_key { uint8_t octets[DB_SEQ_LEN]; };

static struct seq_key key_of_seq(uint64_t seq)
{
    struct seq_key k;

    for (size_t i = 0; i < DB_SEQ_LEN; i++)
        k.octets[i] = (uint8_t)(seq >> (8 * (DB_SEQ_LEN - 1 - i)));
    return k;
}

static uint64_t seq_of_key(struct bytes key)
{
    uint64_t seq = 0;

    for (size_t i = 0; i < key.len && i < DB_SEQ_LEN; i++)
        seq = seq << 8 | key.at[i];
    return seq;
}

bool db_table_is_seq(enum db_table table)
{
    return table == DB_BUNDLE_FACTS || table == DB_BUNDLE_BODY || table == DB_SEEN;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    db_rollback(db);
    db->ops->close(db);
}

static enum err spoil(struct db *db, enum err e)
{
    db->spoilt = e;
    db->is_dirty = true; /* so that the next commit is asked for, and tells */
    return e;
}

static enum err meet_fault(struct db *db)
{
    if (db->fault == NULL)
        return ERR_NONE;
    return db->fault(db->fault_ctx, db->fault_op++);
}

/* Everything that precedes a change, of whatever kind. */
static enum err change_begin(struct db *db)
{
    enum err e;

    if (db->spoilt != ERR_NONE)
        return db->spoilt;
    if ((e = meet_fault(db)) != ERR_NONE)
        return spoil(db, e);
    if (!db->is_begun) {
        if ((e = db->ops->begin(db)) != ERR_NONE)
            return spoil(db, e);
        db->is_begun = true;
    }
    return ERR_NONE;
}

static enum err put_any(struct db *db, enum db_table table, struct bytes key, struct bytes value)
{
    enum err e;

    assert(key.len > 0 && key.len <= DB_KEY_LEN_MAX);
    if ((e = change_begin(db)) != ERR_NONE)
        return e;
    if ((e = db->ops->put(db, table, key, value)) != ERR_NONE)
        return spoil(db, e);
    db->is_dirty = true;
    return ERR_NONE;
}

static enum err delete_any(struct db *db, enum db_table table, struct bytes key)
{
    enum err e;

    assert(key.len > 0 && key.len <= DB_KEY_LEN_MAX);
    if ((e = change_begin(db)) != ERR_NONE)
        return e;
    e = db->ops->erase(db, table, key);
    if (e == ERR_NOT_FOUND)
        return e;
    if (e != ERR_NONE)
        return spoil(db, e);
    db->is_dirty = true;
    return ERR_NONE;
}

static enum err get_any(struct db *db, enum db_table table, struct bytes key, struct bytes *value)
{
    assert(key.len > 0 && key.len <= DB_KEY_LEN_MAX);
    if (db->spoilt != ERR_NONE)
        return db->spoilt;
    return db->ops->get(db, table, key, value);
}

enum err db_get(struct db *db, enum db_table table, struct bytes key, struct bytes *value)
{
    assert(!db_table_is_seq(table));
    return get_any(db, table, key, value);
}

enum err db_get_seq(struct db *db, enum db_table table, uint64_t seq, struct bytes *value)
{
    struct seq_key k = key_of_seq(seq);

    assert(db_table_is_seq(table));
    return get_any(db, table, bytes_of(k.octets, sizeof k.octets), value);
}

enum err db_put(struct db *db, enum db_table table, struct bytes key, struct bytes value)
{
    assert(!db_table_is_seq(table));
    return put_any(db, table, key, value);
}

enum err db_put_seq(struct db *db, enum db_table table, uint64_t seq, struct bytes value)
{
    struct seq_key k = key_of_seq(seq);

    assert(db_table_is_seq(table));
    return put_any(db, table, bytes_of(k.octets, sizeof k.octets), value);
}

enum err db_delete(struct db *db, enum db_table table, struct bytes key)
{
    assert(!db_table_is_seq(table));
    return delete_any(db, table, key);
}

enum err db_delete_seq(struct db *db, enum db_table table, uint64_t seq)
{
    struct seq_key k = key_of_seq(seq);

    assert(db_table_is_seq(table));
    return delete_any(db, table, bytes_of(k.octets, sizeof k.octets));
}

enum err db_walk(struct db *db, enum db_table table, struct bytes from, db_visit *visit, void *ctx)
{
    assert(!db_table_is_seq(table) && from.len <= DB_KEY_LEN_MAX);
    if (db->spoilt != ERR_NONE)
        return db->spoilt;
    return db->ops->walk(db, table, from, visit, ctx);
}

struct seq_walk {
    db_visit_seq *visit;
    void *ctx;
};

static bool visit_seq(void *ctx, struct bytes key, struct bytes value)
{
    struct seq_walk *w = ctx;

    return w->visit(w->ctx, seq_of_key(key), value);
}

enum err db_walk_seq(struct db *db, enum db_table table, uint64_t from, db_visit_seq *visit, void *ctx)
{
    struct seq_key k = key_of_seq(from);
    struct seq_walk w = { visit, ctx };

    assert(db_table_is_seq(table));
    if (db->spoilt != ERR_NONE)
        return db->spoilt;
    return db->ops->walk(db, table, bytes_of(k.octets, sizeof k.octets), visit_seq, &w);
}

uint64_t db_count(struct db *db, enum db_table table)
{
    return db->spoilt != ERR_NONE ? 0 : db->ops->count(db, table);
}

bool db_is_dirty(const struct db *db)
{
    return db->is_dirty;
}

enum err db_commit(struct db *db)
{
    enum err e = db->spoilt;

    if (!db->is_dirty) {
        db_rollback(db);
        return ERR_NONE;
    }
    if (e == ERR_NONE)
        e = meet_fault(db);
    if (e != ERR_NONE) {
        db_rollback(db);
        return e;
    }
    e = db->ops->commit(db);
    db->is_begun = false;
    db->is_dirty = false;
    return e;
}

void db_rollback(struct db *db)
{
    if (db->is_begun)
        db->ops->rollback(db);
    db->is_begun = false;
    db->is_dirty = false;
    db->spoilt = ERR_NONE;
}

uint64_t db_used_bytes(const struct db *db)
{
    return db->ops->used_bytes(db);
}

bool db_has_room(const struct db *db)
{
    return db->ops->has_room(db);
}

bool db_has_reserve(const struct db *db)
{
    return db->ops->has_reserve(db);
}

void db_set_fault(struct db *db, db_fault *fault, void *ctx)
{
    db->fault = fault;
    db->fault_ctx = ctx;
    db->fault_op = 0;
}
