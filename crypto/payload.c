/* crypto/payload.c - layout of what is inside a sealed bundle (protocol section 3). */
#include "crypto/payload.h"

#include <assert.h>

size_t payload_len(const struct payload *p)
{
    return PAYLOAD_HEAD_LEN + (size_t)p->ack_count * PAYLOAD_ACK_LEN + p->content.len;
}

void payload_encode(const struct payload *p, struct writer *w)
{
    assert(p->content.len <= UINT16_MAX);
    writer_u8(w, p->type);
    writer_u8(w, p->flags);
    writer_u32(w, p->time_unix_s);
    writer_u16(w, (uint16_t)p->content.len);
    writer_u8(w, p->ack_count);
    if (p->ack_count > 0)
        writer_copy(w, bytes_of(p->acks, (size_t)p->ack_count * PAYLOAD_ACK_LEN));
    writer_copy(w, p->content);
}

enum err payload_decode(struct payload *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct payload p;

    p.type = reader_u8(&r);
    p.flags = reader_u8(&r);
    p.time_unix_s = reader_u32(&r);
    uint16_t content_len = reader_u16(&r);
    p.ack_count = reader_u8(&r);
    struct bytes acks = reader_take(&r, (size_t)p.ack_count * PAYLOAD_ACK_LEN);
    p.acks = p.ack_count > 0 ? (const uint8_t (*)[PAYLOAD_ACK_LEN])(const void *)acks.at : NULL;
    p.content = reader_take(&r, content_len);
    struct bytes padding = reader_rest(&r);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    for (size_t i = 0; i < padding.len; i++) {
        if (padding.at[i] != 0)
            return ERR_MALFORMED;
    }
    *out = p;
    return ERR_NONE;
}
