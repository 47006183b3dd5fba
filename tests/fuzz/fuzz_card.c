/* tests/fuzz/fuzz_card.c - cards as bytes, padded, and as links. */
#include <assert.h>
#include <string.h>

#include "crypto/card_internal.h"
#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    uint8_t again[CARD_LEN_MAX];
    char link[CARD_LINK_MAX];
    struct card c, by_link;

    if (crypto_start() != ERR_NONE)
        return 0;
    if (card_decode(&c, in) == ERR_NONE) {
        assert(card_encode(&c, again) == size && memcmp(again, data, size) == 0);
        card_link(&c, link);
        enum err e = card_from_link(&by_link, bytes_of_text(link));
        assert(e == ERR_NONE && memcmp(&by_link, &c, sizeof c) == 0);
        (void)e;
    }
    if (size >= CARD_LEN_MAX)
        (void)card_decode_padded(&c, data);
    (void)card_from_link(&c, in);
    return 0;
}
