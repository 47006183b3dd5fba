/* tests/storage/test_crash.c - the process dies, or the power goes, at any instant.
 *
 * Three ways, each harsher than the one before. A child is killed at random while it writes, as fast as it can. A child
 * ends itself before and after every commit. And the power is cut before every single write and sync that LMDB
 * makes: the calls are caught here, and a disk is kept beside the real one that holds only what was synced; at
 * each call an image of it, with none, some or all of the unsynced sectors on it, has to open with everything
 * that had been acknowledged.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/store.h"
#include "tests/storage/bundles.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { BATCH = 8, KILLS = 25, TURNS = 14, SECTOR = 512, IMAGE_MAX = 1 << 22, PENDING_MAX = 4096 };

static char path[600], image_path[600], image_file[700];

struct place { struct db *db; struct store *s; };

static struct place place_open(const char *folder)
{
    struct place p = { NULL, NULL };

    REQUIRE(db_open_lmdb(&p.db, folder, NULL) == ERR_NONE);
    REQUIRE(store_open(&p.s, p.db, NULL) == ERR_NONE);
    return p;
}

static void place_close(struct place *p)
{
    store_close(p->s);
    db_close(p->db);
}

/* Turn t puts the bundles t*BATCH and on, and lets go the second half of those of turn t-1. */
static void turn_prepare(struct place *p, uint64_t t)
{
    for (uint64_t n = t * BATCH; n < (t + 1) * BATCH; n++) {
        struct store_entry e = entry_plain();

        e.len = n % 5 == 0 ? 8192 : 256;
        struct bytes b = bundle_numbered(&e, n);
        REQUIRE(store_put(p->s, &e, b) == ERR_NONE);
    }
    for (uint64_t n = t * BATCH - BATCH / 2; t > 0 && n < t * BATCH; n++) {
        struct bundle_id id;

        id_numbered(&id, n);
        REQUIRE(store_remove(p->s, &id, true) == ERR_NONE);
    }
}

/* The store holds exactly what stands after `turns` turns, each bundle once. */
static bool holds_turns(struct place *p, uint64_t turns)
{
    struct store_usage u;
    uint64_t want = turns == 0 ? 0 : turns * BATCH - (turns - 1) * (BATCH / 2);
    bool is_right = true;

    store_usage(p->s, &u);
    is_right = u.count == want && u.damaged_count == 0 && db_count(p->db, DB_BUNDLE_FACTS) == want;
    for (uint64_t n = 0; n < turns * BATCH; n++) {
        bool is_let_go = n % BATCH >= BATCH / 2 && n / BATCH + 1 < turns;
        struct bundle_id id;
        struct bytes b;

        id_numbered(&id, n);
        const struct store_entry *e = store_find(p->s, &id);
        if (is_let_go)
            is_right = is_right && e == NULL && store_has_seen(p->s, &id);
        else
            is_right = is_right && e != NULL && store_read(p->s, e, &b) == ERR_NONE && is_bundle_numbered(b, n);
    }
    return is_right;
}

static void wait_for(pid_t child)
{
    int status;

    REQUIRE(waitpid(child, &status, 0) == child);
}

/* ---- Killed at random ---- */

static void write_for_ever(uint64_t t, int acks)
{
    struct place p = place_open(path);

    for (;; t++) {
        turn_prepare(&p, t);
        if (db_commit(p.db) != ERR_NONE || write(acks, &t, sizeof t) != sizeof t)
            _exit(1);
    }
}

static void test_kill(void)
{
    struct seeded g;
    uint64_t turns = 0;

    seeded_init(&g, 5);
    struct rng rng = seeded_rng(&g);
    snprintf(path, sizeof path, "%s/kill", check_folder());
    for (int round = 0; round < KILLS; round++) {
        int ends[2];
        uint64_t acknowledged = 0, until = 1 + rng_below(&rng, 12);
        uint64_t first = turns;

        REQUIRE(pipe(ends) == 0);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_for_ever(first, ends[1]);
        }
        close(ends[1]);
        for (uint64_t t; acknowledged < until && read(ends[0], &t, sizeof t) == sizeof t; acknowledged++)
            CHECK(t == first + acknowledged);
        /* Somewhere within a commit's length from here. */
        for (volatile uint32_t spin = rng_below(&rng, 400000); spin > 0; spin--)
            continue;
        kill(child, SIGKILL);
        wait_for(child);
        for (uint64_t t; read(ends[0], &t, sizeof t) == sizeof t;)
            acknowledged++;
        close(ends[0]);
        CHECK(acknowledged >= until);

        /* All that was acknowledged, and at most the one turn whose acknowledgement was not yet sent. */
        struct place p = place_open(path);
        turns = first + acknowledged;
        bool has_one_more = holds_turns(&p, turns + 1);
        CHECK(has_one_more || holds_turns(&p, turns));
        turns += has_one_more;
        place_close(&p);
    }
}

/* ---- Ended before and after every commit ---- */

struct ending { unsigned commits, at; };

static enum err end_before_commit(void *ctx, unsigned op)
{
    struct ending *e = ctx;

    (void)op;
    if (e->commits == e->at)
        _exit(0);
    return ERR_NONE;
}

static void test_every_commit(void)
{
    for (unsigned at = 0; at < TURNS * 2; at++) {
        bool is_before = at % 2 == 0;
        pid_t child;

        snprintf(path, sizeof path, "%s/commit%u", check_folder(), at);
        REQUIRE((child = fork()) >= 0);
        if (child == 0) {
            struct place p = place_open(path);
            struct ending ending = { 0, at / 2 };

            for (uint64_t t = 0; t < TURNS; t++, ending.commits++) {
                turn_prepare(&p, t);
                if (is_before)
                    db_set_fault(p.db, end_before_commit, &ending);
                if (db_commit(p.db) != ERR_NONE || (!is_before && ending.commits == ending.at))
                    _exit(0);
                db_set_fault(p.db, NULL, NULL);
            }
            _exit(1);
        }
        wait_for(child);
        struct place p = place_open(path);
        CHECK(holds_turns(&p, is_before ? at / 2 : at / 2 + 1));
        place_close(&p);
    }
}

/* ---- The power goes ---- */

struct pending { size_t off, len; uint8_t *data; };

static struct power {
    bool is_on;                 /* calls are caught */
    uint8_t *disk;              /* what is on the medium for certain */
    size_t disk_len;
    struct pending pending[PENDING_MAX];
    size_t pending_count;
    uint64_t turns;             /* acknowledged */
    bool is_committing;
    unsigned cuts, syncs;
    struct seeded seed;
} power;

static void disk_write(uint8_t *disk, size_t *len, size_t off, const uint8_t *data, size_t n)
{
    REQUIRE(off + n <= IMAGE_MAX);
    memcpy(disk + off, data, n);
    if (off + n > *len)
        *len = off + n;
}

enum lost { LOST_ALL, LOST_SOME, LOST_NONE, LOST_KINDS };

static void check_image(enum lost lost)
{
    static uint8_t disk[IMAGE_MAX];
    size_t len = power.disk_len;
    struct rng rng = seeded_rng(&power.seed);
    int fd;

    memset(disk, 0, sizeof disk);
    memcpy(disk, power.disk, len);
    for (size_t i = 0; i < power.pending_count && lost != LOST_ALL; i++) {
        const struct pending *w = &power.pending[i];

        for (size_t at = 0; at < w->len; at += SECTOR) {
            size_t n = w->len - at < SECTOR ? w->len - at : SECTOR;

            if (lost == LOST_NONE || rng_below(&rng, 2) == 0)
                disk_write(disk, &len, w->off + at, w->data + at, n);
        }
    }
    REQUIRE((fd = open(image_file, O_WRONLY | O_CREAT | O_TRUNC, 0600)) >= 0);
    REQUIRE(syscall(SYS_write, fd, disk, len) == (long)len);
    close(fd);
    struct place p = place_open(image_path);
    /* Within a commit that has not returned, either side of it is right. */
    CHECK(holds_turns(&p, power.turns) || (power.is_committing && holds_turns(&p, power.turns + 1)));
    place_close(&p);
    power.cuts++;
}

static void maybe_cut(void)
{
    power.is_on = false;
    for (int lost = 0; lost < LOST_KINDS; lost++)
        check_image((enum lost)lost);
    power.is_on = true;
}

static bool is_data_file(int fd)
{
    char link[64], name[700];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (n <= 0)
        return false;
    name[n] = '\0';
    return strstr(name, "/power/data.mdb") != NULL;
}

static void note_write(int fd, const void *data, size_t n, off_t off)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_DSYNC) != 0) {
        /* This descriptor's writes are on the medium when they return, and no others with them. */
        disk_write(power.disk, &power.disk_len, (size_t)off, data, n);
        return;
    }
    REQUIRE(power.pending_count < PENDING_MAX);
    struct pending *w = &power.pending[power.pending_count++];
    w->off = (size_t)off;
    w->len = n;
    w->data = malloc(n);
    REQUIRE(w->data != NULL);
    memcpy(w->data, data, n);
}

static void note_sync(void)
{
    for (size_t i = 0; i < power.pending_count; i++) {
        struct pending *w = &power.pending[i];

        disk_write(power.disk, &power.disk_len, w->off, w->data, w->len);
        free(w->data);
    }
    power.pending_count = 0;
    power.syncs++;
}

/* The calls of LMDB, caught on their way: the definitions of a program come before those of libc. */
ssize_t pwrite(int fd, const void *data, size_t n, off_t off)
{
    bool is_caught = power.is_on && is_data_file(fd);

    if (is_caught)
        maybe_cut();
    ssize_t done = syscall(SYS_pwrite64, fd, data, n, off);
    if (is_caught && done > 0)
        note_write(fd, data, (size_t)done, off);
    return done;
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
    bool is_caught = power.is_on && is_data_file(fd);
    off_t off = is_caught ? lseek(fd, 0, SEEK_CUR) : 0;

    if (is_caught)
        maybe_cut();
    ssize_t done = syscall(SYS_writev, fd, v, count);
    size_t left = done > 0 ? (size_t)done : 0;
    for (int i = 0; is_caught && i < count && left > 0; i++) {
        size_t n = v[i].iov_len < left ? v[i].iov_len : left;

        note_write(fd, v[i].iov_base, n, off);
        off += (off_t)n;
        left -= n;
    }
    return done;
}

int fdatasync(int fd)
{
    bool is_caught = power.is_on && is_data_file(fd);

    if (is_caught)
        maybe_cut();
    int rc = (int)syscall(SYS_fdatasync, fd);
    if (is_caught && rc == 0)
        note_sync();
    return rc;
}

int fsync(int fd)
{
    bool is_caught = power.is_on && is_data_file(fd);

    if (is_caught)
        maybe_cut();
    int rc = (int)syscall(SYS_fsync, fd);
    if (is_caught && rc == 0)
        note_sync();
    return rc;
}

static void test_power(void)
{
    snprintf(path, sizeof path, "%s/power", check_folder());
    snprintf(image_path, sizeof image_path, "%s/image", check_folder());
    seeded_init(&power.seed, 11);
    REQUIRE((power.disk = calloc(1, IMAGE_MAX)) != NULL);
    struct place p = place_open(image_path); /* makes the folder */
    place_close(&p);
    p = place_open(path);
    snprintf(image_file, sizeof image_file, "%s/data.mdb", path);
    struct buffer start = buffer_of_limit(IMAGE_MAX);
    struct bytes made = check_file(&start, image_file);
    disk_write(power.disk, &power.disk_len, 0, made.at, made.len);
    buffer_clear(&start);
    snprintf(image_file, sizeof image_file, "%s/data.mdb", image_path);
    power.is_on = true;
    for (uint64_t t = 0; t < TURNS; t++) {
        turn_prepare(&p, t);
        power.is_committing = true;
        CHECK_ERR("", db_commit(p.db), ERR_NONE);
        power.is_committing = false;
        power.turns = t + 1;
        maybe_cut();
    }
    power.is_on = false;
    place_close(&p);
    /* The calls were really caught. */
    CHECK(power.cuts > TURNS * LOST_KINDS * 4 && power.syncs >= TURNS);
    printf("the power was cut %u times\n", power.cuts);
    for (size_t i = 0; i < power.pending_count; i++)
        free(power.pending[i].data);
    free(power.disk);
}

int main(void)
{
    test_kill();
    test_every_commit();
    test_power();
    return check_report("crash");
}
