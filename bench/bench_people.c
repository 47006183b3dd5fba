/* bench/bench_people.c - what people cost: opening with many friends, bundles that are not ours, one message.
 *
 *     bench_people [FRIENDS [MESSAGES]]      200 friends with 100 messages each otherwise
 *
 * Real node, store and vault over a database in memory. CPU time of this process.
 */
#define _DEFAULT_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "bench/measure.h"
#include "tests/messenger/town.h"
#include "tests/support/check.h"

static size_t heap_kb(void)
{
    struct mallinfo2 m = mallinfo2();

    return (m.uordblks + m.hblkhd) / 1024;
}

static void add_friends(struct town *t, int me, unsigned friends, unsigned messages)
{
    struct rng g = seeded_rng(&t->random);

    for (unsigned i = 0; i < friends; i++) {
        char link[CARD_LINK_MAX], name[32], id[MESSAGE_ID_TEXT_LEN + 1];
        struct identity *other;
        uint32_t number;

        snprintf(name, sizeof name, "Friend %u", i);
        REQUIRE(identity_new(&other, bytes_of_text(name), day_of_unix(TOWN_UNIX_S), &g) == ERR_NONE);
        card_link(identity_card(other), link);
        identity_free(other);
        REQUIRE(messenger_friend_add(t->people[me].m, bytes_of_text(link), bytes_of(NULL, 0), TOWN_UNIX_S, &number) == ERR_NONE);
        for (unsigned n = 0; n < messages; n++)
            REQUIRE(messenger_send_text(t->people[me].m, number, bytes_of_text("a text of some length, as people write them"), 0,
                                        TOWN_UNIX_S, t->net.now_ms, id) == ERR_NONE);
        net_turn(&t->net, t->people[me].node);
    }
}

static void bench_open(unsigned friends, unsigned messages)
{
    static struct town t;

    town_init(&t, 1);
    int me = town_add(&t, "Me", TOWN_UNIX_S);
    double from = cpu_ms();
    add_friends(&t, me, friends, messages);
    printf("%u friends, %u messages each: %.0f us to seal and keep one\n", friends, messages,
           (cpu_ms() - from) * 1e3 / (friends * (double)messages));
    size_t heap = heap_kb();
    messenger_close(t.people[me].m);
    t.people[me].m = NULL;
    size_t without = heap_kb();
    struct messenger_config c = { .archive = t.people[me].archive, .store = t.net.nodes[0].store, .node = t.net.nodes[0].node,
                                  .rng = seeded_rng(&t.people[me].random), .wall_unix_s = TOWN_UNIX_S };
    from = cpu_ms();
    REQUIRE(messenger_open(&t.people[me].m, &c) == ERR_NONE);
    printf("  open %.0f ms, %zu tags, %zu kB of heap (%zu kB before)\n", cpu_ms() - from,
           watch_tag_count(t.people[me].m->watch), heap_kb() - without, heap - without);

    enum { MISSES = 200000 };
    struct store_entry entry = { .expiry_h = hour_of_unix(TOWN_UNIX_S) / 6 * 6 + 7 * 24 };
    struct rng g = seeded_rng(&t.random);
    struct watch *w = t.people[me].m->watch;
    unsigned hits = 0;
    from = cpu_ms();
    for (unsigned i = 0; i < MISSES; i++) {
        struct expected x;

        rng_fill(&g, entry.tag, sizeof entry.tag);
        entry.bucket = rng_below(&g, 1 << 24);
        entry.seq = 1u << 20 | i;
        hits += watch_find(w, entry.tag, 0, &x);
        watch_stray(w, &entry);
    }
    printf("  a stranger's bundle %.3f us (draws included), %u hits, %zu strays\n", (cpu_ms() - from) * 1e3 / MISSES, hits,
           watch_stray_count(w));
    town_clear(&t);
}

static void bench_pair(void)
{
    enum { MANY = 900 };
    static struct town t;

    town_init(&t, 2);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "hello", NULL);
    town_meet(&t, ana, ben, 20);
    town_meet(&t, ana, ben, 20);
    for (unsigned i = 0; i < MANY; i++)
        town_send(&t, ana, "Ben", "a text of some length, as people write them", NULL);
    double from = cpu_ms();
    town_meet(&t, ana, ben, 20);
    printf("%u messages to a friend who comes into range: %.0f us each, both nodes, links and receipts included; %u arrived\n", MANY,
           (cpu_ms() - from) * 1e3 / MANY, town_total(&t, ben, "Ana") - 1);
    town_clear(&t);
}

int main(int argc, char **argv)
{
    if (argc > 3 || (argc > 1 && argv[1][0] == '-')) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs("usage: bench_people [FRIENDS [MESSAGES]]\nWhat people cost, in CPU: opening with many friends, bundles that are not ours, one message.\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    bench_open(argc > 1 ? (unsigned)atoi(argv[1]) : 200, argc > 2 ? (unsigned)atoi(argv[2]) : 100);
    bench_pair();
    return 0;
}
