/* apps/simulator/policy_basic.c - direct delivery, first contact, epidemic, binary spray and wait. */
#include "apps/simulator/policy.h"

static double never(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    (void)w, (void)from, (void)to, (void)c;
    return -1;
}

/* Random order, drawn once for each contact. */
static double at_random(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    (void)from, (void)to, (void)c;
    return dice_unit(&w->dice);
}

/* Handed on, never back to where it was; the sender keeps nothing. */
static double unvisited(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    (void)from;
    return world_path_has(w, c->path, to) ? -1 : dice_unit(&w->dice);
}

static bool hand_over(struct world *w, uint32_t from, uint32_t to, struct copy *here, struct copy *there)
{
    (void)w, (void)from, (void)to, (void)here, (void)there;
    return true;
}

static void spray_created(struct world *w, struct copy *c)
{
    c->tokens = w->config.spray_copies;
}

static double spray_rank(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    (void)from, (void)to;
    return c->tokens > 1 ? dice_unit(&w->dice) : -1;
}

static bool spray_given(struct world *w, uint32_t from, uint32_t to, struct copy *here, struct copy *there)
{
    (void)w, (void)from, (void)to;
    if (there != NULL)
        there->tokens = here->tokens / 2;
    here->tokens -= here->tokens / 2;
    return false;
}

const struct policy_kind policy_direct = { .name = "direct", .paper = "the source waits for the recipient", .rank = never };

const struct policy_kind policy_first = {
    .name = "first", .paper = "Jain, Fall, Patra: Routing in a delay tolerant network, SIGCOMM 2004",
    .rank = unvisited, .given = hand_over,
};

const struct policy_kind policy_epidemic = {
    .name = "epidemic", .paper = "Vahdat, Becker: Epidemic routing for partially connected ad hoc networks, Duke CS-2000-06",
    .rank = at_random,
};

const struct policy_kind policy_spray = {
    .name = "spray", .paper = "Spyropoulos, Psounis, Raghavendra: Spray and Wait, WDTN 2005",
    .created = spray_created, .rank = spray_rank, .given = spray_given,
};
