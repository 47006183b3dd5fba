/* bench/meeting.c - a node comes into range of one that carries many bundles.
 *
 * Two processes, each the whole node with its own store, joined by one TCP connection over
 * loopback. Prints one line of what the meeting cost: CPU of both ends (getrusage, from the
 * connection on), bytes on the wire, and the time until the first bundle was committed at the receiver,
 * which syncs every commit. The receiver's figure is a relay's: bench_floor is held beside it.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "mesh/links/host.h"
#include "storage/db.h"

struct side {
    struct event_base *base;
    struct host *host;
    struct node *node;
    struct store *store;
    struct db *db;
    size_t wanted, stored, given, told, commits; /* commits: that made bundles durable */
    uint64_t first_ms, began_ms, done_ms;
    double done_cpu_us;
    bool is_receiver;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_meeting: %s\n", what);
    exit(1);
}

static uint64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void on_event(void *ctx, const struct node_event *event)
{
    struct side *s = ctx;

    if (event->kind == NODE_STORED)
        s->stored++;
    else if (event->kind == NODE_CARRIED)
        s->given++;
    else if (event->kind == NODE_LINK_CLOSED || event->kind == NODE_PEER_FAULT)
        event_base_loopexit(s->base, NULL);
}

static void on_turn(void *ctx)
{
    struct side *s = ctx;

    s->commits += s->stored > s->told;
    s->told = s->stored;
    if (s->stored > 0 && s->first_ms == 0)
        s->first_ms = clock_ms();
    if (s->is_receiver && s->stored >= s->wanted && s->done_ms == 0) {
        s->done_ms = clock_ms();
        s->done_cpu_us = cpu_us();
    }
    /* The receiver goes on until the sender has its acknowledgements and hangs up. */
    if (!s->is_receiver && s->given >= s->wanted)
        event_base_loopexit(s->base, NULL);
}

static void on_commit_failed(void *ctx, enum err why)
{
    (void)ctx;
    die(err_text(why));
}

static void side_open(struct side *s, const char *folder, bool is_receiver, size_t wanted)
{
    struct event_config *config = event_config_new();
    struct node_config nc = { 0 };
    struct host_app app = { s, on_event, on_turn, on_commit_failed };

    *s = (struct side){ .is_receiver = is_receiver, .wanted = wanted };
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    s->base = event_base_new_with_config(config);
    event_config_free(config);
    if (db_open_lmdb(&s->db, folder, NULL) != ERR_NONE || store_open(&s->store, s->db, NULL) != ERR_NONE)
        die("the store does not open");
    nc.db = s->db;
    nc.store = s->store;
    nc.rng = rng_system();
    nc.now_ms = clock_ms();
    nc.wall_unix_s = (uint64_t)time(NULL);
    nc.is_wall_trusted = true;
    if (node_new(&s->node, &nc) != ERR_NONE || host_new(&s->host, s->base, s->node, &app) != ERR_NONE)
        die("the node does not start");
}

static void side_fill(struct side *s, size_t count)
{
    struct rng g = rng_system();
    struct header h = { .bundle_class = CLASS_SEALED, .expiry_h = expiry_for_unix((uint64_t)time(NULL) + 7 * 86400) };
    uint8_t bundle[BUNDLE_LEN_MIN];

    for (size_t i = 0; i < count; i++) {
        struct node_event event;
        struct bundle_id id;

        rng_fill(&g, bundle, sizeof bundle);
        rng_fill(&g, h.tag, sizeof h.tag);
        header_encode(&h, bundle);
        if (node_submit(s->node, bytes_of(bundle, sizeof bundle), hour_of_unix((uint64_t)time(NULL)), &id, clock_ms()) != ERR_NONE)
            die("a bundle was not taken");
        if (i % 1000 == 999 || i + 1 == count) {
            while (node_next_event(s->node, &event))
                ;
            if (node_commit(s->node) != ERR_NONE)
                die("a commit failed");
        }
    }
}

static void side_link(struct side *s, int fd, bool is_initiator)
{
    struct link_open how = { .kind = LINK_LAN, .is_initiator = is_initiator };
    struct bufferevent *bev;
    uint32_t link;

    evutil_make_socket_nonblocking(fd);
    bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL || host_link_add(s->host, bev, &how, "bench", &link) != ERR_NONE)
        die("the link does not open");
}

static void tcp_pair(int ends[2])
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) != 0)
        die("no loopback socket");
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], (struct sockaddr *)&a, sizeof a) != 0 || (ends[1] = accept(listener, NULL, NULL)) < 0)
        die("no loopback connection");
    close(listener);
    setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

struct report { double cpu_us; uint64_t bytes_out; };

/* The side that carries: fills its store, says that it is ready, gives, reports. */
static void sender(const char *folder, size_t count, int fd, int ready, int report_fd)
{
    struct side s;
    struct node_counters counters;
    struct report r;
    char go = 'r';

    side_open(&s, folder, false, count);
    side_fill(&s, count);
    if (write(ready, &go, 1) != 1)
        die("the other side is gone");
    r.cpu_us = cpu_us();
    side_link(&s, fd, true);
    event_base_dispatch(s.base);
    r.cpu_us = cpu_us() - r.cpu_us;
    node_counters(s.node, &counters);
    r.bytes_out = counters.bytes_out;
    if (write(report_fd, &r, sizeof r) != sizeof r)
        die("the other side is gone");
    exit(0);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    const char *tmp = getenv("TMPDIR");
    char folder[512], mine[600], theirs[600];
    int ends[2], ready[2], reports[2];
    struct side s;
    struct node_counters counters;
    struct report r;
    char go;

    if (argc > 2 || count == 0) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs("usage: bench_meeting [BUNDLES]\n"
              "Real nodes, stores in $TMPDIR (or /var/tmp), one TCP connection; bundles of 256 bytes, 1000 otherwise. CPU and bytes\n"
              "are a bundle's; commits are those of the receiver that brought bundles; first_ms is from the connection on.\n",
              is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    snprintf(folder, sizeof folder, "%s/bench-meeting-XXXXXX", tmp != NULL ? tmp : "/var/tmp");
    if (crypto_start() != ERR_NONE || mkdtemp(folder) == NULL)
        die("no folder to work in");
    snprintf(mine, sizeof mine, "%s/receiver", folder);
    snprintf(theirs, sizeof theirs, "%s/sender", folder);
    if (pipe(ready) != 0 || pipe(reports) != 0)
        die("no pipe");
    tcp_pair(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        sender(theirs, count, ends[1], ready[1], reports[1]);
    }
    close(ends[1]);
    close(ready[1]);
    close(reports[1]);
    side_open(&s, mine, true, count);
    if (read(ready[0], &go, 1) != 1)
        die("the sender ended");
    double before = cpu_us();
    s.began_ms = clock_ms();
    side_link(&s, ends[0], false);
    event_base_dispatch(s.base);
    double used = s.done_cpu_us - before;
    uint64_t took_ms = s.done_ms - s.began_ms;
    node_counters(s.node, &counters);
    host_free(s.host);
    if (read(reports[0], &r, sizeof r) != sizeof r)
        die("the sender ended");
    waitpid(child, NULL, 0);
    if (s.stored < count)
        die("not everything arrived");
    printf("meeting bundles=%zu receiver_cpu_us=%.1f sender_cpu_us=%.1f wire_bytes=%.1f commits=%zu first_ms=%llu all_ms=%llu\n", count,
           used / (double)count, r.cpu_us / (double)count, (double)(r.bytes_out + counters.bytes_out) / (double)count, s.commits,
           (unsigned long long)(s.first_ms - s.began_ms), (unsigned long long)took_ms);
    node_free(s.node);
    store_close(s.store);
    db_close(s.db);
    char command[700];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
