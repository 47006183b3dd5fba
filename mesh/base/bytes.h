/* mesh/base/bytes.h - borrowed bytes, and bytes that grow.
 *
 * struct bytes borrows: it owns nothing and is passed by value. struct buffer
 * owns a heap block that grows up to a limit given at birth.
 */
#ifndef STA_BASE_BYTES_H
#define STA_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/err.h"

struct bytes {
    const uint8_t *at; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct bytes bytes_of(const void *at, size_t len)
{
    struct bytes b = { (const uint8_t *)at, len };
    return b;
}

/* The characters of a C string without its final zero. */
struct bytes bytes_of_text(const char *text);

/* Equal in length and content; not constant-time, so not for secrets. */
bool bytes_are_equal(struct bytes a, struct bytes b);

struct buffer {
    uint8_t *at;
    size_t len, cap, limit;
};

/* An empty buffer that refuses to hold more than `limit` bytes. Allocates nothing. */
struct buffer buffer_of_limit(size_t limit);

/* ERR_TOO_LARGE past the limit, ERR_NO_MEMORY; the buffer is then unchanged. */
enum err buffer_append(struct buffer *b, struct bytes more);

/* Makes room for `more` bytes past len, which the caller then fills and adds to len. */
enum err buffer_reserve(struct buffer *b, size_t more);

/* Drops the first n bytes (n <= len) and moves the rest down. */
void buffer_consume(struct buffer *b, size_t n);

static inline struct bytes buffer_bytes(const struct buffer *b)
{
    return bytes_of(b->at, b->len);
}

/* Frees the block; the buffer is empty again and may be used. Wipes nothing:
 * secrets belong in crypto/. */
void buffer_clear(struct buffer *b);

#endif
