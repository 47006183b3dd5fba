/* mesh/base/header.c - layout of a bundle's first 32 bytes (protocol section 3). */
#include "mesh/base/header.h"

#include <assert.h>

static const uint64_t EPOCH_UNIX_S = 1735689600; /* 2025-01-01 00:00 UTC */

enum err size_code_for(uint8_t *code, size_t len)
{
    for (uint8_t c = 0; c <= SIZE_CODE_MAX; c++) {
        if (len <= bundle_len_of_code(c)) {
            *code = c;
            return ERR_NONE;
        }
    }
    return ERR_TOO_LARGE;
}

enum err header_decode(struct header *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct header h;

    uint8_t first = reader_u8(&r);
    h.size_code = reader_u8(&r);
    h.expiry_h = reader_u24(&r);
    h.bucket = reader_u24_be(&r);
    reader_copy(&r, h.tag, sizeof h.tag);
    reader_copy(&r, h.stamp, sizeof h.stamp);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    if (first >> 4 != BUNDLE_VERSION)
        return ERR_VERSION;
    h.bundle_class = first & 0x0f;
    if (h.bundle_class >= CLASS_COUNT || h.size_code > SIZE_CODE_MAX ||
        h.expiry_h % EXPIRY_STEP_H != 0)
        return ERR_MALFORMED;
    *out = h;
    return ERR_NONE;
}

void header_encode(const struct header *h, uint8_t to[HEADER_LEN])
{
    struct writer w = writer_of(to, HEADER_LEN);

    writer_u8(&w, (uint8_t)(BUNDLE_VERSION << 4 | h->bundle_class));
    writer_u8(&w, h->size_code);
    writer_u24(&w, h->expiry_h);
    writer_u24_be(&w, h->bucket);
    writer_copy(&w, bytes_of(h->tag, sizeof h->tag));
    writer_copy(&w, bytes_of(h->stamp, sizeof h->stamp));
    assert(!w.failed && writer_left(&w) == 0);
}

enum err header_of_bundle(struct header *out, struct bytes bundle)
{
    struct header h;
    enum err e;

    if (bundle.len < BUNDLE_LEN_MIN)
        return ERR_MALFORMED;
    if ((e = header_decode(&h, bytes_of(bundle.at, HEADER_LEN))) != ERR_NONE)
        return e;
    if (bundle.len != bundle_len_of_code(h.size_code))
        return ERR_MALFORMED;
    *out = h;
    return ERR_NONE;
}

uint32_t hour_of_unix(uint64_t unix_s)
{
    if (unix_s < EPOCH_UNIX_S)
        return 0;
    uint64_t h = (unix_s - EPOCH_UNIX_S) / 3600;
    return h > 0xffffff ? 0xffffff : (uint32_t)h;
}

uint32_t day_of_unix(uint64_t unix_s)
{
    return hour_of_unix(unix_s) / 24;
}

uint64_t unix_of_hour(uint32_t hour)
{
    return EPOCH_UNIX_S + (uint64_t)hour * 3600;
}

uint32_t expiry_for_unix(uint64_t unix_s)
{
    uint32_t h = hour_of_unix(unix_s + 3599);
    uint32_t up = (h + EXPIRY_STEP_H - 1) / EXPIRY_STEP_H * EXPIRY_STEP_H;
    uint32_t last = 0xffffff / EXPIRY_STEP_H * EXPIRY_STEP_H;

    return up > last ? last : up;
}
