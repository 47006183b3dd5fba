/* storage/heap.h - a heap of numbered items that know their place.
 *
 * The item with the least key is on top. Whoever owns the items is told where each
 * of them moves, so that any of them can be changed or taken out in O(log n).
 */
#ifndef STA_STORAGE_HEAP_H
#define STA_STORAGE_HEAP_H

#include "mesh/base/bytes.h"

struct heap_node { uint32_t key, item; };

struct heap {
    struct heap_node *at; /* at[0] is the top */
    uint32_t count, cap;
};

typedef void heap_moved(void *ctx, uint32_t item, uint32_t at);

/* Room for one more; without it heap_add must not be called. ERR_NO_MEMORY. */
enum err heap_reserve(struct heap *h);
void     heap_add(struct heap *h, uint32_t key, uint32_t item, heap_moved *moved, void *ctx);
void     heap_remove(struct heap *h, uint32_t at, heap_moved *moved, void *ctx);
void     heap_change(struct heap *h, uint32_t at, uint32_t key, heap_moved *moved, void *ctx);
void     heap_clear(struct heap *h);

#endif
