/* mesh/links/bluetooth_gatt.h - a GATT service for phones that cannot open an L2CAP channel.
 *
 * One service, two characteristics: "in" takes write commands, "out" notifies. BlueZ hands over a socket for each
 * (AcquireWrite, AcquireNotify), which all phones share; bluetooth_frame.h tells their blocks apart. What a phone's blocks carry
 * is the same stream as an L2CAP channel's: preamble, then Noise (docs/protocol.md section 7.8).
 */
#ifndef STA_LINKS_BLUETOOTH_GATT_H
#define STA_LINKS_BLUETOOTH_GATT_H

#include "mesh/links/bluetooth_bus.h"
#include "mesh/links/host.h"

#define GATT_SERVICE_UUID "57af0001-9c1e-4b7d-8f52-6d0a3be71c44"
#define GATT_IN_UUID      "57af0002-9c1e-4b7d-8f52-6d0a3be71c44"
#define GATT_OUT_UUID     "57af0003-9c1e-4b7d-8f52-6d0a3be71c44"

enum {
    GATT_SESSIONS_MAX = 4,        /* phones at once; 64 kB each */
    GATT_WINDOW       = 192,      /* 46 kB under way: what BlueZ on both sides takes to keep busy */
    GATT_PREAMBLE_MS  = 10000,
    GATT_SILENCE_MS   = 150000,   /* two missed pings of the link: the phone has gone without a word */
};

struct bluetooth_gatt;

struct bluetooth_gatt_user {
    void *ctx;
    bool (*may_accept)(void *ctx, const uint8_t *advert);
    void (*on_link)(void *ctx, const uint8_t *advert, uint32_t link);
    void (*changed)(void *ctx);
};

enum err bluetooth_gatt_new(struct bluetooth_gatt **out, struct event_base *base, struct bluetooth_bus *bus,
                            struct host *host, struct node *node, const struct bluetooth_gatt_user *user);
void     bluetooth_gatt_free(struct bluetooth_gatt *g);

void     bluetooth_gatt_start(struct bluetooth_gatt *g, const char *adapter);
void     bluetooth_gatt_stop(struct bluetooth_gatt *g, bool is_lost);
/* Ends sessions that are over their time; returns when to be called next. */
uint64_t bluetooth_gatt_wake(struct bluetooth_gatt *g, uint64_t now_ms);

bool     bluetooth_gatt_is_on(const struct bluetooth_gatt *g);
uint64_t bluetooth_gatt_sessions(const struct bluetooth_gatt *g);   /* ever opened */
uint64_t bluetooth_gatt_faults(const struct bluetooth_gatt *g);
const char *bluetooth_gatt_error(const struct bluetooth_gatt *g);

#endif
