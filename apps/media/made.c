/* apps/media/made.c - what the helper made, as bytes. */
#include "apps/media/made.h"

#include <string.h>

static const char MAGIC[] = { 'S', 'T', 'M', '1' };

enum err made_decode(struct made *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct made m;

    memset(&m, 0, sizeof m);
    struct bytes magic = reader_take(&r, sizeof MAGIC);
    m.width = reader_u16(&r);
    m.height = reader_u16(&r);
    m.duration_ms = reader_u32(&r);
    uint32_t preview = reader_u32(&r), light = reader_u32(&r);
    if (r.failed || memcmp(magic.at, MAGIC, sizeof MAGIC) != 0)
        return ERR_MALFORMED;
    if (preview > MEDIA_PREVIEW_MAX || light > LIGHT_SIZE_MAX)
        return ERR_TOO_LARGE;
    m.preview = reader_take(&r, preview);
    m.light = reader_take(&r, light);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    *out = m;
    return ERR_NONE;
}

void made_encode_head(const struct made *m, uint8_t to[MADE_HEAD_LEN])
{
    struct writer w = writer_of(to, MADE_HEAD_LEN);

    writer_copy(&w, bytes_of(MAGIC, sizeof MAGIC));
    writer_u16(&w, m->width);
    writer_u16(&w, m->height);
    writer_u32(&w, m->duration_ms);
    writer_u32(&w, (uint32_t)m->preview.len);
    writer_u32(&w, (uint32_t)m->light.len);
}
