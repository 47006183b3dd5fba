/* tests/mesh/test_peers.c - two gateways that are peers: they reconcile like neighbours, and nobody else is let in that way. */
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/noise.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

enum { CALLER, CALLED, USER, NODES };

struct world {
    struct net net;
    uint8_t secret[NODES][32], key[NODES][32];
    uint32_t link[NODES];              /* of the pair under test: at the one that calls, at CALLED */
    unsigned faults, ready;
};

static struct node *node_of(const struct world *w, int i) { return w->net.nodes[i].node; }

static void open_world(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    net_init(&w->net, seed);
    struct rng rng = seeded_rng(&w->net.random);
    for (int i = 0; i < NODES; i++) {
        struct node_config c = { .spread_delay_ms = 1, .is_stamp_demanded = i != USER, .gateway_secret = i != USER ? w->secret[i] : NULL };

        noise_keypair(w->secret[i], w->key[i], &rng);
        net_add(&w->net, &c, NULL);
    }
}

static void connect(struct world *w, int from, enum link_kind kind, enum link_kind kind_called)
{
    struct link_open calls = { .kind = kind, .is_initiator = true }, called = { .kind = kind_called, .contributor = 5, .allowance = UINT64_MAX };

    memcpy(calls.gateway_key, w->key[CALLED], sizeof calls.gateway_key);
    memset(calls.binding, 3, sizeof calls.binding);
    memset(called.binding, 3, sizeof called.binding);
    REQUIRE(node_link_open(node_of(w, from), &calls, &w->link[from], w->net.now_ms) == ERR_NONE);
    REQUIRE(node_link_open(node_of(w, CALLED), &called, &w->link[CALLED], w->net.now_ms) == ERR_NONE);
}

static void hang_up(struct world *w, int from)
{
    node_link_close(node_of(w, from), w->link[from], w->net.now_ms);
    node_link_close(node_of(w, CALLED), w->link[CALLED], w->net.now_ms);
}

static void turn(struct world *w, int i)
{
    struct node_event e;

    node_wake(node_of(w, i), w->net.now_ms);
    while (node_next_event(node_of(w, i), &e)) {
        w->faults += e.kind == NODE_PEER_FAULT;
        w->ready += e.kind == NODE_LINK_READY;
    }
    REQUIRE(node_commit(node_of(w, i)) == ERR_NONE);
}

static bool pass(struct world *w, int from, int to)
{
    struct bytes frame;
    bool is_any = false;

    while (node_next_frame(node_of(w, from), w->link[from], &frame, w->net.now_ms)) {
        struct buffer copy = buffer_of_limit(1 << 16);

        REQUIRE(buffer_append(&copy, frame) == ERR_NONE);
        node_receive(node_of(w, to), w->link[to], buffer_bytes(&copy), w->net.now_ms);
        buffer_clear(&copy);
        is_any = true;
    }
    return is_any;
}

static void run(struct world *w, int from)
{
    for (int quiet = 0; quiet < 6; quiet++) {
        w->net.now_ms += 600;
        turn(w, from);
        turn(w, CALLED);
        bool is_any = pass(w, from, CALLED);
        turn(w, CALLED);
        if (pass(w, CALLED, from) || is_any)
            quiet = -1;
    }
}

/* Both ways, with a last copy and without stamps; what is removed at one goes at the other; apart and together again. */
static void check_reconciled(void)
{
    struct world w;
    struct bundle_id first, second;

    open_world(&w, 1);
    net_submit(&w.net, CALLER, 300, 0, &first);
    net_submit(&w.net, CALLED, 200, 2, &second);
    connect(&w, CALLER, LINK_PEER, LINK_PEER);
    run(&w, CALLER);
    CHECK(w.ready == 2 && w.faults == 0);
    CHECK(net_count(&w.net, CALLER) == 500 && net_is_equal(&w.net, CALLER, CALLED));
    /* Live. */
    net_submit(&w.net, CALLED, 5, 0, NULL);
    run(&w, CALLER);
    CHECK(net_count(&w.net, CALLER) == 505);
    hang_up(&w, CALLER);
    net_submit(&w.net, CALLER, 40, 0, NULL);
    net_submit(&w.net, CALLED, 40, 0, NULL);
    connect(&w, CALLER, LINK_PEER, LINK_PEER);
    run(&w, CALLER);
    CHECK(net_count(&w.net, CALLED) == 585 && net_is_equal(&w.net, CALLER, CALLED) && w.faults == 0);
    net_clear(&w.net);
}

/* Where each side says what it is, both have to say the same: a user's invite does not make a peer, nor a peer's a user. */
static void check_others(void)
{
    static const struct { int from; enum link_kind kind, called; } cases[] = {
        { CALLER, LINK_PEER, LINK_CLIENT }, { USER, LINK_UPLINK, LINK_PEER },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;

        open_world(&w, 2 + i);
        net_submit(&w.net, cases[i].from, 3, 0, NULL);
        connect(&w, cases[i].from, cases[i].kind, cases[i].called);
        run(&w, cases[i].from);
        CHECK(w.ready == 0 && w.faults > 0 && net_count(&w.net, CALLED) == 0);
        CHECK(node_link_is_finished(node_of(&w, CALLED), w.link[CALLED]));
        net_clear(&w.net);
    }
}

static void check_links(void)
{
    struct link_open peer = { .kind = LINK_PEER, .contributor = 5 };
    struct world w;
    uint32_t link;

    open_world(&w, 9);
    CHECK(node_link_open(node_of(&w, USER), &peer, &link, 1) == ERR_STATE);   /* no gateway */
    /* Two that call each other keep both links. */
    connect(&w, CALLER, LINK_PEER, LINK_PEER);
    run(&w, CALLER);
    uint32_t kept = w.link[CALLED];
    connect(&w, CALLER, LINK_PEER, LINK_PEER);
    run(&w, CALLER);
    CHECK(w.ready == 4 && w.faults == 0 && !node_link_is_finished(node_of(&w, CALLED), kept));
    net_clear(&w.net);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_reconciled();
    check_others();
    check_links();
    return check_report("peers");
}
