/* mesh/node.h - a node of the mesh: links, contacts and the store, under one roof.
 *
 * A value that eats bytes and time and gives back bytes and events. It opens nothing, waits for nothing,
 * reads no clock and draws no lots but from the rng given at birth. The daemon, the gateway, the simulator
 * and the fuzzers drive it in turns of one order:
 *
 *     node_receive / node_submit / node_wake ...     all that has come in
 *     while (node_next_event(...))                   the app's share of the same commit
 *     node_commit                                    durable ...
 *     while (node_next_frame(...)) send              ... before audible
 *     sleep until node_wake_at_ms or input
 *
 * Times are monotonic milliseconds of the caller's clock. A bad frame is an event, never an error: a peer cannot
 * fail us. Two nodes in one process are the normal case.
 */
#ifndef STA_MESH_NODE_H
#define STA_MESH_NODE_H

#include "mesh/base/limits.h"
#include "mesh/base/rng.h"
#include "mesh/nearness.h"
#include "storage/store.h"

struct node;

enum { ADVERT_RANDOM_LEN = 8, BEACON_LEN = 17, RECOGNITION_COUNT = 8, RECOGNITION_LEN = 8 };

struct node_config {
    struct store *store;         /* the caller's; outlives the node */
    struct db *db;               /* under the store and whatever else shares the turn's commit; outlives the node */
    struct rng rng;
    uint64_t now_ms;
    uint64_t wall_unix_s;        /* what this machine's clock says; 0: none */
    bool     is_wall_trusted;    /* set by the network or a clock battery */
    uint32_t spread_delay_ms;    /* pause before a bundle goes to a second neighbour; 0: a default of 1500 */
    uint8_t  hops_max;           /* 0: HOPS_MAX */
    bool     is_stamp_demanded;  /* by fill (section 10); false never demands */
    uint32_t link_bytes_per_s;   /* token bucket a link; 0: unlimited until the store is half full, then 1 MiB/s */
    const uint8_t *gateway_secret;  /* 32 bytes, copied: this node is a gateway and answers LINK_CLIENT; NULL: it is none */
    bool     is_settled_elsewhere;  /* of a gateway: what its users bring is acknowledged by node_settled, not by the commit */
    uint64_t mailbox_epoch;      /* of a gateway: drawn with its database, so that cursors of another are not believed */
};

enum err node_new(struct node **out, const struct node_config *config);
void     node_free(struct node *n);

/* Tells what the wall clock says now (every few minutes, and when it jumps). */
void node_set_wall(struct node *n, uint64_t wall_unix_s, bool is_trusted, uint64_t now_ms);

/* ---- Links ---- */

/* LINK_UPLINK: our link to a gateway. LINK_CLIENT: a gateway's link to one of its users. On these two the sets are not
 * reconciled: the user gives what it carries, and fetches by bucket (protocol section 11). LINK_PEER: two gateways whose operators
 * have agreed on it; they reconcile like neighbours, as friends (protocol section 11.4). */
enum link_kind { LINK_LAN, LINK_BLUETOOTH, LINK_BLUETOOTH_GATT, LINK_UPLINK, LINK_SPOOL, LINK_SIM, LINK_CLIENT, LINK_PEER, LINK_KIND_COUNT };

enum { GATEWAY_KEY_LEN = 32, LINK_BINDING_LEN = 32 };

struct link_open {
    enum link_kind kind;
    bool     is_initiator;
    uint32_t frame_max;                       /* plaintext of one record; 0: LINK_FRAME_MAX */
    uint8_t  advert_ours[ADVERT_RANDOM_LEN];  /* what we advertised; zero: nothing */
    uint8_t  advert_theirs[ADVERT_RANDOM_LEN];
    bool     is_slow;                         /* large bundles wait for a better link */
    uint8_t  gateway_key[GATEWAY_KEY_LEN];    /* UPLINK, and PEER that calls: the gateway's key, known beforehand */
    uint8_t  binding[LINK_BINDING_LEN];       /* UPLINK, CLIENT, PEER: what both know of the stream below; zero: nothing */
    uint32_t contributor;                     /* CLIENT, and PEER that is called: who it is to quotas; not 0 */
    uint64_t allowance;                       /* CLIENT: bytes of bundles it may still bring; UINT64_MAX: no limit */
};

/* A transport is connected. Link numbers are never used twice. ERR_FULL: LINKS_MAX are open, or CLIENTS_MAX of
 * LINK_CLIENT. ERR_STATE: LINK_CLIENT or LINK_PEER, and this node is no gateway. */
enum err node_link_open(struct node *n, const struct link_open *how, uint32_t *link, uint64_t now_ms);

/* The transport is gone. What it had promised comes by another link. Harmless for a closed link. */
void node_link_close(struct node *n, uint32_t link, uint64_t now_ms);

/* Bytes of the stream, cut anywhere. Ignored for a link that is closed or closing. */
void node_receive(struct node *n, uint32_t link, struct bytes in, uint64_t now_ms);

/* The next bytes to send on this link, lent until the next node_ call; false: nothing now. The caller asks
 * while its own output holds less than it wants to buffer: that is the flow control. */
bool node_next_frame(struct node *n, uint32_t link, struct bytes *out, uint64_t now_ms);

/* The node wants this link closed once what node_next_frame gave is sent. */
bool node_link_is_finished(const struct node *n, uint32_t link);

/* Closes all links politely and starts a new link epoch: new static keys, new advert (section 7). */
void node_new_epoch(struct node *n, uint64_t now_ms);

/* Clients are too many to be asked one by one. The next of them that may have something to send, each once until
 * something happens to it again; false: none. For the other links the caller asks them all. */
bool node_next_due(struct node *n, uint32_t *link);
/* There is room in this link's output again. */
void node_link_touch(struct node *n, uint32_t link);

/* ---- Mailboxes (protocol section 11) ---- */

enum { MAILBOX_PREFIXES_MAX = 1024, MAILBOX_CURSOR_LEN = 16, MAILBOX_OCTETS_LEN = 32 };

/* All bundles whose bucket begins with the top `bits` of `prefix`. */
struct mailbox_prefix { uint32_t prefix; uint8_t bits; };

/* What we want of the gateway at the other end of a LINK_UPLINK: what it got since the cursor (all zero: ever), and what it
 * gets from now on. Replaces what was asked before. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_NO_MEMORY. */
enum err node_link_fetch(struct node *n, uint32_t link, const struct mailbox_prefix *prefixes, size_t count,
                         const uint8_t cursor[MAILBOX_CURSOR_LEN]);

/* What a metered link may carry, in octets of its frames, both ways, counted from its beginning. After `large_until` bundles of more
 * than `small_len` are neither given nor asked for, after `all_until` none is; the last of either kind may pass it. Small ones that
 * the other side pushes unasked come all the same: close the link. A link has no such limit at first; what was held back is looked
 * at again on the next one. */
struct node_link_budget { uint32_t small_len; uint64_t large_until, all_until; };
void node_link_limit(struct node *n, uint32_t link, const struct node_link_budget *budget);

/* A client may bring so many bytes of bundles more; UINT64_MAX: no limit. */
void node_link_allow(struct node *n, uint32_t link, uint64_t more);

/* Of a gateway: what its users began to ask for since this was called last, as a bit map of the first octets of buckets (bit i & 7 of
 * map[i >> 3]). False: nothing. */
bool node_fetched(struct node *n, uint8_t map[MAILBOX_OCTETS_LEN]);

/* Of a gateway with is_settled_elsewhere: what users brought and was committed up to this arrival number may be acknowledged.
 * True: a turn would send something. */
bool node_settled(struct node *n, uint64_t seq);

/* What a person may be told about a link. */
struct node_link_info {
    uint32_t link;
    enum link_kind kind;
    bool     is_ready;               /* handshake done */
    bool     is_slow;                /* large bundles wait for a better one */
    bool     is_friend;
    bool     is_settled;             /* reconciled, nothing under way */
    uint8_t  peer_fill_percent;
    uint64_t since_ms, bytes_in, bytes_out, bundles_in, bundles_out;
    uint64_t bundles_to_come;        /* known to be missing here; 0 when settled */
    uint64_t bundles_to_give;
    uint32_t rtt_ms;                 /* 0: unknown */
    uint16_t nearness_min;           /* to the internet, as they say (mesh/nearness.h); NEARNESS_UNKNOWN */
    uint32_t peer_clock_min;         /* theirs at the handshake, since 2025; UINT32_MAX: they have none, or none was said */
};
bool node_link_info(const struct node *n, uint32_t link, struct node_link_info *out);

/* Our own, in minutes; NEARNESS_UNKNOWN. */
uint16_t node_nearness(const struct node *n, uint64_t now_ms);

/* The links to neighbours (not to clients), in the order of their numbers: the one after `after`; 0: no more. */
uint32_t node_link_next(const struct node *n, uint32_t after);

/* Recognition of close friends (section 7), after NODE_LINK_READY: `tags` is what we show; the other side's
 * come as NODE_RECOGNITION, and node_link_set_friend says that one of them was known. */
void node_link_recognise(struct node *n, uint32_t link, const uint8_t tags[RECOGNITION_COUNT][RECOGNITION_LEN]);
void node_link_set_friend(struct node *n, uint32_t link, bool is_friend);

/* ---- Beacons ---- */

/* What to advertise: version 1, load 1, random 8, fingerprint 6, flags 1. Changes with the store and
 * the epoch. */
void node_beacon(const struct node *n, uint8_t out[BEACON_LEN]);

/* What another node's beacon is worth. */
enum beacon_verdict {
    BEACON_FOREIGN,   /* not a beacon of ours, or another version */
    BEACON_OURSELVES,
    BEACON_EQUAL,     /* nothing new there */
    BEACON_SETTLED,   /* differs, but we met since and what differs will not be exchanged */
    BEACON_LINKED,    /* there is a link already */
    BEACON_CALL,      /* worth a link, and ours to open */
    BEACON_AWAIT,     /* worth a link, theirs to open: call only if they have not after some seconds */
};
enum beacon_verdict node_beacon_judge(const struct node *n, struct bytes beacon, uint8_t advert_theirs[ADVERT_RANDOM_LEN]);

/* ---- Bundles of this node ---- */

/* A bundle made here (sealed already). ERR_MALFORMED, ERR_EXISTS, ERR_FULL (own share is full: the reason is shown
 * to the person). Its deadline is its header's expiry, counted from `day_now_h`, the hour the sender believes in. */
enum err node_submit(struct node *n, struct bytes bundle, uint32_t now_h, struct bundle_id *id, uint64_t now_ms);

/* This bundle is for us, from somebody we know: it moves to the contacts' share and goes on being carried. Not to the own
 * share, which is never evicted and from which our own messages are sent: whoever may write to us could fill it. */
enum err node_claim(struct node *n, const struct bundle_id *id);

/* Stops carrying; with a reveal, tells neighbours so that copies are freed (anti-packet, section 9). */
enum err node_release(struct node *n, const struct bundle_id *id, const uint8_t *reveal, uint64_t now_ms);

/* The contributor (storage/store.h) of what is imported. */
enum { CONTRIBUTOR_IMPORT = 1 };

/* Bundles from a file or stick, checked as if a link had brought them. `life_h` is the remaining life it came with. */
enum err node_import(struct node *n, struct bytes bundle, uint8_t hops, uint16_t life_h, uint64_t now_ms);

/* Neighbours whose store fills up ask for proof of work of what strangers bring (section 10). Bundles made here wait for
 * it: NODE_STAMP_WANTED says so once for each, and the work is done in slices, when the caller has nothing better to
 * do, up to what a neighbour demanded and 22 bits at most. */
enum stamp_work {
    STAMP_NONE,       /* nothing to do */
    STAMP_SEARCHING,
    STAMP_FOUND,      /* one was written into its bundle: a turn commits it, and then offers the bundle again */
};
enum stamp_work node_stamp_work(struct node *n, uint32_t tries, uint64_t now_ms);
bool node_has_stamp_work(const struct node *n);

/* ---- The turn ---- */

enum node_event_kind {
    NODE_STORED,        /* a bundle came in: id, seq, link; may be for us */
    NODE_CARRIED,       /* a neighbour has committed a bundle of ours: id, link, copies */
    NODE_DROPPED,       /* a bundle left: id, entry, why (ERR_EXPIRED, ERR_FULL, ERR_NONE for an anti-packet) */
    NODE_REFUSED,       /* a neighbour would not take it: id, why */
    NODE_STAMP_WANTED,  /* one would take it with more proof of work (node_stamp_work): link, entry */
    NODE_LINK_READY,    /* handshake done: link, link_hash */
    NODE_LINK_CLOSED,   /* link, why */
    NODE_LINK_SETTLED,  /* reconciled and all transferred: link */
    NODE_RECOGNITION,   /* the other side's tags: link, tags */
    NODE_PEER_FAULT,    /* a peer broke the rules; its link closes: link, why */
    NODE_BEACON_CHANGED,/* worth a new beacon soon */
    NODE_CURSOR         /* all that we asked a gateway for, up to this cursor, is here and durable: link, cursor */
};

struct node_event {
    enum node_event_kind kind;
    uint32_t link;
    enum err why;
    struct store_entry entry;        /* STORED, CARRIED, DROPPED, REFUSED, STAMP_WANTED */
    uint8_t link_hash[64];           /* LINK_READY */
    bool    is_initiator;            /* LINK_READY */
    uint8_t tags[RECOGNITION_COUNT][RECOGNITION_LEN];  /* RECOGNITION */
    uint8_t cursor[MAILBOX_CURSOR_LEN];                /* CURSOR */
};

bool     node_next_event(struct node *n, struct node_event *out);

/* One database commit for everything since the last. On failure memory is ahead of the disk: close the node and
 * the store and open them anew. */
enum err node_commit(struct node *n);

/* Timers: call node_wake at or after node_wake_at_ms (UINT64_MAX: idle). */
void     node_wake(struct node *n, uint64_t now_ms);
uint64_t node_wake_at_ms(const struct node *n);

/* Counters since birth; plain numbers for status, doctor and tests. */
struct node_counters {
    uint64_t bundles_in, bundles_out, duplicates_in, refused_in, refused_out, bytes_in, bytes_out;
    uint64_t handshakes, handshakes_failed, faults, sketches, sketch_cells, lists, antipackets;
    uint64_t expired, evicted, oversized, stamps_missing, stamps_made, rate_limited;
};
void node_counters(const struct node *n, struct node_counters *out);

#endif
