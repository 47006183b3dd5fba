/* mesh/links/bluetooth_connections.c - see bluetooth_connections.h */
#include "mesh/links/bluetooth_connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE "org.bluez.Device1"

/* From ASKING_PAIRED on it is being ended: BlueZ is asked whether its owner has paired it, then whether he trusts it, and then
 * to disconnect. */
enum step { STEP_NONE, STEP_USED, STEP_LINGERING, STEP_ASKING_PAIRED, STEP_ASKING_TRUSTED, STEP_ENDING };

struct connection {
    struct bluetooth_connections *table;
    struct bt_address address;
    enum step step;              /* STEP_NONE: the slot is free */
    uint8_t advert[ADVERT_RANDOM_LEN];   /* zero: unknown */
    unsigned channels;
    uint64_t end_ms;             /* LINGERING */
    sd_bus_slot *call;
};

struct bluetooth_connections {
    struct bluetooth_bus *bus;
    void (*changed)(void *ctx);
    void *ctx;
    struct connection at[CONNECTIONS_MAX];
};

static struct connection *find(const struct bluetooth_connections *t, const struct bt_address *address)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (t->at[i].step != STEP_NONE && bluetooth_address_is_equal(&t->at[i].address, address))
            return (struct connection *)&t->at[i];
    return NULL;
}

static void forget(struct connection *c)
{
    c->call = sd_bus_slot_unref(c->call);
    c->step = STEP_NONE;
}

static bool is_being_ended(const struct connection *c) { return c->step >= STEP_ASKING_PAIRED; }

/* Its own slot, a free one, or that of the one that would have been ended next. */
static struct connection *slot_for(struct bluetooth_connections *t, const struct bt_address *address)
{
    struct connection *c = find(t, address);

    for (size_t i = 0; i < CONNECTIONS_MAX && c == NULL; i++)
        if (t->at[i].step == STEP_NONE)
            c = &t->at[i];
    for (size_t i = 0; i < CONNECTIONS_MAX && c == NULL; i++)
        if (t->at[i].step == STEP_LINGERING)
            c = &t->at[i];
    if (c != NULL && (c->step == STEP_NONE || !bluetooth_address_is_equal(&c->address, address))) {
        forget(c);
        *c = (struct connection){ .table = t, .address = *address };
    }
    return c;
}

/* ---- Ending one ---- */

static void over(struct connection *c)
{
    struct bluetooth_connections *t = c->table;

    /* A channel may have begun meanwhile. */
    if (c->channels > 0) {
        c->call = sd_bus_slot_unref(c->call);
        c->step = STEP_USED;
    } else {
        forget(c);
    }
    t->changed(t->ctx);
}

static sd_bus_message *message_to(const struct connection *c, const char *interface, const char *member)
{
    const struct bluetooth_adapter *a = bluetooth_bus_adapter(c->table->bus);
    char text[BLUETOOTH_ADDRESS_LEN], path[BUS_PATH_LEN];

    if (a == NULL)
        return NULL;
    bluetooth_address_text(&c->address, text);
    for (char *at = text; (at = strchr(at, ':')) != NULL;)
        *at = '_';
    if ((size_t)snprintf(path, sizeof path, "%s/dev_%s", a->path, text) >= sizeof path)
        return NULL;
    return bluetooth_bus_message(c->table->bus, path, interface, member);
}

static int on_ended(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    (void)m;      /* an error says that it was gone already */
    (void)error;
    over(ctx);
    return 0;
}

static bool ask(struct connection *c, enum step step);

static int on_answer(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct connection *c = ctx;
    int is_theirs = 1;

    (void)error;
    c->call = sd_bus_slot_unref(c->call);
    if (sd_bus_message_is_method_error(m, NULL)) {
        over(c);   /* BlueZ does not know it: there is no connection */
        return 0;
    }
    if (sd_bus_message_read(m, "v", "b", &is_theirs) < 0)
        bluetooth_bus_fault(c->table->bus);
    if (is_theirs != 0 || c->channels > 0) {
        over(c);
        return 0;
    }
    if (c->step == STEP_ASKING_PAIRED) {
        if (!ask(c, STEP_ASKING_TRUSTED))
            over(c);
        return 0;
    }
    c->step = STEP_ENDING;
    if (!bluetooth_bus_call(c->table->bus, message_to(c, DEVICE, "Disconnect"), &c->call, on_ended, c))
        over(c);
    return 0;
}

static bool ask(struct connection *c, enum step step)
{
    sd_bus_message *m = message_to(c, "org.freedesktop.DBus.Properties", "Get");

    c->step = step;
    if (m != NULL && sd_bus_message_append(m, "ss", DEVICE, step == STEP_ASKING_PAIRED ? "Paired" : "Trusted") < 0)
        m = sd_bus_message_unref(m);
    return bluetooth_bus_call(c->table->bus, m, &c->call, on_answer, c);
}

static void end(struct connection *c)
{
    if (!ask(c, STEP_ASKING_PAIRED))
        forget(c);
}

/* ---- Public ---- */

void bluetooth_connections_used(struct bluetooth_connections *t, const struct bt_address *address,
                                const uint8_t advert[ADVERT_RANDOM_LEN])
{
    struct connection *c = slot_for(t, address);

    if (c == NULL)
        return;
    memcpy(c->advert, advert, sizeof c->advert);
    c->channels++;
    if (c->step == STEP_NONE || c->step == STEP_LINGERING)
        c->step = STEP_USED;
}

static void linger(struct connection *c, uint64_t end_ms)
{
    if (c == NULL || c->channels > 0 || is_being_ended(c))
        return;
    c->step = STEP_LINGERING;
    c->end_ms = end_ms;
}

void bluetooth_connections_unused(struct bluetooth_connections *t, const struct bt_address *address, uint64_t now_ms)
{
    struct connection *c = find(t, address);

    if (c == NULL)
        return;
    c->channels -= c->channels > 0;
    linger(c, now_ms + CONNECTION_LINGER_MS);
}

void bluetooth_connections_failed(struct bluetooth_connections *t, const struct bt_address *address, uint64_t now_ms)
{
    linger(slot_for(t, address), now_ms);
}

bool bluetooth_connections_may_call(struct bluetooth_connections *t, const struct bt_address *address,
                                    const uint8_t advert[ADVERT_RANDOM_LEN], uint64_t now_ms)
{
    bool may = true;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &t->at[i];
        bool is_same = bluetooth_address_is_equal(&c->address, address);

        if (c->step == STEP_NONE || (!is_same && memcmp(c->advert, advert, sizeof c->advert) != 0))
            continue;
        if (!is_same)
            linger(c, now_ms);
        may = may && is_same && !is_being_ended(c);
    }
    return may;
}

void bluetooth_connections_end(struct bluetooth_connections *t, uint64_t now_ms)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (t->at[i].step == STEP_LINGERING)
            t->at[i].end_ms = now_ms;
}

bool bluetooth_connections_are_over(const struct bluetooth_connections *t)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (t->at[i].step != STEP_NONE)
            return false;
    return true;
}

uint64_t bluetooth_connections_wake(struct bluetooth_connections *t, uint64_t now_ms)
{
    uint64_t next_ms = UINT64_MAX;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &t->at[i];

        if (c->step != STEP_LINGERING)
            continue;
        if (now_ms >= c->end_ms)
            end(c);
        else if (c->end_ms < next_ms)
            next_ms = c->end_ms;
    }
    return next_ms;
}

void bluetooth_connections_forget(struct bluetooth_connections *t)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        forget(&t->at[i]);
}

enum err bluetooth_connections_new(struct bluetooth_connections **out, struct bluetooth_bus *bus, void (*changed)(void *ctx),
                                   void *ctx)
{
    struct bluetooth_connections *t = calloc(1, sizeof *t);

    if (t == NULL)
        return ERR_NO_MEMORY;
    t->bus = bus;
    t->changed = changed;
    t->ctx = ctx;
    *out = t;
    return ERR_NONE;
}

void bluetooth_connections_free(struct bluetooth_connections *t)
{
    if (t == NULL)
        return;
    bluetooth_connections_forget(t);
    free(t);
}
