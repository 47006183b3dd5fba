/* mesh/links/bluetooth_props.c - see bluetooth_props.h */
#include "mesh/links/bluetooth_props.h"

#include <stdio.h>
#include <string.h>

/* Takes the variant at which the message stands, or leaves it and returns 0. */
typedef int props_entry(void *ctx, const char *name, sd_bus_message *m);

static int props_walk(sd_bus_message *m, props_entry *take, void *ctx)
{
    const char *name;
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        if ((r = sd_bus_message_read(m, "s", &name)) < 0 || (r = take(ctx, name, m)) < 0)
            break;
        if (r == 0 && (r = sd_bus_message_skip(m, "v")) < 0)
            break;
        r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_bool(sd_bus_message *m, bool *out)
{
    int value, r = sd_bus_message_read(m, "v", "b", &value);

    if (r >= 0)
        *out = value != 0;
    return r < 0 ? r : 1;
}

/* ---- Adapters ---- */

static int adapter_entry(void *ctx, const char *name, sd_bus_message *m)
{
    struct bluetooth_adapter *a = ctx;
    const char *text;
    int r;

    if (strcmp(name, "Powered") == 0)
        return read_bool(m, &a->is_powered);
    if (strcmp(name, "Address") == 0) {
        if ((r = sd_bus_message_read(m, "v", "s", &text)) < 0)
            return r;
        a->has_address = bluetooth_address_parse(&a->address, text) == ERR_NONE;
        return 1;
    }
    if (strcmp(name, "AddressType") == 0) {
        if ((r = sd_bus_message_read(m, "v", "s", &text)) < 0)
            return r;
        (void)bluetooth_address_kind(&a->kind, text);
        return 1;
    }
    return 0;
}

int bluetooth_props_adapter(sd_bus_message *m, struct bluetooth_adapter *a)
{
    return props_walk(m, adapter_entry, a);
}

/* ---- Devices ---- */

/* a{sv} of UUID to bytes: ours is taken. */
static int service_entry(void *ctx, const char *name, sd_bus_message *m)
{
    struct bluetooth_report *report = ctx;
    const void *data;
    size_t len;
    int r;

    if (strcmp(name, BLUETOOTH_UUID) != 0)
        return 0;
    if ((r = sd_bus_message_enter_container(m, 'v', "ay")) < 0 || (r = sd_bus_message_read_array(m, 'y', &data, &len)) < 0)
        return r;
    if (len > sizeof report->data)
        len = sizeof report->data;
    if (len > 0)
        memcpy(report->data, data, len);
    report->data_len = len;
    report->has_data = true;
    return sd_bus_message_exit_container(m) < 0 ? -1 : 1;
}

static int device_entry(void *ctx, const char *name, sd_bus_message *m)
{
    struct bluetooth_report *report = ctx;
    const char *text;
    int r;

    if (strcmp(name, "AddressType") == 0) {
        if ((r = sd_bus_message_read(m, "v", "s", &text)) < 0)
            return r;
        report->has_kind = bluetooth_address_kind(&report->kind, text) == ERR_NONE;
        return 1;
    }
    if (strcmp(name, "RSSI") == 0) {
        r = sd_bus_message_read(m, "v", "n", &report->rssi);
        report->has_rssi = r >= 0;
        return r < 0 ? r : 1;
    }
    if (strcmp(name, "ServiceData") == 0) {
        if ((r = sd_bus_message_enter_container(m, 'v', "a{sv}")) < 0 || (r = props_walk(m, service_entry, report)) < 0)
            return r;
        return sd_bus_message_exit_container(m) < 0 ? -1 : 1;
    }
    return 0;
}

int bluetooth_props_device(sd_bus_message *m, struct bluetooth_report *report)
{
    return props_walk(m, device_entry, report);
}

enum err bluetooth_props_path(struct bluetooth_report *report, const char *path)
{
    const char *name = strrchr(path, '/');

    memset(report, 0, sizeof *report);
    if (name == NULL || strncmp(name, "/dev_", 5) != 0 || strlen(path) >= sizeof report->path)
        return ERR_MALFORMED;
    snprintf(report->path, sizeof report->path, "%s", path);
    return bluetooth_address_parse(&report->address, name + 5);
}

/* ---- Options ---- */

struct option { const char *name; uint16_t value; };

static int option_entry(void *ctx, const char *name, sd_bus_message *m)
{
    struct option *o = ctx;
    int r;

    if (strcmp(name, o->name) != 0)
        return 0;
    r = sd_bus_message_read(m, "v", "q", &o->value);
    return r < 0 ? r : 1;
}

int bluetooth_props_u16(sd_bus_message *m, const char *name, uint16_t missing, uint16_t *out)
{
    struct option o = { name, missing };
    int r = props_walk(m, option_entry, &o);

    if (r >= 0)
        *out = o.value;
    return r;
}
