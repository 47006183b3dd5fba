/* mesh/links/lan_tcp.h - TCP streams to and from neighbours, up to the point where they are links.
 *
 * Listens, and hands the host each stream whose preamble is right; calls, and hands over each that answers.
 * Bounded: streams without a preamble, calls under way, and both of them by address.
 */
#ifndef STA_LINKS_LAN_TCP_H
#define STA_LINKS_LAN_TCP_H

#include "mesh/links/host.h"
#include "mesh/links/lan_wire.h"

struct lan_tcp;
struct event_base;

enum {
    LAN_UNFINISHED_MAX      = 32,    /* inbound streams without a whole preamble */
    LAN_UNFINISHED_HOST_MAX = 8,     /* of one address */
    LAN_LINKS_HOST_MAX      = LINKS_MAX / 2, /* links that one address called for */
    LAN_ACCEPT_BURST        = 64,    /* streams of one address at once ... */
    LAN_ACCEPT_GAP_MS       = 250,   /* ... and then one in this time: each may cost a look through a large store */
    LAN_CALLERS_MAX         = 64,    /* addresses that are remembered for that */
    LAN_PREAMBLE_MS         = 5000,
    LAN_CALLS_MAX           = 8,     /* under way */
    LAN_CALLS_HOST_MAX      = 2,     /* to one address */
    LAN_CALL_MS             = 5000,  /* two lost SYNs */
    LAN_PORTS_TRIED         = 17,    /* LAN_PORT_DEFAULT and the sixteen after it */
    LAN_DEAD_MS             = 120000 /* unacknowledged bytes: the peer is gone */
};

/* How a call ended: ERR_NONE with its link, or why not. `errno_seen` is the system's reason, 0: none. */
typedef void lan_call_done(void *ctx, uint32_t cookie, enum err e, int errno_seen, uint32_t link);

/* `listen` as in lan_config. ERR_IO, ERR_MALFORMED: `why` says what to do. */
enum err lan_tcp_new(struct lan_tcp **out, struct event_base *base, struct host *host, struct node *node,
                     const char *listen, lan_call_done *done, void *ctx, char why[256]);
void     lan_tcp_free(struct lan_tcp *t);   /* calls under way end without a word */

/* Where it listens; lent. */
const struct lan_address *lan_tcp_address(const struct lan_tcp *t);

/* Interfaces changed: closes the links whose own address this machine has no more. TCP would hold on to them for minutes, and
 * the node would believe itself in contact. */
void     lan_tcp_check(struct lan_tcp *t);
void     lan_tcp_link_gone(struct lan_tcp *t, uint32_t link);

/* Calls. `advert_theirs` is NULL when no beacon was heard. ERR_FULL: enough calls are under way, here or to that
 * address. ERR_IO: it failed at once. In both cases `done` is not called; otherwise once, and never before return. */
enum err lan_tcp_call(struct lan_tcp *t, const struct lan_address *to, const uint8_t *advert_theirs, uint32_t cookie);

#endif
