/* mesh/core.c - what all contacts of one node share. */
#include "mesh/core.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/tags.h"
#include "mesh/beacon.h"
#include "mesh/bundle.h"
#include "mesh/contact.h"
#include "mesh/route.h"

static const uint64_t EPOCH_UNIX_S = 1735689600;  /* 2025-01-01 00:00 UTC, as mesh/base/header.c */
enum { CLOCK_PEERS_MIN = 3 };

void core_set_now(struct core *c, uint64_t now_ms)
{
    if (now_ms > c->now_ms)
        c->now_ms = now_ms;
    c->recon.now_ms = c->now_ms;
    uint64_t whole_s = (c->now_ms - c->residence_ms) / 1000;
    if (whole_s == 0)
        return;
    c->residence_ms += whole_s * 1000;
    store_clock_advance(c->store, whole_s > UINT32_MAX ? UINT32_MAX : (uint32_t)whole_s);
}

static uint32_t wall_min(const struct core *c)
{
    if (c->wall_unix_s == 0)
        return CLOCK_UNKNOWN_MIN;
    uint64_t unix_s = c->wall_unix_s + (c->now_ms - c->wall_at_ms) / 1000;
    if (unix_s < EPOCH_UNIX_S)
        return 0;
    uint64_t min = (unix_s - EPOCH_UNIX_S) / 60;
    return min < CLOCK_UNKNOWN_MIN ? (uint32_t)min : CLOCK_UNKNOWN_MIN - 1;
}

uint32_t core_clock_min(const struct core *c)
{
    int64_t offsets[LINKS_MAX];
    size_t count = 0;
    uint32_t ours = wall_min(c);

    if (ours == CLOCK_UNKNOWN_MIN || c->is_wall_trusted)
        return ours;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *at = c->contacts[i];

        if (at == NULL || at->phase != PHASE_READY || at->peer.clock_min == CLOCK_UNKNOWN_MIN)
            continue;
        int64_t offset = (int64_t)at->peer.clock_min + (int64_t)((c->now_ms - at->ready_ms) / 60000) - (int64_t)ours;
        size_t k = count++;
        for (; k > 0 && offsets[k - 1] > offset; k--)
            offsets[k] = offsets[k - 1];
        offsets[k] = offset;
    }
    if (count < CLOCK_PEERS_MIN)
        return ours;
    int64_t median = offsets[count / 2];
    if (median > CLOCK_AGREE_MIN || median < -CLOCK_AGREE_MIN || (int64_t)ours + median < 0)
        return ours;
    return (uint32_t)((int64_t)ours + median);
}

struct node_event *core_event(struct core *c, enum node_event_kind kind)
{
    struct node_event event;

    memset(&event, 0, sizeof event);
    event.kind = kind;
    if (ring_push(&c->events, &event) != ERR_NONE)
        return NULL;
    return ring_at(&c->events, c->events.len - 1);
}

/* One ready neighbour at random, but not the one it came from. What we had to ask for was offered to our neighbours as
 * well, so it waits, unless there is but one who may know nothing of it. */
static uint32_t draw_first(const struct core *c, uint32_t origin, bool was_asked)
{
    uint32_t ready[LINKS_MAX];
    uint32_t count = 0;

    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *at = c->contacts[i];

        if (at != NULL && at->phase == PHASE_READY && at->id != origin)
            ready[count++] = at->id;
    }
    if (count == 0 || (count > 1 && was_asked))
        return 0;
    return count == 1 ? ready[0] : ready[rng_below(&c->rng, count)];
}

void core_stored(struct core *c, const struct store_entry *e, uint32_t origin, bool was_asked)
{
    c->last_seq = e->seq;
    c->change_serial++;
    if (spread_note(&c->spread, e->seq, origin, was_asked, c->now_ms))
        spread_choose(&c->spread, draw_first(c, origin, was_asked));
}

uint8_t core_stamp_demand(const struct core *c)
{
    struct store_usage usage;

    if (!c->is_stamp_demanded)
        return 0;
    store_usage(c->store, &usage);
    return stamp_demand(usage.fill_percent);
}

uint32_t core_link_rate(const struct core *c)
{
    struct store_usage usage;

    if (c->link_bytes_per_s > 0)
        return c->link_bytes_per_s;
    store_usage(c->store, &usage);
    return usage.fill_percent >= PRESSURE_PERCENT ? RATE_BYTES_PER_S : 0;
}

void core_admission(const struct core *c, struct admission *a, uint32_t contributor)
{
    memset(a, 0, sizeof *a);
    store_usage(c->store, &a->usage);
    a->contributed = store_contributed(c->store, contributor);
    a->stranger_room = store_stranger_room(c->store, contributor);
    a->residence_s = store_clock_s(c->store);
    a->ours_min = core_clock_min(c);
    a->is_ours_trusted = c->is_wall_trusted;
    a->theirs_min = CLOCK_UNKNOWN_MIN;
    a->hops_max = c->hops_max;
    a->stamp_bits = c->is_stamp_demanded ? stamp_demand(a->usage.fill_percent) : 0;
}

static void count_refusal(struct core *c, const struct arrival *a, enum refusal why)
{
    c->counters.refused_in++;
    /* A stamp may be added within the second, and neighbours know the demand: they do not offer it before. */
    if (why == REFUSAL_STAMP)
        c->counters.stamps_missing++;
    else
        core_refuse(c, &a->id, a->contributor);
}

enum refusal core_take(struct core *c, const struct arrival *a, bool *is_forged)
{
    struct admission facts;
    struct store_entry entry;
    const struct header *h = &a->header;

    *is_forged = false;
    if (store_has_seen(c->store, &a->id)) {
        c->counters.duplicates_in++;
        return REFUSAL_DUPLICATE;
    }
    memset(&entry, 0, sizeof entry);
    core_admission(c, &facts, a->contributor);
    facts.theirs_min = a->theirs_min;
    facts.is_theirs_trusted = a->is_theirs_trusted;
    facts.is_friend = a->is_friend;
    entry.stamp_bits = stamp_bits(&a->id, h->stamp);
    enum refusal why = admission_judge(&facts, h, &a->carry, entry.stamp_bits, &entry.deadline_s);
    if (why != REFUSAL_NONE) {
        count_refusal(c, a, why);
        return why;
    }
    /* Neighbours verify before they carry, so only a liar passes a forgery on. */
    if (h->bundle_class != CLASS_SEALED && bundle_verify_plain(h, a->bytes) != ERR_NONE) {
        *is_forged = true;
        return REFUSAL_MALFORMED;
    }
    entry.id = a->id;
    memcpy(entry.tag, h->tag, sizeof entry.tag);
    entry.len = (uint32_t)a->bytes.len;
    entry.expiry_h = h->expiry_h;
    entry.bucket = h->bucket;
    entry.contributor = a->contributor;
    entry.bundle_class = h->bundle_class;
    entry.quota_class = (uint8_t)admission_class(&facts, h->bundle_class);
    entry.hops = route_hops_kept(a->carry.hops, &c->rng);
    entry.budget = route_budget_taken(a->carry.budget, &c->rng);
    enum err e = store_put(c->store, &entry, a->bytes);
    switch (e) {
    case ERR_NONE:
        core_stored(c, &entry, a->link, a->was_asked);
        return REFUSAL_NONE;
    case ERR_EXISTS:
        c->counters.duplicates_in++;
        return REFUSAL_DUPLICATE;
    case ERR_FULL:
        count_refusal(c, a, REFUSAL_QUOTA);
        return REFUSAL_QUOTA;
    default:
        c->failed = e;   /* the database: the commit of this turn will say so */
        return REFUSAL_QUOTA;
    }
}

bool core_reveal(struct core *c, const uint8_t proof[REVEAL_LEN], uint32_t life_s)
{
    uint8_t tag[TAG_LEN];

    tag_of_reveal(proof, tag);
    const struct store_entry *at = store_find_tag(c->store, tag);
    if (at == NULL || at->bundle_class != CLASS_SEALED)
        return false;
    struct store_entry e = *at;
    uint32_t now_s = store_clock_s(c->store);
    enum err failed = store_remove(c->store, &e.id, true);
    if (failed != ERR_NONE) {
        c->failed = failed;
        return false;
    }
    uint32_t most_s = LIFE_MAX_H * 3600;
    /* Kept as long as copies may live elsewhere: what we know ourselves, or were told, whichever is longer. */
    uint32_t left_s = e.deadline_s > now_s ? e.deadline_s - now_s : 0;
    if (life_s > left_s)
        left_s = life_s;
    (void)reveals_add(&c->reveals, &e.id, proof, now_s + (left_s < most_s ? left_s : most_s));
    c->counters.antipackets++;
    c->change_serial++;
    struct node_event *event = core_event(c, NODE_DROPPED);
    if (event != NULL)
        event->entry = e;
    return true;
}

static struct refused *refused_place(const struct core *c, const struct bundle_id *id, uint32_t contributor)
{
    uint8_t name[sizeof id->octets + 4];
    struct writer w = writer_of(name, sizeof name);

    writer_copy(&w, bytes_of(id->octets, sizeof id->octets));
    writer_u32(&w, contributor);
    return &c->refused[hash_short(c->key, writer_bytes(&w)) % REFUSED_MAX];
}

void core_refuse(struct core *c, const struct bundle_id *id, uint32_t contributor)
{
    if (c->refused == NULL && (c->refused = calloc(REFUSED_MAX, sizeof *c->refused)) == NULL)
        return;
    struct refused *at = refused_place(c, id, contributor);
    at->id = *id;
    at->contributor = contributor;
    at->until_s = store_clock_s(c->store) + REFUSED_KEEP_S;
}

bool core_is_refused(const struct core *c, const struct bundle_id *id, uint32_t contributor)
{
    if (c->refused == NULL)
        return false;
    const struct refused *at = refused_place(c, id, contributor);
    return at->until_s > store_clock_s(c->store) && at->contributor == contributor && bundle_id_is_equal(&at->id, id);
}

bool core_is_promise_old(const struct core *c, const struct fetch_entry *f)
{
    return c->now_ms - f->asked_at_ms >= PROMISE_MS + (uint64_t)f->len;
}

void core_walk_refused(const struct core *c, uint32_t contributor, store_visit_seen *visit, void *ctx)
{
    for (size_t i = 0; c->refused != NULL && i < REFUSED_MAX; i++) {
        if (c->refused[i].contributor == contributor && c->refused[i].until_s > store_clock_s(c->store) &&
            !visit(ctx, &c->refused[i].id))
            return;
    }
}

bool core_is_fetched_elsewhere(const struct core *c, const struct contact *asker, const struct bundle_id *id)
{
    const struct fetch_entry *f = fetch_find(&c->fetch, id);

    if (f != NULL && f->link != asker->id && !core_is_promise_old(c, f))
        return true;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *at = c->contacts[i];

        if (at == NULL || at == asker || at->phase != PHASE_READY)
            continue;
        for (size_t k = 0; k < CLASS_COUNT; k++) {
            if (at->recon[k].difference.lacking_waiting > 0 && difference_is_asked(&at->recon[k].difference, sid_of(at->sid_key, id)))
                return true;
        }
    }
    return false;
}

void core_met(struct core *c, const uint8_t advert[ADVERT_RANDOM_LEN], uint64_t fingerprint)
{
    struct met *to = NULL;

    if (!advert_is_heard(advert))
        return;
    for (size_t i = 0; i < MET_MAX && to == NULL; i++) {
        if (memcmp(c->met[i].advert, advert, ADVERT_RANDOM_LEN) == 0)
            to = &c->met[i];
    }
    if (to == NULL)
        to = &c->met[c->met_next++ % MET_MAX];
    memcpy(to->advert, advert, ADVERT_RANDOM_LEN);
    to->fingerprint = fingerprint;
    store_fingerprint(c->store, to->our_set);
}
