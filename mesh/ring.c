/* mesh/ring.c - a queue that grows up to a limit. */
#include "mesh/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 16 };  /* a power of two, as every capacity is */

struct ring ring_of(size_t element_len, size_t limit)
{
    struct ring r = { NULL, element_len, 0, 0, 0, limit };

    return r;
}

void ring_clear(struct ring *r)
{
    free(r->at);
    *r = ring_of(r->element_len, r->limit);
}

void *ring_at(const struct ring *r, size_t i)
{
    assert(i < r->len);
    return r->at + ((r->head + i) & (r->cap - 1)) * r->element_len;
}

static enum err grow(struct ring *r)
{
    size_t cap = r->cap == 0 ? FIRST_CAP : r->cap * 2;
    uint8_t *at = malloc(cap * r->element_len);

    if (at == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < r->len; i++)
        memcpy(at + i * r->element_len, ring_at(r, i), r->element_len);
    free(r->at);
    r->at = at;
    r->cap = cap;
    r->head = 0;
    return ERR_NONE;
}

enum err ring_push(struct ring *r, const void *element)
{
    enum err e;

    if (ring_is_full(r))
        return ERR_FULL;
    if (r->len == r->cap && (e = grow(r)) != ERR_NONE)
        return e;
    r->len++;
    memcpy(ring_at(r, r->len - 1), element, r->element_len);
    return ERR_NONE;
}

void ring_pop(struct ring *r)
{
    assert(r->len > 0);
    r->head = (r->head + 1) & (r->cap - 1);
    r->len--;
}
