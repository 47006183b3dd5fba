/* apps/simulator/policy_maxprop.c - MaxProp, as The ONE has it: at most 50 meeting probabilities a node. */
#include "apps/simulator/bits.h"
#include "apps/simulator/policy.h"

enum { SET_MAX = 50, SAMPLES = 10, CACHE_SLOTS = 2048, UNKNOWN_COST = 100000 };

/* What a node knew of its meetings at one time. Shared by all that heard of it, so it never changes. */
struct meetings {
    uint32_t refs, count;
    int64_t updated;
    struct { uint32_t node; double p; } met[SET_MAX];
};

struct costs {
    uint32_t node, from, version;
    double *cost;
};

struct maxprop {
    struct meetings **known;   /* known[node * node_count + other] */
    struct bits *acked;
    struct table sent;         /* (from, to, message) mixed */
    uint32_t *version;
    uint64_t (*sample)[SAMPLES];
    uint32_t *sample_at;
    uint64_t *average;
    uint32_t *threshold;
    struct costs *cache;
    struct { double cost; uint32_t node; } *heap;
    size_t heap_cap;
};

static void *create(struct world *w)
{
    struct maxprop *p = grow(NULL, 1, sizeof *p);
    size_t n = w->node_count;

    memset(p, 0, sizeof *p);
#define ZEROED(field, count) (p->field = grow(NULL, (count), sizeof *p->field), memset(p->field, 0, (count) * sizeof *p->field))
    ZEROED(known, n * n);
    ZEROED(acked, n);
    ZEROED(version, n);
    ZEROED(sample, n);
    ZEROED(sample_at, n);
    ZEROED(average, n);
    ZEROED(threshold, n);
    ZEROED(cache, CACHE_SLOTS);
#undef ZEROED
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        p->cache[i].node = NONE;
    return p;
}

static void let_go(struct meetings *m)
{
    if (m != NULL && --m->refs == 0)
        free(m);
}

static void destroy(struct world *w)
{
    struct maxprop *p = w->policy;
    size_t n = w->node_count;

    for (size_t i = 0; i < n * n; i++)
        let_go(p->known[i]);
    for (size_t i = 0; i < n; i++)
        free(p->acked[i].words);
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        free(p->cache[i].cost);
    free(p->known);
    free(p->acked);
    free(p->version);
    free(p->sample);
    free(p->sample_at);
    free(p->average);
    free(p->threshold);
    free(p->cache);
    free(p->heap);
    table_clear(&p->sent);
    free(p);
}

/* ---- Meetings ---- */

static void drop_acked(struct world *w, uint32_t node)
{
    struct maxprop *p = w->policy;

    for (uint32_t at = w->nodes[node].oldest, next; at != NONE; at = next) {
        next = w->copies[at].newer;
        if (bits_has(&p->acked[node], w->copies[at].message) && !world_is_sending(w, &w->copies[at]))
            world_drop(w, &w->copies[at], false);
    }
}

static struct meetings **known_at(struct world *w, uint32_t node, uint32_t other)
{
    struct maxprop *p = w->policy;

    return &p->known[(size_t)node * w->node_count + other];
}

/* A new meeting weighs as much as all before. */
static void remember(struct world *w, uint32_t node, uint32_t other)
{
    struct meetings **slot = known_at(w, node, node), *old = *slot, *m = grow(NULL, 1, sizeof *m);
    uint32_t at = 0, least = 0;

    if (old != NULL)
        memcpy(m, old, sizeof *m);
    else
        m->count = 0;
    m->refs = 1;
    m->updated = w->now;
    if (m->count == 0) {
        m->met[m->count++].node = other;
        m->met[0].p = 1;
    } else {
        while (at < m->count && m->met[at].node != other)
            at++;
        if (at == m->count) {
            m->met[m->count].node = other;
            m->met[m->count++].p = 0;
        }
        m->met[at].p += 1;
        for (uint32_t i = 0; i < m->count; i++) {
            m->met[i].p /= 2;
            if (m->met[i].p < m->met[least].p)
                least = i;
        }
        if (m->count >= SET_MAX)
            m->met[least] = m->met[--m->count];
    }
    let_go(old);
    *slot = m;
}

static void learn(struct world *w, uint32_t node, uint32_t from)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct meetings **mine = known_at(w, node, i), *theirs = *known_at(w, from, i);

        if (i == node || theirs == NULL || theirs == *mine || (*mine != NULL && (*mine)->updated >= theirs->updated))
            continue;
        theirs->refs++;
        let_go(*mine);
        *mine = theirs;
    }
}

static void meet(struct world *w, uint32_t a, uint32_t b)
{
    struct maxprop *p = w->policy;

    bits_join(&p->acked[a], &p->acked[b]);
    bits_join(&p->acked[b], &p->acked[a]);
    drop_acked(w, a);
    drop_acked(w, b);
    remember(w, a, b);
    remember(w, b, a);
    learn(w, a, b);
    learn(w, b, a);
    p->version[a]++;
    p->version[b]++;
    world_bump(w, a);
    world_bump(w, b);
}

static void part(struct world *w, uint32_t a, uint32_t b, int64_t ticks, uint64_t bytes_moved)
{
    struct maxprop *p = w->policy;
    uint32_t both[2] = { a, b };

    (void)ticks;
    for (int i = 0; i < 2; i++) {
        uint32_t node = both[i];
        uint64_t sum = 0, count = 0;

        p->sample[node][p->sample_at[node]++ % SAMPLES] = bytes_moved;
        for (int j = 0; j < SAMPLES; j++) {
            sum += p->sample[node][j];
            count += p->sample[node][j] > 0;
        }
        p->average[node] = count > 0 ? sum / count : 0;
    }
}

/* ---- Costs: the cheapest path by 1 - p, over what `node` has heard, from `from` ---- */

static void heap_push(struct maxprop *p, size_t *count, double cost, uint32_t node)
{
    p->heap = grow_for(p->heap, *count, &p->heap_cap, sizeof *p->heap);

    size_t at = (*count)++;

    for (; at > 0 && cost < p->heap[(at - 1) / 2].cost; at = (at - 1) / 2)
        p->heap[at] = p->heap[(at - 1) / 2];
    p->heap[at].cost = cost;
    p->heap[at].node = node;
}

static void heap_pop(struct maxprop *p, size_t *count)
{
    size_t last = --*count, at = 0;

    for (size_t child; (child = 2 * at + 1) < last; at = child) {
        if (child + 1 < last && p->heap[child + 1].cost < p->heap[child].cost)
            child++;
        if (p->heap[child].cost >= p->heap[last].cost)
            break;
        p->heap[at] = p->heap[child];
    }
    p->heap[at] = p->heap[last];
}

static const double *costs_of(struct world *w, uint32_t node, uint32_t from)
{
    struct maxprop *p = w->policy;
    struct costs *c = &p->cache[(node * 7919u + from) % CACHE_SLOTS];
    size_t count = 0;

    if (c->node == node && c->from == from && c->version == p->version[node])
        return c->cost;
    c->node = node;
    c->from = from;
    c->version = p->version[node];
    if (c->cost == NULL)
        c->cost = grow(NULL, w->node_count, sizeof *c->cost);
    for (uint32_t i = 0; i < w->node_count; i++)
        c->cost[i] = UNKNOWN_COST;
    c->cost[from] = 0;
    heap_push(p, &count, 0, from);
    while (count > 0) {
        double cost = p->heap[0].cost;
        uint32_t at = p->heap[0].node;
        const struct meetings *m = *known_at(w, node, at);

        heap_pop(p, &count);
        if (cost > c->cost[at] || m == NULL)
            continue;
        for (uint32_t i = 0; i < m->count; i++) {
            double there = cost + 1 - m->met[i].p;

            if (there < c->cost[m->met[i].node]) {
                c->cost[m->met[i].node] = there;
                heap_push(p, &count, there, m->met[i].node);
            }
        }
    }
    return c->cost;
}

/* ---- Order ---- */

/* Hop counts below this go first: as many as an average contact can carry. */
static uint32_t threshold_of(struct world *w, uint32_t node)
{
    struct maxprop *p = w->policy;
    const struct node *n = &w->nodes[node];
    uint64_t b = n->buffer, x = p->average[node], portion, bytes[64] = { 0 }, sum = 0;

    if (x == 0 || x >= b || n->copy_count == 0)
        return 0;
    portion = x < b / 2 ? x : x < b - x ? x : b - x;
    for (uint32_t at = n->oldest; at != NONE; at = w->copies[at].newer)
        bytes[w->copies[at].hops < 63 ? w->copies[at].hops : 63] += w->messages[w->copies[at].message].size;
    for (uint32_t h = 0; h < 64; h++) {
        sum += bytes[h];
        if (sum >= portion)
            return h + 1;
    }
    return 64;
}

/* Ties fall as they do in the hash table of The ONE: by no rule, but always alike. */
static double order(uint32_t threshold, const struct copy *c, double cost)
{
    double tie = (double)(c->message * 2654435769u) * 0x1p-32;

    if (c->hops < threshold)
        return 1000000 - (double)c->hops - tie / 2;
    return 500000 - cost - (c->hops + tie) * 1e-8;
}

static void prepare(struct world *w, uint32_t from, uint32_t to)
{
    struct maxprop *p = w->policy;

    (void)to;
    p->threshold[from] = threshold_of(w, from);
}

static uint64_t sent_key(const struct world *w, uint32_t from, uint32_t to, uint32_t message)
{
    return ((uint64_t)from * w->node_count + to) << 28 | (message & 0xfffffff);
}

static double rank(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    struct maxprop *p = w->policy;

    if (bits_has(&p->acked[from], c->message) || world_path_has(w, c->path, to)
        || table_find(&p->sent, sent_key(w, from, to, c->message)) != TABLE_NONE)
        return -1;
    return order(p->threshold[from], c, costs_of(w, from, to)[w->messages[c->message].to]);
}

static bool given(struct world *w, uint32_t from, uint32_t to, struct copy *here, struct copy *there)
{
    struct maxprop *p = w->policy;

    table_put(&p->sent, sent_key(w, from, to, here->message), 1);
    if (there != NULL)
        return false;
    bits_add(&p->acked[from], here->message);
    bits_add(&p->acked[to], here->message);
    return true;
}

static uint32_t victim(struct world *w, uint32_t node, uint32_t newcomer, uint32_t giver)
{
    uint32_t threshold = threshold_of(w, node), worst = NONE;
    const double *cost = costs_of(w, node, node);
    double worst_order = 0;

    (void)newcomer, (void)giver;
    for (uint32_t at = w->nodes[node].oldest; at != NONE; at = w->copies[at].newer) {
        const struct copy *c = &w->copies[at];
        double o = order(threshold, c, cost[w->messages[c->message].to]);

        if ((worst == NONE || o <= worst_order) && !world_is_sending(w, c)) {
            worst = at;
            worst_order = o;
        }
    }
    return worst;
}

const struct policy_kind policy_maxprop = {
    .name = "maxprop", .paper = "Burgess, Gallagher, Jensen, Levine: MaxProp, INFOCOM 2006", .picks_best_link = true,
    .create = create, .destroy = destroy, .meet = meet, .part = part, .prepare = prepare, .rank = rank, .given = given,
    .victim = victim,
};
