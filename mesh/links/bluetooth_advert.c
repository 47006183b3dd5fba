/* mesh/links/bluetooth_advert.c - see bluetooth_advert.h */
#include "mesh/links/bluetooth_advert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADVERT_PATH      "/org/staffetta/advertisement"
#define ADVERT_INTERFACE "org.bluez.LEAdvertisement1"
#define MANAGER          "org.bluez.LEAdvertisingManager1"

struct bluetooth_advert {
    struct bluetooth_bus *bus;
    void (*changed)(void *ctx);
    void *ctx;
    sd_bus_slot *object, *call;
    char adapter[BUS_PATH_LEN];
    uint8_t data[BLUETOOTH_DATA_LEN];
    bool is_on, is_stale, is_update;
    char error[128];
};

/* ---- What BlueZ reads ---- */

static int get_type(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *ctx, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)ctx, (void)error;
    return sd_bus_message_append(reply, "s", "peripheral");
}

static int get_uuids(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *ctx, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)ctx, (void)error;
    return sd_bus_message_append(reply, "as", 1, BLUETOOTH_UUID);
}

static int append_data(sd_bus_message *m, const struct bluetooth_advert *a)
{
    int r;

    if ((r = sd_bus_message_open_container(m, 'a', "{sv}")) < 0 || (r = sd_bus_message_open_container(m, 'e', "sv")) < 0 ||
        (r = sd_bus_message_append(m, "s", BLUETOOTH_UUID)) < 0 || (r = sd_bus_message_open_container(m, 'v', "ay")) < 0 ||
        (r = sd_bus_message_append_array(m, 'y', a->data, sizeof a->data)) < 0 ||
        (r = sd_bus_message_close_container(m)) < 0 || (r = sd_bus_message_close_container(m)) < 0)
        return r;
    return sd_bus_message_close_container(m);
}

static int get_data(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *ctx, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return append_data(reply, ctx);
}

/* BlueZ has taken it off the air, for example because the adapter was switched off. */
static int on_release(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_advert *a = ctx;

    (void)error;
    a->is_on = false;
    a->changed(a->ctx);
    return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable advert_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Release", "", "", on_release, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Type", "s", get_type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("ServiceUUIDs", "as", get_uuids, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("ServiceData", "a{sv}", get_data, 0, 0),
    SD_BUS_VTABLE_END
};

/* ---- Registering ---- */

static void unregister(struct bluetooth_advert *a)
{
    sd_bus_message *m = bluetooth_bus_message(a->bus, a->adapter, MANAGER, "UnregisterAdvertisement");

    if (m != NULL && sd_bus_message_append(m, "o", ADVERT_PATH) < 0)
        m = sd_bus_message_unref(m);
    bluetooth_bus_call(a->bus, m, NULL, NULL, NULL);
}

static int on_registered(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_advert *a = ctx;
    const sd_bus_error *why = sd_bus_message_get_error(m);

    (void)error;
    a->call = sd_bus_slot_unref(a->call);
    a->is_on = why == NULL;
    a->is_update = false;
    a->is_stale = a->is_stale && a->is_on;
    if (why != NULL) {
        snprintf(a->error, sizeof a->error, "advertising: %s", why->message != NULL ? why->message : why->name);
        if (sd_bus_error_has_name(why, "org.bluez.Error.AlreadyExists"))
            unregister(a);   /* of before; the next try finds it gone */
        a->object = sd_bus_slot_unref(a->object);
    } else {
        a->error[0] = '\0';
        /* Data that changed while BlueZ was reading the first. */
        if (a->is_stale)
            bluetooth_advert_update(a, a->data);
    }
    a->changed(a->ctx);
    return 0;
}

void bluetooth_advert_start(struct bluetooth_advert *a, const char *adapter, const uint8_t data[BLUETOOTH_DATA_LEN])
{
    sd_bus_message *m;

    bluetooth_advert_stop(a, false);
    snprintf(a->adapter, sizeof a->adapter, "%s", adapter);
    memcpy(a->data, data, BLUETOOTH_DATA_LEN);
    a->is_stale = false;
    if (bluetooth_bus_handle(a->bus) == NULL ||
        sd_bus_add_object_vtable(bluetooth_bus_handle(a->bus), &a->object, ADVERT_PATH, ADVERT_INTERFACE, advert_vtable, a) < 0) {
        snprintf(a->error, sizeof a->error, "advertising: out of memory");
        return;
    }
    m = bluetooth_bus_message(a->bus, adapter, MANAGER, "RegisterAdvertisement");
    if (m != NULL && sd_bus_message_append(m, "oa{sv}", ADVERT_PATH, 0) < 0)
        m = sd_bus_message_unref(m);
    if (!bluetooth_bus_call(a->bus, m, &a->call, on_registered, a))
        a->object = sd_bus_slot_unref(a->object);
}

/* Not by PropertiesChanged: bluetoothd 5.66 then answers a message that it does not have, and dies, when the adapter is just
 * going off (add_client_complete). A registration has a message. */
void bluetooth_advert_update(struct bluetooth_advert *a, const uint8_t data[BLUETOOTH_DATA_LEN])
{
    char adapter[BUS_PATH_LEN];
    uint8_t now[BLUETOOTH_DATA_LEN];

    memmove(a->data, data, BLUETOOTH_DATA_LEN);
    a->is_stale = a->call != NULL;
    if (!a->is_on)
        return;
    memcpy(now, a->data, sizeof now);
    snprintf(adapter, sizeof adapter, "%s", a->adapter);
    bluetooth_advert_start(a, adapter, now);
    a->is_update = a->call != NULL;
}

void bluetooth_advert_stop(struct bluetooth_advert *a, bool is_lost)
{
    if (a->object != NULL && !is_lost)
        unregister(a);
    a->call = sd_bus_slot_unref(a->call);
    a->object = sd_bus_slot_unref(a->object);
    a->is_on = a->is_update = false;
}

bool bluetooth_advert_is_on(const struct bluetooth_advert *a) { return a->is_on || a->is_update; }
bool bluetooth_advert_is_wanted(const struct bluetooth_advert *a) { return a->is_on || a->call != NULL; }
const char *bluetooth_advert_error(const struct bluetooth_advert *a) { return a->error; }

enum err bluetooth_advert_new(struct bluetooth_advert **out, struct bluetooth_bus *bus, void (*changed)(void *ctx), void *ctx)
{
    struct bluetooth_advert *a = calloc(1, sizeof *a);

    if (a == NULL)
        return ERR_NO_MEMORY;
    a->bus = bus;
    a->changed = changed;
    a->ctx = ctx;
    *out = a;
    return ERR_NONE;
}

void bluetooth_advert_free(struct bluetooth_advert *a)
{
    if (a == NULL)
        return;
    bluetooth_advert_stop(a, false);
    free(a);
}
