/* tests/mesh/test_hostile.c - what one lying neighbour can do to the others of a node: nothing that lasts. */
#include "mesh/bundle.h"
#include "tests/mesh/liar.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { CODE_4K = 4, CODE_8K = 5, CODE_64K = 8, MINUTE_MS = 60000 };

/* A bundle that node a carries and the liar has seen. */
struct prey { struct bundle_id id; size_t len; uint8_t at[BUNDLE_LEN_MAX]; };

static void prey_make(struct prey *p, struct net *net, int a, uint8_t size_code)
{
    struct net_bundle how = { .bundle_class = CLASS_SEALED, .size_code = size_code };

    p->len = net_make_bundle(&net->random, &how, p->at);
    REQUIRE(node_submit(net->nodes[a].node, bytes_of(p->at, p->len), NET_HOUR, &p->id, net->now_ms) == ERR_NONE);
}

/* Lets time pass while the liars keep their links alive with what sounds like an answer. */
static void pass(struct net *net, struct liar *liars, size_t count, uint64_t duration_ms)
{
    for (uint64_t until_ms = net->now_ms + duration_ms; net->now_ms < until_ms;) {
        net_run(net, 10000);
        for (size_t i = 0; i < count; i++) {
            if (liars[i].peer != NULL && liar_is_heard(&liars[i]))
                liar_say_gone(&liars[i]);
        }
    }
}

/* Brings a good bundle with a bad carriage, so that it is refused: nobody else's offer of it is. */
static void test_refused_for_me_only(void)
{
    static struct prey prey;
    static const struct { const char *name; struct carry carry; } cases[] = {
        { "too many hops", { 255, 255, 20 } },
        { "no life left", { 1, 255, 0 } },
        { "a life beyond all", { 1, 255, 255 } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net net;
        struct liar liar;

        net_init(&net, 40);
        int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
        prey_make(&prey, &net, a, CODE_8K);
        liar_meet(&liar, &net, b, true, 0);
        liar_say_bundle(&liar, cases[i].carry, bytes_of(prey.at, prey.len));
        CHECK_CASE(cases[i].name, !net_has(&net, b, &prey.id));
        net_connect(&net, a, b, 5, 0, 0);
        net_run(&net, 5000);
        CHECK_CASE(cases[i].name, net_has(&net, b, &prey.id));
        liar_leave(&liar);
        net_clear(&net);
    }
}

/* Brings the beginning of a bundle that is not its beginning. */
static void test_poisoned_part(bool is_offered)
{
    static struct prey prey;
    static uint8_t junk[BUNDLE_LEN_MAX];
    const char *label = is_offered ? "asked for" : "pushed";
    struct net net;
    struct liar liar;

    net_init(&net, 41);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    prey_make(&prey, &net, a, is_offered ? CODE_64K : CODE_4K);
    liar_meet(&liar, &net, b, true, 0);
    if (is_offered) {
        liar_say_offer(&liar, CODE_64K, &prey.id);
        CHECK_CASE(label, liar.heard[RECORD_WANT] == 1);
    }
    liar_say_part(&liar, &prey.id, (uint32_t)prey.len, bytes_of(junk, is_offered ? 16000 : 4095));
    liar_leave(&liar);
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 10000);
    CHECK_CASE(label, net_has(&net, b, &prey.id));
    CHECK_CASE(label, net.nodes[a].events[NODE_PEER_FAULT] + net.nodes[b].events[NODE_PEER_FAULT] == 0);
    CHECK_CASE(label, net.nodes[a].events[NODE_CARRIED] == 1);
    net_clear(&net);
}

/* Begins large bundles on many links and never ends them. */
static void test_unfinished_parts(void)
{
    enum { LIARS = 12 };
    static struct liar liars[LIARS];
    static struct prey prey;
    struct net net;

    net_init(&net, 42);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    prey_make(&prey, &net, a, CODE_64K);
    for (size_t i = 0; i < LIARS; i++) {
        struct bundle_id id = { { (uint8_t)i, 1 } };

        liar_meet(&liars[i], &net, b, true, 0);
        liar_say_offer(&liars[i], CODE_64K, &id);
        liar_say_part(&liars[i], &id, BUNDLE_LEN_MAX, bytes_of("x", 1));
    }
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 5000);
    CHECK(net_has(&net, b, &prey.id));
    for (size_t i = 0; i < LIARS; i++)
        liar_leave(&liars[i]);
    net_clear(&net);
}

/* Promises a bundle and brings all but that: whoever really has it is asked before long. */
static void test_held_by_promise(bool is_offered)
{
    static struct prey prey;
    const char *label = is_offered ? "offered" : "listed";
    struct net net;
    struct liar liar;

    net_init(&net, 43);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, b, 40, 0, NULL);
    prey_make(&prey, &net, a, CODE_8K);
    liar_meet(&liar, &net, b, true, is_offered ? 0 : 5);
    if (is_offered)
        liar_say_offer(&liar, CODE_8K, &prey.id);
    else
        liar_say_list(&liar, &prey.id);
    CHECK_CASE(label, liar.heard[is_offered ? RECORD_WANT : RECORD_ASK] == 1);
    net_connect(&net, a, b, 5, 0, 0);
    pass(&net, &liar, 1, 3 * MINUTE_MS);
    CHECK_CASE(label, liar_is_heard(&liar));
    CHECK_CASE(label, net_has(&net, b, &prey.id));
    liar_leave(&liar);
    net_clear(&net);
}

/* Every place for a link is taken by peers that want nothing: a newcomer finds one. */
static void test_places(void)
{
    static struct liar liars[LINKS_MAX];
    static struct prey prey;
    struct net net;

    net_init(&net, 44);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    prey_make(&prey, &net, a, CODE_8K);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        liar_meet(&liars[i], &net, b, true, 0);
        net_run(&net, 1000);
        for (size_t k = 0; k <= i; k++) {
            if (liars[k].peer == NULL)
                continue;
            if (liar_is_heard(&liars[k]))
                liar_say_ping(&liars[k]);
            else
                liar_leave(&liars[k]);
        }
    }
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 5000);
    CHECK(net_has(&net, b, &prey.id));
    for (size_t i = 0; i < LINKS_MAX; i++) {
        if (liars[i].peer != NULL)
            liar_leave(&liars[i]);
    }
    net_clear(&net);
}

/* Callers that never finish their handshake, one after the other. */
static void test_callers(void)
{
    static struct prey prey;
    struct net net;
    uint32_t link[LINKS_MAX];

    net_init(&net, 47);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    prey_make(&prey, &net, a, CODE_8K);
    for (int i = 0; i < LINKS_MAX; i++) {
        struct link_open how = { .kind = LINK_SIM };

        REQUIRE(node_link_open(net.nodes[b].node, &how, &link[i], net.now_ms) == ERR_NONE);
        net_run(&net, 100);
        for (int k = 0; k <= i; k++) {
            if (node_link_is_finished(net.nodes[b].node, link[k]))
                node_link_close(net.nodes[b].node, link[k], net.now_ms);
        }
    }
    net_connect(&net, a, b, 5, 0, 0);
    net_run(&net, 2000);
    CHECK(net_has(&net, b, &prey.id));
    net_clear(&net);
}

/* Two peers take the places for large sketches and ask for one cell now and then. */
static void test_sketch_places(void)
{
    static struct liar liars[2];
    static struct net net;
    static uint8_t bundle[256];
    struct bundle_id id;

    net_init(&net, 45);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    for (int k = 0; k < 8300; k++) {
        struct net_bundle how = { .bundle_class = CLASS_SEALED };
        size_t len = net_make_bundle(&net.random, &how, bundle);

        for (int i = 0; i < 2; i++)
            REQUIRE(node_submit(net.nodes[i].node, bytes_of(bundle, len), NET_HOUR, &id, net.now_ms) == ERR_NONE);
    }
    net_submit(&net, a, 1, 0, &id);
    net_submit(&net, a, 20, 0, NULL);   /* the newest go before the difference is known */
    for (size_t i = 0; i < 2; i++)
        liar_meet(&liars[i], &net, b, false, 9000);
    CHECK(liars[0].heard[RECORD_CELLS] == 1 && liars[1].heard[RECORD_CELLS] == 1);
    net_connect(&net, b, a, 5, 0, 0);
    for (int i = 0; i < 60 && !net_has(&net, b, &id); i++) {
        net_run(&net, 5000);
        for (size_t k = 0; k < 2; k++) {
            struct writer w = liar_begin(&liars[k]);

            record_put_more(&w, CLASS_SEALED, 1);
            if (liar_is_heard(&liars[k]))
                liar_say(&liars[k], &w);
        }
    }
    CHECK(net_has(&net, b, &id));
    printf("sketch places: given up within %llu s\n", (unsigned long long)(net.now_ms / 1000));
    for (size_t i = 0; i < 2; i++)
        liar_leave(&liars[i]);
    net_clear(&net);
}

/* One word of theirs makes us sketch all that we carry: not as often as they can say it. */
static void test_sketch_rounds(void)
{
    static struct net net;
    struct liar liar;
    struct node_counters before, after;

    net_init(&net, 46);
    int b = net_add(&net, NULL, NULL);
    net_submit(&net, b, 8300, 0, NULL);
    liar_meet(&liar, &net, b, false, 9000);
    node_counters(net.nodes[b].node, &before);
    for (int i = 0; i < 7 && liar_is_heard(&liar); i++) {
        struct writer w = liar_begin(&liar);

        record_put_settled(&w, CLASS_SEALED, SETTLED_AGAIN);
        liar_say(&liar, &w);
    }
    node_counters(net.nodes[b].node, &after);
    CHECK(after.sketches == before.sketches);
    net_run(&net, 1500);
    liar_hear(&liar);
    node_counters(net.nodes[b].node, &after);
    CHECK(after.sketches == before.sketches + 1);
    liar_leave(&liar);
    net_clear(&net);
}

int main(void)
{
    test_refused_for_me_only();
    test_poisoned_part(false);
    test_poisoned_part(true);
    test_unfinished_parts();
    test_held_by_promise(true);
    test_held_by_promise(false);
    test_places();
    test_callers();
    test_sketch_places();
    test_sketch_rounds();
    return check_report("hostile");
}
