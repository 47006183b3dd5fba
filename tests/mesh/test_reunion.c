/* tests/mesh/test_reunion.c - nodes that meet again: what is remembered is not sent again, lost acknowledgements are made
 * good, and two links between the same two become one.
 */
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { PUSHES_TO_REMEMBERING = 8 };   /* 2 KiB */

/* Each node is started anew, so that nobody is known by his link key, and connects in the direction given. */
static int meet_again(struct net *net, int from, int to)
{
    net_turn(net, from);
    net_turn(net, to);
    net_crash(net, from);
    net_crash(net, to);
    return net_connect(net, from, to, 10, 0, 0);
}

struct own { struct bundle_id ids[1024]; size_t count; };

static void submit_noted(struct net *net, int node, size_t count, struct own *own)
{
    for (size_t i = 0; i < count; i++)
        net_submit(net, node, 1, 0, &own->ids[own->count++]);
}

/* The author of 400 delivered bundles has let them go; a relay still carries them. They meet again and again. */
static void test_released(size_t common, bool is_author_calling, bool is_relay_too)
{
    static struct own own;
    struct net net;
    char label[96];

    snprintf(label, sizeof label, "released: %zu common, %s calls%s", common, is_author_calling ? "author" : "relay",
             is_relay_too ? ", both remember" : "");
    memset(&own, 0, sizeof own);
    net_init(&net, 30 + common);
    int author = net_add(&net, NULL, NULL), relay = net_add(&net, NULL, NULL);
    net_submit(&net, relay, common, 0, NULL);
    submit_noted(&net, author, 400, &own);
    int wire = net_connect(&net, author, relay, 10, 0, 0);
    CHECK_CASE(label, net_settle(&net, 20000));
    for (size_t i = 0; i < own.count; i++) {
        int who = is_relay_too && i % 2 == 0 ? relay : author;
        REQUIRE(node_release(net.nodes[who].node, &own.ids[i], NULL, net.now_ms) == ERR_NONE);
    }
    for (int round = 0; round < 3; round++) {
        wire = is_author_calling ? meet_again(&net, author, relay) : meet_again(&net, relay, author);
        CHECK_CASE(label, net_settle(&net, 20000));
        printf("%s: %llu came twice, %llu bytes\n", label, (unsigned long long)net_duplicates(&net, author),
               (unsigned long long)net_wire_bytes(&net, wire));
        CHECK_CASE(label, net_duplicates(&net, author) <= PUSHES_TO_REMEMBERING);
        CHECK_CASE(label, net_duplicates(&net, relay) <= PUSHES_TO_REMEMBERING);
        CHECK_CASE(label, net_wire_bytes(&net, wire) <= 18000);   /* mostly sketch and offers */
        CHECK_CASE(label, net_count(&net, author) == common + (is_relay_too ? 200 : 0));
    }
    /* They differ for good, and do not call each other for that. */
    net_run(&net, 1000);
    net_break(&net, wire);
    CHECK_CASE(label, !net_is_equal(&net, author, relay));
    CHECK_CASE(label, net_judge(&net, author, relay) == BEACON_SETTLED && net_judge(&net, relay, author) == BEACON_SETTLED);
    net_submit(&net, relay, 1, 0, NULL);
    CHECK_CASE(label, net_judge(&net, author, relay) != BEACON_SETTLED);
    net_clear(&net);
}

/* ---- Acknowledgements lost with their link ---- */

static void check_carried(struct net *net, int node, const struct node_event *e, void *ctx)
{
    struct own *told = ctx;

    if (node != 0 || e->kind != NODE_CARRIED)
        return;
    CHECK(net_has(net, 1, &e->entry.id));
    for (size_t i = 0; i < told->count; i++)
        CHECK(memcmp(&told->ids[i], &e->entry.id, sizeof e->entry.id) != 0 || e->entry.given > 1);
    REQUIRE(told->count < 1024);
    told->ids[told->count++] = e->entry.id;
}

static void test_lost_ack(size_t count, bool is_sender_calling)
{
    static struct own told;
    struct net net;
    char label[96];

    snprintf(label, sizeof label, "lost ack: %zu, %s calls", count, is_sender_calling ? "sender" : "receiver");
    memset(&told, 0, sizeof told);
    net_init(&net, 40 + count);
    net.on_event = check_carried;
    net.ctx = &told;
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    int wire = net_connect(&net, a, b, 100, 0, 0);
    CHECK_CASE(label, net_settle(&net, 5000));
    net_submit(&net, a, count, 0, NULL);
    net_submit(&net, b, 40, 0, NULL);
    while (net_count(&net, b) < count + 40 && net_step(&net, net.now_ms + 5000))
        ;
    net_turn(&net, b);
    net_break(&net, wire);
    CHECK_CASE(label, told.count == 0);
    net_submit(&net, a, 50, 0, NULL);   /* and these they do not have */
    net_turn(&net, a);
    /* Who hears the other's set knows what is common; who does not learns it by what it pushes first. */
    wire = is_sender_calling ? net_connect(&net, a, b, 10, 0, 0) : net_connect(&net, b, a, 10, 0, 0);
    CHECK_CASE(label, net_settle(&net, 10000));
    CHECK_CASE(label, net_is_equal(&net, a, b));
    CHECK_CASE(label, is_sender_calling ? told.count >= 50 : told.count == count + 50);
    net_clear(&net);
}

/* Passes all frames between two ends, whatever the order of commits. */
static void pump(struct net *net, int wire)
{
    struct net_wire *w = &net->wires[wire];
    struct bytes out;

    for (int i = 0; i < 100; i++) {
        int side = i % 2;

        while (node_next_frame(net->nodes[w->node[side]].node, w->link[side], &out, net->now_ms))
            node_receive(net->nodes[w->node[1 - side]].node, w->link[1 - side], out, net->now_ms);
    }
}

/* A set, too, is said only of what is committed: a driver in the wrong order must not make it a false receipt. */
static void test_set_after_commit(bool is_sketch)
{
    struct net net;
    struct node_event e;

    net_init(&net, 45);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, b, is_sketch ? 60 : 5, 0, NULL);
    net_turn(&net, b);
    int first = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    net_submit(&net, a, 50, 0, NULL);
    net_turn(&net, a);
    net_step(&net, net.now_ms + 5);     /* they arrive, and b does not commit */
    CHECK(net_count(&net, b) == (is_sketch ? 110u : 55u) && net.nodes[a].events[NODE_CARRIED] == 0);
    net_break(&net, first);
    int second = net_connect(&net, b, a, 5, 0, 0);
    pump(&net, second);
    while (node_next_event(net.nodes[a].node, &e))
        CHECK(e.kind != NODE_CARRIED);
    net_clear(&net);
}

/* ---- Two links, one pair ---- */

static int wires_up(const struct net *net)
{
    int count = 0;

    for (int i = 0; i < net->wire_count; i++)
        count += net->wires[i].is_up;
    return count;
}

static void test_both_call(void)
{
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct net net;
        char label[32];

        snprintf(label, sizeof label, "both call, seed %llu", (unsigned long long)seed);
        net_init(&net, 50 + seed);
        int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
        net_submit(&net, a, 300, 0, NULL);
        net_submit(&net, b, 300, 0, NULL);
        net_submit(&net, b, 1, 8, NULL);
        net_connect(&net, a, b, 10 + (uint32_t)seed, 100000, 0);
        net_connect(&net, b, a, 10, 100000, 0);
        net_run(&net, 500);
        CHECK_CASE(label, wires_up(&net) == 1);
        CHECK_CASE(label, net_settle(&net, 30000));
        CHECK_CASE(label, net_is_equal(&net, a, b) && net_count(&net, a) == 601);
        CHECK_CASE(label, wires_up(&net) == 1);
        CHECK_CASE(label, net_duplicates(&net, a) + net_duplicates(&net, b) <= 150);
        CHECK_CASE(label, net.nodes[a].events[NODE_PEER_FAULT] + net.nodes[b].events[NODE_PEER_FAULT] == 0);
        CHECK_CASE(label, net_judge(&net, a, b) == BEACON_LINKED && net_judge(&net, b, a) == BEACON_LINKED);
        net_clear(&net);
    }
}

/* A link that may be dead does not win over one that has just come up. */
static void test_dead_link(bool is_a_calling)
{
    struct net net;

    net_init(&net, 60);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    int dead = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    net.wires[dead].latency_ms = 100000000;
    net_run(&net, 10000);
    net_submit(&net, a, 5, 0, NULL);
    int wire = is_a_calling ? net_connect(&net, a, b, 5, 0, 0) : net_connect(&net, b, a, 5, 0, 0);
    net_run(&net, 10000);
    CHECK(net.wires[wire].is_up && !net.wires[dead].is_up && net_is_equal(&net, a, b));
    net_clear(&net);
}

/* Of an address that a person wrote down and one that was discovered, the first stays: it would be called again for ever.
 * And the node behind it is known from then on, so that discovery leaves it alone. */
static void test_written_address(bool is_written_first)
{
    struct net net;

    net_init(&net, 61);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net.is_address_written = is_written_first;
    int first = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    net_run(&net, 20000);
    net.is_address_written = !is_written_first;
    int second = net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 2000);
    /* One that was silent for long may be dead and gives way; but it is called again, and then stays. */
    if (is_written_first) {
        CHECK(net.wires[second].is_up && !net.wires[first].is_up);
        net.is_address_written = true;
        first = net_connect(&net, a, b, 5, 0, 0);
        net_run(&net, 2000);
    }
    CHECK(net.wires[is_written_first ? first : second].is_up && !net.wires[is_written_first ? second : first].is_up);
    CHECK(net_judge(&net, a, b) == BEACON_LINKED && net_judge(&net, b, a) == BEACON_LINKED);
    /* Two written addresses stay both: either would come back. */
    net.is_address_written = true;
    net_connect(&net, b, a, 5, 0, 0);
    net_run(&net, 2000);
    CHECK(wires_up(&net) == 2);
    net_clear(&net);
}

int main(void)
{
    test_released(100, true, false);
    test_released(100, false, false);
    test_released(0, true, false);
    test_released(0, false, false);
    test_released(5, false, false);
    test_released(100, true, true);
    test_lost_ack(300, true);
    test_lost_ack(300, false);
    test_lost_ack(20, false);
    test_set_after_commit(false);
    test_set_after_commit(true);
    test_both_call();
    test_dead_link(true);
    test_dead_link(false);
    test_written_address(true);
    test_written_address(false);
    return check_report("reunion");
}
