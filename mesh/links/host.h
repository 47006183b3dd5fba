/* mesh/links/host.h - turns a node's crank with libevent.
 *
 * The host owns the turn (mesh/node.h): whatever transports and the app do to the node, the host then runs events,
 * commit and frames once, in that order. Transports give it connected bufferevents; it owns them from then on.
 * One host, one node, one event_base, one thread. A turn runs after all that was ready in one pass of the loop, so that a
 * busy node commits much at once and an idle one adds no delay. SIGPIPE is ignored from the first host on.
 */
#ifndef STA_LINKS_HOST_H
#define STA_LINKS_HOST_H

#include "mesh/node.h"

struct host;
struct event_base;
struct bufferevent;

struct host_app {
    void *ctx;
    /* An event of the node, before the commit of its turn; may call node_ and archive_ calls. */
    void (*on_event)(void *ctx, const struct node_event *event);
    /* After a turn was committed and sent: tell people. May be NULL. */
    void (*on_turn)(void *ctx);
    /* The commit failed; the host has stopped turning. */
    void (*on_commit_failed)(void *ctx, enum err why);
};

enum err host_new(struct host **out, struct event_base *base, struct node *node, const struct host_app *app);
/* Closes all transports it holds. The node stays the caller's. */
void     host_free(struct host *h);

/* Monotonic milliseconds (CLOCK_MONOTONIC), read once per turn. */
uint64_t host_now_ms(const struct host *h);

/* A turn will run before the loop sleeps again: call after anything that touched the node. */
void     host_poke(struct host *h);

/* A connected stream. Takes `bev` (freed even on failure). `label` is for people: an address or the like, copied. */
enum err host_link_add(struct host *h, struct bufferevent *bev, const struct link_open *how, const char *label,
                       uint32_t *link);

/* A transport knows that its stream is dead though nothing says so. Harmless for a link that is closed. */
void     host_link_drop(struct host *h, uint32_t link);

/* A transport learns that its link is gone, by this callback, which must not add links. ERR_FULL: eight are registered. */
typedef void host_link_gone(void *ctx, uint32_t link);
enum err host_on_link_gone(struct host *h, host_link_gone *gone, void *ctx);
void     host_off_link_gone(struct host *h, host_link_gone *gone, void *ctx);

/* "fe80::1%eth0" or so; NULL when unknown. Lent until the link closes. */
const char *host_link_label(const struct host *h, uint32_t link);

/* Walks links that are open. */
typedef void host_visit(void *ctx, uint32_t link, const char *label);
void     host_walk(const struct host *h, host_visit *visit, void *ctx);

#endif
