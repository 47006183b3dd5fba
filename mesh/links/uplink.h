/* mesh/links/uplink.h - the way to the internet: one link to one of the gateways this node was invited to.
 *
 * Addresses are raced, the one that worked last a little ahead; the first that takes our token becomes the link, the others
 * are dropped. Addresses without TLS come last, when the others have had their chance. When none works there is a pause that grows, and ends at once when the network changes. Over TLS 1.3, then a request
 * that only an invite's secret tells from a browser's, then the node's own handshake (docs/protocol.md section 11).
 */
#ifndef STA_LINKS_UPLINK_H
#define STA_LINKS_UPLINK_H

#include "mesh/links/gateway_link.h"
#include "mesh/links/host.h"
#include "mesh/links/proxy.h"

enum {
    UPLINK_GATEWAYS_MAX = 16,
    UPLINK_ERROR_MAX    = 192,
    UPLINK_RACE_MS      = 400,     /* one more address is tried after */
    UPLINK_TRY_MS       = 15000,   /* an address that takes longer does not work */
    UPLINK_PLAIN_MS     = 5000,    /* before an address without TLS is tried while others still may work */
    UPLINK_PAUSE_MS     = 1000,    /* after all have failed; doubles ... */
    UPLINK_PAUSE_MAX_MS = 300000,  /* ... up to this */
    UPLINK_STEADY_MS    = 60000,   /* a link that lasted as long begins with the short pause again */
};

struct uplink;
struct event_base;

/* `kind`: LINK_UPLINK, or LINK_PEER of a gateway that calls another. */
enum err uplink_new(struct uplink **out, struct event_base *base, struct host *host, struct node *node, enum link_kind kind, const struct rng *rng);
void     uplink_free(struct uplink *u);   /* takes NULL; the link goes down */

/* Replaces the list, in order of preference. What is known of gateways that stay is kept; a link to one that does not is
 * dropped. ERR_TOO_LARGE. */
enum err uplink_set_gateways(struct uplink *u, const struct gateway *list, size_t count);

/* Through whom, from now on; PROXY_NONE: directly. A link that went another way is dropped. With a proxy, nothing at all
 * goes out beside it: no name is looked up here but the proxy's own. */
void     uplink_set_proxy(struct uplink *u, const struct proxy *proxy);

/* No link, and no try for one, for this reason (a sentence for a person, copied); NULL: as usual. */
void     uplink_pause(struct uplink *u, const char *why);

/* What to fetch, from now on. ERR_TOO_LARGE: more than MAILBOX_PREFIXES_MAX; ERR_NO_MEMORY. */
enum err uplink_set_prefixes(struct uplink *u, const struct mailbox_prefix *prefixes, size_t count);

/* Hand every event of the node over. */
void     uplink_on_event(struct uplink *u, const struct node_event *event);

/* How far a gateway's mailbox has been fetched, to be kept over a restart: all that was asked for is here up to the cursor. It is worth
 * nothing to who asks for more than then, which `bits` tells: of the shortest prefix that was asked for. */
struct uplink_cursor { uint8_t cursor[MAILBOX_CURSOR_LEN], bits; };

/* Of the gateway with this key; false: nothing is known. Restoring does not undo what was learned since the start. */
bool     uplink_cursor(const struct uplink *u, const uint8_t key[GATEWAY_PUBLIC_LEN], struct uplink_cursor *out);
void     uplink_restore_cursor(struct uplink *u, const uint8_t key[GATEWAY_PUBLIC_LEN], const struct uplink_cursor *cursor);


struct uplink_info {
    size_t   gateway_count;
    uint32_t link;            /* 0: none */
    size_t   gateway;         /* which, when there is a link */
    uint8_t  gateway_key[GATEWAY_PUBLIC_LEN];   /* its key */
    bool     is_ready;
    bool     is_trying;
    uint32_t pause_ms;        /* until the next try, when none is under way */
    uint64_t links;           /* made since the start */
    char     last_error[UPLINK_ERROR_MAX]; /* why the last address failed; empty: none did */
};
void     uplink_info(const struct uplink *u, struct uplink_info *out);

#endif
