/* mesh/links/lan.h - neighbours on the same local network.
 *
 * Discovery by UDP multicast beacons (IPv6 link-local and IPv4) on every interface that can, interfaces coming and going;
 * links over TCP; static peers for networks without multicast. Nothing stable goes on the wire: a beacon holds the node's
 * advert of this epoch, a TCP link starts with the two adverts and Noise. Wire format: docs/protocol.md.
 */
#ifndef STA_LINKS_LAN_H
#define STA_LINKS_LAN_H

#include "mesh/links/host.h"

struct lan;

enum { LAN_PORT_DEFAULT = 7827, LAN_PEERS_MAX = 32 };

struct lan_config {
    const char *listen;           /* "ADDR:PORT", "[ADDR]:PORT" or ":PORT"; NULL: any address, LAN_PORT_DEFAULT, next free if taken */
    const char *peers[LAN_PEERS_MAX];  /* "HOST:PORT", called and called again with back-off */
    size_t      peer_count;
    bool        is_discovery_off;
    uint16_t    beacon_port;      /* 0: LAN_PORT_DEFAULT */
};

/* ERR_IO: the listening address cannot be had; `why` (may be NULL) then says which and what to do. */
enum err lan_new(struct lan **out, struct event_base *base, struct host *host, struct node *node, const struct rng *g,
                 const struct lan_config *config, char why[256]);
void     lan_free(struct lan *l);

/* The store changed: a beacon soon. */
void     lan_beacon_changed(struct lan *l);

/* For status and doctor. */
struct lan_info {
    uint16_t port;                /* we listen here; 0: not */
    unsigned interfaces;          /* that beacons go out on */
    unsigned neighbours;          /* heard in the last two minutes */
    uint64_t beacons_in, beacons_out, calls, calls_failed;
    char     last_error[128];     /* empty: none */
};
void     lan_info(const struct lan *l, struct lan_info *out);

#endif
