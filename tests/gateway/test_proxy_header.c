/* tests/gateway/test_proxy_header.c - the PROXY protocol: found, waited for, refused. */
#include "apps/gateway/proxy_header.h"

#include <string.h>

#include "crypto/text.h"
#include "tests/support/check.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"

static const struct { const char *name, *text; enum err want; size_t len; } lines[] = {
    { "IPv4", "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\nrest", ERR_NONE, 38 },
    { "IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 443\r\n", ERR_NONE, 42 },
    { "unknown", "PROXY UNKNOWN\r\n\x16", ERR_NONE, 15 },
    { "empty", "", ERR_NOT_FOUND, 0 },
    { "one letter", "P", ERR_NOT_FOUND, 0 },
    { "cut short", "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r", ERR_NOT_FOUND, 0 },
    { "another kind", "PROXY UDP4 192.0.2.1 192.0.2.2 1 443\r\n", ERR_MALFORMED, 0 },
    { "a browser", "GET / HTTP/1.1\r\n", ERR_MALFORMED, 0 },
    { "TLS", "\x16\x03\x01", ERR_MALFORMED, 0 },
    { "bare line end", "PROXY TCP4 1\n2\r\n", ERR_MALFORMED, 0 },
    { "too long", "PROXY TCP4 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
      ERR_MALFORMED, 0 },
};

static const struct { const char *name, *hex; enum err want; size_t len; } binary[] = {
    { "IPv4", SIGNATURE "2111000c" "c0000201c0000202000101bb" "16", ERR_NONE, 28 },
    { "local", SIGNATURE "20000000", ERR_NONE, 16 },
    { "signature alone", SIGNATURE, ERR_NOT_FOUND, 0 },
    { "half a signature", "0d0a0d0a00", ERR_NOT_FOUND, 0 },
    { "addresses cut short", SIGNATURE "2111000c" "c00002", ERR_NOT_FOUND, 0 },
    { "another version", SIGNATURE "3111000c" "c0000201c0000202000101bb", ERR_MALFORMED, 0 },
    { "another command", SIGNATURE "2211000c" "c0000201c0000202000101bb", ERR_MALFORMED, 0 },
    { "longer than it may be", SIGNATURE "21110209", ERR_MALFORMED, 0 },
    { "as long as it may be", SIGNATURE "21110208", ERR_NOT_FOUND, 0 },
};

int main(void)
{
    uint8_t bytes[64];
    size_t len, n;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        len = 0;
        CHECK_ERR(lines[i].name, proxy_header_find(bytes_of_text(lines[i].text), &len), lines[i].want);
        CHECK_CASE(lines[i].name, len == lines[i].len);
    }
    for (size_t i = 0; i < sizeof binary / sizeof binary[0]; i++) {
        len = 0;
        REQUIRE(text_hex_decode(bytes, sizeof bytes, &n, bytes_of_text(binary[i].hex)) == ERR_NONE);
        CHECK_ERR(binary[i].name, proxy_header_find(bytes_of(bytes, n), &len), binary[i].want);
        CHECK_CASE(binary[i].name, len == binary[i].len);
    }
    return check_report("proxy_header");
}
