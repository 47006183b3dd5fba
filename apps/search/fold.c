/* apps/search/fold.c - words as people compare them. */
#include "apps/search/fold.h"

#include <string.h>
#include <utf8proc.h>

enum { PARTS_MAX = 32 };   /* code points that one may fold to; the longest of Unicode has 18 */

/* Zero: a letter of its own. */
static utf8proc_int32_t plain(utf8proc_int32_t c)
{
    static const struct { utf8proc_int32_t from, to; } rows[] = {
        { 0x00e6, 'a' }, { 0x00f0, 'd' }, { 0x00f8, 'o' }, { 0x0111, 'd' }, { 0x0127, 'h' }, { 0x0131, 'i' }, { 0x0142, 'l' },
        { 0x0153, 'o' }, { 0x0167, 't' }, { 0x0180, 'b' }, { 0x0268, 'i' },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].from == c)
            return rows[i].to;
    }
    return c;
}

/* Scripts without spaces: every letter is a word. */
static bool is_alone(utf8proc_int32_t c)
{
    static const struct { utf8proc_int32_t from, to; } ranges[] = {
        { 0x0e00, 0x0eff }, { 0x1000, 0x109f }, { 0x1780, 0x17ff }, { 0x3040, 0x30ff }, { 0x31f0, 0x31ff }, { 0x3400, 0x4dbf },
        { 0x4e00, 0x9fff }, { 0xf900, 0xfaff }, { 0x20000, 0x3ffff },
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (c >= ranges[i].from && c <= ranges[i].to)
            return true;
    }
    return false;
}

static bool is_mark(utf8proc_category_t g)
{
    return g == UTF8PROC_CATEGORY_MN || g == UTF8PROC_CATEGORY_MC || g == UTF8PROC_CATEGORY_ME;
}

/* Joiners and direction marks neither end a word nor count. */
static bool is_silent(utf8proc_int32_t c, utf8proc_category_t g)
{
    return is_mark(g) || g == UTF8PROC_CATEGORY_CF || c == 0x0640;   /* tatweel only stretches */
}

static bool is_letter(utf8proc_category_t g)
{
    return (g >= UTF8PROC_CATEGORY_LU && g <= UTF8PROC_CATEGORY_LO) || (g >= UTF8PROC_CATEGORY_ND && g <= UTF8PROC_CATEGORY_NO) ||
           g == UTF8PROC_CATEGORY_SO;   /* also signs and pictures: a heart is searched for */
}

struct word {
    uint8_t at[FOLD_WORD_MAX];
    size_t  len, from, to;
    bool    is_full;
};

static void word_add(struct word *w, utf8proc_int32_t c)
{
    uint8_t octets[4];
    size_t len = (size_t)utf8proc_encode_char(c, octets);

    w->is_full = w->is_full || w->len + len > sizeof w->at;
    if (w->is_full)
        return;
    memcpy(w->at + w->len, octets, len);
    w->len += len;
}

static void word_add_folded(struct word *w, utf8proc_int32_t c)
{
    utf8proc_int32_t parts[PARTS_MAX];
    int bound = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(c, parts, PARTS_MAX,
                                                     UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK |
                                                         UTF8PROC_IGNORE, &bound);

    for (utf8proc_ssize_t i = 0; i < count && count <= PARTS_MAX; i++) {
        utf8proc_category_t g = utf8proc_category(parts[i]);

        if (!is_mark(g) && is_letter(g))
            word_add(w, plain(parts[i]));
    }
}

static bool word_end(struct word *w, fold_visit *visit, void *ctx)
{
    bool goes_on = w->len == 0 || visit(ctx, bytes_of(w->at, w->len), w->from, w->to);

    w->len = 0;
    w->is_full = false;
    return goes_on;
}

void fold_words(struct bytes text, fold_visit *visit, void *ctx)
{
    struct word w = { .len = 0 };
    size_t at = 0;

    while (at < text.len) {
        utf8proc_int32_t c;
        utf8proc_ssize_t len = utf8proc_iterate(text.at + at, (utf8proc_ssize_t)(text.len - at), &c);

        if (len <= 0)
            break;
        utf8proc_category_t g = utf8proc_category(c);
        bool alone = is_alone(c) || g == UTF8PROC_CATEGORY_SO;
        if ((alone || !(is_letter(g) || is_silent(c, g))) && !word_end(&w, visit, ctx))
            return;
        if (is_letter(g) && c != 0x0640) {
            if (w.len == 0)
                w.from = at;
            word_add_folded(&w, c);
        }
        at += (size_t)len;
        w.to = at;
        if (alone && !word_end(&w, visit, ctx))
            return;
    }
    (void)word_end(&w, visit, ctx);
}

bool fold_is_one_character(struct bytes text)
{
    utf8proc_int32_t before = 0, state = 0;

    for (size_t at = 0; at < text.len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t len = utf8proc_iterate(text.at + at, (utf8proc_ssize_t)(text.len - at), &c);

        if (len <= 0)
            return false;
        utf8proc_category_t g = utf8proc_category(c);
        bool is_ink = is_letter(g) || (g >= UTF8PROC_CATEGORY_PC && g <= UTF8PROC_CATEGORY_SO);
        /* Marks, joiners and tags only after something that can be seen. */
        if (at == 0 ? !is_ink : !is_ink && !is_mark(g) && c != 0x200d && !(c >= 0xe0020 && c <= 0xe007f))
            return false;
        if (at > 0 && utf8proc_grapheme_break_stateful(before, c, &state))
            return false;
        before = c;
        at += (size_t)len;
    }
    return text.len > 0;
}
