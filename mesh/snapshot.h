/* mesh/snapshot.h - one class of the store as it was at an instant, by short ids of one link.
 *
 * Sorted by short id, 12 bytes a member. Ids that are not unique under this link's key are left out: they
 * wait for the next link, which has another key.
 */
#ifndef STA_MESH_SNAPSHOT_H
#define STA_MESH_SNAPSHOT_H

#include "storage/store.h"

struct snapshot { uint32_t (*members)[3]; size_t count; };

uint64_t sid_of(const uint8_t key[16], const struct bundle_id *id);   /* 48 bits */

/* Members of the class that arrived no later than `last_seq`, at most SKETCH_SET_MAX. ERR_NO_MEMORY. */
enum err snapshot_take(struct snapshot *out, const struct store *s, enum bundle_class which, uint64_t last_seq,
                       const uint8_t key[16]);
void     snapshot_clear(struct snapshot *s);

uint64_t snapshot_sid(const struct snapshot *s, size_t i);
uint64_t snapshot_seq(const struct snapshot *s, size_t i);

/* False: no such member. */
bool     snapshot_find(const struct snapshot *s, uint64_t sid, uint64_t *seq);

#endif
