/* tests/crypto/test_backup.c - codes in words, and sealed files: round trips, and what is refused. */
#include <stdlib.h>
#include <string.h>

#include "crypto/backup.h"
#include "crypto/hash.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static void check_words(void)
{
    static const uint8_t zeros[CODE_LEN];
    uint8_t code[CODE_LEN], back[CODE_LEN];
    char words[CODE_WORDS_LEN + 1], copy[CODE_WORDS_LEN + 1];
    struct seeded s;

    seeded_init(&s, 5);
    for (unsigned n = 0; n < 200; n++) {
        struct rng g = seeded_rng(&s);

        rng_fill(&g, code, sizeof code);
        code_words(words, code);
        CHECK(strlen(words) == CODE_WORDS_LEN);
        REQUIRE(code_of_words(back, bytes_of_text(words)) == ERR_NONE);
        CHECK(memcmp(code, back, sizeof code) == 0);
        /* Any one letter wrong is noticed. */
        size_t at = rng_below(&g, CODE_WORDS_LEN);
        memcpy(copy, words, sizeof copy);
        if (copy[at] != ' ') {
            copy[at] = copy[at] == 'a' ? 'i' : copy[at] == 'b' ? 'd' : strchr("iou", copy[at]) != NULL ? 'a' : 'b';
            CHECK_ERR(copy, code_of_words(back, bytes_of_text(copy)), ERR_AUTH);
        }
    }
    code_words(words, zeros);
    CHECK(strncmp(words, "babab babab", 11) == 0);
    /* As people write. */
    for (char *c = words; *c != '\0'; c++)
        *c = *c == ' ' ? '-' : *c >= 'a' ? (char)(*c - 32) : *c;
    CHECK_ERR(words, code_of_words(back, bytes_of_text(words)), ERR_NONE);
    static const struct { const char *name, *text; } bad[] = {
        { "nothing", "" }, { "spaces", "   " }, { "eight", "babab babab babab babab babab babab babab babab" },
        { "ten", "babab babab babab babab babab babab babab babab babab babab" },
        { "another alphabet", "b\xc3\xa4" "bab babab babab babab babab babab babab babab babab" },
        { "a passphrase", "correct horse battery staple" },
        { "cut in a word", "bab ab babab babab babab babab babab babab babab babab" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_ERR(bad[i].name, code_of_words(back, bytes_of_text(bad[i].text)), ERR_MALFORMED);
}

static const size_t lengths[] = { 0, 1, BACKUP_PIECE_LEN - 1, BACKUP_PIECE_LEN, BACKUP_PIECE_LEN + 1, 3 * BACKUP_PIECE_LEN };

static void check_round_trip(const struct backup_key *key, const struct backup_key *wrong, const struct backup_key *other_kind)
{
    uint8_t *plain = malloc(3 * BACKUP_PIECE_LEN);
    struct seeded s;

    REQUIRE(plain != NULL);
    seeded_init(&s, 7);
    struct rng g = seeded_rng(&s);
    rng_fill(&g, plain, 3 * BACKUP_PIECE_LEN);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buffer file = buffer_of_limit(BACKUP_FILE_MAX), back = buffer_of_limit(BACKUP_PLAIN_MAX);
        bool wants;

        REQUIRE(backup_seal(&file, bytes_of(plain, lengths[i]), key, VAULT_COST_TEST, &g) == ERR_NONE);
        REQUIRE(backup_open(&back, buffer_bytes(&file), key) == ERR_NONE);
        CHECK_BYTES("", buffer_bytes(&back), bytes_of(plain, lengths[i]));
        CHECK(backup_wants_passphrase(buffer_bytes(&file), &wants) == ERR_NONE && wants == (key->code == NULL));
        back.len = 0;
        CHECK_ERR("", backup_open(&back, buffer_bytes(&file), wrong), ERR_AUTH);
        CHECK_ERR("", backup_open(&back, buffer_bytes(&file), other_kind), ERR_STATE);
        /* Cut anywhere, one bit changed anywhere, something behind it: never opened, nothing given. */
        for (size_t cut = 0; cut < file.len; cut += 1 + file.len / 97)
            CHECK(backup_open(&back, bytes_of(file.at, cut), key) != ERR_NONE && back.len == 0);
        for (size_t at = 0; at < file.len; at += 1 + (at >= BACKUP_HEAD_LEN) * (file.len / 97)) {
            if (at >= 8 && at < 16 && key->code == NULL)
                continue;   /* other costs: below */
            file.at[at] ^= 1;
            CHECK(backup_open(&back, buffer_bytes(&file), key) != ERR_NONE && back.len == 0);
            file.at[at] ^= 1;
        }
        REQUIRE(buffer_append(&file, bytes_of("x", 1)) == ERR_NONE);
        CHECK(backup_open(&back, buffer_bytes(&file), key) != ERR_NONE && back.len == 0);
        buffer_clear(&file);
        buffer_clear(&back);
    }
    free(plain);
}

/* Two pieces exchanged, or the last one dropped where a piece ends: the stream notices. */
static void check_pieces(const struct backup_key *key)
{
    enum { SEALED = BACKUP_PIECE_LEN + 17 };
    struct buffer file = buffer_of_limit(BACKUP_FILE_MAX), back = buffer_of_limit(BACKUP_PLAIN_MAX);
    uint8_t *plain = calloc(3, BACKUP_PIECE_LEN), *piece = malloc(SEALED);
    struct seeded s;

    REQUIRE(plain != NULL && piece != NULL);
    seeded_init(&s, 8);
    struct rng g = seeded_rng(&s);
    REQUIRE(backup_seal(&file, bytes_of(plain, 3 * BACKUP_PIECE_LEN), key, VAULT_COST_TEST, &g) == ERR_NONE);
    CHECK_ERR("the last piece dropped", backup_open(&back, bytes_of(file.at, file.len - SEALED), key), ERR_MALFORMED);
    memcpy(piece, file.at + BACKUP_HEAD_LEN, SEALED);
    memmove(file.at + BACKUP_HEAD_LEN, file.at + BACKUP_HEAD_LEN + SEALED, SEALED);
    memcpy(file.at + BACKUP_HEAD_LEN + SEALED, piece, SEALED);
    CHECK_ERR("two pieces exchanged", backup_open(&back, buffer_bytes(&file), key), ERR_AUTH);
    CHECK(back.len == 0);
    free(plain);
    free(piece);
    buffer_clear(&file);
    buffer_clear(&back);
}

#define SALT "000102030405060708090a0b0c0d0e0f"
#define REST SALT "00000000000000000000000000000000000000000000000000" "0000000000000000000000000000000000"

static void check_malformed(void)
{
    static const struct { const char *name, *hex; enum err want; } rows[] = {
        { "empty", "", ERR_MALFORMED },
        { "another magic", "53544b53" "01" "02" "0000" "00000000" "00000000" REST, ERR_MALFORMED },
        { "a later version", "5354424b" "02" "02" "0000" "00000000" "00000000" REST, ERR_VERSION },
        { "an unknown kind", "5354424b" "01" "03" "0000" "00000000" "00000000" REST, ERR_MALFORMED },
        { "no kind", "5354424b" "01" "00" "0000" "00000000" "00000000" REST, ERR_MALFORMED },
        { "not zero", "5354424b" "01" "02" "0100" "00000000" "00000000" REST, ERR_MALFORMED },
        { "a code with costs", "5354424b" "01" "02" "0000" "01000000" "08000000" REST, ERR_MALFORMED },
        { "no passes", "5354424b" "01" "01" "0000" "00000000" "08000000" REST, ERR_MALFORMED },
        { "a million passes", "5354424b" "01" "01" "0000" "40420f00" "08000000" REST, ERR_MALFORMED },
        { "no memory", "5354424b" "01" "01" "0000" "01000000" "00000000" REST, ERR_MALFORMED },
        { "four terabytes", "5354424b" "01" "01" "0000" "01000000" "ffffffff" REST, ERR_MALFORMED },
        { "only a head", "5354424b" "01" "02" "0000" "00000000" "00000000" SALT, ERR_MALFORMED },
        { "a passphrase's file", "5354424b" "01" "01" "0000" "01000000" "08000000" REST, ERR_STATE },
        { "random", "5354424b" "01" "02" "0000" "00000000" "00000000" REST, ERR_AUTH },
    };
    static const uint8_t code[CODE_LEN];
    struct backup_key key = { .code = code };
    struct buffer hex = buffer_of_limit(4096), back = buffer_of_limit(4096);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_ERR(rows[i].name, backup_open(&back, check_hex(&hex, rows[i].hex), &key), rows[i].want);
        CHECK_CASE(rows[i].name, back.len == 0);
    }
    buffer_clear(&hex);
    buffer_clear(&back);
}

int main(void)
{
    static const uint8_t code[CODE_LEN] = { 1, 2, 3 }, other[CODE_LEN] = { 1, 2, 4 };
    struct backup_key by_code = { .code = code }, by_other = { .code = other };
    struct backup_key by_phrase = { .passphrase = bytes_of_text("correct horse") }, by_guess = { .passphrase = bytes_of_text("correct house") };
    struct buffer file = buffer_of_limit(4096);
    struct seeded s;

    REQUIRE(crypto_start() == ERR_NONE);
    check_words();
    check_round_trip(&by_code, &by_other, &by_phrase);
    check_round_trip(&by_phrase, &by_guess, &by_code);
    check_pieces(&by_code);
    check_malformed();
    seeded_init(&s, 9);
    struct rng g = seeded_rng(&s);
    struct backup_key none = { .code = NULL };
    CHECK_ERR("no key", backup_seal(&file, bytes_of("x", 1), &none, VAULT_COST_TEST, &g), ERR_REFUSED);
    buffer_clear(&file);
    return check_report("backup");
}
