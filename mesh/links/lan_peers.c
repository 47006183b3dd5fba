/* mesh/links/lan_peers.c - see lan_peers.h */
#include "mesh/links/lan_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/links/lan_resolve.h"

enum { RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 60000, BUSY_MS = 500, STEADY_MS = 30000 };

enum peer_state { PEER_WAITING, PEER_RESOLVING, PEER_CALLING, PEER_LINKED };

struct peer {
    struct lan_peers *peers;
    struct lan_place place;
    enum peer_state state;
    struct lan_resolve *lookup;
    struct lan_address list[LAN_RESOLVE_MAX];
    size_t count, at;          /* addresses, and the one to call */
    uint64_t due_ms;           /* WAITING */
    uint64_t linked_ms;        /* LINKED */
    uint32_t link;
    unsigned failures;
};

struct lan_peers {
    struct event_base *base;
    struct host *host;
    struct lan_tcp *tcp;
    struct rng rng;
    void (*wake)(void *ctx);
    void *wake_ctx;
    size_t count;
    struct peer list[LAN_PEERS_MAX];
};

uint32_t lan_backoff_ms(unsigned failures, uint32_t first_ms, uint32_t most_ms, const struct rng *g)
{
    uint64_t ms = (uint64_t)first_ms << (failures < 20 ? failures : 20);

    if (ms > most_ms)
        ms = most_ms;
    return (uint32_t)(ms - ms / 4 + rng_below(g, (uint32_t)(ms / 4 + 1)));
}

enum err lan_peers_new(struct lan_peers **out, struct event_base *base, struct host *host, struct lan_tcp *tcp,
                       const struct rng *g, const struct lan_config *config, void (*wake)(void *ctx), void *ctx,
                       char why[256])
{
    enum err e;
    struct lan_peers *p = calloc(1, sizeof *p);

    if (p == NULL)
        return ERR_NO_MEMORY;
    *p = (struct lan_peers){ .base = base, .host = host, .tcp = tcp, .rng = *g, .wake = wake, .wake_ctx = ctx };
    if (config->peer_count > LAN_PEERS_MAX) {
        if (why != NULL)
            snprintf(why, 256, "%zu peers are too many: at most %d", config->peer_count, LAN_PEERS_MAX);
        e = ERR_TOO_LARGE;
        goto failed;
    }
    for (size_t i = 0; i < config->peer_count; i++) {
        struct peer *peer = &p->list[i];

        if ((e = lan_place_parse(&peer->place, config->peers[i], false, why)) != ERR_NONE)
            goto failed;
        peer->peers = p;
        p->count++;
    }
    *out = p;
    return ERR_NONE;
failed:
    lan_peers_free(p);
    return e;
}

void lan_peers_free(struct lan_peers *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++)
        lan_resolve_cancel(p->list[i].lookup);
    free(p);
}

static void peer_failed(struct peer *p, uint64_t now_ms)
{
    p->state = PEER_WAITING;
    p->count = p->at = 0;
    p->due_ms = now_ms + lan_backoff_ms(p->failures++, RETRY_FIRST_MS, RETRY_MOST_MS, &p->peers->rng);
    p->peers->wake(p->peers->wake_ctx);
}

/* Goes through the addresses until one call is under way. */
static void peer_call(struct peer *p, uint64_t now_ms)
{
    for (; p->at < p->count; p->at++) {
        enum err e = lan_tcp_call(p->peers->tcp, &p->list[p->at], NULL,
                                  (uint32_t)(LAN_PEER_COOKIE + (p - p->peers->list)));

        if (e == ERR_NONE) {
            p->state = PEER_CALLING;
            return;
        }
        if (e == ERR_FULL) {
            p->state = PEER_WAITING;
            p->due_ms = now_ms + BUSY_MS;
            p->peers->wake(p->peers->wake_ctx);
            return;
        }
    }
    peer_failed(p, now_ms);
}

static void on_resolved(void *ctx, const struct lan_address *list, size_t count)
{
    struct peer *p = ctx;

    p->lookup = NULL;
    memcpy(p->list, list, count * sizeof *list);
    p->count = count;
    p->at = 0;
    peer_call(p, host_now_ms(p->peers->host));
}

static void peer_start(struct peer *p, uint64_t now_ms)
{
    if (p->at < p->count) {
        peer_call(p, now_ms);
    } else if (lan_place_is_numeric(&p->place, &p->list[0])) {
        p->count = 1;
        p->at = 0;
        peer_call(p, now_ms);
    } else if (lan_resolve_start(&p->lookup, p->peers->base, &p->place, on_resolved, p) == ERR_NONE) {
        p->state = PEER_RESOLVING;
    } else {
        peer_failed(p, now_ms);
    }
}

uint64_t lan_peers_wake(struct lan_peers *p, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < p->count; i++) {
        struct peer *peer = &p->list[i];

        if (peer->state == PEER_WAITING && peer->due_ms <= now_ms)
            peer_start(peer, now_ms);
        if (peer->state == PEER_WAITING && peer->due_ms < next)
            next = peer->due_ms;
    }
    return next;
}

void lan_peers_call_done(struct lan_peers *p, uint32_t cookie, enum err e, uint32_t link, uint64_t now_ms)
{
    struct peer *peer = &p->list[cookie - LAN_PEER_COOKIE];

    if (e != ERR_NONE) {
        peer->at++;
        peer_call(peer, now_ms);
        return;
    }
    peer->state = PEER_LINKED;
    peer->link = link;
    peer->linked_ms = now_ms;
}

void lan_peers_link_gone(struct lan_peers *p, uint32_t link, uint64_t now_ms)
{
    for (size_t i = 0; i < p->count; i++) {
        struct peer *peer = &p->list[i];

        if (peer->state != PEER_LINKED || peer->link != link)
            continue;
        /* A peer that closes at once is busy or broken; one that stood for a while deserves a quick call. */
        if (now_ms - peer->linked_ms >= STEADY_MS)
            peer->failures = 0;
        peer_failed(peer, now_ms);
    }
}

bool lan_peers_has(const struct lan_peers *p, const struct lan_address *a)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct peer *peer = &p->list[i];

        if ((peer->state == PEER_CALLING || peer->state == PEER_LINKED) && peer->at < peer->count &&
            lan_address_is_equal(&peer->list[peer->at], a))
            return true;
    }
    return false;
}
