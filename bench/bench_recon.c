/* bench/bench_recon.c - what it costs two nodes with large, nearly equal stores to find out how they differ.
 *
 *     bench_recon [MEMBERS [DIFFERENCES]]
 *
 * Bytes, flights and CPU until both know the whole difference, and until it is exchanged. Stores are in memory.
 */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "mesh/node.h"
#include "tests/mesh/net.h"

static double cpu_now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct net net;
    static uint8_t bundle[256];
    unsigned long members = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    unsigned long differences = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
    struct net_bundle how = { .bundle_class = CLASS_SEALED };
    struct bundle_id id;

    net_init(&net, 1);
    int a = net_add(&net, NULL, NULL), b = net_add(&net, NULL, NULL);
    for (unsigned long i = 0; i < members; i++) {
        size_t len = net_make_bundle(&net.random, &how, bundle);

        /* The differences are spread over the whole. */
        bool is_a_only = i * differences / 2 / members != (i + 1) * differences / 2 / members;
        bool is_b_only = (i + 7) * differences / 2 / members != (i + 8) * differences / 2 / members;
        if (is_a_only || !is_b_only)
            (void)node_submit(net.nodes[a].node, bytes_of(bundle, len), NET_HOUR, &id, net.now_ms);
        if (is_b_only || !is_a_only)
            (void)node_submit(net.nodes[b].node, bytes_of(bundle, len), NET_HOUR, &id, net.now_ms);
    }
    node_commit(net.nodes[a].node);
    node_commit(net.nodes[b].node);
    double start_s = cpu_now_s();
    int wire = net_connect(&net, a, b, 10, 0, 0);
    struct node_counters x = { 0 }, y = { 0 };
    uint64_t deadline_ms = net.now_ms + 20000;
    /* Known when a bundle has been asked for or offered both ways; read off the settled record's flight. */
    do {
        node_counters(net.nodes[a].node, &x);
        node_counters(net.nodes[b].node, &y);
    } while (x.bundles_in + y.bundles_in == 0 && net_step(&net, deadline_ms));
    double known_s = cpu_now_s() - start_s;
    uint64_t known_bytes = net_wire_bytes(&net, wire);
    net_settle(&net, 60000);
    node_counters(net.nodes[a].node, &x);
    node_counters(net.nodes[b].node, &y);
    uint64_t bundles = x.bundles_in + y.bundles_in;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%lu members, %lu differences: %llu cells; first bundle after %.1f ms CPU (both), %llu bytes; settled after %.1f ms CPU, "
           "%llu bytes, of them %.1f a bundle beyond the bundle itself; equal %d; %ld MiB\n", members, differences,
           (unsigned long long)(x.sketch_cells + y.sketch_cells) / 2, known_s * 1e3, (unsigned long long)known_bytes,
           (cpu_now_s() - start_s) * 1e3, (unsigned long long)net_wire_bytes(&net, wire),
           bundles > 0 ? (double)(net_wire_bytes(&net, wire) - bundles * 262) / (double)bundles : 0.0,
           net_is_equal(&net, a, b), usage.ru_maxrss / 1024);
    net_clear(&net);
    return 0;
}
