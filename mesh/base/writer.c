/* mesh/base/writer.c - writes into memory that the caller bounded. */
#include "mesh/base/writer.h"

#include <string.h>

struct writer writer_of(void *to, size_t cap)
{
    static uint8_t nothing[1];
    struct writer w = { to, to, NULL, false };

    if (to == NULL)
        w.start = w.at = nothing;
    w.end = w.start + cap;
    return w;
}

uint8_t *writer_gap(struct writer *w, size_t len)
{
    if (w->failed || len > writer_left(w)) {
        w->failed = true;
        return NULL;
    }
    uint8_t *gap = w->at;
    w->at += len;
    return gap;
}

static void write_little(struct writer *w, uint64_t v, size_t len)
{
    uint8_t *to = writer_gap(w, len);

    if (to == NULL)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

void writer_u8(struct writer *w, uint8_t v) { write_little(w, v, 1); }
void writer_u16(struct writer *w, uint16_t v) { write_little(w, v, 2); }
void writer_u24(struct writer *w, uint32_t v) { write_little(w, v, 3); }
void writer_u32(struct writer *w, uint32_t v) { write_little(w, v, 4); }
void writer_u48(struct writer *w, uint64_t v) { write_little(w, v, 6); }
void writer_u64(struct writer *w, uint64_t v) { write_little(w, v, 8); }

void writer_u24_be(struct writer *w, uint32_t v)
{
    uint8_t *to = writer_gap(w, 3);

    if (to == NULL)
        return;
    to[0] = (uint8_t)(v >> 16);
    to[1] = (uint8_t)(v >> 8);
    to[2] = (uint8_t)v;
}

void writer_varint(struct writer *w, uint64_t v)
{
    while (v >= 0x80) {
        writer_u8(w, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    writer_u8(w, (uint8_t)v);
}

size_t writer_varint_len(uint64_t v)
{
    size_t len = 1;

    while (v >= 0x80) {
        v >>= 7;
        len++;
    }
    return len;
}

void writer_copy(struct writer *w, struct bytes b)
{
    uint8_t *to = writer_gap(w, b.len);

    if (to != NULL && b.len > 0)
        memcpy(to, b.at, b.len);
}

void writer_zero(struct writer *w, size_t len)
{
    uint8_t *to = writer_gap(w, len);

    if (to != NULL && len > 0)
        memset(to, 0, len);
}
