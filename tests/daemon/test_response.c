/* tests/daemon/test_response.c - HTTP answers, cut anywhere, good and bad. */
#include <string.h>

#include "apps/cli/response.h"
#include "tests/support/check.h"

static const struct { const char *name, *text; enum err want; bool is_done; int status; const char *body; } cases[] = {
    { "length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", ERR_NONE, true, 200, "abc" },
    { "no body", "HTTP/1.1 404 Refused\r\ncontent-length: 0\r\n\r\n", ERR_NONE, true, 404, "" },
    { "chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", ERR_NONE, true, 200, "abcde" },
    { "trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", ERR_NONE, true, 200, "" },
    { "bare line feeds", "HTTP/1.0 200\nContent-Length: 1\n\na", ERR_NONE, true, 200, "a" },
    { "cut short", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ERR_NONE, false, 200, "ab" },
    { "more than was said", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", ERR_MALFORMED, false, 200, "a" },
    { "no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_MALFORMED, false, 0, "" },
    { "another HTTP", "HTTP/2.0 200 OK\r\n", ERR_MALFORMED, false, 0, "" },
    { "status of two digits", "HTTP/1.1 20 OK\r\n", ERR_MALFORMED, false, 0, "" },
    { "status of four digits", "HTTP/1.1 2000 OK\r\n", ERR_MALFORMED, false, 0, "" },
    { "interim status", "HTTP/1.1 100 Continue\r\n\r\n", ERR_MALFORMED, false, 0, "" },
    { "no length", "HTTP/1.1 200 OK\r\n\r\nabc", ERR_MALFORMED, false, 200, "" },
    { "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", ERR_MALFORMED, false, 200, "" },
    { "length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_MALFORMED, false, 200, "" },
    { "negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ERR_MALFORMED, false, 200, "" },
    { "too long", "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", ERR_TOO_LARGE, false, 200, "" },
    { "huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", ERR_TOO_LARGE, false, 200, "" },
    { "gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ERR_MALFORMED, false, 200, "" },
    { "header without colon", "HTTP/1.1 200 OK\r\nhello\r\n\r\n", ERR_MALFORMED, false, 200, "" },
    { "chunk without size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ERR_MALFORMED, false, 200, "" },
    { "chunk of nine digits", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n111111111\r\n", ERR_MALFORMED, false, 200, "" },
    { "chunk longer than said", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", ERR_MALFORMED, false, 200, "a" },
};

static enum err keep(void *ctx, struct bytes part)
{
    return buffer_append(ctx, part);
}

/* Feeds the text in pieces of this many bytes. */
static void check_in_pieces(size_t i, size_t piece)
{
    struct buffer body = buffer_of_limit(1000);
    struct response r;
    size_t len = strlen(cases[i].text);
    enum err e = ERR_NONE;

    response_init(&r, 1000, keep, &body);
    for (size_t at = 0; at < len && e == ERR_NONE; at += piece)
        e = response_feed(&r, bytes_of(cases[i].text + at, len - at < piece ? len - at : piece));
    CHECK_ERR(cases[i].name, e, cases[i].want);
    CHECK_CASE(cases[i].name, e != ERR_NONE || response_is_done(&r) == cases[i].is_done);
    CHECK_CASE(cases[i].name, r.status == cases[i].status);
    CHECK_BYTES(cases[i].name, buffer_bytes(&body), bytes_of_text(cases[i].body));
    response_clear(&r);
    buffer_clear(&body);
}

static void check_limits(void)
{
    struct buffer body = buffer_of_limit(10);
    struct response r;
    enum err e = ERR_NONE;

    response_init(&r, 1000, keep, &body);
    for (int i = 0; i < 5000 && e == ERR_NONE; i++)
        e = response_feed(&r, bytes_of_text("x"));
    CHECK_ERR("an endless line", e, ERR_TOO_LARGE);
    response_clear(&r);

    response_init(&r, 1000, keep, &body);
    e = response_feed(&r, bytes_of_text("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < 100 && e == ERR_NONE; i++)
        e = response_feed(&r, bytes_of_text("a: b\r\n"));
    CHECK_ERR("endless headers", e, ERR_MALFORMED);
    response_clear(&r);

    response_init(&r, 1000, keep, &body);
    CHECK_ERR("the keeper's error", response_feed(&r, bytes_of_text("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901")),
              ERR_TOO_LARGE);
    response_clear(&r);

    response_init(&r, 1000, keep, &body);
    CHECK_ERR("a zero byte", response_feed(&r, bytes_of("HTTP/1.1 200 O\0\r\n", 17)), ERR_MALFORMED);
    response_clear(&r);
    buffer_clear(&body);
}

struct told { unsigned count; char names[64], data[64]; };

static enum err on_event(void *ctx, const char *name, struct bytes data)
{
    struct told *t = ctx;

    t->count++;
    strncat(t->names, name, sizeof t->names - strlen(t->names) - 1);
    strncat(t->data, (const char *)data.at, data.len);
    return t->count < 3 ? ERR_NONE : ERR_STATE;
}

static void check_events(void)
{
    static const char text[] = ":\n\nretry: 1000\n\nevent: a\ndata: {1}\n\n:\n\nevent: b\r\ndata: {2\ndata: 3}\n\nevent: c\n\nevent: d\n\n";

    for (size_t piece = 1; piece < 12; piece++) {
        struct event_reader r;
        struct told t = { 0 };
        enum err e = ERR_NONE;

        event_reader_init(&r, on_event, &t);
        for (size_t at = 0; at < sizeof text - 1 && e == ERR_NONE; at += piece)
            e = event_reader_feed(&r, bytes_of(text + at, sizeof text - 1 - at < piece ? sizeof text - 1 - at : piece));
        CHECK(e == ERR_STATE && t.count == 3 && strcmp(t.names, "abc") == 0 && strcmp(t.data, "{1}{23}") == 0);
        event_reader_clear(&r);
    }
    struct event_reader r;
    struct told t = { 0 };
    event_reader_init(&r, on_event, &t);
    CHECK(event_reader_feed(&r, bytes_of_text("event: a-name-that-is-longer-than-any-of-ours\n")) == ERR_MALFORMED);
    event_reader_clear(&r);
}

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t piece = 1; piece < 100; piece = piece * 2 + 1)
            check_in_pieces(i, piece);
    check_limits();
    check_events();
    return check_report("response");
}
