/* tests/mesh/test_link_budget.c - a metered link: large bundles end before small ones do, in either direction, octet by octet. */
#include "tests/mesh/net.h"
#include "tests/support/check.h"

enum {
    MIN_MS     = 60000,
    FRAME      = 64 * 1024,   /* one may be under way when the bound is passed */
    LARGE_CODE = 7,           /* 32 KiB */
    LARGE      = 256 << LARGE_CODE,
    SMALL_LEN  = 4096,
};

static uint64_t carried(const struct net *net, int wire)
{
    return net_wire_bytes(net, wire);
}

static void limit(struct net *net, int wire, uint64_t large_until, uint64_t all_until)
{
    const struct node_link_budget budget = { SMALL_LEN, large_until, all_until };
    struct net_wire *w = &net->wires[wire];

    node_link_limit(net->nodes[w->node[0]].node, w->link[0], &budget);
}

/* Node 0 is metered; `giver` has 40 large bundles, then 20 small ones come up at each side. */
static void check_direction(const char *name, int giver)
{
    static struct net net;
    struct bundle_id late;

    net_init(&net, 77 + (uint64_t)giver);
    int a = net_add(&net, &(struct node_config){ .spread_delay_ms = 1 }, NULL);
    int b = net_add(&net, &(struct node_config){ .spread_delay_ms = 1 }, NULL);
    int wire = net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, MIN_MS);
    uint64_t before = carried(&net, wire);
    limit(&net, wire, before + 10 * LARGE, before + 20 * LARGE);
    net_submit(&net, giver, 40, LARGE_CODE, NULL);
    net_run(&net, 5 * MIN_MS);
    uint64_t large = carried(&net, wire) - before;
    CHECK_CASE(name, large > 8 * LARGE && large <= 10 * LARGE + LARGE + FRAME);
    size_t have = net_count(&net, 1 - giver);
    CHECK_CASE(name, have >= 8 && have <= 12);

    net_submit(&net, a, 20, 0, NULL);
    net_submit(&net, b, 20, 0, NULL);
    net_run(&net, 5 * MIN_MS);
    CHECK_CASE(name, net_count(&net, 1 - giver) == have + 40 && net_count(&net, giver) == 80);

    /* All is used: what comes up at the metered end stays there. */
    limit(&net, wire, 0, 1);
    net_submit(&net, a, 1, 0, &late);
    net_run(&net, 5 * MIN_MS);
    CHECK_CASE(name, !net_has(&net, b, &late));

    /* A new link knows nothing of it. */
    net_break(&net, wire);
    net_run(&net, MIN_MS);
    net_connect(&net, a, b, 5, 0, 0);
    CHECK_CASE(name, net_settle(&net, 60 * MIN_MS) && net_is_equal(&net, a, b) && net_faults(&net) == 0);
    net_clear(&net);
}

int main(void)
{
    check_direction("given", 0);
    check_direction("asked for", 1);
    return check_report("link budget");
}
