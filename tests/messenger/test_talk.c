/* tests/messenger/test_talk.c - texts that refer, and remarks, as bytes. */
#include <stdio.h>
#include <string.h>

#include "apps/messenger/remark.h"
#include "apps/messenger/talk.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

#define ID "0102030405060708"
#define OTHER "1112131415161718"

static void check_talk(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "empty", "", ERR_MALFORMED },
        { "no parts", "0068", ERR_MALFORMED },
        { "a part of later", "04" "68", ERR_VERSION },
        { "a reply", "01" ID "68", ERR_NONE },
        { "a reply without a text", "01" ID, ERR_MALFORMED },
        { "a reply cut short", "01" "01020304", ERR_MALFORMED },
        { "mentions", "02" "02" ID OTHER "68", ERR_NONE },
        { "no mention", "02" "00" "68", ERR_MALFORMED },
        { "mentions cut short", "02" "02" ID "11121314", ERR_MALFORMED },
        { "too many mentions", "02" "11" ID "68", ERR_MALFORMED },
        { "one mentioned twice", "02" "02" ID ID "68", ERR_MALFORMED },
        { "both", "03" ID "01" OTHER "68", ERR_NONE },
        { "no UTF-8", "01" ID "ff", ERR_MALFORMED },
    };
    struct buffer b = buffer_of_limit(256);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes in = check_hex(&b, cases[i].hex);
        uint8_t again[TALK_HEAD_MAX + 8];
        struct writer w = writer_of(again, sizeof again);
        struct talk t;

        if (!CHECK_ERR(cases[i].name, talk_decode(&t, in), cases[i].want) || cases[i].want != ERR_NONE)
            continue;
        talk_encode(&t, &w);
        CHECK_BYTES(cases[i].name, writer_bytes(&w), in);
    }
    static uint8_t longest[TALK_LEN_MAX + 1];
    memset(longest, 'x', sizeof longest);
    longest[0] = TALK_REPLIES;
    struct talk t;
    CHECK_ERR("", talk_decode(&t, bytes_of(longest, 1 + MESSAGE_ID_LEN + TEXT_LEN_MAX)), ERR_NONE);
    CHECK_ERR("too long", talk_decode(&t, bytes_of(longest, 1 + MESSAGE_ID_LEN + TEXT_LEN_MAX + 1)), ERR_MALFORMED);
    buffer_clear(&b);
}

static void check_remark(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "empty", "", ERR_MALFORMED },
        { "an id alone", ID, ERR_MALFORMED },
        { "kind 0", ID "00", ERR_VERSION },
        { "a kind of later", ID "0468", ERR_VERSION },
        { "a thumb", ID "01" "f09f918d", ERR_NONE },
        { "a reaction taken back", ID "01", ERR_NONE },
        { "two thumbs", ID "01" "f09f918df09f918d", ERR_MALFORMED },
        { "a word as a reaction", ID "01" "6f6b", ERR_MALFORMED },
        { "an escape as a reaction", ID "01" "1b", ERR_MALFORMED },
        { "a reaction that is no UTF-8", ID "01" "ff", ERR_MALFORMED },
        { "a letter under 24 marks", ID "01" "61" "cc81cc81cc81cc81cc81cc81cc81cc81cc81cc81cc81cc81" "cc81cc81cc81cc81cc81cc81cc81cc81cc81cc81cc81cc81",
          ERR_MALFORMED },
        { "an edit", ID "02" "68", ERR_NONE },
        { "an edit to nothing", ID "02", ERR_MALFORMED },
        { "an edit that is no UTF-8", ID "02" "c3", ERR_MALFORMED },
        { "a deletion", ID "03", ERR_NONE },
        { "a deletion with a text", ID "03" "68", ERR_MALFORMED },
    };
    struct buffer b = buffer_of_limit(256);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes in = check_hex(&b, cases[i].hex);
        uint8_t again[64];
        struct writer w = writer_of(again, sizeof again);
        struct remark r;

        if (!CHECK_ERR(cases[i].name, remark_decode(&r, in), cases[i].want) || cases[i].want != ERR_NONE)
            continue;
        remark_encode(&r, &w);
        CHECK_BYTES(cases[i].name, writer_bytes(&w), in);
    }
    buffer_clear(&b);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_talk();
    check_remark();
    return check_report("talk");
}
