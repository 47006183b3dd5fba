/* mesh/route.c - which bundles are worth giving to whom. */
#include "mesh/route.h"

uint8_t route_first_budget(const struct store_usage *usage, enum quota_class which, uint32_t len)
{
    bool has_share = len <= SMALL_LEN_MAX || usage->class_bytes[which] + len <= usage->class_share[which];

    return has_share && usage->fill_percent < EPIDEMIC_FILL_MAX ? BUDGET_EPIDEMIC : BUDGET_SPRAY;
}

uint8_t route_first_hops(const struct rng *g)
{
    return (uint8_t)rng_below(g, OWN_HOPS_BELOW);
}

uint8_t route_hops_kept(uint8_t hops, const struct rng *g)
{
    return hops == 1 && rng_below(g, 2) == 0 ? 0 : hops;
}

uint8_t route_budget_taken(uint8_t budget, const struct rng *g)
{
    if (budget == 0)
        return 1;
    return budget == BUDGET_SPRAY / 2 && rng_below(g, 2) == 0 ? BUDGET_SPRAY : budget;
}

bool route_is_givable(const struct store_entry *e, const struct route_peer *peer)
{
    if (e->contributor == peer->contributor || e->hops >= peer->hops_max)
        return false;
    /* The last copy waits for someone who may be near the recipient or a gateway, or who can keep it longer. */
    if (e->budget <= 1 && !peer->is_friend && !peer->is_uplink && !peer->is_emptier && !peer->is_nearer)
        return false;
    return peer->is_friend || e->bundle_class == CLASS_SOS || e->stamp_bits >= peer->stamp_bits;
}

bool route_wants_stamp(const struct store_entry *e, const struct route_peer *peer)
{
    struct store_entry stamped = *e;

    stamped.stamp_bits = peer->stamp_bits;
    return e->stamp_bits < peer->stamp_bits && !route_is_givable(e, peer) && route_is_givable(&stamped, peer);
}

uint8_t route_budget_given(uint8_t budget)
{
    if (budget == BUDGET_EPIDEMIC)
        return budget;
    return budget / 2 > 0 ? budget / 2 : 1;
}

uint8_t route_budget_kept(uint8_t budget)
{
    if (budget == BUDGET_EPIDEMIC || budget == 0)
        return budget;
    return (uint8_t)(budget - budget / 2);
}

struct carry route_carry(const struct store_entry *e, uint32_t residence_s)
{
    struct carry c = { (uint8_t)(e->hops + 1), route_budget_given(e->budget), 0 };
    const uint32_t unit_s = LIFE_UNIT_H * 3600;

    if (e->deadline_s > residence_s) {
        uint32_t units = (e->deadline_s - residence_s - 1) / unit_s + 1;
        c.life = (uint8_t)(units > LIFE_UNITS_MAX ? LIFE_UNITS_MAX : units);
    }
    return c;
}
