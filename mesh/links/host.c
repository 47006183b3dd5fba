/* mesh/links/host.c - see host.h
 *
 * A turn is an event made active by whatever touched the node. libevent runs it after the events that were ready in the same
 * pass, so everything that had arrived shares one commit, and nothing waits for a timer.
 */
#define _GNU_SOURCE
#include "mesh/links/host.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    INPUT_TURN_MAX  = 256 * 1024,  /* of one link: the others have their say before the next commit */
    INPUT_PIECE_LEN = 64 * 1024,
    OUTPUT_MAX      = 128 * 1024,  /* pulled from the node ahead of the socket */
    OUTPUT_LOW      = 32 * 1024,   /* below this more is pulled */
    OUTPUT_SLOW_MAX = 16 * 1024,   /* the same of a slow link: a second of it at most, or a text would wait */
    OUTPUT_SLOW_LOW = 8 * 1024,
    SINGLE_WRITE_DEFAULT = 16384,  /* libevent's, when the transport has not said less */
    FLUSH_MS        = 5000,        /* a finished link gets so long to send its last words */
    LINGER_MS       = 2000,        /* and the other side so long to hang up ... */
    LINGER_BYTES    = 4 << 20,     /* ... and not more than was on its way */
    SLOTS_MAX       = LINKS_MAX * 2,
    LABEL_LEN       = 96,
    GONE_MAX        = 16,
    CLIENT_PLACES   = 2 * CLIENTS_MAX,
};

/* OPEN: the node knows it. FINISHING: the node is through with it, its last words are being sent. LINGERING: they are
 * sent, the node has forgotten it; closing before the other side did could destroy them on their way. */
enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_FINISHING, SLOT_LINGERING };

struct slot {
    struct host *host;
    struct bufferevent *bev;
    enum slot_state state;
    uint32_t link;
    size_t drained;   /* LINGERING */
    size_t output_max;
    bool is_socket;   /* nothing between the stream and its descriptor */
    bool has_halves;  /* of which one can be closed alone: an L2CAP channel dies whole, last words and all */
    bool is_choked;   /* the node may have more than the output takes */
    bool is_client;   /* of a gateway: allocated alone, found by link number */
    char label[LABEL_LEN];
};

enum phase { PHASE_REST, PHASE_TAKING, PHASE_SENDING };

struct host {
    struct event_base *base;
    struct node *node;
    struct host_app app;
    struct event *turn, *timer;
    uint64_t now_ms;         /* of the turn that is open */
    bool is_turn_open, is_stopped;
    enum phase phase;
    struct { host_link_gone *call; void *ctx; } gone[GONE_MAX];
    struct slot slots[SLOTS_MAX];
    struct slot **clients;   /* by link number, modulo CLIENT_PLACES, as the node's own; NULL: there never was one */
    size_t client_count;
    uint8_t piece[INPUT_PIECE_LEN];
};

/* ---- Time ---- */

static uint64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t host_now_ms(const struct host *h)
{
    return h->is_turn_open ? h->now_ms : clock_ms();
}

static void turn_open(struct host *h)
{
    if (!h->is_turn_open)
        h->now_ms = clock_ms();
    h->is_turn_open = true;
}

void host_poke(struct host *h)
{
    /* While the turn still takes things in, its commit is yet to come. */
    if (h->is_stopped || h->phase == PHASE_TAKING)
        return;
    if (h->phase == PHASE_REST)
        turn_open(h);
    event_active(h->turn, EV_TIMEOUT, 0);
}

/* ---- Links ---- */

static void slot_free(struct slot *s)
{
    bufferevent_free(s->bev);
    s->bev = NULL;
    s->state = SLOT_FREE;
    if (s->is_client) {
        s->host->clients[s->link % CLIENT_PLACES] = NULL;
        s->host->client_count--;
        free(s);
    }
}

static struct slot *slot_of_client(const struct host *h, uint32_t link)
{
    struct slot *s = h->clients != NULL ? h->clients[link % CLIENT_PLACES] : NULL;

    return s != NULL && s->link == link ? s : NULL;
}

static void slot_forget(struct slot *s)
{
    struct host *h = s->host;

    node_link_close(h->node, s->link, host_now_ms(h));
    for (size_t i = 0; i < GONE_MAX; i++)
        if (h->gone[i].call != NULL)
            h->gone[i].call(h->gone[i].ctx, s->link);
}

/* The transport failed or the other side hung up. */
static void slot_lost(struct slot *s)
{
    struct host *h = s->host;
    bool is_known = s->state == SLOT_OPEN || s->state == SLOT_FINISHING;

    s->state = SLOT_LINGERING;
    if (is_known) {
        slot_forget(s);
        host_poke(h);
    }
    slot_free(s);
}

static void slot_linger(struct slot *s)
{
    struct timeval patience = { LINGER_MS / 1000, LINGER_MS % 1000 * 1000 };

    s->state = SLOT_LINGERING;
    slot_forget(s);
    host_poke(s->host);
    if (!s->is_socket || (s->has_halves && shutdown(bufferevent_getfd(s->bev), SHUT_WR) != 0)) {
        slot_free(s);
        return;
    }
    bufferevent_disable(s->bev, EV_WRITE);
    bufferevent_set_timeouts(s->bev, &patience, NULL);
}

/* Reads on past what libevent gives: it takes 4 KiB a pass, and a commit for every 4 KiB would be the slowest part of
 * everything. The end of the stream and its errors stay for libevent to find. */
static void receive_from_socket(struct slot *s, size_t taken)
{
    struct host *h = s->host;
    evutil_socket_t fd = bufferevent_getfd(s->bev);

    while (taken < INPUT_TURN_MAX) {
        ssize_t got = recv(fd, h->piece, sizeof h->piece, MSG_DONTWAIT);

        if (got <= 0)
            return;
        node_receive(h->node, s->link, bytes_of(h->piece, (size_t)got), h->now_ms);
        taken += (size_t)got;
        if ((size_t)got < sizeof h->piece)
            return;
    }
}

static void on_readable(struct bufferevent *bev, void *ctx)
{
    struct slot *s = ctx;
    struct host *h = s->host;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_iovec piece;
    size_t taken = 0;

    if (s->state != SLOT_OPEN || h->is_stopped) {
        s->drained += evbuffer_get_length(in);
        evbuffer_drain(in, evbuffer_get_length(in));
        if (s->drained > LINGER_BYTES)
            slot_lost(s);
        return;
    }
    host_poke(h);
    while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
        node_receive(h->node, s->link, bytes_of(piece.iov_base, piece.iov_len), h->now_ms);
        taken += piece.iov_len;
        evbuffer_drain(in, piece.iov_len);
    }
    if (s->is_socket)
        receive_from_socket(s, taken);
}

static void on_drained(struct bufferevent *bev, void *ctx)
{
    struct slot *s = ctx;

    if (s->state == SLOT_FINISHING && evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
        slot_linger(s);
    } else if (s->state == SLOT_OPEN && s->is_choked) {
        node_link_touch(s->host->node, s->link);
        host_poke(s->host);
    }
}

static void on_over(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    (void)what;
    slot_lost(ctx);
}

static struct slot *slot_unused(struct host *h)
{
    struct slot *lingering = NULL;

    for (size_t i = 0; i < SLOTS_MAX; i++) {
        if (h->slots[i].state == SLOT_FREE)
            return &h->slots[i];
        if (h->slots[i].state == SLOT_LINGERING)
            lingering = &h->slots[i];
    }
    /* The node has at most LINKS_MAX open, so half of the slots linger by now. */
    if (lingering != NULL)
        slot_free(lingering);
    return lingering;
}

/* The node numbers its clients so that each has a place of its own. */
static struct slot *client_slot(struct host *h)
{
    if (h->clients == NULL)
        h->clients = calloc(CLIENT_PLACES, sizeof *h->clients);
    return h->clients != NULL ? calloc(1, sizeof(struct slot)) : NULL;
}

enum err host_link_add(struct host *h, struct bufferevent *bev, const struct link_open *how, const char *label,
                       uint32_t *link)
{
    bool is_client = how->kind == LINK_CLIENT;
    struct slot *s = h->is_stopped ? NULL : is_client ? client_slot(h) : slot_unused(h);
    uint32_t number;
    enum err e = s == NULL ? ERR_FULL : node_link_open(h->node, how, &number, host_now_ms(h));
    int on = 1;

    if (e != ERR_NONE) {
        bufferevent_free(bev);
        if (is_client)
            free(s);
        return e;
    }
    *s = (struct slot){ .host = h, .bev = bev, .state = SLOT_OPEN, .link = number, .is_client = is_client,
                        .has_halves = how->kind != LINK_BLUETOOTH,
                        .output_max = how->is_slow ? OUTPUT_SLOW_MAX : OUTPUT_MAX,
                        .is_socket = how->kind == LINK_LAN || how->kind == LINK_BLUETOOTH || how->kind == LINK_SIM };
    snprintf(s->label, sizeof s->label, "%s", label);
    if (is_client) {
        h->clients[number % CLIENT_PLACES] = s;
        h->client_count++;
    }
    /* Refused by what is not TCP, where there is no delay to switch off. */
    (void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bufferevent_setcb(bev, on_readable, on_drained, on_over, s);
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT_TURN_MAX);
    bufferevent_setwatermark(bev, EV_WRITE, how->is_slow ? OUTPUT_SLOW_LOW : OUTPUT_LOW, 0);
    bufferevent_set_max_single_read(bev, INPUT_PIECE_LEN);
    /* A transport of messages has said how long one may be. */
    if (bufferevent_get_max_single_write(bev) >= SINGLE_WRITE_DEFAULT)
        bufferevent_set_max_single_write(bev, OUTPUT_MAX);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    *link = number;
    host_poke(h);
    if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
        bufferevent_trigger(bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
    return ERR_NONE;
}

enum err host_on_link_gone(struct host *h, host_link_gone *gone, void *ctx)
{
    for (size_t i = 0; i < GONE_MAX; i++)
        if (h->gone[i].call == NULL) {
            h->gone[i].call = gone;
            h->gone[i].ctx = ctx;
            return ERR_NONE;
        }
    return ERR_FULL;
}

void host_off_link_gone(struct host *h, host_link_gone *gone, void *ctx)
{
    for (size_t i = 0; i < GONE_MAX; i++)
        if (h->gone[i].call == gone && h->gone[i].ctx == ctx)
            h->gone[i].call = NULL;
}

static bool slot_has_link(const struct slot *s)
{
    return s->state == SLOT_OPEN || s->state == SLOT_FINISHING;
}

const char *host_link_label(const struct host *h, uint32_t link)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (slot_has_link(&h->slots[i]) && h->slots[i].link == link)
            return h->slots[i].label;
    const struct slot *client = slot_of_client(h, link);
    return client != NULL && slot_has_link(client) ? client->label : NULL;
}

void host_link_drop(struct host *h, uint32_t link)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (slot_has_link(&h->slots[i]) && h->slots[i].link == link)
            slot_lost(&h->slots[i]);
    struct slot *client = slot_of_client(h, link);
    if (client != NULL && slot_has_link(client))
        slot_lost(client);
}

void host_walk(const struct host *h, host_visit *visit, void *ctx)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (slot_has_link(&h->slots[i]))
            visit(ctx, h->slots[i].link, h->slots[i].label);
    for (size_t i = 0; h->client_count > 0 && i < CLIENT_PLACES; i++)
        if (h->clients[i] != NULL && slot_has_link(h->clients[i]))
            visit(ctx, h->clients[i]->link, h->clients[i]->label);
}

/* ---- The turn ---- */

/* All that the node has for this link and the output takes. */
static void slot_send(struct slot *s, uint64_t now_ms)
{
    struct host *h = s->host;
    struct evbuffer *out = bufferevent_get_output(s->bev);
    struct timeval patience = { FLUSH_MS / 1000, FLUSH_MS % 1000 * 1000 };
    struct bytes frame;

    s->is_choked = true;
    while (evbuffer_get_length(out) < s->output_max) {
        if (!node_next_frame(h->node, s->link, &frame, now_ms)) {
            s->is_choked = false;
            break;
        }
        if (bufferevent_write(s->bev, frame.at, frame.len) != 0) {
            slot_lost(s); /* out of memory: a stream with a hole is worth nothing */
            return;
        }
    }
    if (s->is_choked || !node_link_is_finished(h->node, s->link))
        return;
    if (evbuffer_get_length(out) == 0) {
        slot_linger(s);
        return;
    }
    s->state = SLOT_FINISHING;
    bufferevent_setwatermark(s->bev, EV_WRITE, 0, 0);
    bufferevent_set_timeouts(s->bev, NULL, &patience);
}

static void timer_set(struct host *h)
{
    uint64_t at_ms = node_wake_at_ms(h->node), now_ms = clock_ms(), wait_ms;

    if (at_ms == UINT64_MAX) {
        event_del(h->timer);
        return;
    }
    wait_ms = at_ms > now_ms ? at_ms - now_ms : 1;
    struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000), .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };

    event_add(h->timer, &wait);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
    struct host *h = ctx;
    struct node_event event;
    uint64_t now_ms;
    enum err e;

    (void)fd;
    (void)what;
    if (h->is_stopped)
        return;
    turn_open(h);
    h->phase = PHASE_TAKING;
    now_ms = h->now_ms;
    if (node_wake_at_ms(h->node) <= now_ms)
        node_wake(h->node, now_ms);
    while (node_next_event(h->node, &event))
        if (h->app.on_event != NULL)
            h->app.on_event(h->app.ctx, &event);
    if ((e = node_commit(h->node)) != ERR_NONE) {
        h->is_stopped = true;
        h->is_turn_open = false;
        h->phase = PHASE_REST;
        event_del(h->timer);
        if (h->app.on_commit_failed != NULL)
            h->app.on_commit_failed(h->app.ctx, e);
        return;
    }
    h->phase = PHASE_SENDING;
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (h->slots[i].state == SLOT_OPEN)
            slot_send(&h->slots[i], now_ms);
    for (uint32_t link; node_next_due(h->node, &link);) {
        struct slot *client = slot_of_client(h, link);

        if (client != NULL && client->state == SLOT_OPEN)
            slot_send(client, now_ms);
    }
    if (h->app.on_turn != NULL)
        h->app.on_turn(h->app.ctx);
    h->phase = PHASE_REST;
    h->is_turn_open = false;
    timer_set(h);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    host_poke(ctx);
}

/* ---- Life ---- */

static void sigpipe_ignore(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &now, NULL);
    }
}

enum err host_new(struct host **out, struct event_base *base, struct node *node, const struct host_app *app)
{
    struct host *h = calloc(1, sizeof *h);

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->base = base;
    h->node = node;
    h->app = *app;
    h->turn = event_new(base, -1, 0, on_turn, h);
    h->timer = evtimer_new(base, on_timer, h);
    if (h->turn == NULL || h->timer == NULL) {
        host_free(h);
        return ERR_NO_MEMORY;
    }
    sigpipe_ignore();
    host_poke(h);
    *out = h;
    return ERR_NONE;
}

void host_free(struct host *h)
{
    if (h == NULL)
        return;
    assert(h->phase == PHASE_REST);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (h->slots[i].state != SLOT_FREE)
            slot_lost(&h->slots[i]);
    for (size_t i = 0; h->client_count > 0 && i < CLIENT_PLACES; i++)
        if (h->clients[i] != NULL)
            slot_lost(h->clients[i]);
    free(h->clients);
    if (h->turn != NULL)
        event_free(h->turn);
    if (h->timer != NULL)
        event_free(h->timer);
    free(h);
}
