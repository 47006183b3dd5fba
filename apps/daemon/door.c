/* apps/daemon/door.c - the local API over HTTP on a Unix socket. */
#define _DEFAULT_SOURCE
#include "apps/daemon/door.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/daemon/api.h"
#include "apps/daemon/contents.h"
#include "apps/daemon/streams.h"

enum {
    HEAD_MAX        = 8192,
    INPUT_MAX       = 2 * API_PIECE_MAX, /* read ahead on one connection */
    IDLE_S          = 120,               /* a kept connection without a request */
    ACCEPT_PAUSE_MS = 500,
};

/* An answer that waits for its turn. */
struct waiting {
    struct evhttp_request *request;
    struct api_reply reply;
    struct waiting *next;
};

struct door {
    struct parts *parts;
    struct engine *engine;
    struct door_hooks hooks;
    struct evhttp *http;
    struct evconnlistener *listener;     /* http owns it */
    struct event *accept_timer;
    struct streams *streams;
    struct contents contents;
    struct waiting *first, **last;
    unsigned link_changes_told;
    char path[PROFILE_PATH_MAX];
    bool is_bound;
};

/* ---- Answers ---- */

static const char *reason_phrase(int status)
{
    return status < 300 ? "OK" : status < 500 ? "Refused" : "Failed";
}

static void send_answer(struct door *d, struct evhttp_request *request, struct api_reply *reply)
{
    struct evbuffer *b = evbuffer_new();
    bool is_whole = b != NULL && reply->body != NULL && streams_write_json(b, reply->body) && evbuffer_add(b, "\n", 1) == 0;

    json_decref(reply->body);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
    evhttp_add_header(evhttp_request_get_output_headers(request), "Cache-Control", "no-store");
    evhttp_send_reply(request, is_whole ? reply->status : 500, reason_phrase(is_whole ? reply->status : 500), b);
    if (b != NULL)
        evbuffer_free(b);
    d->hooks.on_answered(d->hooks.ctx);
}

static void finish(struct door *d, struct evhttp_request *request, struct api_reply *reply)
{
    if (reply->content != NULL) {
        contents_send(&d->contents, d->parts, request, reply->content);
        d->hooks.on_answered(d->hooks.ctx);
        return;
    }
    if (reply->is_stream && evhttp_request_get_connection(request) != NULL && streams_add(d->streams, request)) {
        json_decref(reply->body);
        return;
    }
    if (reply->is_stream) {
        json_decref(reply->body);
        reply->status = 503;
        reply->body = json_pack("{s:s, s:s}", "error", "busy", "message", "too many listen to events already; close one");
    }
    send_answer(d, request, reply);
}

static void finish_all(struct door *d, bool has_failed, enum err why)
{
    struct waiting *w = d->first;

    d->first = NULL;
    d->last = &d->first;
    while (w != NULL) {
        struct waiting *next = w->next;

        if (has_failed)
            api_reply_storage_failed(&w->reply, why);
        finish(d, w->request, &w->reply);
        free(w);
        w = next;
    }
}

/* ---- Requests ---- */

static bool method_of(const struct evhttp_request *request, enum api_method *out)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET: *out = API_GET; return true;
    case EVHTTP_REQ_POST: *out = API_POST; return true;
    case EVHTTP_REQ_DELETE: *out = API_DELETE; return true;
    default: return false;
    }
}

static void on_request(struct evhttp_request *request, void *ctx)
{
    struct door *d = ctx;
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    struct api_request q = { .target = evhttp_request_get_uri(request) };
    struct api_reply reply;
    struct waiting *w;

    if (!method_of(request, &q.method) || q.target == NULL) {
        evhttp_send_error(request, 405, NULL);
        return;
    }
    unsigned char *body = len > 0 ? evbuffer_pullup(input, -1) : NULL;
    q.body = bytes_of(body, body != NULL ? len : 0);
    q.range = evhttp_find_header(evhttp_request_get_input_headers(request), "Range");
    api_handle(d->parts, &q, &reply);
    /* A passphrase may have been in it. */
    if (body != NULL)
        profile_wipe(body, len);
    w = reply.is_after_turn && d->engine != NULL ? calloc(1, sizeof *w) : NULL;
    if (w == NULL || !engine_poke(d->engine)) {
        if (d->engine != NULL && reply.is_after_turn && w == NULL)
            api_reply_storage_failed(&reply, ERR_NO_MEMORY);
        free(w);
        finish(d, request, &reply);
        return;
    }
    w->request = request;
    w->reply = reply;
    *d->last = w;
    d->last = &w->next;
}

/* ---- Connections ---- */

static struct bufferevent *on_connection(struct event_base *base, void *ctx)
{
    struct bufferevent *b = bufferevent_socket_new(base, -1, 0);

    (void)ctx;
    if (b != NULL)
        bufferevent_setwatermark(b, EV_READ, 0, INPUT_MAX);
    return b;
}

/* Out of descriptors: the waiting connection would wake us without end. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
    struct door *d = ctx;

    evconnlistener_disable(listener);
    event_add(d->accept_timer, &pause);
    log_line(d->parts->log, LOG_LEVEL_WARNING, "the API cannot take a connection: %s", strerror(errno));
}

static void on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
    struct door *d = ctx;

    (void)fd;
    (void)what;
    evconnlistener_enable(d->listener);
}

/* A socket left by a crash is removed; one that answers is somebody's. */
static enum err clear_path(const struct sockaddr_un *address, char why[256])
{
    struct stat st;

    if (lstat(address->sun_path, &st) != 0)
        return ERR_NONE;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(why, 256, "%.180s is in the way and no socket; remove it or choose --api PATH", address->sun_path);
        return ERR_IO;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    if (answers) {
        snprintf(why, 256, "another daemon answers at %.180s", address->sun_path);
        return ERR_LOCKED;
    }
    unlink(address->sun_path);
    return ERR_NONE;
}

static enum err listen_at(struct door *d, int *out, char why[256])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    enum err e;

    if (strlen(d->path) >= sizeof address.sun_path) {
        snprintf(why, 256, "the socket's path is longer than %zu characters; choose a shorter one with --api PATH",
                 sizeof address.sun_path - 1);
        return ERR_TOO_LARGE;
    }
    memcpy(address.sun_path, d->path, strlen(d->path) + 1);
    if ((e = clear_path(&address, why)) != ERR_NONE)
        return e;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode is right from the first moment, not only after a chmod. */
    mode_t mask = umask(0177);
    bool is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int bind_errno = errno;
    umask(mask);
    if (!is_bound || listen(fd, SOMAXCONN) != 0) {
        snprintf(why, 256, "the socket %.150s cannot be made: %s", d->path, strerror(is_bound ? errno : bind_errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    d->is_bound = true;
    *out = fd;
    return ERR_NONE;
}

enum err door_new(struct door **out, struct event_base *base, struct parts *parts, const char *path,
                  const struct door_hooks *hooks, char why[256])
{
    struct door *d = calloc(1, sizeof *d);
    enum err e = ERR_NO_MEMORY;
    int fd = -1;

    snprintf(why, 256, "out of memory");
    if (d == NULL)
        return e;
    d->parts = parts;
    d->hooks = *hooks;
    d->last = &d->first;
    snprintf(d->path, sizeof d->path, "%s", path);
    d->http = evhttp_new(base);
    d->accept_timer = evtimer_new(base, on_accept_again, d);
    if (d->http == NULL || d->accept_timer == NULL || streams_new(&d->streams, base) != ERR_NONE)
        goto fail;
    if ((e = listen_at(d, &fd, why)) != ERR_NONE)
        goto fail;
    e = ERR_NO_MEMORY;
    d->listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (d->listener == NULL) {
        close(fd);
        goto fail;
    }
    if (evhttp_bind_listener(d->http, d->listener) == NULL) {
        evconnlistener_free(d->listener);
        goto fail;
    }
    evconnlistener_set_error_cb(d->listener, on_accept_error);
    evhttp_set_gencb(d->http, on_request, d);
    evhttp_set_bevcb(d->http, on_connection, d);
    evhttp_set_allowed_methods(d->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_max_headers_size(d->http, HEAD_MAX);
    evhttp_set_max_body_size(d->http, API_PIECE_MAX);
    evhttp_set_timeout(d->http, IDLE_S);
    *out = d;
    return ERR_NONE;
fail:
    door_free(d);
    return e;
}

void door_free(struct door *d)
{
    if (d == NULL)
        return;
    finish_all(d, true, ERR_STATE);
    streams_free(d->streams);
    contents_end(&d->contents);
    if (d->http != NULL)
        evhttp_free(d->http);
    if (d->accept_timer != NULL)
        event_free(d->accept_timer);
    if (d->is_bound)
        unlink(d->path);
    free(d);
}

void door_set_engine(struct door *d, struct engine *e)
{
    d->engine = e;
}

/* Only what the turn made durable is told. */
static void publish_events(struct door *d)
{
    struct messenger_event event;

    while (d->parts->messenger != NULL && messenger_next_event(d->parts->messenger, &event)) {
        const char *name = NULL;
        json_t *about = streams_is_empty(d->streams) ? NULL : api_event(d->parts, &event, &name);

        if (about != NULL)
            streams_publish(d->streams, name, about);
        json_decref(about);
    }
    if (d->link_changes_told != d->parts->link_changes) {
        json_t *about = json_object();

        d->link_changes_told = d->parts->link_changes;
        if (about != NULL)
            streams_publish(d->streams, "neighbours", about);
        json_decref(about);
    }
}

void door_on_turn(struct door *d)
{
    finish_all(d, false, ERR_NONE);
    publish_events(d);
}

void door_on_trouble(struct door *d, enum err why)
{
    finish_all(d, true, why);
}
