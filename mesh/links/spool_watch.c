/* mesh/links/spool_watch.c - see spool.h
 *
 * A stick is a folder directly under the watched one, or the watched one itself, that takes part: it has a file
 * with our ending, or a folder "staffetta". Everything else on a stick is left alone. Events only say "look again": a look walks
 * the few folders, queues what is new, and a worker reads and writes in steps between turns of the loop.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mesh/links/spool.h"
#include "mesh/links/spool_io.h"
#include "mesh/links/spool_marks.h"

enum {
    STICKS_MAX      = 16,
    FOLDERS_MAX     = 64,         /* watched */
    FILES_MAX       = 64,         /* queued at a time; the next look finds the rest */
    ENTRIES_MAX     = 4096,       /* of one folder looked at */
    PATH_LEN        = 512,
    LOOK_MS         = 200,        /* mounting makes a flock of events */
    REFRESH_MS      = 5 * 60 * 1000,   /* a stick left in a relay is kept fresh, and not worn out */
    WRITE_MAX       = 64 << 20,
};

static const char ending[] = ".staffetta";

struct stick {
    bool is_used, is_seen;
    bool is_refused;              /* cannot be written: not tried again until it is another one */
    bool is_due;                  /* something was read from it: answer */
    bool has_written;
    dev_t dev;
    ino_t ino;
    char path[PATH_LEN];
    char target[PATH_LEN];        /* where ours goes: path, or its folder "staffetta" */
    char ours[SPOOL_OURS_LEN];          /* empty: none */
    uint8_t fingerprint[16];      /* of the store when ours was written */
    uint64_t written_ms;
};

struct spool_watch {
    struct host *host;
    struct node *node;
    struct store *store;
    struct rng rng;
    struct event *on_inotify, *on_mount, *look, *work, *refresh;
    int fd_inotify, fd_mounts, fd_mounts_poll;
    char root[PATH_LEN];
    struct stick sticks[STICKS_MAX];
    struct { int wd; char path[PATH_LEN]; } folders[FOLDERS_MAX];
    struct { char path[PATH_LEN + SPOOL_NAME_LEN]; size_t stick; struct spool_mark mark; } files[FILES_MAX];
    size_t file_count, file_at;
    bool is_more;                 /* the queue was too short for the last look */
    struct spool_marks marks;
    struct spool_reader *reader;
    struct spool_writer *writer;
    struct stick *writing;        /* whose file the writer makes */
    char writing_name[SPOOL_OURS_LEN];
};

static void in_ms(struct event *e, unsigned ms)
{
    struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    event_add(e, &wait);
}

static bool has_ending(const char *name)
{
    size_t len = strlen(name);

    return name[0] != '.' && len >= sizeof ending && strcmp(name + len - (sizeof ending - 1), ending) == 0;
}

static bool path_join(char *to, size_t cap, const char *folder, const char *name)
{
    int len = snprintf(to, cap, "%s/%s", folder, name);

    return len > 0 && (size_t)len < cap;
}

/* ---- Files ---- */

static int folder_watch(struct spool_watch *w, const char *path)
{
    const uint32_t mask = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    size_t unused = FOLDERS_MAX;
    int wd;

    for (size_t i = 0; i < FOLDERS_MAX && unused == FOLDERS_MAX; i++)
        if (w->folders[i].wd == 0 || strcmp(w->folders[i].path, path) == 0)
            unused = i;
    if (unused == FOLDERS_MAX || (wd = inotify_add_watch(w->fd_inotify, path, mask)) < 0)
        return -1;
    for (size_t i = 0; i < FOLDERS_MAX; i++)
        if (w->folders[i].wd == wd)
            return wd;
    w->folders[unused].wd = wd;
    snprintf(w->folders[unused].path, PATH_LEN, "%s", path);
    return wd;
}

/* Queues what is new; returns whether the folder has any file of ours or of the same kind. */
static bool folder_look(struct spool_watch *w, size_t stick, const char *path, int flags)
{
    struct stick *s = &w->sticks[stick];
    int wd = folder_watch(w, path), fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    const char *ours;
    bool has_any = false;

    if (d == NULL && fd >= 0)
        close(fd);
    for (int i = 0; d != NULL && i < ENTRIES_MAX && (e = readdir(d)) != NULL; i++) {
        struct stat st;
        struct spool_mark mark;

        if (!has_ending(e->d_name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        has_any = true;
        if ((ours = spool_marks_ours(&w->marks, e->d_name)) != NULL) {
            memcpy(s->ours, ours, sizeof s->ours);
            continue;
        }
        mark = spool_mark_of(&st);
        if (spool_marks_is_known(&w->marks, &mark) || spool_marks_is_unfinished(&w->marks, wd, e->d_name))
            continue;
        if (w->file_count == FILES_MAX) {
            w->is_more = true;
            continue;
        }
        if (!path_join(w->files[w->file_count].path, sizeof w->files[0].path, path, e->d_name))
            continue;
        w->files[w->file_count].stick = stick;
        w->files[w->file_count].mark = mark;
        w->file_count++;
    }
    if (d != NULL)
        closedir(d);
    return has_any;
}

/* ---- Sticks ---- */

static size_t stick_slot(struct spool_watch *w, const char *path)
{
    size_t unused = STICKS_MAX;

    for (size_t i = 0; i < STICKS_MAX; i++) {
        if (w->sticks[i].is_used && strcmp(w->sticks[i].path, path) == 0)
            return i;
        if (!w->sticks[i].is_used && unused == STICKS_MAX)
            unused = i;
    }
    return unused;
}

static void stick_look(struct spool_watch *w, const char *path, int flags)
{
    size_t at = stick_slot(w, path);
    struct stick *s;
    struct stat st;
    char inner[PATH_LEN];
    bool has_inner, has_files;

    if (at == STICKS_MAX || (flags != 0 ? lstat(path, &st) : stat(path, &st)) != 0 || !S_ISDIR(st.st_mode))
        return;
    s = &w->sticks[at];
    if (!s->is_used || s->dev != st.st_dev || s->ino != st.st_ino) {
        if (w->writing == s)
            return; /* changed under the writer, which is about to fail; the next look comes after it */
        *s = (struct stick){ .is_used = true, .dev = st.st_dev, .ino = st.st_ino };
        snprintf(s->path, sizeof s->path, "%s", path);
    }
    has_files = folder_look(w, at, path, flags);
    has_inner = path_join(inner, sizeof inner, path, "staffetta") && lstat(inner, &st) == 0 && S_ISDIR(st.st_mode);
    if (has_inner)
        (void)folder_look(w, at, inner, O_NOFOLLOW);
    snprintf(s->target, sizeof s->target, "%s", has_inner ? inner : path);
    s->is_seen = has_files || has_inner;
}

static void files_next(struct spool_watch *w)
{
    w->file_count = w->file_at = 0;
    w->is_more = false;
}

static void look(struct spool_watch *w)
{
    DIR *d = opendir(w->root);
    struct dirent *e;
    char path[PATH_LEN];
    bool has_sticks = false;

    files_next(w);
    for (size_t i = 0; i < STICKS_MAX; i++)
        w->sticks[i].is_seen = false;
    stick_look(w, w->root, 0);
    for (int i = 0; d != NULL && i < ENTRIES_MAX && (e = readdir(d)) != NULL; i++)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "staffetta") != 0 && path_join(path, sizeof path, w->root, e->d_name))
            stick_look(w, path, O_NOFOLLOW);
    if (d != NULL)
        closedir(d);
    for (size_t i = 0; i < STICKS_MAX; i++) {
        struct stick *s = &w->sticks[i];

        if (!s->is_seen && w->writing != s)
            s->is_used = false;
        has_sticks = has_sticks || s->is_used;
    }
    if (has_sticks && !event_pending(w->refresh, EV_TIMEOUT, NULL))
        in_ms(w->refresh, REFRESH_MS);
    in_ms(w->work, 0);
}

/* ---- Work: one step a turn of the loop ---- */

static void reading_over(struct spool_watch *w, bool is_remembered)
{
    struct spool_result result;

    spool_reader_result(w->reader, &result);
    spool_reader_free(w->reader);
    w->reader = NULL;
    if (is_remembered)
        spool_marks_know(&w->marks, &w->files[w->file_at].mark);
    if (w->sticks[w->files[w->file_at].stick].is_used && (result.bundles > 0 || result.known > 0))
        w->sticks[w->files[w->file_at].stick].is_due = true;
    w->file_at++;
}

static void read_step(struct spool_watch *w)
{
    bool is_done = false;
    enum err e;

    if (w->reader == NULL) {
        int fd = open(w->files[w->file_at].path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0 || spool_reader_new(&w->reader, fd) != ERR_NONE) {
            w->file_at++; /* gone again */
            return;
        }
    }
    e = spool_reader_step(w->reader, w->node, host_now_ms(w->host), &is_done);
    host_poke(w->host);
    /* What is no spool file is not opened again; what could not be read may be, after the next event. */
    if (e != ERR_NONE)
        reading_over(w, e == ERR_MALFORMED || e == ERR_VERSION);
    else if (is_done)
        reading_over(w, true);
}

static bool is_to_write(const struct spool_watch *w, const struct stick *s)
{
    uint8_t fingerprint[16];
    struct store_usage usage;

    if (!s->is_used || s->is_refused)
        return false;
    store_usage(w->store, &usage);
    if (usage.count == 0)
        return false;
    if (!s->has_written)
        return true;
    store_fingerprint(w->store, fingerprint);
    if (memcmp(fingerprint, s->fingerprint, sizeof fingerprint) == 0)
        return false;
    return s->is_due || host_now_ms(w->host) - s->written_ms >= REFRESH_MS;
}

static void random_name(struct spool_watch *w, char to[SPOOL_OURS_LEN])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    for (int i = 0; i < 8; i++)
        to[i] = letters[rng_below(&w->rng, 32)];
    memcpy(to + 8, ending, sizeof ending);
}

static void write_start(struct spool_watch *w, struct stick *s)
{
    struct statvfs room;
    uint64_t max_bytes = WRITE_MAX, half;
    int fd = open(s->target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    s->is_refused = true; /* until it has gone well */
    if (fd < 0)
        return;
    if (fstatvfs(fd, &room) == 0 && (room.f_flag & ST_RDONLY) == 0) {
        half = (uint64_t)room.f_bavail * room.f_frsize / 2;
        if (half < max_bytes)
            max_bytes = half;
        random_name(w, w->writing_name);
        store_fingerprint(w->store, s->fingerprint);
        if (max_bytes > BUNDLE_LEN_MAX &&
            spool_writer_new(&w->writer, w->store, fd, w->writing_name, max_bytes) == ERR_NONE)
            w->writing = s;
    }
    close(fd);
}

/* The new file is there before the old one goes. */
static void write_over(struct spool_watch *w, bool is_good)
{
    struct stick *s = w->writing;
    char old[PATH_LEN + SPOOL_NAME_LEN];

    spool_writer_free(w->writer);
    w->writer = NULL;
    w->writing = NULL;
    if (!is_good)
        return;
    if (s->ours[0] != '\0' && strcmp(s->ours, w->writing_name) != 0) {
        if (path_join(old, sizeof old, s->target, s->ours))
            (void)unlink(old);
    }
    memcpy(s->ours, w->writing_name, sizeof s->ours);
    s->is_refused = s->is_due = false;
    s->has_written = true;
    s->written_ms = host_now_ms(w->host);
}

static void write_step(struct spool_watch *w)
{
    bool is_done = false;
    enum err e;

    /* Known as ours before it shows under its name. */
    spool_marks_add_ours(&w->marks, w->writing_name);
    e = spool_writer_step(w->writer, &is_done);
    if (e != ERR_NONE || is_done)
        write_over(w, e == ERR_NONE);
}

static bool work_step(struct spool_watch *w)
{
    if (w->file_at < w->file_count) {
        read_step(w);
        return true;
    }
    if (w->is_more) {
        files_next(w);
        in_ms(w->look, LOOK_MS);
        return false;
    }
    if (w->writer != NULL) {
        write_step(w);
        return true;
    }
    for (size_t i = 0; i < STICKS_MAX; i++)
        if (is_to_write(w, &w->sticks[i])) {
            write_start(w, &w->sticks[i]);
            return true;
        }
    return false;
}

static void on_work(evutil_socket_t fd, short what, void *ctx)
{
    struct spool_watch *w = ctx;

    (void)fd;
    (void)what;
    if (work_step(w))
        in_ms(w->work, 0);
}

/* ---- News ---- */

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
    struct spool_watch *w = ctx;

    (void)fd;
    (void)what;
    /* The queue belongs to the worker until it is empty. */
    if (w->reader != NULL || w->file_at < w->file_count)
        in_ms(w->look, LOOK_MS);
    else
        look(w);
}

static void look_soon(struct spool_watch *w)
{
    if (!event_pending(w->look, EV_TIMEOUT, NULL))
        in_ms(w->look, LOOK_MS);
}

static void on_refresh(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    look_soon(ctx);
}

static void note(struct spool_watch *w, const struct inotify_event *n)
{
    const char *name = n->len > 0 ? n->name : "";
    bool is_file = has_ending(name) && (n->mask & IN_ISDIR) == 0;

    if (n->mask & IN_IGNORED) {
        for (size_t i = 0; i < FOLDERS_MAX; i++)
            if (w->folders[i].wd == n->wd)
                w->folders[i].wd = 0;
        spool_marks_finish(&w->marks, n->wd, NULL);
    }
    if (is_file && spool_marks_ours(&w->marks, name) != NULL)
        return;
    if (is_file && (n->mask & IN_CREATE))
        spool_marks_begin(&w->marks, n->wd, name); /* whoever makes it is still writing */
    if (is_file && (n->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)))
        spool_marks_finish(&w->marks, n->wd, name);
    if ((is_file && (n->mask & IN_CREATE) == 0) || (n->mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW)))
        look_soon(w);
    if (n->mask & IN_Q_OVERFLOW)
        memset(w->marks.unfinished, 0, sizeof w->marks.unfinished);
}

static void on_inotify(evutil_socket_t fd, short what, void *ctx)
{
    _Alignas(struct inotify_event) uint8_t news[8192];
    ssize_t len = read(fd, news, sizeof news);

    (void)what;
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *n = (const struct inotify_event *)(const void *)(news + at);

        note(ctx, n);
        at += (ssize_t)(sizeof *n + n->len);
    }
}

/* The mount table tells of changes as exceptional conditions only, which libevent does not know; so a poll set of its own
 * stands between. */
static void on_mount(evutil_socket_t fd, short what, void *ctx)
{
    struct epoll_event event;

    (void)what;
    (void)epoll_wait(fd, &event, 1, 0);
    look_soon(ctx);
}

static void mounts_open(struct spool_watch *w, struct event_base *base)
{
    struct epoll_event wanted = { .events = EPOLLPRI };

    w->fd_mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    w->fd_mounts_poll = epoll_create1(EPOLL_CLOEXEC);
    if (w->fd_mounts < 0 || w->fd_mounts_poll < 0 ||
        epoll_ctl(w->fd_mounts_poll, EPOLL_CTL_ADD, w->fd_mounts, &wanted) != 0)
        return; /* without /proc there is still inotify */
    w->on_mount = event_new(base, w->fd_mounts_poll, EV_READ | EV_PERSIST, on_mount, w);
    if (w->on_mount != NULL)
        event_add(w->on_mount, NULL);
}

/* ---- Life ---- */

enum err spool_watch_new(struct spool_watch **out, struct event_base *base, struct host *host, struct node *node,
                         struct store *store, const struct rng *g, const char *folder)
{
    struct spool_watch *w;
    struct stat st;

    if (strlen(folder) >= PATH_LEN || stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return ERR_NOT_FOUND;
    if ((w = calloc(1, sizeof *w)) == NULL)
        return ERR_NO_MEMORY;
    w->host = host;
    w->node = node;
    w->store = store;
    w->rng = *g;
    snprintf(w->root, sizeof w->root, "%s", folder);
    w->fd_mounts = w->fd_mounts_poll = -1;
    w->fd_inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd_inotify < 0) {
        spool_watch_free(w);
        return ERR_IO;
    }
    w->on_inotify = event_new(base, w->fd_inotify, EV_READ | EV_PERSIST, on_inotify, w);
    w->look = evtimer_new(base, on_look, w);
    w->work = evtimer_new(base, on_work, w);
    w->refresh = evtimer_new(base, on_refresh, w);
    if (w->on_inotify == NULL || w->look == NULL || w->work == NULL || w->refresh == NULL) {
        spool_watch_free(w);
        return ERR_NO_MEMORY;
    }
    event_add(w->on_inotify, NULL);
    mounts_open(w, base);
    in_ms(w->look, 0);
    *out = w;
    return ERR_NONE;
}

void spool_watch_free(struct spool_watch *w)
{
    struct event *events[] = { w != NULL ? w->on_inotify : NULL, w != NULL ? w->on_mount : NULL,
                               w != NULL ? w->look : NULL, w != NULL ? w->work : NULL, w != NULL ? w->refresh : NULL };

    if (w == NULL)
        return;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i] != NULL)
            event_free(events[i]);
    spool_reader_free(w->reader);
    spool_writer_free(w->writer);
    if (w->fd_inotify >= 0)
        close(w->fd_inotify);
    if (w->fd_mounts_poll >= 0)
        close(w->fd_mounts_poll);
    if (w->fd_mounts >= 0)
        close(w->fd_mounts);
    free(w);
}
