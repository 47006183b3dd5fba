/* storage/facts.h - the record of one bundle's facts on disk (docs/storage.md). Inside storage/ only. */
#ifndef STA_STORAGE_FACTS_H
#define STA_STORAGE_FACTS_H

#include "storage/store.h"

enum { FACTS_VERSION = 1, FACTS_LEN = 68 };

void facts_encode(const struct store_entry *entry, uint8_t out[FACTS_LEN]);

/* All of the entry but its seq, which is the record's key. ERR_CORRUPT: not what facts_encode writes;
 * ERR_VERSION: written by a newer build. */
enum err facts_decode(struct store_entry *out, struct bytes in);

/* Copies a record with the checksum that would make it whole, for tests. False: not FACTS_LEN bytes. */
bool facts_fix_checksum(uint8_t out[FACTS_LEN], struct bytes in);

#endif
