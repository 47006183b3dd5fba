/* bench/bench_relay.c - CPU of a relay that receives bundles over one link, and of their giver.
 *
 *     bench_relay [COUNT [SIZE_CODE]]
 *
 * Two nodes in one process; the receiver has a store on LMDB in a fresh folder under $TMPDIR, synced at
 * each commit, the giver one in memory. Bytes go from one to the other without a kernel; the clock of each is only
 * on while it works.
 */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/hash.h"
#include "mesh/node.h"
#include "tests/mesh/net.h"

struct side { struct db *db; struct store *store; struct node *node; struct seeded random; uint32_t link; double cpu_s; uint64_t bytes, turns; };

static double cpu_now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(enum err e, const char *what)
{
    if (e == ERR_NONE)
        return;
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    exit(1);
}

static void open_side(struct side *s, uint64_t seed, const char *folder)
{
    must(folder != NULL ? db_open_lmdb(&s->db, folder, NULL) : db_open_mem(&s->db), "database");
    must(store_open(&s->store, s->db, NULL), "store");
    seeded_init(&s->random, seed);
    struct node_config config = { .store = s->store, .db = s->db, .rng = seeded_rng(&s->random), .now_ms = 1000 };
    must(node_new(&s->node, &config), "node");
}

/* One turn: what came in, events, commit, and up to `most` bytes of what goes out. */
static size_t turn(struct side *s, struct bytes in, uint8_t *out, size_t most, uint64_t now_ms)
{
    struct node_event e;
    struct bytes frame;
    size_t len = 0;
    double start_s = cpu_now_s();

    if (in.len > 0)
        node_receive(s->node, s->link, in, now_ms);
    while (node_next_event(s->node, &e))
        ;
    must(node_commit(s->node), "commit");
    while (len < most && node_next_frame(s->node, s->link, &frame, now_ms)) {
        memcpy(out + len, frame.at, frame.len);
        len += frame.len;
    }
    s->cpu_s += cpu_now_s() - start_s;
    s->bytes += len;
    s->turns++;
    return len;
}

int main(int argc, char **argv)
{
    enum { BUFFER = 256 * 1024, ROOM = BUFFER + 20000 };
    static uint8_t to_b[ROOM], to_a[ROOM], bundle[BUNDLE_LEN_MAX];
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    struct net_bundle how = { .size_code = (uint8_t)(argc > 2 ? strtoul(argv[2], NULL, 10) : 0), .bundle_class = CLASS_SEALED };
    struct side a = { 0 }, b = { 0 };
    char folder[256];
    const char *tmp = getenv("TMPDIR");

    must(crypto_start(), "libsodium");
    snprintf(folder, sizeof folder, "%s/staffetta-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    open_side(&a, 1, NULL);
    open_side(&b, 2, folder);
    for (unsigned long i = 0; i < count; i++) {
        struct bundle_id id;
        size_t len = net_make_bundle(&a.random, &how, bundle);

        must(node_submit(a.node, bytes_of(bundle, len), NET_HOUR, &id, 1000), "submit");
    }
    must(node_commit(a.node), "commit");
    struct link_open open = { .kind = LINK_SIM, .is_initiator = true };
    must(node_link_open(a.node, &open, &a.link, 1000), "link");
    open.is_initiator = false;
    must(node_link_open(b.node, &open, &b.link, 1000), "link");
    struct store_usage usage = { 0 };
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    size_t len_a = 0, len_b = 0;
    do {
        len_b = turn(&a, bytes_of(to_a, len_a), to_b, BUFFER, 1001);
        len_a = turn(&b, bytes_of(to_b, len_b), to_a, BUFFER, 1001);
    } while (len_a + len_b > 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    store_usage(b.store, &usage);
    double n = (double)count;
    printf("%lu bundles of %u: receiver %.2f us CPU, giver %.2f us CPU, %.1f bytes on the wire each; %zu arrived, "
           "%llu commits, %.2f s\n", count, (unsigned)bundle_len_of_code(how.size_code), b.cpu_s / n * 1e6, a.cpu_s / n * 1e6,
           (double)(a.bytes + b.bytes) / n, usage.count, (unsigned long long)b.turns,
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    node_free(a.node);
    node_free(b.node);
    store_close(a.store);
    store_close(b.store);
    db_close(a.db);
    db_close(b.db);
    return usage.count == count ? 0 : 1;
}
