/* mesh/base/writer.h - the mirror image of reader: writes into memory that the
 * caller bounded. Overflow sticks and is asked for once, at the end.
 */
#ifndef STA_BASE_WRITER_H
#define STA_BASE_WRITER_H

#include "mesh/base/bytes.h"

struct writer {
    uint8_t *start, *at, *end;
    bool failed;
};

struct writer writer_of(void *to, size_t cap);

void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u24(struct writer *w, uint32_t v);
void writer_u24_be(struct writer *w, uint32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u48(struct writer *w, uint64_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_varint(struct writer *w, uint64_t v);
void writer_copy(struct writer *w, struct bytes b);
void writer_zero(struct writer *w, size_t len);

/* Lends the next len bytes to be filled by the caller, or NULL on overflow. */
uint8_t *writer_gap(struct writer *w, size_t len);

static inline size_t writer_len(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline size_t writer_left(const struct writer *w)
{
    return (size_t)(w->end - w->at);
}

static inline struct bytes writer_bytes(const struct writer *w)
{
    return bytes_of(w->start, writer_len(w));
}

/* How many bytes writer_varint takes for v. */
size_t writer_varint_len(uint64_t v);

#endif
