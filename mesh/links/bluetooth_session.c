/* mesh/links/bluetooth_session.c - see bluetooth_session.h */
#define _GNU_SOURCE
#include "mesh/links/bluetooth_session.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIPE_BYTES = 16 * 1024,   /* in the socket between: little, or a text would wait behind a photo there */
    INNER_MAX  = 4 * 1024,    /* received and not yet taken by the link */
    HOLD_MS    = 10,          /* between blocks that are not full: each costs the radio as much as a full one */
};

struct bluetooth_session {
    struct bluetooth_session_user user;
    struct bufferevent *inner;
    struct event *hold;      /* pending: only full blocks go */
    struct frame_inbox inbox;
    struct frame_outbox outbox;
    size_t body_max;
    uint8_t session;
    uint16_t grant;          /* owed, when is_grant_owed */
    bool is_grant_owed, is_ending, is_over;
};

static bool send_block(struct bluetooth_session *s, const struct frame_block *b)
{
    uint8_t block[FRAME_BLOCK_MAX];
    size_t len = frame_encode(b, block);

    return len > 0 && s->user.send(s->user.ctx, bytes_of(block, len));
}

static void over(struct bluetooth_session *s, enum frame_reason reason)
{
    if (s->is_over)
        return;
    s->is_over = true;
    s->user.over(s->user.ctx, reason);
}

/* What came in order goes to the link while it takes it; the rest waits in the inbox, and no more is granted. */
static void deliver(struct bluetooth_session *s)
{
    struct evbuffer *out = bufferevent_get_output(s->inner);
    struct bytes body;

    while (evbuffer_get_length(out) < INNER_MAX && frame_inbox_next(&s->inbox, &body))
        if (bufferevent_write(s->inner, body.at, body.len) != 0) {
            over(s, FRAME_FAULT);
            return;
        }
    if (frame_inbox_grant(&s->inbox, &s->grant))
        s->is_grant_owed = true;
}

/* No high watermark does this: at one, libevent calls the reader again and again. */
static void read_while_room(struct bluetooth_session *s)
{
    if (evbuffer_get_length(bufferevent_get_input(s->inner)) >= INNER_MAX)
        bufferevent_disable(s->inner, EV_READ);
    else if (!s->is_ending)
        bufferevent_enable(s->inner, EV_READ);
}

static void send_all(struct bluetooth_session *s)
{
    struct evbuffer *in = bufferevent_get_input(s->inner);
    uint8_t body[FRAME_BODY_MAX];
    struct timeval hold = { 0, HOLD_MS * 1000 };

    if (s->is_grant_owed) {
        struct frame_block grant = { .session = s->session, .kind = FRAME_GRANT, .number = s->grant };

        if (!send_block(s, &grant))
            return;
        s->is_grant_owed = false;
    }
    while (evbuffer_get_length(in) > 0 && frame_outbox_may_send(&s->outbox)) {
        ev_ssize_t len = evbuffer_copyout(in, body, s->body_max);
        struct frame_block data = { .session = s->session, .kind = FRAME_DATA, .number = s->outbox.next };

        if (len <= 0 || ((size_t)len < s->body_max && !s->is_ending && evtimer_pending(s->hold, NULL)))
            break;
        data.body = bytes_of(body, (size_t)len);
        if (!send_block(s, &data))
            return;
        s->outbox.next++;
        evbuffer_drain(in, (size_t)len);
        if ((size_t)len < s->body_max)
            evtimer_add(s->hold, &hold);
    }
    if (s->is_ending && evbuffer_get_length(in) == 0)
        over(s, FRAME_DONE);
}

void bluetooth_session_pump(struct bluetooth_session *s)
{
    if (s->is_over)
        return;
    send_all(s);
    if (!s->is_over)
        read_while_room(s);
}

enum err bluetooth_session_take(struct bluetooth_session *s, const struct frame_block *b)
{
    enum err e = ERR_NONE;

    if (s->is_over)
        return ERR_NONE;
    switch (b->kind) {
    case FRAME_DATA:
        if ((e = frame_inbox_put(&s->inbox, b->number, b->body)) == ERR_NONE)
            deliver(s);
        break;
    case FRAME_GRANT:
        e = frame_outbox_grant(&s->outbox, b->number);
        break;
    case FRAME_CLOSE:
        over(s, (enum frame_reason)b->reason);
        return ERR_NONE;
    default:
        e = ERR_MALFORMED;
    }
    if (e != ERR_NONE)
        over(s, FRAME_FAULT);
    else
        bluetooth_session_pump(s);
    return e;
}

static void on_readable(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    bluetooth_session_pump(ctx);
}

static void on_hold(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    bluetooth_session_pump(ctx);
}

static void on_drained(struct bufferevent *bev, void *ctx)
{
    struct bluetooth_session *s = ctx;

    (void)bev;
    if (s->is_over)
        return;
    deliver(s);
    bluetooth_session_pump(s);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct bluetooth_session *s = ctx;

    (void)bev;
    (void)what;
    s->is_ending = true;
    bluetooth_session_pump(s);
}

enum err bluetooth_session_new(struct bluetooth_session **out, struct event_base *base, uint8_t session, uint8_t window,
                               uint8_t peer_window, size_t block_max, const struct bluetooth_session_user *user,
                               struct bufferevent **stream)
{
    struct bluetooth_session *s = calloc(1, sizeof *s);
    struct bufferevent *outer = NULL;
    int fds[2], room = PIPE_BYTES;

    if (s == NULL)
        return ERR_NO_MEMORY;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
        free(s);
        return ERR_IO;
    }
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    s->inner = bufferevent_socket_new(base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    outer = bufferevent_socket_new(base, fds[1], BEV_OPT_CLOSE_ON_FREE);
    s->hold = evtimer_new(base, on_hold, s);
    if (s->inner == NULL || outer == NULL || s->hold == NULL) {
        if (s->hold != NULL)
            event_free(s->hold);
        if (s->inner != NULL)
            bufferevent_free(s->inner);
        else
            close(fds[0]);
        if (outer != NULL)
            bufferevent_free(outer);
        else
            close(fds[1]);
        free(s);
        return ERR_NO_MEMORY;
    }
    s->user = *user;
    s->session = session;
    s->body_max = (block_max < FRAME_BLOCK_MAX ? block_max : FRAME_BLOCK_MAX) - FRAME_HEADER_LEN;
    s->outbox.limit = peer_window;
    frame_inbox_init(&s->inbox, window);
    bufferevent_setcb(s->inner, on_readable, on_drained, on_event, s);
    bufferevent_set_max_single_read(s->inner, INNER_MAX);
    bufferevent_setwatermark(s->inner, EV_WRITE, INNER_MAX / 2, 0);
    bufferevent_enable(s->inner, EV_READ | EV_WRITE);
    *stream = outer;
    *out = s;
    return ERR_NONE;
}

void bluetooth_session_free(struct bluetooth_session *s)
{
    if (s == NULL)
        return;
    event_free(s->hold);
    bufferevent_free(s->inner);
    free(s);
}
