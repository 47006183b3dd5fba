/* mesh/core.h - what all contacts of one node share: store, time, randomness, events, and the small tables that keep
 * links from doing each other's work twice. Private to node.c and contact*.c.
 */
#ifndef STA_MESH_CORE_H
#define STA_MESH_CORE_H

#include "mesh/admission.h"
#include "mesh/clients.h"
#include "mesh/fetch.h"
#include "mesh/link.h"
#include "mesh/mint.h"
#include "mesh/nearness.h"
#include "mesh/node.h"
#include "mesh/partial.h"
#include "mesh/recon.h"
#include "mesh/reveal.h"
#include "mesh/ring.h"
#include "mesh/spread.h"
#include "crypto/noise.h"

struct contact;

enum {
    EVENTS_MAX          = 1 << 14,
    REFUSED_MAX         = 1024,          /* bundles lately refused */
    REFUSED_KEEP_S      = 600,
    MET_MAX             = 64,            /* settled pairs remembered for beacons */
    SPREAD_DELAY_MS     = 1500,
    PROMISE_MS          = 120000,        /* and a millisecond a byte: then a promised bundle may be asked of others too */
};

struct refused { struct bundle_id id; uint32_t contributor, until_s; };

/* A neighbour we were settled with: its advert and fingerprint then, and our set. */
struct met { uint8_t advert[ADVERT_RANDOM_LEN]; uint64_t fingerprint; uint8_t our_set[16]; };

struct core {
    struct store *store;
    struct db *db;
    struct rng rng;
    uint64_t now_ms;

    uint64_t wall_unix_s, wall_at_ms;    /* 0: none */
    bool is_wall_trusted;
    uint64_t residence_ms;               /* of now_ms already told to the store's clock */

    uint32_t spread_delay_ms;
    uint8_t hops_max;
    bool is_stamp_demanded;
    uint32_t link_bytes_per_s;

    uint8_t static_secret[NOISE_KEY_LEN], static_public[NOISE_KEY_LEN];
    uint8_t advert[ADVERT_RANDOM_LEN];
    uint8_t key[16];                     /* secret, for tables */

    uint64_t last_seq;                   /* newest bundle */
    uint64_t committed_seq;              /* newest durable bundle */
    uint64_t told_seq;                   /* NODE_STORED was said up to here */
    struct nearness nearness;            /* of the internet */
    uint64_t fast_gone_ms;               /* when a link that is not slow last ended; 0: never */
    uint64_t change_serial;              /* bundles came or fetches ended: waiting offers look again */

    struct contact *contacts[LINKS_MAX];
    size_t contact_count;
    uint32_t next_link;
    struct clients clients;              /* a gateway's users; they are no neighbours */
    uint8_t gateway_secret[NOISE_KEY_LEN];
    bool is_gateway;
    uint64_t mailbox_epoch;
    bool is_settled_elsewhere;
    uint8_t fetched[MAILBOX_OCTETS_LEN]; /* node_fetched */

    struct recon_shared recon;
    struct fetch fetch;
    struct partials partials;
    struct reveals reveals;
    struct spread spread;
    struct mint mint;
    struct ring events;
    struct refused *refused;
    struct met met[MET_MAX];
    size_t met_next;
    struct node_counters counters;
    enum err failed;                     /* the store failed; the next commit says so */

    uint8_t out[LINK_OUT_MAX];
};

/* Time is told once a call. */
void core_set_now(struct core *c, uint64_t now_ms);

/* Our clock in minutes since 2025, as corrected by neighbours when it is not trusted; CLOCK_UNKNOWN_MIN. */
uint32_t core_clock_min(const struct core *c);

struct node_event *core_event(struct core *c, enum node_event_kind kind);   /* NULL: the queue is full */

/* A bundle was stored. Draws who gets it first. */
void core_stored(struct core *c, const struct store_entry *e, uint32_t origin, bool was_asked);

/* What a bundle brought by a link (or a file) meets. `entry` is filled in on REFUSAL_NONE and REFUSAL_DUPLICATE as far as known. */
struct arrival {
    struct bytes bytes;
    struct header header;
    struct bundle_id id;
    struct carry carry;
    uint32_t contributor, link;
    uint32_t theirs_min;
    bool is_theirs_trusted, is_friend;
    bool was_asked;              /* by us, not pushed */
};
enum refusal core_take(struct core *c, const struct arrival *a, bool *is_forged);

/* Facts for admission, with the contributor's. */
void core_admission(const struct core *c, struct admission *a, uint32_t contributor);
uint8_t core_stamp_demand(const struct core *c);
uint32_t core_link_rate(const struct core *c);

enum stamp_work core_stamp_work(struct core *c, uint32_t tries);

/* An anti-packet: true when it proved something and the bundle was removed. */
bool core_reveal(struct core *c, const uint8_t proof[REVEAL_LEN], uint32_t life_s);

/* Not to be asked of this contributor again for a while. Of others it is: most reasons lie in who brings it and how (hops,
 * life, stamp, quota), and a liar could keep a bundle away by bringing it badly. */
void core_refuse(struct core *c, const struct bundle_id *id, uint32_t contributor);
/* Those of this contributor, in no order. */
void core_walk_refused(const struct core *c, uint32_t contributor, store_visit_seen *visit, void *ctx);
bool core_is_refused(const struct core *c, const struct bundle_id *id, uint32_t contributor);

/* Somebody else is fetching it: over a named want, or among short ids asked for blindly. Not for ever, whatever else comes
 * over that link meanwhile: a liar could promise what it wants to keep from us. */
bool core_is_promise_old(const struct core *c, const struct fetch_entry *f);
bool core_is_fetched_elsewhere(const struct core *c, const struct contact *asker, const struct bundle_id *id);

void core_met(struct core *c, const uint8_t advert[ADVERT_RANDOM_LEN], uint64_t fingerprint);

#endif
