/* crypto/noise.c - an interpreter of Noise handshake patterns (noiseprotocol.org, revision 34).
 *
 * A pattern is data: what each side knows of the other beforehand, and the tokens of each
 * message. Section numbers in comments are those of the specification.
 */
#include "crypto/noise.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/constant_time.h"
#include "mesh/base/reader.h"

enum token { END, E, S, EE, ES, SE, SS };

enum { MESSAGES_MAX = 3, TOKENS_MAX = 5, HMAC_BLOCK_LEN = 128 };

/* Section 7.5 and, for the one-way patterns, 7.4. The first message is the initiator's. */
static const struct pattern {
    const char *protocol_name;
    bool initiator_known, responder_known;    /* pre-messages; only ever "s" */
    uint8_t messages_count;
    uint8_t messages[MESSAGES_MAX][TOKENS_MAX];
} patterns[] = {
#define NAME(p) "Noise_" p "_25519_ChaChaPoly_BLAKE2b"
    [NOISE_NN] = { NAME("NN"), false, false, 2, { { E }, { E, EE } } },
    [NOISE_NK] = { NAME("NK"), false, true,  2, { { E, ES }, { E, EE } } },
    [NOISE_NX] = { NAME("NX"), false, false, 2, { { E }, { E, EE, S, ES } } },
    [NOISE_XN] = { NAME("XN"), false, false, 3, { { E }, { E, EE }, { S, SE } } },
    [NOISE_XK] = { NAME("XK"), false, true,  3, { { E, ES }, { E, EE }, { S, SE } } },
    [NOISE_XX] = { NAME("XX"), false, false, 3, { { E }, { E, EE, S, ES }, { S, SE } } },
    [NOISE_KK] = { NAME("KK"), true,  true,  2, { { E, ES, SS }, { E, EE, SE } } },
    [NOISE_IK] = { NAME("IK"), false, true,  2, { { E, ES, S, SS }, { E, EE, SE } } },
    [NOISE_IX] = { NAME("IX"), false, false, 2, { { E, S }, { E, EE, SE, S, ES } } },
    [NOISE_KX] = { NAME("KX"), true,  false, 2, { { E }, { E, EE, SE, S, ES } } },
    [NOISE_N]  = { NAME("N"),  false, true,  1, { { E, ES } } },
    [NOISE_K]  = { NAME("K"),  true,  true,  1, { { E, ES, SS } } },
    [NOISE_X]  = { NAME("X"),  false, true,  1, { { E, ES, S, SS } } },
#undef NAME
};

enum stage { STAGE_RUNNING, STAGE_DONE, STAGE_OVER };   /* over: failed, or split already */

struct noise {
    const struct pattern *pattern;
    struct rng rng;
    enum stage stage;
    uint8_t message_index;
    bool is_initiator, has_cipher, has_fixed_ephemeral;
    struct noise_cipher cipher;
    uint8_t chaining_key[NOISE_HASH_LEN], hash[NOISE_HASH_LEN];
    uint8_t static_secret[NOISE_KEY_LEN], static_public[NOISE_KEY_LEN];
    uint8_t ephemeral_secret[NOISE_KEY_LEN], ephemeral_public[NOISE_KEY_LEN];
    uint8_t remote_static[NOISE_KEY_LEN], remote_ephemeral[NOISE_KEY_LEN];
};

/* HMAC-BLAKE2b over the concatenation of a and b. Keys are chaining keys, shorter than a block. */
static void hmac(uint8_t out[NOISE_HASH_LEN], const uint8_t key[NOISE_HASH_LEN], struct bytes a, struct bytes b)
{
    crypto_generichash_state state;
    uint8_t pad[HMAC_BLOCK_LEN], inner[NOISE_HASH_LEN];

    memset(pad, 0x36, sizeof pad);
    for (size_t i = 0; i < NOISE_HASH_LEN; i++)
        pad[i] ^= key[i];
    crypto_generichash_init(&state, NULL, 0, sizeof inner);
    crypto_generichash_update(&state, pad, sizeof pad);
    crypto_generichash_update(&state, a.at, a.len);
    crypto_generichash_update(&state, b.at, b.len);
    crypto_generichash_final(&state, inner, sizeof inner);

    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    crypto_generichash_init(&state, NULL, 0, NOISE_HASH_LEN);
    crypto_generichash_update(&state, pad, sizeof pad);
    crypto_generichash_update(&state, inner, sizeof inner);
    crypto_generichash_final(&state, out, NOISE_HASH_LEN);

    sodium_memzero(&state, sizeof state);
    sodium_memzero(pad, sizeof pad);
    sodium_memzero(inner, sizeof inner);
}

/* HKDF with two outputs (section 4.3). first may be the chaining key itself. */
static void hkdf(uint8_t first[NOISE_HASH_LEN], uint8_t second[NOISE_HASH_LEN],
                 const uint8_t chaining_key[NOISE_HASH_LEN], struct bytes material)
{
    static const uint8_t one = 1, two = 2;
    uint8_t temp[NOISE_HASH_LEN];

    hmac(temp, chaining_key, material, bytes_of(NULL, 0));
    hmac(first, temp, bytes_of(&one, 1), bytes_of(NULL, 0));
    hmac(second, temp, bytes_of(first, NOISE_HASH_LEN), bytes_of(&two, 1));
    sodium_memzero(temp, sizeof temp);
}

static void mix_hash(struct noise *n, struct bytes data)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof n->hash);
    crypto_generichash_update(&state, n->hash, sizeof n->hash);
    crypto_generichash_update(&state, data.at, data.len);
    crypto_generichash_final(&state, n->hash, sizeof n->hash);
}

static void mix_key(struct noise *n, const uint8_t shared[NOISE_KEY_LEN])
{
    uint8_t key[NOISE_HASH_LEN];

    hkdf(n->chaining_key, key, n->chaining_key, bytes_of(shared, NOISE_KEY_LEN));
    memcpy(n->cipher.key, key, sizeof n->cipher.key);
    n->cipher.nonce = 0;
    n->has_cipher = true;
    sodium_memzero(key, sizeof key);
}

/* What a sealed field grows by, before and after the first key. */
static size_t tag_len(bool has_cipher)
{
    return has_cipher ? NOISE_TAG_LEN : 0;
}

/* Section 12.3: four zero bytes, then the counter in little-endian. */
static void nonce_write(uint8_t out[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t counter)
{
    memset(out, 0, 4);
    for (size_t i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(counter >> 8 * i);
}

/* `to` takes plain.len bytes, and the tag once there is a key; it may be plain.at. */
static void encrypt_and_hash(struct noise *n, uint8_t *to, struct bytes plain)
{
    size_t len = plain.len;

    if (len > 0)
        memmove(to, plain.at, len);
    if (n->has_cipher) {
        /* A handshake seals a handful of times under one key: the nonce cannot be used up. */
        enum err e = noise_seal(&n->cipher, bytes_of(n->hash, sizeof n->hash), to, len);

        assert(e == ERR_NONE);
        len += NOISE_TAG_LEN;
    }
    mix_hash(n, bytes_of(to, len));
}

/* `to` takes the plaintext; it does not overlap `sealed`, which is still to be hashed. */
static enum err decrypt_and_hash(struct noise *n, uint8_t *to, struct bytes sealed)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

    if (n->has_cipher) {
        if (sealed.len < NOISE_TAG_LEN)
            return ERR_MALFORMED;
        nonce_write(nonce, n->cipher.nonce);
        int failed = crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL, sealed.at, sealed.len, n->hash,
                                                               sizeof n->hash, nonce, n->cipher.key);
        secret_reveal(&failed, sizeof failed);
        if (failed != 0)
            return ERR_AUTH;
        n->cipher.nonce++;
    } else if (sealed.len > 0) {
        memcpy(to, sealed.at, sealed.len);
    }
    mix_hash(n, sealed);
    return ERR_NONE;
}

/* Section 12.1 leaves it open; a shared secret of zeros is one that an attacker chose. */
static enum err mix_dh(struct noise *n, const uint8_t secret[NOISE_KEY_LEN], const uint8_t public_key[NOISE_KEY_LEN])
{
    uint8_t shared[NOISE_KEY_LEN];
    int failed = crypto_scalarmult(shared, secret, public_key);

    secret_reveal(&failed, sizeof failed);
    if (failed == 0)
        mix_key(n, shared);
    sodium_memzero(shared, sizeof shared);
    return failed == 0 ? ERR_NONE : ERR_AUTH;
}

/* The first letter is the initiator's key, the second the responder's. */
static enum err mix_dh_token(struct noise *n, enum token t)
{
    bool ours_is_static = n->is_initiator ? t == SE || t == SS : t == ES || t == SS;
    bool theirs_is_static = n->is_initiator ? t == ES || t == SS : t == SE || t == SS;

    return mix_dh(n, ours_is_static ? n->static_secret : n->ephemeral_secret,
                  theirs_is_static ? n->remote_static : n->remote_ephemeral);
}

/* Whether this side needs a static key of its own: it sends one or is known by one. */
static bool pattern_has_static(const struct pattern *p, bool is_initiator)
{
    if (is_initiator ? p->initiator_known : p->responder_known)
        return true;
    for (size_t i = is_initiator ? 0 : 1; i < p->messages_count; i += 2)
        if (memchr(p->messages[i], S, TOKENS_MAX) != NULL)
            return true;
    return false;
}

void noise_keypair(uint8_t secret[NOISE_KEY_LEN], uint8_t public_key[NOISE_KEY_LEN], const struct rng *g)
{
    rng_fill(g, secret, NOISE_KEY_LEN);
    crypto_scalarmult_base(public_key, secret);
}

enum err noise_new(struct noise **out, enum noise_pattern pattern, bool is_initiator, struct bytes prologue,
                   const struct noise_keys *keys, const struct rng *g)
{
    const struct pattern *p = &patterns[pattern];
    bool remote_known = is_initiator ? p->responder_known : p->initiator_known;

    assert((size_t)pattern < sizeof patterns / sizeof patterns[0]);
    assert(!pattern_has_static(p, is_initiator) || keys->static_secret != NULL);
    assert(!remote_known || keys->remote_static != NULL);
    struct noise *n = calloc(1, sizeof *n);
    if (n == NULL)
        return ERR_NO_MEMORY;
    n->pattern = p;
    n->rng = *g;
    n->is_initiator = is_initiator;
    if (keys->static_secret != NULL) {
        memcpy(n->static_secret, keys->static_secret, NOISE_KEY_LEN);
        crypto_scalarmult_base(n->static_public, n->static_secret);
    }
    if (remote_known)
        memcpy(n->remote_static, keys->remote_static, NOISE_KEY_LEN);
    if (keys->ephemeral_secret != NULL) {
        memcpy(n->ephemeral_secret, keys->ephemeral_secret, NOISE_KEY_LEN);
        n->has_fixed_ephemeral = true;
    }

    /* Section 5.2: every name here is shorter than a hash, so it stands in h itself. */
    assert(strlen(p->protocol_name) <= sizeof n->hash);
    memcpy(n->hash, p->protocol_name, strlen(p->protocol_name));
    memcpy(n->chaining_key, n->hash, sizeof n->hash);
    mix_hash(n, prologue);
    if (p->initiator_known)
        mix_hash(n, bytes_of(is_initiator ? n->static_public : n->remote_static, NOISE_KEY_LEN));
    if (p->responder_known)
        mix_hash(n, bytes_of(is_initiator ? n->remote_static : n->static_public, NOISE_KEY_LEN));
    *out = n;
    return ERR_NONE;
}

void noise_free(struct noise *n)
{
    if (n == NULL)
        return;
    sodium_memzero(n, sizeof *n);
    free(n);
}

bool noise_is_my_turn(const struct noise *n)
{
    return n->stage == STAGE_RUNNING && (n->message_index % 2 == 0) == n->is_initiator;
}

bool noise_is_done(const struct noise *n)
{
    return n->stage == STAGE_DONE;
}

size_t noise_overhead(const struct noise *n)
{
    bool has_cipher = n->has_cipher;
    size_t len = 0;

    if (n->stage != STAGE_RUNNING)
        return 0;
    const uint8_t *tokens = n->pattern->messages[n->message_index];
    for (size_t i = 0; i < TOKENS_MAX && tokens[i] != END; i++) {
        if (tokens[i] == E)
            len += NOISE_KEY_LEN;
        else if (tokens[i] == S)
            len += NOISE_KEY_LEN + tag_len(has_cipher);
        else
            has_cipher = true;
    }
    return len + tag_len(has_cipher);
}

/* Keys go as soon as nothing needs them: a failed handshake is of no use to anybody. */
static enum err fail(struct noise *n, enum err e)
{
    sodium_memzero(n, sizeof *n);
    n->stage = STAGE_OVER;
    return e;
}

static void message_finish(struct noise *n)
{
    if (++n->message_index == n->pattern->messages_count)
        n->stage = STAGE_DONE;
}

static enum err write_token(struct noise *n, enum token t, struct writer *w)
{
    switch (t) {
    case E:
        if (!n->has_fixed_ephemeral)
            rng_fill(&n->rng, n->ephemeral_secret, sizeof n->ephemeral_secret);
        crypto_scalarmult_base(n->ephemeral_public, n->ephemeral_secret);
        writer_copy(w, bytes_of(n->ephemeral_public, NOISE_KEY_LEN));
        mix_hash(n, bytes_of(n->ephemeral_public, NOISE_KEY_LEN));
        return ERR_NONE;
    case S:
        encrypt_and_hash(n, writer_gap(w, NOISE_KEY_LEN + tag_len(n->has_cipher)),
                         bytes_of(n->static_public, NOISE_KEY_LEN));
        return ERR_NONE;
    default:
        return mix_dh_token(n, t);
    }
}

enum err noise_write(struct noise *n, struct bytes payload, struct writer *w)
{
    uint8_t *start = w->at;
    size_t overhead = noise_overhead(n);
    enum err e;

    if (!noise_is_my_turn(n))
        return ERR_STATE;
    if (w->failed || payload.len > NOISE_MESSAGE_MAX - overhead || payload.len + overhead > writer_left(w))
        return ERR_TOO_LARGE;
    const uint8_t *tokens = n->pattern->messages[n->message_index];
    for (size_t i = 0; i < TOKENS_MAX && tokens[i] != END; i++)
        if ((e = write_token(n, tokens[i], w)) != ERR_NONE) {
            w->at = start;
            return fail(n, e);
        }
    encrypt_and_hash(n, writer_gap(w, payload.len + tag_len(n->has_cipher)), payload);
    message_finish(n);
    return ERR_NONE;
}

static enum err read_token(struct noise *n, enum token t, struct reader *r)
{
    switch (t) {
    case E:
        reader_copy(r, n->remote_ephemeral, NOISE_KEY_LEN);
        mix_hash(n, bytes_of(n->remote_ephemeral, NOISE_KEY_LEN));
        return ERR_NONE;
    case S:
        return decrypt_and_hash(n, n->remote_static,
                                reader_take(r, NOISE_KEY_LEN + tag_len(n->has_cipher)));
    default:
        return mix_dh_token(n, t);
    }
}

enum err noise_read(struct noise *n, struct bytes message, struct writer *payload)
{
    struct reader r = reader_of(message);
    size_t overhead = noise_overhead(n);
    enum err e;

    if (n->stage != STAGE_RUNNING || noise_is_my_turn(n))
        return ERR_STATE;
    if (message.len < overhead || message.len > NOISE_MESSAGE_MAX)
        return fail(n, ERR_MALFORMED);
    size_t payload_len = message.len - overhead;
    if (payload->failed || payload_len > writer_left(payload))
        return ERR_TOO_LARGE;
    const uint8_t *tokens = n->pattern->messages[n->message_index];
    for (size_t i = 0; i < TOKENS_MAX && tokens[i] != END; i++)
        if ((e = read_token(n, tokens[i], &r)) != ERR_NONE)
            return fail(n, e);
    if ((e = decrypt_and_hash(n, payload->at, reader_rest(&r))) != ERR_NONE)
        return fail(n, e);
    writer_gap(payload, payload_len);
    message_finish(n);
    return ERR_NONE;
}

enum err noise_split(struct noise *n, struct noise_cipher *send, struct noise_cipher *receive,
                     uint8_t hash[NOISE_HASH_LEN], uint8_t remote_static[NOISE_KEY_LEN])
{
    uint8_t first[NOISE_HASH_LEN], second[NOISE_HASH_LEN];

    if (n->stage != STAGE_DONE)
        return ERR_STATE;
    hkdf(first, second, n->chaining_key, bytes_of(NULL, 0));
    memcpy(send->key, n->is_initiator ? first : second, NOISE_KEY_LEN);
    memcpy(receive->key, n->is_initiator ? second : first, NOISE_KEY_LEN);
    send->nonce = receive->nonce = 0;
    if (hash != NULL)
        memcpy(hash, n->hash, NOISE_HASH_LEN);
    if (remote_static != NULL)
        memcpy(remote_static, n->remote_static, NOISE_KEY_LEN);
    sodium_memzero(first, sizeof first);
    sodium_memzero(second, sizeof second);
    /* Only one split: two ciphers of one key would use its nonces twice. */
    fail(n, ERR_NONE);
    return ERR_NONE;
}

enum err noise_seal(struct noise_cipher *c, struct bytes ad, uint8_t *at, size_t len)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

    /* The last nonce belongs to rekeying. */
    if (c->nonce == UINT64_MAX)
        return ERR_STATE;
    nonce_write(nonce, c->nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(at, NULL, at, len, ad.at, ad.len, NULL, nonce, c->key);
    c->nonce++;
    return ERR_NONE;
}

enum err noise_open(struct noise_cipher *c, struct bytes ad, uint8_t *at, size_t len)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

    if (len < NOISE_TAG_LEN)
        return ERR_MALFORMED;
    if (c->nonce == UINT64_MAX)
        return ERR_STATE;
    nonce_write(nonce, c->nonce);
    int failed = crypto_aead_chacha20poly1305_ietf_decrypt(at, NULL, NULL, at, len, ad.at, ad.len, nonce, c->key);
    secret_reveal(&failed, sizeof failed);
    if (failed != 0)
        return ERR_AUTH;
    c->nonce++;
    return ERR_NONE;
}

void noise_rekey(struct noise_cipher *c)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], block[NOISE_KEY_LEN + NOISE_TAG_LEN] = { 0 };

    nonce_write(nonce, UINT64_MAX);
    crypto_aead_chacha20poly1305_ietf_encrypt(block, NULL, block, NOISE_KEY_LEN, NULL, 0, NULL, nonce, c->key);
    memcpy(c->key, block, sizeof c->key);
    sodium_memzero(block, sizeof block);
}

void noise_cipher_clear(struct noise_cipher *c)
{
    sodium_memzero(c, sizeof *c);
}
