/* tests/bluetooth/bt_phone.c - what an app on a phone does: a node that reaches another through its GATT service alone, by
 * BlueZ's client API (docs/protocol.md section 7.8).
 *
 *   bt_phone ADAPTER ADDRESS             a node with this one link; takes bt_core's commands
 *   bt_phone ADAPTER ADDRESS raw=COUNT   sends COUNT blocks of no session, which the other side counts and drops: what the
 *                                        writes alone carry
 *   bt_phone ADAPTER ADDRESS garbage=COUNT  sends COUNT blocks of random bytes, then opens a session and says nothing
 */
#define _GNU_SOURCE
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "crypto/random.h"
#include "mesh/links/bluetooth_gatt.h"
#include "mesh/links/bluetooth_session.h"
#include "mesh/links/lan_wire.h"
#include "tests/bluetooth/bt_core.h"
#include "tests/support/check.h"

enum { FIND_S = 40, RESOLVE_S = 40, WINDOW = 192 };

struct phone {
    sd_bus *bus;
    char adapter[64], device[96], in_path[160], out_path[160];
    int in_fd, out_fd;
    uint16_t mtu;
    struct bt_core core;
    struct bluetooth_session *session;
    struct event *readable, *writable;
    uint8_t id, nonce[FRAME_NONCE_LEN];
    bool is_over;
};

/* ---- BlueZ, waiting for each answer ---- */

static bool call(struct phone *p, const char *path, const char *interface, const char *member, const char *types, const char *text)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = text != NULL ? sd_bus_call_method(p->bus, "org.bluez", path, interface, member, &error, NULL, types, text)
                         : sd_bus_call_method(p->bus, "org.bluez", path, interface, member, &error, NULL, "");

    if (r < 0)
        bt_say("bluez", ", \"call\": \"%s\", \"error\": \"%s\"", member, error.message != NULL ? error.message : "?");
    sd_bus_error_free(&error);
    return r >= 0;
}

static bool is_true(struct phone *p, const char *property)
{
    int value = 0;

    return sd_bus_get_property_trivial(p->bus, "org.bluez", p->device, "org.bluez.Device1", property, NULL, 'b', &value) >= 0 &&
           value != 0;
}

static bool is_in_range(struct phone *p)
{
    int16_t rssi;

    return sd_bus_get_property_trivial(p->bus, "org.bluez", p->device, "org.bluez.Device1", "RSSI", NULL, 'n', &rssi) >= 0;
}

static void find(struct phone *p)
{
    sd_bus_message *m = NULL;
    double end = bt_now_ms() + FIND_S * 1e3;
    bool is_found = false;

    REQUIRE(sd_bus_message_new_method_call(p->bus, &m, "org.bluez", p->adapter, "org.bluez.Adapter1", "SetDiscoveryFilter") >= 0);
    REQUIRE(sd_bus_message_append(m, "a{sv}", 2, "UUIDs", "as", 1, BLUETOOTH_UUID, "Transport", "s", "le") >= 0);
    REQUIRE(sd_bus_call(p->bus, m, 0, NULL, NULL) >= 0);
    sd_bus_message_unref(m);
    /* An emulated radio may tell of an advertiser only once a search: so search again and again. */
    while (!is_found && bt_now_ms() < end) {
        (void)call(p, p->adapter, "org.bluez.Adapter1", "StartDiscovery", NULL, NULL);
        for (int i = 0; i < 20 && !(is_found = is_in_range(p)); i++)
            usleep(100000);
        (void)call(p, p->adapter, "org.bluez.Adapter1", "StopDiscovery", NULL, NULL);
    }
    REQUIRE(is_found);
    bt_say("found", "%s", "");
}

/* Looks through all objects for the two characteristics below our device. */
static bool characteristics(struct phone *p)
{
    sd_bus_message *m = NULL;
    const char *path;

    REQUIRE(sd_bus_call_method(p->bus, "org.bluez", "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, &m,
                               "") >= 0);
    REQUIRE(sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}") >= 0);
    while (sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}") > 0) {
        char *uuid = NULL;

        REQUIRE(sd_bus_message_read(m, "o", &path) >= 0 && sd_bus_message_skip(m, "a{sa{sv}}") >= 0);
        REQUIRE(sd_bus_message_exit_container(m) >= 0);
        if (strncmp(path, p->device, strlen(p->device)) != 0 || strstr(path, "/char") == NULL || strstr(path, "/desc") != NULL ||
            sd_bus_get_property_string(p->bus, "org.bluez", path, "org.bluez.GattCharacteristic1", "UUID", NULL, &uuid) < 0)
            continue;
        if (strcmp(uuid, GATT_IN_UUID) == 0)
            snprintf(p->in_path, sizeof p->in_path, "%s", path);
        if (strcmp(uuid, GATT_OUT_UUID) == 0)
            snprintf(p->out_path, sizeof p->out_path, "%s", path);
        free(uuid);
    }
    sd_bus_message_unref(m);
    return p->in_path[0] != '\0' && p->out_path[0] != '\0';
}

static int acquire(struct phone *p, const char *path, const char *member)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *m = NULL;
    int fd;

    if (sd_bus_call_method(p->bus, "org.bluez", path, "org.bluez.GattCharacteristic1", member, &error, &m, "a{sv}", 0) < 0) {
        bt_say("bluez", ", \"call\": \"%s\", \"error\": \"%s\"", member, error.message);
        exit(1);
    }
    REQUIRE(sd_bus_message_read(m, "hq", &fd, &p->mtu) >= 0);
    fd = dup(fd);
    sd_bus_message_unref(m);
    REQUIRE(fd >= 0);
    return fd;
}

static void reach(struct phone *p)
{
    double end;

    find(p);
    for (int i = 0; i < 5 && !call(p, p->device, "org.bluez.Device1", "Connect", NULL, NULL); i++)
        usleep(500000);
    for (end = bt_now_ms() + RESOLVE_S * 1e3; !is_true(p, "ServicesResolved");) {
        REQUIRE(bt_now_ms() < end);
        usleep(50000);
    }
    for (end = bt_now_ms() + RESOLVE_S * 1e3; !characteristics(p);) {
        REQUIRE(bt_now_ms() < end);
        usleep(100000);
    }
    p->out_fd = acquire(p, p->out_path, "AcquireNotify");
    p->in_fd = acquire(p, p->in_path, "AcquireWrite");
    bt_say("reached", ", \"mtu\": %u", p->mtu);
}

/* ---- Blocks ---- */

/* Waits for room: for what is written before there is a loop. */
static void write_block(struct phone *p, const uint8_t *at, size_t len)
{
    struct pollfd room = { .fd = p->in_fd, .events = POLLOUT };

    while (send(p->in_fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
        REQUIRE(poll(&room, 1, 10000) == 1);
}

/* Opens a session; BlueZ may mix up what is written before this first block was answered. */
static uint8_t open_session(struct phone *p)
{
    struct frame_block open = { .kind = FRAME_OPEN, .version = FRAME_VERSION, .window = WINDOW }, b;
    struct rng g = rng_system();
    uint8_t block[FRAME_BLOCK_MAX];
    struct pollfd news = { .fd = p->out_fd, .events = POLLIN };

    for (int tries = 0; tries < 10; tries++) {
        double end = bt_now_ms() + 2000;

        rng_fill(&g, open.nonce, sizeof open.nonce);
        rng_fill(&g, &open.session, 1);
        write_block(p, block, frame_encode(&open, block));
        while (bt_now_ms() < end && poll(&news, 1, 2000) == 1) {
            ssize_t len = read(p->out_fd, block, sizeof block);

            REQUIRE(len > 0);
            if (frame_decode(&b, bytes_of(block, (size_t)len)) == ERR_NONE && b.kind == FRAME_OPENED &&
                memcmp(b.nonce, open.nonce, sizeof b.nonce) == 0) {
                p->id = open.session;
                return b.window;
            }
        }
    }
    REQUIRE(!"a session opens");
    return 0;
}

static void raw(struct phone *p, unsigned count)
{
    uint8_t block[FRAME_BLOCK_MAX] = { 0 };
    double start;

    (void)open_session(p);
    block[0] = (uint8_t)(p->id + 1);
    block[1] = FRAME_DATA;
    start = bt_now_ms();
    for (unsigned i = 0; i < count; i++)
        write_block(p, block, sizeof block);
    (void)open_session(p);
    bt_say("raw", ", \"bytes\": %zu, \"ms\": %.1f", count * sizeof block, bt_now_ms() - start);
}

static void garbage(struct phone *p, unsigned count)
{
    struct rng g = rng_system();
    uint8_t block[512];

    (void)open_session(p);
    for (unsigned i = 0; i < count; i++) {
        size_t len = 1 + rng_below(&g, 400);

        rng_fill(&g, block, len);
        if (i % 2 == 0) {
            /* Of the open session, of a known kind, and wrong all the same. */
            block[0] = p->id;
            block[1] = (uint8_t)(1 + rng_below(&g, 5));
        }
        write_block(p, block, len);
    }
    bt_say("garbage", ", \"blocks\": %u", count);
    (void)open_session(p);
    bt_say("silent", "%s", "");
}

/* ---- The link ---- */

static bool send_block(void *ctx, struct bytes block)
{
    struct phone *p = ctx;

    if (send(p->in_fd, block.at, block.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)block.len)
        return true;
    event_add(p->writable, NULL);
    return false;
}

static void on_over(void *ctx, enum frame_reason reason)
{
    struct phone *p = ctx;

    p->is_over = true;
    bt_say("over", ", \"reason\": %d", (int)reason);
    event_base_loopbreak(p->core.base);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct phone *p = ctx;
    uint8_t block[512];
    struct frame_block b;
    ssize_t len;

    (void)what;
    while ((len = recv(fd, block, sizeof block, MSG_DONTWAIT)) > 0)
        if (frame_decode(&b, bytes_of(block, (size_t)len)) == ERR_NONE && b.session == p->id)
            (void)bluetooth_session_take(p->session, &b);
    if (len == 0) {
        bt_say("gone", "%s", "");
        event_base_loopbreak(p->core.base);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    bluetooth_session_pump(((struct phone *)ctx)->session);
}

static void link_up(struct phone *p)
{
    struct link_open how = { .kind = LINK_BLUETOOTH_GATT, .is_initiator = true, .frame_max = LINK_FRAME_MAX_BT, .is_slow = true };
    struct bluetooth_session_user user = { p, send_block, on_over };
    struct lan_preamble said = { { 0 }, { 0 } };
    uint8_t beacon[BEACON_LEN], preamble[LAN_PREAMBLE_LEN], window = open_session(p);
    struct bufferevent *stream;
    uint32_t link;

    bt_core_init(&p->core, NULL);
    node_beacon(p->core.node, beacon);
    lan_advert_of_beacon(said.initiator, beacon);
    memcpy(how.advert_ours, said.initiator, sizeof how.advert_ours);
    REQUIRE(bluetooth_session_new(&p->session, p->core.base, p->id, WINDOW, window, p->mtu - 3u, &user, &stream) == ERR_NONE);
    REQUIRE((p->readable = event_new(p->core.base, p->out_fd, EV_READ | EV_PERSIST, on_readable, p)) != NULL);
    REQUIRE((p->writable = event_new(p->core.base, p->in_fd, EV_WRITE, on_writable, p)) != NULL);
    event_add(p->readable, NULL);
    lan_preamble_encode(preamble, &said);
    REQUIRE(bufferevent_write(stream, preamble, sizeof preamble) == 0);
    REQUIRE(host_link_add(p->core.host, stream, &how, "gatt", &link) == ERR_NONE);
    bt_say("link", "%s", "");
    event_base_dispatch(p->core.base);
    event_free(p->readable);
    event_free(p->writable);
    bluetooth_session_free(p->session);
    bt_core_clear(&p->core);
}

int main(int argc, char **argv)
{
    struct phone p = { .in_fd = -1, .out_fd = -1 };
    unsigned count;
    char *at;

    REQUIRE(argc >= 3);
    snprintf(p.adapter, sizeof p.adapter, "/org/bluez/%s", argv[1]);
    snprintf(p.device, sizeof p.device, "%s/dev_%s", p.adapter, argv[2]);
    while ((at = strchr(p.device, ':')) != NULL)
        *at = '_';
    REQUIRE(sd_bus_open_system(&p.bus) >= 0);
    reach(&p);
    if (argc > 3 && sscanf(argv[3], "raw=%u", &count) == 1)
        raw(&p, count);
    else if (argc > 3 && sscanf(argv[3], "garbage=%u", &count) == 1)
        garbage(&p, count);
    else
        link_up(&p);
    close(p.in_fd);
    close(p.out_fd);
    (void)call(&p, p.device, "org.bluez.Device1", "Disconnect", NULL, NULL);
    sd_bus_unref(p.bus);
    bt_say("down", "%s", "");
    return 0;
}
