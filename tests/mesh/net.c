/* tests/mesh/net.c - a small network of real nodes in memory. */
#include "tests/mesh/net.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/bundle.h"
#include "tests/support/check.h"

static uint32_t below(struct seeded *g, uint32_t bound)
{
    struct rng r = seeded_rng(g);

    return rng_below(&r, bound);
}

void net_init(struct net *net, uint64_t seed)
{
    memset(net, 0, sizeof *net);
    seeded_init(&net->random, seed);
    net->now_ms = 1000;
}

static void clear_pipe(struct net_pipe *p)
{
    for (size_t i = 0; i < p->len; i++)
        free(p->queue[p->head + i].at);
    free(p->queue);
    memset(p, 0, sizeof *p);
}

void net_clear(struct net *net)
{
    for (int i = 0; i < net->wire_count; i++) {
        clear_pipe(&net->wires[i].pipe[0]);
        clear_pipe(&net->wires[i].pipe[1]);
    }
    for (int i = 0; i < net->node_count; i++) {
        node_free(net->nodes[i].node);
        store_close(net->nodes[i].store);
        db_close(net->nodes[i].db);
    }
}

static void start_node(struct net *net, struct net_node *n)
{
    REQUIRE(store_open(&n->store, n->db, &n->store_config) == ERR_NONE);
    n->config.store = n->store;
    n->config.db = n->db;
    n->config.rng = seeded_rng(&n->random);
    n->config.now_ms = net->now_ms;
    n->commit_failed = ERR_NONE;
    REQUIRE(node_new(&n->node, &n->config) == ERR_NONE);
}

int net_add(struct net *net, const struct node_config *config, const struct store_config *store_config)
{
    REQUIRE(net->node_count < NET_NODES_MAX);
    struct net_node *n = &net->nodes[net->node_count];
    struct rng r = seeded_rng(&net->random);

    if (config != NULL)
        n->config = *config;
    if (store_config != NULL)
        n->store_config = *store_config;
    seeded_init(&n->random, rng_u64(&r));
    REQUIRE(db_open_mem(&n->db) == ERR_NONE);
    start_node(net, n);
    return net->node_count++;
}

void net_crash(struct net *net, int node)
{
    struct net_node *n = &net->nodes[node];

    node_free(n->node);
    n->node = NULL;
    for (int i = 0; i < net->wire_count; i++) {
        if (net->wires[i].is_up && (net->wires[i].node[0] == node || net->wires[i].node[1] == node))
            net_break(net, i);
    }
    store_close(n->store);
    db_rollback(n->db);
    start_node(net, n);
}

static struct net_wire *new_wire(struct net *net, int a, int b, int *number)
{
    int at = 0;

    while (at < net->wire_count && net->wires[at].is_up)
        at++;
    if (at == net->wire_count)
        net->wire_count++;
    REQUIRE(at < NET_WIRES_MAX);
    struct net_wire *w = &net->wires[at];
    clear_pipe(&w->pipe[0]);
    clear_pipe(&w->pipe[1]);
    memset(w, 0, sizeof *w);
    w->node[0] = a;
    w->node[1] = b;
    w->last_from = -1;
    *number = at;
    return w;
}

int net_connect_as(struct net *net, int a, int b, const struct link_open *hows[2])
{
    int at;
    struct net_wire *w = new_wire(net, a, b, &at);

    for (int i = 0; i < 2; i++)
        REQUIRE(node_link_open(net->nodes[w->node[i]].node, hows[i], &w->link[i], net->now_ms) == ERR_NONE);
    w->is_up = true;
    return at;
}

int net_connect(struct net *net, int a, int b, uint32_t latency_ms, uint32_t bytes_per_s, uint32_t frame_max)
{
    int at;
    struct net_wire *w = new_wire(net, a, b, &at);

    w->latency_ms = latency_ms;
    w->bytes_per_s = bytes_per_s;
    uint8_t beacon[2][BEACON_LEN];
    node_beacon(net->nodes[a].node, beacon[0]);
    node_beacon(net->nodes[b].node, beacon[1]);
    for (int i = 0; i < 2; i++) {
        struct link_open how = { .kind = LINK_SIM, .is_initiator = i == 0, .frame_max = frame_max,
                                 .is_slow = net->is_slow };

        if (i == 0 || !net->is_address_written)
            memcpy(how.advert_ours, beacon[i] + 2, ADVERT_RANDOM_LEN);
        if (i == 1 || !net->is_address_written)
            memcpy(how.advert_theirs, beacon[1 - i] + 2, ADVERT_RANDOM_LEN);
        REQUIRE(node_link_open(net->nodes[w->node[i]].node, &how, &w->link[i], net->now_ms) == ERR_NONE);
    }
    w->is_up = true;
    return at;
}

void net_break(struct net *net, int wire)
{
    struct net_wire *w = &net->wires[wire];

    w->is_up = false;
    for (int i = 0; i < 2; i++) {
        if (net->nodes[w->node[i]].node != NULL)
            node_link_close(net->nodes[w->node[i]].node, w->link[i], net->now_ms);
        for (size_t k = 0; k < w->pipe[i].len; k++)
            free(w->pipe[i].queue[w->pipe[i].head + k].at);
        w->pipe[i].len = 0;
    }
}

static void push_segment(struct net_pipe *p, uint64_t arrive_ms, const uint8_t *at, size_t len)
{
    if (p->head + p->len == p->cap) {
        if (p->head > p->cap / 2) {
            memmove(p->queue, p->queue + p->head, p->len * sizeof *p->queue);
            p->head = 0;
        } else {
            p->cap = p->cap == 0 ? 64 : p->cap * 2;
            p->queue = realloc(p->queue, p->cap * sizeof *p->queue);
            REQUIRE(p->queue != NULL);
        }
    }
    struct net_segment *s = &p->queue[p->head + p->len++];
    s->arrive_ms = arrive_ms;
    s->len = len;
    s->at = malloc(len);
    REQUIRE(s->at != NULL);
    memcpy(s->at, at, len);
}

/* Pulls frames while the wire's buffer (a fifth of a second) has room. */
static void pull(struct net *net, struct net_wire *w, int side)
{
    struct net_pipe *p = &w->pipe[side];
    struct node *node = net->nodes[w->node[side]].node;
    struct bytes out;

    while (w->is_up && p->busy_until_us <= (net->now_ms + 200) * 1000 &&
           node_next_frame(node, w->link[side], &out, net->now_ms)) {
        if (w->last_from != side) {
            w->flights++;
            p->flights++;
        }
        w->last_from = side;
        p->bytes += out.len;
        p->frames++;
        if (p->first_bundle_flight == 0 && out.len > BUNDLE_LEN_MIN)
            p->first_bundle_flight = w->flights;
        uint64_t start_us = p->busy_until_us > net->now_ms * 1000 ? p->busy_until_us : net->now_ms * 1000;
        p->busy_until_us = start_us + (w->bytes_per_s > 0 ? out.len * 1000000u / w->bytes_per_s : 0);
        uint64_t arrive_ms = (p->busy_until_us + 999) / 1000 + w->latency_ms;
        size_t len = out.len;
        bool is_broken = false;
        if (w->break_after > 0) {
            uint64_t total = w->pipe[0].bytes + w->pipe[1].bytes;
            if (total > w->break_after) {
                len = total - w->break_after < len ? len - (size_t)(total - w->break_after) : 0;
                is_broken = true;
            }
        }
        for (size_t at = 0; at < len;) {
            size_t piece = net->is_cut ? 1 + below(&net->random, (uint32_t)(len - at < 3000 ? len - at : 3000)) : len - at;
            push_segment(p, arrive_ms, out.at + at, piece);
            at += piece;
        }
        if (is_broken) {
            /* The bytes before the break still arrive. */
            for (size_t k = 0; k < p->len; k++)
                node_receive(net->nodes[w->node[1 - side]].node, w->link[1 - side],
                             bytes_of(p->queue[p->head + k].at, p->queue[p->head + k].len), net->now_ms);
            net_break(net, (int)(w - net->wires));
        }
    }
}

static void pull_all(struct net *net, int node)
{
    for (int i = 0; i < net->wire_count; i++) {
        struct net_wire *w = &net->wires[i];

        for (int side = 0; side < 2; side++) {
            if (w->is_up && w->node[side] == node)
                pull(net, w, side);
        }
    }
}

static void drain_events(struct net *net, int node)
{
    struct net_node *n = &net->nodes[node];
    struct node_event e;

    while (node_next_event(n->node, &e)) {
        n->events[e.kind]++;
        n->last[e.kind] = e;
        if (net->on_event != NULL)
            net->on_event(net, node, &e, net->ctx);
    }
}

void net_turn(struct net *net, int node)
{
    struct net_node *n = &net->nodes[node];

    if (n->commit_failed != ERR_NONE)
        return;
    n->turns++;
    if (net->is_pull_before_commit)
        pull_all(net, node);
    drain_events(net, node);
    enum err e = node_commit(n->node);
    if (e != ERR_NONE) {
        n->commit_failed = e;
        return;
    }
    pull_all(net, node);
    for (int i = 0; i < net->wire_count; i++) {
        struct net_wire *w = &net->wires[i];

        for (int side = 0; side < 2; side++) {
            if (w->is_up && w->node[side] == node && node_link_is_finished(n->node, w->link[side]))
                net_break(net, i);
        }
    }
    drain_events(net, node);
}

static uint64_t next_time(const struct net *net)
{
    uint64_t at = UINT64_MAX;

    for (int i = 0; i < net->wire_count; i++) {
        const struct net_wire *w = &net->wires[i];

        for (int side = 0; w->is_up && side < 2; side++) {
            const struct net_pipe *p = &w->pipe[side];

            if (p->len > 0 && p->queue[p->head].arrive_ms < at)
                at = p->queue[p->head].arrive_ms;
            /* Room in the buffer again. */
            if (p->busy_until_us > (net->now_ms + 200) * 1000 && p->busy_until_us / 1000 - 199 < at)
                at = p->busy_until_us / 1000 - 199;
        }
    }
    for (int i = 0; i < net->node_count; i++) {
        if (net->nodes[i].commit_failed == ERR_NONE && node_wake_at_ms(net->nodes[i].node) < at)
            at = node_wake_at_ms(net->nodes[i].node);
    }
    return at;
}

bool net_step(struct net *net, uint64_t until_ms)
{
    for (int i = 0; i < net->node_count; i++)
        net_turn(net, i);
    uint64_t at = next_time(net);
    if (at > until_ms) {
        net->now_ms = until_ms;
        return false;
    }
    if (at > net->now_ms)
        net->now_ms = at;
    for (int i = 0; i < net->wire_count; i++) {
        struct net_wire *w = &net->wires[i];

        for (int side = 0; side < 2; side++) {
            struct net_pipe *p = &w->pipe[side];

            while (w->is_up && p->len > 0 && p->queue[p->head].arrive_ms <= net->now_ms) {
                struct net_segment s = p->queue[p->head++];

                p->len--;
                if (net->nodes[w->node[1 - side]].commit_failed == ERR_NONE)
                    node_receive(net->nodes[w->node[1 - side]].node, w->link[1 - side], bytes_of(s.at, s.len), net->now_ms);
                free(s.at);
            }
        }
    }
    for (int i = 0; i < net->node_count; i++) {
        if (net->nodes[i].commit_failed == ERR_NONE && node_wake_at_ms(net->nodes[i].node) <= net->now_ms)
            node_wake(net->nodes[i].node, net->now_ms);
    }
    return true;
}

void net_run(struct net *net, uint64_t duration_ms)
{
    uint64_t until_ms = net->now_ms + duration_ms;

    while (net->now_ms < until_ms && net_step(net, until_ms))
        ;
}

static bool is_settled(const struct net *net)
{
    for (int i = 0; i < net->wire_count; i++) {
        const struct net_wire *w = &net->wires[i];

        for (int side = 0; w->is_up && side < 2; side++) {
            struct node_link_info info;

            if (w->pipe[side].len > 0 || !node_link_info(net->nodes[w->node[side]].node, w->link[side], &info) ||
                !info.is_settled)
                return false;
        }
    }
    return true;
}

bool net_settle(struct net *net, uint64_t within_ms)
{
    uint64_t until_ms = net->now_ms + within_ms;

    do {
        if (is_settled(net))
            return true;
    } while (net->now_ms < until_ms && net_step(net, until_ms));
    return is_settled(net);
}

size_t net_make_bundle(struct seeded *g, const struct net_bundle *how, uint8_t *to)
{
    struct rng r = seeded_rng(g);
    struct header h = { .bundle_class = how->bundle_class, .size_code = how->size_code,
                        .expiry_h = how->expiry_h > 0 ? how->expiry_h : NET_HOUR + 7 * 24 };
    size_t len = bundle_len_of_code(how->size_code);

    h.bucket = rng_below(&r, 1 << 24);
    rng_fill(&r, h.tag, sizeof h.tag);
    if (how->tag != NULL)
        memcpy(h.tag, how->tag, sizeof h.tag);
    header_encode(&h, to);
    rng_fill(&r, to + HEADER_LEN, len - HEADER_LEN);
    if (how->stamp_bits > 0) {
        struct bundle_id id;
        uint64_t counter = 0;

        bundle_id_of(&id, bytes_of(to, len));
        REQUIRE(stamp_search(to, &id, how->stamp_bits, &counter, UINT32_MAX));
    }
    return len;
}

void net_submit(struct net *net, int node, size_t count, uint8_t size_code, struct bundle_id *id)
{
    static uint8_t bundle[BUNDLE_LEN_MAX];
    struct net_bundle how = { .size_code = size_code, .bundle_class = CLASS_SEALED };
    struct bundle_id last;

    for (size_t i = 0; i < count; i++) {
        size_t len = net_make_bundle(&net->random, &how, bundle);

        REQUIRE(node_submit(net->nodes[node].node, bytes_of(bundle, len), NET_HOUR, &last, net->now_ms) == ERR_NONE);
    }
    if (id != NULL && count > 0)
        *id = last;
}

bool net_has(const struct net *net, int node, const struct bundle_id *id)
{
    return store_find(net->nodes[node].store, id) != NULL;
}

size_t net_count(const struct net *net, int node)
{
    struct store_usage usage;

    store_usage(net->nodes[node].store, &usage);
    return usage.count;
}

bool net_is_equal(const struct net *net, int a, int b)
{
    uint8_t x[16], y[16];

    store_fingerprint(net->nodes[a].store, x);
    store_fingerprint(net->nodes[b].store, y);
    return net_count(net, a) == net_count(net, b) && memcmp(x, y, sizeof x) == 0;
}

uint64_t net_wire_bytes(const struct net *net, int wire)
{
    return net->wires[wire].pipe[0].bytes + net->wires[wire].pipe[1].bytes;
}

uint64_t net_duplicates(const struct net *net, int node)
{
    struct node_counters counters;

    node_counters(net->nodes[node].node, &counters);
    return counters.duplicates_in;
}

enum beacon_verdict net_judge(const struct net *net, int who, int whom)
{
    uint8_t beacon[BEACON_LEN], advert[ADVERT_RANDOM_LEN];

    node_beacon(net->nodes[whom].node, beacon);
    return node_beacon_judge(net->nodes[who].node, bytes_of(beacon, sizeof beacon), advert);
}

uint64_t net_faults(const struct net *net)
{
    uint64_t sum = 0;

    for (int i = 0; i < net->node_count; i++)
        sum += net->nodes[i].events[NODE_PEER_FAULT];
    return sum;
}

void net_submit_one(struct net *net, int node, const struct net_bundle *how, struct bundle_id *id)
{
    static uint8_t bundle[BUNDLE_LEN_MAX];
    size_t len = net_make_bundle(&net->random, how, bundle);

    REQUIRE(node_submit(net->nodes[node].node, bytes_of(bundle, len), NET_HOUR, id, net->now_ms) == ERR_NONE);
}
