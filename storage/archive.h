/* storage/archive.h - what a person keeps: identity, friends, sessions, messages.
 *
 * Records of opaque bytes under (kind, name), sealed before they reach the
 * database: the key on disk is a keyed hash, the value is a nonce and a sealed
 * text bound to its kind, key and version (protocol section 8). Sealing is given
 * from outside (crypto/vault.h fits), so that storage/ knows no cryptography.
 *
 * Shares its struct db with the store: a message appended, a ratchet advanced and
 * a bundle queued become durable in one commit, or none of them.
 */
#ifndef STA_STORAGE_ARCHIVE_H
#define STA_STORAGE_ARCHIVE_H

#include "storage/db.h"

enum archive_kind {
    ARCHIVE_SELF,         /* identity, invites, settings */
    ARCHIVE_FRIEND,       /* one a friend */
    ARCHIVE_SESSION,      /* ratchets of one friend */
    ARCHIVE_CONVERSATION, /* counters, read marks */
    ARCHIVE_MESSAGE,      /* one a message, named by conversation and number */
    ARCHIVE_MESSAGE_ID,   /* message id -> conversation and number */
    ARCHIVE_OUTBOX,       /* bundles under way -> message */
    ARCHIVE_GATEWAY,
    ARCHIVE_GROUP,
    ARCHIVE_MEDIA,        /* contents of messages: state, what was announced, files */
    ARCHIVE_KIND_COUNT,
};

/* Seals and opens record bytes, and hashes names. All callbacks are pure but for
 * randomness. seal writes exactly plain.len + overhead bytes. open returns ERR_AUTH
 * when the bytes are not what seal wrote for this kind and name. */
struct archive_sealer {
    void *ctx;
    size_t overhead;
    void (*key_hash)(void *ctx, unsigned kind, struct bytes name, uint8_t out[16]);
    enum err (*seal)(void *ctx, unsigned kind, const uint8_t key[16], struct bytes plain, uint8_t *out);
    enum err (*open)(void *ctx, unsigned kind, const uint8_t key[16], struct bytes sealed, uint8_t *out);
};

struct archive;

/* The database stays the caller's and must outlive the archive. */
enum err archive_open(struct archive **out, struct db *db, const struct archive_sealer *sealer);
void     archive_close(struct archive *a);

/* Replaces or inserts. Records are at most 1 MiB: ERR_TOO_LARGE. */
enum err archive_put(struct archive *a, enum archive_kind kind, struct bytes name, struct bytes record);

/* Lends the opened record until the next archive_ call; wiped then.
 * ERR_NOT_FOUND; ERR_CORRUPT when it does not open. */
enum err archive_get(struct archive *a, enum archive_kind kind, struct bytes name, struct bytes *record);

enum err archive_delete(struct archive *a, enum archive_kind kind, struct bytes name);

/* A list of names kept sealed in one record of its kind, since hashed keys have no
 * order to walk: insertion order, no name twice, each 1 to 255 bytes. Adding one that is there:
 * ERR_EXISTS, harmless. Removing one that is not: ERR_NOT_FOUND. */
enum err archive_list_add(struct archive *a, enum archive_kind kind, struct bytes name);
enum err archive_list_remove(struct archive *a, enum archive_kind kind, struct bytes name);

/* Walks the list as it is at the call; `visit` may use the archive, and returns false to stop. */
typedef bool archive_visit(void *ctx, struct bytes name);
enum err archive_list_walk(struct archive *a, enum archive_kind kind, archive_visit *visit, void *ctx);

/* Generation counter (protocol section 8): kept here and outside the database; when the
 * one outside is newer, the database was rolled back and every session counts as restored. */
enum err archive_generation(struct archive *a, uint64_t *out);
enum err archive_generation_set(struct archive *a, uint64_t generation);

#endif
