/* tests/crypto/test_constant_time.c - no branch and no address depends on a secret.
 *
 * Runs under valgrind, on sources built with STA_POISON_SECRETS. All randomness is marked undefined, so that every key
 * is, and memcheck reports each branch and address that comes of one. What goes on the wire is marked defined again: it
 * is for everybody. The last step branches on a secret on purpose, to see that it would be reported.
 */
#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "crypto/hash.h"
#include "crypto/keyslot.h"
#include "crypto/noise.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static struct seeded seeded;

static void fill_poisoned(void *state, uint8_t *to, size_t len)
{
    struct rng g = seeded_rng(state);

    rng_fill(&g, to, len);
    VALGRIND_MAKE_MEM_UNDEFINED(to, len);
}

static const struct rng poisoned = { fill_poisoned, &seeded };

static void publish(struct bytes b)
{
    VALGRIND_MAKE_MEM_DEFINED(b.at, b.len);
}

static void run_noise(enum noise_pattern pattern, int messages_count)
{
    uint8_t secrets[2][NOISE_KEY_LEN], publics[2][NOISE_KEY_LEN], sent[256], read[256];
    struct noise *sides[2];
    struct noise_cipher send[2], receive[2];

    for (int i = 0; i < 2; i++) {
        noise_keypair(secrets[i], publics[i], &poisoned);
        publish(bytes_of(publics[i], NOISE_KEY_LEN));
    }
    for (int i = 0; i < 2; i++) {
        struct noise_keys keys = { secrets[i], publics[1 - i], NULL };

        REQUIRE(noise_new(&sides[i], pattern, i == 0, bytes_of_text("x"), &keys, &poisoned) == ERR_NONE);
    }
    for (int i = 0; i < messages_count; i++) {
        struct writer w = writer_of(sent, sizeof sent), r = writer_of(read, sizeof read);

        REQUIRE(noise_write(sides[i % 2], bytes_of_text("payload"), &w) == ERR_NONE);
        publish(writer_bytes(&w));
        REQUIRE(noise_read(sides[1 - i % 2], writer_bytes(&w), &r) == ERR_NONE);
    }
    for (int i = 0; i < 2; i++)
        REQUIRE(noise_split(sides[i], &send[i], &receive[i], NULL, NULL) == ERR_NONE);
    for (int i = 0; i < 4; i++) {
        memcpy(sent, "secret words", 12);
        VALGRIND_MAKE_MEM_UNDEFINED(sent, 12);
        REQUIRE(noise_seal(&send[0], bytes_of(NULL, 0), sent, 12) == ERR_NONE);
        publish(bytes_of(sent, 12 + NOISE_TAG_LEN));
        REQUIRE(noise_open(&receive[1], bytes_of(NULL, 0), sent, 12 + NOISE_TAG_LEN) == ERR_NONE);
        noise_rekey(&send[0]);
        noise_rekey(&receive[1]);
    }
    noise_free(sides[0]);
    noise_free(sides[1]);
}

/* With a key file: Argon2id reads memory by the passphrase in its second half, as designed. */
static void run_keyslot(void)
{
    static const struct keyslot_cost cost = { KEYSLOT_KEY_FILE, 0, 0 };
    uint8_t secret[KEYSLOT_KEY_FILE_LEN], master[KEYSLOT_MASTER_LEN], opened[KEYSLOT_MASTER_LEN];
    enum keyslot_role role;
    struct keyslot slot;

    rng_fill(&poisoned, secret, sizeof secret);
    rng_fill(&poisoned, master, sizeof master);
    REQUIRE(keyslot_wrap(&slot, &cost, KEYSLOT_REAL, bytes_of(secret, sizeof secret), master, &poisoned) == ERR_NONE);
    publish(bytes_of(&slot, sizeof slot));
    REQUIRE(keyslot_unwrap(&slot, bytes_of(secret, sizeof secret), opened, &role) == ERR_NONE);
}

static unsigned long branch_on_secret(void)
{
    uint8_t secret[1];
    volatile unsigned taken = 0;

    rng_fill(&poisoned, secret, sizeof secret);
    if (secret[0] & 1)
        taken = 1;
    (void)taken;
    return VALGRIND_COUNT_ERRORS;
}

int main(void)
{
    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "run this under valgrind: it shows nothing otherwise\n");
        return 1;
    }
    REQUIRE(crypto_start() == ERR_NONE);
    seeded_init(&seeded, 4);
    run_noise(NOISE_XX, 3);
    run_noise(NOISE_IK, 2);
    run_keyslot();
    unsigned long reported = VALGRIND_COUNT_ERRORS;
    CHECK(reported == 0);
    CHECK(branch_on_secret() > reported);
    return check_report("constant time");
}
