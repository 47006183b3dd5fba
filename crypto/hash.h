/* crypto/hash.h - the one derivation everything uses, and the short hash of links.
 *
 * H_n(key; label; data) = BLAKE2b with n bytes of output, optional key, over
 * u8(len) || "mesh1."label || data, len being that of the whole label
 * (protocol section 1).
 */
#ifndef STA_CRYPTO_HASH_H
#define STA_CRYPTO_HASH_H

#include "mesh/base/bytes.h"

/* Call once at start of a program, before anything in crypto/. Safe to repeat. ERR_UNSUPPORTED. */
enum err crypto_start(void);

/* n is 16..64; key is empty or up to 64 bytes; data is the concatenation of the
 * `parts_count` parts. */
void hash_derive(uint8_t *out, size_t n, struct bytes key, const char *label,
                 const struct bytes *parts, size_t parts_count);

/* The same with one part. */
void hash_derive_one(uint8_t *out, size_t n, struct bytes key, const char *label, struct bytes data);

/* SipHash-2-4. */
uint64_t hash_short(const uint8_t key[16], struct bytes data);

/* Constant-time comparison, and wiping that a compiler cannot remove. */
bool secret_is_equal(const void *a, const void *b, size_t len);
void secret_wipe(void *at, size_t len);

/* Wipes what the buffer holds, and clears it. */
void secret_buffer_clear(struct buffer *b);

#endif
