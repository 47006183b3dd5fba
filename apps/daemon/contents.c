/* apps/daemon/contents.c - bytes of contents over HTTP. */
#define _DEFAULT_SOURCE
#include "apps/daemon/contents.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/messenger/media.h"

struct sending {
    struct contents *all;
    struct sending *next;
    struct parts *parts;
    struct evhttp_request *request;
    struct api_content *content;
    uint64_t at, end;
};

static void sending_free(struct sending *s)
{
    struct sending **at = &s->all->first;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    api_content_free(s->content);
    free(s);
}

void contents_end(struct contents *all)
{
    while (all->first != NULL) {
        evhttp_connection_set_closecb(evhttp_request_get_connection(all->first->request), NULL, NULL);
        sending_free(all->first);
    }
}

/* The reader left, and the library has let go of the request (streams.c). */
static void on_close(struct evhttp_connection *connection, void *ctx)
{
    struct sending *s = ctx;
    struct evhttp_request *request = s->request;

    (void)connection;
    sending_free(s);
    evhttp_send_reply_end(request);
}

static enum err next_piece(struct sending *s, struct evbuffer *b)
{
    size_t len = s->end - s->at < CONTENT_PIECE_LEN ? (size_t)(s->end - s->at) : CONTENT_PIECE_LEN;
    enum err e = ERR_NONE;

    if (s->content->bytes != NULL) {
        if (evbuffer_add(b, s->content->bytes + s->at, len) != 0)
            e = ERR_NO_MEMORY;
    } else {
        uint8_t *piece = malloc(len);

        e = piece == NULL ? ERR_NO_MEMORY : s->parts->messenger == NULL ? ERR_STATE : ERR_NONE;
        if (e == ERR_NONE)
            e = messenger_media_read(s->parts->messenger, bytes_of_text(s->content->id), (enum media_part)s->content->part, s->at, piece, len);
        if (e == ERR_NONE && evbuffer_add(b, piece, len) != 0)
            e = ERR_NO_MEMORY;
        if (piece != NULL)
            profile_wipe(piece, len);
        free(piece);
    }
    s->at += e == ERR_NONE ? len : 0;
    return e;
}

static void on_sent(struct evhttp_connection *connection, void *ctx)
{
    struct sending *s = ctx;
    struct evbuffer *b = evbuffer_new();

    if (b != NULL && s->at < s->end && next_piece(s, b) == ERR_NONE) {
        evhttp_send_reply_chunk_with_cb(s->request, b, on_sent, s);
    } else {
        struct evhttp_request *request = s->request;
        bool is_whole = s->at == s->end;

        evhttp_connection_set_closecb(connection, NULL, NULL);
        sending_free(s);
        /* Cut short, the length that was announced tells the reader. */
        if (is_whole)
            evhttp_send_reply_end(request);
        else
            evhttp_connection_free(connection);
    }
    if (b != NULL)
        evbuffer_free(b);
}

/* A name for a header: what is no plain ASCII stands as %XX (RFC 8187). */
static void write_name(char *to, size_t cap, const char *name)
{
    size_t n = 0;

    for (; *name != '\0' && n + 4 < cap; name++) {
        unsigned char ch = (unsigned char)*name;
        bool is_plain = (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || ch == '.' || ch == '-' || ch == '_';

        n += (size_t)snprintf(to + n, cap - n, is_plain ? "%c" : "%%%02X", ch);
    }
    to[n] = '\0';
}

void contents_send(struct contents *all, struct parts *parts, struct evhttp_request *request, struct api_content *content)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct sending *s = calloc(1, sizeof *s);
    char text[1024], name[800];

    if (s == NULL || connection == NULL) {
        free(s);
        api_content_free(content);
        evhttp_send_error(request, 503, NULL);
        return;
    }
    s->all = all;
    s->next = all->first;
    all->first = s;
    s->parts = parts;
    s->request = request;
    s->content = content;
    s->at = content->from;
    s->end = content->from + content->len;
    /* Never a type that a browser would run: the page that asked knows what it wants to make of it. */
    evhttp_add_header(headers, "Content-Type", "application/octet-stream");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Content-Security-Policy", "default-src 'none'; sandbox");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "Accept-Ranges", "bytes");
    write_name(name, sizeof name, content->name);
    snprintf(text, sizeof text, "attachment; filename*=UTF-8''%s", name);
    evhttp_add_header(headers, "Content-Disposition", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)content->len);
    evhttp_add_header(headers, "Content-Length", text);
    if (content->is_range) {
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)content->from, (unsigned long long)(s->end - 1),
                 (unsigned long long)content->total);
        evhttp_add_header(headers, "Content-Range", text);
    }
    evhttp_connection_set_closecb(connection, on_close, s);
    evhttp_send_reply_start(request, content->is_range ? 206 : 200, content->is_range ? "Partial Content" : "OK");
    on_sent(connection, s);
}
