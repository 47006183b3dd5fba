/* apps/daemon/hook.c - a program that is run for every message that comes in. */
#define _GNU_SOURCE /* memfd_create */
#include "apps/daemon/hook.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/service/cell.h"

struct run {
    struct hook *hook;
    pid_t pid;                   /* 0: free */
    bool is_late;
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct event *deadline;
};

struct waiting_message { int file; char id[MESSAGE_ID_TEXT_LEN + 1]; };

struct hook {
    const struct parts *parts;
    struct event *child;         /* some process has ended */
    struct run runs[HOOK_AT_ONCE];
    struct waiting_message waiting[HOOK_WAITING_MAX];
    unsigned count;
    bool is_overrun;             /* said already */
    char near_us[PROFILE_PATH_MAX];   /* the folder of this program, where staffetta is */
};

/* ---- Starting ---- */

/* The folder that a path lies in. False: there is none. */
static bool folder_of(char to[PROFILE_PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (len == 0 || len >= PROFILE_PATH_MAX)
        return false;
    memcpy(to, path, len);
    to[len] = '\0';
    return true;
}

static bool lies_in(const char *path, const char *folder)
{
    char a[PATH_MAX], b[PATH_MAX];
    size_t len;

    if (realpath(path, a) == NULL || realpath(folder, b) == NULL)
        return true;   /* in doubt */
    len = strlen(b);
    return strncmp(a, b, len) == 0 && (a[len] == '\0' || a[len] == '/' || len == 1);
}

static enum err start(struct hook *h, pid_t *pid, int file)
{
    const struct config *config = h->parts->config;
    char folder[PROFILE_PATH_MAX], path[PROFILE_PATH_MAX + 64], home[PROFILE_PATH_MAX + 8], temporary[PROFILE_PATH_MAX + 8], data[PROFILE_PATH_MAX + 24],
        program[PROFILE_PATH_MAX];
    char *argv[] = { program, NULL }, *envp[] = { path, home, temporary, data, (char[]){ "LC_ALL=C.UTF-8" }, NULL };

    memcpy(program, config->on_message, sizeof program);
    /* Its folder is open to it; the vault must not lie there. */
    if (!folder_of(folder, program) || access(folder, F_OK) != 0)
        return ERR_NOT_FOUND;
    if (lies_in(h->parts->paths->folder, folder) || lies_in(folder, h->parts->paths->folder))
        return ERR_REFUSED;
    snprintf(path, sizeof path, "PATH=%s:/usr/local/bin:/usr/bin:/bin", h->near_us);
    snprintf(home, sizeof home, "HOME=%s", folder);
    snprintf(temporary, sizeof temporary, "TMPDIR=%s", folder);
    snprintf(data, sizeof data, "STAFFETTA_DATA=%s", h->parts->paths->folder);
    const struct cell cell = {
        .program = program, .argv = argv, .envp = envp, .in = file, .folder = folder, .readable = { h->near_us },
        .memory_bytes = HOOK_MEMORY, .file_bytes = HOOK_FILE, .cpu_s = (unsigned)config->on_message_s, .descriptors = HOOK_DESCRIPTORS,
    };
    return cell_start(pid, &cell);
}

static void say_not_started(const struct hook *h, const char *id, enum err e)
{
    log_line(h->parts->log, LOG_LEVEL_WARNING, "on-message could not be run for message %s, which is in its conversation: %s", id,
             e == ERR_NOT_FOUND ? "there is no such program" : e == ERR_REFUSED ? "it may not be run: it has to be executable, begin with #!, and lie in a folder apart from the data"
                                                                            : err_text(e));
}

static void start_next(struct hook *h)
{
    const struct timeval limit = { (time_t)h->parts->config->on_message_s, 0 };

    for (unsigned i = 0; i < HOOK_AT_ONCE && h->count > 0; i++) {
        struct run *r = &h->runs[i];

        while (r->pid == 0 && h->count > 0) {
            struct waiting_message m = h->waiting[0];
            enum err e = h->parts->config->on_message[0] != '\0' ? start(h, &r->pid, m.file) : ERR_STATE;

            memmove(h->waiting, h->waiting + 1, --h->count * sizeof h->waiting[0]);
            close(m.file);
            if (e == ERR_NONE) {
                memcpy(r->id, m.id, sizeof r->id);
                r->is_late = false;
                event_add(r->deadline, &limit);
            } else if (e != ERR_STATE) {
                r->pid = 0;
                say_not_started(h, m.id, e);
            }
        }
    }
    if (h->count == 0)
        h->is_overrun = false;
}

/* ---- Ending ---- */

static void say_end(const struct run *r, int status)
{
    const struct log *log = r->hook->parts->log;

    if (r->is_late)
        log_line(log, LOG_LEVEL_WARNING, "on-message took longer than %llu s with message %s, and was ended",
                 (unsigned long long)r->hook->parts->config->on_message_s, r->id);
    else if (WIFSIGNALED(status))
        log_line(log, LOG_LEVEL_WARNING, "on-message was ended by signal %d with message %s", WTERMSIG(status), r->id);
    else if (WEXITSTATUS(status) != 0)
        log_line(log, LOG_LEVEL_WARNING, "on-message failed with status %d for message %s", WEXITSTATUS(status), r->id);
}

static void on_child(evutil_socket_t fd, short what, void *ctx)
{
    struct hook *h = ctx;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < HOOK_AT_ONCE; i++) {
        struct run *r = &h->runs[i];
        siginfo_t info = { .si_pid = 0 };
        int status = 0;

        if (r->pid == 0 || waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != r->pid)
            continue;
        /* What it left behind goes with it. Before it is waited for, so that the number still is its. */
        kill(-r->pid, SIGKILL);
        if (waitpid(r->pid, &status, WNOHANG) != r->pid)
            continue;
        event_del(r->deadline);
        say_end(r, status);
        r->pid = 0;
    }
    start_next(h);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    struct run *r = ctx;

    (void)fd;
    (void)what;
    r->is_late = true;
    kill(-r->pid, SIGKILL);   /* on_child does the rest */
}

/* ---- Taking ---- */

static int write_part(const char *part, size_t len, void *ctx)
{
    const int *fd = ctx;

    while (len > 0) {
        ssize_t n = write(*fd, part, len);

        if (n <= 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            part += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* The message as a file in memory: the program may read it as slowly as it likes, and nobody waits. -1: there is no memory. */
static int file_of(const json_t *message)
{
    int fd = memfd_create("message", MFD_CLOEXEC);

    if (fd >= 0 && (json_dump_callback(message, write_part, &fd, JSON_COMPACT) != 0 || write_part("\n", 1, &fd) != 0 ||
                    lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void hook_take(struct hook *h, const json_t *message)
{
    const char *id = json_string_value(json_object_get(message, "id"));

    if (h->parts->config->on_message[0] == '\0' || id == NULL)
        return;
    int file = h->count < HOOK_WAITING_MAX ? file_of(message) : -1;
    if (file < 0) {
        if (!h->is_overrun)
            log_line(h->parts->log, LOG_LEVEL_WARNING, "on-message is too slow: from message %s on some are not handed to it; `staffetta inbox` has them", id);
        h->is_overrun = true;
        return;
    }
    struct waiting_message *m = &h->waiting[h->count++];
    m->file = file;
    snprintf(m->id, sizeof m->id, "%s", id);
    start_next(h);
}

/* ---- Life ---- */

enum err hook_new(struct hook **out, struct event_base *base, const struct parts *parts)
{
    struct hook *h = calloc(1, sizeof *h);
    char self[PROFILE_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    bool is_whole;

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->parts = parts;
    self[len > 0 ? len : 0] = '\0';
    if (!folder_of(h->near_us, self))
        strcpy(h->near_us, "/usr/bin");
    h->child = evsignal_new(base, SIGCHLD, on_child, h);
    is_whole = h->child != NULL;
    for (unsigned i = 0; i < HOOK_AT_ONCE; i++) {
        h->runs[i].hook = h;
        h->runs[i].deadline = evtimer_new(base, on_deadline, &h->runs[i]);
        is_whole = is_whole && h->runs[i].deadline != NULL;
    }
    if (!is_whole) {
        hook_free(h);
        return ERR_NO_MEMORY;
    }
    event_add(h->child, NULL);
    *out = h;
    return ERR_NONE;
}

void hook_free(struct hook *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < HOOK_AT_ONCE; i++) {
        struct run *r = &h->runs[i];

        if (r->pid != 0) {
            kill(-r->pid, SIGKILL);
            while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
        if (r->deadline != NULL)
            event_free(r->deadline);
    }
    for (unsigned i = 0; i < h->count; i++)
        close(h->waiting[i].file);
    if (h->child != NULL)
        event_free(h->child);
    free(h);
}
