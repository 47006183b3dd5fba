/* apps/daemon/door.h - the local API over HTTP on a Unix socket of mode 0600.
 *
 * Brings the requests of whoever may open the socket to the desk. Bounded: head, body, and a pause when the process runs
 * out of descriptors.
 */
#ifndef STA_DAEMON_DOOR_H
#define STA_DAEMON_DOOR_H

#include "apps/daemon/desk.h"

struct door;

/* Removes a socket that nobody answers at. ERR_LOCKED: somebody does; ERR_TOO_LARGE: the path; ERR_IO. `why` names it. */
enum err door_new(struct door **out, struct event_base *base, const struct log *log, struct desk *desk, const char *path, char why[256]);
void     door_free(struct door *d);      /* removes the socket; after desk_end */

#endif
