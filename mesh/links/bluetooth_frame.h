/* mesh/links/bluetooth_frame.h - a stream of link bytes over GATT writes and notifications (docs/protocol.md section 7.8).
 *
 * A write command or notification carries one block of at most 244 bytes. Blocks of several phones share the server's two
 * characteristics, so each names its session; BlueZ may deliver them out of order (enhanced ATT bearers), so each has a
 * number; and nothing holds back a sender, so the receiver grants what it has room for. Pure.
 */
#ifndef STA_LINKS_BLUETOOTH_FRAME_H
#define STA_LINKS_BLUETOOTH_FRAME_H

#include "mesh/base/bytes.h"

enum {
    FRAME_BLOCK_MAX   = 244,   /* fits one LE data packet of 251 bytes */
    FRAME_BLOCK_MIN   = 20,    /* what the smallest ATT MTU carries */
    FRAME_HEADER_LEN  = 4,
    FRAME_BODY_MAX    = FRAME_BLOCK_MAX - FRAME_HEADER_LEN,
    FRAME_WINDOW_MAX  = 192,   /* what BlueZ's socket holds for a program that is busy elsewhere */
    FRAME_SLOTS       = 256,
    FRAME_NONCE_LEN   = 4,
    FRAME_VERSION     = 1,
};

enum frame_kind {
    FRAME_OPEN   = 1,   /* client: nonce 4, version 1, window 1 */
    FRAME_OPENED = 2,   /* server: the client's nonce 4, window 1 */
    FRAME_DATA   = 3,   /* number; 1 to FRAME_BODY_MAX bytes of the stream */
    FRAME_GRANT  = 4,   /* number: the first that may not be sent yet */
    FRAME_CLOSE  = 5,   /* reason 1 */
};

enum frame_reason { FRAME_DONE = 0, FRAME_BUSY = 1, FRAME_FAULT = 2, FRAME_WRONG_VERSION = 3 };

struct frame_block {
    uint8_t session, kind;
    uint16_t number;                  /* modulo 65536 */
    uint8_t nonce[FRAME_NONCE_LEN];   /* OPEN, OPENED */
    uint8_t version;                  /* OPEN */
    uint8_t window;                   /* OPEN, OPENED: 1..FRAME_WINDOW_MAX */
    uint8_t reason;                   /* CLOSE */
    struct bytes body;                /* DATA; borrowed from the input */
};

/* ERR_MALFORMED: not a block. */
enum err frame_decode(struct frame_block *out, struct bytes in);

/* Returns the length. `body` fits FRAME_BODY_MAX. */
size_t   frame_encode(const struct frame_block *b, uint8_t to[FRAME_BLOCK_MAX]);

/* What came and may be handed on in order. */
struct frame_inbox {
    uint16_t next;       /* number of the block to hand on next */
    uint16_t granted;    /* first number not granted */
    uint8_t window;
    uint8_t lens[FRAME_SLOTS];   /* 0: not here yet */
    uint8_t bodies[FRAME_SLOTS][FRAME_BODY_MAX];
};

void     frame_inbox_init(struct frame_inbox *x, uint8_t window);
/* ERR_MALFORMED: not granted, or here already. */
enum err frame_inbox_put(struct frame_inbox *x, uint16_t number, struct bytes body);
/* Lends the next block until the next call; false: it is not here. */
bool     frame_inbox_next(struct frame_inbox *x, struct bytes *body);
/* True when a grant is worth sending: *number is what it says. */
bool     frame_inbox_grant(struct frame_inbox *x, uint16_t *number);

/* What may be sent. */
struct frame_outbox { uint16_t next, limit; };

static inline bool frame_outbox_may_send(const struct frame_outbox *x) { return x->next != x->limit; }
/* ERR_MALFORMED: takes back what was granted, or grants more than any window. */
enum err frame_outbox_grant(struct frame_outbox *x, uint16_t number);

#endif
