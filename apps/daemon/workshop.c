/* apps/daemon/workshop.c - previews and light versions, made by a program outside the daemon. */
#define _GNU_SOURCE /* pipe2 */
#include "apps/daemon/workshop.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/daemon/engine.h"
#include "apps/media/made.h"
#include "apps/messenger/media.h"
#include "apps/service/clock.h"

enum { PIECE_LEN = 64 * 1024, PATH_LEN = 1024 };

struct job { char id[MESSAGE_ID_TEXT_LEN + 1]; enum media_kind kind; };

struct workshop {
    struct event_base *base;
    struct parts *parts;
    struct engine *engine;
    char program[PATH_LEN];
    struct job jobs[WORKSHOP_JOBS_MAX];
    unsigned job_count;
    struct event *next, *deadline;       /* start the first job; end it */

    /* The one at work. */
    pid_t pid;                           /* 0: none */
    int in, out;                         /* -1 when closed */
    struct event *writable, *readable;
    uint64_t at, size;
    uint8_t *piece;
    size_t piece_at, piece_len;
    struct buffer answer;
};

static void start_next(struct workshop *w)
{
    struct timeval now = { 0, 0 };

    if (w->pid == 0 && w->job_count > 0)
        event_add(w->next, &now);
}

static void close_input(struct workshop *w)
{
    if (w->writable != NULL)
        event_free(w->writable);
    if (w->in >= 0)
        close(w->in);
    w->writable = NULL;
    w->in = -1;
}

/* Its answer counts only if it ended well. */
static bool end_program(struct workshop *w)
{
    int status = 0;

    close_input(w);
    if (w->readable != NULL)
        event_free(w->readable);
    if (w->out >= 0)
        close(w->out);
    w->readable = NULL;
    w->out = -1;
    event_del(w->deadline);
    if (w->pid == 0)
        return false;
    /* It has closed its output or is to go: either way it ends now. */
    if (waitpid(w->pid, &status, WNOHANG) != w->pid) {
        usleep(1000);
        if (waitpid(w->pid, &status, WNOHANG) != w->pid) {
            kill(w->pid, SIGKILL);
            while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
                ;
        }
    }
    w->pid = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void finish(struct workshop *w, bool may_be_good)
{
    bool is_good = end_program(w) && may_be_good;
    struct media_made made = { .width = 0 };
    struct made m;

    if (is_good && made_decode(&m, buffer_bytes(&w->answer)) == ERR_NONE)
        made = (struct media_made){ m.preview, m.light, m.width, m.height, m.duration_ms };
    else
        log_line(w->parts->log, LOG_LEVEL_DEBUG, "a preview could not be made; it goes without");
    if (w->job_count > 0) {
        if (w->parts->messenger != NULL)
            (void)messenger_media_prepared(w->parts->messenger, bytes_of_text(w->jobs[0].id), &made, clock_wall_unix_s(), parts_now_ms(w->parts));
        memmove(w->jobs, w->jobs + 1, --w->job_count * sizeof w->jobs[0]);
        if (w->engine != NULL)
            engine_poke(w->engine);
    }
    if (w->answer.at != NULL)
        profile_wipe(w->answer.at, w->answer.cap);
    buffer_clear(&w->answer);
    start_next(w);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    struct workshop *w = ctx;

    (void)fd;
    (void)what;
    if (w->pid != 0)
        kill(w->pid, SIGKILL);
    finish(w, false);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    struct workshop *w = ctx;

    (void)what;
    if (w->piece_at == w->piece_len) {
        w->piece_len = w->size - w->at < PIECE_LEN ? (size_t)(w->size - w->at) : PIECE_LEN;
        w->piece_at = 0;
        if (w->piece_len == 0 || w->parts->messenger == NULL ||
            messenger_media_read(w->parts->messenger, bytes_of_text(w->jobs[0].id), PART_ORIGINAL, w->at, w->piece, w->piece_len) != ERR_NONE) {
            w->piece_len = 0;
            close_input(w);
            return;
        }
        w->at += w->piece_len;
    }
    ssize_t n = write(fd, w->piece + w->piece_at, w->piece_len - w->piece_at);
    if (n > 0)
        w->piece_at += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        close_input(w);   /* it has read enough */
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct workshop *w = ctx;
    uint8_t piece[4096];

    (void)what;
    ssize_t n = read(fd, piece, sizeof piece);
    if (n > 0) {
        if (buffer_append(&w->answer, bytes_of(piece, (size_t)n)) != ERR_NONE) {
            kill(w->pid, SIGKILL);
            finish(w, false);
        }
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        finish(w, n == 0);
    }
}

static bool spawn(struct workshop *w, enum media_kind kind)
{
    char *argv[] = { w->program, kind == MEDIA_VOICE ? "voice" : "photo", NULL }, *envp[] = { "LC_ALL=C", NULL };
    int in[2], out[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, ours;

    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    sigemptyset(&none);
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &ours);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    bool is_started = posix_spawn(&w->pid, w->program, &actions, &attributes, argv, envp) == 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(in[0]);
    close(out[1]);
    if (!is_started)
        w->pid = 0;
    w->in = in[1];
    w->out = out[0];
    fcntl(w->in, F_SETFL, O_NONBLOCK);
    fcntl(w->out, F_SETFL, O_NONBLOCK);
    return is_started;
}

static void on_next(evutil_socket_t fd, short what, void *ctx)
{
    struct timeval limit = { WORKSHOP_SECONDS, 0 };
    struct workshop *w = ctx;
    struct media_info info;

    (void)fd;
    (void)what;
    if (w->pid != 0 || w->job_count == 0)
        return;
    w->answer = buffer_of_limit(MADE_LEN_MAX);
    w->at = w->piece_at = w->piece_len = 0;
    if (w->parts->messenger == NULL || messenger_media(w->parts->messenger, bytes_of_text(w->jobs[0].id), &info) != ERR_NONE ||
        !spawn(w, w->jobs[0].kind)) {
        finish(w, false);
        return;
    }
    w->size = info.size;
    w->writable = event_new(w->base, w->in, EV_WRITE | EV_PERSIST, on_writable, w);
    w->readable = event_new(w->base, w->out, EV_READ | EV_PERSIST, on_readable, w);
    if (w->writable == NULL || w->readable == NULL) {
        kill(w->pid, SIGKILL);
        finish(w, false);
        return;
    }
    event_add(w->writable, NULL);
    event_add(w->readable, NULL);
    event_add(w->deadline, &limit);
}

enum err workshop_new(struct workshop **out, struct event_base *base, struct parts *parts, const char *program)
{
    struct workshop *w;

    if (access(program, X_OK) != 0 || strlen(program) >= PATH_LEN)
        return ERR_NOT_FOUND;
    if ((w = calloc(1, sizeof *w)) == NULL)
        return ERR_NO_MEMORY;
    w->base = base;
    w->parts = parts;
    w->in = w->out = -1;
    strcpy(w->program, program);
    w->piece = malloc(PIECE_LEN);
    w->next = evtimer_new(base, on_next, w);
    w->deadline = evtimer_new(base, on_deadline, w);
    if (w->piece == NULL || w->next == NULL || w->deadline == NULL) {
        workshop_free(w);
        return ERR_NO_MEMORY;
    }
    *out = w;
    return ERR_NONE;
}

void workshop_free(struct workshop *w)
{
    if (w == NULL)
        return;
    if (w->pid != 0)
        kill(w->pid, SIGKILL);
    if (w->deadline != NULL)
        (void)end_program(w);
    if (w->next != NULL)
        event_free(w->next);
    if (w->deadline != NULL)
        event_free(w->deadline);
    if (w->piece != NULL)
        profile_wipe(w->piece, PIECE_LEN);
    free(w->piece);
    buffer_clear(&w->answer);
    free(w);
}

void workshop_set_engine(struct workshop *w, struct engine *e)
{
    w->engine = e;
}

void workshop_start(struct workshop *w, const char id[MESSAGE_ID_TEXT_LEN + 1], enum media_kind kind)
{
    struct media_made nothing = { .width = 0 };

    if (w->job_count == WORKSHOP_JOBS_MAX) {
        if (w->parts->messenger != NULL)
            (void)messenger_media_prepared(w->parts->messenger, bytes_of_text(id), &nothing, clock_wall_unix_s(), parts_now_ms(w->parts));
        return;
    }
    struct job *j = &w->jobs[w->job_count++];
    memcpy(j->id, id, sizeof j->id);
    j->kind = kind;
    start_next(w);
}
