/* mesh/contact_take.c - what a neighbour has for us: offers weighed, wants in our order, bundles judged, acks owed. */
#include "mesh/contact.h"

#include <string.h>

#include "mesh/bundle.h"

enum { EXCEPTION_LEN_MAX = 4, WANT_LEN_MAX = 6, ANSWERED_STEP = OFFERS_MAX / 4, REVEAL_ANSWERS_MAX = 64, KEY_COUNT = SIZE_CODE_MAX + 2 };
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
        recon_drop_lacking(&c->recon[k]);
    c->core->change_serial++;
}

void take_clear(struct contact *c)
{
    let_go(c);
    ring_clear(&c->take.pending);
    ring_clear(&c->take.exceptions);
    ring_clear(&c->take.reveals);
}

/* ---- Offers ---- */

static void count_state(struct taking *t, uint8_t state, int by)
{
    size_t *counts[] = { &t->new_count, &t->waiting_count, &t->asked_count };

    if (state <= PENDING_ASKED)
        *counts[state] += (size_t)by;
}

static void set_state(struct taking *t, struct pending *p, enum pending_state state)
{
    count_state(t, p->state, -1);
    p->state = (uint8_t)state;
    count_state(t, p->state, 1);
}

static void pop_answered(struct taking *t)
{
    while (t->pending.len > 0 && ((struct pending *)ring_at(&t->pending, 0))->state == PENDING_DONE) {
        ring_pop(&t->pending);
        t->pending_first++;
    }
}

static void note_progress(struct contact *c)
{
    c->take.progress_at_ms = c->core->now_ms;
}

/* A bundle that was removed because of an anti-packet: they should know. */
static void answer_with_reveal(struct contact *c, const struct bundle_id *id)
{
    if (reveals_find(&c->core->reveals, id) != NULL)
        (void)ring_push(&c->take.reveals, id);
}

static bool is_wanted(struct contact *c, const struct bundle_id *id)
{
    if (store_has_seen(c->core->store, id)) {
        answer_with_reveal(c, id);
        return false;
    }
    return !core_is_refused(c->core, id);
}

enum err take_on_offer(struct contact *c, uint8_t which, uint8_t size_code, struct ids ids)
{
    struct taking *t = &c->take;
    struct pending p = { .which = which, .size_code = size_code };
    enum err e;

    for (size_t i = 0; i < ids.count; i++) {
        memcpy(p.id.octets, ids.at + i * sizeof p.id, sizeof p.id);
        if (c->recon[which].lacking_open > 0 &&
            (recon_resolve(&c->recon[which], sid_of(c->sid_key, &p.id)) & LACKING_WAS_ASKED) != 0)
            note_progress(c);
        p.state = is_wanted(c, &p.id) ? PENDING_NEW : PENDING_DONE;
        if ((e = ring_push(&t->pending, &p)) != ERR_NONE)
            return e == ERR_FULL ? ERR_MALFORMED : e;  /* beyond the window they know */
        count_state(t, p.state, 1);
    }
    pop_answered(t);
    return ERR_NONE;
}

/* Our order: urgent first, then small before large. */
static unsigned order_key(const struct pending *p)
{
    return p->which == CLASS_SOS ? 0 : 1u + p->size_code;
}

/* What we fetch from a gateway is ours, hidden among decoys: no stranger's. */
static bool is_trusted(const struct contact *c)
{
    return c->is_friend || c->how.kind == LINK_UPLINK;
}

/* What a user of a gateway may bring (its invite says how much). */
static bool is_allowed(const struct contact *c, uint32_t len)
{
    return c->how.kind != LINK_CLIENT || c->how.allowance == UINT64_MAX ||
           (c->kept_bytes + len <= c->how.allowance && len <= c->how.allowance);
}

enum weighed { WEIGHED_ASK, WEIGHED_NOT, WEIGHED_STOP };

static enum weighed weigh(struct contact *c, struct pending *p, const struct admission *facts)
{
    struct taking *t = &c->take;
    uint32_t len = bundle_len_of_code(p->size_code);

    if (!is_wanted(c, &p->id) || !is_allowed(c, len) || !admission_has_room(facts, admission_class(facts, p->which), len)) {
        set_state(t, p, PENDING_DONE);
        return WEIGHED_NOT;
    }
    if (core_is_fetched_elsewhere(c->core, c, &p->id)) {
        set_state(t, p, PENDING_WAITING);
        return WEIGHED_NOT;
    }
    /* Over a slow link one large bundle at a time, so that what comes later need not wait for many. */
    if (c->how.is_slow && len > BLIND_LEN_MAX && t->asked_bytes > 0)
        return WEIGHED_STOP;
    if ((t->asked_bytes > 0 && t->asked_bytes + len > WANTS_BYTES_MAX) || !rate_has(&t->rate, core_link_rate(c->core)))
        return WEIGHED_STOP;
    return WEIGHED_ASK;
}

static bool ask_for(struct contact *c, struct pending *p, uint64_t number, uint64_t answered, struct writer *w)
{
    struct taking *t = &c->take;
    uint32_t len = bundle_len_of_code(p->size_code);
    struct fetch_entry entry = { p->id, c->id, (uint32_t)number, len };
    enum err e;

    if (writer_left(w) < WANT_LEN_MAX)
        return false;
    if ((e = fetch_add(&c->core->fetch, &entry)) != ERR_NONE) {
        /* The same bundle offered twice on one link. */
        if (e == ERR_EXISTS)
            set_state(t, p, PENDING_DONE);
        return e == ERR_EXISTS;
    }
    if (t->asked_count == 0)
        note_progress(c);
    writer_varint(w, number - answered);
    writer_varint(w, partial_have(&c->core->partials, &p->id));
    set_state(t, p, PENDING_ASKED);
    t->asked_bytes += len;
    rate_pay(&t->rate, core_link_rate(c->core), len);
    return true;
}

/* Which order keys there are among offers that may be asked for, as bits. */
static unsigned keys_present(struct taking *t, bool is_waiting_looked_at)
{
    unsigned keys = 0;

    for (size_t i = 0; i < t->pending.len; i++) {
        const struct pending *p = ring_at(&t->pending, i);

        if (p->state == PENDING_NEW || (p->state == PENDING_WAITING && is_waiting_looked_at))
            keys |= 1u << order_key(p);
    }
    return keys;
}

static void ask_in_order(struct contact *c, uint64_t answered, bool is_waiting_looked_at, struct writer *w)
{
    struct taking *t = &c->take;
    struct admission facts;
    unsigned keys = keys_present(t, is_waiting_looked_at);

    core_admission(c->core, &facts, c->peer.contributor);
    facts.is_friend = is_trusted(c);
    rate_tick(&t->rate, core_link_rate(c->core), c->core->now_ms);
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        for (size_t i = 0; (keys & 1u << key) != 0 && i < t->pending.len; i++) {
            struct pending *p = ring_at(&t->pending, i);

            if (order_key(p) != key ||
                !(p->state == PENDING_NEW || (p->state == PENDING_WAITING && is_waiting_looked_at)))
                continue;
            enum weighed so = weigh(c, p, &facts);
            if (so == WEIGHED_STOP || (so == WEIGHED_ASK && !ask_for(c, p, t->pending_first + i, answered, w)))
                return;
        }
    }
}

static void write_wants(struct contact *c, struct writer *w)
{
    struct taking *t = &c->take;
    struct writer before = *w;
    struct record_open o;

    pop_answered(t);
    bool is_look_due = t->waiting_count > 0 && t->looked_serial != c->core->change_serial &&
                       c->core->now_ms - t->looked_at_ms >= WAIT_LOOK_MS;
    bool is_asking = (t->new_count > 0 || is_look_due) && t->asked_bytes < WANTS_BYTES_MAX;
    bool is_telling = t->pending_first - t->answered_told >= ANSWERED_STEP ||
                      (t->pending.len == 0 && t->pending_first != t->answered_told);
    if ((!is_asking && !is_telling) || !record_begin(&o, w, RECORD_WANT, NULL, 0))
        return;
    uint64_t answered = t->pending_first;
    writer_varint(w, answered);
    if (w->failed) {
        *w = before;
        return;
    }
    uint8_t *entries = w->at;
    if (is_asking)
        ask_in_order(c, answered, is_look_due, w);
    if (is_look_due) {
        t->looked_serial = c->core->change_serial;
        t->looked_at_ms = c->core->now_ms;
    }
    if (w->at == entries && !is_telling) {
        *w = before;
        return;
    }
    record_end(&o, false);
    t->answered_told = answered;
}

/* Two neighbours that have the same for us would both send it; by name it is asked of one only. */
static bool is_other_asked_blindly(const struct contact *c, size_t which)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *other = c->core->contacts[i];

        if (other != NULL && other != c && other->recon[which].lacking_waiting > 0)
            return true;
    }
    return false;
}

static void write_asks(struct contact *c, struct writer *w)
{
    for (uint8_t k = 0; k < CLASS_COUNT; k++) {
        struct recon *r = &c->recon[k];
        struct record_open o;
        uint64_t sid;

        if (r->lacking_asked >= r->lacking_count || r->lacking_waiting >= BLIND_MAX)
            continue;
        rate_tick(&c->take.rate, core_link_rate(c->core), c->core->now_ms);
        if (!rate_has(&c->take.rate, core_link_rate(c->core)))
            return;
        uint8_t head = (uint8_t)(k | (is_other_asked_blindly(c, k) ? ASK_NAME : 0));
        if (!record_begin(&o, w, RECORD_ASK, &head, 1))
            return;
        if (r->lacking_waiting == 0)
            note_progress(c);
        while (writer_left(w) >= SID_LEN && r->lacking_waiting < BLIND_MAX && recon_next_lacking(r, &sid))
            writer_u48(w, sid);
        record_end(&o, true);
    }
}

enum err take_write(struct contact *c, struct writer *w)
{
    write_wants(c, w);
    write_asks(c, w);
    return ERR_NONE;
}

/* ---- Bundles ---- */

/* The want that this bundle answers is over, if it was ours. */
static bool end_want(struct contact *c, const struct bundle_id *id)
{
    struct taking *t = &c->take;
    const struct fetch_entry *f = fetch_find(&c->core->fetch, id);

    if (f == NULL || f->link != c->id)
        return false;
    uint64_t i = (uint32_t)(f->offer - (uint32_t)t->pending_first);
    t->asked_bytes -= f->len < t->asked_bytes ? f->len : t->asked_bytes;
    if (i < t->pending.len) {
        struct pending *p = ring_at(&t->pending, (size_t)i);

        if (p->state == PENDING_ASKED && memcmp(&p->id, id, sizeof *id) == 0)
            set_state(t, p, PENDING_DONE);
    }
    fetch_remove(&c->core->fetch, id);
    return true;
}

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
        if (c->recon[k].lacking_open > 0)
            recon_resolve(&c->recon[k], sid_of(c->sid_key, id));
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

    if (!is_allowed(c, (uint32_t)a->bytes.len))
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
                         .is_friend = is_trusted(c) };
    bool is_forged = false;
    enum err e;

    if (is_flooding(c))
        return ERR_TOO_LARGE;
    uint64_t index = c->take.received++;
    c->bundles_in++;
    c->core->counters.bundles_in++;
    note_progress(c);
    e = header_of_bundle(&a.header, bytes);
    if (claimed != NULL)
        end_want(c, claimed);
    if (e == ERR_VERSION)
        return except(c, index, REFUSAL_MALFORMED);  /* of a newer version, perhaps */
    if (e != ERR_NONE)
        return e;
    bundle_id_of(&a.id, bytes);
    if (claimed != NULL && !bundle_id_is_equal(&a.id, claimed))
        return except(c, index, REFUSAL_MALFORMED);
    bool was_asked = end_want(c, &a.id) || claimed != NULL;
    struct recon *r = &c->recon[a.header.bundle_class];
    if (r->lacking_open > 0 && (recon_resolve(r, sid_of(c->sid_key, &a.id)) & LACKING_WAS_ASKED) != 0)
        was_asked = true;
    a.was_asked = was_asked;
    enum refusal why = judge(c, &a, &is_forged);
    if (is_forged)
        return ERR_AUTH;
    if (why == REFUSAL_NONE) {
        c->kept_bytes += bytes.len;
        note_stored_everywhere(c, &a.id);
        return ERR_NONE;
    }
    if (why == REFUSAL_DUPLICATE)
        answer_with_reveal(c, &a.id);
    return except(c, index, why);
}

enum err take_on_bundle(struct contact *c, struct carry carry, struct bytes bundle)
{
    return arrive(c, carry, bundle, NULL);
}

/* ---- Parts ---- */

static enum err end_part(struct contact *c)
{
    struct partial *whole = c->take.part.to;
    struct bundle_id id = c->take.part.id;

    c->take.part.is_active = false;
    c->take.part.to = NULL;
    if (whole != NULL && whole->have == whole->total) {
        enum err e = arrive(c, c->take.part.carry, bytes_of(whole->at, whole->total), &id);
        partial_drop(whole);
        return e;
    }
    /* It was not collected: known already, or nobody asked for it. */
    if (is_flooding(c))
        return ERR_TOO_LARGE;
    end_want(c, &id);
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
    note_progress(c);
    return t->part.at == t->part.total ? end_part(c) : ERR_NONE;
}

enum err take_on_part(struct contact *c, const struct bundle_id *id, struct carry carry, uint32_t total, uint32_t offset,
                      struct bytes bytes)
{
    struct taking *t = &c->take;
    const struct fetch_entry *f = fetch_find(&c->core->fetch, id);
    bool is_asked = f != NULL && f->link == c->id;

    if (t->part.to != NULL)
        t->part.to->link = 0;   /* given up for this one */
    t->part.is_active = true;
    t->part.id = *id;
    t->part.carry = carry;
    t->part.total = total;
    t->part.at = offset;
    t->part.to = NULL;
    if (!store_has_seen(c->core->store, id) && (is_asked || total <= PUSHED_PART_MAX))
        t->part.to = partial_feed(&c->core->partials, id, total, offset, c->id, c->core->now_ms);
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
        end_want(c, &id);
        if (p->state != PENDING_DONE)
            set_state(t, p, PENDING_DONE);
    }
    c->core->change_serial++;
    note_progress(c);
    return ERR_NONE;
}

enum err take_on_gone_sids(struct contact *c, uint8_t which, struct sids sids)
{
    for (size_t i = 0; i < sids.count; i++)
        recon_resolve(&c->recon[which], sids_at(sids, i));
    c->core->change_serial++;
    note_progress(c);
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
        blind += c->recon[k].lacking_waiting;
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
            set_state(t, p, PENDING_DONE);
    }
    t->asked_bytes = 0;
    pop_answered(t);
    let_go(c);
    t->part.to = NULL;
}

uint64_t take_wake_at_ms(const struct contact *c)
{
    const struct taking *t = &c->take;
    uint64_t at = UINT64_MAX, now_ms = c->core->now_ms;

    if (is_waiting_for_peer(c))
        at = t->progress_at_ms + STALL_MS;
    if (t->waiting_count > 0 && t->looked_serial != c->core->change_serial && t->looked_at_ms + WAIT_LOOK_MS < at)
        at = t->looked_at_ms + WAIT_LOOK_MS;
    /* Held back by the rate. */
    if (!rate_has(&t->rate, core_link_rate(c->core)) && now_ms + POLL_MS < at)
        at = now_ms + POLL_MS;
    return at;
}

bool take_is_idle(const struct contact *c)
{
    const struct taking *t = &c->take;

    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (c->recon[k].lacking_open > 0)
            return false;
    }
    return t->pending.len == 0 && !t->part.is_active && t->received == t->acked && t->pending_first == t->answered_told;
}

uint64_t take_left(const struct contact *c)
{
    uint64_t left = c->take.pending.len;

    for (size_t k = 0; k < CLASS_COUNT; k++)
        left += c->recon[k].lacking_open;
    return left;
}
