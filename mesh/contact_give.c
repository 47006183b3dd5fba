/* mesh/contact_give.c - what we have for a neighbour of ourselves: pushes, offers, anti-packets. */
#include "mesh/contact.h"

#include <assert.h>
#include <string.h>

enum { FIRST_FLIGHT_LOOK = 64 };

void give_init(struct contact *c)
{
    struct giving *g = &c->give;

    memset(g, 0, sizeof *g);
    g->offered = ring_of(sizeof(uint64_t), OFFERS_MAX);
    g->urgent = ring_of(sizeof(struct wanted), WANTED_MAX);
    g->small = ring_of(sizeof(struct wanted), WANTED_MAX);
    g->large = ring_of(sizeof(struct wanted), WANTED_MAX);
    g->named = ring_of(sizeof(uint64_t), WANTED_MAX);
    g->gone = ring_of(sizeof(uint64_t), WANTED_MAX);
    g->sent = ring_of(sizeof(uint64_t), UNACKED_MAX);
    g->eager_left = (uint32_t)c->peer.pushes_welcome * 1024;
    if (g->eager_left > EAGER_BYTES)
        g->eager_left = EAGER_BYTES;
    g->is_first_flight_due = true;
    g->reveal_serial = c->core->reveals.next_serial - 1;
}

void give_clear(struct contact *c)
{
    struct giving *g = &c->give;
    struct ring *rings[] = { &g->offered, &g->urgent, &g->small, &g->large, &g->named, &g->gone, &g->sent };

    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++)
        ring_clear(rings[i]);
}

const struct store_entry *give_entry(const struct contact *c, uint64_t seq)
{
    return store_find_seq(c->core->store, seq);
}

/* What only a stamp keeps back is worked for. */
bool give_is_givable(struct contact *c, const struct store_entry *e)
{
    struct route_peer peer;

    contact_route_peer(c, &peer);
    if (!contact_has_budget(c, e->len))
        return false;
    if (e->deadline_s <= store_clock_s(c->core->store))
        return false;
    if (e->budget <= 1) {
        struct store_usage usage;

        store_usage(c->core->store, &usage);
        peer.is_emptier = c->peer.fill_percent < usage.fill_percent;
    }
    if (route_is_givable(e, &peer))
        return true;
    if (route_wants_stamp(e, &peer))
        core_want_stamp(c->core, e, peer.stamp_bits, c->id);
    return false;
}

static size_t frame_max(const struct contact *c)
{
    return c->how.frame_max;
}

bool give_fits_a_frame(const struct contact *c, uint32_t len)
{
    return len + BUNDLE_META_LEN + RECORD_HEAD_MAX <= frame_max(c);
}

enum err give_count_sent(struct contact *c, uint64_t seq)
{
    c->bundles_out++;
    c->core->counters.bundles_out++;
    return ring_push(&c->give.sent, &seq);
}

enum sent give_whole(struct contact *c, const struct store_entry *e, struct writer *w)
{
    struct carry carry = route_carry(e, store_clock_s(c->core->store));
    struct bytes bundle;

    if (ring_is_full(&c->give.sent) || writer_left(w) < e->len + BUNDLE_META_LEN + RECORD_HEAD_MAX)
        return SENT_NO_ROOM;
    if (carry.life == 0 || store_read(c->core->store, e, &bundle) != ERR_NONE)
        return SENT_IMPOSSIBLE;
    bool is_put = record_put_bundle(w, carry, bundle);
    assert(is_put);
    return give_count_sent(c, e->seq) == ERR_NONE ? SENT : SENT_IMPOSSIBLE;
}

/* ---- Offers ---- */

struct offering { struct record_open open; bool is_open; uint8_t which, size_code; };

static void end_offers(struct offering *o)
{
    if (o->is_open)
        record_end(&o->open, true);
    o->is_open = false;
}

/* Adds an offer to the record of its kind. False: no room in the frame or the window. */
static bool offer(struct contact *c, struct offering *o, const struct store_entry *e, struct writer *w)
{
    uint8_t head[2] = { e->bundle_class, 0 };

    if (size_code_for(&head[1], e->len) != ERR_NONE || ring_is_full(&c->give.offered))
        return false;
    if (o->is_open && (o->which != head[0] || o->size_code != head[1]))
        end_offers(o);
    if (writer_left(w) < RECORD_HEAD_MAX + sizeof head + sizeof e->id)
        return false;
    if (!o->is_open) {
        if (!record_begin(&o->open, w, RECORD_OFFER, head, sizeof head))
            return false;
        o->is_open = true;
        o->which = head[0];
        o->size_code = head[1];
    }
    writer_copy(w, bytes_of(e->id.octets, sizeof e->id.octets));
    return ring_push(&c->give.offered, &e->seq) == ERR_NONE;
}

static bool is_in_first_flight(const struct giving *g, uint64_t seq)
{
    for (size_t i = 0; i < g->first_flight_count; i++) {
        if (g->first_flight[i] == seq)
            return true;
    }
    return false;
}

/* True: sent or offered, or not worth it. False: no room now. */
static bool give_one(struct contact *c, struct offering *o, const struct store_entry *e, bool may_push, struct writer *w)
{
    bool is_welcome = e->deadline_s > c->give.refused_deadline_s || e->bundle_class == CLASS_SOS;

    if (may_push && is_welcome && e->len <= PUSH_LEN_MAX && give_fits_a_frame(c, e->len)) {
        end_offers(o);
        return give_whole(c, e, w) != SENT_NO_ROOM;
    }
    return offer(c, o, e, w);
}

static void give_named(struct contact *c, struct offering *o, struct writer *w)
{
    struct ring *named = &c->give.named;

    while (named->len > 0) {
        const struct store_entry *e = give_entry(c, *(uint64_t *)ring_at(named, 0));

        if (e != NULL && !offer(c, o, e, w))
            return;
        ring_pop(named);
    }
}

/* What reconciliation found that they lack. */
static void give_difference(struct contact *c, struct offering *o, struct writer *w)
{
    struct giving *g = &c->give;

    for (size_t k = 0; k < CLASS_COUNT; k++) {
        struct recon *r = &c->recon[k];

        for (uint64_t seq; difference_peek_giving(&r->difference, &seq); difference_take_giving(&r->difference)) {
            const struct store_entry *e = give_entry(c, seq);

            if (e == NULL || is_in_first_flight(g, e->seq) || !give_is_givable(c, e))
                continue;
            bool is_eager = e->len <= PUSH_LEN_MAX && e->len <= g->eager_left &&
                            (e->given == 0 || c->how.kind != LINK_UPLINK);
            if (!give_one(c, o, e, is_eager, w))
                return;
            g->eager_left -= is_eager ? e->len : 0;
        }
    }
}

static size_t ready_others(const struct contact *c)
{
    size_t count = 0;

    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *other = c->core->contacts[i];

        count += other != NULL && other != c && other->phase == PHASE_READY;
    }
    return count;
}

/* In a line of nodes the next one cannot have it; in a crowd a bundle that has come far is known to most. */
static bool may_push_live(const struct contact *c, const struct store_entry *e)
{
    size_t others = ready_others(c);

    return e->hops <= PUSH_HOPS_MAX || others == 0 || (others == 1 && e->contributor != 0);
}

/* What came since the link started. */
static void give_live(struct contact *c, struct offering *o, struct writer *w)
{
    struct giving *g = &c->give;
    struct spread *s = &c->core->spread;
    const struct store_entry *e;
    uint64_t seq;

    while (writer_left(w) >= PUSH_LEN_MAX / 2 && !ring_is_full(&g->offered) && !ring_is_full(&g->sent) &&
           (seq = spread_peek_early(s, c->id)) != 0) {
        e = give_entry(c, seq);
        if (e != NULL && give_is_givable(c, e) && !give_one(c, o, e, may_push_live(c, e), w))
            return;
        spread_take_early(s, c->id);
    }
    uint64_t released = spread_released(s, c->core->last_seq, c->core->now_ms);
    for (; g->live_seq < released; g->live_seq++) {
        seq = g->live_seq + 1;
        e = give_entry(c, seq);
        if (e == NULL || spread_was_early(s, seq, c->id) || !give_is_givable(c, e))
            continue;
        if (!offer(c, o, e, w))
            return;
    }
}

/* ---- The first flight ---- */

struct first_flight { struct contact *c; struct writer *w; uint32_t left; unsigned look; bool is_any; };

static bool push_first(void *ctx, const struct store_entry *e)
{
    struct first_flight *f = ctx;
    struct giving *g = &f->c->give;

    if (e->seq > f->c->stated_seq)
        return true;
    if ((f->is_any || e->given == 0) && e->len <= PUSH_LEN_MAX && e->len <= f->left && g->first_flight_count < FIRST_FLIGHT_MAX &&
        give_is_givable(f->c, e) && give_whole(f->c, e, f->w) == SENT) {
        g->first_flight[g->first_flight_count++] = e->seq;
        f->left -= e->len;
    }
    return --f->look > 0 && f->left >= BUNDLE_LEN_MIN;
}

/* Bundles that nobody was given yet, or that they lack for the most part, go before the difference is known: else the
 * first of them would wait for another round trip. */
static void write_first_flight(struct contact *c, struct writer *w)
{
    struct giving *g = &c->give;
    uint32_t most = g->eager_left < FIRST_FLIGHT_BYTES ? g->eager_left : FIRST_FLIGHT_BYTES;
    struct first_flight f = { c, w, most, 0, false };

    g->is_first_flight_due = false;
    for (int k = 0; k < CLASS_COUNT; k++) {
        const struct recon *r = &c->recon[k];

        if (r->role == RECON_DONE || c->stated[k] == 0 || f.left < BUNDLE_LEN_MIN)
            continue;
        f.look = FIRST_FLIGHT_LOOK;
        /* A gateway had most of it from us the last time. */
        f.is_any = c->stated[k] >= 2 * c->peer.stated[k] && c->how.kind != LINK_UPLINK;
        store_walk(c->core->store, (enum bundle_class)k, push_first, &f);
    }
    g->eager_left -= most - f.left;
}

/* ---- Anti-packets ---- */

static bool put_reveal(struct contact *c, const struct reveal *r, struct writer *w)
{
    uint32_t now_s = store_clock_s(c->core->store);

    if (r == NULL || r->deadline_s <= now_s)
        return true;
    if (writer_left(w) < REVEAL_ENTRY_LEN)
        return false;
    uint32_t units = (r->deadline_s - now_s - 1) / (LIFE_UNIT_H * 3600) + 1;
    writer_copy(w, bytes_of(r->proof, sizeof r->proof));
    writer_u8(w, (uint8_t)(units > LIFE_UNITS_MAX ? LIFE_UNITS_MAX : units));
    return true;
}

static void write_reveals(struct contact *c, struct writer *w)
{
    struct giving *g = &c->give;
    struct reveals *all = &c->core->reveals;
    struct record_open o;

    /* A user is told only of what it offers: the others' are none of its business. */
    if (c->how.kind == LINK_CLIENT)
        g->reveal_serial = all->next_serial - 1;

    if ((g->reveal_serial + 1 >= all->next_serial && c->take.reveals.len == 0) ||
        !record_begin(&o, w, RECORD_REVEAL, NULL, 0))
        return;
    if (g->reveal_serial + REVEALS_RECENT < all->next_serial)
        g->reveal_serial = all->next_serial - REVEALS_RECENT - 1;
    while (g->reveal_serial + 1 < all->next_serial &&
           put_reveal(c, reveals_serial(all, g->reveal_serial + 1), w))
        g->reveal_serial++;
    while (c->take.reveals.len > 0 && put_reveal(c, reveals_find(all, ring_at(&c->take.reveals, 0)), w))
        ring_pop(&c->take.reveals);
    record_end(&o, true);
}

/* ---- A gateway's user ---- */

enum err give_on_fetch(struct contact *c, const uint8_t *cursor, struct bytes prefixes)
{
    struct mailbox *m;
    enum err e = mailbox_new(&m, prefixes, cursor, c->core->mailbox_epoch, c->core->last_seq);

    if (e != ERR_NONE)
        return e;
    mailbox_free(c->mailbox);
    c->mailbox = m;
    mailbox_add_octets(m, c->core->fetched);
    return ERR_NONE;
}

struct fetching { struct contact *c; struct offering *o; struct writer *w; uint64_t live_after; };

static bool give_fetched(void *ctx, const struct store_entry *e)
{
    struct fetching *f = ctx;
    struct contact *c = f->c;

    if (mailbox_wants(c->mailbox, e->bucket) && give_is_givable(c, e) &&
        !give_one(c, f->o, e, e->seq > f->live_after && e->contributor != c->peer.contributor, f->w))
        return false;
    mailbox_advance(c->mailbox, e->seq);
    return true;
}

/* What they asked for, in order of arrival. What comes while they listen is pushed: nobody else gives it to them. */
static void give_mailbox(struct contact *c, struct offering *o, struct writer *w)
{
    struct fetching f = { c, o, w, c->stated_seq };
    struct giving *g = &c->give;

    if (c->mailbox == NULL || mailbox_position(c->mailbox) >= c->core->last_seq || ring_is_full(&g->offered) ||
        ring_is_full(&g->sent))
        return;
    store_walk_since(c->core->store, mailbox_position(c->mailbox), give_fetched, &f);
    /* What is at the end and was let go meanwhile is behind us as well. */
    const struct store_entry *newest = store_newest(c->core->store);
    if (newest == NULL || mailbox_position(c->mailbox) >= newest->seq)
        mailbox_advance(c->mailbox, c->core->last_seq);
}

static bool is_all_fetched(const struct contact *c)
{
    const struct giving *g = &c->give;

    return mailbox_position(c->mailbox) >= c->core->last_seq && g->offered.len == 0 && g->urgent.len == 0 &&
           g->small.len == 0 && g->large.len == 0 && g->sent.len == 0 && !g->part.is_active;
}

/* Only when all before it was answered and acknowledged: whoever asks from here on misses nothing. */
static void write_cursor(struct contact *c, struct writer *w)
{
    uint64_t given = c->give.offered_first + c->give.sent_first, now_ms = c->core->now_ms;
    uint8_t cursor[CURSOR_LEN];

    if (c->mailbox != NULL && is_all_fetched(c) && mailbox_cursor(c->mailbox, given, now_ms, cursor) &&
        record_put_cursor(w, cursor))
        mailbox_told(c->mailbox, given, now_ms);
}

/* ---- The whole ---- */

static enum err write_to_client(struct contact *c, struct writer *w)
{
    struct offering o = { .is_open = false };
    enum err e;

    write_reveals(c, w);
    serve_write_first(c, w);
    give_mailbox(c, &o, w);
    end_offers(&o);
    if ((e = serve_write(c, w)) == ERR_NONE)
        write_cursor(c, w);
    return e;
}

enum err give_write(struct contact *c, struct writer *w)
{
    struct offering o = { .is_open = false };

    if (c->how.kind == LINK_CLIENT)
        return write_to_client(c, w);
    write_reveals(c, w);
    serve_write_first(c, w);
    if (c->give.is_first_flight_due)
        write_first_flight(c, w);
    give_named(c, &o, w);
    give_difference(c, &o, w);
    give_live(c, &o, w);
    end_offers(&o);
    return serve_write(c, w);
}

void give_again(struct contact *c, uint64_t seq)
{
    (void)ring_push(&c->give.named, &seq);   /* full: the next meeting */
}

bool give_is_idle(const struct contact *c)
{
    const struct giving *g = &c->give;

    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (difference_is_giving(&c->recon[k].difference))
            return false;
    }
    if (c->how.kind == LINK_CLIENT)
        return c->mailbox == NULL || is_all_fetched(c);
    return g->offered.len == 0 && g->urgent.len == 0 && g->small.len == 0 && g->large.len == 0 && g->named.len == 0 &&
           g->gone.len == 0 && g->sent.len == 0 && !g->part.is_active && g->live_seq >= c->core->last_seq;
}

uint64_t give_left(const struct contact *c)
{
    const struct giving *g = &c->give;
    uint64_t left = g->offered.len + g->urgent.len + g->small.len + g->large.len + g->named.len + g->sent.len +
                    (g->part.is_active ? 1 : 0);

    for (size_t k = 0; k < CLASS_COUNT; k++)
        left += difference_giving_left(&c->recon[k].difference);
    return left;
}
