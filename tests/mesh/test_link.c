/* tests/mesh/test_link.c - handshake and frames: whatever is wrong with the bytes breaks the link and no more. */
#include "mesh/link.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/seeded.h"

static const uint8_t ADVERT_A[8] = { 1 }, ADVERT_B[8] = { 2 }, ADVERT_X[8] = { 3 };

struct pair { struct link *l[2]; uint8_t public_key[2][32]; struct seeded random; };

/* In place, for the links borrow its randomness. */
static void make_pair(struct pair *p, uint64_t seed, const uint8_t *b_thinks_a_is)
{
    uint8_t secret[2][32];

    seeded_init(&p->random, seed);
    struct rng g = seeded_rng(&p->random);
    for (int i = 0; i < 2; i++)
        noise_keypair(secret[i], p->public_key[i], &g);
    struct link_params a = { .is_initiator = true, .advert_ours = ADVERT_A, .advert_theirs = ADVERT_B, .static_secret = secret[0] };
    struct link_params b = { .advert_ours = ADVERT_B, .advert_theirs = b_thinks_a_is, .static_secret = secret[1] };
    REQUIRE(link_new(&p->l[0], &a, &g) == ERR_NONE && link_new(&p->l[1], &b, &g) == ERR_NONE);
}

static void free_pair(struct pair *p)
{
    link_free(p->l[0]);
    link_free(p->l[1]);
}

static size_t handshake_message(struct link *l, uint8_t *to)
{
    uint8_t payload[LINK_PAYLOAD_LEN] = { 42 };
    struct writer w = writer_of(to, 400);

    REQUIRE(link_owes_handshake(l));
    REQUIRE(link_handshake(l, payload, &w) == ERR_NONE);
    return writer_len(&w);
}

/* Feeds a message cut into pieces of `piece` bytes. */
static enum link_got feed(struct link *l, const uint8_t *at, size_t len, size_t piece, struct bytes *out, enum err *why)
{
    enum link_got got = LINK_NOTHING;

    while (len > 0 && got == LINK_NOTHING) {
        struct bytes in = bytes_of(at, len < piece ? len : piece);
        size_t before = in.len;

        got = link_receive(l, &in, out, why);
        at += before - in.len;
        len -= before - in.len;
    }
    return got;
}

static bool complete(struct pair *p, size_t piece)
{
    uint8_t m[400];
    struct bytes out;
    enum err why = ERR_NONE;

    for (int i = 0; i < 3; i++) {
        size_t len = handshake_message(p->l[i % 2], m);
        static const size_t want[3] = { 34, 122, 90 };

        CHECK(len == want[i]);
        if (feed(p->l[1 - i % 2], m, len, piece, &out, &why) != LINK_PAYLOAD)
            return false;
        CHECK(i == 0 ? out.len == 0 : out.len == LINK_PAYLOAD_LEN && out.at[0] == 42);
    }
    return link_is_ready(p->l[0]) && link_is_ready(p->l[1]);
}

static size_t seal(struct link *l, uint8_t *to, const void *text, size_t len)
{
    memcpy(to + LINK_PREFIX_LEN, text, len);
    return link_seal(l, to, len);
}

static void test_handshake(void)
{
    static const size_t pieces[] = { 1, 2, 3, 31, 1000 };

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct pair p;
        make_pair(&p, i, ADVERT_A);
        uint8_t m[100];
        struct bytes out;
        enum err why;

        CHECK(complete(&p, pieces[i]));
        CHECK_BYTES("hash", bytes_of(link_hash(p.l[0]), 64), bytes_of(link_hash(p.l[1]), 64));
        CHECK_BYTES("their key", bytes_of(link_remote_static(p.l[0]), 32), bytes_of(p.public_key[1], 32));
        CHECK_BYTES("our key", bytes_of(link_remote_static(p.l[1]), 32), bytes_of(p.public_key[0], 32));
        size_t len = seal(p.l[0], m, "hello", 5);
        CHECK(len == 2 + 5 + 16);
        CHECK(feed(p.l[1], m, len, pieces[i], &out, &why) == LINK_FRAME);
        CHECK_BYTES("frame", out, bytes_of("hello", 5));
        free_pair(&p);
    }
    /* Another prologue: whoever replays an advert that is not theirs gets nowhere. */
    struct pair p;
    make_pair(&p, 9, ADVERT_X);
    CHECK(!complete(&p, 1000));
    free_pair(&p);
}

/* Each byte of each handshake message, changed. */
static void test_tampering(void)
{
    static const size_t lengths[3] = { 34, 122, 90 };

    for (int message = 0; message < 3; message++) {
        for (size_t at = 0; at < lengths[message]; at++) {
            struct pair p;
            make_pair(&p, at, ADVERT_A);
            uint8_t m[400];
            struct bytes out;
            enum err why = ERR_NONE;
            bool is_over = false;

            for (int i = 0; i < 3 && !is_over; i++) {
                size_t len = handshake_message(p.l[i % 2], m);

                if (i == message)
                    m[at] ^= 0x10;
                enum link_got got = feed(p.l[1 - i % 2], m, len, 1000, &out, &why);
                is_over = got != LINK_PAYLOAD;
                if (is_over && got == LINK_BROKEN)
                    CHECK(why == ERR_AUTH || why == ERR_MALFORMED);
            }
            /* A changed ephemeral shows in the next message; a changed length is malformed or waits for ever. */
            CHECK(is_over);
            CHECK(!link_is_ready(p.l[0]) || !link_is_ready(p.l[1]));
            free_pair(&p);
        }
    }
}

static void test_frames(void)
{
    struct pair p;
    make_pair(&p, 77, ADVERT_A);
    static uint8_t m[LINK_OUT_MAX], text[LINK_FRAME_MAX];
    struct bytes out;
    enum err why = ERR_NONE;

    REQUIRE(complete(&p, 1000));
    /* The longest, and two in one piece. */
    size_t len = seal(p.l[0], m, text, sizeof text);
    CHECK(len == LINK_OUT_MAX);
    CHECK(feed(p.l[1], m, len, 999, &out, &why) == LINK_FRAME && out.len == sizeof text);
    len = seal(p.l[0], m, "one", 3);
    len += seal(p.l[0], m + len, "two", 3);
    struct bytes in = bytes_of(m, len);
    CHECK(link_receive(p.l[1], &in, &out, &why) == LINK_FRAME && out.at[0] == 'o');
    CHECK(link_receive(p.l[1], &in, &out, &why) == LINK_FRAME && out.at[0] == 't');
    CHECK(link_receive(p.l[1], &in, &out, &why) == LINK_NOTHING && in.len == 0);
    /* Cut at every byte: nothing comes of it. */
    len = seal(p.l[0], m, "three", 5);
    for (size_t at = 0; at < len; at++) {
        in = bytes_of(m + at, 1);
        enum link_got got = link_receive(p.l[1], &in, &out, &why);
        CHECK(got == (at + 1 < len ? LINK_NOTHING : LINK_FRAME));
    }
    /* A replay. */
    CHECK(feed(p.l[1], m, len, 1000, &out, &why) == LINK_BROKEN && why == ERR_AUTH);
    /* Once broken, for good. */
    len = seal(p.l[0], m, "four", 4);
    CHECK(feed(p.l[1], m, len, 1000, &out, &why) == LINK_BROKEN);
    free_pair(&p);

    static const struct { const char *name; uint8_t prefix[2]; } lengths[] = {
        { "no tag", { 15, 0 } }, { "nothing inside", { 16, 0 } }, { "empty", { 0, 0 } }, { "too long", { 0x11, 0x40 } }, { "longest", { 0xff, 0xff } },
    };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        make_pair(&p, 78, ADVERT_A);
        REQUIRE(complete(&p, 1000));
        in = bytes_of(lengths[i].prefix, 2);
        CHECK_CASE(lengths[i].name, link_receive(p.l[1], &in, &out, &why) == LINK_BROKEN && why == ERR_MALFORMED);
        free_pair(&p);
    }
    for (size_t at = 2; at < 23; at++) {
        make_pair(&p, 79, ADVERT_A);
        REQUIRE(complete(&p, 1000));
        len = seal(p.l[0], m, "hello", 5);
        m[at] ^= 1;
        CHECK(feed(p.l[1], m, len, 1000, &out, &why) == LINK_BROKEN && why == ERR_AUTH);
        free_pair(&p);
    }
}

/* Bytes before it is their turn. */
static void test_out_of_turn(void)
{
    struct pair p;
    make_pair(&p, 80, ADVERT_A);
    uint8_t m[34] = { 32, 0 };
    struct bytes in = bytes_of(m, sizeof m), out;
    enum err why;

    CHECK(link_receive(p.l[0], &in, &out, &why) == LINK_BROKEN && why == ERR_MALFORMED);
    CHECK(!link_owes_handshake(p.l[0]));
    free_pair(&p);
}

static void test_rekey(void)
{
    struct pair p;
    make_pair(&p, 81, ADVERT_A);
    uint8_t m[64];
    struct bytes out = { NULL, 0 };
    enum err why;
    size_t bad = 0;

    REQUIRE(complete(&p, 1000));
    for (uint32_t i = 0; i < 2 * LINK_REKEY_RECORDS + 10; i++) {
        size_t len = seal(p.l[0], m, &i, sizeof i);

        bad += feed(p.l[1], m, len, 1000, &out, &why) != LINK_FRAME || memcmp(out.at, &i, sizeof i) != 0;
        if (i % 1000 == 0) {
            len = seal(p.l[1], m, &i, sizeof i);
            bad += feed(p.l[0], m, len, 1000, &out, &why) != LINK_FRAME;
        }
    }
    CHECK(bad == 0);
    free_pair(&p);
}

int main(void)
{
    test_handshake();
    test_tampering();
    test_frames();
    test_out_of_turn();
    test_rekey();
    return check_report("link");
}
