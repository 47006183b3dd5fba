/* mesh/links/bluetooth_connections.h - the radio connections below our channels, and when to end them.
 *
 * A channel that is closed does not end the connection that carried it: bluetoothd attaches its own ATT bearer to every LE
 * connection, and keeps it for as long as the two are in range. That would cost both sides energy, take one of the few places
 * of a controller, and tie the addresses of two epochs together. So a connection that we made by a call, and over which no
 * channel of ours has run for a while, is ended, through BlueZ. Only by the side that called: the other cannot tell an old
 * connection from a new call that has not said anything yet. Never that of a device its owner has paired or trusted: it may be
 * there for another reason.
 */
#ifndef STA_LINKS_BLUETOOTH_CONNECTIONS_H
#define STA_LINKS_BLUETOOTH_CONNECTIONS_H

#include "mesh/links/bluetooth_bus.h"

struct bluetooth_connections;

enum {
    CONNECTIONS_MAX       = 32,
    CONNECTION_LINGER_MS  = 3000,   /* who meets again at once finds it still there */
};

/* `changed` is called from the loop when one has ended. */
enum err bluetooth_connections_new(struct bluetooth_connections **out, struct bluetooth_bus *bus, void (*changed)(void *ctx),
                                   void *ctx);
void     bluetooth_connections_free(struct bluetooth_connections *t);   /* takes NULL */

/* A channel that we called to the node of this advert began over a connection to this address; it ended. */
void     bluetooth_connections_used(struct bluetooth_connections *t, const struct bt_address *address,
                                    const uint8_t advert[ADVERT_RANDOM_LEN]);
void     bluetooth_connections_unused(struct bluetooth_connections *t, const struct bt_address *address, uint64_t now_ms);
/* A call failed. It may have made a connection all the same, which carries nothing: that ends now. */
void     bluetooth_connections_failed(struct bluetooth_connections *t, const struct bt_address *address, uint64_t now_ms);

/* False while the connection to it is being ended: a call now would be cut short. Also where the same node is still connected
 * under another address (a controller takes a new one with each change of its advertisement): the kernel at the other end
 * takes a second connection from us for the first, and drops it. That one is then ended. */
bool     bluetooth_connections_may_call(struct bluetooth_connections *t, const struct bt_address *address,
                                        const uint8_t advert[ADVERT_RANDOM_LEN], uint64_t now_ms);

/* An epoch ends: all that carry no channel end now. */
void     bluetooth_connections_end(struct bluetooth_connections *t, uint64_t now_ms);
/* None carries a channel, waits to be ended, or is being ended. */
bool     bluetooth_connections_are_over(const struct bluetooth_connections *t);

/* Ends what has lingered; returns when there may be more to do, or UINT64_MAX. */
uint64_t bluetooth_connections_wake(struct bluetooth_connections *t, uint64_t now_ms);

/* BlueZ has gone, or the adapter: so have they. */
void     bluetooth_connections_forget(struct bluetooth_connections *t);

#endif
