/* crypto/vault.c - the master key while it is open, and what it seals. */
#include "crypto/vault.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/keyslot.h"
#include "crypto/vault_file.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { SUBKEY_LEN = 32, NONCE_LEN = 24, VALUE_VERSION = 1, AD_LEN = 4 + 16 + 1, PASSPHRASE_MAX = 1024 };

static_assert((int)VAULT_FILE_LEN == (int)KEYSLOT_FILE_LEN, "one file");
static_assert((size_t)VAULT_SEAL_OVERHEAD == NONCE_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES, "nonce and tag");

struct vault {
    uint8_t master[KEYSLOT_MASTER_LEN];
    struct rng rng;
    size_t slot_index;
    enum keyslot_role role;
};

/* Between guard pages, locked, left out of core dumps. libsodium goes on where the system refuses to lock memory, as it
 * does for users with a small RLIMIT_MEMLOCK: a vault that may be swapped out is better than none. */
static struct vault *vault_memory(const struct rng *g)
{
    struct vault *v = sodium_malloc(sizeof *v);

    if (v != NULL) {
        memset(v, 0, sizeof *v);
        v->rng = *g;
    }
    return v;
}

void vault_close(struct vault *v)
{
    sodium_free(v);   /* wipes; takes NULL */
}

bool vault_is_duress(const struct vault *v)
{
    return v->role == KEYSLOT_DURESS;
}

static struct keyslot_cost cost_of(const struct vault_key *key, enum vault_cost cost)
{
    static const struct keyslot_cost key_file = { KEYSLOT_KEY_FILE, 0, 0 };

    return key->key_file != NULL ? key_file : keyslot_cost_of(cost);
}

/* The passphrase, or the key file's content. `space` is for the latter. */
static enum err secret_of(struct bytes *out, const struct vault_key *key, uint8_t space[KEYSLOT_KEY_FILE_LEN])
{
    assert(key->key_file == NULL || key->passphrase.len == 0);
    if (key->key_file == NULL) {
        if (key->passphrase.len > PASSPHRASE_MAX)
            return ERR_TOO_LARGE;
        *out = key->passphrase;
        return ERR_NONE;
    }
    enum err e = vault_file_read(key->key_file, space, KEYSLOT_KEY_FILE_LEN);
    if (e == ERR_NONE)
        *out = bytes_of(space, KEYSLOT_KEY_FILE_LEN);
    return e;
}

/* For a key about to be set: an empty passphrase is none, and a missing key file is made. */
static enum err secret_for_setting(struct bytes *out, const struct vault_key *key,
                                   uint8_t space[KEYSLOT_KEY_FILE_LEN], const struct rng *g)
{
    enum err e;

    if (key->key_file == NULL && key->passphrase.len == 0)
        return ERR_REFUSED;
    e = secret_of(out, key, space);
    if (e != ERR_NOT_FOUND || key->key_file == NULL)
        return e;
    rng_fill(g, space, KEYSLOT_KEY_FILE_LEN);
    e = vault_file_replace(key->key_file, bytes_of(space, KEYSLOT_KEY_FILE_LEN));
    if (e == ERR_NONE)
        *out = bytes_of(space, KEYSLOT_KEY_FILE_LEN);
    return e;
}

static enum err slots_read(struct keyslot_file *out, const char *path)
{
    uint8_t file[KEYSLOT_FILE_LEN];
    enum err e = vault_file_read(path, file, sizeof file);

    return e != ERR_NONE ? e : keyslot_file_decode(out, bytes_of(file, sizeof file));
}

static enum err slots_write(const struct keyslot_file *f, const char *path, const struct rng *g)
{
    uint8_t file[KEYSLOT_FILE_LEN];

    keyslot_file_encode(f, file, g);
    return vault_file_replace(path, bytes_of(file, sizeof file));
}

/* ERR_EXISTS: the other slot opens with this secret, so that one of the two could never be reached. */
static enum err slot_is_apart(const struct keyslot_file *f, size_t other, const struct keyslot_cost *cost,
                              struct bytes secret)
{
    uint8_t master[KEYSLOT_MASTER_LEN];
    enum keyslot_role role;

    if (!f->is_sound[other] || !keyslot_cost_is_equal(&f->slots[other].cost, cost))
        return ERR_NONE;
    enum err e = keyslot_unwrap(&f->slots[other], secret, master, &role);
    if (e == ERR_NONE)
        secret_wipe(master, sizeof master);
    return e == ERR_NONE ? ERR_EXISTS : e == ERR_AUTH ? ERR_NONE : e;
}

/* Sets one slot of a file. The other stays if it could be of the new slot's kind; one of another algorithm or cost
 * would show that both are in use, or that one is a decoy. */
static enum err slot_set(struct keyslot_file *f, size_t index, const struct keyslot *slot, const char *path,
                         const struct rng *g)
{
    size_t other = 1 - index;

    f->slots[index] = *slot;
    f->is_sound[index] = true;
    if (!keyslot_cost_is_equal(&f->slots[other].cost, &slot->cost))
        f->is_sound[other] = false;
    return slots_write(f, path, g);
}

enum err vault_create(struct vault **out, const char *path, const struct vault_key *key, enum vault_cost cost,
                      const struct rng *g)
{
    uint8_t space[KEYSLOT_KEY_FILE_LEN];
    struct keyslot_file f = { .is_sound = { false, false } };
    struct keyslot_cost kc = cost_of(key, cost);
    struct keyslot slot;
    struct bytes secret;
    enum err e;

    if (vault_file_exists(path))
        return ERR_EXISTS;
    struct vault *v = vault_memory(g);
    if (v == NULL)
        return ERR_NO_MEMORY;
    if ((e = secret_for_setting(&secret, key, space, g)) != ERR_NONE)
        goto out;
    rng_fill(g, v->master, sizeof v->master);
    v->role = KEYSLOT_REAL;
    /* Where a slot stands must not tell what it is. */
    v->slot_index = rng_below(g, KEYSLOT_COUNT);
    if ((e = keyslot_wrap(&slot, &kc, v->role, secret, v->master, g)) != ERR_NONE
        || (e = slot_set(&f, v->slot_index, &slot, path, g)) != ERR_NONE)
        goto out;
    *out = v;
    v = NULL;
out:
    vault_close(v);
    secret_wipe(space, sizeof space);
    return e;
}

/* In place, so that no copy of the slot stays behind where the file system is plain. */
static enum err slot_destroy(const char *path, size_t index, const struct keyslot_cost *cost, const struct rng *g)
{
    struct keyslot decoy;
    uint8_t octets[KEYSLOT_LEN];

    keyslot_decoy(&decoy, cost, g);
    keyslot_encode(&decoy, octets);
    return vault_file_overwrite(path, keyslot_offset(index), bytes_of(octets, sizeof octets));
}

/* The slot that this secret opens. ERR_AUTH: none; ERR_CORRUPT: none, and one of them is damaged, so that the secret may
 * still be the right one. */
static enum err slots_open(struct vault *v, const struct keyslot_file *f, const struct vault_key *key,
                           struct bytes secret)
{
    enum keyslot_algorithm wanted = key->key_file != NULL ? KEYSLOT_KEY_FILE : KEYSLOT_ARGON2ID;

    for (size_t i = 0; i < KEYSLOT_COUNT; i++) {
        if (!f->is_sound[i] || f->slots[i].cost.algorithm != wanted)
            continue;
        enum err e = keyslot_unwrap(&f->slots[i], secret, v->master, &v->role);
        if (e == ERR_NONE)
            v->slot_index = i;
        if (e != ERR_AUTH)
            return e;
    }
    return f->is_sound[0] && f->is_sound[1] ? ERR_AUTH : ERR_CORRUPT;
}

enum err vault_open(struct vault **out, const char *path, const struct vault_key *key, const struct rng *g)
{
    uint8_t space[KEYSLOT_KEY_FILE_LEN];
    struct keyslot_file f;
    struct bytes secret;
    enum err e;
    struct vault *v = vault_memory(g);

    if (v == NULL)
        return ERR_NO_MEMORY;
    if ((e = slots_read(&f, path)) != ERR_NONE
        || (e = secret_of(&secret, key, space)) != ERR_NONE
        || (e = slots_open(v, &f, key, secret)) != ERR_NONE)
        goto out;
    /* An interrupted change of key may have left a copy of the real slot. */
    e = vault_file_tidy(path);
    if (v->role == KEYSLOT_REAL)
        e = ERR_NONE;
    else if (e == ERR_NONE)
        e = slot_destroy(path, 1 - v->slot_index, &f.slots[v->slot_index].cost, g);
    if (e != ERR_NONE)
        goto out;
    *out = v;
    v = NULL;
out:
    vault_close(v);
    secret_wipe(space, sizeof space);
    return e;
}

enum err vault_wants_passphrase(const char *path, bool *out)
{
    struct keyslot_file f;
    enum err e = slots_read(&f, path);

    if (e == ERR_NONE)
        *out = f.slots[f.is_sound[0] ? 0 : 1].cost.algorithm == KEYSLOT_ARGON2ID;
    return e;
}

enum err vault_change_key(struct vault *v, const char *path, const struct vault_key *key, enum vault_cost cost,
                          const struct rng *g)
{
    uint8_t space[KEYSLOT_KEY_FILE_LEN];
    struct keyslot_cost kc = cost_of(key, cost);
    struct keyslot_file f;
    struct keyslot slot;
    struct bytes secret;
    enum err e;

    if ((e = slots_read(&f, path)) == ERR_NONE
        && (e = secret_for_setting(&secret, key, space, g)) == ERR_NONE
        && (e = slot_is_apart(&f, 1 - v->slot_index, &kc, secret)) == ERR_NONE
        && (e = keyslot_wrap(&slot, &kc, v->role, secret, v->master, g)) == ERR_NONE)
        e = slot_set(&f, v->slot_index, &slot, path, g);
    secret_wipe(space, sizeof space);
    return e;
}

enum err vault_set_duress(struct vault *v, const char *path, struct bytes passphrase, enum vault_cost cost,
                          const struct rng *g)
{
    struct vault_key key = { passphrase, NULL };
    struct keyslot_cost kc = cost_of(&key, cost);
    uint8_t master[KEYSLOT_MASTER_LEN], unused[KEYSLOT_KEY_FILE_LEN];
    struct keyslot_file f;
    struct keyslot slot;
    struct bytes secret;
    enum err e;

    if ((e = slots_read(&f, path)) != ERR_NONE
        || (e = secret_for_setting(&secret, &key, unused, g)) != ERR_NONE)
        return e;
    if (!f.is_sound[v->slot_index])
        return ERR_CORRUPT;
    if (!keyslot_cost_is_equal(&f.slots[v->slot_index].cost, &kc))
        return ERR_REFUSED;
    if ((e = slot_is_apart(&f, v->slot_index, &kc, secret)) != ERR_NONE)
        return e;
    rng_fill(g, master, sizeof master);
    if ((e = keyslot_wrap(&slot, &kc, KEYSLOT_DURESS, secret, master, g)) == ERR_NONE)
        e = slot_set(&f, 1 - v->slot_index, &slot, path, g);
    secret_wipe(master, sizeof master);
    return e;
}

enum err vault_panic(const char *path, const char *key_file)
{
    enum err first = vault_file_destroy(path);
    enum err e = key_file != NULL ? vault_file_destroy(key_file) : ERR_NONE;

    return first != ERR_NONE ? first : e;
}

static void subkey(uint8_t out[SUBKEY_LEN], const struct vault *v, const char *label, unsigned kind)
{
    uint8_t space[4];
    struct writer w = writer_of(space, sizeof space);

    writer_u32(&w, kind);
    hash_derive_one(out, SUBKEY_LEN, bytes_of(v->master, sizeof v->master), label, writer_bytes(&w));
}

void vault_key_hash(void *vault, unsigned kind, struct bytes name, uint8_t out[16])
{
    uint8_t key[SUBKEY_LEN];

    subkey(key, vault, "vault index", kind);
    hash_derive_one(out, 16, bytes_of(key, sizeof key), "vault name", name);
    secret_wipe(key, sizeof key);
}

/* kind || key || version: a value opens only where it was put. */
static void value_ad(uint8_t out[AD_LEN], unsigned kind, const uint8_t key[16])
{
    struct writer w = writer_of(out, AD_LEN);

    writer_u32(&w, kind);
    writer_copy(&w, bytes_of(key, 16));
    writer_u8(&w, VALUE_VERSION);
}

enum err vault_seal(void *vault, unsigned kind, const uint8_t key[16], struct bytes plain, uint8_t *out)
{
    const struct vault *v = vault;
    uint8_t seal_key[SUBKEY_LEN], ad[AD_LEN];

    subkey(seal_key, v, "vault value", kind);
    value_ad(ad, kind, key);
    rng_fill(&v->rng, out, NONCE_LEN);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, plain.at, plain.len, ad, sizeof ad, NULL, out,
                                               seal_key);
    secret_wipe(seal_key, sizeof seal_key);
    return ERR_NONE;
}

enum err vault_open_value(void *vault, unsigned kind, const uint8_t key[16], struct bytes sealed, uint8_t *out)
{
    struct reader r = reader_of(sealed);
    struct bytes nonce = reader_take(&r, NONCE_LEN), text = reader_rest(&r);
    uint8_t seal_key[SUBKEY_LEN], ad[AD_LEN];

    if (r.failed || text.len < crypto_aead_xchacha20poly1305_ietf_ABYTES)
        return ERR_AUTH;
    subkey(seal_key, vault, "vault value", kind);
    value_ad(ad, kind, key);
    int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, text.at, text.len, ad, sizeof ad,
                                                            nonce.at, seal_key);
    secret_wipe(seal_key, sizeof seal_key);
    return failed == 0 ? ERR_NONE : ERR_AUTH;
}
