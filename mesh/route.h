/* mesh/route.h - which bundles are worth giving to whom, and how many copies there may be.
 *
 * Epidemic while there is room, binary spray under pressure. Nobody knows yet who is near a recipient, so the rule in
 * doubt is to deliver. The router proper will replace this file.
 */
#ifndef STA_MESH_ROUTE_H
#define STA_MESH_ROUTE_H

#include "mesh/base/rng.h"
#include "mesh/record.h"
#include "storage/store.h"

enum {
    BUDGET_EPIDEMIC      = 255,
    BUDGET_SPRAY         = 16,
    SMALL_LEN_MAX        = 4096,     /* of these the share of their class need not have room */
    EPIDEMIC_FILL_MAX    = 70,
    PUSH_LEN_MAX         = 1024,     /* sent without being asked for */
    PUSH_HOPS_MAX        = 2,        /* beyond, a bundle is offered: most neighbours of a crowd have it by then */
    OWN_HOPS_BELOW       = 4,        /* own bundles start with 0..3 hops, so that a first hop does not name the author */
};

/* A peer as far as routing cares. */
struct route_peer {
    uint32_t contributor;
    bool is_friend, is_uplink;
    uint8_t stamp_bits;              /* it demands of strangers */
    uint8_t hops_max;
    bool is_emptier;                 /* than we are */
    bool is_nearer;                  /* to the internet than we are */
};

/* The hops that a relay keeps of those a bundle arrived with. Only an author could ever give a bundle its first hop if every
 * relay added one; so a relay forgets the first as often as not. */
uint8_t route_hops_kept(uint8_t hops, const struct rng *g);

/* Likewise: only an author has all copies, so the largest share given would name it. Its receiver has all of them anew as often
 * as not, which is half as many copies again. */
uint8_t route_budget_taken(uint8_t budget, const struct rng *g);

/* Copies of a new bundle. */
uint8_t route_first_budget(const struct store_usage *usage, enum quota_class which, uint32_t len);
uint8_t route_first_hops(const struct rng *g);

/* May be given on to this peer at all. */
bool route_is_givable(const struct store_entry *e, const struct route_peer *peer);
/* Nothing but the stamp they demand is missing. */
bool route_wants_stamp(const struct store_entry *e, const struct route_peer *peer);

/* Of a budget, what a copy given away takes along, and what stays here. */
uint8_t route_budget_given(uint8_t budget);
uint8_t route_budget_kept(uint8_t budget);

/* What goes in the record: hops on arrival, budget given, life in units left, rounded up; 0 when expired. */
struct carry route_carry(const struct store_entry *e, uint32_t residence_s);

#endif
