/* mesh/base/reader.h - a cursor over bytes from outside.
 *
 * The only code that does length arithmetic on input. Failure sticks: after a
 * read past the end every read gives zeros, and reader_is_done is asked once
 * at the end. Integers are little-endian unless the name says otherwise.
 */
#ifndef STA_BASE_READER_H
#define STA_BASE_READER_H

#include "mesh/base/bytes.h"

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

struct reader reader_of(struct bytes in);

uint8_t  reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u24_be(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u48(struct reader *r);
uint64_t reader_u64(struct reader *r);

/* LEB128, at most ten bytes, shortest form only. */
uint64_t reader_varint(struct reader *r);

/* Copies len bytes, or zeros `to` when they are not there. */
void reader_copy(struct reader *r, void *to, size_t len);

/* Lends the next len bytes; empty on failure. */
struct bytes reader_take(struct reader *r, size_t len);

/* Lends all that is left. */
struct bytes reader_rest(struct reader *r);

/* A fence: the next len bytes as a reader of their own, failed if they are not there. */
struct reader reader_sub(struct reader *r, size_t len);

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Nothing failed and nothing is left. */
bool reader_is_done(const struct reader *r);

#endif
