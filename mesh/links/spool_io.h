/* mesh/links/spool_io.h - spool files read and written in steps, so that a slow stick does not stop the loop. */
#ifndef STA_LINKS_SPOOL_IO_H
#define STA_LINKS_SPOOL_IO_H

#include "mesh/links/spool.h"

/* ---- Reading ---- */

struct spool_reader;

/* Takes `fd` (closed even on failure). */
enum err spool_reader_new(struct spool_reader **out, int fd);
void     spool_reader_free(struct spool_reader *r);   /* takes NULL */

/* Gives the node the bundles of about the next 256 KiB. ERR_MALFORMED, ERR_VERSION: no spool file of ours. ERR_IO. */
enum err spool_reader_step(struct spool_reader *r, struct node *n, uint64_t now_ms, bool *is_done);

/* What came of it so far. */
void     spool_reader_result(const struct spool_reader *r, struct spool_result *out);

/* ---- Writing ---- */

struct spool_writer;

/* Chooses what to write: SOS first, then small before large, newest first. `folder_fd` is duplicated. The file gets `name`
 * only when it is whole. ERR_IO, ERR_FULL. */
enum err spool_writer_new(struct spool_writer **out, struct store *s, int folder_fd, const char *name,
                          uint64_t max_bytes);
void     spool_writer_free(struct spool_writer *w);   /* takes NULL; leaves nothing behind unless it was done */

/* Writes about the next 512 KiB to the medium, and at last renames. */
enum err spool_writer_step(struct spool_writer *w, bool *is_done);
void     spool_writer_result(const struct spool_writer *w, struct spool_result *out);

#endif
