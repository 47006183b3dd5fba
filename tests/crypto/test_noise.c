/* tests/crypto/test_noise.c - handshakes and ciphers between two ends, and what bad messages get. */
#include "crypto/noise.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { MESSAGE_CAP = 70000 };

/* Two people with static keys that know each other's. Index 0 is the initiator. */
struct pair {
    struct seeded seeded;
    struct rng rng;
    uint8_t secrets[2][NOISE_KEY_LEN], publics[2][NOISE_KEY_LEN];
    struct noise *sides[2];
};

static void pair_init(struct pair *p, enum noise_pattern pattern, const char *prologue0, const char *prologue1,
                      uint64_t seed)
{
    const char *const prologues[2] = { prologue0, prologue1 };

    seeded_init(&p->seeded, seed);
    p->rng = seeded_rng(&p->seeded);
    for (int i = 0; i < 2; i++)
        noise_keypair(p->secrets[i], p->publics[i], &p->rng);
    for (int i = 0; i < 2; i++) {
        struct noise_keys keys = { p->secrets[i], p->publics[1 - i], NULL };

        REQUIRE(noise_new(&p->sides[i], pattern, i == 0, bytes_of_text(prologues[i]), &keys, &p->rng) == ERR_NONE);
    }
}

static void pair_clear(struct pair *p)
{
    noise_free(p->sides[0]);
    noise_free(p->sides[1]);
}

/* Runs messages first..last-1 and leaves the last one written in `sent`. */
static struct bytes pair_run(struct pair *p, int messages_count, struct bytes payload, uint8_t sent[MESSAGE_CAP])
{
    static uint8_t read[MESSAGE_CAP];
    struct writer w = writer_of(sent, 0);

    for (int i = 0; i < messages_count; i++) {
        w = writer_of(sent, MESSAGE_CAP);
        REQUIRE(noise_write(p->sides[i % 2], payload, &w) == ERR_NONE);
        if (i == messages_count - 1)
            break;
        struct writer r = writer_of(read, sizeof read);
        REQUIRE(noise_read(p->sides[1 - i % 2], writer_bytes(&w), &r) == ERR_NONE);
    }
    return writer_bytes(&w);
}

static const struct {
    enum noise_pattern pattern;
    const char *name;
    int messages_count;
    bool initiator_learns, responder_learns;   /* the other's static key, sent or known beforehand */
} patterns[] = {
    { NOISE_NN, "NN", 2, false, false }, { NOISE_NK, "NK", 2, true, false },  { NOISE_NX, "NX", 2, true, false },
    { NOISE_XN, "XN", 3, false, true },  { NOISE_XK, "XK", 3, true, true },   { NOISE_XX, "XX", 3, true, true },
    { NOISE_KK, "KK", 2, true, true },   { NOISE_IK, "IK", 2, true, true },   { NOISE_IX, "IX", 2, true, true },
    { NOISE_KX, "KX", 2, true, true },   { NOISE_N, "N", 1, true, false },    { NOISE_K, "K", 1, true, true },
    { NOISE_X, "X", 1, true, true },
};

static void check_round_trip(size_t row)
{
    static uint8_t sent[MESSAGE_CAP], read[MESSAGE_CAP];
    static const uint8_t zero[NOISE_KEY_LEN];
    struct pair p;
    struct noise_cipher send[2], receive[2];
    uint8_t hashes[2][NOISE_HASH_LEN], remote[2][NOISE_KEY_LEN], text[5 + NOISE_TAG_LEN] = "hello";
    const char *label = patterns[row].name;

    pair_init(&p, patterns[row].pattern, "same", "same", 7 + row);
    for (int i = 0; i < patterns[row].messages_count; i++) {
        struct writer w = writer_of(sent, sizeof sent), r = writer_of(read, sizeof read);
        struct noise *from = p.sides[i % 2], *to = p.sides[1 - i % 2];
        size_t overhead = noise_overhead(from);

        CHECK_CASE(label, !noise_is_done(from) && noise_is_my_turn(from) && !noise_is_my_turn(to));
        CHECK_CASE(label, noise_overhead(to) == overhead);
        CHECK_ERR(label, noise_split(from, &send[0], &receive[0], NULL, NULL), ERR_STATE);
        CHECK_ERR(label, noise_read(from, bytes_of(sent, 64), &r), ERR_STATE);
        CHECK_ERR(label, noise_write(to, bytes_of_text("x"), &w), ERR_STATE);
        CHECK_ERR(label, noise_write(from, bytes_of_text("payload"), &w), ERR_NONE);
        CHECK_CASE(label, writer_len(&w) == overhead + 7);
        CHECK_ERR(label, noise_read(to, writer_bytes(&w), &r), ERR_NONE);
        CHECK_BYTES(label, writer_bytes(&r), bytes_of_text("payload"));
    }
    for (int i = 0; i < 2; i++) {
        CHECK_CASE(label, noise_is_done(p.sides[i]) && !noise_is_my_turn(p.sides[i]));
        CHECK_ERR(label, noise_split(p.sides[i], &send[i], &receive[i], hashes[i], remote[i]), ERR_NONE);
        CHECK_ERR(label, noise_split(p.sides[i], &send[i], &receive[i], hashes[i], remote[i]), ERR_STATE);
    }
    CHECK_CASE(label, memcmp(hashes[0], hashes[1], NOISE_HASH_LEN) == 0);
    CHECK_CASE(label, memcmp(remote[0], patterns[row].initiator_learns ? p.publics[1] : zero, NOISE_KEY_LEN) == 0);
    CHECK_CASE(label, memcmp(remote[1], patterns[row].responder_learns ? p.publics[0] : zero, NOISE_KEY_LEN) == 0);
    CHECK_CASE(label, memcmp(send[0].key, receive[0].key, NOISE_KEY_LEN) != 0);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(label, noise_seal(&send[i], bytes_of_text("ad"), text, 5), ERR_NONE);
        CHECK_ERR(label, noise_open(&receive[1 - i], bytes_of_text("ad"), text, sizeof text), ERR_NONE);
        CHECK_BYTES(label, bytes_of(text, 5), bytes_of_text("hello"));
    }
    pair_clear(&p);
}

/* Messages of XX with a payload of 4 bytes: 36; 32 + 48 + 20 = 100; 48 + 20 = 68. */
static const struct {
    const char *name;
    int message;          /* which one is bent, from 1 */
    int cut_to;           /* -1: not */
    int flip_at;          /* -1: no */
    int grow_by;
    enum err want;
} bent[] = {
    { "message 1 empty",                1, 0,   -1, 0, ERR_MALFORMED },
    { "message 1, half an ephemeral",   1, 16,  -1, 0, ERR_MALFORMED },
    { "message 1, a byte short",        1, 31,  -1, 0, ERR_MALFORMED },
    { "message 1 past the limit",       1, -1,  -1, 65500, ERR_MALFORMED },
    { "message 2 empty",                2, 0,   -1, 0, ERR_MALFORMED },
    { "message 2, only an ephemeral",   2, 32,  -1, 0, ERR_MALFORMED },
    { "message 2, static cut short",    2, 70,  -1, 0, ERR_MALFORMED },
    { "message 2, no room for tags",    2, 95,  -1, 0, ERR_MALFORMED },
    { "message 2, payload's tag cut",   2, 96,  -1, 0, ERR_AUTH },
    { "message 2, a byte short",        2, 99,  -1, 0, ERR_AUTH },
    { "message 2, a byte too many",     2, -1,  -1, 1, ERR_AUTH },
    { "message 2, other ephemeral",     2, -1,   3, 0, ERR_AUTH },
    { "message 2, other static",        2, -1,  40, 0, ERR_AUTH },
    { "message 2, other static tag",    2, -1,  70, 0, ERR_AUTH },
    { "message 2, other payload",       2, -1,  81, 0, ERR_AUTH },
    { "message 2, other payload tag",   2, -1,  99, 0, ERR_AUTH },
    { "message 3 empty",                3, 0,   -1, 0, ERR_MALFORMED },
    { "message 3, static cut short",    3, 47,  -1, 0, ERR_MALFORMED },
    { "message 3, no room for the tag", 3, 63,  -1, 0, ERR_MALFORMED },
    { "message 3, a byte short",        3, 67,  -1, 0, ERR_AUTH },
    { "message 3, a byte too many",     3, -1,  -1, 1, ERR_AUTH },
    { "message 3, other static",        3, -1,   0, 0, ERR_AUTH },
    { "message 3, other static tag",    3, -1,  47, 0, ERR_AUTH },
    { "message 3, other payload tag",   3, -1,  67, 0, ERR_AUTH },
};

static void check_is_dead(const char *label, struct noise *n)
{
    uint8_t space[256];
    struct writer w = writer_of(space, sizeof space);
    struct noise_cipher a, b;

    CHECK_CASE(label, !noise_is_my_turn(n) && !noise_is_done(n) && noise_overhead(n) == 0);
    CHECK_ERR(label, noise_write(n, bytes_of(NULL, 0), &w), ERR_STATE);
    CHECK_ERR(label, noise_read(n, bytes_of(space, sizeof space), &w), ERR_STATE);
    CHECK_ERR(label, noise_split(n, &a, &b, NULL, NULL), ERR_STATE);
}

static void check_bent(void)
{
    static uint8_t sent[MESSAGE_CAP], read[MESSAGE_CAP];

    for (size_t i = 0; i < sizeof bent / sizeof bent[0]; i++) {
        struct pair p;
        struct writer r = writer_of(read, sizeof read);

        pair_init(&p, NOISE_XX, "", "", i);
        struct bytes message = pair_run(&p, bent[i].message, bytes_of_text("data"), sent);
        if (bent[i].cut_to >= 0)
            message.len = (size_t)bent[i].cut_to;
        if (bent[i].flip_at >= 0)
            sent[bent[i].flip_at] ^= 1;
        message.len += (size_t)bent[i].grow_by;
        struct noise *to = p.sides[bent[i].message % 2];
        CHECK_ERR(bent[i].name, noise_read(to, message, &r), bent[i].want);
        CHECK_CASE(bent[i].name, writer_len(&r) == 0);
        check_is_dead(bent[i].name, to);
        pair_clear(&p);
    }
}

/* Whatever bit of whatever message is flipped, the two never both come out with the same ciphers. */
static void check_every_bit(void)
{
    static uint8_t sent[MESSAGE_CAP], read[MESSAGE_CAP];
    static const size_t lens[3] = { 36, 100, 68 };

    for (int message = 0; message < 3; message++)
        for (size_t bit = 0; bit < lens[message] * 8; bit += 5) {
            struct pair p;
            bool is_refused = false;

            pair_init(&p, NOISE_XX, "", "", bit);
            for (int i = 0; i < 3 && !is_refused; i++) {
                struct writer w = writer_of(sent, sizeof sent), r = writer_of(read, sizeof read);

                if (noise_write(p.sides[i % 2], bytes_of_text("data"), &w) != ERR_NONE) {
                    is_refused = true;
                    break;
                }
                CHECK(writer_len(&w) == lens[i]);
                if (i == message)
                    sent[bit / 8] ^= (uint8_t)(1 << bit % 8);
                is_refused = noise_read(p.sides[1 - i % 2], writer_bytes(&w), &r) != ERR_NONE;
            }
            /* The payload of message 1 is in the clear, yet part of the transcript. */
            CHECK(is_refused);
            pair_clear(&p);
        }
}

static const struct { const char *name, *hex; } low_order[] = {
    { "zero",            "0000000000000000000000000000000000000000000000000000000000000000" },
    { "one",             "0100000000000000000000000000000000000000000000000000000000000000" },
    { "order 8",         "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800" },
    { "order 8, other",  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157" },
    { "p - 1",           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
    { "p",               "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
    { "p + 1",           "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" },
};

static void check_low_order(void)
{
    static uint8_t sent[MESSAGE_CAP], read[MESSAGE_CAP];
    struct buffer point = buffer_of_limit(32);

    for (size_t i = 0; i < sizeof low_order / sizeof low_order[0]; i++) {
        const char *label = low_order[i].name;
        struct writer w = writer_of(sent, sizeof sent), r = writer_of(read, sizeof read);
        struct pair p;

        check_hex(&point, low_order[i].hex);
        pair_init(&p, NOISE_XX, "", "", i);
        CHECK_ERR(label, noise_read(p.sides[1], buffer_bytes(&point), &r), ERR_NONE);
        CHECK_ERR(label, noise_write(p.sides[1], bytes_of(NULL, 0), &w), ERR_AUTH);
        CHECK_CASE(label, writer_len(&w) == 0);
        check_is_dead(label, p.sides[1]);
        pair_clear(&p);

        pair_init(&p, NOISE_XX, "", "", i);
        struct bytes message = pair_run(&p, 2, bytes_of(NULL, 0), sent);
        memcpy(sent, point.at, point.len);
        r = writer_of(read, sizeof read);
        CHECK_ERR(label, noise_read(p.sides[0], message, &r), ERR_AUTH);
        check_is_dead(label, p.sides[0]);
        pair_clear(&p);

        pair_init(&p, NOISE_NN, "", "", i);
        struct noise_keys keys = { NULL, point.at, NULL };
        struct noise *n;
        REQUIRE(noise_new(&n, NOISE_NK, true, bytes_of(NULL, 0), &keys, &p.rng) == ERR_NONE);
        w = writer_of(sent, sizeof sent);
        CHECK_ERR(label, noise_write(n, bytes_of(NULL, 0), &w), ERR_AUTH);
        noise_free(n);
        pair_clear(&p);
    }
    buffer_clear(&point);
}

static void check_sizes(void)
{
    static uint8_t sent[MESSAGE_CAP], read[MESSAGE_CAP], payload[MESSAGE_CAP];
    struct pair p;
    struct writer w, r;

    pair_init(&p, NOISE_XX, "", "", 1);
    w = writer_of(sent, sizeof sent);
    CHECK_ERR("", noise_write(p.sides[0], bytes_of(payload, NOISE_MESSAGE_MAX - 31), &w), ERR_TOO_LARGE);
    w = writer_of(sent, 100);
    CHECK_ERR("", noise_write(p.sides[0], bytes_of(payload, 69), &w), ERR_TOO_LARGE);
    CHECK(writer_len(&w) == 0 && !w.failed);
    w = writer_of(sent, sizeof sent);
    CHECK_ERR("", noise_write(p.sides[0], bytes_of(payload, NOISE_MESSAGE_MAX - 32), &w), ERR_NONE);
    r = writer_of(read, NOISE_MESSAGE_MAX - 33);
    CHECK_ERR("", noise_read(p.sides[1], writer_bytes(&w), &r), ERR_TOO_LARGE);
    r = writer_of(read, NOISE_MESSAGE_MAX - 32);
    CHECK_ERR("", noise_read(p.sides[1], writer_bytes(&w), &r), ERR_NONE);
    CHECK_BYTES("", writer_bytes(&r), bytes_of(payload, NOISE_MESSAGE_MAX - 32));
    pair_clear(&p);

    pair_init(&p, NOISE_XX, "one prologue", "another", 1);
    struct bytes message = pair_run(&p, 2, bytes_of(NULL, 0), sent);
    r = writer_of(NULL, 0);
    CHECK_ERR("", noise_read(p.sides[0], message, &r), ERR_AUTH);
    pair_clear(&p);
}

static void check_cipher(void)
{
    struct noise_cipher send = { { 1, 2, 3 }, 0 }, receive = send;
    uint8_t sealed[40 + NOISE_TAG_LEN], copy[sizeof sealed];
    struct bytes ad = bytes_of_text("ad");

    memset(sealed, 'x', 40);
    CHECK_ERR("", noise_seal(&send, ad, sealed, 40), ERR_NONE);
    for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
        memcpy(copy, sealed, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_ERR("", noise_open(&receive, ad, copy, sizeof copy), ERR_AUTH);
    }
    for (size_t len = 0; len < sizeof sealed; len++) {
        memcpy(copy, sealed, sizeof copy);
        CHECK_ERR("", noise_open(&receive, ad, copy, len), len < NOISE_TAG_LEN ? ERR_MALFORMED : ERR_AUTH);
    }
    memcpy(copy, sealed, sizeof copy);
    CHECK_ERR("", noise_open(&receive, bytes_of_text("da"), copy, sizeof copy), ERR_AUTH);
    CHECK(receive.nonce == 0);
    memcpy(copy, sealed, sizeof copy);
    CHECK_ERR("", noise_open(&receive, ad, copy, sizeof copy), ERR_NONE);
    CHECK(copy[0] == 'x' && copy[39] == 'x' && receive.nonce == 1);
    CHECK_ERR("replayed", noise_open(&receive, ad, sealed, sizeof sealed), ERR_AUTH);

    /* An empty record is its tag. */
    CHECK_ERR("", noise_seal(&send, bytes_of(NULL, 0), sealed, 0), ERR_NONE);
    CHECK_ERR("", noise_open(&receive, bytes_of(NULL, 0), sealed, NOISE_TAG_LEN), ERR_NONE);
}

static void check_nonce_exhaustion(void)
{
    struct noise_cipher send = { { 9 }, UINT64_MAX - 1 }, receive = send;
    uint8_t text[4 + NOISE_TAG_LEN] = "last";

    CHECK_ERR("", noise_seal(&send, bytes_of(NULL, 0), text, 4), ERR_NONE);
    CHECK_ERR("", noise_open(&receive, bytes_of(NULL, 0), text, sizeof text), ERR_NONE);
    CHECK(memcmp(text, "last", 4) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR("", noise_seal(&send, bytes_of(NULL, 0), text, 4), ERR_STATE);
        CHECK_ERR("", noise_open(&receive, bytes_of(NULL, 0), text, sizeof text), ERR_STATE);
        CHECK(memcmp(text, "last", 4) == 0);
        /* A new key does not bring nonces back: only a new handshake does. */
        noise_rekey(&send);
        noise_rekey(&receive);
    }
}

static void check_rekey(void)
{
    struct noise_cipher send = { { 4, 5, 6 }, 11 }, receive = send, old = send;
    uint8_t text[4 + NOISE_TAG_LEN] = "text", want[NOISE_KEY_LEN] = { 0 };
    static const uint8_t last_nonce[12] = { 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255 };

    noise_rekey(&send);
    noise_rekey(&receive);
    /* ENCRYPT(k, 2^64 - 1, "", zeros) without its tag is the cipher's key stream from block 1. */
    crypto_stream_chacha20_ietf_xor_ic(want, want, sizeof want, last_nonce, 1, old.key);
    CHECK_BYTES("", bytes_of(send.key, sizeof send.key), bytes_of(want, sizeof want));
    CHECK(send.nonce == 11);
    CHECK_ERR("", noise_seal(&send, bytes_of(NULL, 0), text, 4), ERR_NONE);
    uint8_t copy[sizeof text];
    memcpy(copy, text, sizeof copy);
    CHECK_ERR("", noise_open(&old, bytes_of(NULL, 0), copy, sizeof copy), ERR_AUTH);
    CHECK_ERR("", noise_open(&receive, bytes_of(NULL, 0), text, sizeof text), ERR_NONE);
    CHECK(memcmp(text, "text", 4) == 0);
    noise_cipher_clear(&send);
    CHECK(send.nonce == 0 && sodium_is_zero(send.key, sizeof send.key));
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    for (size_t row = 0; row < sizeof patterns / sizeof patterns[0]; row++)
        check_round_trip(row);
    check_bent();
    check_every_bit();
    check_low_order();
    check_sizes();
    check_cipher();
    check_nonce_exhaustion();
    check_rekey();
    noise_free(NULL);
    return check_report("noise");
}
