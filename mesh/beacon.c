/* mesh/beacon.c - the bytes of a beacon. */
#include "mesh/beacon.h"

#include <string.h>

#include "crypto/hash.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

void beacon_encode(const struct beacon *b, uint8_t out[BEACON_BYTES])
{
    struct writer w = writer_of(out, BEACON_BYTES);

    writer_u8(&w, BEACON_VERSION);
    writer_u8(&w, b->load);
    writer_copy(&w, bytes_of(b->advert, sizeof b->advert));
    writer_u48(&w, b->fingerprint);
    writer_u8(&w, b->flags);
}

enum err beacon_decode(struct beacon *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct beacon b;

    uint8_t version = reader_u8(&r);
    if (!r.failed && version != BEACON_VERSION)
        return ERR_VERSION;
    b.load = reader_u8(&r);
    reader_copy(&r, b.advert, sizeof b.advert);
    b.fingerprint = reader_u48(&r);
    b.flags = reader_u8(&r);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    *out = b;
    return ERR_NONE;
}

uint64_t beacon_fingerprint(const uint8_t set_xor[16], const uint8_t advert[BEACON_ADVERT_LEN])
{
    uint8_t key[16] = { 0 };

    memcpy(key, advert, BEACON_ADVERT_LEN);
    return hash_short(key, bytes_of(set_xor, 16)) & 0xffffffffffffu;
}

bool advert_is_heard(const uint8_t advert[BEACON_ADVERT_LEN])
{
    static const uint8_t nothing[BEACON_ADVERT_LEN];

    return memcmp(advert, nothing, sizeof nothing) != 0;
}
