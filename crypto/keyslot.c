/* crypto/keyslot.c - the bytes of the keyslot file (protocol section 8). */
#include "crypto/keyslot.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "crypto/constant_time.h"
#include "crypto/hash.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

static const char MAGIC[] = "STKS";

enum { MAGIC_LEN = 4, VERSION = 1, RESERVED_LEN = 2, SLOT_SPACING = KEYSLOT_FILE_LEN / KEYSLOT_COUNT };

size_t keyslot_offset(size_t index)
{
    assert(index < KEYSLOT_COUNT);
    return index * SLOT_SPACING;
}

bool keyslot_cost_is_equal(const struct keyslot_cost *a, const struct keyslot_cost *b)
{
    return a->algorithm == b->algorithm && a->passes == b->passes && a->kib == b->kib;
}

/* All but the commitment, which covers it. */
static void slot_write(const struct keyslot *s, struct writer *w)
{
    writer_copy(w, bytes_of(MAGIC, MAGIC_LEN));
    writer_u8(w, VERSION);
    writer_u8(w, (uint8_t)s->cost.algorithm);
    writer_zero(w, RESERVED_LEN);
    writer_u32(w, s->cost.passes);
    writer_u32(w, s->cost.kib);
    writer_copy(w, bytes_of(s->salt, sizeof s->salt));
    writer_copy(w, bytes_of(s->nonce, sizeof s->nonce));
    writer_copy(w, bytes_of(s->wrapped, sizeof s->wrapped));
}

void keyslot_encode(const struct keyslot *s, uint8_t to[KEYSLOT_LEN])
{
    struct writer w = writer_of(to, KEYSLOT_LEN);

    slot_write(s, &w);
    writer_copy(&w, bytes_of(s->commitment, sizeof s->commitment));
    assert(!w.failed && writer_left(&w) == 0);
}

static bool cost_is_sound(uint8_t algorithm, uint32_t passes, uint32_t kib)
{
    if (algorithm == KEYSLOT_KEY_FILE)
        return passes == 0 && kib == 0;
    return algorithm == KEYSLOT_ARGON2ID && passes >= 1 && passes <= KEYSLOT_PASSES_MAX
        && kib >= KEYSLOT_KIB_MIN && kib <= KEYSLOT_KIB_MAX;
}

enum err keyslot_decode(struct keyslot *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct keyslot s;
    struct bytes magic = reader_take(&r, MAGIC_LEN);
    uint8_t version = reader_u8(&r), algorithm = reader_u8(&r);
    uint16_t reserved = reader_u16(&r);

    s.cost.passes = reader_u32(&r);
    s.cost.kib = reader_u32(&r);
    reader_copy(&r, s.salt, sizeof s.salt);
    reader_copy(&r, s.nonce, sizeof s.nonce);
    reader_copy(&r, s.wrapped, sizeof s.wrapped);
    reader_copy(&r, s.commitment, sizeof s.commitment);
    if (!reader_is_done(&r) || !bytes_are_equal(magic, bytes_of(MAGIC, MAGIC_LEN)))
        return ERR_CORRUPT;
    if (version != VERSION)
        return ERR_VERSION;
    if (reserved != 0 || !cost_is_sound(algorithm, s.cost.passes, s.cost.kib))
        return ERR_CORRUPT;
    s.cost.algorithm = (enum keyslot_algorithm)algorithm;
    *out = s;
    return ERR_NONE;
}

enum err keyslot_file_decode(struct keyslot_file *out, struct bytes in)
{
    struct keyslot_file f;
    enum err worst = ERR_CORRUPT;

    if (in.len != KEYSLOT_FILE_LEN)
        return ERR_CORRUPT;
    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < KEYSLOT_COUNT; i++) {
        enum err e = keyslot_decode(&f.slots[i], bytes_of(in.at + keyslot_offset(i), KEYSLOT_LEN));

        f.is_sound[i] = e == ERR_NONE;
        if (e == ERR_VERSION)
            worst = ERR_VERSION;
    }
    if (!f.is_sound[0] && !f.is_sound[1])
        return worst;
    *out = f;
    return ERR_NONE;
}

void keyslot_file_encode(const struct keyslot_file *f, uint8_t to[KEYSLOT_FILE_LEN], const struct rng *g)
{
    struct keyslot decoy;

    assert(f->is_sound[0] || f->is_sound[1]);
    rng_fill(g, to, KEYSLOT_FILE_LEN);
    keyslot_decoy(&decoy, &f->slots[f->is_sound[0] ? 0 : 1].cost, g);
    for (size_t i = 0; i < KEYSLOT_COUNT; i++)
        keyslot_encode(f->is_sound[i] ? &f->slots[i] : &decoy, to + keyslot_offset(i));
}

struct keyslot_cost keyslot_cost_of(enum vault_cost cost)
{
    static const struct keyslot_cost costs[] = {
        [VAULT_COST_FULL]  = { KEYSLOT_ARGON2ID, 3, 256 * 1024 },
        [VAULT_COST_SMALL] = { KEYSLOT_ARGON2ID, 3, 64 * 1024 },
        [VAULT_COST_TEST]  = { KEYSLOT_ARGON2ID, 1, 8 },
    };

    return costs[cost];
}

void keyslot_decoy(struct keyslot *out, const struct keyslot_cost *cost, const struct rng *g)
{
    out->cost = *cost;
    rng_fill(g, out->salt, sizeof out->salt);
    rng_fill(g, out->nonce, sizeof out->nonce);
    rng_fill(g, out->wrapped, sizeof out->wrapped);
    rng_fill(g, out->commitment, sizeof out->commitment);
}

enum err keyslot_kek(uint8_t out[KEYSLOT_KEK_LEN], const struct keyslot_cost *cost,
                     const uint8_t salt[KEYSLOT_SALT_LEN], struct bytes secret)
{
    if (cost->algorithm == KEYSLOT_KEY_FILE) {
        /* 256 random bits need no stretching. */
        assert(secret.len == KEYSLOT_KEY_FILE_LEN);
        hash_derive_one(out, KEYSLOT_KEK_LEN, secret, "keyfile", bytes_of(salt, KEYSLOT_SALT_LEN));
        return ERR_NONE;
    }
    if (crypto_pwhash(out, KEYSLOT_KEK_LEN, (const char *)secret.at, secret.len, salt, cost->passes,
                      (size_t)cost->kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ERR_NO_MEMORY;
    return ERR_NONE;
}

/* The AEAD alone would let one ciphertext open under two keys, to two vaults; the commitment does not. Real and duress
 * differ here and nowhere else. */
static void slot_commit(uint8_t out[KEYSLOT_COMMIT_LEN], const struct keyslot *s, enum keyslot_role role,
                        const uint8_t kek[KEYSLOT_KEK_LEN])
{
    uint8_t space[1 + KEYSLOT_LEN];
    struct writer w = writer_of(space, sizeof space);

    writer_u8(&w, (uint8_t)role);
    slot_write(s, &w);
    hash_derive_one(out, KEYSLOT_COMMIT_LEN, bytes_of(kek, KEYSLOT_KEK_LEN), "slot commit", writer_bytes(&w));
}

static void slot_wrap_key(uint8_t out[32], enum keyslot_role role, const uint8_t kek[KEYSLOT_KEK_LEN])
{
    uint8_t octet = (uint8_t)role;

    hash_derive_one(out, 32, bytes_of(kek, KEYSLOT_KEK_LEN), "slot key", bytes_of(&octet, 1));
}

enum err keyslot_wrap(struct keyslot *out, const struct keyslot_cost *cost, enum keyslot_role role,
                      struct bytes secret, const uint8_t master[KEYSLOT_MASTER_LEN], const struct rng *g)
{
    struct keyslot s;
    uint8_t kek[KEYSLOT_KEK_LEN], key[32];

    keyslot_decoy(&s, cost, g);
    enum err e = keyslot_kek(kek, cost, s.salt, secret);
    if (e != ERR_NONE)
        return e;
    slot_wrap_key(key, role, kek);
    crypto_aead_xchacha20poly1305_ietf_encrypt(s.wrapped, NULL, master, KEYSLOT_MASTER_LEN, NULL, 0, NULL, s.nonce,
                                               key);
    slot_commit(s.commitment, &s, role, kek);
    secret_wipe(kek, sizeof kek);
    secret_wipe(key, sizeof key);
    *out = s;
    return ERR_NONE;
}

enum err keyslot_unwrap(const struct keyslot *s, struct bytes secret, uint8_t master[KEYSLOT_MASTER_LEN],
                        enum keyslot_role *role)
{
    static const enum keyslot_role roles[] = { KEYSLOT_REAL, KEYSLOT_DURESS };
    uint8_t kek[KEYSLOT_KEK_LEN], key[32], commitment[KEYSLOT_COMMIT_LEN], plain[KEYSLOT_MASTER_LEN];
    enum err e = keyslot_kek(kek, &s->cost, s->salt, secret);

    if (e != ERR_NONE)
        return e;
    e = ERR_AUTH;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        slot_commit(commitment, s, roles[i], kek);
        slot_wrap_key(key, roles[i], kek);
        int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, s->wrapped, sizeof s->wrapped, NULL,
                                                                0, s->nonce, key);
        bool is_match = secret_is_equal(commitment, s->commitment, sizeof commitment);

        secret_reveal(&failed, sizeof failed);
        secret_reveal(&is_match, sizeof is_match);
        if (is_match && failed == 0) {
            memcpy(master, plain, sizeof plain);
            *role = roles[i];
            e = ERR_NONE;
        }
    }
    secret_wipe(kek, sizeof kek);
    secret_wipe(key, sizeof key);
    secret_wipe(plain, sizeof plain);
    return e;
}
