/* tests/fuzz/fuzz_noise_handshake.c - arbitrary bytes for each step of both ends of XX.
 *
 * The first byte chooses the step; the second whether the input is the message (a neighbour that talks
 * nonsense) or is XORed over the honest one (a neighbour in the middle), which reaches past the first seal.
 * No altered handshake may come to its end.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/noise.h"
#include "mesh/base/reader.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPACE = NOISE_MESSAGE_MAX + 64, STEPS = 3 };

/* What the neighbour sends; true when it is not what the honest end would have sent. */
static bool message_bend(uint8_t *at, size_t *len, struct bytes input, bool is_mask)
{
    bool is_bent = false;

    if (!is_mask) {
        is_bent = input.len != *len || (input.len > 0 && memcmp(at, input.at, input.len) != 0);
        *len = input.len < SPACE ? input.len : SPACE;
        if (*len > 0)
            memcpy(at, input.at, *len);
        return is_bent;
    }
    for (size_t i = 0; i < *len && i < input.len; i++) {
        at[i] ^= input.at[i];
        is_bent = is_bent || input.at[i] != 0;
    }
    return is_bent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t sent[SPACE], read[SPACE];
    struct reader in = reader_of(bytes_of(data, size));
    int step = reader_u8(&in) % STEPS;
    bool is_mask = reader_u8(&in) & 1, is_bent = false;
    struct bytes input = reader_rest(&in);
    struct seeded seeded;
    uint8_t secrets[2][NOISE_KEY_LEN], publics[2][NOISE_KEY_LEN];
    struct noise *sides[2] = { NULL, NULL };

    if (crypto_start() != ERR_NONE)
        return 0;
    seeded_init(&seeded, 1);
    struct rng g = seeded_rng(&seeded);
    for (int i = 0; i < 2; i++) {
        noise_keypair(secrets[i], publics[i], &g);
        struct noise_keys keys = { secrets[i], NULL, NULL };
        if (noise_new(&sides[i], NOISE_XX, i == 0, bytes_of_text("fuzz"), &keys, &g) != ERR_NONE)
            goto out;
    }
    for (int i = 0; i < STEPS; i++) {
        struct writer w = writer_of(sent, sizeof sent), r = writer_of(read, sizeof read);

        if (noise_write(sides[i % 2], bytes_of_text("data"), &w) != ERR_NONE)
            goto out;
        size_t len = writer_len(&w);
        if (i == step)
            is_bent = message_bend(sent, &len, input, is_mask);
        if (noise_read(sides[1 - i % 2], bytes_of(sent, len), &r) != ERR_NONE) {
            assert(is_bent && !noise_is_done(sides[1 - i % 2]) && !noise_is_my_turn(sides[1 - i % 2]));
            goto out;
        }
    }
    assert(!is_bent && noise_is_done(sides[0]) && noise_is_done(sides[1]));

    /* A record of the neighbour: whatever it is, it does not open. */
    struct noise_cipher a, b;
    assert(noise_split(sides[0], &a, &b, NULL, NULL) == ERR_NONE);
    size_t len = input.len < sizeof sent ? input.len : sizeof sent;
    if (len > 0)
        memcpy(sent, input.at, len);
    assert(noise_open(&b, bytes_of(NULL, 0), sent, len) != ERR_NONE && b.nonce == 0);
out:
    noise_free(sides[0]);
    noise_free(sides[1]);
    return 0;
}
