/* mesh/links/bluetooth_l2cap.h - L2CAP channels to and from neighbours, up to the point where they are links.
 *
 * Listens on one adapter and hands the host each channel whose preamble is right; calls one neighbour at a time, which is what
 * controllers do anyway. The kernel's stream sockets carry LE credit-based channels: a write is one SDU and must fit the
 * peer's MTU, a read takes bytes. The stream is that of the local network: preamble, then Noise.
 */
#ifndef STA_LINKS_BLUETOOTH_L2CAP_H
#define STA_LINKS_BLUETOOTH_L2CAP_H

#include "mesh/links/bluetooth_wire.h"
#include "mesh/links/host.h"

struct bluetooth_l2cap;
struct event_base;

enum {
    L2CAP_MTU            = 8192,    /* of one SDU; the kernel grants credits for one of these */
    L2CAP_UNFINISHED_MAX = 8,       /* inbound channels without a whole preamble */
    L2CAP_PREAMBLE_MS    = 5000,
    L2CAP_CALL_MS        = 6000,    /* the kernel itself would wait for 40 s */
    L2CAP_RECEIVE_BYTES  = 1 << 20, /* kernels before 6.9 drop what does not fit, credits or not */
};

struct bluetooth_peer {
    struct bt_address address;
    uint8_t kind;                   /* BT_ADDR_ */
};

struct bluetooth_l2cap_user {
    void *ctx;
    /* Somebody has opened a channel; before it has said anything, and again (advert not NULL) with the preamble read. */
    bool (*may_accept)(void *ctx, const struct bluetooth_peer *peer, const uint8_t *advert);
    /* A channel has become a link. `fd` is the host's; valid until the link is gone. */
    void (*on_link)(void *ctx, const struct bluetooth_peer *peer, const uint8_t *advert, bool is_ours, uint32_t link, int fd);
    void (*on_call_failed)(void *ctx, enum err why, int errno_seen);
};

enum err bluetooth_l2cap_new(struct bluetooth_l2cap **out, struct event_base *base, struct host *host, struct node *node,
                             const struct bluetooth_l2cap_user *user);
void     bluetooth_l2cap_free(struct bluetooth_l2cap *l);

/* Listens on the adapter with this address. ERR_IO. */
enum err bluetooth_l2cap_start(struct bluetooth_l2cap *l, const struct bluetooth_peer *adapter, bool is_classic);
/* No longer listens or calls; links go on. */
void     bluetooth_l2cap_stop(struct bluetooth_l2cap *l);
uint8_t  bluetooth_l2cap_psm(const struct bluetooth_l2cap *l);   /* 0: not listening */

/* Calls. ERR_STATE: a call is under way, or no adapter. ERR_IO, with errno: failed at once. Otherwise on_link or on_call_failed
 * follows once, and never before return. `advert` NULL: none was heard. */
enum err bluetooth_l2cap_call(struct bluetooth_l2cap *l, const struct bluetooth_peer *to, uint16_t psm, const uint8_t *advert);
bool     bluetooth_l2cap_is_calling(const struct bluetooth_l2cap *l);
void     bluetooth_l2cap_cancel(struct bluetooth_l2cap *l);

#endif
