/* apps/gateway/redirect.c - see redirect.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/redirect.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/profile/profile.h"
#include "mesh/links/gateway_token.h"

enum { CALLERS_MAX = 256, BACKLOG = 128, PATIENCE_S = 10, ACCEPT_PAUSE_MS = 200, CHALLENGE_FILE_MAX = 4096 };

static const char CHALLENGES[] = "/.well-known/acme-challenge/";

struct caller {
    struct redirect *redirect;
    struct caller *next, *prev;
    struct bufferevent *bev;
    struct event *late;              /* of the connection as a whole */
    bool is_answered, is_over;       /* he hung up */
};

struct redirect {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *accept_again;
    struct caller *callers;
    size_t caller_count;
    char host[LAN_HOST_LEN + 16];
    char folder[PROFILE_PATH_MAX];   /* empty: none */
    const struct entry *entry;
};

/* ---- Requests ---- */

enum err redirect_target(struct bytes head, struct bytes *target)
{
    size_t method = head.len >= 4 && memcmp(head.at, "GET ", 4) == 0 ? 4 : head.len >= 5 && memcmp(head.at, "HEAD ", 5) == 0 ? 5 : 0;
    size_t end = method;

    if (method == 0)
        return head.len > 0 ? ERR_UNSUPPORTED : ERR_MALFORMED;
    while (end < head.len && head.at[end] > ' ' && head.at[end] < 0x7f)
        end++;
    if (end == method || end - method > REDIRECT_TARGET_MAX || head.at[method] != '/' || head.len - end < 10 ||
        memcmp(head.at + end, " HTTP/1.", 8) != 0)
        return ERR_MALFORMED;
    *target = bytes_of(head.at + method, end - method);
    return ERR_NONE;
}

bool redirect_challenge(struct bytes target, char token[CHALLENGE_TOKEN_MAX + 1])
{
    size_t prefix = sizeof CHALLENGES - 1, len = target.len > prefix ? target.len - prefix : 0;

    if (len == 0 || len > CHALLENGE_TOKEN_MAX || memcmp(target.at, CHALLENGES, prefix) != 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = (char)target.at[prefix + i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    memcpy(token, target.at + prefix, len);
    token[len] = '\0';
    return true;
}

/* ---- Answers ---- */

static void say(struct caller *c, const char *status, const char *more, struct bytes body, bool has_body)
{
    struct evbuffer *to = bufferevent_get_output(c->bev);

    c->is_answered = true;
    evbuffer_add_printf(to, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status, more, body.len);
    if (has_body)
        evbuffer_add(to, body.at, body.len);
}

static ssize_t read_challenge(const struct redirect *r, const char *token, char to[CHALLENGE_FILE_MAX])
{
    char path[PROFILE_PATH_MAX + sizeof CHALLENGES + CHALLENGE_TOKEN_MAX];
    struct stat st;
    ssize_t got = -1;

    if (r->folder[0] == '\0')
        return -1;
    snprintf(path, sizeof path, "%s%s%s", r->folder, CHALLENGES, token);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= CHALLENGE_FILE_MAX)
        got = read(fd, to, CHALLENGE_FILE_MAX);
    if (fd >= 0)
        close(fd);
    return got;
}

static void answer(struct caller *c, struct bytes head)
{
    const struct redirect *r = c->redirect;
    bool has_body = head.len > 0 && head.at[0] == 'G';
    char token[CHALLENGE_TOKEN_MAX + 1], file[CHALLENGE_FILE_MAX], more[REDIRECT_TARGET_MAX + sizeof r->host + 32];
    struct bytes target, nothing = { NULL, 0 };
    enum err e = redirect_target(head, &target);

    if (e != ERR_NONE) {
        say(c, e == ERR_UNSUPPORTED ? "405 Method Not Allowed" : "400 Bad Request", e == ERR_UNSUPPORTED ? "Allow: GET, HEAD\r\n" : "",
            nothing, false);
    } else if (redirect_challenge(target, token)) {
        ssize_t len = read_challenge(r, token, file);

        if (len >= 0)
            say(c, "200 OK", "Content-Type: text/plain\r\n", bytes_of(file, (size_t)len), has_body);
        else
            say(c, "404 Not Found", "", nothing, false);
    } else {
        snprintf(more, sizeof more, "Location: https://%s%.*s\r\n", r->host, (int)target.len, (const char *)target.at);
        say(c, "301 Moved Permanently", more, nothing, false);
    }
}

/* ---- Callers ---- */

static void caller_free(struct caller *c)
{
    struct redirect *r = c->redirect;

    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        r->callers = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    r->caller_count--;
    if (c->late != NULL)
        event_free(c->late);
    if (c->bev != NULL)
        bufferevent_free(c->bev);
    free(c);
}

static void become_link(struct caller *c, const struct entrant *who)
{
    const struct entry *entry = c->redirect->entry;
    struct bufferevent *bev = c->bev;
    int on = 1;

    c->bev = NULL;
    caller_free(c);
    setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)entry_open(entry, bev, who);
}

static void on_readable(struct bufferevent *bev, void *ctx)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t len = evbuffer_get_length(in);
    struct caller *c = ctx;

    if (!c->is_answered) {
        struct bytes all = bytes_of(evbuffer_pullup(in, (ev_ssize_t)len), len);
        size_t head_len = request_head_len(all);

        if (head_len == 0 && len < REQUEST_HEAD_MAX)
            return;
        struct entrant who;
        if (head_len > 0 && c->redirect->entry != NULL &&
            entry_judge(c->redirect->entry, bytes_of(all.at, head_len), NULL, &who)) {
            evbuffer_drain(in, head_len);
            become_link(c, &who);
            return;
        }
        answer(c, bytes_of(all.at, head_len));
    }
    evbuffer_drain(in, len);
}

/* The answer has left. What he still sends is read away until he hangs up, so that no reset overtakes it. */
static void on_written(struct bufferevent *bev, void *ctx)
{
    struct caller *c = ctx;

    /* Called for the empty buffer of the beginning as well. */
    if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    if (c->is_over)
        caller_free(c);
    else if (c->is_answered)
        shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct caller *c = ctx;

    if ((what & BEV_EVENT_EOF) != 0 && c->is_answered && evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        c->is_over = true;
    else
        caller_free(c);
}

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    caller_free(ctx);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int from_len, void *ctx)
{
    struct timeval patience = { PATIENCE_S, 0 };
    struct redirect *r = ctx;

    (void)l;
    (void)from;
    (void)from_len;
    struct caller *c = r->caller_count < CALLERS_MAX ? calloc(1, sizeof *c) : NULL;
    struct bufferevent *bev = c != NULL ? bufferevent_socket_new(r->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS) : NULL;
    if (bev == NULL) {
        free(c);
        close(fd);
        return;
    }
    *c = (struct caller){ .redirect = r, .next = r->callers, .bev = bev };
    if (r->callers != NULL)
        r->callers->prev = c;
    r->callers = c;
    r->caller_count++;
    c->late = evtimer_new(r->base, on_late, c);
    if (c->late == NULL || event_add(c->late, &patience) != 0) {
        caller_free(c);
        return;
    }
    bufferevent_setcb(bev, on_readable, on_written, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, REQUEST_HEAD_MAX);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
    struct redirect *r = ctx;

    (void)fd;
    (void)what;
    evconnlistener_enable(r->listener);
}

static void on_accept_error(struct evconnlistener *l, void *ctx)
{
    struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
    struct redirect *r = ctx;

    evconnlistener_disable(l);
    event_add(r->accept_again, &pause);
}

/* ---- Life ---- */

enum err redirect_new(struct redirect **out, struct event_base *base, const struct lan_address *at, const char *host, const char *folder,
                      const struct entry *entry)
{
    struct redirect *r = calloc(1, sizeof *r);
    struct sockaddr_storage to;

    if (r == NULL)
        return ERR_NO_MEMORY;
    memset(&to, 0, sizeof to);
    r->base = base;
    r->entry = entry;
    size_t len = lan_address_to_system(at, &to);
    if (len == 0 || strlen(host) >= sizeof r->host || (folder != NULL && strlen(folder) >= sizeof r->folder)) {
        free(r);
        return ERR_UNSUPPORTED;
    }
    memcpy(r->host, host, strlen(host) + 1);
    if (folder != NULL)
        memcpy(r->folder, folder, strlen(folder) + 1);
    r->accept_again = evtimer_new(base, on_accept_again, r);
    if (r->accept_again == NULL) {
        redirect_free(r);
        return ERR_NO_MEMORY;
    }
    r->listener = evconnlistener_new_bind(base, on_accept, r, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
                                          (struct sockaddr *)&to, (int)len);
    if (r->listener == NULL) {
        int error = errno;

        redirect_free(r);
        errno = error;
        return ERR_IO;
    }
    evconnlistener_set_error_cb(r->listener, on_accept_error);
    *out = r;
    return ERR_NONE;
}

void redirect_free(struct redirect *r)
{
    if (r == NULL)
        return;
    if (r->listener != NULL)
        evconnlistener_free(r->listener);
    while (r->callers != NULL)
        caller_free(r->callers);
    if (r->accept_again != NULL)
        event_free(r->accept_again);
    free(r);
}
