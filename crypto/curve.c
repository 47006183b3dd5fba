/* crypto/curve.c - X25519. */
#include "crypto/curve.h"

#include <sodium.h>

void curve_public(uint8_t out[CURVE_KEY_LEN], const uint8_t secret[CURVE_KEY_LEN])
{
    crypto_scalarmult_base(out, secret);
}

enum err curve_dh(uint8_t out[CURVE_KEY_LEN], const uint8_t secret[CURVE_KEY_LEN],
                  const uint8_t public_key[CURVE_KEY_LEN])
{
    uint8_t shared[CURVE_KEY_LEN];

    if (crypto_scalarmult(shared, secret, public_key) != 0)
        return ERR_AUTH;
    for (int i = 0; i < CURVE_KEY_LEN; i++)
        out[i] = shared[i];
    sodium_memzero(shared, sizeof shared);
    return ERR_NONE;
}
