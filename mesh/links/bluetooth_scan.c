/* mesh/links/bluetooth_scan.c - see bluetooth_scan.h */
#include "mesh/links/bluetooth_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADAPTER "org.bluez.Adapter1"

enum { DENSE = 8 };

struct bluetooth_duty bluetooth_duty_of(enum bluetooth_power power, unsigned heard, bool is_fresh, bool is_transferring)
{
    static const struct bluetooth_duty table[][3] = {
        /* alone or few,       dense,           something new */
        [BLUETOOTH_MAINS]   = { { 10000, 20000 }, { 5000, 40000 }, { 10000, 2000 } },
        [BLUETOOTH_BATTERY] = { { 5000, 55000 },  { 4000, 116000 }, { 8000, 12000 } },
        [BLUETOOTH_LOW]     = { { 4000, 296000 }, { 4000, 596000 }, { 4000, 56000 } },
    };
    struct bluetooth_duty d = table[power][is_fresh ? 2 : heard >= DENSE ? 1 : 0];

    /* The radio does one thing at a time: a search would take its air from the link. */
    if (is_transferring)
        d.off_ms *= 3;
    return d;
}

enum step { STEP_OFF, STEP_FILTER, STEP_STARTING, STEP_ON, STEP_STOPPING };

struct bluetooth_scan {
    struct bluetooth_bus *bus;
    void (*changed)(void *ctx);
    void *ctx;
    sd_bus_slot *call;
    char adapter[BUS_PATH_LEN];
    enum step step;
    bool is_wanted, has_filter;
    char error[128];
};

static void step_on(struct bluetooth_scan *s);

static void note(struct bluetooth_scan *s, const sd_bus_error *why)
{
    snprintf(s->error, sizeof s->error, "scanning: %s", why->message != NULL ? why->message : why->name);
}

static int on_answer(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct bluetooth_scan *s = ctx;
    const sd_bus_error *why = sd_bus_message_get_error(m);

    (void)error;
    s->call = sd_bus_slot_unref(s->call);
    switch (s->step) {
    case STEP_FILTER:
        s->has_filter = why == NULL;
        s->step = STEP_OFF;
        break;
    case STEP_STARTING:
        /* InProgress: our own search runs already. */
        s->step = why == NULL || sd_bus_error_has_name(why, "org.bluez.Error.InProgress") ? STEP_ON : STEP_OFF;
        break;
    default:
        s->step = STEP_OFF;
    }
    if (why != NULL) {
        note(s, why);
        bluetooth_bus_fault(s->bus);
        s->is_wanted = false;   /* the next turn of duty tries anew */
    } else if (s->step == STEP_ON) {
        s->error[0] = '\0';
    }
    step_on(s);
    s->changed(s->ctx);
    return 0;
}

static sd_bus_message *filter_message(struct bluetooth_scan *s)
{
    sd_bus_message *m = bluetooth_bus_message(s->bus, s->adapter, ADAPTER, "SetDiscoveryFilter");

    /* DuplicateData: an advertiser whose data changes is reported again. */
    if (m != NULL && sd_bus_message_append(m, "a{sv}", 3, "UUIDs", "as", 1, BLUETOOTH_UUID, "Transport", "s", "le",
                                           "DuplicateData", "b", 1) < 0)
        return sd_bus_message_unref(m);
    return m;
}

static void ask(struct bluetooth_scan *s, sd_bus_message *m, enum step step)
{
    s->step = step;
    if (!bluetooth_bus_call(s->bus, m, &s->call, on_answer, s))
        s->step = STEP_OFF;
}

/* One question at a time. */
static void step_on(struct bluetooth_scan *s)
{
    if (s->call != NULL || s->adapter[0] == '\0')
        return;
    if (s->is_wanted && s->step == STEP_OFF) {
        if (!s->has_filter)
            ask(s, filter_message(s), STEP_FILTER);
        else
            ask(s, bluetooth_bus_message(s->bus, s->adapter, ADAPTER, "StartDiscovery"), STEP_STARTING);
    } else if (!s->is_wanted && s->step == STEP_ON) {
        ask(s, bluetooth_bus_message(s->bus, s->adapter, ADAPTER, "StopDiscovery"), STEP_STOPPING);
    }
}

void bluetooth_scan_attach(struct bluetooth_scan *s, const char *adapter)
{
    bluetooth_scan_detach(s, false);
    snprintf(s->adapter, sizeof s->adapter, "%s", adapter);
}

void bluetooth_scan_detach(struct bluetooth_scan *s, bool is_lost)
{
    if (!is_lost && (s->step == STEP_ON || s->step == STEP_STARTING))
        bluetooth_bus_call(s->bus, bluetooth_bus_message(s->bus, s->adapter, ADAPTER, "StopDiscovery"), NULL, NULL, NULL);
    s->call = sd_bus_slot_unref(s->call);
    s->adapter[0] = '\0';
    s->step = STEP_OFF;
    s->is_wanted = s->has_filter = false;
}

void bluetooth_scan_want(struct bluetooth_scan *s, bool is_on)
{
    s->is_wanted = is_on;
    step_on(s);
}

bool bluetooth_scan_is_on(const struct bluetooth_scan *s) { return s->step == STEP_ON; }
bool bluetooth_scan_is_quiet(const struct bluetooth_scan *s) { return s->step == STEP_OFF && s->call == NULL; }
const char *bluetooth_scan_error(const struct bluetooth_scan *s) { return s->error; }

enum err bluetooth_scan_new(struct bluetooth_scan **out, struct bluetooth_bus *bus, void (*changed)(void *ctx), void *ctx)
{
    struct bluetooth_scan *s = calloc(1, sizeof *s);

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->bus = bus;
    s->changed = changed;
    s->ctx = ctx;
    *out = s;
    return ERR_NONE;
}

void bluetooth_scan_free(struct bluetooth_scan *s)
{
    if (s == NULL)
        return;
    bluetooth_scan_detach(s, false);
    free(s);
}
