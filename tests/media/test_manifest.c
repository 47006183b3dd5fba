/* tests/media/test_manifest.c - what a manifest may say, and the lies that are refused. */
#include <stdlib.h>
#include <string.h>

#include "apps/media/manifest.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff, 0xe0, 1, 2, 3 };

static struct manifest sound(void)
{
    struct manifest m = { .kind = MEDIA_PHOTO, .size = { 1000000, 0 }, .width = 640, .height = 480 };

    m.name = bytes_of_text("harbour.jpg");
    m.type = bytes_of_text("image/jpeg");
    m.caption = bytes_of_text("the bridge holds");
    m.preview = bytes_of(jpeg, sizeof jpeg);
    memset(m.key, 7, sizeof m.key);
    return m;
}

static void test_round_trip(void)
{
    uint8_t bytes[MANIFEST_LEN_MAX], again[MANIFEST_LEN_MAX];
    struct manifest m = sound(), back;
    struct writer w = writer_of(bytes, sizeof bytes), w2 = writer_of(again, sizeof again);

    REQUIRE(manifest_encode(&m, &w) == ERR_NONE);
    REQUIRE(manifest_decode(&back, writer_bytes(&w)) == ERR_NONE);
    CHECK(back.size[0] == 1000000 && back.width == 640 && bytes_are_equal(back.caption, m.caption));
    REQUIRE(manifest_encode(&back, &w2) == ERR_NONE);
    CHECK_BYTES("again", writer_bytes(&w2), writer_bytes(&w));
    /* Cut anywhere, or with a byte too many. */
    for (size_t len = 0; len < writer_len(&w); len++)
        CHECK(manifest_decode(&back, bytes_of(bytes, len)) != ERR_NONE);
    CHECK_ERR("a byte too many", manifest_decode(&back, bytes_of(bytes, writer_len(&w) + 1)), ERR_MALFORMED);
}

static void test_largest(void)
{
    static uint8_t bytes[MANIFEST_LEN_MAX], preview[MEDIA_PREVIEW_MAX], caption[MEDIA_CAPTION_MAX];
    struct manifest m = sound(), back;
    struct writer w = writer_of(bytes, sizeof bytes);
    char name[MEDIA_NAME_MAX + 1];

    memset(preview, 0x55, sizeof preview);
    memcpy(preview, jpeg, 3);
    memset(caption, 'c', sizeof caption);
    memset(name, 'n', MEDIA_NAME_MAX);
    m.preview = bytes_of(preview, sizeof preview);
    m.caption = bytes_of(caption, sizeof caption);
    m.name = bytes_of(name, MEDIA_NAME_MAX);
    m.kind = MEDIA_VOICE;
    m.type = bytes_of_text("audio/flac");
    m.size[PART_LIGHT] = LIGHT_SIZE_MAX;
    CHECK_ERR("the largest", manifest_encode(&m, &w), ERR_NONE);
    CHECK_ERR("and back", manifest_decode(&back, writer_bytes(&w)), ERR_NONE);
}

/* Offsets in the encoding of sound(). */
enum { AT_VERSION = 0, AT_KIND = 1, AT_SIZE = 34, AT_CHUNKS = 74, AT_PARITY = 78, AT_LIGHT = 79, AT_NAME_LEN = 91, AT_NAME = 92 };

static void test_lies(void)
{
    static const struct { const char *what; size_t at; const char *hex; enum err want; } rows[] = {
        { "another version", AT_VERSION, "02", ERR_VERSION },
        { "an unknown kind", AT_KIND, "04", ERR_MALFORMED },
        { "no bytes at all", AT_SIZE, "0000000000000000", ERR_MALFORMED },
        { "past the limit", AT_SIZE, "0100400600000000", ERR_TOO_LARGE },
        { "the largest number", AT_SIZE, "ffffffffffffffff", ERR_TOO_LARGE },
        { "a size that has other counts", AT_SIZE, "0000200000000000", ERR_MALFORMED },
        { "a million chunks", AT_CHUNKS, "40420f00", ERR_MALFORMED },
        { "all the chunks there can be", AT_CHUNKS, "ffffffff", ERR_MALFORMED },
        { "one chunk too few", AT_CHUNKS, "25000000", ERR_MALFORMED },
        { "no parity", AT_PARITY, "00", ERR_MALFORMED },
        { "much parity", AT_PARITY, "ff", ERR_MALFORMED },
        { "a light version of a photo", AT_LIGHT, "01000000", ERR_MALFORMED },
        { "a light version past its limit", AT_LIGHT, "ffffffff", ERR_MALFORMED },
        { "a name without an end", AT_NAME_LEN, "ff", ERR_MALFORMED },
        { "no name", AT_NAME_LEN, "00", ERR_MALFORMED },
        { "a slash", AT_NAME, "2f", ERR_MALFORMED },
        { "a backslash", AT_NAME + 3, "5c", ERR_MALFORMED },
        { "a dot at the start", AT_NAME, "2e", ERR_MALFORMED },
        { "a line break", AT_NAME + 2, "0a", ERR_MALFORMED },
        { "an escape", AT_NAME + 2, "1b", ERR_MALFORMED },
        { "a zero", AT_NAME + 2, "00", ERR_MALFORMED },
        { "a delete", AT_NAME + 2, "7f", ERR_MALFORMED },
        { "a C1 control", AT_NAME + 2, "c29b", ERR_MALFORMED },
        { "a turn of direction", AT_NAME + 2, "e280ae", ERR_MALFORMED },
        { "no UTF-8", AT_NAME + 2, "ff", ERR_MALFORMED },
        { "a space at the end", AT_NAME + 10, "20", ERR_MALFORMED },
        { "a type in capitals", AT_NAME + 12, "49", ERR_MALFORMED },
        { "a page as a photo", AT_NAME + 12, "746578742f68746d6c", ERR_MALFORMED },
        { "a picture of vectors, which may hold a program", AT_NAME + 12, "696d6167652f7376672b", ERR_MALFORMED },
        { "a preview that is no JPEG", AT_NAME + 42, "47", ERR_MALFORMED },
    };
    uint8_t bytes[MANIFEST_LEN_MAX], changed[MANIFEST_LEN_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct manifest m = sound(), back;
    struct buffer hex = buffer_of_limit(64);

    REQUIRE(manifest_encode(&m, &w) == ERR_NONE);
    REQUIRE(bytes[AT_NAME] == 'h' && bytes[AT_NAME_LEN] == 11 && memcmp(bytes + AT_NAME + 42, "\xff\xd8", 2) == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes lie = check_hex(&hex, rows[i].hex);

        memcpy(changed, bytes, writer_len(&w));
        memcpy(changed + rows[i].at, lie.at, lie.len);
        memset(&back, 0x5a, sizeof back);
        CHECK_ERR(rows[i].what, manifest_decode(&back, bytes_of(changed, writer_len(&w))), rows[i].want);
        CHECK_CASE(rows[i].what, back.width == 0x5a5a);   /* untouched */
    }
    buffer_clear(&hex);
}

static void test_names(void)
{
    static const struct { const char *name; bool want; } rows[] = {
        { "a", true }, { "Bericht März.pdf", true }, { "фото.jpg", true }, { "写真.png", true }, { "a b.c", true },
        { "", false }, { ".", false }, { "..", false }, { ".bashrc", false }, { "../x", false }, { "a/b", false }, { "a.", false },
        { "tab\there", false }, { "rtl\xe2\x80\xaegpj.exe", false }, { "line\xe2\x80\xa8two", false }, { "bom\xef\xbb\xbf", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_CASE(rows[i].name, media_name_is_sound(bytes_of_text(rows[i].name)) == rows[i].want);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    test_round_trip();
    test_largest();
    test_lies();
    test_names();
    return check_report("manifest");
}
