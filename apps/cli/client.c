/* apps/cli/client.c - asks the daemon, over its Unix socket. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/cli/response.h"

enum { BODY_MAX = 64 << 20 };

static int open_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int why = errno;

        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

bool client_is_there(const struct cli *c)
{
    int fd = open_socket(c->socket);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void client_start_command(char *to, size_t cap, const struct cli *c)
{
    bool is_quoted = strpbrk(c->paths.folder, " '\"\\$&;()") != NULL;
    const char *quote = is_quoted ? "'" : "";

    if (c->has_folder)
        snprintf(to, cap, "staffettad --data %s%s%s", quote, c->paths.folder, quote);
    else
        snprintf(to, cap, "staffettad");
}

static int say_no_daemon(const struct cli *c)
{
    char start[PROFILE_PATH_MAX + 32];

    if (errno == EACCES || errno == EPERM)
        return fail(EXIT_FAILED, "the daemon at %s belongs to another user; become that user", c->socket);
    client_start_command(start, sizeof start, c);
    return fail(EXIT_NO_DAEMON, "no daemon answers at %s; start one: %s", c->socket, start);
}

static bool send_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_raw(int fd, const char *method, const char *path, struct bytes body)
{
    size_t cap = strlen(path) + 256;
    char *head = malloc(cap);
    bool is_sent = false;

    if (head != NULL) {
        int n = snprintf(head, cap, "%s %s HTTP/1.1\r\nHost: staffetta\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                         method, path, body.len);
        is_sent = n > 0 && send_all(fd, head, (size_t)n) && send_all(fd, (const char *)body.at, body.len);
    }
    free(head);
    return is_sent;
}

static bool send_request(int fd, const char *method, const char *path, const json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    bool is_sent = (body == NULL || text != NULL) && send_raw(fd, method, path, bytes_of_text(text != NULL ? text : ""));

    if (text != NULL)
        profile_wipe(text, strlen(text));
    free(text);
    return is_sent;
}

/* Reads until the answer is whole, or the reader says to stop. ERR_IO: the daemon went away. */
static enum err read_answer(int fd, struct response *r)
{
    uint8_t block[16384];

    while (!response_is_done(r)) {
        ssize_t n = recv(fd, block, sizeof block, 0);
        enum err e;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        if ((e = response_feed(r, bytes_of(block, (size_t)n))) != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static enum err keep_body(void *ctx, struct bytes part)
{
    return buffer_append(ctx, part);
}

/* What an error means to a script. */
static int status_of(const char *code)
{
    static const struct { const char *code; int status; } rows[] = {
        { "not-found", EXIT_NOT_FOUND }, { "bad-name", EXIT_USAGE },
        { "bad-link", EXIT_REFUSED }, { "refused", EXIT_REFUSED }, { "full", EXIT_REFUSED }, { "exists", EXIT_REFUSED },
        { "expired", EXIT_REFUSED }, { "version", EXIT_REFUSED }, { "auth", EXIT_REFUSED }, { "locked", EXIT_REFUSED },
        { "too-large", EXIT_REFUSED }, { "unsupported", EXIT_REFUSED }, { "state", EXIT_REFUSED },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].code, code) == 0)
            return rows[i].status;
    return EXIT_FAILED;
}

static int say_error(int http_status, const json_t *object)
{
    const char *code = json_text(object, "error"), *message = json_text(object, "message");

    return fail(status_of(code), "%s", message[0] != '\0' ? message
                                       : http_status == 413 ? "the daemon refuses a request this large"
                                                            : "the daemon answered with an error and no reason");
}

/* `raw` instead of `body` when that is NULL. */
static int call(const struct cli *c, const char *method, const char *path, json_t *body, struct bytes raw, json_t **reply)
{
    struct buffer text = buffer_of_limit(BODY_MAX);
    struct response r;
    int fd = path != NULL ? open_socket(c->socket) : -1;
    int status;

    *reply = NULL;
    response_init(&r, BODY_MAX, keep_body, &text);
    if (path == NULL) {
        status = fail(EXIT_FAILED, "out of memory");
    } else if (fd < 0) {
        status = say_no_daemon(c);
    } else if (!(body != NULL ? send_request(fd, method, path, body) : send_raw(fd, method, path, raw)) ||
               read_answer(fd, &r) != ERR_NONE) {
        status = fail(EXIT_NO_DAEMON, "the daemon went away before it answered; look at its log");
    } else {
        json_t *object = json_loadb((const char *)text.at, text.len, 0, NULL);

        if (r.status >= 200 && r.status < 300 && json_is_object(object)) {
            *reply = object;
            status = EXIT_DONE;
        } else {
            status = say_error(r.status, object);
            json_decref(object);
        }
    }
    if (fd >= 0)
        close(fd);
    json_decref(body);
    response_clear(&r);
    buffer_clear(&text);
    return status;
}

int client_call(const struct cli *c, const char *method, const char *path, json_t *body, json_t **reply)
{
    return call(c, method, path, body, bytes_of(NULL, 0), reply);
}

int client_upload(const struct cli *c, const char *path, struct bytes piece, json_t **reply)
{
    return call(c, "POST", path, NULL, piece, reply);
}

/* ---- Contents ---- */

struct saving {
    const struct response *response;
    FILE *to;
    struct buffer error;         /* the answer when it is none of the content */
};

static enum err save_part(void *ctx, struct bytes part)
{
    struct saving *s = ctx;

    if (s->response->status != 200)
        return buffer_append(&s->error, part);
    return fwrite(part.at, 1, part.len, s->to) == part.len ? ERR_NONE : ERR_IO;
}

int client_download(const struct cli *c, const char *path, FILE *to)
{
    struct response r;
    struct saving s = { &r, to, buffer_of_limit(65536) };
    int fd = path != NULL ? open_socket(c->socket) : -1, status;
    enum err e = ERR_NONE;

    response_init(&r, UINT64_MAX, save_part, &s);
    if (path == NULL) {
        status = fail(EXIT_FAILED, "out of memory");
    } else if (fd < 0) {
        status = say_no_daemon(c);
    } else if (!send_raw(fd, "GET", path, bytes_of(NULL, 0)) || (e = read_answer(fd, &r)) != ERR_NONE) {
        status = e == ERR_IO && ferror(to) ? fail(EXIT_FAILED, "it cannot be written: %s", strerror(errno))
                                           : fail(EXIT_NO_DAEMON, "the daemon went away before all was there");
    } else if (r.status == 200) {
        status = EXIT_DONE;
    } else {
        json_t *object = json_loadb((const char *)s.error.at, s.error.len, 0, NULL);

        status = say_error(r.status, object);
        json_decref(object);
    }
    if (fd >= 0)
        close(fd);
    response_clear(&r);
    buffer_clear(&s.error);
    return status;
}

/* ---- Streams ---- */

struct listening {
    const struct client_stream *stream;
    int status;                  /* -1: go on */
};

static enum err on_event(void *ctx, const char *name, struct bytes data)
{
    struct listening *l = ctx;
    json_t *about = json_loadb((const char *)data.at, data.len, 0, NULL);

    if (about != NULL)
        l->status = l->stream->on_event(l->stream->ctx, name, about);
    json_decref(about);
    /* The reading is left by an error that nobody sees. */
    return l->status == -1 ? ERR_NONE : ERR_STATE;
}

int client_listen(const struct cli *c, const struct client_stream *stream)
{
    struct listening l = { stream, -1 };
    struct event_reader events;
    struct response r;
    int fd = open_socket(c->socket);

    if (fd < 0)
        return say_no_daemon(c);
    event_reader_init(&events, on_event, &l);
    response_init(&r, UINT64_MAX, event_reader_feed, &events);
    if (send_request(fd, "GET", "/v1/events", NULL)) {
        enum err e = ERR_NONE;
        uint8_t one;

        /* The head first: from then on the daemon keeps what happens for us, so that on_open may ask for what was. */
        while (e == ERR_NONE && !response_has_head(&r) && recv(fd, &one, 1, 0) == 1)
            e = response_feed(&r, bytes_of(&one, 1));
        if (e == ERR_NONE && r.status == 200 && stream->on_open != NULL)
            l.status = stream->on_open(stream->ctx);
        if (e == ERR_NONE && r.status == 200 && l.status == -1)
            (void)read_answer(fd, &r);
    }
    if (l.status == -1)
        l.status = fail(EXIT_NO_DAEMON, "the daemon went away");
    close(fd);
    response_clear(&r);
    event_reader_clear(&events);
    return l.status;
}

char *client_path(const char *head, const char *name, const char *tail)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t cap = strlen(head) + 3 * strlen(name) + strlen(tail) + 1;
    char *path = malloc(cap), *at = path;

    if (path == NULL)
        return NULL;
    at += snprintf(at, cap, "%s", head);
    for (; *name != '\0'; name++) {
        unsigned char ch = (unsigned char)*name;
        bool is_plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_';

        if (is_plain) {
            *at++ = (char)ch;
        } else {
            *at++ = '%';
            *at++ = digits[ch >> 4];
            *at++ = digits[ch & 15];
        }
    }
    strcpy(at, tail);
    return path;
}
