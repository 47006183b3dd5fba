/* tests/storage/bundles.h - bundles to fill a store with. */
#ifndef STA_TESTS_BUNDLES_H
#define STA_TESTS_BUNDLES_H

#include "storage/store.h"

/* A bundle of the entry's class and len whose id, tag and body follow from `number` alone.
 * Fills in the rest of the entry where it is zero. Lent until the next call. */
struct bytes bundle_numbered(struct store_entry *entry, uint64_t number);

/* An entry of a sealed stranger's bundle of 256 bytes, deadline far away. */
struct store_entry entry_plain(void);

void id_numbered(struct bundle_id *id, uint64_t number);

/* What the bundle number `number` looks like; the store's copy is compared with it. */
bool is_bundle_numbered(struct bytes bundle, uint64_t number);

#endif
