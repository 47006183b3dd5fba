/* tests/mesh/test_durable.c - what a neighbour was told survives: commits, crashes, failing disks. */
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

/* A driver in the wrong order must never get an acknowledgement of what is not committed. */
static void test_ack_after_commit(void)
{
    struct net net;

    net_init(&net, 9);
    net.is_pull_before_commit = true;
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_connect(&net, a, b, 5, 0, 0);
    net_settle(&net, 5000);
    uint64_t carried = net.nodes[a].events[NODE_CARRIED];
    net_submit(&net, a, 50, 0, NULL);
    net_run(&net, 5);
    net_turn(&net, a);
    /* b receives all, but its commit fails; whatever it says before, it does not acknowledge. */
    for (int i = 0; i < 200; i++) {
        struct bytes out;

        for (int side = 0; side < 2; side++) {
            struct net_pipe *p = &net.wires[0].pipe[side];

            while (p->len > 0) {
                struct net_segment *s = &p->queue[p->head++];
                p->len--;
                node_receive(net.nodes[net.wires[0].node[1 - side]].node, net.wires[0].link[1 - side], bytes_of(s->at, s->len),
                             net.now_ms);
            }
        }
        while (node_next_frame(net.nodes[b].node, net.wires[0].link[1], &out, net.now_ms))
            node_receive(net.nodes[a].node, net.wires[0].link[0], out, net.now_ms);
    }
    CHECK(net_count(&net, b) >= 50);
    struct node_event e;
    while (node_next_event(net.nodes[a].node, &e))
        CHECK(e.kind != NODE_CARRIED);
    CHECK(net.nodes[a].events[NODE_CARRIED] == carried);
    net_clear(&net);
}

struct acked_log { struct bundle_id ids[2000]; size_t count; uint64_t stored_twice; };

static void note_carried(struct net *net, int node, const struct node_event *e, void *ctx)
{
    struct acked_log *log = ctx;

    (void)net;
    if (node == 0 && e->kind == NODE_CARRIED && log->count < 2000)
        log->ids[log->count++] = e->entry.id;
}

/* The receiver loses power at every step in turn: nothing acknowledged is lost, nothing comes twice in the end. */
static void test_crash(void)
{
    static struct acked_log log;

    for (unsigned at = 1; at < 40; at++) {
        struct net net;
        char label[32];

        snprintf(label, sizeof label, "crash at step %u", at);
        memset(&log, 0, sizeof log);
        net_init(&net, 100 + at);
        net.on_event = note_carried;
        net.ctx = &log;
        int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
        net_submit(&net, a, 300, 0, NULL);
        net_connect(&net, a, b, 5, 200000, 0);
        for (unsigned i = 0; i < at; i++)
            net_step(&net, net.now_ms + 10000);
        if (at % 2 == 0)
            net_turn(&net, b);   /* crashes just after a commit, too */
        net_crash(&net, b);
        for (size_t i = 0; i < log.count; i++)
            CHECK_CASE(label, net_has(&net, b, &log.ids[i]));
        net_connect(&net, a, b, 5, 0, 0);
        CHECK_CASE(label, net_settle(&net, 30000));
        CHECK_CASE(label, net_is_equal(&net, a, b) && net_count(&net, b) == 300);
        /* Some may have been committed whose acknowledgement was lost: fewer are told, never more. */
        CHECK_CASE(label, log.count <= 300);
        net_clear(&net);
    }
}

struct fault_at { unsigned at; bool is_done; };

static enum err fail_at(void *ctx, unsigned op)
{
    struct fault_at *f = ctx;

    (void)op;
    if (f->at-- != 0)
        return ERR_NONE;
    f->is_done = true;
    return ERR_IO;
}

/* Every n-th operation of the receiver's database fails in turn; it is restarted and the story completes. */
static void test_faults(void)
{
    for (unsigned n = 0;; n++) {
        struct net net;
        struct fault_at fault = { n, false };
        char label[32];

        snprintf(label, sizeof label, "operation %u fails", n);
        net_init(&net, 11);
        int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
        net_submit(&net, a, 12, 0, NULL);
        net_submit(&net, b, 3, 0, NULL);
        net_turn(&net, b);
        db_set_fault(net.nodes[b].db, fail_at, &fault);
        net_connect(&net, a, b, 5, 0, 0);
        net_run(&net, 3000);
        db_set_fault(net.nodes[b].db, NULL, NULL);
        if (fault.is_done) {
            /* The failure is never silent. */
            CHECK_CASE(label, net.nodes[b].commit_failed != ERR_NONE);
            net_crash(&net, b);
            net_connect(&net, a, b, 5, 0, 0);
        }
        CHECK_CASE(label, net_settle(&net, 20000));
        CHECK_CASE(label, net_is_equal(&net, a, b) && net_count(&net, b) == 15);
        net_clear(&net);
        if (!fault.is_done)
            break;
        REQUIRE(n < 500);
    }
}

int main(void)
{
    test_ack_after_commit();
    test_crash();
    test_faults();
    return check_report("durable");
}
