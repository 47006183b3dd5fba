/* crypto/identity.c - secret keys, prekeys and inboxes (protocol section 2).
 *
 * Every card that is handed out has a prekey of its own, also when only a name changed: a session is bound to
 * the hash of the card it was started from, and the prekey's id is how a first message says which card that was.
 * prekeys[0] belongs to the standing card; the rest is kept newest first.
 */
#include "crypto/identity_internal.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/card_internal.h"
#include "crypto/curve.h"
#include "crypto/hash.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

struct identity {
    uint8_t sign_secret[64];    /* libsodium's: seed || public key */
    bool    can_sign;           /* false only for identities made from given secrets */
    uint8_t dh_secret[32];
    struct card card;
    uint32_t card_day;
    uint32_t next_inbox_id;
    uint16_t next_prekey_id;
    size_t prekey_count;
    struct prekey prekeys[INBOXES_MAX];
};

enum { IDENTITY_FORMAT = 1, PREKEY_ENCODED_LEN = 106 };

static struct bytes bytes_of_key(const uint8_t key[32])
{
    return bytes_of(key, 32);
}

static uint16_t day_after(uint32_t day, uint32_t days)
{
    return day > UINT16_MAX - days ? UINT16_MAX : (uint16_t)(day + days);
}

static bool is_prekey_id_used(const struct identity *id, uint16_t prekey_id)
{
    return identity_prekey_find(id, prekey_id) != NULL;
}

static uint16_t prekey_id_draw(struct identity *id)
{
    while (id->next_prekey_id == 0 || is_prekey_id_used(id, id->next_prekey_id))
        id->next_prekey_id++;
    return id->next_prekey_id++;
}

static void prekey_remove(struct identity *id, size_t index)
{
    memmove(&id->prekeys[index], &id->prekeys[index + 1], (id->prekey_count - index - 1) * sizeof id->prekeys[0]);
    id->prekey_count--;
    secret_wipe(&id->prekeys[id->prekey_count], sizeof id->prekeys[0]);
}

/* Makes room: the oldest invite goes first, then the oldest rotated prekey. */
static void prekey_make_room(struct identity *id)
{
    if (id->prekey_count < INBOXES_MAX)
        return;
    for (size_t i = id->prekey_count; i-- > 1;) {
        if (id->prekeys[i].is_one_time) {
            prekey_remove(id, i);
            return;
        }
    }
    prekey_remove(id, id->prekey_count - 1);
}

/* Makes a prekey for *c, whose name, flags, mailbox bits, inbox secret and last day are set, completes and signs
 * the card, and files the prekey at `index`. */
static void publish(struct identity *id, struct card *c, uint32_t inbox_id, size_t index, const struct rng *g)
{
    struct prekey k;

    assert(id->can_sign);
    prekey_make_room(id);
    k.inbox_id = inbox_id;
    k.id = prekey_id_draw(id);
    k.valid_until_day = c->valid_until_day;
    k.mailbox_bits = c->mailbox_bits;
    k.is_one_time = (c->flags & CARD_ONE_TIME) != 0;
    rng_fill(g, k.secret, sizeof k.secret);
    memcpy(k.inbox_secret, c->inbox_secret, sizeof k.inbox_secret);
    memcpy(c->sign_key, id->sign_secret + 32, sizeof c->sign_key);
    curve_public(c->dh_key, id->dh_secret);
    curve_public(c->prekey, k.secret);
    c->prekey_id = k.id;
    card_sign(c, id->sign_secret);
    card_hash(c, k.card_hash);
    memmove(&id->prekeys[index + 1], &id->prekeys[index], (id->prekey_count - index) * sizeof id->prekeys[0]);
    id->prekeys[index] = k;
    id->prekey_count++;
    secret_wipe(&k, sizeof k);
}

/* The same as the standing card. *c is wiped: identity_card has it. */
static void publish_standing(struct identity *id, struct card *c, uint32_t inbox_id, uint32_t day, const struct rng *g)
{
    c->valid_until_day = day_after(day, CARD_LIFE_DAYS);
    publish(id, c, inbox_id, 0, g);
    id->card = *c;
    id->card_day = day;
    secret_wipe(c, sizeof *c);
}

enum err identity_new(struct identity **out, struct bytes name, uint32_t day, const struct rng *g)
{
    uint8_t seed[crypto_sign_SEEDBYTES], sign_key[32];
    struct card c;

    if (!card_name_is_valid(name))
        return ERR_MALFORMED;
    struct identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return ERR_NO_MEMORY;
    rng_fill(g, seed, sizeof seed);
    crypto_sign_seed_keypair(sign_key, id->sign_secret, seed);
    secret_wipe(seed, sizeof seed);
    id->can_sign = true;
    rng_fill(g, id->dh_secret, sizeof id->dh_secret);
    id->next_prekey_id = 1;
    id->next_inbox_id = 2;

    memset(&c, 0, sizeof c);
    c.mailbox_bits = MAILBOX_BITS_DEFAULT;
    c.name_len = (uint8_t)name.len;
    memcpy(c.name, name.at, name.len);
    rng_fill(g, c.inbox_secret, sizeof c.inbox_secret);
    publish_standing(id, &c, 1, day, g);
    *out = id;
    return ERR_NONE;
}

enum err identity_of_secrets(struct identity **out, const struct card *card, const uint8_t dh_secret[32],
                             const uint8_t *prekey_secret)
{
    uint8_t public_key[32];

    curve_public(public_key, dh_secret);
    if (!secret_is_equal(public_key, card->dh_key, sizeof public_key))
        return ERR_AUTH;
    if (prekey_secret != NULL) {
        curve_public(public_key, prekey_secret);
        if (!secret_is_equal(public_key, card->prekey, sizeof public_key))
            return ERR_AUTH;
    }
    struct identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return ERR_NO_MEMORY;
    memcpy(id->dh_secret, dh_secret, sizeof id->dh_secret);
    id->card = *card;
    id->next_inbox_id = 2;
    id->next_prekey_id = 1;
    if (prekey_secret != NULL) {
        struct prekey *k = &id->prekeys[id->prekey_count++];

        k->inbox_id = 1;
        k->id = card->prekey_id;
        k->valid_until_day = card->valid_until_day;
        k->mailbox_bits = card->mailbox_bits;
        k->is_one_time = (card->flags & CARD_ONE_TIME) != 0;
        memcpy(k->secret, prekey_secret, sizeof k->secret);
        memcpy(k->inbox_secret, card->inbox_secret, sizeof k->inbox_secret);
        card_hash(card, k->card_hash);
    }
    *out = id;
    return ERR_NONE;
}

void identity_free(struct identity *id)
{
    if (id == NULL)
        return;
    secret_wipe(id, sizeof *id);
    free(id);
}

/* ---- On another device ---- */

void identity_root(const struct identity *id, struct identity_root *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->sign_seed, id->sign_secret, sizeof out->sign_seed);
    memcpy(out->dh_secret, id->dh_secret, sizeof out->dh_secret);
    memcpy(out->inbox_secret, id->card.inbox_secret, sizeof out->inbox_secret);
    out->mailbox_bits = id->card.mailbox_bits;
    out->day = id->card_day;
    out->next_prekey_id = id->next_prekey_id;
    out->name_len = id->card.name_len;
    memcpy(out->name, id->card.name, id->card.name_len);
}

/* Numbers are compared modulo 2^16, so the leap has to stay below half of that. A device makes a prekey a week, and one for each
 * invite: 32 a day is far more than people make. */
static uint16_t prekey_id_beyond(const struct identity_root *root, uint32_t day)
{
    uint32_t days = day > root->day ? day - root->day : 0;

    return (uint16_t)(root->next_prekey_id + INBOXES_MAX + 32 * (days < 512 ? days : 512));
}

enum err identity_of_root(struct identity **out, const struct identity_root *root, uint32_t day, const struct rng *g)
{
    uint8_t sign_key[32];
    struct card c;

    if (!card_name_is_valid(bytes_of(root->name, root->name_len)) || root->mailbox_bits > MAILBOX_BITS_MAX)
        return ERR_MALFORMED;
    struct identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return ERR_NO_MEMORY;
    crypto_sign_seed_keypair(sign_key, id->sign_secret, root->sign_seed);
    id->can_sign = true;
    memcpy(id->dh_secret, root->dh_secret, sizeof id->dh_secret);
    id->next_prekey_id = prekey_id_beyond(root, day);
    id->next_inbox_id = 2;

    memset(&c, 0, sizeof c);
    c.mailbox_bits = root->mailbox_bits;
    c.name_len = root->name_len;
    memcpy(c.name, root->name, root->name_len);
    memcpy(c.inbox_secret, root->inbox_secret, sizeof c.inbox_secret);
    publish_standing(id, &c, 1, day, g);
    *out = id;
    return ERR_NONE;
}

/* ---- Bytes for the archive ----
 *
 * format 1 | sign seed 32 | dh secret 32 | card day 4 | next inbox id 4 | next prekey id 2 | card length 1 | card |
 * prekey count 1 | prekeys: inbox id 4, id 2, valid until 2, mailbox bits 1, one-time 1, secret 32, inbox secret 32, card hash 32
 */

enum err identity_encode(const struct identity *id, struct buffer *to)
{
    uint8_t card[CARD_LEN_MAX];
    size_t card_len = card_encode(&id->card, card);
    size_t len = 1 + 32 + 32 + 4 + 4 + 2 + 1 + card_len + 1 + id->prekey_count * PREKEY_ENCODED_LEN;
    enum err e = buffer_reserve(to, len);

    assert(id->can_sign);
    if (e != ERR_NONE) {
        secret_wipe(card, sizeof card);
        return e;
    }
    struct writer w = writer_of(to->at + to->len, len);
    writer_u8(&w, IDENTITY_FORMAT);
    writer_copy(&w, bytes_of(id->sign_secret, 32));
    writer_copy(&w, bytes_of_key(id->dh_secret));
    writer_u32(&w, id->card_day);
    writer_u32(&w, id->next_inbox_id);
    writer_u16(&w, id->next_prekey_id);
    writer_u8(&w, (uint8_t)card_len);
    writer_copy(&w, bytes_of(card, card_len));
    writer_u8(&w, (uint8_t)id->prekey_count);
    for (size_t i = 0; i < id->prekey_count; i++) {
        const struct prekey *k = &id->prekeys[i];

        writer_u32(&w, k->inbox_id);
        writer_u16(&w, k->id);
        writer_u16(&w, k->valid_until_day);
        writer_u8(&w, k->mailbox_bits);
        writer_u8(&w, k->is_one_time);
        writer_copy(&w, bytes_of_key(k->secret));
        writer_copy(&w, bytes_of_key(k->inbox_secret));
        writer_copy(&w, bytes_of_key(k->card_hash));
    }
    assert(!w.failed && writer_left(&w) == 0);
    to->len += len;
    secret_wipe(card, sizeof card);
    return ERR_NONE;
}

static bool prekey_read(struct prekey *k, struct reader *r)
{
    k->inbox_id = reader_u32(r);
    k->id = reader_u16(r);
    k->valid_until_day = reader_u16(r);
    k->mailbox_bits = reader_u8(r);
    uint8_t is_one_time = reader_u8(r);
    k->is_one_time = is_one_time == 1;
    reader_copy(r, k->secret, sizeof k->secret);
    reader_copy(r, k->inbox_secret, sizeof k->inbox_secret);
    reader_copy(r, k->card_hash, sizeof k->card_hash);
    return !r->failed && is_one_time <= 1 && k->mailbox_bits <= MAILBOX_BITS_MAX;
}

/* The keys, the card and the standing prekey belong together. */
static bool is_consistent(const struct identity *id)
{
    uint8_t dh_key[32], prekey[32], hash[32];
    const struct prekey *standing = &id->prekeys[0];

    curve_public(dh_key, id->dh_secret);
    curve_public(prekey, standing->secret);
    card_hash(&id->card, hash);
    return secret_is_equal(id->sign_secret + 32, id->card.sign_key, 32) &&
           secret_is_equal(dh_key, id->card.dh_key, 32) && secret_is_equal(prekey, id->card.prekey, 32) &&
           secret_is_equal(hash, standing->card_hash, 32) && standing->id == id->card.prekey_id &&
           secret_is_equal(standing->inbox_secret, id->card.inbox_secret, 32) && !standing->is_one_time;
}

enum err identity_decode(struct identity **out, struct bytes in)
{
    struct reader r = reader_of(in);
    uint8_t seed[32], sign_key[32];
    enum err e = ERR_CORRUPT;
    struct identity *id = calloc(1, sizeof *id);

    if (id == NULL)
        return ERR_NO_MEMORY;
    uint8_t format = reader_u8(&r);
    reader_copy(&r, seed, sizeof seed);
    reader_copy(&r, id->dh_secret, sizeof id->dh_secret);
    id->card_day = reader_u32(&r);
    id->next_inbox_id = reader_u32(&r);
    id->next_prekey_id = reader_u16(&r);
    struct bytes card = reader_take(&r, reader_u8(&r));
    id->prekey_count = reader_u8(&r);
    if (r.failed || format != IDENTITY_FORMAT || id->prekey_count == 0 || id->prekey_count > INBOXES_MAX)
        goto out;
    for (size_t i = 0; i < id->prekey_count; i++) {
        if (!prekey_read(&id->prekeys[i], &r))
            goto out;
    }
    if (!reader_is_done(&r) || card_decode(&id->card, card) != ERR_NONE)
        goto out;
    crypto_sign_seed_keypair(sign_key, id->sign_secret, seed);
    id->can_sign = true;
    if (!is_consistent(id))
        goto out;
    *out = id;
    id = NULL;
    e = ERR_NONE;
out:
    secret_wipe(seed, sizeof seed);
    identity_free(id);
    return e;
}

/* ---- Cards ---- */

const struct card *identity_card(const struct identity *id)
{
    return &id->card;
}

enum err identity_invite(struct identity *id, struct card *out, uint32_t day, const struct rng *g)
{
    struct card c = id->card;

    c.flags = CARD_ONE_TIME;
    c.valid_until_day = day_after(day, INVITE_LIFE_DAYS);
    rng_fill(g, c.inbox_secret, sizeof c.inbox_secret);
    publish(id, &c, id->next_inbox_id++, 1, g);
    *out = c;
    secret_wipe(&c, sizeof c);
    return ERR_NONE;
}

enum err identity_rename(struct identity *id, struct bytes name, uint32_t day, const struct rng *g)
{
    struct card c = id->card;

    if (!card_name_is_valid(name))
        return ERR_MALFORMED;
    memset(c.name, 0, sizeof c.name);
    memcpy(c.name, name.at, name.len);
    c.name_len = (uint8_t)name.len;
    publish_standing(id, &c, id->prekeys[0].inbox_id, day, g);
    return ERR_NONE;
}

enum err identity_set_mailbox_bits(struct identity *id, uint8_t bits, uint32_t day, const struct rng *g)
{
    struct card c = id->card;

    if (bits > MAILBOX_BITS_MAX)
        return ERR_MALFORMED;
    if (bits == c.mailbox_bits)
        return ERR_NONE;
    c.mailbox_bits = bits;
    publish_standing(id, &c, id->prekeys[0].inbox_id, day, g);
    return ERR_NONE;
}

enum err identity_replace_inbox(struct identity *id, uint32_t day, const struct rng *g)
{
    struct card c = id->card;

    rng_fill(g, c.inbox_secret, sizeof c.inbox_secret);
    publish_standing(id, &c, id->next_inbox_id++, day, g);
    return ERR_NONE;
}

bool identity_tend(struct identity *id, uint32_t day, const struct rng *g)
{
    bool has_changed = false;

    /* A card dated in the future was made while our clock was ahead: it would stay for years. */
    if (day >= id->card_day + PREKEY_LIFE_DAYS || id->card_day > day + 1) {
        struct card c = id->card;

        publish_standing(id, &c, id->prekeys[0].inbox_id, day, g);
        has_changed = true;
    }
    for (size_t i = id->prekey_count; i-- > 1;) {
        if (day > (uint32_t)id->prekeys[i].valid_until_day + PREKEY_GRACE_DAYS) {
            prekey_remove(id, i);
            has_changed = true;
        }
    }
    return has_changed;
}

/* ---- Inboxes ---- */

/* True for the newest prekey of its inbox: the one that stands for the inbox. */
static bool is_inbox_first(const struct identity *id, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (id->prekeys[i].inbox_id == id->prekeys[index].inbox_id)
            return false;
    }
    return true;
}

size_t identity_inbox_count(const struct identity *id)
{
    size_t count = 0;

    for (size_t i = 0; i < id->prekey_count; i++)
        count += is_inbox_first(id, i);
    return count;
}

void identity_inbox(const struct identity *id, size_t index, struct inbox_view *out)
{
    size_t at = 0;

    for (;; at++) {
        assert(at < id->prekey_count);
        if (is_inbox_first(id, at) && index-- == 0)
            break;
    }
    const struct prekey *k = &id->prekeys[at];
    out->inbox_id = k->inbox_id;
    out->secret = k->inbox_secret;
    out->is_one_time = k->is_one_time;
    /* Holders of an older card use its mailbox bits: the shortest prefix finds what all of them write. */
    out->mailbox_bits = k->mailbox_bits;
    for (size_t i = at + 1; i < id->prekey_count; i++) {
        if (id->prekeys[i].inbox_id == k->inbox_id && id->prekeys[i].mailbox_bits < out->mailbox_bits)
            out->mailbox_bits = id->prekeys[i].mailbox_bits;
    }
}

enum err identity_invite_destroy(struct identity *id, uint32_t inbox_id)
{
    for (size_t i = 1; i < id->prekey_count; i++) {
        if (id->prekeys[i].inbox_id == inbox_id && id->prekeys[i].is_one_time) {
            prekey_remove(id, i);
            return ERR_NONE;
        }
    }
    return ERR_NOT_FOUND;
}

/* ---- For the rest of crypto/ ---- */

const uint8_t *identity_dh_secret(const struct identity *id)
{
    return id->dh_secret;
}

const struct prekey *identity_prekey_find(const struct identity *id, uint16_t prekey_id)
{
    for (size_t i = 0; i < id->prekey_count; i++) {
        if (id->prekeys[i].id == prekey_id)
            return &id->prekeys[i];
    }
    return NULL;
}

const uint8_t *identity_inbox_secret(const struct identity *id, uint32_t inbox_id)
{
    for (size_t i = 0; i < id->prekey_count; i++) {
        if (id->prekeys[i].inbox_id == inbox_id)
            return id->prekeys[i].inbox_secret;
    }
    return NULL;
}
