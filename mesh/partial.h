/* mesh/partial.h - beginnings of large bundles, kept when their link breaks, so that any link can bring the rest.
 *
 * One for each link, so that no number of peers that never end what they began keeps an honest one from a place, and
 * PARTIALS_IDLE_MAX whose link is gone; each no longer than a bundle. Nothing of a partial is trusted before the whole has its
 * id; a beginning that nobody asked for ends with its link, for anybody could have made it.
 */
#ifndef STA_MESH_PARTIAL_H
#define STA_MESH_PARTIAL_H

#include "mesh/base/header.h"
#include "mesh/base/limits.h"

enum { PARTIALS_IDLE_MAX = 8, PARTIALS_MAX = LINKS_MAX + PARTIALS_IDLE_MAX, PARTIAL_KEEP_MS = 3600 * 1000 };

struct partial {
    struct bundle_id id;
    uint8_t *at;              /* NULL: free */
    uint32_t total, have;
    uint32_t link;            /* that feeds it now; 0: none */
    uint32_t by;              /* the last link that fed it */
    bool is_asked;            /* for by us: worth keeping when the link breaks */
    bool is_mixed;            /* of several links: if the whole is wrong, this one need not be the liar */
    uint64_t used_at_ms;
};

struct partials { struct partial all[PARTIALS_MAX]; };

/* How much of it there is; 0: nothing. */
uint32_t partial_have(const struct partials *p, const struct bundle_id *id);

/* A link is about to bring bytes from `offset` on; from 0 on, another link's beginning gives way. Lends the partial, which
 * is the link's until released; NULL when memory is short, another link feeds it, or the offset leaves a gap. */
struct partial *partial_feed(struct partials *p, const struct bundle_id *id, uint32_t total, uint32_t offset,
                             uint32_t link, bool is_asked, uint64_t now_ms);

/* Appends; `bytes` start at `offset`, which is at most what there is. False: beyond its length. */
bool partial_append(struct partial *at, uint32_t offset, struct bytes bytes, uint64_t now_ms);

void partial_drop(struct partial *at);
/* The link feeds it no more. */
void partial_release(struct partials *p, struct partial *at);
void partial_release_link(struct partials *p, uint32_t link);
void partials_clear(struct partials *p);

#endif
