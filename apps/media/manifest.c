/* apps/media/manifest.c - what is coming, as bytes, and what of it is believed.
 *
 *   version 1 | kind 1 | key 32 | size 8 | hash 32 | chunks 4 | parity 1 | light size 4 [hash 32 | chunks 4 | parity 1] |
 *   width 2 | height 2 | duration 4 | name 1+n | type 1+n | caption 2+n | preview 2+n
 */
#include "apps/media/manifest.h"

#include <string.h>

#include "crypto/text.h"

enum { MANIFEST_VERSION = 1 };

/* ---- What is believed ---- */

static uint32_t next_code_point(struct reader *r)
{
    uint32_t c = reader_u8(r), more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

    c = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;
    while (more-- > 0)
        c = c << 6 | (reader_u8(r) & 63u);
    return c;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff;
}

/* Marks that turn the direction of writing, and with it "gpj.exe" into "exe.jpg". */
static bool turns_direction(uint32_t c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool media_name_is_sound(struct bytes name)
{
    if (name.len == 0 || name.len > MEDIA_NAME_MAX || !text_is_utf8(name) || name.at[0] == '.' ||
        name.at[name.len - 1] == '.' || name.at[name.len - 1] == ' ')
        return false;
    struct reader r = reader_of(name);
    while (reader_left(&r) > 0) {
        uint32_t c = next_code_point(&r);

        if (is_control(c) || turns_direction(c) || c == '/' || c == '\\')
            return false;
    }
    return true;
}

static bool caption_is_sound(struct bytes caption)
{
    return caption.len <= MEDIA_CAPTION_MAX && text_is_utf8(caption) && (caption.len == 0 || memchr(caption.at, 0, caption.len) == NULL);
}

bool media_type_is_sound(struct bytes type)
{
    size_t slashes = 0;

    if (type.len < 3 || type.len > MEDIA_TYPE_MAX || type.at[0] == '/' || type.at[type.len - 1] == '/')
        return false;
    for (size_t i = 0; i < type.len; i++) {
        uint8_t c = type.at[i];

        if (c == '/')
            slashes++;
        else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '+' && c != '-')
            return false;
    }
    return slashes == 1;
}

static bool begins_with(struct bytes text, const char *beginning)
{
    size_t len = strlen(beginning);

    return text.len >= len && memcmp(text.at, beginning, len) == 0;
}

bool media_type_fits(struct bytes type, enum media_kind kind)
{
    static const char *const photos[] = { "image/jpeg", "image/png", "image/webp" };

    switch (kind) {
    case MEDIA_PHOTO:
        for (size_t i = 0; i < sizeof photos / sizeof photos[0]; i++)
            if (bytes_are_equal(type, bytes_of_text(photos[i])))
                return true;
        return false;
    case MEDIA_VOICE: return begins_with(type, "audio/");
    case MEDIA_VIDEO: return begins_with(type, "video/");
    default: return kind == MEDIA_FILE;
    }
}

static bool preview_is_sound(struct bytes preview)
{
    static const uint8_t start[] = { 0xff, 0xd8, 0xff };

    return preview.len == 0 || (preview.len > sizeof start && memcmp(preview.at, start, sizeof start) == 0);
}

static enum err judge(const struct manifest *m)
{
    struct layout l;
    enum err e;

    if ((e = layout_of(&l, PART_ORIGINAL, m->size[PART_ORIGINAL])) != ERR_NONE ||
        (m->size[PART_LIGHT] > 0 && (e = layout_of(&l, PART_LIGHT, m->size[PART_LIGHT])) != ERR_NONE))
        return e;
    if (m->preview.len > MEDIA_PREVIEW_MAX || m->caption.len > MEDIA_CAPTION_MAX)
        return ERR_TOO_LARGE;
    if (m->kind >= MEDIA_KIND_COUNT || !media_name_is_sound(m->name) || !media_type_is_sound(m->type) ||
        !media_type_fits(m->type, m->kind) || !caption_is_sound(m->caption) || !preview_is_sound(m->preview) ||
        (m->size[PART_LIGHT] > 0 && m->kind != MEDIA_VOICE))
        return ERR_MALFORMED;
    return ERR_NONE;
}

/* ---- Bytes ---- */

static void write_shape(struct writer *w, enum media_part part, uint64_t size)
{
    struct layout l;

    if (layout_of(&l, part, size) != ERR_NONE) {
        w->failed = true;
        return;
    }
    writer_u32(w, layout_chunks(&l));
    writer_u8(w, (uint8_t)l.parity);
}

/* The counts follow from the size; who says otherwise lies or computes otherwise, and either way the chunks would not fit. */
static bool shape_is_true(struct reader *r, enum media_part part, uint64_t size)
{
    uint32_t chunks = reader_u32(r);
    uint8_t parity = reader_u8(r);
    struct layout l;

    return layout_of(&l, part, size) == ERR_NONE && chunks == layout_chunks(&l) && parity == l.parity;
}

static void write_text(struct writer *w, struct bytes text, bool is_long)
{
    if (is_long)
        writer_u16(w, (uint16_t)text.len);
    else
        writer_u8(w, (uint8_t)text.len);
    writer_copy(w, text);
}

enum err manifest_encode(const struct manifest *m, struct writer *w)
{
    enum err e = judge(m);

    if (e != ERR_NONE)
        return e;
    writer_u8(w, MANIFEST_VERSION);
    writer_u8(w, (uint8_t)m->kind);
    writer_copy(w, bytes_of(m->key, sizeof m->key));
    writer_u64(w, m->size[PART_ORIGINAL]);
    writer_copy(w, bytes_of(m->hash[PART_ORIGINAL], CONTENT_HASH_LEN));
    write_shape(w, PART_ORIGINAL, m->size[PART_ORIGINAL]);
    writer_u32(w, (uint32_t)m->size[PART_LIGHT]);
    if (m->size[PART_LIGHT] > 0) {
        writer_copy(w, bytes_of(m->hash[PART_LIGHT], CONTENT_HASH_LEN));
        write_shape(w, PART_LIGHT, m->size[PART_LIGHT]);
    }
    writer_u16(w, m->width);
    writer_u16(w, m->height);
    writer_u32(w, m->duration_ms);
    write_text(w, m->name, false);
    write_text(w, m->type, false);
    write_text(w, m->caption, true);
    write_text(w, m->preview, true);
    return w->failed ? ERR_TOO_LARGE : ERR_NONE;
}

enum err manifest_decode(struct manifest *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct manifest m;
    bool is_true = true;

    memset(&m, 0, sizeof m);
    uint8_t version = reader_u8(&r);
    if (!r.failed && version != MANIFEST_VERSION)
        return ERR_VERSION;
    m.kind = (enum media_kind)reader_u8(&r);
    reader_copy(&r, m.key, sizeof m.key);
    m.size[PART_ORIGINAL] = reader_u64(&r);
    reader_copy(&r, m.hash[PART_ORIGINAL], CONTENT_HASH_LEN);
    if (!r.failed && m.size[PART_ORIGINAL] > MEDIA_SIZE_MAX)
        return ERR_TOO_LARGE;
    is_true = shape_is_true(&r, PART_ORIGINAL, m.size[PART_ORIGINAL]);
    m.size[PART_LIGHT] = reader_u32(&r);
    if (m.size[PART_LIGHT] > 0) {
        reader_copy(&r, m.hash[PART_LIGHT], CONTENT_HASH_LEN);
        is_true = shape_is_true(&r, PART_LIGHT, m.size[PART_LIGHT]) && is_true;
    }
    m.width = reader_u16(&r);
    m.height = reader_u16(&r);
    m.duration_ms = reader_u32(&r);
    m.name = reader_take(&r, reader_u8(&r));
    m.type = reader_take(&r, reader_u8(&r));
    m.caption = reader_take(&r, reader_u16(&r));
    m.preview = reader_take(&r, reader_u16(&r));
    if (!reader_is_done(&r) || !is_true)
        return ERR_MALFORMED;
    enum err e = judge(&m);
    if (e == ERR_NONE)
        *out = m;
    return e;
}
