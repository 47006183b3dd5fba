/* apps/cli/response.h - an HTTP/1.1 answer, read as it comes.
 *
 * Only what the daemon's server writes: a status line, a few headers, a body with a length or in chunks. Bytes may be cut
 * anywhere. Head lines and the body are bounded.
 */
#ifndef STA_CLI_RESPONSE_H
#define STA_CLI_RESPONSE_H

#include "mesh/base/bytes.h"

enum {
    RESPONSE_LINE_MAX    = 4096,
    RESPONSE_HEADERS_MAX = 64,
    RESPONSE_EVENT_MAX   = 1 << 20,
};

struct response {
    /* Gets the body as it comes; its error ends the reading. */
    enum err (*on_body)(void *ctx, struct bytes part);
    void *ctx;

    int status;                  /* 0 until the status line was read */
    int state;
    bool is_chunked, has_length;
    uint64_t left;               /* of the body or the chunk */
    uint64_t body_max;
    uint64_t body_len;
    unsigned header_count;
    struct buffer line;
};

void     response_init(struct response *r, uint64_t body_max, enum err (*on_body)(void *ctx, struct bytes part), void *ctx);
void     response_clear(struct response *r);

/* ERR_MALFORMED; ERR_TOO_LARGE; on_body's errors. Bytes past the end of the answer are malformed. */
enum err response_feed(struct response *r, struct bytes in);
/* Status and headers are read. */
bool     response_has_head(const struct response *r);
bool     response_is_done(const struct response *r);

/* Server-sent events out of a body: calls on_event for each. */
struct event_reader {
    enum err (*on_event)(void *ctx, const char *name, struct bytes data);
    void *ctx;
    struct buffer line, data;
    char name[32];
};

void     event_reader_init(struct event_reader *r, enum err (*on_event)(void *ctx, const char *name, struct bytes data), void *ctx);
void     event_reader_clear(struct event_reader *r);
/* Fits response.on_body with the reader as ctx. ERR_TOO_LARGE past RESPONSE_EVENT_MAX. */
enum err event_reader_feed(void *reader, struct bytes part);

#endif
