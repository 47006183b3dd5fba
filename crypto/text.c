/* crypto/text.c - bytes as text. libsodium's codecs are constant-time in the content and strict about
 * trailing bits; what is added here is the length arithmetic. */
#include "crypto/text.h"

#include <assert.h>
#include <sodium.h>

#include "mesh/base/reader.h"

size_t text_base64_len(size_t len)
{
    return len / 3 * 4 + (len % 3 > 0 ? len % 3 + 1 : 0);
}

void text_base64(char *to, struct bytes in)
{
    char *got = sodium_bin2base64(to, text_base64_len(in.len) + 1, in.at, in.len,
                                  sodium_base64_VARIANT_URLSAFE_NO_PADDING);

    assert(got == to);
}

enum err text_base64_decode(uint8_t *to, size_t cap, size_t *len, struct bytes in)
{
    const char *text = (const char *)in.at, *end;
    size_t got;

    if (in.len == 0) {
        *len = 0;
        return ERR_NONE;
    }
    /* Without this a text one octet too long is told from a malformed one only by its last characters. */
    if (in.len > text_base64_len(cap))
        return ERR_TOO_LARGE;
    if (sodium_base642bin(to, cap, text, in.len, NULL, &got, &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return ERR_MALFORMED;
    if (end != text + in.len)
        return ERR_MALFORMED;
    *len = got;
    return ERR_NONE;
}

size_t text_base64_padded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

void text_base64_padded(char *to, struct bytes in)
{
    char *got = sodium_bin2base64(to, text_base64_padded_len(in.len) + 1, in.at, in.len, sodium_base64_VARIANT_ORIGINAL);

    assert(got == to);
}

void text_hex(char *to, struct bytes in)
{
    sodium_bin2hex(to, in.len * 2 + 1, in.at, in.len);
}

enum err text_hex_decode(uint8_t *to, size_t cap, size_t *len, struct bytes in)
{
    const char *text = (const char *)in.at, *end;
    size_t got;

    if (in.len == 0) {
        *len = 0;
        return ERR_NONE;
    }
    if (in.len / 2 > cap)
        return ERR_TOO_LARGE;
    if (in.len % 2 != 0 || sodium_hex2bin(to, cap, text, in.len, NULL, &got, &end) != 0 || end != text + in.len)
        return ERR_MALFORMED;
    *len = got;
    return ERR_NONE;
}

/* How many continuation octets follow `first`, or -1 where no character starts. *low and *high bound the first
 * continuation octet, which is where overlong forms, surrogates and too large code points show
 * (Unicode 15.0, table 3-7). */
static int utf8_tail(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (first < 0x80)
        return 0;
    if (first >= 0xc2 && first <= 0xdf)
        return 1;
    if (first >= 0xe0 && first <= 0xef) {
        if (first == 0xe0)
            *low = 0xa0;
        if (first == 0xed)
            *high = 0x9f;
        return 2;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (first == 0xf0)
            *low = 0x90;
        if (first == 0xf4)
            *high = 0x8f;
        return 3;
    }
    return -1;
}

bool text_is_utf8(struct bytes in)
{
    struct reader r = reader_of(in);

    while (reader_left(&r) > 0 && !r.failed) {
        uint8_t low, high;
        int tail = utf8_tail(reader_u8(&r), &low, &high);

        if (tail < 0)
            return false;
        for (; tail > 0; tail--, low = 0x80, high = 0xbf) {
            uint8_t octet = reader_u8(&r);

            if (octet < low || octet > high)
                return false;
        }
    }
    return reader_is_done(&r);
}
