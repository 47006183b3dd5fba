/* storage/quota.h - who holds how much of the store, and who goes when it is full
 * (protocol section 10). Inside storage/ only.
 *
 * Every bundle stands in the account of its (quota class, contributor). The accounts of a
 * class are ordered by size, the bundles of an account by worth: low stamp first, then near
 * deadline. So the next to go is found in O(log n), however full the store is.
 *
 * The rule: while the whole has room, anybody may use it. When it is full, a newcomer takes the
 * place of a bundle of the class that is most over its share, never of QUOTA_OWN, and there
 * of the largest contributor. Where that class is the newcomer's own, a contributor who would
 * become the largest, or pass a tenth of the strangers' share, competes with his own bundles
 * only; against an equal, worth decides. QUOTA_OWN over its share takes from strangers
 * first, then from public bundles, then from whoever is over a share. It stops short of the
 * whole: a tenth stays for the others (256 KiB at least, or a quarter of a tiny store), who
 * divide what own bundles leave in the proportion of their shares.
 */
#ifndef STA_STORAGE_QUOTA_H
#define STA_STORAGE_QUOTA_H

#include "storage/catalogue.h"

struct account {
    uint64_t bytes;
    struct heap bundles;      /* slots, the least worthy on top */
    uint32_t contributor;
    uint32_t next;            /* chain of the hash table, or of free accounts */
    uint32_t at;              /* place in its class's heap */
    uint8_t  quota_class;
};

struct quota {
    struct catalogue *catalogue;
    uint64_t capacity, bytes;
    uint64_t own_max;         /* bytes of QUOTA_OWN beyond which none is made here */
    uint64_t share[QUOTA_COUNT], class_bytes[QUOTA_COUNT];
    uint32_t class_count[QUOTA_COUNT];
    struct heap largest[QUOTA_COUNT]; /* accounts, the largest on top */
    struct account *accounts;
    uint32_t accounts_count, accounts_cap, free_first;
    uint32_t *heads;
    uint32_t heads_count;
    uint32_t *victims;        /* slots of the plan under way */
    uint32_t victims_count, victims_cap;
};

/* The catalogue stays the caller's. */
void quota_init(struct quota *q, struct catalogue *catalogue, const struct store_config *config);
void quota_clear(struct quota *q);

/* Room for one more bundle of this class and contributor. ERR_NO_MEMORY. Undone by quota_settle. */
enum err quota_reserve(struct quota *q, uint8_t quota_class, uint32_t contributor);
void     quota_settle(struct quota *q, uint8_t quota_class, uint32_t contributor);

/* Counts a slot in, after quota_reserve for it, or out. */
void quota_enter(struct quota *q, uint32_t slot);
void quota_leave(struct quota *q, uint32_t slot);

/* Moves it to another class, after quota_reserve for that, and takes a changed deadline into account. */
void quota_move(struct quota *q, uint32_t slot, uint8_t quota_class);

/* Its stamp is another one. */
void quota_revalue(struct quota *q, uint32_t slot);

/* Finds who has to go so that `newcomer` fits, and counts them out: q->victims. ERR_FULL, ERR_NO_MEMORY:
 * nothing changed. quota_unplan counts them in again. */
enum err quota_plan(struct quota *q, const struct store_entry *newcomer);
void     quota_unplan(struct quota *q);

/* The victims are gone from the catalogue, or about to be: forgets their empty accounts. */
void quota_plan_done(struct quota *q);

uint64_t quota_contributed(const struct quota *q, uint8_t quota_class, uint32_t contributor);

/* What a link may hold of a stranger share of so many bytes when room is short. */
uint64_t quota_link_share(uint64_t stranger_share);

/* Bytes of strangers' bundles that quota_plan would find a place for at most, other than in place of the contributor's own. */
uint64_t quota_stranger_room(const struct quota *q, uint32_t contributor);

#endif
