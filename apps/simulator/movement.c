/* apps/simulator/movement.c - walkers on a plane; a table of cells finds who is in range. */
#include "apps/simulator/movement.h"

#include <stdlib.h>
#include <string.h>

#include "apps/simulator/dice.h"
#include "apps/simulator/table.h"

enum { STEP_CS = 50, DRIFT_MM = 15000, VILLAGE_MM = 300000, STOP_STEPS = 240 };

struct walker {
    int64_t x, y, goal_x, goal_y;    /* mm */
    int64_t step;                    /* mm in half a second */
    int64_t rest;                    /* steps still to stand */
    uint32_t village, heading;       /* of a bus: where it goes, and whether up or down the line */
};

struct walk {
    const struct movement *m;
    struct dice dice;
    struct walker *walkers;
    uint32_t *cell_first, *next;     /* heads by cell, chains by walker */
    int64_t width, height, range, cell;
    uint32_t columns, rows;
    struct table open;               /* pair -> serial of the step that last saw it */
    uint64_t *pairs;
    size_t pair_count, pair_cap;
};

static int64_t mm(double metres) { return (int64_t)(metres * 1000); }

static int64_t draw_between(struct dice *d, int64_t least, int64_t most)
{
    return least + (int64_t)(dice_unit(d) * (double)(most - least + 1));
}

static int64_t within(int64_t v, int64_t most)
{
    return v < 0 ? 0 : v > most ? most : v;
}

/* Villages lie evenly along the width. */
static int64_t village_x(const struct walk *k, uint32_t village)
{
    return k->m->villages > 1 ? k->width * village / (k->m->villages - 1) : k->width / 2;
}

static bool is_bus(const struct walk *k, uint32_t i)
{
    return k->m->kind == MOVEMENT_BUS && i < k->m->buses;
}

static void next_goal(struct walk *k, uint32_t i)
{
    struct walker *w = &k->walkers[i];

    if (is_bus(k, i)) {
        if (w->heading != 0 ? w->village == 0 : w->village + 1 >= k->m->villages)
            w->heading = !w->heading;
        if (k->m->villages > 1)
            w->village += w->heading != 0 ? (uint32_t)-1 : 1u;
        w->goal_x = village_x(k, w->village);
        w->goal_y = k->height / 2;
        return;
    }
    if (k->m->kind == MOVEMENT_BUS) {
        w->goal_x = village_x(k, w->village) + draw_between(&k->dice, -VILLAGE_MM / 2, VILLAGE_MM / 2);
        w->goal_y = k->height / 2 + draw_between(&k->dice, -VILLAGE_MM / 2, VILLAGE_MM / 2);
    } else if (k->m->kind == MOVEMENT_SQUARE && i % 10 != 0) {
        w->goal_x = w->x + draw_between(&k->dice, -DRIFT_MM, DRIFT_MM);
        w->goal_y = w->y + draw_between(&k->dice, -DRIFT_MM, DRIFT_MM);
    } else {
        w->goal_x = draw_between(&k->dice, 0, k->width);
        w->goal_y = draw_between(&k->dice, 0, k->height);
    }
    if (k->m->kind != MOVEMENT_BUS) {
        w->goal_x = within(w->goal_x, k->width);
        w->goal_y = within(w->goal_y, k->height);
    }
    w->step = draw_between(&k->dice, mm(k->m->speed_min), mm(k->m->speed_max)) * STEP_CS / 100;
    if (w->step < 1)
        w->step = 1;
}

static void place(struct walk *k, uint32_t i)
{
    struct walker *w = &k->walkers[i];

    memset(w, 0, sizeof *w);
    if (k->m->kind == MOVEMENT_BUS)
        w->village = i % k->m->villages;
    if (is_bus(k, i)) {
        w->x = village_x(k, w->village);
        w->y = k->height / 2;
        w->heading = i % 2;
        w->step = mm(10) * STEP_CS / 100;
    } else if (k->m->kind == MOVEMENT_BUS) {
        next_goal(k, i);
        w->x = w->goal_x;
        w->y = w->goal_y;
    } else {
        w->x = draw_between(&k->dice, 0, k->width);
        w->y = draw_between(&k->dice, 0, k->height);
    }
    next_goal(k, i);
}

static int64_t root_of(int64_t v)
{
    int64_t r = v, last = 0;

    if (v < 2)
        return v;
    for (r = v / 2 + 1; r != last && r > v / r;) {
        last = r;
        r = (r + v / r) / 2;
    }
    return r;
}

static void walk_step(struct walk *k, uint32_t i)
{
    struct walker *w = &k->walkers[i];
    int64_t dx = w->goal_x - w->x, dy = w->goal_y - w->y;

    if (w->rest > 0) {
        w->rest--;
        return;
    }

    int64_t left = root_of(dx * dx + dy * dy);

    if (left <= w->step) {
        w->x = w->goal_x;
        w->y = w->goal_y;
        w->rest = is_bus(k, i) ? STOP_STEPS : draw_between(&k->dice, 0, (int64_t)(k->m->pause_s * 100 / STEP_CS));
        next_goal(k, i);
        return;
    }
    w->x += dx * w->step / left;
    w->y += dy * w->step / left;
}

/* ---- Who is in range ---- */

static uint32_t cell_of(const struct walk *k, const struct walker *w)
{
    /* People of the outer villages may stand beyond the edge. */
    uint32_t column = (uint32_t)(within(w->x + VILLAGE_MM, k->width + 2 * VILLAGE_MM) / k->cell);
    uint32_t row = (uint32_t)(within(w->y + VILLAGE_MM, k->height + 2 * VILLAGE_MM) / k->cell);

    return row * k->columns + column;
}

static void saw(struct walk *k, struct trace *t, uint32_t a, uint32_t b, uint32_t step)
{
    uint64_t pair = a < b ? table_pair(a, b) : table_pair(b, a);

    if (table_find(&k->open, pair) == TABLE_NONE) {
        k->pairs = grow_for(k->pairs, k->pair_count, &k->pair_cap, sizeof *k->pairs);
        k->pairs[k->pair_count++] = pair;
        trace_add_link(t, (int64_t)step * STEP_CS, a, b, true);
    }
    table_put(&k->open, pair, step);
}

static void look(struct walk *k, struct trace *t, uint32_t i, uint32_t step)
{
    const struct walker *w = &k->walkers[i];
    uint32_t home = cell_of(k, w);

    for (uint32_t around = 0; around < 9; around++) {
        uint32_t column = home % k->columns + around % 3, row = home / k->columns + around / 3;

        if (column < 1 || row < 1 || column > k->columns || row > k->rows)
            continue;
        for (uint32_t j = k->cell_first[(row - 1) * k->columns + column - 1]; j != TABLE_NONE; j = k->next[j]) {
            int64_t dx = k->walkers[j].x - w->x, dy = k->walkers[j].y - w->y;

            if (j > i && dx * dx + dy * dy <= k->range * k->range)
                saw(k, t, i, j, step);
        }
    }
}

static void links_step(struct walk *k, struct trace *t, uint32_t step)
{
    size_t kept = 0;

    memset(k->cell_first, 0xff, (size_t)k->columns * k->rows * sizeof *k->cell_first);
    for (uint32_t i = 0; i < k->m->nodes; i++) {
        uint32_t c = cell_of(k, &k->walkers[i]);

        k->next[i] = k->cell_first[c];
        k->cell_first[c] = i;
    }
    for (uint32_t i = 0; i < k->m->nodes; i++)
        look(k, t, i, step);
    for (size_t i = 0; i < k->pair_count; i++) {
        if (table_find(&k->open, k->pairs[i]) == step) {
            k->pairs[kept++] = k->pairs[i];
            continue;
        }
        trace_add_link(t, (int64_t)step * STEP_CS, (uint32_t)(k->pairs[i] >> 32), (uint32_t)k->pairs[i], false);
        table_remove(&k->open, k->pairs[i]);
    }
    k->pair_count = kept;
}

static void add_messages(struct walk *k, struct trace *t)
{
    const struct movement *m = k->m;
    double until = m->messages_until_s > 0 ? m->messages_until_s : m->duration_s;

    for (double at = m->message_interval_s; at < until; at += m->message_interval_s) {
        uint32_t from = dice_below(&k->dice, m->nodes), to = dice_below(&k->dice, m->nodes - 1);

        trace_add_message(t, (int64_t)(at * 100), from, to + (to >= from),
                          m->size_min + dice_below(&k->dice, m->size_max - m->size_min + 1));
    }
}

void movement_trace(struct trace *out, const struct movement *m, uint64_t seed)
{
    struct walk k = { .m = m, .width = mm(m->width_m), .height = mm(m->height_m), .range = mm(m->range_m) };
    uint32_t steps = (uint32_t)(m->duration_s * 100 / STEP_CS);

    memset(out, 0, sizeof *out);
    out->node_count = m->nodes;
    dice_init(&k.dice, seed);
    /* Cells of at least the range, and no more than a few for each walker. */
    k.cell = k.range;
    while ((k.width + 2 * VILLAGE_MM) / k.cell * ((k.height + 2 * VILLAGE_MM) / k.cell) > 4 * (int64_t)m->nodes + 64)
        k.cell *= 2;
    k.columns = (uint32_t)((k.width + 2 * VILLAGE_MM) / k.cell + 1);
    k.rows = (uint32_t)((k.height + 2 * VILLAGE_MM) / k.cell + 1);
    k.walkers = grow(NULL, m->nodes, sizeof *k.walkers);
    k.next = grow(NULL, m->nodes, sizeof *k.next);
    k.cell_first = grow(NULL, (size_t)k.columns * k.rows, sizeof *k.cell_first);
    for (uint32_t i = 0; i < m->nodes; i++)
        place(&k, i);
    for (uint32_t step = 0; step < steps; step++) {
        links_step(&k, out, step);
        for (uint32_t i = 0; i < m->nodes; i++)
            walk_step(&k, i);
    }
    add_messages(&k, out);
    trace_finish(out);
    free(k.walkers);
    free(k.next);
    free(k.cell_first);
    free(k.pairs);
    table_clear(&k.open);
}
