/* tests/mesh/test_storm.c - random weather: links come, break at any byte and go, nodes crash, everybody writes.
 *
 *     test_storm [FIRST_SEED [SEEDS]]
 *
 * After each step: nothing that was acknowledged is lost while it lives, no node is told of a bundle twice between
 * crashes, nobody is at fault, no limit is passed. At the end the sky clears and all that stay linked settle with
 * equal sets. A failure prints its seed.
 */
#include "mesh/bundle.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_MAX = 4096, STEPS = 160, STORM_NODES_MAX = 7 };

struct storm {
    struct net net;
    char label[32];
    struct bundle_id ids[IDS_MAX];      /* submitted */
    size_t count;
    /* By id: who is known to have committed it (bit), and whom NODE_STORED told since its last crash. */
    uint8_t committed[IDS_MAX], told[IDS_MAX];
};

static uint32_t below(struct storm *s, uint32_t bound)
{
    struct rng r = seeded_rng(&s->net.random);

    return rng_below(&r, bound);
}

static size_t find(const struct storm *s, const struct bundle_id *id)
{
    for (size_t i = 0; i < s->count; i++) {
        if (bundle_id_is_equal(&s->ids[i], id))
            return i;
    }
    return IDS_MAX;
}

/* Which node is at the other end of this link. */
static int other_end(const struct net *net, int node, uint32_t link)
{
    for (int i = 0; i < net->wire_count; i++) {
        const struct net_wire *w = &net->wires[i];

        for (int side = 0; side < 2; side++) {
            if (w->node[side] == node && w->link[side] == link)
                return w->node[1 - side];
        }
    }
    return -1;
}

static void on_event(struct net *net, int node, const struct node_event *e, void *ctx)
{
    struct storm *s = ctx;
    size_t at;

    if (e->kind == NODE_STORED) {
        at = find(s, &e->entry.id);
        if (CHECK_CASE(s->label, at < IDS_MAX)) {
            CHECK_CASE(s->label, (s->told[at] & 1u << node) == 0);
            s->told[at] |= (uint8_t)(1u << node);
        }
    } else if (e->kind == NODE_CARRIED) {
        int other = other_end(net, node, e->link);

        at = find(s, &e->entry.id);
        if (CHECK_CASE(s->label, at < IDS_MAX) && other >= 0)
            s->committed[at] |= (uint8_t)(1u << other);
    }
    CHECK_CASE(s->label, e->kind != NODE_PEER_FAULT);
}

static void check_all(struct storm *s)
{
    for (size_t i = 0; i < s->count; i++) {
        for (int n = 0; n < s->net.node_count; n++) {
            if ((s->committed[i] & 1u << n) != 0)
                CHECK_CASE(s->label, net_has(&s->net, n, &s->ids[i]));
        }
    }
    for (int n = 0; n < s->net.node_count; n++)
        CHECK_CASE(s->label, s->net.nodes[n].commit_failed == ERR_NONE);
}

static void submit(struct storm *s, int node)
{
    static const uint8_t sizes[] = { 0, 0, 0, 0, 0, 0, 1, 2, 4, 8 };
    size_t n = 1 + below(s, 6);
    uint8_t size = sizes[below(s, sizeof sizes)];

    for (size_t i = 0; i < (size >= 4 ? 1 : n) && s->count < IDS_MAX; i++)
        net_submit(&s->net, node, 1, size, &s->ids[s->count++]);
}

static void crash(struct storm *s, int node)
{
    /* Half the time right after a turn, so that something is committed. */
    if (below(s, 2) == 0)
        net_turn(&s->net, node);
    net_crash(&s->net, node);
    /* Own bundles of an uncommitted turn are gone; what it had been told may be told again. */
    for (size_t i = 0; i < s->count; i++) {
        if (!net_has(&s->net, node, &s->ids[i]))
            s->told[i] &= (uint8_t)~(1u << node);
    }
}

static bool is_linked(const struct net *net, int a, int b)
{
    for (int i = 0; i < net->wire_count; i++) {
        const struct net_wire *w = &net->wires[i];

        if (w->is_up && ((w->node[0] == a && w->node[1] == b) || (w->node[0] == b && w->node[1] == a)))
            return true;
    }
    return false;
}

static void connect_two(struct storm *s)
{
    static const uint32_t frames[] = { 0, 0, 1024, 4096 };
    static const uint32_t rates[] = { 0, 0, 5000, 50000, 1000000 };
    int a = (int)below(s, (uint32_t)s->net.node_count), b = (int)below(s, (uint32_t)s->net.node_count);

    if (a == b || is_linked(&s->net, a, b))
        return;
    int wire = net_connect(&s->net, a, b, 1 + below(s, 150), rates[below(s, 5)], frames[below(s, 4)]);
    if (below(s, 3) == 0)
        s->net.wires[wire].break_after = 1 + below(s, 20000);
}

static void act(struct storm *s)
{
    switch (below(s, 10)) {
    case 0: case 1: case 2: connect_two(s); break;
    case 3: case 4: case 5: submit(s, (int)below(s, (uint32_t)s->net.node_count)); break;
    case 6:
        if (s->net.wire_count > 0) {
            int wire = (int)below(s, (uint32_t)s->net.wire_count);
            if (s->net.wires[wire].is_up)
                net_break(&s->net, wire);
        }
        break;
    case 7:
        if (below(s, 3) == 0)
            crash(s, (int)below(s, (uint32_t)s->net.node_count));
        break;
    case 8:
        if (below(s, 6) == 0)
            node_new_epoch(s->net.nodes[below(s, (uint32_t)s->net.node_count)].node, s->net.now_ms);
        break;
    default: break;
    }
    net_run(&s->net, 1 + below(s, below(s, 4) == 0 ? 5000 : 300));
}

/* All in a ring, nothing breaks: equal sets of what everybody may have. */
static void clear_sky(struct storm *s)
{
    int n = s->net.node_count;

    for (int i = 0; i < s->net.wire_count; i++) {
        if (s->net.wires[i].is_up)
            net_break(&s->net, i);
    }
    for (int i = 0; i < n; i++)
        net_connect(&s->net, i, (i + 1) % n, 5, 0, 0);
    CHECK_CASE(s->label, net_settle(&s->net, 120000));
    for (size_t i = 0; i < s->count; i++) {
        int copies = 0;
        bool is_small = true, is_far = false;

        for (int k = 0; k < n; k++) {
            const struct store_entry *e = store_find(s->net.nodes[k].store, &s->ids[i]);
            copies += e != NULL;
            is_small = is_small && (e == NULL || e->budget == 255);
            is_far = is_far || (e != NULL && e->hops >= HOPS_MAX);
        }
        /* An own bundle whose turn was lost to a crash before anybody had it is nowhere. */
        if (is_small && !is_far)
            CHECK_CASE(s->label, copies == n || copies == 0);
    }
}

static void storm(uint64_t seed)
{
    static struct storm s;

    memset(&s, 0, sizeof s);
    snprintf(s.label, sizeof s.label, "seed %llu", (unsigned long long)seed);
    net_init(&s.net, seed);
    s.net.is_cut = true;
    s.net.on_event = on_event;
    s.net.ctx = &s;
    int nodes = 3 + (int)below(&s, STORM_NODES_MAX - 3);
    for (int i = 0; i < nodes; i++)
        net_add(&s.net, NULL, NULL);
    for (int step = 0; step < STEPS; step++) {
        act(&s);
        check_all(&s);
    }
    clear_sky(&s);
    check_all(&s);
    net_clear(&s.net);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;

    for (uint64_t seed = first; seed < first + seeds; seed++)
        storm(seed);
    return check_report("storm");
}
