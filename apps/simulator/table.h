/* apps/simulator/table.h - a map from 64-bit keys to 32-bit values, open addressing.
 *
 * Memory is the simulator's own: when it runs out the program ends, for a simulation that
 * goes on with less would no longer be the one that was asked for.
 */
#ifndef STA_SIMULATOR_TABLE_H
#define STA_SIMULATOR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_NONE = 0xffffffff };

struct table {
    uint64_t *keys;     /* the key plus one; 0 is an empty slot */
    uint32_t *values;
    size_t count, mask; /* mask 0: nothing allocated */
};

/* A zeroed table is an empty one. */
void     table_clear(struct table *t);
uint32_t table_find(const struct table *t, uint64_t key); /* TABLE_NONE: absent */
void     table_put(struct table *t, uint64_t key, uint32_t value);
void     table_remove(struct table *t, uint64_t key);     /* harmless when absent */

static inline uint64_t table_pair(uint32_t a, uint32_t b)
{
    return (uint64_t)a << 32 | b;
}

/* realloc that ends the program instead of failing. */
void *grow(void *at, size_t count, size_t size);

/* Room for one more: doubles *cap when count has reached it. */
void *grow_for(void *at, size_t count, size_t *cap, size_t size);

#endif
