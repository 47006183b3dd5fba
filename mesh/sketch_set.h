/* mesh/sketch_set.h - a set on its walk through the cells of a sketch: what encoder and decoder share.
 *
 * Members are walked in blocks: every member moves up to the end of a block of cells that fits the cache, and keeps
 * where it stands. Blocks grow with the number of cells, so that asking cell by cell costs a peer's link and
 * not our processor.
 */
#ifndef STA_MESH_SKETCH_SET_H
#define STA_MESH_SKETCH_SET_H

#include <stddef.h>
#include <stdint.h>

#include "mesh/base/err.h"
#include "mesh/sketch_map.h"

enum {
    SKETCH_CELL_LEN_MIN = 9,    /* on the wire: 8 of sum, at least one of count */
    SKETCH_BLOCK_MIN    = 64,   /* the first burst */
    SKETCH_BLOCK_MAX    = 4096, /* 64 kB of cells while 100 000 members walk by */
};

struct sketch_cell {
    uint64_t sum;    /* XOR of words */
    int32_t count;   /* encoder: members; decoder: remote less local, of what is not found yet */
    int32_t net;     /* decoder: remote less local, found or not: what the estimate is made of */
};

/* Parallel arrays in one block of memory, 20 bytes a member. */
struct sketch_set {
    size_t count;
    uint64_t *words, *states;
    uint32_t *next;
};

/* ERR_TOO_LARGE past SKETCH_SET_MAX, ERR_NO_MEMORY. */
enum err sketch_set_init(struct sketch_set *m, const uint64_t *sids, size_t count, const struct sketch_key *k);
void     sketch_set_clear(struct sketch_set *m);

/* Adds every member's share of the cells from..end-1, which stand at cells[0] on; `sign` to the counts. */
void     sketch_set_walk(struct sketch_set *m, struct sketch_cell *cells, uint32_t from, uint32_t end, int32_t sign);

/* Members that chance puts into cell i of a set of `count`, rounded: count / (1 + i/2). */
static inline int64_t sketch_expected(uint64_t count, uint32_t i)
{
    return (int64_t)((4 * count + i + 2) / (2 * (uint64_t)i + 4));
}

/* How far to walk when cells up to `want` are needed and `made` are there. */
static inline uint32_t sketch_block_end(uint32_t made, uint64_t want)
{
    uint64_t end = (uint64_t)made + (made / 8 > SKETCH_BLOCK_MIN ? made / 8 : SKETCH_BLOCK_MIN);

    if (end < want)
        end = want;
    return end < SKETCH_CELLS_MAX ? (uint32_t)end : SKETCH_CELLS_MAX;
}

#endif
