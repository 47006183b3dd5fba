/* apps/gateway/pg.c - see pg.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/pg.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 3000, QUERY_MS = 20000, RETRY_MIN_MS = 200, RETRY_MAX_MS = 3000, OPTIONS_MAX = 64, PARAMS_MAX = 8 };

enum state { PG_AWAY, PG_CONNECTING, PG_SETTING_UP, PG_IDLE, PG_BUSY };

struct pg {
    struct event_base *base;
    const struct log *log;
    const char *name, *setup;
    struct pg_events on;
    PQconninfoOption *options;
    PGconn *conn;
    struct event *io, *timer;
    enum state state;
    unsigned attempt, host_count;
    int retry_ms;
    bool is_told;          /* of this outage, or of this refusal */
    bool is_setup_told;    /* that it is there and does not suit us, which is another thing than not being there */
    pg_result *done;
    void *done_ctx;
    PGresult *kept;        /* the last result of the query under way, or its first error */
};

static void on_io(evutil_socket_t fd, short what, void *ctx);

static void patience(struct pg *p, int ms)
{
    struct timeval t = { ms / 1000, ms % 1000 * 1000 };

    event_add(p->timer, &t);
}

/* The descriptor may be another one at each step of connecting. */
static void watch(struct pg *p, short what)
{
    event_del(p->io);
    event_assign(p->io, p->base, PQsocket(p->conn), (short)(what | EV_PERSIST), on_io, p);
    event_add(p->io, NULL);
}

static void drop(struct pg *p)
{
    event_del(p->io);
    PQclear(p->kept);
    p->kept = NULL;
    p->done = NULL;
    if (p->conn != NULL)
        PQfinish(p->conn);
    p->conn = NULL;
}

/* The first line of what libpq or the server says. */
static void tell(struct pg *p, const char *what, const char *words)
{
    if (!p->is_told)
        log_line(p->log, LOG_LEVEL_WARNING, "%s: %s: %.*s", p->name, what, (int)strcspn(words, "\n"), words);
    p->is_told = true;
}

static void fall(struct pg *p, const char *words)
{
    bool was_up = p->state >= PG_IDLE;

    if (was_up)
        p->is_told = false;
    tell(p, was_up ? "the connection is lost" : "cannot be reached", words);
    drop(p);
    p->state = PG_AWAY;
    patience(p, p->retry_ms);
    /* All hosts at a quick pace, then slower. */
    if (p->attempt % p->host_count == 0)
        p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
    if (was_up)
        p->on.on_down(p->on.ctx);
}

/* ---- Connecting ---- */

/* Of a list with commas the item `at`; a list of one holds for all. */
static const char *item(const char *list, unsigned at, char *to, size_t cap)
{
    const char *from = list;

    for (unsigned i = 0; i < at && strchr(from, ',') != NULL; i++)
        from = strchr(from, ',') + 1;
    snprintf(to, cap, "%.*s", (int)strcspn(from, ","), from);
    return to;
}

static unsigned items(const char *list)
{
    unsigned count = 1;

    for (const char *at = list; (at = strchr(at, ',')) != NULL; at++)
        count++;
    return count;
}

static bool is_list(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 || strcmp(keyword, "port") == 0;
}

static void begin(struct pg *p)
{
    const char *keys[OPTIONS_MAX + 4], *values[OPTIONS_MAX + 4];
    char places[3][256];
    size_t count = 0, lists = 0;
    unsigned host = p->attempt++ % p->host_count;

    /* A standby is no place to write to; who names another is believed. */
    keys[count] = "target_session_attrs";
    values[count++] = "read-write";
    keys[count] = "tcp_user_timeout";
    values[count++] = "10000";
    keys[count] = "application_name";
    values[count++] = "staffetta-gateway";
    for (const PQconninfoOption *o = p->options; o->keyword != NULL && count < OPTIONS_MAX + 3; o++) {
        if (o->val == NULL)
            continue;
        keys[count] = o->keyword;
        values[count++] = is_list(o->keyword) ? item(o->val, host, places[lists++], sizeof places[0]) : o->val;
    }
    keys[count] = values[count] = NULL;
    p->conn = PQconnectStartParams(keys, values, 0);
    p->state = PG_CONNECTING;
    if (p->conn == NULL || PQstatus(p->conn) == CONNECTION_BAD) {
        fall(p, p->conn != NULL ? PQerrorMessage(p->conn) : "out of memory");
        return;
    }
    patience(p, CONNECT_MS);
    watch(p, EV_WRITE);
}

static void go_on_connecting(struct pg *p)
{
    switch (PQconnectPoll(p->conn)) {
    case PGRES_POLLING_READING: watch(p, EV_READ); return;
    case PGRES_POLLING_WRITING: watch(p, EV_WRITE); return;
    case PGRES_POLLING_OK: break;
    default: fall(p, PQerrorMessage(p->conn)); return;
    }
    p->state = PG_SETTING_UP;
    patience(p, QUERY_MS);
    if (PQsetnonblocking(p->conn, 1) != 0 || PQsendQuery(p->conn, p->setup) == 0)
        fall(p, PQerrorMessage(p->conn));
    else
        watch(p, EV_READ | EV_WRITE);
}

/* ---- Queries ---- */

static bool is_good(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
}

static void finish(struct pg *p)
{
    PGresult *result = p->kept;
    pg_result *done = p->done;
    void *ctx = p->done_ctx;
    bool is_setup = p->state == PG_SETTING_UP;

    p->kept = NULL;
    p->done = NULL;
    event_del(p->timer);
    if (is_setup && (result == NULL || !is_good(result))) {
        p->is_told = p->is_told && p->is_setup_told;
        p->is_setup_told = true;
        fall(p, result != NULL ? PQresultErrorMessage(result) : "no answer");
        PQclear(result);
        return;
    }
    p->state = PG_IDLE;
    if (result == NULL || !is_good(result))
        tell(p, "refuses", result != NULL ? PQresultErrorMessage(result) : "no answer");
    else
        p->is_told = false;
    if (is_setup) {
        p->is_setup_told = false;
        p->retry_ms = RETRY_MIN_MS;
        p->attempt--;   /* what answered is asked first next time */
        p->on.on_up(p->on.ctx, result);
    } else {
        done(ctx, result != NULL && is_good(result) ? result : NULL);
    }
    PQclear(result);
}

static void go_on_reading(struct pg *p)
{
    PGnotify *n;
    bool is_notified = false;

    if (PQconsumeInput(p->conn) == 0) {
        fall(p, PQerrorMessage(p->conn));
        return;
    }
    while ((n = PQnotifies(p->conn)) != NULL) {
        PQfreemem(n);
        is_notified = true;
    }
    while (p->state == PG_SETTING_UP || p->state == PG_BUSY) {
        if (PQisBusy(p->conn) != 0)
            break;
        PGresult *r = PQgetResult(p->conn);
        if (r == NULL) {
            finish(p);
            break;
        }
        if (p->kept != NULL && !is_good(p->kept)) {
            PQclear(r);
        } else {
            PQclear(p->kept);
            p->kept = r;
        }
    }
    if (is_notified && p->state >= PG_IDLE)
        p->on.on_notify(p->on.ctx);
}

static void on_io(evutil_socket_t fd, short what, void *ctx)
{
    struct pg *p = ctx;

    (void)fd;
    if (p->state == PG_CONNECTING) {
        go_on_connecting(p);
        return;
    }
    if (what & EV_WRITE) {
        int left = PQflush(p->conn);

        if (left < 0) {
            fall(p, PQerrorMessage(p->conn));
            return;
        }
        if (left == 0)
            watch(p, EV_READ);
    }
    if (what & EV_READ)
        go_on_reading(p);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct pg *p = ctx;

    (void)fd;
    (void)what;
    if (p->state == PG_AWAY)
        begin(p);
    else if (p->state != PG_IDLE)
        fall(p, p->state == PG_CONNECTING ? "no answer within three seconds" : "no answer to a query within twenty seconds");
}

void pg_query(struct pg *p, const char *sql, const struct pg_param *params, size_t count, pg_result *done, void *ctx)
{
    Oid types[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    int lens[PARAMS_MAX], formats[PARAMS_MAX];

    assert(p->state == PG_IDLE && count <= PARAMS_MAX);
    for (size_t i = 0; i < count; i++) {
        types[i] = params[i].type;
        values[i] = params[i].value;
        lens[i] = params[i].len;
        formats[i] = !params[i].is_text;
    }
    p->done = done;
    p->done_ctx = ctx;
    p->state = PG_BUSY;
    patience(p, QUERY_MS);
    /* What goes wrong here the loop finds out: a callback from within would surprise the caller. */
    if (PQsendQueryParams(p->conn, sql, (int)count, types, values, lens, formats, 1) == 0)
        patience(p, 0);
    else
        watch(p, EV_READ | EV_WRITE);
}

bool pg_is_up(const struct pg *p)
{
    return p->state >= PG_IDLE;
}

bool pg_is_idle(const struct pg *p)
{
    return p->state == PG_IDLE;
}

/* ---- Life ---- */

enum err pg_new(struct pg **out, struct event_base *base, const struct log *log, const char *name, const char *conninfo,
                const char *setup, const struct pg_events *events)
{
    struct pg *p = calloc(1, sizeof *p);
    char *why = NULL;

    if (p == NULL)
        return ERR_NO_MEMORY;
    p->base = base;
    p->log = log;
    p->name = name;
    p->setup = setup;
    p->on = *events;
    p->retry_ms = RETRY_MIN_MS;
    p->host_count = 1;
    p->options = PQconninfoParse(conninfo, &why);
    p->io = event_new(base, -1, EV_READ, on_io, p);
    p->timer = evtimer_new(base, on_timer, p);
    enum err e = p->options == NULL ? ERR_MALFORMED : p->io == NULL || p->timer == NULL ? ERR_NO_MEMORY : ERR_NONE;
    if (e == ERR_MALFORMED)
        tell(p, "its connection string is wrong", why != NULL ? why : "out of memory");
    PQfreemem(why);
    for (const PQconninfoOption *o = p->options; o != NULL && o->keyword != NULL; o++) {
        if (o->val != NULL && is_list(o->keyword) && strcmp(o->keyword, "port") != 0 && items(o->val) > p->host_count)
            p->host_count = items(o->val);
    }
    if (e != ERR_NONE) {
        pg_free(p);
        return e;
    }
    patience(p, 0);
    *out = p;
    return ERR_NONE;
}

void pg_free(struct pg *p)
{
    if (p == NULL)
        return;
    if (p->io != NULL)
        drop(p);
    if (p->io != NULL)
        event_free(p->io);
    if (p->timer != NULL)
        event_free(p->timer);
    PQconninfoFree(p->options);
    free(p);
}
