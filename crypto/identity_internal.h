/* crypto/identity_internal.h - the secrets of an identity, for the files of crypto/ and for tests. */
#ifndef STA_CRYPTO_IDENTITY_INTERNAL_H
#define STA_CRYPTO_IDENTITY_INTERNAL_H

#include "crypto/identity.h"

/* A prekey with everything that a first message to it needs. Prekeys that were published with the same inbox
 * secret share its inbox_id; the id in a first message's header tells them apart. */
struct prekey {
    uint32_t inbox_id;
    uint16_t id;
    uint16_t valid_until_day;
    uint8_t  mailbox_bits;
    bool     is_one_time;
    uint8_t  secret[32];
    uint8_t  inbox_secret[32];
    uint8_t  card_hash[32];     /* of the one card it was published in: a session is bound to it */
};

const uint8_t *identity_dh_secret(const struct identity *id);

/* Lend until the identity changes, or NULL. */
const struct prekey *identity_prekey_find(const struct identity *id, uint16_t prekey_id);
const uint8_t       *identity_inbox_secret(const struct identity *id, uint32_t inbox_id);

/* An identity from given secrets whose card somebody else signed: for known answers. It can open and start
 * sessions, but not publish a card of its own nor be encoded. prekey_secret may be NULL. ERR_AUTH: the
 * secrets are not those of the card. */
enum err identity_of_secrets(struct identity **out, const struct card *card, const uint8_t dh_secret[32],
                             const uint8_t *prekey_secret);

#endif
