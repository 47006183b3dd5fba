/* mesh/links/lan_tcp.c - see lan_tcp.h */
#define _GNU_SOURCE
#include "mesh/links/lan_tcp.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/links/lan.h"
#include "mesh/links/netif.h"

enum { BACKLOG = 64, ACCEPT_PAUSE_MS = 1000 };

/* A stream that is not a link yet, in either direction. */
struct stream {
    struct lan_tcp *tcp;
    struct event *ready;      /* NULL: the slot is free */
    int fd;
    struct lan_address peer;
    uint64_t deadline_ms;
    uint8_t preamble[LAN_PREAMBLE_LEN];
    size_t preamble_len;      /* inbound: read so far */
    struct lan_preamble said; /* outbound */
    uint32_t cookie;          /* outbound */
};

/* How often an address may call, as the moment at which it has all its calls again. */
struct caller { struct lan_address host; uint64_t whole_at_ms; };

struct lan_tcp {
    struct event_base *base;
    struct host *host;
    struct node *node;
    struct evconnlistener *listener;
    struct event *accept_again;
    lan_call_done *done;
    void *done_ctx;
    struct lan_address bound;
    struct { bool is_used, is_called; uint32_t link; struct lan_address ours, peer; } links[LINKS_MAX];
    struct caller callers[LAN_CALLERS_MAX];
    struct stream inbound[LAN_UNFINISHED_MAX], outbound[LAN_CALLS_MAX];
};

static struct timeval ms_of(uint64_t ms)
{
    return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

/* ---- Slots ---- */

static struct stream *slot_take(struct stream *slots, size_t count, const struct lan_address *peer, size_t host_max)
{
    struct stream *unused = NULL;
    size_t of_host = 0;

    for (size_t i = 0; i < count; i++) {
        if (slots[i].ready == NULL)
            unused = &slots[i];
        else
            of_host += lan_address_is_same_host(&slots[i].peer, peer);
    }
    return of_host < host_max ? unused : NULL;
}

/* Waits for the descriptor, or for what is left of the time. */
static bool stream_wait(struct stream *s)
{
    uint64_t now_ms = host_now_ms(s->tcp->host);
    struct timeval left = ms_of(s->deadline_ms > now_ms ? s->deadline_ms - now_ms : 0);

    return event_add(s->ready, &left) == 0;
}

static bool stream_start(struct stream *s, struct lan_tcp *t, int fd, const struct lan_address *peer, short what,
                         uint64_t wait_ms, event_callback_fn call)
{
    *s = (struct stream){ .tcp = t, .fd = fd, .peer = *peer, .deadline_ms = host_now_ms(t->host) + wait_ms };
    s->ready = event_new(t->base, fd, what, call, s);
    if (s->ready != NULL && stream_wait(s))
        return true;
    if (s->ready != NULL)
        event_free(s->ready);
    s->ready = NULL;
    return false;
}

/* Frees the slot; the descriptor is the caller's again. */
static int stream_release(struct stream *s)
{
    event_free(s->ready);
    s->ready = NULL;
    return s->fd;
}

static void stream_drop(struct stream *s)
{
    if (s->ready != NULL)
        close(stream_release(s));
}

/* ---- From stream to link ---- */

static void socket_prepare(int fd)
{
    int on = 1;
    unsigned dead_ms = LAN_DEAD_MS;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
}

static void link_note(struct lan_tcp *t, uint32_t link, const struct lan_address *ours, const struct lan_address *peer,
                      bool is_called)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (!t->links[i].is_used) {
            t->links[i].is_used = true;
            t->links[i].link = link;
            t->links[i].ours = *ours;
            t->links[i].peer = *peer;
            t->links[i].is_called = is_called;
            return;
        }
}

static enum err link_make(struct lan_tcp *t, int fd, const struct lan_address *peer, const struct link_open *how,
                          struct bytes first, uint32_t *link)
{
    char label[LAN_TEXT_LEN];
    struct sockaddr_storage system;
    socklen_t system_len = sizeof system;
    struct lan_address ours = { .port = 0 };
    enum err e;
    struct bufferevent *bev = bufferevent_socket_new(t->base, fd, BEV_OPT_CLOSE_ON_FREE);

    if (bev == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    socket_prepare(fd);
    /* Ahead of the node's first message, and in the same packet. */
    if (first.len > 0 && bufferevent_write(bev, first.at, first.len) != 0) {
        bufferevent_free(bev);
        return ERR_NO_MEMORY;
    }
    memset(&system, 0, sizeof system);
    bool is_known = getsockname(fd, (struct sockaddr *)&system, &system_len) == 0 && lan_address_of_system(&ours, &system);

    lan_address_text(peer, label);
    if ((e = host_link_add(t->host, bev, how, label, link)) == ERR_NONE && is_known)
        link_note(t, *link, &ours, peer, !how->is_initiator);
    return e;
}

static bool has_too_many_links(const struct lan_tcp *t, const struct lan_address *peer)
{
    size_t count = 0;

    for (size_t i = 0; i < LINKS_MAX; i++)
        count += t->links[i].is_used && t->links[i].is_called && lan_address_is_same_host(&t->links[i].peer, peer);
    return count >= LAN_LINKS_HOST_MAX;
}

/* True: this address calls too often. */
static bool is_pestering(struct lan_tcp *t, const struct lan_address *peer)
{
    uint64_t now_ms = host_now_ms(t->host);
    struct caller *c = &t->callers[0];

    for (size_t i = 0; i < LAN_CALLERS_MAX; i++) {
        if (lan_address_is_same_host(&t->callers[i].host, peer)) {
            c = &t->callers[i];
            break;
        }
        if (t->callers[i].whole_at_ms < c->whole_at_ms)
            c = &t->callers[i];
    }
    if (!lan_address_is_same_host(&c->host, peer))
        *c = (struct caller){ .host = *peer };
    if (c->whole_at_ms < now_ms)
        c->whole_at_ms = now_ms;
    if (c->whole_at_ms - now_ms > (uint64_t)(LAN_ACCEPT_BURST - 1) * LAN_ACCEPT_GAP_MS)
        return true;
    c->whole_at_ms += LAN_ACCEPT_GAP_MS;
    return false;
}

void lan_tcp_link_gone(struct lan_tcp *t, uint32_t link)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (t->links[i].is_used && t->links[i].link == link)
            t->links[i].is_used = false;
}

void lan_tcp_check(struct lan_tcp *t)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct lan_address *ours = &t->links[i].ours;

        /* All of 127.0.0.0/8 is here without being listed. */
        if (t->links[i].is_used && !lan_address_is_loopback(ours) && !netif_has_address(ours->ip, ours->scope))
            host_link_drop(t->host, t->links[i].link);
    }
}

static void advert_now(const struct lan_tcp *t, uint8_t out[ADVERT_RANDOM_LEN])
{
    uint8_t beacon[BEACON_LEN];

    node_beacon(t->node, beacon);
    lan_advert_of_beacon(out, beacon);
}

/* ---- Inbound ---- */

/* Who calls us by an advert that is ours no more knows us from an earlier epoch: it must not learn that we are the same. */
static bool is_for_us(const struct lan_tcp *t, const struct lan_preamble *p)
{
    static const uint8_t none[ADVERT_RANDOM_LEN];
    uint8_t ours[ADVERT_RANDOM_LEN];

    advert_now(t, ours);
    if (memcmp(p->initiator, ours, sizeof ours) == 0)
        return false; /* ourselves */
    return memcmp(p->responder, ours, sizeof ours) == 0 || memcmp(p->responder, none, sizeof none) == 0;
}

static void inbound_finish(struct stream *s)
{
    struct lan_preamble p;
    struct lan_tcp *t = s->tcp;
    struct link_open how = { .kind = LINK_LAN };
    uint32_t link;
    struct lan_address peer = s->peer;
    int fd = stream_release(s);

    if (lan_preamble_decode(&p, bytes_of(s->preamble, sizeof s->preamble)) != ERR_NONE || !is_for_us(t, &p) ||
        has_too_many_links(t, &peer)) {
        close(fd);
        return;
    }
    memcpy(how.advert_ours, p.responder, sizeof how.advert_ours);
    memcpy(how.advert_theirs, p.initiator, sizeof how.advert_theirs);
    (void)link_make(t, fd, &peer, &how, bytes_of(NULL, 0), &link); /* too many links: closed, and they try again */
}

/* Reads the preamble and not a byte more: the rest is the node's. */
static void on_inbound(evutil_socket_t fd, short what, void *ctx)
{
    struct stream *s = ctx;
    ssize_t got = 0;

    if (what & EV_READ)
        got = recv(fd, s->preamble + s->preamble_len, sizeof s->preamble - s->preamble_len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (!stream_wait(s))
            stream_drop(s);
        return;
    }
    if (got <= 0) {
        stream_drop(s);
        return;
    }
    s->preamble_len += (size_t)got;
    if (s->preamble[0] != LAN_PREAMBLE_VERSION)
        stream_drop(s);
    else if (s->preamble_len == sizeof s->preamble)
        inbound_finish(s);
    else if (!stream_wait(s))
        stream_drop(s);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int from_len, void *ctx)
{
    struct lan_tcp *t = ctx;
    struct sockaddr_storage source;
    struct lan_address peer;
    struct stream *s = NULL;

    (void)l;
    memset(&source, 0, sizeof source);
    memcpy(&source, from, (size_t)from_len < sizeof source ? (size_t)from_len : sizeof source);
    if (lan_address_of_system(&peer, &source) && !is_pestering(t, &peer))
        s = slot_take(t->inbound, LAN_UNFINISHED_MAX, &peer, LAN_UNFINISHED_HOST_MAX);
    if (s == NULL || !stream_start(s, t, fd, &peer, EV_READ, LAN_PREAMBLE_MS, on_inbound))
        close(fd);
}

/* Out of descriptors, most likely. Without a pause the loop would spin on the one that waits. */
static void on_accept_error(struct evconnlistener *l, void *ctx)
{
    struct lan_tcp *t = ctx;
    struct timeval pause = ms_of(ACCEPT_PAUSE_MS);

    evconnlistener_disable(l);
    event_add(t->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
    struct lan_tcp *t = ctx;

    (void)fd;
    (void)what;
    evconnlistener_enable(t->listener);
}

/* ---- Listening ---- */

static int bind_address(const struct lan_address *a, bool is_any)
{
    struct sockaddr_storage system;
    size_t len = lan_address_to_system(a, &system);
    int on = 1, off = 0, fd = socket(system.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (system.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? &off : &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&system, (socklen_t)len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;

    close(fd);
    errno = reason;
    return -1;
}

/* Both families in one socket; IPv4 alone where the machine has no IPv6. */
static int bind_any(uint16_t port)
{
    struct lan_address any = { .port = port };
    int fd = bind_address(&any, true);

    if (fd < 0 && errno != EADDRINUSE && errno != EACCES) {
        any.ip[10] = any.ip[11] = 0xff;
        fd = bind_address(&any, false);
    }
    return fd;
}

static enum err listen_failed(char why[256], const char *text)
{
    const char *hint = errno == EADDRINUSE      ? "another program has it: choose another port, or leave the setting out"
                       : errno == EACCES        ? "ports below 1024 are the system's: choose a higher one"
                       : errno == EADDRNOTAVAIL ? "no interface here has this address: leave the address out to listen on all"
                                                : "see the system's reason";
    if (why != NULL)
        snprintf(why, 256, "cannot listen on %.80s (%s); %s", text, strerror(errno), hint);
    return ERR_IO;
}

static enum err listen_open(int *out, const char *text, char why[256])
{
    struct lan_place place;
    struct lan_address address;
    enum err e;
    int fd = -1;

    if (text == NULL) {
        for (uint16_t i = 0; i < LAN_PORTS_TRIED && fd < 0; i++) {
            fd = bind_any((uint16_t)(LAN_PORT_DEFAULT + i));
            if (fd < 0 && errno != EADDRINUSE)
                break;
        }
        text = ":7827 and the sixteen ports after it";
    } else {
        if ((e = lan_place_parse(&place, text, true, why)) != ERR_NONE)
            return e;
        if (place.host[0] == '\0') {
            fd = bind_any(place.port);
        } else if (lan_place_is_numeric(&place, &address)) {
            fd = bind_address(&address, false);
        } else {
            if (why != NULL)
                snprintf(why, 256, "cannot listen on \"%.80s\": give an address in numbers, or only :PORT", text);
            return ERR_MALFORMED;
        }
    }
    if (fd < 0)
        return listen_failed(why, text);
    *out = fd;
    return ERR_NONE;
}

enum err lan_tcp_new(struct lan_tcp **out, struct event_base *base, struct host *host, struct node *node,
                     const char *listen_at, lan_call_done *done, void *ctx, char why[256])
{
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    int fd;
    enum err e = listen_open(&fd, listen_at, why);

    if (e != ERR_NONE)
        return e;
    struct lan_tcp *t = calloc(1, sizeof *t);

    if (t == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    t->base = base;
    t->host = host;
    t->node = node;
    t->done = done;
    t->done_ctx = ctx;
    memset(&bound, 0, sizeof bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0)
        (void)lan_address_of_system(&t->bound, &bound);
    t->accept_again = evtimer_new(base, on_accept_again, t);
    t->listener = evconnlistener_new(base, on_accept, t, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (t->listener == NULL)
        close(fd);
    if (t->listener == NULL || t->accept_again == NULL) {
        lan_tcp_free(t);
        return ERR_NO_MEMORY;
    }
    evconnlistener_set_error_cb(t->listener, on_accept_error);
    *out = t;
    return ERR_NONE;
}

void lan_tcp_free(struct lan_tcp *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < LAN_UNFINISHED_MAX; i++)
        stream_drop(&t->inbound[i]);
    for (size_t i = 0; i < LAN_CALLS_MAX; i++)
        stream_drop(&t->outbound[i]);
    if (t->listener != NULL)
        evconnlistener_free(t->listener);
    if (t->accept_again != NULL)
        event_free(t->accept_again);
    free(t);
}

const struct lan_address *lan_tcp_address(const struct lan_tcp *t)
{
    return &t->bound;
}

/* ---- Outbound ---- */

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
    struct stream *s = ctx;
    struct lan_tcp *t = s->tcp;
    struct link_open how = { .kind = LINK_LAN, .is_initiator = true };
    uint32_t cookie = s->cookie, link = 0;
    int reason = ETIMEDOUT;
    socklen_t len = sizeof reason;
    enum err e = ERR_IO;

    if (what & EV_WRITE)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &len);
    if (reason != 0) {
        stream_drop(s);
    } else {
        struct lan_address peer = s->peer;
        struct lan_preamble said = s->said;
        uint8_t preamble[LAN_PREAMBLE_LEN];

        /* The advert of now: an epoch may have begun while we were calling. */
        advert_now(t, said.initiator);
        lan_preamble_encode(preamble, &said);
        memcpy(how.advert_ours, said.initiator, sizeof how.advert_ours);
        memcpy(how.advert_theirs, said.responder, sizeof how.advert_theirs);
        e = link_make(t, stream_release(s), &peer, &how, bytes_of(preamble, sizeof preamble), &link);
    }
    t->done(t->done_ctx, cookie, e, reason, link);
}

enum err lan_tcp_call(struct lan_tcp *t, const struct lan_address *to, const uint8_t *advert_theirs, uint32_t cookie)
{
    struct sockaddr_storage system;
    size_t len = lan_address_to_system(to, &system);
    struct stream *s = slot_take(t->outbound, LAN_CALLS_MAX, to, LAN_CALLS_HOST_MAX);
    int fd;

    if (s == NULL)
        return ERR_FULL;
    if ((fd = socket(system.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return ERR_IO;
    /* A call that succeeds at once is told by the event too, so that `done` never comes before the return. */
    if ((connect(fd, (const struct sockaddr *)&system, (socklen_t)len) != 0 && errno != EINPROGRESS) ||
        !stream_start(s, t, fd, to, EV_WRITE, LAN_CALL_MS, on_connected)) {
        int reason = errno;

        close(fd);
        errno = reason;
        return ERR_IO;
    }
    s->cookie = cookie;
    if (advert_theirs != NULL)
        memcpy(s->said.responder, advert_theirs, sizeof s->said.responder);
    return ERR_NONE;
}
