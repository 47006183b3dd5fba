/* mesh/links/bluetooth.c - see bluetooth.h
 *
 * One timer looks at everything that may be due, and everything that happens makes it due: BlueZ or the adapter came or
 * went, somebody was heard, a link began or ended, the store changed, an epoch is over.
 */
#define _GNU_SOURCE
#include "mesh/links/bluetooth.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/links/bluetooth_advert.h"
#include "mesh/links/bluetooth_bus.h"
#include "mesh/links/bluetooth_connections.h"
#include "mesh/links/bluetooth_gatt.h"
#include "mesh/links/bluetooth_l2cap.h"
#include "mesh/links/bluetooth_links.h"
#include "mesh/links/bluetooth_mgmt.h"
#include "mesh/links/bluetooth_neighbours.h"
#include "mesh/links/bluetooth_scan.h"
#include "mesh/links/lan_wire.h"

enum {
    FRESH_MS         = 60000,  /* after a newcomer more of them are likely */
    ADVERT_GAP_MS    = 2000,   /* between two changes of what is on air */
    ADVERT_RETRY_MS  = 5000,
    ADVERT_RENEW_MS  = 30000,  /* a connection that never became a link may have taken it off the air */
    LISTEN_RETRY_MS  = 5000,
    QUIET_WAIT_MS    = 1500,   /* for a search to end before a call; a bluetoothd that hangs must not prevent it */
    SOLITUDE_MS      = 8000,   /* for links and the connections below them to end before an epoch's pause */
    ENDING_MS        = 500,    /* between two looks whether a connection that is being ended has ended */
    LOOK_MS          = 1000,
    PRIVACY_LOOK_MS  = 60000,
    CLASSIC_CALL_MS  = 30000,
};

/* An epoch ends in order: links are told, then nothing is on air for a random time, then all is new. */
enum air { AIR_DOWN, AIR_UP, AIR_ENDING, AIR_SILENT };

struct bluetooth {
    struct event_base *base;
    struct host *host;
    struct node *node;
    struct rng rng;
    struct bluetooth_config config;
    char adapter_wanted[16];
    struct bluetooth_peer only, classic_peer;
    bool has_only, has_classic_peer, has_kernel;

    struct bluetooth_bus *bus;
    struct bluetooth_advert *advert;
    struct bluetooth_scan *scan;
    struct bluetooth_l2cap *l2cap;
    struct bluetooth_gatt *gatt;
    struct bluetooth_neighbours *neighbours;
    struct bluetooth_connections *connections;
    struct bluetooth_links links;
    struct event *timer;
    struct bluetooth_info info;

    enum air air;
    unsigned generation;              /* of the bus, when the air was last put up */
    uint64_t air_ms, air_until_ms;    /* since when this, and (SILENT) until when */
    uint64_t epoch_ms;
    uint8_t epoch_advert[ADVERT_RANDOM_LEN];
    bool is_advert_stale;
    uint64_t advert_ms, listen_ms, look_ms, privacy_ms, fresh_ms, classic_ms;

    bool is_scan_phase, is_transferring;
    uint64_t scan_until_ms;           /* the end of this phase of the duty cycle */
    uint64_t call_since_ms;           /* waiting for the search to end before a call; 0: not */
    struct bt_address call_address;
    bool is_classic_call;
};

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void wake_soon(void *ctx)
{
    struct bluetooth *b = ctx;

    event_active(b->timer, EV_TIMEOUT, 0);
}

static void note(struct bluetooth *b, const char *what, enum err why, int errno_seen)
{
    snprintf(b->info.last_error, sizeof b->info.last_error, "%s: %s", what,
             errno_seen != 0 ? strerror(errno_seen) : err_text(why));
}

/* ---- Neighbours heard ---- */

static void on_report(void *ctx, const struct bluetooth_report *r)
{
    struct bluetooth *b = ctx;
    uint64_t now_ms = host_now_ms(b->host);
    struct bluetooth_neighbour *known = bluetooth_neighbours_find(b->neighbours, &r->address);
    struct bluetooth_peer peer = { r->address, r->kind };

    if (b->air != AIR_UP)
        return;
    if (r->has_data && !r->has_kind && known != NULL)
        peer.kind = known->peer.kind;
    else if (r->has_data && !r->has_kind) {
        bluetooth_bus_ask(b->bus, r->path);
        return;
    }
    if (!r->has_data) {
        /* Only the signal changed: BlueZ has told its data before, perhaps to another epoch of ours. */
        if (bluetooth_neighbours_seen(b->neighbours, &r->address, now_ms))
            wake_soon(b);
        else if (!r->has_kind)
            bluetooth_bus_ask(b->bus, r->path);
        return;
    }
    b->info.adverts_in++;
    switch (bluetooth_neighbours_heard(b->neighbours, &peer, bytes_of(r->data, r->data_len), now_ms)) {
    case HEARD_NEWCOMER:
        b->fresh_ms = now_ms;
        break;
    case HEARD_MALFORMED:
        b->info.adverts_malformed++;
        return;
    case HEARD_DROPPED:
        b->info.adverts_dropped++;
        return;
    case HEARD_FOREIGN:
        return;
    case HEARD_AGAIN:
        break;
    }
    wake_soon(b);
}

/* ---- Links ---- */

static unsigned links_max(const struct bluetooth *b)
{
    return b->config.links_max != 0 && b->config.links_max < BLUETOOTH_LINKS_MAX ? b->config.links_max
           : b->config.links_max != 0                                            ? BLUETOOTH_LINKS_MAX
                                                                                 : BLUETOOTH_LINKS_DEFAULT;
}

static bool is_allowed(const struct bluetooth *b, const struct bluetooth_peer *peer)
{
    return !b->has_only || bluetooth_address_is_equal(&b->only.address, &peer->address);
}

/* Both may dial at once: the beacon says whose call it is (BEACON_CALL: ours), and the other one gives way. */
static bool may_link(struct bluetooth *b, const uint8_t *advert)
{
    struct bluetooth_neighbour *n = bluetooth_neighbours_find_advert(b->neighbours, advert);
    uint8_t theirs[ADVERT_RANDOM_LEN];
    bool is_calling_it;

    if (bluetooth_links_find_advert(&b->links, advert) != NULL)
        return false;
    if (n == NULL)
        return true;
    is_calling_it = bluetooth_l2cap_is_calling(b->l2cap) && bluetooth_address_is_equal(&n->peer.address, &b->call_address);
    if (!is_calling_it)
        return true;
    if (node_beacon_judge(b->node, bytes_of(n->beacon, BEACON_LEN), theirs) == BEACON_CALL)
        return false;
    bluetooth_l2cap_cancel(b->l2cap);
    return true;
}

static bool may_accept(void *ctx, const struct bluetooth_peer *peer, const uint8_t *advert)
{
    struct bluetooth *b = ctx;
    bool may = b->air == AIR_UP && is_allowed(b, peer) && bluetooth_links_count(&b->links) < links_max(b) &&
               (advert == NULL || may_link(b, advert));

    b->info.refused += !may;
    if (advert == NULL) {
        b->is_advert_stale = true;   /* see on_link */
        wake_soon(b);
    }
    return may;
}

static void on_link(void *ctx, const struct bluetooth_peer *peer, const uint8_t *advert, bool is_ours, uint32_t link, int fd)
{
    struct bluetooth *b = ctx;
    uint64_t now_ms = host_now_ms(b->host);
    struct bluetooth_neighbour *n = bluetooth_neighbours_find(b->neighbours, &peer->address);
    struct bluetooth_link *l = bluetooth_links_add(&b->links, link, fd, advert, is_ours, now_ms);

    if (n == NULL)
        n = bluetooth_neighbours_find_advert(b->neighbours, advert);
    if (l != NULL) {
        l->address = peer->address;
        if (is_ours)
            bluetooth_connections_used(b->connections, &l->address, advert);
    }
    if (n != NULL)
        bluetooth_neighbours_linked(b->neighbours, n, link, is_ours);
    b->info.accepted += !is_ours;
    /* A controller takes a connectable advertisement off the air with each connection made to it. */
    b->is_advert_stale = true;
    wake_soon(b);
}

static bool phone_may_accept(void *ctx, const uint8_t *advert)
{
    struct bluetooth *b = ctx;
    bool may = b->air == AIR_UP && bluetooth_links_count(&b->links) < links_max(b) && may_link(b, advert);

    b->info.refused += !may;
    return may;
}

static void on_phone_link(void *ctx, const uint8_t *advert, uint32_t link)
{
    struct bluetooth *b = ctx;

    (void)bluetooth_links_add(&b->links, link, -1, advert, false, host_now_ms(b->host));
    b->info.accepted++;
    b->is_advert_stale = true;
    wake_soon(b);
}

static void on_link_gone(void *ctx, uint32_t link)
{
    struct bluetooth *b = ctx;
    struct bluetooth_link *l = bluetooth_links_find(&b->links, link);

    if (l == NULL)
        return;
    bluetooth_neighbours_unlinked(b->neighbours, link, l->is_useful, l->is_settled, host_now_ms(b->host));
    if (l->is_ours)
        bluetooth_connections_unused(b->connections, &l->address, host_now_ms(b->host));
    l->is_used = false;
    b->is_advert_stale = true;
    wake_soon(b);
}

void bluetooth_on_event(struct bluetooth *b, const struct node_event *event)
{
    struct bluetooth_link *l = bluetooth_links_find(&b->links, event->link);

    switch (event->kind) {
    case NODE_BEACON_CHANGED:
        b->is_advert_stale = true;
        bluetooth_neighbours_judge(b->neighbours, host_now_ms(b->host));
        wake_soon(b);
        break;
    case NODE_LINK_READY:
        if (l != NULL)
            l->is_useful = true;
        break;
    case NODE_LINK_SETTLED:
        if (l != NULL)
            l->is_settled = true;
        break;
    case NODE_PEER_FAULT:
        if (l != NULL)
            l->is_useful = false;
        break;
    case NODE_STORED:
        if (l != NULL)
            l->is_settled = false;
        break;
    default:
        break;
    }
}

/* ---- Calls ---- */

static void on_call_failed(void *ctx, enum err why, int errno_seen)
{
    struct bluetooth *b = ctx;
    struct bluetooth_neighbour *n = bluetooth_neighbours_find(b->neighbours, &b->call_address);

    b->info.calls_failed++;
    note(b, "call", why, errno_seen);
    bluetooth_connections_failed(b->connections, &b->call_address, host_now_ms(b->host));
    if (n != NULL && !b->is_classic_call)
        bluetooth_neighbours_failed(b->neighbours, n, host_now_ms(b->host));
    wake_soon(b);
}

/* True while a call is being made or about to be: the search rests. */
static bool calls_go_on(struct bluetooth *b, uint64_t now_ms, uint64_t *next_ms)
{
    struct bluetooth_neighbour *n;

    if (bluetooth_l2cap_is_calling(b->l2cap))
        return true;
    if (b->config.is_passive || bluetooth_links_count(&b->links) >= links_max(b) || bluetooth_l2cap_psm(b->l2cap) == 0 ||
        (n = bluetooth_neighbours_next(b->neighbours, now_ms, next_ms)) == NULL) {
        b->call_since_ms = 0;
        return false;
    }
    if (!is_allowed(b, &n->peer)) {
        n->call_ms = UINT64_MAX;
        wake_soon(b);
        return false;
    }
    if (!bluetooth_connections_may_call(b->connections, &n->peer.address, n->advert, now_ms)) {
        n->call_ms = now_ms + ENDING_MS;
        *next_ms = least(*next_ms, n->call_ms);
        return false;
    }
    /* Searching and connecting at once makes many controllers do neither. */
    if (b->call_since_ms == 0)
        b->call_since_ms = now_ms;
    bluetooth_scan_want(b->scan, false);
    if (!bluetooth_scan_is_quiet(b->scan) && now_ms - b->call_since_ms < QUIET_WAIT_MS) {
        *next_ms = least(*next_ms, b->call_since_ms + QUIET_WAIT_MS);
        return true;
    }
    b->call_since_ms = 0;
    b->call_address = n->peer.address;
    b->is_classic_call = false;
    b->info.calls++;
    n->call_ms = UINT64_MAX;
    if (bluetooth_l2cap_call(b->l2cap, &n->peer, n->psm, n->advert) != ERR_NONE)
        on_call_failed(b, ERR_IO, errno);
    return true;
}

static void classic_call(struct bluetooth *b, uint64_t now_ms, uint64_t *next_ms)
{
    if (!b->has_classic_peer || bluetooth_l2cap_is_calling(b->l2cap) || bluetooth_links_count(&b->links) > 0)
        return;
    if (now_ms < b->classic_ms) {
        *next_ms = least(*next_ms, b->classic_ms);
        return;
    }
    b->classic_ms = now_ms + CLASSIC_CALL_MS;
    b->call_address = b->classic_peer.address;
    b->is_classic_call = true;
    b->info.calls++;
    if (bluetooth_l2cap_call(b->l2cap, &b->classic_peer, BLUETOOTH_PSM_CLASSIC, NULL) != ERR_NONE)
        on_call_failed(b, ERR_IO, errno);
}

/* ---- The air ---- */

static void data_now(const struct bluetooth *b, uint8_t data[BLUETOOTH_DATA_LEN])
{
    uint8_t beacon[BEACON_LEN];

    node_beacon(b->node, beacon);
    bluetooth_data_encode(data, beacon, bluetooth_l2cap_psm(b->l2cap));
}

static void advert_of_now(const struct bluetooth *b, uint8_t advert[ADVERT_RANDOM_LEN])
{
    uint8_t beacon[BEACON_LEN];

    node_beacon(b->node, beacon);
    lan_advert_of_beacon(advert, beacon);
}

static void air_set(struct bluetooth *b, enum air air, uint64_t now_ms)
{
    b->air = air;
    b->air_ms = now_ms;
}

static void air_up(struct bluetooth *b, const struct bluetooth_adapter *a, uint64_t now_ms)
{
    uint32_t third = (b->config.epoch_ms != 0 ? b->config.epoch_ms : BLUETOOTH_EPOCH_MS) / 3;
    struct bluetooth_peer self = { a->address, a->kind };

    if (now_ms < b->listen_ms)
        return;
    if (bluetooth_l2cap_start(b->l2cap, &self, b->config.is_classic) != ERR_NONE) {
        note(b, "listening", ERR_IO, errno);
        b->listen_ms = now_ms + LISTEN_RETRY_MS;
        return;
    }
    bluetooth_neighbours_clear(b->neighbours);
    advert_of_now(b, b->epoch_advert);
    /* An address of its own under an old advert would only tie the two together. */
    b->epoch_ms = b->config.is_epoch_ours ? now_ms + 2 * third + rng_below(&b->rng, 2 * third + 1) : UINT64_MAX;
    if (b->generation != bluetooth_bus_generation(b->bus)) {
        bluetooth_scan_attach(b->scan, a->path);
        if (!b->config.is_gatt_off && a->has_gatt)
            bluetooth_gatt_start(b->gatt, a->path);
    }
    b->generation = bluetooth_bus_generation(b->bus);
    b->is_advert_stale = true;
    b->advert_ms = b->privacy_ms = 0;
    b->fresh_ms = now_ms;
    b->is_scan_phase = false;
    b->scan_until_ms = now_ms;
    air_set(b, AIR_UP, now_ms);
}

/* BlueZ has gone, or the adapter, or both. */
static void air_lost(struct bluetooth *b, uint64_t now_ms)
{
    /* A bluetoothd that is still there keeps registrations while an adapter is off, and would refuse them the next time. */
    bool is_forgotten = bluetooth_bus_handle(b->bus) == NULL || bluetooth_bus_state(b->bus) == BLUETOOTH_NO_BLUEZ;

    bluetooth_advert_stop(b->advert, is_forgotten);
    bluetooth_scan_detach(b->scan, is_forgotten);
    bluetooth_gatt_stop(b->gatt, is_forgotten);
    bluetooth_l2cap_stop(b->l2cap);
    bluetooth_neighbours_clear(b->neighbours);
    bluetooth_connections_forget(b->connections);
    /* bluetoothd may restart while the controller keeps its links; without the adapter they end by themselves. */
    b->generation = bluetooth_bus_generation(b->bus);
    b->generation--;
    b->listen_ms = 0;
    air_set(b, AIR_DOWN, now_ms);
}

/* The address changes with a new advertisement, the advert and the link keys with the node's epoch: all while nothing is on air. */
static void epoch_end(struct bluetooth *b, uint64_t now_ms)
{
    bluetooth_advert_stop(b->advert, false);
    bluetooth_scan_want(b->scan, false);
    bluetooth_l2cap_stop(b->l2cap);
    if (b->config.is_epoch_ours) {
        node_new_epoch(b->node, now_ms);
        host_poke(b->host);
    } else {
        for (size_t i = 0; i < BLUETOOTH_LINKS_MAX; i++)
            if (b->links.at[i].is_used)
                bluetooth_link_close(&b->links.at[i]);
    }
    b->info.epochs++;
    air_set(b, AIR_ENDING, now_ms);
}

static void air_look(struct bluetooth *b, uint64_t now_ms, uint64_t *next_ms)
{
    const struct bluetooth_adapter *a = bluetooth_bus_adapter(b->bus);
    uint32_t pause_ms = (b->config.epoch_ms != 0 ? b->config.epoch_ms : BLUETOOTH_EPOCH_MS) / 180;
    uint8_t advert[ADVERT_RANDOM_LEN];

    if (b->air != AIR_DOWN && (a == NULL || b->generation != bluetooth_bus_generation(b->bus)))
        air_lost(b, now_ms);
    switch (b->air) {
    case AIR_DOWN:
        if (a != NULL) {
            air_up(b, a, now_ms);
            *next_ms = least(*next_ms, b->air == AIR_UP ? now_ms : b->listen_ms);
        }
        break;
    case AIR_UP:
        advert_of_now(b, advert);
        if (now_ms >= b->epoch_ms || memcmp(advert, b->epoch_advert, sizeof advert) != 0) {
            epoch_end(b, now_ms);
            *next_ms = now_ms;
        } else {
            *next_ms = least(*next_ms, b->epoch_ms);
        }
        break;
    case AIR_ENDING:
        /* Whoever was connected knows the old address: the next must not come over the same connection. */
        bluetooth_connections_end(b->connections, now_ms);
        if ((bluetooth_links_count(&b->links) == 0 && bluetooth_connections_are_over(b->connections)) ||
            now_ms - b->air_ms >= SOLITUDE_MS) {
            b->air_until_ms = now_ms + pause_ms / 5 + rng_below(&b->rng, pause_ms + 1);
            air_set(b, AIR_SILENT, now_ms);
            *next_ms = now_ms;
        } else {
            *next_ms = least(*next_ms, now_ms + 100);
        }
        break;
    case AIR_SILENT:
        if (now_ms >= b->air_until_ms)
            air_up(b, a, now_ms);
        *next_ms = least(*next_ms, b->air == AIR_UP ? now_ms : b->air_until_ms > now_ms ? b->air_until_ms : b->listen_ms);
        break;
    }
}

static void advert_look(struct bluetooth *b, uint64_t now_ms, uint64_t *next_ms)
{
    uint8_t data[BLUETOOTH_DATA_LEN];

    if (b->advert_ms != 0 && now_ms >= b->advert_ms - ADVERT_GAP_MS + ADVERT_RENEW_MS)
        b->is_advert_stale = true;
    if (now_ms < b->advert_ms) {
        if (b->is_advert_stale || !bluetooth_advert_is_wanted(b->advert))
            *next_ms = least(*next_ms, b->advert_ms);
        return;
    }
    data_now(b, data);
    if (!bluetooth_advert_is_wanted(b->advert)) {
        bluetooth_advert_start(b->advert, bluetooth_bus_adapter(b->bus)->path, data);
        b->is_advert_stale = false;
        b->advert_ms = now_ms + ADVERT_RETRY_MS;
        *next_ms = least(*next_ms, b->advert_ms);
    } else if (b->is_advert_stale) {
        bluetooth_advert_update(b->advert, data);
        b->is_advert_stale = false;
        b->advert_ms = now_ms + ADVERT_GAP_MS;
    }
    *next_ms = least(*next_ms, b->advert_ms - ADVERT_GAP_MS + ADVERT_RENEW_MS);
}

static void scan_look(struct bluetooth *b, uint64_t now_ms, bool is_resting, uint64_t *next_ms)
{
    struct bluetooth_duty duty;

    if (b->config.is_passive)
        return;
    if (is_resting) {
        b->is_scan_phase = false;
        b->scan_until_ms = now_ms;   /* goes on searching where it was interrupted */
        return;
    }
    if (now_ms >= b->scan_until_ms) {
        duty = bluetooth_duty_of(b->config.power, bluetooth_neighbours_count(b->neighbours, now_ms),
                                 now_ms - b->fresh_ms < FRESH_MS, b->is_transferring);
        if (b->config.scan_on_ms != 0)
            duty = (struct bluetooth_duty){ b->config.scan_on_ms, b->config.scan_off_ms };
        b->is_scan_phase = !b->is_scan_phase;
        /* A tenth of jitter keeps a room full of nodes from searching, and resting, in chorus. */
        uint32_t ms = b->is_scan_phase ? duty.on_ms : duty.off_ms;
        b->scan_until_ms = now_ms + ms - ms / 20 + rng_below(&b->rng, ms / 10 + 1);
    }
    bluetooth_scan_want(b->scan, b->is_scan_phase);
    *next_ms = least(*next_ms, b->scan_until_ms);
}

static void links_look(struct bluetooth *b, uint64_t now_ms, uint64_t *next_ms)
{
    static const uint32_t idle_ms[] = { [BLUETOOTH_MAINS] = 60000, [BLUETOOTH_BATTERY] = 20000, [BLUETOOTH_LOW] = 10000 };
    uint32_t after_ms = b->config.idle_ms != 0 ? b->config.idle_ms : idle_ms[b->config.power];

    if (bluetooth_links_count(&b->links) == 0) {
        b->is_transferring = false;
        return;
    }
    if (now_ms >= b->look_ms) {
        b->is_transferring = bluetooth_links_look(&b->links, b->node, after_ms, now_ms);
        b->look_ms = now_ms + least(LOOK_MS, after_ms / 2 + 1);
    }
    *next_ms = least(*next_ms, b->look_ms);
}

static void privacy_look(struct bluetooth *b, uint64_t now_ms)
{
    const struct bluetooth_adapter *a = bluetooth_bus_adapter(b->bus);
    uint32_t settings;

    if (now_ms < b->privacy_ms)
        return;
    b->privacy_ms = now_ms + PRIVACY_LOOK_MS;
    b->info.is_privacy_known =
        bluetooth_mgmt_settings((uint16_t)strtoul(a->path + strlen("/org/bluez/hci"), NULL, 10), &settings) == ERR_NONE;
    b->info.is_private = b->info.is_privacy_known && (settings & MGMT_SETTING_PRIVACY) != 0;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct bluetooth *b = ctx;
    uint64_t now_ms = host_now_ms(b->host), next_ms = UINT64_MAX, call_at_ms = UINT64_MAX, wait_ms;
    bool is_calling;

    (void)fd;
    (void)what;
    air_look(b, now_ms, &next_ms);
    if (b->air == AIR_UP) {
        privacy_look(b, now_ms);
        advert_look(b, now_ms, &next_ms);
        links_look(b, now_ms, &next_ms);
        is_calling = calls_go_on(b, now_ms, &call_at_ms);
        scan_look(b, now_ms, is_calling, &next_ms);
        classic_call(b, now_ms, &next_ms);
        next_ms = least(next_ms, call_at_ms);
    }
    next_ms = least(next_ms, bluetooth_gatt_wake(b->gatt, now_ms));
    next_ms = least(next_ms, bluetooth_connections_wake(b->connections, now_ms));
    if (next_ms == UINT64_MAX)
        return;   /* something will happen, and make it due */
    wait_ms = next_ms > now_ms ? next_ms - now_ms : 1;
    struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000), .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };

    event_add(b->timer, &wait);
}

/* ---- Life ---- */

static bool kernel_has_bluetooth(void)
{
    int fd = socket(AF_BLUETOOTH, SOCK_STREAM | SOCK_CLOEXEC, BT_PROTO_L2CAP);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != EAFNOSUPPORT;
}

static enum err config_take(struct bluetooth *b, const struct bluetooth_config *config)
{
    b->config = *config;
    snprintf(b->adapter_wanted, sizeof b->adapter_wanted, "%s", config->adapter != NULL ? config->adapter : "");
    b->config.adapter = config->adapter != NULL ? b->adapter_wanted : NULL;
    b->has_only = config->only != NULL;
    b->has_classic_peer = config->is_classic && config->classic_peer != NULL;
    b->classic_peer.kind = BT_ADDR_BREDR;
    if ((b->has_only && bluetooth_address_parse(&b->only.address, config->only) != ERR_NONE) ||
        (b->has_classic_peer && bluetooth_address_parse(&b->classic_peer.address, config->classic_peer) != ERR_NONE))
        return ERR_MALFORMED;
    b->config.only = b->config.classic_peer = NULL;
    return ERR_NONE;
}

enum err bluetooth_new(struct bluetooth **out, struct event_base *base, struct host *host, struct node *node,
                       const struct rng *g, const struct bluetooth_config *config)
{
    struct bluetooth *b = calloc(1, sizeof *b);
    struct bluetooth_bus_user bus_user = { b, wake_soon, on_report };
    struct bluetooth_l2cap_user l2cap_user = { b, may_accept, on_link, on_call_failed };
    struct bluetooth_gatt_user gatt_user = { b, phone_may_accept, on_phone_link, wake_soon };
    enum err e;

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->base = base;
    b->host = host;
    b->node = node;
    b->rng = *g;
    b->has_kernel = kernel_has_bluetooth();
    if ((e = config_take(b, config)) != ERR_NONE)
        goto failed;
    e = ERR_NO_MEMORY;
    if ((b->timer = event_new(base, -1, 0, on_timer, b)) == NULL)
        goto failed;
    if ((e = bluetooth_bus_new(&b->bus, base, b->config.adapter, &bus_user)) != ERR_NONE ||
        (e = bluetooth_advert_new(&b->advert, b->bus, wake_soon, b)) != ERR_NONE ||
        (e = bluetooth_scan_new(&b->scan, b->bus, wake_soon, b)) != ERR_NONE ||
        (e = bluetooth_l2cap_new(&b->l2cap, base, host, node, &l2cap_user)) != ERR_NONE ||
        (e = bluetooth_gatt_new(&b->gatt, base, b->bus, host, node, &gatt_user)) != ERR_NONE ||
        (e = bluetooth_neighbours_new(&b->neighbours, node, g)) != ERR_NONE ||
        (e = bluetooth_connections_new(&b->connections, b->bus, wake_soon, b)) != ERR_NONE ||
        (e = host_on_link_gone(host, on_link_gone, b)) != ERR_NONE)
        goto failed;
    /* Asking the kernel has loaded its module where there is one. */
    if (b->has_kernel)
        bluetooth_bus_start(b->bus);
    *out = b;
    return ERR_NONE;
failed:
    bluetooth_free(b);
    return e;
}

void bluetooth_free(struct bluetooth *b)
{
    if (b == NULL)
        return;
    host_off_link_gone(b->host, on_link_gone, b);
    bluetooth_advert_free(b->advert);
    bluetooth_scan_free(b->scan);
    bluetooth_gatt_free(b->gatt);
    bluetooth_l2cap_free(b->l2cap);
    bluetooth_connections_free(b->connections);
    bluetooth_bus_free(b->bus);
    bluetooth_neighbours_free(b->neighbours);
    if (b->timer != NULL)
        event_free(b->timer);
    free(b);
}

void bluetooth_set_power(struct bluetooth *b, enum bluetooth_power power)
{
    b->config.power = power;
    b->scan_until_ms = 0;
    wake_soon(b);
}

void bluetooth_info(const struct bluetooth *b, struct bluetooth_info *out)
{
    const struct bluetooth_adapter *a = bluetooth_bus_adapter(b->bus);
    const char *trouble = b->info.last_error;

    *out = b->info;
    out->state = b->has_kernel ? bluetooth_bus_state(b->bus) : BLUETOOTH_NO_KERNEL;
    if (a != NULL)
        snprintf(out->adapter, sizeof out->adapter, "%s", a->path + strlen("/org/bluez/"));
    out->is_advertising = bluetooth_advert_is_on(b->advert);
    out->is_scanning = bluetooth_scan_is_on(b->scan);
    out->is_gatt_on = bluetooth_gatt_is_on(b->gatt);
    out->neighbours = bluetooth_neighbours_count(b->neighbours, host_now_ms(b->host));
    out->links = bluetooth_links_count(&b->links);
    out->gatt_sessions = bluetooth_gatt_sessions(b->gatt);
    out->gatt_faults = bluetooth_gatt_faults(b->gatt);
    out->bus_faults = bluetooth_bus_faults(b->bus);
    /* What stands in the way now comes before what went wrong once. */
    if (bluetooth_scan_error(b->scan)[0] != '\0')
        trouble = bluetooth_scan_error(b->scan);
    if (bluetooth_gatt_error(b->gatt)[0] != '\0')
        trouble = bluetooth_gatt_error(b->gatt);
    if (bluetooth_advert_error(b->advert)[0] != '\0')
        trouble = bluetooth_advert_error(b->advert);
    snprintf(out->last_error, sizeof out->last_error, "%s", trouble);
}
