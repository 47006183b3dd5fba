/* mesh/ring.h - a queue of equal elements that grows up to a limit given at birth. */
#ifndef STA_MESH_RING_H
#define STA_MESH_RING_H

#include "mesh/base/bytes.h"

struct ring { uint8_t *at; size_t element_len, cap, head, len, limit; };

struct ring ring_of(size_t element_len, size_t limit);   /* allocates nothing */
void  ring_clear(struct ring *r);                        /* frees; may be used again */

/* ERR_FULL at the limit, ERR_NO_MEMORY; nothing changed then. */
enum err ring_push(struct ring *r, const void *element);
void  *ring_at(const struct ring *r, size_t i);          /* i < len; lent until the next push */
void   ring_pop(struct ring *r);

static inline bool ring_is_full(const struct ring *r) { return r->len >= r->limit; }

#endif
