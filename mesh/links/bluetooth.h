/* mesh/links/bluetooth.h - neighbours in Bluetooth range, through BlueZ.
 *
 * Discovery by LE advertisements and filtered scanning, links over LE L2CAP channels, and a GATT service for phones that cannot
 * open such a channel. BlueZ is reached over D-Bus and may be absent, come late, go away and come back, and so may the
 * adapter: the link waits and goes on by itself, and says in bluetooth_info what it waits for. It changes nothing of
 * the adapter that it did not start: no name, no power, no pairing. Bytes on the air: docs/protocol.md sections 7.6 to 7.8.
 *
 * A build without libsystemd has the same calls; bluetooth_new then says ERR_UNSUPPORTED.
 */
#ifndef STA_LINKS_BLUETOOTH_H
#define STA_LINKS_BLUETOOTH_H

#include "mesh/links/host.h"

struct bluetooth;

/* What may be spent on finding others: how the scan's duty cycle is chosen (docs/bluetooth.md has the energy). */
enum bluetooth_power { BLUETOOTH_MAINS, BLUETOOTH_BATTERY, BLUETOOTH_LOW };

enum {
    BLUETOOTH_EPOCH_MS        = 15 * 60 * 1000,  /* protocol section 7; +- a third */
    BLUETOOTH_LINKS_DEFAULT   = 6,               /* what common controllers bear beside a keyboard and a headset */
    BLUETOOTH_LINKS_MAX       = 16,
    BLUETOOTH_ADDRESS_LEN     = 18,              /* "00:11:22:33:44:55" and its final zero */
};

struct bluetooth_config {
    const char *adapter;       /* "hci0"; NULL: the first that is on */
    enum bluetooth_power power;
    unsigned links_max;        /* 0: BLUETOOTH_LINKS_DEFAULT */
    bool     is_gatt_off;
    bool     is_passive;       /* searches for nobody and calls nobody: waits to be found and called */
    bool     is_epoch_ours;    /* starts the node's epochs (node_new_epoch); else the address follows those that others start */
    bool     is_classic;       /* also listens on BR/EDR: the adapter's fixed address shows then. Off unless asked for */
    const char *classic_peer;  /* with is_classic: an address to call, "00:11:22:33:44:55"; NULL: none */

    /* For tests and for places that know better. */
    uint32_t epoch_ms;         /* 0: BLUETOOTH_EPOCH_MS */
    uint32_t idle_ms;          /* a settled, silent link is closed after this; 0: by power */
    uint32_t scan_on_ms, scan_off_ms;   /* 0: by power and density */
    const char *only;          /* links only to and from this address; NULL: anybody */
};

/* The strings of `config` are copied. ERR_UNSUPPORTED: this build has no Bluetooth. That there is no adapter, no BlueZ or no
 * D-Bus now is no error. */
enum err bluetooth_new(struct bluetooth **out, struct event_base *base, struct host *host, struct node *node,
                       const struct rng *g, const struct bluetooth_config *config);
void     bluetooth_free(struct bluetooth *b);

/* Each event of the node, from host_app.on_event. */
void     bluetooth_on_event(struct bluetooth *b, const struct node_event *event);

void     bluetooth_set_power(struct bluetooth *b, enum bluetooth_power power);

/* For status and doctor. */
enum bluetooth_state {
    BLUETOOTH_NOT_BUILT,    /* built without libsystemd */
    BLUETOOTH_NO_KERNEL,    /* the kernel has no Bluetooth sockets */
    BLUETOOTH_NO_BUS,       /* no system D-Bus */
    BLUETOOTH_FORBIDDEN,    /* D-Bus policy says no */
    BLUETOOTH_NO_BLUEZ,     /* bluetoothd does not run */
    BLUETOOTH_NO_ADAPTER,
    BLUETOOTH_OFF,          /* the adapter is off or blocked by rfkill */
    BLUETOOTH_TOO_OLD,      /* this BlueZ or this adapter cannot advertise over LE */
    BLUETOOTH_ON,
};

struct bluetooth_info {
    enum bluetooth_state state;
    char adapter[16];             /* empty: none */
    bool is_advertising, is_scanning, is_gatt_on;
    bool is_privacy_known, is_private;   /* the controller changes its address */
    unsigned neighbours;          /* heard in the last two minutes */
    unsigned links;
    uint64_t adverts_in, adverts_malformed, adverts_dropped;
    uint64_t calls, calls_failed, accepted, refused;
    uint64_t gatt_sessions, gatt_faults;
    uint64_t bus_faults;          /* replies that were late, malformed or missing */
    uint64_t epochs;
    char last_error[160];         /* empty: none */
};
void bluetooth_info(const struct bluetooth *b, struct bluetooth_info *out);

/* One sentence for people: what is so, and where it is not BLUETOOTH_ON, what to do. Never NULL. */
const char *bluetooth_state_text(enum bluetooth_state state);
const char *bluetooth_state_advice(enum bluetooth_state state);

#endif
