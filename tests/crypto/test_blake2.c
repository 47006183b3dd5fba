/* tests/crypto/test_blake2.c - the BLAKE2b known answers, whole and in pieces. */
#include <sodium.h>

#include "crypto/hash.h"
#include "tests/crypto/json.h"
#include "tests/support/check.h"

enum { VECTORS_COUNT = 512, INPUT_MAX = 256 };

/* All derivations feed the hash in parts, so the parts must not matter. */
static void check_in_pieces(struct bytes key, struct bytes in, struct bytes want, size_t piece_len)
{
    crypto_generichash_state state;
    uint8_t got[64];

    crypto_generichash_init(&state, key.len > 0 ? key.at : NULL, key.len, want.len);
    for (size_t at = 0; at < in.len; at += piece_len)
        crypto_generichash_update(&state, in.at + at, in.len - at < piece_len ? in.len - at : piece_len);
    crypto_generichash_final(&state, got, want.len);
    CHECK_BYTES("in pieces", bytes_of(got, want.len), want);
}

int main(void)
{
    struct buffer in = buffer_of_limit(INPUT_MAX), key = buffer_of_limit(64), out = buffer_of_limit(64);
    uint8_t got[64];
    size_t i;
    json_t *v;

    REQUIRE(crypto_start() == ERR_NONE);
    json_t *root = vectors_load("blake2/blake2b-kat.json");
    CHECK(json_array_size(root) == VECTORS_COUNT);
    json_array_foreach(root, i, v) {
        REQUIRE(vectors_hex(&in, v, "in") && vectors_hex(&key, v, "key") && vectors_hex(&out, v, "out"));
        REQUIRE(out.len == sizeof got);
        crypto_generichash(got, sizeof got, in.at, in.len, key.len > 0 ? key.at : NULL, key.len);
        CHECK_BYTES("", bytes_of(got, sizeof got), buffer_bytes(&out));
        check_in_pieces(buffer_bytes(&key), buffer_bytes(&in), buffer_bytes(&out), 1);
        check_in_pieces(buffer_bytes(&key), buffer_bytes(&in), buffer_bytes(&out), 128);
    }
    json_decref(root);
    buffer_clear(&in);
    buffer_clear(&key);
    buffer_clear(&out);
    return check_report("blake2b");
}
