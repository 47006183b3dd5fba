/* mesh/router.c - see the header, and docs/routing.md for the reasons. */
#include "mesh/router.h"

#include <string.h>

enum { SLOT_MS = 5 * 60 * 1000, CROWD_WEIGHT = 16, CARRIED_MAX = 256, UNLEARNT = 8 };

static uint64_t slot_of(uint64_t now_ms) { return now_ms / SLOT_MS; }

static void sketch_start(struct router_view *v, uint32_t day, uint32_t draw)
{
    v->day = day;
    v->smallest[0] = draw;
    for (int i = 1; i < ROUTER_SKETCH; i++)
        v->smallest[i] = UINT32_MAX;
}

void router_init(struct router *r, uint32_t draw, uint64_t now_ms)
{
    memset(r, 0, sizeof *r);
    r->draw = draw;
    r->population = 2;
    r->slot_now = r->born_slot = slot_of(now_ms);
    sketch_start(&r->view, 0, draw);
}

/* ---- How many nodes there are: the k smallest of as many random draws (Bar-Yossef et al., RANDOM 2002) ---- */

static uint32_t sketch_count(const struct router_view *v)
{
    int n = 0;

    while (n < ROUTER_SKETCH && v->smallest[n] != UINT32_MAX)
        n++;
    if (n < ROUTER_SKETCH)
        return (uint32_t)n;

    uint64_t largest = (uint64_t)v->smallest[ROUTER_SKETCH - 1] + 1, count = ((uint64_t)(ROUTER_SKETCH - 1) << 32) / largest;

    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

uint32_t router_population(const struct router *r)
{
    uint32_t today = sketch_count(&r->view);

    return today > r->population ? today : r->population;
}

void router_new_day(struct router *r, uint32_t day, uint32_t draw)
{
    uint32_t count = sketch_count(&r->view);

    r->population = count > 2 ? count : 2;
    r->draw = draw;
    sketch_start(&r->view, day, draw);
}

static void sketch_join(struct router_view *v, const struct router_view *peer)
{
    uint32_t merged[ROUTER_SKETCH];
    int a = 0, b = 0;

    if (peer->day != v->day)
        return;
    for (int i = 0; i < ROUTER_SKETCH; i++) {
        uint32_t x = v->smallest[a], y = peer->smallest[b];

        merged[i] = x < y ? x : y;
        a += x <= y;
        b += y <= x;
    }
    memcpy(v->smallest, merged, sizeof merged);
}

/* ---- Meetings ---- */

void router_advance(struct router *r, uint64_t now_ms)
{
    uint64_t now = slot_of(now_ms);
    uint32_t sum = 0;

    for (uint64_t n = 0; r->slot_now < now && n < ROUTER_SLOTS; n++)
        r->slot[++r->slot_now % ROUTER_SLOTS] = 0;
    if (r->slot_now < now)
        r->slot_now = now;
    for (int i = 0; i < ROUTER_SLOTS; i++)
        sum += r->slot[i];

    /* A young node has not had its hour; its first quarter is taken for one, or its first meeting would be a rush. */
    uint64_t slots = now - r->born_slot + 1;

    if (slots > ROUTER_SLOTS)
        slots = ROUTER_SLOTS;
    if (slots < 3)
        slots = 3;
    r->view.rate = (uint32_t)((uint64_t)sum * ROUTER_RATE_UNIT * ROUTER_SLOTS / slots);
}

void router_meet(struct router *r, const struct router_view *peer, bool is_new, uint64_t now_ms)
{
    router_advance(r, now_ms);
    sketch_join(&r->view, peer);
    if (!is_new)
        return;
    r->met++;
    if (r->slot[r->slot_now % ROUTER_SLOTS] < UINT16_MAX)
        r->slot[r->slot_now % ROUTER_SLOTS]++;
    router_advance(r, now_ms);

    uint32_t rate = peer->rate < 1u << 20 ? peer->rate : 1u << 20;

    if (r->crowd == 0)
        r->crowd = rate;
    else
        r->crowd = (uint32_t)(((uint64_t)r->crowd * (CROWD_WEIGHT - 1) + rate + CROWD_WEIGHT - 1) / CROWD_WEIGHT);
}

static unsigned class_of(uint64_t bytes)
{
    unsigned n = 0;

    while (bytes > 1 && n < 32) {
        bytes >>= 1;
        n++;
    }
    return n;
}

void router_part(struct router *r, uint64_t capacity_bytes)
{
    uint32_t sum = 0;

    r->carried[class_of(capacity_bytes)]++;
    for (int i = 0; i <= 32; i++)
        sum += r->carried[i];
    if (sum > CARRIED_MAX)
        for (int i = 0; i <= 32; i++)
            r->carried[i] /= 2;
}

uint32_t router_reach(const struct router *r, uint32_t len)
{
    unsigned class = class_of(len);
    uint32_t all = 0, enough = 0;

    for (unsigned i = 0; i <= 32; i++) {
        all += r->carried[i];
        enough += i > class ? r->carried[i] : 0;
    }
    /* Of the contacts in the bundle's own class, those count that lie above it, if they spread evenly. */
    if (class < 32 && class > 0) {
        uint64_t low = (uint64_t)1 << class;

        enough += (uint32_t)(r->carried[class] * (2 * low - len) / low);
    }
    if (all < UNLEARNT)
        return 256;
    return enough * 256 / all > 0 ? enough * 256 / all : 1;
}

/* ---- Budgets ---- */

/* With n nodes that each meet c of them an hour, one copy meets a given node every n/c hours, and b copies b times
 * as often. */
uint8_t router_first_budget(const struct router *r, uint32_t len)
{
    uint64_t nodes = router_population(r), rate = (uint64_t)r->crowd * router_reach(r, len), budget;

    if (rate == 0)
        return ROUTER_BUDGET_MAX;
    budget = nodes * 3600 * ROUTER_RATE_UNIT * 256 / (rate * ROUTER_WAIT_S);
    return budget < ROUTER_BUDGET_MIN ? ROUTER_BUDGET_MIN : budget > ROUTER_BUDGET_MAX ? ROUTER_BUDGET_MAX : (uint8_t)budget;
}

uint8_t router_budget(const struct router *r, const struct router_copy *c)
{
    uint32_t b = c->budget + (r->met - c->met_before) / ROUTER_PATIENCE;

    return b > 255 ? 255 : (uint8_t)b;
}

uint8_t router_split(uint8_t budget)
{
    return budget / 2;
}

uint64_t router_urgency(const struct router *r, uint8_t budget, uint32_t len)
{
    uint64_t reach = router_reach(r, len);

    return budget * reach * reach;
}

uint64_t router_worth(const struct router_copy *c, uint32_t life_left_s)
{
    return (uint64_t)life_left_s * (c->budget + 2u) * (c->is_own ? ROUTER_OWN_WEIGHT : 1);
}

bool router_is_worth_room(uint64_t newcomer_worth, uint64_t least_worth)
{
    return newcomer_worth / ROUTER_SWAP_MARGIN > least_worth;
}
