/* tests/simulator/test_world.c - the reference rules on worlds small enough to reckon by hand, and invariants of
 * every policy on worlds that are not.
 */
#include "apps/simulator/world.h"

#include <stdio.h>
#include <string.h>

#include "apps/simulator/movement.h"
#include "tests/support/check.h"

static struct world_config config_of(const struct trace *t, const char *policy)
{
    return (struct world_config){ .trace = t, .policy = policy_find(policy), .spray_copies = 8, .seed = 1, .ttl_ticks = 100000,
                                  .end_ticks = 100000, .rate_bytes_per_s = 100, .buffer_bytes = 1000 };
}

static struct world_figures run_text(const char *policy, const char *text)
{
    struct trace t;
    struct trace_fault f;
    struct world_figures out;

    REQUIRE(trace_parse(&t, bytes_of_text(text), 0, &f) == ERR_NONE);

    struct world_config c = config_of(&t, policy);
    struct world *w = world_new(&c);

    world_run(w, INT64_MAX - 1);
    world_figures(w, &out);
    world_free(w);
    trace_clear(&t);
    return out;
}

/* 250 bytes at 100 bytes/s take 2.5 s. */
static void test_transfer(void)
{
    struct world_figures f = run_text("direct", "0 MSG a 0 1 250\n1 CONN 0 1 up\n3.5 CONN 0 1 down\n");

    CHECK(f.delivered == 1 && f.median_s > 3.45 && f.median_s < 3.55);
    f = run_text("direct", "0 MSG a 0 1 250\n1 CONN 0 1 up\n3.4 CONN 0 1 down\n");
    CHECK(f.delivered == 0 && f.aborted == 1 && f.relayed == 0);
    /* What was aborted starts again from nothing. */
    f = run_text("direct", "0 MSG a 0 1 250\n1 CONN 0 1 up\n3 CONN 0 1 down\n10 CONN 0 1 up\n13 CONN 0 1 down\n");
    CHECK(f.delivered == 1 && f.median_s > 12.45 && f.median_s < 12.55);
    /* However small, a message takes a tick. */
    f = run_text("direct", "0 MSG a 0 1 1\n0 MSG b 0 1 1\n1 CONN 0 1 up\n");
    CHECK(f.delivered == 2 && f.mean_s > 1.145 && f.mean_s < 1.155);
}

/* Node 1 is busy with 0; what 2 has for it waits, and both take turns on one node's time. */
static void test_one_at_a_time(void)
{
    struct world_figures f = run_text("direct", "0 MSG a 0 1 500\n0 MSG b 2 1 500\n1 CONN 0 1 up\n1 CONN 1 2 up\n10.9 CONN 0 1 down\n10.9 CONN 1 2 down\n");

    CHECK(f.delivered == 1 && f.aborted == 1);
    f = run_text("direct", "0 MSG a 0 1 500\n0 MSG b 2 1 500\n1 CONN 0 1 up\n1 CONN 1 2 up\n11.3 CONN 0 1 down\n11.3 CONN 1 2 down\n");
    CHECK(f.delivered == 2);
}

static void test_buffers(void)
{
    /* A third message of 400 drops the first, the oldest; the two others arrive. */
    struct world_figures f = run_text("direct", "0 MSG a 0 1 400\n1 MSG b 0 1 400\n2 MSG c 0 1 400\n3 CONN 0 1 up\n");

    CHECK(f.delivered == 2 && f.dropped == 1);
    f = run_text("direct", "1 MSG a 0 1 400\n2 MSG b 0 1 1001\n3 CONN 0 1 up\n");
    CHECK(f.delivered == 1 && f.dropped == 1);
}

static void test_life(void)
{
    struct world_figures f = run_text("direct", "0 MSG a 0 1 10\n9999 CONN 0 1 up\n");

    CHECK(f.delivered == 1);
    f = run_text("direct", "0 MSG a 0 1 10\n1 MSG b 0 1 10\n10000 CONN 0 1 up\n");
    CHECK(f.dropped == 1);
}

static void test_policies(void)
{
    static const char line[] = "0 MSG a 0 3 10\n1 CONN 0 1 up\n2 CONN 0 1 down\n3 CONN 1 2 up\n4 CONN 1 2 down\n5 CONN 2 3 up\n6 CONN 2 3 down\n";

    CHECK(run_text("direct", line).delivered == 0);
    CHECK(run_text("epidemic", line).delivered == 1 && run_text("epidemic", line).relayed == 3 && run_text("epidemic", line).hops == 3);
    CHECK(run_text("first", line).delivered == 1);
    CHECK(run_text("spray", line).delivered == 1);
    CHECK(run_text("maxprop", line).delivered == 1);
    CHECK(run_text("prophet", line).delivered == 0);
    CHECK(run_text("staffetta", line).delivered == 1);
    /* First contact keeps no copy: once handed on, the source has nothing for the recipient. */
    CHECK(run_text("first", "0 MSG a 0 2 10\n1 CONN 0 1 up\n2 CONN 0 1 down\n3 CONN 0 2 up\n").delivered == 0);
    CHECK(run_text("epidemic", "0 MSG a 0 2 10\n1 CONN 0 1 up\n2 CONN 0 1 down\n3 CONN 0 2 up\n").delivered == 1);
    /* PRoPHET gives to one that has met the recipient. */
    CHECK(run_text("prophet", "0 CONN 1 2 up\n1 CONN 1 2 down\n2 MSG a 0 2 10\n3 CONN 0 1 up\n4 CONN 0 1 down\n5 CONN 1 2 up\n").delivered == 1);
    /* MaxProp's acknowledgements purge: the copy at 1 is gone when it meets 0, who has heard of the delivery. */
    CHECK(run_text("maxprop", "0 MSG a 0 2 10\n1 CONN 0 1 up\n2 CONN 0 1 down\n3 CONN 0 2 up\n4 CONN 0 2 down\n5 CONN 0 1 up\n6 CONN 0 1 down\n7 CONN 1 3 up\n").relayed == 2);
    /* And so do our anti-packets. */
    CHECK(run_text("staffetta", "0 MSG a 0 2 10\n1 CONN 0 1 up\n2 CONN 0 1 down\n3 CONN 0 2 up\n4 CONN 0 2 down\n5 CONN 0 1 up\n6 CONN 0 1 down\n7 CONN 1 3 up\n").relayed == 2);
    /* A full store takes no stranger's bundle from ours, and loses none of its own. */
    CHECK(run_text("staffetta", "0 MSG a 0 9 900\n0 MSG b 1 9 900\n1 CONN 0 1 up\n").relayed == 0);
    CHECK(run_text("epidemic", "0 MSG a 0 9 900\n0 MSG b 1 9 900\n1 CONN 0 1 up\n").relayed > 0);
}

/* ---- Invariants, whatever the policy ---- */

struct watch {
    struct world *w;
    struct table up, held, delivered, busy; /* busy: node -> peer + 1 */
    uint64_t hash;
    const char *broken;
};

static void claim(struct watch *s, bool is_so, const char *what)
{
    if (!is_so && s->broken == NULL)
        s->broken = what;
}

static void end_transfer(struct watch *s, const struct world_event *e)
{
    claim(s, table_find(&s->busy, e->node) == e->peer && table_find(&s->busy, e->peer) == e->node, "a transfer ends that had not begun");
    table_remove(&s->busy, e->node);
    table_remove(&s->busy, e->peer);
}

static void watch_event(void *state, const struct world_event *e)
{
    struct watch *s = state;
    uint64_t pair = e->node < e->peer ? table_pair(e->node, e->peer) : table_pair(e->peer, e->node);

    s->hash = (s->hash ^ (uint64_t)e->tick ^ (uint64_t)e->kind << 60 ^ (uint64_t)e->message << 20 ^ pair) * 0x9e3779b97f4a7c15u;
    s->hash ^= s->hash >> 29;
    switch (e->kind) {
    case WORLD_UP:
        table_put(&s->up, pair, 1);
        break;
    case WORLD_DOWN:
        table_remove(&s->up, pair);
        break;
    case WORLD_CREATED:
        table_put(&s->held, table_pair(e->node, e->message), 1);
        break;
    case WORLD_STARTED:
        claim(s, table_find(&s->up, pair) != TABLE_NONE, "a transfer over no link");
        claim(s, table_find(&s->held, table_pair(e->node, e->message)) != TABLE_NONE, "a transfer of what is not held");
        claim(s, table_find(&s->busy, e->node) == TABLE_NONE && table_find(&s->busy, e->peer) == TABLE_NONE, "two transfers at once");
        table_put(&s->busy, e->node, e->peer);
        table_put(&s->busy, e->peer, e->node);
        break;
    case WORLD_ABORTED:
        end_transfer(s, e);
        break;
    case WORLD_RELAYED:
        end_transfer(s, e);
        claim(s, table_find(&s->held, table_pair(e->peer, e->message)) == TABLE_NONE, "a copy received twice");
        table_put(&s->held, table_pair(e->peer, e->message), 1);
        break;
    case WORLD_DELIVERED:
        end_transfer(s, e);
        claim(s, table_find(&s->delivered, e->message) == TABLE_NONE, "delivered twice");
        table_put(&s->delivered, e->message, 1);
        break;
    case WORLD_DROPPED:
        table_remove(&s->held, table_pair(e->node, e->message));
        break;
    }
}

static uint64_t run_watched(const char *policy, const struct trace *t, uint64_t seed)
{
    struct world_config c = config_of(t, policy);
    struct watch s = { 0 };
    struct world_figures f;

    c.seed = seed;
    c.watch = watch_event;
    c.watch_state = &s;
    c.rate_bytes_per_s = 2000;
    c.buffer_bytes = 4000;
    c.ttl_ticks = 6000;
    s.w = world_new(&c);
    for (int64_t at = 0; at <= 20000; at += 500) {
        uint64_t used = 0;

        world_run(s.w, at);
        for (uint32_t i = 0; i < s.w->node_count; i++) {
            /* One bundle may come in while one's own is written. */
            claim(&s, s.w->nodes[i].used <= s.w->nodes[i].buffer + 900, "a store beyond its size");
            used += s.w->nodes[i].used;
        }
        claim(&s, used == s.w->used_sum, "bytes held and bytes counted differ");
        claim(&s, s.held.count == s.w->held.count, "copies held and copies counted differ");
    }
    world_figures(s.w, &f);
    CHECK_CASE(policy, f.delivered == s.delivered.count && f.delivered > 0);
    if (s.broken != NULL)
        printf("%s, seed %llu: %s\n", policy, (unsigned long long)seed, s.broken);
    CHECK_CASE(policy, s.broken == NULL);
    world_free(s.w);
    table_clear(&s.up);
    table_clear(&s.held);
    table_clear(&s.delivered);
    table_clear(&s.busy);
    return s.hash;
}

static void test_invariants(void)
{
    struct movement m = { .kind = MOVEMENT_WAYPOINT, .nodes = 40, .duration_s = 2000, .width_m = 200, .height_m = 200, .speed_min = 0.5,
                          .speed_max = 3, .pause_s = 10, .range_m = 15, .message_interval_s = 2, .size_min = 50, .size_max = 900 };

    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct trace t;

        movement_trace(&t, &m, seed);
        for (size_t i = 0; policy_table[i] != NULL; i++) {
            uint64_t once = run_watched(policy_table[i]->name, &t, seed);

            CHECK_CASE(policy_table[i]->name, once == run_watched(policy_table[i]->name, &t, seed));
        }
        CHECK(run_watched("epidemic", &t, seed) != run_watched("epidemic", &t, seed + 1));
        trace_clear(&t);
    }
}

/* The same run on every machine: what this one gave when it was written. */
static void test_known_run(void)
{
    struct movement m = { .kind = MOVEMENT_SQUARE, .nodes = 30, .duration_s = 600, .width_m = 60, .height_m = 60, .speed_min = 0.5,
                          .speed_max = 1.5, .pause_s = 10, .range_m = 10, .message_interval_s = 2, .size_min = 50, .size_max = 500 };
    struct trace t;

    movement_trace(&t, &m, 7);

    uint64_t hash = run_watched("staffetta", &t, 7);

    trace_clear(&t);
    if (!CHECK(hash == 0x5e0ee42463eedbf2))
        printf("hash %llx\n", (unsigned long long)hash);
}

int main(void)
{
    test_transfer();
    test_one_at_a_time();
    test_buffers();
    test_life();
    test_policies();
    test_invariants();
    test_known_run();
    return check_report("world");
}
