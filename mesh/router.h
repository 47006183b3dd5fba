/* mesh/router.h - how many copies of a bundle there may be, who gets one, and what goes when room is short.
 *
 * A router is what one node has learnt from its meetings: how many new neighbours it meets in an hour, how many
 * their neighbours meet, how much a meeting can carry, how many nodes there are. It knows no recipient: tags are
 * used once, so nothing that is learnt about one bundle says anything about the next. A plain value: no clock, no
 * allocation, integers only, so that a run in the simulator is the same on every machine.
 *
 * A bundle starts with as many copies as it takes for its recipient to meet one of them soon
 * (router_first_budget); each meeting halves what is left (router_split); a copy that stays undelivered for long may
 * make another (router_budget). A full store takes a stranger's bundle only in the place of one worth far less, so that
 * budgets wait for room instead of being lost with evicted copies. docs/routing.md has the reasons and what each part is worth.
 */
#ifndef STA_MESH_ROUTER_H
#define STA_MESH_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ROUTER_BUDGET_MIN  = 12,   /* copies of a bundle that is easy to deliver */
    ROUTER_BUDGET_MAX  = 30,   /* and of one that is hard */
    ROUTER_WAIT_S      = 765,  /* a recipient shall meet some copy within this time, in the mean */
    ROUTER_PATIENCE    = 60,   /* new neighbours met without an anti-packet, until one more copy may be made */
    ROUTER_FRESH_S     = 600,  /* a neighbour that comes back sooner is not a new one */
    ROUTER_SKETCH      = 32,   /* smallest draws kept: the count of nodes is known to 18 % */
    ROUTER_SLOTS       = 12,   /* of five minutes: the hour whose meetings count */
    ROUTER_RATE_UNIT   = 16,   /* rates are in sixteenths of a meeting an hour */
    ROUTER_OWN_WEIGHT  = 16,   /* an author's copy is worth as much as these of others' */
    ROUTER_SWAP_MARGIN = 16,   /* how much more a newcomer has to be worth than what makes room for it */
};

/* What a node tells its neighbours at the start of a contact: says nothing about who it is. */
struct router_view {
    uint32_t rate;                     /* new neighbours an hour, in units of 1/ROUTER_RATE_UNIT */
    uint32_t day;                      /* of the sketch */
    uint32_t smallest[ROUTER_SKETCH];  /* random draws of all nodes heard of, ascending; UINT32_MAX: none */
};

struct router {
    struct router_view view;
    uint32_t draw;                     /* our own entry in the sketch of the day */
    uint32_t population;               /* the last day's count, at least 2 */
    uint32_t crowd;                    /* mean rate of neighbours met, weighted by meeting them */
    uint32_t met;                      /* new neighbours since birth */
    uint16_t slot[ROUTER_SLOTS];
    uint64_t slot_now, born_slot;      /* number of the current five minutes; that of birth */
    uint32_t carried[33];              /* contacts by the logarithm of the bytes they could have carried */
};

/* A copy as far as the router cares. */
struct router_copy {
    uint8_t budget;                    /* copies it may still stand for, itself among them: at least 1 */
    bool is_own;                       /* made here */
    uint32_t met_before;               /* router.met when the budget was last set */
};

/* draw: 32 random bits, new for every day. */
void router_init(struct router *r, uint32_t draw, uint64_t now_ms);

/* Starts a day's sketch anew (fresh draw), keeping yesterday's count until today's is larger. */
void router_new_day(struct router *r, uint32_t day, uint32_t draw);

/* Time passes: brings view.rate up to date. Call before reading the view. */
void router_advance(struct router *r, uint64_t now_ms);

/* A contact begins. is_new: not met within ROUTER_FRESH_S. */
void router_meet(struct router *r, const struct router_view *peer, bool is_new, uint64_t now_ms);

/* A contact that could have carried this many bytes is over. */
void router_part(struct router *r, uint64_t capacity_bytes);

/* How many nodes there are, as far as this one has heard. */
uint32_t router_population(const struct router *r);

/* The share of contacts, of 256, that can carry this many bytes. */
uint32_t router_reach(const struct router *r, uint32_t len);

/* For a new bundle of this length. */
uint8_t router_first_budget(const struct router *r, uint32_t len);

/* What a copy may stand for now: with what patience has added. */
uint8_t router_budget(const struct router *r, const struct router_copy *c);

/* Of what a copy stands for, the half that goes along with one given away; 0: none is to be given. */
uint8_t router_split(uint8_t budget);

/* In which order to offer: larger first. Bundles with the most copies still to make, and that most contacts can carry. */
uint64_t router_urgency(const struct router *r, uint8_t budget, uint32_t len);

/* What a copy is worth keeping when a bundle of our own needs room: the smallest goes. Little life left and many
 * copies made elsewhere make it small; the author's own copy counts for many. */
uint64_t router_worth(const struct router_copy *c, uint32_t life_left_s);

/* Whether a stranger's bundle deserves the room of the least worthy one in a full store. Only by a wide margin: every
 * swap costs a transfer, and a store that swaps readily does little else. */
bool router_is_worth_room(uint64_t newcomer_worth, uint64_t least_worth);

#endif
