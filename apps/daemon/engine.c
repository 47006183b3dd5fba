/* apps/daemon/engine.c - the node and all it stands on, wired to the loop. */
#define _DEFAULT_SOURCE
#include "apps/daemon/engine.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "apps/service/clock.h"
#include "apps/daemon/gateways.h"
#include "apps/daemon/person.h"

enum {
    WALL_EVERY_S    = 300,
    BUDGET_EVERY_S  = 1,
    POWER_EVERY_S   = 60,
    RETRY_FIRST_MS  = 500,
    RETRY_LAST_MS   = 30000,
    STAMP_SLICE_MS  = 3,         /* of work for stamps, and the pause after it: others have the rest of the processor, */
    STAMP_PAUSE_MS  = 9,         /* and messages that come in do not wait */
    STAMP_TRIES     = 256,       /* between two looks at the clock: some ms on the slowest */
};

struct engine {
    struct event_base *base;
    struct parts *parts;
    struct engine_hooks hooks;
    struct event *person_timer, *epoch_timer, *wall_timer, *power_timer, *budget_timer, *retry_timer, *stamp_timer;
    uint32_t retry_ms;           /* 0: all is well */
};

static void set_timer(struct event *timer, uint64_t ms)
{
    struct timeval t = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000 };

    event_add(timer, &t);
}

/* ---- The local network ---- */

static enum err start_lan(struct engine *e, char why[256])
{
    struct parts *p = e->parts;
    const struct config *c = p->config;
    struct lan_config lan = {
        .listen = c->listen[0] != '\0' ? c->listen : NULL, .peer_count = c->peer_count,
        .is_discovery_off = !c->is_discovery_on, .beacon_port = (uint16_t)c->beacon_port,
    };

    for (size_t i = 0; i < c->peer_count; i++)
        lan.peers[i] = c->peers[i];
    return lan_new(&p->lan, e->base, p->host, p->node, &p->rng, &lan, why);
}

/* ---- Bluetooth ---- */

static enum bluetooth_power power_now(struct parts *p)
{
    static const enum bluetooth_power powers[] = {
        [POWER_MAINS] = BLUETOOTH_MAINS, [POWER_BATTERY] = BLUETOOTH_BATTERY, [POWER_LOW] = BLUETOOTH_LOW,
    };

    p->power = p->config->bluetooth_power != CONFIG_POWER_AUTO ? (enum power_source)p->config->bluetooth_power
                                                               : power_source_read(POWER_SUPPLIES);
    return powers[p->power];
}

/* Its absence is no reason not to start: status and doctor say what it is and what to do. */
static void start_bluetooth(struct engine *e)
{
    struct parts *p = e->parts;
    const char *adapter = p->config->bluetooth, *classic = p->config->bluetooth_classic;
    enum err err;

    if (strcmp(adapter, "off") == 0)
        return;
    struct bluetooth_config config = {
        .adapter = strcmp(adapter, "auto") != 0 ? adapter : NULL, .power = power_now(p),
        .is_classic = strcmp(classic, "off") != 0, .classic_peer = strchr(classic, ':') != NULL ? classic : NULL,
    };
    if (config.is_classic)
        log_line(p->log, LOG_LEVEL_WARNING, "classic Bluetooth shows the adapter's fixed address: this node can be followed");
    if ((err = bluetooth_new(&p->bluetooth, e->base, p->host, p->node, &p->rng, &config)) != ERR_NONE)
        log_line(p->log, LOG_LEVEL_INFO, "no Bluetooth: %s",
                 err == ERR_UNSUPPORTED ? bluetooth_state_text(BLUETOOTH_NOT_BUILT) : err_text(err));
}

static void start_watch(struct engine *e)
{
    struct parts *p = e->parts;
    enum err err;

    if (p->config->watch_folder[0] == '\0')
        return;
    err = spool_watch_new(&p->watch, e->base, p->host, p->node, p->store, &p->rng, p->config->watch_folder);
    if (err != ERR_NONE)
        log_line(p->log, LOG_LEVEL_WARNING, "the watched folder %s cannot be watched: %s", p->config->watch_folder, err_text(err));
}

/* ---- Opening and closing ---- */

static void close_all(struct engine *e, bool is_final)
{
    struct parts *p = e->parts;

    event_del(e->person_timer);
    event_del(e->stamp_timer);
    spool_watch_free(p->watch);
    p->watch = NULL;
    uplink_free(p->uplink);
    p->uplink = NULL;
    bluetooth_free(p->bluetooth);
    p->bluetooth = NULL;
    lan_free(p->lan);
    p->lan = NULL;
    host_free(p->host);
    p->host = NULL;
    person_stop(p, is_final);
    node_free(p->node);
    p->node = NULL;
    store_close(p->store);
    p->store = NULL;
    db_close(p->db);
    p->db = NULL;
}

static void on_event(void *ctx, const struct node_event *event)
{
    struct engine *e = ctx;

    parts_on_event(e->parts, event);
}

static void arm_person_timer(struct engine *e)
{
    struct parts *p = e->parts;
    uint64_t at_ms = p->messenger != NULL ? messenger_wake_at_ms(p->messenger) : UINT64_MAX;
    uint64_t now_ms = clock_now_ms();

    if (at_ms == UINT64_MAX)
        event_del(e->person_timer);
    else
        /* A moment late rather than early: an early one would find nothing to do and come back at once. */
        set_timer(e->person_timer, at_ms > now_ms ? at_ms - now_ms + 1 : 1);
}

static void arm_stamp_timer(struct engine *e)
{
    if (node_has_stamp_work(e->parts->node) && !evtimer_pending(e->stamp_timer, NULL))
        set_timer(e->stamp_timer, STAMP_PAUSE_MS);
}

static void on_turn(void *ctx)
{
    struct engine *e = ctx;

    arm_person_timer(e);
    arm_stamp_timer(e);
    if (e->parts->is_mailbox_stale) {
        e->parts->is_mailbox_stale = false;
        gateways_load(e->parts);
        gateways_ask(e->parts);
    }
    e->hooks.on_turn(e->hooks.ctx);
    if (e->parts->needs_reopen)
        set_timer(e->retry_timer, 0);
}

/* Called by the host from within its turn, so the host cannot be closed here: a timer does it at once. */
static void on_commit_failed(void *ctx, enum err why)
{
    struct engine *e = ctx;

    snprintf(e->parts->trouble, sizeof e->parts->trouble, "storage: %s",
             why == ERR_FULL ? "the disk is full; it goes on by itself when there is room" : err_text(why));
    log_line(e->parts->log, LOG_LEVEL_ERROR, "%s", e->parts->trouble);
    e->parts->needs_reopen = true;
    e->hooks.on_trouble(e->hooks.ctx, why);
    set_timer(e->retry_timer, 0);
}

static enum err open_storage(struct parts *p)
{
    /* The seed is secret, for tags are chosen by others: equal places in a table would cost time at every look. */
    struct store_config store = { .capacity_bytes = p->config->capacity_bytes, .hash_seed = rng_u64(&p->rng) };
    enum err err;

    if ((err = db_open_lmdb(&p->db, p->paths->database, NULL)) != ERR_NONE)
        return err;
    return store_open(&p->store, p->db, &store);
}

static enum err open_node(struct parts *p)
{
    struct node_config node = {
        .store = p->store, .db = p->db, .rng = p->rng, .now_ms = clock_now_ms(), .wall_unix_s = clock_wall_or_none(),
        .is_wall_trusted = clock_is_synchronised(), .spread_delay_ms = (uint32_t)p->config->spread_delay_ms,
        .is_stamp_demanded = true,
    };

    return node_new(&p->node, &node);
}

static enum err open_all(struct engine *e)
{
    struct host_app app = { e, on_event, on_turn, on_commit_failed };
    struct parts *p = e->parts;
    char why[256] = "";
    enum err err;

    p->needs_reopen = false;
    if ((err = open_storage(p)) != ERR_NONE || (err = open_node(p)) != ERR_NONE) {
        snprintf(p->trouble, sizeof p->trouble, "storage: %s",
                 err == ERR_LOCKED ? "another program holds the database" : err_text(err));
        goto fail;
    }
    if ((err = host_new(&p->host, e->base, p->node, &app)) != ERR_NONE) {
        snprintf(p->trouble, sizeof p->trouble, "the loop: %s", err_text(err));
        goto fail;
    }
    p->trouble[0] = '\0';
    if ((err = person_start(p)) != ERR_NONE) {
        if (p->trouble[0] == '\0')
            snprintf(p->trouble, sizeof p->trouble, "storage: %s", err_text(err));
        goto fail;
    }
    if ((err = start_lan(e, why)) != ERR_NONE) {
        snprintf(p->trouble, sizeof p->trouble, "%.150s", why[0] != '\0' ? why : "the local network cannot be used");
        goto fail;
    }
    start_bluetooth(e);
    start_watch(e);
    if ((err = uplink_new(&p->uplink, e->base, p->host, p->node, LINK_UPLINK, &p->rng)) != ERR_NONE) {
        snprintf(p->trouble, sizeof p->trouble, "gateways: %s", err_text(err));
        goto fail;
    }
    gateways_load(p);
    gateways_ask(p);
    engine_poke(e);
    return ERR_NONE;
fail:
    close_all(e, false);
    return err;
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;

    (void)fd;
    (void)what;
    close_all(e, false);
    if (open_all(e) == ERR_NONE) {
        if (e->retry_ms > 0)
            log_line(e->parts->log, LOG_LEVEL_INFO, "storage works again");
        e->retry_ms = 0;
        return;
    }
    e->retry_ms = e->retry_ms == 0 ? RETRY_FIRST_MS : e->retry_ms * 2 < RETRY_LAST_MS ? e->retry_ms * 2 : RETRY_LAST_MS;
    log_line(e->parts->log, LOG_LEVEL_DEBUG, "%s; the next try is in %u ms", e->parts->trouble, e->retry_ms);
    set_timer(e->retry_timer, e->retry_ms);
}

/* ---- Timers ---- */

static void on_person(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;
    struct parts *p = e->parts;

    (void)fd;
    (void)what;
    if (p->messenger == NULL)
        return;
    messenger_wake(p->messenger, clock_wall_unix_s(), clock_now_ms());
    engine_poke(e);
}

/* A slice of proof of work. What was found is committed and offered by the turn it asks for. */
static void on_stamp(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;
    enum stamp_work so = STAMP_SEARCHING;

    (void)fd;
    (void)what;
    if (e->parts->host == NULL || e->parts->needs_reopen)
        return;
    for (uint64_t from_ms = clock_now_ms(); so == STAMP_SEARCHING && clock_now_ms() - from_ms < STAMP_SLICE_MS;)
        so = node_stamp_work(e->parts->node, STAMP_TRIES, parts_now_ms(e->parts));
    if (so == STAMP_FOUND)
        engine_poke(e);
    else
        arm_stamp_timer(e);
}

/* Varied by a quarter either way, so that nobody can tell a node by its rhythm. */
static void arm_epoch(struct engine *e)
{
    uint32_t s = (uint32_t)e->parts->config->epoch_s;

    /* A radio that is heard by whoever passes needs shorter ones. */
    if (e->parts->bluetooth != NULL && s > BLUETOOTH_EPOCH_MS / 1000)
        s = BLUETOOTH_EPOCH_MS / 1000;

    set_timer(e->epoch_timer, (uint64_t)(s - s / 4 + rng_below(&e->parts->rng, s / 2 + 1)) * 1000);
}

static void on_epoch(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;

    (void)fd;
    (void)what;
    if (e->parts->node != NULL) {
        node_new_epoch(e->parts->node, parts_now_ms(e->parts));
        person_raise_generation(e->parts);
        engine_poke(e);
    }
    arm_epoch(e);
}

/* People plug and unplug while the daemon runs. */
static void follow_power(struct parts *p)
{
    enum power_source before = p->power;

    if (p->bluetooth == NULL)
        return;
    enum bluetooth_power now = power_now(p);
    if (p->power != before)
        bluetooth_set_power(p->bluetooth, now);
}

static void on_power(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;

    (void)fd;
    (void)what;
    follow_power(e->parts);
}

static void on_wall(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;

    (void)fd;
    (void)what;
    if (e->parts->node == NULL)
        return;
    node_set_wall(e->parts->node, clock_wall_or_none(), clock_is_synchronised(), parts_now_ms(e->parts));
    gateways_ask(e->parts);
    engine_poke(e);
}

static void on_budget(evutil_socket_t fd, short what, void *ctx)
{
    struct engine *e = ctx;

    (void)fd;
    (void)what;
    gateways_budget(e->parts);
}

/* Nobody wakes up for it where there is no limit. */
static void arm_budget(struct engine *e)
{
    struct timeval every = { BUDGET_EVERY_S, 0 };

    gateways_budget(e->parts);
    if (e->parts->config->uplink_budget_bytes > 0)
        event_add(e->budget_timer, &every);
    else
        event_del(e->budget_timer);
}

/* ---- Public ---- */

enum err engine_new(struct engine **out, struct event_base *base, struct parts *parts, const struct engine_hooks *hooks)
{
    struct engine *e = calloc(1, sizeof *e);
    struct timeval wall_every = { WALL_EVERY_S, 0 }, power_every = { POWER_EVERY_S, 0 };
    enum err err;

    if (e == NULL)
        return ERR_NO_MEMORY;
    e->base = base;
    e->parts = parts;
    e->hooks = *hooks;
    e->person_timer = evtimer_new(base, on_person, e);
    e->epoch_timer = evtimer_new(base, on_epoch, e);
    e->wall_timer = event_new(base, -1, EV_PERSIST, on_wall, e);
    e->power_timer = event_new(base, -1, EV_PERSIST, on_power, e);
    e->budget_timer = event_new(base, -1, EV_PERSIST, on_budget, e);
    e->retry_timer = evtimer_new(base, on_retry, e);
    e->stamp_timer = evtimer_new(base, on_stamp, e);
    if (e->person_timer == NULL || e->epoch_timer == NULL || e->wall_timer == NULL || e->power_timer == NULL ||
        e->budget_timer == NULL || e->retry_timer == NULL || e->stamp_timer == NULL) {
        err = ERR_NO_MEMORY;
        goto fail;
    }
    err = open_all(e);
    if (err == ERR_FULL) {
        log_line(parts->log, LOG_LEVEL_ERROR, "%s", parts->trouble);
        e->retry_ms = RETRY_FIRST_MS;
        set_timer(e->retry_timer, e->retry_ms);
    } else if (err != ERR_NONE) {
        goto fail;
    }
    event_add(e->wall_timer, &wall_every);
    event_add(e->power_timer, &power_every);
    arm_budget(e);
    arm_epoch(e);
    *out = e;
    return ERR_NONE;
fail:
    engine_free(e);
    return err;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    if (e->person_timer != NULL && e->stamp_timer != NULL)
        close_all(e, true);
    struct event *timers[] = { e->person_timer, e->epoch_timer, e->wall_timer, e->power_timer, e->budget_timer, e->retry_timer,
                               e->stamp_timer };
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        if (timers[i] != NULL)
            event_free(timers[i]);
    free(e);
}

bool engine_poke(struct engine *e)
{
    if (e->parts->needs_reopen && e->retry_ms == 0)
        set_timer(e->retry_timer, 0);
    if (e->parts->host == NULL || e->parts->needs_reopen)
        return false;
    host_poke(e->parts->host);
    return true;
}

static bool is_lan_changed(const struct config *a, const struct config *b)
{
    bool is_changed = strcmp(a->listen, b->listen) != 0 || a->is_discovery_on != b->is_discovery_on ||
                      a->beacon_port != b->beacon_port || a->peer_count != b->peer_count;

    for (size_t i = 0; !is_changed && i < a->peer_count; i++)
        is_changed = strcmp(a->peers[i], b->peers[i]) != 0;
    return is_changed;
}

enum err engine_reload(struct engine *e, const struct config *old, char why[256])
{
    struct parts *p = e->parts;
    const struct config *c = p->config;

    if (c->epoch_s != old->epoch_s)
        arm_epoch(e);
    if (p->host == NULL)
        return ERR_NONE;         /* the next try opens with the new values */
    if (c->capacity_bytes != old->capacity_bytes || c->spread_delay_ms != old->spread_delay_ms ||
        c->receipt_delay_s != old->receipt_delay_s || c->media_budget_bytes != old->media_budget_bytes) {
        close_all(e, false);
        enum err err = open_all(e);
        if (err != ERR_NONE) {
            snprintf(why, 256, "%s", p->trouble);
            set_timer(e->retry_timer, RETRY_FIRST_MS);
        }
        return err;
    }
    if (c->uplink_budget_bytes != old->uplink_budget_bytes)
        arm_budget(e);
    if (is_lan_changed(c, old)) {
        lan_free(p->lan);
        p->lan = NULL;
        enum err err = start_lan(e, why);
        if (err != ERR_NONE)
            return err;
    }
    if (strcmp(c->gateways, old->gateways) != 0 || c->is_bridge != old->is_bridge || c->gateways[0] != '\0' ||
        memcmp(&c->proxy, &old->proxy, sizeof c->proxy) != 0)
        p->is_mailbox_stale = true;
    engine_poke(e);
    if (strcmp(c->bluetooth, old->bluetooth) != 0 || strcmp(c->bluetooth_classic, old->bluetooth_classic) != 0) {
        bluetooth_free(p->bluetooth);
        p->bluetooth = NULL;
        start_bluetooth(e);
    }
    if (c->bluetooth_power != old->bluetooth_power)
        follow_power(p);
    if (strcmp(c->watch_folder, old->watch_folder) != 0) {
        spool_watch_free(p->watch);
        p->watch = NULL;
        start_watch(e);
    }
    return ERR_NONE;
}
