/* apps/gateway/peers.h - other gateways that this one calls, and shares bundles with (protocol section 11.4).
 *
 * Only those that the operator has named, each by an invite of the other's operator. Every one has a link of its own, made anew for ever.
 * Who calls whom does not matter: both reconcile all that they carry.
 */
#ifndef STA_GATEWAY_PEERS_H
#define STA_GATEWAY_PEERS_H

#include "apps/gateway/config.h"
#include "mesh/links/host.h"

struct peers;
struct event_base;

/* `list` is copied. ERR_NO_MEMORY, ERR_UNSUPPORTED, ERR_FULL. */
enum err peers_new(struct peers **out, struct event_base *base, const struct log *log, struct host *host, struct node *node,
                   const struct rng *rng, const struct gateway *list, size_t count);
void     peers_free(struct peers *p);   /* takes NULL; the links go down */

/* The links end and nobody is called any more. What was under way is reconciled the next time. */
void     peers_stop(struct peers *p);

void     peers_on_event(struct peers *p, const struct node_event *event);
void     peers_tend(struct peers *p);   /* every second: tells the log who came and who went */
size_t   peers_linked(const struct peers *p);

#endif
