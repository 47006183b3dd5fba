/* crypto/session_first.c - how a session begins: X3DH and the first messages F1 and F2 (protocol section 4).
 *
 * Both day chains begin on the starter's start_day. A responder whom only a later repeat has reached must learn that
 * day: a first message sent `age` days after it carries the age in the AD of its payload, and the responder tries the
 * few ages there are. It costs a Poly1305 each, no byte on the wire, and nothing on the usual day, when age is 0.
 */
#include "crypto/session_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/card_internal.h"
#include "crypto/curve.h"
#include "crypto/hash.h"
#include "crypto/identity_internal.h"
#include "crypto/tags_internal.h"

static const struct bytes NO_BYTES = { NULL, 0 };

/* Everything the two keys of a beginning are derived from. The three shared secrets are the same at both ends. */
struct agreement {
    uint8_t identity_prekey[32];   /* DH(IKd_A, SPK_R) */
    uint8_t start_identity[32];    /* DH(EK, IKd_R) */
    uint8_t start_prekey[32];      /* DH(EK, SPK_R) */
    const uint8_t *inbox_secret, *start_key, *card_hash, *sign_key, *dh_key;  /* the last two are A's */
};

static void derive_card_key(const struct agreement *a, uint8_t out[32])
{
    const struct bytes parts[] = { bytes_of(a->start_identity, 32), bytes_of(a->start_prekey, 32),
                                   bytes_of(a->start_key, 32), bytes_of(a->card_hash, 32) };

    hash_derive(out, 32, bytes_of(a->inbox_secret, 32), "k1", parts, sizeof parts / sizeof parts[0]);
}

static void derive_session_key(const struct agreement *a, uint8_t out[32])
{
    const struct bytes parts[] = { bytes_of(a->identity_prekey, 32), bytes_of(a->start_identity, 32),
                                   bytes_of(a->start_prekey, 32), bytes_of(a->start_key, 32),
                                   bytes_of(a->card_hash, 32), bytes_of(a->sign_key, 32), bytes_of(a->dh_key, 32) };

    hash_derive(out, 32, bytes_of(a->inbox_secret, 32), "sk", parts, sizeof parts / sizeof parts[0]);
}

void session_init_days(struct session *s, const uint8_t sk[32], uint32_t start_day)
{
    uint8_t of_starter[32], of_responder[32];

    hash_derive_one(of_starter, 32, bytes_of(sk, 32), "tag", bytes_of_text("A"));
    hash_derive_one(of_responder, 32, bytes_of(sk, 32), "tag", bytes_of_text("B"));
    memcpy(s->send_days.key, s->is_starter ? of_starter : of_responder, 32);
    s->send_days.day = start_day;
    s->send_index = 0;
    day_window_init(&s->receive_days, s->is_starter ? of_responder : of_starter, start_day);
    hash_derive_one(s->id, sizeof s->id, bytes_of(sk, 32), "session", NO_BYTES);
    s->start_day = start_day;
    s->day = start_day;
    secret_wipe(of_starter, sizeof of_starter);
    secret_wipe(of_responder, sizeof of_responder);
}

/* ---- The starter ---- */

static enum err agree_as_starter(struct agreement *a, const uint8_t ek_secret[32], const struct identity *me,
                                 const struct card *peer)
{
    enum err e;

    if ((e = curve_dh(a->identity_prekey, identity_dh_secret(me), peer->prekey)) != ERR_NONE)
        return e;
    if ((e = curve_dh(a->start_identity, ek_secret, peer->dh_key)) != ERR_NONE)
        return e;
    return curve_dh(a->start_prekey, ek_secret, peer->prekey);
}

enum err session_start(struct session **out, enum session_form form, const struct identity *me,
                       const struct card *peer, uint32_t day, const struct rng *g)
{
    uint8_t ek_secret[32], sk[32], hash[32];
    struct agreement a;
    struct session *s = NULL;
    enum err e;

    assert(form == FORM_F1 || form == FORM_F2);
    if (day > peer->valid_until_day)
        return ERR_EXPIRED;
    rng_fill(g, ek_secret, sizeof ek_secret);
    if ((e = agree_as_starter(&a, ek_secret, me, peer)) != ERR_NONE)
        goto out;
    if ((s = calloc(1, sizeof *s)) == NULL) {
        e = ERR_NO_MEMORY;
        goto out;
    }
    curve_public(s->start_key, ek_secret);
    card_hash(peer, hash);
    a.inbox_secret = peer->inbox_secret;
    a.start_key = s->start_key;
    a.card_hash = hash;
    a.sign_key = identity_card(me)->sign_key;
    a.dh_key = identity_card(me)->dh_key;
    derive_session_key(&a, sk);

    s->is_starter = true;
    s->form = (uint8_t)form;
    memcpy(s->peer_dh_key, peer->dh_key, sizeof s->peer_dh_key);
    session_init_days(s, sk, day);
    s->own_day = day;
    ratchet_init_starter(&s->ratchet, sk, ek_secret);
    s->first.prekey_id = peer->prekey_id;
    memcpy(s->first.own_dh_key, identity_card(me)->dh_key, sizeof s->first.own_dh_key);
    if (form == FORM_F1) {
        memcpy(s->first.mask_root, peer->inbox_secret, sizeof s->first.mask_root);
        derive_card_key(&a, s->first.card_key);
    } else if ((e = tags_pair_root(me, peer, s->first.mask_root)) != ERR_NONE) {
        goto out;
    }
    *out = s;
    s = NULL;
out:
    session_free(s);
    secret_wipe(ek_secret, sizeof ek_secret);
    secret_wipe(sk, sizeof sk);
    secret_wipe(&a, sizeof a);
    return e;
}

static void first_tag_and_mask(enum session_form form, const uint8_t mask_root[32], const uint8_t sender_dh_key[32],
                               uint32_t day, uint8_t slot, uint8_t tag[TAG_LEN], uint8_t mask_key[32])
{
    uint8_t day_key[32];

    if (form == FORM_F1) {
        inbox_tag(mask_root, day, slot, tag);
        inbox_mask_key(mask_root, day, mask_key);
        return;
    }
    pair_day_key(mask_root, sender_dh_key, day, day_key);
    pair_tag(day_key, slot, tag);
    pair_mask_key(day_key, mask_key);
    secret_wipe(day_key, sizeof day_key);
}

enum err session_seal_first(struct session *s, const struct seal_request *q, const struct rng *g, uint8_t *bundle,
                            struct sealed *out)
{
    uint32_t day = session_day(s, q->day);
    uint8_t key[32], mask_key[32], salt[SALT_LEN], padded[CARD_LEN_MAX] = { 0 };
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = q->size_code, .expiry_h = q->expiry_h,
                        .bucket = q->bucket };
    struct inner inner;
    bool is_f1 = s->form == FORM_F1;
    enum err e;

    if (day - s->start_day > FIRST_AGE_MAX || day > DAY_MAX)
        return ERR_STATE;
    if ((e = ratchet_send(&s->ratchet, g, &inner, key)) != ERR_NONE)
        return e;
    session_note_own_day(s, q->day);
    s->day = day;
    inner.pn = s->first.prekey_id;
    first_tag_and_mask((enum session_form)s->form, s->first.mask_root, s->first.own_dh_key, day,
                       (uint8_t)rng_below(g, TAG_SLOTS), h.tag, mask_key);
    rng_fill(g, salt, sizeof salt);
    if (is_f1) {
        assert(q->my_card != NULL);
        card_encode(q->my_card, padded);
    }
    body_write(bundle, &(struct body_parts){ .header = &h, .salt = salt, .mask_key = mask_key, .inner = &inner,
                                             .card_key = is_f1 ? s->first.card_key : NULL,
                                             .padded_card = is_f1 ? padded : NULL, .payload_key = key,
                                             .age = (uint16_t)(day - s->start_day), .payload = q->payload });
    message_id_of(key, out->message_id);
    memset(out->reveal, 0, sizeof out->reveal);
    out->has_reveal = false;
    secret_wipe(key, sizeof key);
    secret_wipe(mask_key, sizeof mask_key);
    secret_wipe(padded, sizeof padded);
    return ERR_NONE;
}

/* ---- The responder ---- */

static enum err unmask_first(enum session_form form, const uint8_t mask_root[32], const uint8_t sender_dh_key[32],
                             uint32_t day, struct bytes bundle, struct body *b, struct inner *inner)
{
    uint8_t tag[TAG_LEN], mask_key[32];
    enum err e = body_parse(b, has_card(form), bundle);

    if (e != ERR_NONE)
        return e;
    first_tag_and_mask(form, mask_root, sender_dh_key, day, 0, tag, mask_key);
    body_unmask(b, mask_key, inner);
    secret_wipe(mask_key, sizeof mask_key);
    return ERR_NONE;
}

enum err session_first_key(enum session_form form, const uint8_t mask_secret[32], const uint8_t sender_dh_key[32],
                           uint32_t day, struct bytes bundle, uint8_t ephemeral[32])
{
    struct body b;
    struct inner inner;
    enum err e = unmask_first(form, mask_secret, sender_dh_key, day, bundle, &b, &inner);

    if (e == ERR_NONE)
        memcpy(ephemeral, inner.ratchet_key, sizeof inner.ratchet_key);
    return e;
}

/* Opens the payload of a first message whose step is planned, trying the ages from..to, and takes the step. */
static enum err finish_first(struct session *s, const struct body *b, struct ratchet_step *step, uint32_t from, uint32_t to,
                             uint32_t *age, uint8_t *payload, struct opened *out)
{
    uint8_t message_id[MESSAGE_ID_LEN];
    size_t len;
    enum err e = ERR_AUTH;

    for (*age = from; *age <= to; ++*age) {
        if ((e = body_open_payload(b, step->key, (uint16_t)*age, payload, &len)) == ERR_NONE)
            break;
    }
    if (e != ERR_NONE) {
        ratchet_abandon(step);
        return e;
    }
    message_id_of(step->key, message_id);
    if ((e = ratchet_accept(&s->ratchet, &s->skipped, step)) != ERR_NONE)
        return e;
    memcpy(out->message_id, message_id, sizeof message_id);
    memset(out->reveal, 0, sizeof out->reveal);
    out->has_reveal = false;
    out->payload_len = len;
    return ERR_NONE;
}

/* The responder's half once both cards are known: SK, the session, and the payload. */
static enum err accept_first(struct session **out, enum session_form form, const struct agreement *a, uint32_t day,
                             const struct body *b, const struct inner *inner, uint8_t *payload, struct opened *opened)
{
    uint8_t sk[32];
    struct ratchet_step step;
    uint32_t age;
    enum err e;
    struct session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return ERR_NO_MEMORY;
    derive_session_key(a, sk);
    memcpy(s->start_key, inner->ratchet_key, sizeof s->start_key);
    memcpy(s->peer_dh_key, a->dh_key, sizeof s->peer_dh_key);
    s->form = (uint8_t)form;
    s->is_established = true;
    ratchet_init_responder(&s->ratchet, sk, inner->ratchet_key);
    if ((e = ratchet_receive(&s->ratchet, &s->skipped, inner, true, s->own_day, &step)) != ERR_NONE)
        goto out;
    if ((e = finish_first(s, b, &step, 0, day < FIRST_AGE_MAX ? day : FIRST_AGE_MAX, &age, payload, opened)) != ERR_NONE)
        goto out;
    session_init_days(s, sk, day - age);
    s->day = day;
    *out = s;
    s = NULL;
out:
    session_free(s);
    secret_wipe(sk, sizeof sk);
    return e;
}

/* The responder's shares of EK. A prekey that is gone (used up, or past its time) is ERR_NOT_FOUND. */
static enum err agree_as_responder(struct agreement *a, const struct identity *me, const struct prekey *prekey,
                                   const struct inner *inner)
{
    enum err e;

    a->inbox_secret = prekey->inbox_secret;
    a->card_hash = prekey->card_hash;
    a->start_key = inner->ratchet_key;
    if ((e = curve_dh(a->start_identity, identity_dh_secret(me), inner->ratchet_key)) != ERR_NONE)
        return e;
    return curve_dh(a->start_prekey, prekey->secret, inner->ratchet_key);
}

static enum err open_card(const struct agreement *a, const struct body *b, struct card *out)
{
    uint8_t card_key[32], padded[CARD_LEN_MAX];
    enum err e;

    derive_card_key(a, card_key);
    e = body_open_card(b, card_key, padded);
    secret_wipe(card_key, sizeof card_key);
    if (e != ERR_NONE)
        return e;
    e = card_decode_padded(out, padded);
    secret_wipe(padded, sizeof padded);
    return e;
}

enum err session_accept_f1(struct session **out, const struct identity *me, uint32_t inbox_id, uint32_t day,
                           struct bytes bundle, struct card *peer, uint8_t *payload, struct opened *opened)
{
    const uint8_t *inbox_secret = identity_inbox_secret(me, inbox_id);
    struct agreement a;
    struct body b;
    struct inner inner;
    struct card card;
    enum err e;

    if (inbox_secret == NULL || day > DAY_MAX)
        return ERR_NOT_FOUND;
    if ((e = unmask_first(FORM_F1, inbox_secret, NULL, day, bundle, &b, &inner)) != ERR_NONE)
        return e;
    const struct prekey *prekey = identity_prekey_find(me, inner.pn);
    if (prekey == NULL || prekey->inbox_id != inbox_id)
        return ERR_NOT_FOUND;
    if ((e = agree_as_responder(&a, me, prekey, &inner)) != ERR_NONE)
        goto out;
    if ((e = open_card(&a, &b, &card)) != ERR_NONE)
        goto out;
    a.sign_key = card.sign_key;
    a.dh_key = card.dh_key;
    if ((e = curve_dh(a.identity_prekey, prekey->secret, card.dh_key)) != ERR_NONE)
        goto out;
    if ((e = accept_first(out, FORM_F1, &a, day, &b, &inner, payload, opened)) != ERR_NONE)
        goto out;
    *peer = card;
out:
    secret_wipe(&a, sizeof a);
    return e;
}

enum err session_accept_f2(struct session **out, const struct identity *me, const struct card *peer,
                           const uint8_t pair_root[32], uint32_t day, struct bytes bundle,
                           uint8_t *payload, struct opened *opened)
{
    struct agreement a;
    struct body b;
    struct inner inner;
    enum err e;

    if (day > DAY_MAX)
        return ERR_NOT_FOUND;
    if ((e = unmask_first(FORM_F2, pair_root, peer->dh_key, day, bundle, &b, &inner)) != ERR_NONE)
        return e;
    const struct prekey *prekey = identity_prekey_find(me, inner.pn);
    if (prekey == NULL)
        return ERR_NOT_FOUND;
    a.sign_key = peer->sign_key;
    a.dh_key = peer->dh_key;
    if ((e = agree_as_responder(&a, me, prekey, &inner)) != ERR_NONE)
        goto out;
    if ((e = curve_dh(a.identity_prekey, prekey->secret, peer->dh_key)) != ERR_NONE)
        goto out;
    e = accept_first(out, FORM_F2, &a, day, &b, &inner, payload, opened);
out:
    secret_wipe(&a, sizeof a);
    return e;
}

enum err session_open_first(struct session *s, enum session_form form, const struct identity *me, uint32_t inbox_id,
                            uint32_t day, struct bytes bundle, uint8_t *payload, struct opened *out)
{
    uint8_t mask_root[32];
    struct ratchet_step step;
    struct body b;
    struct inner inner;
    uint32_t age;
    enum err e;

    if (s->is_starter || form != (enum session_form)s->form)
        return ERR_STATE;
    if (form == FORM_F1) {
        const uint8_t *inbox_secret = identity_inbox_secret(me, inbox_id);

        if (inbox_secret == NULL)
            return ERR_NOT_FOUND;
        memcpy(mask_root, inbox_secret, sizeof mask_root);
    } else if ((e = pair_root_of(identity_dh_secret(me), s->peer_dh_key, mask_root)) != ERR_NONE) {
        return e;
    }
    if ((e = unmask_first(form, mask_root, s->peer_dh_key, day, bundle, &b, &inner)) != ERR_NONE)
        goto out;
    if (!secret_is_equal(inner.ratchet_key, s->start_key, sizeof s->start_key) || day < s->start_day ||
        day - s->start_day > FIRST_AGE_MAX) {
        e = ERR_AUTH;
        goto out;
    }
    if ((e = ratchet_receive(&s->ratchet, &s->skipped, &inner, true, s->own_day, &step)) != ERR_NONE)
        goto out;
    age = day - s->start_day;
    if ((e = finish_first(s, &b, &step, age, age, &age, payload, out)) == ERR_NONE)
        s->day = session_day(s, day);
out:
    secret_wipe(mask_root, sizeof mask_root);
    return e;
}
