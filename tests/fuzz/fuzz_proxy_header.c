/* tests/fuzz/fuzz_proxy_header.c - the PROXY protocol; what more octets may change. */
#include <stdlib.h>

#include "apps/gateway/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t found = 0, again = 0;
    enum err e = proxy_header_find(bytes_of(data, len), &found);

    if (e == ERR_NONE && (found == 0 || found > len || found > PROXY_HEADER_MAX))
        abort();
    /* What was found is found by itself; what is short of it is waited for. */
    if (e == ERR_NONE && (proxy_header_find(bytes_of(data, found), &again) != ERR_NONE || again != found ||
                          proxy_header_find(bytes_of(data, found - 1), &again) != ERR_NOT_FOUND))
        abort();
    if (e == ERR_NOT_FOUND && len >= PROXY_HEADER_MAX)
        abort();
    return 0;
}
