/* apps/simulator/world.h - many nodes under the reference rules of tests/traces/README.md.
 *
 * Events drive it, not ticks: time advances on a grid of 0.1 s, but only ticks on which something can happen are
 * visited. A node takes part in at most one transfer at a time; a transfer lasts size/rate rounded up to whole
 * ticks; one that has not ended when its link goes down is aborted and leaves nothing behind; a full buffer drops
 * what the policy says, by default the oldest; what routers tell one another is free.
 *
 * What a node may give over a link stands in a heap per direction, built once per contact and kept up to date, so
 * that neither a tick nor a transfer looks through the store.
 */
#ifndef STA_SIMULATOR_WORLD_H
#define STA_SIMULATOR_WORLD_H

#include "apps/simulator/dice.h"
#include "apps/simulator/table.h"
#include "apps/simulator/trace.h"

enum { TICK_CS = 10, TICKS_PER_S = 10, NONE = 0xffffffff };

struct policy_kind;

/* Parts of policy_staffetta that can be switched off, to see what they are worth. */
enum ablation {
    ABLATE_ANTIPACKETS = 1,  /* delivered copies stay */
    ABLATE_PROMPTNESS  = 2,  /* anti-packets leave two hours after the delivery */
    ABLATE_REFUSAL     = 4,  /* a full store takes a newcomer and evicts */
    ABLATE_BUDGET      = 8,  /* 16 copies for every bundle */
    ABLATE_PATIENCE    = 16, /* no copies beyond the first budget */
    ABLATE_ORDER       = 32, /* offers in random order */
    ABLATE_EVICTION    = 64, /* the oldest goes */
};

/* How nodes that do not play by the rules misbehave. */
enum conduct {
    CONDUCT_HONEST,
    CONDUCT_BLACK_HOLE, /* takes what it is offered and keeps nothing; sends its own */
};

/* What happened, for those who want to see it. */
enum world_event_kind { WORLD_UP, WORLD_DOWN, WORLD_CREATED, WORLD_STARTED, WORLD_RELAYED, WORLD_DELIVERED, WORLD_ABORTED, WORLD_DROPPED };

struct world_event {
    enum world_event_kind kind;
    int64_t tick;
    uint32_t node, peer, message; /* NONE where there is none */
};

struct world_config {
    void (*watch)(void *state, const struct world_event *e); /* may be NULL */
    void *watch_state;
    const struct trace *trace;
    const struct policy_kind *policy;
    uint32_t spray_copies;       /* for Spray and Wait */
    uint32_t ablation;           /* bits of policy_staffetta: parts switched off */
    uint64_t seed;
    int64_t ttl_ticks, end_ticks;
    uint64_t rate_bytes_per_s;
    uint64_t buffer_bytes;
    uint32_t big_from, big_to;   /* nodes in [big_from, big_to) have big_buffer_bytes */
    uint64_t big_buffer_bytes;
    double black_holes;          /* share of the nodes */
    double flooders;             /* likewise; under the stack rules */
};

/* One node's copy of a message. */
struct copy {
    uint32_t message, node;
    uint32_t newer, older;          /* in the node, by time of reception; NONE at the ends */
    uint32_t next_holder, last_holder; /* of the same message */
    int64_t received;               /* tick */
    uint32_t path;                  /* index into world.paths: the nodes it came through */
    uint16_t hops;
    uint32_t tokens;                /* copies it may still make: policy */
    float mark;                     /* policy */
    uint32_t count;                 /* policy */
};

struct message {
    uint32_t from, to, size, ticks; /* ticks: how long a transfer takes */
    int64_t created, expires, delivered; /* delivered -1: not yet */
    uint32_t holder, holder_count, delivered_hops;
    uint32_t given_count;           /* transfers to anyone, ever */
    bool is_expired;
};

struct offer {
    double rank;
    uint32_t message;
};

struct side {                       /* one direction of a link */
    struct offer *offers;           /* a heap, best first */
    size_t count, cap;
    uint32_t epoch;
    bool is_built;
};

struct link {
    uint32_t node[2];
    struct side side[2];            /* side[i]: from node[i] to the other */
    int64_t up_at, ends_at;
    uint64_t bytes_moved;
    uint32_t message;               /* being transferred, or NONE */
    uint32_t sender;                /* 0 or 1 */
    uint32_t serial;                /* tells this use of the slot from another */
    bool is_up;
};

struct node {
    uint64_t buffer, used;
    uint32_t oldest, newest, copy_count;
    uint32_t *links;
    size_t link_count, link_cap;
    uint32_t busy;                  /* the link it transfers on, or NONE */
    uint32_t epoch;                 /* raised when ranks of its offers change */
    enum conduct conduct;
    int64_t queued;                 /* the tick it is on the list for; -1: none */
    bool was_freed, is_done;
};

struct path { uint32_t node, before; };

struct world_figures {
    uint64_t created, delivered, relayed, started, aborted, dropped, contacts;
    double delivery, overhead, median_s, mean_s, hops;
};

struct world {
    struct world_config config;
    struct dice dice;
    int64_t now;                    /* tick */
    struct node *nodes;
    uint32_t node_count;
    struct message *messages;
    size_t message_count, message_cap;
    struct copy *copies;
    size_t copy_count, copy_cap;
    uint32_t free_copy;
    struct link *links;
    size_t link_count, link_cap;
    uint32_t free_link;
    struct path *paths;
    size_t path_count, path_cap;
    struct table held;              /* (node, message) -> copy */
    struct table linked;            /* (low, high) -> link */
    struct due { int64_t tick; uint32_t link, serial; } *due; /* heap of transfers that end */
    size_t due_count, due_cap;
    uint32_t *turn, *next_turn;     /* nodes to look at in this tick, in the next */
    size_t turn_count, turn_cap, next_count, next_cap;
    size_t turn_at;                 /* in the middle of the turn */
    size_t event_at, expire_at;
    void *policy;
    struct world_figures sums;
    double latency_sum, hop_sum;
    uint64_t buffer_sum, used_sum;
};

struct policy_kind {
    const char *name, *paper;
    bool picks_best_link;  /* the best offer of all links, not the first link's */
    void  *(*create)(struct world *w);
    void   (*destroy)(struct world *w);
    void   (*meet)(struct world *w, uint32_t a, uint32_t b);
    void   (*part)(struct world *w, uint32_t a, uint32_t b, int64_t ticks, uint64_t bytes_moved);
    void   (*created)(struct world *w, struct copy *c);
    /* Before the offers of a direction are ranked anew. */
    void   (*prepare)(struct world *w, uint32_t from, uint32_t to);
    /* Larger is sooner; below 0: never, until an epoch says otherwise. */
    double (*rank)(struct world *w, uint32_t from, uint32_t to, const struct copy *c);
    /* A transfer is done. there is NULL when `to` is the recipient. True: the sender's copy goes. */
    bool   (*given)(struct world *w, uint32_t from, uint32_t to, struct copy *here, struct copy *there);
    /* Which copy makes room (NULL: the oldest); NONE: the newcomer is not worth it. */
    uint32_t (*victim)(struct world *w, uint32_t node, uint32_t newcomer, uint32_t giver);
};

/* The row of this name, or NULL. */
const struct policy_kind *policy_find(const char *name);
extern const struct policy_kind *const policy_table[]; /* ends with NULL */

enum { RANK_DELIVERY = 1000000000 }; /* to the recipient itself goes before all else */

struct world *world_new(const struct world_config *config);
void world_free(struct world *w);

/* Up to and including this tick; false when there is nothing left to happen. */
bool world_run(struct world *w, int64_t until);

void world_figures(const struct world *w, struct world_figures *out);

/* For policies. */
struct copy *world_copy(const struct world *w, uint32_t node, uint32_t message); /* or NULL */
void world_drop(struct world *w, struct copy *c, bool is_loss); /* not while it is being sent */
bool world_is_sending(const struct world *w, const struct copy *c);
void world_bump(struct world *w, uint32_t node);                /* ranks have changed */
bool world_path_has(const struct world *w, uint32_t path, uint32_t node);

#endif
