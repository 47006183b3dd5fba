/* tests/simulator/test_stack.c - whole nodes in the simulator: they deliver, they repeat, and what is counted adds up. */
#include "apps/simulator/stack.h"

#include <string.h>

#include "apps/simulator/movement.h"
#include "tests/support/check.h"

static struct world_config config_of(const struct trace *t)
{
    return (struct world_config){ .trace = t, .policy = policy_find("staffetta"), .seed = 3, .ttl_ticks = 864000, .end_ticks = 12000,
                                  .rate_bytes_per_s = 50000, .buffer_bytes = 10000000 };
}

/* Two that meet for a minute, and a third whom the second meets later. */
static void test_line(void)
{
    static const char text[] = "0 MSG a 0 1 100\n1 MSG b 0 2 100\n2 MSG big 0 1 100000\n10 CONN 0 1 up\n70 CONN 0 1 down\n"
                               "100 CONN 1 2 up\n160 CONN 1 2 down\n";
    struct trace t;
    struct trace_fault f;
    struct stack_figures g;

    REQUIRE(trace_parse(&t, bytes_of_text(text), 0, &f) == ERR_NONE);

    struct world_config c = config_of(&t);

    REQUIRE(stack_run(&g, &c) == ERR_NONE);
    CHECK(g.created == 3 && g.delivered == 2 && g.refused == 1);
    CHECK(g.contacts == 2 && g.handshakes == 4 && g.faults == 0);
    CHECK(g.transfers >= 3 && g.useful_bytes == g.transfers * 256);
    CHECK(g.link_bytes > g.useful_bytes);
    trace_clear(&t);
}

static void test_square(void)
{
    struct movement m = { .kind = MOVEMENT_WAYPOINT, .nodes = 20, .duration_s = 1200, .width_m = 100, .height_m = 100, .speed_min = 0.5,
                          .speed_max = 2, .pause_s = 10, .range_m = 15, .message_interval_s = 10, .messages_until_s = 600, .size_min = 50,
                          .size_max = 900 };
    struct trace t;
    struct stack_figures a, b;

    movement_trace(&t, &m, 3);

    struct world_config c = config_of(&t);

    REQUIRE(stack_run(&a, &c) == ERR_NONE && stack_run(&b, &c) == ERR_NONE);
    a.cpu_s = b.cpu_s = 0;
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK(a.faults == 0 && a.refused == 0);
    CHECK(a.delivered * 10 >= a.created * 9);
    trace_clear(&t);
}

/* Stores that hold a part of what there is: what goes over the links is for the most part new to who gets it, and kept. */
static void test_full(void)
{
    struct movement m = { .kind = MOVEMENT_WAYPOINT, .nodes = 40, .duration_s = 1800, .width_m = 150, .height_m = 150, .speed_min = 0.5,
                          .speed_max = 2, .pause_s = 10, .range_m = 10, .message_interval_s = 4, .messages_until_s = 1600, .size_min = 50,
                          .size_max = 900 };
    struct trace t;
    struct stack_figures g;

    movement_trace(&t, &m, 5);

    struct world_config c = config_of(&t);

    c.buffer_bytes = 50000;
    c.end_ticks = 18000;
    REQUIRE(stack_run(&g, &c) == ERR_NONE);
    CHECK(g.faults == 0 && g.evicted > 0);
    CHECK(g.turned_away * 5 <= g.transfers);
    CHECK(g.useful_bytes * 5 >= g.link_bytes * 2);
    CHECK(g.delivered * 4 >= g.created);
    trace_clear(&t);
}

/* One of twenty floods. What honest nodes write to each other still comes, if less of it; no link is at fault; and it repeats. */
static void test_flooder(void)
{
    struct movement m = { .kind = MOVEMENT_WAYPOINT, .nodes = 20, .duration_s = 600, .width_m = 100, .height_m = 100, .speed_min = 0.5,
                          .speed_max = 2, .pause_s = 10, .range_m = 15, .message_interval_s = 10, .messages_until_s = 300, .size_min = 50,
                          .size_max = 900 };
    struct trace t;
    struct stack_figures a, b, calm;

    movement_trace(&t, &m, 3);

    struct world_config c = config_of(&t);

    c.end_ticks = 6000;
    c.buffer_bytes = 200000;
    REQUIRE(stack_run(&calm, &c) == ERR_NONE);
    CHECK(calm.flooders == 0 && calm.flood == 0);
    c.flooders = 0.05;
    REQUIRE(stack_run(&a, &c) == ERR_NONE && stack_run(&b, &c) == ERR_NONE);
    a.cpu_s = b.cpu_s = 0;
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK(a.flooders == 1 && a.flood > 100 && a.faults == 0);
    CHECK(a.created > 0 && a.created < calm.created);
    CHECK(a.delivered * 4 >= a.created);
    trace_clear(&t);
}

int main(void)
{
    test_line();
    test_square();
    test_full();
    test_flooder();
    return check_report("stack");
}
