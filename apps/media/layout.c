/* apps/media/layout.c - how a content is cut into chunks. */
#include "apps/media/layout.h"

#include "crypto/chunk.h"

/* A quarter of the content on top, counted in whole bundles; one parity chunk at least, so that the loss of one costs no round trip. */
static uint32_t parity_for(uint64_t size, uint32_t bundle_len, uint32_t data, uint32_t blocks)
{
    uint64_t all = size * 5 / 4 / bundle_len, spare = all > data ? (all - data) / blocks : 0;

    if (spare < 1)
        return 1;
    return spare < BLOCK_PARITY_MAX ? (uint32_t)spare : BLOCK_PARITY_MAX;
}

enum err layout_of(struct layout *out, enum media_part part, uint64_t size)
{
    struct layout l = { .size = size, .size_code = part == PART_LIGHT ? LIGHT_SIZE_CODE : ORIGINAL_SIZE_CODE };

    if (size == 0)
        return ERR_MALFORMED;
    if (size > (part == PART_LIGHT ? LIGHT_SIZE_MAX : MEDIA_SIZE_MAX))
        return ERR_TOO_LARGE;
    l.capacity = chunk_capacity(l.size_code);
    l.data = (uint32_t)((size + l.capacity - 1) / l.capacity);
    l.blocks = (l.data + BLOCK_DATA_MAX - 1) / BLOCK_DATA_MAX;
    l.parity = parity_for(size, bundle_len_of_code(l.size_code), l.data, l.blocks);
    *out = l;
    return ERR_NONE;
}
