/* crypto/code_words.c - a code as words (protocol section 8.1). */
#include "crypto/code_words.h"

#include <string.h>

#include "crypto/hash.h"

enum { CHECK_LEN = 2, LETTERS = 5 };

static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aiou";

/* 16 bits, the highest first: 4 a consonant, 2 a vowel. */
static void word_of(char to[LETTERS], const uint8_t two[2])
{
    unsigned n = two[0] << 8 | two[1];

    to[0] = consonants[n >> 12];
    to[1] = vowels[n >> 10 & 3];
    to[2] = consonants[n >> 6 & 15];
    to[3] = vowels[n >> 4 & 3];
    to[4] = consonants[n & 15];
}

static void check_of(uint8_t out[CHECK_LEN], const uint8_t code[CODE_LEN])
{
    uint8_t full[16];

    hash_derive_one(full, sizeof full, bytes_of(NULL, 0), "code check", bytes_of(code, CODE_LEN));
    memcpy(out, full, CHECK_LEN);
    secret_wipe(full, sizeof full);
}

void code_words(char to[CODE_WORDS_LEN + 1], const uint8_t code[CODE_LEN])
{
    uint8_t all[CODE_LEN + CHECK_LEN];

    memcpy(all, code, CODE_LEN);
    check_of(all + CODE_LEN, code);
    for (size_t i = 0; i < CODE_WORDS; i++) {
        word_of(to + i * (LETTERS + 1), all + i * 2);
        to[i * (LETTERS + 1) + LETTERS] = i + 1 < CODE_WORDS ? ' ' : '\0';
    }
    secret_wipe(all, sizeof all);
}

static int place_in(const char *alphabet, char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c >= 'A' && c <= 'Z' ? c + 32 : c) : NULL;

    return at != NULL ? (int)(at - alphabet) : -1;
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '-' || c == ',' || c == '.';
}

enum err code_of_words(uint8_t code[CODE_LEN], struct bytes text)
{
    uint8_t all[CODE_LEN + CHECK_LEN] = { 0 }, check[CHECK_LEN];
    size_t letters = 0;
    enum err e = ERR_NONE;

    for (size_t i = 0; i < text.len && e == ERR_NONE; i++) {
        char c = (char)text.at[i];
        bool is_vowel = letters % LETTERS % 2 == 1;
        unsigned bits = is_vowel ? 2 : 4;

        if (is_between(c)) {
            e = letters % LETTERS == 0 ? ERR_NONE : ERR_MALFORMED;   /* in the middle of a word */
            continue;
        }
        int n = place_in(is_vowel ? vowels : consonants, c);
        uint8_t *two = all + letters / LETTERS * 2;
        if (n < 0 || letters == CODE_WORDS * LETTERS) {
            e = ERR_MALFORMED;
            break;
        }
        unsigned value = ((unsigned)two[0] << 8 | two[1]) << bits | (unsigned)n;
        two[0] = (uint8_t)(value >> 8);
        two[1] = (uint8_t)value;
        letters++;
    }
    if (e == ERR_NONE && letters != CODE_WORDS * LETTERS)
        e = ERR_MALFORMED;
    check_of(check, all);
    if (e == ERR_NONE && !secret_is_equal(check, all + CODE_LEN, CHECK_LEN))
        e = ERR_AUTH;
    if (e == ERR_NONE)
        memcpy(code, all, CODE_LEN);
    secret_wipe(all, sizeof all);
    return e;
}
