/* mesh/spread.h - when a new bundle may be given to which neighbour (protocol section 7.2).
 *
 * One neighbour drawn at random gets it at once, the others after a delay: most of them have it from each other by
 * then, and nobody can tell an author by who offers first. Bundles of one moment and origin share a draw. Out of room the oldest wait no longer.
 */
#ifndef STA_MESH_SPREAD_H
#define STA_MESH_SPREAD_H

#include "mesh/base/bytes.h"

enum {
    SPREAD_BATCHES_MAX = 64,
    SPREAD_MOMENTS     = 16,    /* in the delay: so long is a moment */
};

struct spread_batch {
    uint64_t first_seq, last_seq, release_at_ms;
    uint64_t done_seq;              /* the chosen link has seen to all up to here */
    uint32_t origin, chosen;        /* links; 0: this node, nobody */
    bool was_asked;
};

struct spread {
    struct spread_batch all[SPREAD_BATCHES_MAX];
    size_t first, count;
    uint32_t delay_ms;
};

/* A bundle came from `origin`, asked for or not. True: it opened a batch, whose `chosen` the caller draws. */
bool spread_note(struct spread *s, uint64_t seq, uint32_t origin, bool was_asked, uint64_t now_ms);
void spread_choose(struct spread *s, uint32_t chosen);        /* of the newest batch */

/* All bundles up to here may be given to everybody. `last_seq` is the newest there is. */
uint64_t spread_released(const struct spread *s, uint64_t last_seq, uint64_t now_ms);

/* A bundle that this link may have before others; 0: none. take: it has been seen to. */
uint64_t spread_peek_early(const struct spread *s, uint32_t link);
void     spread_take_early(struct spread *s, uint32_t link);

/* This link was the chosen one of the bundle and has been seen to. */
bool spread_was_early(const struct spread *s, uint64_t seq, uint32_t link);

/* The chosen link is gone: its bundles wait for nobody. */
void spread_drop_link(struct spread *s, uint32_t link);

/* UINT64_MAX: nothing waits. */
uint64_t spread_wake_at_ms(const struct spread *s, uint64_t now_ms);

#endif
