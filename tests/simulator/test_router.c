/* tests/simulator/test_router.c - what a router learns, and what it makes of it. */
#include "mesh/router.h"

#include "apps/simulator/dice.h"
#include "tests/support/check.h"

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

static void test_population(void)
{
    static struct router nodes[1000];
    struct dice d;

    dice_init(&d, 3);
    for (uint32_t n = 1; n <= 1000; n = n < 10 ? n + 3 : n * 3) {
        for (uint32_t i = 0; i < n; i++)
            router_init(&nodes[i], (uint32_t)(dice_u64(&d) >> 32), 0);
        /* One hears of all; hearing again, and the other way round, changes nothing. */
        for (uint32_t i = 1; i < n; i++)
            router_meet(&nodes[0], &nodes[i].view, true, 0);

        uint32_t count = router_population(&nodes[0]);

        if (n < ROUTER_SKETCH)
            CHECK(count == (n > 2 ? n : 2));
        else
            CHECK(count > n / 2 && count < n * 2);
        for (uint32_t i = n; i-- > 0;)
            router_meet(&nodes[0], &nodes[i].view, true, 0);
        CHECK(router_population(&nodes[0]) == count);
        /* Yesterday's count stands until today's has grown. */
        router_new_day(&nodes[0], 1, 77);
        CHECK(router_population(&nodes[0]) == count);
        if (n > 1) {
            router_meet(&nodes[0], &nodes[1].view, true, 0);
            CHECK(nodes[0].view.smallest[1] == UINT32_MAX);
        }
    }
}

static void test_rate(void)
{
    struct router r, peer;

    router_init(&r, 1, 0);
    router_init(&peer, 2, 0);
    for (uint64_t t = 0; t < 10 * HOUR; t += 2 * MINUTE)
        router_meet(&r, &peer.view, true, t);
    CHECK(r.view.rate >= 28 * ROUTER_RATE_UNIT && r.view.rate <= 31 * ROUTER_RATE_UNIT);
    /* Those that come back at once do not count, and an hour alone forgets. */
    for (uint64_t t = 0; t < HOUR; t += MINUTE)
        router_meet(&r, &peer.view, false, 10 * HOUR + t);
    router_advance(&r, 11 * HOUR + MINUTE);
    CHECK(r.view.rate == 0);
    router_advance(&r, 5000ull * HOUR);
    CHECK(r.view.rate == 0);
}

static void test_reach(void)
{
    struct router r;

    router_init(&r, 1, 0);
    CHECK(router_reach(&r, 1000000) == 256);
    for (int i = 0; i < 3000; i++)
        router_part(&r, i % 2 == 0 ? 100000 : 10000000);
    CHECK(router_reach(&r, 1000) == 256);
    CHECK(router_reach(&r, 1000000) > 120 && router_reach(&r, 1000000) < 136);
    CHECK(router_reach(&r, 100000000) == 1);
    router_part(&r, UINT64_MAX);
    router_part(&r, 0);
    CHECK(router_reach(&r, UINT32_MAX) >= 1);
    for (uint32_t len = 1; len < UINT32_MAX / 2; len *= 2)
        CHECK(router_reach(&r, len) >= router_reach(&r, 2 * len));
}

static void test_budgets(void)
{
    struct router r, crowd[200];
    struct router_view busy;

    router_init(&r, 0x80000000, 0);
    CHECK(router_first_budget(&r, 256) == ROUTER_BUDGET_MAX);
    for (uint32_t i = 0; i < 200; i++)
        router_init(&crowd[i], (i + 1) * 21474836u, 0);
    /* Two hundred nodes that meet thirty an hour need 200 h / 30 / 12.5 min, which is 32: more than there may be. */
    for (uint32_t i = 0; i < 200; i++) {
        busy = crowd[i].view;
        busy.rate = 30 * ROUTER_RATE_UNIT;
        router_meet(&r, &busy, true, 0);
    }
    CHECK(router_first_budget(&r, 256) >= 28);
    /* Where they meet three hundred, a tenth of that, and so the least. */
    for (uint32_t i = 0; i < 200; i++) {
        busy.rate = 300 * ROUTER_RATE_UNIT;
        router_meet(&r, &busy, true, 0);
    }
    CHECK(router_first_budget(&r, 256) == ROUTER_BUDGET_MIN);
    /* A liar's rate or draws move the budget within its bounds and no further. */
    busy.rate = UINT32_MAX;
    for (int i = 0; i < ROUTER_SKETCH; i++)
        busy.smallest[i] = (uint32_t)i;
    router_meet(&r, &busy, true, 0);
    CHECK(router_first_budget(&r, 256) >= ROUTER_BUDGET_MIN && router_first_budget(&r, 256) <= ROUTER_BUDGET_MAX);

    struct router_copy c = { .budget = 1, .met_before = r.met };

    CHECK(router_budget(&r, &c) == 1 && router_split(1) == 0);
    for (int i = 0; i < ROUTER_PATIENCE; i++)
        router_meet(&r, &crowd[0].view, true, 0);
    CHECK(router_budget(&r, &c) == 2 && router_split(2) == 1);
    c.budget = 255;
    CHECK(router_budget(&r, &c) == 255);
    /* Halving keeps the sum. */
    for (uint8_t b = 1; b < 255; b++)
        CHECK(router_split(b) < b && b - router_split(b) >= router_split(b));
}

static void test_worth(void)
{
    struct router_copy few = { .budget = 8 }, many = { .budget = 1 }, own = { .budget = 1, .is_own = true };

    CHECK(router_worth(&few, 1000) > router_worth(&many, 1000));
    CHECK(router_worth(&few, 1000) > router_worth(&few, 10));
    CHECK(router_worth(&own, 1000) > router_worth(&few, 1000));
    CHECK(!router_is_worth_room(router_worth(&few, 1000), router_worth(&many, 1000)));
    CHECK(router_is_worth_room(router_worth(&few, 80000), router_worth(&many, 600)));
    CHECK(!router_is_worth_room(UINT64_MAX, UINT64_MAX));
    CHECK(router_worth(&own, UINT32_MAX) > 0 && router_worth(&many, 0) == 0);
}

int main(void)
{
    test_population();
    test_rate();
    test_reach();
    test_budgets();
    test_worth();
    return check_report("router");
}
