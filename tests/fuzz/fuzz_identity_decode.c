/* tests/fuzz/fuzz_identity_decode.c - an identity's stored bytes. */
#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/identity.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct identity *id;
    struct buffer again = buffer_of_limit(1 << 20);
    struct seeded seed;

    if (crypto_start() != ERR_NONE || identity_decode(&id, bytes_of(data, size)) != ERR_NONE)
        return 0;
    if (identity_encode(id, &again) == ERR_NONE)
        assert(bytes_are_equal(buffer_bytes(&again), bytes_of(data, size)));
    buffer_clear(&again);

    /* Whatever it says, the days pass. */
    seeded_init(&seed, 1);
    struct rng g = seeded_rng(&seed);
    struct inbox_view view;
    struct card card;
    for (size_t i = 0; i < identity_inbox_count(id); i++)
        identity_inbox(id, i, &view);
    (void)identity_invite(id, &card, 690, &g);
    (void)identity_tend(id, 700, &g);
    (void)identity_tend(id, 70000, &g);
    identity_free(id);
    return 0;
}
