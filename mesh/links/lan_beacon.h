/* mesh/links/lan_beacon.h - beacons in and out of every interface, as UDP multicast.
 *
 * Owns the sockets and the memberships, and follows interfaces as they come and go. When to speak and what to
 * make of what is heard is lan.c's matter.
 */
#ifndef STA_LINKS_LAN_BEACON_H
#define STA_LINKS_LAN_BEACON_H

#include "mesh/links/lan_wire.h"

struct lan_beacon;
struct event_base;

struct lan_beacon_user {
    void *ctx;
    /* A well-formed beacon from a neighbour on the wire (or from ourselves); from->port is the TCP port it states. */
    void (*on_heard)(void *ctx, const struct lan_address *from, const uint8_t beacon[BEACON_LEN]);
    /* Interfaces or addresses changed. */
    void (*on_interfaces)(void *ctx);
};

/* Speaks and hears only where `listening`, our TCP address, can be called. ERR_IO: no family has a socket; `why` says
 * more. */
enum err lan_beacon_new(struct lan_beacon **out, struct event_base *base, uint16_t udp_port,
                        const struct lan_address *listening, const struct lan_beacon_user *user, char why[128]);
void     lan_beacon_free(struct lan_beacon *b);

/* On each interface by IPv6 if it can, else by IPv4; by both when `is_quick`. Returns datagrams sent. A failure is
 * written to `why` (left alone otherwise). */
unsigned lan_beacon_send(struct lan_beacon *b, const uint8_t beacon[BEACON_LEN], uint16_t tcp_port, bool is_quick,
                         char why[128]);

/* Interfaces in use. */
unsigned lan_beacon_interfaces(const struct lan_beacon *b);

#endif
