/* mesh/links/bluetooth_bus.h - BlueZ over the system D-Bus, in the loop of libevent.
 *
 * Watches bluetoothd and the adapters come and go and chooses one; tells of devices seen. Calls are asynchronous without
 * exception: a bluetoothd that hangs must not stop the loop. What it says is checked like bytes from the air: a reply that is
 * late, missing or of another shape is counted and ignored.
 */
#ifndef STA_LINKS_BLUETOOTH_BUS_H
#define STA_LINKS_BLUETOOTH_BUS_H

#include <systemd/sd-bus.h>

#include "mesh/links/bluetooth.h"
#include "mesh/links/bluetooth_wire.h"

enum { BUS_CALL_US = 10 * 1000 * 1000, BUS_PATH_LEN = 64 };

struct bluetooth_bus;
struct event_base;

/* What BlueZ says of a device; what is not said is marked so. */
struct bluetooth_report {
    struct bt_address address;
    char    path[BUS_PATH_LEN];
    bool    has_kind, has_data, has_rssi;
    uint8_t kind;                 /* BT_ADDR_LE_ */
    int16_t rssi;
    uint8_t data[32];             /* service data of our UUID; longer than BLUETOOTH_DATA_LEN is malformed anyway */
    size_t  data_len;
};

struct bluetooth_bus_user {
    void *ctx;
    /* The adapter in use, or the state, may have changed. Called from the loop only. */
    void (*on_change)(void *ctx);
    void (*on_report)(void *ctx, const struct bluetooth_report *report);
};

struct bluetooth_adapter {
    char path[BUS_PATH_LEN];      /* "/org/bluez/hci0" */
    struct bt_address address;
    uint8_t kind;                 /* BT_ADDR_LE_ of its identity */
    bool has_address, is_powered, has_advertising, has_gatt;
};

/* `adapter` is "hci0" or NULL, and outlives the bus. */
enum err bluetooth_bus_new(struct bluetooth_bus **out, struct event_base *base, const char *adapter,
                           const struct bluetooth_bus_user *user);
/* Looks for BlueZ, from now on. */
void     bluetooth_bus_start(struct bluetooth_bus *b);
void     bluetooth_bus_free(struct bluetooth_bus *b);

enum bluetooth_state bluetooth_bus_state(const struct bluetooth_bus *b);
/* The adapter in use; NULL unless the state is BLUETOOTH_ON. Lent until the loop goes on. */
const struct bluetooth_adapter *bluetooth_bus_adapter(const struct bluetooth_bus *b);
/* Changes whenever all that was registered with BlueZ is gone. */
unsigned bluetooth_bus_generation(const struct bluetooth_bus *b);
uint64_t bluetooth_bus_faults(const struct bluetooth_bus *b);
void     bluetooth_bus_fault(struct bluetooth_bus *b);

/* NULL while there is no bus. */
sd_bus  *bluetooth_bus_handle(const struct bluetooth_bus *b);

/* Sends a call to bluetoothd; the reply or an error comes to `done` unless the slot is released before. Takes `m`.
 * `done` NULL: nobody waits. False: nothing was sent. */
bool     bluetooth_bus_call(struct bluetooth_bus *b, sd_bus_message *m, sd_bus_slot **slot, sd_bus_message_handler_t done,
                            void *ctx);
/* A call to an interface of the adapter, to be filled and sent; NULL: no memory or no bus. */
sd_bus_message *bluetooth_bus_message(struct bluetooth_bus *b, const char *path, const char *interface, const char *member);
/* Lets the loop see that something was queued. */
void     bluetooth_bus_flush(struct bluetooth_bus *b);

/* Asks all that BlueZ knows of a device; comes as a report. Bounded; may do nothing. */
void     bluetooth_bus_ask(struct bluetooth_bus *b, const char *path);

#endif
