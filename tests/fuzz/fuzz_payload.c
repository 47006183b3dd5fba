/* tests/fuzz/fuzz_payload.c - payloads: what decodes encodes to the same, padding apart. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct payload p;

    if (payload_decode(&p, bytes_of(data, size)) != ERR_NONE)
        return 0;
    size_t len = payload_len(&p);
    uint8_t *again = malloc(len);
    if (again == NULL)
        return 0;
    struct writer w = writer_of(again, len);
    payload_encode(&p, &w);
    assert(len <= size && !w.failed && writer_len(&w) == len && memcmp(again, data, len) == 0);
    free(again);
    return 0;
}
