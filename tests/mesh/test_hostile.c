/* tests/mesh/test_hostile.c - what one lying neighbour can do to the others of a node: nothing that lasts. */
#include "mesh/bundle.h"
#include "tests/mesh/liar.h"
#include "tests/support/check.h"

#include <string.h>

enum { CODE_4K = 4, CODE_8K = 5, CODE_64K = 8 };

/* A bundle that node a carries and the liar has seen. */
struct prey { struct bundle_id id; size_t len; uint8_t at[BUNDLE_LEN_MAX]; };

static void prey_make(struct prey *p, struct net *net, int a, uint8_t size_code)
{
    struct net_bundle how = { .bundle_class = CLASS_SEALED, .size_code = size_code };

    p->len = net_make_bundle(&net->random, &how, p->at);
    REQUIRE(node_submit(net->nodes[a].node, bytes_of(p->at, p->len), NET_HOUR, &p->id, net->now_ms) == ERR_NONE);
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

int main(void)
{
    test_refused_for_me_only();
    test_poisoned_part(false);
    test_poisoned_part(true);
    test_unfinished_parts();
    return check_report("hostile");
}
