/* A node with all that is under it and a host above, for the tests of this room. */
#ifndef STA_TESTS_PARTY_H
#define STA_TESTS_PARTY_H

#include "mesh/links/host.h"
#include "storage/db.h"
#include "tests/support/seeded.h"

struct party {
    struct event_base *base;
    struct db *db;
    struct store *store;
    struct node *node;
    struct host *host;
    struct seeded seed;
    struct rng rng;
    unsigned stored, carried, ready, closed, settled, faults, beacons_changed, turns, commits_failed;
    uint64_t stored_at_us;      /* the last NODE_STORED */
    enum err why;               /* of the last NODE_LINK_CLOSED or PEER_FAULT */
    void (*on_beacon_changed)(void *ctx);
    void *on_beacon_changed_ctx;
};

/* In memory, or in the folder `path`. */
void party_init(struct party *p, struct event_base *base, uint64_t seed, const char *path);
void party_clear(struct party *p);

/* Submits `count` bundles of this size code. */
void party_submit(struct party *p, unsigned count, uint8_t size_code);

/* Bundles carried. */
size_t party_count(const struct party *p);

/* Runs the loop until the claim holds; false after `ms`. */
bool run_until(struct event_base *base, unsigned ms, bool (*claim)(void *ctx), void *ctx);
void run_for(struct event_base *base, unsigned ms);
uint64_t now_us(void);

#endif
