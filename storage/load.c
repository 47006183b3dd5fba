/* storage/load.c - the facts of all bundles, from the database into memory. */
#include "storage/load.h"

#include <stdlib.h>

#include "storage/body.h"
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
    uint64_t pieces;            /* that the facts promise */
    struct seq_list damaged;    /* arrival numbers whose facts, or body, cannot be used */
    struct seq_list stray;      /* keys of pieces that belong to nothing */
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
        l->pieces += body_pieces(entry.len);
    } else {
        e = seq_list_add(&l->damaged, seq);
    }
    l->e = e;
    return e == ERR_NONE;
}

static bool find_stray(void *ctx, uint64_t key, struct bytes piece)
{
    struct load *l = ctx;
    uint32_t slot = catalogue_find_seq(l->catalogue, body_seq_of_key(key));

    (void)piece;
    if (slot == SLOT_NONE || body_piece_of_key(key) >= body_pieces(catalogue_at(l->catalogue, slot)->entry.len))
        l->e = seq_list_add(&l->stray, key);
    return l->e == ERR_NONE;
}

/* Facts whose body is missing, or not whole. */
static void find_bodiless(struct load *l)
{
    const struct catalogue *c = l->catalogue;
    struct buffer whole = buffer_of_limit(BUNDLE_LEN_MAX);
    struct bytes body;

    for (int k = 0; k < CLASS_COUNT; k++) {
        for (uint32_t at = c->newest[k]; at != SLOT_NONE && l->e == ERR_NONE; at = catalogue_at(c, at)->older) {
            const struct store_entry *entry = &catalogue_at(c, at)->entry;

            l->e = body_read(l->db, entry->seq, entry->len, &whole, &body);
            if (l->e == ERR_CORRUPT)
                l->e = seq_list_add(&l->damaged, entry->seq);
        }
    }
    buffer_clear(&whole);
}

/* Facts and bodies are written in one commit, so they differ only when something outside went wrong, and
 * then their numbers do: the bodies, which are most of the file, are not read at every start. */
static void find_unmatched(struct load *l)
{
    enum err e;

    if (l->damaged.count == 0 && l->pieces == db_count(l->db, DB_BUNDLE_BODY))
        return;
    if ((e = db_walk_seq(l->db, DB_BUNDLE_BODY, 0, find_stray, l)) != ERR_NONE && l->e == ERR_NONE)
        l->e = e;
    if (l->e == ERR_NONE)
        find_bodiless(l);
}

/* A body of which nothing else is known counts once, however many its pieces. */
static enum err drop_stray(struct load *l, size_t *damaged_count)
{
    uint64_t last = UINT64_MAX;
    enum err e = ERR_NONE;

    for (size_t i = 0; e == ERR_NONE && i < l->stray.count; i++) {
        uint64_t key = l->stray.at[i], seq = body_seq_of_key(key);
        struct bytes facts;

        if (seq != last && db_get_seq(l->db, DB_BUNDLE_FACTS, seq, &facts) == ERR_NOT_FOUND)
            (*damaged_count)++;
        last = seq;
        e = db_delete_seq(l->db, DB_BUNDLE_BODY, key);
    }
    return e;
}

/* Leaves out, and takes from the disk, whatever cannot be carried. */
static enum err drop_damaged(struct load *l, size_t *damaged_count)
{
    enum err e = ERR_NONE;

    for (size_t i = 0; e == ERR_NONE && i < l->damaged.count; i++) {
        uint64_t seq = l->damaged.at[i];
        uint32_t slot = catalogue_find_seq(l->catalogue, seq);

        (*damaged_count)++;
        e = db_delete_seq(l->db, DB_BUNDLE_FACTS, seq);
        if (slot == SLOT_NONE)
            continue;
        if (e == ERR_NONE)
            e = body_erase(l->db, seq, catalogue_at(l->catalogue, slot)->entry.len);
        quota_leave(l->quota, slot);
        catalogue_remove(l->catalogue, slot);
    }
    return e;
}

enum err load_bundles(struct db *db, struct catalogue *catalogue, struct quota *quota, size_t *damaged_count)
{
    struct load l = { .db = db, .catalogue = catalogue, .quota = quota };
    enum err e = db_walk_seq(db, DB_BUNDLE_FACTS, 0, load_facts, &l);

    if (e == ERR_NONE && l.e == ERR_NONE)
        find_unmatched(&l);
    if (e == ERR_NONE)
        e = l.e;
    if (e == ERR_NONE)
        e = drop_stray(&l, damaged_count);
    if (e == ERR_NONE)
        e = drop_damaged(&l, damaged_count);
    free(l.damaged.at);
    free(l.stray.at);
    return e;
}
