/* tests/fuzz/fuzz_gateway_link.c - the text of an invite, and the bytes inside. */
#include <stdlib.h>
#include <string.h>

#include "mesh/links/gateway_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct gateway_link l, again;
    static char text[GATEWAY_LINK_TEXT_MAX];
    struct gateway g, g_again;
    uint8_t bytes[GATEWAY_BYTES_MAX];

    memset(&l, 0, sizeof l);
    memset(&again, 0, sizeof again);
    if (gateway_link_read(&l, bytes_of(data, len)) == ERR_NONE) {
        gateway_link_write(&l, text);
        if (gateway_link_read(&again, bytes_of_text(text)) != ERR_NONE || memcmp(&l, &again, sizeof l) != 0)
            abort();
    }
    if (gateway_decode(&g, bytes_of(data, len)) == ERR_NONE) {
        size_t n = gateway_encode(&g, bytes);
        if (gateway_decode(&g_again, bytes_of(bytes, n)) != ERR_NONE || memcmp(&g, &g_again, sizeof g) != 0)
            abort();
    }
    return 0;
}
