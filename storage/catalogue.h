/* storage/catalogue.h - the facts of all bundles in memory, found by id, tag, number and deadline.
 * Inside storage/ only.
 *
 * A bundle has a slot, whose number and address stay until it is removed. Finding, adding and removing
 * cost the same in a store of a hundred and of a hundred thousand.
 */
#ifndef STA_STORAGE_CATALOGUE_H
#define STA_STORAGE_CATALOGUE_H

#include "storage/heap.h"
#include "storage/store.h"

#define SLOT_NONE UINT32_MAX

struct slot {
    struct store_entry entry;
    uint32_t id_next, seq_next;         /* chains of the hash tables */
    uint32_t tag_next, tag_prev;        /* both ways: anybody may send a thousand bundles of one tag */
    uint32_t newer, older;              /* within the bundle class */
    uint32_t deadline_at;               /* place in the heap of deadlines */
    uint32_t account, account_at;       /* storage/quota.h */
};

struct catalogue {
    struct slot **chunks;
    uint32_t chunks_count;
    uint32_t count;                     /* slots in use */
    uint32_t free_first;                /* chained through id_next */
    uint32_t *id_heads, *tag_heads, *seq_heads;
    uint32_t heads_count;               /* of each; a power of two */
    uint32_t newest[CLASS_COUNT], oldest[CLASS_COUNT];
    uint32_t class_count[CLASS_COUNT];
    struct heap deadlines;
    uint64_t hash_seed;
};

void catalogue_init(struct catalogue *c, uint64_t hash_seed);
void catalogue_clear(struct catalogue *c);

/* Room for one more; the next catalogue_add cannot fail then. ERR_NO_MEMORY. */
enum err catalogue_reserve(struct catalogue *c);

/* The entry's seq is greater than that of all others. */
uint32_t catalogue_add(struct catalogue *c, const struct store_entry *entry);
void     catalogue_remove(struct catalogue *c, uint32_t slot);
void     catalogue_set_deadline(struct catalogue *c, uint32_t slot, uint32_t deadline_s);

struct slot *catalogue_at(const struct catalogue *c, uint32_t slot);

/* SLOT_NONE when there is none. */
uint32_t catalogue_find(const struct catalogue *c, const struct bundle_id *id);
uint32_t catalogue_find_seq(const struct catalogue *c, uint64_t seq);
uint32_t catalogue_find_tag(const struct catalogue *c, const uint8_t tag[TAG_LEN]);
uint32_t catalogue_soonest(const struct catalogue *c);

/* A hash of 16 bytes that cannot be steered without the seed. */
uint32_t catalogue_hash(uint64_t seed, const uint8_t octets[16]);

#endif
