/* apps/cli/response.c - an HTTP/1.1 answer, read as it comes. */
#define _DEFAULT_SOURCE
#include "apps/cli/response.h"

#include <string.h>
#include <strings.h>

#include "apps/profile/units.h"

enum { STATUS_LINE, HEADER_LINE, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, DONE };

void response_init(struct response *r, uint64_t body_max, enum err (*on_body)(void *ctx, struct bytes part), void *ctx)
{
    memset(r, 0, sizeof *r);
    r->on_body = on_body;
    r->ctx = ctx;
    r->state = STATUS_LINE;
    r->body_max = body_max;
    r->line = buffer_of_limit(RESPONSE_LINE_MAX);
}

void response_clear(struct response *r)
{
    buffer_clear(&r->line);
}

bool response_has_head(const struct response *r)
{
    return r->state >= BODY;
}

bool response_is_done(const struct response *r)
{
    return r->state == DONE;
}

/* Moves bytes from `in` to the line up to its end. True when the line is whole; it then has a final zero and no CR. */
static enum err take_line(struct buffer *line, struct bytes *in, bool *is_whole)
{
    const uint8_t *newline = in->len > 0 ? memchr(in->at, '\n', in->len) : NULL;
    size_t len = newline != NULL ? (size_t)(newline - in->at) : in->len;
    static const uint8_t zero = 0;
    enum err e;

    if ((e = buffer_append(line, bytes_of(in->at, len))) != ERR_NONE)
        return e;
    *is_whole = newline != NULL;
    len += newline != NULL;
    *in = bytes_of(in->at + len, in->len - len);
    if (!*is_whole)
        return ERR_NONE;
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    return buffer_append(line, bytes_of(&zero, 1));
}

static enum err on_status_line(struct response *r, const char *line)
{
    char digits[4];
    uint64_t status;

    if (strncmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' || strlen(line) < 12)
        return ERR_MALFORMED;
    memcpy(digits, line + 9, 3);
    digits[3] = '\0';
    if (units_number(&status, digits, 999) != ERR_NONE || status < 200 || (line[12] != ' ' && line[12] != '\0'))
        return ERR_MALFORMED;
    r->status = (int)status;
    r->state = HEADER_LINE;
    return ERR_NONE;
}

static enum err on_header_line(struct response *r, const char *line)
{
    const char *value = strchr(line, ':');

    if (line[0] == '\0') {
        if (r->is_chunked == r->has_length)     /* neither, or contradicting each other */
            return ERR_MALFORMED;
        r->state = r->is_chunked ? CHUNK_SIZE : r->left > 0 ? BODY : DONE;
        return ERR_NONE;
    }
    if (value == NULL || ++r->header_count > RESPONSE_HEADERS_MAX)
        return ERR_MALFORMED;
    size_t name_len = (size_t)(value - line);
    value += 1 + strspn(value + 1, " \t");
    if (name_len == 14 && strncasecmp(line, "Content-Length", 14) == 0) {
        if (r->has_length)
            return ERR_MALFORMED;
        r->has_length = true;
        return units_number(&r->left, value, r->body_max);
    }
    if (name_len == 17 && strncasecmp(line, "Transfer-Encoding", 17) == 0) {
        r->is_chunked = true;
        return strcasecmp(value, "chunked") == 0 ? ERR_NONE : ERR_MALFORMED;
    }
    return ERR_NONE;
}

static enum err on_chunk_size(struct response *r, const char *line)
{
    uint64_t size = 0;
    size_t i = 0;

    for (; i < 8 && line[i] != '\0' && strchr("0123456789abcdefABCDEF", line[i]) != NULL; i++) {
        int ch = line[i] | 0x20;

        size = size * 16 + (uint64_t)(ch >= 'a' ? ch - 'a' + 10 : line[i] - '0');
    }
    if (i == 0 || (line[i] != '\0' && line[i] != ';'))
        return ERR_MALFORMED;
    r->left = size;
    r->state = size > 0 ? CHUNK : TRAILER;
    return ERR_NONE;
}

static enum err on_line(struct response *r, const char *line)
{
    switch (r->state) {
    case STATUS_LINE: return on_status_line(r, line);
    case HEADER_LINE: return on_header_line(r, line);
    case CHUNK_SIZE: return on_chunk_size(r, line);
    case CHUNK_END:
        r->state = CHUNK_SIZE;
        return line[0] == '\0' ? ERR_NONE : ERR_MALFORMED;
    default:
        if (line[0] == '\0')
            r->state = DONE;
        return ++r->header_count <= RESPONSE_HEADERS_MAX ? ERR_NONE : ERR_MALFORMED;
    }
}

static enum err take_body(struct response *r, struct bytes *in)
{
    size_t len = in->len < r->left ? in->len : (size_t)r->left;

    if (len > r->body_max - r->body_len)
        return ERR_TOO_LARGE;
    enum err e = r->on_body(r->ctx, bytes_of(in->at, len));
    /* A stream has no end, so its body is bounded by the event, not as a whole. */
    if (r->body_max != UINT64_MAX)
        r->body_len += len;
    r->left -= len;
    *in = bytes_of(in->at + len, in->len - len);
    if (r->left == 0)
        r->state = r->state == BODY ? DONE : CHUNK_END;
    return e;
}

enum err response_feed(struct response *r, struct bytes in)
{
    enum err e = ERR_NONE;

    while (in.len > 0 && e == ERR_NONE) {
        bool is_whole = false;

        if (r->state == DONE)
            return ERR_MALFORMED;
        if (r->state == BODY || r->state == CHUNK) {
            e = take_body(r, &in);
            continue;
        }
        e = take_line(&r->line, &in, &is_whole);
        if (e == ERR_NONE && is_whole) {
            /* A zero byte inside would hide what follows it. */
            e = memchr(r->line.at, '\0', r->line.len - 1) == NULL ? on_line(r, (const char *)r->line.at) : ERR_MALFORMED;
            r->line.len = 0;
        }
    }
    return e;
}

/* ---- Events ---- */

void event_reader_init(struct event_reader *r, enum err (*on_event)(void *ctx, const char *name, struct bytes data), void *ctx)
{
    memset(r, 0, sizeof *r);
    r->on_event = on_event;
    r->ctx = ctx;
    r->line = buffer_of_limit(RESPONSE_EVENT_MAX);
    r->data = buffer_of_limit(RESPONSE_EVENT_MAX);
}

void event_reader_clear(struct event_reader *r)
{
    buffer_clear(&r->line);
    buffer_clear(&r->data);
}

static enum err on_event_line(struct event_reader *r, const char *line, size_t len)
{
    enum err e = ERR_NONE;

    if (len == 0) {
        if (r->name[0] != '\0')
            e = r->on_event(r->ctx, r->name, buffer_bytes(&r->data));
        r->name[0] = '\0';
        r->data.len = 0;
    } else if (strncmp(line, "event: ", 7) == 0) {
        if (len - 7 >= sizeof r->name)
            return ERR_MALFORMED;
        memcpy(r->name, line + 7, len - 7 + 1);
    } else if (strncmp(line, "data: ", 6) == 0) {
        e = buffer_append(&r->data, bytes_of(line + 6, len - 6));
    }
    return e;
}

enum err event_reader_feed(void *reader, struct bytes part)
{
    struct event_reader *r = reader;
    enum err e = ERR_NONE;

    while (part.len > 0 && e == ERR_NONE) {
        bool is_whole = false;

        e = take_line(&r->line, &part, &is_whole);
        if (e == ERR_NONE && is_whole) {
            e = on_event_line(r, (const char *)r->line.at, strlen((const char *)r->line.at));
            r->line.len = 0;
        }
    }
    return e;
}
