/* storage/db_mem.c - the same contract in memory: skip lists, with a log of what to undo.
 *
 * Serves tests and the simulator, where thousands of nodes have small databases each, so an empty
 * one costs little and nothing is allocated ahead.
 */
#include "storage/db_kind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 16 };

struct record {
    size_t value_len;
    uint8_t key_len, levels;
    struct record *next[]; /* one a level; the key and the value lie behind them */
};

/* One change: what is now in the table in place of what was there before. Either may be NULL. */
struct undo {
    enum db_table table;
    struct record *now, *before;
};

struct table {
    struct record *first[LEVELS_MAX];
    uint64_t count;
};

struct db_mem {
    struct db base;
    struct table tables[DB_TABLE_COUNT];
    struct undo *undo;
    size_t undo_count, undo_cap;
    uint64_t used_bytes;
    uint64_t lots; /* decides heights; fixed at birth, so that a run can be repeated */
};

static struct db_mem *mem_of(struct db *db)
{
    return (struct db_mem *)(void *)db;
}

static struct bytes record_key(const struct record *r)
{
    return bytes_of(&r->next[r->levels], r->key_len);
}

static struct bytes record_value(const struct record *r)
{
    return bytes_of((const uint8_t *)&r->next[r->levels] + r->key_len, r->value_len);
}

static int key_compare(const struct record *r, struct bytes key)
{
    size_t shorter = r->key_len < key.len ? r->key_len : key.len;
    int order = memcmp(record_key(r).at, key.at, shorter);

    return order != 0 ? order : (r->key_len > key.len) - (r->key_len < key.len);
}

/* Fills `at` with the link of every level that points to the first record not before the key. */
static struct record *seek(struct table *t, struct bytes key, struct record **at[LEVELS_MAX])
{
    struct record **links = t->first;

    for (size_t level = LEVELS_MAX; level-- > 0;) {
        while (links[level] != NULL && key_compare(links[level], key) < 0)
            links = links[level]->next;
        at[level] = &links[level];
    }
    return *at[0];
}

static uint8_t draw_levels(struct db_mem *m)
{
    uint8_t levels = 1;

    m->lots ^= m->lots << 13;
    m->lots ^= m->lots >> 7;
    m->lots ^= m->lots << 17;
    for (uint64_t lots = m->lots; levels < LEVELS_MAX && (lots & 3) == 0; lots >>= 2)
        levels++;
    return levels;
}

static struct record *record_new(struct db_mem *m, struct bytes key, struct bytes value)
{
    uint8_t levels = draw_levels(m);
    struct record *r = malloc(sizeof *r + levels * sizeof r->next[0] + key.len + value.len);

    if (r == NULL)
        return NULL;
    r->value_len = value.len;
    r->key_len = (uint8_t)key.len;
    r->levels = levels;
    uint8_t *to = (uint8_t *)&r->next[levels];
    memcpy(to, key.at, key.len);
    if (value.len > 0)
        memcpy(to + key.len, value.at, value.len);
    return r;
}

static void record_link(struct db_mem *m, enum db_table table, struct record *r)
{
    struct record **at[LEVELS_MAX];
    struct table *t = &m->tables[table];

    seek(t, record_key(r), at);
    for (size_t level = 0; level < r->levels; level++) {
        r->next[level] = *at[level];
        *at[level] = r;
    }
    t->count++;
    m->used_bytes += r->key_len + r->value_len;
}

static void record_unlink(struct db_mem *m, enum db_table table, struct record *r)
{
    struct record **at[LEVELS_MAX];
    struct table *t = &m->tables[table];

    seek(t, record_key(r), at);
    assert(*at[0] == r);
    for (size_t level = 0; level < r->levels; level++)
        *at[level] = r->next[level];
    t->count--;
    m->used_bytes -= r->key_len + r->value_len;
}

/* Room for one more line of the log, so that a change is never made without its undoing. */
static bool undo_reserve(struct db_mem *m)
{
    if (m->undo_count < m->undo_cap)
        return true;
    size_t cap = m->undo_cap == 0 ? 16 : m->undo_cap * 2;
    struct undo *undo = realloc(m->undo, cap * sizeof *undo);
    if (undo == NULL)
        return false;
    m->undo = undo;
    m->undo_cap = cap;
    return true;
}

static void undo_note(struct db_mem *m, enum db_table table, struct record *now, struct record *before)
{
    struct undo u = { table, now, before };

    m->undo[m->undo_count++] = u;
}

static enum err mem_begin(struct db *db)
{
    (void)db;
    return ERR_NONE;
}

static void undo_forget(struct db_mem *m)
{
    m->undo_count = 0;
    if (m->undo_cap > 1024) {
        free(m->undo);
        m->undo = NULL;
        m->undo_cap = 0;
    }
}

static enum err mem_commit(struct db *db)
{
    struct db_mem *m = mem_of(db);

    for (size_t i = 0; i < m->undo_count; i++)
        free(m->undo[i].before);
    undo_forget(m);
    return ERR_NONE;
}

static void mem_rollback(struct db *db)
{
    struct db_mem *m = mem_of(db);

    for (size_t i = m->undo_count; i-- > 0;) {
        struct undo u = m->undo[i];

        if (u.now != NULL)
            record_unlink(m, u.table, u.now);
        free(u.now);
        if (u.before != NULL)
            record_link(m, u.table, u.before);
    }
    undo_forget(m);
}

static enum err mem_get(struct db *db, enum db_table table, struct bytes key, struct bytes *value)
{
    struct record **at[LEVELS_MAX];
    struct record *r = seek(&mem_of(db)->tables[table], key, at);

    if (r == NULL || key_compare(r, key) != 0)
        return ERR_NOT_FOUND;
    *value = record_value(r);
    return ERR_NONE;
}

static enum err mem_put(struct db *db, enum db_table table, struct bytes key, struct bytes value)
{
    struct db_mem *m = mem_of(db);
    struct record **at[LEVELS_MAX];
    struct record *before = seek(&m->tables[table], key, at);
    struct record *now;

    if (!undo_reserve(m) || (now = record_new(m, key, value)) == NULL)
        return ERR_NO_MEMORY;
    if (before != NULL && key_compare(before, key) != 0)
        before = NULL;
    if (before != NULL)
        record_unlink(m, table, before);
    record_link(m, table, now);
    undo_note(m, table, now, before);
    return ERR_NONE;
}

static enum err mem_erase(struct db *db, enum db_table table, struct bytes key)
{
    struct db_mem *m = mem_of(db);
    struct record **at[LEVELS_MAX];
    struct record *before = seek(&m->tables[table], key, at);

    if (before == NULL || key_compare(before, key) != 0)
        return ERR_NOT_FOUND;
    if (!undo_reserve(m))
        return ERR_NO_MEMORY;
    record_unlink(m, table, before);
    undo_note(m, table, NULL, before);
    return ERR_NONE;
}

static enum err mem_walk(struct db *db, enum db_table table, struct bytes from, db_visit *visit, void *ctx)
{
    struct record **at[LEVELS_MAX];
    struct table *t = &mem_of(db)->tables[table];
    struct record *r = from.len > 0 ? seek(t, from, at) : t->first[0];

    for (; r != NULL; r = r->next[0]) {
        if (!visit(ctx, record_key(r), record_value(r)))
            break;
    }
    return ERR_NONE;
}

static uint64_t mem_count(struct db *db, enum db_table table)
{
    return mem_of(db)->tables[table].count;
}

static uint64_t mem_used_bytes(const struct db *db)
{
    return ((const struct db_mem *)(const void *)db)->used_bytes;
}

static bool mem_has_room(const struct db *db)
{
    (void)db;
    return true;
}

static void mem_close(struct db *db)
{
    struct db_mem *m = mem_of(db);

    for (int t = 0; t < DB_TABLE_COUNT; t++) {
        for (struct record *r = m->tables[t].first[0], *next; r != NULL; r = next) {
            next = r->next[0];
            free(r);
        }
    }
    free(m->undo);
    free(m);
}

static const struct db_ops mem_ops = {
    mem_begin, mem_commit, mem_rollback, mem_get, mem_put, mem_erase, mem_walk, mem_count,
    mem_used_bytes, mem_has_room, mem_has_room, mem_close,
};

enum err db_open_mem(struct db **out)
{
    struct db_mem *m = calloc(1, sizeof *m);

    if (m == NULL)
        return ERR_NO_MEMORY;
    m->base.ops = &mem_ops;
    m->lots = 0x9e3779b97f4a7c15u;
    *out = &m->base;
    return ERR_NONE;
}
