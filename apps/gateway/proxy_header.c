/* apps/gateway/proxy_header.c - see proxy_header.h */
#include "apps/gateway/proxy_header.h"

#include <string.h>

#include "mesh/base/reader.h"

enum { V1_MAX = 107, V2_FIXED = 16, V2_SIGNATURE_LEN = 12 };

static const char V1[] = "PROXY ";
static const uint8_t V2[V2_SIGNATURE_LEN] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

static bool begins(struct bytes in, const void *with, size_t len)
{
    return memcmp(in.at, with, in.len < len ? in.len : len) == 0;
}

static enum err find_v1(struct bytes in, size_t *len)
{
    static const char *const kinds[] = { "PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN" };
    bool is_kind = false;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        is_kind = is_kind || begins(in, kinds[i], strlen(kinds[i]));
    if (!is_kind)
        return ERR_MALFORMED;
    for (size_t i = 1; i < in.len && i < V1_MAX; i++) {
        if (in.at[i - 1] == '\r' && in.at[i] == '\n') {
            *len = i + 1;
            return ERR_NONE;
        }
        if (in.at[i - 1] < 0x20)
            return ERR_MALFORMED;
    }
    return in.len < V1_MAX ? ERR_NOT_FOUND : ERR_MALFORMED;
}

static enum err find_v2(struct bytes in, size_t *len)
{
    struct reader r = reader_of(in);

    if (in.len < V2_FIXED)
        return ERR_NOT_FOUND;
    reader_take(&r, V2_SIGNATURE_LEN);
    uint8_t version_command = reader_u8(&r);
    reader_u8(&r);
    size_t rest = (size_t)reader_u8(&r) << 8;
    rest |= reader_u8(&r);
    if ((version_command != 0x20 && version_command != 0x21) || rest > PROXY_HEADER_MAX - V2_FIXED)
        return ERR_MALFORMED;
    if (reader_left(&r) < rest)
        return ERR_NOT_FOUND;
    *len = V2_FIXED + rest;
    return ERR_NONE;
}

enum err proxy_header_find(struct bytes in, size_t *len)
{
    if (in.len == 0)
        return ERR_NOT_FOUND;
    if (begins(in, V2, sizeof V2))
        return find_v2(in, len);
    return begins(in, V1, sizeof V1 - 1) ? find_v1(in, len) : ERR_MALFORMED;
}
