/* tests/bluetooth/bt_node.c - a node with nothing but Bluetooth, for the tests in the virtual machine.
 *
 *   bt_node ADAPTER [data=DIR] [epoch=MS] [idle=MS] [scan=ON_MS/OFF_MS] [links=N] [only=ADDRESS] [power=0|1|2] [gatt=0]
 *           [passive=1]
 *           [classic=1] [classic_peer=ADDRESS]
 */
#define _GNU_SOURCE
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/links/bluetooth.h"
#include "tests/bluetooth/bt_core.h"
#include "tests/support/check.h"

struct watcher {
    struct bluetooth *bluetooth;
    struct event *timer;
    enum bluetooth_state state;
    bool is_advertising, is_told;
    uint64_t calls;
};

static void on_event(void *ctx, const struct node_event *event)
{
    bluetooth_on_event(((struct watcher *)ctx)->bluetooth, event);
}

static void on_status(void *ctx)
{
    struct watcher *w = ctx;
    struct bluetooth_info i;

    bluetooth_info(w->bluetooth, &i);
    bt_say("bluetooth",
           ", \"state\": \"%s\", \"adapter\": \"%s\", \"advertising\": %d, \"gatt\": %d, \"private\": %d, \"neighbours\": %u, "
           "\"links\": %u, \"adverts\": %llu, \"malformed\": %llu, \"dropped\": %llu, \"calls\": %llu, \"calls_failed\": %llu, "
           "\"accepted\": %llu, \"refused\": %llu, \"sessions\": %llu, \"gatt_faults\": %llu, \"bus_faults\": %llu, "
           "\"epochs\": %llu, \"error\": \"%s\"",
           bluetooth_state_text(i.state), i.adapter, i.is_advertising, i.is_gatt_on, i.is_private, i.neighbours, i.links,
           (unsigned long long)i.adverts_in, (unsigned long long)i.adverts_malformed, (unsigned long long)i.adverts_dropped,
           (unsigned long long)i.calls, (unsigned long long)i.calls_failed, (unsigned long long)i.accepted,
           (unsigned long long)i.refused, (unsigned long long)i.gatt_sessions, (unsigned long long)i.gatt_faults,
           (unsigned long long)i.bus_faults, (unsigned long long)i.epochs, i.last_error);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct watcher *w = ctx;
    struct timeval soon = { 0, 20000 };
    struct bluetooth_info i;

    (void)fd;
    (void)what;
    bluetooth_info(w->bluetooth, &i);
    if (!w->is_told || i.state != w->state)
        bt_say("state", ", \"state\": \"%s\"", bluetooth_state_text(i.state));
    if (!w->is_told || i.is_advertising != w->is_advertising)
        bt_say("advertising", ", \"on\": %d, \"gatt\": %d", i.is_advertising, i.is_gatt_on);
    if (i.calls != w->calls)
        bt_say("call", ", \"calls\": %llu, \"failed\": %llu", (unsigned long long)i.calls, (unsigned long long)i.calls_failed);
    w->calls = i.calls;
    w->is_told = true;
    w->state = i.state;
    w->is_advertising = i.is_advertising;
    event_add(w->timer, &soon);
}

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(ctx);
}

static const char *value_of(const char *argument, const char *key)
{
    size_t len = strlen(key);

    return strncmp(argument, key, len) == 0 && argument[len] == '=' ? argument + len + 1 : NULL;
}

int main(int argc, char **argv)
{
    struct bt_core core = { 0 };
    struct watcher w = { 0 };
    struct bluetooth_config config = { .is_epoch_ours = true };
    const char *data = NULL, *v;

    if (argc < 2) {
        fprintf(stderr, "usage: see the head of tests/bluetooth/bt_node.c\n");
        return 2;
    }
    config.adapter = strcmp(argv[1], "any") != 0 ? argv[1] : NULL;
    for (int i = 2; i < argc; i++) {
        if ((v = value_of(argv[i], "data")) != NULL)
            data = v;
        else if ((v = value_of(argv[i], "epoch")) != NULL)
            config.epoch_ms = (uint32_t)atoi(v);
        else if ((v = value_of(argv[i], "idle")) != NULL)
            config.idle_ms = (uint32_t)atoi(v);
        else if ((v = value_of(argv[i], "links")) != NULL)
            config.links_max = (unsigned)atoi(v);
        else if ((v = value_of(argv[i], "only")) != NULL)
            config.only = v;
        else if ((v = value_of(argv[i], "power")) != NULL)
            config.power = (enum bluetooth_power)atoi(v);
        else if ((v = value_of(argv[i], "passive")) != NULL)
            config.is_passive = atoi(v) != 0;
        else if ((v = value_of(argv[i], "gatt")) != NULL)
            config.is_gatt_off = atoi(v) == 0;
        else if ((v = value_of(argv[i], "classic")) != NULL)
            config.is_classic = atoi(v) != 0;
        else if ((v = value_of(argv[i], "classic_peer")) != NULL)
            config.classic_peer = v;
        else if ((v = value_of(argv[i], "scan")) != NULL)
            REQUIRE(sscanf(v, "%u/%u", &config.scan_on_ms, &config.scan_off_ms) == 2);
        else
            REQUIRE(!"known argument");
    }
    core.ctx = &w;
    core.on_event = on_event;
    core.on_status = on_status;
    bt_core_init(&core, data);
    REQUIRE(bluetooth_new(&w.bluetooth, core.base, core.host, core.node, &core.rng, &config) == ERR_NONE);
    struct event *term = evsignal_new(core.base, SIGTERM, on_signal, core.base);

    event_add(term, NULL);
    w.timer = evtimer_new(core.base, on_timer, &w);
    event_active(w.timer, EV_TIMEOUT, 0);
    bt_say("up", ", \"pid\": %d", (int)getpid());
    event_base_dispatch(core.base);
    event_free(w.timer);
    event_free(term);
    bluetooth_free(w.bluetooth);
    bt_core_clear(&core);
    bt_say("down", "%s", "");
    return 0;
}
