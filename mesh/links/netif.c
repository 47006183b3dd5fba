/* mesh/links/netif.c - see netif.h */
#define _DEFAULT_SOURCE
#include "mesh/links/netif.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct netif *netif_of(struct netif list[NETIF_MAX], size_t *count, const struct ifaddrs *a)
{
    unsigned index = if_nametoindex(a->ifa_name);

    if (index == 0)
        return NULL;
    for (size_t i = 0; i < *count; i++)
        if (list[i].index == index)
            return &list[i];
    if (*count == NETIF_MAX)
        return NULL;
    struct netif *n = &list[(*count)++];

    memset(n, 0, sizeof *n);
    n->index = index;
    strncpy(n->name, a->ifa_name, sizeof n->name - 1);
    n->is_loopback = (a->ifa_flags & IFF_LOOPBACK) != 0;
    return n;
}

static void note_address(struct netif *n, const struct ifaddrs *a)
{
    if (a->ifa_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a->ifa_addr;

        n->has_link_local = n->has_link_local || IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
    } else if (n->ipv4_count < NETIF_IPV4_MAX && a->ifa_netmask != NULL) {
        const struct sockaddr_in *ip = (const struct sockaddr_in *)(const void *)a->ifa_addr;
        const struct sockaddr_in *mask = (const struct sockaddr_in *)(const void *)a->ifa_netmask;

        memcpy(n->ipv4[n->ipv4_count].ip, &ip->sin_addr, 4);
        memcpy(n->ipv4[n->ipv4_count].mask, &mask->sin_addr, 4);
        n->ipv4_count++;
    }
}

/* Loopback has no multicast flag on Linux, and carries IPv4 multicast all the same. */
static size_t collect(struct netif out[NETIF_MAX], const struct ifaddrs *all, bool is_loopback)
{
    unsigned needed = IFF_UP | IFF_RUNNING | (is_loopback ? IFF_LOOPBACK : IFF_MULTICAST);
    struct netif list[NETIF_MAX];
    size_t count = 0, kept = 0;

    for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
        struct netif *n;

        if (a->ifa_addr == NULL || (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
            continue;
        if ((a->ifa_flags & needed) != needed || ((a->ifa_flags & IFF_LOOPBACK) != 0) != is_loopback)
            continue;
        if ((n = netif_of(list, &count, a)) != NULL)
            note_address(n, a);
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = kept;

        if (!list[i].has_link_local && list[i].ipv4_count == 0)
            continue;
        for (; at > 0 && out[at - 1].index > list[i].index; at--)
            out[at] = out[at - 1];
        out[at] = list[i];
        kept++;
    }
    return kept;
}

size_t netif_list(struct netif out[NETIF_MAX], bool is_loopback_only)
{
    struct ifaddrs *all;
    size_t count = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    if (!is_loopback_only)
        count = collect(out, all, false);
    if (count == 0)
        count = collect(out, all, true);
    freeifaddrs(all);
    return count;
}

bool netif_is_on_link(const struct netif *n, const uint8_t ipv4[4])
{
    for (unsigned i = 0; i < n->ipv4_count; i++) {
        unsigned differing = 0;

        for (int b = 0; b < 4; b++)
            differing |= (unsigned)((ipv4[b] ^ n->ipv4[i].ip[b]) & n->ipv4[i].mask[b]);
        if (differing == 0)
            return true;
    }
    return false;
}

static bool is_address(const struct ifaddrs *a, const uint8_t ip[16], unsigned scope)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (a->ifa_addr == NULL || (scope != 0 && if_nametoindex(a->ifa_name) != scope))
        return false;
    if (a->ifa_addr->sa_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr, ip, 16) == 0;
    return a->ifa_addr->sa_family == AF_INET && memcmp(ip, mapped, sizeof mapped) == 0 &&
           memcmp(&((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, ip + 12, 4) == 0;
}

bool netif_has_address(const uint8_t ip[16], unsigned scope)
{
    struct ifaddrs *all;
    bool found = false;

    if (getifaddrs(&all) != 0)
        return true; /* no reason to believe the worst */
    for (const struct ifaddrs *a = all; a != NULL && !found; a = a->ifa_next)
        found = is_address(a, ip, scope);
    freeifaddrs(all);
    return found;
}

int netif_news_open(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK,
                                   .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* What changed is not read: the list is made anew, so that news lost to a full buffer is no harm. */
void netif_news_drain(int fd)
{
    uint8_t unread[4096];

    for (int i = 0; i < 64 && recv(fd, unread, sizeof unread, MSG_DONTWAIT | MSG_TRUNC) > 0; i++)
        continue;
}
