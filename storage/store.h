/* storage/store.h - the bundles this node carries.
 *
 * A store keeps bundles until they are delivered, expire or are evicted. What
 * is asked often (facts of every bundle) stands in memory, 64 bytes each, found
 * by id in one probe; bytes stay in the database (storage/db.h) and are read
 * only to be sent. On disk a bundle is its facts and its bytes (in pieces of 2 kB)
 * under its arrival number: appended, never moved, so that a commit writes few pages.
 *
 * Limits are by quota class: a share of the capacity each (protocol section 10).
 * An unused share is lent: a class may exceed its share while the whole has room,
 * and is the first to be evicted when another class claims its own. Only QUOTA_OWN is never evicted,
 * so a put of that class leaves a tenth of the capacity to others (256 KiB at least, or a quarter of a tiny
 * store); store_update may move any bundle into it.
 *
 * Life is counted by residence, not by the wall clock (many nodes boot without
 * one): every bundle has a deadline on the store's residence clock, in seconds,
 * that runs while the program runs and is carried on over a restart. On disk it is up to a minute
 * behind (ten in an idle store), which lets a bundle live that much longer after a crash.
 *
 * One owner, one thread. Writes are readable at once, durable after db_commit.
 */
#ifndef STA_STORAGE_STORE_H
#define STA_STORAGE_STORE_H

#include "mesh/base/header.h"
#include "storage/db.h"

struct store;

/* Whose a bundle is, from this node's point of view. */
enum quota_class {
    QUOTA_SOS,
    QUOTA_OWN,       /* made here or addressed to us: never evicted for others */
    QUOTA_CONTACT,   /* brought by a recognised friend */
    QUOTA_STRANGER,
    QUOTA_PUBLIC,
    QUOTA_COUNT,
};

/* Facts of one bundle. Plain; copied freely. */
struct store_entry {
    uint64_t seq;               /* arrival number, rising, never used twice */
    struct bundle_id id;
    uint8_t  tag[TAG_LEN];
    uint32_t len;
    uint32_t deadline_s;        /* on the residence clock */
    uint32_t expiry_h;          /* as the header says */
    uint32_t bucket;
    uint32_t contributor;       /* who brought it, an opaque number of the mesh; 0: made here */
    uint8_t  bundle_class;      /* enum bundle_class */
    uint8_t  quota_class;       /* enum quota_class */
    uint8_t  stamp_bits;
    uint8_t  hops;              /* hops it has taken so far */
    uint8_t  budget;            /* copies it may still be given away as; 255: no limit */
    uint8_t  given;             /* neighbours that have taken it from us, saturating */
};

struct store_config {
    uint64_t capacity_bytes;                 /* of bundles; 0: STORE_BYTES_DEFAULT */
    uint8_t  share_percent[QUOTA_COUNT];     /* all zero: 5, 10, 35, 40, 10 */
    uint64_t hash_seed;                      /* random and secret, so that nobody can prepare ids or tags that
                                              * crowd one place of the index. 0: a constant, for tests */
};

/* Reads the facts of all bundles. The database stays the caller's and must outlive
 * the store. `config` may be NULL. */
enum err store_open(struct store **out, struct db *db, const struct store_config *config);
void     store_close(struct store *s);

/* Copies the bundle in. `entry` gives all facts but seq, which is set.
 * ERR_EXISTS: carried or seen already, harmless. ERR_FULL: over quota and nothing
 * less worthy could be evicted (or QUOTA_OWN at its limit), or the disk is short: then only QUOTA_OWN may use the
 * reserve, down to what deleting needs; nothing changed. Evicted bundles are reported by store_next_evicted. */
enum err store_put(struct store *s, struct store_entry *entry, struct bytes bundle);

/* Lends the bytes until the next store_read, change or commit. ERR_NOT_FOUND, ERR_CORRUPT. */
enum err store_read(struct store *s, const struct store_entry *entry, struct bytes *bundle);

/* Lend until the next change; NULL when not carried. */
const struct store_entry *store_find(const struct store *s, const struct bundle_id *id);
const struct store_entry *store_find_seq(const struct store *s, uint64_t seq);
const struct store_entry *store_find_tag(const struct store *s, const uint8_t tag[TAG_LEN]);

/* Carried now, or removed and remembered. */
bool store_has_seen(const struct store *s, const struct bundle_id *id);

/* Walks the ids that are removed and remembered, the latest first. `visit` returns false to stop and must not change the
 * store. */
typedef bool store_visit_seen(void *ctx, const struct bundle_id *id);
void store_walk_seen(const struct store *s, store_visit_seen *visit, void *ctx);

/* Changes the facts that may change: quota_class, hops, budget, given, deadline_s
 * (only to sooner). ERR_NOT_FOUND. */
enum err store_update(struct store *s, const struct store_entry *entry);

/* Puts another stamp into the bundle (its id does not cover it), which is worth `bits`. ERR_NOT_FOUND; ERR_CORRUPT;
 * ERR_FULL: the disk is short. Nothing changed then. */
enum err store_stamp(struct store *s, const struct bundle_id *id, const uint8_t stamp[STAMP_LEN], uint8_t bits);

/* Removes it and, when `is_remembered`, does not take it again while it could live. */
enum err store_remove(struct store *s, const struct bundle_id *id, bool is_remembered);

/* Walks the entries of one bundle class from the newest to the oldest. The entry is
 * lent for the call; `visit` returns false to stop and must not change the store. */
typedef bool store_visit(void *ctx, const struct store_entry *entry);
void store_walk(const struct store *s, enum bundle_class which, store_visit *visit, void *ctx);

/* The same by arrival number, from `after` (exclusive) upwards, over all classes. */
void store_walk_since(const struct store *s, uint64_t after, store_visit *visit, void *ctx);

/* The newest carried; NULL when there is none. Lent until the next change. */
const struct store_entry *store_newest(const struct store *s);

/* The residence clock: seconds that never run backwards, across restarts. `elapsed_s` is what
 * passed while running (and, at start, what a trusted wall clock says of the time off). */
uint32_t store_clock_s(const struct store *s);
void     store_clock_advance(struct store *s, uint32_t elapsed_s);

/* Removes what is past its deadline, at most `max` a call (fewer when the disk is short), remembering nothing; returns how many. Each is
 * reported by store_next_evicted with ERR_EXPIRED. */
size_t   store_expire(struct store *s, size_t max);

/* The soonest deadline; UINT32_MAX when empty. */
uint32_t store_next_deadline_s(const struct store *s);

/* Entries that left by eviction (ERR_FULL) or expiry (ERR_EXPIRED) since last asked. */
bool store_next_evicted(struct store *s, struct store_entry *out, enum err *why);

struct store_usage {
    uint64_t bytes, capacity_bytes;
    size_t   count;
    uint64_t class_bytes[QUOTA_COUNT];
    uint64_t class_share[QUOTA_COUNT];  /* bytes a class may hold against the others */
    size_t   class_count[QUOTA_COUNT];
    size_t   bundle_class_count[CLASS_COUNT];
    size_t   seen_count;        /* removed and remembered, some past their time among them */
    uint8_t  fill_percent;      /* of the capacity, or 100 when the disk is short */
    size_t   damaged_count;     /* records that store_open found unreadable and removed */
};
void store_usage(const struct store *s, struct store_usage *out);

/* XOR of the ids carried in classes SOS, SEALED and PUBLIC: equal sets, equal value. */
void store_fingerprint(const struct store *s, uint8_t out[16]);

/* Bytes that a contributor holds of the stranger share now. */
uint64_t store_contributed(const struct store *s, uint32_t contributor);

/* What a link may hold of a stranger share of so many bytes when room is short: a tenth, but 32 KiB at least, which is some dozens
 * of texts, and of a tiny share the half. */
uint64_t store_link_share(uint64_t stranger_share);

/* Bytes that a contributor could bring at most to the stranger share now, other than in place of its own. 0 when the disk is short. */
uint64_t store_stranger_room(const struct store *s, uint32_t contributor);

#endif
