/* crypto/chunk.c - pieces of a large thing, on their way and at rest. */
#include "crypto/chunk.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/tags.h"

enum { SALT = 8, NONCE = TAG_LEN + SALT, SEAL = 16, NAME_LEN = 6, AD_LEN = HEADER_AD_LEN + SALT + NAME_LEN };

_Static_assert(NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "tag and salt are the nonce");
_Static_assert(CHUNK_OVERHEAD == HEADER_LEN + SALT + SEAL, "header, salt, seal");

static void write_name(uint8_t to[NAME_LEN], struct chunk_name name)
{
    struct writer w = writer_of(to, NAME_LEN);

    writer_u8(&w, name.part);
    writer_u8(&w, name.round);
    writer_u32(&w, name.index);
}

void chunk_reveal(const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, uint8_t out[CHUNK_REVEAL_LEN])
{
    uint8_t text[NAME_LEN];

    write_name(text, name);
    hash_derive_one(out, CHUNK_REVEAL_LEN, bytes_of(key, CHUNK_KEY_LEN), "chunk r", bytes_of(text, sizeof text));
}

void chunk_tag(const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, uint8_t out[TAG_LEN])
{
    uint8_t r[CHUNK_REVEAL_LEN];

    chunk_reveal(key, name, r);
    tag_of_reveal(r, out);
}

/* What the seal is bound to beside its nonce: bytes 0-23 and the salt of the bundle, and the chunk's name. */
static void write_ad(uint8_t ad[AD_LEN], const uint8_t *bundle, struct chunk_name name)
{
    memcpy(ad, bundle, HEADER_AD_LEN);
    memcpy(ad + HEADER_AD_LEN, bundle + HEADER_LEN, SALT);
    write_name(ad + HEADER_AD_LEN + SALT, name);
}

static void seal_key(const uint8_t key[CHUNK_KEY_LEN], uint8_t out[32])
{
    hash_derive_one(out, 32, bytes_of(key, CHUNK_KEY_LEN), "chunk key", bytes_of(NULL, 0));
}

void chunk_seal(uint8_t *bundle, const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, const struct chunk_place *place,
                const uint8_t *plain, const struct rng *g)
{
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = place->size_code, .expiry_h = place->expiry_h,
                        .bucket = place->bucket };
    uint8_t nonce[NONCE], ad[AD_LEN], k[32];

    chunk_tag(key, name, h.tag);
    header_encode(&h, bundle);
    rng_fill(g, bundle + HEADER_LEN, SALT);
    memcpy(nonce, h.tag, TAG_LEN);
    memcpy(nonce + TAG_LEN, bundle + HEADER_LEN, SALT);
    write_ad(ad, bundle, name);
    seal_key(key, k);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bundle + HEADER_LEN + SALT, NULL, plain, chunk_capacity(place->size_code), ad,
                                               sizeof ad, NULL, nonce, k);
    secret_wipe(k, sizeof k);
}

enum err chunk_open(const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, uint8_t size_code, struct bytes bundle, uint8_t *plain)
{
    uint8_t nonce[NONCE], ad[AD_LEN], k[32];
    struct header h;
    enum err e = header_of_bundle(&h, bundle);

    if (e != ERR_NONE)
        return e;
    if (h.bundle_class != CLASS_SEALED || h.size_code != size_code)
        return ERR_MALFORMED;
    memcpy(nonce, h.tag, TAG_LEN);
    memcpy(nonce + TAG_LEN, bundle.at + HEADER_LEN, SALT);
    write_ad(ad, bundle.at, name);
    seal_key(key, k);
    /* libsodium checks the tag before it writes. */
    int bad = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, bundle.at + HEADER_LEN + SALT,
                                                         bundle.len - HEADER_LEN - SALT, ad, sizeof ad, nonce, k);
    secret_wipe(k, sizeof k);
    return bad == 0 ? ERR_NONE : ERR_AUTH;
}

/* ---- At rest ---- */

static void write_place(uint8_t to[8], uint64_t place)
{
    struct writer w = writer_of(to, 8);

    writer_u64(&w, place);
}

void piece_seal(const uint8_t key[32], uint64_t place, struct bytes plain, uint8_t *out, const struct rng *g)
{
    uint8_t ad[8];

    write_place(ad, place);
    rng_fill(g, out, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE, NULL, plain.at, plain.len, ad, sizeof ad, NULL, out, key);
}

enum err piece_open(const uint8_t key[32], uint64_t place, struct bytes sealed, uint8_t *plain)
{
    uint8_t ad[8];

    if (sealed.len < PIECE_OVERHEAD)
        return ERR_AUTH;
    write_place(ad, place);
    return crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed.at + NONCE, sealed.len - NONCE, ad, sizeof ad,
                                                      sealed.at, key) == 0
               ? ERR_NONE
               : ERR_AUTH;
}

/* ---- Content ---- */

struct content_hash { crypto_generichash_state state; };

enum err content_hash_new(struct content_hash **out)
{
    static const char label[] = "mesh1.content";
    uint8_t len = sizeof label - 1;
    struct content_hash *h = sodium_malloc(sizeof *h);

    if (h == NULL)
        return ERR_NO_MEMORY;
    crypto_generichash_init(&h->state, NULL, 0, CONTENT_HASH_LEN);
    crypto_generichash_update(&h->state, &len, 1);
    crypto_generichash_update(&h->state, (const uint8_t *)label, len);
    *out = h;
    return ERR_NONE;
}

void content_hash_add(struct content_hash *h, struct bytes more)
{
    crypto_generichash_update(&h->state, more.at, more.len);
}

void content_hash_end(struct content_hash *h, uint8_t out[CONTENT_HASH_LEN])
{
    crypto_generichash_final(&h->state, out, CONTENT_HASH_LEN);
}

void content_hash_free(struct content_hash *h)
{
    sodium_free(h);
}
