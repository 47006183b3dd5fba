/* mesh/mint.c - which stamps are wanted, and the work for them in slices. */
#include "mesh/mint.h"

#include <string.h>

#include "mesh/bundle.h"
#include "mesh/contact.h"

void mint_init(struct mint *m)
{
    memset(m, 0, sizeof *m);
    m->jobs = ring_of(sizeof(struct mint_job), MINT_JOBS_MAX);
}

void mint_clear(struct mint *m)
{
    ring_clear(&m->jobs);
}

/* True: it is more than was wanted so far. */
static bool add_job(struct mint *m, uint64_t seq, uint8_t bits)
{
    struct mint_job job = { seq, bits };

    for (size_t i = 0; i < m->jobs.len; i++) {
        struct mint_job *at = ring_at(&m->jobs, i);

        if (at->seq != seq)
            continue;
        bool is_more = bits > at->bits;
        if (is_more)
            at->bits = bits;
        return is_more;
    }
    /* Full: the next neighbour asks again. */
    return ring_push(&m->jobs, &job) == ERR_NONE;
}

void core_want_stamp(struct core *c, const struct store_entry *e, uint8_t bits, uint32_t link)
{
    if (e->quota_class != QUOTA_OWN || e->contributor != 0)
        return;
    if (bits <= STAMP_BITS_MAX && !add_job(&c->mint, e->seq, bits))
        return;
    struct node_event *event = core_event(c, NODE_STAMP_WANTED);
    if (event == NULL)
        return;
    event->link = link;
    event->why = ERR_REFUSED;
    event->entry = *e;
}

static const struct store_entry *next_entry(struct core *c, uint8_t *bits)
{
    struct ring *jobs = &c->mint.jobs;

    for (; jobs->len > 0; ring_pop(jobs)) {
        const struct mint_job *job = ring_at(jobs, 0);
        const struct store_entry *e = store_find_seq(c->store, job->seq);

        if (e != NULL && e->stamp_bits < job->bits && e->deadline_s > store_clock_s(c->store)) {
            *bits = job->bits;
            return e;
        }
    }
    return NULL;
}

void core_demand_fell(struct core *c, struct contact *at, uint8_t bits_before)
{
    for (size_t i = 0; i < c->mint.jobs.len; i++) {
        uint64_t seq = ((struct mint_job *)ring_at(&c->mint.jobs, i))->seq;
        const struct store_entry *e = store_find_seq(c->store, seq);

        if (e != NULL && e->stamp_bits < bits_before && e->stamp_bits >= at->peer.stamp_bits)
            give_again(at, seq);
    }
}

/* To those that demanded more than it had, and not more than it has. */
static void offer_to_all(struct core *c, uint64_t seq, uint8_t bits_before, uint8_t bits)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct contact *at = c->contacts[i];

        if (at != NULL && at->phase == PHASE_READY && at->peer.stamp_bits > bits_before && at->peer.stamp_bits <= bits)
            give_again(at, seq);
    }
}

enum stamp_work core_stamp_work(struct core *c, uint32_t tries)
{
    struct mint *m = &c->mint;
    uint8_t bundle[HEADER_LEN] = { 0 }, wanted;
    const struct store_entry *at = next_entry(c, &wanted);

    if (at == NULL)
        return STAMP_NONE;
    if (!m->is_drawn)
        m->counter = rng_u64(&c->rng);
    m->is_drawn = true;
    struct store_entry e = *at;
    if (!stamp_search(bundle, &e.id, wanted, &m->counter, tries))
        return STAMP_SEARCHING;
    uint8_t bits = stamp_bits(&e.id, bundle + HEADER_AD_LEN);
    enum err failed = store_stamp(c->store, &e.id, bundle + HEADER_AD_LEN, bits);
    ring_pop(&m->jobs);
    if (failed == ERR_NONE) {
        c->counters.stamps_made++;
        offer_to_all(c, e.seq, e.stamp_bits, bits);
    } else if (failed != ERR_FULL && failed != ERR_NOT_FOUND) {
        c->failed = failed;
    }
    return STAMP_FOUND;
}
