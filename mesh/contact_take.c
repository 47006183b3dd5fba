/* mesh/contact_take.c - what comes from a neighbour: bundles whole and in parts, what will not come, and acks owed. */
#include "mesh/contact.h"

#include <string.h>

#include "mesh/bundle.h"

enum { EXCEPTION_LEN_MAX = 4, REVEAL_ANSWERS_MAX = REVEALS_MAX };
/* Pushes of an honest neighbour that starts a link are not refused; what is asked for then waits the longer. */
enum { RATE_GRACE = EAGER_BYTES + FIRST_FLIGHT_BYTES };

void take_init(struct contact *c)
{
    struct taking *t = &c->take;

    memset(t, 0, sizeof *t);
    t->pending = ring_of(sizeof(struct pending), OFFERS_MAX);
    t->exceptions = ring_of(sizeof(struct exception), UNACKED_MAX);
    t->reveals = ring_of(sizeof(struct bundle_id), REVEAL_ANSWERS_MAX);
    t->progress_at_ms = c->core->now_ms;
}

/* What this link was fetching may be had from others again. */
static void let_go(struct contact *c)
{
    fetch_remove_link(&c->core->fetch, c->id);
    partial_release_link(&c->core->partials, c->id);
    for (size_t k = 0; k < CLASS_COUNT; k++)
        difference_drop_lacking(&c->recon[k].difference);
    c->core->change_serial++;
}

void take_clear(struct contact *c)
{
    let_go(c);
    ring_clear(&c->take.pending);
    ring_clear(&c->take.exceptions);
    ring_clear(&c->take.reveals);
}

/* ---- Bundles ---- */

static enum err except(struct contact *c, uint64_t index, enum refusal why)
{
    struct exception x = { index, (uint8_t)why };

    return ring_push(&c->take.exceptions, &x);
}

static bool is_flooding(const struct contact *c)
{
    return c->take.received - c->take.acked >= UNACKED_MAX;
}

void take_note_stored(struct contact *c, const struct bundle_id *id)
{
    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (c->recon[k].difference.lacking_open > 0)
            difference_resolve(&c->recon[k].difference, sid_of(c->sid_key, id));
    }
}

static void note_stored_everywhere(struct contact *c, const struct bundle_id *id)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct contact *other = c->core->contacts[i];

        if (other != NULL && other != c && other->phase == PHASE_READY)
            take_note_stored(other, id);
    }
}

static enum refusal judge(struct contact *c, struct arrival *a, bool *is_forged)
{
    struct rate *rate = &c->take.rate;
    uint32_t per_s = core_link_rate(c->core);

    if (!contact_is_allowed(c, (uint32_t)a->bytes.len))
        return REFUSAL_QUOTA;
    rate_tick(rate, per_s, c->core->now_ms);
    /* Urgent ones are few by their share; friends are not strangers. */
    if (!a->was_asked && a->header.bundle_class != CLASS_SOS && !a->is_friend) {
        if (!rate_has(rate, per_s) && rate->tokens < -RATE_GRACE) {
            c->core->counters.rate_limited++;
            return REFUSAL_QUOTA;
        }
        rate_pay(rate, per_s, a->bytes.len);
    }
    return core_take(c->core, a, is_forged);
}

/* A bundle is there in full. `claimed` is the id it was announced with, or NULL. */
static enum err arrive(struct contact *c, struct carry carry, struct bytes bytes, const struct bundle_id *claimed)
{
    struct arrival a = { .bytes = bytes, .carry = carry, .contributor = c->peer.contributor, .link = c->id,
                         .theirs_min = c->peer.clock_min, .is_theirs_trusted = c->peer.is_trusted,
                         .is_friend = contact_is_trusted(c) };
    bool is_forged = false;
    enum err e;

    if (is_flooding(c))
        return ERR_TOO_LARGE;
    uint64_t index = c->take.received++;
    c->bundles_in++;
    c->core->counters.bundles_in++;
    ask_note_progress(c);
    e = header_of_bundle(&a.header, bytes);
    if (claimed != NULL)
        ask_end_want(c, claimed);
    if (e == ERR_VERSION)
        return except(c, index, REFUSAL_MALFORMED);  /* of a newer version, perhaps */
    if (e != ERR_NONE)
        return e;
    bundle_id_of(&a.id, bytes);
    if (claimed != NULL && !bundle_id_is_equal(&a.id, claimed))
        return except(c, index, REFUSAL_MALFORMED);
    bool was_asked = ask_end_want(c, &a.id) || claimed != NULL;
    struct recon *r = &c->recon[a.header.bundle_class];
    if (r->difference.lacking_open > 0 && difference_resolve(&r->difference, sid_of(c->sid_key, &a.id)) == LACKING_ASKED)
        was_asked = true;
    a.was_asked = was_asked;
    enum refusal why = judge(c, &a, &is_forged);
    if (is_forged)
        return ERR_AUTH;
    if (why == REFUSAL_NONE) {
        c->kept_bytes += bytes.len;
        c->useful_ms = c->core->now_ms;
        note_stored_everywhere(c, &a.id);
        return ERR_NONE;
    }
    if (why == REFUSAL_QUOTA && a.header.bundle_class == CLASS_SEALED)
        c->take.was_full = true;
    if (why == REFUSAL_DUPLICATE)
        ask_answer_with_reveal(c, &a.id);
    return except(c, index, why);
}

enum err take_on_bundle(struct contact *c, struct carry carry, struct bytes bundle)
{
    return arrive(c, carry, bundle, NULL);
}

/* ---- Parts ---- */

static bool is_spoilt(const struct partial *whole)
{
    struct bundle_id id;

    if (!whole->is_mixed)
        return false;
    bundle_id_of(&id, bytes_of(whole->at, whole->total));
    return !bundle_id_is_equal(&id, &whole->id);
}

static enum err end_part(struct contact *c)
{
    struct partial *whole = c->take.part.to;
    struct bundle_id id = c->take.part.id;

    c->take.part.is_active = false;
    c->take.part.to = NULL;
    if (whole != NULL && whole->have == whole->total && is_spoilt(whole)) {
        partial_drop(whole);
        if (is_flooding(c))
            return ERR_TOO_LARGE;
        ask_anew(c, &id);
        return except(c, c->take.received++, REFUSAL_QUOTA);
    }
    if (whole != NULL && whole->have == whole->total) {
        enum err e = arrive(c, c->take.part.carry, bytes_of(whole->at, whole->total), &id);
        partial_drop(whole);
        return e;
    }
    /* It was not collected: known already, or nobody asked for it. */
    if (is_flooding(c))
        return ERR_TOO_LARGE;
    ask_end_want(c, &id);
    return except(c, c->take.received++,
                  store_has_seen(c->core->store, &id) ? REFUSAL_DUPLICATE : REFUSAL_QUOTA);
}

static enum err take_part_bytes(struct contact *c, struct bytes bytes)
{
    struct taking *t = &c->take;

    if (bytes.len > t->part.total - t->part.at)
        return ERR_MALFORMED;
    if (t->part.to != NULL && !partial_append(t->part.to, t->part.at, bytes, c->core->now_ms))
        return ERR_MALFORMED;
    t->part.at += (uint32_t)bytes.len;
    ask_note_progress(c);
    return t->part.at == t->part.total ? end_part(c) : ERR_NONE;
}

enum err take_on_part(struct contact *c, const struct bundle_id *id, struct carry carry, uint32_t total, uint32_t offset,
                      struct bytes bytes)
{
    struct taking *t = &c->take;
    const struct fetch_entry *f = fetch_find(&c->core->fetch, id);
    bool is_asked = f != NULL && f->link == c->id;

    if (t->part.to != NULL)
        partial_release(&c->core->partials, t->part.to);   /* given up for this one */
    t->part.is_active = true;
    t->part.id = *id;
    t->part.carry = carry;
    t->part.total = total;
    t->part.at = offset;
    t->part.to = NULL;
    if (!store_has_seen(c->core->store, id) && (is_asked || total <= PUSHED_PART_MAX))
        t->part.to = partial_feed(&c->core->partials, id, total, offset, c->id, is_asked, c->core->now_ms);
    return take_part_bytes(c, bytes);
}

enum err take_on_chunk(struct contact *c, struct bytes bytes)
{
    return c->take.part.is_active ? take_part_bytes(c, bytes) : ERR_MALFORMED;
}

/* ---- What will not come ---- */

enum err take_on_gone_offers(struct contact *c, struct bytes numbers)
{
    struct taking *t = &c->take;
    struct reader r = reader_of(numbers);

    while (reader_left(&r) > 0) {
        uint64_t number = reader_varint(&r);

        if (number < t->pending_first || number - t->pending_first >= t->pending.len)
            continue;
        struct pending *p = ring_at(&t->pending, (size_t)(number - t->pending_first));
        struct bundle_id id = p->id;
        ask_end_want(c, &id);
        if (p->state != PENDING_DONE)
            ask_set_state(t, p, PENDING_DONE);
    }
    c->core->change_serial++;
    ask_note_progress(c);
    return ERR_NONE;
}

enum err take_on_gone_sids(struct contact *c, uint8_t which, struct sids sids)
{
    for (size_t i = 0; i < sids.count; i++)
        difference_resolve(&c->recon[which].difference, sids_at(sids, i));
    c->core->change_serial++;
    ask_note_progress(c);
    return ERR_NONE;
}

/* ---- Acknowledgements ---- */

enum err take_write_acks(struct contact *c, struct writer *w)
{
    struct taking *t = &c->take;
    struct record_open o;
    uint64_t count = t->committed;
    size_t room, n = 0;

    if (t->committed == t->acked || writer_left(w) < 16 + 2 * EXCEPTION_LEN_MAX)
        return ERR_NONE;
    room = (writer_left(w) - 16) / EXCEPTION_LEN_MAX;
    for (; n < t->exceptions.len; n++) {
        const struct exception *x = ring_at(&t->exceptions, n);

        if (x->index >= t->committed)
            break;
        if (n == room) {
            count = x->index;   /* the rest waits for the next frame */
            break;
        }
    }
    record_begin(&o, w, RECORD_ACK, NULL, 0);
    writer_varint(w, count);
    for (; n > 0; n--) {
        const struct exception *x = ring_at(&t->exceptions, 0);

        writer_varint(w, x->index - t->acked);
        writer_u8(w, x->reason);
        ring_pop(&t->exceptions);
    }
    record_end(&o, false);
    t->acked = count;
    return ERR_NONE;
}

/* ---- Time ---- */

static bool is_waiting_for_peer(const struct contact *c)
{
    size_t blind = 0;

    for (size_t k = 0; k < CLASS_COUNT; k++)
        blind += c->recon[k].difference.lacking_waiting;
    return c->take.asked_count > 0 || blind > 0;
}

void take_wake(struct contact *c)
{
    struct taking *t = &c->take;

    if (!is_waiting_for_peer(c) || c->core->now_ms - t->progress_at_ms < STALL_MS)
        return;
    for (size_t i = 0; i < t->pending.len; i++) {
        struct pending *p = ring_at(&t->pending, i);

        if (p->state == PENDING_ASKED)
            ask_set_state(t, p, PENDING_DONE);
    }
    t->asked_bytes = 0;
    ask_pop_answered(t);
    let_go(c);
    t->part.to = NULL;
}

uint64_t take_wake_at_ms(const struct contact *c)
{
    const struct taking *t = &c->take;
    uint64_t at = UINT64_MAX, now_ms = c->core->now_ms;

    if (is_waiting_for_peer(c))
        at = t->progress_at_ms + STALL_MS;
    if (t->waiting_count > 0 && ask_look_at_ms(c) < at)
        at = ask_look_at_ms(c);
    /* Held back by the rate. */
    if (!rate_has(&t->rate, core_link_rate(c->core)) && now_ms + POLL_MS < at)
        at = now_ms + POLL_MS;
    return at;
}

bool take_is_idle(const struct contact *c)
{
    const struct taking *t = &c->take;

    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (c->recon[k].difference.lacking_open > 0)
            return false;
    }
    return t->pending.len == 0 && !t->part.is_active && t->received == t->acked && t->pending_first == t->answered_told;
}

uint64_t take_left(const struct contact *c)
{
    uint64_t left = c->take.pending.len;

    for (size_t k = 0; k < CLASS_COUNT; k++)
        left += c->recon[k].difference.lacking_open;
    return left;
}
