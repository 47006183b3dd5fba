/* mesh/links/bluetooth_gatt.c - see bluetooth_gatt.h */
#define _GNU_SOURCE
#include "mesh/links/bluetooth_gatt.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/links/bluetooth_props.h"
#include "mesh/links/bluetooth_session.h"
#include "mesh/links/lan_wire.h"

#define ROOT_PATH    "/org/staffetta/gatt"
#define SERVICE_PATH ROOT_PATH "/service"
#define IN_PATH      SERVICE_PATH "/in"
#define OUT_PATH     SERVICE_PATH "/out"
#define MANAGER      "org.bluez.GattManager1"
#define CHARACTERISTIC "org.bluez.GattCharacteristic1"

enum {
    BLOCKS_A_PASS = 64, ATT_HEADER_LEN = 3, ATT_MTU_MIN = 23,
    PIPE_BYTES    = 512 * 1024,
    REST_MS       = 8,   /* bluetoothd hands over block by block: a turn of the host and an ack for each would be most of the work */
};

struct phone {
    struct bluetooth_gatt *gatt;
    struct bluetooth_session *session;   /* NULL: the slot is free */
    struct bufferevent *stream;          /* until it is a link */
    uint8_t id, nonce[FRAME_NONCE_LEN], window;
    bool is_over, is_faulty;
    enum frame_reason reason;
    uint64_t heard_ms, since_ms;
};

/* One of the two sockets BlueZ was given. */
struct pipe { int fd; struct event *readable, *writable; };

struct bluetooth_gatt {
    struct event_base *base;
    struct bluetooth_bus *bus;
    struct host *host;
    struct node *node;
    struct bluetooth_gatt_user user;
    sd_bus_slot *manager, *service, *in, *out, *call;
    char adapter[BUS_PATH_LEN];
    bool is_on;
    struct pipe writes, notes;
    uint16_t mtu;
    struct event *reap, *rest;
    struct phone phones[GATT_SESSIONS_MAX];
    uint64_t sessions, faults;
    char error[128];
};

/* ---- Pipes ---- */

static void pipe_close(struct pipe *p)
{
    if (p->readable != NULL)
        event_free(p->readable);
    if (p->writable != NULL)
        event_free(p->writable);
    if (p->fd >= 0)
        close(p->fd);
    *p = (struct pipe){ .fd = -1 };
}

/* Opens a pair and returns the end for BlueZ, or -1. */
static int pipe_open(struct bluetooth_gatt *g, struct pipe *p, event_callback_fn on_readable, event_callback_fn on_writable)
{
    int fds[2], room = PIPE_BYTES;

    pipe_close(p);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return -1;
    /* bluetoothd drops what does not fit, so a whole window must, with the kernel's share. */
    (void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    p->fd = fds[0];
    p->readable = event_new(g->base, p->fd, EV_READ | EV_PERSIST, on_readable, g);
    p->writable = event_new(g->base, p->fd, EV_WRITE, on_writable, g);
    if (p->readable == NULL || p->writable == NULL || event_add(p->readable, NULL) != 0) {
        pipe_close(p);
        close(fds[1]);
        return -1;
    }
    return fds[1];
}

/* ---- Phones ---- */

static bool send_block(void *ctx, struct bytes block)
{
    struct bluetooth_gatt *g = ((struct phone *)ctx)->gatt;

    if (g->notes.fd < 0)
        return false;
    if (send(g->notes.fd, block.at, block.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)block.len)
        return true;
    if (errno == EAGAIN)
        event_add(g->notes.writable, NULL);
    return false;
}

static void say(struct phone *p, const struct frame_block *b)
{
    uint8_t block[FRAME_BLOCK_MAX];
    size_t len = frame_encode(b, block);

    /* Small, rare and repeatable by the phone: lost when BlueZ is choked. */
    (void)send_block(p, bytes_of(block, len));
}

static void phone_over(void *ctx, enum frame_reason reason)
{
    struct phone *p = ctx;

    p->is_over = true;
    p->reason = reason;
    event_active(p->gatt->reap, EV_TIMEOUT, 0);
}

static void phone_free(struct phone *p)
{
    if (p->stream != NULL)
        bufferevent_free(p->stream);
    bluetooth_session_free(p->session);
    p->session = NULL;
    p->stream = NULL;
}

static void phones_free(struct bluetooth_gatt *g)
{
    for (size_t i = 0; i < GATT_SESSIONS_MAX; i++)
        phone_free(&g->phones[i]);
}

static void on_reap(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_gatt *g = ctx;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < GATT_SESSIONS_MAX; i++) {
        struct phone *p = &g->phones[i];
        struct frame_block b = { .session = p->id, .kind = FRAME_CLOSE, .reason = (uint8_t)p->reason };

        if (p->session == NULL || !p->is_over)
            continue;
        if (p->reason == FRAME_FAULT)
            g->faults++;
        say(p, &b);
        phone_free(p);
    }
}

/* The stream's first bytes say who calls; then it is a link. */
static void on_preamble(struct bufferevent *bev, void *ctx)
{
    static const uint8_t none[ADVERT_RANDOM_LEN];
    struct phone *p = ctx;
    struct bluetooth_gatt *g = p->gatt;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct link_open how = { .kind = LINK_BLUETOOTH_GATT, .frame_max = LINK_FRAME_MAX_BT, .is_slow = true };
    struct lan_preamble said;
    uint8_t raw[LAN_PREAMBLE_LEN], beacon[BEACON_LEN], ours[ADVERT_RANDOM_LEN];
    uint32_t link;

    if (evbuffer_get_length(in) < sizeof raw || p->is_over)
        return;
    evbuffer_remove(in, raw, sizeof raw);
    node_beacon(g->node, beacon);
    lan_advert_of_beacon(ours, beacon);
    if (lan_preamble_decode(&said, bytes_of(raw, sizeof raw)) != ERR_NONE || memcmp(said.initiator, ours, sizeof ours) == 0 ||
        (memcmp(said.responder, ours, sizeof ours) != 0 && memcmp(said.responder, none, sizeof none) != 0) ||
        !g->user.may_accept(g->user.ctx, said.initiator)) {
        phone_over(p, FRAME_FAULT);
        return;
    }
    memcpy(how.advert_ours, said.responder, sizeof how.advert_ours);
    memcpy(how.advert_theirs, said.initiator, sizeof how.advert_theirs);
    p->stream = NULL;
    if (host_link_add(g->host, bev, &how, "phone", &link) == ERR_NONE)
        g->user.on_link(g->user.ctx, said.initiator, link);
    else
        phone_over(p, FRAME_BUSY);
}

static void phone_open(struct bluetooth_gatt *g, const struct frame_block *b)
{
    struct frame_block answer = { .session = b->session, .kind = FRAME_OPENED, .window = GATT_WINDOW };
    struct phone *unused = NULL;
    size_t block_max = g->mtu - ATT_HEADER_LEN;

    memcpy(answer.nonce, b->nonce, sizeof answer.nonce);
    for (size_t i = 0; i < GATT_SESSIONS_MAX; i++) {
        struct phone *p = &g->phones[i];

        if (p->session == NULL) {
            unused = p;
        } else if (p->id == b->session) {
            /* Asked again, since the answer was lost; anybody else's number is taken, and he will try another. */
            if (memcmp(p->nonce, b->nonce, sizeof p->nonce) == 0)
                say(p, &answer);
            return;
        }
    }
    struct phone stranger = { .gatt = g };
    struct bluetooth_session_user user = { unused, send_block, phone_over };

    if (b->version != FRAME_VERSION || unused == NULL) {
        answer.kind = FRAME_CLOSE;
        answer.reason = unused == NULL ? FRAME_BUSY : FRAME_WRONG_VERSION;
        say(&stranger, &answer);
        return;
    }
    *unused = (struct phone){ .gatt = g, .id = b->session, .window = b->window, .heard_ms = host_now_ms(g->host) };
    unused->since_ms = unused->heard_ms;
    memcpy(unused->nonce, b->nonce, sizeof unused->nonce);
    if (bluetooth_session_new(&unused->session, g->base, b->session, GATT_WINDOW, b->window, block_max, &user,
                              &unused->stream) != ERR_NONE)
        return;
    bufferevent_setcb(unused->stream, on_preamble, NULL, NULL, unused);
    bufferevent_setwatermark(unused->stream, EV_READ, LAN_PREAMBLE_LEN, 0);
    bufferevent_enable(unused->stream, EV_READ);
    g->sessions++;
    say(unused, &answer);
    g->user.changed(g->user.ctx);
}

static void block_take(struct bluetooth_gatt *g, struct bytes in)
{
    struct frame_block b;

    if (frame_decode(&b, in) != ERR_NONE) {
        g->faults++;
        return;
    }
    if (b.kind == FRAME_OPEN) {
        phone_open(g, &b);
        return;
    }
    for (size_t i = 0; i < GATT_SESSIONS_MAX; i++) {
        struct phone *p = &g->phones[i];

        if (p->session != NULL && p->id == b.session) {
            p->heard_ms = host_now_ms(g->host);
            (void)bluetooth_session_take(p->session, &b);
            return;
        }
    }
    g->faults++;   /* of a session that is over, or never was */
}

/* ---- What BlueZ reads and calls ---- */

static void on_writes(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_gatt *g = ctx;
    uint8_t block[FRAME_BLOCK_MAX + 1];   /* one byte more shows what is too long */
    struct timeval rest = { 0, REST_MS * 1000 };

    (void)what;
    event_del(g->writes.readable);
    evtimer_add(g->rest, &rest);
    for (int i = 0; i < BLOCKS_A_PASS; i++) {
        ssize_t len = recv(fd, block, sizeof block, MSG_DONTWAIT);

        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len <= 0) {
            pipe_close(&g->writes);
            phones_free(g);
            return;
        }
        block_take(g, bytes_of(block, (size_t)len));
    }
}

static void on_rested(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_gatt *g = ctx;

    (void)fd;
    (void)what;
    if (g->writes.readable != NULL)
        event_add(g->writes.readable, NULL);
}

/* Nothing is ever read here but the end: nobody listens any more. */
static void on_notes(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_gatt *g = ctx;
    uint8_t block[FRAME_BLOCK_MAX];
    ssize_t len = recv(fd, block, sizeof block, MSG_DONTWAIT);

    (void)what;
    if (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    pipe_close(&g->notes);
    phones_free(g);
}

static void on_room(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_gatt *g = ctx;

    (void)fd;
    (void)what;
    for (size_t i = 0; i < GATT_SESSIONS_MAX; i++)
        if (g->phones[i].session != NULL)
            bluetooth_session_pump(g->phones[i].session);
}

static int acquire(struct bluetooth_gatt *g, sd_bus_message *m, struct pipe *p, event_callback_fn on_readable)
{
    uint16_t mtu;
    int fd, r;

    if ((r = bluetooth_props_u16(m, "mtu", ATT_MTU_MIN, &mtu)) < 0)
        return r;
    /* Several phones share the socket: the least of their MTUs serves all. */
    mtu = mtu < ATT_MTU_MIN ? ATT_MTU_MIN : mtu;
    if (g->mtu == 0 || mtu < g->mtu || (g->writes.fd < 0 && g->notes.fd < 0))
        g->mtu = mtu;
    if ((fd = pipe_open(g, p, on_readable, on_room)) < 0)
        return -errno;
    r = sd_bus_reply_method_return(m, "hq", fd, mtu);
    close(fd);
    return r;
}

static int on_acquire_write(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_gatt *g = ctx;

    (void)error;
    return acquire(g, m, &g->writes, on_writes);
}

static int on_acquire_notify(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_gatt *g = ctx;

    (void)error;
    return acquire(g, m, &g->notes, on_notes);
}

#define GETTER(name, ...)                                                                                              \
    static int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, \
                    void *ctx, sd_bus_error *error)                                                                    \
    {                                                                                                                  \
        (void)bus, (void)path, (void)interface, (void)property, (void)ctx, (void)error;                                \
        return sd_bus_message_append(reply, __VA_ARGS__);                                                              \
    }

GETTER(get_service_uuid, "s", GATT_SERVICE_UUID)
GETTER(get_primary, "b", 1)
GETTER(get_in_uuid, "s", GATT_IN_UUID)
GETTER(get_out_uuid, "s", GATT_OUT_UUID)
GETTER(get_service, "o", SERVICE_PATH)
GETTER(get_in_flags, "as", 1, "write-without-response")
GETTER(get_out_flags, "as", 1, "notify")
GETTER(get_acquired, "b", 0)

static const sd_bus_vtable service_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("UUID", "s", get_service_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Primary", "b", get_primary, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END
};

static const sd_bus_vtable in_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("AcquireWrite", "a{sv}", "hq", on_acquire_write, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("UUID", "s", get_in_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Service", "o", get_service, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Flags", "as", get_in_flags, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("WriteAcquired", "b", get_acquired, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END
};

static const sd_bus_vtable out_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("AcquireNotify", "a{sv}", "hq", on_acquire_notify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("UUID", "s", get_out_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Service", "o", get_service, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Flags", "as", get_out_flags, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("NotifyAcquired", "b", get_acquired, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END
};

/* ---- Registering ---- */

static void objects_drop(struct bluetooth_gatt *g)
{
    g->manager = sd_bus_slot_unref(g->manager);
    g->service = sd_bus_slot_unref(g->service);
    g->in = sd_bus_slot_unref(g->in);
    g->out = sd_bus_slot_unref(g->out);
}

static int on_registered(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_gatt *g = ctx;
    const sd_bus_error *why = sd_bus_message_get_error(m);

    (void)error;
    g->call = sd_bus_slot_unref(g->call);
    g->is_on = why == NULL;
    g->error[0] = '\0';
    if (why != NULL)
        snprintf(g->error, sizeof g->error, "GATT: %s", why->message != NULL ? why->message : why->name);
    g->user.changed(g->user.ctx);
    return 0;
}

void bluetooth_gatt_start(struct bluetooth_gatt *g, const char *adapter)
{
    sd_bus *bus = bluetooth_bus_handle(g->bus);
    sd_bus_message *m;

    bluetooth_gatt_stop(g, false);
    if (bus == NULL)
        return;
    snprintf(g->adapter, sizeof g->adapter, "%s", adapter);
    if (sd_bus_add_object_manager(bus, &g->manager, ROOT_PATH) < 0 ||
        sd_bus_add_object_vtable(bus, &g->service, SERVICE_PATH, "org.bluez.GattService1", service_vtable, g) < 0 ||
        sd_bus_add_object_vtable(bus, &g->in, IN_PATH, CHARACTERISTIC, in_vtable, g) < 0 ||
        sd_bus_add_object_vtable(bus, &g->out, OUT_PATH, CHARACTERISTIC, out_vtable, g) < 0) {
        objects_drop(g);
        return;
    }
    m = bluetooth_bus_message(g->bus, adapter, MANAGER, "RegisterApplication");
    if (m != NULL && sd_bus_message_append(m, "oa{sv}", ROOT_PATH, 0) < 0)
        m = sd_bus_message_unref(m);
    if (!bluetooth_bus_call(g->bus, m, &g->call, on_registered, g))
        objects_drop(g);
}

void bluetooth_gatt_stop(struct bluetooth_gatt *g, bool is_lost)
{
    if (g->manager != NULL && !is_lost) {
        sd_bus_message *m = bluetooth_bus_message(g->bus, g->adapter, MANAGER, "UnregisterApplication");

        if (m != NULL && sd_bus_message_append(m, "o", ROOT_PATH) < 0)
            m = sd_bus_message_unref(m);
        bluetooth_bus_call(g->bus, m, NULL, NULL, NULL);
    }
    g->call = sd_bus_slot_unref(g->call);
    objects_drop(g);
    pipe_close(&g->writes);
    pipe_close(&g->notes);
    phones_free(g);
    g->is_on = false;
    g->mtu = 0;
}

uint64_t bluetooth_gatt_wake(struct bluetooth_gatt *g, uint64_t now_ms)
{
    uint64_t next_ms = UINT64_MAX;

    for (size_t i = 0; i < GATT_SESSIONS_MAX; i++) {
        struct phone *p = &g->phones[i];
        uint64_t end_ms;

        if (p->session == NULL || p->is_over)
            continue;
        end_ms = p->stream != NULL ? p->since_ms + GATT_PREAMBLE_MS : p->heard_ms + GATT_SILENCE_MS;
        if (end_ms <= now_ms)
            phone_over(p, FRAME_FAULT);
        else if (end_ms < next_ms)
            next_ms = end_ms;
    }
    return next_ms;
}

bool bluetooth_gatt_is_on(const struct bluetooth_gatt *g) { return g->is_on; }
uint64_t bluetooth_gatt_sessions(const struct bluetooth_gatt *g) { return g->sessions; }
uint64_t bluetooth_gatt_faults(const struct bluetooth_gatt *g) { return g->faults; }
const char *bluetooth_gatt_error(const struct bluetooth_gatt *g) { return g->error; }

/* ---- Life ---- */

enum err bluetooth_gatt_new(struct bluetooth_gatt **out, struct event_base *base, struct bluetooth_bus *bus,
                            struct host *host, struct node *node, const struct bluetooth_gatt_user *user)
{
    struct bluetooth_gatt *g = calloc(1, sizeof *g);

    if (g == NULL)
        return ERR_NO_MEMORY;
    g->base = base;
    g->bus = bus;
    g->host = host;
    g->node = node;
    g->user = *user;
    g->writes.fd = g->notes.fd = -1;
    g->reap = event_new(base, -1, 0, on_reap, g);
    g->rest = evtimer_new(base, on_rested, g);
    if (g->reap == NULL || g->rest == NULL) {
        bluetooth_gatt_free(g);
        return ERR_NO_MEMORY;
    }
    *out = g;
    return ERR_NONE;
}

void bluetooth_gatt_free(struct bluetooth_gatt *g)
{
    if (g == NULL)
        return;
    bluetooth_gatt_stop(g, false);
    if (g->reap != NULL)
        event_free(g->reap);
    if (g->rest != NULL)
        event_free(g->rest);
    free(g);
}
