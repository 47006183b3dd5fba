/* tests/crypto/test_wycheproof.c - Project Wycheproof's edge cases through the calls that crypto/ makes.
 *
 * These test the library this machine has, so that a build against a broken one fails here. The counts are
 * those of the vector files: a file that shrank, or a case that changed sides, fails as well.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "tests/crypto/json.h"
#include "tests/support/check.h"

enum { TEXT_MAX = 1 << 16 };

/* How many cases came out as what. */
struct tally { unsigned accepted, refused, skipped; };

static void check_tally(const char *file, struct tally got, struct tally want)
{
    printf("%s: %u accepted, %u refused, %u that the interface cannot take\n", file, got.accepted, got.refused,
           got.skipped);
    CHECK_CASE(file, got.accepted == want.accepted);
    CHECK_CASE(file, got.refused == want.refused);
    CHECK_CASE(file, got.skipped == want.skipped);
}

static void test_label(char label[64], const char *file, const json_t *test)
{
    snprintf(label, 64, "%s %d", file, (int)json_integer_value(json_object_get(test, "tcId")));
}

/* Acceptable are keys of low order or not in canonical form: those with a shared secret of zeros we refuse
 * (protocol section 1), the others have to agree. */
static void x25519_case(const char *label, const json_t *test, struct tally *tally)
{
    struct buffer public_key = buffer_of_limit(64), private_key = buffer_of_limit(64), shared = buffer_of_limit(64);
    uint8_t got[crypto_scalarmult_BYTES];

    REQUIRE(vectors_hex(&public_key, test, "public") && public_key.len == crypto_scalarmult_BYTES);
    REQUIRE(vectors_hex(&private_key, test, "private") && private_key.len == crypto_scalarmult_SCALARBYTES);
    REQUIRE(vectors_hex(&shared, test, "shared") && shared.len == sizeof got);
    bool is_zero = sodium_is_zero(shared.at, shared.len);
    int failed = crypto_scalarmult(got, private_key.at, public_key.at);
    CHECK_CASE(label, (failed != 0) == is_zero);
    CHECK_CASE(label, !is_zero || strcmp(vectors_text(test, "result"), "acceptable") == 0);
    if (failed == 0) {
        CHECK_BYTES(label, bytes_of(got, sizeof got), buffer_bytes(&shared));
        tally->accepted++;
    } else {
        tally->refused++;
    }
    buffer_clear(&public_key);
    buffer_clear(&private_key);
    buffer_clear(&shared);
}

static void check_x25519(void)
{
    static const char file[] = "wycheproof/x25519_test.json";
    json_t *root = vectors_load(file), *group, *test;
    struct tally tally = { 0, 0, 0 };
    size_t i, j;
    char label[64];

    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            test_label(label, file, test);
            x25519_case(label, test, &tally);
        }
    check_tally(file, tally, (struct tally){ 264 + 223, 31, 0 });
    json_decref(root);
}

static void check_ed25519(void)
{
    static const char file[] = "wycheproof/ed25519_test.json";
    json_t *root = vectors_load(file), *group, *test;
    struct buffer key = buffer_of_limit(64), message = buffer_of_limit(TEXT_MAX), signature = buffer_of_limit(256);
    struct tally tally = { 0, 0, 0 };
    size_t i, j;
    char label[64];

    json_array_foreach(json_object_get(root, "testGroups"), i, group) {
        REQUIRE(vectors_hex(&key, json_object_get(group, "publicKey"), "pk"));
        REQUIRE(key.len == crypto_sign_PUBLICKEYBYTES);
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            test_label(label, file, test);
            REQUIRE(vectors_hex(&message, test, "msg") && vectors_hex(&signature, test, "sig"));
            bool is_good = signature.len == crypto_sign_BYTES
                && crypto_sign_verify_detached(signature.at, message.at, message.len, key.at) == 0;
            CHECK_CASE(label, is_good == (strcmp(vectors_text(test, "result"), "valid") == 0));
            *(is_good ? &tally.accepted : &tally.refused) += 1;
        }
    }
    check_tally(file, tally, (struct tally){ 88, 63, 0 });
    buffer_clear(&key);
    buffer_clear(&message);
    buffer_clear(&signature);
    json_decref(root);
}

/* Both ciphers have the same interface. */
struct aead {
    const char *file;
    size_t nonce_len;
    int (*seal)(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long,
                const unsigned char *, unsigned long long, const unsigned char *, const unsigned char *,
                const unsigned char *);
    int (*open)(unsigned char *, unsigned long long *, unsigned char *, const unsigned char *, unsigned long long,
                const unsigned char *, unsigned long long, const unsigned char *, const unsigned char *);
    struct tally want;
};

static void aead_case(const struct aead *a, const char *label, const json_t *test, struct tally *tally)
{
    static uint8_t text[TEXT_MAX + 64];
    struct buffer key = buffer_of_limit(64), nonce = buffer_of_limit(256), ad = buffer_of_limit(TEXT_MAX),
                  plain = buffer_of_limit(TEXT_MAX), sealed = buffer_of_limit(TEXT_MAX), tag = buffer_of_limit(64);

    REQUIRE(vectors_hex(&key, test, "key") && key.len == 32);
    REQUIRE(vectors_hex(&nonce, test, "iv") && vectors_hex(&ad, test, "aad") && vectors_hex(&plain, test, "msg"));
    REQUIRE(vectors_hex(&sealed, test, "ct") && vectors_hex(&tag, test, "tag"));
    REQUIRE(buffer_append(&sealed, buffer_bytes(&tag)) == ERR_NONE);
    bool want_valid = strcmp(vectors_text(test, "result"), "valid") == 0;
    if (nonce.len != a->nonce_len) {
        CHECK_CASE(label, !want_valid);
        tally->skipped++;
    } else {
        /* In place, as noise_open does. */
        memcpy(text, sealed.at, sealed.len);
        bool opens = a->open(text, NULL, NULL, text, sealed.len, ad.at, ad.len, nonce.at, key.at) == 0;
        CHECK_CASE(label, opens == want_valid);
        if (opens) {
            CHECK_BYTES(label, bytes_of(text, sealed.len - 16), buffer_bytes(&plain));
            a->seal(text, NULL, text, plain.len, ad.at, ad.len, NULL, nonce.at, key.at);
            CHECK_BYTES(label, bytes_of(text, plain.len + 16), buffer_bytes(&sealed));
        }
        *(opens ? &tally->accepted : &tally->refused) += 1;
    }
    buffer_clear(&key);
    buffer_clear(&nonce);
    buffer_clear(&ad);
    buffer_clear(&plain);
    buffer_clear(&sealed);
    buffer_clear(&tag);
}

static void check_aead(const struct aead *a)
{
    json_t *root = vectors_load(a->file), *group, *test;
    struct tally tally = { 0, 0, 0 };
    size_t i, j;
    char label[64];

    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        json_array_foreach(json_object_get(group, "tests"), j, test) {
            test_label(label, a->file, test);
            aead_case(a, label, test, &tally);
        }
    check_tally(a->file, tally, a->want);
    json_decref(root);
}

static const struct aead aeads[] = {
    { "wycheproof/xchacha20_poly1305_test.json", crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
      crypto_aead_xchacha20poly1305_ietf_encrypt, crypto_aead_xchacha20poly1305_ietf_decrypt, { 246, 60, 9 } },
    { "wycheproof/chacha20_poly1305_test.json", crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
      crypto_aead_chacha20poly1305_ietf_encrypt, crypto_aead_chacha20poly1305_ietf_decrypt, { 256, 60, 9 } },
};

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_x25519();
    check_ed25519();
    for (size_t i = 0; i < sizeof aeads / sizeof aeads[0]; i++)
        check_aead(&aeads[i]);
    return check_report("wycheproof");
}
