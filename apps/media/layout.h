/* apps/media/layout.h - how a content is cut into chunks, and what may be missing of them.
 *
 * A content of `size` bytes fills K data chunks, the last one padded with zeros. They are dealt out to B blocks in turn (data
 * chunk d belongs to block d mod B), so that a run of losses falls on all blocks alike; to each block P parity chunks are
 * computed (erasure.h). Any as many chunks of a block as it has data chunks give all of it back. Indices: data chunks 0..K-1; then the parity
 * chunks, block after block. All of it follows from part and size, so that both ends compute the same.
 */
#ifndef STA_MEDIA_LAYOUT_H
#define STA_MEDIA_LAYOUT_H

#include "mesh/base/bytes.h"

enum media_part {
    PART_ORIGINAL,
    PART_LIGHT,        /* a smaller version that goes at once: low-rate Opus of a voice note */
    PART_COUNT,
};

enum {
    MEDIA_SIZE_MAX      = 100 * 1024 * 1024,
    LIGHT_SIZE_MAX      = 512 * 1024,         /* eight minutes of voice at 1 kB/s */
    BLOCK_DATA_MAX      = 128,                /* with its parity it fits a code over bytes, and 4 MiB of buffers never pile up */
    BLOCK_PARITY_MAX    = 32,
    ORIGINAL_SIZE_CODE  = 7,                  /* chunks of 32 KiB */
    LIGHT_SIZE_CODE     = 5,                  /* of 8 KiB: not held back on slow links */
    CHUNKS_MAX          = 4200,               /* of one part; MEDIA_SIZE_MAX has 4006 */
};

struct layout {
    uint8_t  size_code;
    uint32_t capacity;        /* bytes of content in a chunk */
    uint64_t size;
    uint32_t data, blocks;    /* K, B */
    uint32_t parity;          /* P, of each block */
};

/* ERR_TOO_LARGE past the part's limit; ERR_MALFORMED: no bytes at all. */
enum err layout_of(struct layout *out, enum media_part part, uint64_t size);

static inline uint32_t layout_chunks(const struct layout *l) { return l->data + l->blocks * l->parity; }

/* Data chunks of a block. */
static inline uint32_t layout_block_data(const struct layout *l, uint32_t block)
{
    return (l->data - block + l->blocks - 1) / l->blocks;
}

/* Which block a chunk belongs to, and its row there: data 0..k-1, then parity. */
static inline uint32_t layout_block(const struct layout *l, uint32_t index)
{
    return index < l->data ? index % l->blocks : (index - l->data) / l->parity;
}
static inline uint32_t layout_row(const struct layout *l, uint32_t index)
{
    return index < l->data ? index / l->blocks
                           : layout_block_data(l, (index - l->data) / l->parity) + (index - l->data) % l->parity;
}
static inline uint32_t layout_index(const struct layout *l, uint32_t block, uint32_t row)
{
    uint32_t k = layout_block_data(l, block);

    return row < k ? row * l->blocks + block : l->data + block * l->parity + (row - k);
}

/* Bytes of content in a data chunk. */
static inline uint32_t layout_len(const struct layout *l, uint32_t index)
{
    uint64_t left = l->size - (uint64_t)index * l->capacity;

    return left < l->capacity ? (uint32_t)left : l->capacity;
}

#endif
