/* tests/links/party.c - see party.h */
#define _DEFAULT_SOURCE
#include "tests/links/party.h"

#include <event2/event.h>
#include <string.h>
#include <time.h>

#include "crypto/hash.h"
#include "tests/links/spool_bundles.h"
#include "tests/support/check.h"

uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void on_event(void *ctx, const struct node_event *e)
{
    struct party *p = ctx;

    switch (e->kind) {
    case NODE_STORED:       p->stored++; p->stored_at_us = now_us(); break;
    case NODE_CARRIED:      p->carried++; break;
    case NODE_LINK_READY:   p->ready++; break;
    case NODE_LINK_CLOSED:  p->closed++; p->why = e->why; break;
    case NODE_LINK_SETTLED: p->settled++; break;
    case NODE_PEER_FAULT:   p->faults++; p->why = e->why; break;
    case NODE_BEACON_CHANGED:
        p->beacons_changed++;
        if (p->on_beacon_changed != NULL)
            p->on_beacon_changed(p->on_beacon_changed_ctx);
        break;
    default: break;
    }
}

static void on_turn(void *ctx) { ((struct party *)ctx)->turns++; }

static void on_commit_failed(void *ctx, enum err why)
{
    (void)why;
    ((struct party *)ctx)->commits_failed++;
}

void party_init(struct party *p, struct event_base *base, uint64_t seed, const char *path)
{
    memset(p, 0, sizeof *p);
    REQUIRE(crypto_start() == ERR_NONE);
    p->base = base;
    seeded_init(&p->seed, seed);
    p->rng = seeded_rng(&p->seed);
    REQUIRE((path != NULL ? db_open_lmdb(&p->db, path, NULL) : db_open_mem(&p->db)) == ERR_NONE);
    REQUIRE(store_open(&p->store, p->db, NULL) == ERR_NONE);
    struct node_config config = { .store = p->store, .db = p->db, .rng = p->rng, .now_ms = now_us() / 1000,
                                  .wall_unix_s = (uint64_t)time(NULL), .is_wall_trusted = true };
    struct host_app app = { p, on_event, on_turn, on_commit_failed };

    REQUIRE(node_new(&p->node, &config) == ERR_NONE);
    REQUIRE(host_new(&p->host, base, p->node, &app) == ERR_NONE);
}

void party_clear(struct party *p)
{
    host_free(p->host);
    node_free(p->node);
    store_close(p->store);
    db_close(p->db);
}

void party_submit(struct party *p, unsigned count, uint8_t size_code)
{
    static uint8_t octets[BUNDLE_LEN_MAX];
    uint32_t now_h = hour_of_unix((uint64_t)time(NULL));
    struct bundle_id id;

    for (unsigned i = 0; i < count; i++) {
        struct bytes b = bundle_make(octets, &p->rng, size_code, now_h + 72);

        REQUIRE(node_submit(p->node, b, now_h, &id, host_now_ms(p->host)) == ERR_NONE);
    }
    host_poke(p->host);
}

size_t party_count(const struct party *p)
{
    struct store_usage u;

    store_usage(p->store, &u);
    return u.count;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
}

bool run_until(struct event_base *base, unsigned ms, bool (*claim)(void *ctx), void *ctx)
{
    uint64_t end_us = now_us() + (uint64_t)ms * 1000;
    struct timeval often = { 0, 5000 };
    /* The loop has to come back for the claim to be looked at even when nothing happens. */
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    bool holds;

    event_add(tick, &often);
    while (!(holds = claim(ctx)) && now_us() < end_us)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(tick);
    return holds;
}

static bool never(void *ctx) { (void)ctx; return false; }

void run_for(struct event_base *base, unsigned ms)
{
    (void)run_until(base, ms, never, NULL);
}
