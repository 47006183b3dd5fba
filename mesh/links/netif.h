/* mesh/links/netif.h - the network interfaces of this machine, and news of them. */
#ifndef STA_LINKS_NETIF_H
#define STA_LINKS_NETIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NETIF_MAX      = 16,  /* a socket may join 20 IPv4 groups on an untuned kernel */
    NETIF_NAME_LEN = 16,
    NETIF_IPV4_MAX = 4,
};

struct netif {
    unsigned index;
    char     name[NETIF_NAME_LEN];
    bool     is_loopback;
    bool     has_link_local;   /* an IPv6 link-local address */
    unsigned ipv4_count;
    struct { uint8_t ip[4], mask[4]; } ipv4[NETIF_IPV4_MAX];
};

/* The interfaces that are up, can multicast and have an address, ordered by index; at most NETIF_MAX. Loopback only when
 * `is_loopback_only`, or when there is nothing else. */
size_t netif_list(struct netif out[NETIF_MAX], bool is_loopback_only);

/* True when the address lies in a network of this interface: who claims another there is lying. */
bool netif_is_on_link(const struct netif *n, const uint8_t ipv4[4]);

/* This machine has the address (16 bytes, IPv4 mapped), if `scope` is not 0 then on that interface. */
bool netif_has_address(const uint8_t ip[16], unsigned scope);

/* A descriptor that gets readable when interfaces or their addresses change; -1: the system has none. */
int  netif_news_open(void);
void netif_news_drain(int fd);

#endif
