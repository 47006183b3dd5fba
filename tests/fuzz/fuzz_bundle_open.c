/* tests/fuzz/fuzz_bundle_open.c - arbitrary bytes as a bundle, to an identity and a session that never change.
 *
 * The first byte says how to take the rest: as bytes, or as an attack by somebody who holds our card: then masks and
 * seals are made here around chosen insides, so that the fuzzer gets past them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/session_internal.h"
#include "crypto/tags_internal.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DAY = 690, BUNDLE_LEN = 512 };

static struct identity *ana, *ben;
static struct session *session;   /* Ben's, with Ana */
static uint8_t pair_root[32], payload[BUNDLE_LEN_MAX];
static struct inbox_view inbox;

static void start(void)
{
    static struct seeded seed;
    uint8_t bundle[BUNDLE_LEN];
    struct session *s;
    struct sealed sealed;
    struct opened opened;
    struct card card;

    if (ana != NULL)
        return;
    seeded_init(&seed, 1);
    struct rng g = seeded_rng(&seed);
    if (crypto_start() != ERR_NONE || identity_new(&ana, bytes_of_text("Ana"), DAY, &g) != ERR_NONE ||
        identity_new(&ben, bytes_of_text("Ben"), DAY, &g) != ERR_NONE ||
        tags_pair_root(ben, identity_card(ana), pair_root) != ERR_NONE ||
        session_start(&s, FORM_F1, ana, identity_card(ben), DAY, &g) != ERR_NONE)
        abort();
    identity_inbox(ben, 0, &inbox);
    struct seal_request q = { .my_card = identity_card(ana), .day = DAY, .size_code = 1 };
    if (session_seal(s, &q, &g, bundle, &sealed) != ERR_NONE ||
        session_accept_f1(&session, ben, inbox.inbox_id, DAY, bytes_of(bundle, sizeof bundle), &card, payload, &opened) !=
            ERR_NONE || session_seal(session, &q, &g, bundle, &sealed) != ERR_NONE)
        abort();
    session_free(s);
}

static void open_all(struct bytes bundle)
{
    struct session *s, *copy;
    struct card card;
    struct opened o;
    uint8_t ek[32];

    (void)session_first_key(FORM_F1, inbox.secret, NULL, DAY, bundle, ek);
    (void)session_first_key(FORM_F2, pair_root, identity_card(ana)->dh_key, DAY, bundle, ek);
    if (session_accept_f1(&s, ben, inbox.inbox_id, DAY, bundle, &card, payload, &o) == ERR_NONE)
        session_free(s);
    if (session_accept_f2(&s, ben, identity_card(ana), pair_root, DAY, bundle, payload, &o) == ERR_NONE)
        session_free(s);
    if (session_copy(&copy, session) != ERR_NONE)
        return;
    (void)session_open(copy, DAY, 0, bundle, payload, &o);
    (void)session_open_first(copy, FORM_F1, ben, inbox.inbox_id, DAY, bundle, payload, &o);
    session_free(copy);
}

/* The rest of the input: 36 octets under the mask, then a key of both seals, then the card, then the payload. */
static void open_forged(struct reader *r, uint8_t kind)
{
    uint8_t bundle[BUNDLE_LEN], mask_key[32], day_key[32], key[32], reveal[16], padded[CARD_LEN_MAX] = { 0 };
    static const uint8_t salt[SALT_LEN];
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = 1 };
    struct inner inner;
    bool is_f1 = kind % 3 == 0;

    reader_copy(r, inner.ratchet_key, sizeof inner.ratchet_key);
    inner.pn = kind % 3 == 2 ? reader_u16(r) : identity_card(ben)->prekey_id;
    inner.n = reader_u16(r);
    reader_copy(r, key, sizeof key);
    struct bytes text = reader_rest(r);
    if (kind & 4)
        memcpy(inner.ratchet_key, session->start_key, sizeof inner.ratchet_key);
    if (is_f1) {
        inbox_tag(inbox.secret, DAY, 0, h.tag);
        inbox_mask_key(inbox.secret, DAY, mask_key);
        memcpy(padded, text.at, text.len < sizeof padded ? text.len : sizeof padded);
    } else if (kind % 3 == 1) {
        pair_day_key(pair_root, identity_card(ana)->dh_key, DAY, day_key);
        pair_tag(day_key, 0, h.tag);
        pair_mask_key(day_key, mask_key);
    } else {
        if (day_window_key(&session->receive_days, DAY, day_key) != ERR_NONE)
            abort();
        day_key_tag(day_key, 0, reveal, h.tag);
        day_key_mask(day_key, mask_key);
    }
    size_t max = body_payload_max(is_f1, h.size_code);
    body_write(bundle, &(struct body_parts){ .header = &h, .salt = salt, .mask_key = mask_key, .inner = &inner,
                                             .card_key = is_f1 ? key : NULL, .padded_card = padded, .payload_key = key,
                                             .payload = bytes_of(text.at, text.len < max ? text.len : max) });
    open_all(bytes_of(bundle, sizeof bundle));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(bytes_of(data, size));
    uint8_t kind = reader_u8(&r);

    start();
    if (kind & 0x80)
        open_forged(&r, kind & 0x7f);
    else
        open_all(reader_rest(&r));
    return 0;
}
