/* mesh/links/bluetooth_none.c - Bluetooth in a build without libsystemd: there is none, and it says so. */
#include "mesh/links/bluetooth.h"

enum err bluetooth_new(struct bluetooth **out, struct event_base *base, struct host *host, struct node *node,
                       const struct rng *g, const struct bluetooth_config *config)
{
    (void)out, (void)base, (void)host, (void)node, (void)g, (void)config;
    return ERR_UNSUPPORTED;
}

/* bluetooth_new gives nothing that the others could be called with, but NULL. */
void bluetooth_free(struct bluetooth *b) { (void)b; }
void bluetooth_on_event(struct bluetooth *b, const struct node_event *event) { (void)b, (void)event; }
void bluetooth_set_power(struct bluetooth *b, enum bluetooth_power power) { (void)b, (void)power; }

void bluetooth_info(const struct bluetooth *b, struct bluetooth_info *out)
{
    (void)b;
    *out = (struct bluetooth_info){ .state = BLUETOOTH_NOT_BUILT };
}
