/* crypto/tags.c - tags of first messages, buckets, recognition (protocol sections 3 and 7). */
#include "crypto/tags_internal.h"

#include <assert.h>
#include <string.h>

#include "crypto/curve.h"
#include "crypto/hash.h"
#include "crypto/identity_internal.h"

static const struct bytes NO_BYTES = { NULL, 0 };

static struct bytes bytes_of_key(const uint8_t key[32])
{
    return bytes_of(key, 32);
}

void day_octets(uint32_t day, uint8_t out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(day >> (8 * i));
}

void inbox_tag(const uint8_t secret[32], uint32_t day, uint8_t slot, uint8_t out[TAG_LEN])
{
    uint8_t text[5];

    day_octets(day, text);
    text[4] = slot;
    hash_derive_one(out, TAG_LEN, bytes_of_key(secret), "f1", bytes_of(text, sizeof text));
}

void inbox_mask_key(const uint8_t secret[32], uint32_t day, uint8_t out[32])
{
    uint8_t text[4];

    day_octets(day, text);
    hash_derive_one(out, 32, bytes_of_key(secret), "f1m", bytes_of(text, sizeof text));
}

void tags_of_inbox(const uint8_t secret[32], uint32_t day, uint8_t out[TAG_SLOTS][TAG_LEN])
{
    for (uint8_t slot = 0; slot < TAG_SLOTS; slot++)
        inbox_tag(secret, day, slot, out[slot]);
}

enum err pair_root_of(const uint8_t dh_secret[32], const uint8_t peer_dh_key[32], uint8_t out[32])
{
    uint8_t shared[32];
    enum err e = curve_dh(shared, dh_secret, peer_dh_key);

    if (e != ERR_NONE)
        return e;
    hash_derive_one(out, 32, bytes_of_key(shared), "pair", NO_BYTES);
    secret_wipe(shared, sizeof shared);
    return ERR_NONE;
}

enum err tags_pair_root(const struct identity *me, const struct card *peer, uint8_t out[32])
{
    return pair_root_of(identity_dh_secret(me), peer->dh_key, out);
}

void pair_day_key(const uint8_t pair_root[32], const uint8_t sender_dh_key[32], uint32_t day, uint8_t out[32])
{
    uint8_t text[4];

    day_octets(day, text);
    const struct bytes parts[] = { bytes_of_key(sender_dh_key), bytes_of(text, sizeof text) };
    hash_derive(out, 32, bytes_of_key(pair_root), "dir", parts, 2);
}

void pair_tag(const uint8_t day_key[32], uint8_t slot, uint8_t out[TAG_LEN])
{
    hash_derive_one(out, TAG_LEN, bytes_of_key(day_key), "f2", bytes_of(&slot, 1));
}

void pair_mask_key(const uint8_t day_key[32], uint8_t out[32])
{
    hash_derive_one(out, 32, bytes_of_key(day_key), "f2m", NO_BYTES);
}

void tags_of_pair(const uint8_t pair_root[32], const uint8_t sender_dh_key[32], uint32_t day,
                  uint8_t out[TAG_SLOTS][TAG_LEN])
{
    uint8_t day_key[32];

    pair_day_key(pair_root, sender_dh_key, day, day_key);
    for (uint8_t slot = 0; slot < TAG_SLOTS; slot++)
        pair_tag(day_key, slot, out[slot]);
    secret_wipe(day_key, sizeof day_key);
}

uint32_t bucket_prefix(const uint8_t secret[32], uint32_t day, uint8_t bits)
{
    uint8_t text[4], hash[16];

    assert(bits <= MAILBOX_BITS_MAX);
    day_octets(day, text);
    hash_derive_one(hash, sizeof hash, bytes_of_key(secret), "bucket", bytes_of(text, sizeof text));
    uint32_t top = (uint32_t)hash[0] << 16 | (uint32_t)hash[1] << 8 | hash[2];
    return top & (0xffffffu << (24 - bits)) & 0xffffffu;
}

uint32_t bucket_draw(const uint8_t secret[32], uint32_t day, uint8_t bits, const struct rng *g)
{
    uint8_t fill[3];

    rng_fill(g, fill, sizeof fill);
    uint32_t low = (uint32_t)fill[0] << 16 | (uint32_t)fill[1] << 8 | fill[2];
    return bucket_prefix(secret, day, bits) | (low & ~(0xffffffu << (24 - bits)) & 0xffffffu);
}

void tag_of_reveal(const uint8_t reveal[16], uint8_t out[TAG_LEN])
{
    hash_derive_one(out, TAG_LEN, NO_BYTES, "tag", bytes_of(reveal, 16));
}

void recognition_tag(const uint8_t pair_root[32], struct bytes link_hash, uint8_t role, uint8_t out[8])
{
    uint8_t full[16];
    const struct bytes parts[] = { link_hash, bytes_of(&role, 1) };

    hash_derive(full, sizeof full, bytes_of_key(pair_root), "rec", parts, 2);
    memcpy(out, full, 8);
    secret_wipe(full, sizeof full);
}
