/* tests/storage/test_full_disk.c - a full disk refuses with a reason, keeps what it has, and recovers.
 *
 * Really full: a small tmpfs in a mount namespace of the test's own, where the system allows one; and, for
 * everybody, a limit on the size of files, which ends writes the same way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/store.h"
#include "tests/storage/bundles.h"
#include "tests/support/check.h"

enum { MIB = 1024 * 1024, DISK_MIB = 16, BATCH = 50 };

static const struct db_options options = { 0, 4 * MIB, false };
static char disk[512], path[600];

struct place { struct db *db; struct store *s; };

static struct place place_open(void)
{
    struct place p = { NULL, NULL };

    REQUIRE(db_open_lmdb(&p.db, path, &options) == ERR_NONE);
    REQUIRE(store_open(&p.s, p.db, NULL) == ERR_NONE);
    return p;
}

static void place_close(struct place *p)
{
    store_close(p->s);
    db_close(p->db);
}

/* Puts from `first` on, committed in batches, until something is full; returns how many are committed. */
static uint64_t fill(struct place *p, enum quota_class k, uint64_t first, enum err *why)
{
    uint64_t committed = first, n = first;

    *why = ERR_NONE;
    while (*why == ERR_NONE) {
        for (int i = 0; i < BATCH && *why == ERR_NONE; i++) {
            struct store_entry e = entry_plain();

            e.quota_class = (uint8_t)k;
            e.len = 1024;
            struct bytes b = bundle_numbered(&e, n);
            *why = store_put(p->s, &e, b);
            n += *why == ERR_NONE;
        }
        /* A put that was refused has changed nothing: what came before it is committed. */
        enum err e = db_commit(p->db);
        if (e == ERR_NONE)
            committed = n;
        else
            *why = e;
        REQUIRE(n < 100000);
    }
    return committed;
}

static void check_holds(struct place *p, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        struct bundle_id id;
        struct bytes b;

        id_numbered(&id, n);
        const struct store_entry *e = store_find(p->s, &id);
        CHECK(e != NULL && store_read(p->s, e, &b) == ERR_NONE && is_bundle_numbered(b, n));
    }
}

static void fill_disk(const char *name)
{
    static const uint8_t block[4096] = { 1 };
    int fd = open(name, O_WRONLY | O_CREAT, 0600);

    REQUIRE(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        continue;
    CHECK(errno == ENOSPC);
    close(fd);
}

static void tell_room(const struct place *p, bool has_room, bool has_reserve)
{
    struct store_usage u;

    store_usage(p->s, &u);
    CHECK(db_has_room(p->db) == has_room && db_has_reserve(p->db) == has_reserve);
    CHECK((u.fill_percent == 100) == !has_room);
}

static void test_store_on_full_disk(bool is_real)
{
    struct place p = place_open();
    char other[600];
    enum err why;

    tell_room(&p, true, true);
    uint64_t strangers = fill(&p, QUOTA_STRANGER, 0, &why);
    CHECK_ERR("strangers are refused", why, ERR_FULL);
    CHECK(strangers > 4000);
    tell_room(&p, false, true);
    uint64_t own = fill(&p, QUOTA_OWN, strangers, &why);
    CHECK_ERR("own are refused later", why, ERR_FULL);
    CHECK(own > strangers + 500);
    check_holds(&p, 0, own);
    place_close(&p);

    snprintf(other, sizeof other, "%s/another", disk);
    if (is_real)
        fill_disk(other);
    p = place_open();
    tell_room(&p, false, false);
    struct store_usage u;
    store_usage(p.s, &u);
    CHECK(u.count == own && u.damaged_count == 0);
    check_holds(&p, 0, own);

    /* Not a byte is free, and bundles can still be let go, a few or many. */
    struct bundle_id id;
    for (uint64_t n = 0; n < strangers; n++) {
        id_numbered(&id, n);
        CHECK_ERR("", store_remove(p.s, &id, n % 2 == 0), ERR_NONE);
        if (n % 20 == 0 || n + 1 == strangers)
            CHECK_ERR("", db_commit(p.db), ERR_NONE);
    }
    check_holds(&p, strangers, own);
    /* Their pages are room: the store recovers though the disk is as full as it was. */
    CHECK_ERR("", store_remove(p.s, (id_numbered(&id, own - 1), &id), false), ERR_NONE);
    CHECK_ERR("", db_commit(p.db), ERR_NONE);
    tell_room(&p, true, true);
    uint64_t again = fill(&p, QUOTA_STRANGER, 100000 / 2, &why) - 100000 / 2;
    CHECK_ERR("", why, ERR_FULL);
    CHECK(again > 2000);
    place_close(&p);
    if (is_real)
        unlink(other);
    p = place_open();
    check_holds(&p, strangers, own - 1);
    check_holds(&p, 50000, 50000 + again);
    place_close(&p);
}

/* Below the policy of the store: a commit that the disk cannot take. */
static void test_commit_on_full_disk(void)
{
    static uint8_t value[65536];
    struct db *db = NULL;
    uint64_t n = 1, committed;
    enum err e;

    REQUIRE(db_open_lmdb(&db, path, &options) == ERR_NONE);
    while ((e = db_put_seq(db, DB_BUNDLE_BODY, n, bytes_of(value, sizeof value))) == ERR_NONE) {
        if (n % 10 == 0 && (e = db_commit(db)) != ERR_NONE)
            break;
        REQUIRE(n++ < 10000);
    }
    CHECK_ERR("full", e, ERR_FULL);
    committed = n / 10 * 10 - 10;
    for (int round = 0; round < 2; round++) {
        struct bytes v;

        CHECK(db_count(db, DB_BUNDLE_BODY) == committed && committed > 0);
        CHECK_ERR("", db_get_seq(db, DB_BUNDLE_BODY, committed, &v), ERR_NONE);
        CHECK_ERR("", db_get_seq(db, DB_BUNDLE_BODY, committed + 1, &v), ERR_NOT_FOUND);
        db_close(db);
        REQUIRE(db_open_lmdb(&db, path, &options) == ERR_NONE);
    }
    CHECK(!db_has_room(db));
    for (uint64_t i = 1; i <= committed; i++) {
        CHECK_ERR("", db_delete_seq(db, DB_BUNDLE_BODY, i), ERR_NONE);
        CHECK_ERR("", db_commit(db), ERR_NONE);
    }
    CHECK(db_has_room(db));
    for (uint64_t i = 1; i <= committed / 2; i++)
        CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, n + i, bytes_of(value, sizeof value)), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    db_close(db);
}

/* What is deleted is used again: a relay's file does not grow with its age. */
static void test_refill(void)
{
    struct db_options quick = { 0, 1, true };
    struct place p = { NULL, NULL };
    uint64_t after_two = 0;

    REQUIRE(db_open_lmdb(&p.db, path, &quick) == ERR_NONE && store_open(&p.s, p.db, NULL) == ERR_NONE);
    for (uint64_t round = 0; round < 12; round++) {
        for (uint64_t n = 0; n < 3000; n++) {
            struct store_entry e = entry_plain();

            e.deadline_s = store_clock_s(p.s) + 1 + (uint32_t)(n * 7919 % 3000);
            e.len = n % 50 == round % 2 ? 65536 : 256;
            struct bytes b = bundle_numbered(&e, round * 3000 + n);
            REQUIRE(store_put(p.s, &e, b) == ERR_NONE);
            if (n % 100 == 99)
                REQUIRE(db_commit(p.db) == ERR_NONE);
        }
        for (int n = 0; n < 30; n++) {
            store_clock_advance(p.s, 100);
            CHECK(store_expire(p.s, 1000) == 100);
            REQUIRE(db_commit(p.db) == ERR_NONE);
        }
        if (round == 1)
            after_two = db_used_bytes(p.db);
    }
    CHECK(db_used_bytes(p.db) <= after_two + after_two / 20);
    place_close(&p);
}

static void use_folder(const char *folder, const char *name)
{
    snprintf(disk, sizeof disk, "%s", folder);
    snprintf(path, sizeof path, "%s/%s", folder, name);
}

/* In a child, since neither a limit nor a namespace can be taken back. Its report is its exit status. */
static void in_child(const char *name, bool (*prepare)(const char *folder), bool is_real)
{
    const char *folder = check_folder();
    int status = 0;
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        if (!prepare(folder)) {
            printf("%s: skipped, this system does not let us: %s\n", name, strerror(errno));
            fflush(stdout);
            _exit(0);
        }
        use_folder(folder, "commit");
        test_commit_on_full_disk();
        if (is_real) {
            /* The disk is one for both, so the first gives its place back. */
            char data[700];

            snprintf(data, sizeof data, "%s/data.mdb", path);
            unlink(data);
        }
        use_folder(folder, "store");
        test_store_on_full_disk(is_real);
        int failed = check_report(name);
        fflush(stdout);
        _exit(failed);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool limit_files(const char *folder)
{
    struct rlimit limit = { DISK_MIB * MIB, DISK_MIB * MIB };

    (void)folder;
    signal(SIGXFSZ, SIG_IGN);
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

static bool write_text(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return is_written;
}

/* Root may mount; anybody else in a name space where he is root, if the system allows those. */
static bool enter_namespace(void)
{
    char map[32];
    uid_t uid = getuid();
    gid_t gid = getgid();

    if (unshare(CLONE_NEWNS) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    snprintf(map, sizeof map, "0 %lu 1", (unsigned long)uid);
    if (!write_text("/proc/self/uid_map", map) || !write_text("/proc/self/setgroups", "deny"))
        return false;
    snprintf(map, sizeof map, "0 %lu 1", (unsigned long)gid);
    return write_text("/proc/self/gid_map", map);
}

static bool mount_small_disk(const char *folder)
{
    char size[32];

    if (!enter_namespace())
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    snprintf(size, sizeof size, "size=%dm", DISK_MIB);
    return mount("none", folder, "tmpfs", 0, size) == 0;
}

int main(void)
{
    in_child("full_disk by a limit on files", limit_files, false);
    in_child("full_disk on a small tmpfs", mount_small_disk, true);
    use_folder(check_folder(), "refill");
    test_refill();
    return check_report("full_disk");
}
