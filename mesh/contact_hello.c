/* mesh/contact_hello.c - the handshake of a contact: what each side says of itself, and what follows from who it is. */
#include "mesh/contact.h"

#include <string.h>

#include "crypto/hash.h"
#include "mesh/beacon.h"

enum {
    HELLO_VERSION        = 1,
    COUNT_UNSTATED       = 0xffffff,
    CONTRIBUTOR_RESERVED = 1,
    PUSHES_FEW_KIB       = 2,
    FEW_SEEN             = 8,       /* remembered ids are few below this part of what is carried */
    TWIN_ALIVE_MS        = 3000,
};

static uint64_t saturate(uint64_t v, uint64_t most)
{
    return v < most ? v : most;
}

/* KiB of bundles that may come unasked until the sets are compared. What other links bring at this moment would come twice,
 * of what is offered to someone who has removed much, much was removed, and a store that fills up may refuse what it did not
 * choose. */
static uint8_t pushes_welcome(const struct contact *c, const struct store_usage *usage)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *other = c->core->contacts[i];

        if (other != NULL && other != c && (other->phase == PHASE_HANDSHAKE || other->phase == PHASE_READY) &&
            other->pushes_welcome > 0 && !other->was_settled)
            return 0;
    }
    if (usage->fill_percent >= PRESSURE_PERCENT)
        return 0;
    return usage->seen_count > usage->count / FEW_SEEN ? PUSHES_FEW_KIB : EAGER_BYTES / 1024;
}

static void write_payload(struct contact *c, uint8_t out[LINK_PAYLOAD_LEN])
{
    struct writer w = writer_of(out, LINK_PAYLOAD_LEN);
    struct store_usage usage;

    store_usage(c->core->store, &usage);
    /* What they hear that we carry they may take for a receipt. */
    c->stated_seq = c->core->committed_seq;
    for (size_t k = 0; k < CLASS_COUNT; k++)
        c->stated[k] = c->how.kind == LINK_CLIENT
                           ? 0
                           : saturate(usage.bundle_class_count[k], k == CLASS_SOS ? 0xffff : COUNT_UNSTATED);
    c->told_stamp_bits = core_stamp_demand(c->core);
    c->told_fill = usage.fill_percent;
    writer_u8(&w, HELLO_VERSION);
    writer_u8(&w, 0);
    writer_u32(&w, core_clock_min(c->core));
    writer_u8(&w, c->core->is_wall_trusted ? 1 : 0);
    writer_u8(&w, c->told_stamp_bits);
    writer_u8(&w, c->told_fill);
    /* Nothing is reconciled with a gateway, so it need not know how much there is. */
    bool is_stated = !contact_is_mailbox(c);
    writer_u16(&w, is_stated ? (uint16_t)c->stated[CLASS_SOS] : 0);
    writer_u24(&w, is_stated ? (uint32_t)c->stated[CLASS_SEALED] : 0);
    writer_u24(&w, is_stated ? (uint32_t)c->stated[CLASS_PUBLIC] : 0);
    c->pushes_welcome = pushes_welcome(c, &usage);
    writer_u8(&w, c->pushes_welcome);
    writer_zero(&w, writer_left(&w));
}

static enum err read_payload(struct contact *c, struct bytes payload)
{
    struct reader r = reader_of(payload);

    if (payload.len == 0)
        return ERR_NONE;   /* the first message says nothing */
    uint8_t version = reader_u8(&r);
    reader_u8(&r);
    c->peer.clock_min = reader_u32(&r);
    c->peer.is_trusted = (reader_u8(&r) & 1) != 0;
    c->peer.stamp_bits = reader_u8(&r);
    c->peer.fill_percent = reader_u8(&r);
    c->peer.stated[CLASS_SOS] = reader_u16(&r);
    c->peer.stated[CLASS_SEALED] = reader_u24(&r);
    c->peer.stated[CLASS_PUBLIC] = reader_u24(&r);
    c->peer.pushes_welcome = reader_u8(&r);
    if (contact_is_mailbox(c))
        memset(c->peer.stated, 0, sizeof c->peer.stated);
    if (r.failed)
        return ERR_MALFORMED;
    return version == HELLO_VERSION ? ERR_NONE : ERR_VERSION;
}

static uint32_t contributor_of(const uint8_t remote_static[NOISE_KEY_LEN])
{
    uint8_t hash[16];

    hash_derive_one(hash, sizeof hash, bytes_of(NULL, 0), "link", bytes_of(remote_static, NOISE_KEY_LEN));
    uint32_t v = (uint32_t)hash[0] | (uint32_t)hash[1] << 8 | (uint32_t)hash[2] << 16 | (uint32_t)hash[3] << 24;
    /* 0 is this node, 1 a file. */
    return v > CONTRIBUTOR_RESERVED ? v : v + CONTRIBUTOR_RESERVED + 1;
}

/* ---- Twins: two links to the same neighbour ---- */

static void learn_adverts(struct contact *to, const struct contact *from)
{
    if (!advert_is_heard(to->how.advert_theirs))
        memcpy(to->how.advert_theirs, from->how.advert_theirs, ADVERT_RANDOM_LEN);
    if (!advert_is_heard(to->how.advert_ours))
        memcpy(to->how.advert_ours, from->how.advert_ours, ADVERT_RANDOM_LEN);
}

/* A written address would be called again for ever, so it wins. Else the older link, unless it may be dead: a neighbour that comes
 * back calls anew long before we miss it. */
static struct contact *worse_twin(struct contact *younger, struct contact *older)
{
    if (younger->is_address_written)
        return older;
    return younger->core->now_ms - older->heard_ms < TWIN_ALIVE_MS ? younger : older;
}

/* Both ends see the twins, but in an order of their own; so one of them decides. */
static void part_twins(struct contact *c)
{
    const uint8_t *theirs = link_remote_static(c->link);

    for (size_t i = 0; i < LINKS_MAX && c->phase == PHASE_READY && c->how.kind != LINK_PEER; i++) {
        struct contact *other = c->core->contacts[i];

        if (other == NULL || other == c || other->how.kind == LINK_PEER || other->phase != PHASE_READY ||
            memcmp(link_remote_static(other->link), theirs, NOISE_KEY_LEN) != 0)
            continue;
        learn_adverts(c, other);
        learn_adverts(other, c);
        if ((c->is_address_written && other->is_address_written) ||
            memcmp(c->core->static_public, theirs, NOISE_KEY_LEN) < 0)
            continue;
        contact_leave(worse_twin(c, other), BYE_TWIN);
    }
}

/* ---- Ready ---- */

static enum err become_ready(struct contact *c)
{
    const uint8_t *hash = link_hash(c->link);
    enum err e;

    if (memcmp(link_remote_static(c->link), c->core->static_public, NOISE_KEY_LEN) == 0)
        return ERR_REFUSED;   /* ourselves, through some loop of the network */
    c->phase = PHASE_READY;
    c->ready_ms = c->useful_ms = c->heard_ms = c->status_ms = c->core->now_ms;
    c->core->counters.handshakes++;
    /* Who calls a gateway has no key of his own. */
    c->peer.contributor = c->how.contributor != 0 ? c->how.contributor : contributor_of(link_remote_static(c->link));
    hash_derive_one(c->sid_key, sizeof c->sid_key, bytes_of(hash, NOISE_HASH_LEN), "sid", bytes_of(NULL, 0));
    give_init(c);
    take_init(c);
    c->give.live_seq = c->stated_seq;
    for (int k = 0; k < CLASS_COUNT; k++) {
        recon_init(&c->recon[k], &c->core->recon, (enum bundle_class)k, hash, c->sid_key);
        if ((e = recon_start(&c->recon[k], c->how.is_initiator, c->stated[k], c->peer.stated[k], c->stated_seq)) !=
            ERR_NONE)
            return e;
    }
    struct node_event *event = core_event(c->core, NODE_LINK_READY);
    if (event != NULL) {
        event->link = c->id;
        event->is_initiator = c->how.is_initiator;
        memcpy(event->link_hash, hash, sizeof event->link_hash);
    }
    part_twins(c);
    return ERR_NONE;
}

enum err hello_hear(struct contact *c, struct bytes payload)
{
    enum err e = read_payload(c, payload);

    return e == ERR_NONE && link_is_ready(c->link) ? become_ready(c) : e;
}

enum err hello_say(struct contact *c, struct writer *w)
{
    uint8_t payload[LINK_PAYLOAD_LEN];
    enum err e;

    if (!link_owes_handshake(c->link))
        return ERR_NONE;
    write_payload(c, payload);
    if ((e = link_handshake(c->link, payload, w)) == ERR_NONE && link_is_ready(c->link))
        e = become_ready(c);
    return e;
}
