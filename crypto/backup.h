/* crypto/backup.h - bytes sealed for safekeeping, by a passphrase or by a code in words (protocol section 8.1).
 *
 * A file of its own that needs nothing else to be opened: no vault, no device. It says which of the two opens it and what
 * that costs. Knows nothing of what it holds.
 */
#ifndef STA_CRYPTO_BACKUP_H
#define STA_CRYPTO_BACKUP_H

#include "crypto/code_words.h"
#include "crypto/vault.h"

enum {
    BACKUP_PLAIN_MAX = 64 * 1024 * 1024,   /* all is held in memory while it is sealed or opened */
    BACKUP_PIECE_LEN = 16384,
    BACKUP_HEAD_LEN  = 56,
    BACKUP_FILE_MAX  = BACKUP_HEAD_LEN + BACKUP_PLAIN_MAX + (BACKUP_PLAIN_MAX / BACKUP_PIECE_LEN + 1) * 17,
};

/* Exactly one is given: a passphrase that is not empty, or the code. */
struct backup_key {
    struct bytes passphrase;
    const uint8_t *code;        /* CODE_LEN */
};

/* Appends the file to `to`, which is unchanged on failure. ERR_REFUSED: an empty passphrase; ERR_TOO_LARGE; ERR_NO_MEMORY. */
enum err backup_seal(struct buffer *to, struct bytes plain, const struct backup_key *key, enum vault_cost cost, const struct rng *g);

/* Appends what was sealed to `plain`. ERR_MALFORMED: no such file, or cut short; ERR_VERSION; ERR_STATE: it wants the other kind
 * of key; ERR_AUTH: not this key, or the file was changed; ERR_TOO_LARGE; ERR_NO_MEMORY. Nothing has been appended then. */
enum err backup_open(struct buffer *plain, struct bytes file, const struct backup_key *key);

/* Which kind of key opens it. ERR_MALFORMED, ERR_VERSION. */
enum err backup_wants_passphrase(struct bytes file, bool *out);

#endif
