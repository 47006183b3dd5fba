/* crypto/vault_file.h - how keyslot and key files reach the disk and leave it. */
#ifndef STA_CRYPTO_VAULT_FILE_H
#define STA_CRYPTO_VAULT_FILE_H

#include "mesh/base/bytes.h"

/* Reads exactly `len` bytes of a file that is no longer than that. ERR_NOT_FOUND; ERR_CORRUPT: another length, or no
 * ordinary file; ERR_IO. */
enum err vault_file_read(const char *path, uint8_t *to, size_t len);

bool vault_file_exists(const char *path);

/* Writes a file of mode 0600 beside, syncs it, renames it into place and syncs the folder: after a crash at any instant
 * there is the old file or the new one. What the old one held is then overwritten. ERR_FULL, ERR_IO: the old
 * file stands, unless the last step, the folder's sync, is what failed. */
enum err vault_file_replace(const char *path, struct bytes content);

/* Overwrites part of a file in place and syncs it. */
enum err vault_file_overwrite(const char *path, size_t offset, struct bytes content);

/* Overwrites and removes what an interrupted replace may have left beside a file. */
enum err vault_file_tidy(const char *path);

/* Overwrites the file, and what an interrupted replace may have left beside it, with random bytes, syncs and removes
 * them. A file that is not there is no error. Goes on past errors and returns the first. */
enum err vault_file_destroy(const char *path);

#endif
