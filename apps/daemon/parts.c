/* apps/daemon/parts.c - what a running node consists of. */
#include "apps/daemon/parts.h"

#include "apps/daemon/gateways.h"
#include "apps/service/clock.h"

uint64_t parts_now_ms(const struct parts *p)
{
    return p->host != NULL ? host_now_ms(p->host) : clock_now_ms();
}

static void on_link(struct parts *p, const struct node_event *event, uint64_t now_ms)
{
    const char *label = p->host != NULL ? host_link_label(p->host, event->link) : NULL;

    if (event->kind == NODE_LINK_READY || event->kind == NODE_LINK_CLOSED) {
        p->link_changes++;
        p->last_link_ms = now_ms;
    }
    if (event->kind == NODE_LINK_READY) {
        log_line(p->log, LOG_LEVEL_DEBUG, "a neighbour: %s", label != NULL ? label : "unknown");
    } else if (event->kind == NODE_PEER_FAULT) {
        log_line(p->log, LOG_LEVEL_DEBUG, "closed a link that broke the rules: %s (%s)", label != NULL ? label : "unknown",
                 err_text(event->why));
    }
}

void parts_on_event(struct parts *p, const struct node_event *event)
{
    uint64_t now_ms = parts_now_ms(p);

    if (p->messenger != NULL)
        messenger_on_event(p->messenger, event, clock_wall_unix_s(), now_ms);
    if (event->kind == NODE_BEACON_CHANGED && p->lan != NULL)
        lan_beacon_changed(p->lan);
    if (p->uplink != NULL) {
        struct uplink_info info;

        uplink_on_event(p->uplink, event);
        uplink_info(p->uplink, &info);
        /* Its clock may be right where ours is not. */
        if (event->kind == NODE_LINK_READY && info.link == event->link) {
            p->is_mailbox_stale = true;
            gateways_link_ready(p);
        }
        if (event->kind == NODE_CURSOR && info.link == event->link)
            gateways_keep_cursor(p, info.gateway_key);
    }
    if (p->bluetooth != NULL)
        bluetooth_on_event(p->bluetooth, event);
    on_link(p, event, now_ms);
}

void parts_drain(void *ctx)
{
    struct parts *p = ctx;
    struct node_event event;

    while (p->node != NULL && node_next_event(p->node, &event))
        parts_on_event(p, &event);
}
