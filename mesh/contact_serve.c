/* mesh/contact_serve.c - what a neighbour wants of us: offers and short ids it asked for, whole, in parts, or gone. */
#include "mesh/contact.h"

#include <assert.h>
#include <stdlib.h>

static const uint64_t REF_SID = (uint64_t)1 << 63;
static const uint64_t SID_MASK = 0xffffffffffffu;
static const uint64_t TAKEN = (uint64_t)1 << 63;   /* on an offer: it was wanted already ... */
static const uint64_t TAKEN_TWICE = (uint64_t)1 << 62;   /* ... and again: what they had of it was spoilt */
enum { REF_CLASS_SHIFT = 56, PART_ROOM_MIN = 128, GONE_LEN_MAX = 10 };

/* ---- What was asked for and is not there ---- */

void serve_say_gone(struct contact *c, uint64_t ref)
{
    (void)ring_push(&c->give.gone, &ref);   /* full: their patience ends by itself */
}

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

/* ---- Wants ---- */

static struct ring *queue_for(struct contact *c, const struct store_entry *e, uint32_t offset)
{
    if (offset > 0 || !give_fits_a_frame(c, e->len))
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

enum err serve_on_want(struct contact *c, uint64_t answered, struct bytes wants)
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
        const struct store_entry *entry = (*seq & TAKEN_TWICE) == 0 ? give_entry(c, *seq & ~TAKEN) : NULL;
        *seq |= (*seq & TAKEN) != 0 ? TAKEN_TWICE : TAKEN;
        if (entry == NULL)
            serve_say_gone(c, answered + delta);
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

enum err serve_on_ask(struct contact *c, uint8_t which, bool is_name, struct sids sids)
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
        const struct store_entry *entry = recon_find(&c->recon[which], sid, &seq) ? give_entry(c, seq) : NULL;

        if (entry == NULL || !give_is_givable(c, entry))
            serve_say_gone(c, ref);
        else
            asked[count++] = (struct asked){ entry->len, seq, ref };
    }
    /* Short ids say nothing of worth to them; so the order is ours. */
    qsort(asked, count, sizeof *asked, order_asked);
    for (size_t i = 0; i < count && e == ERR_NONE; i++) {
        if (is_name || asked[i].len > BLIND_LEN_MAX)
            e = ring_push(&c->give.named, &asked[i].seq);
        else
            e = queue_wanted(c, give_entry(c, asked[i].seq), asked[i].ref, 0);
    }
    free(asked);
    return e == ERR_FULL ? ERR_TOO_LARGE : e;
}

/* What was promised while the link still had the budget for it may have none by now. */
static const struct store_entry *wanted_entry(const struct contact *c, const struct wanted *want)
{
    const struct store_entry *e = give_entry(c, want->seq);

    return e != NULL && contact_has_budget(c, e->len) ? e : NULL;
}

static void write_wanted(struct contact *c, struct ring *queue, struct writer *w)
{
    while (queue->len > 0) {
        struct wanted want = *(struct wanted *)ring_at(queue, 0);
        const struct store_entry *e = wanted_entry(c, &want);
        enum sent sent = e != NULL ? give_whole(c, e, w) : SENT_IMPOSSIBLE;

        if (sent == SENT_NO_ROOM)
            return;
        if (sent == SENT_IMPOSSIBLE)
            serve_say_gone(c, want.ref);
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
        const struct store_entry *e = wanted_entry(c, &g->part.want);
        if (e != NULL)
            g->part.carry = route_carry(e, store_clock_s(c->core->store));
        if (e == NULL || g->part.carry.life == 0) {
            serve_say_gone(c, g->part.want.ref);
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
    const struct store_entry *e = give_entry(c, g->part.want.seq);
    if (e == NULL || store_read(c->core->store, e, &bundle) != ERR_NONE) {
        serve_say_gone(c, g->part.want.ref);
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
    return give_count_sent(c, g->part.want.seq);
}

/* ---- The whole ---- */

void serve_write_first(struct contact *c, struct writer *w)
{
    write_gone(c, w);
    write_wanted(c, &c->give.urgent, w);
}

enum err serve_write(struct contact *c, struct writer *w)
{
    write_wanted(c, &c->give.small, w);
    return write_part(c, w);
}
