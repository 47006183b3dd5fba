/* tests/mesh/test_bundle.c - ids, stamps, signatures of plain classes, beacons. */
#include "mesh/bundle.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/signature.h"
#include "mesh/beacon.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

/* f1_n0 of tests/vectors/messenger-kat.json is read as text: the file is small and its form is known. */
static struct bytes known_bundle(struct buffer *to)
{
    struct buffer text = buffer_of_limit(1 << 20);
    static char hex[2 * 512 + 1];

    check_file(&text, TEST_DATA "/vectors/messenger-kat.json");
    REQUIRE(buffer_append(&text, bytes_of("", 1)) == ERR_NONE);
    const char *at = strstr((const char *)text.at, "\"f1_n0\": \"");
    REQUIRE(at != NULL);
    memcpy(hex, at + 10, 1024);
    check_hex(to, hex);
    buffer_clear(&text);
    return buffer_bytes(to);
}

static void test_id(void)
{
    struct buffer b = buffer_of_limit(1024), want = buffer_of_limit(32);
    struct bundle_id id, other;

    bundle_id_of(&id, known_bundle(&b));
    CHECK_BYTES("known answer", bytes_of(id.octets, 16), check_hex(&want, "8bb79cba93d89d0cd431eaa0ab69c997"));
    b.at[24] ^= 0xff;
    bundle_id_of(&other, buffer_bytes(&b));
    CHECK(bundle_id_is_equal(&id, &other));   /* the stamp is not part of it */
    for (size_t i = 0; i < b.len; i += 7) {
        if (i >= HEADER_AD_LEN && i < HEADER_LEN)
            continue;
        b.at[i] ^= 1;
        bundle_id_of(&other, buffer_bytes(&b));
        CHECK(!bundle_id_is_equal(&id, &other));
        b.at[i] ^= 1;
    }
    buffer_clear(&b);
    buffer_clear(&want);
}

static void test_stamp(void)
{
    uint8_t bundle[256] = { 0x11 };
    struct bundle_id id;
    uint64_t counter = 0;
    static const uint8_t none[STAMP_LEN];

    bundle_id_of(&id, bytes_of(bundle, sizeof bundle));
    CHECK(stamp_bits(&id, none) == 0);
    CHECK(stamp_search(bundle, &id, 12, &counter, 1 << 20));
    CHECK(stamp_bits(&id, bundle + HEADER_AD_LEN) >= 12);
    uint64_t before = counter;
    CHECK(!stamp_search(bundle, &id, 60, &counter, 100) && counter == before + 100);
    static const struct { uint8_t fill, bits; } demands[] = { { 0, 0 },   { 50, 0 },  { 70, 0 },  { 71, 16 }, { 85, 16 },
                                                              { 86, 20 }, { 95, 20 }, { 96, 22 }, { 100, 22 } };
    for (size_t i = 0; i < sizeof demands / sizeof demands[0]; i++)
        CHECK(stamp_demand(demands[i].fill) == demands[i].bits && stamp_demand(demands[i].fill) <= STAMP_BITS_MAX);
    /* The count of bits against the definition. */
    for (uint64_t i = 1; i < 2000; i++) {
        uint8_t stamp[STAMP_LEN], hash[32], bits = 0;
        struct writer w = writer_of(stamp, sizeof stamp);
        struct bytes parts[2] = { bytes_of(id.octets, 16), bytes_of(stamp, 8) };

        writer_u64(&w, i);
        hash_derive(hash, 32, bytes_of(NULL, 0), "pow", parts, 2);
        while (bits < 255 && (hash[bits / 8] >> (7 - bits % 8) & 1) == 0)
            bits++;
        CHECK(stamp_bits(&id, stamp) == bits);
    }
}

static void make_plain(uint8_t *to, size_t len, uint8_t which, uint8_t text_len)
{
    struct header h = { .bundle_class = which, .expiry_h = 600 };
    uint8_t seed[32] = { 7 };

    memset(to, 0, len);
    REQUIRE(size_code_for(&h.size_code, len) == ERR_NONE);
    header_encode(&h, to);
    signature_key(to + HEADER_LEN, seed);
    to[HEADER_LEN + 45] = text_len;
    struct bytes parts[2] = { bytes_of(to, HEADER_AD_LEN), bytes_of(to + HEADER_LEN, len - HEADER_LEN - SIGNATURE_LEN) };
    signature_make(to + len - SIGNATURE_LEN, seed, which == CLASS_SOS ? "sos" : "public", parts, 2);
}

static enum err verify(struct bytes bundle)
{
    struct header h;

    REQUIRE(header_of_bundle(&h, bundle) == ERR_NONE);
    return bundle_verify_plain(&h, bundle);
}

static void test_plain(void)
{
    uint8_t b[512];

    make_plain(b, 256, CLASS_SOS, 114);
    CHECK(verify(bytes_of(b, 256)) == ERR_NONE);
    make_plain(b, 256, CLASS_SOS, 115);
    CHECK(verify(bytes_of(b, 256)) == ERR_MALFORMED);
    make_plain(b, 512, CLASS_SOS, 200);
    CHECK(verify(bytes_of(b, 512)) == ERR_NONE);
    make_plain(b, 512, CLASS_SOS, 201);
    CHECK(verify(bytes_of(b, 512)) == ERR_MALFORMED);
    make_plain(b, 256, CLASS_PUBLIC, 9);
    CHECK(verify(bytes_of(b, 256)) == ERR_NONE);
    b[24] ^= 1;   /* the stamp is outside */
    CHECK(verify(bytes_of(b, 256)) == ERR_NONE);
    for (size_t i = 5; i < 256; i += 3) {
        if (i >= HEADER_AD_LEN && i < HEADER_LEN)
            continue;
        b[i] ^= 4;
        CHECK(verify(bytes_of(b, 256)) == ERR_AUTH);
        b[i] ^= 4;
    }
    b[0] = 0x10;   /* a public one is no SOS */
    CHECK(verify(bytes_of(b, 256)) != ERR_NONE);
    b[0] = 0x11;
    CHECK(verify(bytes_of(b, 256)) == ERR_NONE);   /* sealed: for the ends to check */
}

static void test_beacon(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "a beacon", "01400102030405060708a1a2a3a4a5a600", ERR_NONE },
        { "unknown flags", "01400102030405060708a1a2a3a4a5a6ff", ERR_NONE },
        { "empty", "", ERR_MALFORMED },
        { "one byte", "01", ERR_MALFORMED },
        { "short", "01400102030405060708a1a2a3a4a5a6", ERR_MALFORMED },
        { "long", "01400102030405060708a1a2a3a4a5a60000", ERR_MALFORMED },
        { "version 0", "00400102030405060708a1a2a3a4a5a600", ERR_VERSION },
        { "version 2", "02400102030405060708a1a2a3a4a5a600", ERR_VERSION },
    };
    struct buffer b = buffer_of_limit(64);
    struct beacon at;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_ERR(cases[i].name, beacon_decode(&at, check_hex(&b, cases[i].hex)), cases[i].want);
    REQUIRE(beacon_decode(&at, check_hex(&b, cases[0].hex)) == ERR_NONE);
    CHECK(at.load == 0x40 && at.advert[0] == 1 && at.advert[7] == 8 && at.fingerprint == 0xa6a5a4a3a2a1u && at.flags == 0);
    uint8_t again[BEACON_BYTES];
    beacon_encode(&at, again);
    CHECK_BYTES("round trip", bytes_of(again, sizeof again), buffer_bytes(&b));
    uint8_t set[16] = { 1 }, advert[8] = { 2 }, other[8] = { 3 };
    CHECK(beacon_fingerprint(set, advert) != beacon_fingerprint(set, other));
    CHECK(beacon_fingerprint(set, advert) >> 48 == 0);
    buffer_clear(&b);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    test_id();
    test_stamp();
    test_plain();
    test_beacon();
    return check_report("bundle");
}
