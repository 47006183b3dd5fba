/* tests/fuzz/fuzz_message_payload.c - any bytes as what a friend sealed: payload, content, and the card in it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/content.h"
#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[BUNDLE_LEN_MAX];
    struct writer w = writer_of(again, sizeof again);
    struct payload p;
    struct content c;
    struct card card;

    if (size > BUNDLE_LEN_MAX || crypto_start() != ERR_NONE || payload_decode(&p, bytes_of(data, size)) != ERR_NONE)
        return 0;
    switch (content_decode(&c, &p)) {
    case ERR_NONE:
        content_encode(&c, p.type, p.flags, &w);
        assert(!w.failed && bytes_are_equal(writer_bytes(&w), p.content));
        if (p.type == PAYLOAD_TEXT)
            assert(c.has_id && c.body.len > 0 && c.body.len <= TEXT_LEN_MAX);
        if (p.type == PAYLOAD_READ)
            assert(c.body.len % MESSAGE_ID_LEN == 0);
        if (p.type == PAYLOAD_CARD)
            (void)card_decode(&card, c.body);
        break;
    case ERR_VERSION:
    case ERR_MALFORMED:
        break;
    default:
        abort();
    }
    return 0;
}
