/* bench/bench_recon.c - what it costs two nodes with large, nearly equal stores to find out how they differ.
 *
 * Three measures of the same two nodes. What a beacon of the one is worth to the other: equal stores stop there. Then the
 * records of the reconciliation alone (cells, MORE, SETTLED, and ASK for what is missing), with the round trips until both
 * sides know the difference. Then a whole link with real nodes, whose CPU is that of both ends and includes
 * the handshake and the exchange of the bundles. Stores are in memory.
 */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "crypto/hash.h"
#include "mesh/node.h"
#include "mesh/recon.h"
#include "tests/mesh/net.h"

enum { FRAME_LEN = 16384, LATENCY_MS = 10 };

struct side { struct net_node *node; struct recon_shared shared; struct recon recon; };

struct talk { uint64_t bytes; unsigned flights; double cpu_ms; };

static void die(const char *what)
{
    fprintf(stderr, "bench_recon: %s\n", what);
    exit(1);
}

/* ---- The two stores ---- */

static void give(struct net *net, int node, struct bytes bundle)
{
    struct bundle_id id;

    if (node_submit(net->nodes[node].node, bundle, NET_HOUR, &id, net->now_ms) != ERR_NONE)
        die("a bundle was not taken");
}

/* Half of the differences on either side, spread over the whole. */
static void fill(struct net *net, int a, int b, unsigned long members, unsigned long differences)
{
    struct net_bundle how = { .bundle_class = CLASS_SEALED };
    unsigned long only_a = differences / 2, only_b = differences - only_a;
    static uint8_t bundle[BUNDLE_LEN_MAX];

    for (unsigned long i = 0; i < members; i++) {
        bool is_different = i * only_b / members != (i + 1) * only_b / members;
        bool is_both_different = i * only_a / members != (i + 1) * only_a / members;
        size_t len = net_make_bundle(&net->random, &how, bundle);

        give(net, a, bytes_of(bundle, len));
        if (is_both_different)
            len = net_make_bundle(&net->random, &how, bundle);
        give(net, b, bytes_of(bundle, len));
        if (is_different && !is_both_different) {
            len = net_make_bundle(&net->random, &how, bundle);
            give(net, b, bytes_of(bundle, len));
        }
    }
    if (node_commit(net->nodes[a].node) != ERR_NONE || node_commit(net->nodes[b].node) != ERR_NONE)
        die("a commit failed");
}

/* ---- The records alone ---- */

static void hear(struct recon *r, struct bytes frame)
{
    struct reader in = reader_of(frame);
    struct record rec;
    enum err e = ERR_NONE;

    while (reader_left(&in) > 0 && e == ERR_NONE) {
        if ((e = record_next(&in, &rec)) != ERR_NONE)
            break;
        switch (rec.type) {
        case RECORD_LIST: e = recon_on_list(r, rec.u.list.sids); break;
        case RECORD_CELLS:
            e = recon_on_cells(r, rec.u.cells.round, rec.u.cells.first, rec.u.cells.count, rec.u.cells.set_count,
                               rec.u.cells.cells);
            break;
        case RECORD_MORE: e = recon_on_more(r, rec.u.more.cells); break;
        case RECORD_SETTLED: e = recon_on_settled(r, (enum settled_how)rec.u.settled.how); break;
        default: e = ERR_MALFORMED;
        }
    }
    if (e != ERR_NONE)
        die("a record was refused");
}

/* All that one side has to say now: one flight. */
static size_t speak(struct recon *from, struct recon *to)
{
    static uint8_t frame[FRAME_LEN];
    size_t bytes = 0;

    for (;;) {
        struct writer w = writer_of(frame, sizeof frame);

        if (!recon_write(from, &w))
            die("no memory");
        if (writer_len(&w) == 0)
            return bytes;
        bytes += writer_len(&w);
        hear(to, writer_bytes(&w));
    }
}

static void side_start(struct side *s, struct net_node *node, bool is_initiator, uint64_t theirs)
{
    static const uint8_t sid_key[16] = { 5 }, hash[64] = { 1 };
    struct store_usage u;

    *s = (struct side){ .node = node, .shared = { .store = node->store } };
    store_usage(node->store, &u);
    recon_init(&s->recon, &s->shared, CLASS_SEALED, hash, sid_key);
    if (recon_start(&s->recon, is_initiator, u.bundle_class_count[CLASS_SEALED], theirs, UINT64_MAX) != ERR_NONE)
        die("no memory");
}

static struct talk talk(struct net *net, int a, int b)
{
    struct side x, y;
    struct talk t = { 0 };
    double began_ms = cpu_ms();

    side_start(&x, &net->nodes[a], true, net_count(net, b));
    side_start(&y, &net->nodes[b], false, net_count(net, a));
    for (struct recon *from = &x.recon, *to = &y.recon, *swap; recon_is_due(from); swap = from, from = to, to = swap) {
        t.bytes += speak(from, to);
        t.flights++;
    }
    if (x.recon.role != RECON_DONE || y.recon.role != RECON_DONE)
        die("they stopped before they knew");
    t.bytes += SID_LEN * (x.recon.difference.lacking_open + y.recon.difference.lacking_open);
    t.cpu_ms = cpu_ms() - began_ms;
    recon_clear(&x.recon);
    recon_clear(&y.recon);
    return t;
}

/* ---- The whole link ---- */

static const char *judge(struct net *net, int a, int b)
{
    uint8_t beacon[BEACON_LEN], advert[ADVERT_RANDOM_LEN];

    node_beacon(net->nodes[b].node, beacon);
    switch (node_beacon_judge(net->nodes[a].node, bytes_of(beacon, sizeof beacon), advert)) {
    case BEACON_EQUAL: return "equal";
    case BEACON_CALL:
    case BEACON_AWAIT: return "differs";
    default: return "other";
    }
}

int main(int argc, char **argv)
{
    static struct net net;
    unsigned long members = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    unsigned long differences = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;

    if (argc > 3 || members == 0 || differences > members) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs("usage: bench_recon [MEMBERS [DIFFERENCES]]\n"
              "Two nodes find out how their stores differ: what a beacon says, bytes of the records until both know,\n"
              "round trips, CPU of both; then the same on a whole link, bundles included.\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    if (crypto_start() != ERR_NONE)
        die("no libsodium");
    net_init(&net, members + differences);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    fill(&net, a, b, members, differences);
    const char *verdict = judge(&net, a, b);
    struct talk t = { 0 };
    double link_ms = 0;
    uint64_t wire_bytes = 0;
    if (strcmp(verdict, "differs") == 0) {
        t = talk(&net, a, b);
        double began_ms = cpu_ms();
        int wire = net_connect(&net, a, b, LATENCY_MS, 0, 0);
        if (!net_settle(&net, 60000) || !net_is_equal(&net, a, b))
            die("the stores did not become equal");
        link_ms = cpu_ms() - began_ms;
        wire_bytes = net_wire_bytes(&net, wire);
    }
    printf("recon members=%lu differences=%lu beacon=%s bytes=%llu round_trips=%.1f cpu_ms=%.2f link_cpu_ms=%.2f link_bytes=%llu\n",
           members, differences, verdict, (unsigned long long)t.bytes, t.flights / 2.0, t.cpu_ms, link_ms, (unsigned long long)wire_bytes);
    net_clear(&net);
    return 0;
}
