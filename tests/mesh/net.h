/* tests/mesh/net.h - a small network of real nodes in memory: virtual clock, seeded, no sleeping.
 *
 * Nodes have a memory database and a store each. Wires between two nodes have latency and bandwidth, cut the
 * stream in random places and may break at any byte. The net turns each node's crank in the order of mesh/node.h.
 */
#ifndef STA_TESTS_NET_H
#define STA_TESTS_NET_H

#include "mesh/node.h"
#include "tests/support/seeded.h"

enum { NET_NODES_MAX = 64, NET_WIRES_MAX = 256, NET_EVENT_KINDS = NODE_CURSOR + 1 };

struct net_node {
    struct db *db;
    struct store *store;
    struct node *node;
    struct node_config config;
    struct store_config store_config;
    struct seeded random;
    uint64_t events[NET_EVENT_KINDS];   /* counted */
    uint64_t stored_twice;              /* NODE_STORED for a bundle already told */
    struct node_event last[NET_EVENT_KINDS];
    uint64_t turns;
    enum err commit_failed;             /* the node is down since */
};

struct net_segment { uint64_t arrive_ms; size_t len; uint8_t *at; };

/* One direction of a wire. */
struct net_pipe {
    struct net_segment *queue;
    size_t head, len, cap;
    uint64_t busy_until_us;
    uint64_t bytes, frames, flights;    /* flights: runs of frames in this direction */
    uint64_t first_bundle_flight;       /* of the whole wire; 0: none yet */
};

struct net_wire {
    bool is_up;
    int node[2];
    uint32_t link[2];
    uint32_t latency_ms, bytes_per_s;   /* 0: no limit */
    uint64_t break_after;               /* bytes in both directions; 0: never */
    struct net_pipe pipe[2];            /* [i]: from node[i] */
    uint64_t flights;                   /* counted over both directions */
    int last_from;
};

struct net {
    struct seeded random;
    uint64_t now_ms;
    struct net_node nodes[NET_NODES_MAX];
    int node_count;
    struct net_wire wires[NET_WIRES_MAX];
    int wire_count;
    bool is_pull_before_commit;         /* a wrong driver, to see what it can break */
    bool is_cut;                        /* streams arrive in random pieces */
    bool is_address_written;            /* who connects has not heard the other's beacon */
    bool is_slow;                       /* wires connected from now on are radio: large bundles wait for a better link */
    void (*on_event)(struct net *net, int node, const struct node_event *e, void *ctx);
    void *ctx;
};

void net_init(struct net *net, uint64_t seed);
void net_clear(struct net *net);

/* A node of its own database; `config` gives what is not zero (store, db and rng are set here). */
int  net_add(struct net *net, const struct node_config *config, const struct store_config *store_config);

/* Drops the node, rolls its database back and opens all anew: a crash. All its wires break. */
void net_crash(struct net *net, int node);

/* Connects. `kind` as for node_link_open; returns the wire. */
int  net_connect(struct net *net, int a, int b, uint32_t latency_ms, uint32_t bytes_per_s, uint32_t frame_max);
/* The same, with what each end says of the link. */
int  net_connect_as(struct net *net, int a, int b, const struct link_open *hows[2]);
void net_break(struct net *net, int wire);

/* One turn of one node; then the time goes on to the next arrival or timer. False: nothing will ever happen. */
void net_turn(struct net *net, int node);
bool net_step(struct net *net, uint64_t until_ms);
void net_run(struct net *net, uint64_t duration_ms);
/* Runs until every wire that is up is settled on both ends; false: not within the time. */
bool net_settle(struct net *net, uint64_t within_ms);

/* A well-formed sealed bundle, random but for its header. Returns its length. */
struct net_bundle { uint8_t size_code, bundle_class; uint32_t expiry_h; uint8_t stamp_bits; const uint8_t *tag; };
size_t net_make_bundle(struct seeded *g, const struct net_bundle *how, uint8_t *to);

/* Submits `count` fresh sealed bundles of 256 << size_code; the id of the last in `id` (may be NULL). */
void net_submit(struct net *net, int node, size_t count, uint8_t size_code, struct bundle_id *id);

/* Submits one such bundle. */
void net_submit_one(struct net *net, int node, const struct net_bundle *how, struct bundle_id *id);

bool net_has(const struct net *net, int node, const struct bundle_id *id);
size_t net_count(const struct net *net, int node);
bool net_is_equal(const struct net *net, int a, int b);
uint64_t net_duplicates(const struct net *net, int node);   /* that came to it */
enum beacon_verdict net_judge(const struct net *net, int who, int whom);
uint64_t net_faults(const struct net *net);
uint64_t net_wire_bytes(const struct net *net, int wire);

enum { NET_HOUR = 690 * 24 };   /* 2026-11-22, when expiries are reckoned from */

#endif
