/* storage/meta.h - numbers kept in DB_META. Inside storage/ only. */
#ifndef STA_STORAGE_META_H
#define STA_STORAGE_META_H

#include "storage/db.h"

enum err meta_put(struct db *db, const char *key, uint64_t value);

/* Zero when it was never put. ERR_CORRUPT when it is not eight bytes. */
enum err meta_get(struct db *db, const char *key, uint64_t *value);

#endif
