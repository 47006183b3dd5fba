/* bench/bench_text.c - what one text of 100 characters costs on the wire, and how soon a first bundle comes.
 *
 * Two people with real nodes and messengers on a link of the virtual net: bytes are those of the frames that leave the
 * sender's node in the turn of the message. Round trips are virtual time over twice the latency, from the moment the stream
 * is connected to the first bundle at either end; `readable` is when it is committed there.
 */
#include <stdio.h>
#include <string.h>

#include "tests/messenger/town.h"
#include "tests/support/check.h"

enum { LATENCY_MS = 100 };

static const char text[] = "We are all right. The bridge at the mill is closed; take the upper road and come before it gets dark";

/* Bytes that leave for Ben in the turn of the message. */
static unsigned long long send_bytes(struct town *t, int wire, int from, const char *to)
{
    uint64_t before = t->net.wires[wire].pipe[0].bytes;

    town_send(t, from, to, text, NULL);
    town_turn(t, from);
    return t->net.wires[wire].pipe[0].bytes - before;
}

static void bench_bytes(void)
{
    static struct town t;

    _Static_assert(sizeof text - 1 == 100, "a text of 100 characters");
    town_init(&t, 1);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    int wire = net_connect(&t.net, t.people[ana].node, t.people[ben].node, 1, 0, 0);
    town_run(&t, 5);
    unsigned long long first = send_bytes(&t, wire, ana, "Ben");
    town_run(&t, 5);
    town_send(&t, ben, "Ana", "here", NULL);
    town_run(&t, 5);
    unsigned long long later = send_bytes(&t, wire, ana, "Ben");
    town_run(&t, 5);
    CHECK(town_count(&t, ben, "Ana", text, true) == 2);
    printf("text characters=%zu later_bytes=%llu first_bytes=%llu", sizeof text - 1, later, first);
    town_clear(&t);
}

static void note_first(struct net *net, int node, const struct node_event *e, void *ctx)
{
    uint64_t *first_ms = ctx;

    if (e->kind == NODE_STORED && first_ms[node] == 0)
        first_ms[node] = net->now_ms;
}

static void bench_round_trips(size_t common, size_t own)
{
    static struct net net;
    uint64_t first_ms[2] = { 0, 0 };

    net_init(&net, 7);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    net_submit(&net, a, common, 0, NULL);
    int wire = net_connect(&net, a, b, 1, 0, 0);
    CHECK(net_settle(&net, 60000) && net_is_equal(&net, a, b));
    net_break(&net, wire);
    net.on_event = note_first;
    net.ctx = first_ms;
    net_submit(&net, a, own, 0, NULL);
    net_submit(&net, b, own, 0, NULL);
    uint64_t began_ms = net.now_ms;
    net_connect(&net, a, b, LATENCY_MS, 0, 0);
    CHECK(net_settle(&net, 60000) && net_is_equal(&net, a, b));
    CHECK(first_ms[a] > began_ms && first_ms[b] > began_ms);
    printf(" caller_round_trips=%.2f called_round_trips=%.2f", (double)(first_ms[a] - began_ms) / (2 * LATENCY_MS),
           (double)(first_ms[b] - began_ms) / (2 * LATENCY_MS));
    net_clear(&net);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs("usage: bench_text\nBytes on the wire of a text of 100 characters, to a friend and to a stranger; round trips from a\n"
              "connected stream to the first bundle, at the side that called and at the other.\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    bench_bytes();
    bench_round_trips(1000, 1000);
    puts("");
    return check_report("bench_text");
}
