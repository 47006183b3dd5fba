/* tests/media/test_chunk.c - chunks open as what they are and as nothing else; pieces at rest likewise; known answers. */
#include <stdlib.h>
#include <string.h>

#include "crypto/chunk.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static uint8_t plain[BUNDLE_LEN_MAX], opened[BUNDLE_LEN_MAX], bundle[BUNDLE_LEN_MAX];

static void test_round_trip(void)
{
    struct chunk_place place = { .size_code = 5, .expiry_h = 600, .bucket = 0x123456 };
    struct chunk_name name = { 0, 2, 77 };
    uint8_t key[CHUNK_KEY_LEN] = { 1, 2, 3 }, tag[TAG_LEN], reveal[CHUNK_REVEAL_LEN], proven[TAG_LEN];
    struct seeded g;
    struct rng r = seeded_rng(&g);
    size_t len = bundle_len_of_code(place.size_code);
    struct header h;

    seeded_init(&g, 3);
    rng_fill(&r, plain, sizeof plain);
    chunk_seal(bundle, key, name, &place, plain, &r);
    REQUIRE(header_of_bundle(&h, bytes_of(bundle, len)) == ERR_NONE);
    chunk_tag(key, name, tag);
    chunk_reveal(key, name, reveal);
    tag_of_reveal(reveal, proven);
    CHECK(h.bundle_class == CLASS_SEALED && h.expiry_h == 600 && h.bucket == 0x123456);
    CHECK(memcmp(h.tag, tag, TAG_LEN) == 0 && memcmp(proven, tag, TAG_LEN) == 0);
    CHECK_ERR("opens", chunk_open(key, name, 5, bytes_of(bundle, len), opened), ERR_NONE);
    CHECK(memcmp(opened, plain, chunk_capacity(5)) == 0);

    struct chunk_name others[] = { { 1, 2, 77 }, { 0, 1, 77 }, { 0, 2, 78 } };
    for (size_t i = 0; i < 3; i++)
        CHECK_ERR("another name", chunk_open(key, others[i], 5, bytes_of(bundle, len), opened), ERR_AUTH);
    CHECK_ERR("another size", chunk_open(key, name, 7, bytes_of(bundle, len), opened), ERR_MALFORMED);
    CHECK_ERR("cut", chunk_open(key, name, 5, bytes_of(bundle, len - 1), opened), ERR_MALFORMED);
    key[0] ^= 1;
    CHECK_ERR("another key", chunk_open(key, name, 5, bytes_of(bundle, len), opened), ERR_AUTH);
    key[0] ^= 1;
    /* Every byte but the stamp is covered. */
    for (size_t at = 0; at < len; at += at < 64 ? 1 : 997) {
        bundle[at] ^= 0x10;
        enum err e = chunk_open(key, name, 5, bytes_of(bundle, len), opened);
        CHECK((e == ERR_NONE) == (at >= 24 && at < 32));
        bundle[at] ^= 0x10;
    }
}

static void test_pieces(void)
{
    uint8_t key[32] = { 9 }, sealed[200 + PIECE_OVERHEAD], again[200];
    struct seeded g;
    struct rng r = seeded_rng(&g);

    seeded_init(&g, 4);
    rng_fill(&r, plain, 200);
    piece_seal(key, 5, bytes_of(plain, 200), sealed, &r);
    CHECK_ERR("opens", piece_open(key, 5, bytes_of(sealed, sizeof sealed), again), ERR_NONE);
    CHECK(memcmp(plain, again, 200) == 0);
    CHECK_ERR("another place", piece_open(key, 6, bytes_of(sealed, sizeof sealed), again), ERR_AUTH);
    CHECK_ERR("too short", piece_open(key, 5, bytes_of(sealed, 39), again), ERR_AUTH);
}

static void test_content_hash(void)
{
    uint8_t whole[CONTENT_HASH_LEN], pieces[CONTENT_HASH_LEN], derived[CONTENT_HASH_LEN];
    struct content_hash *h = NULL;

    REQUIRE(content_hash_new(&h) == ERR_NONE);
    content_hash_add(h, bytes_of("staffetta", 9));
    content_hash_end(h, whole);
    content_hash_free(h);
    REQUIRE(content_hash_new(&h) == ERR_NONE);
    content_hash_add(h, bytes_of("staf", 4));
    content_hash_add(h, bytes_of("fetta", 5));
    content_hash_end(h, pieces);
    content_hash_free(h);
    hash_derive_one(derived, sizeof derived, bytes_of(NULL, 0), "content", bytes_of("staffetta", 9));
    CHECK(memcmp(whole, pieces, sizeof whole) == 0);
    CHECK(memcmp(whole, derived, sizeof whole) == 0);
}

/* The key 00..1f; computed once by tests/vectors/media.py, which knows nothing of this code. */
static void test_known_answers(void)
{
    static const struct { struct chunk_name name; const char *reveal, *tag; } rows[] = {
#include "tests/vectors/chunk_tags.inc"
    };
    uint8_t key[CHUNK_KEY_LEN], out[16];
    struct buffer want = buffer_of_limit(64);

    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chunk_reveal(key, rows[i].name, out);
        CHECK_BYTES("reveal", bytes_of(out, 16), check_hex(&want, rows[i].reveal));
        chunk_tag(key, rows[i].name, out);
        CHECK_BYTES("tag", bytes_of(out, 16), check_hex(&want, rows[i].tag));
    }
    buffer_clear(&want);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    test_round_trip();
    test_pieces();
    test_content_hash();
    test_known_answers();
    return check_report("chunk");
}
