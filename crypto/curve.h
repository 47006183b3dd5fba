/* crypto/curve.h - X25519, for the files of crypto/ and tests.
 *
 * A low-order point gives an all-zero secret; that is an error here, never a key.
 */
#ifndef STA_CRYPTO_CURVE_H
#define STA_CRYPTO_CURVE_H

#include <stdint.h>

#include "mesh/base/err.h"

enum { CURVE_KEY_LEN = 32 };

void curve_public(uint8_t out[CURVE_KEY_LEN], const uint8_t secret[CURVE_KEY_LEN]);

/* ERR_AUTH: the other key is a low-order point. */
enum err curve_dh(uint8_t out[CURVE_KEY_LEN], const uint8_t secret[CURVE_KEY_LEN],
                  const uint8_t public_key[CURVE_KEY_LEN]);

#endif
