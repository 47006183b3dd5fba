/* crypto/keyslot.h - the bytes of the keyslot file (protocol section 8); no I/O.
 *
 * The file is 4096 bytes with two slots of 120 and random bytes around them. Each slot either wraps a master key or is a
 * decoy: the same opening bytes, the rest random. Whether a slot is real, duress or decoy shows only to
 * who has its key; both slots of a file share algorithm and cost, so that these do not tell either.
 */
#ifndef STA_CRYPTO_KEYSLOT_H
#define STA_CRYPTO_KEYSLOT_H

#include "crypto/vault.h"

enum {
    KEYSLOT_LEN          = 120,
    KEYSLOT_COUNT        = 2,
    KEYSLOT_FILE_LEN     = 4096,
    KEYSLOT_SALT_LEN     = 16,
    KEYSLOT_NONCE_LEN    = 24,
    KEYSLOT_MASTER_LEN   = 32,
    KEYSLOT_WRAPPED_LEN  = KEYSLOT_MASTER_LEN + 16,
    KEYSLOT_COMMIT_LEN   = 16,
    KEYSLOT_KEK_LEN      = 32,
    KEYSLOT_KEY_FILE_LEN = 32,

    /* A file from who knows where does not make us take gigabytes or hours. */
    KEYSLOT_PASSES_MAX   = 10,
    KEYSLOT_KIB_MIN      = 8,          /* Argon2's own */
    KEYSLOT_KIB_MAX      = 1 << 20,
};

enum keyslot_algorithm { KEYSLOT_ARGON2ID = 1, KEYSLOT_KEY_FILE = 2 };

/* Which vault a slot opens. Not in its bytes: it goes into the derivation. */
enum keyslot_role { KEYSLOT_REAL = 0, KEYSLOT_DURESS = 1 };

struct keyslot_cost {
    enum keyslot_algorithm algorithm;
    uint32_t passes, kib;              /* zero for a key file */
};

struct keyslot {
    struct keyslot_cost cost;
    uint8_t salt[KEYSLOT_SALT_LEN];
    uint8_t nonce[KEYSLOT_NONCE_LEN];
    uint8_t wrapped[KEYSLOT_WRAPPED_LEN];
    uint8_t commitment[KEYSLOT_COMMIT_LEN];
};

/* A damaged slot is left aside, so that damage to one does not lock the other. */
struct keyslot_file {
    struct keyslot slots[KEYSLOT_COUNT];
    bool is_sound[KEYSLOT_COUNT];
};

/* ERR_CORRUPT: another length, or no sound slot; ERR_VERSION: a later version's. */
enum err keyslot_file_decode(struct keyslot_file *out, struct bytes in);

/* Slots that are not sound become decoys of the other's cost; at least one is sound. */
void keyslot_file_encode(const struct keyslot_file *f, uint8_t to[KEYSLOT_FILE_LEN], const struct rng *g);

/* Where a slot stands in the file: apart, so that overwriting one in place cannot tear the other. */
size_t keyslot_offset(size_t index);

void     keyslot_encode(const struct keyslot *s, uint8_t to[KEYSLOT_LEN]);
enum err keyslot_decode(struct keyslot *out, struct bytes in);   /* ERR_CORRUPT, ERR_VERSION */

/* What a passphrase costs. */
struct keyslot_cost keyslot_cost_of(enum vault_cost cost);

bool keyslot_cost_is_equal(const struct keyslot_cost *a, const struct keyslot_cost *b);

/* A slot that opens to nobody. */
void keyslot_decoy(struct keyslot *out, const struct keyslot_cost *cost, const struct rng *g);

/* The key-encrypting key, from a passphrase or from the content of a key file as the slot's algorithm says.
 * ERR_NO_MEMORY: Argon2 could not get its memory. */
enum err keyslot_kek(uint8_t out[KEYSLOT_KEK_LEN], const struct keyslot_cost *cost,
                     const uint8_t salt[KEYSLOT_SALT_LEN], struct bytes secret);

/* A new slot around `master`, with salt and nonce of its own. ERR_NO_MEMORY. */
enum err keyslot_wrap(struct keyslot *out, const struct keyslot_cost *cost, enum keyslot_role role,
                      struct bytes secret, const uint8_t master[KEYSLOT_MASTER_LEN], const struct rng *g);

/* ERR_AUTH: not the key of this slot. ERR_NO_MEMORY. */
enum err keyslot_unwrap(const struct keyslot *s, struct bytes secret, uint8_t master[KEYSLOT_MASTER_LEN],
                        enum keyslot_role *role);

#endif
