/* apps/daemon/streams.h - listeners to events, as server-sent events over HTTP.
 *
 * Each listener has a bounded buffer. One that reads too slowly misses events and is told so by an event
 * "behind" as soon as it reads again: it then asks anew for what it shows. Nobody waits for anybody.
 */
#ifndef STA_DAEMON_STREAMS_H
#define STA_DAEMON_STREAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "mesh/base/err.h"

struct streams;
struct event_base;
struct evbuffer;
struct evhttp_request;

enum {
    STREAMS_MAX         = 64,
    STREAM_BUFFER_MAX   = 256 * 1024,   /* past this a listener is behind */
    STREAM_HEARTBEAT_S  = 25,           /* tells the dead from the silent; runs only while somebody listens */
    STREAM_STUCK_BEATS  = 24,           /* behind for ten minutes: dropped */
};

enum err streams_new(struct streams **out, struct event_base *base);

/* Call before evhttp_free. */
void     streams_free(struct streams *s);

/* Takes the request and answers it as a stream. `session`: by which it may be ended; 0: never. False: STREAMS_MAX are open;
 * the request stays the caller's. */
bool     streams_add(struct streams *s, struct evhttp_request *request, uint64_t session);

/* Closes the streams of a session. */
void     streams_end(struct streams *s, uint64_t session);

bool     streams_is_empty(const struct streams *s);

/* Borrows `about`. */
void     streams_publish(struct streams *s, const char *name, const json_t *about);

/* Appends an object as compact JSON. False: out of memory. */
bool     streams_write_json(struct evbuffer *to, const json_t *object);

#endif
