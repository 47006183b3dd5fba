/* Real networks: each node is a process in a network namespace of its own, and cables (veth) between them come and go.
 * Needs root, or it is skipped: loopback has test_lan_loopback.
 *
 * The parent tells the children what to do, one line a command and one line an answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesh/links/lan.h"
#include "tests/links/party.h"
#include "tests/support/check.h"

enum { SKIPPED = 77, LINE_LEN = 512, ANSWER_S = 20 };

/* ---- The child: a node ---- */

struct child {
    struct event_base *base;
    struct party party;
    struct lan *lan;
    int fd;
    bool is_over;
};

static void changed(void *ctx)
{
    struct child *c = ctx;

    if (c->lan != NULL)
        lan_beacon_changed(c->lan);
}

static void count_link(void *ctx, uint32_t link, const char *label)
{
    (void)link;
    (void)label;
    ++*(unsigned *)ctx;
}

static unsigned links_open(struct child *c)
{
    unsigned count = 0;

    host_walk(c->party.host, count_link, &count);
    return count;
}

/* "start DISCOVERY LISTEN PEER": 0 or 1, and "-" for none. */
static bool child_start(struct child *c, char *words)
{
    struct lan_config config = { 0 };
    char why[256] = "", *listen_at, *peer;

    config.is_discovery_off = words[0] == '0';
    listen_at = words + 2;
    peer = strchr(listen_at, ' ');
    *peer++ = '\0';
    config.listen = strcmp(listen_at, "-") == 0 ? NULL : listen_at;
    if (strcmp(peer, "-") != 0)
        config.peers[config.peer_count++] = peer;
    if (lan_new(&c->lan, c->base, c->party.host, c->party.node, &c->party.rng, &config, why) != ERR_NONE)
        fprintf(stderr, "%s\n", why);
    return c->lan != NULL;
}

static void child_obey(struct child *c, char *line, char answer[LINE_LEN])
{
    bool ok = true;

    if (strncmp(line, "run ", 4) == 0)
        ok = system(line + 4) == 0;
    else if (strncmp(line, "start ", 6) == 0)
        ok = child_start(c, line + 6);
    else if (strncmp(line, "submit ", 7) == 0)
        party_submit(&c->party, (unsigned)atoi(line + 7), 0);
    else if (strcmp(line, "epoch") == 0) {
        node_new_epoch(c->party.node, host_now_ms(c->party.host));
        host_poke(c->party.host);
        changed(c);
    } else if (strcmp(line, "info") == 0) {
        struct lan_info info = { 0 };
        struct rusage use;

        if (c->lan != NULL)
            lan_info(c->lan, &info);
        getrusage(RUSAGE_SELF, &use);
        snprintf(answer, LINE_LEN, "%zu %u %u %u %llu %ld %u\n", party_count(&c->party), links_open(c), info.interfaces,
                 info.neighbours, (unsigned long long)info.calls_failed, use.ru_nvcsw, info.port);
        return;
    } else
        c->is_over = true;
    snprintf(answer, LINE_LEN, "%s\n", ok ? "ok" : "failed");
}

static void on_line(evutil_socket_t fd, short what, void *ctx)
{
    struct child *c = ctx;
    char line[LINE_LEN], answer[LINE_LEN];
    ssize_t len = recv(fd, line, sizeof line - 1, 0);

    (void)what;
    if (len <= 0) {
        c->is_over = true;
        return;
    }
    line[len] = '\0';
    child_obey(c, line, answer);
    (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
}

static void child_main(int fd, uint64_t seed)
{
    struct child c = { .fd = fd };
    struct event *commands;

    if (unshare(CLONE_NEWNET) != 0 || system("ip link set lo up") != 0)
        _exit(SKIPPED);
    c.base = event_base_new();
    party_init(&c.party, c.base, seed, NULL);
    c.party.on_beacon_changed = changed;
    c.party.on_beacon_changed_ctx = &c;
    commands = event_new(c.base, fd, EV_READ | EV_PERSIST, on_line, &c);
    event_add(commands, NULL);
    (void)send(fd, "ok\n", 3, MSG_NOSIGNAL);
    while (!c.is_over)
        event_base_loop(c.base, EVLOOP_ONCE);
    lan_free(c.lan);
    party_clear(&c.party);
    event_free(commands);
    event_base_free(c.base);
    exit(0); /* the leak checker looks */
}

/* ---- The parent ---- */

struct node_process { pid_t pid; int fd; };

struct facts { unsigned long bundles, links, interfaces, neighbours, failed, wakes, port; };

static void answer_of(struct node_process *n, char answer[LINE_LEN])
{
    ssize_t len = recv(n->fd, answer, LINE_LEN - 1, 0);

    REQUIRE(len > 0);
    answer[len] = '\0';
}

static bool node_spawn(struct node_process *n, uint64_t seed)
{
    struct timeval patience = { ANSWER_S, 0 };
    int ends[2], status;
    char answer[LINE_LEN];

    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    fflush(NULL);
    n->pid = fork();
    REQUIRE(n->pid >= 0);
    if (n->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        child_main(ends[1], seed);
    }
    close(ends[1]);
    n->fd = ends[0];
    setsockopt(n->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (recv(n->fd, answer, sizeof answer, 0) > 0)
        return true;
    waitpid(n->pid, &status, 0);
    close(n->fd);
    return false;
}

static bool tell(struct node_process *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool tell(struct node_process *n, const char *format, ...)
{
    char line[LINE_LEN], answer[LINE_LEN];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    REQUIRE(send(n->fd, line, strlen(line), MSG_NOSIGNAL) > 0);
    answer_of(n, answer);
    if (strcmp(answer, "ok\n") != 0)
        fprintf(stderr, "%s: %s", line, answer);
    return strcmp(answer, "ok\n") == 0;
}

static struct facts ask(struct node_process *n)
{
    char answer[LINE_LEN];
    struct facts f;

    REQUIRE(send(n->fd, "info", 4, MSG_NOSIGNAL) > 0);
    answer_of(n, answer);
    REQUIRE(sscanf(answer, "%lu %lu %lu %lu %lu %lu %lu", &f.bundles, &f.links, &f.interfaces, &f.neighbours, &f.failed,
                   &f.wakes, &f.port) == 7);
    return f;
}

static void node_end(struct node_process *n)
{
    int status;

    CHECK(tell(n, "quit"));
    CHECK(waitpid(n->pid, &status, 0) == n->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(n->fd);
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char line[LINE_LEN];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (system(line) != 0) {
        fprintf(stderr, "failed: %s\n", line);
        exit(1);
    }
}

/* Waits until all of them carry so many bundles; prints how long it took. */
static void wait_bundles(const char *what, struct node_process *n, unsigned count, unsigned long want, unsigned ms)
{
    uint64_t start_us = now_us(), end_us = start_us + (uint64_t)ms * 1000;
    unsigned have = 0;

    while (now_us() < end_us) {
        for (have = 0; have < count && ask(&n[have]).bundles >= want;)
            have++;
        if (have == count)
            break;
        usleep(10000);
    }
    printf("%-44s %.2f s\n", what, (double)(now_us() - start_us) / 1e6);
    CHECK_CASE(what, have == count);
}

/* A cable between two nodes, both ends named v0 + `number`. */
static void plug(struct node_process *a, struct node_process *b, int number)
{
    shell("ip link add v%d netns %d type veth peer name v%d netns %d", number, (int)a->pid, number, (int)b->pid);
}

static void pair_spawn(struct node_process n[2], uint64_t seed)
{
    REQUIRE(node_spawn(&n[0], seed) && node_spawn(&n[1], seed + 1));
}

/* Started without a network; then a cable; then it is pulled and put back. IPv6 link-local only. */
static void test_ipv6(void)
{
    struct node_process n[2];

    pair_spawn(n, 100);
    CHECK(tell(&n[0], "start 1 - -") && tell(&n[1], "start 1 - -"));
    CHECK(tell(&n[0], "submit 20") && tell(&n[1], "submit 5"));
    plug(&n[0], &n[1], 0);
    for (int i = 0; i < 2; i++)
        CHECK(tell(&n[i], "run ip link set v0 up"));
    wait_bundles("IPv6, interface added later", n, 2, 25, 12000);
    CHECK(ask(&n[0]).interfaces == 1 && ask(&n[0]).links == 1);

    CHECK(tell(&n[0], "run ip link set v0 down"));
    CHECK(tell(&n[0], "submit 1") && tell(&n[1], "submit 1"));
    usleep(300000);
    CHECK(ask(&n[0]).bundles == 26);
    CHECK(tell(&n[0], "run ip link set v0 up"));
    wait_bundles("link down and up", n, 2, 27, 12000);

    /* The interface goes for good, and another one comes. */
    CHECK(tell(&n[0], "run ip link del v0"));
    CHECK(tell(&n[0], "submit 1"));
    plug(&n[0], &n[1], 1);
    for (int i = 0; i < 2; i++)
        CHECK(tell(&n[i], "run ip link set v1 up"));
    wait_bundles("another interface", n, 2, 28, 15000);
    CHECK(tell(&n[0], "epoch") && tell(&n[1], "epoch") && tell(&n[1], "submit 1"));
    wait_bundles("another epoch of both", n, 2, 29, 15000);
    CHECK(ask(&n[0]).links == 1);
    node_end(&n[0]);
    node_end(&n[1]);
}

static void test_ipv4(void)
{
    struct node_process n[2];

    pair_spawn(n, 200);
    plug(&n[0], &n[1], 0);
    for (int i = 0; i < 2; i++) {
        CHECK(tell(&n[i], "run echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"));
        CHECK(tell(&n[i], "run ip addr add 10.77.0.%d/24 dev v0 && ip link set v0 up", i + 1));
        CHECK(tell(&n[i], "submit 10"));
    }
    for (int i = 0; i < 2; i++)
        CHECK(tell(&n[i], "start 1 - -"));
    wait_bundles("IPv4 only", n, 2, 20, 8000);
    CHECK(ask(&n[0]).failed == 0 && ask(&n[1]).failed == 0);
    node_end(&n[0]);
    node_end(&n[1]);
}

/* Three in a row; the middle one has two interfaces and carries on. */
static void test_row(void)
{
    struct node_process n[3];

    pair_spawn(n, 300);
    REQUIRE(node_spawn(&n[2], 302));
    plug(&n[0], &n[1], 0);
    plug(&n[1], &n[2], 1);
    CHECK(tell(&n[0], "run ip link set v0 up") && tell(&n[1], "run ip link set v0 up && ip link set v1 up") &&
          tell(&n[2], "run ip link set v1 up"));
    for (int i = 0; i < 3; i++)
        CHECK(tell(&n[i], "start 1 - -"));
    CHECK(tell(&n[0], "submit 50"));
    wait_bundles("three in a row", n, 3, 50, 15000);
    CHECK(ask(&n[1]).interfaces == 2);
    for (int i = 0; i < 3; i++)
        node_end(&n[i]);
}

/* No multicast: a peer by its address, of either family, that comes up later than its caller. */
static void test_static(void)
{
    static const struct { const char *name, *peer; } kinds[] = {
        { "static peer by IPv4, up later", "10.77.0.2:7827" },
        { "static peer by IPv6, up later", "[fd77::2]:7827" },
    };

    for (size_t k = 0; k < 2; k++) {
        struct node_process n[2];

        pair_spawn(n, 400 + 10 * k);
        plug(&n[0], &n[1], 0);
        for (int i = 0; i < 2; i++)
            CHECK(tell(&n[i], "run ip addr add 10.77.0.%d/24 dev v0 && ip addr add fd77::%d/64 dev v0 nodad && ip link set v0 up",
                       i + 1, i + 1));
        CHECK(tell(&n[0], "submit 10") && tell(&n[1], "submit 10"));
        CHECK(tell(&n[0], "start 0 - %s", kinds[k].peer));
        usleep(300000);
        CHECK(ask(&n[0]).links == 0);
        CHECK(tell(&n[1], "start 0 - -"));
        wait_bundles(kinds[k].name, n, 2, 20, 8000);
        node_end(&n[0]);
        node_end(&n[1]);
    }
}

static unsigned long counter_of(struct node_process *n, const char *which)
{
    char line[LINE_LEN];
    unsigned long value = 0;

    snprintf(line, sizeof line, "nsenter -t %d -n ip -s link show v0 | awk '/%s:/{getline; print $1}'", (int)n->pid, which);
    FILE *f = popen(line, "r");

    REQUIRE(f != NULL && fscanf(f, "%lu", &value) == 1);
    pclose(f);
    return value;
}

/* What a settled pair says and how often it wakes, by the counters of the cable. */
static void test_idle(unsigned settle_s, unsigned for_s)
{
    struct node_process n[2];
    struct facts before[2], after[2];
    unsigned long bytes;

    pair_spawn(n, 500);
    plug(&n[0], &n[1], 0);
    for (int i = 0; i < 2; i++) {
        /* The kernel asks for an IPv6 router some times after a cable is plugged in: its words, not ours. */
        CHECK(tell(&n[i], "run { echo 0 > /proc/sys/net/ipv6/conf/v0/router_solicitations; } 2>/dev/null; "
                          "ip addr add 10.77.0.%d/24 dev v0 && ip link set v0 up", i + 1));
        CHECK(tell(&n[i], "submit 50"));
        CHECK(tell(&n[i], "start 1 - -"));
    }
    wait_bundles("a pair to be idle", n, 2, 100, 10000);
    sleep(settle_s);
    bytes = counter_of(&n[0], "TX") + counter_of(&n[1], "TX");
    before[0] = ask(&n[0]);
    before[1] = ask(&n[1]);
    sleep(for_s);
    bytes = counter_of(&n[0], "TX") + counter_of(&n[1], "TX") - bytes;
    after[0] = ask(&n[0]);
    after[1] = ask(&n[1]);
    printf("idle pair: %.1f bytes/s with Ethernet headers, %.2f and %.2f wake-ups/s\n", (double)bytes / for_s,
           (double)(after[0].wakes - before[0].wakes) / for_s, (double)(after[1].wakes - before[1].wakes) / for_s);
    CHECK(bytes <= 20ul * for_s);
    for (int i = 0; i < 2; i++) {
        CHECK(after[i].links == 1);
        CHECK(after[i].wakes - before[i].wakes <= for_s);
        node_end(&n[i]);
    }
}

int main(int argc, char **argv)
{
    struct node_process probe;

    if (geteuid() != 0 || system("ip link show lo > /dev/null 2>&1") != 0 || !node_spawn(&probe, 1)) {
        printf("no right to make network namespaces: skipped\n");
        return SKIPPED;
    }
    node_end(&probe);
    if (argc > 1 && strcmp(argv[1], "idle") == 0) {
        test_idle(argc > 2 ? (unsigned)atoi(argv[2]) : 45, argc > 3 ? (unsigned)atoi(argv[3]) : 60);
        return check_report("test_lan idle");
    }
    test_ipv6();
    test_ipv4();
    test_row();
    test_static();
    return check_report("test_lan");
}
