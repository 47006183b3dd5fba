/* crypto/text.h - bytes as text: base64url without padding, and hex.
 *
 * Strict: a character outside the alphabet, padding, or non-zero trailing bits are
 * ERR_MALFORMED. Constant-time in the content, for keys pass through here.
 */
#ifndef STA_CRYPTO_TEXT_H
#define STA_CRYPTO_TEXT_H

#include "mesh/base/bytes.h"

/* `to` takes text_base64_len(in.len) characters and a final zero. */
size_t   text_base64_len(size_t len);
void     text_base64(char *to, struct bytes in);
enum err text_base64_decode(uint8_t *to, size_t cap, size_t *len, struct bytes in);

/* The alphabet with + and /, and padding: what HTTP headers hold. `to` takes text_base64_padded_len(in.len) characters and a final zero. */
size_t   text_base64_padded_len(size_t len);
void     text_base64_padded(char *to, struct bytes in);

/* `to` takes 2 * in.len characters and a final zero. */
void     text_hex(char *to, struct bytes in);
enum err text_hex_decode(uint8_t *to, size_t cap, size_t *len, struct bytes in);

/* Well-formed UTF-8: shortest forms, no surrogates, no code point past U+10FFFF. */
bool     text_is_utf8(struct bytes in);

#endif
