/* tests/fuzz/fuzz_manifest.c - any bytes as what a friend announces. */
#include <assert.h>

#include "apps/media/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[MANIFEST_LEN_MAX + 1];
    struct writer w = writer_of(again, sizeof again);
    struct manifest m;

    if (manifest_decode(&m, bytes_of(data, size)) != ERR_NONE)
        return 0;
    assert(m.size[PART_ORIGINAL] > 0 && m.size[PART_ORIGINAL] <= MEDIA_SIZE_MAX && m.size[PART_LIGHT] <= LIGHT_SIZE_MAX);
    assert(media_name_is_sound(m.name) && m.preview.len <= MEDIA_PREVIEW_MAX);
    assert(manifest_encode(&m, &w) == ERR_NONE && bytes_are_equal(writer_bytes(&w), bytes_of(data, size)));
    return 0;
}
