/* apps/daemon/streams.c - listeners to events, as server-sent events over HTTP. */
#define _DEFAULT_SOURCE
#include "apps/daemon/streams.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    struct streams *all;
    struct evhttp_request *request;
    struct evhttp_connection *connection;
    uint64_t session;
    unsigned beats_behind;       /* 0: not behind */
};

struct streams {
    struct event *heartbeat;
    struct stream *open[STREAMS_MAX];
    unsigned count;
};

static void remove_stream(struct stream *s)
{
    struct streams *all = s->all;

    for (unsigned i = 0; i < all->count; i++) {
        if (all->open[i] == s) {
            all->open[i] = all->open[--all->count];
            break;
        }
    }
    if (all->count == 0)
        event_del(all->heartbeat);
    free(s);
}

/* The library has let go of the request by now, because its answer was not ended; ending it frees it. */
static void on_close(struct evhttp_connection *connection, void *ctx)
{
    struct stream *s = ctx;
    struct evhttp_request *request = s->request;

    (void)connection;
    remove_stream(s);
    evhttp_send_reply_end(request);
}

static size_t waiting(const struct stream *s)
{
    return evbuffer_get_length(bufferevent_get_output(evhttp_connection_get_bufferevent(s->connection)));
}

static void send_text(struct stream *s, const char *text, size_t len)
{
    struct evbuffer *b = evbuffer_new();

    if (b != NULL && evbuffer_add(b, text, len) == 0)
        evhttp_send_reply_chunk(s->request, b);
    if (b != NULL)
        evbuffer_free(b);
}

/* False while the listener is behind. */
static bool is_in_step(struct stream *s)
{
    static const char behind[] = "event: behind\ndata: {}\n\n";

    if (waiting(s) > STREAM_BUFFER_MAX) {
        if (s->beats_behind == 0)
            s->beats_behind = 1;
        return false;
    }
    if (s->beats_behind > 0) {
        s->beats_behind = 0;
        send_text(s, behind, sizeof behind - 1);
    }
    return true;
}

/* Ends it from our side. */
static void cut(struct stream *s)
{
    struct evhttp_connection *connection = s->connection;

    evhttp_connection_set_closecb(connection, NULL, NULL);
    remove_stream(s);
    evhttp_connection_free(connection);   /* and the request with it */
}

static void on_heartbeat(evutil_socket_t fd, short what, void *ctx)
{
    struct streams *all = ctx;

    (void)fd;
    (void)what;
    for (unsigned i = all->count; i-- > 0;) {
        struct stream *s = all->open[i];

        if (is_in_step(s)) {
            send_text(s, ":\n\n", 3);
        } else if (++s->beats_behind > STREAM_STUCK_BEATS) {
            cut(s);
        }
    }
}

enum err streams_new(struct streams **out, struct event_base *base)
{
    struct streams *s = calloc(1, sizeof *s);

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->heartbeat = event_new(base, -1, EV_PERSIST, on_heartbeat, s);
    if (s->heartbeat == NULL) {
        free(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return ERR_NONE;
}

void streams_free(struct streams *s)
{
    if (s == NULL)
        return;
    while (s->count > 0) {
        evhttp_connection_set_closecb(s->open[0]->connection, NULL, NULL);
        remove_stream(s->open[0]);
    }
    event_free(s->heartbeat);
    free(s);
}

bool streams_is_empty(const struct streams *s)
{
    return s->count == 0;
}

bool streams_add(struct streams *s, struct evhttp_request *request, uint64_t session)
{
    static const char hello[] = "retry: 1000\n\n";
    struct timeval beat = { STREAM_HEARTBEAT_S, 0 };
    struct stream *stream = s->count < STREAMS_MAX ? calloc(1, sizeof *stream) : NULL;

    if (stream == NULL)
        return false;
    stream->all = s;
    stream->request = request;
    stream->session = session;
    stream->connection = evhttp_request_get_connection(request);
    s->open[s->count++] = stream;
    if (s->count == 1)
        event_add(s->heartbeat, &beat);
    /* A listener has nothing to say, and may be told nothing for days. */
    bufferevent_set_timeouts(evhttp_connection_get_bufferevent(stream->connection), NULL, NULL);
    evhttp_connection_set_closecb(stream->connection, on_close, stream);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/event-stream");
    evhttp_add_header(evhttp_request_get_output_headers(request), "Cache-Control", "no-store");
    evhttp_send_reply_start(request, 200, "OK");
    send_text(stream, hello, sizeof hello - 1);
    return true;
}

void streams_end(struct streams *s, uint64_t session)
{
    for (unsigned i = s->count; i-- > 0;)
        if (s->open[i]->session == session)
            cut(s->open[i]);
}

static int write_part(const char *part, size_t len, void *to)
{
    return evbuffer_add(to, part, len);
}

bool streams_write_json(struct evbuffer *to, const json_t *object)
{
    return json_dump_callback(object, write_part, to, JSON_COMPACT) == 0;
}

void streams_publish(struct streams *s, const char *name, const json_t *about)
{
    struct evbuffer *b = s->count > 0 ? evbuffer_new() : NULL;

    if (b != NULL && evbuffer_add_printf(b, "event: %s\ndata: ", name) > 0 && streams_write_json(b, about) &&
        evbuffer_add(b, "\n\n", 2) == 0) {
        size_t len = evbuffer_get_length(b);
        const char *whole = (const char *)evbuffer_pullup(b, -1);

        for (unsigned i = s->count; whole != NULL && i-- > 0;)
            if (is_in_step(s->open[i]))
                send_text(s->open[i], whole, len);
    }
    if (b != NULL)
        evbuffer_free(b);
}
