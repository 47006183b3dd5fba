/* apps/messenger/paper.c - a small file as a row of texts. */
#include "apps/messenger/paper.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/text.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { PAPER_VERSION = 1, SET_LEN = 4, PART_HEAD_LEN = 1 + SET_LEN + 2 };

static const char scheme[] = "staffetta-backup:#";

static void set_of(uint8_t out[SET_LEN], struct bytes file)
{
    uint8_t full[16];

    hash_derive_one(full, sizeof full, bytes_of(NULL, 0), "backup paper", file);
    memcpy(out, full, SET_LEN);
}

unsigned paper_count(size_t len)
{
    return len > PAPER_FILE_MAX ? 0 : (unsigned)((len + PAPER_PIECE_LEN - 1) / PAPER_PIECE_LEN);
}

void paper_part(char to[PAPER_PART_MAX], struct bytes file, unsigned index)
{
    uint8_t part[PART_HEAD_LEN + PAPER_PIECE_LEN], set[SET_LEN];
    struct writer w = writer_of(part, sizeof part);
    size_t from = (size_t)index * PAPER_PIECE_LEN, left = file.len - from;

    assert(index < paper_count(file.len));
    set_of(set, file);
    writer_u8(&w, PAPER_VERSION);
    writer_copy(&w, bytes_of(set, sizeof set));
    writer_u8(&w, (uint8_t)index);
    writer_u8(&w, (uint8_t)paper_count(file.len));
    writer_copy(&w, bytes_of(file.at + from, left < PAPER_PIECE_LEN ? left : PAPER_PIECE_LEN));
    memcpy(to, scheme, sizeof scheme - 1);
    text_base64(to + sizeof scheme - 1, writer_bytes(&w));
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word; false: there is none. */
static bool next_word(struct bytes *text, struct bytes *word)
{
    size_t len = 0;

    while (text->len > 0 && is_space(text->at[0]))
        *text = bytes_of(text->at + 1, text->len - 1);
    while (len < text->len && !is_space(text->at[len]))
        len++;
    *word = bytes_of(text->at, len);
    *text = bytes_of(text->at + len, text->len - len);
    return len > 0;
}

bool paper_is(struct bytes text)
{
    struct bytes word;

    return next_word(&text, &word) && word.len >= sizeof scheme - 1 && memcmp(word.at, scheme, sizeof scheme - 1) == 0;
}

struct joining {
    uint8_t set[SET_LEN];
    uint8_t count;                          /* 0: no part yet */
    uint16_t len[PAPER_PARTS_MAX];          /* 0: missing */
    uint8_t at[PAPER_PARTS_MAX][PAPER_PIECE_LEN];
};

static enum err take_part(struct joining *j, struct bytes word)
{
    uint8_t part[PART_HEAD_LEN + PAPER_PIECE_LEN], set[SET_LEN];
    size_t len;

    if (!paper_is(word) ||
        text_base64_decode(part, sizeof part, &len, bytes_of(word.at + sizeof scheme - 1, word.len - (sizeof scheme - 1))) != ERR_NONE)
        return ERR_MALFORMED;
    struct reader r = reader_of(bytes_of(part, len));
    uint8_t version = reader_u8(&r);
    reader_copy(&r, set, sizeof set);
    uint8_t index = reader_u8(&r), count = reader_u8(&r);
    struct bytes piece = reader_rest(&r);
    if (r.failed)
        return ERR_MALFORMED;
    if (version != PAPER_VERSION)
        return ERR_VERSION;
    if (count == 0 || count > PAPER_PARTS_MAX || index >= count || piece.len == 0 || (index + 1 < count && piece.len != PAPER_PIECE_LEN))
        return ERR_MALFORMED;
    if (j->count != 0 && (j->count != count || memcmp(j->set, set, sizeof set) != 0))
        return ERR_STATE;
    memcpy(j->set, set, sizeof set);
    j->count = count;
    j->len[index] = (uint16_t)piece.len;
    memcpy(j->at[index], piece.at, piece.len);
    return ERR_NONE;
}

static enum err join_taken(struct buffer *to, const struct joining *j, unsigned *missing)
{
    size_t start = to->len;
    uint8_t set[SET_LEN];
    enum err e = ERR_NONE;

    for (unsigned i = 0; i < j->count; i++) {
        if (j->len[i] == 0) {
            *missing = i + 1;
            return ERR_NOT_FOUND;
        }
    }
    for (unsigned i = 0; i < j->count && e == ERR_NONE; i++)
        e = buffer_append(to, bytes_of(j->at[i], j->len[i]));
    if (e == ERR_NONE) {
        set_of(set, bytes_of(to->at + start, to->len - start));
        e = memcmp(set, j->set, sizeof set) == 0 ? ERR_NONE : ERR_AUTH;
    }
    if (e != ERR_NONE)
        to->len = start;
    return e;
}

enum err paper_join(struct buffer *to, struct bytes text, unsigned *missing)
{
    struct buffer space = buffer_of_limit(sizeof(struct joining));
    struct bytes word;
    enum err e = buffer_reserve(&space, sizeof(struct joining));

    if (e != ERR_NONE)
        return e;
    struct joining *j = (struct joining *)(void *)space.at;
    memset(j, 0, sizeof *j);
    while (e == ERR_NONE && next_word(&text, &word))
        e = take_part(j, word);
    if (e == ERR_NONE && j->count == 0)
        e = ERR_MALFORMED;
    if (e == ERR_NONE)
        e = join_taken(to, j, missing);
    buffer_clear(&space);
    return e;
}
