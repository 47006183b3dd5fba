/* mesh/links/bluetooth_l2cap.c - see bluetooth_l2cap.h */
#define _GNU_SOURCE
#include "mesh/links/bluetooth_l2cap.h"

#include <endian.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/links/bluetooth.h"
#include "mesh/links/lan_wire.h"

enum { BACKLOG = 8, LISTENERS_MAX = 2, ACCEPT_PAUSE_MS = 1000 };

/* An inbound channel that has not said who it is. */
struct inbound {
    struct bluetooth_l2cap *l;
    struct event *ready;      /* NULL: the slot is free */
    int fd;
    struct bluetooth_peer peer;
    uint64_t deadline_ms;
    uint8_t preamble[LAN_PREAMBLE_LEN];
    size_t preamble_len;
};

struct bluetooth_l2cap {
    struct event_base *base;
    struct host *host;
    struct node *node;
    struct bluetooth_l2cap_user user;
    struct evconnlistener *listeners[LISTENERS_MAX];   /* LE, classic */
    struct event *accept_again;
    uint8_t psm;
    struct bluetooth_peer adapter;
    struct inbound inbound[L2CAP_UNFINISHED_MAX];
    struct event *call;       /* NULL: none is under way */
    int call_fd;
    struct bluetooth_peer call_peer;
    struct lan_preamble call_said;
};

static struct timeval ms_of(uint64_t ms)
{
    return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

/* ---- Sockets ---- */

static struct bt_sockaddr_l2 sockaddr_of(const struct bluetooth_peer *p, uint16_t psm)
{
    struct bt_sockaddr_l2 a;

    memset(&a, 0, sizeof a);
    a.family = AF_BLUETOOTH;
    a.psm = htole16(psm);
    a.address = p->address;
    a.kind = p->kind;
    return a;
}

static int fail(int fd)
{
    int reason = errno;

    close(fd);
    errno = reason;
    return -1;
}

/* A socket bound to the adapter; -1 with errno. */
static int socket_open(const struct bluetooth_peer *adapter, uint8_t kind, uint16_t psm)
{
    struct bluetooth_peer from = { adapter->address, kind == BT_ADDR_BREDR ? BT_ADDR_BREDR : adapter->kind };
    struct bt_sockaddr_l2 a = sockaddr_of(&from, psm);
    struct bt_security low = { .level = BT_LEVEL_LOW };
    uint16_t mtu = L2CAP_MTU;
    int fd = socket(AF_BLUETOOTH, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, BT_PROTO_L2CAP);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, BT_SOL, BT_OPT_SECURITY, &low, sizeof low);
    if (kind == BT_ADDR_BREDR) {
        struct bt_l2cap_options o;
        socklen_t len = sizeof o;

        if (getsockopt(fd, BT_SOL_L2CAP, BT_OPT_L2CAP_OPTIONS, &o, &len) != 0)
            return fail(fd);
        o.mode = BT_L2CAP_ERTM;
        o.imtu = o.omtu = L2CAP_MTU;
        if (setsockopt(fd, BT_SOL_L2CAP, BT_OPT_L2CAP_OPTIONS, &o, sizeof o) != 0)
            return fail(fd);
    }
    if (bind(fd, (const struct sockaddr *)&a, sizeof a) != 0)
        return fail(fd);
    /* Only now: before the bind the kernel does not know that the channel is LE. */
    if (kind != BT_ADDR_BREDR && setsockopt(fd, BT_SOL, BT_OPT_RCVMTU, &mtu, sizeof mtu) != 0)
        return fail(fd);
    return fd;
}

/* How much one write may hold. */
static size_t sdu_max(int fd, uint8_t kind)
{
    uint16_t mtu = 0;
    struct bt_l2cap_options o = { 0 };
    socklen_t len = sizeof mtu, o_len = sizeof o;

    if (kind == BT_ADDR_BREDR) {
        if (getsockopt(fd, BT_SOL_L2CAP, BT_OPT_L2CAP_OPTIONS, &o, &o_len) == 0)
            mtu = o.omtu;
    } else {
        (void)getsockopt(fd, BT_SOL, BT_OPT_SNDMTU, &mtu, &len);
    }
    if (mtu < 23)
        return 23;   /* what every peer must take */
    return mtu < L2CAP_MTU ? mtu : L2CAP_MTU;
}

static void advert_now(const struct bluetooth_l2cap *l, uint8_t out[ADVERT_RANDOM_LEN])
{
    uint8_t beacon[BEACON_LEN];

    node_beacon(l->node, beacon);
    lan_advert_of_beacon(out, beacon);
}

/* Takes fd. */
static enum err link_make(struct bluetooth_l2cap *l, int fd, const struct bluetooth_peer *peer, struct link_open *how,
                          struct bytes first)
{
    char address[BLUETOOTH_ADDRESS_LEN];
    struct bufferevent *bev = bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE);
    int room = L2CAP_RECEIVE_BYTES;
    uint32_t link;
    enum err e;

    if (bev == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    bufferevent_set_max_single_write(bev, sdu_max(fd, peer->kind));
    /* Ahead of the node's first message, and in the same SDU. */
    if (first.len > 0 && bufferevent_write(bev, first.at, first.len) != 0) {
        bufferevent_free(bev);
        return ERR_NO_MEMORY;
    }
    how->kind = LINK_BLUETOOTH;
    how->frame_max = LINK_FRAME_MAX_BT;
    how->is_slow = true;
    bluetooth_address_text(&peer->address, address);
    if ((e = host_link_add(l->host, bev, how, address, &link)) == ERR_NONE)
        l->user.on_link(l->user.ctx, peer, how->advert_theirs, how->is_initiator, link, fd);
    return e;
}

/* ---- Inbound ---- */

static int inbound_release(struct inbound *s)
{
    event_free(s->ready);
    s->ready = NULL;
    return s->fd;
}

static void inbound_drop(struct inbound *s)
{
    if (s->ready != NULL)
        close(inbound_release(s));
}

static bool inbound_wait(struct inbound *s)
{
    uint64_t now_ms = host_now_ms(s->l->host);
    struct timeval left = ms_of(s->deadline_ms > now_ms ? s->deadline_ms - now_ms : 0);

    return event_add(s->ready, &left) == 0;
}

/* Who calls us by an advert that is ours no more must not learn that we are the same. */
static bool is_for_us(const struct bluetooth_l2cap *l, const struct lan_preamble *p)
{
    static const uint8_t none[ADVERT_RANDOM_LEN];
    uint8_t ours[ADVERT_RANDOM_LEN];

    advert_now(l, ours);
    if (memcmp(p->initiator, ours, sizeof ours) == 0)
        return false;
    return memcmp(p->responder, ours, sizeof ours) == 0 || memcmp(p->responder, none, sizeof none) == 0;
}

static void inbound_finish(struct inbound *s)
{
    struct bluetooth_l2cap *l = s->l;
    struct bluetooth_peer peer = s->peer;
    struct link_open how = { .is_initiator = false };
    struct lan_preamble p;
    int fd = inbound_release(s);

    if (lan_preamble_decode(&p, bytes_of(s->preamble, sizeof s->preamble)) != ERR_NONE || !is_for_us(l, &p) ||
        !l->user.may_accept(l->user.ctx, &peer, p.initiator)) {
        close(fd);
        return;
    }
    memcpy(how.advert_ours, p.responder, sizeof how.advert_ours);
    memcpy(how.advert_theirs, p.initiator, sizeof how.advert_theirs);
    (void)link_make(l, fd, &peer, &how, bytes_of(NULL, 0));
}

/* Reads the preamble and not a byte more: the rest is the node's. */
static void on_inbound(evutil_socket_t fd, short what, void *ctx)
{
    struct inbound *s = ctx;
    ssize_t got = 0;

    if (what & EV_READ)
        got = recv(fd, s->preamble + s->preamble_len, sizeof s->preamble - s->preamble_len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (!inbound_wait(s))
            inbound_drop(s);
        return;
    }
    if (got <= 0) {
        inbound_drop(s);
        return;
    }
    s->preamble_len += (size_t)got;
    if (s->preamble[0] != LAN_PREAMBLE_VERSION)
        inbound_drop(s);
    else if (s->preamble_len == sizeof s->preamble)
        inbound_finish(s);
    else if (!inbound_wait(s))
        inbound_drop(s);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int from_len, void *ctx)
{
    struct bluetooth_l2cap *l = ctx;
    struct bt_sockaddr_l2 a;
    struct bluetooth_peer peer;
    struct inbound *s = NULL;

    (void)listener;
    memset(&a, 0, sizeof a);
    memcpy(&a, from, (size_t)from_len < sizeof a ? (size_t)from_len : sizeof a);
    peer = (struct bluetooth_peer){ a.address, a.kind };
    for (size_t i = 0; i < L2CAP_UNFINISHED_MAX && s == NULL; i++)
        if (l->inbound[i].ready == NULL)
            s = &l->inbound[i];
    if (s == NULL || !l->user.may_accept(l->user.ctx, &peer, NULL)) {
        close(fd);
        return;
    }
    *s = (struct inbound){ .l = l, .fd = fd, .peer = peer, .deadline_ms = host_now_ms(l->host) + L2CAP_PREAMBLE_MS };
    s->ready = event_new(l->base, fd, EV_READ, on_inbound, s);
    if (s->ready == NULL)
        close(fd);
    else if (!inbound_wait(s))
        inbound_drop(s);
}

/* Out of descriptors, most likely. Without a pause the loop would spin on the one that waits. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    struct bluetooth_l2cap *l = ctx;
    struct timeval pause = ms_of(ACCEPT_PAUSE_MS);

    evconnlistener_disable(listener);
    event_add(l->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_l2cap *l = ctx;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < LISTENERS_MAX; i++)
        if (l->listeners[i] != NULL)
            evconnlistener_enable(l->listeners[i]);
}

static bool listener_open(struct bluetooth_l2cap *l, size_t which, uint8_t kind, uint16_t psm)
{
    int fd = socket_open(&l->adapter, kind, psm);

    if (fd < 0)
        return false;
    if (listen(fd, BACKLOG) != 0) {
        fail(fd);
        return false;
    }
    l->listeners[which] = evconnlistener_new(l->base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (l->listeners[which] == NULL) {
        close(fd);
        errno = ENOMEM;
        return false;
    }
    evconnlistener_set_error_cb(l->listeners[which], on_accept_error);
    return true;
}

enum err bluetooth_l2cap_start(struct bluetooth_l2cap *l, const struct bluetooth_peer *adapter, bool is_classic)
{
    bluetooth_l2cap_stop(l);
    l->adapter = *adapter;
    /* Another program may have the first: two nodes on one machine, say. */
    for (unsigned psm = BLUETOOTH_PSM; psm <= BLUETOOTH_PSM_LAST && l->psm == 0; psm++) {
        if (listener_open(l, 0, adapter->kind, (uint16_t)psm))
            l->psm = (uint8_t)psm;
        else if (errno != EADDRINUSE)
            return ERR_IO;
    }
    if (l->psm == 0 || (is_classic && !listener_open(l, 1, BT_ADDR_BREDR, BLUETOOTH_PSM_CLASSIC)))
        return ERR_IO;
    return ERR_NONE;
}

void bluetooth_l2cap_stop(struct bluetooth_l2cap *l)
{
    bluetooth_l2cap_cancel(l);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (l->listeners[i] != NULL)
            evconnlistener_free(l->listeners[i]);
        l->listeners[i] = NULL;
    }
    for (size_t i = 0; i < L2CAP_UNFINISHED_MAX; i++)
        inbound_drop(&l->inbound[i]);
    l->psm = 0;
}

uint8_t bluetooth_l2cap_psm(const struct bluetooth_l2cap *l) { return l->psm; }

/* ---- Calls ---- */

static int call_release(struct bluetooth_l2cap *l)
{
    event_free(l->call);
    l->call = NULL;
    return l->call_fd;
}

void bluetooth_l2cap_cancel(struct bluetooth_l2cap *l)
{
    if (l->call != NULL)
        close(call_release(l));
}

bool bluetooth_l2cap_is_calling(const struct bluetooth_l2cap *l) { return l->call != NULL; }

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_l2cap *l = ctx;
    struct link_open how = { .is_initiator = true };
    uint8_t preamble[LAN_PREAMBLE_LEN];
    struct lan_preamble said = l->call_said;
    int reason = ETIMEDOUT;
    socklen_t len = sizeof reason;
    enum err e;

    if (what & EV_WRITE)
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &len);
    if (reason != 0) {
        close(call_release(l));
        l->user.on_call_failed(l->user.ctx, ERR_IO, reason);
        return;
    }
    /* The advert of now: an epoch may have begun while we were calling. */
    advert_now(l, said.initiator);
    lan_preamble_encode(preamble, &said);
    memcpy(how.advert_ours, said.initiator, sizeof how.advert_ours);
    memcpy(how.advert_theirs, said.responder, sizeof how.advert_theirs);
    if ((e = link_make(l, call_release(l), &l->call_peer, &how, bytes_of(preamble, sizeof preamble))) != ERR_NONE)
        l->user.on_call_failed(l->user.ctx, e, 0);
}

enum err bluetooth_l2cap_call(struct bluetooth_l2cap *l, const struct bluetooth_peer *to, uint16_t psm, const uint8_t *advert)
{
    struct bt_sockaddr_l2 a = sockaddr_of(to, psm);
    struct timeval deadline = ms_of(L2CAP_CALL_MS);
    int fd;

    if (l->call != NULL || l->psm == 0)
        return ERR_STATE;
    if ((fd = socket_open(&l->adapter, to->kind, 0)) < 0)
        return ERR_IO;
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 && errno != EINPROGRESS && errno != EAGAIN) {
        fail(fd);
        return ERR_IO;
    }
    l->call_peer = *to;
    l->call_fd = fd;
    memset(&l->call_said, 0, sizeof l->call_said);
    if (advert != NULL)
        memcpy(l->call_said.responder, advert, sizeof l->call_said.responder);
    l->call = event_new(l->base, fd, EV_WRITE, on_connected, l);
    if (l->call == NULL || event_add(l->call, &deadline) != 0) {
        if (l->call != NULL)
            event_free(l->call);
        l->call = NULL;
        close(fd);
        errno = ENOMEM;
        return ERR_IO;
    }
    return ERR_NONE;
}

/* ---- Life ---- */

enum err bluetooth_l2cap_new(struct bluetooth_l2cap **out, struct event_base *base, struct host *host, struct node *node,
                             const struct bluetooth_l2cap_user *user)
{
    struct bluetooth_l2cap *l = calloc(1, sizeof *l);

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->base = base;
    l->host = host;
    l->node = node;
    l->user = *user;
    if ((l->accept_again = evtimer_new(base, on_accept_again, l)) == NULL) {
        free(l);
        return ERR_NO_MEMORY;
    }
    *out = l;
    return ERR_NONE;
}

void bluetooth_l2cap_free(struct bluetooth_l2cap *l)
{
    if (l == NULL)
        return;
    bluetooth_l2cap_stop(l);
    event_free(l->accept_again);
    free(l);
}
