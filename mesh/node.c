/* mesh/node.c - the outside of a node: links by number, bundles of this node, events, commit and timers. */
#include "mesh/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/beacon.h"
#include "mesh/bundle.h"
#include "mesh/contact.h"

enum { EXPIRE_BATCH = 256, CLOCK_TICK_MS = 600 * 1000, BEACON_EVERY_MS = 2000 };

struct node {
    struct core core;
    uint8_t beacon_set[16];          /* said to have changed at this set */
    uint64_t beacon_ms;
    bool is_beacon_told;
};

static_assert((int)BEACON_LEN == (int)BEACON_BYTES && (int)ADVERT_RANDOM_LEN == (int)BEACON_ADVERT_LEN &&
              (int)ADVERT_RANDOM_LEN == (int)LINK_ADVERT_LEN, "one beacon");

static bool find_newest(void *ctx, const struct store_entry *e)
{
    uint64_t *last = ctx;

    if (e->seq > *last)
        *last = e->seq;
    return false;
}

static void draw_epoch(struct core *c)
{
    noise_keypair(c->static_secret, c->static_public, &c->rng);
    rng_fill(&c->rng, c->advert, sizeof c->advert);
}

enum err node_new(struct node **out, const struct node_config *config)
{
    struct node *n = calloc(1, sizeof *n);

    if (n == NULL)
        return ERR_NO_MEMORY;
    struct core *c = &n->core;
    c->store = config->store;
    c->db = config->db;
    c->rng = config->rng;
    c->now_ms = c->residence_ms = config->now_ms;
    c->spread_delay_ms = config->spread_delay_ms > 0 ? config->spread_delay_ms : SPREAD_DELAY_MS;
    c->spread.delay_ms = c->spread_delay_ms;
    c->hops_max = config->hops_max > 0 ? config->hops_max : HOPS_MAX;
    c->is_stamp_demanded = config->is_stamp_demanded;
    c->link_bytes_per_s = config->link_bytes_per_s;
    c->is_gateway = config->gateway_secret != NULL;
    if (c->is_gateway)
        memcpy(c->gateway_secret, config->gateway_secret, sizeof c->gateway_secret);
    c->mailbox_epoch = config->mailbox_epoch;
    c->is_settled_elsewhere = config->is_settled_elsewhere;
    c->recon.store = config->store;
    c->recon.now_ms = config->now_ms;
    c->next_link = 1;
    mint_init(&c->mint);
    c->events = ring_of(sizeof(struct node_event), EVENTS_MAX);
    rng_fill(&c->rng, c->key, sizeof c->key);
    fetch_init(&c->fetch, c->key);
    reveals_init(&c->reveals, c->key);
    draw_epoch(c);
    for (int k = 0; k < CLASS_COUNT; k++)
        store_walk(c->store, (enum bundle_class)k, find_newest, &c->last_seq);
    c->told_seq = c->committed_seq = c->clients.considered_seq = c->last_seq;
    store_fingerprint(c->store, n->beacon_set);
    node_set_wall(n, config->wall_unix_s, config->is_wall_trusted, config->now_ms);
    *out = n;
    return ERR_NONE;
}

void node_free(struct node *n)
{
    if (n == NULL)
        return;
    struct core *c = &n->core;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        contact_free(c->contacts[i]);
        c->contacts[i] = NULL;
    }
    clients_clear(&c->clients);
    fetch_clear(&c->fetch);
    partials_clear(&c->partials);
    reveals_clear(&c->reveals);
    mint_clear(&c->mint);
    ring_clear(&c->events);
    free(c->refused);
    secret_wipe(n, sizeof *n);
    free(n);
}

void node_set_wall(struct node *n, uint64_t wall_unix_s, bool is_trusted, uint64_t now_ms)
{
    core_set_now(&n->core, now_ms);
    n->core.wall_unix_s = wall_unix_s;
    n->core.wall_at_ms = n->core.now_ms;
    n->core.is_wall_trusted = is_trusted && wall_unix_s != 0;
}

/* ---- Links ---- */

static struct contact *find(const struct node *n, uint32_t link)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct contact *c = n->core.contacts[i];

        if (c != NULL && c->id == link)
            return c;
    }
    return clients_find(&n->core.clients, link);
}

static enum err open_client(struct core *c, const struct link_open *how, uint32_t *link)
{
    struct contact **place;
    uint32_t id;
    enum err e;

    if (!c->is_gateway)
        return ERR_STATE;
    assert(how->contributor != 0 && !how->is_initiator);
    if ((e = clients_place(&c->clients, &c->next_link, &place, &id)) != ERR_NONE ||
        (e = contact_new(place, c, id, how)) != ERR_NONE)
        return e;
    c->clients.count++;
    *link = id;
    return ERR_NONE;
}

/* Peers that only hold their link open could take every place, with keys that cost nothing. The one that has brought nothing
 * new for longest goes, unless it is a friend. */
static void make_room(struct core *c)
{
    struct contact *least = NULL;

    if (c->contact_count + LINKS_SPARE <= LINKS_MAX)
        return;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct contact *at = c->contacts[i];

        if (at == NULL || (at->phase != PHASE_READY && at->phase != PHASE_HANDSHAKE) || at->is_friend ||
            at->how.kind == LINK_UPLINK)
            continue;
        if (c->now_ms - at->useful_ms >= (at->phase == PHASE_READY ? LINK_USELESS_MS : LINK_SLOW_MS) &&
            (least == NULL || at->phase < least->phase || (at->phase == least->phase && at->useful_ms < least->useful_ms)))
            least = at;
    }
    if (least != NULL)
        contact_leave(least, BYE_BUSY);
}

enum err node_link_open(struct node *n, const struct link_open *how, uint32_t *link, uint64_t now_ms)
{
    struct core *c = &n->core;
    enum err e;

    core_set_now(c, now_ms);
    if (how->kind == LINK_CLIENT)
        return open_client(c, how, link);
    if (how->kind == LINK_PEER && !c->is_gateway)
        return ERR_STATE;
    assert(how->kind != LINK_PEER || how->is_initiator || how->contributor != 0);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (c->contacts[i] != NULL)
            continue;
        if ((e = contact_new(&c->contacts[i], c, c->next_link, how)) != ERR_NONE)
            return e;
        c->contact_count++;
        *link = c->next_link++;
        make_room(c);
        return ERR_NONE;
    }
    return ERR_FULL;
}

void node_link_close(struct node *n, uint32_t link, uint64_t now_ms)
{
    struct core *c = &n->core;

    core_set_now(c, now_ms);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        struct contact *at = c->contacts[i];

        if (at == NULL || at->id != link)
            continue;
        contact_close(at, ERR_NONE, false);
        contact_free(at);
        c->contacts[i] = NULL;
        c->contact_count--;
        return;
    }
    struct contact *client = clients_find(&c->clients, link);
    if (client != NULL) {
        contact_close(client, ERR_NONE, false);
        clients_remove(&c->clients, client);
        contact_free(client);
    }
}

void node_receive(struct node *n, uint32_t link, struct bytes in, uint64_t now_ms)
{
    struct contact *c = find(n, link);

    core_set_now(&n->core, now_ms);
    if (c == NULL)
        return;
    contact_receive(c, in);
    if (c->how.kind == LINK_CLIENT)
        clients_heard(&n->core.clients, c);
}

bool node_next_due(struct node *n, uint32_t *link)
{
    struct contact *c = clients_next_due(&n->core.clients);

    if (c != NULL)
        *link = c->id;
    return c != NULL;
}

void node_link_touch(struct node *n, uint32_t link)
{
    struct contact *c = clients_find(&n->core.clients, link);

    if (c != NULL)
        clients_due(&n->core.clients, c);
}

enum err node_link_fetch(struct node *n, uint32_t link, const struct mailbox_prefix *prefixes, size_t count,
                         const uint8_t cursor[MAILBOX_CURSOR_LEN])
{
    struct contact *c = find(n, link);
    enum err e;

    if (c == NULL || c->phase == PHASE_CLOSED || c->how.kind != LINK_UPLINK)
        return ERR_NOT_FOUND;
    if (count > MAILBOX_PREFIXES_MAX)
        return ERR_TOO_LARGE;
    buffer_clear(&c->fetch);
    if ((e = buffer_reserve(&c->fetch, MAILBOX_CURSOR_LEN + count * FETCH_ENTRY_LEN)) != ERR_NONE)
        return e;
    struct writer w = writer_of(c->fetch.at, MAILBOX_CURSOR_LEN + count * FETCH_ENTRY_LEN);
    writer_copy(&w, bytes_of(cursor, MAILBOX_CURSOR_LEN));
    for (size_t i = 0; i < count; i++) {
        writer_u8(&w, prefixes[i].bits);
        writer_u24_be(&w, prefixes[i].prefix & ~(0xffffffu >> prefixes[i].bits));
    }
    c->fetch.len = writer_len(&w);
    return ERR_NONE;
}

void node_link_limit(struct node *n, uint32_t link, const struct node_link_budget *budget)
{
    struct contact *c = find(n, link);

    if (c != NULL)
        c->budget = *budget;
}

void node_link_allow(struct node *n, uint32_t link, uint64_t more)
{
    struct contact *c = clients_find(&n->core.clients, link);

    if (c != NULL)
        c->how.allowance = more < UINT64_MAX - c->kept_bytes ? c->kept_bytes + more : UINT64_MAX;
}

bool node_next_frame(struct node *n, uint32_t link, struct bytes *out, uint64_t now_ms)
{
    struct contact *c = find(n, link);

    core_set_now(&n->core, now_ms);
    return c != NULL && contact_next_frame(c, out);
}

bool node_link_is_finished(const struct node *n, uint32_t link)
{
    const struct contact *c = find(n, link);

    return c == NULL || c->phase == PHASE_CLOSED;
}

void node_new_epoch(struct node *n, uint64_t now_ms)
{
    core_set_now(&n->core, now_ms);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (n->core.contacts[i] != NULL)
            contact_leave(n->core.contacts[i], BYE_EPOCH);
    }
    clients_leave(&n->core.clients, BYE_EPOCH);
    draw_epoch(&n->core);
    n->is_beacon_told = false;
}

uint32_t node_link_next(const struct node *n, uint32_t after)
{
    uint32_t next = 0;

    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *c = n->core.contacts[i];

        if (c != NULL && c->id > after && (next == 0 || c->id < next))
            next = c->id;
    }
    return next;
}

uint16_t node_nearness(const struct node *n, uint64_t now_ms)
{
    return nearness_min(&n->core.nearness, now_ms);
}

bool node_link_info(const struct node *n, uint32_t link, struct node_link_info *out)
{
    const struct contact *c = find(n, link);
    struct node_link_info info;

    if (c == NULL)
        return false;
    memset(&info, 0, sizeof info);
    info.link = link;
    info.kind = c->how.kind;
    info.is_ready = c->phase == PHASE_READY;
    info.is_slow = c->how.is_slow;
    info.is_friend = c->is_friend;
    info.is_settled = contact_is_settled(c);
    info.peer_fill_percent = c->peer.fill_percent;
    info.since_ms = c->opened_ms;
    info.bytes_in = c->bytes_in;
    info.bytes_out = c->bytes_out;
    info.bundles_in = c->bundles_in;
    info.bundles_out = c->bundles_out;
    info.rtt_ms = c->rtt_ms;
    info.nearness_min = c->how.kind == LINK_UPLINK && info.is_ready ? 0 : nearness_min(&c->peer.nearness, c->core->now_ms);
    info.peer_clock_min = info.is_ready ? c->peer.clock_min : CLOCK_UNKNOWN_MIN;
    if (info.is_ready) {
        info.bundles_to_come = take_left(c);
        info.bundles_to_give = give_left(c);
    }
    *out = info;
    return true;
}

void node_link_recognise(struct node *n, uint32_t link, const uint8_t tags[RECOGNITION_COUNT][RECOGNITION_LEN])
{
    struct contact *c = find(n, link);

    if (c == NULL || c->phase != PHASE_READY)
        return;
    memcpy(c->tags, tags, sizeof c->tags);
    c->is_recognise_due = true;
}

void node_link_set_friend(struct node *n, uint32_t link, bool is_friend)
{
    struct contact *c = find(n, link);

    if (c != NULL)
        c->is_friend = is_friend;
}

/* ---- Beacons ---- */

static uint64_t own_fingerprint(const struct node *n, const uint8_t advert[BEACON_ADVERT_LEN])
{
    uint8_t set[16];

    store_fingerprint(n->core.store, set);
    return beacon_fingerprint(set, advert);
}

void node_beacon(const struct node *n, uint8_t out[BEACON_LEN])
{
    struct beacon b = { .load = (uint8_t)(n->core.contact_count * 255 / LINKS_MAX) };

    memcpy(b.advert, n->core.advert, sizeof b.advert);
    b.fingerprint = own_fingerprint(n, b.advert);
    beacon_encode(&b, out);
}

static bool is_settled_with(const struct node *n, const struct beacon *b)
{
    uint8_t set[16];

    store_fingerprint(n->core.store, set);
    for (size_t i = 0; i < MET_MAX; i++) {
        const struct met *m = &n->core.met[i];

        if (memcmp(m->advert, b->advert, sizeof m->advert) == 0)
            return m->fingerprint == b->fingerprint && memcmp(m->our_set, set, sizeof set) == 0;
    }
    return false;
}

enum beacon_verdict node_beacon_judge(const struct node *n, struct bytes beacon, uint8_t advert_theirs[ADVERT_RANDOM_LEN])
{
    struct beacon b;

    if (beacon_decode(&b, beacon) != ERR_NONE)
        return BEACON_FOREIGN;
    memcpy(advert_theirs, b.advert, ADVERT_RANDOM_LEN);
    int order = memcmp(n->core.advert, b.advert, sizeof b.advert);
    if (order == 0)
        return BEACON_OURSELVES;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *c = n->core.contacts[i];

        if (c != NULL && c->phase != PHASE_CLOSED && memcmp(c->how.advert_theirs, b.advert, sizeof b.advert) == 0)
            return BEACON_LINKED;
    }
    /* Fingerprints are under the sender's advert: ours is computed under theirs to compare. */
    if (own_fingerprint(n, b.advert) == b.fingerprint)
        return BEACON_EQUAL;
    if (is_settled_with(n, &b))
        return BEACON_SETTLED;
    return order > 0 ? BEACON_CALL : BEACON_AWAIT;
}

/* ---- Bundles of this node ---- */

enum err node_submit(struct node *n, struct bytes bundle, uint32_t now_h, struct bundle_id *id, uint64_t now_ms)
{
    struct core *c = &n->core;
    struct store_entry entry;
    struct store_usage usage;
    struct header h;
    enum err e;

    core_set_now(c, now_ms);
    if ((e = header_of_bundle(&h, bundle)) != ERR_NONE)
        return ERR_MALFORMED;
    if (h.expiry_h <= now_h || h.expiry_h - now_h > LIFE_MAX_H || bundle_verify_plain(&h, bundle) != ERR_NONE)
        return ERR_MALFORMED;
    store_usage(c->store, &usage);
    memset(&entry, 0, sizeof entry);
    bundle_id_of(&entry.id, bundle);
    memcpy(entry.tag, h.tag, sizeof entry.tag);
    entry.len = (uint32_t)bundle.len;
    entry.deadline_s = store_clock_s(c->store) + (h.expiry_h - now_h) * 3600;
    entry.expiry_h = h.expiry_h;
    entry.bucket = h.bucket;
    entry.bundle_class = h.bundle_class;
    entry.quota_class = QUOTA_OWN;
    entry.stamp_bits = stamp_bits(&entry.id, h.stamp);
    entry.hops = route_first_hops(&c->rng);
    entry.budget = route_first_budget(&usage, QUOTA_OWN, entry.len);
    if ((e = store_put(c->store, &entry, bundle)) != ERR_NONE) {
        if (e != ERR_EXISTS && e != ERR_FULL)
            c->failed = e;
        return e;
    }
    *id = entry.id;
    core_stored(c, &entry, 0, false);
    return ERR_NONE;
}

enum err node_claim(struct node *n, const struct bundle_id *id)
{
    const struct store_entry *at = store_find(n->core.store, id);

    if (at == NULL)
        return ERR_NOT_FOUND;
    struct store_entry e = *at;
    e.quota_class = QUOTA_CONTACT;
    return store_update(n->core.store, &e);
}

enum err node_release(struct node *n, const struct bundle_id *id, const uint8_t *reveal, uint64_t now_ms)
{
    struct core *c = &n->core;
    const struct store_entry *at = store_find(c->store, id);

    core_set_now(c, now_ms);
    if (at == NULL)
        return ERR_NOT_FOUND;
    struct store_entry e = *at;
    enum err failed = store_remove(c->store, id, true);
    if (failed != ERR_NONE)
        return failed;
    c->change_serial++;
    if (reveal != NULL)
        (void)reveals_add(&c->reveals, id, reveal, e.deadline_s);
    return ERR_NONE;
}

enum err node_import(struct node *n, struct bytes bundle, uint8_t hops, uint16_t life_h, uint64_t now_ms)
{
    struct core *c = &n->core;
    struct store_usage usage;
    struct arrival a = { .bytes = bundle, .contributor = CONTRIBUTOR_IMPORT, .theirs_min = CLOCK_UNKNOWN_MIN };
    bool is_forged;

    core_set_now(c, now_ms);
    if (header_of_bundle(&a.header, bundle) != ERR_NONE)
        return ERR_MALFORMED;
    store_usage(c->store, &usage);
    bundle_id_of(&a.id, bundle);
    unsigned units = (life_h + LIFE_UNIT_H - 1u) / LIFE_UNIT_H;
    a.carry.hops = hops;
    a.carry.life = (uint8_t)(units < 255 ? units : 255);
    struct admission facts = { .is_friend = false };
    a.carry.budget = route_first_budget(&usage, admission_class(&facts, a.header.bundle_class), (uint32_t)bundle.len);
    return refusal_err(core_take(c, &a, &is_forged));
}

enum stamp_work node_stamp_work(struct node *n, uint32_t tries, uint64_t now_ms)
{
    core_set_now(&n->core, now_ms);
    return core_stamp_work(&n->core, tries);
}

bool node_has_stamp_work(const struct node *n)
{
    return n->core.mint.jobs.len > 0;
}

/* ---- The turn ---- */

static uint32_t link_of_contributor(const struct core *c, uint32_t contributor)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (c->contacts[i] != NULL && c->contacts[i]->peer.contributor == contributor)
            return c->contacts[i]->id;
    }
    return 0;
}

/* What came in is read back from the store instead of a queue of our own, which would have to be bounded. */
static bool next_stored(struct core *c, struct node_event *out)
{
    while (c->told_seq < c->last_seq) {
        const struct store_entry *e = store_find_seq(c->store, ++c->told_seq);

        if (e == NULL || e->contributor == 0)
            continue;
        memset(out, 0, sizeof *out);
        out->kind = NODE_STORED;
        out->entry = *e;
        out->link = link_of_contributor(c, e->contributor);
        return true;
    }
    return false;
}

static bool next_dropped(struct core *c, struct node_event *out)
{
    struct store_entry e;
    enum err why;

    if (!store_next_evicted(c->store, &e, &why))
        return false;
    if (why == ERR_EXPIRED)
        c->counters.expired++;
    else
        c->counters.evicted++;
    c->change_serial++;
    memset(out, 0, sizeof *out);
    out->kind = NODE_DROPPED;
    out->entry = e;
    out->why = why;
    return true;
}

static bool is_beacon_stale(const struct node *n)
{
    uint8_t set[16];

    store_fingerprint(n->core.store, set);
    return !n->is_beacon_told || memcmp(set, n->beacon_set, sizeof set) != 0;
}

static bool next_beacon_changed(struct node *n, struct node_event *out)
{
    if (!is_beacon_stale(n) || (n->is_beacon_told && n->core.now_ms - n->beacon_ms < BEACON_EVERY_MS))
        return false;
    store_fingerprint(n->core.store, n->beacon_set);
    n->beacon_ms = n->core.now_ms;
    n->is_beacon_told = true;
    memset(out, 0, sizeof *out);
    out->kind = NODE_BEACON_CHANGED;
    return true;
}

bool node_next_event(struct node *n, struct node_event *out)
{
    struct core *c = &n->core;

    if (c->events.len > 0) {
        *out = *(struct node_event *)ring_at(&c->events, 0);
        ring_pop(&c->events);
        return true;
    }
    return next_stored(c, out) || next_dropped(c, out) || next_beacon_changed(n, out);
}

enum err node_commit(struct node *n)
{
    struct core *c = &n->core;
    enum err e = c->failed;

    if (e != ERR_NONE || (e = db_commit(c->db)) != ERR_NONE)
        return e;
    c->committed_seq = c->last_seq;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (c->contacts[i] != NULL)
            contact_committed(c->contacts[i]);
    }
    if (c->is_settled_elsewhere)
        clients_stored(&c->clients, c->last_seq);
    else
        clients_committed(&c->clients);
    clients_tend(&c->clients, c->store, c->last_seq, c->now_ms);
    return ERR_NONE;
}

bool node_settled(struct node *n, uint64_t seq)
{
    return clients_settled(&n->core.clients, seq);
}

bool node_fetched(struct node *n, uint8_t map[MAILBOX_OCTETS_LEN])
{
    static const uint8_t nothing[MAILBOX_OCTETS_LEN];
    bool is_any = memcmp(n->core.fetched, nothing, sizeof nothing) != 0;

    memcpy(map, n->core.fetched, sizeof nothing);
    memset(n->core.fetched, 0, sizeof nothing);
    return is_any;
}

void node_wake(struct node *n, uint64_t now_ms)
{
    core_set_now(&n->core, now_ms);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (n->core.contacts[i] != NULL)
            contact_wake(n->core.contacts[i]);
    }
    clients_tend(&n->core.clients, n->core.store, n->core.last_seq, n->core.now_ms);
    if (store_next_deadline_s(n->core.store) <= store_clock_s(n->core.store))
        (void)store_expire(n->core.store, EXPIRE_BATCH);
}

uint64_t node_wake_at_ms(const struct node *n)
{
    const struct core *c = &n->core;
    uint64_t at = c->residence_ms + CLOCK_TICK_MS, one;
    uint32_t deadline_s = store_next_deadline_s(c->store), clock_s = store_clock_s(c->store);

    if (deadline_s != UINT32_MAX) {
        one = deadline_s > clock_s ? c->residence_ms + (uint64_t)(deadline_s - clock_s) * 1000 : c->now_ms;
        if (one < at)
            at = one;
    }
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (c->contacts[i] != NULL && (one = contact_wake_at_ms(c->contacts[i])) < at)
            at = one;
    }
    if ((one = clients_wake_at_ms(&c->clients)) < at)
        at = one;
    if (c->contact_count > 0 && (one = spread_wake_at_ms(&c->spread, c->now_ms)) < at)
        at = one;
    if (n->is_beacon_told && is_beacon_stale(n) && n->beacon_ms + BEACON_EVERY_MS < at)
        at = n->beacon_ms + BEACON_EVERY_MS;
    return at;
}

void node_counters(const struct node *n, struct node_counters *out)
{
    *out = n->core.counters;
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct contact *c = n->core.contacts[i];

        for (size_t k = 0; c != NULL && k < CLASS_COUNT; k++) {
            out->sketches += c->recon[k].sketches;
            out->sketch_cells += c->recon[k].cells_total;
            out->lists += c->recon[k].lists;
        }
    }
}
