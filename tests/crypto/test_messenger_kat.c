/* tests/crypto/test_messenger_kat.c - known answers of protocol sections 1 to 4, made by an independent implementation.
 *
 *     test_messenger_kat [FILE]
 *
 * Exit status 0 when all agree. Nothing of one set's values is written here: any set with the same keys runs.
 *
 * The reply can be opened only with the secret of the ephemeral key. Where a set holds it (any 32-byte hex string whose
 * public key is the EK of f1_n0, at the top or in "alice"), the reply is opened as its recipient would. Without it, what
 * follows from the responder's keys is checked: the tag lies in its day chain, the header unmasks to the first
 * message of a first chain, and its ratchet key is a good point.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/curve.h"
#include "crypto/hash.h"
#include "crypto/identity_internal.h"
#include "crypto/payload.h"
#include "crypto/session_internal.h"
#include "crypto/tags_internal.h"
#include "crypto/text.h"

enum { REPLY_DAYS = 16, HEX_LEN_MAX = BUNDLE_LEN_MAX };

static unsigned agreed, disagreed;

static bool agree(bool claim, const char *what)
{
    if (claim) {
        agreed++;
        return true;
    }
    disagreed++;
    fprintf(stderr, "test_messenger_kat: disagrees: %s\n", what);
    return false;
}

/* For what the rest cannot do without. */
static void need(bool claim, const char *what)
{
    if (!agree(claim, what))
        exit(1);
}

struct blob {
    uint8_t *at;
    size_t len;
};

static struct bytes blob_bytes(struct blob b)
{
    return bytes_of(b.at, b.len);
}

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (v == NULL) {
        fprintf(stderr, "test_messenger_kat: the file has no \"%s\"\n", key);
        exit(1);
    }
    return v;
}

static struct blob hex_of(const json_t *v, const char *what)
{
    struct blob b = { NULL, 0 };

    need(json_is_string(v), what);
    struct bytes text = bytes_of(json_string_value(v), json_string_length(v));
    need(text.len <= 2 * (size_t)HEX_LEN_MAX, what);
    b.at = malloc(text.len / 2 + 1);
    need(b.at != NULL, "memory");
    need(text_hex_decode(b.at, text.len / 2, &b.len, text) == ERR_NONE, what);
    return b;
}

static struct blob hex_member(const json_t *object, const char *key)
{
    return hex_of(member(object, key), key);
}

static struct blob key_member(const json_t *object, const char *key)
{
    struct blob b = hex_member(object, key);

    need(b.len == 32, key);
    return b;
}

static uint32_t number_member(const json_t *object, const char *key, uint32_t max)
{
    const json_t *v = member(object, key);

    need(json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= (json_int_t)max, key);
    return (uint32_t)json_integer_value(v);
}

static void check_kdf(const json_t *set)
{
    const json_t *list = member(set, "kdf");

    need(json_is_array(list), "kdf is a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        uint32_t n = number_member(entry, "n", 64);
        struct blob key = hex_member(entry, "key"), data = hex_member(entry, "data"), want = hex_member(entry, "out");
        const json_t *label = member(entry, "label");
        uint8_t got[64];
        char what[64];

        snprintf(what, sizeof what, "kdf entry %zu", i);
        need(n >= 16 && key.len <= 64 && want.len == n && json_is_string(label) && json_string_length(label) < 200, what);
        hash_derive_one(got, n, blob_bytes(key), json_string_value(label), blob_bytes(data));
        agree(memcmp(got, want.at, n) == 0, what);
        free(key.at);
        free(data.at);
        free(want.at);
    }
}

static void check_card(struct card *out, const json_t *v, const char *what)
{
    struct blob b = hex_of(v, what);
    uint8_t again[CARD_LEN_MAX];
    char link[CARD_LINK_MAX], line[80];
    struct card by_link;

    need(card_decode(out, blob_bytes(b)) == ERR_NONE, what);
    snprintf(line, sizeof line, "%s, encoded again", what);
    agree(card_encode(out, again) == b.len && memcmp(again, b.at, b.len) == 0, line);
    card_link(out, link);
    snprintf(line, sizeof line, "%s, as a link and back", what);
    agree(card_from_link(&by_link, bytes_of_text(link)) == ERR_NONE &&
              memcmp(&by_link, out, sizeof by_link) == 0, line);
    free(b.at);
}

struct parties {
    struct card card_alice, card_bob;
    struct identity *alice, *bob;
    uint32_t inbox_id;      /* of Bob */
    uint32_t epoch;
};

static void check_parties(struct parties *p, const json_t *set)
{
    const json_t *alice = member(set, "alice"), *bob = member(set, "bob");
    struct blob dh_alice = key_member(alice, "ikd_secret"), dh_bob = key_member(bob, "ikd_secret");
    struct blob prekey = key_member(bob, "spk_secret"), inbox = key_member(bob, "inbox_secret");
    struct inbox_view view;

    check_card(&p->card_bob, member(set, "card_bob"), "card_bob");
    check_card(&p->card_alice, member(alice, "card"), "alice.card");
    need(identity_of_secrets(&p->alice, &p->card_alice, dh_alice.at, NULL) == ERR_NONE, "alice's secret fits her card");
    need(identity_of_secrets(&p->bob, &p->card_bob, dh_bob.at, prekey.at) == ERR_NONE, "bob's secrets fit his card");
    agree(memcmp(inbox.at, p->card_bob.inbox_secret, 32) == 0, "bob.inbox_secret is that of his card");
    p->epoch = number_member(set, "epoch", DAY_MAX);
    need(identity_inbox_count(p->bob) == 1, "bob has one inbox");
    identity_inbox(p->bob, 0, &view);
    p->inbox_id = view.inbox_id;
    free(dh_alice.at);
    free(dh_bob.at);
    free(prekey.at);
    free(inbox.at);
}

static void check_addresses(const struct parties *p, const json_t *set)
{
    const json_t *tags = member(set, "f1_tags");
    uint32_t bits = number_member(set, "mailbox_bits", MAILBOX_BITS_MAX);
    uint32_t prefix = bucket_prefix(p->card_bob.inbox_secret, p->epoch, (uint8_t)bits);
    uint8_t all[TAG_SLOTS][TAG_LEN];

    agree(bits == p->card_bob.mailbox_bits, "mailbox_bits are those of bob's card");
    agree(prefix >> (24 - bits) == number_member(set, "bucket_bob_prefix", 0xffffff), "bucket_bob_prefix");
    tags_of_inbox(p->card_bob.inbox_secret, p->epoch, all);
    need(json_is_array(tags) && json_array_size(tags) <= 256, "f1_tags is a list");
    for (size_t i = 0; i < json_array_size(tags); i++) {
        struct blob want = hex_of(json_array_get(tags, i), "f1_tags");
        uint8_t got[TAG_LEN];
        char what[64];

        snprintf(what, sizeof what, "f1_tags, slot %zu", i);
        inbox_tag(p->card_bob.inbox_secret, p->epoch, (uint8_t)i, got);
        agree(want.len == TAG_LEN && memcmp(got, want.at, TAG_LEN) == 0, what);
        agree(i >= TAG_SLOTS || memcmp(got, all[i], TAG_LEN) == 0, what);
        free(want.at);
    }
}

/* A bundle of the set: its header decodes and its bucket is one of `card`'s on that day. */
static struct blob bundle_member(const json_t *set, const char *key, const struct card *card, uint32_t epoch)
{
    struct blob b = hex_member(set, key);
    struct header h;
    char what[64];

    need(header_of_bundle(&h, blob_bytes(b)) == ERR_NONE && h.bundle_class == CLASS_SEALED, key);
    snprintf(what, sizeof what, "bucket of %s", key);
    agree(bucket_prefix(card->inbox_secret, epoch, card->mailbox_bits) ==
              (h.bucket & (0xffffffu << (24 - card->mailbox_bits)) & 0xffffffu), what);
    return b;
}

static void check_bundle_id(const json_t *set, struct blob bundle)
{
    struct blob want = hex_member(set, "bundle_id_f1_n0");
    const struct bytes parts[] = { bytes_of(bundle.at, HEADER_AD_LEN),
                                   bytes_of(bundle.at + HEADER_LEN, bundle.len - HEADER_LEN) };
    uint8_t got[16];

    hash_derive(got, sizeof got, bytes_of(NULL, 0), "id", parts, 2);
    agree(want.len == sizeof got && memcmp(got, want.at, sizeof got) == 0, "bundle_id_f1_n0");
    free(want.at);
}

static uint8_t plain[BUNDLE_LEN_MAX];

static bool is_payload(const struct opened *o)
{
    struct payload p;

    return payload_decode(&p, bytes_of(plain, o->payload_len)) == ERR_NONE &&
           (p.type != PAYLOAD_TEXT || text_is_utf8(p.content));
}

static bool is_text(const struct opened *o, const char *want, size_t want_len)
{
    struct payload p;

    return payload_decode(&p, bytes_of(plain, o->payload_len)) == ERR_NONE && p.type == PAYLOAD_TEXT &&
           bytes_are_equal(p.content, bytes_of(want, want_len));
}

static bool is_tag_among(const uint8_t *tag, uint8_t (*tags)[TAG_LEN])
{
    for (int i = 0; i < TAG_SLOTS; i++) {
        if (memcmp(tag, tags[i], TAG_LEN) == 0)
            return true;
    }
    return false;
}

/* Both F1 bundles, in either order; *out is Bob's session when they came in order. */
static void check_f1(struct session **out, const struct parties *p, const json_t *set, struct blob n0, struct blob n1,
                     uint8_t start_key[32])
{
    const json_t *text = member(set, "text_f1_n0");
    struct session *late = NULL;
    struct opened o;
    struct card peer;
    uint8_t again[32], tags[TAG_SLOTS][TAG_LEN];

    need(json_is_string(text), "text_f1_n0");
    const char *want = json_string_value(text);
    size_t want_len = json_string_length(text);
    tags_of_inbox(p->card_bob.inbox_secret, p->epoch, tags);
    agree(is_tag_among(n0.at + 8, tags), "tag of f1_n0");
    agree(is_tag_among(n1.at + 8, tags), "tag of f1_n1");
    need(session_first_key(FORM_F1, p->card_bob.inbox_secret, p->card_alice.dh_key, p->epoch, blob_bytes(n0), start_key) ==
             ERR_NONE, "f1_n0 unmasks");
    need(session_first_key(FORM_F1, p->card_bob.inbox_secret, p->card_alice.dh_key, p->epoch, blob_bytes(n1), again) ==
             ERR_NONE && memcmp(start_key, again, 32) == 0, "f1_n0 and f1_n1 have one EK");

    need(session_accept_f1(out, p->bob, p->inbox_id, p->epoch, blob_bytes(n0), &peer, plain, &o) == ERR_NONE,
         "f1_n0 opens");
    agree(memcmp(&peer, &p->card_alice, sizeof peer) == 0, "f1_n0 carries alice's card");
    agree(is_text(&o, want, want_len), "f1_n0 holds text_f1_n0");
    agree(session_open_first(*out, FORM_F1, p->bob, p->inbox_id, p->epoch, blob_bytes(n1), plain, &o) == ERR_NONE &&
              is_payload(&o), "f1_n1 opens on the session of f1_n0");
    agree(session_open_first(*out, FORM_F1, p->bob, p->inbox_id, p->epoch, blob_bytes(n1), plain, &o) == ERR_REPLAY,
          "f1_n1 opens once");

    need(session_accept_f1(&late, p->bob, p->inbox_id, p->epoch, blob_bytes(n1), &peer, plain, &o) == ERR_NONE,
         "f1_n1 opens when it comes first");
    agree(session_open_first(late, FORM_F1, p->bob, p->inbox_id, p->epoch, blob_bytes(n0), plain, &o) == ERR_NONE &&
              is_text(&o, want, want_len), "f1_n0 opens after f1_n1");
    session_free(late);
}

static void check_f2(struct session **out, const struct parties *p, struct blob n0)
{
    uint8_t root[32], by_alice[32], tags[TAG_SLOTS][TAG_LEN];
    struct opened o;

    need(tags_pair_root(p->bob, &p->card_alice, root) == ERR_NONE &&
             tags_pair_root(p->alice, &p->card_bob, by_alice) == ERR_NONE, "pair root");
    agree(memcmp(root, by_alice, sizeof root) == 0, "pair root, the same at both ends");
    tags_of_pair(root, p->card_alice.dh_key, p->epoch, tags);
    agree(is_tag_among(n0.at + 8, tags), "tag of f2_n0");
    need(session_accept_f2(out, p->bob, &p->card_alice, root, p->epoch, blob_bytes(n0), plain, &o) == ERR_NONE,
         "f2_n0 opens");
    agree(is_payload(&o), "f2_n0 holds a payload");
}

/* The secret of EK, where the set has it. */
static bool find_start_secret(const json_t *object, const uint8_t start_key[32], uint8_t secret[32])
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)object, key, v) {
        uint8_t octets[32], public_key[32];
        size_t len;

        if (!json_is_string(v) || json_string_length(v) != 64 ||
            text_hex_decode(octets, sizeof octets, &len, bytes_of(json_string_value(v), 64)) != ERR_NONE)
            continue;
        curve_public(public_key, octets);
        if (memcmp(public_key, start_key, 32) == 0) {
            memcpy(secret, octets, 32);
            return true;
        }
    }
    return false;
}

static void fill_with(void *state, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = ((const uint8_t *)state)[i % 32];
}

/* As Alice: a session whose only draw is EK's secret is the one that the set's author had. */
static void open_reply(const struct parties *p, uint8_t secret[32], uint32_t day, uint32_t index, struct blob reply)
{
    struct rng g = { fill_with, secret };
    struct session *s;
    struct opened o;

    need(session_start(&s, FORM_F1, p->alice, &p->card_bob, p->epoch, &g) == ERR_NONE, "alice's session");
    agree(session_open(s, day, index, blob_bytes(reply), plain, &o) == ERR_NONE && is_payload(&o), "reply opens");
    session_free(s);
}

static void check_reply(const struct parties *p, const json_t *set, const struct session *s, struct blob reply,
                        const uint8_t start_key[32])
{
    uint8_t key[32], mask_key[32], reveal[16], tag[TAG_LEN], secret[32], shared[32];
    struct body b;
    struct inner inner;

    need(body_parse(&b, false, blob_bytes(reply)) == ERR_NONE, "reply");
    for (uint32_t day = s->start_day; day < s->start_day + REPLY_DAYS; day++) {
        need(day_chain_key(&s->send_days, day, key) == ERR_NONE, "day chain of the reply");
        for (uint16_t index = 0; index < SESSION_LOOKAHEAD; index++) {
            day_key_tag(key, index, reveal, tag);
            if (memcmp(tag, b.nonce, TAG_LEN) != 0)
                continue;
            agree(true, "tag of reply");
            day_key_mask(key, mask_key);
            body_unmask(&b, mask_key, &inner);
            agree(inner.pn == 0 && inner.n == index, "numbers in the reply's header");
            memset(secret, 7, sizeof secret);
            agree(curve_dh(shared, secret, inner.ratchet_key) == ERR_NONE, "ratchet key in the reply's header");
            if (find_start_secret(set, start_key, secret) ||
                find_start_secret(member(set, "alice"), start_key, secret))
                open_reply(p, secret, day, index, reply);
            return;
        }
    }
    agree(false, "tag of reply: not in the responder's day chain");
}

/* Our own bundles, with the set's keys, there and back. */
static void check_own(const struct parties *p)
{
    static uint8_t bundle[BUNDLE_LEN_MAX];
    uint8_t seed[32] = { 1, 2, 3 }, tags[1][TAG_LEN];
    struct rng g = { fill_with, seed };
    struct session *alice = NULL, *bob = NULL;
    struct sealed sealed;
    struct opened o;
    struct card peer;
    uint8_t text[64];
    struct writer w = writer_of(text, sizeof text);
    const struct payload payload = { .type = PAYLOAD_TEXT, .content = bytes_of_text("hello") };
    uint32_t day = p->epoch < p->card_bob.valid_until_day ? p->epoch : p->card_bob.valid_until_day;

    payload_encode(&payload, &w);
    struct seal_request q = { .my_card = &p->card_alice, .day = day, .expiry_h = day * 24, .size_code = 1,
                              .payload = writer_bytes(&w) };
    need(session_start(&alice, FORM_F1, p->alice, &p->card_bob, day, &g) == ERR_NONE, "our F1 starts");
    need(session_seal(alice, &q, &g, bundle, &sealed) == ERR_NONE, "our F1 is sealed");
    agree(session_accept_f1(&bob, p->bob, p->inbox_id, day, bytes_of(bundle, 512), &peer, plain, &o) == ERR_NONE &&
              is_text(&o, "hello", 5), "our F1 opens");
    seed[0] = 9;
    need(bob != NULL && session_seal(bob, &q, &g, bundle, &sealed) == ERR_NONE, "our reply is sealed");
    agree(session_expect(alice, day, 0, 1, tags) == ERR_NONE && memcmp(tags[0], bundle + 8, TAG_LEN) == 0,
          "our reply is expected");
    agree(session_open(alice, day, 0, bytes_of(bundle, 512), plain, &o) == ERR_NONE && is_text(&o, "hello", 5),
          "our reply opens");
    session_free(alice);
    session_free(bob);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : TEST_DATA "/vectors/messenger-kat.json";
    struct session *by_f1 = NULL, *by_f2 = NULL;
    struct parties p;
    json_error_t error;
    uint8_t start_key[32];

    if (argc > 2) {
        fprintf(stderr, "usage: test_messenger_kat [FILE]\n");
        return 2;
    }
    need(crypto_start() == ERR_NONE, "libsodium starts");
    json_t *set = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (set == NULL || !json_is_object(set)) {
        fprintf(stderr, "test_messenger_kat: %s: %s\n", path, set == NULL ? error.text : "not a set of known answers");
        return 1;
    }
    check_kdf(set);
    check_parties(&p, set);
    check_addresses(&p, set);

    struct blob f1_n0 = bundle_member(set, "f1_n0", &p.card_bob, p.epoch);
    struct blob f1_n1 = bundle_member(set, "f1_n1", &p.card_bob, p.epoch);
    struct blob f2_n0 = bundle_member(set, "f2_n0", &p.card_bob, p.epoch);
    struct blob reply = bundle_member(set, "reply", &p.card_alice, p.epoch);
    check_bundle_id(set, f1_n0);
    check_f1(&by_f1, &p, set, f1_n0, f1_n1, start_key);
    check_f2(&by_f2, &p, f2_n0);
    check_reply(&p, set, by_f1, reply, start_key);
    check_own(&p);

    session_free(by_f1);
    session_free(by_f2);
    identity_free(p.alice);
    identity_free(p.bob);
    free(f1_n0.at);
    free(f1_n1.at);
    free(f2_n0.at);
    free(reply.at);
    json_decref(set);
    printf("messenger known answers: %u agree, %u disagree\n", agreed, disagreed);
    return disagreed == 0 ? 0 : 1;
}
