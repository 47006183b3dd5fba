/* crypto/noise.h - Noise_XX and Noise_NK over 25519, ChaChaPoly, BLAKE2b
 * (noiseprotocol.org, revision 34). No I/O: messages in, messages out.
 */
#ifndef STA_CRYPTO_NOISE_H
#define STA_CRYPTO_NOISE_H

#include "mesh/base/bytes.h"
#include "mesh/base/rng.h"
#include "mesh/base/writer.h"

enum { NOISE_KEY_LEN = 32, NOISE_TAG_LEN = 16, NOISE_HASH_LEN = 64, NOISE_MESSAGE_MAX = 65535 };

enum noise_pattern { NOISE_NN, NOISE_NK, NOISE_NX, NOISE_XN, NOISE_XK, NOISE_XX, NOISE_KK, NOISE_IK, NOISE_IX, NOISE_KX,
                     NOISE_N, NOISE_K, NOISE_X };

struct noise;          /* one handshake */

/* One direction after the handshake. Plain, but holds a key: wipe with noise_cipher_clear. */
struct noise_cipher {
    uint8_t  key[NOISE_KEY_LEN];
    uint64_t nonce;
};

struct noise_keys {
    const uint8_t *static_secret;   /* ours, 32 bytes, or NULL */
    const uint8_t *remote_static;   /* theirs, known beforehand, or NULL */
    const uint8_t *ephemeral_secret;/* only for test vectors; NULL: drawn */
};

/* A fresh X25519 pair. */
void noise_keypair(uint8_t secret[NOISE_KEY_LEN], uint8_t public_key[NOISE_KEY_LEN], const struct rng *g);

/* The keys are copied, and those that the pattern calls for must be there: their absence is a mistake of ours.
 * ERR_NO_MEMORY. */
enum err noise_new(struct noise **out, enum noise_pattern pattern, bool is_initiator, struct bytes prologue,
                   const struct noise_keys *keys, const struct rng *g);
void     noise_free(struct noise *n);   /* wipes; takes NULL */

/* Whose turn it is. After the last message it is nobody's, noise_is_done is true and noise_split
 * may be called, once. A handshake that failed is never done. */
bool noise_is_my_turn(const struct noise *n);
bool noise_is_done(const struct noise *n);

/* How many bytes the next message adds to its payload. */
size_t noise_overhead(const struct noise *n);

/* Appends the next handshake message. ERR_STATE out of turn, ERR_TOO_LARGE when it does not fit. ERR_AUTH, and the
 * handshake is dead: a key of the other side is a low-order point. */
enum err noise_write(struct noise *n, struct bytes payload, struct writer *w);

/* Reads the other side's message; appends its payload. The two do not overlap. ERR_STATE out of turn, ERR_TOO_LARGE
 * when the payload does not fit; ERR_AUTH, ERR_MALFORMED: the handshake is dead. */
enum err noise_read(struct noise *n, struct bytes message, struct writer *payload);

/* The ciphers and the handshake hash h. remote_static is zero when the pattern has none. hash and remote_static
 * may be NULL. ERR_STATE: not done, or split before. */
enum err noise_split(struct noise *n, struct noise_cipher *send, struct noise_cipher *receive,
                     uint8_t hash[NOISE_HASH_LEN], uint8_t remote_static[NOISE_KEY_LEN]);

/* In place: `at` holds len bytes of plaintext and room for the tag; len + 16 bytes result. ERR_STATE: nonce used up. */
enum err noise_seal(struct noise_cipher *c, struct bytes ad, uint8_t *at, size_t len);

/* In place: len bytes with tag become len - 16. ERR_AUTH, and the bytes are zeroed, the nonce stays;
 * ERR_MALFORMED when shorter than a tag; ERR_STATE: nonce used up. */
enum err noise_open(struct noise_cipher *c, struct bytes ad, uint8_t *at, size_t len);

/* REKEY of section 4.2: the nonce goes on. */
void noise_rekey(struct noise_cipher *c);
void noise_cipher_clear(struct noise_cipher *c);

#endif
