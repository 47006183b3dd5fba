/* apps/daemon/desk.h - where requests to the local API are taken and answered, whichever way they came in.
 *
 * Has each handled (api.h) and holds its answer back until the turn that makes it durable is over; keeps the listeners
 * to events and the contents under way. The door (a Unix socket) and the page (TCP) bring requests.
 */
#ifndef STA_DAEMON_DESK_H
#define STA_DAEMON_DESK_H

#include <jansson.h>

#include "apps/daemon/engine.h"

struct desk;
struct evhttp;
struct evhttp_request;

enum { DESK_HEAD_MAX = 8192 };

struct desk_hooks {
    void *ctx;
    void (*on_answered)(void *ctx);   /* an answer was handed to the system: a panic may end now */
    void (*on_arrival)(void *ctx, const json_t *message);   /* a message of somebody who is accepted came in, and is durable */
};

/* Who asks. All zero: the owner of the Unix socket. */
struct desk_asker {
    bool     is_page;         /* through a session of the page */
    bool     is_remote;       /* from another machine */
    uint64_t session;         /* its number, by which its listeners are ended */
};

enum err desk_new(struct desk **out, struct event_base *base, struct parts *parts, const struct desk_hooks *hooks);

/* First what waits is answered and every stream ended, while the servers that brought them still stand. */
void     desk_end(struct desk *d);
void     desk_free(struct desk *d);      /* takes NULL */

/* Methods, sizes and head of a server whose requests come here. */
void     desk_bound(struct evhttp *http);

/* Takes the request and answers it, now or after the turn. */
void     desk_take(struct desk *d, struct evhttp_request *request, const struct desk_asker *asker);

/* Answers at once with JSON, which is taken. */
void     desk_answer(struct desk *d, struct evhttp_request *request, int status, json_t *body);

/* Ends the listeners of this session. */
void     desk_end_session(struct desk *d, uint64_t session);

/* Answers that waited for this turn go out, and what happened is told to the listeners. */
void     desk_on_turn(struct desk *d);
void     desk_on_trouble(struct desk *d, enum err why);

/* The engine exists from here on, and without it answers do not wait. Lent. */
void     desk_set_engine(struct desk *d, struct engine *e);

#endif
