/* apps/simulator/policy_staffetta.c - ours: asks mesh/router.c, as a node does.
 *
 * Inputs: meetings and their length, the neighbours' rates and sketches, room in their stores, anti-packets. A
 * message's recipient is looked at only by the world, when the two meet. Anti-packets spread at once and for free, as
 * MaxProp's acknowledgements do under the reference rules. config.ablation switches parts off.
 */
#include "apps/simulator/bits.h"
#include "apps/simulator/policy.h"
#include "mesh/router.h"

enum { FIXED_BUDGET = 16, LATE_TICKS = 2 * 3600 * TICKS_PER_S };

struct staffetta {
    struct router *router;
    uint64_t *least;         /* the smallest worth of a stranger's copy in a node's store, at the last look */
    struct bits *acked;      /* anti-packets a node has heard of */
    struct table last_met;   /* pair -> tick */
    struct late { int64_t tick; uint32_t node, message; } *late; /* anti-packets not let go yet, in order */
    size_t late_at, late_count, late_cap;
};

static bool is_off(const struct world *w, enum ablation part)
{
    return (w->config.ablation & part) != 0;
}

static uint64_t ms_of(const struct world *w)
{
    return (uint64_t)w->now * (1000 / TICKS_PER_S);
}

static void *create(struct world *w)
{
    struct staffetta *p = grow(NULL, 1, sizeof *p);

    memset(p, 0, sizeof *p);
    p->router = grow(NULL, w->node_count, sizeof *p->router);
    p->acked = grow(NULL, w->node_count, sizeof *p->acked);
    p->least = grow(NULL, w->node_count, sizeof *p->least);
    memset(p->acked, 0, w->node_count * sizeof *p->acked);
    for (uint32_t i = 0; i < w->node_count; i++)
        router_init(&p->router[i], (uint32_t)(dice_u64(&w->dice) >> 32), 0);
    return p;
}

static void destroy(struct world *w)
{
    struct staffetta *p = w->policy;

    for (uint32_t i = 0; i < w->node_count; i++)
        free(p->acked[i].words);
    free(p->acked);
    free(p->router);
    free(p->least);
    free(p->late);
    table_clear(&p->last_met);
    free(p);
}

/* ---- Anti-packets ---- */

static void drop_acked(struct world *w, uint32_t node)
{
    struct staffetta *p = w->policy;

    for (uint32_t at = w->nodes[node].oldest, next; at != NONE; at = next) {
        next = w->copies[at].newer;
        if (bits_has(&p->acked[node], w->copies[at].message) && !world_is_sending(w, &w->copies[at]))
            world_drop(w, &w->copies[at], false);
    }
}

static void let_go_late(struct world *w)
{
    struct staffetta *p = w->policy;

    for (; p->late_at < p->late_count && p->late[p->late_at].tick <= w->now; p->late_at++)
        bits_add(&p->acked[p->late[p->late_at].node], p->late[p->late_at].message);
}

static void acknowledge(struct world *w, uint32_t node, uint32_t message)
{
    struct staffetta *p = w->policy;

    if (!is_off(w, ABLATE_PROMPTNESS)) {
        bits_add(&p->acked[node], message);
        return;
    }
    p->late = grow_for(p->late, p->late_count, &p->late_cap, sizeof *p->late);
    p->late[p->late_count++] = (struct late){ w->now + LATE_TICKS, node, message };
}

static void share_antipackets(struct world *w, uint32_t a, uint32_t b)
{
    struct staffetta *p = w->policy;

    let_go_late(w);

    bool a_learns = bits_join(&p->acked[a], &p->acked[b]), b_learns = bits_join(&p->acked[b], &p->acked[a]);

    if (a_learns || is_off(w, ABLATE_PROMPTNESS))
        drop_acked(w, a);
    if (b_learns || is_off(w, ABLATE_PROMPTNESS))
        drop_acked(w, b);
}

/* ---- Contacts ---- */

static void meet(struct world *w, uint32_t a, uint32_t b)
{
    struct staffetta *p = w->policy;
    struct router *ra = &p->router[a], *rb = &p->router[b];
    uint32_t last = table_find(&p->last_met, table_pair(a, b));
    bool is_new = last == TABLE_NONE || w->now - (int64_t)last > ROUTER_FRESH_S * TICKS_PER_S;
    struct router_view view;

    if (!is_off(w, ABLATE_ANTIPACKETS))
        share_antipackets(w, a, b);
    if (is_new)
        table_put(&p->last_met, table_pair(a, b), (uint32_t)w->now);
    router_advance(ra, ms_of(w));
    router_advance(rb, ms_of(w));
    view = ra->view;
    router_meet(ra, &rb->view, is_new, ms_of(w));
    router_meet(rb, &view, is_new, ms_of(w));
    world_bump(w, a);
    world_bump(w, b);
}

static void part(struct world *w, uint32_t a, uint32_t b, int64_t ticks, uint64_t bytes_moved)
{
    struct staffetta *p = w->policy;
    uint64_t capacity = (uint64_t)ticks * w->config.rate_bytes_per_s / TICKS_PER_S;

    (void)bytes_moved;
    router_part(&p->router[a], capacity);
    router_part(&p->router[b], capacity);
}

/* ---- Copies ---- */

static struct router_copy seen_by_router(const struct copy *c)
{
    return (struct router_copy){ .budget = (uint8_t)c->tokens, .is_own = c->hops == 0, .met_before = c->count };
}

static uint8_t budget_of(const struct world *w, const struct copy *c)
{
    const struct staffetta *p = w->policy;
    struct router_copy rc = seen_by_router(c);

    return is_off(w, ABLATE_PATIENCE) ? rc.budget : router_budget(&p->router[c->node], &rc);
}

static void created(struct world *w, struct copy *c)
{
    struct staffetta *p = w->policy;

    c->tokens = is_off(w, ABLATE_BUDGET) ? FIXED_BUDGET
                                         : router_first_budget(&p->router[c->node], w->messages[c->message].size);
    c->count = p->router[c->node].met;
}

static uint64_t worth_of(const struct world *w, const struct copy *c)
{
    struct router_copy rc = seen_by_router(c);
    int64_t left = w->messages[c->message].expires - w->now;

    return router_worth(&rc, left > 0 ? (uint32_t)(left / TICKS_PER_S) : 0);
}

/* What the copy would be worth over there. */
static uint64_t newcomer_worth(const struct world *w, const struct copy *c, uint8_t budget)
{
    struct router_copy rc = { .budget = router_split(budget) };
    int64_t left = w->messages[c->message].expires - w->now;

    return router_worth(&rc, left > 0 ? (uint32_t)(left / TICKS_PER_S) : 0);
}

static void prepare(struct world *w, uint32_t from, uint32_t to)
{
    struct staffetta *p = w->policy;

    (void)from;
    p->least[to] = UINT64_MAX; /* nothing of others': nothing to be had */
    for (uint32_t at = w->nodes[to].oldest; at != NONE; at = w->copies[at].newer)
        if (w->copies[at].hops > 0) {
            uint64_t worth = worth_of(w, &w->copies[at]);

            p->least[to] = worth < p->least[to] ? worth : p->least[to];
        }
}

static double rank(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    struct staffetta *p = w->policy;
    const struct node *peer = &w->nodes[to];
    uint32_t size = w->messages[c->message].size;
    uint8_t budget = budget_of(w, c);

    if (router_split(budget) == 0 || bits_has(&p->acked[from], c->message) || bits_has(&p->acked[to], c->message))
        return -1;
    if (peer->used + size > peer->buffer && !is_off(w, ABLATE_REFUSAL)
        && !router_is_worth_room(newcomer_worth(w, c, budget), p->least[to]))
        return -1;
    if (is_off(w, ABLATE_ORDER))
        return dice_unit(&w->dice);
    return (double)router_urgency(&p->router[from], budget, size) + dice_unit(&w->dice);
}

static bool given(struct world *w, uint32_t from, uint32_t to, struct copy *here, struct copy *there)
{
    struct staffetta *p = w->policy;

    if (there == NULL) {
        acknowledge(w, from, here->message);
        acknowledge(w, to, here->message);
        return !is_off(w, ABLATE_ANTIPACKETS);
    }

    uint8_t budget = budget_of(w, here), share = router_split(budget);

    if (budget != here->tokens)
        here->count = p->router[from].met;
    here->tokens = budget - share;
    there->tokens = share;
    there->count = p->router[to].met;
    return false;
}

/* The copy that goes: a stranger's while there is one; one's own only for one's own and for what is delivered. */
static uint32_t victim(struct world *w, uint32_t node, uint32_t newcomer, uint32_t giver)
{
    uint32_t least = NONE;
    uint64_t least_worth = 0;
    bool may_take_own = giver == node || w->messages[newcomer].to == node, is_own = true;

    for (uint32_t at = w->nodes[node].oldest; at != NONE; at = w->copies[at].newer) {
        const struct copy *c = &w->copies[at];
        uint64_t worth = is_off(w, ABLATE_EVICTION) ? (uint64_t)c->received : worth_of(w, c);

        if (world_is_sending(w, c) || (c->hops == 0 && (!may_take_own || !is_own)))
            continue;
        if (least == NONE || (is_own && c->hops > 0) || worth < least_worth) {
            least = at;
            least_worth = worth;
            is_own = c->hops == 0;
        }
    }
    return least;
}

const struct policy_kind policy_staffetta = {
    .name = "staffetta", .paper = "docs/routing.md", .picks_best_link = true, .create = create, .destroy = destroy,
    .meet = meet, .part = part, .prepare = prepare, .created = created, .rank = rank, .given = given, .victim = victim,
};
