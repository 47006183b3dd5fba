/* tests/storage/test_db_file.c - what only the LMDB kind has: a folder, a lock, a version, a map that grows, and
 * files that others have damaged. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/store.h"
#include "tests/storage/bundles.h"
#include "tests/support/check.h"

enum { MIB = 1024 * 1024 };

static char path[600], file[700];

static void use(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", check_folder(), name);
    snprintf(file, sizeof file, "%s/data.mdb", path);
}

static struct db *open_db(const struct db_options *options)
{
    struct db *db = NULL;

    REQUIRE(db_open_lmdb(&db, path, options) == ERR_NONE);
    return db;
}

static void test_folder(void)
{
    struct db *db, *other = NULL;
    struct stat st;

    use("folder");
    db = open_db(NULL);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK_ERR("in the same process", db_open_lmdb(&other, path, NULL), ERR_LOCKED);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        _exit(db_open_lmdb(&other, path, NULL) == ERR_LOCKED ? 0 : 1);
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    db_close(db);
    db_close(open_db(NULL));
    use("no/such/place");
    CHECK_ERR("", db_open_lmdb(&other, path, NULL), ERR_IO);
    CHECK(other == NULL);
}

/* A daemon starts no program that would keep the lock when it dies: the lock does not survive exec, and a
 * process that was killed does not leave it behind. */
static void test_lock_goes_with_its_owner(void)
{
    int ends[2], status;
    struct db *db = NULL;
    char octet;

    use("owner");
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (db_open_lmdb(&db, path, NULL) == ERR_NONE && write(ends[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    CHECK(read(ends[0], &octet, 1) == 1);
    close(ends[0]);
    CHECK_ERR("", db_open_lmdb(&db, path, NULL), ERR_LOCKED);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_ERR("", db_open_lmdb(&db, path, NULL), ERR_NONE);
    db_close(db);
}

static void test_version(void)
{
    static const struct { const char *name, *record; size_t len; enum err want; } cases[] = {
        { "newer",   "\x02\0\0\0", 4, ERR_VERSION },
        { "short",   "\x01",       1, ERR_CORRUPT },
        { "long",    "\x01\0\0\0\0", 5, ERR_CORRUPT },
        { "ours",    "\x01\0\0\0", 4, ERR_NONE },
    };

    use("version");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct db *db = open_db(NULL), *again = NULL;

        CHECK_ERR("", db_put(db, DB_META, bytes_of_text("format"), bytes_of(cases[i].record, cases[i].len)), ERR_NONE);
        CHECK_ERR("", db_commit(db), ERR_NONE);
        db_close(db);
        CHECK_ERR(cases[i].name, db_open_lmdb(&again, path, NULL), cases[i].want);
        db_close(again);
        unlink(file);
    }
}

static void write_file(const char *name, const void *data, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    close(fd);
}

static void test_damaged_file(void)
{
    static uint8_t junk[65536];
    struct db *db = NULL;
    char half_made[700];

    use("junk");
    memset(junk, 0x5a, sizeof junk);
    db_close(open_db(NULL));
    write_file(file, junk, sizeof junk);
    CHECK_ERR("no database", db_open_lmdb(&db, path, NULL), ERR_CORRUPT);
    write_file(file, junk, 100);
    CHECK_ERR("a short one", db_open_lmdb(&db, path, NULL), ERR_CORRUPT);

    /* The power went while the database was being made. */
    use("half");
    snprintf(half_made, sizeof half_made, "%s/data.new", path);
    REQUIRE(mkdir(path, 0700) == 0);
    write_file(half_made, junk, 5000);
    db = open_db(NULL);
    CHECK(access(half_made, F_OK) != 0);
    CHECK_ERR("", db_put(db, DB_META, bytes_of_text("k"), bytes_of_text("v")), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    /* A file that was cut short is refused, and kills nobody. */
    for (uint64_t i = 1; i < 800; i++)
        CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, i, bytes_of(junk, sizeof junk)), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    db_close(db);
    REQUIRE(truncate(file, 8 * MIB) == 0);
    CHECK_ERR("cut", db_open_lmdb(&db, path, NULL), ERR_CORRUPT);
}

/* From a tiny map to many times its size, in transactions that fit and in one that does not. */
static void test_map_grows(void)
{
    static uint8_t value[65536];
    struct db_options tiny = { 1, 0, true };
    struct db *db;
    struct bytes v;
    uint64_t n = 0;
    enum err e = ERR_NONE;

    use("map");
    db = open_db(&tiny);
    for (int i = 0; i < 200; i++) {
        CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, ++n, bytes_of(value, sizeof value)), ERR_NONE);
        if (i % 4 == 3)
            CHECK_ERR("", db_commit(db), ERR_NONE);
        CHECK_ERR("what is read is of the new map", db_get_seq(db, DB_BUNDLE_BODY, 1, &v), ERR_NONE);
    }
    CHECK(db_used_bytes(db) > 12 * (uint64_t)MIB);

    /* A transaction beyond the headroom is refused as a whole; tried again, it is given twice as much, until it fits. */
    use("map2");
    db_close(db);
    db = open_db(&tiny);
    CHECK_ERR("", db_put_seq(db, DB_BUNDLE_BODY, 1, bytes_of(value, 1)), ERR_NONE);
    CHECK_ERR("", db_commit(db), ERR_NONE);
    int tries = 0;
    do {
        for (n = 2; n < 600 && (e = db_put_seq(db, DB_BUNDLE_BODY, n, bytes_of(value, sizeof value))) == ERR_NONE;)
            n++;
        enum err c = db_commit(db);
        CHECK_ERR("the commit tells the same", c, e);
        CHECK(e == ERR_NONE || (e == ERR_FULL && db_count(db, DB_BUNDLE_BODY) == 1));
    } while (e == ERR_FULL && ++tries < 20);
    CHECK(e == ERR_NONE && tries > 0 && tries < 10);
    CHECK(db_count(db, DB_BUNDLE_BODY) == 599);
    db_close(db);
    db = open_db(NULL);
    CHECK(db_count(db, DB_BUNDLE_BODY) == 599);
    db_close(db);
}

/* Two nodes in one process are the normal case. */
static void test_two(void)
{
    struct db *a, *b;
    struct bytes v;

    use("one");
    a = open_db(NULL);
    use("two");
    b = open_db(NULL);
    CHECK_ERR("", db_put(a, DB_META, bytes_of_text("k"), bytes_of_text("a")), ERR_NONE);
    CHECK_ERR("", db_put(b, DB_META, bytes_of_text("k"), bytes_of_text("b")), ERR_NONE);
    CHECK_ERR("", db_commit(a), ERR_NONE);
    db_rollback(b);
    CHECK_ERR("", db_get(a, DB_META, bytes_of_text("k"), &v), ERR_NONE);
    CHECK_ERR("", db_get(b, DB_META, bytes_of_text("k"), &v), ERR_NOT_FOUND);
    db_close(a);
    db_close(b);
}

int main(void)
{
    test_folder();
    test_lock_goes_with_its_owner();
    test_version();
    test_damaged_file();
    test_map_grows();
    test_two();
    return check_report("db_file");
}
