/* tests/mesh/test_node.c - nodes among nodes: couriers, crowds, cuts, anti-packets, beacons, epochs. */
#include "crypto/tags.h"
#include "mesh/bundle.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { EAGER_KIB = 16 };   /* what one neighbour pushes, which others may be asked for meanwhile */

static uint64_t duplicates(const struct net *net)
{
    uint64_t sum = 0;

    for (int i = 0; i < net->node_count; i++)
        sum += net_duplicates(net, i);
    return sum;
}

/* A meets C, then C meets B; A and B never meet. */
static void test_courier(void)
{
    struct net net;
    struct bundle_id there, back;

    net_init(&net, 1);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL), c = net_add(&net, NULL, NULL);
    net_submit(&net, a, 20, 0, &there);
    int wire = net_connect(&net, a, c, 10, 0, 0);
    CHECK(net_settle(&net, 10000));
    net_break(&net, wire);
    CHECK(net_has(&net, c, &there) && !net_has(&net, b, &there));
    net_submit(&net, b, 1, 0, &back);
    wire = net_connect(&net, b, c, 10, 0, 0);
    CHECK(net_settle(&net, 10000));
    net_break(&net, wire);
    CHECK(net_has(&net, b, &there) && net_has(&net, c, &back));
    wire = net_connect(&net, c, a, 10, 0, 0);
    CHECK(net_settle(&net, 10000));
    CHECK(net_has(&net, a, &back) && net_is_equal(&net, a, b));
    CHECK(net.nodes[a].events[NODE_CARRIED] == 20 && net.nodes[b].events[NODE_CARRIED] == 1);
    CHECK(net.nodes[c].events[NODE_CARRIED] == 0);
    CHECK(net.nodes[c].events[NODE_STORED] == 21 && net.nodes[b].events[NODE_STORED] == 20);
    CHECK(duplicates(&net) == 0 && net_faults(&net) == 0);
    net_clear(&net);
}

/* One message between connected nodes that are settled: how many bytes, and how soon. */
static void test_live(void)
{
    struct net net;
    struct bundle_id id;

    net_init(&net, 2);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    int wire = net_connect(&net, a, b, 10, 0, 0);
    CHECK(net_settle(&net, 10000));
    net_run(&net, 11000);
    uint64_t there = net.wires[wire].pipe[0].bytes, back = net.wires[wire].pipe[1].bytes, start_ms = net.now_ms;
    net_submit(&net, a, 1, 0, &id);
    while (!net_has(&net, b, &id) && net_step(&net, start_ms + 1000))
        ;
    CHECK(net_has(&net, b, &id) && net.now_ms - start_ms == 10);
    CHECK(net.wires[wire].pipe[0].bytes - there <= 288);
    net_run(&net, 500);
    CHECK(net.wires[wire].pipe[1].bytes - back <= 24);   /* its acknowledgement */
    CHECK(net.nodes[a].events[NODE_CARRIED] == 1);
    printf("one message: %llu bytes there, %llu back\n", (unsigned long long)(net.wires[wire].pipe[0].bytes - there),
           (unsigned long long)(net.wires[wire].pipe[1].bytes - back));
    /* Ten minutes of silence. */
    net_run(&net, 30000);
    uint64_t before = net_wire_bytes(&net, wire), turns = net.nodes[a].turns;
    net_run(&net, 600000);
    CHECK(net_wire_bytes(&net, wire) - before <= 20 * 600);
    CHECK(net.nodes[a].turns - turns <= 600);
    CHECK(net.wires[wire].is_up);
    net_clear(&net);
}

/* Strangers: the first bundle byte within two round trips after connect, both ways. Flights: 1 I, 2 R, 3 I, 4 R. */
static void test_first_bytes(size_t a_count, size_t b_count, size_t common, bool is_given)
{
    struct net net;
    char label[96];

    snprintf(label, sizeof label, "a %zu, b %zu, common %zu", a_count, b_count, common);
    net_init(&net, 3 + a_count);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, common, 0, NULL);
    int wire = net_connect(&net, a, b, 10, 0, 0);
    net_settle(&net, 10000);
    net_break(&net, wire);
    net_submit(&net, a, a_count, 0, NULL);
    net_submit(&net, b, b_count, 0, NULL);
    if (is_given) {
        int c = net_add(&net, NULL, NULL);
        wire = net_connect(&net, c, a, 10, 0, 0);
        net_settle(&net, 10000);
        net_break(&net, wire);
    }
    wire = net_connect(&net, a, b, 50, 0, 0);
    uint64_t a_stored = net.nodes[a].events[NODE_STORED], b_stored = net.nodes[b].events[NODE_STORED], start_ms = net.now_ms,
             a_ms = 0, b_ms = 0;
    while ((a_ms == 0 || b_ms == 0) && net_step(&net, start_ms + 2000)) {
        net_turn(&net, a);
        net_turn(&net, b);
        if (a_ms == 0 && net.nodes[a].events[NODE_STORED] > a_stored)
            a_ms = net.now_ms - start_ms;
        if (b_ms == 0 && net.nodes[b].events[NODE_STORED] > b_stored)
            b_ms = net.now_ms - start_ms;
    }
    CHECK_CASE(label, a_ms > 0 && a_ms <= 200);
    CHECK_CASE(label, b_ms > 0 && b_ms <= 200);
    net_clear(&net);
}

/* What a meeting costs in bytes, both ways, all counted. */
static void test_meeting(size_t count)
{
    struct net net;
    char label[64];

    snprintf(label, sizeof label, "meeting of %zu", count);
    net_init(&net, 4);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, count, 0, NULL);
    int wire = net_connect(&net, b, a, 2, 12500000, 0);
    CHECK_CASE(label, net_settle(&net, 60000));
    CHECK_CASE(label, net_is_equal(&net, a, b));
    CHECK_CASE(label, net_wire_bytes(&net, wire) <= 350 * count);
    printf("%s: %.1f bytes a bundle\n", label, (double)net_wire_bytes(&net, wire) / (double)count);
    net_clear(&net);
}

/* Six nodes, all linked to all, everyone writing: hardly anything is sent twice. */
static void test_crowd(void)
{
    struct net net;

    net_init(&net, 5);
    for (int i = 0; i < 6; i++)
        net_add(&net, NULL, NULL);
    for (int i = 0; i < 6; i++) {
        for (int k = i + 1; k < 6; k++)
            net_connect(&net, i, k, 5, 1000000, 0);
    }
    net_settle(&net, 10000);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 6; i++)
            net_submit(&net, i, 5, 0, NULL);
        net_run(&net, 700);
    }
    CHECK(net_settle(&net, 30000));
    for (int i = 1; i < 6; i++)
        CHECK(net_is_equal(&net, 0, i));
    CHECK(net_count(&net, 0) == 1200);
    printf("crowd: %llu of %u transfers were duplicates\n", (unsigned long long)duplicates(&net), 1200 * 5);
    CHECK(duplicates(&net) <= 1200 * 5 / 33);   /* a forgotten first hop costs a half percent */
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

/* A newcomer meets five at once that all have the same. */
static void test_newcomer(void)
{
    struct net net;

    net_init(&net, 6);
    for (int i = 0; i < 6; i++)
        net_add(&net, NULL, NULL);
    net_submit(&net, 0, 2000, 0, NULL);
    for (int i = 1; i < 5; i++) {
        int wire = net_connect(&net, 0, i, 5, 0, 0);
        CHECK(net_settle(&net, 20000));
        net_break(&net, wire);
    }
    net_submit(&net, 5, 40, 0, NULL);
    uint64_t before = duplicates(&net);
    for (int i = 0; i < 5; i++)
        net_connect(&net, 5, i, 5, 2000000, 0);
    CHECK(net_settle(&net, 60000));
    CHECK(net_count(&net, 5) == 2040);
    printf("newcomer: %llu of 2000 came twice\n", (unsigned long long)(duplicates(&net) - before));
    CHECK(duplicates(&net) - before <= EAGER_KIB * 4);
    net_clear(&net);
}

/* A large bundle broken off at many points: it resumes, on another link or the same. */
static void test_resume(uint32_t frame_max)
{
    struct net net;
    struct bundle_id id;
    uint64_t total = 0;

    net_init(&net, 7);
    net.is_cut = true;
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, 1, 8, &id);
    for (int i = 0; !net_has(&net, b, &id) && i < 60; i++) {
        int wire = net_connect(&net, i % 2 == 0 ? a : b, i % 2 == 0 ? b : a, 3, 100000, frame_max);
        net.wires[wire].break_after = (frame_max == 0 ? 5000 : 1700) + (uint64_t)i * 97;
        net_run(&net, 4000);
        total += net_wire_bytes(&net, wire);
        if (net.wires[wire].is_up)
            net_break(&net, wire);
    }
    CHECK(net_has(&net, b, &id));
    CHECK(total < 65536 * 3);   /* far less than starting anew each time */
    CHECK(net_faults(&net) == 0);
    net_clear(&net);
}

/* Text does not wait for media. */
static void test_text_first(void)
{
    struct net net;
    struct bundle_id media, text;

    net_init(&net, 8);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_connect(&net, a, b, 20, 20000, 1024);
    net_settle(&net, 5000);
    net_submit(&net, a, 1, 8, &media);
    net_run(&net, 2500);
    net_submit(&net, a, 1, 0, &text);
    net_run(&net, 700);
    CHECK(net_has(&net, b, &text) && !net_has(&net, b, &media));
    net_run(&net, 10000);
    CHECK(net_has(&net, b, &media));
    net_clear(&net);
}

/* ---- Anti-packets, claims, epochs, recognition ---- */

static void test_antipacket(void)
{
    struct net net;
    struct bundle_id id, other;
    uint8_t proof[16] = { 9, 8, 7 }, wrong[16] = { 1 }, tag[TAG_LEN];

    net_init(&net, 19);
    for (int i = 0; i < 4; i++)
        net_add(&net, NULL, NULL);
    tag_of_reveal(proof, tag);
    net_submit_one(&net, 0, &(struct net_bundle){ .bundle_class = CLASS_SEALED, .tag = tag }, &id);
    net_submit(&net, 0, 1, 0, &other);
    for (int i = 0; i < 3; i++)
        net_connect(&net, i, i + 1, 5, 0, 0);
    CHECK(net_settle(&net, 20000));
    CHECK(net_has(&net, 3, &id));
    /* Proves nothing: nothing happens. */
    CHECK(node_release(net.nodes[3].node, &other, wrong, net.now_ms) == ERR_NONE);
    net_run(&net, 3000);
    CHECK(net_has(&net, 2, &other));
    CHECK(node_release(net.nodes[3].node, &id, proof, net.now_ms) == ERR_NONE);
    net_run(&net, 3000);
    for (int i = 0; i < 4; i++) {
        CHECK(!net_has(&net, i, &id));
        CHECK(i == 3 || net_has(&net, i, &other));
    }
    CHECK(net.nodes[0].events[NODE_DROPPED] == 1 && net.nodes[0].last[NODE_DROPPED].why == ERR_NONE);
    CHECK(node_release(net.nodes[3].node, &id, NULL, net.now_ms) == ERR_NOT_FOUND);
    net_clear(&net);
}

/* A copy that was out of reach meets a node that knows better. */
static void test_antipacket_later(void)
{
    struct net net;
    struct bundle_id id;
    uint8_t proof[16] = { 4, 5, 6 }, tag[TAG_LEN];

    net_init(&net, 20);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    tag_of_reveal(proof, tag);
    net_submit_one(&net, a, &(struct net_bundle){ .bundle_class = CLASS_SEALED, .tag = tag }, &id);
    int wire = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    net_break(&net, wire);
    CHECK(node_release(net.nodes[b].node, &id, proof, net.now_ms) == ERR_NONE);
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 5000);
    CHECK(!net_has(&net, a, &id) && !net_has(&net, b, &id));
    net_clear(&net);
}

static void test_claim(void)
{
    struct net net;
    struct bundle_id id, none = { { 0 } };

    net_init(&net, 21);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, 1, 0, &id);
    net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    CHECK(store_find(net.nodes[b].store, &id)->quota_class == QUOTA_STRANGER);
    CHECK(node_claim(net.nodes[b].node, &id) == ERR_NONE);
    CHECK(store_find(net.nodes[b].store, &id)->quota_class == QUOTA_CONTACT);
    CHECK(node_claim(net.nodes[b].node, &none) == ERR_NOT_FOUND);
    net_clear(&net);
}

static void test_beacons(void)
{
    struct net net;
    uint8_t beacon[BEACON_LEN], advert[ADVERT_RANDOM_LEN];
    struct store_config small = { .capacity_bytes = 40 * 256 };

    net_init(&net, 22);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    CHECK(net_judge(&net, a, b) == BEACON_EQUAL);
    CHECK(net_judge(&net, a, a) == BEACON_OURSELVES);
    net_submit(&net, a, 10, 0, NULL);
    enum beacon_verdict x = net_judge(&net, a, b), y = net_judge(&net, b, a);
    CHECK((x == BEACON_CALL && y == BEACON_AWAIT) || (x == BEACON_AWAIT && y == BEACON_CALL));
    int wire = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_judge(&net, a, b) == BEACON_LINKED && net_judge(&net, b, a) == BEACON_LINKED);
    CHECK(net_settle(&net, 5000));
    net_break(&net, wire);
    CHECK(net_judge(&net, a, b) == BEACON_EQUAL && net_judge(&net, b, a) == BEACON_EQUAL);

    /* A neighbour that cannot take all: settled, and not called again until something changes. */
    int c = net_add(&net, NULL, &small);
    net_submit(&net, a, 90, 0, NULL);
    wire = net_connect(&net, a, c, 5, 0, 0);
    net_run(&net, 30000);
    struct node_link_info info;
    CHECK(node_link_info(net.nodes[a].node, net.wires[wire].link[0], &info) && info.is_ready && info.is_settled);
    net_break(&net, wire);
    CHECK(!net_is_equal(&net, a, c));
    CHECK(net_judge(&net, a, c) == BEACON_SETTLED && net_judge(&net, c, a) == BEACON_SETTLED);
    net_submit(&net, a, 1, 0, NULL);
    CHECK(net_judge(&net, c, a) != BEACON_SETTLED && net_judge(&net, a, c) != BEACON_SETTLED);

    node_beacon(net.nodes[a].node, beacon);
    CHECK(node_beacon_judge(net.nodes[b].node, bytes_of(beacon, 16), advert) == BEACON_FOREIGN);
    beacon[0] = 2;
    CHECK(node_beacon_judge(net.nodes[b].node, bytes_of(beacon, 17), advert) == BEACON_FOREIGN);
    CHECK(node_beacon_judge(net.nodes[b].node, bytes_of(NULL, 0), advert) == BEACON_FOREIGN);
    net_clear(&net);
}

static void test_epoch(void)
{
    struct net net;
    uint8_t before[BEACON_LEN], after[BEACON_LEN];

    net_init(&net, 23);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    int wire = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    node_beacon(net.nodes[a].node, before);
    uint64_t changed = net.nodes[a].events[NODE_BEACON_CHANGED];
    node_new_epoch(net.nodes[a].node, net.now_ms);
    node_beacon(net.nodes[a].node, after);
    CHECK(memcmp(before + 2, after + 2, 8) != 0);
    net_run(&net, 1000);
    CHECK(!net.wires[wire].is_up);
    CHECK(net.nodes[b].events[NODE_LINK_CLOSED] == 1 && net.nodes[a].events[NODE_LINK_CLOSED] == 1);
    CHECK(net.nodes[a].events[NODE_BEACON_CHANGED] == changed + 1);
    CHECK(net_faults(&net) == 0);
    net_submit(&net, a, 5, 0, NULL);
    net_connect(&net, b, a, 5, 0, 0);
    CHECK(net_settle(&net, 5000) && net_is_equal(&net, a, b));
    net_clear(&net);
}

static void test_recognition(void)
{
    struct net net;
    uint8_t tags[RECOGNITION_COUNT][RECOGNITION_LEN];

    net_init(&net, 24);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    int wire = net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 100);
    CHECK(memcmp(net.nodes[a].last[NODE_LINK_READY].link_hash, net.nodes[b].last[NODE_LINK_READY].link_hash, 64) == 0);
    CHECK(net.nodes[a].last[NODE_LINK_READY].is_initiator && !net.nodes[b].last[NODE_LINK_READY].is_initiator);
    for (size_t i = 0; i < sizeof tags; i++)
        ((uint8_t *)tags)[i] = (uint8_t)i;
    node_link_recognise(net.nodes[a].node, net.wires[wire].link[0], (const uint8_t (*)[RECOGNITION_LEN])tags);
    net_run(&net, 100);
    CHECK(net.nodes[b].events[NODE_RECOGNITION] == 1);
    CHECK(memcmp(net.nodes[b].last[NODE_RECOGNITION].tags, tags, sizeof tags) == 0);
    net_clear(&net);
}

/* A wire that says nothing, and one that stops saying anything. */
static void test_silence(void)
{
    struct net net;
    struct link_open how = { .kind = LINK_SIM, .is_initiator = true };
    uint32_t link;
    struct bytes out;

    net_init(&net, 25);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    REQUIRE(node_link_open(net.nodes[a].node, &how, &link, net.now_ms) == ERR_NONE);
    CHECK(node_next_frame(net.nodes[a].node, link, &out, net.now_ms) && out.len == 34);
    CHECK(!node_next_frame(net.nodes[a].node, link, &out, net.now_ms));
    net_run(&net, LINK_HANDSHAKE_MS - 100);
    CHECK(!node_link_is_finished(net.nodes[a].node, link));
    net_run(&net, 200);
    CHECK(node_link_is_finished(net.nodes[a].node, link));
    CHECK(net.nodes[a].last[NODE_LINK_CLOSED].why == ERR_EXPIRED);
    node_link_close(net.nodes[a].node, link, net.now_ms);
    node_link_close(net.nodes[a].node, link, net.now_ms);

    int wire = net_connect(&net, a, b, 5, 0, 0);
    CHECK(net_settle(&net, 5000));
    net_run(&net, 3 * LINK_SILENCE_MS);
    CHECK(net.wires[wire].is_up);
    net.wires[wire].latency_ms = 100000000;   /* it stops */
    net_run(&net, LINK_SILENCE_MS + LINK_PING_MS);
    CHECK(!net.wires[wire].is_up);
    CHECK(net_faults(&net) == 0);

    /* Every place taken. */
    uint32_t many[LINKS_MAX];
    for (int i = 0; i < LINKS_MAX; i++)
        REQUIRE(node_link_open(net.nodes[a].node, &how, &many[i], net.now_ms) == ERR_NONE);
    CHECK(node_link_open(net.nodes[a].node, &how, &link, net.now_ms) == ERR_FULL);
    net_clear(&net);
}

static void test_submit(void)
{
    struct net net;
    static uint8_t bundle[BUNDLE_LEN_MAX];
    struct bundle_id id;

    net_init(&net, 26);
    int a = net_add(&net, NULL, NULL);
    struct net_bundle how = { .bundle_class = CLASS_SEALED, .expiry_h = NET_HOUR + 24 };
    size_t len = net_make_bundle(&net.random, &how, bundle);
    struct node *n = net.nodes[a].node;
    CHECK(node_submit(n, bytes_of(bundle, len - 1), NET_HOUR, &id, net.now_ms) == ERR_MALFORMED);
    CHECK(node_submit(n, bytes_of(bundle, 0), NET_HOUR, &id, net.now_ms) == ERR_MALFORMED);
    CHECK(node_submit(n, bytes_of(bundle, len), NET_HOUR + 24, &id, net.now_ms) == ERR_MALFORMED);
    CHECK(node_submit(n, bytes_of(bundle, len), NET_HOUR - 400, &id, net.now_ms) == ERR_MALFORMED);
    CHECK(node_submit(n, bytes_of(bundle, len), NET_HOUR, &id, net.now_ms) == ERR_NONE);
    CHECK(node_submit(n, bytes_of(bundle, len), NET_HOUR, &id, net.now_ms) == ERR_EXISTS);
    const struct store_entry *e = store_find(net.nodes[a].store, &id);
    CHECK(e != NULL && e->quota_class == QUOTA_OWN && e->hops < 4 && e->deadline_s == store_clock_s(net.nodes[a].store) + 24 * 3600);
    net_turn(&net, a);
    CHECK(net.nodes[a].events[NODE_STORED] == 0);
    net_clear(&net);
}

int main(void)
{
    test_courier();
    test_live();
    test_first_bytes(5, 5, 0, false);
    test_first_bytes(5, 5, 100, false);
    test_first_bytes(40, 40, 100, false);
    test_first_bytes(400, 400, 0, false);
    test_first_bytes(200, 10, 0, true);
    test_meeting(1000);
    test_meeting(10000);
    test_crowd();
    test_newcomer();
    test_resume(0);
    test_resume(1024);
    test_text_first();
    test_antipacket();
    test_antipacket_later();
    test_claim();
    test_beacons();
    test_epoch();
    test_recognition();
    test_silence();
    test_submit();
    return check_report("node");
}
