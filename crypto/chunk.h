/* crypto/chunk.h - pieces of a large thing, each sealed as a bundle of its own (protocol section 3.1).
 *
 *   header 32 | salt 8 | seal of the piece
 *
 * Key 32 is fresh for every thing sent to every person and travels in the manifest, inside a session. A chunk is named by part, round
 * and index; its tag is H_16(; "tag"; r) with r = H_16(key; "chunk r"; part || round || index), so that it looks like any
 * other bundle, and r can be revealed to free its copies. A chunk that is sent again goes in the next round, and has another tag.
 */
#ifndef STA_CRYPTO_CHUNK_H
#define STA_CRYPTO_CHUNK_H

#include "mesh/base/header.h"
#include "mesh/base/rng.h"

enum { CHUNK_KEY_LEN = 32, CHUNK_REVEAL_LEN = 16, CHUNK_OVERHEAD = HEADER_LEN + 8 + 16, CONTENT_HASH_LEN = 32 };

struct chunk_name { uint8_t part, round; uint32_t index; };

/* Bytes of content in a chunk bundle of this size code. */
static inline uint32_t chunk_capacity(uint8_t size_code)
{
    return bundle_len_of_code(size_code) - CHUNK_OVERHEAD;
}

void chunk_reveal(const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, uint8_t out[CHUNK_REVEAL_LEN]);
void chunk_tag(const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, uint8_t out[TAG_LEN]);

/* Writes a whole bundle of bundle_len_of_code(size_code) bytes; `plain` has chunk_capacity(size_code) bytes. */
struct chunk_place { uint8_t size_code; uint32_t expiry_h, bucket; };
void chunk_seal(uint8_t *bundle, const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, const struct chunk_place *place,
                const uint8_t *plain, const struct rng *g);

/* Writes chunk_capacity bytes to `plain`. ERR_AUTH: not this chunk under this key; ERR_MALFORMED, ERR_VERSION: no sealed bundle of
 * this size. `plain` is written only on success. */
enum err chunk_open(const uint8_t key[CHUNK_KEY_LEN], struct chunk_name name, uint8_t size_code, struct bytes bundle, uint8_t *plain);

/* A piece at rest: nonce 24 || seal, bound to its place in the file. */
enum { PIECE_OVERHEAD = 24 + 16 };
void     piece_seal(const uint8_t key[32], uint64_t place, struct bytes plain, uint8_t *out, const struct rng *g);
enum err piece_open(const uint8_t key[32], uint64_t place, struct bytes sealed, uint8_t *plain);

/* The hash that names a content: H_32(; "content"; bytes), fed in pieces. */
struct content_hash;
enum err content_hash_new(struct content_hash **out);    /* ERR_NO_MEMORY */
void     content_hash_add(struct content_hash *h, struct bytes more);
void     content_hash_end(struct content_hash *h, uint8_t out[CONTENT_HASH_LEN]);
void     content_hash_free(struct content_hash *h);      /* takes NULL */

#endif
