/* crypto/body.c - masks, seals and opens bodies of bundles (protocol sections 3 and 4). */
#include "crypto/body.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"

enum { AD_LEN = HEADER_AD_LEN + SALT_LEN + MASKED_LEN, PAYLOAD_AD_MAX = AD_LEN + CARD_SEAL_LEN + 2 };

size_t body_payload_max(bool has_card, uint8_t size_code)
{
    size_t frame = BODY_AT + (has_card ? CARD_SEAL_LEN : 0) + SEAL_LEN, len = bundle_len_of_code(size_code);

    return len > frame ? len - frame : 0;
}

enum err body_parse(struct body *out, bool has_card, struct bytes bundle)
{
    struct reader r = reader_of(bundle);
    struct header h;
    struct body b;
    enum err e = header_of_bundle(&h, bundle);

    if (e != ERR_NONE)
        return e;
    if (h.bundle_class != CLASS_SEALED)
        return ERR_MALFORMED;
    struct bytes head = reader_take(&r, HEADER_LEN);
    struct bytes salt = reader_take(&r, SALT_LEN);
    struct bytes masked = reader_take(&r, MASKED_LEN);
    b.card_seal = reader_take(&r, has_card ? CARD_SEAL_LEN : 0);
    b.payload_seal = reader_rest(&r);
    if (!reader_is_done(&r) || b.payload_seal.len < SEAL_LEN)
        return ERR_MALFORMED;
    b.masked = masked.at;
    memcpy(b.nonce, h.tag, TAG_LEN);
    memcpy(b.nonce + TAG_LEN, salt.at, SALT_LEN);
    memcpy(b.ad, head.at, HEADER_AD_LEN);
    memcpy(b.ad + HEADER_AD_LEN, salt.at, SALT_LEN);
    memcpy(b.ad + HEADER_AD_LEN + SALT_LEN, masked.at, MASKED_LEN);
    *out = b;
    return ERR_NONE;
}

static void mask(uint8_t *to, const uint8_t *from, const uint8_t nonce[NONCE_LEN], const uint8_t mask_key[32])
{
    uint8_t stream[MASKED_LEN];

    hash_derive_one(stream, sizeof stream, bytes_of(mask_key, 32), "hm", bytes_of(nonce, NONCE_LEN));
    for (size_t i = 0; i < MASKED_LEN; i++)
        to[i] = from[i] ^ stream[i];
    secret_wipe(stream, sizeof stream);
}

void body_unmask(const struct body *b, const uint8_t mask_key[32], struct inner *out)
{
    uint8_t plain[MASKED_LEN];
    struct reader r = reader_of(bytes_of(plain, sizeof plain));

    mask(plain, b->masked, b->nonce, mask_key);
    reader_copy(&r, out->ratchet_key, sizeof out->ratchet_key);
    out->pn = reader_u16(&r);
    out->n = reader_u16(&r);
}

/* The payload's AD in one piece, as libsodium wants it. Returns its length. */
static size_t payload_ad(uint8_t to[PAYLOAD_AD_MAX], const uint8_t ad[AD_LEN], struct bytes card_seal, uint16_t age)
{
    struct writer w = writer_of(to, PAYLOAD_AD_MAX);

    writer_copy(&w, bytes_of(ad, AD_LEN));
    writer_copy(&w, card_seal);
    if (age > 0)
        writer_u16(&w, age);
    return writer_len(&w);
}

enum err body_open_card(const struct body *b, const uint8_t key[32], uint8_t padded[CARD_LEN_MAX])
{
    uint8_t plain[CARD_LEN_MAX];

    if (b->card_seal.len != CARD_SEAL_LEN ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, b->card_seal.at, b->card_seal.len, b->ad,
                                                   sizeof b->ad, b->nonce, key) != 0)
        return ERR_AUTH;
    memcpy(padded, plain, sizeof plain);
    secret_wipe(plain, sizeof plain);
    return ERR_NONE;
}

enum err body_open_payload(const struct body *b, const uint8_t key[32], uint16_t age, uint8_t *payload, size_t *len)
{
    uint8_t ad[PAYLOAD_AD_MAX];
    size_t ad_len = payload_ad(ad, b->ad, b->card_seal, age);
    unsigned long long got;

    /* Without an output libsodium only verifies; with one it would zero it on failure. */
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(NULL, NULL, NULL, b->payload_seal.at, b->payload_seal.len, ad, ad_len,
                                                   b->nonce, key) != 0)
        return ERR_AUTH;
    int is_bad = crypto_aead_xchacha20poly1305_ietf_decrypt(payload, &got, NULL, b->payload_seal.at, b->payload_seal.len,
                                                            ad, ad_len, b->nonce, key);
    assert(!is_bad);
    *len = (size_t)got;
    return ERR_NONE;
}

void body_write(uint8_t *bundle, const struct body_parts *p)
{
    size_t total = bundle_len_of_code(p->header->size_code);
    struct writer w = writer_of(bundle, total);
    uint8_t nonce[NONCE_LEN], plain[MASKED_LEN], ad[AD_LEN], full_ad[PAYLOAD_AD_MAX];
    struct bytes card_seal = { NULL, 0 };

    memcpy(nonce, p->header->tag, TAG_LEN);
    memcpy(nonce + TAG_LEN, p->salt, SALT_LEN);
    struct writer inner = writer_of(plain, sizeof plain);
    writer_copy(&inner, bytes_of(p->inner->ratchet_key, sizeof p->inner->ratchet_key));
    writer_u16(&inner, p->inner->pn);
    writer_u16(&inner, p->inner->n);

    header_encode(p->header, writer_gap(&w, HEADER_LEN));
    writer_copy(&w, bytes_of(p->salt, SALT_LEN));
    mask(writer_gap(&w, MASKED_LEN), plain, nonce, p->mask_key);
    memcpy(ad, bundle, HEADER_AD_LEN);
    memcpy(ad + HEADER_AD_LEN, bundle + HEADER_LEN, SALT_LEN + MASKED_LEN);
    if (p->card_key != NULL) {
        uint8_t *to = writer_gap(&w, CARD_SEAL_LEN);

        assert(to != NULL);
        crypto_aead_xchacha20poly1305_ietf_encrypt(to, NULL, p->padded_card, CARD_LEN_MAX, ad, sizeof ad, NULL, nonce,
                                                   p->card_key);
        card_seal = bytes_of(to, CARD_SEAL_LEN);
    }
    size_t ad_len = payload_ad(full_ad, ad, card_seal, p->age);
    size_t plain_len = writer_left(&w) - SEAL_LEN;
    uint8_t *sealed = writer_gap(&w, writer_left(&w));
    assert(sealed != NULL && !w.failed && p->payload.len <= plain_len);
    if (p->payload.len > 0)
        memmove(sealed, p->payload.at, p->payload.len);
    memset(sealed + p->payload.len, 0, plain_len - p->payload.len);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, sealed, plain_len, full_ad, ad_len, NULL, nonce,
                                               p->payload_key);
    secret_wipe(plain, sizeof plain);
}
