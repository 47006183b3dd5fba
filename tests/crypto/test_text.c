/* tests/crypto/test_text.c - base64url, hex and UTF-8. */
#include "crypto/text.h"

#include <string.h>

#include "crypto/hash.h"
#include "tests/support/check.h"

/* RFC 4648 section 10, in the alphabet of section 5 and without padding. */
static const struct { const char *plain, *text; } base64_vectors[] = {
    { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "-__-" },
};

static const struct { const char *text; enum err want; } base64_bad[] = {
    { "Z", ERR_MALFORMED },        { "Zg==", ERR_MALFORMED },   { "Zh", ERR_MALFORMED },
    { "Zm9", ERR_MALFORMED },      { "Zm9v Yg", ERR_MALFORMED }, { "+//+", ERR_MALFORMED },
    { "Zm9v\n", ERR_MALFORMED },   { "Zm9vYmFyZm9v", ERR_TOO_LARGE },
};

static const struct { const char *text; enum err want; } hex_bad[] = {
    { "0", ERR_MALFORMED }, { "0g", ERR_MALFORMED }, { "00 11", ERR_MALFORMED }, { "0x00", ERR_MALFORMED },
    { "00112233445566778899", ERR_TOO_LARGE },
};

static const struct { const char *name, *text; bool want; } utf8[] = {
    { "empty", "", true },
    { "ascii", "plain", true },
    { "two, three, four", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\x83", true },
    { "first and last of each length", "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true },
    { "around the surrogates", "\xed\x9f\xbf\xee\x80\x80", true },
    { "lone continuation", "\x80", false },
    { "cut", "\xe2\x82", false },
    { "cut before ascii", "\xe2\x82x", false },
    { "overlong slash", "\xc0\xaf", false },
    { "overlong of three", "\xe0\x9f\xbf", false },
    { "overlong of four", "\xf0\x8f\xbf\xbf", false },
    { "surrogate", "\xed\xa0\x80", false },
    { "past U+10FFFF", "\xf4\x90\x80\x80", false },
    { "five octets", "\xf8\x88\x80\x80\x80", false },
    { "0xff", "\xff", false },
};

int main(void)
{
    char text[64];
    uint8_t octets[8];
    size_t len;

    REQUIRE(crypto_start() == ERR_NONE);
    for (size_t i = 0; i < sizeof base64_vectors / sizeof base64_vectors[0]; i++) {
        struct bytes plain = bytes_of_text(base64_vectors[i].plain);

        text_base64(text, plain);
        CHECK_CASE(base64_vectors[i].text, strcmp(text, base64_vectors[i].text) == 0);
        CHECK_CASE(base64_vectors[i].text, text_base64_len(plain.len) == strlen(text));
        CHECK_ERR(text, text_base64_decode(octets, sizeof octets, &len, bytes_of_text(text)), ERR_NONE);
        CHECK_BYTES(text, bytes_of(octets, len), plain);
    }
    for (size_t i = 0; i < sizeof base64_bad / sizeof base64_bad[0]; i++)
        CHECK_ERR(base64_bad[i].text, text_base64_decode(octets, sizeof octets, &len, bytes_of_text(base64_bad[i].text)),
                  base64_bad[i].want);

    text_hex(text, bytes_of("\x00\xab\xff", 3));
    CHECK(strcmp(text, "00abff") == 0);
    CHECK_ERR("either case", text_hex_decode(octets, sizeof octets, &len, bytes_of_text("00aBFf")), ERR_NONE);
    CHECK_BYTES("hex", bytes_of(octets, len), bytes_of("\x00\xab\xff", 3));
    CHECK_ERR("empty", text_hex_decode(octets, sizeof octets, &len, bytes_of(NULL, 0)), ERR_NONE);
    CHECK(len == 0);
    for (size_t i = 0; i < sizeof hex_bad / sizeof hex_bad[0]; i++)
        CHECK_ERR(hex_bad[i].text, text_hex_decode(octets, sizeof octets, &len, bytes_of_text(hex_bad[i].text)),
                  hex_bad[i].want);

    for (size_t i = 0; i < sizeof utf8 / sizeof utf8[0]; i++)
        CHECK_CASE(utf8[i].name, text_is_utf8(bytes_of_text(utf8[i].text)) == utf8[i].want);
    CHECK(text_is_utf8(bytes_of("a\0b", 3)));
    return check_report("text");
}
