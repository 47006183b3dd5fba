/* storage/load.c - the facts of all bundles, from the database into memory. */
#include "storage/load.h"

#include <stdlib.h>

#include "storage/facts.h"

struct seq_list {
    uint64_t *at;
    size_t count, cap;
};

static enum err seq_list_add(struct seq_list *l, uint64_t seq)
{
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        uint64_t *at = realloc(l->at, cap * sizeof *at);

        if (at == NULL)
            return ERR_NO_MEMORY;
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count++] = seq;
    return ERR_NONE;
}

struct load {
    struct db *db;
    struct catalogue *catalogue;
    struct quota *quota;
    struct seq_list damaged;
    enum err e;
};

static bool load_facts(void *ctx, uint64_t seq, struct bytes record)
{
    struct load *l = ctx;
    struct store_entry entry;
    enum err e = facts_decode(&entry, record);

    if (e == ERR_NONE && seq <= SEQ_MAX && catalogue_find(l->catalogue, &entry.id) == SLOT_NONE) {
        entry.seq = seq;
        e = catalogue_reserve(l->catalogue);
        if (e == ERR_NONE)
            e = quota_reserve(l->quota, entry.quota_class, entry.contributor);
        if (e == ERR_NONE)
            quota_enter(l->quota, catalogue_add(l->catalogue, &entry));
    } else {
        e = seq_list_add(&l->damaged, seq);
    }
    l->e = e;
    return e == ERR_NONE;
}

static bool load_body(void *ctx, uint64_t seq, struct bytes body)
{
    struct load *l = ctx;

    (void)body;
    if (catalogue_find_seq(l->catalogue, seq) == SLOT_NONE)
        l->e = seq_list_add(&l->damaged, seq);
    return l->e == ERR_NONE;
}

/* Facts whose body is missing. */
static void find_bodiless(struct load *l)
{
    const struct catalogue *c = l->catalogue;
    struct bytes body;

    for (int k = 0; k < CLASS_COUNT; k++) {
        for (uint32_t at = c->newest[k]; at != SLOT_NONE && l->e == ERR_NONE; at = catalogue_at(c, at)->older) {
            uint64_t seq = catalogue_at(c, at)->entry.seq;
            enum err e = db_get_seq(l->db, DB_BUNDLE_BODY, seq, &body);

            l->e = e == ERR_NOT_FOUND ? seq_list_add(&l->damaged, seq) : e;
        }
    }
}

/* Facts and bodies are written in one commit, so they differ only when something outside went wrong, and
 * then their numbers do: the bodies, which are most of the file, are not read at every start. */
static void find_unmatched(struct load *l)
{
    struct db *db = l->db;
    enum err e;

    if (l->damaged.count == 0 && db_count(db, DB_BUNDLE_FACTS) == db_count(db, DB_BUNDLE_BODY))
        return;
    if ((e = db_walk_seq(db, DB_BUNDLE_BODY, 0, load_body, l)) != ERR_NONE && l->e == ERR_NONE)
        l->e = e;
    if (l->e == ERR_NONE)
        find_bodiless(l);
}

/* Leaves out, and takes from the disk, whatever cannot be carried. */
static enum err drop_damaged(struct load *l, size_t *damaged_count)
{
    enum err e = ERR_NONE;

    for (size_t i = 0; e == ERR_NONE && i < l->damaged.count; i++) {
        uint64_t seq = l->damaged.at[i];
        uint32_t slot = catalogue_find_seq(l->catalogue, seq);

        if (slot != SLOT_NONE) {
            quota_leave(l->quota, slot);
            catalogue_remove(l->catalogue, slot);
        }
        /* Damaged facts have their body in the list a second time. */
        bool is_counted = db_delete_seq(l->db, DB_BUNDLE_FACTS, seq) != ERR_NOT_FOUND;
        e = db_delete_seq(l->db, DB_BUNDLE_BODY, seq);
        if (e == ERR_NONE || is_counted)
            (*damaged_count)++;
        if (e == ERR_NOT_FOUND)
            e = ERR_NONE;
    }
    return e;
}

enum err load_bundles(struct db *db, struct catalogue *catalogue, struct quota *quota, size_t *damaged_count)
{
    struct load l = { db, catalogue, quota, { NULL, 0, 0 }, ERR_NONE };
    enum err e = db_walk_seq(db, DB_BUNDLE_FACTS, 0, load_facts, &l);

    if (e == ERR_NONE && l.e == ERR_NONE)
        find_unmatched(&l);
    if (e == ERR_NONE)
        e = l.e;
    if (e == ERR_NONE)
        e = drop_damaged(&l, damaged_count);
    free(l.damaged.at);
    return e;
}
