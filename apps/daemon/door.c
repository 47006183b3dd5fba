/* apps/daemon/door.c - the local API over HTTP on a Unix socket. */
#define _DEFAULT_SOURCE
#include "apps/daemon/door.h"

#include <errno.h>
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

enum {
    INPUT_MAX       = 2 * API_PIECE_MAX, /* read ahead on one connection */
    IDLE_S          = 120,               /* a kept connection without a request */
    ACCEPT_PAUSE_MS = 500,
};

struct door {
    const struct log *log;
    struct desk *desk;
    struct evhttp *http;
    struct evconnlistener *listener;     /* http owns it */
    struct event *accept_timer;
    char path[PROFILE_PATH_MAX];
    bool is_bound;
};

static void on_request(struct evhttp_request *request, void *ctx)
{
    static const struct desk_asker owner;
    struct door *d = ctx;

    desk_take(d->desk, request, &owner);
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
    log_line(d->log, LOG_LEVEL_WARNING, "the API cannot take a connection: %s", strerror(errno));
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

enum err door_new(struct door **out, struct event_base *base, const struct log *log, struct desk *desk, const char *path, char why[256])
{
    struct door *d = calloc(1, sizeof *d);
    enum err e = ERR_NO_MEMORY;
    int fd = -1;

    snprintf(why, 256, "out of memory");
    if (d == NULL)
        return e;
    d->log = log;
    d->desk = desk;
    snprintf(d->path, sizeof d->path, "%s", path);
    d->http = evhttp_new(base);
    d->accept_timer = evtimer_new(base, on_accept_again, d);
    if (d->http == NULL || d->accept_timer == NULL)
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
    desk_bound(d->http);
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
    if (d->http != NULL)
        evhttp_free(d->http);
    if (d->accept_timer != NULL)
        event_free(d->accept_timer);
    if (d->is_bound)
        unlink(d->path);
    free(d);
}
