/* mesh/bundle.c - a bundle's id, its stamp and the signatures of the plain classes. */
#include "mesh/bundle.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/signature.h"

enum {
    STAMP_AT      = HEADER_AD_LEN,
    SOS_FIXED_LEN = 32 + 2 + 4 + 6 + 1 + 1,  /* key, sequence, time, position, kind, text length */
    SOS_TEXT_MAX  = 200,
};

void bundle_id_of(struct bundle_id *out, struct bytes bundle)
{
    struct bytes parts[2] = {
        bytes_of(bundle.at, STAMP_AT),
        bytes_of(bundle.at + HEADER_LEN, bundle.len - HEADER_LEN),
    };

    hash_derive(out->octets, sizeof out->octets, bytes_of(NULL, 0), "id", parts, 2);
}

static uint8_t leading_zero_bits(const uint8_t *at, size_t len)
{
    uint8_t bits = 0;

    for (size_t i = 0; i < len; i++) {
        if (at[i] != 0) {
            for (uint8_t octet = at[i]; (octet & 0x80) == 0; octet = (uint8_t)(octet << 1))
                bits++;
            break;
        }
        bits = (uint8_t)(bits + 8);
        if (bits >= 248)
            break;
    }
    return bits;
}

uint8_t stamp_bits(const struct bundle_id *id, const uint8_t stamp[STAMP_LEN])
{
    static const uint8_t none[STAMP_LEN];
    struct bytes parts[2] = { bytes_of(id->octets, sizeof id->octets), bytes_of(stamp, STAMP_LEN) };
    uint8_t hash[32];

    if (memcmp(stamp, none, STAMP_LEN) == 0)
        return 0;
    hash_derive(hash, sizeof hash, bytes_of(NULL, 0), "pow", parts, 2);
    return leading_zero_bits(hash, sizeof hash);
}

bool stamp_search(uint8_t *bundle, const struct bundle_id *id, uint8_t bits, uint64_t *counter, uint32_t tries)
{
    for (; tries > 0; tries--) {
        uint8_t stamp[STAMP_LEN];
        struct writer w = writer_of(stamp, sizeof stamp);

        writer_u64(&w, ++*counter);
        if (stamp_bits(id, stamp) >= bits) {
            memcpy(bundle + STAMP_AT, stamp, STAMP_LEN);
            return true;
        }
    }
    return false;
}

static const struct { uint8_t above_percent, bits; } demands[] = { { 70, 16 }, { 85, 20 }, { 95, STAMP_BITS_MAX } };
enum { DEMANDS = sizeof demands / sizeof demands[0] };

uint8_t stamp_demand(uint8_t fill_percent)
{
    uint8_t bits = 0;

    for (size_t i = 0; i < DEMANDS && fill_percent > demands[i].above_percent; i++)
        bits = demands[i].bits;
    return bits;
}

uint8_t stamp_demand_above(uint8_t bits)
{
    for (size_t i = 0; i < DEMANDS; i++) {
        if (demands[i].bits > bits)
            return demands[i].bits;
    }
    return UINT8_MAX;
}

static enum err sos_check_layout(struct bytes body)
{
    struct reader r = reader_of(body);

    reader_take(&r, SOS_FIXED_LEN - 1);
    uint8_t text_len = reader_u8(&r);
    if (text_len > SOS_TEXT_MAX)
        return ERR_MALFORMED;
    reader_take(&r, text_len);
    struct bytes padding = reader_rest(&r);
    if (r.failed)
        return ERR_MALFORMED;
    for (size_t i = 0; i < padding.len; i++) {
        if (padding.at[i] != 0)
            return ERR_MALFORMED;
    }
    return ERR_NONE;
}

enum err bundle_verify_plain(const struct header *h, struct bytes bundle)
{
    enum err e;

    if (h->bundle_class == CLASS_SEALED)
        return ERR_NONE;
    struct reader r = reader_of(bundle);
    struct bytes head = reader_take(&r, HEADER_AD_LEN);
    reader_take(&r, STAMP_LEN);
    if (r.failed || reader_left(&r) < SIGNATURE_KEY_LEN + SIGNATURE_LEN)
        return ERR_MALFORMED;
    struct bytes body = reader_take(&r, reader_left(&r) - SIGNATURE_LEN);
    struct bytes signature = reader_rest(&r);
    if (h->bundle_class == CLASS_SOS && (e = sos_check_layout(body)) != ERR_NONE)
        return e;
    struct bytes parts[2] = { head, body };
    return signature_check(signature.at, body.at, h->bundle_class == CLASS_SOS ? "sos" : "public", parts, 2);
}
