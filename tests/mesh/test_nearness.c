/* tests/mesh/test_nearness.c - how far the internet is: told from neighbour to neighbour, older by itself, and where last copies go. */
#include "mesh/nearness.h"

#include <string.h>

#include "crypto/noise.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

enum { MIN_MS = 60000 };

static void check_arithmetic(void)
{
    static const struct { uint16_t told; uint64_t later_min; uint16_t want, want_told; } heard[] = {
        { 0, 0, 15, 15 }, { 0, 1, 16, 30 }, { 15, 0, 30, 30 }, { 30, 100, 145, 150 },
        { NEARNESS_MAX_MIN - 15, 0, NEARNESS_MAX_MIN, NEARNESS_MAX_MIN }, { NEARNESS_MAX_MIN - 15, 1, NEARNESS_UNKNOWN, NEARNESS_UNKNOWN },
        { NEARNESS_MAX_MIN + 1, 0, NEARNESS_UNKNOWN, NEARNESS_UNKNOWN }, { NEARNESS_UNKNOWN, 0, NEARNESS_UNKNOWN, NEARNESS_UNKNOWN },
    };
    static const struct { uint16_t theirs, ours; bool want; } pairs[] = {
        { 0, NEARNESS_UNKNOWN, true }, { NEARNESS_UNKNOWN, NEARNESS_UNKNOWN, false }, { NEARNESS_UNKNOWN, 0, false }, { 0, 15, false },
        { 0, 16, true }, { 15, 0, false }, { 15, 15, false }, { NEARNESS_MAX_MIN, NEARNESS_UNKNOWN, true },
    };

    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++) {
        /* A start in the first minute after boot: the zero lies before the clock's beginning. */
        struct nearness n = { 0 };

        nearness_hear(&n, heard[i].told, 1000);
        CHECK(nearness_min(&n, 1000 + heard[i].later_min * MIN_MS) == heard[i].want);
        CHECK(nearness_told(&n, 1000 + heard[i].later_min * MIN_MS) == heard[i].want_told);
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        CHECK(nearness_is_nearer(pairs[i].theirs, pairs[i].ours) == pairs[i].want);
    struct nearness n = { 0 };
    nearness_arrived(&n, 5 * MIN_MS);
    nearness_hear(&n, 0, 6 * MIN_MS);       /* worse than what is known */
    CHECK(nearness_min(&n, 6 * MIN_MS) == 1);
}

/* a - b - c, and c has a link to gateway g. */
struct line { struct net net; int a, b, c, g; };

static void open_line(struct line *l, bool has_gateway)
{
    struct node_config user = { .spread_delay_ms = 1 }, gateway = { .mailbox_epoch = 7 };
    uint8_t secret[32], key[32];

    net_init(&l->net, 41);
    struct rng rng = seeded_rng(&l->net.random);
    noise_keypair(secret, key, &rng);
    gateway.gateway_secret = secret;
    l->a = net_add(&l->net, &user, NULL);
    l->b = net_add(&l->net, &user, NULL);
    l->c = net_add(&l->net, &user, NULL);
    l->g = net_add(&l->net, &gateway, NULL);
    if (has_gateway) {
        struct link_open up = { .kind = LINK_UPLINK, .is_initiator = true }, client = { .kind = LINK_CLIENT, .contributor = 5, .allowance = UINT64_MAX };

        memcpy(up.gateway_key, key, sizeof key);
        net_connect_as(&l->net, l->c, l->g, (const struct link_open *[]){ &up, &client });
    }
}

static uint16_t nearness_of(const struct line *l, int node)
{
    return node_nearness(l->net.nodes[node].node, l->net.now_ms);
}

static void check_gradient(void)
{
    static struct line l;

    open_line(&l, true);
    net_connect(&l.net, l.a, l.b, 10, 0, 0);
    int bc = net_connect(&l.net, l.b, l.c, 10, 0, 0);
    net_run(&l.net, 2 * MIN_MS);
    CHECK(nearness_of(&l, l.c) == 0 && nearness_of(&l, l.b) <= 16 && nearness_of(&l, l.b) >= 15);
    CHECK(nearness_of(&l, l.a) <= 32 && nearness_of(&l, l.a) >= 30);
    /* The gateway itself is told nothing, and nothing of it. */
    CHECK(nearness_of(&l, l.g) == NEARNESS_UNKNOWN);
    struct node_link_info info;
    REQUIRE(node_link_info(l.net.nodes[l.b].node, l.net.wires[bc].link[0], &info));
    CHECK(info.nearness_min <= 1);
    /* Whoever is cut off grows older, and two that tell each other do not keep each other young. */
    net_break(&l.net, bc);
    net_run(&l.net, 60 * MIN_MS);
    CHECK(nearness_of(&l, l.c) == 0 && nearness_of(&l, l.b) >= 75 && nearness_of(&l, l.b) <= 77 && nearness_of(&l, l.a) >= 90);
    net_run(&l.net, (uint64_t)NEARNESS_MAX_MIN * MIN_MS);
    CHECK(nearness_of(&l, l.a) == NEARNESS_UNKNOWN && nearness_of(&l, l.b) == NEARNESS_UNKNOWN);
    net_clear(&l.net);
}

/* The last of the copies is kept from a stranger, but not from one with a way out, be it found long after they met. */
static void check_last_copy(bool has_gateway)
{
    static struct line l;
    struct bundle_id id;

    open_line(&l, has_gateway);
    net_submit(&l.net, l.b, 1, 0, &id);
    net_turn(&l.net, l.b);
    struct store_entry e = *store_find(l.net.nodes[l.b].store, &id);
    e.budget = 1;
    REQUIRE(store_update(l.net.nodes[l.b].store, &e) == ERR_NONE);
    net_connect(&l.net, l.b, l.c, 10, 0, 0);
    net_run(&l.net, MIN_MS);
    CHECK(net_has(&l.net, l.c, &id) == has_gateway);
    CHECK(net_has(&l.net, l.b, &id));        /* a copy was given, not the last one away */
    net_clear(&l.net);
}

int main(void)
{
    check_arithmetic();
    check_gradient();
    check_last_copy(false);
    check_last_copy(true);
    return check_report("nearness");
}
