/* tests/crypto/test_keyslot.c - the keyslot file's bytes, against protocol section 8 computed afresh. */
#include "crypto/keyslot.h"

#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static const struct keyslot_cost small = { KEYSLOT_ARGON2ID, 1, 8 }, by_file = { KEYSLOT_KEY_FILE, 0, 0 };
static const uint8_t master[KEYSLOT_MASTER_LEN] = { 7, 7, 7 }, file_secret[KEYSLOT_KEY_FILE_LEN] = { 1, 2 };

static struct seeded seeded;
static struct rng rng;

/* BLAKE2b of u8(len) || "mesh1."label || data, as section 1 writes it. */
static void hash_plainly(uint8_t *out, size_t n, const uint8_t key[32], const char *label, const uint8_t *data,
                         size_t len)
{
    crypto_generichash_state state;
    uint8_t label_len = (uint8_t)strlen(label);

    crypto_generichash_init(&state, key, 32, n);
    crypto_generichash_update(&state, &label_len, 1);
    crypto_generichash_update(&state, (const uint8_t *)label, label_len);
    crypto_generichash_update(&state, data, len);
    crypto_generichash_final(&state, out, n);
}

static void check_layout(const struct keyslot_cost *cost, struct bytes secret, enum keyslot_role role,
                         const char *head_hex)
{
    struct keyslot s;
    struct buffer head = buffer_of_limit(16);
    uint8_t octets[KEYSLOT_LEN], kek[32], key[32], wrapped[48], commitment[16], covered[1 + 104], role_octet;

    REQUIRE(keyslot_wrap(&s, cost, role, secret, master, &rng) == ERR_NONE);
    keyslot_encode(&s, octets);
    CHECK_BYTES("", bytes_of(octets, 16), check_hex(&head, head_hex));
    if (cost->algorithm == KEYSLOT_ARGON2ID)
        REQUIRE(crypto_pwhash(kek, 32, (const char *)secret.at, secret.len, octets + 16, 1, 8192,
                              crypto_pwhash_ALG_ARGON2ID13) == 0);
    else
        hash_plainly(kek, 32, secret.at, "mesh1.keyfile", octets + 16, 16);
    role_octet = (uint8_t)role;
    hash_plainly(key, 32, kek, "mesh1.slot key", &role_octet, 1);
    crypto_aead_xchacha20poly1305_ietf_encrypt(wrapped, NULL, master, 32, NULL, 0, NULL, octets + 32, key);
    CHECK_BYTES("", bytes_of(octets + 56, 48), bytes_of(wrapped, 48));
    covered[0] = role_octet;
    memcpy(covered + 1, octets, 104);
    hash_plainly(commitment, 16, kek, "mesh1.slot commit", covered, sizeof covered);
    CHECK_BYTES("", bytes_of(octets + 104, 16), bytes_of(commitment, 16));
    buffer_clear(&head);
}

static void check_round_trip(void)
{
    struct keyslot s, back;
    uint8_t octets[KEYSLOT_LEN], again[KEYSLOT_LEN], got[KEYSLOT_MASTER_LEN];
    struct bytes secret = bytes_of_text("correct horse");
    enum keyslot_role role;

    for (int r = KEYSLOT_REAL; r <= KEYSLOT_DURESS; r++) {
        REQUIRE(keyslot_wrap(&s, &small, (enum keyslot_role)r, secret, master, &rng) == ERR_NONE);
        keyslot_encode(&s, octets);
        CHECK_ERR("", keyslot_decode(&back, bytes_of(octets, sizeof octets)), ERR_NONE);
        keyslot_encode(&back, again);
        CHECK_BYTES("", bytes_of(again, sizeof again), bytes_of(octets, sizeof octets));
        CHECK_ERR("", keyslot_unwrap(&back, secret, got, &role), ERR_NONE);
        CHECK((int)role == r && memcmp(got, master, sizeof got) == 0);
        CHECK_ERR("", keyslot_unwrap(&back, bytes_of_text("correct hors"), got, &role), ERR_AUTH);
    }
    keyslot_decoy(&s, &small, &rng);
    CHECK_ERR("", keyslot_unwrap(&s, secret, got, &role), ERR_AUTH);
}

/* A slot's opening bytes and what they get: u8 fields, then passes and KiB. */
static const struct {
    const char *name, *head;
    enum err want;
} heads[] = {
    { "Argon2id",                "53544b53010100000300000000000400", ERR_NONE },
    { "key file",                "53544b53010200000000000000000000", ERR_NONE },
    { "most passes, most KiB",   "53544b53010100000a00000000001000", ERR_NONE },
    { "least",                   "53544b53010100000100000008000000", ERR_NONE },
    { "other magic",             "53544b54010100000300000000000400", ERR_CORRUPT },
    { "version 0",               "53544b53000100000300000000000400", ERR_VERSION },
    { "version 2",               "53544b53020100000300000000000400", ERR_VERSION },
    { "algorithm 0",             "53544b53010000000300000000000400", ERR_CORRUPT },
    { "algorithm 3",             "53544b53010300000300000000000400", ERR_CORRUPT },
    { "reserved bytes",          "53544b53010101000300000000000400", ERR_CORRUPT },
    { "no passes",               "53544b53010100000000000000000400", ERR_CORRUPT },
    { "11 passes",               "53544b53010100000b00000000000400", ERR_CORRUPT },
    { "4 billion passes",        "53544b5301010000ffffffff00000400", ERR_CORRUPT },
    { "7 KiB",                   "53544b53010100000300000007000000", ERR_CORRUPT },
    { "1 GiB and 1 KiB",         "53544b53010100000300000001001000", ERR_CORRUPT },
    { "4 TiB",                   "53544b530101000003000000ffffffff", ERR_CORRUPT },
    { "key file with passes",    "53544b53010200000100000000000000", ERR_CORRUPT },
    { "key file with KiB",       "53544b53010200000000000008000000", ERR_CORRUPT },
};

static void check_heads(void)
{
    struct buffer head = buffer_of_limit(16);
    uint8_t octets[KEYSLOT_LEN + 1] = { 0 };
    struct keyslot s;

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        check_hex(&head, heads[i].head);
        memcpy(octets, head.at, head.len);
        CHECK_ERR(heads[i].name, keyslot_decode(&s, bytes_of(octets, KEYSLOT_LEN)), heads[i].want);
    }
    memcpy(octets, check_hex(&head, heads[0].head).at, 16);
    for (size_t len = 0; len < sizeof octets; len++)
        CHECK_ERR("cut", keyslot_decode(&s, bytes_of(octets, len)), len == KEYSLOT_LEN ? ERR_NONE : ERR_CORRUPT);
    CHECK_ERR("a byte too many", keyslot_decode(&s, bytes_of(octets, sizeof octets)), ERR_CORRUPT);
    buffer_clear(&head);
}

static void check_slots(void)
{
    struct keyslot_file f, back;
    uint8_t file[KEYSLOT_FILE_LEN], other[KEYSLOT_FILE_LEN];

    keyslot_decoy(&f.slots[1], &by_file, &rng);
    f.is_sound[0] = false;
    f.is_sound[1] = true;
    keyslot_file_encode(&f, file, &rng);
    CHECK_ERR("", keyslot_file_decode(&back, bytes_of(file, sizeof file)), ERR_NONE);
    CHECK(back.is_sound[0] && back.is_sound[1]);
    CHECK_BYTES("a decoy opens like the other", bytes_of(file + keyslot_offset(0), 16),
                bytes_of(file + keyslot_offset(1), 16));
    CHECK_ERR("", keyslot_file_decode(&back, bytes_of(file, sizeof file - 1)), ERR_CORRUPT);

    /* All outside the slots is drawn anew: nothing in it can tell what changed. */
    keyslot_file_encode(&f, other, &rng);
    size_t same = 0;
    for (size_t i = keyslot_offset(1) + KEYSLOT_LEN; i < sizeof file; i++)
        same += file[i] == other[i];
    CHECK(same < 40);

    file[keyslot_offset(0)] ^= 1;
    CHECK_ERR("one damaged", keyslot_file_decode(&back, bytes_of(file, sizeof file)), ERR_NONE);
    CHECK(!back.is_sound[0] && back.is_sound[1]);
    file[keyslot_offset(1) + 4] = 2;
    CHECK_ERR("one of a later version", keyslot_file_decode(&back, bytes_of(file, sizeof file)), ERR_VERSION);
    file[keyslot_offset(1)] ^= 1;
    CHECK_ERR("both damaged", keyslot_file_decode(&back, bytes_of(file, sizeof file)), ERR_CORRUPT);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    seeded_init(&seeded, 8);
    rng = seeded_rng(&seeded);
    check_layout(&small, bytes_of_text("passphrase"), KEYSLOT_REAL, "53544b53010100000100000008000000");
    check_layout(&small, bytes_of_text("passphrase"), KEYSLOT_DURESS, "53544b53010100000100000008000000");
    check_layout(&by_file, bytes_of(file_secret, sizeof file_secret), KEYSLOT_REAL,
                 "53544b53010200000000000000000000");
    check_round_trip();
    check_heads();
    check_slots();
    return check_report("keyslot");
}
