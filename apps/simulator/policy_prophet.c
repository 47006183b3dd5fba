/* apps/simulator/policy_prophet.c - PRoPHET and its second version, as The ONE has them.
 *
 * A node's predictions age together, so they are kept as of the node's last update and scaled when compared.
 */
#include "apps/simulator/policy.h"

#include <stdlib.h>
#include <string.h>

enum { POWERS = 40 };

struct prophet {
    double *p;             /* p[node * node_count + other] */
    int64_t *aged, *met;   /* when a node's row was aged; version 2: when a pair met, -1 never */
    double gamma[POWERS];  /* the factor of 2^i ticks */
    double beta;
    bool is_second;
};

/* gamma per 30 s, per tick of 0.1 s: written out, so that every machine ages alike. */
#define GAMMA_TICK_1 0.9999326599097206  /* 0.98^(1/300) */
#define GAMMA_TICK_2 0.9999996192816647  /* 0.999885791^(1/300) */

static double age_factor(const struct prophet *p, int64_t ticks)
{
    double f = 1;

    for (int i = 0; ticks > 0; i++, ticks >>= 1)
        if ((ticks & 1) != 0)
            f *= p->gamma[i];
    return f;
}

static void *create(struct world *w, bool is_second)
{
    struct prophet *p = grow(NULL, 1, sizeof *p);
    size_t n = w->node_count;

    p->p = grow(NULL, n * n, sizeof *p->p);
    p->aged = grow(NULL, n, sizeof *p->aged);
    p->met = is_second ? grow(NULL, n * n, sizeof *p->met) : NULL;
    for (size_t i = 0; i < n * n; i++)
        p->p[i] = 0;
    for (size_t i = 0; i < n; i++)
        p->aged[i] = 0;
    for (size_t i = 0; is_second && i < n * n; i++)
        p->met[i] = -1;
    p->is_second = is_second;
    p->beta = is_second ? 0.9 : 0.25;
    p->gamma[0] = is_second ? GAMMA_TICK_2 : GAMMA_TICK_1;
    for (int i = 1; i < POWERS; i++)
        p->gamma[i] = p->gamma[i - 1] * p->gamma[i - 1];
    return p;
}

static void *create_first(struct world *w) { return create(w, false); }
static void *create_second(struct world *w) { return create(w, true); }

static void destroy(struct world *w)
{
    struct prophet *p = w->policy;

    free(p->p);
    free(p->aged);
    free(p->met);
    free(p);
}

static double *row_of(struct world *w, uint32_t node)
{
    struct prophet *p = w->policy;
    double *row = &p->p[(size_t)node * w->node_count];

    if (p->aged[node] != w->now) {
        double f = age_factor(p, w->now - p->aged[node]);

        for (uint32_t i = 0; i < w->node_count; i++)
            row[i] *= f;
        p->aged[node] = w->now;
    }
    return row;
}

static void learn(struct world *w, uint32_t node, uint32_t other)
{
    struct prophet *p = w->policy;
    double *mine = row_of(w, node), *theirs = row_of(w, other), met = 0.75;

    if (p->is_second) {
        int64_t *last = &p->met[(size_t)node * w->node_count + other], typical = 1800 * TICKS_PER_S;

        met = 0.5;
        if (*last >= 0 && w->now - *last < typical)
            met = 0.5 * (double)(w->now - *last) / (double)typical;
        *last = w->now;
    }
    mine[other] += (1 - mine[other]) * met;
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (i == node)
            continue;

        double through = mine[other] * theirs[i] * p->beta;

        if (!p->is_second)
            mine[i] += (1 - mine[i]) * through;
        else if (through > mine[i])
            mine[i] = through;
    }
}

static void meet(struct world *w, uint32_t a, uint32_t b)
{
    learn(w, a, b);
    learn(w, b, a);
    world_bump(w, a);
    world_bump(w, b);
}

static double rank(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    const struct prophet *p = w->policy;
    uint32_t goal = w->messages[c->message].to;
    double mine = p->p[(size_t)from * w->node_count + goal], theirs = p->p[(size_t)to * w->node_count + goal];

    mine *= age_factor(p, w->now - p->aged[from]);
    theirs *= age_factor(p, w->now - p->aged[to]);
    if (p->is_second ? theirs < mine : theirs <= mine)
        return -1;
    return theirs + dice_unit(&w->dice) * 1e-15;
}

const struct policy_kind policy_prophet = {
    .name = "prophet", .paper = "Lindgren, Doria, Schelen: Probabilistic routing in intermittently connected networks, 2003",
    .picks_best_link = true, .create = create_first, .destroy = destroy, .meet = meet, .rank = rank,
};

const struct policy_kind policy_prophet2 = {
    .name = "prophet2", .paper = "Grasic, Davies, Lindgren, Doria: The evolution of a DTN routing protocol - PRoPHETv2, CHANTS 2011",
    .picks_best_link = true, .create = create_second, .destroy = destroy, .meet = meet, .rank = rank,
};
