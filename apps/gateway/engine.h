/* apps/gateway/engine.h - the engine of gateways that share PostgreSQL databases: what one was brought, all can hand out.
 *
 * The gateway stays a node with a store of its own, which is its spool and its cache. What users bring is committed there
 * and flows in batches into the database of its shard (by the first octet of the bucket); acknowledged is what the
 * database has made durable, or, when it has been away or slow for two seconds, what is durable in the spool,
 * where nothing evicts it until it has flowed on. In the other direction the engine fetches those first octets that users of this gateway
 * ask for, and follows them from then on. So memory and disk here are bounded by `capacity`, whatever the cluster holds.
 * What is delivered is freed everywhere: its row loses its body, and the other gateways their copies.
 */
#ifndef STA_GATEWAY_ENGINE_H
#define STA_GATEWAY_ENGINE_H

#include "apps/gateway/config.h"
#include "mesh/links/host.h"

struct engine;

/* All are the caller's and outlive it. ERR_MALFORMED: a connection string; the log says which. ERR_NO_MEMORY, ERR_IO. */
enum err engine_new(struct engine **out, struct event_base *base, const struct log *log, const struct gw_config *config, struct db *db,
                    struct store *store, struct node *node, struct host *host);
void     engine_free(struct engine *e);   /* takes NULL */

void     engine_on_event(struct engine *e, const struct node_event *event);
void     engine_on_turn(struct engine *e);

struct engine_info {
    size_t   databases, connected;   /* configured; that take writes now */
    size_t   spooling;               /* away or slow, so that bundles of theirs are acknowledged from the spool */
    size_t   spooled, removals;      /* bundles, and removals, that have yet to flow on */
    uint64_t lag_ms;                 /* since the one that is away for longest last took something */
    bool     is_spool_full;          /* users wait */
};
void     engine_info(const struct engine *e, struct engine_info *out);

#endif
