/* mesh/partial.h - beginnings of large bundles, kept when their link breaks, so that any link can bring the rest.
 *
 * At most PARTIALS_MAX, each no longer than a bundle. Nothing of a partial is trusted before the whole has its id.
 */
#ifndef STA_MESH_PARTIAL_H
#define STA_MESH_PARTIAL_H

#include "mesh/base/header.h"

enum { PARTIALS_MAX = 8, PARTIAL_KEEP_MS = 3600 * 1000 };

struct partial {
    struct bundle_id id;
    uint8_t *at;              /* NULL: free */
    uint32_t total, have;
    uint32_t link;            /* that feeds it now; 0: none */
    uint64_t used_at_ms;
};

struct partials { struct partial all[PARTIALS_MAX]; };

/* How much of it there is; 0: nothing. */
uint32_t partial_have(const struct partials *p, const struct bundle_id *id);

/* A link is about to bring bytes from `offset` on. Lends the partial, which is the link's until released; NULL when there
 * is no room, another link feeds it, or the offset leaves a gap. */
struct partial *partial_feed(struct partials *p, const struct bundle_id *id, uint32_t total, uint32_t offset,
                             uint32_t link, uint64_t now_ms);

/* Appends; `bytes` start at `offset`, which is at most what there is. False: beyond its length. */
bool partial_append(struct partial *at, uint32_t offset, struct bytes bytes, uint64_t now_ms);

void partial_drop(struct partial *at);
void partial_release_link(struct partials *p, uint32_t link);
void partials_clear(struct partials *p);

#endif
