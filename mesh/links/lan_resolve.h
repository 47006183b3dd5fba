/* mesh/links/lan_resolve.h - the addresses of a name, without stopping the loop.
 *
 * The system's resolver may block for minutes, and only it knows the machine's hosts file and local names; so it runs in a
 * thread of its own, which ends by itself even when nobody waits for it any more.
 */
#ifndef STA_LINKS_LAN_RESOLVE_H
#define STA_LINKS_LAN_RESOLVE_H

#include "mesh/links/lan_wire.h"

enum { LAN_RESOLVE_MAX = 8 };

struct lan_resolve;
struct event_base;

/* `count` 0: not found. The lookup is freed after the call. */
typedef void lan_resolved(void *ctx, const struct lan_address *list, size_t count);

enum err lan_resolve_start(struct lan_resolve **out, struct event_base *base, const struct lan_place *place,
                           lan_resolved *done, void *ctx);
/* `done` will not be called. Takes NULL. */
void     lan_resolve_cancel(struct lan_resolve *r);

#endif
