/* mesh/contact.c - the life of a conversation: records in, frames out, time, goodbye. */
#include "mesh/contact.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/beacon.h"

enum err contact_new(struct contact **out, struct core *core, uint32_t id, const struct link_open *how)
{
    struct contact *c = calloc(1, sizeof *c);
    bool is_peer = how->kind == LINK_PEER, is_called = how->kind == LINK_CLIENT || (is_peer && !how->is_initiator);
    struct link_params p = {
        .is_initiator = how->is_initiator, .advert_ours = how->advert_ours, .advert_theirs = how->advert_theirs,
        .static_secret = is_called ? core->gateway_secret : core->static_secret,
        .is_gateway = is_called || is_peer || how->kind == LINK_UPLINK, .is_peer = is_peer,
        .remote_static = how->gateway_key, .binding = how->binding,
    };
    enum err e;

    if (c == NULL)
        return ERR_NO_MEMORY;
    c->core = core;
    c->id = id;
    c->how = *how;
    if (c->how.frame_max == 0 || c->how.frame_max > LINK_FRAME_MAX)
        c->how.frame_max = LINK_FRAME_MAX;
    if (c->how.frame_max < BUNDLE_LEN_MIN)
        c->how.frame_max = BUNDLE_LEN_MIN;
    c->is_friend = is_peer;   /* the operators' word */
    c->is_address_written = !advert_is_heard(how->is_initiator ? how->advert_theirs : how->advert_ours);
    c->opened_ms = c->useful_ms = c->heard_ms = core->now_ms;
    c->budget = (struct node_link_budget){ UINT32_MAX, UINT64_MAX, UINT64_MAX };
    c->fetch = buffer_of_limit(CURSOR_LEN + MAILBOX_PREFIXES_MAX * FETCH_ENTRY_LEN);
    if ((e = link_new(&c->link, &p, &core->rng)) != ERR_NONE) {
        free(c);
        return e;
    }
    *out = c;
    return ERR_NONE;
}

/* Memory of the conversation goes when it ends; the number stays known until the transport is gone. */
static void drop_conversation(struct contact *c)
{
    if (c->link == NULL)
        return;
    take_clear(c);
    give_clear(c);
    for (size_t k = 0; k < CLASS_COUNT; k++) {
        struct recon *r = &c->recon[k];

        c->core->counters.sketches += r->sketches;
        c->core->counters.sketch_cells += r->cells_total;
        c->core->counters.lists += r->lists;
        r->sketches = r->cells_total = r->lists = 0;
        recon_clear(r);
    }
    spread_drop_link(&c->core->spread, c->id);
    mailbox_free(c->mailbox);
    c->mailbox = NULL;
    buffer_clear(&c->fetch);
    link_free(c->link);
    c->link = NULL;
}

void contact_free(struct contact *c)
{
    if (c == NULL)
        return;
    drop_conversation(c);
    secret_wipe(c, sizeof *c);
    free(c);
}

void contact_close(struct contact *c, enum err why, bool is_fault)
{
    if (c->phase == PHASE_CLOSED)
        return;
    if (c->phase == PHASE_HANDSHAKE)
        c->core->counters.handshakes_failed++;
    if (is_fault) {
        c->core->counters.faults++;
        struct node_event *event = core_event(c->core, NODE_PEER_FAULT);
        if (event != NULL) {
            event->link = c->id;
            event->why = why;
        }
    }
    if (contact_is_fast(c))
        c->core->fast_gone_ms = c->core->now_ms;
    c->phase = PHASE_CLOSED;
    struct node_event *event = core_event(c->core, NODE_LINK_CLOSED);
    if (event != NULL) {
        event->link = c->id;
        event->why = why;
    }
    drop_conversation(c);
}

void contact_leave(struct contact *c, enum bye_reason why)
{
    if (c->phase == PHASE_HANDSHAKE) {
        contact_close(c, ERR_NONE, false);
    } else if (c->phase == PHASE_READY) {
        c->phase = PHASE_LEAVING;
        c->is_bye_due = true;
        c->bye = why;
        c->leaving_ms = c->core->now_ms;
    }
}

void contact_route_peer(const struct contact *c, struct route_peer *out)
{
    /* Many may share an invite, and want each other's bundles. */
    out->contributor = c->how.kind == LINK_CLIENT ? 0 : c->peer.contributor;
    /* What somebody fetches is theirs to judge. */
    out->is_friend = c->is_friend || c->how.kind == LINK_CLIENT;
    out->is_uplink = c->how.kind == LINK_UPLINK || c->how.kind == LINK_SPOOL;
    out->stamp_bits = c->peer.stamp_bits;
    out->hops_max = c->core->hops_max;
    out->is_emptier = false;
    out->is_nearer = nearness_is_nearer(nearness_min(&c->peer.nearness, c->core->now_ms), nearness_min(&c->core->nearness, c->core->now_ms));
}

/* ---- Records in ---- */

static void hear_pong(struct contact *c, uint64_t echo)
{
    if (c->ping_echo == 0 || echo != c->ping_echo)
        return;
    c->ping_echo = 0;
    uint64_t rtt_ms = c->core->now_ms - c->ping_sent_ms;
    c->rtt_ms = (uint32_t)(rtt_ms > 0 ? rtt_ms : 1);
}

static void hear_recognise(struct contact *c, const uint8_t *tags)
{
    struct node_event *event;

    if (c->is_recognised || (event = core_event(c->core, NODE_RECOGNITION)) == NULL)
        return;
    c->is_recognised = true;
    event->link = c->id;
    memcpy(event->tags, tags, sizeof event->tags);
}

bool contact_is_settled(const struct contact *c)
{
    if (c->phase != PHASE_READY)
        return false;
    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (c->recon[k].role != RECON_DONE || recon_is_due(&c->recon[k]))
            return false;
    }
    return give_is_idle(c) && take_is_idle(c);
}

static void hear_calm(struct contact *c, uint64_t fingerprint)
{
    c->is_calm_heard = true;
    c->calm_heard = fingerprint;
    if (contact_is_settled(c))
        core_met(c->core, c->how.advert_theirs, fingerprint);
}

struct last_copies { struct contact *contact; size_t count; };

static bool give_last_copy(void *ctx, const struct store_entry *e)
{
    struct last_copies *l = ctx;

    if (e->budget <= 1) {
        give_again(l->contact, e->seq);
        l->count++;
    }
    return l->count < LAST_COPIES_MAX;
}

/* Last copies that were kept from them are theirs, once they are nearer. */
static void hear_nearness(struct contact *c, uint16_t told_min)
{
    uint64_t now_ms = c->core->now_ms;
    bool was_nearer = c->peer.is_nearer;
    struct last_copies l = { c, 0 };

    memset(&c->peer.nearness, 0, sizeof c->peer.nearness);
    if (contact_is_mailbox(c) || c->how.kind == LINK_PEER || told_min > NEARNESS_MAX_MIN)
        return;
    c->peer.nearness = (struct nearness){ true, (int64_t)now_ms - (int64_t)told_min * 60000 };
    c->peer.is_nearer = nearness_is_nearer(told_min, nearness_min(&c->core->nearness, now_ms));
    nearness_hear(&c->core->nearness, told_min, now_ms);
    if (c->peer.is_nearer && !was_nearer)
        store_walk_since(c->core->store, 0, give_last_copy, &l);
}

static void hear_status(struct contact *c, uint8_t stamp_bits, uint8_t fill_percent)
{
    uint8_t before = c->peer.stamp_bits;

    c->peer.stamp_bits = stamp_bits;
    c->peer.fill_percent = fill_percent;
    if (stamp_bits < before)
        core_demand_fell(c->core, c, before);
}

static void hear_reveals(struct contact *c, const uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++, at += REVEAL_ENTRY_LEN)
        core_reveal(c->core, at, (uint32_t)at[REVEAL_LEN] * LIFE_UNIT_H * 3600);
}

/* A gateway's users do not reconcile: its whole set is not theirs to walk. */
static bool is_in_place(const struct contact *c, enum record_type type)
{
    switch (type) {
    case RECORD_LIST:
    case RECORD_CELLS:
    case RECORD_MORE:
    case RECORD_SETTLED:
    case RECORD_ASK:
    case RECORD_RECOGNISE: return !contact_is_mailbox(c);
    case RECORD_FETCH: return c->how.kind == LINK_CLIENT;
    case RECORD_CURSOR: return c->how.kind == LINK_UPLINK;
    default: return true;
    }
}

static void hear_cursor(struct contact *c, const uint8_t *cursor)
{
    struct node_event *event = core_event(c->core, NODE_CURSOR);

    if (event == NULL)
        return;
    event->link = c->id;
    memcpy(event->cursor, cursor, sizeof event->cursor);
}

/* Their set tells of some bundles of ours that they carry, and so that an acknowledgement was lost. */
static enum err hear_set(struct contact *c, const struct record *r)
{
    struct recon *at = &c->recon[r->type == RECORD_LIST ? r->u.list.which : r->u.cells.which];
    enum err e = r->type == RECORD_LIST ? recon_on_list(at, r->u.list.sids)
                                        : recon_on_cells(at, r->u.cells.round, r->u.cells.first, r->u.cells.count,
                                                         r->u.cells.set_count, r->u.cells.cells);
    uint64_t seq;

    while (e == ERR_NONE && difference_next_carried(&at->difference, &seq))
        custody_note_carried(c, seq);
    return e;
}

static enum err act_on(struct contact *c, const struct record *r)
{
    if (!is_in_place(c, r->type))
        return ERR_MALFORMED;
    switch (r->type) {
    case RECORD_LIST:
    case RECORD_CELLS: return hear_set(c, r);
    case RECORD_MORE: return recon_on_more(&c->recon[r->u.more.which], r->u.more.cells);
    case RECORD_SETTLED:
        return recon_on_settled(&c->recon[r->u.settled.which], (enum settled_how)r->u.settled.how);
    case RECORD_OFFER: return ask_on_offer(c, r->u.offer.which, r->u.offer.size_code, r->u.offer.ids);
    case RECORD_WANT: return serve_on_want(c, r->u.want.answered, r->u.want.wants);
    case RECORD_BUNDLE: return take_on_bundle(c, r->u.bundle.carry, r->u.bundle.bytes);
    case RECORD_PART:
        return take_on_part(c, &r->u.part.id, r->u.part.carry, r->u.part.total, r->u.part.offset, r->u.part.bytes);
    case RECORD_CHUNK: return take_on_chunk(c, r->u.chunk.bytes);
    case RECORD_ACK: return custody_on_ack(c, r->u.ack.count, r->u.ack.exceptions);
    case RECORD_REVEAL: hear_reveals(c, r->u.reveal.at, r->u.reveal.count); break;
    case RECORD_STATUS:
        hear_status(c, r->u.status.stamp_bits, r->u.status.fill_percent);
        hear_nearness(c, r->u.status.nearness);
        break;
    case RECORD_RECOGNISE: hear_recognise(c, r->u.recognise.tags); break;
    case RECORD_PING:
        c->is_pong_due = true;
        c->pong_echo = r->u.ping.echo;
        break;
    case RECORD_PONG: hear_pong(c, r->u.ping.echo); break;
    case RECORD_BYE: contact_close(c, ERR_NONE, false); break;
    case RECORD_ASK: return serve_on_ask(c, r->u.ask.which, r->u.ask.is_name, r->u.ask.sids);
    case RECORD_GONE:
        return r->u.gone.is_sids ? take_on_gone_sids(c, r->u.gone.which, r->u.gone.sids)
                                 : take_on_gone_offers(c, r->u.gone.offers);
    case RECORD_CALM: hear_calm(c, r->u.calm.fingerprint); break;
    case RECORD_FETCH: return give_on_fetch(c, r->u.fetch.cursor, r->u.fetch.prefixes);
    case RECORD_CURSOR: hear_cursor(c, r->u.cursor.cursor); break;
    case RECORD_UNKNOWN: break;
    }
    return ERR_NONE;
}

static enum err hear_frame(struct contact *c, struct bytes frame)
{
    struct reader r = reader_of(frame);
    struct record rec;
    enum err e;

    while (reader_left(&r) > 0 && c->phase != PHASE_CLOSED) {
        if ((e = record_next(&r, &rec)) != ERR_NONE || (e = act_on(c, &rec)) != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

/* Our own want of memory is no fault of the peer's. */
static void end_by(struct contact *c, enum err e)
{
    contact_close(c, e, e != ERR_NO_MEMORY && e != ERR_REFUSED);
}

void contact_receive(struct contact *c, struct bytes in)
{
    struct bytes out;
    enum err e = ERR_NONE;

    if (c->phase == PHASE_CLOSED)
        return;
    c->bytes_in += in.len;
    c->core->counters.bytes_in += in.len;
    c->heard_ms = c->core->now_ms;
    if (c->how.kind == LINK_UPLINK && c->phase == PHASE_READY)
        nearness_arrived(&c->core->nearness, c->core->now_ms);
    while (c->phase != PHASE_CLOSED) {
        switch (link_receive(c->link, &in, &out, &e)) {
        case LINK_NOTHING: return;
        case LINK_BROKEN: break;
        case LINK_PAYLOAD:
            e = hello_hear(c, out);
            break;
        case LINK_FRAME:
            e = hear_frame(c, out);
            break;
        }
        if (e != ERR_NONE)
            end_by(c, e);
    }
}

/* ---- Frames out ---- */

/* They let what they were told grow old by themselves, so only what is better is news. Those it was learned from hear it back,
 * which tells them nothing: it is a hop further. */
static bool is_nearness_news(const struct contact *c)
{
    uint64_t now_ms = c->core->now_ms;

    return !contact_is_mailbox(c) && c->how.kind != LINK_PEER &&
           nearness_is_nearer(nearness_min(&c->core->nearness, now_ms), nearness_min(&c->told_nearness, now_ms));
}

static void write_status(struct contact *c, struct writer *w)
{
    struct store_usage usage;

    uint8_t bits = core_stamp_demand(c->core);

    /* A demand that rose is told at once: what they send meanwhile is sent in vain. */
    if (bits <= c->told_stamp_bits && c->core->now_ms - c->status_ms < STATUS_EVERY_MS)
        return;
    store_usage(c->core->store, &usage);
    int step = (int)usage.fill_percent - (int)c->told_fill;
    if (bits == c->told_stamp_bits && step < STATUS_STEP && step > -STATUS_STEP && !is_nearness_news(c))
        return;
    /* Gateways and their users know each other's. */
    uint16_t nearness = contact_is_mailbox(c) || c->how.kind == LINK_PEER ? NEARNESS_UNKNOWN : nearness_told(&c->core->nearness, c->core->now_ms);
    if (!record_put_status(w, bits, usage.fill_percent, nearness))
        return;
    c->told_nearness = c->core->nearness;
    c->told_stamp_bits = bits;
    c->told_fill = usage.fill_percent;
    c->status_ms = c->core->now_ms;
}

static bool is_ping_time(const struct contact *c)
{
    uint64_t last_ms = c->heard_ms > c->ping_ms ? c->heard_ms : c->ping_ms;

    return c->core->now_ms - last_ms >= LINK_PING_MS;
}

static void write_small_talk(struct contact *c, struct writer *w)
{
    if (c->is_pong_due && record_put_ping(w, true, c->pong_echo))
        c->is_pong_due = false;
    if (c->is_recognise_due && record_put_recognise(w, c->tags))
        c->is_recognise_due = false;
    if (is_ping_time(c)) {
        c->ping_echo = rng_u64(&c->core->rng) | 1;
        c->ping_ms = c->ping_sent_ms = c->core->now_ms;
        record_put_ping(w, false, c->ping_echo);
    }
    write_status(c, w);
}

static void write_fetch(struct contact *c, struct writer *w)
{
    struct record_open o;

    if (c->fetch.len == 0 || writer_left(w) < c->fetch.len + RECORD_HEAD_MAX ||
        !record_begin(&o, w, RECORD_FETCH, NULL, 0))
        return;
    writer_copy(w, buffer_bytes(&c->fetch));
    record_end(&o, false);
    buffer_clear(&c->fetch);
}

/* Tells once that we are settled, so that beacons can later say whether anything is new since. */
static void write_calm(struct contact *c, struct writer *w)
{
    uint8_t set[16];

    if (writer_len(w) > 0 || !contact_is_settled(c))
        return;
    if (!c->was_settled) {
        struct node_event *event = core_event(c->core, NODE_LINK_SETTLED);
        if (event != NULL)
            event->link = c->id;
        c->was_settled = true;
    }
    if (contact_is_mailbox(c))
        return;   /* found by no beacon */
    store_fingerprint(c->core->store, set);
    uint64_t print = beacon_fingerprint(set, c->how.advert_ours);
    if (c->calm_told_ms != 0 && (print == c->calm_told || c->core->now_ms - c->calm_told_ms < CALM_EVERY_MS))
        return;
    if (c->is_calm_heard)
        core_met(c->core, c->how.advert_theirs, c->calm_heard);
    if (record_put_calm(w, print)) {
        c->calm_told = print;
        c->calm_told_ms = c->core->now_ms > 0 ? c->core->now_ms : 1;
    }
}

static enum err write_records(struct contact *c, struct writer *w)
{
    enum err e;

    if ((e = take_write_acks(c, w)) != ERR_NONE)
        return e;
    write_small_talk(c, w);
    write_fetch(c, w);
    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (!recon_write(&c->recon[k], w))
            return ERR_NO_MEMORY;
    }
    ask_write(c, w);
    if ((e = give_write(c, w)) != ERR_NONE)
        return e;
    write_calm(c, w);
    return ERR_NONE;
}

static bool seal_frame(struct contact *c, struct bytes *out)
{
    uint8_t *at = c->core->out;
    struct writer w = writer_of(at + LINK_PREFIX_LEN, c->how.frame_max);
    enum err e = ERR_NONE;

    if (c->phase == PHASE_LEAVING) {
        if (c->is_bye_due)
            record_put_bye(&w, c->bye, 0);
        c->is_bye_due = false;
    } else {
        e = write_records(c, &w);
    }
    assert(!w.failed);
    if (e != ERR_NONE) {
        end_by(c, e);
        return false;
    }
    if (writer_len(&w) == 0) {
        if (c->phase == PHASE_LEAVING)
            contact_close(c, ERR_NONE, false);
        return false;
    }
    *out = bytes_of(at, link_seal(c->link, at, writer_len(&w)));
    return true;
}

static bool next_hello(struct contact *c, struct bytes *out)
{
    struct writer w = writer_of(c->core->out, sizeof c->core->out);
    enum err e = hello_say(c, &w);

    if (e != ERR_NONE)
        end_by(c, e);
    *out = writer_bytes(&w);
    return e == ERR_NONE && out->len > 0;
}

bool contact_next_frame(struct contact *c, struct bytes *out)
{
    bool is_any = false;

    if (c->phase == PHASE_HANDSHAKE)
        is_any = next_hello(c, out);
    else if (c->phase != PHASE_CLOSED)
        is_any = seal_frame(c, out);
    if (is_any) {
        c->bytes_out += out->len;
        c->core->counters.bytes_out += out->len;
    }
    return is_any;
}

/* ---- Time ---- */

bool contact_is_talk_due(const struct contact *c)
{
    return c->phase == PHASE_READY && (is_ping_time(c) || c->core->now_ms - c->status_ms >= STATUS_EVERY_MS);
}

void contact_committed(struct contact *c)
{
    c->take.committed = c->take.received;
}

void contact_wake(struct contact *c)
{
    uint64_t now_ms = c->core->now_ms;

    if (c->phase == PHASE_HANDSHAKE && now_ms - c->opened_ms >= LINK_HANDSHAKE_MS) {
        contact_close(c, ERR_EXPIRED, false);
    } else if (c->phase == PHASE_READY && now_ms - c->heard_ms >= LINK_SILENCE_MS) {
        contact_close(c, ERR_EXPIRED, false);
    } else if (c->phase == PHASE_LEAVING && now_ms - c->leaving_ms >= BYE_MS) {
        contact_close(c, ERR_NONE, false);
    } else if (c->phase == PHASE_READY) {
        take_wake(c);
        for (size_t k = 0; k < CLASS_COUNT; k++) {
            recon_tend(&c->recon[k]);
            if (difference_age(&c->recon[k].difference, now_ms))
                c->core->change_serial++;
        }
    }
}

static void sooner(uint64_t *at, uint64_t candidate)
{
    if (candidate < *at)
        *at = candidate;
}

/* Moments in the past wait for the caller to pull frames, not for a timer. */
static void sooner_if_ahead(uint64_t *at, uint64_t candidate, uint64_t now_ms)
{
    if (candidate > now_ms)
        sooner(at, candidate);
}

uint64_t contact_wake_at_ms(const struct contact *c)
{
    uint64_t at = UINT64_MAX, now_ms = c->core->now_ms;

    switch (c->phase) {
    case PHASE_HANDSHAKE: return c->opened_ms + LINK_HANDSHAKE_MS;
    case PHASE_LEAVING: return c->leaving_ms + BYE_MS;
    case PHASE_CLOSED: return UINT64_MAX;
    case PHASE_READY: break;
    }
    sooner(&at, c->heard_ms + LINK_SILENCE_MS);
    sooner_if_ahead(&at, (c->heard_ms > c->ping_ms ? c->heard_ms : c->ping_ms) + LINK_PING_MS, now_ms);
    sooner_if_ahead(&at, take_wake_at_ms(c), now_ms);
    if (c->calm_told_ms != 0)
        sooner_if_ahead(&at, c->calm_told_ms + CALM_EVERY_MS, now_ms);
    for (size_t k = 0; k < CLASS_COUNT; k++) {
        const struct recon *r = &c->recon[k];

        if (r->is_deferred || (r->role == RECON_ENCODING && r->cells_due > 0))
            sooner(&at, now_ms + POLL_MS);
        if (r->difference.lacking_waiting > 0)
            sooner_if_ahead(&at, r->difference.lacking_mark_ms + PROMISED_MS, now_ms);
        if (r->has_snapshot || r->is_large_holder)
            sooner(&at, now_ms + RECON_IDLE_MS / 3);
    }
    return at;
}
