/* tests/mesh/liar.h - a peer of a node that knows the protocol and breaks its promises.
 *
 * It has a real handshake and seals what it says, so that the node takes it for a neighbour. It hears what the node says and
 * counts it by kind, and answers nothing by itself.
 */
#ifndef STA_TESTS_LIAR_H
#define STA_TESTS_LIAR_H

#include "mesh/link.h"
#include "mesh/record.h"
#include "tests/mesh/net.h"

struct liar {
    struct net *net;
    int node;
    uint32_t link;
    struct link *peer;
    uint64_t heard[32];          /* records by type */
    uint8_t wire[LINK_OUT_MAX];
    uint8_t said[LINK_FRAME_MAX];
};

/* Meets the node and states `sealed` members of class sealed. `is_caller`: the liar called. */
void liar_meet(struct liar *l, struct net *net, int node, bool is_caller, uint32_t sealed);
void liar_leave(struct liar *l);

/* Hears all that the node has to say now. */
void liar_hear(struct liar *l);

/* One frame: put records into liar_begin's writer, then say it. */
struct writer liar_begin(struct liar *l);
void liar_say(struct liar *l, const struct writer *w);

void liar_say_bundle(struct liar *l, struct carry carry, struct bytes bundle);
void liar_say_part(struct liar *l, const struct bundle_id *id, uint32_t total, struct bytes bytes);
void liar_say_offer(struct liar *l, uint8_t size_code, const struct bundle_id *id);
void liar_say_list(struct liar *l, const struct bundle_id *id);
void liar_say_ping(struct liar *l);
/* An empty record of what is gone, which is an answer of a kind. */
void liar_say_gone(struct liar *l);

bool liar_is_heard(const struct liar *l);   /* the link is still up */

#endif
