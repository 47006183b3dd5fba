/* crypto/signature.c - signatures that anybody may check. */
#include "crypto/signature.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char LABEL_PREFIX[] = "mesh1.";
enum { SIGNED_LEN_MAX = 65536 + 64 };  /* a bundle and its label */

/* libsodium signs one piece; the parts of a plain bundle are not adjacent. NULL: no memory. */
static uint8_t *join(size_t *len, const char *label, const struct bytes *parts, size_t parts_count)
{
    size_t label_len = strlen(label), at = 0, total = sizeof LABEL_PREFIX - 1 + label_len;

    for (size_t i = 0; i < parts_count; i++)
        total += parts[i].len;
    assert(total <= SIGNED_LEN_MAX);
    uint8_t *whole = malloc(total);
    if (whole == NULL)
        return NULL;
    memcpy(whole, LABEL_PREFIX, sizeof LABEL_PREFIX - 1);
    at = sizeof LABEL_PREFIX - 1;
    memcpy(whole + at, label, label_len);
    at += label_len;
    for (size_t i = 0; i < parts_count; i++) {
        if (parts[i].len > 0)
            memcpy(whole + at, parts[i].at, parts[i].len);
        at += parts[i].len;
    }
    *len = total;
    return whole;
}

void signature_key(uint8_t key[SIGNATURE_KEY_LEN], const uint8_t seed[SIGNATURE_SEED_LEN])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    crypto_sign_seed_keypair(key, secret, seed);
    sodium_memzero(secret, sizeof secret);
}

void signature_make(uint8_t out[SIGNATURE_LEN], const uint8_t seed[SIGNATURE_SEED_LEN], const char *label,
                    const struct bytes *parts, size_t parts_count)
{
    uint8_t key[SIGNATURE_KEY_LEN], secret[crypto_sign_SECRETKEYBYTES];
    size_t len = 0;
    uint8_t *whole = join(&len, label, parts, parts_count);

    assert(whole != NULL);
    crypto_sign_seed_keypair(key, secret, seed);
    crypto_sign_detached(out, NULL, whole, len, secret);
    sodium_memzero(secret, sizeof secret);
    free(whole);
}

enum err signature_check(const uint8_t signature[SIGNATURE_LEN], const uint8_t key[SIGNATURE_KEY_LEN],
                         const char *label, const struct bytes *parts, size_t parts_count)
{
    size_t len = 0;
    uint8_t *whole = join(&len, label, parts, parts_count);

    if (whole == NULL)
        return ERR_NO_MEMORY;
    int bad = crypto_sign_verify_detached(signature, whole, len, key);
    free(whole);
    return bad != 0 ? ERR_AUTH : ERR_NONE;
}
