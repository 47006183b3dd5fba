/* mesh/contact_ask.c - what a neighbour has that we lack: its offers weighed, short ids sifted, wants in our order. */
#include "mesh/contact.h"

#include <string.h>

#include "mesh/bundle.h"

enum { WANT_LEN_MAX = 6, ANSWERED_STEP = OFFERS_MAX / 4, KEY_COUNT = SIZE_CODE_MAX + 2 };

/* ---- Offers ---- */

static void count_state(struct taking *t, uint8_t state, int by)
{
    size_t *counts[] = { &t->new_count, &t->waiting_count, &t->asked_count };

    if (state <= PENDING_ASKED)
        *counts[state] += (size_t)by;
}

void ask_set_state(struct taking *t, struct pending *p, enum pending_state state)
{
    count_state(t, p->state, -1);
    p->state = (uint8_t)state;
    count_state(t, p->state, 1);
}

void ask_pop_answered(struct taking *t)
{
    while (t->pending.len > 0 && ((struct pending *)ring_at(&t->pending, 0))->state == PENDING_DONE) {
        ring_pop(&t->pending);
        t->pending_first++;
    }
}

void ask_note_progress(struct contact *c)
{
    c->take.progress_at_ms = c->core->now_ms;
}

/* A bundle that was removed because of an anti-packet: they should know. */
void ask_answer_with_reveal(struct contact *c, const struct bundle_id *id)
{
    if (reveals_find(&c->core->reveals, id) != NULL)
        (void)ring_push(&c->take.reveals, id);
}

static bool is_wanted(struct contact *c, const struct bundle_id *id)
{
    if (store_has_seen(c->core->store, id)) {
        ask_answer_with_reveal(c, id);
        return false;
    }
    return !core_is_refused(c->core, id, c->peer.contributor);
}

enum err ask_on_offer(struct contact *c, uint8_t which, uint8_t size_code, struct ids ids)
{
    struct taking *t = &c->take;
    struct pending p = { .which = which, .size_code = size_code };
    enum err e;

    for (size_t i = 0; i < ids.count; i++) {
        memcpy(p.id.octets, ids.at + i * sizeof p.id, sizeof p.id);
        if (c->recon[which].difference.lacking_open > 0 &&
            difference_resolve(&c->recon[which].difference, sid_of(c->sid_key, &p.id)) == LACKING_ASKED)
            ask_note_progress(c);
        p.state = is_wanted(c, &p.id) ? PENDING_NEW : PENDING_DONE;
        if ((e = ring_push(&t->pending, &p)) != ERR_NONE)
            return e == ERR_FULL ? ERR_MALFORMED : e;  /* beyond the window they know */
        count_state(t, p.state, 1);
    }
    ask_pop_answered(t);
    return ERR_NONE;
}

/* Our order: urgent first, then small before large. */
static unsigned order_key(const struct pending *p)
{
    return p->which == CLASS_SOS ? 0 : 1u + p->size_code;
}

/* What was asked for on this link is not waited for any more. */
static void lose_want(struct contact *c, const struct fetch_entry *f, enum pending_state to)
{
    struct taking *t = &c->take;
    uint64_t i = (uint32_t)(f->offer - (uint32_t)t->pending_first);

    t->asked_bytes -= f->len < t->asked_bytes ? f->len : t->asked_bytes;
    if (i >= t->pending.len)
        return;
    struct pending *p = ring_at(&t->pending, (size_t)i);
    if (p->state == PENDING_ASKED && bundle_id_is_equal(&p->id, &f->id))
        ask_set_state(t, p, to);
}

/* Who is met over Wi-Fi as well as by radio is worth a moment's patience with a photo: where some neighbour is or was
 * lately on a better link, this one may soon be. Nobody waits for ever, though: the radio may be all there is to this one. */
static bool is_better_link_likely(const struct contact *c)
{
    const struct core *core = c->core;

    if (core->now_ms - c->ready_ms >= BETTER_WAIT_MS)
        return false;
    if (core->fast_gone_ms != 0 && core->now_ms - core->fast_gone_ms < BETTER_LIKELY_MS)
        return true;
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (core->contacts[i] != NULL && contact_is_fast(core->contacts[i]))
            return true;
    return false;
}

enum weighed { WEIGHED_ASK, WEIGHED_NOT, WEIGHED_STOP };

/* What a bundle of unknown size takes, going by those that we carry. */
static uint32_t likely_len(const struct admission *facts)
{
    size_t count = facts->usage.class_count[QUOTA_STRANGER];
    uint64_t mean = count > 0 ? facts->usage.class_bytes[QUOTA_STRANGER] / count : BUNDLE_LEN_MIN;

    return mean < BLIND_LEN_MAX ? (uint32_t)mean : BLIND_LEN_MAX;
}

/* Bytes of this class that may still be asked for: what would be refused costs the link and helps nobody. What is under way
 * has its place already; of what was asked for by short id the size is guessed. */
static uint64_t room_left(const struct contact *c, const struct admission *facts, uint8_t which)
{
    uint64_t room = admission_room(facts, admission_class(facts, which)), under_way = c->take.asked_bytes;

    for (size_t k = 0; k < CLASS_COUNT; k++)
        under_way += (uint64_t)c->recon[k].difference.lacking_waiting * likely_len(facts);
    return room > under_way ? room - under_way : 0;
}

static enum weighed weigh(struct contact *c, struct pending *p, const struct admission *facts)
{
    struct taking *t = &c->take;
    uint32_t len = bundle_len_of_code(p->size_code);

    if (!is_wanted(c, &p->id) || !contact_is_allowed(c, len) || admission_room(facts, admission_class(facts, p->which)) < len) {
        ask_set_state(t, p, PENDING_DONE);
        return WEIGHED_NOT;
    }
    if (room_left(c, facts, p->which) < len)
        return WEIGHED_STOP;
    if (core_is_fetched_elsewhere(c->core, c, &p->id) || !contact_has_budget(c, len) ||
        (c->how.is_slow && len >= BETTER_LEN_MIN && is_better_link_likely(c))) {
        ask_set_state(t, p, PENDING_WAITING);
        return WEIGHED_NOT;
    }
    /* Over a slow link one large bundle at a time, so that what comes later need not wait for many. */
    if (c->how.is_slow && len > BLIND_LEN_MAX && t->asked_bytes > 0)
        return WEIGHED_STOP;
    if ((t->asked_bytes > 0 && t->asked_bytes + len > WANTS_BYTES_MAX) || !rate_has(&t->rate, core_link_rate(c->core)))
        return WEIGHED_STOP;
    return WEIGHED_ASK;
}

/* Another link promised it and did not bring it; should it come there after all, it is welcome. */
static void take_over(struct contact *c, const struct bundle_id *id)
{
    const struct fetch_entry *f = fetch_find(&c->core->fetch, id);

    if (f == NULL || f->link == c->id || !core_is_promise_old(c->core, f))
        return;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct contact *other = c->core->contacts[i];

        if (other != NULL && other->id == f->link)
            lose_want(other, f, PENDING_WAITING);
    }
    fetch_remove(&c->core->fetch, id);
}

static bool ask_for(struct contact *c, struct pending *p, uint64_t number, uint64_t answered, struct writer *w)
{
    struct taking *t = &c->take;
    uint32_t len = bundle_len_of_code(p->size_code);
    struct fetch_entry entry = { p->id, c->id, (uint32_t)number, len, c->core->now_ms };
    enum err e;

    if (writer_left(w) < WANT_LEN_MAX)
        return false;
    take_over(c, &p->id);
    if ((e = fetch_add(&c->core->fetch, &entry)) != ERR_NONE) {
        /* The same bundle offered twice on one link. */
        if (e == ERR_EXISTS)
            ask_set_state(t, p, PENDING_DONE);
        return e == ERR_EXISTS;
    }
    if (t->asked_count == 0)
        ask_note_progress(c);
    writer_varint(w, number - answered);
    writer_varint(w, partial_have(&c->core->partials, &p->id));
    ask_set_state(t, p, PENDING_ASKED);
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
    facts.is_friend = contact_is_trusted(c);
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

uint64_t ask_look_at_ms(const struct contact *c)
{
    const struct taking *t = &c->take;

    return t->looked_at_ms + (t->looked_serial != c->core->change_serial ? WAIT_LOOK_MS : WAIT_LOOK_LATE_MS);
}

static void write_wants(struct contact *c, struct writer *w)
{
    struct taking *t = &c->take;
    struct writer before = *w;
    struct record_open o;

    ask_pop_answered(t);
    bool is_look_due = t->waiting_count > 0 && c->core->now_ms >= ask_look_at_ms(c);
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

        if (other != NULL && other != c && other->recon[which].difference.lacking_waiting > 0)
            return true;
    }
    return false;
}

struct sieve { struct contact *c; struct difference *of; };

static bool sift_seen(void *ctx, const struct bundle_id *id)
{
    struct sieve *s = ctx;

    if (difference_resolve(s->of, sid_of(s->c->sid_key, id)) != LACKING_NOT)
        ask_answer_with_reveal(s->c, id);
    return s->of->lacking_open > 0;
}

/* A short id says nothing of what we had and removed, or lately refused; so those we know are turned into short ids and
 * looked up, once a link and class: 6 ms for 65,536 of them against 20,000 lacking, and no memory. */
static void sift_lacking(struct contact *c, size_t which)
{
    struct sieve s = { c, &c->recon[which].difference };

    if (c->take.is_sifted[which] || s.of->lacking_open == 0)
        return;
    c->take.is_sifted[which] = true;
    store_walk_seen(c->core->store, sift_seen, &s);
    if (s.of->lacking_open > 0)
        core_walk_refused(c->core, c->peer.contributor, sift_seen, &s);
}

/* How many short ids of this class may be asked for now. When there is no room and nothing under way, the rest is given up:
 * the next contact asks anew. */
static size_t blind_left(struct contact *c, uint8_t which)
{
    struct difference *d = &c->recon[which].difference;
    size_t left = d->lacking_waiting < BLIND_MAX ? BLIND_MAX - d->lacking_waiting : 0;
    struct admission facts;

    core_admission(c->core, &facts, c->peer.contributor);
    facts.is_friend = contact_is_trusted(c);
    if (admission_class(&facts, which) != QUOTA_STRANGER)
        return left;
    uint64_t count = c->take.was_full ? 0 : room_left(c, &facts, which) / likely_len(&facts);
    if (count > 0)
        return count < left ? (size_t)count : left;
    if (c->take.asked_bytes > 0 || d->lacking_waiting > 0)
        return 0;
    difference_drop_lacking(d);
    return 0;
}

static void write_asks(struct contact *c, struct writer *w)
{
    for (uint8_t k = 0; k < CLASS_COUNT; k++) {
        struct recon *r = &c->recon[k];
        struct record_open o;
        uint64_t sid;

        sift_lacking(c, k);
        if (r->difference.lacking_asked >= r->difference.lacking_count)
            continue;
        size_t left = blind_left(c, k);
        if (left == 0)
            continue;
        rate_tick(&c->take.rate, core_link_rate(c->core), c->core->now_ms);
        if (!rate_has(&c->take.rate, core_link_rate(c->core)))
            return;
        uint8_t head = (uint8_t)(k | (is_other_asked_blindly(c, k) ? ASK_NAME : 0));
        if (!record_begin(&o, w, RECORD_ASK, &head, 1))
            return;
        if (r->difference.lacking_waiting == 0)
            ask_note_progress(c);
        for (; writer_left(w) >= SID_LEN && left > 0 && difference_next_lacking(&r->difference, &sid, c->core->now_ms); left--)
            writer_u48(w, sid);
        record_end(&o, true);
    }
}

void ask_write(struct contact *c, struct writer *w)
{
    write_wants(c, w);
    write_asks(c, w);
}

/* The want that this bundle answers is over, if it was ours. */
bool ask_end_want(struct contact *c, const struct bundle_id *id)
{
    const struct fetch_entry *f = fetch_find(&c->core->fetch, id);

    if (f == NULL || f->link != c->id)
        return false;
    lose_want(c, f, PENDING_DONE);
    fetch_remove(&c->core->fetch, id);
    return true;
}

/* The beginning came over one link and the end over another, and they do not belong together. This link need not be the
 * liar: if it had offered the bundle, it is asked for all of it. */
void ask_anew(struct contact *c, const struct bundle_id *id)
{
    const struct fetch_entry *f = fetch_find(&c->core->fetch, id);

    if (f == NULL || f->link != c->id)
        return;
    lose_want(c, f, PENDING_NEW);
    fetch_remove(&c->core->fetch, id);
}
