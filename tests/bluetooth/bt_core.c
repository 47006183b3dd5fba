/* tests/bluetooth/bt_core.c - see bt_core.h
 *
 * Commands: submit COUNT CODE, quiet COUNT (says nothing of fewer bundles), cut, status, quit.
 */
#define _GNU_SOURCE
#include "tests/bluetooth/bt_core.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "mesh/base/header.h"
#include "tests/links/spool_bundles.h"
#include "tests/support/check.h"

double bt_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void bt_say(const char *name, const char *format, ...)
{
    va_list list;

    printf("{\"t\": %.1f, \"ev\": \"%s\"", bt_now_ms(), name);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    puts("}");
    fflush(stdout);
}

static void on_event(void *ctx, const struct node_event *e)
{
    struct bt_core *c = ctx;

    switch (e->kind) {
    case NODE_STORED:
        if (c->stored++ == 0)
            bt_say("first", ", \"link\": %u", e->link);
        break;
    case NODE_CARRIED:      c->carried++; break;
    case NODE_LINK_READY:   bt_say("ready", ", \"link\": %u", e->link); break;
    case NODE_LINK_CLOSED:  bt_say("closed", ", \"link\": %u, \"why\": \"%s\"", e->link, err_text(e->why)); break;
    case NODE_LINK_SETTLED: bt_say("settled", ", \"link\": %u", e->link); break;
    case NODE_PEER_FAULT:   bt_say("fault", ", \"link\": %u, \"why\": \"%s\"", e->link, err_text(e->why)); break;
    default: break;
    }
    if (c->on_event != NULL)
        c->on_event(c->ctx, e);
}

static size_t bundles(const struct bt_core *c)
{
    struct store_usage u;

    store_usage(c->store, &u);
    return u.count;
}

/* After the commit: what is told here is durable. */
static void on_turn(void *ctx)
{
    struct bt_core *c = ctx;

    if (c->stored == c->stored_told && c->carried == c->carried_told)
        return;
    if (bundles(c) < c->quiet_below)
        return;
    c->stored_told = c->stored;
    c->carried_told = c->carried;
    bt_say("count", ", \"bundles\": %zu, \"stored\": %llu, \"carried\": %llu", bundles(c), (unsigned long long)c->stored,
           (unsigned long long)c->carried);
}

static void on_commit_failed(void *ctx, enum err why)
{
    (void)ctx;
    bt_say("commit_failed", ", \"why\": \"%s\"", err_text(why));
    exit(1);
}

/* ---- Commands ---- */

static void submit(struct bt_core *c, unsigned count, unsigned code)
{
    static uint8_t octets[BUNDLE_LEN_MAX];
    uint32_t now_h = hour_of_unix((uint64_t)time(NULL));
    struct bundle_id id;

    for (unsigned i = 0; i < count; i++) {
        struct bytes b = bundle_make(octets, &c->rng, (uint8_t)code, now_h + 72);

        REQUIRE(node_submit(c->node, b, now_h, &id, host_now_ms(c->host)) == ERR_NONE);
    }
    host_poke(c->host);
    bt_say("submitted", ", \"bundles\": %zu", bundles(c));
}

/* As if the radio had gone: every connected Bluetooth socket is shut, wherever its stream is. */
static void cut(void)
{
    unsigned count = 0;

    for (int fd = 3; fd < 1024; fd++) {
        int domain = 0;
        struct sockaddr_storage peer;
        socklen_t len = sizeof domain, peer_len = sizeof peer;

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == 31 &&
            getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0) {
            shutdown(fd, SHUT_RDWR);
            count++;
        }
    }
    bt_say("cut", ", \"sockets\": %u", count);
}

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned count = 0;

    if (d == NULL)
        return 0;
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count - 3;   /* ".", "..", and the folder itself */
}

static unsigned long resident_kib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f != NULL) {
        if (fscanf(f, "%lu %lu", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void status(struct bt_core *c)
{
    uint8_t fingerprint[16];
    struct node_counters n;
    struct rusage used;
    char hex[33];

    store_fingerprint(c->store, fingerprint);
    node_counters(c->node, &n);
    getrusage(RUSAGE_SELF, &used);
    for (size_t i = 0; i < 16; i++)
        sprintf(hex + 2 * i, "%02x", fingerprint[i]);
    bt_say("status",
           ", \"bundles\": %zu, \"fingerprint\": \"%s\", \"fds\": %u, \"rss_kib\": %lu, \"handshakes\": %llu, "
           "\"handshakes_failed\": %llu, \"faults\": %llu, \"duplicates\": %llu, \"user_ms\": %.1f, \"system_ms\": %.1f",
           bundles(c), hex, descriptors(), resident_kib(), (unsigned long long)n.handshakes,
           (unsigned long long)n.handshakes_failed, (unsigned long long)n.faults, (unsigned long long)n.duplicates_in,
           (double)used.ru_utime.tv_sec * 1e3 + (double)used.ru_utime.tv_usec / 1e3,
           (double)used.ru_stime.tv_sec * 1e3 + (double)used.ru_stime.tv_usec / 1e3);
    if (c->on_status != NULL)
        c->on_status(c->ctx);
}

static void obey(struct bt_core *c, const char *line)
{
    unsigned count, code;

    if (sscanf(line, "submit %u %u", &count, &code) == 2)
        submit(c, count, code);
    else if (sscanf(line, "quiet %u", &count) == 1)
        c->quiet_below = count;
    else if (strcmp(line, "cut") == 0)
        cut();
    else if (strcmp(line, "status") == 0)
        status(c);
    else if (strcmp(line, "quit") == 0)
        event_base_loopbreak(c->base);
    else
        bt_say("unknown", ", \"line\": \"%s\"", line);
}

static void on_input(evutil_socket_t fd, short what, void *ctx)
{
    struct bt_core *c = ctx;
    ssize_t got = read(fd, c->line + c->line_len, sizeof c->line - 1 - c->line_len);
    char *end;

    (void)what;
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        event_base_loopbreak(c->base);   /* whoever drives us has gone */
        return;
    }
    c->line_len += (size_t)got;
    c->line[c->line_len] = '\0';
    while ((end = strchr(c->line, '\n')) != NULL) {
        size_t rest = c->line_len - (size_t)(end + 1 - c->line);

        *end = '\0';
        obey(c, c->line);
        memmove(c->line, end + 1, rest + 1);
        c->line_len = rest;
    }
    if (c->line_len == sizeof c->line - 1)
        c->line_len = 0;
}

/* ---- Life ---- */

void bt_core_init(struct bt_core *c, const char *data)
{
    REQUIRE(crypto_start() == ERR_NONE);
    REQUIRE((c->base = event_base_new()) != NULL);
    c->rng = rng_system();
    REQUIRE((data != NULL ? db_open_lmdb(&c->db, data, NULL) : db_open_mem(&c->db)) == ERR_NONE);
    REQUIRE(store_open(&c->store, c->db, NULL) == ERR_NONE);
    struct node_config config = { .store = c->store, .db = c->db, .rng = c->rng, .now_ms = (uint64_t)bt_now_ms(),
                                  .wall_unix_s = (uint64_t)time(NULL), .is_wall_trusted = true };
    struct host_app app = { c, on_event, on_turn, on_commit_failed };

    REQUIRE(node_new(&c->node, &config) == ERR_NONE);
    REQUIRE(host_new(&c->host, c->base, c->node, &app) == ERR_NONE);
    REQUIRE((c->input = event_new(c->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, c)) != NULL);
    event_add(c->input, NULL);
}

void bt_core_clear(struct bt_core *c)
{
    event_free(c->input);
    host_free(c->host);
    node_free(c->node);
    store_close(c->store);
    db_close(c->db);
    event_base_free(c->base);
}
