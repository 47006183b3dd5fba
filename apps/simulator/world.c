/* apps/simulator/world.c - the event loop, transfers and buffers. */
#include "apps/simulator/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void tell(const struct world *w, enum world_event_kind kind, uint32_t node, uint32_t peer, uint32_t message)
{
    struct world_event e = { kind, w->now, node, peer, message };

    if (w->config.watch != NULL)
        w->config.watch(w->config.watch_state, &e);
}

/* ---- Copies ---- */

struct copy *world_copy(const struct world *w, uint32_t node, uint32_t message)
{
    uint32_t at = table_find(&w->held, table_pair(node, message));

    return at != TABLE_NONE ? &w->copies[at] : NULL;
}

void world_bump(struct world *w, uint32_t node)
{
    w->nodes[node].epoch++;
}

static uint32_t index_of(const struct world *w, const struct copy *c)
{
    return (uint32_t)(c - w->copies);
}

static struct copy *copy_add(struct world *w, uint32_t node, uint32_t message, uint32_t path)
{
    uint32_t at = w->free_copy;

    if (at != NONE) {
        w->free_copy = w->copies[at].next_holder;
    } else {
        w->copies = grow_for(w->copies, w->copy_count, &w->copy_cap, sizeof *w->copies);
        at = (uint32_t)w->copy_count++;
    }

    struct node *n = &w->nodes[node];
    struct message *m = &w->messages[message];
    struct copy *c = &w->copies[at];

    *c = (struct copy){ .message = message, .node = node, .newer = NONE, .older = n->newest, .next_holder = m->holder,
                        .last_holder = NONE, .received = w->now, .path = path };
    if (n->newest != NONE)
        w->copies[n->newest].newer = at;
    else
        n->oldest = at;
    n->newest = at;
    n->copy_count++;
    n->used += m->size;
    w->used_sum += m->size;
    if (m->holder != NONE)
        w->copies[m->holder].last_holder = at;
    m->holder = at;
    m->holder_count++;
    table_put(&w->held, table_pair(node, message), at);
    return c;
}

bool world_is_sending(const struct world *w, const struct copy *c)
{
    uint32_t busy = w->nodes[c->node].busy;

    return busy != NONE && w->links[busy].message == c->message
        && w->links[busy].node[w->links[busy].sender] == c->node;
}

static void offer_push(struct world *w, struct link *l, uint32_t side, const struct copy *c);

static uint32_t side_from(const struct link *l, uint32_t node)
{
    return l->node[0] == node ? 0 : 1;
}

void world_drop(struct world *w, struct copy *c, bool is_loss)
{
    struct node *n = &w->nodes[c->node];
    struct message *m = &w->messages[c->message];
    uint32_t at = index_of(w, c), node = c->node, message = c->message;

    assert(!world_is_sending(w, c));
    *(c->newer != NONE ? &w->copies[c->newer].older : &n->newest) = c->older;
    *(c->older != NONE ? &w->copies[c->older].newer : &n->oldest) = c->newer;
    *(c->last_holder != NONE ? &w->copies[c->last_holder].next_holder : &m->holder) = c->next_holder;
    if (c->next_holder != NONE)
        w->copies[c->next_holder].last_holder = c->last_holder;
    n->used -= m->size;
    n->copy_count--;
    w->used_sum -= m->size;
    m->holder_count--;
    w->sums.dropped += is_loss;
    tell(w, WORLD_DROPPED, node, NONE, message);
    table_remove(&w->held, table_pair(node, message));
    c->next_holder = w->free_copy;
    w->free_copy = at;
    /* Neighbours that still have it may give it again. */
    if (is_loss && !m->is_expired)
        for (size_t i = 0; i < n->link_count; i++) {
            struct link *l = &w->links[n->links[i]];
            uint32_t side = 1 - side_from(l, node);
            const struct copy *theirs = world_copy(w, l->node[side], message);

            if (theirs != NULL)
                offer_push(w, l, side, theirs);
        }
}

bool world_path_has(const struct world *w, uint32_t path, uint32_t node)
{
    for (; path != NONE; path = w->paths[path].before)
        if (w->paths[path].node == node)
            return true;
    return false;
}

static uint32_t path_add(struct world *w, uint32_t node, uint32_t before)
{
    w->paths = grow_for(w->paths, w->path_count, &w->path_cap, sizeof *w->paths);
    w->paths[w->path_count] = (struct path){ node, before };
    return (uint32_t)w->path_count++;
}

/* Makes room as ONE does: the policy's victim, else the oldest, never one being sent. */
static bool make_room(struct world *w, uint32_t node, uint32_t message, uint32_t giver)
{
    struct node *n = &w->nodes[node];
    uint32_t size = w->messages[message].size;

    if (size > n->buffer)
        return false;
    while (n->used + size > n->buffer) {
        uint32_t at;

        if (w->config.policy->victim != NULL) {
            at = w->config.policy->victim(w, node, message, giver);
        } else {
            at = n->oldest;
            while (at != NONE && world_is_sending(w, &w->copies[at]))
                at = w->copies[at].newer;
        }
        if (at == NONE)
            return false;
        world_drop(w, &w->copies[at], true);
    }
    return true;
}

/* ---- Offers: what one side of a link has for the other ---- */

static bool is_before(const struct offer *a, const struct offer *b)
{
    return a->rank != b->rank ? a->rank > b->rank : a->message < b->message;
}

static void sift_down(struct side *s, size_t at)
{
    struct offer o = s->offers[at];

    for (size_t child; (child = 2 * at + 1) < s->count; at = child) {
        if (child + 1 < s->count && is_before(&s->offers[child + 1], &s->offers[child]))
            child++;
        if (!is_before(&s->offers[child], &o))
            break;
        s->offers[at] = s->offers[child];
    }
    s->offers[at] = o;
}

static void side_pop(struct side *s)
{
    s->offers[0] = s->offers[--s->count];
    if (s->count > 0)
        sift_down(s, 0);
}

static double rank_of(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    const struct message *m = &w->messages[c->message];

    if (m->size > w->nodes[to].buffer)
        return -1;
    if (m->to == to)
        return m->delivered >= 0 ? -1 : RANK_DELIVERY + dice_unit(&w->dice);
    return w->config.policy->rank(w, from, to, c);
}

static void offer_push(struct world *w, struct link *l, uint32_t side, const struct copy *c)
{
    struct side *s = &l->side[side];

    if (!s->is_built)
        return;

    double rank = rank_of(w, l->node[side], l->node[1 - side], c);

    if (rank < 0)
        return;
    s->offers = grow_for(s->offers, s->count, &s->cap, sizeof *s->offers);

    size_t at = s->count++;
    struct offer o = { rank, c->message };

    while (at > 0 && is_before(&o, &s->offers[(at - 1) / 2])) {
        s->offers[at] = s->offers[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->offers[at] = o;
}

static void side_build(struct world *w, struct link *l, uint32_t side)
{
    struct side *s = &l->side[side];
    uint32_t from = l->node[side], to = l->node[1 - side];

    if (w->config.policy->prepare != NULL)
        w->config.policy->prepare(w, from, to);
    s->count = 0;
    s->is_built = true;
    s->epoch = w->nodes[from].epoch + w->nodes[to].epoch;
    for (uint32_t at = w->nodes[from].oldest; at != NONE; at = w->copies[at].newer) {
        const struct copy *c = &w->copies[at];

        if (table_find(&w->held, table_pair(to, c->message)) != TABLE_NONE)
            continue;

        double rank = rank_of(w, from, to, c);

        if (rank < 0)
            continue;
        s->offers = grow_for(s->offers, s->count, &s->cap, sizeof *s->offers);
        s->offers[s->count++] = (struct offer){ rank, c->message };
    }
    for (size_t i = s->count / 2; i-- > 0;)
        sift_down(s, i);
}

/* The best offer that still stands, or NULL. */
static const struct offer *side_best(struct world *w, struct link *l, uint32_t side)
{
    struct side *s = &l->side[side];
    uint32_t from = l->node[side], to = l->node[1 - side];

    if (!s->is_built || s->epoch != w->nodes[from].epoch + w->nodes[to].epoch)
        side_build(w, l, side);
    for (; s->count > 0; side_pop(s)) {
        uint32_t message = s->offers[0].message;
        const struct copy *c = world_copy(w, from, message);
        const struct message *m = &w->messages[message];

        if (c == NULL || table_find(&w->held, table_pair(to, message)) != TABLE_NONE)
            continue;
        if (m->to == to ? m->delivered >= 0 : w->config.policy->rank(w, from, to, c) < 0)
            continue;
        return &s->offers[0];
    }
    return NULL;
}

/* ---- Transfers ---- */

static bool due_is_before(const struct due *a, const struct due *b)
{
    return a->tick != b->tick ? a->tick < b->tick : a->link < b->link;
}

static void due_push(struct world *w, struct due d)
{
    w->due = grow_for(w->due, w->due_count, &w->due_cap, sizeof *w->due);

    size_t at = w->due_count++;

    for (; at > 0 && due_is_before(&d, &w->due[(at - 1) / 2]); at = (at - 1) / 2)
        w->due[at] = w->due[(at - 1) / 2];
    w->due[at] = d;
}

static void due_pop(struct world *w)
{
    struct due d = w->due[--w->due_count];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < w->due_count; at = child) {
        if (child + 1 < w->due_count && due_is_before(&w->due[child + 1], &w->due[child]))
            child++;
        if (!due_is_before(&w->due[child], &d))
            break;
        w->due[at] = w->due[child];
    }
    if (w->due_count > 0)
        w->due[at] = d;
}

/* Puts a node on the list: of this turn, if its place in ONE's random order may still come; else of the next tick. */
static void wake(struct world *w, uint32_t node)
{
    struct node *n = &w->nodes[node];

    if (n->queued > w->now || (n->queued == w->now && !n->is_done))
        return;
    if (n->queued != w->now && (w->turn_at == 0 || (dice_u64(&w->dice) & 1) != 0)) {
        w->turn = grow_for(w->turn, w->turn_count, &w->turn_cap, sizeof *w->turn);
        w->turn[w->turn_count++] = node;
        n->queued = w->now;
    } else {
        w->next_turn = grow_for(w->next_turn, w->next_count, &w->next_cap, sizeof *w->next_turn);
        w->next_turn[w->next_count++] = node;
        n->queued = w->now + 1;
    }
    n->is_done = false;
}

static bool start(struct world *w, uint32_t link, uint32_t side)
{
    struct link *l = &w->links[link];
    uint32_t message = l->side[side].offers[0].message;

    side_pop(&l->side[side]);
    if (!make_room(w, l->node[1 - side], message, l->node[side]))
        return false;
    l->message = message;
    l->sender = side;
    l->ends_at = w->now + w->messages[message].ticks;
    w->nodes[l->node[0]].busy = w->nodes[l->node[1]].busy = link;
    w->sums.started++;
    tell(w, WORLD_STARTED, l->node[side], l->node[1 - side], message);
    due_push(w, (struct due){ l->ends_at, link, l->serial });
    return true;
}

/* The best of all links of a node, outgoing or incoming, that reaches at least this rank. */
static bool start_best(struct world *w, uint32_t node, bool is_outgoing, double least, bool picks_best)
{
    struct node *n = &w->nodes[node];

    for (;;) {
        uint32_t best = NONE, best_side = 0;
        double best_rank = -1;

        for (size_t i = 0; i < n->link_count; i++) {
            struct link *l = &w->links[n->links[i]];
            uint32_t mine = side_from(l, node), side = is_outgoing ? mine : 1 - mine;

            if (w->nodes[l->node[1 - mine]].busy != NONE)
                continue;

            const struct offer *o = side_best(w, l, side);

            if (o == NULL || o->rank < least || o->rank <= best_rank)
                continue;
            best = n->links[i];
            best_side = side;
            best_rank = o->rank;
            if (!picks_best)
                break;
        }
        if (best == NONE)
            return false;
        if (start(w, best, best_side))
            return true;
    }
}

static void try_node(struct world *w, uint32_t node)
{
    struct node *n = &w->nodes[node];

    /* ONE asks a neighbour for what is ours only when we carry something ourselves. */
    if (n->busy != NONE || n->link_count == 0 || n->copy_count == 0)
        return;
    if (start_best(w, node, true, RANK_DELIVERY, true) || start_best(w, node, false, RANK_DELIVERY, true))
        return;
    start_best(w, node, true, 0, w->config.policy->picks_best_link);
}

static void deliver(struct world *w, uint32_t message, uint32_t hops)
{
    struct message *m = &w->messages[message];

    m->delivered = w->now;
    m->delivered_hops = hops;
    w->sums.delivered++;
    w->hop_sum += hops;
    w->latency_sum += (double)(w->now - m->created) / TICKS_PER_S;
}

static void finish(struct world *w, struct link *l)
{
    uint32_t from = l->node[l->sender], to = l->node[1 - l->sender], message = l->message;
    struct message *m = &w->messages[message];
    struct copy *here = world_copy(w, from, message), *there = NULL;

    l->message = NONE;
    l->bytes_moved += m->size;
    w->nodes[from].busy = w->nodes[to].busy = NONE;
    w->nodes[from].was_freed = w->nodes[to].was_freed = true;
    w->sums.relayed++;
    m->given_count++;
    tell(w, m->to == to ? WORLD_DELIVERED : WORLD_RELAYED, from, to, message);

    uint16_t hops = (uint16_t)(here != NULL ? here->hops + 1 : 1);
    uint32_t path = here != NULL ? here->path : NONE;

    if (m->to == to) {
        deliver(w, message, hops);
    } else if (w->nodes[to].conduct != CONDUCT_BLACK_HOLE) {
        there = copy_add(w, to, message, path_add(w, to, path));
        there->hops = hops;
        here = world_copy(w, from, message);
    }
    /* A black hole takes its share of the copies and keeps nothing. */
    struct copy lost = { .message = message, .node = to, .hops = hops, .received = w->now };

    if (w->config.policy->given != NULL && here != NULL
        && w->config.policy->given(w, from, to, here, there != NULL || m->to == to ? there : &lost)) {
        here = world_copy(w, from, message);
        if (here != NULL)
            world_drop(w, here, false);
    }
    there = world_copy(w, to, message);
    if (there != NULL)
        for (size_t i = 0; i < w->nodes[to].link_count; i++) {
            struct link *other = &w->links[w->nodes[to].links[i]];

            offer_push(w, other, side_from(other, to), there);
        }
    wake(w, to);
}

/* ---- What the trace says ---- */

static void link_up(struct world *w, uint32_t a, uint32_t b)
{
    uint32_t at = w->free_link;

    if (at != NONE) {
        w->free_link = w->links[at].message;
    } else {
        w->links = grow_for(w->links, w->link_count, &w->link_cap, sizeof *w->links);
        memset(&w->links[w->link_count], 0, sizeof *w->links);
        at = (uint32_t)w->link_count++;
    }

    struct link *l = &w->links[at];

    l->node[0] = a;
    l->node[1] = b;
    l->side[0].is_built = l->side[1].is_built = false;
    l->up_at = w->now;
    l->bytes_moved = 0;
    l->message = NONE;
    l->serial++;
    l->is_up = true;
    table_put(&w->linked, table_pair(a, b), at);
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->nodes[l->node[i]];

        n->links = grow_for(n->links, n->link_count, &n->link_cap, sizeof *n->links);
        n->links[n->link_count++] = at;
    }
    w->sums.contacts++;
    tell(w, WORLD_UP, a, b, NONE);
    if (w->config.policy->meet != NULL)
        w->config.policy->meet(w, a, b);
    wake(w, a);
    wake(w, b);
}

static void link_down(struct world *w, uint32_t a, uint32_t b)
{
    uint32_t at = table_find(&w->linked, table_pair(a, b));

    assert(at != TABLE_NONE);

    struct link *l = &w->links[at];

    /* One that ends in the very tick is complete: with this The ONE's counts for direct delivery come out to the transfer. */
    if (l->message != NONE && l->ends_at <= w->now)
        finish(w, l);
    if (l->message != NONE) {
        /* What went over the air counts as moved, though it leaves nothing behind. */
        l->bytes_moved += w->config.rate_bytes_per_s * (uint64_t)(w->now - l->ends_at + w->messages[l->message].ticks)
                        / TICKS_PER_S;
        w->sums.aborted++;
        tell(w, WORLD_ABORTED, l->node[l->sender], l->node[1 - l->sender], l->message);
        l->message = NONE;
        for (int i = 0; i < 2; i++) {
            w->nodes[l->node[i]].busy = NONE;
            w->nodes[l->node[i]].was_freed = true;
            wake(w, l->node[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->nodes[l->node[i]];
        size_t j = 0;

        while (n->links[j] != at)
            j++;
        memmove(&n->links[j], &n->links[j + 1], (n->link_count - j - 1) * sizeof *n->links);
        n->link_count--;
    }
    tell(w, WORLD_DOWN, a, b, NONE);
    table_remove(&w->linked, table_pair(a, b));
    l->is_up = false;
    l->serial++;
    if (w->config.policy->part != NULL)
        w->config.policy->part(w, a, b, w->now - l->up_at, l->bytes_moved);
    l->message = w->free_link;
    w->free_link = at;
}

static void create(struct world *w, uint32_t from, uint32_t to, uint32_t size)
{
    uint64_t per_tick = w->config.rate_bytes_per_s;

    w->messages = grow_for(w->messages, w->message_count, &w->message_cap, sizeof *w->messages);
    w->messages[w->message_count] = (struct message){
        .from = from, .to = to, .size = size, .created = w->now, .expires = w->now + w->config.ttl_ticks, .delivered = -1,
        .ticks = (uint32_t)(((uint64_t)size * TICKS_PER_S + per_tick - 1) / per_tick), .holder = NONE,
    };

    uint32_t at = (uint32_t)w->message_count++;

    if (w->messages[at].ticks == 0)
        w->messages[at].ticks = 1;
    w->sums.created++;
    tell(w, WORLD_CREATED, from, to, at);
    if (!make_room(w, from, at, from)) {
        w->sums.dropped++;
        return;
    }

    struct copy *c = copy_add(w, from, at, path_add(w, from, NONE));

    if (w->config.policy->created != NULL)
        w->config.policy->created(w, c);
    c = world_copy(w, from, at);
    for (size_t i = 0; i < w->nodes[from].link_count; i++) {
        struct link *l = &w->links[w->nodes[from].links[i]];

        offer_push(w, l, side_from(l, from), c);
    }
    w->nodes[from].was_freed = true;
    wake(w, from);
}

static int64_t tick_of(int64_t time_cs)
{
    return (time_cs + TICK_CS - 1) / TICK_CS;
}

static void apply(struct world *w, const struct trace_event *e)
{
    if (e->kind == TRACE_MESSAGE) {
        const struct trace_message *m = &w->config.trace->messages[e->a];

        create(w, m->from, m->to, m->size);
    } else if (e->kind == TRACE_UP) {
        link_up(w, e->a, e->b);
    } else {
        link_down(w, e->a, e->b);
    }
}

/* Messages expire in the order of their creation, for they all live equally long. */
static void expire(struct world *w)
{
    for (; w->expire_at < w->message_count && w->messages[w->expire_at].expires <= w->now; w->expire_at++) {
        struct message *m = &w->messages[w->expire_at];

        m->is_expired = true;
        for (uint32_t at = m->holder, next; at != NONE; at = next) {
            next = w->copies[at].next_holder;
            if (!world_is_sending(w, &w->copies[at]))
                world_drop(w, &w->copies[at], true);
        }
    }
}

/* ---- The loop ---- */

static void turn(struct world *w)
{
    w->turn_at = 0;
    while (w->due_count > 0 && w->due[0].tick <= w->now) {
        struct due d = w->due[0];

        due_pop(w);
        if (w->links[d.link].serial == d.serial && w->links[d.link].message != NONE)
            wake(w, w->links[d.link].node[w->links[d.link].sender]);
    }
    for (size_t i = w->turn_count; i > 1; i--) {
        size_t j = dice_below(&w->dice, (uint32_t)i);
        uint32_t other = w->turn[j];

        w->turn[j] = w->turn[i - 1];
        w->turn[i - 1] = other;
    }
    for (size_t i = 0; i < w->turn_count; i++) {
        uint32_t node = w->turn[i];
        struct node *n = &w->nodes[node];

        w->turn_at = i + 1;
        n->is_done = true;
        if (n->busy != NONE && w->links[n->busy].ends_at <= w->now
            && w->links[n->busy].node[w->links[n->busy].sender] == node)
            finish(w, &w->links[n->busy]);
        try_node(w, node);
        if (n->busy == NONE && n->was_freed) {
            n->was_freed = false;
            for (size_t j = 0; j < n->link_count; j++) {
                const struct link *l = &w->links[n->links[j]];
                uint32_t other = l->node[1 - side_from(l, node)];

                if (w->nodes[other].busy == NONE)
                    wake(w, other);
            }
        }
    }
    w->turn_count = 0;
}

static int64_t earliest(const struct world *w)
{
    int64_t at = INT64_MAX;

    if (w->event_at < w->config.trace->event_count)
        at = tick_of(w->config.trace->events[w->event_at].time_cs);
    if (w->due_count > 0 && w->due[0].tick < at)
        at = w->due[0].tick;
    if (w->next_count > 0 && w->now + 1 < at)
        at = w->now + 1;
    if (w->expire_at < w->message_count && w->messages[w->expire_at].expires < at)
        at = w->messages[w->expire_at].expires;
    return at;
}

bool world_run(struct world *w, int64_t until)
{
    const struct trace *t = w->config.trace;

    if (until > w->config.end_ticks)
        until = w->config.end_ticks;
    for (int64_t at; (at = earliest(w)) <= until;) {
        uint32_t *list = w->turn;
        size_t cap = w->turn_cap;

        w->turn = w->next_turn;
        w->turn_cap = w->next_cap;
        w->turn_count = w->next_count;
        w->next_turn = list;
        w->next_cap = cap;
        w->next_count = 0;
        w->now = at;
        w->turn_at = 0;
        for (; w->event_at < t->event_count && tick_of(t->events[w->event_at].time_cs) <= at; w->event_at++)
            apply(w, &t->events[w->event_at]);
        expire(w);
        turn(w);
    }
    return until < w->config.end_ticks && earliest(w) <= w->config.end_ticks;
}

struct world *world_new(const struct world_config *config)
{
    struct world *w = grow(NULL, 1, sizeof *w);

    memset(w, 0, sizeof *w);
    w->config = *config;
    w->node_count = config->trace->node_count;
    w->nodes = grow(NULL, w->node_count, sizeof *w->nodes);
    w->free_copy = w->free_link = NONE;
    dice_init(&w->dice, config->seed);
    for (uint32_t i = 0; i < w->node_count; i++) {
        bool is_big = i >= config->big_from && i < config->big_to;

        w->nodes[i] = (struct node){ .buffer = is_big ? config->big_buffer_bytes : config->buffer_bytes, .oldest = NONE,
                                     .newest = NONE, .busy = NONE, .queued = -1 };
        w->buffer_sum += w->nodes[i].buffer;
    }
    if (config->black_holes > 0)
        for (uint32_t i = 0; i < w->node_count; i++)
            if (dice_unit(&w->dice) < config->black_holes)
                w->nodes[i].conduct = CONDUCT_BLACK_HOLE;
    if (config->policy->create != NULL)
        w->policy = config->policy->create(w);
    return w;
}

void world_free(struct world *w)
{
    if (w == NULL)
        return;
    if (w->config.policy->destroy != NULL)
        w->config.policy->destroy(w);
    for (uint32_t i = 0; i < w->node_count; i++)
        free(w->nodes[i].links);
    for (size_t i = 0; i < w->link_count; i++) {
        free(w->links[i].side[0].offers);
        free(w->links[i].side[1].offers);
    }
    free(w->nodes);
    free(w->messages);
    free(w->copies);
    free(w->links);
    free(w->paths);
    free(w->due);
    free(w->turn);
    free(w->next_turn);
    table_clear(&w->held);
    table_clear(&w->linked);
    free(w);
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

void world_figures(const struct world *w, struct world_figures *out)
{
    struct world_figures f = w->sums;
    double *latency = grow(NULL, w->message_count, sizeof *latency);
    size_t n = 0;

    for (size_t i = 0; i < w->message_count; i++)
        if (w->messages[i].delivered >= 0)
            latency[n++] = (double)(w->messages[i].delivered - w->messages[i].created) / TICKS_PER_S;
    qsort(latency, n, sizeof *latency, by_value);
    if (n > 0) {
        f.delivery = (double)n / (double)f.created;
        f.overhead = (double)(f.relayed - n) / (double)n;
        f.median_s = n % 2 != 0 ? latency[n / 2] : (latency[n / 2 - 1] + latency[n / 2]) / 2;
        f.mean_s = w->latency_sum / (double)n;
        f.hops = w->hop_sum / (double)n;
    }
    free(latency);
    *out = f;
}
