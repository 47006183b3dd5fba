/* tests/base/test_header.c - layout of a bundle's header (protocol section 3). */
#include "mesh/base/header.h"
#include "tests/support/check.h"

#define TAG "000102030405060708090a0b0c0d0e0f"
#define STAMP "1011121314151617"

static const struct {
    const char *name, *hex;
    enum err want;
} cases[] = {
    { "a sealed bundle", "1101004200d57bdb" TAG STAMP, ERR_NONE },
    { "empty", "", ERR_MALFORMED },
    { "one byte short", "1101004200d57bdb" TAG "10111213141516", ERR_MALFORMED },
    { "one byte long", "1101004200d57bdb" TAG STAMP "00", ERR_MALFORMED },
    { "version 2", "2101004200d57bdb" TAG STAMP, ERR_VERSION },
    { "class 3", "1301004200d57bdb" TAG STAMP, ERR_MALFORMED },
    { "size code 9", "1109004200d57bdb" TAG STAMP, ERR_MALFORMED },
    { "expiry off its grid", "1101014200d57bdb" TAG STAMP, ERR_MALFORMED },
};

int main(void)
{
    struct buffer b = buffer_of_limit(128);
    struct header h;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_ERR(cases[i].name, header_decode(&h, check_hex(&b, cases[i].hex)), cases[i].want);

    REQUIRE(header_decode(&h, check_hex(&b, cases[0].hex)) == ERR_NONE);
    CHECK(h.bundle_class == CLASS_SEALED && h.size_code == 1 && bundle_len_of_code(h.size_code) == 512);
    CHECK(h.expiry_h == 0x4200);
    CHECK(h.bucket == 0xd57bdb);
    uint8_t again[HEADER_LEN];
    header_encode(&h, again);
    CHECK_BYTES("round trip", bytes_of(again, sizeof again), buffer_bytes(&b));

    uint8_t code;
    CHECK(size_code_for(&code, 0) == ERR_NONE && code == 0);
    CHECK(size_code_for(&code, 256) == ERR_NONE && code == 0);
    CHECK(size_code_for(&code, 257) == ERR_NONE && code == 1);
    CHECK(size_code_for(&code, 65536) == ERR_NONE && code == 8);
    CHECK(size_code_for(&code, 65537) == ERR_TOO_LARGE);

    /* Day 690 is 2026-11-22. */
    CHECK(day_of_unix(1795305600) == 690);
    CHECK(day_of_unix(0) == 0);
    CHECK(unix_of_hour(690 * 24) == 1795305600);
    CHECK(expiry_for_unix(1795305600) == 690 * 24);
    CHECK(expiry_for_unix(1795305601) == 690 * 24 + 6);
    CHECK(expiry_for_unix(UINT64_MAX - 4000) % 6 == 0);
    buffer_clear(&b);
    return check_report("header");
}
