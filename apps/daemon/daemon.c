/* apps/daemon/daemon.c - staffettad from start to stop: folder, loop, signals, watchdog. */
#define _GNU_SOURCE /* memrchr */
#include "apps/daemon/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apps/service/clock.h"
#include "apps/daemon/door.h"
#include "apps/daemon/workshop.h"
#include "apps/daemon/engine.h"
#include "apps/daemon/hook.h"
#include "apps/service/notify.h"
#include "crypto/random.h"

struct daemon {
    const struct config_command *command;
    struct config *config;
    struct profile_paths paths;
    struct log log;
    struct parts parts;
    struct event_base *base;
    struct engine *engine;
    struct desk *desk;
    struct door *door;
    struct hook *hook;
    struct event *terminate, *interrupt, *reload, *watchdog, *end;
    int lock;
};

/* ---- Hooks ---- */

static void on_turn(void *ctx)
{
    struct daemon *d = ctx;

    if (d->desk != NULL)
        desk_on_turn(d->desk);
}

static void on_trouble(void *ctx, enum err why)
{
    struct daemon *d = ctx;

    if (d->desk != NULL)
        desk_on_trouble(d->desk, why);
}

static void on_answered(void *ctx)
{
    struct timeval soon = { 0, 200 * 1000 };   /* for the answer to leave; the keys are gone already */
    struct daemon *d = ctx;

    if (d->parts.is_panicking)
        event_add(d->end, &soon);
}

static void on_arrival(void *ctx, const json_t *message)
{
    struct daemon *d = ctx;

    if (d->hook != NULL)
        hook_take(d->hook, message);
}

/* ---- Signals ---- */

static void on_end(evutil_socket_t fd, short what, void *ctx)
{
    struct daemon *d = ctx;

    (void)fd;
    (void)what;
    notify_stopping();
    /* What is active runs to its end: the last turn commits and answers. */
    event_base_loopexit(d->base, NULL);
}

static void on_watchdog(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
    notify_alive();
}

/* What needs a restart keeps its old value, and is said. */
static void keep_what_is_fixed(struct daemon *d, struct config *fresh)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        size_t len = key->kind == CONFIG_SWITCH ? sizeof(bool) : PROFILE_PATH_MAX;
        char *now = (char *)d->config + key->offset, *then = (char *)fresh + key->offset;
        bool is_same = key->kind == CONFIG_SWITCH ? memcmp(now, then, len) == 0 : strcmp(now, then) == 0;

        if (key->is_live || is_same)
            continue;
        memcpy(then, now, len);
        log_line(&d->log, LOG_LEVEL_WARNING, "%s takes effect at the next start", key->name);
    }
}

static void on_reload(evutil_socket_t fd, short what, void *ctx)
{
    struct daemon *d = ctx;
    char why[CONFIG_WHY_MAX] = "";
    struct config *fresh = malloc(sizeof *fresh), *old = malloc(sizeof *old);

    (void)fd;
    (void)what;
    notify_reloading();
    if (fresh == NULL || old == NULL || config_load(fresh, d->command, why) != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, "the configuration stays as it was: %s", why[0] != '\0' ? why : "out of memory");
    } else {
        *old = *d->config;
        keep_what_is_fixed(d, fresh);
        *d->config = *fresh;
        if (engine_reload(d->engine, old, why) != ERR_NONE) {
            char again[256];

            log_line(&d->log, LOG_LEVEL_ERROR, "the configuration stays as it was: %s", why);
            *fresh = *d->config;
            *d->config = *old;
            if (engine_reload(d->engine, fresh, again) != ERR_NONE)
                log_line(&d->log, LOG_LEVEL_ERROR, "and the old one no longer works: %s", again);
        } else {
            d->log.level = (enum log_level)d->config->log_level;
            log_line(&d->log, LOG_LEVEL_INFO, "the configuration was read anew");
        }
    }
    free(fresh);
    free(old);
    notify_ready("running");
}

/* ---- Start and stop ---- */

static enum err start_folder(struct daemon *d)
{
    const struct profile_paths *p = &d->paths;
    enum err e = profile_paths_init(&d->paths, d->config->data);

    if (e != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, e == ERR_NOT_FOUND ? "no home is known: choose a data folder with --data DIR"
                                                              : "the data folder's path is too long");
        return e;
    }
    if ((e = profile_make_folder(p)) != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, "the data folder %s cannot be made: %s", p->folder, strerror(errno));
        return e;
    }
    e = profile_lock(p, &d->lock);
    if (e == ERR_LOCKED)
        log_line(&d->log, LOG_LEVEL_ERROR, "another staffettad runs in %s; stop it, or choose another --data DIR", p->folder);
    else if (e != ERR_NONE)
        log_line(&d->log, LOG_LEVEL_ERROR, "the data folder %s cannot be used: %s", p->folder, strerror(errno));
    else if (profile_check_folder(p) == ERR_REFUSED)
        log_line(&d->log, LOG_LEVEL_WARNING, "others on this machine can look into %s: chmod 700 it", p->folder);
    return e;
}

static enum err start_signals(struct daemon *d)
{
    uint64_t beat_ms = notify_watchdog_ms();
    struct timeval beat = { (time_t)(beat_ms / 1000), (suseconds_t)(beat_ms % 1000) * 1000 };

    signal(SIGPIPE, SIG_IGN);
    d->terminate = evsignal_new(d->base, SIGTERM, on_end, d);
    d->interrupt = evsignal_new(d->base, SIGINT, on_end, d);
    d->reload = evsignal_new(d->base, SIGHUP, on_reload, d);
    d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
    d->end = evtimer_new(d->base, on_end, d);
    if (d->terminate == NULL || d->interrupt == NULL || d->reload == NULL || d->watchdog == NULL || d->end == NULL)
        return ERR_NO_MEMORY;
    event_add(d->terminate, NULL);
    event_add(d->interrupt, NULL);
    event_add(d->reload, NULL);
    if (beat_ms > 0)
        event_add(d->watchdog, &beat);
    return ERR_NONE;
}

/* The helper lies beside this program. Without it, photos go without a preview. */
static void start_workshop(struct daemon *d)
{
    static const char name[] = "staffetta-media";
    char path[PROFILE_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof name);
    const char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;

    if (slash == NULL)
        return;
    memcpy(path + (slash - path) + 1, name, sizeof name);
    if (workshop_new(&d->parts.workshop, d->base, &d->parts, path) == ERR_NONE)
        workshop_set_engine(d->parts.workshop, d->engine);
    else
        log_line(&d->log, LOG_LEVEL_WARNING, "%s is missing: photos and voice notes go without previews", path);
}

static enum err start_all(struct daemon *d)
{
    struct engine_hooks engine_hooks = { d, on_turn, on_trouble };
    struct desk_hooks desk_hooks = { d, on_answered, on_arrival };
    char why[256];
    enum err e;

    if ((e = start_folder(d)) != ERR_NONE)
        return e;
    d->base = event_base_new();
    if (d->base == NULL || start_signals(d) != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, "out of memory");
        return ERR_NO_MEMORY;
    }
    d->parts.paths = &d->paths;
    d->parts.config = d->config;
    d->parts.log = &d->log;
    d->parts.rng = rng_system();
    d->parts.started_ms = clock_now_ms();
    if ((e = engine_new(&d->engine, d->base, &d->parts, &engine_hooks)) != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, "%s", d->parts.trouble[0] != '\0' ? d->parts.trouble : err_text(e));
        return e;
    }
    const char *socket = d->config->api[0] != '\0' ? d->config->api : d->paths.socket;
    snprintf(why, sizeof why, "out of memory");
    if ((e = hook_new(&d->hook, d->base, &d->parts)) != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, "out of memory");
        return e;
    }
    if ((e = desk_new(&d->desk, d->base, &d->parts, &desk_hooks)) != ERR_NONE ||
        (e = door_new(&d->door, d->base, &d->log, d->desk, socket, why)) != ERR_NONE) {
        log_line(&d->log, LOG_LEVEL_ERROR, "%s", why);
        return e;
    }
    desk_set_engine(d->desk, d->engine);
    start_workshop(d);
    return ERR_NONE;
}

static void say_start(const struct daemon *d)
{
    static const char *const persons[] = {
        [PERSON_NONE] = "no identity: carrying for others; `staffetta init --name NAME` makes one",
        [PERSON_LOCKED] = "locked: carrying for others until `staffetta unlock`",
        [PERSON_OPEN] = "identity open",
        [PERSON_OFF] = "only a relay",
        [PERSON_DAMAGED] = "the identity cannot be opened; carrying for others",
    };
    struct lan_info l = { 0 };

    if (d->parts.lan != NULL)
        lan_info(d->parts.lan, &l);
    log_line(&d->log, LOG_LEVEL_INFO, "version %s, data in %s, TCP port %u, %s", STAFFETTA_VERSION, d->paths.folder,
             (unsigned)l.port, persons[d->parts.person]);
}

static void stop_all(struct daemon *d)
{
    /* The last turn's answers first, then the door, then what it stands on. */
    struct event *events[] = { d->terminate, d->interrupt, d->reload, d->watchdog, d->end };

    workshop_free(d->parts.workshop);
    d->parts.workshop = NULL;
    hook_free(d->hook);
    d->hook = NULL;
    desk_end(d->desk);
    door_free(d->door);
    desk_free(d->desk);
    engine_free(d->engine);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (d->base != NULL)
        event_base_free(d->base);
    if (d->parts.is_panicking)
        (void)profile_panic(&d->paths);
    if (d->lock >= 0)
        close(d->lock);
}

int daemon_run(const struct config_command *command, struct config *config)
{
    struct daemon *d = calloc(1, sizeof *d);
    struct rlimit no_core = { 0, 0 };
    int status = 1;

    if (d == NULL)
        return 1;
    /* A core file would hold keys. */
    setrlimit(RLIMIT_CORE, &no_core);
    d->command = command;
    d->config = config;
    d->lock = -1;
    d->log = log_new((enum log_level)config->log_level);
    if (start_all(d) == ERR_NONE) {
        say_start(d);
        notify_ready("running");
        status = event_base_dispatch(d->base) < 0 ? 1 : 0;
        log_line(&d->log, LOG_LEVEL_INFO, "stopping");
    }
    stop_all(d);
    free(d);
    return status;
}
