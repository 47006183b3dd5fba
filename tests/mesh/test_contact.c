/* tests/mesh/test_contact.c - two nodes meet: what they exchange, in how many bytes and flights. */
#include "mesh/bundle.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <stdio.h>

static const size_t sizes[] = { 0, 1, 31, 32, 33, 300, 1000, 5000 };

/* Common members, and some of each side's own. */
static void test_sets(size_t common, size_t a_only, size_t b_only, bool is_cut)
{
    struct net net;
    char label[96];

    snprintf(label, sizeof label, "common %zu, a %zu, b %zu%s", common, a_only, b_only, is_cut ? ", cut" : "");
    net_init(&net, common * 31 + a_only * 7 + b_only + 1);
    net.is_cut = is_cut;
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, common, 0, NULL);
    int wire = net_connect(&net, a, b, 5, 0, 0);
    CHECK_CASE(label, net_settle(&net, 60000));
    CHECK_CASE(label, net_is_equal(&net, a, b) && net_count(&net, b) == common);
    net_break(&net, wire);
    net_submit(&net, a, a_only, 0, NULL);
    net_submit(&net, b, b_only, 0, NULL);
    wire = net_connect(&net, a, b, 5, 0, 0);
    CHECK_CASE(label, net_settle(&net, 60000));
    CHECK_CASE(label, net_is_equal(&net, a, b) && net_count(&net, a) == common + a_only + b_only);
    CHECK_CASE(label, net_duplicates(&net, a) + net_duplicates(&net, b) <= 2);
    CHECK_CASE(label, net.nodes[a].events[NODE_PEER_FAULT] + net.nodes[b].events[NODE_PEER_FAULT] == 0);
    printf("%-40s %8llu bytes on the wire, %llu flights\n", label, (unsigned long long)net_wire_bytes(&net, wire),
           (unsigned long long)net.wires[wire].flights);
    net_clear(&net);
}

/* More large sets at once than there are places to sketch them: some wait their turn and start anew. */
static void test_large_at_once(void)
{
    static struct net net;
    static uint8_t bundle[256];
    struct bundle_id id;

    net_init(&net, 99);
    for (int i = 0; i < 6; i++)
        net_add(&net, NULL, NULL);
    for (int k = 0; k < 8500; k++) {
        struct net_bundle how = { .bundle_class = CLASS_SEALED };
        size_t len = net_make_bundle(&net.random, &how, bundle);

        for (int i = 0; i < 6; i++)
            REQUIRE(node_submit(net.nodes[i].node, bytes_of(bundle, len), NET_HOUR, &id, net.now_ms) == ERR_NONE);
    }
    for (int i = 0; i < 6; i++)
        net_submit(&net, i, 30, 0, NULL);
    for (int i = 1; i < 6; i++)
        net_connect(&net, i % 2 == 0 ? 0 : i, i % 2 == 0 ? i : 0, 5, 0, 0);
    CHECK(net_settle(&net, 120000));
    for (int i = 1; i < 6; i++)
        CHECK(net_is_equal(&net, 0, i));
    CHECK(net_count(&net, 0) == 8500 + 6 * 30);
    net_clear(&net);
}

/* Bundles of all sizes: everything goes to the newcomer, small ones first. */
static void test_sizes(void)
{
    static struct net net;

    net_init(&net, 98);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    for (uint8_t size = 9; size-- > 0;)
        net_submit(&net, a, size < 5 ? 40 : 3, size, NULL);
    net_submit(&net, b, 3, 0, NULL);
    int wire = net_connect(&net, a, b, 10, 100000, 0);
    while (net_count(&net, b) < 3 + 5 * 40 && net_step(&net, net.now_ms + 60000))
        ;
    struct store_usage usage;
    store_usage(net.nodes[b].store, &usage);
    /* Between small ones only what a frame has left goes to the large. */
    CHECK(usage.bytes < (40 + 3) * 256 + 40 * (512 + 1024 + 2048 + 4096) + 65536);
    CHECK(net_settle(&net, 120000));
    CHECK(net_is_equal(&net, a, b));
    CHECK(net.wires[wire].is_up);
    net_clear(&net);
}

int main(void)
{
    test_large_at_once();
    test_sizes();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        test_sets(0, sizes[i], 0, false);
        test_sets(sizes[i], 0, 0, true);
        test_sets(sizes[i], 1, 1, true);
        test_sets(sizes[i], 40, 50, i % 2 == 0);
    }
    test_sets(100, 1000, 1000, true);
    test_sets(0, 500, 500, true);
    return check_report("contact");
}
