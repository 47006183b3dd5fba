/* apps/gateway/web.c - see web.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/web.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/profile/profile.h"

enum { IDLE_S = 60, HEAD_MAX = 8192, BODY_MAX = 64 * 1024, BACKLOG = 128 };

struct web {
    struct evhttp *http;
    char socket_path[PROFILE_PATH_MAX];
    char folder[PROFILE_PATH_MAX];   /* empty: one plain page */
    bool is_bound;
};

static const char PAGE[] = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Welcome</title></head>\n"
                           "<body><h1>Welcome</h1><p>This site is being set up.</p></body>\n</html>\n";

static const char *type_of(const char *path)
{
    static const struct { const char *ending, *type; } types[] = {
        { ".html", "text/html; charset=utf-8" }, { ".htm", "text/html; charset=utf-8" }, { ".css", "text/css" },
        { ".js", "text/javascript" }, { ".txt", "text/plain; charset=utf-8" }, { ".png", "image/png" },
        { ".jpg", "image/jpeg" }, { ".jpeg", "image/jpeg" }, { ".gif", "image/gif" }, { ".svg", "image/svg+xml" },
        { ".ico", "image/x-icon" }, { ".webp", "image/webp" }, { ".woff2", "font/woff2" }, { ".json", "application/json" },
        { ".pdf", "application/pdf" }, { ".xml", "application/xml" },
    };
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t n = strlen(types[i].ending);

        if (len >= n && strcmp(path + len - n, types[i].ending) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* No part of a path begins with a dot, except /.well-known/ (certificate challenges). */
static bool is_plain_path(const char *path)
{
    for (const char *at = path; (at = strchr(at, '/')) != NULL; at++)
        if (at[1] == '.' && strncmp(at, "/.well-known/", 13) != 0)
            return false;
    return path[0] == '/';
}

static int open_file(const struct web *w, const char *path, char name[PROFILE_PATH_MAX], off_t *len)
{
    struct stat st;
    size_t path_len = strlen(path);
    int n = snprintf(name, PROFILE_PATH_MAX, "%s%s%s", w->folder, path, path[path_len - 1] == '/' ? "index.html" : "");

    if (n < 0 || n >= PROFILE_PATH_MAX)
        return -1;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    if (fd >= 0)
        *len = st.st_size;
    return fd;
}

static void answer(struct evhttp_request *request, struct evbuffer *body, const char *type)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
    evhttp_send_reply(request, HTTP_OK, "OK", body);
}

static void on_request(struct evhttp_request *request, void *ctx)
{
    struct web *w = ctx;
    const char *raw = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    char *path = raw != NULL ? evhttp_uridecode(raw[0] != '\0' ? raw : "/", 0, NULL) : NULL;
    struct evbuffer *body = evbuffer_new();
    char name[PROFILE_PATH_MAX];
    off_t len = 0;

    if (path == NULL || body == NULL || !is_plain_path(path)) {
        evhttp_send_error(request, HTTP_NOTFOUND, NULL);
    } else if (w->folder[0] == '\0') {
        evbuffer_add(body, PAGE, sizeof PAGE - 1);
        if (strcmp(path, "/") == 0 || strcmp(path, "/index.html") == 0)
            answer(request, body, "text/html; charset=utf-8");
        else
            evhttp_send_error(request, HTTP_NOTFOUND, NULL);
    } else {
        int fd = open_file(w, path, name, &len);

        if (fd < 0)
            evhttp_send_error(request, HTTP_NOTFOUND, NULL);
        else if (len > 0 && evbuffer_add_file(body, fd, 0, len) != 0)
            evhttp_send_error(request, HTTP_INTERNAL, NULL);   /* it has closed the file */
        else
            answer(request, body, type_of(name));
        if (fd >= 0 && len == 0)
            close(fd);
    }
    if (body != NULL)
        evbuffer_free(body);
    free(path);
}

enum err web_new(struct web **out, struct event_base *base, const char *socket_path, const char *folder)
{
    struct web *w = calloc(1, sizeof *w);
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    if (w == NULL)
        return ERR_NO_MEMORY;
    if (strlen(socket_path) >= sizeof at.sun_path) {
        free(w);
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    memcpy(at.sun_path, socket_path, strlen(socket_path) + 1);
    snprintf(w->socket_path, sizeof w->socket_path, "%s", socket_path);
    snprintf(w->folder, sizeof w->folder, "%s", folder != NULL ? folder : "");
    unlink(socket_path);
    mode_t mask = umask(0177);
    struct evconnlistener *l = evconnlistener_new_bind(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG,
                                                       (struct sockaddr *)&at, sizeof at);
    umask(mask);
    w->is_bound = l != NULL;
    w->http = l != NULL ? evhttp_new(base) : NULL;
    if (w->http == NULL || evhttp_bind_listener(w->http, l) == NULL) {
        if (l != NULL)
            evconnlistener_free(l);
        web_free(w);
        return ERR_IO;
    }
    evhttp_set_allowed_methods(w->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(w->http, HEAD_MAX);
    evhttp_set_max_body_size(w->http, BODY_MAX);
    evhttp_set_timeout(w->http, IDLE_S);
    evhttp_set_gencb(w->http, on_request, w);
    *out = w;
    return ERR_NONE;
}

void web_free(struct web *w)
{
    if (w == NULL)
        return;
    if (w->http != NULL)
        evhttp_free(w->http);
    if (w->is_bound)
        unlink(w->socket_path);
    free(w);
}
