/* mesh/links/lan_wire.h - what the local network carries outside of links: the beacon datagram and the preamble of a
 * TCP stream; and addresses, as people write them and as we compare them (docs/protocol.md section 7.4).
 *
 * Pure but for the names of interfaces in scoped addresses.
 */
#ifndef STA_LINKS_LAN_WIRE_H
#define STA_LINKS_LAN_WIRE_H

#include "mesh/base/bytes.h"
#include "mesh/node.h"

enum {
    LAN_DATAGRAM_LEN     = BEACON_LEN + 2,
    LAN_PREAMBLE_LEN     = 17,
    LAN_PREAMBLE_VERSION = 1,
    LAN_TEXT_LEN         = 80,   /* "[fe80::...%interface]:65535" and its final zero */
    LAN_HOST_LEN         = 254,  /* a DNS name and its final zero */
};

/* IPv4 as ::ffff:a.b.c.d, so that both families compare alike. */
struct lan_address {
    uint8_t  ip[16];
    uint32_t scope;  /* interface of a link-local address, else 0 */
    uint16_t port;
};

bool lan_address_is_ipv4(const struct lan_address *a);
bool lan_address_is_any(const struct lan_address *a);  /* all zeros, of either family */
bool lan_address_is_loopback(const struct lan_address *a);
bool lan_address_is_link_local(const struct lan_address *a);
bool lan_address_is_same_host(const struct lan_address *a, const struct lan_address *b);
bool lan_address_is_equal(const struct lan_address *a, const struct lan_address *b);
void lan_address_text(const struct lan_address *a, char to[LAN_TEXT_LEN]);

/* To and from the system's form. The length is 0 for a family that is neither IPv4 nor IPv6. */
struct sockaddr_storage;
size_t lan_address_to_system(const struct lan_address *a, struct sockaddr_storage *to);
bool   lan_address_of_system(struct lan_address *out, const struct sockaddr_storage *from);

/* "HOST:PORT", "[IPV6]:PORT" and, where `may_be_any`, ":PORT". An empty host means any address. ERR_MALFORMED, and `why`
 * (may be NULL) tells a person what is wrong. */
struct lan_place { char host[LAN_HOST_LEN]; uint16_t port; };
enum err lan_place_parse(struct lan_place *out, const char *text, bool may_be_any, char why[256]);

/* The place without asking anybody; false when its host is a name. */
bool lan_place_is_numeric(const struct lan_place *p, struct lan_address *out);

/* beacon || TCP port. ERR_MALFORMED: another length, or port 0. */
enum err lan_datagram_decode(struct bytes in, uint8_t beacon[BEACON_LEN], uint16_t *tcp_port);
void     lan_datagram_encode(uint8_t to[LAN_DATAGRAM_LEN], const uint8_t beacon[BEACON_LEN], uint16_t tcp_port);

/* The first bytes of a stream, from the one who called. */
struct lan_preamble {
    uint8_t initiator[ADVERT_RANDOM_LEN];
    uint8_t responder[ADVERT_RANDOM_LEN];  /* zeros: the caller has heard no beacon */
};
/* ERR_VERSION, ERR_MALFORMED. */
enum err lan_preamble_decode(struct lan_preamble *out, struct bytes in);
void     lan_preamble_encode(uint8_t to[LAN_PREAMBLE_LEN], const struct lan_preamble *p);

/* The advert inside a beacon. */
void lan_advert_of_beacon(uint8_t out[ADVERT_RANDOM_LEN], const uint8_t beacon[BEACON_LEN]);

#endif
