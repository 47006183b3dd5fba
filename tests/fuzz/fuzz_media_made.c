/* tests/fuzz/fuzz_media_made.c - any bytes as the helper's answer. */
#include <assert.h>
#include <string.h>

#include "apps/media/made.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t head[MADE_HEAD_LEN];
    struct made m;

    if (made_decode(&m, bytes_of(data, size)) != ERR_NONE)
        return 0;
    assert(m.preview.len <= MEDIA_PREVIEW_MAX && m.light.len <= LIGHT_SIZE_MAX);
    made_encode_head(&m, head);
    assert(memcmp(head, data, sizeof head) == 0);
    return 0;
}
