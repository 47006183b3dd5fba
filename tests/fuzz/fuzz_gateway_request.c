/* tests/fuzz/fuzz_gateway_request.c - what a stranger sends first. */
#include <stdlib.h>
#include <string.h>

#include "mesh/links/gateway_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t token[TOKEN_LEN];
    char key[WEBSOCKET_KEY_LEN + 1];
    size_t head = request_head_len(bytes_of(data, len));

    if (head > len || head > REQUEST_HEAD_MAX)
        abort();
    if (request_read(bytes_of(data, len), token, key) && strlen(key) > WEBSOCKET_KEY_LEN)
        abort();
    return 0;
}
