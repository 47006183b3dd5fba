/* mesh/links/bluetooth_session.h - one phone's stream over GATT blocks, on either side of it.
 *
 * Between the blocks and a local stream socket, whose other end is a link like any other. Knows no D-Bus: blocks come in by
 * bluetooth_session_take and go out by the `send` it was given, which says whether there was room.
 */
#ifndef STA_LINKS_BLUETOOTH_SESSION_H
#define STA_LINKS_BLUETOOTH_SESSION_H

#include "mesh/links/bluetooth_frame.h"

struct bluetooth_session;
struct event_base;
struct bufferevent;

struct bluetooth_session_user {
    void *ctx;
    /* Sends one block now, or says false: bluetooth_session_pump will be called when there is room. */
    bool (*send)(void *ctx, struct bytes block);
    /* The session is over and may be freed, but not from inside this call. */
    void (*over)(void *ctx, enum frame_reason reason);
};

/* `stream` is set to the end that is to become a link, of which the bufferevent is the caller's. `peer_window` is what the other
 * side stated. */
enum err bluetooth_session_new(struct bluetooth_session **out, struct event_base *base, uint8_t session, uint8_t window,
                               uint8_t peer_window, size_t block_max, const struct bluetooth_session_user *user,
                               struct bufferevent **stream);
/* Sends nothing. */
void     bluetooth_session_free(struct bluetooth_session *s);

/* A block of this session: DATA, GRANT or CLOSE; ERR_MALFORMED ends it (`over` is called). */
enum err bluetooth_session_take(struct bluetooth_session *s, const struct frame_block *b);
/* Sends what waits and may be sent. */
void     bluetooth_session_pump(struct bluetooth_session *s);

#endif
