/* crypto/backup.c - sealed files that stand alone (protocol section 8.1).
 *
 * libsodium's secretstream: pieces cannot be left out, put in another order or cut off at the end. Its header is drawn by
 * libsodium itself; the key is bound to the file's head.
 */
#include "crypto/backup.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/keyslot.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { VERSION = 1, BY_PASSPHRASE = 1, BY_CODE = 2, BOUND_LEN = 32, SALT_LEN = KEYSLOT_SALT_LEN, PASSPHRASE_MAX = 1024 };

static const uint8_t magic[4] = { 'S', 'T', 'B', 'K' };

static_assert((int)BACKUP_HEAD_LEN == (int)BOUND_LEN + (int)crypto_secretstream_xchacha20poly1305_HEADERBYTES, "as documented");
static_assert(crypto_secretstream_xchacha20poly1305_ABYTES == 17, "BACKUP_FILE_MAX counts on it");

struct head {
    uint8_t kind;
    struct keyslot_cost cost;
    uint8_t salt[SALT_LEN];
};

static void head_encode(const struct head *h, uint8_t to[BOUND_LEN])
{
    struct writer w = writer_of(to, BOUND_LEN);

    writer_copy(&w, bytes_of(magic, sizeof magic));
    writer_u8(&w, VERSION);
    writer_u8(&w, h->kind);
    writer_u16(&w, 0);
    writer_u32(&w, h->cost.passes);
    writer_u32(&w, h->cost.kib);
    writer_copy(&w, bytes_of(h->salt, sizeof h->salt));
    assert(!w.failed && writer_left(&w) == 0);
}

/* The costs are checked before Argon2 runs: a file from who knows where does not make us take gigabytes or hours. */
static enum err head_decode(struct head *out, struct reader *r)
{
    struct head h;
    uint8_t start[sizeof magic];

    reader_copy(r, start, sizeof start);
    uint8_t version = reader_u8(r);
    h.kind = reader_u8(r);
    uint16_t zero = reader_u16(r);
    h.cost.algorithm = KEYSLOT_ARGON2ID;
    h.cost.passes = reader_u32(r);
    h.cost.kib = reader_u32(r);
    reader_copy(r, h.salt, sizeof h.salt);
    if (r->failed || memcmp(start, magic, sizeof magic) != 0)
        return ERR_MALFORMED;
    if (version != VERSION)
        return ERR_VERSION;
    if (zero != 0)
        return ERR_MALFORMED;
    if (h.kind == BY_CODE ? h.cost.passes != 0 || h.cost.kib != 0
                          : h.kind != BY_PASSPHRASE || h.cost.passes == 0 || h.cost.passes > KEYSLOT_PASSES_MAX ||
                                h.cost.kib < KEYSLOT_KIB_MIN || h.cost.kib > KEYSLOT_KIB_MAX)
        return ERR_MALFORMED;
    *out = h;
    return ERR_NONE;
}

static enum err stream_key(uint8_t out[32], const struct head *h, const struct backup_key *key)
{
    uint8_t bound[BOUND_LEN], kek[KEYSLOT_KEK_LEN];
    struct bytes secret = bytes_of(key->code, CODE_LEN);

    head_encode(h, bound);
    if (h->kind == BY_PASSPHRASE) {
        enum err e = keyslot_kek(kek, &h->cost, h->salt, key->passphrase);

        if (e != ERR_NONE)
            return e;
        secret = bytes_of(kek, sizeof kek);
    }
    hash_derive_one(out, 32, secret, "backup", bytes_of(bound, sizeof bound));
    secret_wipe(kek, sizeof kek);
    return ERR_NONE;
}

static size_t pieces_of(size_t len)
{
    return len == 0 ? 1 : (len + BACKUP_PIECE_LEN - 1) / BACKUP_PIECE_LEN;
}

enum err backup_seal(struct buffer *to, struct bytes plain, const struct backup_key *key, enum vault_cost cost, const struct rng *g)
{
    crypto_secretstream_xchacha20poly1305_state stream;
    struct head h = { .kind = key->code != NULL ? BY_CODE : BY_PASSPHRASE };
    size_t overhead = crypto_secretstream_xchacha20poly1305_ABYTES;
    size_t len = BACKUP_HEAD_LEN + plain.len + pieces_of(plain.len) * overhead;
    uint8_t derived[32];
    enum err e;

    if (key->code == NULL && key->passphrase.len == 0)
        return ERR_REFUSED;
    if (plain.len > BACKUP_PLAIN_MAX || key->passphrase.len > PASSPHRASE_MAX)
        return ERR_TOO_LARGE;
    if (key->code == NULL)
        h.cost = keyslot_cost_of(cost);
    rng_fill(g, h.salt, sizeof h.salt);
    if ((e = buffer_reserve(to, len)) != ERR_NONE || (e = stream_key(derived, &h, key)) != ERR_NONE)
        return e;
    uint8_t *at = to->at + to->len;
    head_encode(&h, at);
    crypto_secretstream_xchacha20poly1305_init_push(&stream, at + BOUND_LEN, derived);
    at += BACKUP_HEAD_LEN;
    for (size_t done = 0, n = 0; n < pieces_of(plain.len); n++) {
        size_t piece = plain.len - done < BACKUP_PIECE_LEN ? plain.len - done : BACKUP_PIECE_LEN;
        bool is_last = n + 1 == pieces_of(plain.len);

        crypto_secretstream_xchacha20poly1305_push(&stream, at, NULL, plain.at + done, piece, NULL, 0,
                                                   is_last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                                           : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
        at += piece + overhead;
        done += piece;
    }
    assert(at == to->at + to->len + len);
    to->len += len;
    secret_wipe(derived, sizeof derived);
    secret_wipe(&stream, sizeof stream);
    return ERR_NONE;
}

static enum err pull_all(struct buffer *plain, struct reader *r, crypto_secretstream_xchacha20poly1305_state *stream)
{
    size_t overhead = crypto_secretstream_xchacha20poly1305_ABYTES, most = BACKUP_PIECE_LEN + overhead;
    enum err e;

    for (;;) {
        struct bytes piece = reader_take(r, reader_left(r) < most ? reader_left(r) : most);
        unsigned char tag;

        if (piece.len < overhead)
            return ERR_MALFORMED;
        if ((e = buffer_reserve(plain, piece.len - overhead)) != ERR_NONE)
            return e;
        if (crypto_secretstream_xchacha20poly1305_pull(stream, plain->at + plain->len, NULL, &tag, piece.at, piece.len, NULL, 0) != 0)
            return ERR_AUTH;
        plain->len += piece.len - overhead;
        if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL)
            return reader_left(r) == 0 ? ERR_NONE : ERR_MALFORMED;
        if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
            return ERR_MALFORMED;
    }
}

enum err backup_open(struct buffer *plain, struct bytes file, const struct backup_key *key)
{
    crypto_secretstream_xchacha20poly1305_state stream;
    struct reader r = reader_of(file);
    uint8_t derived[32], start[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    size_t len_before = plain->len;
    struct head h;
    enum err e;

    if ((e = head_decode(&h, &r)) != ERR_NONE)
        return e;
    reader_copy(&r, start, sizeof start);
    if (r.failed)
        return ERR_MALFORMED;
    if (file.len > BACKUP_FILE_MAX)
        return ERR_TOO_LARGE;
    if ((h.kind == BY_CODE) != (key->code != NULL))
        return ERR_STATE;
    if (key->passphrase.len > PASSPHRASE_MAX)
        return ERR_AUTH;
    if ((e = stream_key(derived, &h, key)) != ERR_NONE)
        return e;
    e = crypto_secretstream_xchacha20poly1305_init_pull(&stream, start, derived) == 0 ? pull_all(plain, &r, &stream) : ERR_MALFORMED;
    if (e != ERR_NONE && plain->len > len_before) {
        secret_wipe(plain->at + len_before, plain->len - len_before);
        plain->len = len_before;
    }
    secret_wipe(derived, sizeof derived);
    secret_wipe(&stream, sizeof stream);
    return e;
}

enum err backup_wants_passphrase(struct bytes file, bool *out)
{
    struct reader r = reader_of(file);
    struct head h;
    enum err e = head_decode(&h, &r);

    if (e == ERR_NONE)
        *out = h.kind == BY_PASSPHRASE;
    return e;
}
