/* apps/gateway/pg.h - one connection to PostgreSQL that never blocks the loop and comes back by itself.
 *
 * One query at a time. What fails is told once an outage; the hosts of a connection string are tried in turn, each with its
 * own patience, so that one that swallows packets does not stand in the way of the next. Only names that have to be
 * looked up block (libpq looks them up so): use numbers, or /etc/hosts.
 */
#ifndef STA_GATEWAY_PG_H
#define STA_GATEWAY_PG_H

#include <libpq-fe.h>

#include "apps/service/log.h"
#include "mesh/base/bytes.h"

struct pg;
struct event_base;

struct pg_events {
    void *ctx;
    void (*on_up)(void *ctx, const PGresult *setup);   /* connected, and `setup` was run: its last result */
    void (*on_down)(void *ctx);                        /* was up; a query under way has no result, and its callback is not called */
    void (*on_notify)(void *ctx);
};

/* `conninfo` is copied; `setup`, statements to run at each connection, is not. `name` is for the log. ERR_NO_MEMORY; ERR_MALFORMED:
 * libpq does not understand it, and has said why in the log. */
enum err pg_new(struct pg **out, struct event_base *base, const struct log *log, const char *name, const char *conninfo,
                const char *setup, const struct pg_events *events);
void     pg_free(struct pg *p);   /* takes NULL */

bool     pg_is_up(const struct pg *p);
bool     pg_is_idle(const struct pg *p);   /* up, and no query is under way */

struct pg_param { Oid type; const void *value; int len; bool is_text; };

/* The result is NULL when the database refused (the reason is in the log). Only while idle. Results are binary. */
typedef void pg_result(void *ctx, const PGresult *result);
void     pg_query(struct pg *p, const char *sql, const struct pg_param *params, size_t count, pg_result *done, void *ctx);

#endif
