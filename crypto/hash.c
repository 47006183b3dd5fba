/* crypto/hash.c - the one derivation everything uses (protocol section 1). */
#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const char LABEL_PREFIX[] = "mesh1.";

enum err crypto_start(void)
{
    return sodium_init() < 0 ? ERR_UNSUPPORTED : ERR_NONE;
}

void hash_derive(uint8_t *out, size_t n, struct bytes key, const char *label,
                 const struct bytes *parts, size_t parts_count)
{
    crypto_generichash_state state;
    size_t label_len = strlen(label);
    uint8_t full_len = (uint8_t)(sizeof LABEL_PREFIX - 1 + label_len);

    assert(n >= 16 && n <= 64 && key.len <= 64 && label_len < 200);
    crypto_generichash_init(&state, key.len > 0 ? key.at : NULL, key.len, n);
    crypto_generichash_update(&state, &full_len, 1);
    crypto_generichash_update(&state, (const uint8_t *)LABEL_PREFIX, sizeof LABEL_PREFIX - 1);
    crypto_generichash_update(&state, (const uint8_t *)label, label_len);
    for (size_t i = 0; i < parts_count; i++)
        crypto_generichash_update(&state, parts[i].at, parts[i].len);
    crypto_generichash_final(&state, out, n);
    sodium_memzero(&state, sizeof state);
}

void hash_derive_one(uint8_t *out, size_t n, struct bytes key, const char *label, struct bytes data)
{
    hash_derive(out, n, key, label, &data, 1);
}

uint64_t hash_short(const uint8_t key[16], struct bytes data)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t v = 0;

    crypto_shorthash(out, data.at, data.len, key);
    for (size_t i = sizeof out; i > 0; i--)
        v = v << 8 | out[i - 1];
    return v;
}

bool secret_is_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void secret_wipe(void *at, size_t len)
{
    sodium_memzero(at, len);
}

void secret_buffer_clear(struct buffer *b)
{
    if (b->at != NULL)
        secret_wipe(b->at, b->len);
    buffer_clear(b);
}
