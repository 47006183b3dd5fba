/* apps/simulator/stack.c - a heap of moments: what arrives, who wakes, where there is room again. */
#include "apps/simulator/stack.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mesh/node.h"

enum { SEALED_OVERHEAD = 101, AHEAD_US = 20000, FLOOD_SIZE_CODE = 2, FLOOD_TURN = 8 };
static const uint64_t FLOODER_BYTES = 1 << 24;
#define START_UNIX_S (1735689600ull + 690ull * 86400)

enum moment_kind { MOMENT_ARRIVAL, MOMENT_ROOM, MOMENT_WAKE };

struct moment {
    uint64_t ms, order;
    enum moment_kind kind;
    uint32_t at, serial;    /* node of a wake; link and its serial */
    uint8_t side;           /* that it arrives from */
    uint8_t *bytes;
    uint32_t len;
};

struct stack_node {
    struct db *db;
    struct store *store;
    struct node *node;
    struct dice dice;
    uint32_t *links;
    size_t link_count, link_cap;
    uint64_t wake_ms;       /* the soonest on the heap */
    bool is_flooder;
};

struct stack_link {
    uint32_t node[2], id[2], serial;
    uint64_t busy_until_us;
    bool is_up, has_room_moment;
};

struct note {
    int64_t created_ms, delivered_ms;
    uint32_t to;
};

struct stack {
    const struct world_config *config;
    struct dice dice;
    uint64_t now_ms, order;
    struct stack_node *nodes;
    struct stack_link *links;
    size_t link_count, link_cap;
    struct table open, by_tag;
    struct moment *moments;
    size_t moment_count, moment_cap;
    struct note *notes;
    size_t note_count;
    struct stack_figures f;
};

/* ---- The heap ---- */

static bool is_sooner(const struct moment *a, const struct moment *b)
{
    return a->ms != b->ms ? a->ms < b->ms : a->order < b->order;
}

static void moment_push(struct stack *s, struct moment m)
{
    s->moments = grow_for(s->moments, s->moment_count, &s->moment_cap, sizeof *s->moments);
    m.order = s->order++;

    size_t at = s->moment_count++;

    for (; at > 0 && is_sooner(&m, &s->moments[(at - 1) / 2]); at = (at - 1) / 2)
        s->moments[at] = s->moments[(at - 1) / 2];
    s->moments[at] = m;
}

static struct moment moment_pop(struct stack *s)
{
    struct moment top = s->moments[0], m = s->moments[--s->moment_count];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < s->moment_count; at = child) {
        if (child + 1 < s->moment_count && is_sooner(&s->moments[child + 1], &s->moments[child]))
            child++;
        if (!is_sooner(&s->moments[child], &m))
            break;
        s->moments[at] = s->moments[child];
    }
    if (s->moment_count > 0)
        s->moments[at] = m;
    return top;
}

/* ---- A node's turn ---- */

static void fill(void *state, uint8_t *to, size_t len)
{
    while (len > 0) {
        uint64_t v = dice_u64(state);

        for (int i = 0; i < 8 && len > 0; i++, len--, v >>= 8)
            *to++ = (uint8_t)v;
    }
}

static uint64_t key_of(const uint8_t tag[TAG_LEN])
{
    uint64_t k;

    memcpy(&k, tag, sizeof k);
    return k >> 1;
}

static void on_stored(struct stack *s, uint32_t node, const struct store_entry *e)
{
    uint32_t at = table_find(&s->by_tag, key_of(e->tag));

    if (e->contributor != 0) {
        s->f.transfers++;
        s->f.useful_bytes += e->len;
    }
    if (at == TABLE_NONE || s->notes[at].to != node || s->notes[at].delivered_ms >= 0)
        return;
    s->notes[at].delivered_ms = (int64_t)s->now_ms;
    s->f.delivered++;
    node_claim(s->nodes[node].node, &e->id);
}

static void drain(struct stack *s, uint32_t node)
{
    struct node_event e;

    while (node_next_event(s->nodes[node].node, &e))
        if (e.kind == NODE_STORED)
            on_stored(s, node, &e.entry);
}

static void unlink_node(struct stack_node *n, uint32_t link)
{
    size_t i = 0;

    while (i < n->link_count && n->links[i] != link)
        i++;
    if (i < n->link_count)
        n->links[i] = n->links[--n->link_count];
}

static void close_link(struct stack *s, uint32_t at)
{
    struct stack_link *l = &s->links[at];

    if (!l->is_up)
        return;
    l->is_up = false;
    l->serial++;
    for (int i = 0; i < 2; i++) {
        node_link_close(s->nodes[l->node[i]].node, l->id[i], s->now_ms);
        unlink_node(&s->nodes[l->node[i]], at);
    }
}

static void pull(struct stack *s, uint32_t node, uint32_t at)
{
    struct stack_link *l = &s->links[at];
    uint8_t side = l->node[0] == node ? 0 : 1;
    uint64_t now_us = s->now_ms * 1000;
    struct bytes out;

    while (l->busy_until_us <= now_us + AHEAD_US && node_next_frame(s->nodes[node].node, l->id[side], &out, s->now_ms)) {
        uint64_t from_us = l->busy_until_us > now_us ? l->busy_until_us : now_us;
        uint8_t *copy = grow(NULL, out.len, 1);

        memcpy(copy, out.at, out.len);
        l->busy_until_us = from_us + (uint64_t)out.len * 1000000 / s->config->rate_bytes_per_s;
        s->f.link_bytes += out.len;
        moment_push(s, (struct moment){ .ms = (l->busy_until_us + 999) / 1000, .kind = MOMENT_ARRIVAL, .at = at, .serial = l->serial,
                                        .side = side, .bytes = copy, .len = (uint32_t)out.len });
    }
    if (l->busy_until_us > now_us + AHEAD_US && !l->has_room_moment) {
        l->has_room_moment = true;
        moment_push(s, (struct moment){ .ms = l->busy_until_us / 1000, .kind = MOMENT_ROOM, .at = at, .serial = l->serial });
    }
}

/* Makes a bundle here that nobody looks for, but for who may know its tag. */
static enum err make_bundle(struct stack *s, uint32_t node, uint8_t size_code, uint8_t tag[TAG_LEN])
{
    uint64_t unix_s = START_UNIX_S + s->now_ms / 1000;
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = size_code,
                        .expiry_h = expiry_for_unix(unix_s + (uint64_t)(s->config->ttl_ticks / TICKS_PER_S)) };
    struct bundle_id id;
    size_t len = bundle_len_of_code(size_code);
    uint8_t *bundle = grow(NULL, len, 1);

    h.bucket = dice_below(&s->dice, 1 << 24);
    fill(&s->dice, bundle, len);
    memcpy(h.tag, bundle + HEADER_LEN, sizeof h.tag);
    header_encode(&h, bundle);
    memcpy(tag, h.tag, sizeof h.tag);

    enum err e = node_submit(s->nodes[node].node, bytes_of(bundle, len), hour_of_unix(unix_s), &id, s->now_ms);

    free(bundle);
    return e;
}

static enum err flood(struct stack *s, uint32_t node)
{
    const struct stack_node *n = &s->nodes[node];
    bool has_room = false;
    uint8_t tag[TAG_LEN];
    enum err e = ERR_NONE;

    for (size_t i = 0; i < n->link_count; i++)
        has_room = has_room || s->links[n->links[i]].busy_until_us <= s->now_ms * 1000 + AHEAD_US;
    for (int i = 0; has_room && i < FLOOD_TURN && (e = make_bundle(s, node, FLOOD_SIZE_CODE, tag)) == ERR_NONE; i++)
        s->f.flood++;
    return e == ERR_FULL ? ERR_NONE : e;
}

/* The daemon's turn: the app's share, commit, then send. */
static enum err turn(struct stack *s, uint32_t node)
{
    struct stack_node *n = &s->nodes[node];
    enum err e;

    if (n->is_flooder && (e = flood(s, node)) != ERR_NONE)
        return e;
    drain(s, node);
    if ((e = node_commit(n->node)) != ERR_NONE)
        return e;
    for (size_t i = 0; i < n->link_count; i++)
        pull(s, node, n->links[i]);
    for (size_t i = n->link_count; i-- > 0;) {
        uint32_t at = n->links[i];

        if (node_link_is_finished(n->node, s->links[at].id[s->links[at].node[0] == node ? 0 : 1]))
            close_link(s, at);
    }
    drain(s, node);

    uint64_t wake_ms = node_wake_at_ms(n->node);

    if (wake_ms < n->wake_ms) {
        n->wake_ms = wake_ms > s->now_ms ? wake_ms : s->now_ms + 1;
        moment_push(s, (struct moment){ .ms = n->wake_ms, .kind = MOMENT_WAKE, .at = node });
    }
    return ERR_NONE;
}

static enum err on_moment(struct stack *s, const struct moment *m)
{
    struct stack_link *l = m->kind == MOMENT_WAKE ? NULL : &s->links[m->at];
    enum err e;

    if (l == NULL) {
        if (s->nodes[m->at].wake_ms != m->ms)
            return ERR_NONE;
        s->nodes[m->at].wake_ms = UINT64_MAX;
        node_wake(s->nodes[m->at].node, s->now_ms);
        return turn(s, m->at);
    }
    if (l->serial != m->serial)
        return ERR_NONE;
    if (m->kind == MOMENT_ARRIVAL) {
        uint32_t to = l->node[1 - m->side];

        node_receive(s->nodes[to].node, l->id[1 - m->side], bytes_of(m->bytes, m->len), s->now_ms);
        return turn(s, to);
    }
    l->has_room_moment = false;
    if ((e = turn(s, l->node[0])) != ERR_NONE)
        return e;
    return turn(s, l->node[1]);
}

/* ---- What the trace says ---- */

static enum err up(struct stack *s, uint32_t a, uint32_t b)
{
    uint32_t at = (uint32_t)s->link_count++;
    uint8_t beacon[2][BEACON_LEN];
    enum err e = ERR_NONE;

    s->links = grow_for(s->links, at, &s->link_cap, sizeof *s->links);
    s->links[at] = (struct stack_link){ .node = { a, b }, .busy_until_us = s->now_ms * 1000 };
    s->f.contacts++;
    node_beacon(s->nodes[a].node, beacon[0]);
    node_beacon(s->nodes[b].node, beacon[1]);
    for (int i = 0; i < 2 && e == ERR_NONE; i++) {
        struct link_open how = { .kind = LINK_SIM, .is_initiator = i == 0 };

        memcpy(how.advert_ours, beacon[i] + 2, ADVERT_RANDOM_LEN);
        memcpy(how.advert_theirs, beacon[1 - i] + 2, ADVERT_RANDOM_LEN);
        e = node_link_open(s->nodes[s->links[at].node[i]].node, &how, &s->links[at].id[i], s->now_ms);
        if (e != ERR_NONE && i == 1)
            node_link_close(s->nodes[a].node, s->links[at].id[0], s->now_ms);
    }
    /* One that has its hands full with other neighbours does without. */
    if (e == ERR_FULL)
        return ERR_NONE;
    if (e != ERR_NONE)
        return e;
    s->links[at].is_up = true;
    for (int i = 0; i < 2; i++) {
        struct stack_node *n = &s->nodes[s->links[at].node[i]];

        n->links = grow_for(n->links, n->link_count, &n->link_cap, sizeof *n->links);
        n->links[n->link_count++] = at;
    }
    table_put(&s->open, table_pair(a, b), at);
    if ((e = turn(s, a)) != ERR_NONE)
        return e;
    return turn(s, b);
}

static enum err down(struct stack *s, uint32_t a, uint32_t b)
{
    uint32_t at = table_find(&s->open, table_pair(a, b));
    enum err e;

    if (at == TABLE_NONE)
        return ERR_NONE;
    table_remove(&s->open, table_pair(a, b));
    close_link(s, at);
    if ((e = turn(s, a)) != ERR_NONE)
        return e;
    return turn(s, b);
}

static enum err submit(struct stack *s, const struct trace_message *m)
{
    uint8_t size_code, tag[TAG_LEN];
    uint32_t at = (uint32_t)s->note_count;

    if (s->nodes[m->from].is_flooder || s->nodes[m->to].is_flooder)
        return ERR_NONE;
    s->notes[s->note_count++] = (struct note){ (int64_t)s->now_ms, -1, m->to };
    s->f.created++;
    if (size_code_for(&size_code, (size_t)m->size + SEALED_OVERHEAD) != ERR_NONE) {
        s->f.refused++;
        return ERR_NONE;
    }

    enum err e = make_bundle(s, m->from, size_code, tag);

    s->f.refused += e == ERR_FULL;
    if (e != ERR_NONE)
        return e == ERR_FULL ? ERR_NONE : e;
    table_put(&s->by_tag, key_of(tag), at);
    return turn(s, m->from);
}

/* ---- The run ---- */

static enum err open_node(struct stack *s, uint32_t i)
{
    struct stack_node *n = &s->nodes[i];
    const struct world_config *c = s->config;
    struct store_config store = { .capacity_bytes = i >= c->big_from && i < c->big_to ? c->big_buffer_bytes : c->buffer_bytes };
    enum err e;

    dice_init(&n->dice, c->seed * 1000003 + i + 1);
    if (n->is_flooder)
        store.capacity_bytes = FLOODER_BYTES;
    n->wake_ms = UINT64_MAX;
    if ((e = db_open_mem(&n->db)) != ERR_NONE || (e = store_open(&n->store, n->db, &store)) != ERR_NONE)
        return e;

    struct node_config config = { .store = n->store, .db = n->db, .rng = { fill, &n->dice }, .now_ms = s->now_ms,
                                  .wall_unix_s = START_UNIX_S, .is_wall_trusted = true };

    if ((e = node_new(&n->node, &config)) != ERR_NONE)
        return e;
    return turn(s, i);
}

/* A share of the nodes, but never fewer than one nor all. Drawn apart, so that messages stay the same without any. */
static void choose_flooders(struct stack *s)
{
    uint32_t count = s->config->trace->node_count;
    uint32_t wanted = (uint32_t)(s->config->flooders * count);
    struct dice dice;

    if (s->config->flooders <= 0)
        return;
    dice_init(&dice, s->config->seed * 1000003);
    wanted = wanted < 1 ? 1 : wanted < count ? wanted : count - 1;
    while (s->f.flooders < wanted) {
        struct stack_node *n = &s->nodes[dice_below(&dice, count)];

        s->f.flooders += !n->is_flooder;
        n->is_flooder = true;
    }
}

static enum err live(struct stack *s)
{
    const struct trace *t = s->config->trace;
    uint64_t end_ms = (uint64_t)s->config->end_ticks * 1000 / TICKS_PER_S;
    size_t event = 0;
    enum err e = ERR_NONE;

    while (e == ERR_NONE) {
        uint64_t event_ms = event < t->event_count ? (uint64_t)t->events[event].time_cs * 10 : UINT64_MAX;

        if (s->moment_count > 0 && s->moments[0].ms <= event_ms) {
            struct moment m = moment_pop(s);

            if (m.ms > end_ms) {
                free(m.bytes);
                break;
            }
            s->now_ms = m.ms;
            e = on_moment(s, &m);
            free(m.bytes);
        } else if (event_ms <= end_ms) {
            const struct trace_event *v = &t->events[event++];

            s->now_ms = event_ms;
            e = v->kind == TRACE_UP ? up(s, v->a, v->b) : v->kind == TRACE_DOWN ? down(s, v->a, v->b) : submit(s, &t->messages[v->a]);
        } else {
            break;
        }
    }
    return e;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

static void sum_up(struct stack *s)
{
    double *latency = grow(NULL, s->note_count, sizeof *latency), sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < s->note_count; i++)
        if (s->notes[i].delivered_ms >= 0) {
            latency[n] = (double)(s->notes[i].delivered_ms - s->notes[i].created_ms) / 1000;
            sum += latency[n++];
        }
    qsort(latency, n, sizeof *latency, by_value);
    if (n > 0) {
        s->f.delivery = (double)n / (double)s->f.created;
        s->f.median_s = latency[n / 2];
        s->f.mean_s = sum / (double)n;
    }
    free(latency);
    for (uint32_t i = 0; i < s->config->trace->node_count; i++) {
        struct node_counters c;

        node_counters(s->nodes[i].node, &c);
        s->f.handshakes += c.handshakes;
        s->f.faults += c.faults;
        s->f.duplicates += c.duplicates_in;
        s->f.turned_away += c.refused_in;
        s->f.evicted += c.evicted;
    }
}

enum err stack_run(struct stack_figures *out, const struct world_config *config)
{
    struct stack s = { .config = config };
    uint32_t count = config->trace->node_count;
    clock_t from = clock();
    enum err e = ERR_NONE;

    dice_init(&s.dice, config->seed);
    s.nodes = grow(NULL, count, sizeof *s.nodes);
    memset(s.nodes, 0, count * sizeof *s.nodes);
    s.notes = grow(NULL, config->trace->message_count, sizeof *s.notes);
    choose_flooders(&s);
    for (uint32_t i = 0; i < count && e == ERR_NONE; i++)
        e = open_node(&s, i);
    if (e == ERR_NONE)
        e = live(&s);
    if (e == ERR_NONE) {
        sum_up(&s);
        s.f.cpu_s = (double)(clock() - from) / CLOCKS_PER_SEC;
        *out = s.f;
    }
    for (uint32_t i = 0; i < count; i++) {
        node_free(s.nodes[i].node);
        store_close(s.nodes[i].store);
        db_close(s.nodes[i].db);
        free(s.nodes[i].links);
    }
    for (size_t i = 0; i < s.moment_count; i++)
        free(s.moments[i].bytes);
    free(s.nodes);
    free(s.links);
    free(s.notes);
    free(s.moments);
    table_clear(&s.open);
    table_clear(&s.by_tag);
    return e;
}
