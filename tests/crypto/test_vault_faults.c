/* tests/crypto/test_vault_faults.c - every system call that changes the vault fails once, or is the last
 * one before a crash, in every story.
 *
 * The linker puts the functions below in front of the C library's (--wrap). A crash is a child that ends before
 * its n-th call. It shows the order of the calls on files; that what was synced is on the disk is the system's word, so the
 * order of syncs and renames is checked as a trace.
 */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/vault.h"
#include "tests/support/check.h"

enum fault { FAULT_NONE, FAULT_IO, FAULT_FULL, FAULT_SHORT, FAULT_CRASH };

static struct {
    enum fault fault;
    unsigned at, count;     /* at: the call it strikes, from 0 */
    char trace[256];
} plan;

static void plan_set(enum fault fault, unsigned at)
{
    memset(&plan, 0, sizeof plan);
    plan.fault = fault;
    plan.at = at;
}

/* Counts one call; true when it is to fail. */
static bool call_fails(char letter)
{
    size_t len = strlen(plan.trace);
    bool is_struck = plan.fault != FAULT_NONE && plan.count == plan.at;

    plan.count++;
    if (len + 1 < sizeof plan.trace)
        plan.trace[len] = letter;
    if (!is_struck || plan.fault == FAULT_SHORT)
        return false;
    if (plan.fault == FAULT_CRASH)
        _exit(0);
    errno = plan.fault == FAULT_FULL ? ENOSPC : EIO;
    return true;
}

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *at, size_t len);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
off_t __real_lseek(int fd, off_t at, int whence);
ssize_t __real_read(int fd, void *at, size_t len);

int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *at, size_t len);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
off_t __wrap_lseek(int fd, off_t at, int whence);
ssize_t __wrap_read(int fd, void *at, size_t len);

int __wrap_open(const char *path, int flags, ...)
{
    unsigned mode = 0;
    va_list arguments;

    if ((flags & O_CREAT) != 0) {
        va_start(arguments, flags);
        mode = va_arg(arguments, unsigned);
        va_end(arguments);
    }
    return call_fails((flags & O_DIRECTORY) != 0 ? 'd' : 'o') ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *at, size_t len)
{
    bool is_struck = plan.fault == FAULT_SHORT && plan.count == plan.at;

    if (call_fails('w'))
        return -1;
    return __real_write(fd, at, is_struck ? len / 2 : len);
}

int __wrap_fsync(int fd) { return call_fails('f') ? -1 : __real_fsync(fd); }

int __wrap_close(int fd)
{
    bool is_failing = call_fails('c');
    int result = __real_close(fd);

    return is_failing ? -1 : result;
}

int __wrap_rename(const char *from, const char *to) { return call_fails('r') ? -1 : __real_rename(from, to); }
int __wrap_unlink(const char *path) { return call_fails('u') ? -1 : __real_unlink(path); }
off_t __wrap_lseek(int fd, off_t at, int whence) { return call_fails('l') ? -1 : __real_lseek(fd, at, whence); }

ssize_t __wrap_read(int fd, void *at, size_t len)
{
    bool is_struck = plan.fault == FAULT_SHORT && plan.count == plan.at;

    if (call_fails('R'))
        return -1;
    return __real_read(fd, at, is_struck && len > 1 ? len / 2 : len);
}

static char path[512], key_path[512];
static struct rng rng;
static struct vault_key old_key, new_key, duress_key, file_key;

struct mark { uint8_t octets[16]; };

static enum err opened(const struct vault_key *key, struct mark *m)
{
    struct vault *v;
    enum err e = vault_open(&v, path, key, &rng);

    if (e != ERR_NONE)
        return e;
    if (m != NULL)
        vault_key_hash(v, 0, bytes_of_text("mark"), m->octets);
    vault_close(v);
    return e;
}

static void files_remove(void)
{
    char beside[600];

    snprintf(beside, sizeof beside, "%s.new", path);
    remove(path);
    remove(beside);
    snprintf(beside, sizeof beside, "%s.new", key_path);
    remove(key_path);
    remove(beside);
}

/* What stands before each story: a vault of old_key, or of the key file, with the vault open. */
static struct vault *setting(const struct vault_key *key, bool has_duress, struct mark *m)
{
    struct vault *v;

    plan_set(FAULT_NONE, 0);
    files_remove();
    REQUIRE(vault_create(&v, path, key, VAULT_COST_TEST, &rng) == ERR_NONE);
    if (has_duress)
        REQUIRE(vault_set_duress(v, path, duress_key.passphrase, VAULT_COST_TEST, &rng) == ERR_NONE);
    vault_key_hash(v, 0, bytes_of_text("mark"), m->octets);
    return v;
}

typedef enum err story(struct vault *v);
typedef void aftermath(const char *label, enum err e, const struct mark *before);

static enum err story_create(struct vault *v)
{
    struct vault *made;

    (void)v;
    enum err e = vault_create(&made, path, &file_key, VAULT_COST_TEST, &rng);
    if (e == ERR_NONE)
        vault_close(made);
    return e;
}

static enum err story_change(struct vault *v) { return vault_change_key(v, path, &new_key, VAULT_COST_TEST, &rng); }

static enum err story_set_duress(struct vault *v)
{
    return vault_set_duress(v, path, duress_key.passphrase, VAULT_COST_TEST, &rng);
}

static enum err story_duress(struct vault *v)
{
    (void)v;
    return opened(&duress_key, NULL);
}

static enum err story_panic(struct vault *v)
{
    (void)v;
    return vault_panic(path, key_path);
}

static bool mark_is_equal(const struct mark *a, const struct mark *b) { return memcmp(a, b, sizeof *a) == 0; }

/* A vault, or none and a second try makes one. */
static void after_create(const char *label, enum err e, const struct mark *before)
{
    struct vault *v;
    enum err now = opened(&file_key, NULL);

    (void)before;
    CHECK_CASE(label, now == ERR_NONE || (now == ERR_NOT_FOUND && e != ERR_NONE));
    if (now != ERR_NOT_FOUND)
        return;
    CHECK_ERR(label, vault_create(&v, path, &file_key, VAULT_COST_TEST, &rng), ERR_NONE);
    vault_close(v);
    CHECK_ERR(label, opened(&file_key, NULL), ERR_NONE);
}

/* Exactly one of the keys, and the same vault. */
static void after_change(const char *label, enum err e, const struct mark *before)
{
    struct mark m;
    enum err with_old = opened(&old_key, &m), with_new = opened(&new_key, &m);

    CHECK_CASE(label, (with_old == ERR_NONE) != (with_new == ERR_NONE));
    CHECK_CASE(label, e != ERR_NONE || with_new == ERR_NONE);
    CHECK_CASE(label, mark_is_equal(&m, before));
}

/* The real vault opens whatever happened. */
static void after_set_duress(const char *label, enum err e, const struct mark *before)
{
    struct mark m;

    CHECK_ERR(label, opened(&old_key, &m), ERR_NONE);
    CHECK_CASE(label, mark_is_equal(&m, before));
    enum err with_duress = opened(&duress_key, &m);
    CHECK_CASE(label, with_duress == ERR_NONE || (e != ERR_NONE && with_duress == ERR_AUTH));
}

/* Done, the real slot is gone; undone, a second try does it. The duress slot stands throughout. */
static void after_duress(const char *label, enum err e, const struct mark *before)
{
    struct mark m;

    (void)before;
    if (e == ERR_NONE)
        CHECK_ERR(label, opened(&old_key, NULL), ERR_AUTH);
    CHECK_ERR(label, opened(&duress_key, &m), ERR_NONE);
    CHECK_ERR(label, opened(&old_key, NULL), ERR_AUTH);
}

/* No single failure of the system keeps panic from its end. */
static void after_panic(const char *label, enum err e, const struct mark *before)
{
    (void)before;
    CHECK_CASE(label, opened(&file_key, NULL) != ERR_NONE);
    if (e == ERR_NONE)
        CHECK_CASE(label, access(path, F_OK) != 0 && access(key_path, F_OK) != 0);
    CHECK_ERR(label, vault_panic(path, key_path), ERR_NONE);
    CHECK_CASE(label, access(path, F_OK) != 0 && access(key_path, F_OK) != 0);
}

/* A crash may come first; the second try has to do it. */
static void after_panic_crash(const char *label, enum err e, const struct mark *before)
{
    (void)e;
    (void)before;
    CHECK_ERR(label, vault_panic(path, key_path), ERR_NONE);
    CHECK_CASE(label, access(path, F_OK) != 0 && access(key_path, F_OK) != 0);
}

static const struct {
    const char *name;
    const struct vault_key *key;      /* NULL: no vault stands there before */
    bool has_duress;
    story *run;
    aftermath *after, *after_crash;
    const char *trace;                /* what the undisturbed story has to contain, in this order */
} stories[] = {
    { "create", NULL, false, story_create, after_create, after_create, "owfcordfc" },
    { "change key", &old_key, false, story_change, after_change, after_change, "owfcordfc" },
    { "set duress", &old_key, false, story_set_duress, after_set_duress, after_set_duress, "owfcordfc" },
    { "duress", &old_key, true, story_duress, after_duress, after_duress, "olwfc" },
    { "panic", &file_key, false, story_panic, after_panic, after_panic_crash, "olwfcu" },
};

enum { STORIES_COUNT = sizeof stories / sizeof stories[0] };

static struct vault *story_setting(size_t i, struct mark *m)
{
    memset(m, 0, sizeof *m);
    if (stories[i].key != NULL)
        return setting(stories[i].key, stories[i].has_duress, m);
    plan_set(FAULT_NONE, 0);
    files_remove();
    return NULL;
}

static void check_trace(size_t i)
{
    struct mark m;
    struct vault *v = story_setting(i, &m);

    plan_set(FAULT_NONE, 0);
    CHECK_ERR(stories[i].name, stories[i].run(v), ERR_NONE);
    printf("%s: %s\n", stories[i].name, plan.trace);
    CHECK_CASE(stories[i].name, strstr(plan.trace, stories[i].trace) != NULL);
    vault_close(v);
}

/* Fails call n for every n, until the story is over before its turn comes. */
static void check_faults(size_t i, enum fault fault)
{
    char label[64];

    for (unsigned at = 0, is_over = 0; !is_over; at++) {
        struct mark m;
        struct vault *v = story_setting(i, &m);

        snprintf(label, sizeof label, "%s, fault %d at call %u", stories[i].name, (int)fault, at);
        plan_set(fault, at);
        enum err e = stories[i].run(v);
        is_over = plan.count <= plan.at;
        plan_set(FAULT_NONE, 0);
        if (is_over || fault == FAULT_SHORT)
            CHECK_ERR(label, e, ERR_NONE);
        stories[i].after(label, e, &m);
        vault_close(v);
    }
}

static void check_crashes(size_t i)
{
    char label[64];

    for (unsigned at = 0, is_over = 0; !is_over; at++) {
        struct mark m;
        struct vault *v = story_setting(i, &m);
        int status;

        snprintf(label, sizeof label, "%s, crash at call %u", stories[i].name, at);
        fflush(NULL);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            plan_set(FAULT_CRASH, at);
            stories[i].run(v);
            _exit(1);
        }
        REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status));
        is_over = WEXITSTATUS(status) == 1;
        stories[i].after_crash(label, is_over ? ERR_NONE : ERR_IO, &m);
        vault_close(v);
    }
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    rng = rng_system();
    snprintf(path, sizeof path, "%s/vault", check_folder());
    snprintf(key_path, sizeof key_path, "%s/vault.key", check_folder());
    old_key.passphrase = bytes_of_text("old");
    new_key.passphrase = bytes_of_text("new");
    duress_key.passphrase = bytes_of_text("duress");
    file_key.key_file = key_path;
    for (size_t i = 0; i < STORIES_COUNT; i++) {
        check_trace(i);
        check_faults(i, FAULT_IO);
        check_faults(i, FAULT_FULL);
        check_faults(i, FAULT_SHORT);
        check_crashes(i);
    }
    return check_report("vault faults");
}
