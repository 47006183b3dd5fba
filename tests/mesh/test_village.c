/* tests/mesh/test_village.c - people who walk about: how far copies of large bundles come among strangers. */
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { STRANGERS = 10, SENDER = 0, RECIPIENT = STRANGERS + 1 };

static void meet(struct net *net, int a, int b, uint64_t duration_ms)
{
    int wire = net_connect(net, a, b, 10, 100000, 1024);

    net_run(net, duration_ms);
    if (net->wires[wire].is_up)
        net_break(net, wire);
}

static uint32_t below(struct net *net, uint32_t bound)
{
    struct rng r = seeded_rng(&net->random);

    return rng_below(&r, bound);
}

/* Sender and recipient never meet; any two others do, two at a time, for some seconds. */
static unsigned meetings_until_delivered(uint64_t seed, uint8_t size_code, const struct store_config *stores, uint8_t filled)
{
    static struct net net;
    struct bundle_id id;
    unsigned meetings = 0;

    net_init(&net, seed);
    for (int i = 0; i <= RECIPIENT; i++)
        net_add(&net, NULL, stores);
    for (int i = 0; filled > 0 && i <= RECIPIENT; i++) {
        static uint8_t filler[BUNDLE_LEN_MAX];
        struct store_usage usage;

        /* Everybody carries other people's bundles; some have more room than others. */
        for (store_usage(net.nodes[i].store, &usage); usage.fill_percent < filled - i; store_usage(net.nodes[i].store, &usage)) {
            struct net_bundle how = { .bundle_class = CLASS_SEALED, .size_code = 6 };
            size_t len = net_make_bundle(&net.random, &how, filler);

            REQUIRE(node_import(net.nodes[i].node, bytes_of(filler, len), HOPS_MAX, 300, net.now_ms) == ERR_NONE);
        }
        net_turn(&net, i);
    }
    net_submit(&net, SENDER, 1, size_code, &id);
    for (; meetings < 1000 && !net_has(&net, RECIPIENT, &id); meetings++) {
        int a = (int)below(&net, RECIPIENT + 1), b = (int)below(&net, RECIPIENT + 1);

        if (a != b && !(a % RECIPIENT == 0 && b % RECIPIENT == 0))
            meet(&net, a, b, 5000);
    }
    net_clear(&net);
    return meetings;
}

static void test_village(uint8_t size_code, uint32_t capacity, uint8_t filled, unsigned most)
{
    unsigned sum = 0;
    struct store_config stores = { .capacity_bytes = capacity };

    for (uint64_t seed = 1; seed <= 10; seed++) {
        unsigned meetings = meetings_until_delivered(seed, size_code, &stores, filled);
        char label[64];

        snprintf(label, sizeof label, "village: %u bytes, %u %% full, seed %u", 256u << size_code, filled, (unsigned)seed);
        CHECK_CASE(label, meetings < most);
        sum += meetings;
    }
    printf("village: %6u bytes, stores %2u %% full: delivered after %u meetings on average\n", 256u << size_code, filled, sum / 10);
}

/* One stranger after the other in a line, each meets only the next. The first hop count is random, the limit is for all. */
static void test_line(uint8_t size_code)
{
    static struct net net;
    struct node_config far = { .hops_max = STRANGERS + 4 };
    struct bundle_id id;

    net_init(&net, 70);
    for (int i = 0; i <= RECIPIENT; i++)
        net_add(&net, &far, NULL);
    net_submit(&net, SENDER, 1, size_code, &id);
    for (int i = SENDER; i < RECIPIENT; i++)
        meet(&net, i, i + 1, 10000);
    CHECK(net_has(&net, RECIPIENT, &id));
    for (int i = SENDER; i <= RECIPIENT; i++)
        CHECK(net_has(&net, i, &id));
    net_clear(&net);
}

/* Under pressure copies are counted, half given away each time. The last is given to whoever has more room. */
static void test_spray(void)
{
    static struct net net;
    struct store_config small = { .capacity_bytes = 400 * 1024 };
    struct bundle_id id;

    net_init(&net, 71);
    for (int i = 0; i < 8; i++)
        net_add(&net, NULL, &small);
    net_submit(&net, 0, 280, 2, NULL);   /* 70 % */
    net_submit(&net, 0, 1, 5, &id);
    CHECK(store_find(net.nodes[0].store, &id)->budget == 16);
    for (int i = 1; i < 6; i++) {
        net_submit(&net, i, 290, 2, NULL);   /* fuller than node 0 */
        net_turn(&net, i);
        int wire = net_connect(&net, 0, i, 5, 0, 0);
        net_run(&net, 5000);
        net_break(&net, wire);
    }
    int copies = 0;
    unsigned budget = 0;
    for (int i = 0; i < 6; i++) {
        const struct store_entry *e = store_find(net.nodes[i].store, &id);
        copies += e != NULL;
        budget += e != NULL ? e->budget : 0;
    }
    CHECK(copies == 5 && budget == 16);
    CHECK(store_find(net.nodes[0].store, &id)->budget == 1);
    int wire = net_connect(&net, 0, 6, 5, 0, 0);
    net_run(&net, 5000);
    net_break(&net, wire);
    CHECK(net_has(&net, 6, &id));        /* empty: takes the last copy */
    net_clear(&net);
}

int main(void)
{
    test_village(5, 0, 0, 400);
    test_village(8, 0, 0, 400);
    test_village(0, 0, 0, 400);
    test_village(5, 4 << 20, 84, 600);
    test_village(8, 4 << 20, 84, 600);
    test_line(5);
    test_line(8);
    test_spray();
    return check_report("village");
}
