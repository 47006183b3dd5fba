/* storage/load.h - the facts of all bundles, from the database into memory. Inside storage/ only. */
#ifndef STA_STORAGE_LOAD_H
#define STA_STORAGE_LOAD_H

#include "storage/quota.h"

/* Arrival numbers stay below: more than will ever arrive, and body_key has room for the pieces. */
#define SEQ_MAX (UINT64_MAX / 256)

/* Fills the catalogue and the accounts. Records that cannot be carried (damaged facts, facts without a body, a
 * body without facts, a bundle a second time) are deleted and added to *damaged_count. */
enum err load_bundles(struct db *db, struct catalogue *catalogue, struct quota *quota, size_t *damaged_count);

#endif
