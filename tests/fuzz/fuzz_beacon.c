/* tests/fuzz/fuzz_beacon.c - what decodes encodes to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "mesh/beacon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct beacon b;
    uint8_t again[BEACON_BYTES];

    if (beacon_decode(&b, bytes_of(data, size)) != ERR_NONE)
        return 0;
    beacon_encode(&b, again);
    if (size != sizeof again || memcmp(again, data, size) != 0)
        abort();
    return 0;
}
