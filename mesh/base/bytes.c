/* mesh/base/bytes.c - borrowed bytes, and bytes that grow. */
#include "mesh/base/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_CAP_FIRST = 256 };

struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

bool bytes_are_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

struct buffer buffer_of_limit(size_t limit)
{
    struct buffer b = { NULL, 0, 0, limit };
    return b;
}

enum err buffer_reserve(struct buffer *b, size_t more)
{
    if (more > b->limit || b->len > b->limit - more)
        return ERR_TOO_LARGE;
    size_t need = b->len + more;
    if (need <= b->cap)
        return ERR_NONE;
    size_t cap = b->cap ? b->cap : BUFFER_CAP_FIRST;
    while (cap < need)
        cap = cap > b->limit / 2 ? b->limit : cap * 2;
    if (cap > b->limit)
        cap = b->limit;
    uint8_t *at = realloc(b->at, cap);
    if (at == NULL)
        return ERR_NO_MEMORY;
    b->at = at;
    b->cap = cap;
    return ERR_NONE;
}

enum err buffer_append(struct buffer *b, struct bytes more)
{
    enum err e = buffer_reserve(b, more.len);
    if (e != ERR_NONE)
        return e;
    if (more.len > 0)
        memcpy(b->at + b->len, more.at, more.len);
    b->len += more.len;
    return ERR_NONE;
}

void buffer_consume(struct buffer *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    if (b->len > 0)
        memmove(b->at, b->at + n, b->len);
}

void buffer_clear(struct buffer *b)
{
    free(b->at);
    *b = buffer_of_limit(b->limit);
}
