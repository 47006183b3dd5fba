/* bench/floor.c - the least a relay can do, and nothing of ours in it.
 *
 * A child process has sealed all frames beforehand and sends them over one loopback TCP connection. This process
 * receives, opens (ChaCha20-Poly1305), hashes (BLAKE2b-128) and appends each bundle to LMDB under its arrival
 * number, with a commit that reaches the disk every BATCH bundles. What it prints is the CPU time of this process
 * alone, user and system, from the accepted connection to the last commit. A relay of ours is held beside it.
 *
 * One frame is a length (2 bytes) and a sealed record: one bundle, or with --frame as many as fit. The second costs
 * less, since the seal and its length are paid once for all; a relay that batches its records has to be compared
 * with that one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <lmdb.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BUNDLE_LEN = 256,
    ID_LEN     = 16,
    LENGTH_LEN = 2,
    NONCE_LEN  = crypto_aead_chacha20poly1305_IETF_NPUBBYTES,
    TAG_LEN    = crypto_aead_chacha20poly1305_IETF_ABYTES,
    FRAME_MAX  = 65535 - TAG_LEN,
    INPUT_LEN  = 256 * 1024,
    TMPFS_TYPE = 0x01021994,
};

struct floor {
    uint8_t key[crypto_aead_chacha20poly1305_IETF_KEYBYTES];
    uint64_t bundles, batch, frame; /* frame: bytes of plaintext */
    const char *folder;
    char path[4096];

    struct event_base *base;
    struct event *listening, *reading;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    uint64_t opened, stored;
    uint8_t input[INPUT_LEN], plain[FRAME_MAX];
    size_t input_len;
    struct rusage began, ended;
    struct timespec began_at, ended_at;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_floor: %s\n", what);
    exit(1);
}

static void die_errno(const char *what)
{
    fprintf(stderr, "bench_floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void mdb(int code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "bench_floor: %s: %s\n", what, mdb_strerror(code));
    exit(1);
}

static void nonce_of(uint8_t nonce[NONCE_LEN], uint64_t number)
{
    memset(nonce, 0, NONCE_LEN);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(number >> (8 * i));
}

/* ---- The sender ---- */

/* Seals everything first, so that the receiver never waits for it. Returns all frames. */
static uint8_t *frames_seal(const struct floor *f, size_t *len)
{
    size_t frames = (size_t)((f->bundles + f->frame / BUNDLE_LEN - 1) / (f->frame / BUNDLE_LEN));
    uint8_t *all = malloc(frames * (LENGTH_LEN + TAG_LEN) + (size_t)f->bundles * BUNDLE_LEN), *at = all;
    uint8_t *plain = malloc((size_t)f->frame), nonce[NONCE_LEN];
    uint64_t left = f->bundles;

    if (all == NULL || plain == NULL)
        die("no memory");
    for (uint64_t number = 0; left > 0; number++) {
        uint64_t count = left < f->frame / BUNDLE_LEN ? left : f->frame / BUNDLE_LEN;
        size_t plain_len = (size_t)count * BUNDLE_LEN;
        unsigned long long sealed_len;

        randombytes_buf(plain, plain_len);
        nonce_of(nonce, number);
        crypto_aead_chacha20poly1305_ietf_encrypt(at + LENGTH_LEN, &sealed_len, plain, plain_len, NULL, 0, NULL, nonce,
                                                  f->key);
        at[0] = (uint8_t)sealed_len;
        at[1] = (uint8_t)(sealed_len >> 8);
        at += LENGTH_LEN + sealed_len;
        left -= count;
    }
    free(plain);
    *len = (size_t)(at - all);
    return all;
}

static void sender_run(const struct floor *f, const struct sockaddr_in *to)
{
    size_t len;
    uint8_t *all = frames_seal(f, &len);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)
        die_errno("connect");
    for (size_t sent = 0; sent < len;) {
        ssize_t n = write(fd, all + sent, len - sent);

        if (n < 0)
            die_errno("write");
        sent += (size_t)n;
    }
    free(all);
    close(fd);
}

/* ---- The relay ---- */

static void bundle_store(struct floor *f, const uint8_t *bundle)
{
    MDB_val key = { sizeof f->stored, &f->stored }, value = { ID_LEN + BUNDLE_LEN, NULL };

    if (f->txn == NULL)
        mdb(mdb_txn_begin(f->env, NULL, 0, &f->txn), "begin");
    mdb(mdb_put(f->txn, f->table, &key, &value, MDB_APPEND | MDB_RESERVE), "put");
    crypto_generichash(value.mv_data, ID_LEN, bundle, BUNDLE_LEN, NULL, 0);
    memcpy((uint8_t *)value.mv_data + ID_LEN, bundle, BUNDLE_LEN);
    f->stored++;
    if (f->stored % f->batch == 0 || f->stored == f->bundles) {
        mdb(mdb_txn_commit(f->txn), "commit");
        f->txn = NULL;
    }
}

/* Opens whole frames; returns how many bytes they took. */
static size_t frames_open(struct floor *f)
{
    size_t at = 0;

    while (f->input_len - at >= LENGTH_LEN) {
        size_t sealed_len = f->input[at] | (size_t)f->input[at + 1] << 8;
        unsigned long long plain_len = 0;
        uint8_t nonce[NONCE_LEN];

        if (f->input_len - at - LENGTH_LEN < sealed_len)
            break;
        nonce_of(nonce, f->opened++);
        if (sealed_len > FRAME_MAX + TAG_LEN ||
            crypto_aead_chacha20poly1305_ietf_decrypt(f->plain, &plain_len, NULL, f->input + at + LENGTH_LEN, sealed_len,
                                                      NULL, 0, nonce, f->key) != 0)
            die("a frame does not open");
        for (size_t i = 0; i + BUNDLE_LEN <= plain_len; i += BUNDLE_LEN)
            bundle_store(f, f->plain + i);
        at += LENGTH_LEN + sealed_len;
    }
    return at;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct floor *f = arg;
    ssize_t n = read(fd, f->input + f->input_len, sizeof f->input - f->input_len);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        die_errno("read");
    if (n == 0)
        die("the sender left early");
    f->input_len += (size_t)n;
    size_t used = frames_open(f);
    memmove(f->input, f->input + used, f->input_len - used);
    f->input_len -= used;
    if (f->stored < f->bundles)
        return;
    getrusage(RUSAGE_SELF, &f->ended);
    clock_gettime(CLOCK_MONOTONIC, &f->ended_at);
    event_base_loopbreak(f->base);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct floor *f = arg;
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (peer < 0)
        die_errno("accept");
    getrusage(RUSAGE_SELF, &f->began);
    clock_gettime(CLOCK_MONOTONIC, &f->began_at);
    f->reading = event_new(f->base, peer, EV_READ | EV_PERSIST, on_readable, f);
    if (f->reading == NULL || event_add(f->reading, NULL) != 0)
        die("no event");
}

static void folder_make(struct floor *f)
{
    struct statfs fs;

    snprintf(f->path, sizeof f->path, "%s/staffetta-floor-XXXXXX", f->folder);
    if (mkdtemp(f->path) == NULL)
        die_errno(f->folder);
    if (statfs(f->path, &fs) == 0 && fs.f_type == TMPFS_TYPE)
        fprintf(stderr, "bench_floor: %s is in memory, where a sync costs nothing: say --data DIR for a disk\n", f->folder);
}

static void store_open(struct floor *f)
{
    mdb(mdb_env_create(&f->env), "environment");
    mdb(mdb_env_set_mapsize(f->env, ((size_t)f->bundles / 4096 + 1) * 4096 * 1024), "map size");
    mdb(mdb_env_open(f->env, f->path, 0, 0600), f->path);
    mdb(mdb_txn_begin(f->env, NULL, 0, &f->txn), "begin");
    mdb(mdb_dbi_open(f->txn, NULL, MDB_INTEGERKEY, &f->table), "table");
    mdb(mdb_txn_commit(f->txn), "commit");
    f->txn = NULL;
}

/* Bytes on disk. */
static uint64_t store_close(struct floor *f)
{
    static const char *const names[] = { "data.mdb", "lock.mdb" };
    MDB_stat st;
    uint64_t bytes = 0;
    char file[4200];

    mdb(mdb_env_stat(f->env, &st), "stat");
    bool is_whole = st.ms_entries == f->bundles;
    mdb_env_close(f->env);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stat s;

        snprintf(file, sizeof file, "%s/%s", f->path, names[i]);
        if (i == 0 && stat(file, &s) == 0)
            bytes = (uint64_t)s.st_blocks * 512;
        unlink(file);
    }
    rmdir(f->path);
    if (!is_whole)
        die("bundles are missing");
    return bytes;
}

static double us_of(const struct timeval *a, const struct timeval *b)
{
    return (double)(b->tv_sec - a->tv_sec) * 1e6 + (double)(b->tv_usec - a->tv_usec);
}

static void floor_run(struct floor *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t at_len = sizeof at;

    folder_make(f);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), status;

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &at_len) != 0)
        die_errno("listen");

    pid_t child = fork();
    if (child < 0)
        die_errno("fork");
    if (child == 0) {
        close(fd);
        sender_run(f, &at);
        _exit(0);
    }

    store_open(f);
    if ((f->base = event_base_new()) == NULL ||
        (f->listening = event_new(f->base, fd, EV_READ, on_connection, f)) == NULL || event_add(f->listening, NULL) != 0)
        die("no event loop");
    event_base_dispatch(f->base);
    if (waitpid(child, &status, 0) != child || status != 0 || f->stored != f->bundles)
        die("the sender failed");
    uint64_t disk = store_close(f);

    double user = us_of(&f->began.ru_utime, &f->ended.ru_utime), sys = us_of(&f->began.ru_stime, &f->ended.ru_stime);
    double wall = (double)(f->ended_at.tv_sec - f->began_at.tv_sec) * 1e3 +
                  (double)(f->ended_at.tv_nsec - f->began_at.tv_nsec) / 1e6, each = (double)f->bundles;
    printf("floor batch=%llu bundles=%llu cpu_us=%.2f per_frame=%llu user_us=%.2f sys_us=%.2f wall_ms=%.0f disk_bytes=%.0f\n",
           (unsigned long long)f->batch, (unsigned long long)f->bundles, (user + sys) / each,
           (unsigned long long)(f->frame / BUNDLE_LEN), user / each, sys / each, wall, (double)disk / each);
    event_free(f->reading);
    event_free(f->listening);
    event_base_free(f->base);
    close(fd);
}

static uint64_t number_of(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || v < least || v > most) {
        fprintf(stderr, "bench_floor: %s is not a number from %llu to %llu\n", text, (unsigned long long)least,
                (unsigned long long)most);
        exit(2);
    }
    return v;
}

static void usage(FILE *to)
{
    fprintf(to,
            "usage: bench_floor [--batch N] [--bundles N] [--frame BYTES] [--data DIR]\n"
            "The least CPU a relay needs for a bundle of %d bytes: receive over loopback TCP, open, hash, append to LMDB.\n"
            "  --batch N      bundles a synced commit (1000)\n"
            "  --bundles N    bundles in all (10000)\n"
            "  --frame BYTES  plaintext of one sealed record, filled with bundles (256: one each)\n"
            "  --data DIR     a folder on the disk to measure ($TMPDIR, or /var/tmp)\n",
            BUNDLE_LEN);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "batch", required_argument, NULL, 'b' }, { "bundles", required_argument, NULL, 'n' },
        { "frame", required_argument, NULL, 'f' }, { "data", required_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },        { NULL, 0, NULL, 0 },
    };
    struct floor *f = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    int c;

    if (f == NULL || sodium_init() < 0)
        die("cannot start");
    f->bundles = 10000;
    f->batch = 1000;
    f->frame = BUNDLE_LEN;
    f->folder = tmp != NULL ? tmp : "/var/tmp";
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'b': f->batch = number_of(optarg, 1, 1000000); break;
        case 'n': f->bundles = number_of(optarg, 1, 4000000); break;
        case 'f': f->frame = number_of(optarg, BUNDLE_LEN, FRAME_MAX); break;
        case 'd': f->folder = optarg; break;
        case 'h': usage(stdout); free(f); return 0;
        default: usage(stderr); free(f); return 2;
        }
    }
    if (optind != argc) {
        usage(stderr);
        free(f);
        return 2;
    }
    randombytes_buf(f->key, sizeof f->key);
    floor_run(f);
    free(f);
    return 0;
}
