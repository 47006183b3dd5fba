/* mesh/contact_give.c - what we have for a neighbour: offers, pushes, what it wants, parts, and its acknowledgements. */
#include "mesh/contact.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t REF_SID = (uint64_t)1 << 63;
static const uint64_t SID_MASK = 0xffffffffffffu;
static const uint64_t TAKEN = (uint64_t)1 << 63;   /* on an offer: it was wanted already */
enum { REF_CLASS_SHIFT = 56, PART_ROOM_MIN = 128, GONE_LEN_MAX = 10, FIRST_FLIGHT_LOOK = 64 };

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

static const struct store_entry *entry_of(const struct contact *c, uint64_t seq)
{
    return store_find_seq(c->core->store, seq);
}

static bool is_givable(const struct contact *c, const struct store_entry *e)
{
    struct route_peer peer;

    contact_route_peer(c, &peer);
    return route_is_givable(e, &peer) && e->deadline_s > store_clock_s(c->core->store);
}

static size_t frame_max(const struct contact *c)
{
    return c->how.frame_max;
}

static bool fits_a_frame(const struct contact *c, uint32_t len)
{
    return len + BUNDLE_META_LEN + RECORD_HEAD_MAX <= frame_max(c);
}

static void say_gone(struct contact *c, uint64_t ref)
{
    (void)ring_push(&c->give.gone, &ref);   /* full: their patience ends by itself */
}

static enum err count_sent(struct contact *c, uint64_t seq)
{
    c->bundles_out++;
    c->core->counters.bundles_out++;
    return ring_push(&c->give.sent, &seq);
}

enum sent { SENT, SENT_NO_ROOM, SENT_IMPOSSIBLE };

static enum sent send_whole(struct contact *c, const struct store_entry *e, struct writer *w)
{
    struct carry carry = route_carry(e, store_clock_s(c->core->store));
    struct bytes bundle;

    if (ring_is_full(&c->give.sent) || writer_left(w) < e->len + BUNDLE_META_LEN + RECORD_HEAD_MAX)
        return SENT_NO_ROOM;
    if (carry.life == 0 || store_read(c->core->store, e, &bundle) != ERR_NONE)
        return SENT_IMPOSSIBLE;
    bool is_put = record_put_bundle(w, carry, bundle);
    assert(is_put);
    return count_sent(c, e->seq) == ERR_NONE ? SENT : SENT_IMPOSSIBLE;
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
    for (size_t i = 0; i < g->blind_count; i++) {
        if (g->blind[i] == seq)
            return true;
    }
    return false;
}

/* True: sent or offered, or not worth it. False: no room now. */
static bool give_one(struct contact *c, struct offering *o, const struct store_entry *e, bool may_push, struct writer *w)
{
    if (may_push && e->len <= PUSH_LEN_MAX && fits_a_frame(c, e->len)) {
        end_offers(o);
        return send_whole(c, e, w) != SENT_NO_ROOM;
    }
    return offer(c, o, e, w);
}

static void give_named(struct contact *c, struct offering *o, struct writer *w)
{
    struct ring *named = &c->give.named;

    while (named->len > 0) {
        const struct store_entry *e = entry_of(c, *(uint64_t *)ring_at(named, 0));

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

        for (uint64_t seq; recon_peek_giving(r, &seq); recon_take_giving(r)) {
            const struct store_entry *e = entry_of(c, seq);

            if (e == NULL || is_in_first_flight(g, e->seq) || !is_givable(c, e))
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
        e = entry_of(c, seq);
        if (e != NULL && is_givable(c, e) && !give_one(c, o, e, may_push_live(c, e), w))
            return;
        spread_take_early(s, c->id);
    }
    uint64_t released = spread_released(s, c->core->last_seq, c->core->now_ms);
    for (; g->live_seq < released; g->live_seq++) {
        seq = g->live_seq + 1;
        e = entry_of(c, seq);
        if (e == NULL || spread_was_early(s, seq, c->id) || !is_givable(c, e))
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
    if ((f->is_any || e->given == 0) && e->len <= PUSH_LEN_MAX && e->len <= f->left && g->blind_count < FIRST_FLIGHT_MAX &&
        is_givable(f->c, e) && send_whole(f->c, e, f->w) == SENT) {
        g->blind[g->blind_count++] = e->seq;
        f->left -= e->len;
    }
    return --f->look > 0 && f->left >= BUNDLE_LEN_MIN;
}

/* Bundles that nobody was given yet, or that they lack for the most part, go before the difference is known: else the
 * first of them would wait for another round trip. */
static void write_first_flight(struct contact *c, struct writer *w)
{
    struct first_flight f = { c, w, FIRST_FLIGHT_BYTES, 0, false };

    c->give.is_first_flight_due = false;
    for (int k = 0; k < CLASS_COUNT; k++) {
        const struct recon *r = &c->recon[k];

        if (r->role == RECON_DONE || c->stated[k] == 0)
            continue;
        f.look = FIRST_FLIGHT_LOOK;
        /* A gateway had most of it from us the last time. */
        f.is_any = c->stated[k] >= 2 * c->peer.stated[k] && c->how.kind != LINK_UPLINK;
        store_walk(c->core->store, (enum bundle_class)k, push_first, &f);
    }
}

/* ---- What they want ---- */

static struct ring *queue_for(struct contact *c, const struct store_entry *e, uint32_t offset)
{
    if (offset > 0 || !fits_a_frame(c, e->len))
        return &c->give.large;
    return e->bundle_class == CLASS_SOS ? &c->give.urgent : &c->give.small;
}

static enum err queue_wanted(struct contact *c, const struct store_entry *e, uint64_t ref, uint32_t offset)
{
    struct giving *g = &c->give;
    struct wanted want = { e->seq, ref, offset < e->len ? offset : 0 };

    /* More than they may have outstanding: a fault. */
    if (g->urgent.len + g->small.len + g->large.len >= WANTED_MAX)
        return ERR_TOO_LARGE;
    return ring_push(queue_for(c, e, want.offset), &want);
}

enum err give_on_want(struct contact *c, uint64_t answered, struct bytes wants)
{
    struct giving *g = &c->give;
    struct reader r = reader_of(wants);
    uint64_t delta;
    uint32_t offset;
    enum err e;

    if (answered < g->offered_first || answered - g->offered_first > g->offered.len)
        return ERR_MALFORMED;
    uint64_t base = answered - g->offered_first;
    while (record_want_next(&r, &delta, &offset)) {
        if (delta >= g->offered.len - base)
            return ERR_MALFORMED;
        uint64_t *seq = ring_at(&g->offered, (size_t)(base + delta));
        if ((*seq & TAKEN) != 0)
            continue;
        const struct store_entry *entry = entry_of(c, *seq);
        *seq |= TAKEN;
        if (entry == NULL)
            say_gone(c, answered + delta);
        else if ((e = queue_wanted(c, entry, answered + delta, offset)) != ERR_NONE)
            return e;
    }
    for (; base > 0; base--) {
        ring_pop(&g->offered);
        g->offered_first++;
    }
    return ERR_NONE;
}

struct asked { uint32_t len; uint64_t seq, ref; };

static int order_asked(const void *a, const void *b)
{
    const struct asked *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->seq > y->seq ? -1 : x->seq < y->seq;
}

enum err give_on_ask(struct contact *c, uint8_t which, bool is_name, struct sids sids)
{
    struct asked *asked;
    size_t count = 0;
    enum err e = ERR_NONE;

    if (sids.count > BLIND_MAX)
        return ERR_TOO_LARGE;
    if (sids.count == 0)
        return ERR_NONE;
    if ((asked = malloc(sids.count * sizeof *asked)) == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < sids.count; i++) {
        uint64_t sid = sids_at(sids, i), seq, ref = REF_SID | (uint64_t)which << REF_CLASS_SHIFT | sid;
        const struct store_entry *entry = recon_find(&c->recon[which], sid, &seq) ? entry_of(c, seq) : NULL;

        if (entry == NULL || !is_givable(c, entry))
            say_gone(c, ref);
        else
            asked[count++] = (struct asked){ entry->len, seq, ref };
    }
    /* Short ids say nothing of worth to them; so the order is ours. */
    qsort(asked, count, sizeof *asked, order_asked);
    for (size_t i = 0; i < count && e == ERR_NONE; i++) {
        if (is_name || asked[i].len > BLIND_LEN_MAX)
            e = ring_push(&c->give.named, &asked[i].seq);
        else
            e = queue_wanted(c, entry_of(c, asked[i].seq), asked[i].ref, 0);
    }
    free(asked);
    return e == ERR_FULL ? ERR_TOO_LARGE : e;
}

static void write_wanted(struct contact *c, struct ring *queue, struct writer *w)
{
    while (queue->len > 0) {
        struct wanted want = *(struct wanted *)ring_at(queue, 0);
        const struct store_entry *e = entry_of(c, want.seq);
        enum sent sent = e != NULL ? send_whole(c, e, w) : SENT_IMPOSSIBLE;

        if (sent == SENT_NO_ROOM)
            return;
        if (sent == SENT_IMPOSSIBLE)
            say_gone(c, want.ref);
        ring_pop(queue);
    }
}

/* ---- Large ones, in parts between the others ---- */

static bool begin_part(struct contact *c)
{
    struct giving *g = &c->give;

    while (!g->part.is_active && g->large.len > 0) {
        g->part.want = *(struct wanted *)ring_at(&g->large, 0);
        ring_pop(&g->large);
        const struct store_entry *e = entry_of(c, g->part.want.seq);
        if (e != NULL)
            g->part.carry = route_carry(e, store_clock_s(c->core->store));
        if (e == NULL || g->part.carry.life == 0) {
            say_gone(c, g->part.want.ref);
            continue;
        }
        g->part.is_active = true;
        g->part.is_begun = false;
        g->part.at = g->part.want.offset;
        g->part.total = e->len;
        g->part.id = e->id;
    }
    return g->part.is_active;
}

static enum err write_part(struct contact *c, struct writer *w)
{
    struct giving *g = &c->give;
    struct bytes bundle;

    if (ring_is_full(&g->sent) || writer_left(w) < PART_ROOM_MIN || !begin_part(c))
        return ERR_NONE;
    const struct store_entry *e = entry_of(c, g->part.want.seq);
    if (e == NULL || store_read(c->core->store, e, &bundle) != ERR_NONE) {
        say_gone(c, g->part.want.ref);
        g->part.is_active = false;
        return ERR_NONE;
    }
    size_t len = g->part.total - g->part.at;
    size_t room = writer_left(w) - RECORD_HEAD_MAX - (g->part.is_begun ? 0 : PART_META_MAX);
    if (len > room)
        len = room;
    if (len > CHUNK_MAX)
        len = CHUNK_MAX;
    struct bytes chunk = bytes_of(bundle.at + g->part.at, len);
    bool is_put = g->part.is_begun ? record_put_chunk(w, chunk)
                                   : record_put_part(w, &g->part.id, g->part.carry, g->part.total, g->part.at, chunk);
    assert(is_put);
    g->part.is_begun = true;
    g->part.at += (uint32_t)len;
    if (g->part.at < g->part.total)
        return ERR_NONE;
    g->part.is_active = false;
    return count_sent(c, g->part.want.seq);
}

/* ---- What is gone, and anti-packets ---- */

static void write_gone(struct contact *c, struct writer *w)
{
    struct ring *gone = &c->give.gone;

    while (gone->len > 0) {
        struct record_open o;
        uint64_t first = *(uint64_t *)ring_at(gone, 0);
        uint8_t kind = (first & REF_SID) != 0 ? (uint8_t)(first >> REF_CLASS_SHIFT & 0x7f) : GONE_OFFERS;

        if (!record_begin(&o, w, RECORD_GONE, &kind, 1))
            return;
        while (gone->len > 0 && writer_left(w) >= GONE_LEN_MAX) {
            uint64_t ref = *(uint64_t *)ring_at(gone, 0);

            if (((ref ^ first) & ~SID_MASK) != 0 && ((ref | first) & REF_SID) != 0)
                break;
            if (kind == GONE_OFFERS)
                writer_varint(w, ref);
            else
                writer_u48(w, ref & SID_MASK);
            ring_pop(gone);
        }
        if (!record_end(&o, true))
            return;
    }
}

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
    return ERR_NONE;
}

struct fetching { struct contact *c; struct offering *o; struct writer *w; uint64_t live_after; };

static bool give_fetched(void *ctx, const struct store_entry *e)
{
    struct fetching *f = ctx;
    struct contact *c = f->c;

    if (mailbox_wants(c->mailbox, e->bucket) && is_givable(c, e) &&
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
    write_gone(c, w);
    write_wanted(c, &c->give.urgent, w);
    give_mailbox(c, &o, w);
    end_offers(&o);
    write_wanted(c, &c->give.small, w);
    if ((e = write_part(c, w)) == ERR_NONE)
        write_cursor(c, w);
    return e;
}

enum err give_write(struct contact *c, struct writer *w)
{
    struct offering o = { .is_open = false };

    if (c->how.kind == LINK_CLIENT)
        return write_to_client(c, w);
    write_reveals(c, w);
    write_gone(c, w);
    write_wanted(c, &c->give.urgent, w);
    if (c->give.is_first_flight_due)
        write_first_flight(c, w);
    give_named(c, &o, w);
    give_difference(c, &o, w);
    give_live(c, &o, w);
    end_offers(&o);
    write_wanted(c, &c->give.small, w);
    return write_part(c, w);
}

static enum err count_given(struct contact *c, uint64_t seq)
{
    const struct store_entry *at = entry_of(c, seq);

    if (at == NULL)
        return ERR_NONE;
    struct store_entry e = *at;
    bool is_ours = e.quota_class == QUOTA_OWN;
    if (e.given < UINT8_MAX)
        e.given++;
    e.budget = route_budget_kept(e.budget);
    /* A write for each copy of a stranger's bundle would tell nobody anything: only the first counts. */
    enum err failed = ERR_NONE;
    if (is_ours || e.given == 1 || e.budget != at->budget)
        failed = store_update(c->core->store, &e);
    struct node_event *event = is_ours ? core_event(c->core, NODE_CARRIED) : NULL;
    if (event != NULL) {
        event->link = c->id;
        event->entry = e;
    }
    return failed;
}

/* They had it already. If nobody is known to have been given it, an acknowledgement was lost, and this is it. */
static enum err count_known(struct contact *c, uint64_t seq)
{
    const struct store_entry *e = entry_of(c, seq);

    return e != NULL && e->given == 0 ? count_given(c, seq) : ERR_NONE;
}

static void tell_refused(struct contact *c, uint64_t seq, uint8_t reason)
{
    static const enum err why[REFUSAL_COUNT] = { ERR_NONE,    ERR_EXISTS,    ERR_FULL,   ERR_REFUSED,
                                                 ERR_EXPIRED, ERR_MALFORMED, ERR_REFUSED };
    const struct store_entry *e = entry_of(c, seq);

    c->core->counters.refused_out++;
    if (e == NULL || e->quota_class != QUOTA_OWN)
        return;
    struct node_event *event = core_event(c->core, NODE_REFUSED);
    if (event == NULL)
        return;
    event->link = c->id;
    event->why = why[reason];
    event->entry = *e;
}

enum err give_on_ack(struct contact *c, uint64_t count, struct bytes exceptions)
{
    struct giving *g = &c->give;
    struct reader r = reader_of(exceptions);
    uint64_t base = g->sent_first, index = 0, last = 0;
    uint8_t reason = 0;
    enum err failed = ERR_NONE;

    if (count < base || count - base > g->sent.len)
        return ERR_MALFORMED;
    bool has_exception = record_exception_next(&r, &index, &reason);
    for (uint64_t i = 0; i < count - base; i++) {
        uint64_t seq = *(uint64_t *)ring_at(&g->sent, 0);
        enum err e = ERR_NONE;

        if (has_exception && index == i) {
            if (reason == REFUSAL_DUPLICATE)
                e = count_known(c, seq);
            else
                tell_refused(c, seq, reason);
            last = index;
            has_exception = record_exception_next(&r, &index, &reason);
            if (has_exception && index <= last)
                return ERR_MALFORMED;
        } else {
            e = count_given(c, seq);
        }
        if (e != ERR_NONE && e != ERR_NOT_FOUND && failed == ERR_NONE)
            failed = e;
        ring_pop(&g->sent);
        g->sent_first++;
    }
    if (failed != ERR_NONE)
        c->core->failed = failed;
    return has_exception ? ERR_MALFORMED : ERR_NONE;
}

bool give_is_idle(const struct contact *c)
{
    const struct giving *g = &c->give;

    for (size_t k = 0; k < CLASS_COUNT; k++) {
        if (recon_is_giving(&c->recon[k]))
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
        left += c->recon[k].giving_count - c->recon[k].giving_at + (c->recon[k].is_giving_all ? 1 : 0);
    return left;
}
