/* mesh/links/spool.h - bundles on a USB stick or SD card: the slowest link there is.
 *
 * A spool file is a header and bundles, each with hops, remaining life and a checksum; it holds nothing that is not
 * in a bundle (format: docs/protocol.md). Importing checks each bundle as if a link had brought it; a damaged tail
 * costs only what is damaged.
 *
 * A watched folder: when a stick is mounted there, files with the ending ".staffetta" in it (or its folder "staffetta/") are
 * imported once, and what we carry is written beside them under a random name, replacing our own older file.
 */
#ifndef STA_LINKS_SPOOL_H
#define STA_LINKS_SPOOL_H

#include "mesh/links/host.h"

struct spool_result {
    uint64_t bundles;         /* written, or taken in */
    uint64_t known;           /* import: we had them */
    uint64_t refused;         /* import: over quota, expired, malformed */
    uint64_t bytes;
    bool     is_damaged;      /* import: the file broke off or a checksum failed */
};

/* Writes a new file beside `path`, syncs and renames. ERR_IO, ERR_FULL. Bundles newest and most urgent first, at most
 * max_bytes (0: no limit). */
enum err spool_export(struct node *n, struct store *s, const char *path, uint64_t max_bytes, struct spool_result *out);

/* ERR_NOT_FOUND, ERR_IO, ERR_MALFORMED (not a spool file), ERR_VERSION. The caller commits (host_poke). Commits by itself through
 * node_commit every 4 MiB, so that a large file does not need memory; events must be drained by `app` between: `drain` is called after each part. */
enum err spool_import(struct node *n, const char *path, void (*drain)(void *ctx), void *ctx, uint64_t now_ms,
                      struct spool_result *out);

/* Parses one spool file in memory, for fuzzing and the import: calls `visit` for each whole bundle. */
typedef enum err spool_visit(void *ctx, struct bytes bundle, uint8_t hops, uint16_t life_h);
enum err spool_parse(struct bytes file, spool_visit *visit, void *ctx, bool *is_damaged);

struct spool_watch;
struct event_base;
enum err spool_watch_new(struct spool_watch **out, struct event_base *base, struct host *host, struct node *node, struct store *store,
                         const struct rng *g, const char *folder);
void     spool_watch_free(struct spool_watch *w);

#endif
