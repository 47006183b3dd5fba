/* tests/fuzz/fuzz_redirect.c - what a stranger sends to port 80. */
#include <stdlib.h>
#include <string.h>

#include "apps/gateway/redirect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char token[CHALLENGE_TOKEN_MAX + 1];
    struct bytes target;

    if (redirect_target(bytes_of(data, len), &target) == ERR_NONE) {
        if (target.len == 0 || target.len > REDIRECT_TARGET_MAX || memchr(target.at, '\n', target.len) != NULL)
            abort();
        if (redirect_challenge(target, token) && (token[0] == '\0' || strchr(token, '/') != NULL || strchr(token, '.') != NULL))
            abort();
    }
    return 0;
}
