/* apps/daemon/desk.c - requests to the local API, and their answers. */
#define _DEFAULT_SOURCE
#include "apps/daemon/desk.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/api.h"
#include "apps/daemon/contents.h"
#include "apps/daemon/streams.h"

/* An answer that waits for its turn. */
struct waiting {
    struct evhttp_request *request;
    struct api_reply reply;
    uint64_t session;
    struct waiting *next;
};

struct desk {
    struct parts *parts;
    struct engine *engine;
    struct desk_hooks hooks;
    struct streams *streams;
    struct contents contents;
    struct waiting *first, **last;
    unsigned link_changes_told;
};

/* ---- Answers ---- */

static const char *reason_phrase(int status)
{
    return status < 300 ? "OK" : status < 500 ? "Refused" : "Failed";
}

static void send_answer(struct desk *d, struct evhttp_request *request, struct api_reply *reply)
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

static void finish(struct desk *d, struct evhttp_request *request, struct api_reply *reply, uint64_t session)
{
    if (reply->content != NULL) {
        contents_send(&d->contents, d->parts, request, reply->content);
        d->hooks.on_answered(d->hooks.ctx);
        return;
    }
    if (reply->is_stream && evhttp_request_get_connection(request) != NULL && streams_add(d->streams, request, session)) {
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

static void finish_all(struct desk *d, bool has_failed, enum err why)
{
    struct waiting *w = d->first;

    d->first = NULL;
    d->last = &d->first;
    while (w != NULL) {
        struct waiting *next = w->next;

        if (has_failed)
            api_reply_storage_failed(&w->reply, why);
        finish(d, w->request, &w->reply, w->session);
        free(w);
        w = next;
    }
}

void desk_answer(struct desk *d, struct evhttp_request *request, int status, json_t *body)
{
    struct api_reply reply = { .status = status, .body = body };

    send_answer(d, request, &reply);
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

void desk_take(struct desk *d, struct evhttp_request *request, const struct desk_asker *asker)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    struct api_request q = { .target = evhttp_request_get_uri(request), .session = asker->session, .is_remote = asker->is_remote };
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
        finish(d, request, &reply, asker->session);
        return;
    }
    w->request = request;
    w->reply = reply;
    w->session = asker->session;
    *d->last = w;
    d->last = &w->next;
}

void desk_end_session(struct desk *d, uint64_t session)
{
    streams_end(d->streams, session);
    for (struct waiting *w = d->first; w != NULL; w = w->next) {
        if (w->session != session || !w->reply.is_stream)
            continue;
        w->reply.is_stream = false;
        w->reply.status = 401;
        json_decref(w->reply.body);
        w->reply.body = json_pack("{s:s, s:s}", "error", "session", "message", "this session has ended");
    }
}

/* ---- Life ---- */

enum err desk_new(struct desk **out, struct event_base *base, struct parts *parts, const struct desk_hooks *hooks)
{
    struct desk *d = calloc(1, sizeof *d);

    if (d == NULL)
        return ERR_NO_MEMORY;
    d->parts = parts;
    d->hooks = *hooks;
    d->last = &d->first;
    if (streams_new(&d->streams, base) != ERR_NONE) {
        free(d);
        return ERR_NO_MEMORY;
    }
    *out = d;
    return ERR_NONE;
}

void desk_end(struct desk *d)
{
    if (d == NULL)
        return;
    finish_all(d, true, ERR_STATE);
    streams_free(d->streams);
    d->streams = NULL;
    contents_end(&d->contents);
}

void desk_free(struct desk *d)
{
    free(d);
}

void desk_bound(struct evhttp *http)
{
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_max_headers_size(http, DESK_HEAD_MAX);
    evhttp_set_max_body_size(http, API_PIECE_MAX);
}

void desk_set_engine(struct desk *d, struct engine *e)
{
    d->engine = e;
}

/* Who only asks has no right to set programs going. */
static bool is_arrival(const struct desk *d, const struct messenger_event *event, const json_t *about)
{
    const char *direction = json_string_value(json_object_get(about, "direction"));
    struct friend_info f;

    if (event->kind != MESSENGER_MESSAGE || direction == NULL || strcmp(direction, "in") != 0)
        return false;
    return messenger_friend_info(d->parts->messenger, event->friend_number, &f) != ERR_NONE || !f.is_request;
}

/* Only what the turn made durable is told. */
static void publish_events(struct desk *d)
{
    struct messenger_event event;

    while (d->parts->messenger != NULL && messenger_next_event(d->parts->messenger, &event)) {
        const char *name = NULL;
        bool is_heard = !streams_is_empty(d->streams) || (event.kind == MESSENGER_MESSAGE && d->parts->config->on_message[0] != '\0');
        json_t *about = is_heard ? api_event(d->parts, &event, &name) : NULL;

        if (about != NULL)
            streams_publish(d->streams, name, about);
        if (is_arrival(d, &event, about))
            d->hooks.on_arrival(d->hooks.ctx, about);
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

void desk_on_turn(struct desk *d)
{
    finish_all(d, false, ERR_NONE);
    publish_events(d);
}

void desk_on_trouble(struct desk *d, enum err why)
{
    finish_all(d, true, why);
}
