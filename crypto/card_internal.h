/* crypto/card_internal.h - what identity needs of a card beyond card.h. For crypto/ and tests. */
#ifndef STA_CRYPTO_CARD_INTERNAL_H
#define STA_CRYPTO_CARD_INTERNAL_H

#include "crypto/card.h"

/* 1 to CARD_NAME_MAX octets of UTF-8 without control characters (C0, DEL, C1). */
bool card_name_is_valid(struct bytes name);

/* Signs all fields of *c with the 64-byte Ed25519 secret of libsodium (seed || public key). */
void card_sign(struct card *c, const uint8_t sign_secret[64]);

/* A card zero-padded to CARD_LEN_MAX, as a first message carries it. Errors as card_decode. */
enum err card_decode_padded(struct card *out, const uint8_t padded[CARD_LEN_MAX]);

#endif
