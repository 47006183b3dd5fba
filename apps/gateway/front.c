/* apps/gateway/front.c - see front.h */
#define _GNU_SOURCE
#include "apps/gateway/front.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/gateway/proxy_header.h"
#include "apps/gateway/tls.h"
#include "mesh/links/openssl.h"

enum {
    LISTENERS_MAX   = 8,
    BACKLOG         = 512,
    HANDSHAKE_S     = 15,
    IDLE_S          = 300,          /* of a visitor; the web site's own patience is usually shorter */
    SPLICE_MAX      = 256 * 1024,   /* on its way in one direction */
    ACCEPT_PAUSE_MS = 200,          /* out of descriptors */
};

/* A connection whose PROXY header is yet to come. */
struct newcomer {
    struct front *front;
    struct newcomer *next, *prev;
    struct event *ready;
    int fd;
    unsigned looks;
};

/* Somebody who has shown no invite. */
struct visitor {
    struct front *front;
    struct visitor *next, *prev;
    struct bufferevent *out, *site;   /* towards the internet; towards the web site, NULL before the handshake is done */
    SSL *ssl;                         /* `out` owns it */
    struct evbuffer *head;            /* copy of the first request so far; NULL: it is decided */
    bool is_out_over, is_site_over;
    bool is_site_reached;
};

struct front {
    struct event_base *base;
    struct front_config config;
    struct evconnlistener *listeners[LISTENERS_MAX];
    size_t listener_count;
    struct event *accept_again;
    struct visitor *visitors;
    struct newcomer *newcomers;
    size_t newcomer_count;
    struct front_info info;
};

static const struct timeval patience = { IDLE_S, 0 }, without_site = { 5, 0 };

/* ---- Visitors ---- */

static void visitor_free(struct visitor *v)
{
    struct front *f = v->front;

    if (v->prev != NULL)
        v->prev->next = v->next;
    else
        f->visitors = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    f->info.visitors--;
    if (v->site != NULL)
        bufferevent_free(v->site);
    if (v->out != NULL)
        bufferevent_free(v->out);
    if (v->head != NULL)
        evbuffer_free(v->head);
    free(v);
}

static struct bufferevent *other(const struct visitor *v, const struct bufferevent *bev)
{
    return bev == v->out ? v->site : v->out;
}

static size_t waiting(struct bufferevent *bev)
{
    return evbuffer_get_length(bufferevent_get_output(bev));
}

/* The end of a direction is passed on like everything else, once what came before it is. */
static void pass_end(struct visitor *v)
{
    /* A web site that is down keeps nobody out who has an invite. */
    if (v->is_site_over && !v->is_site_reached && v->head != NULL && !v->is_out_over) {
        bufferevent_set_timeouts(v->out, &without_site, NULL);
    } else if (v->is_site_over && waiting(v->out) == 0) {
        SSL_shutdown(v->ssl);
        visitor_free(v);
    } else if (v->is_out_over && !v->is_site_over && v->site != NULL && waiting(v->site) == 0) {
        shutdown(bufferevent_getfd(v->site), SHUT_WR);
    }
}

static void pass(struct bufferevent *from, struct bufferevent *to)
{
    bufferevent_read_buffer(from, bufferevent_get_output(to));
    if (waiting(to) > SPLICE_MAX)
        bufferevent_disable(from, EV_READ);
}

static void on_site_readable(struct bufferevent *bev, void *ctx)
{
    struct visitor *v = ctx;

    pass(bev, v->out);
}

static void on_drained(struct bufferevent *bev, void *ctx)
{
    struct visitor *v = ctx;
    struct bufferevent *source = other(v, bev);

    if (source != NULL)
        bufferevent_enable(source, EV_READ);
    pass_end(v);
}

static void on_site_event(struct bufferevent *bev, short what, void *ctx)
{
    struct visitor *v = ctx;

    if ((what & BEV_EVENT_CONNECTED) != 0) {
        v->is_site_reached = true;
        return;
    }
    /* What it said before it hung up is still in the buffer. */
    pass(bev, v->out);
    bufferevent_disable(bev, EV_READ | EV_WRITE);
    v->is_site_over = true;
    pass_end(v);
}

/* ---- The web site ---- */

static bool connect_site(struct visitor *v)
{
    const struct front_config *c = &v->front->config;
    struct sockaddr_storage to;
    size_t len;

    memset(&to, 0, sizeof to);
    if (c->site_socket != NULL) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };

        memcpy(at.sun_path, c->site_socket, strlen(c->site_socket) + 1);
        memcpy(&to, &at, sizeof at);
        len = sizeof at;
    } else {
        len = lan_address_to_system(&c->site, &to);
    }
    v->site = bufferevent_socket_new(v->front->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (v->site == NULL)
        return false;
    bufferevent_setcb(v->site, on_site_readable, on_drained, on_site_event, v);
    bufferevent_enable(v->site, EV_READ | EV_WRITE);
    return bufferevent_socket_connect(v->site, (struct sockaddr *)&to, (int)len) == 0;
}

/* ---- The gate ---- */

static void become_link(struct visitor *v, const struct entrant *who)
{
    struct front *f = v->front;
    struct bufferevent *bev = v->out;

    v->out = NULL;
    visitor_free(v);
    f->info.links += entry_open(&f->config.entry, bev, who);
}

/* True: the visitor is none any more. */
static bool is_let_in(struct visitor *v)
{
    struct front *f = v->front;
    struct evbuffer *in = bufferevent_get_input(v->out);
    size_t before = evbuffer_get_length(v->head), fresh = evbuffer_get_length(in);
    uint8_t binding[TOKEN_BINDING_LEN];
    struct entrant who;

    if (fresh > REQUEST_HEAD_MAX - before)
        fresh = REQUEST_HEAD_MAX - before;
    const uint8_t *at = evbuffer_pullup(in, (ev_ssize_t)fresh);
    if (at == NULL || evbuffer_add(v->head, at, fresh) != 0)
        return false;
    size_t len = evbuffer_get_length(v->head);
    struct bytes all = bytes_of(evbuffer_pullup(v->head, (ev_ssize_t)len), len);
    size_t head_len = request_head_len(all);
    if (head_len == 0 && len < REQUEST_HEAD_MAX)
        return false;
    bool is_in = head_len > before &&
                       SSL_export_keying_material(v->ssl, binding, sizeof binding, TOKEN_EXPORTER_LABEL, sizeof TOKEN_EXPORTER_LABEL - 1,
                                                  NULL, 0, 0) == 1 &&
                       entry_judge(&f->config.entry, bytes_of(all.at, head_len), binding, &who);
    evbuffer_free(v->head);
    v->head = NULL;
    if (!is_in)
        return false;
    evbuffer_drain(in, head_len - before);
    become_link(v, &who);
    return true;
}

static void on_out_readable(struct bufferevent *bev, void *ctx)
{
    struct visitor *v = ctx;

    if (v->head != NULL && is_let_in(v))
        return;
    if (v->site != NULL && !v->is_site_over) {
        pass(bev, v->site);
        return;
    }
    evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
    pass_end(v);
}

static void on_out_event(struct bufferevent *bev, short what, void *ctx)
{
    struct visitor *v = ctx;

    if ((what & BEV_EVENT_CONNECTED) != 0) {
        bufferevent_set_timeouts(bev, &patience, &patience);
        if (!connect_site(v))
            visitor_free(v);
        return;
    }
    if (v->site == NULL || (what & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0) {
        visitor_free(v);
        return;
    }
    bufferevent_disable(bev, EV_READ);
    v->is_out_over = true;
    pass_end(v);
}

/* ---- New connections ---- */

static void begin_tls(struct front *f, int fd)
{
    struct timeval soon = { HANDSHAKE_S, 0 };
    int on = 1;

    struct visitor *v = f->info.visitors < f->config.visitors_max ? calloc(1, sizeof *v) : NULL;
    SSL *ssl = v != NULL ? SSL_new(f->config.tls) : NULL;
    struct evbuffer *head = ssl != NULL ? evbuffer_new() : NULL;
    if (head == NULL) {
        f->info.turned_away++;
        SSL_free(ssl);
        free(v);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct bufferevent *bev = bufferevent_openssl_socket_new(f->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (bev == NULL) {
        SSL_free(ssl);
        evbuffer_free(head);
        free(v);
        close(fd);
        return;
    }
    *v = (struct visitor){ .front = f, .next = f->visitors, .out = bev, .ssl = ssl, .head = head };
    if (f->visitors != NULL)
        f->visitors->prev = v;
    f->visitors = v;
    f->info.visitors++;
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    bufferevent_setcb(bev, on_out_readable, on_drained, on_out_event, v);
    bufferevent_setwatermark(bev, EV_READ, 0, SPLICE_MAX);
    bufferevent_set_timeouts(bev, &soon, &soon);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void newcomer_free(struct newcomer *n)
{
    if (n->prev != NULL)
        n->prev->next = n->next;
    else
        n->front->newcomers = n->next;
    if (n->next != NULL)
        n->next->prev = n->prev;
    n->front->newcomer_count--;
    if (n->ready != NULL)
        event_free(n->ready);
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}

static void on_newcomer(evutil_socket_t fd, short what, void *ctx);

/* Readable again, or, while part of the header lies there unread, a moment later: level-triggered waiting would spin on it. */
static bool newcomer_wait(struct newcomer *n, bool has_part)
{
    struct timeval patience_left = { HANDSHAKE_S, 0 }, moment = { 0, ACCEPT_PAUSE_MS * 1000 };

    if (++n->looks > HANDSHAKE_S * 1000 / ACCEPT_PAUSE_MS)
        return false;
    if (n->ready != NULL)
        event_free(n->ready);
    n->ready = event_new(n->front->base, has_part ? -1 : n->fd, has_part ? 0 : EV_READ, on_newcomer, n);
    return n->ready != NULL && event_add(n->ready, has_part ? &moment : &patience_left) == 0;
}

/* Takes the header and not an octet more: the rest is TLS. */
static void on_newcomer(evutil_socket_t fd, short what, void *ctx)
{
    struct newcomer *n = ctx;
    struct front *f = n->front;
    uint8_t seen[PROXY_HEADER_MAX];
    size_t len = 0;
    bool is_late = fd >= 0 && (what & EV_TIMEOUT) != 0;
    ssize_t got = is_late ? 0 : recv(n->fd, seen, sizeof seen, MSG_PEEK | MSG_DONTWAIT);
    enum err e = got > 0 ? proxy_header_find(bytes_of(seen, (size_t)got), &len) : ERR_MALFORMED;

    if (e == ERR_NOT_FOUND && newcomer_wait(n, true))
        return;
    if (e == ERR_NONE && recv(n->fd, seen, len, MSG_DONTWAIT) == (ssize_t)len) {
        int whole = n->fd;

        n->fd = -1;
        newcomer_free(n);
        begin_tls(f, whole);
        return;
    }
    newcomer_free(n);
}

static void await_header(struct front *f, int fd)
{
    struct newcomer *n = f->newcomer_count < f->config.visitors_max ? calloc(1, sizeof *n) : NULL;

    if (n == NULL) {
        f->info.turned_away++;
        close(fd);
        return;
    }
    *n = (struct newcomer){ .front = f, .next = f->newcomers, .fd = fd };
    if (f->newcomers != NULL)
        f->newcomers->prev = n;
    f->newcomers = n;
    f->newcomer_count++;
    if (!newcomer_wait(n, false))
        newcomer_free(n);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int from_len, void *ctx)
{
    struct front *f = ctx;

    (void)l;
    (void)from;
    (void)from_len;
    f->info.accepted++;
    if (f->config.is_proxied)
        await_header(f, fd);
    else
        begin_tls(f, fd);
}

static void on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
    struct front *f = ctx;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < f->listener_count; i++)
        evconnlistener_enable(f->listeners[i]);
}

/* Out of descriptors, most likely: without a pause the loop would spin on it. */
static void on_accept_error(struct evconnlistener *l, void *ctx)
{
    struct timeval pause = { 0, ACCEPT_PAUSE_MS * 1000 };
    struct front *f = ctx;

    log_line(f->config.entry.log, LOG_LEVEL_WARNING, "a connection cannot be accepted: %s", strerror(errno));
    evconnlistener_disable(l);
    event_add(f->accept_again, &pause);
}

/* ---- Life ---- */

static void on_link_gone(void *ctx, uint32_t link)
{
    struct front *f = ctx;

    gate_leave(f->config.entry.gate, link);
}

enum err front_new(struct front **out, struct event_base *base, const struct front_config *config)
{
    struct front *f = calloc(1, sizeof *f);

    if (f == NULL) {
        tls_free(config->tls);
        return ERR_NO_MEMORY;
    }
    f->base = base;
    f->config = *config;
    f->accept_again = evtimer_new(base, on_accept_again, f);
    if (f->accept_again == NULL || host_on_link_gone(config->entry.host, on_link_gone, f) != ERR_NONE) {
        front_free(f);
        return ERR_NO_MEMORY;
    }
    *out = f;
    return ERR_NONE;
}

enum err front_listen(struct front *f, const struct lan_address *at)
{
    struct sockaddr_storage to;

    memset(&to, 0, sizeof to);
    size_t len = lan_address_to_system(at, &to);
    if (len == 0 || f->listener_count == LISTENERS_MAX)
        return ERR_UNSUPPORTED;
    struct evconnlistener *l = evconnlistener_new_bind(f->base, on_accept, f,
                                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
                                                       (struct sockaddr *)&to, (int)len);
    if (l == NULL)
        return ERR_IO;
    evconnlistener_set_error_cb(l, on_accept_error);
    f->listeners[f->listener_count++] = l;
    return ERR_NONE;
}

void front_set_tls(struct front *f, struct ssl_ctx_st *tls)
{
    tls_free(f->config.tls);
    f->config.tls = tls;
}

void front_stop(struct front *f)
{
    for (size_t i = 0; i < f->listener_count; i++)
        evconnlistener_free(f->listeners[i]);
    f->listener_count = 0;
    while (f->visitors != NULL)
        visitor_free(f->visitors);
    while (f->newcomers != NULL)
        newcomer_free(f->newcomers);
}

void front_info(const struct front *f, struct front_info *out)
{
    *out = f->info;
}

void front_free(struct front *f)
{
    if (f == NULL)
        return;
    front_stop(f);
    host_off_link_gone(f->config.entry.host, on_link_gone, f);
    if (f->accept_again != NULL)
        event_free(f->accept_again);
    tls_free(f->config.tls);
    free(f);
}
