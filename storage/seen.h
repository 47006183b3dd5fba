/* storage/seen.h - ids that left and are not to come back. Inside storage/ only.
 *
 * A queue in order of removal, bounded by SEEN_MAX: when it is full the oldest is forgotten. On disk
 * it is the table DB_SEEN, appended at one end and deleted from at the other.
 */
#ifndef STA_STORAGE_SEEN_H
#define STA_STORAGE_SEEN_H

#include "storage/store.h"

struct seen_item {
    uint64_t seq;           /* its key on disk */
    struct bundle_id id;
    uint32_t until_s;       /* on the residence clock */
    uint32_t next;          /* chain of the hash table */
};

struct seen {
    struct seen_item *ring; /* a power of two of places; the item `first + i` stands at that modulo */
    uint32_t *heads;        /* as many as places */
    uint32_t cap, first, count;
    uint64_t seq_next;
    uint64_t hash_seed;
    size_t   damaged_count; /* records that could not be read and were deleted */
};

/* Reads the table, and deletes from it what cannot be read. */
enum err seen_open(struct seen *s, struct db *db, uint64_t hash_seed);
void     seen_clear(struct seen *s);

bool     seen_has(const struct seen *s, const struct bundle_id *id, uint32_t clock_s);
void     seen_walk(const struct seen *s, uint32_t clock_s, store_visit_seen *visit, void *ctx);
enum err seen_add(struct seen *s, struct db *db, const struct bundle_id *id, uint32_t until_s, uint32_t clock_s);

#endif
