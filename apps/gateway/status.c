/* apps/gateway/status.c - see status.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/status.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { IDLE_S = 15, HEAD_MAX = 8192, BACKLOG = 16 };

struct status {
    struct evhttp *http;
    void (*ask)(void *ctx, struct status_facts *facts);
    void *ctx;
    char socket_path[PROFILE_PATH_MAX];   /* empty: an address */
};

/* ---- Answers ---- */

static void answer(struct evhttp_request *request, int code, const char *reason, const char *type, struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_send_reply(request, code, reason, body);
}

static void on_health(struct evhttp_request *request, void *ctx)
{
    struct evbuffer *body = evbuffer_new();
    struct status *s = ctx;
    struct status_facts facts;

    if (body == NULL) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    s->ask(s->ctx, &facts);
    /* From the spool a gateway serves its users well, until it is full. */
    bool is_spooling = facts.engine.spooling > 0, is_bad = facts.is_stopping || (is_spooling && facts.engine.is_spool_full);
    evbuffer_add_printf(body, "%s\n", facts.is_stopping ? "stopping" : is_bad ? "databases are away and the spool is full" : "ok");
    if (is_spooling)
        evbuffer_add_printf(body, "%zu of %zu databases away or slow for %" PRIu64 " s; bundles are kept in the spool\n", facts.engine.spooling,
                            facts.engine.databases, facts.engine.lag_ms / 1000);
    answer(request, is_bad ? HTTP_SERVUNAVAIL : HTTP_OK, is_bad ? "Service Unavailable" : "OK", "text/plain; charset=utf-8", body);
    evbuffer_free(body);
}

static void on_metrics(struct evhttp_request *request, void *ctx)
{
    struct evbuffer *body = evbuffer_new();
    struct status *s = ctx;
    struct status_facts f;

    if (body == NULL) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    s->ask(s->ctx, &f);
    const struct { const char *name, *help; uint64_t value; bool is_counter; } rows[] = {
        { "links", "Links of users that are open.", f.links, false },
        { "visitors", "Connections open that have shown no invite.", f.front.visitors, false },
        { "invites", "Invites that were not revoked.", f.invites, false },
        { "peers", "Gateways that this one calls.", f.peers, false },
        { "peers_linked", "Gateways that this one calls, and has a link to.", f.peers_linked, false },
        { "connections", "Connections accepted.", f.front.accepted, true },
        { "connections_turned_away", "Connections closed at once, for want of room.", f.front.turned_away, true },
        { "links_opened", "Links that were opened with an invite.", f.front.links, true },
        { "bundles", "Bundles that wait.", f.store.count, false },
        { "bundle_bytes", "Octets of bundles that wait.", f.store.bytes, false },
        { "capacity_bytes", "Octets of bundles that may wait.", f.store.capacity_bytes, false },
        { "damaged_records", "Records found unreadable at the start, and removed.", f.store.damaged_count, false },
        { "databases", "Databases of the engine.", f.engine.databases, false },
        { "databases_connected", "Databases that take writes now.", f.engine.connected, false },
        { "databases_spooling", "Databases away or slow, so that the spool acknowledges in their place.", f.engine.spooling, false },
        { "spool_bundles", "Bundles acknowledged from the spool that have yet to flow on.", f.engine.spooled, false },
        { "spool_removals", "Removals that the databases have yet to hear of.", f.engine.removals, false },
        { "spool_lag_seconds", "Since the database that is away for longest last took something.", f.engine.lag_ms / 1000, false },
        { "stopping", "1 while it ends.", f.is_stopping, false },
    };

    evbuffer_add_printf(body, "# HELP staffetta_gateway The program that runs.\n# TYPE staffetta_gateway info\n"
                              "staffetta_gateway_info{version=\"%s\"} 1\n", STAFFETTA_VERSION);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        evbuffer_add_printf(body, "# HELP staffetta_gateway_%s %s\n# TYPE staffetta_gateway_%s %s\nstaffetta_gateway_%s%s %" PRIu64 "\n",
                            rows[i].name, rows[i].help, rows[i].name, rows[i].is_counter ? "counter" : "gauge", rows[i].name,
                            rows[i].is_counter ? "_total" : "", rows[i].value);
    evbuffer_add_printf(body, "# EOF\n");
    answer(request, HTTP_OK, "OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", body);
    evbuffer_free(body);
}

static void on_other(struct evhttp_request *request, void *ctx)
{
    (void)ctx;
    evhttp_send_error(request, HTTP_NOTFOUND, NULL);
}

/* ---- Life ---- */

static enum err fail(enum err e, char why[GW_WHY_MAX], const char *at, const char *text)
{
    snprintf(why, GW_WHY_MAX, "status = %.200s: %.200s", at, text);
    return e;
}

/* The system's form of `at`; 0: it is neither, or would be seen from outside. */
static size_t place_of(struct status *s, const char *at, struct sockaddr_storage *to)
{
    struct sockaddr_un path = { .sun_family = AF_UNIX };
    struct lan_place place;
    struct lan_address address;

    memset(to, 0, sizeof *to);
    if (at[0] == '/') {
        if (strlen(at) >= sizeof path.sun_path)
            return 0;
        memcpy(path.sun_path, at, strlen(at) + 1);
        memcpy(to, &path, sizeof path);
        snprintf(s->socket_path, sizeof s->socket_path, "%s", at);
        return sizeof path;
    }
    if (lan_place_parse(&place, at, false, NULL) != ERR_NONE || !lan_place_is_numeric(&place, &address) ||
        !lan_address_is_loopback(&address))
        return 0;
    address.port = place.port;
    return lan_address_to_system(&address, to);
}

enum err status_new(struct status **out, struct event_base *base, const char *at, void (*ask)(void *ctx, struct status_facts *facts),
                    void *ctx, char why[GW_WHY_MAX])
{
    struct status *s = calloc(1, sizeof *s);
    struct sockaddr_storage to;
    struct stat st;

    if (s == NULL)
        return fail(ERR_NO_MEMORY, why, at, "out of memory");
    s->ask = ask;
    s->ctx = ctx;
    size_t len = place_of(s, at, &to);
    if (len == 0) {
        free(s);
        return fail(ERR_MALFORMED, why, at, "wants the path of a socket, or a loopback address such as 127.0.0.1:9100");
    }
    /* What an earlier run left behind; never a file of another kind. */
    if (s->socket_path[0] != '\0' && lstat(s->socket_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(s->socket_path);
    mode_t mask = umask(0177);
    struct evconnlistener *l = evconnlistener_new_bind(base, NULL, NULL,
                                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
                                                       (struct sockaddr *)&to, (int)len);
    int error = errno;
    umask(mask);
    if (l == NULL) {
        free(s);
        return fail(ERR_IO, why, at, strerror(error));
    }
    s->http = evhttp_new(base);
    if (s->http == NULL || evhttp_bind_listener(s->http, l) == NULL) {
        evconnlistener_free(l);
        status_free(s);
        return fail(ERR_NO_MEMORY, why, at, "out of memory");
    }
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(s->http, HEAD_MAX);
    evhttp_set_max_body_size(s->http, 0);
    evhttp_set_timeout(s->http, IDLE_S);
    evhttp_set_cb(s->http, "/healthz", on_health, s);
    evhttp_set_cb(s->http, "/metrics", on_metrics, s);
    evhttp_set_gencb(s->http, on_other, s);
    *out = s;
    return ERR_NONE;
}

void status_free(struct status *s)
{
    if (s == NULL)
        return;
    if (s->http != NULL)
        evhttp_free(s->http);
    if (s->socket_path[0] != '\0')
        unlink(s->socket_path);
    free(s);
}
