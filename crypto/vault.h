/* crypto/vault.h - what is on disk stays unreadable without the key (protocol section 8).
 *
 * A keyslot file of 4096 bytes beside the database holds the master key, wrapped by a key from a
 * passphrase (Argon2id), or by a key file. Two slots, the second for a duress passphrase; an unused one is
 * random, so that nobody can tell. All subkeys derive from the master key.
 *
 * This is one of the two places in crypto/ that touch files: it writes the keyslot file anew beside the old one,
 * syncs, renames, syncs the folder; destroying overwrites in place first.
 */
#ifndef STA_CRYPTO_VAULT_H
#define STA_CRYPTO_VAULT_H

#include "mesh/base/bytes.h"
#include "mesh/base/rng.h"

struct vault;

enum { VAULT_SEAL_OVERHEAD = 24 + 16, VAULT_FILE_LEN = 4096 };

enum vault_cost { VAULT_COST_FULL, VAULT_COST_SMALL, VAULT_COST_TEST };  /* 256 MiB x3; 64 MiB x3; 8 KiB x1 */

/* How it is opened: a passphrase, or the path of a 32-byte key file (made with mode 0600 when it
 * does not exist and the vault is being created). Exactly one is given. */
struct vault_key {
    struct bytes passphrase;
    const char *key_file;
};

/* ERR_EXISTS: there is one. ERR_REFUSED: an empty passphrase; ERR_TOO_LARGE: one past 1024 bytes. ERR_CORRUPT: the
 * key file is there and not of 32 bytes. ERR_NO_MEMORY, ERR_FULL, ERR_IO. */
enum err vault_create(struct vault **out, const char *path, const struct vault_key *key, enum vault_cost cost,
                      const struct rng *g);

/* ERR_NOT_FOUND: no file, or no key file. ERR_AUTH: no slot opens. ERR_CORRUPT: not a keyslot file, or no slot opens and
 * one is damaged. ERR_VERSION. ERR_NO_MEMORY: Argon2 could not get its memory. A duress passphrase opens its own vault, having destroyed the other slot;
 * vault_is_duress says so. */
enum err vault_open(struct vault **out, const char *path, const struct vault_key *key, const struct rng *g);
bool     vault_is_duress(const struct vault *v);
void     vault_close(struct vault *v);        /* wipes; takes NULL */

/* Which kind of key a vault file wants; ERR_NOT_FOUND, ERR_CORRUPT. */
enum err vault_wants_passphrase(const char *path, bool *out);

/* Both leave, after a crash or an error at any instant, the old file or the new one. ERR_EXISTS: the other
 * slot has this passphrase. A change of cost, or to or from a key file, makes the other slot an unused one: slots that
 * differ would tell which is which. For the same reason a duress passphrase has the cost of the vault's own:
 * ERR_REFUSED, also beside a key file. */
enum err vault_change_key(struct vault *v, const char *path, const struct vault_key *key, enum vault_cost cost,
                          const struct rng *g);
enum err vault_set_duress(struct vault *v, const char *path, struct bytes passphrase, enum vault_cost cost,
                          const struct rng *g);

/* Overwrites keyslot file and key file, syncs, and removes them. Needs no key. Goes on past errors and
 * returns the first. */
enum err vault_panic(const char *path, const char *key_file);

/* Values: nonce 24 || SEAL(subkey of kind, ad = kind || key || version, plain). Fit struct archive_sealer
 * with the vault as ctx. */
void     vault_key_hash(void *vault, unsigned kind, struct bytes name, uint8_t out[16]);
enum err vault_seal(void *vault, unsigned kind, const uint8_t key[16], struct bytes plain, uint8_t *out);
enum err vault_open_value(void *vault, unsigned kind, const uint8_t key[16], struct bytes sealed, uint8_t *out);

#endif
