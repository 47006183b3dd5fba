/* crypto/body.h - the sealed body of a bundle (protocol sections 3 and 4). For crypto/ and tests.
 *
 *   header 32 | salt 8 | masked 36 | [seal of the card 248] | seal of the padded payload
 *
 * The nonce of both seals is tag || salt, under different keys. Their AD is bytes 0-23, salt and the masked header;
 * that of the payload goes on with the card's seal, and with the age of the session in days, 2 octets, when a first
 * message is sent on a later day than the session began (age > 0).
 */
#ifndef STA_CRYPTO_BODY_H
#define STA_CRYPTO_BODY_H

#include "crypto/card.h"
#include "mesh/base/header.h"

enum {
    SALT_LEN      = 8,
    MASKED_LEN    = 36,
    NONCE_LEN     = TAG_LEN + SALT_LEN,
    SEAL_LEN      = 16,                        /* Poly1305 */
    CARD_SEAL_LEN = CARD_LEN_MAX + SEAL_LEN,
    BODY_AT       = HEADER_LEN + SALT_LEN + MASKED_LEN,
};

/* What is under the mask. */
struct inner {
    uint8_t  ratchet_key[32];
    uint16_t pn;                /* of first messages: the prekey's id */
    uint16_t n;
};

/* A bundle, taken apart; lends from it. */
struct body {
    uint8_t nonce[NONCE_LEN];   /* tag || salt */
    uint8_t ad[HEADER_AD_LEN + SALT_LEN + MASKED_LEN];
    const uint8_t *masked;
    struct bytes card_seal;     /* empty without a card */
    struct bytes payload_seal;
};

/* Plaintext bytes of a payload in a bundle of this size code; 0 when not even the frame fits. */
size_t body_payload_max(bool has_card, uint8_t size_code);

/* ERR_MALFORMED, ERR_VERSION: not a sealed bundle. */
enum err body_parse(struct body *out, bool has_card, struct bytes bundle);

void body_unmask(const struct body *b, const uint8_t mask_key[32], struct inner *out);

/* ERR_AUTH. Writes only what is authentic. */
enum err body_open_card(const struct body *b, const uint8_t key[32], uint8_t padded[CARD_LEN_MAX]);
enum err body_open_payload(const struct body *b, const uint8_t key[32], uint16_t age, uint8_t *payload, size_t *len);

/* Writes a whole bundle of bundle_len_of_code(h->size_code) bytes. card_key and padded_card are NULL without a card.
 * The payload fits: the caller has asked body_payload_max. */
struct body_parts {
    const struct header *header;
    const uint8_t *salt;
    const uint8_t *mask_key;
    const struct inner *inner;
    const uint8_t *card_key, *padded_card;
    const uint8_t *payload_key;
    uint16_t age;
    struct bytes payload;
};
void body_write(uint8_t *bundle, const struct body_parts *parts);

#endif
