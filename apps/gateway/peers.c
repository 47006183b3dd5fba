/* apps/gateway/peers.c - see peers.h */
#include "apps/gateway/peers.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/links/uplink.h"

struct peer {
    struct uplink *uplink;
    char name[GATEWAY_HOST_MAX + 1];   /* its first address */
    bool was_ready, is_failure_told;
    uint64_t links;                    /* made, as told last */
};

struct peers {
    const struct log *log;
    size_t count;
    struct peer list[GW_PEERS_MAX];
};

enum err peers_new(struct peers **out, struct event_base *base, const struct log *log, struct host *host, struct node *node,
                   const struct rng *rng, const struct gateway *list, size_t count)
{
    struct peers *p = calloc(1, sizeof *p);
    enum err e = ERR_NONE;

    if (p == NULL)
        return ERR_NO_MEMORY;
    p->log = log;
    while (p->count < count && e == ERR_NONE) {
        struct peer *one = &p->list[p->count];

        memcpy(one->name, list[p->count].addresses[0].host, sizeof one->name);
        if ((e = uplink_new(&one->uplink, base, host, node, LINK_PEER, rng)) != ERR_NONE)
            break;
        e = uplink_set_gateways(one->uplink, &list[p->count++], 1);
    }
    if (e != ERR_NONE) {
        peers_free(p);
        return e;
    }
    *out = p;
    return ERR_NONE;
}

void peers_free(struct peers *p)
{
    if (p == NULL)
        return;
    peers_stop(p);
    free(p);
}

void peers_stop(struct peers *p)
{
    for (size_t i = 0; i < p->count; i++)
        uplink_free(p->list[i].uplink);
    p->count = 0;
}

void peers_on_event(struct peers *p, const struct node_event *event)
{
    for (size_t i = 0; i < p->count; i++)
        uplink_on_event(p->list[i].uplink, event);
}

/* What fails is told once until it works again. */
void peers_tend(struct peers *p)
{
    struct uplink_info info;

    for (size_t i = 0; i < p->count; i++) {
        struct peer *one = &p->list[i];

        uplink_info(one->uplink, &info);
        if (info.is_ready != one->was_ready)
            log_line(p->log, LOG_LEVEL_INFO, "peer %s: %s", one->name, info.is_ready ? "linked" : "the link has ended; it is called again");
        else if (!info.is_ready && info.last_error[0] != '\0' && !one->is_failure_told)
            log_line(p->log, LOG_LEVEL_WARNING, "peer cannot be reached: %s", info.last_error);
        else if (!info.is_ready && info.link == 0 && info.links > one->links && !one->is_failure_told)
            log_line(p->log, LOG_LEVEL_WARNING, "peer %s: hangs up on us; the key peer wants a link of `invite --for-gateway`", one->name);
        else
            continue;
        one->is_failure_told = !info.is_ready && info.is_ready == one->was_ready;
        one->was_ready = info.is_ready;
        one->links = info.links;
    }
}

size_t peers_linked(const struct peers *p)
{
    struct uplink_info info;
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++) {
        uplink_info(p->list[i].uplink, &info);
        count += info.is_ready;
    }
    return count;
}
