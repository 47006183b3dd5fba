/* apps/simulator/stack.h - the stack rules: whole nodes, every byte charged to the link.
 *
 * Each node is a mesh/node.h with a store over a database in memory, turned in the order that the daemon turns it. A
 * link carries `rate` bytes a second in both directions together; what is on it when it goes down is lost. Messages
 * are sealed bundles of the size code that holds them with the overhead of a later message (protocol section 6). Nodes are
 * honest, but for flooders: these make bundles that are for nobody whenever a link has room. Anti-packets are not sent, as is the protocol's default for small bundles.
 */
#ifndef STA_SIMULATOR_STACK_H
#define STA_SIMULATOR_STACK_H

#include "apps/simulator/world.h"

struct stack_figures {
    uint64_t created, delivered, refused;       /* refused: by the author's own full store, or too large */
    uint64_t contacts, link_bytes, handshakes, faults;
    uint64_t transfers, useful_bytes, duplicates; /* bundles that came over links and were new there; that were not */
    uint64_t turned_away, evicted;                /* bundles that came in and were not taken; that made room */
    uint64_t flooders, flood;                     /* nodes that flood, and the bundles they made */
    double delivery, median_s, mean_s, cpu_s;
};

enum err stack_run(struct stack_figures *out, const struct world_config *config);

#endif
