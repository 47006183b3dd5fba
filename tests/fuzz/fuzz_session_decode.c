/* tests/fuzz/fuzz_session_decode.c - a session's stored bytes; what decodes is then used. */
#include <assert.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/session.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t bundle[512], payload[BUNDLE_LEN_MAX], tags[SESSION_LOOKAHEAD][TAG_LEN];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session *s, *copy;
    struct buffer again = buffer_of_limit(1 << 20);
    struct seeded seed;
    struct sealed sealed;
    struct opened opened;

    if (crypto_start() != ERR_NONE || session_decode(&s, bytes_of(data, size)) != ERR_NONE)
        return 0;
    if (session_encode(s, &again) == ERR_NONE)
        assert(bytes_are_equal(buffer_bytes(&again), bytes_of(data, size)));
    buffer_clear(&again);

    seeded_init(&seed, 1);
    struct rng g = seeded_rng(&seed);
    struct card card;
    memset(&card, 0, sizeof card);
    uint32_t day = session_day(s, 0);
    if (session_copy(&copy, s) == ERR_NONE) {
        (void)session_seal(copy, &(struct seal_request){ .my_card = &card, .day = day, .size_code = 1 }, &g, bundle, &sealed);
        (void)session_open(copy, day, 0, bytes_of(bundle, sizeof bundle), payload, &opened);
        (void)session_tend(copy, day + 30);
        session_free(copy);
    }
    (void)session_expect(s, day, session_expect_from(s, day), SESSION_LOOKAHEAD, tags);
    session_free(s);
    return 0;
}
