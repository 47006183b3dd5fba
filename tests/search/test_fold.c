/* tests/search/test_fold.c - which words are one word, and what is one character. */
#include <stdio.h>
#include <string.h>

#include "apps/search/fold.h"
#include "tests/support/check.h"

struct all { char words[512]; size_t from, to; unsigned count; };

static bool note(void *ctx, struct bytes word, size_t from, size_t to)
{
    struct all *a = ctx;
    size_t len = strlen(a->words);

    snprintf(a->words + len, sizeof a->words - len, "%.*s|", (int)word.len, (const char *)word.at);
    if (a->count++ == 0) {
        a->from = from;
        a->to = to;
    }
    return true;
}

static void check_words(void)
{
    static const struct { const char *name, *text, *want; } cases[] = {
        { "nothing", "", "" },
        { "only signs", " \t\n.,;-!?()", "" },
        { "case", "Hello WORLD", "hello|world|" },
        { "accents, in one and in two code points", "Café cafe\xcc\x81 CAFÉ", "cafe|cafe|cafe|" },
        { "letters that are not taken apart", "Søren Łódź đak ısı", "soren|lodz|dak|isi|" },
        { "sharp s", "Straße STRASSE", "strasse|strasse|" },
        { "ligatures", "ﬁn", "fin|" },
        { "Greek with a last sigma", "Ὀδυσσεύς ΟΔΥΣΣΕΥΣ", "οδυσσευσ|οδυσσευσ|" },
        { "Cyrillic", "ПРИВЕТ Ёлка", "привет|елка|" },
        { "Arabic without vowel marks, hamza and tatweel", "مُحَمَّد أحمد محـــمد", "محمد|احمد|محمد|" },
        { "Hebrew", "שָׁלוֹם", "שלום|" },
        { "full width", "ＡＢＣ１２", "abc12|" },
        { "a word a letter", "東京 タワー", "東|京|タ|ワ|ー|" },
        { "pictures", "ok👍🏽yes", "ok|👍|yes|" },
        { "digits", "room 12b", "room|12b|" },
        { "ends where it is no UTF-8", "good \xff bad", "good|" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct all a = { .words = "" };

        fold_words(bytes_of_text(cases[i].text), note, &a);
        if (!CHECK_CASE(cases[i].name, strcmp(a.words, cases[i].want) == 0))
            fprintf(stderr, "    %s\n", a.words);
    }
    struct all a = { .words = "" };
    fold_words(bytes_of_text("«Été»"), note, &a);
    CHECK(a.from == 2 && a.to == 7);
    char longest[400];
    memset(longest, 'x', sizeof longest);
    a = (struct all){ .words = "" };
    fold_words(bytes_of(longest, sizeof longest), note, &a);
    CHECK(a.count == 1 && strlen(a.words) == FOLD_WORD_MAX + 1 && a.to == sizeof longest);
}

static void check_characters(void)
{
    static const struct { const char *name, *text; bool want; } cases[] = {
        { "nothing", "", false },
        { "a thumb", "👍", true },
        { "with a colour", "👍🏽", true },
        { "a heart with its variation", "❤️", true },
        { "a family", "👨🏻‍👩🏻‍👧🏻‍👦🏻", true },
        { "a flag of two letters", "🇮🇹", true },
        { "a flag of tags", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", true },
        { "a letter", "ß", true },
        { "a letter with a mark", "e\xcc\x81", true },
        { "a digit in a key", "1️⃣", true },
        { "a sign", "!", true },
        { "two", "👍👍", false },
        { "two flags", "🇮🇹🇫🇷", false },
        { "a word", "ok", false },
        { "a space", " ", false },
        { "a new line", "\n", false },
        { "a mark alone", "\xcc\x81", false },
        { "a joiner alone", "\xe2\x80\x8d", false },
        { "a change of direction behind it", "a\xe2\x80\xae", false },
        { "an escape", "\x1b", false },
        { "no UTF-8", "\xff", false },
        { "cut short", "\xf0\x9f\x91", false },
        { "not assigned", "\xf3\xa0\x87\xb0", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_CASE(cases[i].name, fold_is_one_character(bytes_of_text(cases[i].text)) == cases[i].want);
}

int main(void)
{
    check_words();
    check_characters();
    return check_report("fold");
}
