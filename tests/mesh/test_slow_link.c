/* tests/mesh/test_slow_link.c - over a slow link large bundles wait for a better one where one is likely, and not for ever.
 */
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <string.h>

enum { RADIO_BYTES_PER_S = 20000, LARGE = 7 /* 32 KiB */, SMALL = 0 };

struct meeting {
    struct net net;
    int a, b, radio;
    struct bundle_id small, large;
};

/* B has a text and a photo; A meets it by radio. `has_lan`: A has a neighbour on a fast link. */
static void meet(struct meeting *m, bool has_lan)
{
    memset(m, 0, sizeof *m);
    net_init(&m->net, 11);
    m->a = net_add(&m->net, NULL, NULL);
    m->b = net_add(&m->net, NULL, NULL);
    if (has_lan) {
        int c = net_add(&m->net, NULL, NULL);

        net_connect(&m->net, m->a, c, 2, 0, 0);
        net_run(&m->net, 1000);
    }
    net_submit(&m->net, m->b, 1, SMALL, &m->small);
    net_submit(&m->net, m->b, 1, LARGE, &m->large);
    m->net.is_slow = true;
    m->radio = net_connect(&m->net, m->a, m->b, 20, RADIO_BYTES_PER_S, 1024);
    m->net.is_slow = false;
}

static bool has(const struct meeting *m, const struct bundle_id *id) { return net_has(&m->net, m->a, id); }

static void test_alone(void)
{
    static struct meeting m;

    meet(&m, false);
    net_run(&m.net, 15000);
    CHECK(has(&m, &m.small) && has(&m, &m.large));
    net_clear(&m.net);
}

static void test_waits_and_gives_up(void)
{
    static struct meeting m;

    meet(&m, true);
    net_run(&m.net, 100000);
    CHECK(has(&m, &m.small) && !has(&m, &m.large));
    CHECK(net_wire_bytes(&m.net, m.radio) < 8192);
    net_run(&m.net, 80000);
    CHECK(has(&m, &m.large));
    net_clear(&m.net);
}

static void test_better_link_comes(void)
{
    static struct meeting m;

    meet(&m, true);
    net_run(&m.net, 30000);
    CHECK(!has(&m, &m.large));
    net_connect(&m.net, m.a, m.b, 2, 0, 0);
    net_run(&m.net, 5000);
    CHECK(has(&m, &m.large));
    CHECK(net_wire_bytes(&m.net, m.radio) < 8192);
    CHECK(net_duplicates(&m.net, m.a) == 0);
    net_clear(&m.net);
}

/* Wi-Fi that went away a quarter of an hour ago promises nothing. */
static void test_long_gone(void)
{
    static struct meeting m;

    memset(&m, 0, sizeof m);
    net_init(&m.net, 12);
    m.a = net_add(&m.net, NULL, NULL);
    m.b = net_add(&m.net, NULL, NULL);
    int c = net_add(&m.net, NULL, NULL), lan = net_connect(&m.net, m.a, c, 2, 0, 0);
    net_run(&m.net, 1000);
    net_break(&m.net, lan);
    net_run(&m.net, 900000);
    net_submit(&m.net, m.b, 1, LARGE, &m.large);
    m.net.is_slow = true;
    net_connect(&m.net, m.a, m.b, 20, RADIO_BYTES_PER_S, 1024);
    net_run(&m.net, 15000);
    CHECK(has(&m, &m.large));
    net_clear(&m.net);
}

int main(void)
{
    test_alone();
    test_waits_and_gives_up();
    test_better_link_comes();
    test_long_gone();
    return check_report("slow_link");
}
