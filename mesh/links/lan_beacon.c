/* mesh/links/lan_beacon.c - see lan_beacon.h
 *
 * One socket a family for all interfaces. Group membership is an interface's; the sockets are shared with other nodes on this
 * machine (SO_REUSEADDR), and each of them gets every datagram.
 */
#define _GNU_SOURCE
#include "mesh/links/lan_beacon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/links/netif.h"

enum { DATAGRAMS_A_TURN = 64 };

/* Transient, link-local scope, a dynamic group id of RFC 3307; and the organisation-local scope of RFC 2365, kept on the
 * link by its TTL of 1. */
static const char group_ipv6[] = "ff12::fa66:e771";
static const char group_ipv4[] = "239.192.120.27";

struct lan_beacon {
    struct lan_beacon_user user;
    int fd_v6, fd_v4, fd_news;
    struct event *on_v6, *on_v4, *on_news, *settle;
    struct sockaddr_in6 group_v6;
    struct sockaddr_in group_v4;
    struct lan_address listening;
    struct netif interfaces[NETIF_MAX];
    size_t interface_count;
};

/* ---- Memberships ---- */

static void member(const struct lan_beacon *b, const struct netif *n, bool is_joining)
{
    if (b->fd_v6 >= 0) {
        struct ipv6_mreq v6 = { .ipv6mr_multiaddr = b->group_v6.sin6_addr, .ipv6mr_interface = n->index };

        setsockopt(b->fd_v6, IPPROTO_IPV6, is_joining ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &v6, sizeof v6);
    }
    if (b->fd_v4 >= 0) {
        struct ip_mreqn v4 = { .imr_multiaddr = b->group_v4.sin_addr, .imr_ifindex = (int)n->index };

        setsockopt(b->fd_v4, IPPROTO_IP, is_joining ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &v4, sizeof v4);
    }
}

static const struct netif *find(const struct netif *list, size_t count, unsigned index)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].index == index)
            return &list[i];
    return NULL;
}

/* A beacon invites calls, so it goes out only where we would hear them. */
static bool is_callable_at(const struct lan_address *a, struct netif *n)
{
    if (lan_address_is_any(a))
        return true;
    if (lan_address_is_ipv4(a)) {
        n->has_link_local = false;
        for (unsigned i = 0; i < n->ipv4_count; i++)
            if (memcmp(n->ipv4[i].ip, a->ip + 12, 4) == 0)
                return true;
        return n->is_loopback && lan_address_is_loopback(a);
    }
    n->ipv4_count = 0;
    return !lan_address_is_link_local(a) || a->scope == n->index;
}

static size_t interfaces_where_called(const struct lan_beacon *b, struct netif out[NETIF_MAX])
{
    size_t count = netif_list(out, lan_address_is_loopback(&b->listening)), kept = 0;

    for (size_t i = 0; i < count; i++)
        if (is_callable_at(&b->listening, &out[i]))
            out[kept++] = out[i];
    return kept;
}

/* True when something changed. Joining again is refused by the system and harmless; it is tried at each change, for an
 * interface that got its first address of a family only now. */
static bool interfaces_refresh(struct lan_beacon *b)
{
    struct netif now[NETIF_MAX];
    size_t count;

    memset(now, 0, sizeof now);
    count = interfaces_where_called(b, now);
    if (count == b->interface_count && memcmp(now, b->interfaces, count * sizeof now[0]) == 0)
        return false;
    for (size_t i = 0; i < b->interface_count; i++)
        if (find(now, count, b->interfaces[i].index) == NULL)
            member(b, &b->interfaces[i], false);
    for (size_t i = 0; i < count; i++)
        member(b, &now[i], true);
    memcpy(b->interfaces, now, sizeof now);
    b->interface_count = count;
    return true;
}

/* News come in flocks: an interface that comes up makes a dozen messages, and its link-local address can be used only when it
 * is known to be alone, which is told last. */
static void on_settled(evutil_socket_t fd, short what, void *ctx)
{
    struct lan_beacon *b = ctx;

    (void)fd;
    (void)what;
    interfaces_refresh(b);
    b->user.on_interfaces(b->user.ctx);
}

static void on_news(evutil_socket_t fd, short what, void *ctx)
{
    struct lan_beacon *b = ctx;
    static const struct timeval soon = { 0, 100 * 1000 };

    (void)what;
    netif_news_drain(fd);
    if (!event_pending(b->settle, EV_TIMEOUT, NULL))
        event_add(b->settle, &soon);
}

/* ---- Hearing ---- */

/* Who is not on the wire must not send us calling: a forged source address would make us knock at any door. */
static bool is_neighbourly(const struct lan_beacon *b, const struct lan_address *from, unsigned index)
{
    const struct netif *n = find(b->interfaces, b->interface_count, index);

    if (n == NULL)
        return false;
    if (lan_address_is_ipv4(from))
        return netif_is_on_link(n, from->ip + 12);
    return lan_address_is_link_local(from) && from->scope == index;
}

static unsigned arrival_interface(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            return (unsigned)info.ipi_ifindex;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            /* Only what was sent to a group; a beacon to our own address is a probe. */
            return IN6_IS_ADDR_MULTICAST(&info.ipi6_addr) ? info.ipi6_ifindex : 0;
        }
    }
    return 0;
}

static void on_datagram(evutil_socket_t fd, short what, void *ctx)
{
    struct lan_beacon *b = ctx;

    (void)what;
    for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
        struct sockaddr_storage source;
        uint8_t octets[LAN_DATAGRAM_LEN + 1], beacon[BEACON_LEN];
        _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct iovec iov = { octets, sizeof octets };
        struct msghdr m = { .msg_name = &source, .msg_namelen = sizeof source, .msg_iov = &iov, .msg_iovlen = 1,
                            .msg_control = control, .msg_controllen = sizeof control };
        struct lan_address from;
        uint16_t tcp_port;
        ssize_t len = recvmsg(fd, &m, MSG_DONTWAIT);

        if (len < 0)
            return;
        if (lan_datagram_decode(bytes_of(octets, (size_t)len), beacon, &tcp_port) != ERR_NONE)
            continue;
        if (!lan_address_of_system(&from, &source) || !is_neighbourly(b, &from, arrival_interface(&m)))
            continue;
        from.port = tcp_port;
        b->user.on_heard(b->user.ctx, &from, beacon);
    }
}

/* ---- Sockets ---- */

static bool set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static int open_v6(struct lan_beacon *b, uint16_t port)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any };
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    b->group_v6 = any;
    inet_pton(AF_INET6, group_ipv6, &b->group_v6.sin6_addr);
    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
    if (set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) && set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1) &&
        bind(fd, (const struct sockaddr *)&any, sizeof any) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Bound to the group itself, the socket hears nothing else. */
static int open_v4(struct lan_beacon *b, uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    b->group_v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
    inet_pton(AF_INET, group_ipv4, &b->group_v4.sin_addr);
    set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
    if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) && set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
        set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 1) &&
        bind(fd, (const struct sockaddr *)&b->group_v4, sizeof b->group_v4) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct event *watch(struct event_base *base, int fd, event_callback_fn call, struct lan_beacon *b)
{
    struct event *e = fd < 0 ? NULL : event_new(base, fd, EV_READ | EV_PERSIST, call, b);

    if (e != NULL)
        event_add(e, NULL);
    return e;
}

enum err lan_beacon_new(struct lan_beacon **out, struct event_base *base, uint16_t udp_port,
                        const struct lan_address *listening, const struct lan_beacon_user *user, char why[128])
{
    struct lan_beacon *b = calloc(1, sizeof *b);

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->user = *user;
    b->listening = *listening;
    b->fd_v6 = open_v6(b, udp_port);
    b->fd_v4 = open_v4(b, udp_port);
    b->fd_news = -1;
    if (b->fd_v6 < 0 && b->fd_v4 < 0) {
        snprintf(why, 128, "UDP port %u: %s", udp_port, strerror(errno));
        lan_beacon_free(b);
        return ERR_IO;
    }
    b->fd_news = netif_news_open();
    b->on_v6 = watch(base, b->fd_v6, on_datagram, b);
    b->on_v4 = watch(base, b->fd_v4, on_datagram, b);
    b->on_news = watch(base, b->fd_news, on_news, b);
    b->settle = evtimer_new(base, on_settled, b);
    if (b->settle == NULL) {
        lan_beacon_free(b);
        return ERR_NO_MEMORY;
    }
    interfaces_refresh(b);
    *out = b;
    return ERR_NONE;
}

static void unwatch(struct event *e, int fd)
{
    if (e != NULL)
        event_free(e);
    if (fd >= 0)
        close(fd);
}

void lan_beacon_free(struct lan_beacon *b)
{
    if (b == NULL)
        return;
    unwatch(b->on_v6, b->fd_v6);
    unwatch(b->on_v4, b->fd_v4);
    unwatch(b->on_news, b->fd_news);
    unwatch(b->settle, -1);
    free(b);
}

/* ---- Speaking ---- */

static bool send_v6(const struct lan_beacon *b, const struct netif *n, const uint8_t datagram[LAN_DATAGRAM_LEN])
{
    struct sockaddr_in6 to = b->group_v6;

    to.sin6_scope_id = n->index;
    return sendto(b->fd_v6, datagram, LAN_DATAGRAM_LEN, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to) ==
           LAN_DATAGRAM_LEN;
}

/* From an address of that interface: the system would take one of another for loopback, and be taken for a liar. */
static bool send_v4(const struct lan_beacon *b, const struct netif *n, const uint8_t datagram[LAN_DATAGRAM_LEN])
{
    struct sockaddr_in to = b->group_v4;
    struct in_pktinfo way = { .ipi_ifindex = (int)n->index };
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof way)];
    struct iovec iov = { (void *)(uintptr_t)datagram, LAN_DATAGRAM_LEN };
    struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = control, .msg_controllen = sizeof control };

    memset(control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    memcpy(&way.ipi_spec_dst, n->ipv4[0].ip, 4);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof way);
    memcpy(CMSG_DATA(c), &way, sizeof way);
    return sendmsg(b->fd_v4, &m, MSG_NOSIGNAL) == LAN_DATAGRAM_LEN;
}

unsigned lan_beacon_send(struct lan_beacon *b, const uint8_t beacon[BEACON_LEN], uint16_t tcp_port, bool is_quick,
                         char why[128])
{
    uint8_t datagram[LAN_DATAGRAM_LEN];
    unsigned sent = 0;

    lan_datagram_encode(datagram, beacon, tcp_port);
    for (size_t i = 0; i < b->interface_count; i++) {
        const struct netif *n = &b->interfaces[i];
        bool has_v6 = b->fd_v6 >= 0 && n->has_link_local, has_v4 = b->fd_v4 >= 0 && n->ipv4_count > 0;
        bool is_out = has_v6 && send_v6(b, n, datagram);

        sent += is_out;
        /* Also when IPv6 failed: an address may be there and not be usable yet. */
        if (has_v4 && (is_quick || !is_out)) {
            bool is_out_v4 = send_v4(b, n, datagram);

            sent += is_out_v4;
            is_out = is_out || is_out_v4;
        }
        if (!is_out && (has_v6 || has_v4))
            snprintf(why, 128, "beacon on %s: %s", n->name, strerror(errno));
    }
    return sent;
}

unsigned lan_beacon_interfaces(const struct lan_beacon *b)
{
    return (unsigned)b->interface_count;
}
