/* Nodes on one machine, over loopback: discovery, static peers, ports, and what strangers may do to the door. Needs no
 * right that a person does not have. */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mesh/links/lan.h"
#include "mesh/links/lan_tcp.h"
#include "tests/links/party.h"
#include "tests/support/check.h"

enum { PARTIES = 3 };

struct room {
    struct event_base *base;
    struct party p[PARTIES];
    struct lan *lan[PARTIES];
    unsigned count;
    size_t want;
    uint16_t beacon_port;
};

/* A UDP port of this test's own, so that two runs do not meet. */
static uint16_t port_draw(void)
{
    return (uint16_t)(20000 + (unsigned)getpid() % 20000);
}

static void changed(void *ctx) { lan_beacon_changed(ctx); }

static void join(struct room *r, unsigned i, const struct lan_config *config)
{
    char why[256] = "";

    if (lan_new(&r->lan[i], r->base, r->p[i].host, r->p[i].node, &r->p[i].rng, config, why) != ERR_NONE) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    r->p[i].on_beacon_changed = changed;
    r->p[i].on_beacon_changed_ctx = r->lan[i];
}

static void room_init(struct room *r, unsigned count)
{
    memset(r, 0, sizeof *r);
    r->base = event_base_new();
    r->count = count;
    r->beacon_port = port_draw();
    for (unsigned i = 0; i < count; i++)
        party_init(&r->p[i], r->base, 11 + i, NULL);
}

static void room_clear(struct room *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        lan_free(r->lan[i]);
        party_clear(&r->p[i]);
    }
    event_base_free(r->base);
}

static bool all_have(void *ctx)
{
    struct room *r = ctx;

    for (unsigned i = 0; i < r->count; i++)
        if (party_count(&r->p[i]) < r->want)
            return false;
    return true;
}

static bool all_heard(void *ctx)
{
    struct room *r = ctx;
    struct lan_info info;

    for (unsigned i = 0; i < r->count; i++) {
        lan_info(r->lan[i], &info);
        if (info.neighbours != r->count - 1 || info.beacons_out == 0)
            return false;
    }
    return true;
}

static void test_discovery(void)
{
    struct room r;
    struct lan_info info;
    uint64_t start_us;

    room_init(&r, PARTIES);
    struct lan_config config = { .listen = "127.0.0.1:0", .beacon_port = r.beacon_port };

    for (unsigned i = 0; i < PARTIES; i++) {
        party_submit(&r.p[i], 10, 0);
        join(&r, i, &config);
    }
    r.want = 30;
    start_us = now_us();
    CHECK(run_until(r.base, 15000, all_have, &r));
    printf("three nodes have each other's bundles after %.0f ms\n", (double)(now_us() - start_us) / 1e3);
    CHECK(run_until(r.base, 5000, all_heard, &r));
    for (unsigned i = 0; i < PARTIES; i++) {
        lan_info(r.lan[i], &info);
        CHECK(info.port != 0 && info.interfaces == 1 && info.beacons_in > 0);
        CHECK_CASE(info.last_error, info.calls_failed == 0);
    }

    /* A new epoch: links end, adverts change, and they find each other again for what is new. */
    for (unsigned i = 0; i < PARTIES; i++) {
        node_new_epoch(r.p[i].node, host_now_ms(r.p[i].host));
        host_poke(r.p[i].host);
    }
    run_for(r.base, 200);
    party_submit(&r.p[1], 1, 0);
    r.want = 31;
    CHECK(run_until(r.base, 16000, all_have, &r));
    room_clear(&r);
}

/* A bare container has no /etc/hosts, and so no such name. */
static bool is_localhost_known(void)
{
    struct addrinfo *found = NULL, hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    bool is_known = getaddrinfo("localhost", NULL, &hints, &found) == 0;

    if (is_known)
        freeaddrinfo(found);
    else
        printf("localhost has no address here: not tried by name\n");
    return is_known;
}

static void test_static_peer(void)
{
    struct room r;
    struct lan_info info;
    char where[2][40], why[256];
    struct lan *other = NULL;
    struct lan_config plain = { .listen = "127.0.0.1:0", .is_discovery_off = true };

    room_init(&r, 2);
    join(&r, 0, &plain);
    lan_info(r.lan[0], &info);
    CHECK(info.interfaces == 0);
    snprintf(where[0], sizeof where[0], "127.0.0.1:%u", info.port);
    snprintf(where[1], sizeof where[1], "localhost:%u", info.port);

    for (int named = 0; named < (is_localhost_known() ? 2 : 1); named++) {
        struct lan_config config = { .listen = "127.0.0.1:0", .is_discovery_off = true, .peers = { where[named] }, .peer_count = 1 };

        join(&r, 1, &config);
        party_submit(&r.p[0], 1, 0);
        party_submit(&r.p[1], 1, 0);
        r.want += 2;
        CHECK_CASE(where[named], run_until(r.base, 10000, all_have, &r));

        /* Gone, and there again: it is called again. */
        lan_free(r.lan[0]);
        host_free(r.p[0].host);
        struct host_app nothing = { 0 };
        struct lan_config same = { .listen = where[0], .is_discovery_off = true };

        REQUIRE(host_new(&r.p[0].host, r.base, r.p[0].node, &nothing) == ERR_NONE);
        run_for(r.base, 100);
        party_submit(&r.p[0], 1, 0);
        r.want++;
        join(&r, 0, &same);
        CHECK_CASE(where[named], run_until(r.base, 10000, all_have, &r));
        lan_free(r.lan[1]);
        r.lan[1] = NULL;
        /* Its links are the host's; a fresh host is a node that lost its network. */
        host_free(r.p[1].host);
        REQUIRE(host_new(&r.p[1].host, r.base, r.p[1].node, &nothing) == ERR_NONE);
    }

    /* A port that is taken, and words that are none. */
    struct lan_config taken = { .listen = where[0] };
    static const char *const bad[] = { "nonsense", "300.1.1.1:80", "localhost:7827", "192.0.2.77:7827", "[fe80::1%nosuchif]:7" };

    why[0] = '\0';
    CHECK_ERR("taken", lan_new(&other, r.base, r.p[1].host, r.p[1].node, &r.p[1].rng, &taken, why), ERR_IO);
    CHECK_CASE(why, strstr(why, "another program has it") != NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lan_config wrong = { .listen = bad[i] };

        why[0] = '\0';
        CHECK_CASE(bad[i], lan_new(&other, r.base, r.p[1].host, r.p[1].node, &r.p[1].rng, &wrong, why) != ERR_NONE);
        CHECK_CASE(why, strstr(why, bad[i]) != NULL);
    }
    struct lan_config bad_peer = { .listen = "127.0.0.1:0", .peers = { "relay" }, .peer_count = 1 };

    CHECK_ERR("peer", lan_new(&other, r.base, r.p[1].host, r.p[1].node, &r.p[1].rng, &bad_peer, why), ERR_MALFORMED);
    CHECK_CASE(why, strstr(why, "relay") != NULL);
    room_clear(&r);
}

/* The default port is shared out: who comes second takes the next. */
static void test_ports(void)
{
    struct room r;
    struct lan_info info[2];
    struct lan_config config = { .is_discovery_off = true };

    room_init(&r, 2);
    join(&r, 0, &config);
    join(&r, 1, &config);
    lan_info(r.lan[0], &info[0]);
    lan_info(r.lan[1], &info[1]);
    CHECK(info[0].port >= LAN_PORT_DEFAULT && info[1].port > info[0].port && info[1].port < LAN_PORT_DEFAULT + LAN_PORTS_TRIED);
    room_clear(&r);
}

static int knock(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    REQUIRE(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
    REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static bool is_shut(int fd)
{
    uint8_t unread[4096];
    ssize_t got;

    while ((got = recv(fd, unread, sizeof unread, MSG_DONTWAIT)) > 0)
        continue;
    return got == 0 || errno != EAGAIN;
}

struct doors { int fd[12]; unsigned want_open; };

static bool doors_are(void *ctx)
{
    struct doors *d = ctx;
    unsigned open = 0;

    for (int i = 0; i < 12; i++)
        open += !is_shut(d->fd[i]);
    return open == d->want_open;
}

static bool door_is_shut(void *ctx) { return is_shut(*(int *)ctx); }

static void test_door(void)
{
    struct room r;
    struct lan_info info;
    struct lan_config config = { .listen = "127.0.0.1:0", .is_discovery_off = true };
    struct doors d;
    uint8_t preamble[LAN_PREAMBLE_LEN];
    struct lan_preamble stranger = { { 1, 2, 3 }, { 0 } };

    room_init(&r, 1);
    join(&r, 0, &config);
    lan_info(r.lan[0], &info);

    /* Silent ones: eight of an address, for five seconds. */
    for (int i = 0; i < 12; i++)
        d.fd[i] = knock(info.port);
    d.want_open = LAN_UNFINISHED_HOST_MAX;
    CHECK(run_until(r.base, 3000, doors_are, &d));
    REQUIRE(send(d.fd[0], "\x01", 1, MSG_NOSIGNAL) == 1); /* a drip does not buy time */
    run_for(r.base, 2500);
    (void)send(d.fd[0], "\x01", 1, MSG_NOSIGNAL);
    d.want_open = 0;
    CHECK(run_until(r.base, 4000, doors_are, &d));
    for (int i = 0; i < 12; i++)
        close(d.fd[i]);

    /* Another version; somebody we were in an earlier epoch; ourselves. */
    for (int i = 0; i < 3; i++) {
        uint8_t beacon[BEACON_LEN];
        struct lan_preamble p = stranger;
        int fd = knock(info.port);

        node_beacon(r.p[0].node, beacon);
        if (i == 1)
            memset(p.responder, 9, sizeof p.responder);
        if (i == 2)
            lan_advert_of_beacon(p.initiator, beacon);
        lan_preamble_encode(preamble, &p);
        if (i == 0)
            preamble[0] = 2;
        REQUIRE(send(fd, preamble, sizeof preamble, MSG_NOSIGNAL) == sizeof preamble);
        CHECK(run_until(r.base, 2000, door_is_shut, &fd));
        close(fd);
    }

    /* A good preamble and then noise: a fault of the peer, and the link ends. */
    int fd = knock(info.port);
    uint8_t noise[4096];

    memset(noise, 0xaa, sizeof noise);
    lan_preamble_encode(preamble, &stranger);
    REQUIRE(send(fd, preamble, sizeof preamble, MSG_NOSIGNAL) == sizeof preamble);
    run_for(r.base, 50);
    CHECK(!is_shut(fd));
    (void)send(fd, noise, sizeof noise, MSG_NOSIGNAL);
    CHECK(run_until(r.base, 12000, door_is_shut, &fd));
    close(fd);
    room_clear(&r);
}

/* One machine calls and calls: half of the links are left to others, and looking at it again and again costs little. */
static void test_caller(void)
{
    enum { CALLS = LAN_LINKS_HOST_MAX + 8 };
    struct room r;
    struct lan_info info;
    struct lan_config config = { .listen = "127.0.0.1:0", .is_discovery_off = true };
    int fd[CALLS];
    unsigned open = 0;

    room_init(&r, 1);
    join(&r, 0, &config);
    lan_info(r.lan[0], &info);
    for (int i = 0; i < CALLS; i++) {
        struct lan_preamble p = { { 5, (uint8_t)i }, { 0 } };
        uint8_t preamble[LAN_PREAMBLE_LEN];

        lan_preamble_encode(preamble, &p);
        fd[i] = knock(info.port);
        REQUIRE(send(fd[i], preamble, sizeof preamble, MSG_NOSIGNAL) == sizeof preamble);
        run_for(r.base, 5);
    }
    run_for(r.base, 50);
    for (int i = 0; i < CALLS; i++) {
        open += !is_shut(fd[i]);
        close(fd[i]);
    }
    CHECK(open == LAN_LINKS_HOST_MAX);
    for (int i = CALLS; i <= LAN_ACCEPT_BURST + 8; i++) {
        int one = knock(info.port);

        run_for(r.base, 5);
        close(one);
    }
    unsigned shut = 0;
    for (int i = 0; i < 8; i++) {
        int one = knock(info.port);

        run_for(r.base, 20);
        shut += is_shut(one);
        close(one);
    }
    CHECK(shut >= 5);
    run_for(r.base, 1000);
    int late = knock(info.port);
    run_for(r.base, 20);
    CHECK(!is_shut(late));
    close(late);
    room_clear(&r);
}

/* A machine on the wire that invents neighbours. */
static void test_flood(void)
{
    struct room r;
    struct lan_info info;
    struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    room_init(&r, 2);
    struct lan_config config = { .listen = "127.0.0.1:0", .beacon_port = r.beacon_port };

    from.sin_addr.s_addr = inet_addr("127.0.0.2");
    to.sin_addr.s_addr = inet_addr("239.192.120.27");
    to.sin_port = htons(r.beacon_port);
    struct in_addr way = { htonl(INADDR_LOOPBACK) };

    REQUIRE(fd >= 0 && bind(fd, (const struct sockaddr *)&from, sizeof from) == 0);
    REQUIRE(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &way, sizeof way) == 0);
    party_submit(&r.p[0], 5, 0);
    join(&r, 0, &config);
    run_for(r.base, 100);
    for (int i = 0; i < 5000; i++) {
        uint8_t beacon[BEACON_LEN], datagram[LAN_DATAGRAM_LEN];

        node_beacon(r.p[0].node, beacon);
        rng_fill(&r.p[0].rng, beacon + 2, 8 + 6);
        lan_datagram_encode(datagram, beacon, (uint16_t)(1 + rng_below(&r.p[0].rng, 65535)));
        (void)sendto(fd, datagram, sizeof datagram, 0, (const struct sockaddr *)&to, sizeof to);
        if (i % 50 == 0)
            run_for(r.base, 5);
    }
    lan_info(r.lan[0], &info);
    printf("of 5000 invented neighbours %llu were heard, %llu called\n", (unsigned long long)info.beacons_in,
           (unsigned long long)info.calls);
    CHECK(info.beacons_in >= 16 && info.beacons_in < 150 && info.calls < 30);

    /* A real one gets through all the same. */
    join(&r, 1, &config);
    r.want = 5;
    CHECK(run_until(r.base, 10000, all_have, &r));
    close(fd);
    room_clear(&r);
}

int main(void)
{
    test_discovery();
    test_static_peer();
    test_ports();
    test_door();
    test_caller();
    test_flood();
    return check_report("test_lan_loopback");
}
