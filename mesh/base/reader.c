/* mesh/base/reader.c - a cursor over bytes from outside. */
#include "mesh/base/reader.h"

#include <string.h>

struct reader reader_of(struct bytes in)
{
    static const uint8_t nothing[1];
    struct reader r = { in.at, NULL, false };

    if (r.at == NULL)
        r.at = nothing;
    r.end = r.at + in.len;
    return r;
}

struct bytes reader_take(struct reader *r, size_t len)
{
    if (r->failed || len > reader_left(r)) {
        r->failed = true;
        return bytes_of(r->at, 0);
    }
    struct bytes b = bytes_of(r->at, len);
    r->at += len;
    return b;
}

struct bytes reader_rest(struct reader *r)
{
    return reader_take(r, r->failed ? 0 : reader_left(r));
}

struct reader reader_sub(struct reader *r, size_t len)
{
    struct bytes b = reader_take(r, len);
    struct reader sub = reader_of(b);

    sub.failed = r->failed;
    return sub;
}

static uint64_t read_little(struct reader *r, size_t len)
{
    struct bytes b = reader_take(r, len);
    uint64_t v = 0;

    for (size_t i = b.len; i > 0; i--)
        v = v << 8 | b.at[i - 1];
    return v;
}

uint8_t reader_u8(struct reader *r) { return (uint8_t)read_little(r, 1); }
uint16_t reader_u16(struct reader *r) { return (uint16_t)read_little(r, 2); }
uint32_t reader_u24(struct reader *r) { return (uint32_t)read_little(r, 3); }
uint32_t reader_u32(struct reader *r) { return (uint32_t)read_little(r, 4); }
uint64_t reader_u48(struct reader *r) { return read_little(r, 6); }
uint64_t reader_u64(struct reader *r) { return read_little(r, 8); }

uint32_t reader_u24_be(struct reader *r)
{
    struct bytes b = reader_take(r, 3);

    if (b.len != 3)
        return 0;
    return (uint32_t)b.at[0] << 16 | (uint32_t)b.at[1] << 8 | b.at[2];
}

uint64_t reader_varint(struct reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t octet = reader_u8(r);

        if (r->failed)
            return 0;
        /* The tenth byte holds one bit; a last byte of zero is not the shortest form. */
        if ((shift == 63 && octet > 1) || (shift > 0 && octet == 0))
            break;
        v |= (uint64_t)(octet & 0x7f) << shift;
        if ((octet & 0x80) == 0)
            return v;
    }
    r->failed = true;
    return 0;
}

void reader_copy(struct reader *r, void *to, size_t len)
{
    struct bytes b = reader_take(r, len);

    if (b.len == len && len > 0)
        memcpy(to, b.at, len);
    else if (len > 0)
        memset(to, 0, len);
}

bool reader_is_done(const struct reader *r)
{
    return !r->failed && r->at == r->end;
}
