/* storage/blobs.h - large things of a person, as files in a folder beside the database.
 *
 * The database is for records; a photo or a film in it would make its file grow for ever (decisions.md). A blob is a file under
 * a number drawn by the caller, mode 0600, that is written anywhere, synced when its owner wants to rely on it, and removed. What
 * is in it is sealed by the caller: storage/ knows no cryptography.
 *
 * Nothing written is durable before blobs_sync. So the order is: write, sync, then commit the record that speaks of it.
 * A blob that no record speaks of is a leftover of a crash, and is removed by blobs_keep at the start.
 */
#ifndef STA_STORAGE_BLOBS_H
#define STA_STORAGE_BLOBS_H

#include "mesh/base/bytes.h"

struct blobs;

/* Makes the folder (mode 0700) unless it is there. ERR_IO, ERR_FULL, ERR_NO_MEMORY. */
enum err blobs_open(struct blobs **out, const char *folder);
void     blobs_close(struct blobs *b);       /* takes NULL */

/* Makes the blob when it is new. ERR_FULL: the disk (or what is left of it below the reserve). ERR_IO. */
enum err blobs_write(struct blobs *b, uint64_t name, uint64_t offset, struct bytes data);

/* Exactly `len` bytes. ERR_NOT_FOUND: no such blob; ERR_CORRUPT: it is shorter; ERR_IO. */
enum err blobs_read(struct blobs *b, uint64_t name, uint64_t offset, void *to, size_t len);

/* What was written is durable, the name included. ERR_NOT_FOUND, ERR_IO, ERR_FULL. */
enum err blobs_sync(struct blobs *b, uint64_t name);

/* ERR_NOT_FOUND, ERR_IO. */
enum err blobs_remove(struct blobs *b, uint64_t name);

/* Removes all for which `keep` says no. Files that are no blobs are left alone. */
typedef bool blobs_keep_if(void *ctx, uint64_t name);
enum err blobs_keep(struct blobs *b, blobs_keep_if *keep, void *ctx);

/* Bytes of all blobs on disk, and how many. Reads the folder. */
enum err blobs_usage(struct blobs *b, uint64_t *bytes, uint64_t *count);

/* Fault injection, as db_set_fault: asked before each write, sync and remove, with its running number. */
typedef enum err blobs_fault(void *ctx, unsigned op);
void     blobs_set_fault(struct blobs *b, blobs_fault *fault, void *ctx);

#endif
