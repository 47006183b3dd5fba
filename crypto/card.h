/* crypto/card.h - the card a person hands out (protocol section 2).
 *
 * A card holds public keys, the inbox secret that addresses its owner, and a name,
 * signed by its owner. Whoever has it can write to its owner.
 */
#ifndef STA_CRYPTO_CARD_H
#define STA_CRYPTO_CARD_H

#include "mesh/base/bytes.h"

enum {
    CARD_NAME_MAX     = 32,
    CARD_LEN_MAX      = 232,
    CARD_LINK_MAX     = 330,   /* "staffetta:#" and base64url, with the final zero */
    MAILBOX_BITS_MAX  = 24,
    MAILBOX_BITS_DEFAULT = 8,
    SAFETY_NUMBER_LEN = 60,    /* digits */
};

enum card_flag { CARD_ONE_TIME = 1, CARD_PUBLIC = 2 };

struct card {
    uint8_t  flags;               /* enum card_flag */
    uint8_t  sign_key[32];        /* IKs, Ed25519 */
    uint8_t  dh_key[32];          /* IKd, X25519 */
    uint8_t  prekey[32];          /* SPK, X25519 */
    uint16_t prekey_id;
    uint16_t valid_until_day;
    uint8_t  inbox_secret[32];    /* S */
    uint8_t  mailbox_bits;
    uint8_t  name_len;
    char     name[CARD_NAME_MAX + 1]; /* UTF-8, and a zero for convenience */
    uint8_t  signature[64];
};

/* ERR_VERSION for another version or suite; ERR_MALFORMED for unknown flags, bits past 24, a name
 * that is empty, no UTF-8 or holds control characters; ERR_AUTH when the signature fails. */
enum err card_decode(struct card *out, struct bytes in);

/* Writes card_len(c) bytes into `to` of CARD_LEN_MAX; returns how many. */
size_t card_encode(const struct card *c, uint8_t *to);

/* "staffetta:#" + base64url. Reading also takes the bare base64url, surrounding white space,
 * and any "scheme:#" or "https://host/path#" before the fragment. */
void     card_link(const struct card *c, char to[CARD_LINK_MAX]);
enum err card_from_link(struct card *out, struct bytes text);

/* H_32(; "cardh"; card): binds a session to the very card it was started from. */
void card_hash(const struct card *c, uint8_t out[32]);

/* Sixty digits and a final zero; the same for both, whoever asks. Thirty digits for each person:
 * five-digit groups of the fingerprint, as docs/protocol.md says. */
void safety_number(const struct card *a, const struct card *b, char out[SAFETY_NUMBER_LEN + 1]);

/* Same person: both identity keys are equal. */
bool card_is_same_person(const struct card *a, const struct card *b);

#endif
