/* mesh/fetch.h - which bundle is being fetched over which link, so that none is fetched twice.
 *
 * A table of ids for all links of a node; bounded, for links ask for a bounded number of bytes.
 */
#ifndef STA_MESH_FETCH_H
#define STA_MESH_FETCH_H

#include "mesh/base/header.h"

struct fetch_entry { struct bundle_id id; uint32_t link; uint32_t offer; uint32_t len; uint64_t asked_at_ms; };  /* link 0: free */

struct fetch {
    struct fetch_entry *at;
    size_t cap, count;
    uint8_t key[16];              /* secret: ids are chosen by others */
};

enum { FETCH_MAX = 1 << 16 };

void fetch_init(struct fetch *f, const uint8_t key[16]);
void fetch_clear(struct fetch *f);

/* Lends until the next change; NULL: nobody fetches it. */
const struct fetch_entry *fetch_find(const struct fetch *f, const struct bundle_id *id);

/* ERR_EXISTS, ERR_FULL, ERR_NO_MEMORY. */
enum err fetch_add(struct fetch *f, const struct fetch_entry *e);
void fetch_remove(struct fetch *f, const struct bundle_id *id);

/* Forgets all that a link fetches. */
void fetch_remove_link(struct fetch *f, uint32_t link);

#endif
