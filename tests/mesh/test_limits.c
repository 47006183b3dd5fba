/* tests/mesh/test_limits.c - what a node does not take, or not at once: quotas, rates, stamps, forgeries, hops, age. */
#include "crypto/signature.h"
#include "mesh/bundle.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <string.h>

static const uint64_t WALL_2026 = 1795305600;  /* NET_HOUR */

static void test_quota(void)
{
    struct net net;
    struct store_config small = { .capacity_bytes = 4000 * 256 };

    net_init(&net, 12);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, &small), c = net_add(&net, NULL, NULL);
    net_submit(&net, a, 6000, 0, NULL);
    int wire = net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 60000);
    net_break(&net, wire);
    /* A stranger alone fills no more than half of the store and its tenth of the strangers' share. */
    size_t from_a = net_count(&net, b);
    CHECK(from_a >= 1900 && from_a <= 2000 + 160 + 20);
    net_submit(&net, c, 100, 0, NULL);
    wire = net_connect(&net, c, b, 5, 0, 0);
    CHECK(net_settle(&net, 30000));
    CHECK(net_count(&net, b) == from_a + 100);
    struct node_counters counters;
    node_counters(net.nodes[b].node, &counters);
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

/* A store that is full says so by not asking: neighbours that come back and back have little to send, and what comes is kept. */
static void test_full(void)
{
    enum { TIMES = 10 };
    struct net net;
    struct store_config small = { .capacity_bytes = 400 * 256 };
    struct node_counters before, after;
    uint64_t bytes = 0;

    net_init(&net, 32);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, &small), c = net_add(&net, NULL, NULL);
    net_submit(&net, a, 2000, 0, NULL);
    net_submit(&net, c, 500, 0, NULL);
    net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 60000));
    node_counters(net.nodes[b].node, &before);
    CHECK(net_count(&net, b) >= 190 && before.refused_in <= 80);   /* half of it; and what was pushed before it was known */
    net_break(&net, 0);
    for (int i = 0; i < TIMES; i++) {
        int wire = net_connect(&net, a, b, 5, 0, 0);
        CHECK(net_settle(&net, 30000));
        bytes += net_wire_bytes(&net, wire);
        net_break(&net, wire);
    }
    node_counters(net.nodes[b].node, &after);
    CHECK(after.refused_in - before.refused_in <= TIMES);
    CHECK(bytes / TIMES < 32 * 1024);
    /* Another neighbour is not kept out by that, nor offered what it does not want. */
    size_t from_a = net_count(&net, b);
    before = after;
    net_connect(&net, c, b, 5, 0, 0);
    CHECK(net_settle(&net, 30000));
    node_counters(net.nodes[b].node, &after);
    CHECK(net_count(&net, b) >= from_a + 70 && after.refused_in - before.refused_in <= 20);
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

static void test_rate(void)
{
    struct net net;
    struct node_config slow = { .link_bytes_per_s = 2560 };

    net_init(&net, 13);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, &slow, NULL);
    net_submit(&net, a, 400, 0, NULL);
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 10000);
    size_t early = net_count(&net, b);
    CHECK(early >= 40 && early <= 40 + 100 + 70);   /* a burst of four seconds, ten a second, and what was pushed */
    net_run(&net, 60000);
    CHECK(net_count(&net, b) == 400);
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

static void test_stamps(void)
{
    struct net net;
    struct store_config small = { .capacity_bytes = 400 * 256 };
    struct node_config demanding = { .is_stamp_demanded = true };
    struct bundle_id cheap, stamped;

    net_init(&net, 14);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, &demanding, &small);
    net_submit(&net, b, 300, 0, NULL);   /* 75 % full: 16 bits are demanded */
    net_submit_one(&net, a, &(struct net_bundle){ .bundle_class = CLASS_SEALED }, &cheap);
    net_submit_one(&net, a, &(struct net_bundle){ .bundle_class = CLASS_SEALED, .stamp_bits = 16 }, &stamped);
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 5000);
    CHECK(net_has(&net, b, &stamped) && !net_has(&net, b, &cheap));
    /* A friend's need none. */
    node_link_set_friend(net.nodes[a].node, net.wires[0].link[0], true);
    node_link_set_friend(net.nodes[b].node, net.wires[0].link[1], true);
    net_submit_one(&net, a, &(struct net_bundle){ .bundle_class = CLASS_SEALED }, &cheap);
    net_run(&net, 5000);
    CHECK(net_has(&net, b, &cheap));
    CHECK(store_find(net.nodes[b].store, &cheap)->quota_class == QUOTA_CONTACT);
    CHECK(store_find(net.nodes[b].store, &stamped)->quota_class == QUOTA_STRANGER);
    net_clear(&net);
}

/* Works for stamps as an idle daemon does; the net turns between two slices. How many were found. */
static unsigned mint(struct net *net, int node)
{
    unsigned found = 0;

    for (enum stamp_work so; (so = node_stamp_work(net->nodes[node].node, 4096, net->now_ms)) != STAMP_NONE; found += so == STAMP_FOUND)
        net_turn(net, node);
    CHECK(!node_has_stamp_work(net->nodes[node].node));
    return found;
}

/* A relay filled by a friend of its own up to so many of 400 bundles. */
static void fill_relay(struct net *net, int relay, int courier, size_t count)
{
    int wire;

    net_submit(net, courier, count, 0, NULL);
    wire = net_connect(net, courier, relay, 5, 0, 0);
    while (net->nodes[relay].events[NODE_LINK_READY] == 0)
        net_run(net, 1);
    node_link_set_friend(net->nodes[courier].node, net->wires[wire].link[0], true);
    node_link_set_friend(net->nodes[relay].node, net->wires[wire].link[1], true);
    REQUIRE(net_settle(net, 60000) && net_count(net, relay) == count);
    net_break(net, wire);
}

/* A full relay takes no stranger's bundle without work; what we wrote ourselves is worked for, and nothing else. */
static void test_minting(void)
{
    enum { LARGE = 3 };
    struct net net;
    struct store_config small = { .capacity_bytes = 400 * 256, .share_percent = { 5, 5, 50, 35, 5 } };
    struct node_config demanding = { .is_stamp_demanded = true };
    struct bundle_id own, large, late, foreign;
    struct node_counters counters;

    net_init(&net, 15);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, &demanding, &small), courier = net_add(&net, NULL, NULL);
    int other = net_add(&net, NULL, NULL);
    fill_relay(&net, b, courier, 360);   /* 90 %: 20 bits */
    net_submit(&net, other, 1, 0, &foreign);
    int wire = net_connect(&net, other, a, 5, 0, 0);
    REQUIRE(net_settle(&net, 10000) && net_has(&net, a, &foreign));
    net_break(&net, wire);
    net_submit(&net, a, 1, LARGE, &large);
    net_submit(&net, a, 1, 0, &own);

    wire = net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 5000);
    CHECK(!net_has(&net, b, &own) && !net_has(&net, b, &large));
    CHECK(net.nodes[a].events[NODE_STAMP_WANTED] == 2 && node_has_stamp_work(net.nodes[a].node));
    /* And while the link stands, it is told of a new one too. */
    net_submit(&net, a, 1, 0, &late);
    net_run(&net, 5000);
    CHECK(!net_has(&net, b, &late) && net.nodes[a].events[NODE_STAMP_WANTED] == 3);

    CHECK(mint(&net, a) == 3);
    CHECK(net_settle(&net, 10000));
    CHECK(net_has(&net, b, &own) && net_has(&net, b, &large) && net_has(&net, b, &late) && !net_has(&net, b, &foreign));
    CHECK(store_find(net.nodes[b].store, &own)->stamp_bits >= 20 && store_find(net.nodes[a].store, &own)->given == 1);
    node_counters(net.nodes[a].node, &counters);
    CHECK(counters.stamps_made == 3);
    /* The stamps are on disk. */
    net_crash(&net, a);
    CHECK(store_find(net.nodes[a].store, &own)->stamp_bits >= 20);
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

/* The demand rises while the link stands: a push is refused, worked for, and taken. */
static void test_minting_after_refusal(void)
{
    struct net net;
    struct store_config small = { .capacity_bytes = 400 * 256 };
    struct node_config demanding = { .is_stamp_demanded = true };
    struct bundle_id own[2];

    net_init(&net, 16);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, &demanding, &small);
    net_submit(&net, b, 278, 0, NULL);   /* 69 % */
    net_connect(&net, a, b, 5, 0, 0);
    REQUIRE(net_settle(&net, 60000));
    /* Both push at once: what a pushes arrives where the demand is 16 already. */
    net_submit(&net, a, 1, 0, &own[0]);
    net_submit(&net, b, 6, 0, NULL);
    net_run(&net, 5000);
    CHECK(!net_has(&net, b, &own[0]));
    CHECK(net.nodes[a].events[NODE_REFUSED] == 1 && net.nodes[a].last[NODE_REFUSED].why == ERR_REFUSED);
    CHECK(net.nodes[a].events[NODE_STAMP_WANTED] == 1);
    CHECK(mint(&net, a) == 1);
    net_run(&net, 5000);
    CHECK(net_has(&net, b, &own[0]) && store_find(net.nodes[b].store, &own[0])->stamp_bits >= 16);
    /* When the demand ends, nothing waits for the work. */
    net_submit(&net, a, 1, 0, &own[1]);
    net_run(&net, 5000);
    CHECK(!net_has(&net, b, &own[1]) && node_has_stamp_work(net.nodes[a].node));
    for (uint64_t seq = 1, gone = 0; gone < 40; seq++) {
        const struct store_entry *e = store_find_seq(net.nodes[b].store, seq);

        if (e == NULL || e->contributor != 0)
            continue;
        struct bundle_id id = e->id;
        CHECK_ERR("", node_release(net.nodes[b].node, &id, NULL, net.now_ms), ERR_NONE);
        gone++;
    }
    net_run(&net, 30000);
    CHECK(net_has(&net, b, &own[1]) && store_find(net.nodes[b].store, &own[1])->stamp_bits == 0);
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

static size_t make_sos(struct net *net, uint8_t *to)
{
    struct net_bundle how = { .bundle_class = CLASS_SOS };
    uint8_t seed[SIGNATURE_SEED_LEN] = { 1, 2, 3 };
    size_t len = net_make_bundle(&net->random, &how, to);

    memset(to + HEADER_LEN, 0, len - HEADER_LEN);
    signature_key(to + HEADER_LEN, seed);
    to[HEADER_LEN + 45] = 5;
    memcpy(to + HEADER_LEN + 46, "help!", 5);
    struct bytes parts[2] = { bytes_of(to, HEADER_AD_LEN), bytes_of(to + HEADER_LEN, len - HEADER_LEN - SIGNATURE_LEN) };
    signature_make(to + len - SIGNATURE_LEN, seed, "sos", parts, 2);
    return len;
}

static void test_sos(void)
{
    struct net net;
    uint8_t sos[256];
    struct bundle_id id;
    struct header h;

    net_init(&net, 15);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    size_t len = make_sos(&net, sos);
    REQUIRE(header_of_bundle(&h, bytes_of(sos, len)) == ERR_NONE);
    CHECK(bundle_verify_plain(&h, bytes_of(sos, len)) == ERR_NONE);
    sos[100] ^= 1;
    CHECK(bundle_verify_plain(&h, bytes_of(sos, len)) != ERR_NONE);
    CHECK(node_submit(net.nodes[a].node, bytes_of(sos, len), NET_HOUR, &id, net.now_ms) == ERR_MALFORMED);
    CHECK(node_import(net.nodes[a].node, bytes_of(sos, len), 1, 100, net.now_ms) == ERR_MALFORMED);
    sos[100] ^= 1;
    REQUIRE(node_submit(net.nodes[a].node, bytes_of(sos, len), NET_HOUR, &id, net.now_ms) == ERR_NONE);
    /* An SOS submitted in the midst of a bulk transfer passes it. */
    net_submit(&net, a, 500, 0, NULL);
    net_connect(&net, a, b, 20, 20000, 0);
    while (net_count(&net, b) == 0 && net_step(&net, net.now_ms + 20000))
        ;
    net_run(&net, 300);
    CHECK(net_has(&net, b, &id));
    CHECK(net_count(&net, b) < 100);
    net_clear(&net);
}

/* Hops end a journey, but where it began they say little. */
static void test_hops(void)
{
    enum { NODES = 32 };
    static struct net net;
    struct bundle_id id;

    net_init(&net, 16);
    for (int i = 0; i < NODES; i++)
        net_add(&net, NULL, NULL);
    net_submit(&net, 0, 1, 0, &id);
    int reached = 0;
    for (int i = 0; i + 1 < NODES; i++) {
        int wire = net_connect(&net, i, i + 1, 5, 0, 0);
        net_run(&net, 5000);
        net_break(&net, wire);
        if (net_has(&net, i + 1, &id))
            reached = i + 1;
    }
    CHECK(reached >= HOPS_MAX - 3 && reached <= HOPS_MAX + 12);
    net_clear(&net);
}

static bool count_unhopped(void *ctx, const struct store_entry *e)
{
    *(size_t *)ctx += e->hops == 0;
    return true;
}

/* A relay, too, gives bundles as if they began there. */
static void test_author_hidden(void)
{
    struct net net;
    size_t author = 0, relay = 0;

    net_init(&net, 30);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, 400, 0, NULL);
    net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 20000));
    store_walk(net.nodes[a].store, CLASS_SEALED, count_unhopped, &author);
    store_walk(net.nodes[b].store, CLASS_SEALED, count_unhopped, &relay);
    CHECK(author > 60 && author < 140 && relay > 25 && relay < 80);
    net_clear(&net);
}

static void test_expiry(void)
{
    struct net net;
    struct bundle_id id;
    struct node_config trusted = { .wall_unix_s = WALL_2026, .is_wall_trusted = true };

    net_init(&net, 17);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, &trusted, NULL);
    net_submit_one(&net, a, &(struct net_bundle){ .bundle_class = CLASS_SEALED, .expiry_h = NET_HOUR + 6 }, &id);
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 5000);
    CHECK(net_has(&net, b, &id));
    net_run(&net, 6 * 3600 * 1000ull);
    CHECK(!net_has(&net, a, &id) && !net_has(&net, b, &id));
    CHECK(net.nodes[a].events[NODE_DROPPED] == 1 && net.nodes[a].last[NODE_DROPPED].why == ERR_EXPIRED);
    net_clear(&net);
}

/* Clocks years apart, or none: bundles pass on; a trusted clock refuses what is really over. */
static void test_clocks(void)
{
    static const uint64_t walls[] = { 1546300800 /* 2019 */, WALL_2026, 1924992000 /* 2031 */, 0, 1546300800 };
    struct net net;
    struct bundle_id id, old;

    net_init(&net, 18);
    for (size_t i = 0; i < sizeof walls / sizeof walls[0]; i++) {
        struct node_config config = { .wall_unix_s = walls[i] };
        net_add(&net, &config, NULL);
    }
    struct node_config trusted = { .wall_unix_s = WALL_2026, .is_wall_trusted = true };
    int sure = net_add(&net, &trusted, NULL);
    net_submit(&net, 0, 1, 0, &id);
    net_submit_one(&net, 0, &(struct net_bundle){ .bundle_class = CLASS_SEALED, .expiry_h = NET_HOUR + 12 }, &old);
    for (int i = 0; i < sure; i++) {
        int wire = net_connect(&net, i, i + 1, 5, 0, 0);
        CHECK(net_settle(&net, 10000));
        net_break(&net, wire);
        CHECK(net_has(&net, i + 1, &id));
    }
    /* Made anew with an expiry long past: nodes without a clock carry it, one that knows refuses. */
    static uint8_t bundle[256];
    struct net_bundle how = { .bundle_class = CLASS_SEALED, .expiry_h = NET_HOUR - 600 };
    size_t len = net_make_bundle(&net.random, &how, bundle);
    CHECK(node_import(net.nodes[3].node, bytes_of(bundle, len), 1, 48, net.now_ms) == ERR_NONE);
    CHECK(node_import(net.nodes[sure].node, bytes_of(bundle, len), 1, 48, net.now_ms) == ERR_EXPIRED);
    CHECK(node_import(net.nodes[3].node, bytes_of(bundle, len - 1), 1, 48, net.now_ms) == ERR_MALFORMED);
    CHECK(node_import(net.nodes[3].node, bytes_of(bundle, len), 1, 48, net.now_ms) == ERR_EXISTS);
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

int main(void)
{
    test_quota();
    test_full();
    test_rate();
    test_stamps();
    test_minting();
    test_minting_after_refusal();
    test_sos();
    test_hops();
    test_author_hidden();
    test_expiry();
    test_clocks();
    return check_report("limits");
}
