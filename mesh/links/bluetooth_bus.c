/* mesh/links/bluetooth_bus.c - see bluetooth_bus.h */
#define _GNU_SOURCE
#include "mesh/links/bluetooth_bus.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mesh/links/bluetooth_props.h"

enum {
    ADAPTERS_MAX    = 8,
    ASKS_MAX        = 8,
    RECONNECT_MS    = 5000,
    LOOK_AGAIN_MS   = 5000,   /* BlueZ was there and gave no sense */
    MESSAGES_A_PASS = 64,     /* then the loop has others to serve */
};

struct ask { struct bluetooth_bus *bus; sd_bus_slot *slot; char path[BUS_PATH_LEN]; };

struct bluetooth_bus {
    struct event_base *base;
    struct bluetooth_bus_user user;
    const char *wanted;
    sd_bus *bus;
    struct event *io, *timer, *again, *changed;
    short io_what;
    sd_bus_slot *owner_match, *added_match, *removed_match, *props_match, *objects_call, *owner_call;
    struct bluetooth_adapter adapters[ADAPTERS_MAX];
    struct ask asks[ASKS_MAX];
    char in_use[BUS_PATH_LEN];    /* kept while it is fit, though a lower number comes */
    enum bluetooth_state trouble; /* BLUETOOTH_ON: BlueZ answers */
    bool is_listing;              /* what BlueZ remembers is not all in range: only what has a signal strength */
    unsigned generation;
    uint64_t faults;
};

static struct timeval ms_of(uint64_t ms)
{
    return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

void bluetooth_bus_fault(struct bluetooth_bus *b) { b->faults++; }
uint64_t bluetooth_bus_faults(const struct bluetooth_bus *b) { return b->faults; }
unsigned bluetooth_bus_generation(const struct bluetooth_bus *b) { return b->generation; }
sd_bus *bluetooth_bus_handle(const struct bluetooth_bus *b) { return b->bus; }

/* The user hears of changes from the loop, never from inside a message. */
static void changed_soon(struct bluetooth_bus *b)
{
    event_active(b->changed, EV_TIMEOUT, 0);
}

static void on_changed(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_bus *b = ctx;

    (void)fd;
    (void)what;
    b->user.on_change(b->user.ctx);
}

/* ---- Adapters ---- */

static bool path_is_adapter(const char *path)
{
    return strncmp(path, "/org/bluez/hci", 14) == 0 && path[14] != '\0' && strchr(path + 14, '/') == NULL &&
           strlen(path) < BUS_PATH_LEN;
}

static struct bluetooth_adapter *adapter_find(struct bluetooth_bus *b, const char *path)
{
    for (size_t i = 0; i < ADAPTERS_MAX; i++)
        if (b->adapters[i].path[0] != '\0' && strcmp(b->adapters[i].path, path) == 0)
            return &b->adapters[i];
    return NULL;
}

static struct bluetooth_adapter *adapter_of(struct bluetooth_bus *b, const char *path)
{
    struct bluetooth_adapter *a = adapter_find(b, path);

    for (size_t i = 0; i < ADAPTERS_MAX && a == NULL; i++)
        if (b->adapters[i].path[0] == '\0') {
            a = &b->adapters[i];
            snprintf(a->path, sizeof a->path, "%s", path);
            a->kind = BT_ADDR_LE_PUBLIC;
        }
    return a;
}

static bool adapter_is_wanted(const struct bluetooth_bus *b, const struct bluetooth_adapter *a)
{
    return a->path[0] != '\0' && (b->wanted == NULL || strcmp(a->path + strlen("/org/bluez/"), b->wanted) == 0);
}

static bool adapter_is_fit(const struct bluetooth_bus *b, const struct bluetooth_adapter *a)
{
    return adapter_is_wanted(b, a) && a->has_address && a->is_powered && a->has_advertising;
}

static void adapter_choose(struct bluetooth_bus *b)
{
    const struct bluetooth_adapter *best = adapter_find(b, b->in_use);

    if (best == NULL || !adapter_is_fit(b, best))
        best = NULL;
    for (size_t i = 0; i < ADAPTERS_MAX && best == NULL; i++)
        if (adapter_is_fit(b, &b->adapters[i]))
            best = &b->adapters[i];
    if (strcmp(b->in_use, best != NULL ? best->path : "") != 0) {
        snprintf(b->in_use, sizeof b->in_use, "%s", best != NULL ? best->path : "");
        b->generation++;
    }
    changed_soon(b);
}

const struct bluetooth_adapter *bluetooth_bus_adapter(const struct bluetooth_bus *b)
{
    for (size_t i = 0; i < ADAPTERS_MAX; i++)
        if (b->in_use[0] != '\0' && strcmp(b->adapters[i].path, b->in_use) == 0)
            return &b->adapters[i];
    return NULL;
}

enum bluetooth_state bluetooth_bus_state(const struct bluetooth_bus *b)
{
    enum bluetooth_state state = BLUETOOTH_NO_ADAPTER;

    if (b->trouble != BLUETOOTH_ON)
        return b->trouble;
    if (b->in_use[0] != '\0')
        return BLUETOOTH_ON;
    for (size_t i = 0; i < ADAPTERS_MAX; i++) {
        const struct bluetooth_adapter *a = &b->adapters[i];

        if (!adapter_is_wanted(b, a))
            continue;
        if (!a->is_powered)
            state = BLUETOOTH_OFF;
        else if (state != BLUETOOTH_OFF && !a->has_advertising)
            state = BLUETOOTH_TOO_OLD;
    }
    return state;
}

static void adapters_forget(struct bluetooth_bus *b)
{
    memset(b->adapters, 0, sizeof b->adapters);
    b->in_use[0] = '\0';
    b->generation++;
    for (size_t i = 0; i < ASKS_MAX; i++)
        b->asks[i].slot = sd_bus_slot_unref(b->asks[i].slot);
}

/* ---- Objects ---- */

/* A reader of a{sv} for the interface of an object; the caller's message stands before it. */
static int interface_take(struct bluetooth_bus *b, const char *path, const char *interface, sd_bus_message *m)
{
    if (path_is_adapter(path)) {
        struct bluetooth_adapter *a = adapter_of(b, path);

        if (a == NULL)
            return sd_bus_message_skip(m, "a{sv}");
        if (strcmp(interface, "org.bluez.Adapter1") == 0)
            return bluetooth_props_adapter(m, a);
        if (strcmp(interface, "org.bluez.LEAdvertisingManager1") == 0)
            a->has_advertising = true;
        if (strcmp(interface, "org.bluez.GattManager1") == 0)
            a->has_gatt = true;
        return sd_bus_message_skip(m, "a{sv}");
    }
    if (strcmp(interface, "org.bluez.Device1") == 0 && b->in_use[0] != '\0') {
        size_t len = strlen(b->in_use);
        struct bluetooth_report report;

        if (strncmp(path, b->in_use, len) == 0 && path[len] == '/' &&
            bluetooth_props_path(&report, path) == ERR_NONE) {
            int r = bluetooth_props_device(m, &report);

            if (r >= 0 && (report.has_rssi || (report.has_data && !b->is_listing)))
                b->user.on_report(b->user.ctx, &report);
            return r;
        }
    }
    return sd_bus_message_skip(m, "a{sv}");
}

/* a{sa{sv}} of one object. */
static int interfaces_take(struct bluetooth_bus *b, const char *path, sd_bus_message *m)
{
    const char *interface;
    int r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");

    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
        if ((r = sd_bus_message_read(m, "s", &interface)) < 0 || (r = interface_take(b, path, interface, m)) < 0)
            break;
        r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int on_added(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_bus *b = ctx;
    const char *path;

    (void)error;
    if (sd_bus_message_read(m, "o", &path) < 0 || interfaces_take(b, path, m) < 0)
        b->faults++;
    else if (path_is_adapter(path))
        adapter_choose(b);
    return 0;
}

static int on_removed(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_bus *b = ctx;
    struct bluetooth_adapter *a;
    const char *path, *interface;
    int r;

    (void)error;
    if (sd_bus_message_read(m, "o", &path) < 0) {
        b->faults++;
        return 0;
    }
    if ((a = adapter_find(b, path)) == NULL)
        return 0;
    if (sd_bus_message_enter_container(m, 'a', "s") < 0) {
        b->faults++;
        return 0;
    }
    while ((r = sd_bus_message_read(m, "s", &interface)) > 0) {
        if (strcmp(interface, "org.bluez.Adapter1") == 0) {
            memset(a, 0, sizeof *a);
            break;
        }
        if (strcmp(interface, "org.bluez.LEAdvertisingManager1") == 0)
            a->has_advertising = false;
        if (strcmp(interface, "org.bluez.GattManager1") == 0)
            a->has_gatt = false;
    }
    adapter_choose(b);
    return 0;
}

static int on_properties(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_bus *b = ctx;
    const char *path = sd_bus_message_get_path(m), *interface;
    bool is_adapter;

    (void)error;
    if (path == NULL || sd_bus_message_read(m, "s", &interface) < 0) {
        b->faults++;
        return 0;
    }
    is_adapter = strcmp(interface, "org.bluez.Adapter1") == 0;
    if (!is_adapter && strcmp(interface, "org.bluez.Device1") != 0)
        return 0;
    if (interface_take(b, path, interface, m) < 0)
        b->faults++;
    else if (is_adapter)
        adapter_choose(b);
    return 0;
}

/* ---- Looking at BlueZ ---- */

static void look(struct bluetooth_bus *b);

static void trouble_set(struct bluetooth_bus *b, enum bluetooth_state state)
{
    b->trouble = state;
    changed_soon(b);
}

static void look_again(struct bluetooth_bus *b, uint64_t in_ms)
{
    struct timeval t = ms_of(in_ms);

    event_add(b->again, &t);
}

static enum bluetooth_state trouble_of(const sd_bus_error *error)
{
    return sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ? BLUETOOTH_FORBIDDEN : BLUETOOTH_NO_BLUEZ;
}

static int on_objects(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_bus *b = ctx;
    const char *path;
    int r;

    (void)error;
    b->objects_call = sd_bus_slot_unref(b->objects_call);
    if (sd_bus_message_is_method_error(m, NULL)) {
        const sd_bus_error *why = sd_bus_message_get_error(m);

        trouble_set(b, trouble_of(why));
        /* A bluetoothd that hangs or a policy that changes sends no signal. */
        look_again(b, LOOK_AGAIN_MS);
        return 0;
    }
    b->is_listing = true;
    r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
        if ((r = sd_bus_message_read(m, "o", &path)) < 0 || (r = interfaces_take(b, path, m)) < 0)
            break;
        r = sd_bus_message_exit_container(m);
    }
    b->is_listing = false;
    if (r < 0) {
        b->faults++;
        look_again(b, LOOK_AGAIN_MS);
    }
    b->trouble = BLUETOOTH_ON;
    adapter_choose(b);
    return 0;
}

static void look(struct bluetooth_bus *b)
{
    sd_bus_message *m = bluetooth_bus_message(b, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");

    b->objects_call = sd_bus_slot_unref(b->objects_call);
    /* Who has stopped bluetoothd did so for a reason. */
    if (m != NULL)
        sd_bus_message_set_auto_start(m, 0);
    if (m == NULL || !bluetooth_bus_call(b, m, &b->objects_call, on_objects, b))
        look_again(b, LOOK_AGAIN_MS);
}

static int on_owner(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_bus *b = ctx;
    const char *name, *before, *after;

    (void)error;
    if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0) {
        b->faults++;
        return 0;
    }
    adapters_forget(b);
    if (after[0] == '\0')
        trouble_set(b, BLUETOOTH_NO_BLUEZ);
    else
        look(b);
    return 0;
}

static int on_matched(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_bus *b = ctx;

    (void)error;
    if (sd_bus_message_is_method_error(m, NULL))
        b->faults++;
    return 0;
}

static bool watch(struct bluetooth_bus *b)
{
    return sd_bus_add_match_async(b->bus, &b->owner_match,
                                  "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                                  "member='NameOwnerChanged',arg0='org.bluez'", on_owner, on_matched, b) >= 0 &&
           sd_bus_add_match_async(b->bus, &b->added_match,
                                  "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',"
                                  "member='InterfacesAdded'", on_added, on_matched, b) >= 0 &&
           sd_bus_add_match_async(b->bus, &b->removed_match,
                                  "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',"
                                  "member='InterfacesRemoved'", on_removed, on_matched, b) >= 0 &&
           sd_bus_add_match_async(b->bus, &b->props_match,
                                  "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',"
                                  "member='PropertiesChanged',path_namespace='/org/bluez'", on_properties, on_matched,
                                  b) >= 0;
}

/* ---- The connection ---- */

static void disconnect(struct bluetooth_bus *b, enum bluetooth_state why)
{
    adapters_forget(b);
    event_del(b->io);
    event_del(b->timer);
    b->io_what = 0;
    b->owner_match = sd_bus_slot_unref(b->owner_match);
    b->added_match = sd_bus_slot_unref(b->added_match);
    b->removed_match = sd_bus_slot_unref(b->removed_match);
    b->props_match = sd_bus_slot_unref(b->props_match);
    b->objects_call = sd_bus_slot_unref(b->objects_call);
    b->bus = sd_bus_close_unref(b->bus);
    trouble_set(b, why);
    look_again(b, RECONNECT_MS);
}

static void on_io(evutil_socket_t fd, short what, void *ctx);

/* Tells libevent what sd-bus waits for now. */
static void arm(struct bluetooth_bus *b)
{
    uint64_t until_us;
    struct timespec now;
    int events = sd_bus_get_events(b->bus), fd = sd_bus_get_fd(b->bus);
    short what = EV_PERSIST;

    if (events < 0 || fd < 0) {
        disconnect(b, BLUETOOTH_NO_BUS);
        return;
    }
    what |= (events & POLLIN) != 0 ? EV_READ : 0;
    what |= (events & POLLOUT) != 0 ? EV_WRITE : 0;
    if (what != b->io_what) {
        event_del(b->io);
        event_assign(b->io, b->base, fd, what, on_io, b);
        event_add(b->io, NULL);
        b->io_what = what;
    }
    if (sd_bus_get_timeout(b->bus, &until_us) < 0 || until_us == UINT64_MAX) {
        event_del(b->timer);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    uint64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    struct timeval t = { .tv_sec = (time_t)(wait_us / 1000000), .tv_usec = (suseconds_t)(wait_us % 1000000) };

    event_add(b->timer, &t);
}

static void work(struct bluetooth_bus *b)
{
    int r = 1;

    for (int i = 0; i < MESSAGES_A_PASS && r > 0; i++)
        r = sd_bus_process(b->bus, NULL);
    if (r < 0) {
        disconnect(b, r == -EACCES || r == -EPERM ? BLUETOOTH_FORBIDDEN : BLUETOOTH_NO_BUS);
        return;
    }
    arm(b);
    if (r > 0 && b->bus != NULL)
        event_active(b->timer, EV_TIMEOUT, 0);
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_bus *b = ctx;

    (void)fd;
    (void)what;
    if (b->bus != NULL)
        work(b);
}

void bluetooth_bus_flush(struct bluetooth_bus *b)
{
    if (b->bus != NULL)
        event_active(b->timer, EV_TIMEOUT, 0);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth_bus *b = ctx;
    int r;

    (void)fd;
    (void)what;
    if (b->bus != NULL) {
        if (b->trouble != BLUETOOTH_ON || b->in_use[0] == '\0')
            look(b);
        return;
    }
    if ((r = sd_bus_open_system(&b->bus)) < 0) {
        b->bus = NULL;
        trouble_set(b, r == -EACCES || r == -EPERM ? BLUETOOTH_FORBIDDEN : BLUETOOTH_NO_BUS);
        look_again(b, RECONNECT_MS);
        return;
    }
    if (!watch(b)) {
        disconnect(b, BLUETOOTH_NO_BUS);
        return;
    }
    look(b);
    if (b->bus != NULL)
        arm(b);
}

/* ---- Calls ---- */

sd_bus_message *bluetooth_bus_message(struct bluetooth_bus *b, const char *path, const char *interface, const char *member)
{
    sd_bus_message *m = NULL;

    if (b->bus == NULL || sd_bus_message_new_method_call(b->bus, &m, "org.bluez", path, interface, member) < 0)
        return NULL;
    return m;
}

bool bluetooth_bus_call(struct bluetooth_bus *b, sd_bus_message *m, sd_bus_slot **slot, sd_bus_message_handler_t done,
                        void *ctx)
{
    int r;

    if (b->bus == NULL || m == NULL)
        return false;
    if (done == NULL) {
        sd_bus_message_set_expect_reply(m, 0);
        r = sd_bus_send(b->bus, m, NULL);
    } else {
        r = sd_bus_call_async(b->bus, slot, m, done, ctx, BUS_CALL_US);
    }
    sd_bus_message_unref(m);
    bluetooth_bus_flush(b);
    return r >= 0;
}

static int on_asked(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct ask *a = ctx;
    struct bluetooth_bus *b = a->bus;
    struct bluetooth_report report;

    (void)error;
    a->slot = sd_bus_slot_unref(a->slot);
    if (sd_bus_message_is_method_error(m, NULL))
        return 0;   /* it is gone: nothing to know */
    if (bluetooth_props_path(&report, a->path) != ERR_NONE || bluetooth_props_device(m, &report) < 0)
        b->faults++;
    else if (report.has_rssi)
        b->user.on_report(b->user.ctx, &report);
    return 0;
}

void bluetooth_bus_ask(struct bluetooth_bus *b, const char *path)
{
    struct ask *unused = NULL;
    sd_bus_message *m;

    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (b->asks[i].slot == NULL)
            unused = &b->asks[i];
        else if (strcmp(b->asks[i].path, path) == 0)
            return;
    }
    if (unused == NULL || (m = bluetooth_bus_message(b, path, "org.freedesktop.DBus.Properties", "GetAll")) == NULL)
        return;
    if (sd_bus_message_append(m, "s", "org.bluez.Device1") < 0) {
        sd_bus_message_unref(m);
        return;
    }
    unused->bus = b;
    snprintf(unused->path, sizeof unused->path, "%s", path);
    bluetooth_bus_call(b, m, &unused->slot, on_asked, unused);
}

/* ---- Life ---- */

enum err bluetooth_bus_new(struct bluetooth_bus **out, struct event_base *base, const char *adapter,
                           const struct bluetooth_bus_user *user)
{
    struct bluetooth_bus *b = calloc(1, sizeof *b);

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->base = base;
    b->user = *user;
    b->wanted = adapter;
    b->trouble = BLUETOOTH_NO_BUS;
    b->io = event_new(base, -1, 0, on_io, b);
    b->timer = evtimer_new(base, on_io, b);
    b->again = evtimer_new(base, on_again, b);
    b->changed = evtimer_new(base, on_changed, b);
    if (b->io == NULL || b->timer == NULL || b->again == NULL || b->changed == NULL) {
        bluetooth_bus_free(b);
        return ERR_NO_MEMORY;
    }
    *out = b;
    return ERR_NONE;
}

void bluetooth_bus_start(struct bluetooth_bus *b)
{
    event_active(b->again, EV_TIMEOUT, 0);
}

void bluetooth_bus_free(struct bluetooth_bus *b)
{
    if (b == NULL)
        return;
    if (b->bus != NULL) {
        /* What was asked to end (a search, an advertisement) shall still reach BlueZ. */
        sd_bus_flush(b->bus);
        disconnect(b, BLUETOOTH_NO_BUS);
    }
    if (b->io != NULL)
        event_free(b->io);
    if (b->timer != NULL)
        event_free(b->timer);
    if (b->again != NULL)
        event_free(b->again);
    if (b->changed != NULL)
        event_free(b->changed);
    free(b);
}
