/* bench/bench_mailbox.c - what a gateway's full store costs it: a user who fetches one prefix of many bundles, memory, and a start.
 *
 *     bench_mailbox [--count N] [--len BYTES] [--bits N] [FOLDER]   1000000 bundles of 256 bytes, a prefix of 8 bits; /tmp
 *
 * A real node with a store in LMDB, made in FOLDER and removed again, is opened anew and asked by another node. CPU is that of the
 * gateway's calls alone: what the user does with the bundles is not counted. Memory is what no file stands behind.
 */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"
#include "crypto/hash.h"
#include "crypto/noise.h"
#include "mesh/bundle.h"
#include "mesh/node.h"
#include "tests/support/seeded.h"

enum { BATCH = 4096, NOW_H = 690 * 24, TURNS_IDLE_MAX = 10, TURN_MS = 20 };

struct side { struct db *db; struct store *store; struct node *node; uint32_t link; };

static void die(const char *what)
{
    fprintf(stderr, "bench_mailbox: %s\n", what);
    exit(1);
}

static void must(enum err e, const char *what)
{
    if (e == ERR_NONE)
        return;
    fprintf(stderr, "bench_mailbox: %s: %s\n", what, err_text(e));
    exit(1);
}

static double resident_kb(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[128];
    double kb = 0;

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Anonymous: %lf", &kb) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kb;
}

static void fill(const char *folder, size_t count, uint32_t len, struct seeded *random)
{
    struct rng rng = seeded_rng(random);
    struct store_config config = { .capacity_bytes = UINT64_C(1) << 40, .hash_seed = 7 };
    uint8_t *bundle = malloc(len);
    struct store *store;
    struct db *db;

    if (bundle == NULL)
        die("out of memory");
    must(db_open_lmdb(&db, folder, NULL), "the database");
    must(store_open(&store, db, &config), "the store");
    for (size_t i = 0; i < count; i++) {
        struct store_entry e = { .len = len, .bundle_class = CLASS_SEALED, .quota_class = QUOTA_STRANGER, .contributor = 9, .budget = 255,
                                 .expiry_h = NOW_H + 14 * 24, .deadline_s = 14 * 86400 };
        struct header h = { .bundle_class = CLASS_SEALED, .expiry_h = e.expiry_h };

        rng_fill(&rng, bundle, len);
        h.bucket = e.bucket = (uint32_t)rng_u64(&rng) & 0xffffff;
        for (uint32_t n = len; n > 256; n /= 2)
            h.size_code++;
        rng_fill(&rng, h.tag, sizeof h.tag);
        memcpy(e.tag, h.tag, sizeof e.tag);
        header_encode(&h, bundle);
        bundle_id_of(&e.id, bytes_of(bundle, len));
        must(store_put(store, &e, bytes_of(bundle, len)), "a put");
        if (i % BATCH == BATCH - 1 || i + 1 == count)
            must(db_commit(db), "a commit");
    }
    store_close(store);
    db_close(db);
    free(bundle);
}

static void open_node(struct side *s, struct seeded *random, const uint8_t *secret)
{
    struct store_config store = { .capacity_bytes = UINT64_C(1) << 40, .hash_seed = 7 };
    struct node_config node = { .rng = seeded_rng(random), .now_ms = 1, .wall_unix_s = 0, .gateway_secret = secret, .mailbox_epoch = 3 };

    must(store_open(&s->store, s->db, &store), "the store");
    node.store = s->store;
    node.db = s->db;
    must(node_new(&s->node, &node), "the node");
}

/* One turn; the bytes for the other side go there. */
static size_t turn(struct side *from, struct side *to, uint64_t now_ms, double *cpu, double *their_cpu)
{
    static uint8_t copy[1 << 20];
    struct node_event event;
    size_t stored = 0;
    struct bytes frame;
    double began = cpu_us();

    node_wake(from->node, now_ms);
    while (node_next_event(from->node, &event)) {
        stored += event.kind == NODE_STORED;
        if (event.kind == NODE_PEER_FAULT)
            die("a peer broke the rules");
    }
    must(node_commit(from->node), "a commit");
    *cpu += cpu_us() - began;
    for (;;) {
        size_t len = 0;

        began = cpu_us();
        while (len + (1 << 17) < sizeof copy && node_next_frame(from->node, from->link, &frame, now_ms)) {
            memcpy(copy + len, frame.at, frame.len);
            len += frame.len;
        }
        *cpu += cpu_us() - began;
        if (len == 0)
            return stored;
        began = cpu_us();
        node_receive(to->node, to->link, bytes_of(copy, len), now_ms);
        *their_cpu += cpu_us() - began;
    }
}

int main(int argc, char **argv)
{
    size_t count = 1000000, bits = 8, len = 256;
    char folder[512];
    const char *where = "/tmp";
    struct seeded random;
    uint8_t secret[32], key[32];
    struct side gateway = { 0 }, user = { 0 };

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--bits") == 0 && i + 1 < argc)
            bits = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--len") == 0 && i + 1 < argc)
            len = strtoul(argv[++i], NULL, 10);
        else
            where = argv[i];
    }
    if (crypto_start() != ERR_NONE || count == 0 || bits > 24 || len < 256 || len > 65536 || (len & (len - 1)) != 0 || where[0] == '-') {
        fputs("usage: bench_mailbox [--count N] [--len 256|512|...|65536] [--bits 0..24] [FOLDER]\n", stderr);
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/bench_mailbox.XXXXXX", where);
    if (mkdtemp(folder) == NULL)
        die("the folder cannot be made");
    random = (struct seeded){ 0 };
    seeded_init(&random, 1);
    struct rng rng = seeded_rng(&random);
    noise_keypair(secret, key, &rng);
    fill(folder, count, (uint32_t)len, &random);

    double empty_kb = resident_kb(), began = cpu_ms();
    must(db_open_lmdb(&gateway.db, folder, NULL), "the database");
    open_node(&gateway, &random, secret);
    double open_ms = cpu_ms() - began, kb = resident_kb() - empty_kb;
    must(db_open_mem(&user.db), "memory");
    open_node(&user, &random, NULL);

    struct link_open up = { .kind = LINK_UPLINK, .is_initiator = true }, client = { .kind = LINK_CLIENT, .contributor = 5, .allowance = UINT64_MAX };
    struct mailbox_prefix prefix = { 0x5a5a5a, (uint8_t)bits };
    uint8_t cursor[MAILBOX_CURSOR_LEN] = { 0 };
    uint64_t now_ms = 1000;
    size_t fetched = 0, idle = 0;
    double gateway_us = 0, user_us = 0;

    memcpy(up.gateway_key, key, sizeof key);
    must(node_link_open(user.node, &up, &user.link, now_ms), "a link");
    must(node_link_open(gateway.node, &client, &gateway.link, now_ms), "a link");
    must(node_link_fetch(user.node, user.link, &prefix, 1, cursor), "a fetch");
    while (idle < TURNS_IDLE_MAX) {
        now_ms += TURN_MS;
        size_t came = turn(&user, &gateway, now_ms, &user_us, &gateway_us);
        (void)turn(&gateway, &user, now_ms, &gateway_us, &user_us);
        fetched += came;
        idle = came == 0 && fetched > 0 ? idle + 1 : 0;
        if (now_ms > 10000000)
            die("nothing was fetched");
    }
    printf("bundles %zu  resident_bytes_each %.1f  open_cpu_ms %.0f  fetched %zu  gateway_cpu_us_each %.2f  user_cpu_us_each %.2f\n", count,
           kb * 1024 / (double)count, open_ms, fetched, gateway_us / (double)fetched, user_us / (double)fetched);
    node_free(gateway.node);
    node_free(user.node);
    store_close(gateway.store);
    store_close(user.store);
    db_close(gateway.db);
    db_close(user.db);
    char path[600];
    static const char *const names[] = { "data.mdb", "lock" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    return 0;
}
