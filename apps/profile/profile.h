/* apps/profile/profile.h - the data folder of one person or relay.
 *
 *     DIR/            0700
 *       lock          held while a program works in it
 *       vault         keyslots (crypto/vault.h); absent on a pure relay
 *       key           the key file, when there is no passphrase
 *       generation    a counter that also stands in the database: an older database was rolled back
 *       db/           LMDB: bundles and archive
 *       media/        contents of messages, a sealed file each
 *       api.sock      the daemon's local API, 0600
 *
 * Knows where things are, who may touch them, and how they come to be and go. The daemon and the
 * command line share it; neither includes the other.
 */
#ifndef STA_PROFILE_PROFILE_H
#define STA_PROFILE_PROFILE_H

#include <stdbool.h>

#include "crypto/vault.h"
#include "storage/archive.h"

enum { PROFILE_PATH_MAX = 1024, PASSPHRASE_LEN_MAX = 1024 };

struct profile_paths {
    char folder[PROFILE_PATH_MAX];
    char lock[PROFILE_PATH_MAX];
    char vault[PROFILE_PATH_MAX];
    char key[PROFILE_PATH_MAX];
    char generation[PROFILE_PATH_MAX];
    char database[PROFILE_PATH_MAX];
    char media[PROFILE_PATH_MAX];
    char socket[PROFILE_PATH_MAX];
};

/* `folder` NULL or empty: $STAFFETTA_DATA, else $XDG_DATA_HOME/staffetta, else ~/.local/share/staffetta.
 * ERR_TOO_LARGE, ERR_NOT_FOUND (no home is known). */
enum err profile_paths_init(struct profile_paths *out, const char *folder);

/* Makes the folder and its parents, 0700 where new. ERR_IO with errno. */
enum err profile_make_folder(const struct profile_paths *p);

/* The folder exists and nobody else may read or write it. ERR_NOT_FOUND, ERR_REFUSED, ERR_IO. */
enum err profile_check_folder(const struct profile_paths *p);

/* Held until the descriptor is closed. ERR_LOCKED: another program works in the folder. ERR_IO. */
enum err profile_lock(const struct profile_paths *p, int *fd);

/* What a passphrase costs on this machine. */
enum vault_cost profile_cost(void);

enum profile_vault { PROFILE_VAULT_NONE, PROFILE_VAULT_KEY_FILE, PROFILE_VAULT_PASSPHRASE };
enum err profile_vault_kind(const struct profile_paths *p, enum profile_vault *out);

/* The passphrase may be empty when the vault has a key file. ERR_NOT_FOUND: no vault; ERR_AUTH; ERR_CORRUPT. */
enum err profile_vault_open(const struct profile_paths *p, struct bytes passphrase, struct vault **out);

/* An empty passphrase: a key file. ERR_EXISTS. */
enum err profile_vault_create(const struct profile_paths *p, struct bytes passphrase, struct vault **out);

/* An empty passphrase: back to a key file. A key file that is no longer needed is overwritten and removed. */
enum err profile_vault_change(const struct profile_paths *p, struct vault *v, struct bytes passphrase);

/* The vault as archive.h wants it. */
struct archive_sealer profile_sealer(struct vault *v);

/* 0 when there is no file. The write is synced. */
enum err profile_generation(const struct profile_paths *p, uint64_t *out);
enum err profile_generation_set(const struct profile_paths *p, uint64_t generation);

/* Compares the two counters, then raises both: the archive's first (the caller commits through `commit`), the file's after.
 * *is_rolled_back: the database is older than the file. */
enum err profile_generation_raise(const struct profile_paths *p, struct archive *a, struct db *db, bool *is_rolled_back);

/* The identity, without a daemon: vault (made, or opened when a relay or a broken init left one), database,
 * archive, person. The caller holds the lock. ERR_EXISTS: there is one; ERR_MALFORMED: the name; ERR_AUTH. */
enum err profile_create_person(const struct profile_paths *p, struct bytes name, struct bytes passphrase);

/* Overwrites the keys, then removes what they opened. Needs neither key nor lock. The first error is returned,
 * but nothing stops it. */
enum err profile_panic(const struct profile_paths *p);

/* Reads a secret from a file: the first line, without its end; at most PASSPHRASE_LEN_MAX bytes. ERR_IO, ERR_NOT_FOUND,
 * ERR_TOO_LARGE, ERR_MALFORMED (empty, or a zero byte). The caller wipes with profile_wipe. */
enum err profile_read_passphrase(const char *path, char to[PASSPHRASE_LEN_MAX + 1]);
void     profile_wipe(void *at, size_t len);

#endif
