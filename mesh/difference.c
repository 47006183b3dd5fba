/* mesh/difference.c - what two sets differ in, and what is still to be done about it. */
#include "mesh/difference.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t SID_MASK = 0xffffffffffffu;
static const uint64_t IS_RESOLVED = (uint64_t)1 << 63;
static const uint64_t IS_ASKED = (uint64_t)1 << 62;
enum { WORTH_SIZE_SHIFT = 48 };

void difference_init(struct difference *d, const struct store *store, enum bundle_class which, const uint8_t sid_key[16])
{
    memset(d, 0, sizeof *d);
    d->store = store;
    d->which = (uint8_t)which;
    memcpy(d->sid_key, sid_key, sizeof d->sid_key);
}

void difference_drop_lacking(struct difference *d)
{
    free(d->lacking);
    d->lacking = NULL;
    d->lacking_count = d->lacking_open = d->lacking_asked = d->lacking_waiting = 0;
    d->lacking_old = d->lacking_mark = 0;
}

static void drop_giving(struct difference *d)
{
    free(d->giving);
    d->giving = NULL;
    d->giving_count = d->giving_at = 0;
}

static void drop_carried(struct difference *d)
{
    free(d->carried);
    d->carried = NULL;
    d->carried_count = 0;
}

void difference_clear(struct difference *d)
{
    difference_drop_lacking(d);
    drop_giving(d);
    drop_carried(d);
    d->is_giving_all = false;
}

/* ---- Orders ---- */

/* Worth within a class: small before large, then new before old; one number orders both, and holds the arrival number. */
static uint64_t worth_of(const struct store_entry *e)
{
    uint64_t size_code = 0;

    for (uint32_t len = e->len; len > BUNDLE_LEN_MIN; len >>= 1)
        size_code++;
    return size_code << WORTH_SIZE_SHIFT | (SID_MASK - (e->seq & SID_MASK));
}

static uint64_t seq_of_worth(uint64_t worth)
{
    return SID_MASK - (worth & SID_MASK);
}

static int order_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool is_among(const uint64_t *sorted, size_t count, uint64_t number)
{
    return count > 0 && bsearch(&number, sorted, count, sizeof *sorted, order_numbers) != NULL;
}

/* ---- What only we have ---- */

/* From worths to arrival numbers, the worthiest first. */
static void order_giving(struct difference *d)
{
    /* Often sorted already: bundles of one size, newest first. */
    for (size_t i = 1; i < d->giving_count; i++) {
        if (d->giving[i - 1] > d->giving[i]) {
            qsort(d->giving, d->giving_count, sizeof *d->giving, order_numbers);
            break;
        }
    }
    for (size_t i = 0; i < d->giving_count; i++)
        d->giving[i] = seq_of_worth(d->giving[i]);
}

struct gathering { struct difference *d; uint64_t after, size; bool is_larger; };

/* A walk goes from new to old, which within a size is the order of worth. */
static bool gather_entry(void *ctx, const struct store_entry *e)
{
    struct gathering *g = ctx;
    struct difference *d = g->d;
    uint64_t worth = worth_of(e);

    if (e->seq > d->last_seq)
        return true;
    if (worth >> WORTH_SIZE_SHIFT > g->size)
        g->is_larger = true;
    if (worth >> WORTH_SIZE_SHIFT == g->size && worth > g->after &&
        (d->known_count == 0 || !is_among(d->known, d->known_count, sid_of(d->sid_key, &e->id))))
        d->giving[d->giving_count++] = worth;
    return d->giving_count < GATHER_MAX;
}

/* The next piece of everything; false when there is no more. */
static bool gather(struct difference *d)
{
    struct gathering g = { d, d->giving_after, d->giving_after >> WORTH_SIZE_SHIFT, true };

    drop_giving(d);
    if ((d->giving = malloc(GATHER_MAX * sizeof *d->giving)) == NULL)
        return false;
    for (; g.is_larger && d->giving_count == 0; g.size++) {
        g.is_larger = false;
        store_walk(d->store, (enum bundle_class)d->which, gather_entry, &g);
    }
    if (d->giving_count == 0)
        return false;
    d->giving_after = d->giving[d->giving_count - 1];
    order_giving(d);
    return true;
}

void difference_is_all(struct difference *d)
{
    drop_giving(d);
    d->is_giving_all = true;
    d->giving_after = 0;
}

bool difference_is_giving(const struct difference *d)
{
    return d->is_giving_all || d->giving_at < d->giving_count;
}

uint64_t difference_giving_left(const struct difference *d)
{
    return d->giving_count - d->giving_at + (d->is_giving_all ? 1 : 0);
}

bool difference_peek_giving(struct difference *d, uint64_t *seq)
{
    if (d->giving_at == d->giving_count && d->is_giving_all && !gather(d))
        d->is_giving_all = false;
    if (d->giving_at == d->giving_count) {
        drop_giving(d);
        return false;
    }
    *seq = d->giving[d->giving_at];
    return true;
}

void difference_take_giving(struct difference *d)
{
    d->giving_at++;
}

static enum err set_giving(struct difference *d, const struct snapshot *ours, const uint64_t *sids, size_t count)
{
    drop_giving(d);
    if (count == 0)
        return ERR_NONE;
    if ((d->giving = malloc(count * sizeof *d->giving)) == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        uint64_t seq;
        const struct store_entry *e;

        if (snapshot_find(ours, sids[i], &seq) && (e = store_find_seq(d->store, seq)) != NULL)
            d->giving[d->giving_count++] = worth_of(e);
    }
    order_giving(d);
    return ERR_NONE;
}

/* ---- What both have ---- */

struct common {
    struct difference *d;
    const struct snapshot *ours;
    const uint64_t *sorted;             /* their set, or what only we have */
    size_t count, cap, own_left;
    bool is_theirs;
    enum err e;
};

static bool note_common(void *ctx, const struct store_entry *e)
{
    struct common *c = ctx;
    struct difference *d = c->d;
    uint64_t seq;

    if (e->quota_class != QUOTA_OWN)
        return true;
    if (e->contributor == 0 && e->given == 0 && e->seq <= d->last_seq) {
        uint64_t sid = sid_of(d->sid_key, &e->id);

        if (is_among(c->sorted, c->count, sid) == c->is_theirs && snapshot_find(c->ours, sid, &seq) && seq == e->seq) {
            if (d->carried_count == c->cap) {
                size_t cap = c->cap == 0 ? 16 : c->cap * 2;
                uint64_t *at = realloc(d->carried, cap * sizeof *at);

                if (at == NULL) {
                    c->e = ERR_NO_MEMORY;
                    return false;
                }
                d->carried = at;
                c->cap = cap;
            }
            d->carried[d->carried_count++] = seq;
        }
    }
    return --c->own_left > 0;
}

/* An own bundle that they carry although nobody is known to have it: its acknowledgement was lost with a link. */
static enum err find_carried(struct difference *d, const struct snapshot *ours, const uint64_t *sorted, size_t count,
                             bool is_theirs)
{
    struct store_usage usage;

    drop_carried(d);
    store_usage(d->store, &usage);
    if (usage.class_count[QUOTA_OWN] == 0)
        return ERR_NONE;
    struct common c = { d, ours, sorted, count, 0, usage.class_count[QUOTA_OWN], is_theirs, ERR_NONE };
    store_walk(d->store, (enum bundle_class)d->which, note_common, &c);
    return c.e;
}

bool difference_next_carried(struct difference *d, uint64_t *seq)
{
    if (d->carried_count == 0) {
        drop_carried(d);
        return false;
    }
    *seq = d->carried[--d->carried_count];
    return true;
}

/* ---- What we lack ---- */

static uint64_t *find_lacking(const struct difference *d, uint64_t sid)
{
    size_t low = 0, high = d->lacking_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if ((d->lacking[mid] & SID_MASK) < sid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < d->lacking_count && (d->lacking[low] & SID_MASK) == sid ? &d->lacking[low] : NULL;
}

enum lacking difference_resolve(struct difference *d, uint64_t sid)
{
    uint64_t *at = d->lacking_open > 0 ? find_lacking(d, sid) : NULL;
    enum lacking was = LACKING_UNASKED;

    if (at == NULL || (*at & IS_RESOLVED) != 0)
        return LACKING_NOT;
    if ((*at & IS_ASKED) != 0) {
        was = LACKING_ASKED;
        d->lacking_waiting--;
    }
    *at |= IS_RESOLVED;
    if (--d->lacking_open == 0)
        difference_drop_lacking(d);
    return was;
}

bool difference_is_asked(const struct difference *d, uint64_t sid)
{
    const uint64_t *at = d->lacking_waiting > 0 ? find_lacking(d, sid) : NULL;

    return at != NULL && at >= d->lacking + d->lacking_old && (*at & IS_ASKED) != 0 && (*at & IS_RESOLVED) == 0;
}

/* Asked in order, so a cursor of some time ago parts the old from the new. */
bool difference_age(struct difference *d, uint64_t now_ms)
{
    if (d->lacking_waiting == 0 || now_ms - d->lacking_mark_ms < PROMISED_MS)
        return false;
    bool is_any = d->lacking_mark > d->lacking_old;
    d->lacking_old = d->lacking_mark;
    d->lacking_mark = d->lacking_asked;
    d->lacking_mark_ms = now_ms;
    return is_any;
}

bool difference_next_lacking(struct difference *d, uint64_t *sid, uint64_t now_ms)
{
    for (; d->lacking_asked < d->lacking_count; d->lacking_asked++) {
        uint64_t *at = &d->lacking[d->lacking_asked];

        if ((*at & IS_RESOLVED) == 0) {
            *at |= IS_ASKED;
            *sid = *at & SID_MASK;
            if (d->lacking_waiting == 0)
                d->lacking_mark_ms = now_ms;
            d->lacking_asked++;
            d->lacking_waiting++;
            return true;
        }
    }
    return false;
}

static bool resolve_arrived(void *ctx, const struct store_entry *e)
{
    struct difference *d = ctx;

    if (e->bundle_class == d->which)
        difference_resolve(d, sid_of(d->sid_key, &e->id));
    return d->lacking_open > 0;
}

static enum err set_lacking(struct difference *d, const uint64_t *sids, size_t count)
{
    difference_drop_lacking(d);
    if (count == 0)
        return ERR_NONE;
    if ((d->lacking = malloc(count * sizeof *d->lacking)) == NULL)
        return ERR_NO_MEMORY;
    memcpy(d->lacking, sids, count * sizeof *d->lacking);
    qsort(d->lacking, count, sizeof *d->lacking, order_numbers);
    d->lacking_count = d->lacking_open = count;
    /* Bundles that came since the set was stated are not lacking, however they came. */
    store_walk_since(d->store, d->last_seq, resolve_arrived, d);
    return ERR_NONE;
}

/* ---- The whole ---- */

enum err difference_of_list(struct difference *d, const struct snapshot *ours, const uint64_t *theirs, size_t count)
{
    uint64_t theirs_only[LIST_MAX];
    size_t theirs_count = 0;
    enum err e;

    for (size_t i = 0; i < count; i++) {
        uint64_t seq;

        d->known[i] = theirs[i];
        if (!snapshot_find(ours, theirs[i], &seq))
            theirs_only[theirs_count++] = theirs[i];
    }
    d->known_count = count;
    qsort(d->known, count, sizeof *d->known, order_numbers);
    if ((e = find_carried(d, ours, d->known, count, true)) != ERR_NONE ||
        (e = set_lacking(d, theirs_only, theirs_count)) != ERR_NONE)
        return e;
    difference_is_all(d);
    return ERR_NONE;
}

enum err difference_of_sketch(struct difference *d, const struct snapshot *ours, const uint64_t *theirs_only,
                              size_t theirs_count, const uint64_t *ours_only, size_t ours_count)
{
    uint64_t *sorted = malloc((ours_count > 0 ? ours_count : 1) * sizeof *sorted);
    enum err e;

    if (sorted == NULL)
        return ERR_NO_MEMORY;
    if (ours_count > 0)
        memcpy(sorted, ours_only, ours_count * sizeof *sorted);
    qsort(sorted, ours_count, sizeof *sorted, order_numbers);
    e = find_carried(d, ours, sorted, ours_count, false);
    free(sorted);
    if (e != ERR_NONE || (e = set_lacking(d, theirs_only, theirs_count)) != ERR_NONE)
        return e;
    return set_giving(d, ours, ours_only, ours_count);
}
