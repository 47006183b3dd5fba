/* Two nodes over a socket pair in one loop: the turn, its order, its flow control and its end. */
#define _DEFAULT_SOURCE
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/links/party.h"
#include "tests/support/check.h"

struct pair { struct event_base *base; struct party a, b; uint32_t link_a, link_b; size_t want; };

static void pair_join(struct pair *p)
{
    int ends[2];
    struct link_open how = { .kind = LINK_LAN, .is_initiator = true };

    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE(host_link_add(p->a.host, bufferevent_socket_new(p->base, ends[0], BEV_OPT_CLOSE_ON_FREE), &how, "to b",
                          &p->link_a) == ERR_NONE);
    how.is_initiator = false;
    REQUIRE(host_link_add(p->b.host, bufferevent_socket_new(p->base, ends[1], BEV_OPT_CLOSE_ON_FREE), &how, "to a",
                          &p->link_b) == ERR_NONE);
}

static void pair_init(struct pair *p, const char *path_a, const char *path_b)
{
    p->base = event_base_new();
    REQUIRE(p->base != NULL);
    party_init(&p->a, p->base, 1, path_a);
    party_init(&p->b, p->base, 2, path_b);
}

static void pair_clear(struct pair *p)
{
    party_clear(&p->a);
    party_clear(&p->b);
    event_base_free(p->base);
}

static bool both_have(void *ctx)
{
    struct pair *p = ctx;

    return party_count(&p->a) >= p->want && party_count(&p->b) >= p->want;
}

static bool is_settled(void *ctx)
{
    struct pair *p = ctx;
    struct node_link_info a, b;

    return both_have(p) && node_link_info(p->a.node, p->link_a, &a) && node_link_info(p->b.node, p->link_b, &b) &&
           a.is_ready && b.is_ready && a.is_settled && b.is_settled;
}

static bool both_closed(void *ctx)
{
    struct pair *p = ctx;

    return p->a.closed > 0 && p->b.closed > 0;
}

static void count_gone(void *ctx, uint32_t link)
{
    (void)link;
    ++*(unsigned *)ctx;
}

static void count_label(void *ctx, uint32_t link, const char *label)
{
    (void)link;
    *(unsigned *)ctx += strncmp(label, "to ", 3) == 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_meeting(void)
{
    struct pair p;
    unsigned gone_a = 0, gone_b = 0, labels = 0, turns;
    uint64_t us[101];

    pair_init(&p, NULL, NULL);
    REQUIRE(host_on_link_gone(p.a.host, count_gone, &gone_a) == ERR_NONE);
    REQUIRE(host_on_link_gone(p.b.host, count_gone, &gone_b) == ERR_NONE);
    party_submit(&p.a, 700, 0);
    party_submit(&p.b, 300, 0);
    party_submit(&p.b, 3, 8);
    pair_join(&p);
    CHECK(strcmp(host_link_label(p.a.host, p.link_a), "to b") == 0);
    CHECK(host_link_label(p.a.host, p.link_a + 1000) == NULL);
    host_walk(p.b.host, count_label, &labels);
    CHECK(labels == 1);
    p.want = 1003;
    CHECK(run_until(p.base, 15000, is_settled, &p));
    CHECK(party_count(&p.a) == 1003 && party_count(&p.b) == 1003);

    /* One message between connected nodes. */
    for (int i = 0; i < 101; i++) {
        uint64_t start_us = now_us();

        p.want++;
        party_submit(&p.a, 1, 0);
        if (!CHECK(run_until(p.base, 5000, both_have, &p)))
            break;
        us[i] = now_us() - start_us;
    }
    qsort(us, 101, sizeof us[0], by_value);
    printf("one message: median %llu us, slowest %llu us\n", (unsigned long long)us[50], (unsigned long long)us[100]);
    CHECK(us[50] < 20000);

    /* Idle: nothing turns but for the node's own reasons. */
    CHECK(run_until(p.base, 5000, is_settled, &p));
    run_for(p.base, 300);
    turns = p.a.turns + p.b.turns;
    run_for(p.base, 2000);
    printf("idle turns of both in 2 s: %u\n", p.a.turns + p.b.turns - turns);
    CHECK(p.a.turns + p.b.turns - turns <= 4);

    /* A new epoch ends the links politely: both sides learn it, and nothing is left. */
    CHECK(gone_a == 0 && gone_b == 0);
    node_new_epoch(p.a.node, host_now_ms(p.a.host));
    host_poke(p.a.host);
    CHECK(run_until(p.base, 5000, both_closed, &p));
    CHECK(gone_a == 1 && gone_b == 1 && p.a.faults == 0 && p.b.faults == 0);
    CHECK(host_link_label(p.a.host, p.link_a) == NULL);
    pair_clear(&p);
}

/* More than any buffer holds, both ways at once, with real commits; the turns are few because they are large. */
static void test_bulk(void)
{
    struct pair p;
    char path_a[300], path_b[300];
    uint64_t start_us;

    snprintf(path_a, sizeof path_a, "%s/a", check_folder());
    snprintf(path_b, sizeof path_b, "%s/b", check_folder());
    pair_init(&p, path_a, path_b);
    party_submit(&p.a, 5000, 0);
    party_submit(&p.a, 60, 8);
    party_submit(&p.b, 60, 8);
    pair_join(&p);
    p.want = 5120;
    start_us = now_us();
    CHECK(run_until(p.base, 18000, is_settled, &p));
    printf("5120 bundles, 9 MB: %.2f s, %u and %u turns\n", (double)(now_us() - start_us) / 1e6, p.a.turns, p.b.turns);
    pair_clear(&p);
}

/* The other side vanishes in mid-sentence. */
static void test_loss(void)
{
    struct pair p;
    unsigned gone = 0;
    int ends[2];
    struct link_open how = { .kind = LINK_LAN, .is_initiator = true };

    pair_init(&p, NULL, NULL);
    REQUIRE(host_on_link_gone(p.a.host, count_gone, &gone) == ERR_NONE);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    REQUIRE(host_link_add(p.a.host, bufferevent_socket_new(p.base, ends[0], BEV_OPT_CLOSE_ON_FREE), &how, "x", &p.link_a) ==
            ERR_NONE);
    run_for(p.base, 20);
    close(ends[1]);
    run_for(p.base, 50);
    CHECK(gone == 1 && host_link_label(p.a.host, p.link_a) == NULL);
    host_off_link_gone(p.a.host, count_gone, &gone);
    pair_clear(&p);
    CHECK(gone == 1);
}

/* All links the node takes and one more; the refused stream is closed, not leaked. */
static void test_limit(void)
{
    struct pair p;
    int ends[LINKS_MAX + 1][2];
    struct link_open how = { .kind = LINK_LAN };
    uint32_t link;
    uint8_t byte;

    pair_init(&p, NULL, NULL);
    for (int i = 0; i <= LINKS_MAX; i++) {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]) == 0);
        CHECK_ERR("link", host_link_add(p.a.host, bufferevent_socket_new(p.base, ends[i][0], BEV_OPT_CLOSE_ON_FREE), &how, "x", &link),
                  i < LINKS_MAX ? ERR_NONE : ERR_FULL);
    }
    run_for(p.base, 20);
    CHECK(recv(ends[LINKS_MAX][1], &byte, 1, MSG_DONTWAIT) == 0);
    for (int i = 0; i <= LINKS_MAX; i++)
        close(ends[i][1]);
    run_for(p.base, 50);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[0]) == 0);
    CHECK_ERR("room again", host_link_add(p.a.host, bufferevent_socket_new(p.base, ends[0][0], BEV_OPT_CLOSE_ON_FREE), &how, "x", &link),
              ERR_NONE);
    close(ends[0][1]);
    pair_clear(&p);
}

struct fault { unsigned fail_at, seen; };

static enum err fail_one(void *ctx, unsigned op)
{
    struct fault *f = ctx;

    (void)op;
    return f->seen++ == f->fail_at ? ERR_IO : ERR_NONE;
}

static bool is_over(void *ctx)
{
    struct pair *p = ctx;

    return p->b.commits_failed > 0 || p->a.carried > 0;
}

/* The n-th write or commit of the receiver fails, for every n: what could not be made durable is never acknowledged. */
static void test_faults(void)
{
    unsigned failed_commits = 0;

    for (struct fault f = { 0, 0 };; f.fail_at++) {
        struct pair p;

        pair_init(&p, NULL, NULL);
        pair_join(&p);
        p.want = 0;
        CHECK(run_until(p.base, 5000, is_settled, &p));
        f.seen = 0;
        db_set_fault(p.b.db, fail_one, &f);
        party_submit(&p.a, 1, 0);
        (void)run_until(p.base, f.fail_at < 8 ? 400 : 5000, is_over, &p);
        if (p.b.commits_failed > 0) {
            failed_commits++;
            CHECK(p.a.carried == 0 && p.b.commits_failed == 1);
            run_for(p.base, 50);
            CHECK(p.a.carried == 0 && p.b.commits_failed == 1);
        }
        if (p.a.carried > 0)
            CHECK(party_count(&p.b) == 1);
        pair_clear(&p);
        if (f.seen <= f.fail_at) {
            CHECK(p.a.carried == 1);
            break;
        }
        REQUIRE(f.fail_at < 100);
    }
    CHECK(failed_commits > 0);
}

int main(void)
{
    test_meeting();
    test_bulk();
    test_loss();
    test_limit();
    test_faults();
    return check_report("test_host");
}
