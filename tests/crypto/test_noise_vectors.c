/* tests/crypto/test_noise_vectors.c - cacophony's, snow's and noise-c's vectors for our cipher suite.
 *
 * Each runs with both ends: what one writes has to be the vector's ciphertext, and the other has to read the
 * vector's payload out of it.
 */
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/noise.h"
#include "crypto/random.h"
#include "tests/crypto/json.h"
#include "tests/support/check.h"

enum { VECTORS_A_FILE = 12, TEXT_MAX = 65535 };

static const char *const pattern_names[] = {
    [NOISE_NN] = "NN", [NOISE_NK] = "NK", [NOISE_NX] = "NX", [NOISE_XN] = "XN", [NOISE_XK] = "XK", [NOISE_XX] = "XX",
    [NOISE_KK] = "KK", [NOISE_IK] = "IK", [NOISE_IX] = "IX", [NOISE_KX] = "KX", [NOISE_N] = "N",   [NOISE_K] = "K",
    [NOISE_X] = "X",
};

enum { PATTERNS_COUNT = sizeof pattern_names / sizeof pattern_names[0] };

/* The pattern, or -1 for another suite, a modified pattern or the old NoisePSK names. */
static int pattern_of_name(const char *name)
{
    char full[64];

    for (int i = 0; i < PATTERNS_COUNT; i++) {
        snprintf(full, sizeof full, "Noise_%s_25519_ChaChaPoly_BLAKE2b", pattern_names[i]);
        if (strcmp(name, full) == 0)
            return i;
    }
    return -1;
}

static struct noise *side_new(const char *label, enum noise_pattern pattern, bool is_initiator, const json_t *v)
{
    struct buffer prologue = buffer_of_limit(1024), own = buffer_of_limit(32), remote = buffer_of_limit(32),
                  ephemeral = buffer_of_limit(32);
    struct rng g = rng_system();
    struct noise *n = NULL;
    struct noise_keys keys = { NULL, NULL, NULL };

    vectors_hex(&prologue, v, is_initiator ? "init_prologue" : "resp_prologue");
    if (vectors_hex(&own, v, is_initiator ? "init_static" : "resp_static"))
        keys.static_secret = own.at;
    if (vectors_hex(&remote, v, is_initiator ? "init_remote_static" : "resp_remote_static"))
        keys.remote_static = remote.at;
    if (vectors_hex(&ephemeral, v, is_initiator ? "init_ephemeral" : "resp_ephemeral"))
        keys.ephemeral_secret = ephemeral.at;
    CHECK_ERR(label, noise_new(&n, pattern, is_initiator, buffer_bytes(&prologue), &keys, &g), ERR_NONE);
    REQUIRE(n != NULL);
    buffer_clear(&prologue);
    buffer_clear(&own);
    buffer_clear(&remote);
    buffer_clear(&ephemeral);
    return n;
}

static void check_handshake_message(const char *label, struct noise *from, struct noise *to, struct bytes payload,
                                    struct bytes want)
{
    static uint8_t sent[TEXT_MAX], read[TEXT_MAX];
    struct writer w = writer_of(sent, sizeof sent), r = writer_of(read, sizeof read);

    CHECK_CASE(label, noise_is_my_turn(from) && !noise_is_my_turn(to));
    CHECK_CASE(label, noise_overhead(from) == want.len - payload.len);
    CHECK_ERR(label, noise_write(from, payload, &w), ERR_NONE);
    CHECK_BYTES(label, writer_bytes(&w), want);
    CHECK_ERR(label, noise_read(to, want, &r), ERR_NONE);
    CHECK_BYTES(label, writer_bytes(&r), payload);
}

static void check_transport_message(const char *label, struct noise_cipher *from, struct noise_cipher *to,
                                    struct bytes payload, struct bytes want)
{
    static uint8_t text[TEXT_MAX];

    memcpy(text, payload.at, payload.len);
    CHECK_ERR(label, noise_seal(from, bytes_of(NULL, 0), text, payload.len), ERR_NONE);
    CHECK_BYTES(label, bytes_of(text, payload.len + NOISE_TAG_LEN), want);
    CHECK_ERR(label, noise_open(to, bytes_of(NULL, 0), text, want.len), ERR_NONE);
    CHECK_BYTES(label, bytes_of(text, payload.len), payload);
}

/* The ends of one vector. Index 0 is the initiator. */
struct ends {
    struct noise *sides[2];
    struct noise_cipher send[2], receive[2];
};

static void check_split(const char *label, struct ends *ends, const json_t *v)
{
    struct buffer want = buffer_of_limit(NOISE_HASH_LEN), peer = buffer_of_limit(32);
    uint8_t hashes[2][NOISE_HASH_LEN], remote_static[NOISE_KEY_LEN];
    static const char *const remote_members[2] = { "init_remote_static", "resp_remote_static" };

    for (int i = 0; i < 2; i++) {
        CHECK_CASE(label, noise_is_done(ends->sides[i]));
        CHECK_ERR(label, noise_split(ends->sides[i], &ends->send[i], &ends->receive[i], hashes[i], remote_static),
                  ERR_NONE);
        if (vectors_hex(&peer, v, remote_members[i]))
            CHECK_BYTES(label, bytes_of(remote_static, sizeof remote_static), buffer_bytes(&peer));
    }
    CHECK_CASE(label, memcmp(hashes[0], hashes[1], sizeof hashes[0]) == 0);
    if (vectors_hex(&want, v, "handshake_hash"))
        CHECK_BYTES(label, bytes_of(hashes[0], sizeof hashes[0]), buffer_bytes(&want));
    buffer_clear(&want);
    buffer_clear(&peer);
}

static void check_vector(const char *label, enum noise_pattern pattern, const json_t *v)
{
    struct ends ends = { { side_new(label, pattern, true, v), side_new(label, pattern, false, v) },
                         { { { 0 }, 0 } }, { { { 0 }, 0 } } };
    struct buffer payload = buffer_of_limit(TEXT_MAX), want = buffer_of_limit(TEXT_MAX);
    const json_t *messages = json_object_get(v, "messages"), *m;
    bool is_one_way = pattern == NOISE_N || pattern == NOISE_K || pattern == NOISE_X;
    bool is_split = false;
    size_t i, transport_count = 0;

    json_array_foreach(messages, i, m) {
        int from = is_one_way ? 0 : (int)(i % 2);

        REQUIRE(vectors_hex(&payload, m, "payload") && vectors_hex(&want, m, "ciphertext"));
        if (!is_split && noise_is_done(ends.sides[0])) {
            check_split(label, &ends, v);
            is_split = true;
        }
        if (is_split) {
            check_transport_message(label, &ends.send[from], &ends.receive[1 - from], buffer_bytes(&payload),
                                    buffer_bytes(&want));
            transport_count++;
        } else {
            check_handshake_message(label, ends.sides[from], ends.sides[1 - from], buffer_bytes(&payload),
                                    buffer_bytes(&want));
        }
    }
    CHECK_CASE(label, transport_count > 0);
    noise_free(ends.sides[0]);
    noise_free(ends.sides[1]);
    buffer_clear(&payload);
    buffer_clear(&want);
}

static void check_vectors(const char *file)
{
    json_t *root = vectors_load(file), *v;
    bool is_seen[PATTERNS_COUNT] = { false };
    size_t i, count = 0;
    char label[160];

    json_array_foreach(json_object_get(root, "vectors"), i, v) {
        const char *name = vectors_text(v, "protocol_name");
        /* noise-c calls it "name". */
        int pattern = pattern_of_name(*name != '\0' ? name : vectors_text(v, "name"));

        if (pattern < 0)
            continue;
        snprintf(label, sizeof label, "%s %s", file, pattern_names[pattern]);
        check_vector(label, (enum noise_pattern)pattern, v);
        CHECK_CASE(label, !is_seen[pattern]);
        is_seen[pattern] = true;
        count++;
    }
    printf("%s: %zu vectors\n", file, count);
    CHECK_CASE(file, count == VECTORS_A_FILE);
    json_decref(root);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_vectors("noise/cacophony_25519_chachapoly.json");
    check_vectors("noise/snow_25519_chachapoly.json");
    check_vectors("noise/noise-c-basic_25519_chachapoly.json");
    return check_report("noise vectors");
}
