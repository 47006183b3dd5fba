/* tests/mesh/test_admission.c - which bundle a link may bring, as a table; token buckets; copies. */
#include "mesh/admission.h"

#include "mesh/base/limits.h"
#include "mesh/route.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { NOW_MIN = 690 * 24 * 60, NONE = -1 };

static const struct {
    const char *name;
    int64_t ours_min, theirs_min;
    bool is_ours_trusted, is_theirs_trusted, is_friend;
    uint8_t fill, demanded, stamp, bundle_class, hops, life;
    int32_t expiry_h;    /* from NOW_MIN */
    uint64_t contributed;
    enum refusal want;
    uint32_t life_s;
} cases[] = {
    { "no clocks", NONE, NONE, 0, 0, 0, 0, 0, 0, 1, 1, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "no clocks, long past", NONE, NONE, 0, 0, 0, 0, 0, 0, 1, 1, 4, -4800, 0, REFUSAL_NONE, 86400 },
    { "trusted, sooner of both", NOW_MIN, NONE, 1, 0, 0, 0, 0, 0, 1, 1, 62, 48, 0, REFUSAL_NONE, 2 * 86400 },
    { "trusted, past", NOW_MIN, NONE, 1, 0, 0, 0, 0, 0, 1, 1, 62, 0, 0, REFUSAL_EXPIRED, 0 },
    { "trusted, too far ahead", NOW_MIN, NONE, 1, 0, 0, 0, 0, 0, 1, 1, 62, 378, 0, REFUSAL_EXPIRED, 0 },
    { "trusted, as far as may be", NOW_MIN, NONE, 1, 0, 0, 0, 0, 0, 1, 1, 62, 372, 0, REFUSAL_NONE, 372 * 3600 },
    { "theirs trusted, agrees", NOW_MIN + 2000, NOW_MIN, 0, 1, 0, 0, 0, 0, 1, 1, 62, 0, 0, REFUSAL_EXPIRED, 0 },
    { "theirs trusted, years away", NOW_MIN - 1000000, NOW_MIN, 0, 1, 0, 0, 0, 0, 1, 1, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "both wrong alike", 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "no life", NONE, NONE, 0, 0, 0, 0, 0, 0, 1, 1, 0, 48, 0, REFUSAL_EXPIRED, 0 },
    { "life beyond all", NONE, NONE, 0, 0, 0, 0, 0, 0, 1, 1, 63, 48, 0, REFUSAL_EXPIRED, 0 },
    { "last hop", NONE, NONE, 0, 0, 0, 0, 0, 0, 1, 12, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "a hop too far", NONE, NONE, 0, 0, 0, 0, 0, 0, 1, 13, 4, 48, 0, REFUSAL_HOPS, 0 },
    { "stamp demanded", NONE, NONE, 0, 0, 0, 75, 16, 15, 1, 1, 4, 48, 0, REFUSAL_STAMP, 0 },
    { "stamp enough", NONE, NONE, 0, 0, 0, 75, 16, 16, 1, 1, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "stamp of a friend", NONE, NONE, 0, 0, 1, 75, 16, 0, 1, 1, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "stamp of an SOS", NONE, NONE, 0, 0, 0, 75, 16, 0, 0, 1, 4, 48, 0, REFUSAL_NONE, 86400 },
    { "stamp of a public one", NONE, NONE, 0, 0, 1, 75, 16, 0, 2, 1, 4, 48, 0, REFUSAL_STAMP, 0 },
    { "share used up", NONE, NONE, 0, 0, 0, 50, 0, 0, 1, 1, 4, 48, 40000, REFUSAL_QUOTA, 0 },
    { "share, last place", NONE, NONE, 0, 0, 0, 50, 0, 0, 1, 1, 4, 48, 40000 - 256, REFUSAL_NONE, 86400 },
    { "share while half empty", NONE, NONE, 0, 0, 0, 49, 0, 0, 1, 1, 4, 48, 400000, REFUSAL_NONE, 86400 },
    { "share of a friend", NONE, NONE, 0, 0, 1, 50, 0, 0, 1, 1, 4, 48, 400000, REFUSAL_NONE, 86400 },
};

static void test_judge(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct admission a = { .usage = { .capacity_bytes = 1000000, .fill_percent = cases[i].fill },
                               .contributed = cases[i].contributed, .residence_s = 5000,
                               .ours_min = cases[i].ours_min == NONE ? CLOCK_UNKNOWN_MIN : (uint32_t)cases[i].ours_min,
                               .theirs_min = cases[i].theirs_min == NONE ? CLOCK_UNKNOWN_MIN : (uint32_t)cases[i].theirs_min,
                               .is_ours_trusted = cases[i].is_ours_trusted, .is_theirs_trusted = cases[i].is_theirs_trusted,
                               .is_friend = cases[i].is_friend, .hops_max = HOPS_MAX, .stamp_bits = cases[i].demanded };
        struct header h = { .bundle_class = cases[i].bundle_class, .expiry_h = (uint32_t)(690 * 24 + cases[i].expiry_h) };
        struct carry carry = { cases[i].hops, 255, cases[i].life };
        uint32_t deadline_s = 0;

        CHECK_CASE(cases[i].name, admission_judge(&a, &h, &carry, cases[i].stamp, &deadline_s) == cases[i].want);
        if (cases[i].want == REFUSAL_NONE)
            CHECK_CASE(cases[i].name, deadline_s == 5000 + cases[i].life_s);
    }
}

static void test_rate(void)
{
    struct rate r = { 0 };

    rate_tick(&r, 1000, 50);
    CHECK(r.tokens == 4000 && rate_has(&r, 1000));
    rate_pay(&r, 1000, 5000);
    CHECK(!rate_has(&r, 1000) && rate_has(&r, 0));
    rate_tick(&r, 1000, 1050);
    CHECK(r.tokens == 0);
    for (uint64_t ms = 1051; ms <= 2050; ms++)
        rate_tick(&r, 1000, ms);
    CHECK(r.tokens == 1000);
    rate_tick(&r, 1000, 1000000000);
    CHECK(r.tokens == 4000);
    /* A slow rate asked often loses nothing. */
    struct rate slow = { .is_started = true };
    for (uint64_t ms = 1; ms <= 100000; ms++)
        rate_tick(&slow, 7, ms);
    CHECK(slow.tokens > 0);
}

static void test_copies(void)
{
    struct store_usage usage = { .fill_percent = 69 };
    usage.class_share[QUOTA_OWN] = 70000;
    CHECK(route_first_budget(&usage, QUOTA_OWN, 256) == BUDGET_EPIDEMIC && route_first_budget(&usage, QUOTA_OWN, 65536) == BUDGET_EPIDEMIC);
    usage.class_bytes[QUOTA_OWN] = 5000;
    CHECK(route_first_budget(&usage, QUOTA_OWN, 4096) == BUDGET_EPIDEMIC && route_first_budget(&usage, QUOTA_OWN, 65536) == BUDGET_SPRAY);
    usage.fill_percent = 70;
    CHECK(route_first_budget(&usage, QUOTA_OWN, 256) == BUDGET_SPRAY);
    for (unsigned b = 2; b < 255; b++)
        CHECK(route_budget_given((uint8_t)b) + route_budget_kept((uint8_t)b) == b);
    CHECK(route_budget_given(255) == 255 && route_budget_kept(255) == 255);
    struct store_entry e = { .deadline_s = 1000, .hops = 3, .budget = 8, .bundle_class = CLASS_SEALED };
    CHECK(route_carry(&e, 1000).life == 0 && route_carry(&e, 999).life == 1 && route_carry(&e, 0).hops == 4);
    e.deadline_s = UINT32_MAX;
    CHECK(route_carry(&e, 0).life == LIFE_UNITS_MAX);
    struct route_peer peer = { .contributor = 9, .hops_max = 12 };
    CHECK(route_is_givable(&e, &peer));
    e.budget = 1;
    CHECK(!route_is_givable(&e, &peer));
    peer.is_friend = true;
    CHECK(route_is_givable(&e, &peer));
    e.contributor = 9;
    CHECK(!route_is_givable(&e, &peer));
}

/* Who gives away all copies but half need not be the author. */
static void test_copies_hidden(void)
{
    struct seeded seed;
    unsigned whole = 0;

    seeded_init(&seed, 5);
    struct rng g = seeded_rng(&seed);
    for (int i = 0; i < 1000; i++)
        whole += route_budget_taken(BUDGET_SPRAY / 2, &g) == BUDGET_SPRAY;
    CHECK(whole > 400 && whole < 600);
    for (unsigned b = 1; b <= 255; b++)
        CHECK(b == BUDGET_SPRAY / 2 || route_budget_taken((uint8_t)b, &g) == b);
    CHECK(route_budget_taken(0, &g) == 1);
}

int main(void)
{
    test_copies_hidden();
    test_judge();
    test_rate();
    test_copies();
    return check_report("admission");
}
