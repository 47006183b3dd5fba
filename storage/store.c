/* storage/store.c - the bundles this node carries: catalogue, quotas and database kept in step.
 *
 * A change is decided in memory, made in the database, and only then entered in memory, so that a
 * refusal leaves nothing behind. When the database fails, the transaction is spoilt and the commit
 * says so (storage/db.h); memory is thrown away with it.
 */
#include "storage/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"
#include "storage/body.h"
#include "storage/facts.h"
#include "storage/load.h"
#include "storage/meta.h"
#include "storage/seen.h"

enum {
    SEQ_BLOCK         = 1 << 16, /* arrival numbers claimed at once, so that the claim is rarely written */
    CLOCK_SAVE_BUSY_S = 60,      /* how old the clock on disk may be when there is a commit anyway */
    CLOCK_SAVE_IDLE_S = 600,     /* and when it needs a commit of its own */
    EXPIRE_SHORT_MAX  = 64,      /* bundles a call when the disk is short */
    LEFT_MAX          = 16384,   /* reports of entries that left, kept until asked for */
};

static const char clock_key[] = "clock", seq_key[] = "seq";

struct left {
    struct store_entry entry;
    enum err why;
};

struct store {
    struct db *db;
    struct catalogue catalogue;
    struct quota quota;
    struct seen seen;
    uint32_t clock_s, clock_saved_s;
    uint64_t seq_next, seq_claimed; /* numbers below seq_claimed are ours to give */
    uint8_t fingerprint[16];
    struct buffer whole;            /* what store_read lends of a bundle in pieces */
    struct left *left;              /* a ring */
    size_t left_first, left_count, left_cap;
    size_t damaged_count;
};

static enum err clock_save(struct store *s, uint32_t age_max_s)
{
    enum err e = ERR_NONE;

    if (s->clock_s - s->clock_saved_s >= age_max_s && (e = meta_put(s->db, clock_key, s->clock_s)) == ERR_NONE)
        s->clock_saved_s = s->clock_s;
    return e;
}

/* ---- Memory and database in step ---- */

static void fingerprint_toggle(struct store *s, const struct bundle_id *id)
{
    for (size_t i = 0; i < sizeof s->fingerprint; i++)
        s->fingerprint[i] ^= id->octets[i];
}

/* When nobody asks for so long, the oldest report is dropped: the entry is gone all the same. */
static void report_left(struct store *s, const struct store_entry *entry, enum err why)
{
    if (s->left_count == s->left_cap && s->left_cap < LEFT_MAX) {
        size_t cap = s->left_cap == 0 ? 16 : s->left_cap * 2;
        struct left *left = malloc(cap * sizeof *left);

        if (left != NULL) {
            for (size_t i = 0; i < s->left_count; i++)
                left[i] = s->left[(s->left_first + i) % s->left_cap];
            free(s->left);
            s->left = left;
            s->left_cap = cap;
            s->left_first = 0;
        }
    }
    if (s->left_cap == 0)
        return;
    if (s->left_count == s->left_cap) {
        s->left_first = (s->left_first + 1) % s->left_cap;
        s->left_count--;
    }
    struct left *to = &s->left[(s->left_first + s->left_count++) % s->left_cap];
    to->entry = *entry;
    to->why = why;
}

static enum err erase_records(struct db *db, const struct store_entry *entry)
{
    enum err e = db_delete_seq(db, DB_BUNDLE_FACTS, entry->seq);

    return e == ERR_NONE || e == ERR_NOT_FOUND ? body_erase(db, entry->seq, entry->len) : e;
}

static enum err write_facts(struct db *db, const struct store_entry *entry)
{
    uint8_t record[FACTS_LEN];

    facts_encode(entry, record);
    return db_put_seq(db, DB_BUNDLE_FACTS, entry->seq, bytes_of(record, sizeof record));
}

/* The room is reserved. */
static void remember(struct store *s, const struct store_entry *entry)
{
    quota_enter(&s->quota, catalogue_add(&s->catalogue, entry));
    fingerprint_toggle(s, &entry->id);
}

static void forget(struct store *s, uint32_t slot)
{
    fingerprint_toggle(s, &catalogue_at(&s->catalogue, slot)->entry.id);
    quota_leave(&s->quota, slot);
    catalogue_remove(&s->catalogue, slot);
}

/* ---- Opening ---- */

static uint64_t greatest_seq(const struct catalogue *c)
{
    uint64_t seq = 0;

    for (int k = 0; k < CLASS_COUNT; k++) {
        if (c->newest[k] != SLOT_NONE && catalogue_at(c, c->newest[k])->entry.seq > seq)
            seq = catalogue_at(c, c->newest[k])->entry.seq;
    }
    return seq;
}

/* A number that cannot be read is no reason to carry nothing: the clock starts anew, so that bundles live longer
 * than they should, and arrival numbers go on well past the greatest that is there. */
static enum err load_numbers(struct store *s)
{
    uint64_t clock = 0, claimed = 0, greatest = greatest_seq(&s->catalogue);
    enum err e = meta_get(s->db, clock_key, &clock);

    if (e != ERR_NONE && e != ERR_CORRUPT)
        return e;
    if (e == ERR_CORRUPT || clock >= UINT32_MAX) {
        s->damaged_count++;
        clock = 0;
    }
    e = meta_get(s->db, seq_key, &claimed);
    if (e != ERR_NONE && e != ERR_CORRUPT)
        return e;
    if (e == ERR_CORRUPT || claimed > SEQ_MAX || (greatest > 0 && claimed <= greatest)) {
        s->damaged_count++;
        claimed = greatest + 2 * SEQ_BLOCK;
    }
    s->clock_s = s->clock_saved_s = (uint32_t)clock;
    /* The rest of the last block is not used: how much of it was given away is not on disk. */
    s->seq_next = s->seq_claimed = claimed > 0 ? claimed : 1;
    return ERR_NONE;
}

static bool add_to_fingerprint(void *ctx, const struct store_entry *entry)
{
    fingerprint_toggle(ctx, &entry->id);
    return true;
}

enum err store_open(struct store **out, struct db *db, const struct store_config *config)
{
    struct store *s = calloc(1, sizeof *s);
    enum err e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->db = db;
    s->whole = buffer_of_limit(BUNDLE_LEN_MAX);
    catalogue_init(&s->catalogue, config != NULL ? config->hash_seed : 0);
    quota_init(&s->quota, &s->catalogue, config);
    if ((e = load_bundles(db, &s->catalogue, &s->quota, &s->damaged_count)) != ERR_NONE || (e = load_numbers(s)) != ERR_NONE)
        goto fail;
    for (int k = 0; k < CLASS_COUNT; k++)
        store_walk(s, (enum bundle_class)k, add_to_fingerprint, s);
    if ((e = seen_open(&s->seen, db, s->catalogue.hash_seed)) != ERR_NONE)
        goto fail;
    s->damaged_count += s->seen.damaged_count;
    *out = s;
    return ERR_NONE;
fail:
    store_close(s);
    return e;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    quota_clear(&s->quota);
    catalogue_clear(&s->catalogue);
    seen_clear(&s->seen);
    buffer_clear(&s->whole);
    free(s->left);
    free(s);
}

/* ---- Changes ---- */

static enum err claim_seq(struct store *s)
{
    enum err e = ERR_NONE;

    if (s->seq_next >= s->seq_claimed && (e = meta_put(s->db, seq_key, s->seq_next + SEQ_BLOCK)) == ERR_NONE)
        s->seq_claimed = s->seq_next + SEQ_BLOCK;
    return e;
}

static enum err write_put(struct store *s, const struct store_entry *entry, struct bytes bundle)
{
    enum err e;

    for (uint32_t i = 0; i < s->quota.victims_count; i++) {
        if ((e = erase_records(s->db, &catalogue_at(&s->catalogue, s->quota.victims[i])->entry)) != ERR_NONE)
            return e;
    }
    if ((e = claim_seq(s)) != ERR_NONE || (e = clock_save(s, CLOCK_SAVE_BUSY_S)) != ERR_NONE)
        return e;
    if ((e = body_put(s->db, entry->seq, bundle)) != ERR_NONE)
        return e;
    return write_facts(s->db, entry);
}

enum err store_put(struct store *s, struct store_entry *entry, struct bytes bundle)
{
    struct store_entry new = *entry;
    enum err e;

    assert(new.bundle_class < CLASS_COUNT && new.quota_class < QUOTA_COUNT);
    assert(new.len == bundle.len && new.len >= BUNDLE_LEN_MIN && new.len <= BUNDLE_LEN_MAX && (new.len & (new.len - 1)) == 0);
    assert(new.expiry_h >> 24 == 0 && new.bucket >> 24 == 0);
    if (catalogue_find(&s->catalogue, &new.id) != SLOT_NONE || seen_has(&s->seen, &new.id, s->clock_s))
        return ERR_EXISTS;
    if (!(new.quota_class == QUOTA_OWN ? db_has_reserve(s->db) : db_has_room(s->db)))
        return ERR_FULL;
    if ((e = catalogue_reserve(&s->catalogue)) != ERR_NONE)
        return e;
    if ((e = quota_reserve(&s->quota, new.quota_class, new.contributor)) != ERR_NONE)
        return e;
    if ((e = quota_plan(&s->quota, &new)) == ERR_NONE) {
        new.seq = s->seq_next;
        if ((e = write_put(s, &new, bundle)) != ERR_NONE)
            quota_unplan(&s->quota);
    }
    if (e != ERR_NONE) {
        quota_settle(&s->quota, new.quota_class, new.contributor);
        return e;
    }
    s->seq_next++;
    remember(s, &new);
    quota_plan_done(&s->quota);
    for (uint32_t i = 0; i < s->quota.victims_count; i++) {
        const struct store_entry *victim = &catalogue_at(&s->catalogue, s->quota.victims[i])->entry;

        report_left(s, victim, ERR_FULL);
        fingerprint_toggle(s, &victim->id);
        catalogue_remove(&s->catalogue, s->quota.victims[i]);
    }
    entry->seq = new.seq;
    return ERR_NONE;
}

enum err store_update(struct store *s, const struct store_entry *entry)
{
    uint32_t slot = catalogue_find(&s->catalogue, &entry->id);
    enum err e;

    if (slot == SLOT_NONE)
        return ERR_NOT_FOUND;
    assert(entry->quota_class < QUOTA_COUNT);
    struct store_entry *old = &catalogue_at(&s->catalogue, slot)->entry, new = *old;
    new.quota_class = entry->quota_class;
    new.hops = entry->hops;
    new.budget = entry->budget;
    new.given = entry->given;
    if (entry->deadline_s < new.deadline_s)
        new.deadline_s = entry->deadline_s;
    bool has_moved = new.quota_class != old->quota_class || new.deadline_s != old->deadline_s;
    if (!has_moved && new.hops == old->hops && new.budget == old->budget && new.given == old->given)
        return ERR_NONE;

    if ((e = quota_reserve(&s->quota, new.quota_class, new.contributor)) != ERR_NONE)
        return e;
    if ((e = write_facts(s->db, &new)) != ERR_NONE || (e = clock_save(s, CLOCK_SAVE_BUSY_S)) != ERR_NONE) {
        quota_settle(&s->quota, new.quota_class, new.contributor);
        return e;
    }
    if (has_moved) {
        catalogue_set_deadline(&s->catalogue, slot, new.deadline_s);
        quota_move(&s->quota, slot, new.quota_class);
    }
    *old = new;
    return ERR_NONE;
}

enum err store_stamp(struct store *s, const struct bundle_id *id, const uint8_t stamp[STAMP_LEN], uint8_t bits)
{
    uint32_t slot = catalogue_find(&s->catalogue, id);
    enum err e;

    if (slot == SLOT_NONE)
        return ERR_NOT_FOUND;
    if (!db_has_reserve(s->db))
        return ERR_FULL;
    struct store_entry *old = &catalogue_at(&s->catalogue, slot)->entry, new = *old;
    new.stamp_bits = bits;
    if ((e = body_patch(s->db, new.seq, new.len, HEADER_AD_LEN, bytes_of(stamp, STAMP_LEN))) != ERR_NONE ||
        (e = write_facts(s->db, &new)) != ERR_NONE || (e = clock_save(s, CLOCK_SAVE_BUSY_S)) != ERR_NONE)
        return e;
    old->stamp_bits = bits;
    quota_revalue(&s->quota, slot);
    return ERR_NONE;
}

enum err store_remove(struct store *s, const struct bundle_id *id, bool is_remembered)
{
    struct bundle_id gone = *id; /* the caller's may be lent from the entry */
    uint32_t slot = catalogue_find(&s->catalogue, &gone);
    enum err e;

    if (slot == SLOT_NONE)
        return ERR_NOT_FOUND;
    if ((e = erase_records(s->db, &catalogue_at(&s->catalogue, slot)->entry)) != ERR_NONE)
        return e;
    forget(s, slot);
    if ((e = clock_save(s, CLOCK_SAVE_BUSY_S)) != ERR_NONE || !is_remembered)
        return e;
    /* Not its own deadline: copies elsewhere may count their residence more slowly. */
    uint32_t life_s = LIFE_MAX_H * 3600u;
    uint32_t until_s = s->clock_s < UINT32_MAX - life_s ? s->clock_s + life_s : UINT32_MAX;
    return seen_add(&s->seen, s->db, &gone, until_s, s->clock_s);
}

size_t store_expire(struct store *s, size_t max)
{
    size_t n = 0;

    /* Bundles that end together may stand on as many pages, and a full disk has few left to write them anew. */
    if (!db_has_room(s->db) && max > EXPIRE_SHORT_MAX)
        max = EXPIRE_SHORT_MAX;
    for (; n < max; n++) {
        uint32_t slot = catalogue_soonest(&s->catalogue);

        if (slot == SLOT_NONE)
            break;
        const struct store_entry *entry = &catalogue_at(&s->catalogue, slot)->entry;
        if (entry->deadline_s > s->clock_s || erase_records(s->db, entry) != ERR_NONE)
            break;
        report_left(s, entry, ERR_EXPIRED);
        forget(s, slot);
    }
    if (n > 0)
        (void)clock_save(s, CLOCK_SAVE_BUSY_S); /* a failure spoils the commit, which tells */
    return n;
}

/* ---- Questions ---- */

static const struct store_entry *entry_of(const struct store *s, uint32_t slot)
{
    return slot != SLOT_NONE ? &catalogue_at(&s->catalogue, slot)->entry : NULL;
}

enum err store_read(struct store *s, const struct store_entry *entry, struct bytes *bundle)
{
    const struct store_entry *known = entry_of(s, catalogue_find(&s->catalogue, &entry->id));
    struct header h;
    struct bytes body;
    enum err e;

    if (known == NULL)
        return ERR_NOT_FOUND;
    if ((e = body_read(s->db, known->seq, known->len, &s->whole, &body)) != ERR_NONE)
        return e;
    if (header_of_bundle(&h, body) != ERR_NONE || memcmp(h.tag, known->tag, TAG_LEN) != 0)
        return ERR_CORRUPT;
    *bundle = body;
    return ERR_NONE;
}

const struct store_entry *store_find(const struct store *s, const struct bundle_id *id)
{
    return entry_of(s, catalogue_find(&s->catalogue, id));
}

const struct store_entry *store_find_seq(const struct store *s, uint64_t seq)
{
    return entry_of(s, catalogue_find_seq(&s->catalogue, seq));
}

const struct store_entry *store_find_tag(const struct store *s, const uint8_t tag[TAG_LEN])
{
    return entry_of(s, catalogue_find_tag(&s->catalogue, tag));
}

bool store_has_seen(const struct store *s, const struct bundle_id *id)
{
    return catalogue_find(&s->catalogue, id) != SLOT_NONE || seen_has(&s->seen, id, s->clock_s);
}

void store_walk_seen(const struct store *s, store_visit_seen *visit, void *ctx)
{
    seen_walk(&s->seen, s->clock_s, visit, ctx);
}

void store_walk(const struct store *s, enum bundle_class which, store_visit *visit, void *ctx)
{
    const struct catalogue *c = &s->catalogue;

    for (uint32_t at = c->newest[which]; at != SLOT_NONE; at = catalogue_at(c, at)->older) {
        if (!visit(ctx, &catalogue_at(c, at)->entry))
            return;
    }
}

/* Costs what it shows, and what it takes to get there: from the entry `after` itself where it is there still, else from the
 * newest back to it; then upwards through all classes at once. */
void store_walk_since(const struct store *s, uint64_t after, store_visit *visit, void *ctx)
{
    const struct catalogue *c = &s->catalogue;
    uint32_t next[CLASS_COUNT];

    uint32_t from = after > 0 ? catalogue_find_seq(c, after) : SLOT_NONE;

    for (int k = 0; k < CLASS_COUNT; k++) {
        next[k] = SLOT_NONE;
        if (after == 0 || (from != SLOT_NONE && catalogue_at(c, from)->entry.bundle_class == k)) {
            next[k] = after == 0 ? c->oldest[k] : catalogue_at(c, from)->newer;
            continue;
        }
        for (uint32_t at = c->newest[k]; at != SLOT_NONE && catalogue_at(c, at)->entry.seq > after; at = catalogue_at(c, at)->older)
            next[k] = at;
    }
    for (;;) {
        int least = CLASS_COUNT;

        for (int k = 0; k < CLASS_COUNT; k++) {
            if (next[k] == SLOT_NONE)
                continue;
            if (least == CLASS_COUNT || catalogue_at(c, next[k])->entry.seq < catalogue_at(c, next[least])->entry.seq)
                least = k;
        }
        if (least == CLASS_COUNT || !visit(ctx, &catalogue_at(c, next[least])->entry))
            return;
        next[least] = catalogue_at(c, next[least])->newer;
    }
}

const struct store_entry *store_newest(const struct store *s)
{
    const struct store_entry *newest = NULL;

    for (int k = 0; k < CLASS_COUNT; k++) {
        const struct slot *at = s->catalogue.newest[k] != SLOT_NONE ? catalogue_at(&s->catalogue, s->catalogue.newest[k]) : NULL;

        if (at != NULL && (newest == NULL || at->entry.seq > newest->seq))
            newest = &at->entry;
    }
    return newest;
}

uint32_t store_clock_s(const struct store *s)
{
    return s->clock_s;
}

void store_clock_advance(struct store *s, uint32_t elapsed_s)
{
    uint32_t left_s = UINT32_MAX - 1 - s->clock_s;

    s->clock_s += elapsed_s < left_s ? elapsed_s : left_s;
    (void)clock_save(s, CLOCK_SAVE_IDLE_S); /* a failure spoils the commit, which tells */
}

uint32_t store_next_deadline_s(const struct store *s)
{
    const struct store_entry *entry = entry_of(s, catalogue_soonest(&s->catalogue));

    return entry != NULL ? entry->deadline_s : UINT32_MAX;
}

bool store_next_evicted(struct store *s, struct store_entry *out, enum err *why)
{
    if (s->left_count == 0)
        return false;
    *out = s->left[s->left_first].entry;
    *why = s->left[s->left_first].why;
    s->left_first = (s->left_first + 1) % s->left_cap;
    s->left_count--;
    return true;
}

void store_usage(const struct store *s, struct store_usage *out)
{
    struct store_usage u;

    memset(&u, 0, sizeof u);
    u.bytes = s->quota.bytes;
    u.capacity_bytes = s->quota.capacity;
    u.count = s->catalogue.count;
    for (int k = 0; k < QUOTA_COUNT; k++) {
        u.class_bytes[k] = s->quota.class_bytes[k];
        u.class_share[k] = s->quota.share[k];
        u.class_count[k] = s->quota.class_count[k];
    }
    for (int k = 0; k < CLASS_COUNT; k++)
        u.bundle_class_count[k] = s->catalogue.class_count[k];
    u.seen_count = s->seen.count;
    uint64_t percent = u.bytes * 100 / u.capacity_bytes;
    u.fill_percent = (uint8_t)(percent < 100 ? percent : 100);
    if (!db_has_room(s->db))
        u.fill_percent = 100;
    u.damaged_count = s->damaged_count;
    *out = u;
}

void store_fingerprint(const struct store *s, uint8_t out[16])
{
    memcpy(out, s->fingerprint, sizeof s->fingerprint);
}

uint64_t store_contributed(const struct store *s, uint32_t contributor)
{
    return quota_contributed(&s->quota, QUOTA_STRANGER, contributor);
}

uint64_t store_link_share(uint64_t stranger_share)
{
    return quota_link_share(stranger_share);
}

uint64_t store_stranger_room(const struct store *s, uint32_t contributor)
{
    return db_has_room(s->db) ? quota_stranger_room(&s->quota, contributor) : 0;
}
