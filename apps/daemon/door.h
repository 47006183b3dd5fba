/* apps/daemon/door.h - the local API over HTTP on a Unix socket of mode 0600.
 *
 * Reads requests, has them handled (api.h), and holds each answer back until the turn that makes it durable is
 * over. Bounded: head, body, listeners, and a pause when the process runs out of descriptors.
 */
#ifndef STA_DAEMON_DOOR_H
#define STA_DAEMON_DOOR_H

#include "apps/daemon/engine.h"

struct door;

struct door_hooks {
    void *ctx;
    void (*on_answered)(void *ctx);   /* an answer was handed to the system: a panic may end now */
};

/* Removes a socket that nobody answers at. ERR_LOCKED: somebody does; ERR_TOO_LARGE: the path; ERR_IO. `why` names it. */
enum err door_new(struct door **out, struct event_base *base, struct parts *parts, const char *path,
                  const struct door_hooks *hooks, char why[256]);
void     door_free(struct door *d);      /* removes the socket */

/* Answers that waited for this turn go out, and what happened is told to the listeners. */
void     door_on_turn(struct door *d);
void     door_on_trouble(struct door *d, enum err why);

/* The engine exists from here on, and without it answers do not wait. Lent. */
void     door_set_engine(struct door *d, struct engine *e);

#endif
