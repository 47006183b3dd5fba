/* apps/gateway/server.c - see server.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/gateway/engine.h"
#include "apps/gateway/front.h"
#include "apps/gateway/gate.h"
#include "apps/gateway/peers.h"
#include "apps/gateway/redirect.h"
#include "apps/gateway/status.h"
#include "apps/gateway/tls.h"
#include "apps/gateway/web.h"
#include "apps/service/clock.h"
#include "apps/service/notify.h"
#include "crypto/hash.h"
#include "crypto/noise.h"
#include "crypto/random.h"
#include "crypto/vault_file.h"

enum { TEND_S = 1, WALL_EVERY_S = 300, USAGE_EVERY_S = 60, DRAIN_MS = 1500 };

static const char EPOCH_KEY[] = "mailbox";   /* in DB_META */

struct server {
    struct gw_config *config;
    server_reread *reread;
    void *reread_ctx;
    struct log log;
    struct profile_paths paths;
    int lock;
    struct rng rng;
    uint8_t secret[GATEWAY_PUBLIC_LEN], key[GATEWAY_PUBLIC_LEN];
    char site_socket[PROFILE_PATH_MAX + 16];

    struct event_base *base;
    struct db *db;
    struct store *store;
    struct node *node;
    struct host *host;
    struct engine *engine;               /* NULL: the store is all there is */
    struct invites *invites;
    struct gate *gate;
    struct web *web;
    struct front *front;
    struct peers *peers;
    struct redirect *redirect;
    struct entry entry;
    struct status *status;
    struct event *terminate, *interrupt, *reload, *tend, *watchdog, *drained;
    unsigned ticks;
    bool is_stopping, has_failed;
};

/* ---- Key ---- */

enum err server_key(const struct gw_config *c, uint8_t secret[GATEWAY_PUBLIC_LEN], uint8_t public_key[GATEWAY_PUBLIC_LEN])
{
    uint8_t pair[2 * GATEWAY_PUBLIC_LEN];
    char path[PROFILE_PATH_MAX + 16];
    struct rng rng = rng_system();

    snprintf(path, sizeof path, "%s/key", c->data);
    enum err e = vault_file_read(path, pair, sizeof pair);
    if (e == ERR_NOT_FOUND) {
        noise_keypair(pair, pair + GATEWAY_PUBLIC_LEN, &rng);
        e = vault_file_replace(path, bytes_of(pair, sizeof pair));
    }
    if (e == ERR_NONE) {
        memcpy(secret, pair, GATEWAY_PUBLIC_LEN);
        memcpy(public_key, pair + GATEWAY_PUBLIC_LEN, GATEWAY_PUBLIC_LEN);
    }
    secret_wipe(pair, sizeof pair);
    return e;
}

/* ---- Events ---- */

static void on_event(void *ctx, const struct node_event *event)
{
    struct server *s = ctx;

    if (event->kind == NODE_STORED)
        gate_count_use(s->gate, event->entry.contributor, event->entry.len, clock_wall_unix_s());
    if (s->engine != NULL)
        engine_on_event(s->engine, event);
    if (s->peers != NULL)
        peers_on_event(s->peers, event);
}

static void on_turn(void *ctx)
{
    struct server *s = ctx;

    if (s->engine != NULL)
        engine_on_turn(s->engine);
}

/* Memory is ahead of the disk. The service manager starts us again, and nothing that was acknowledged is lost. */
static void on_commit_failed(void *ctx, enum err why)
{
    struct server *s = ctx;

    log_line(&s->log, LOG_LEVEL_ERROR, "the database cannot be written: %s", err_text(why));
    s->has_failed = true;
    event_base_loopexit(s->base, NULL);
}

static void on_tend(evutil_socket_t fd, short what, void *ctx)
{
    struct server *s = ctx;

    (void)fd;
    (void)what;
    gate_tend(s->gate, s->host, s->node, clock_wall_or_none());
    peers_tend(s->peers);
    if (++s->ticks % WALL_EVERY_S == 0)
        node_set_wall(s->node, clock_wall_or_none(), clock_is_synchronised(), host_now_ms(s->host));
    if (s->ticks % USAGE_EVERY_S == 0)
        (void)invites_save_usage(s->invites);
    host_poke(s->host);
}

static void on_watchdog(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
    notify_alive();
}

static void on_drained(evutil_socket_t fd, short what, void *ctx)
{
    struct server *s = ctx;

    (void)fd;
    (void)what;
    event_base_loopexit(s->base, NULL);
}

/* What is under way is committed and acknowledged; users go to another gateway, or come back. */
static void on_end(evutil_socket_t fd, short what, void *ctx)
{
    struct timeval soon = { DRAIN_MS / 1000, DRAIN_MS % 1000 * 1000 };
    struct server *s = ctx;

    (void)fd;
    (void)what;
    notify_stopping();
    s->is_stopping = true;
    front_stop(s->front);
    peers_stop(s->peers);
    if (gate_count(s->gate) == 0)
        event_base_loopexit(s->base, NULL);
    else
        event_add(s->drained, &soon);
    node_new_epoch(s->node, host_now_ms(s->host));
    host_poke(s->host);
}

static void on_reload(evutil_socket_t fd, short what, void *ctx)
{
    struct server *s = ctx;
    struct gw_config *fresh = malloc(sizeof *fresh);
    struct ssl_ctx_st *tls;
    char why[GW_WHY_MAX] = "out of memory";

    (void)fd;
    (void)what;
    notify_reloading();
    if (fresh == NULL || s->reread(s->reread_ctx, fresh, why) != ERR_NONE) {
        log_line(&s->log, LOG_LEVEL_ERROR, "the configuration stays as it was: %s", why);
    } else {
        memcpy(s->config->certificate, fresh->certificate, sizeof fresh->certificate);
        memcpy(s->config->certificate_key, fresh->certificate_key, sizeof fresh->certificate_key);
        s->log.level = (enum log_level)fresh->log_level;
        if (tls_new(&tls, s->config, why) == ERR_NONE) {
            front_set_tls(s->front, tls);
            log_line(&s->log, LOG_LEVEL_INFO, "the certificate was read anew");
        } else {
            log_line(&s->log, LOG_LEVEL_ERROR, "the old certificate stays: %s", why);
        }
    }
    free(fresh);
    notify_ready("running");
}

/* ---- Start ---- */

static enum err open_folder(struct server *s)
{
    enum err e = profile_paths_init(&s->paths, s->config->data);

    if (e == ERR_NONE)
        e = profile_make_folder(&s->paths);
    if (e != ERR_NONE) {
        log_line(&s->log, LOG_LEVEL_ERROR, "the data folder %s cannot be made: %s", s->config->data, strerror(errno));
        return e;
    }
    if ((e = profile_lock(&s->paths, &s->lock)) != ERR_NONE) {
        log_line(&s->log, LOG_LEVEL_ERROR, "another program works in %s", s->config->data);
        return e;
    }
    if ((e = server_key(s->config, s->secret, s->key)) != ERR_NONE)
        log_line(&s->log, LOG_LEVEL_ERROR, "the key in %s cannot be read or made: %s", s->config->data, err_text(e));
    return e;
}

/* Drawn with the database: a cursor of another one means nothing. */
static enum err mailbox_epoch(struct db *db, const struct rng *rng, uint64_t *out)
{
    struct bytes key = bytes_of_text(EPOCH_KEY), value;
    uint8_t fresh[8];
    enum err e = db_get(db, DB_META, key, &value);

    if (e == ERR_NONE && value.len == sizeof *out) {
        struct reader r = reader_of(value);

        *out = reader_u64(&r);
        return ERR_NONE;
    }
    if (e != ERR_NONE && e != ERR_NOT_FOUND)
        return e;
    struct writer w = writer_of(fresh, sizeof fresh);
    *out = rng_u64(rng) | 1;
    writer_u64(&w, *out);
    return db_put(db, DB_META, key, writer_bytes(&w));
}

static enum err open_node(struct server *s)
{
    struct host_app app = { s, on_event, on_turn, on_commit_failed };
    struct store_config store = { .capacity_bytes = s->config->capacity_bytes, .hash_seed = rng_u64(&s->rng) };
    struct node_config node = { .rng = s->rng, .now_ms = clock_now_ms(), .wall_unix_s = clock_wall_or_none(),
                                .is_wall_trusted = clock_is_synchronised(), .is_stamp_demanded = true,
                                .gateway_secret = s->secret, .is_settled_elsewhere = s->config->engine == GW_ENGINE_POSTGRESQL };
    enum err e;

    if (s->config->engine == GW_ENGINE_POSTGRESQL && s->config->database_count == 0) {
        log_line(&s->log, LOG_LEVEL_ERROR, "engine = postgresql wants at least one database = CONNECTION STRING");
        return ERR_MALFORMED;
    }

    if ((e = db_open_lmdb(&s->db, s->paths.database, NULL)) != ERR_NONE || (e = store_open(&s->store, s->db, &store)) != ERR_NONE ||
        (e = mailbox_epoch(s->db, &s->rng, &node.mailbox_epoch)) != ERR_NONE)
        goto out;
    node.store = s->store;
    node.db = s->db;
    if ((e = node_new(&s->node, &node)) == ERR_NONE)
        e = host_new(&s->host, s->base, s->node, &app);
    if (e == ERR_NONE && s->config->engine == GW_ENGINE_POSTGRESQL)
        e = engine_new(&s->engine, s->base, &s->log, s->config, s->db, s->store, s->node, s->host);
out:
    if (e != ERR_NONE)
        log_line(&s->log, LOG_LEVEL_ERROR, "the database in %s cannot be opened: %s", s->paths.database, err_text(e));
    return e;
}

/* A folder, or the address of a web server. */
static enum err open_site(struct server *s, struct front_config *front)
{
    struct lan_place place;
    struct stat st;
    const char *site = s->config->site;
    enum err e;

    if (site[0] != '\0' && site[0] != '/' && lan_place_parse(&place, site, false, NULL) == ERR_NONE &&
        lan_place_is_numeric(&place, &front->site)) {
        front->site.port = place.port;
        return ERR_NONE;
    }
    if (site[0] != '\0' && (stat(site, &st) != 0 || !S_ISDIR(st.st_mode))) {
        log_line(&s->log, LOG_LEVEL_ERROR, "site: %s is neither a folder nor an address such as 127.0.0.1:8080", site);
        return ERR_NOT_FOUND;
    }
    snprintf(s->site_socket, sizeof s->site_socket, "%s/web.sock", s->config->data);
    front->site_socket = s->site_socket;
    if ((e = web_new(&s->web, s->base, s->site_socket, site[0] != '\0' ? site : NULL)) != ERR_NONE)
        log_line(&s->log, LOG_LEVEL_ERROR, "the web site cannot be served at %s: %s", s->site_socket, strerror(errno));
    return e;
}

typedef enum err listener_open(struct server *s, const struct lan_address *at);

static enum err open_tls(struct server *s, const struct lan_address *at)
{
    return front_listen(s->front, at);
}

static enum err open_redirect(struct server *s, const struct lan_address *at)
{
    const struct gw_config *c = s->config;
    const char *folder = c->challenges[0] != '\0' ? c->challenges : c->site[0] == '/' ? c->site : NULL;
    char host[GW_ADDRESS_MAX];
    size_t len = strlen(c->address[0]);

    /* https has its usual port. */
    memcpy(host, c->address[0], len + 1);
    if (len > 4 && strcmp(host + len - 4, ":443") == 0)
        host[len - 4] = '\0';
    return redirect_new(&s->redirect, s->base, at, host, folder, c->plain_address[0] != '\0' ? &s->entry : NULL);
}

static enum err listen_at(struct server *s, const char *key, const char *text, listener_open *open)
{
    struct lan_place place;
    struct lan_address at;
    char why[256] = "";

    bool is_read = lan_place_parse(&place, text, true, why) == ERR_NONE, is_any = is_read && place.host[0] == '\0';
    /* All addresses: those of IPv6 are those of IPv4 as well, where there is IPv6. */
    if (is_any)
        memcpy(place.host, "::", 3);
    if (!is_read || !lan_place_is_numeric(&place, &at)) {
        log_line(&s->log, LOG_LEVEL_ERROR, "%s = %s: wants a number, not a name", key, text);
        return ERR_MALFORMED;
    }
    if (open(s, &at) == ERR_NONE)
        return ERR_NONE;
    if (is_any && errno == EAFNOSUPPORT) {
        memcpy(place.host, "0.0.0.0", 8);
        if (lan_place_is_numeric(&place, &at) && open(s, &at) == ERR_NONE)
            return ERR_NONE;
    }
    log_line(&s->log, LOG_LEVEL_ERROR, "%s = %s: %s%s", key, text, strerror(errno),
             errno == EACCES ? " (ports below 1024 want CAP_NET_BIND_SERVICE)" : errno == EADDRINUSE ? " (another server has the port)" : "");
    return ERR_IO;
}

static enum err open_front(struct server *s)
{
    static const char *const usual[] = { ":443", ":5222" };
    struct front_config c = { .visitors_max = s->config->visitors_max, .is_proxied = s->config->is_proxied };
    char why[GW_WHY_MAX];
    enum err e;

    if ((e = invites_open(&s->invites, s->config->data)) != ERR_NONE || (e = gate_new(&s->gate, s->invites, s->key, &s->rng)) != ERR_NONE) {
        log_line(&s->log, LOG_LEVEL_ERROR, "the invites cannot be read: %s", err_text(e));
        return e;
    }
    invites_load_usage(s->invites);
    s->entry = (struct entry){ .log = &s->log, .host = s->host, .gate = s->gate, .now_unix_s = clock_wall_or_none };
    c.entry = s->entry;
    if ((e = open_site(s, &c)) != ERR_NONE)
        return e;
    if ((e = tls_new(&c.tls, s->config, why)) != ERR_NONE) {
        log_line(&s->log, LOG_LEVEL_ERROR, "%s", why);
        return e;
    }
    if ((e = front_new(&s->front, s->base, &c)) != ERR_NONE)
        return e;
    for (size_t i = 0; e == ERR_NONE && i < (s->config->listen_count > 0 ? s->config->listen_count : 2); i++)
        e = listen_at(s, "listen", s->config->listen_count > 0 ? s->config->listen[i] : usual[i], open_tls);
    if (e == ERR_NONE && s->config->redirect[0] != '\0' && s->config->address_count == 0) {
        log_line(&s->log, LOG_LEVEL_ERROR, "redirect wants the key address: where browsers are sent to");
        return ERR_NOT_FOUND;
    }
    if (e == ERR_NONE && s->config->plain_address[0] != '\0' && s->config->redirect[0] == '\0') {
        log_line(&s->log, LOG_LEVEL_ERROR, "plain-address wants the key redirect: where links without TLS come in");
        return ERR_NOT_FOUND;
    }
    if (e == ERR_NONE && s->config->redirect[0] != '\0')
        e = listen_at(s, "redirect", s->config->redirect, open_redirect);
    return e;
}

static void on_ask(void *ctx, struct status_facts *facts)
{
    struct server *s = ctx;

    memset(facts, 0, sizeof *facts);
    front_info(s->front, &facts->front);
    store_usage(s->store, &facts->store);
    if (s->engine != NULL)
        engine_info(s->engine, &facts->engine);
    facts->links = gate_count(s->gate);
    facts->invites = invites_count(s->invites);
    facts->peers = s->config->peer_count;
    facts->peers_linked = peers_linked(s->peers);
    facts->is_stopping = s->is_stopping;
}

static enum err open_peers(struct server *s)
{
    for (size_t i = 0; i < s->config->peer_count; i++) {
        if (memcmp(s->config->peer[i].key, s->key, sizeof s->key) == 0) {
            log_line(&s->log, LOG_LEVEL_ERROR, "peer: that is a link to this gateway itself");
            return ERR_MALFORMED;
        }
    }
    return peers_new(&s->peers, s->base, &s->log, s->host, s->node, &s->rng, s->config->peer, s->config->peer_count);
}

static enum err open_status(struct server *s)
{
    char why[GW_WHY_MAX];

    if (s->config->status[0] == '\0')
        return ERR_NONE;
    enum err e = status_new(&s->status, s->base, s->config->status, on_ask, s, why);
    if (e != ERR_NONE)
        log_line(&s->log, LOG_LEVEL_ERROR, "%s", why);
    return e;
}

static enum err open_signals(struct server *s)
{
    uint64_t beat_ms = notify_watchdog_ms();
    struct timeval beat = { (time_t)(beat_ms / 1000), (suseconds_t)(beat_ms % 1000) * 1000 }, second = { TEND_S, 0 };

    s->terminate = evsignal_new(s->base, SIGTERM, on_end, s);
    s->interrupt = evsignal_new(s->base, SIGINT, on_end, s);
    s->reload = evsignal_new(s->base, SIGHUP, on_reload, s);
    s->tend = event_new(s->base, -1, EV_PERSIST, on_tend, s);
    s->watchdog = event_new(s->base, -1, EV_PERSIST, on_watchdog, s);
    s->drained = evtimer_new(s->base, on_drained, s);
    if (s->terminate == NULL || s->interrupt == NULL || s->reload == NULL || s->tend == NULL || s->watchdog == NULL ||
        s->drained == NULL)
        return ERR_NO_MEMORY;
    event_add(s->terminate, NULL);
    event_add(s->interrupt, NULL);
    event_add(s->reload, NULL);
    event_add(s->tend, &second);
    if (beat_ms > 0)
        event_add(s->watchdog, &beat);
    return ERR_NONE;
}

/* As many links as the machine's limit allows. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void close_all(struct server *s)
{
    struct event *events[] = { s->terminate, s->interrupt, s->reload, s->tend, s->watchdog, s->drained };

    if (s->invites != NULL)
        (void)invites_save_usage(s->invites);
    status_free(s->status);
    redirect_free(s->redirect);
    peers_free(s->peers);
    front_free(s->front);
    web_free(s->web);
    engine_free(s->engine);
    host_free(s->host);
    node_free(s->node);
    store_close(s->store);
    db_close(s->db);
    gate_free(s->gate);
    invites_close(s->invites);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (s->base != NULL)
        event_base_free(s->base);
    if (s->lock >= 0)
        close(s->lock);
    secret_wipe(s, sizeof *s);
    free(s);
}

int server_run(struct gw_config *config, server_reread *reread, void *ctx)
{
    struct server *s = calloc(1, sizeof *s);
    struct rlimit no_core = { 0, 0 };
    int status = 1;

    if (s == NULL)
        return 1;
    setrlimit(RLIMIT_CORE, &no_core);
    raise_descriptors();
    signal(SIGPIPE, SIG_IGN);
    s->config = config;
    s->reread = reread;
    s->reread_ctx = ctx;
    s->lock = -1;
    s->rng = rng_system();
    s->log = log_new((enum log_level)config->log_level);
    s->base = event_base_new();
    if (s->base != NULL && open_folder(s) == ERR_NONE && open_node(s) == ERR_NONE && open_front(s) == ERR_NONE &&
        open_peers(s) == ERR_NONE && open_status(s) == ERR_NONE && open_signals(s) == ERR_NONE) {
        log_line(&s->log, LOG_LEVEL_INFO, "version %s, data in %s, %zu invite%s", STAFFETTA_VERSION, config->data,
                 invites_count(s->invites), invites_count(s->invites) == 1 ? "" : "s");
        notify_ready("running");
        status = event_base_dispatch(s->base) < 0 || s->has_failed ? 1 : 0;
        log_line(&s->log, LOG_LEVEL_INFO, "stopping");
    }
    close_all(s);
    return status;
}
