/* tests/crypto/test_card.c - cards, their links, and safety numbers (protocol section 2). */
#include "crypto/card_internal.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/identity.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { DAY = 690, NAME_LEN = 3, LEN = 200 + NAME_LEN };

static struct seeded seed;
static struct rng g;
static struct identity *ana, *ben;

/* One byte of a good card is changed; what the signature covers but no rule forbids is ERR_AUTH. */
static const struct { const char *name; size_t at; uint8_t value; enum err want; } changed[] = {
    { "version 2", 0, 0x21, ERR_VERSION },
    { "suite 2", 0, 0x12, ERR_VERSION },
    { "version 0", 0, 0x00, ERR_VERSION },
    { "unknown flag", 1, 4, ERR_MALFORMED },
    { "all flags", 1, 0xff, ERR_MALFORMED },
    { "another flag", 1, CARD_PUBLIC, ERR_AUTH },
    { "sign key", 2, 0x55, ERR_AUTH },
    { "dh key", 34, 0x55, ERR_AUTH },
    { "prekey", 66, 0x55, ERR_AUTH },
    { "prekey id", 98, 0x55, ERR_AUTH },
    { "valid until", 100, 0x55, ERR_AUTH },
    { "inbox secret", 102, 0x55, ERR_AUTH },
    { "mailbox bits 24", 134, 24, ERR_AUTH },
    { "mailbox bits 25", 134, 25, ERR_MALFORMED },
    { "name too long for the card", 135, NAME_LEN + 1, ERR_MALFORMED },
    { "name too short for the card", 135, NAME_LEN - 1, ERR_MALFORMED },
    { "name of 33", 135, 33, ERR_MALFORMED },
    { "name of 255", 135, 255, ERR_MALFORMED },
    { "no name", 135, 0, ERR_MALFORMED },
    { "new line in the name", 136, '\n', ERR_MALFORMED },
    { "zero in the name", 137, 0, ERR_MALFORMED },
    { "delete in the name", 138, 0x7f, ERR_MALFORMED },
    { "no utf-8 in the name", 138, 0xc3, ERR_MALFORMED },
    { "another name", 136, 'B', ERR_AUTH },
    { "signature", 139, 0x55, ERR_AUTH },
    { "end of the signature", LEN - 1, 0x55, ERR_AUTH },
};

static const struct { const char *name; bool want; } names[] = {
    { "A", true },
    { "\xc3\x89lo\xc3\xafse \xf0\x9f\x8f\x83", true },
    { "12345678901234567890123456789012", true },
    { "123456789012345678901234567890123", false },
    { "", false },
    { "a\tb", false },
    { "a\xc2\x85", false },
    { "a\xc2\x9f", false },
    { "a\xc2\xa0", true },
    { "a\x1b[2J", false },
    { "a\xff", false },
};

static void test_layout(void)
{
    uint8_t octets[CARD_LEN_MAX + 1] = { 0 }, again[CARD_LEN_MAX];
    struct card c;

    size_t len = card_encode(identity_card(ana), octets);
    REQUIRE(len == LEN);
    REQUIRE(card_decode(&c, bytes_of(octets, len)) == ERR_NONE);
    CHECK(strcmp(c.name, "Ana") == 0 && c.name_len == NAME_LEN && c.mailbox_bits == MAILBOX_BITS_DEFAULT);
    CHECK(c.valid_until_day == DAY + CARD_LIFE_DAYS && c.flags == 0);
    CHECK(card_encode(&c, again) == len && memcmp(octets, again, len) == 0);

    for (size_t i = 0; i < len; i++)
        CHECK(card_decode(&c, bytes_of(octets, i)) == ERR_MALFORMED);
    CHECK_ERR("a byte more", card_decode(&c, bytes_of(octets, len + 1)), ERR_MALFORMED);
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        uint8_t bad[CARD_LEN_MAX];

        memcpy(bad, octets, len);
        CHECK_CASE(changed[i].name, bad[changed[i].at] != changed[i].value);
        bad[changed[i].at] = changed[i].value;
        CHECK_ERR(changed[i].name, card_decode(&c, bytes_of(bad, len)), changed[i].want);
    }

    /* Inside a first message: padded with zeros to its greatest length. */
    CHECK_ERR("padded", card_decode_padded(&c, octets), ERR_NONE);
    octets[CARD_LEN_MAX - 1] = 1;
    CHECK_ERR("padded with more", card_decode_padded(&c, octets), ERR_MALFORMED);
    octets[CARD_LEN_MAX - 1] = 0;
    octets[135] = 255;
    CHECK_ERR("padded, name of 255", card_decode_padded(&c, octets), ERR_MALFORMED);
}

static void test_names(void)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct identity *id = NULL;
        enum err want = names[i].want ? ERR_NONE : ERR_MALFORMED;
        struct card c;
        uint8_t octets[CARD_LEN_MAX];

        CHECK_ERR(names[i].name, identity_new(&id, bytes_of_text(names[i].name), DAY, &g), want);
        CHECK_ERR(names[i].name, identity_rename(ben, bytes_of_text(names[i].name), DAY, &g), want);
        if (id != NULL) {
            size_t len = card_encode(identity_card(id), octets);

            CHECK_ERR(names[i].name, card_decode(&c, bytes_of(octets, len)), ERR_NONE);
            CHECK_CASE(names[i].name, strcmp(c.name, names[i].name) == 0);
        }
        identity_free(id);
    }
    REQUIRE(identity_rename(ben, bytes_of_text("Ben"), DAY, &g) == ERR_NONE);
}

static void test_links(void)
{
    char link[CARD_LINK_MAX], text[CARD_LINK_MAX + 64];
    struct card c;
    const char *fragment;

    card_link(identity_card(ana), link);
    REQUIRE(strncmp(link, "staffetta:#", 11) == 0);
    fragment = link + 11;
    static const struct { const char *before, *after; enum err want; } around[] = {
        { "staffetta:#", "", ERR_NONE },
        { "", "", ERR_NONE },
        { " \t\r\n", " \n", ERR_NONE },
        { "\nmesh:#", "\n", ERR_NONE },
        { "https://host.example/add?x=1#", "", ERR_NONE },
        { "STAFFETTA:#", "", ERR_NONE },
        { "#", "", ERR_MALFORMED },
        { "staffetta#", "", ERR_MALFORMED },
        { "staffetta:x#", "", ERR_MALFORMED },
        { "staffetta:##", "", ERR_MALFORMED },
        { "staffetta:", "", ERR_MALFORMED },
        { "two words:#", "", ERR_MALFORMED },
        { "https://host /#", "", ERR_MALFORMED },
        { "1:#", "", ERR_MALFORMED },
        { "staffetta:#", "=", ERR_MALFORMED },
        { "staffetta:#", "AAAA", ERR_MALFORMED },
        { "staffetta:# ", "", ERR_MALFORMED },
        { "staffetta:#A", "", ERR_VERSION },
    };
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        snprintf(text, sizeof text, "%s%s%s", around[i].before, fragment, around[i].after);
        CHECK_ERR(text, card_from_link(&c, bytes_of_text(text)), around[i].want);
        if (around[i].want == ERR_NONE)
            CHECK(memcmp(&c, identity_card(ana), sizeof c) == 0);
    }
    CHECK_ERR("empty", card_from_link(&c, bytes_of(NULL, 0)), ERR_MALFORMED);
    CHECK_ERR("white space", card_from_link(&c, bytes_of_text(" \n ")), ERR_MALFORMED);
    CHECK_ERR("nothing after", card_from_link(&c, bytes_of_text("staffetta:#")), ERR_MALFORMED);
    for (size_t i = 1; i < strlen(fragment); i++)
        CHECK(card_from_link(&c, bytes_of(fragment, i)) != ERR_NONE);
    snprintf(text, sizeof text, "staffetta:#%s", fragment);
    text[40] = text[40] == 'A' ? 'B' : 'A';
    CHECK_ERR("one character changed", card_from_link(&c, bytes_of_text(text)), ERR_AUTH);

    /* The longest card fits its link. */
    REQUIRE(identity_rename(ben, bytes_of_text("12345678901234567890123456789012"), DAY, &g) == ERR_NONE);
    card_link(identity_card(ben), link);
    CHECK(strlen(link) == 11 + 310 && card_from_link(&c, bytes_of_text(link)) == ERR_NONE);
    REQUIRE(identity_rename(ben, bytes_of_text("Ben"), DAY, &g) == ERR_NONE);
}

/* From the definition, in another way: H_32(; "fp"; IKs || IKd) in groups of five octets. */
static void digits_of(const struct card *c, char out[31])
{
    uint8_t keys[64], print[32];

    memcpy(keys, c->sign_key, 32);
    memcpy(keys + 32, c->dh_key, 32);
    hash_derive_one(print, 32, bytes_of(NULL, 0), "fp", bytes_of(keys, 64));
    for (int i = 0; i < 6; i++) {
        const uint8_t *p = print + 5 * i;
        unsigned long long v = (unsigned long long)p[0] << 32 | (unsigned long long)p[1] << 24 |
                               (unsigned long long)p[2] << 16 | (unsigned long long)p[3] << 8 | p[4];

        snprintf(out + 5 * i, 6, "%05llu", v % 100000);
    }
}

static void test_safety_number(void)
{
    char ab[SAFETY_NUMBER_LEN + 1], ba[SAFETY_NUMBER_LEN + 1], of_ana[31], of_ben[31];
    struct card renamed;

    safety_number(identity_card(ana), identity_card(ben), ab);
    safety_number(identity_card(ben), identity_card(ana), ba);
    CHECK(strcmp(ab, ba) == 0 && strlen(ab) == SAFETY_NUMBER_LEN && strspn(ab, "0123456789") == SAFETY_NUMBER_LEN);
    digits_of(identity_card(ana), of_ana);
    digits_of(identity_card(ben), of_ben);
    CHECK((strncmp(ab, of_ana, 30) == 0 && strcmp(ab + 30, of_ben) == 0) ||
          (strncmp(ab, of_ben, 30) == 0 && strcmp(ab + 30, of_ana) == 0));

    /* It is about keys: a new name or prekey changes nothing, another person does. */
    REQUIRE(identity_rename(ben, bytes_of_text("Benno"), DAY, &g) == ERR_NONE);
    renamed = *identity_card(ben);
    safety_number(identity_card(ana), &renamed, ba);
    CHECK(strcmp(ab, ba) == 0);
    safety_number(identity_card(ana), identity_card(ana), ba);
    CHECK(strcmp(ab, ba) != 0);
    CHECK(!card_is_same_person(identity_card(ana), &renamed) && card_is_same_person(&renamed, identity_card(ben)));
    renamed.dh_key[5] ^= 1;
    CHECK(!card_is_same_person(&renamed, identity_card(ben)));
}

int main(void)
{
    uint8_t one[32], two[32];

    REQUIRE(crypto_start() == ERR_NONE);
    seeded_init(&seed, 1);
    g = seeded_rng(&seed);
    REQUIRE(identity_new(&ana, bytes_of_text("Ana"), DAY, &g) == ERR_NONE);
    REQUIRE(identity_new(&ben, bytes_of_text("Ben"), DAY, &g) == ERR_NONE);
    test_layout();
    test_names();
    test_links();
    test_safety_number();
    card_hash(identity_card(ana), one);
    card_hash(identity_card(ben), two);
    CHECK(memcmp(one, two, 32) != 0);
    identity_free(ana);
    identity_free(ben);
    return check_report("card");
}
