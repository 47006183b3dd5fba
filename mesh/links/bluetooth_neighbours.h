/* mesh/links/bluetooth_neighbours.h - who was heard, whether a call is worth it, and when.
 *
 * Advertisements are not signed and anybody can invent a thousand of them: the table is bounded, newcomers are rationed, and
 * who has failed waits behind who has not.
 */
#ifndef STA_LINKS_BLUETOOTH_NEIGHBOURS_H
#define STA_LINKS_BLUETOOTH_NEIGHBOURS_H

#include "mesh/links/bluetooth_l2cap.h"
#include "mesh/node.h"

struct bluetooth_neighbours;

enum {
    NEIGHBOURS_BT_MAX    = 128,
    NEWCOMERS_BURST      = 64,
    NEWCOMERS_PER_S      = 8,
    NEIGHBOUR_AWAIT_MS   = 4000,      /* theirs to call; then we do, for they may not have heard us */
    NEIGHBOUR_RETRY_MS   = 2000,      /* doubled each time ... */
    NEIGHBOUR_RETRY_MOST_MS = 300000, /* ... up to this */
    NEIGHBOUR_AGAIN_MS   = 400,       /* after a link that did its work */
    NEIGHBOUR_FRESH_MS   = 60000,     /* who was not heard for so long is not called */
    NEIGHBOUR_HEARD_MS   = 120000,    /* bluetooth_neighbours_count */
};

struct bluetooth_neighbour {
    bool is_used, is_linked;
    bool is_stale;         /* not worth a call before it is heard again */
    bool has_answered;     /* our calls: so there is no need to wait for its own */
    struct bluetooth_peer peer;
    uint8_t psm;
    uint8_t beacon[BEACON_LEN], advert[ADVERT_RANDOM_LEN];
    uint64_t heard_ms;
    uint64_t call_ms;      /* UINT64_MAX: no call is planned */
    uint64_t retry_ms;     /* no call before */
    uint32_t link;
    unsigned failures;
};

enum err bluetooth_neighbours_new(struct bluetooth_neighbours **out, struct node *node, const struct rng *g);
void     bluetooth_neighbours_free(struct bluetooth_neighbours *t);

enum bluetooth_heard { HEARD_AGAIN, HEARD_NEWCOMER, HEARD_FOREIGN, HEARD_MALFORMED, HEARD_DROPPED };

/* An advertisement with this service data. */
enum bluetooth_heard bluetooth_neighbours_heard(struct bluetooth_neighbours *t, const struct bluetooth_peer *peer,
                                                struct bytes data, uint64_t now_ms);
/* The same again, as far as we know. False: never heard of. */
bool bluetooth_neighbours_seen(struct bluetooth_neighbours *t, const struct bt_address *address, uint64_t now_ms);
/* Lends; NULL. */
struct bluetooth_neighbour *bluetooth_neighbours_find(struct bluetooth_neighbours *t, const struct bt_address *address);
struct bluetooth_neighbour *bluetooth_neighbours_find_advert(struct bluetooth_neighbours *t, const uint8_t advert[ADVERT_RANDOM_LEN]);

/* Whom to call now; NULL: nobody before *at_ms. */
struct bluetooth_neighbour *bluetooth_neighbours_next(struct bluetooth_neighbours *t, uint64_t now_ms, uint64_t *at_ms);

void bluetooth_neighbours_failed(struct bluetooth_neighbours *t, struct bluetooth_neighbour *n, uint64_t now_ms);
void bluetooth_neighbours_linked(struct bluetooth_neighbours *t, struct bluetooth_neighbour *n, uint32_t link, bool is_ours);
/* `was_useful`: handshake and all; `is_settled`: nothing was left to exchange. */
void bluetooth_neighbours_unlinked(struct bluetooth_neighbours *t, uint32_t link, bool was_useful, bool is_settled,
                                   uint64_t now_ms);

unsigned bluetooth_neighbours_count(const struct bluetooth_neighbours *t, uint64_t now_ms);
/* Looks anew at what everybody is worth: our own store has changed. */
void     bluetooth_neighbours_judge(struct bluetooth_neighbours *t, uint64_t now_ms);
void     bluetooth_neighbours_clear(struct bluetooth_neighbours *t);

#endif
