/* apps/gateway/status.h - how the gateway does, for the operator's monitoring: /healthz, and /metrics in OpenMetrics text.
 *
 * Served on a Unix socket or a loopback address and nowhere else. Sums only: no address, no invite, no label.
 */
#ifndef STA_GATEWAY_STATUS_H
#define STA_GATEWAY_STATUS_H

#include "apps/gateway/config.h"
#include "apps/gateway/engine.h"
#include "apps/gateway/front.h"
#include "storage/store.h"

struct status;
struct event_base;

struct status_facts {
    struct front_info front;
    struct store_usage store;
    struct engine_info engine;   /* zeros: the store is all there is */
    size_t links, invites, peers, peers_linked;   /* `peers`: those that this gateway calls */
    bool is_stopping;
};

/* Calls `ask` for each answer. `at` is the path of a Unix socket (made with mode 0600), or a loopback address and a port.
 * ERR_MALFORMED, ERR_IO, ERR_NO_MEMORY, with `why`. */
enum err status_new(struct status **out, struct event_base *base, const char *at, void (*ask)(void *ctx, struct status_facts *facts),
                    void *ctx, char why[GW_WHY_MAX]);
void     status_free(struct status *s);   /* takes NULL */

#endif
