/* tests/bluetooth/bt_pipe.c - an LE L2CAP channel without anything of ours in it: what a channel can carry, and what
 * strangers may do with one.
 *
 *   bt_pipe listen OWN PSM                    reads a stream to its end
 *   bt_pipe connect OWN PEER PSM BYTES        sends a stream, and waits for the answer that all of it came
 *   bt_pipe silent OWN PEER PSM COUNT         opens COUNT channels and says nothing; tells when each is closed
 *   bt_pipe rubbish OWN PEER PSM COUNT        COUNT channels with a right preamble and random bytes after it
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/random.h"
#include "mesh/links/bluetooth_l2cap.h"
#include "tests/bluetooth/bt_core.h"
#include "tests/support/check.h"

enum { OPEN_S = 4, CLOSED_MS = 15000 };

static struct bt_sockaddr_l2 address_of(const char *text, unsigned psm)
{
    struct bt_sockaddr_l2 a;

    memset(&a, 0, sizeof a);
    a.family = AF_BLUETOOTH;
    a.psm = htole16((uint16_t)psm);
    a.kind = BT_ADDR_LE_PUBLIC;
    REQUIRE(bluetooth_address_parse(&a.address, text) == ERR_NONE);
    return a;
}

static int open_socket(const char *own, unsigned psm)
{
    struct bt_sockaddr_l2 a = address_of(own, psm);
    uint16_t mtu = L2CAP_MTU;
    int fd = socket(AF_BLUETOOTH, SOCK_SEQPACKET, BT_PROTO_L2CAP);

    REQUIRE(fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(setsockopt(fd, BT_SOL, BT_OPT_RCVMTU, &mtu, sizeof mtu) == 0);
    return fd;
}

static void serve(const char *own, unsigned psm)
{
    static uint8_t buffer[65536];
    int fd = open_socket(own, psm), peer;
    uint64_t got = 0, want = UINT64_MAX;
    ssize_t len;

    REQUIRE(listen(fd, 1) == 0);
    bt_say("listening", "%s", "");
    REQUIRE((peer = accept(fd, NULL, NULL)) >= 0);
    while ((len = read(peer, buffer, sizeof buffer)) > 0) {
        if (got == 0 && len >= 8)
            memcpy(&want, buffer, 8);
        got += (uint64_t)len;
        if (got >= want)
            REQUIRE(write(peer, &got, 8) == 8);
    }
    bt_say("served", ", \"bytes\": %llu", (unsigned long long)got);
}

/* The controller's link to the peer may just be coming down from something else. */
static int call(const char *own, const char *peer, unsigned psm)
{
    struct bt_sockaddr_l2 a = address_of(peer, psm);

    for (int i = 0; i < 5; i++) {
        int fd = open_socket(own, 0);

        if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        bt_say("connect", ", \"error\": \"%s\"", strerror(errno));
        close(fd);
        usleep(500000);
    }
    exit(1);
}

static void stream(const char *own, const char *peer, unsigned psm, uint64_t bytes)
{
    static uint8_t buffer[L2CAP_MTU];
    double start = bt_now_ms(), up;
    uint64_t sent = 0, answer = 0;
    int fd = call(own, peer, psm);
    uint16_t mtu = 0;
    socklen_t len = sizeof mtu;
    struct pollfd room = { .fd = fd, .events = POLLOUT };

    REQUIRE(getsockopt(fd, BT_SOL, BT_OPT_SNDMTU, &mtu, &len) == 0 && mtu >= 23);
    up = bt_now_ms();
    memcpy(buffer, &bytes, 8);
    while (sent < bytes) {
        size_t part = bytes - sent < mtu ? (size_t)(bytes - sent) : mtu;

        /* As any program in a loop would: the kernel says when the peer has given credits. */
        REQUIRE(poll(&room, 1, 30000) == 1);
        if (write(fd, buffer, part) != (ssize_t)part) {
            bt_say("write", ", \"sent\": %llu, \"error\": \"%s\"", (unsigned long long)sent, strerror(errno));
            exit(1);
        }
        sent += part;
    }
    REQUIRE(read(fd, &answer, 8) == 8 && answer == bytes);
    bt_say("streamed", ", \"bytes\": %llu, \"ms\": %.1f, \"connect_ms\": %.1f, \"mtu\": %u", (unsigned long long)bytes,
           bt_now_ms() - up, up - start, mtu);
    close(fd);
}

/* One channel, or -1: a listener takes no more than it has room for, and the kernel would wait 40 s for more. */
static int open_channel(const char *own, const char *peer, unsigned psm)
{
    struct bt_sockaddr_l2 a = address_of(peer, psm);
    struct timeval limit = { OPEN_S, 0 };
    int fd = open_socket(own, 0);

    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

static void stranger(const char *own, const char *peer, unsigned psm, unsigned count, bool is_silent)
{
    struct rng g = rng_system();
    int fds[64];
    unsigned opened = 1, closed = 0;

    REQUIRE(count > 0 && count <= 64);
    fds[0] = call(own, peer, psm);
    while (opened < count && (fds[opened] = open_channel(own, peer, psm)) >= 0)
        opened++;
    for (unsigned i = 0; i < opened && !is_silent; i++) {
        uint8_t said[900];

        rng_fill(&g, said, sizeof said);
        said[0] = 1;
        memset(said + 9, 0, 8);
        (void)!write(fds[i], said, sizeof said);
    }
    bt_say("up", ", \"channels\": %u", opened);
    for (unsigned i = 0; i < opened; i++) {
        struct pollfd p = { .fd = fds[i], .events = POLLIN };
        uint8_t byte[2048];

        for (ssize_t len = 1; len > 0 && poll(&p, 1, CLOSED_MS) == 1;) {
            len = read(fds[i], byte, sizeof byte);
            closed += len <= 0;
        }
        close(fds[i]);
    }
    bt_say("closed", ", \"channels\": %u, \"opened\": %u", closed, opened);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "listen") == 0)
        serve(argv[2], (unsigned)strtoul(argv[3], NULL, 0));
    else if (argc == 6 && strcmp(argv[1], "connect") == 0)
        stream(argv[2], argv[3], (unsigned)strtoul(argv[4], NULL, 0), strtoull(argv[5], NULL, 0));
    else if (argc == 6 && (strcmp(argv[1], "silent") == 0 || strcmp(argv[1], "rubbish") == 0))
        stranger(argv[2], argv[3], (unsigned)strtoul(argv[4], NULL, 0), (unsigned)atoi(argv[5]), argv[1][0] == 's');
    else
        return 2;
    return 0;
}
