/* mesh/reveal.h - anti-packets that this node has seen prove something (protocol section 9).
 *
 * Kept for bundles that were removed because of them: to pass on to the neighbours of that moment, and to
 * answer whoever offers such a bundle later. Bounded; a forgotten one costs a copy its early end, no more.
 */
#ifndef STA_MESH_REVEAL_H
#define STA_MESH_REVEAL_H

#include "mesh/record.h"

enum { REVEALS_MAX = 1024, REVEALS_RECENT = 256 };

struct reveal { struct bundle_id id; uint8_t proof[REVEAL_LEN]; uint32_t deadline_s; uint64_t serial; };

struct reveals {
    struct reveal *all;                /* NULL until the first; placed by a hash of the id, later ones push out earlier */
    uint16_t recent[REVEALS_RECENT];   /* places by serial */
    uint64_t next_serial;              /* from 1 */
    uint8_t key[16];
};

void reveals_init(struct reveals *r, const uint8_t key[16]);
void reveals_clear(struct reveals *r);

enum err reveals_add(struct reveals *r, const struct bundle_id *id, const uint8_t proof[REVEAL_LEN], uint32_t deadline_s);

/* NULL: none for this bundle. Lends until the next add. */
const struct reveal *reveals_find(const struct reveals *r, const struct bundle_id *id);

/* The one of this serial number, for walking what is new; NULL when it is pushed out. */
const struct reveal *reveals_serial(const struct reveals *r, uint64_t serial);

#endif
