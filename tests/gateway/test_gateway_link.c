/* tests/gateway/test_gateway_link.c - invites to gateways: what is taken, what is refused. */
#include "mesh/links/gateway_link.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/text.h"
#include "tests/support/check.h"

#define KEY "11111111111111111111111111111111111111111111111111111111111111aa"
#define ID "2222222222222222"
#define SECRET "33333333333333333333333333333333"
#define PIN "4444444444444444444444444444444444444444444444444444444444444444"
#define ONE "00" KEY ID SECRET "01" "03" "612e62" "bb01"

static const struct { const char *name, *hex; enum err want; } cases[] = {
    { "one", "0101" ONE, ERR_NONE },
    { "with a pin", "0101" "01" KEY ID SECRET PIN "01" "03" "612e62" "bb01", ERR_NONE },
    { "two gateways", "0102" ONE ONE, ERR_NONE },
    { "two addresses", "0101" "00" KEY ID SECRET "02" "03" "612e62" "bb01" "02" "3a3a" "0100", ERR_NONE },
    { "the second address in clear", "0101" "20" KEY ID SECRET "02" "03" "612e62" "bb01" "02" "3a3a" "0100", ERR_NONE },
    { "all in clear", "0101" "f0" KEY ID SECRET "04" "0161" "0100" "0161" "0100" "0161" "0100" "0161" "0100", ERR_NONE },
    { "an address in clear that is not there", "0101" "20" KEY ID SECRET "01" "03" "612e62" "bb01", ERR_MALFORMED },
    { "empty", "", ERR_MALFORMED },
    { "version alone", "01", ERR_MALFORMED },
    { "another version", "0201" ONE, ERR_VERSION },
    { "no gateway", "0100", ERR_MALFORMED },
    { "too many gateways", "0105" ONE ONE ONE ONE ONE, ERR_MALFORMED },
    { "one promised, none there", "0101", ERR_MALFORMED },
    { "two promised, one there", "0102" ONE, ERR_MALFORMED },
    { "one promised, two there", "0101" ONE ONE, ERR_MALFORMED },
    { "unknown flag", "0101" "02" KEY ID SECRET "01" "03" "612e62" "bb01", ERR_MALFORMED },
    { "pin promised, not there", "0101" "01" KEY ID SECRET "01" "03" "612e62" "bb01", ERR_MALFORMED },
    { "no address", "0101" "00" KEY ID SECRET "00", ERR_MALFORMED },
    { "too many addresses", "0101" "00" KEY ID SECRET "05" "0161" "0100" "0161" "0100" "0161" "0100" "0161" "0100" "0161" "0100",
      ERR_MALFORMED },
    { "empty host", "0101" "00" KEY ID SECRET "01" "00" "bb01", ERR_MALFORMED },
    { "host cut short", "0101" "00" KEY ID SECRET "01" "09" "612e62" "bb01", ERR_MALFORMED },
    { "host of 254", "0101" "00" KEY ID SECRET "01" "fe" "612e62" "bb01", ERR_MALFORMED },
    { "space in the host", "0101" "00" KEY ID SECRET "01" "03" "612062" "bb01", ERR_MALFORMED },
    { "line end in the host", "0101" "00" KEY ID SECRET "01" "03" "610d0a" "bb01", ERR_MALFORMED },
    { "zero in the host", "0101" "00" KEY ID SECRET "01" "03" "610062" "bb01", ERR_MALFORMED },
    { "port 0", "0101" "00" KEY ID SECRET "01" "03" "612e62" "0000", ERR_MALFORMED },
    { "port cut short", "0101" "00" KEY ID SECRET "01" "03" "612e62" "bb", ERR_MALFORMED },
    { "a byte more", "0101" ONE "00", ERR_MALFORMED },
};

static void check_cases(struct gateway_link *l, char *text)
{
    static const char sentinel = 0x5a;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[1024];
        size_t len;

        REQUIRE(text_hex_decode(bytes, sizeof bytes, &len, bytes_of_text(cases[i].hex)) == ERR_NONE);
        text_base64(text, bytes_of(bytes, len));
        memset(l, sentinel, sizeof *l);
        CHECK_CASE(cases[i].name, gateway_link_read(l, bytes_of_text(text)) == cases[i].want);
        if (cases[i].want != ERR_NONE) {
            CHECK_CASE(cases[i].name, l->count == (uint8_t)sentinel);   /* untouched */
            continue;
        }
        /* What was read is written as the same bytes. */
        uint8_t again[1024];
        size_t again_len;
        gateway_link_write(l, text);
        CHECK_CASE(cases[i].name, memcmp(text, "staffetta-gw:#", 14) == 0);
        REQUIRE(text_base64_decode(again, sizeof again, &again_len, bytes_of_text(text + 14)) == ERR_NONE);
        CHECK_CASE(cases[i].name, bytes_are_equal(bytes_of(bytes, len), bytes_of(again, again_len)));
    }
}

static void check_forms(struct gateway_link *l, char *text)
{
    static const char *const before[] = { "", " \n", "staffetta-gw:#", "https://example.org/join#" };
    static const char *const bad[] = { "", "#", "staffetta-gw:#", "staffetta:#!!", "\xff\xfe", "A", "AQEA" };
    uint8_t bytes[1024];
    char bare[2048];
    size_t len;

    REQUIRE(text_hex_decode(bytes, sizeof bytes, &len, bytes_of_text("0101" ONE)) == ERR_NONE);
    text_base64(bare, bytes_of(bytes, len));
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        strcpy(text, before[i]);
        strcat(text, bare);
        strcat(text, " \r\n");
        CHECK_CASE(before[i], gateway_link_read(l, bytes_of_text(text)) == ERR_NONE && l->gateways[0].addresses[0].port == 443 &&
                                  strcmp(l->gateways[0].addresses[0].host, "a.b") == 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_CASE(bad[i], gateway_link_read(l, bytes_of_text(bad[i])) == ERR_MALFORMED);
    /* The largest that can be written can be read. */
    memset(l, 0, sizeof *l);
    l->count = GATEWAYS_PER_LINK_MAX;
    for (size_t g = 0; g < GATEWAYS_PER_LINK_MAX; g++) {
        l->gateways[g].is_pinned = true;
        l->gateways[g].address_count = GATEWAY_ADDRESSES_MAX;
        for (size_t a = 0; a < GATEWAY_ADDRESSES_MAX; a++) {
            memset(l->gateways[g].addresses[a].host, 'x', GATEWAY_HOST_MAX);
            l->gateways[g].addresses[a].port = 65535;
        }
    }
    gateway_link_write(l, text);
    /* As a friend passes it on: the link and nothing else. */
    CHECK(gateway_link_is_text(bytes_of_text(text), l) && !gateway_link_is_text(bytes_of_text(text + 1), l) &&
          !gateway_link_is_text(bytes_of(text, strlen(text) - 1), l) && !gateway_link_is_text(bytes_of(NULL, 0), l) &&
          !gateway_link_is_text(bytes_of_text("staffetta-gw:#"), l));
    CHECK(strlen(text) < GATEWAY_LINK_TEXT_MAX && gateway_link_read(l, bytes_of_text(text)) == ERR_NONE);
}

int main(void)
{
    struct gateway_link *l = malloc(sizeof *l);
    char *text = malloc(GATEWAY_LINK_TEXT_MAX);

    REQUIRE(l != NULL && text != NULL && crypto_start() == ERR_NONE);
    check_cases(l, text);
    check_forms(l, text);
    free(l);
    free(text);
    return check_report("gateway_link");
}
