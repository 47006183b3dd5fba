/* mesh/mint.h - stamps for bundles of our own that neighbours would not take without (protocol section 10).
 * Private to node.c and contact*.c.
 *
 * Only what a neighbour lacks and would take with a stamp is worked for: whoever is about to give a bundle and
 * may not, says so here. The work goes on when that neighbour has left, for the next one will most likely ask the same and
 * a short meeting may not be long enough for it.
 */
#ifndef STA_MESH_MINT_H
#define STA_MESH_MINT_H

#include "mesh/base/rng.h"
#include "mesh/ring.h"
#include "storage/store.h"

struct core;

enum { MINT_JOBS_MAX = 1024 };

struct mint_job { uint64_t seq; uint8_t bits; };

struct mint {
    struct ring jobs;            /* struct mint_job; the first is under way */
    uint64_t counter;            /* the stamp tried last; drawn at the first try, so that stamps tell nothing of each other */
    bool is_drawn;
};

void mint_init(struct mint *m);
void mint_clear(struct mint *m);

/* `e` would be given to this link, had it a stamp of `bits`. Nothing unless it was made here; bits that no fill
 * demands are not worked for. */
void core_want_stamp(struct core *c, const struct store_entry *e, uint8_t bits, uint32_t link);

/* This neighbour demands less than it did: what waits for a stamp may be enough for it now. */
struct contact;
void core_demand_fell(struct core *c, struct contact *at, uint8_t bits_before);

#endif
