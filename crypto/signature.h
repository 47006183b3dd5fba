/* crypto/signature.h - signatures that anybody may check: those of the plain classes (protocol section 5).
 *
 * Ed25519 over "mesh1."label || data, data being the concatenation of the parts.
 */
#ifndef STA_CRYPTO_SIGNATURE_H
#define STA_CRYPTO_SIGNATURE_H

#include "mesh/base/bytes.h"

enum { SIGNATURE_LEN = 64, SIGNATURE_KEY_LEN = 32, SIGNATURE_SEED_LEN = 32 };

/* The public key of a 32-byte seed. */
void signature_key(uint8_t key[SIGNATURE_KEY_LEN], const uint8_t seed[SIGNATURE_SEED_LEN]);

void signature_make(uint8_t out[SIGNATURE_LEN], const uint8_t seed[SIGNATURE_SEED_LEN], const char *label,
                    const struct bytes *parts, size_t parts_count);

/* ERR_AUTH. */
enum err signature_check(const uint8_t signature[SIGNATURE_LEN], const uint8_t key[SIGNATURE_KEY_LEN],
                         const char *label, const struct bytes *parts, size_t parts_count);

#endif
