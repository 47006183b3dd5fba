/* storage/heap.c - four children a node: half the levels of a binary heap, and they share a cache line. */
#include "storage/heap.h"

#include <assert.h>
#include <stdlib.h>

enum { CHILDREN = 4 };

enum err heap_reserve(struct heap *h)
{
    if (h->count < h->cap)
        return ERR_NONE;
    /* Most heaps hold the bundles of one neighbour and stay small; a large one grows by half. */
    uint32_t cap = h->cap < 4 ? 4 : h->cap < 1024 ? h->cap * 2 : h->cap + h->cap / 2;
    struct heap_node *at = realloc(h->at, cap * sizeof *at);
    if (at == NULL)
        return ERR_NO_MEMORY;
    h->at = at;
    h->cap = cap;
    return ERR_NONE;
}

static void place(struct heap *h, uint32_t at, struct heap_node node, heap_moved *moved, void *ctx)
{
    h->at[at] = node;
    moved(ctx, node.item, at);
}

/* Puts `node` where it belongs, given that `at` is free. */
static void settle(struct heap *h, uint32_t at, struct heap_node node, heap_moved *moved, void *ctx)
{
    while (at > 0 && h->at[(at - 1) / CHILDREN].key > node.key) {
        place(h, at, h->at[(at - 1) / CHILDREN], moved, ctx);
        at = (at - 1) / CHILDREN;
    }
    for (;;) {
        uint32_t first = at * CHILDREN + 1, least = first;

        if (first >= h->count)
            break;
        for (uint32_t child = first + 1; child < first + CHILDREN && child < h->count; child++) {
            if (h->at[child].key < h->at[least].key)
                least = child;
        }
        if (h->at[least].key >= node.key)
            break;
        place(h, at, h->at[least], moved, ctx);
        at = least;
    }
    place(h, at, node, moved, ctx);
}

void heap_add(struct heap *h, uint32_t key, uint32_t item, heap_moved *moved, void *ctx)
{
    struct heap_node node = { key, item };

    assert(h->count < h->cap);
    h->count++;
    settle(h, h->count - 1, node, moved, ctx);
}

void heap_remove(struct heap *h, uint32_t at, heap_moved *moved, void *ctx)
{
    assert(at < h->count);
    struct heap_node last = h->at[--h->count];
    if (at < h->count)
        settle(h, at, last, moved, ctx);
}

void heap_change(struct heap *h, uint32_t at, uint32_t key, heap_moved *moved, void *ctx)
{
    assert(at < h->count);
    struct heap_node node = { key, h->at[at].item };
    settle(h, at, node, moved, ctx);
}

void heap_clear(struct heap *h)
{
    free(h->at);
    h->at = NULL;
    h->count = h->cap = 0;
}
