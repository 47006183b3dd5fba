/* apps/service/cell.c - a program of somebody else's, started with little to hold and little to break.
 *
 * Between fork and exec only what is safe after a fork of a program with threads is called.
 */
#define _GNU_SOURCE
#include "apps/service/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Later than the headers of some systems that this is built on. */
#define MAY_REFER    (UINT64_C(1) << 13)
#define MAY_TRUNCATE (UINT64_C(1) << 14)

static const uint64_t of_first = (UINT64_C(1) << 13) - 1;
static const uint64_t of_reading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | MAY_TRUNCATE;

/* What programs and their languages need. Not /home, /root, /var, /tmp, /run: there lies what people have. */
static const char *const of_system[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/proc", "/run/systemd/resolve", "/dev/urandom", "/dev/zero",
};

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* ---- In the child ---- */

static void allow(int rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr beneath = { .allowed_access = rights };
    struct stat st;

    beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0)
        return;
    if (fstat(beneath.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        beneath.allowed_access &= of_files;
    (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
}

/* False: the kernel has walls, and they could not be put up. */
static bool put_up_walls(const struct cell *c)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = of_first };
    long version = landlock_version();

    if (version <= 0)
        return true;
    if (version >= 2)
        attr.handled_access_fs |= MAY_REFER;
    if (version >= 3)
        attr.handled_access_fs |= MAY_TRUNCATE;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (rules < 0)
        return false;
    for (size_t i = 0; i < sizeof of_system / sizeof of_system[0]; i++)
        allow(rules, of_system[i], of_reading);
    for (size_t i = 0; i < CELL_READABLE_MAX && c->readable[i] != NULL; i++)
        allow(rules, c->readable[i], of_reading);
    allow(rules, "/dev/null", (of_reading | LANDLOCK_ACCESS_FS_WRITE_FILE | MAY_TRUNCATE) & attr.handled_access_fs);
    allow(rules, c->folder, attr.handled_access_fs);
    return syscall(SYS_landlock_restrict_self, rules, 0) == 0;
}

static bool limit(int what, uint64_t most)
{
    struct rlimit l = { (rlim_t)most, (rlim_t)most };

    return setrlimit(what, &l) == 0 || errno == EPERM;   /* a lower limit holds already */
}

/* All but the three and `kept`. Ours are closed by exec in any case; this is for what a library may have left open. */
static void close_others(int kept)
{
    if (syscall(SYS_close_range, 3u, (unsigned)kept - 1, 0u) == 0 && syscall(SYS_close_range, (unsigned)kept + 1, ~0u, 0u) == 0)
        return;
    for (int fd = 3; fd < 65536; fd++)
        if (fd != kept)
            close(fd);
}

static bool settle_in(const struct cell *c, int *tell)
{
    sigset_t none;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    /* Out of the way of 0 to 2, which are about to be replaced. */
    *tell = fcntl(*tell, F_DUPFD_CLOEXEC, 10);
    if (nowhere < 0 || *tell < 0 || dup2(c->in, 0) < 0 || dup2(nowhere, 1) < 0 || dup2(nowhere, 2) < 0)
        return false;
    close_others(*tell);
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return setsid() >= 0 && chdir(c->folder) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           put_up_walls(c) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_AS, c->memory_bytes) && limit(RLIMIT_CPU, c->cpu_s) &&
           limit(RLIMIT_FSIZE, c->file_bytes) && limit(RLIMIT_NOFILE, c->descriptors);
}

static void be(const struct cell *c, int tell) __attribute__((noreturn));

static void be(const struct cell *c, int tell)
{
    if (settle_in(c, &tell))
        execve(c->program, c->argv, c->envp);
    int why = errno;
    ssize_t n = write(tell, &why, sizeof why);
    (void)n;
    _exit(127);
}

/* ---- In the parent ---- */

enum err cell_start(pid_t *pid, const struct cell *c)
{
    int pipes[2], why = 0;
    ssize_t n;

    if (pipe2(pipes, O_CLOEXEC) != 0)
        return ERR_IO;
    pid_t child = fork();
    if (child == 0)
        be(c, pipes[1]);
    close(pipes[1]);
    /* Nothing comes when exec has closed the other end. */
    while (child > 0 && (n = read(pipes[0], &why, sizeof why)) < 0 && errno == EINTR)
        ;
    close(pipes[0]);
    if (child < 0)
        return ERR_NO_MEMORY;
    if (why == 0) {
        *pid = child;
        return ERR_NONE;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return why == ENOENT || why == ENOTDIR ? ERR_NOT_FOUND : why == ENOMEM ? ERR_NO_MEMORY : why == EACCES || why == ENOEXEC ? ERR_REFUSED : ERR_IO;
}
