/* crypto/identity.h - who this device is (protocol section 2).
 *
 * Owns the secret keys. An identity has inboxes: the standing one behind its card,
 * older ones whose prekey was rotated, and one for each open one-time invite. An inbox is
 * a prekey and the inbox secret it was published with; a stranger's first message names one.
 */
#ifndef STA_CRYPTO_IDENTITY_H
#define STA_CRYPTO_IDENTITY_H

#include "crypto/card.h"
#include "mesh/base/rng.h"

struct identity;

enum {
    PREKEY_LIFE_DAYS   = 7,    /* rotated after */
    CARD_LIFE_DAYS     = 30,   /* a card's valid_until, from the day it is made */
    INVITE_LIFE_DAYS   = 30,
    PREKEY_GRACE_DAYS  = 15,   /* a secret outlives its card by this */
    INBOXES_MAX        = 64,   /* open invites and old prekeys; the oldest invite goes first */
};

/* A new person. `name` as card_decode wants it. ERR_MALFORMED for a bad name. */
enum err identity_new(struct identity **out, struct bytes name, uint32_t day, const struct rng *g);

/* Wipes and frees. Takes NULL. */
void identity_free(struct identity *id);

/* Secrets and inboxes as bytes for the archive, appended to `to`; and back. ERR_CORRUPT. */
enum err identity_encode(const struct identity *id, struct buffer *to);
enum err identity_decode(struct identity **out, struct bytes in);

/* The standing card. Lends until the identity changes. */
const struct card *identity_card(const struct identity *id);

/* What makes this person the same one on another device: keys, inbox, name; no prekey. For a backup. */
struct identity_root {
    uint8_t  sign_seed[32], dh_secret[32], inbox_secret[32];
    uint8_t  mailbox_bits;
    uint32_t day;               /* of the card */
    uint16_t next_prekey_id;
    uint8_t  name_len;
    char     name[CARD_NAME_MAX + 1];
};
void identity_root(const struct identity *id, struct identity_root *out);

/* The person on a new device, with a fresh prekey whose number lies beyond those that the old device may have given out until
 * `day`, for friends keep the card with the later one. ERR_MALFORMED: the name or the mailbox bits. */
enum err identity_of_root(struct identity **out, const struct identity_root *root, uint32_t day, const struct rng *g);

/* A one-time invite: fresh prekey and inbox secret, used by one person. */
enum err identity_invite(struct identity *id, struct card *out, uint32_t day, const struct rng *g);

enum err identity_rename(struct identity *id, struct bytes name, uint32_t day, const struct rng *g);
enum err identity_set_mailbox_bits(struct identity *id, uint8_t bits, uint32_t day, const struct rng *g);

/* Once a day: rotates the prekey when due, destroys secrets past their time. True when it
 * changed, so that the caller stores it. */
bool identity_tend(struct identity *id, uint32_t day, const struct rng *g);

/* Replaces the standing inbox secret (a friend was removed). */
enum err identity_replace_inbox(struct identity *id, uint32_t day, const struct rng *g);

/* Inboxes, for building tag tables. Index 0 is the standing one. The secret is lent until the
 * identity changes. */
struct inbox_view {
    uint32_t inbox_id;          /* stable for the life of the inbox, never used twice */
    const uint8_t *secret;      /* S, 32 bytes */
    uint8_t mailbox_bits;
    bool is_one_time;
};
size_t   identity_inbox_count(const struct identity *id);
void     identity_inbox(const struct identity *id, size_t index, struct inbox_view *out);

/* Destroys an invite's secrets (its user has an established session). ERR_NOT_FOUND. */
enum err identity_invite_destroy(struct identity *id, uint32_t inbox_id);

#endif
