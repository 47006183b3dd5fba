/* tests/simulator/test_scenario.c - scenario files, right and wrong. */
#include "apps/simulator/scenario.h"

#include <stdio.h>
#include <string.h>

#include "apps/simulator/series.h"
#include "tests/support/check.h"

#define WHOLE "[world]\nmovement = waypoint\nnodes = 20\nduration = 600\n[messages]\nlife = 600\ninterval = 10\n" \
              "size_min = 100\nsize_max = 200\n[radio]\nrate = 1000\n[store]\nbytes = 10000\n"

static const struct { const char *name, *text; size_t line; const char *says; } bad[] = {
    { "unknown key", "[world]\nnodez = 3\n", 2, "unknown key" },
    { "unknown section", "[wrld]\nnodes = 3\n", 2, "unknown key" },
    { "key of another section", "[world]\nlife = 3\n", 2, "unknown key" },
    { "not a number", "[world]\nnodes = many\n", 2, "not a number" },
    { "a number and more", "[world]\nnodes = 3x\n", 2, "not a number" },
    { "one node", "[world]\nnodes = 1\n", 2, "not a number in its range" },
    { "not finite", "[world]\nduration = nan\n", 2, "not a number" },
    { "unknown policy", "[router]\npolicy = magic\n", 2, "no such policy" },
    { "unknown part", "[router]\nwithout = order,magic\n", 2, "not a part" },
    { "unknown movement", "[world]\nmovement = ballet\n", 2, "waypoint, bus or square" },
    { "nothing", "", 0, "either a trace or a movement" },
    { "trace and movement", WHOLE "[world]\ntrace = x\n", 0, "either a trace or a movement" },
    { "no life", "[world]\nmovement = bus\nnodes = 9\nduration = 9\n", 0, "are needed" },
    { "no line", "what\n", 1, "neither a [section]" },
};

static enum err load(struct scenario *s, const char *text, struct trace_fault *f)
{
    char path[512];
    FILE *to;

    snprintf(path, sizeof path, "%s/x.ini", check_folder());
    to = fopen(path, "w");
    REQUIRE(to != NULL);
    fputs(text, to);
    fclose(to);
    return scenario_load(s, path, f);
}

static void test_movement(const char *kind)
{
    struct scenario s;
    struct trace_fault f;
    struct series a, b;

    REQUIRE(load(&s, WHOLE "[movement]\nrange = 30\nwidth = 300\nheight = 300\n", &f) == ERR_NONE);
    s.movement.kind = strcmp(kind, "bus") == 0 ? MOVEMENT_BUS : strcmp(kind, "square") == 0 ? MOVEMENT_SQUARE : MOVEMENT_WAYPOINT;
    REQUIRE(scenario_open(&s, &f) == ERR_NONE);
    CHECK_CASE(kind, s.trace.message_count == 59 && s.trace.event_count > s.trace.message_count + 20);

    /* Contacts of a made-up place are a trace like any other: links alternate, in order of time. */
    struct table open = { 0 };
    bool is_sound = true;

    for (size_t i = 0; i < s.trace.event_count; i++) {
        const struct trace_event *e = &s.trace.events[i];

        is_sound = is_sound && (i == 0 || e->time_cs >= e[-1].time_cs);
        if (e->kind == TRACE_MESSAGE)
            continue;
        is_sound = is_sound && (table_find(&open, table_pair(e->a, e->b)) == TABLE_NONE) == (e->kind == TRACE_UP);
        if (e->kind == TRACE_UP)
            table_put(&open, table_pair(e->a, e->b), 1);
        else
            table_remove(&open, table_pair(e->a, e->b));
    }
    CHECK_CASE(kind, is_sound);
    table_clear(&open);
    series_run(&a, &s.config, false);
    series_run(&b, &s.config, false);
    CHECK_CASE(kind, a.figures.delivered > 0);
    CHECK_CASE(kind, memcmp(&a.figures, &b.figures, sizeof a.figures) == 0);
    series_clear(&a);
    series_clear(&b);
    scenario_clear(&s);
}

int main(void)
{
    struct scenario s;
    struct trace_fault f;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERR(bad[i].name, load(&s, bad[i].text, &f), ERR_MALFORMED);
        CHECK_CASE(bad[i].name, f.line == bad[i].line);
        CHECK_CASE(bad[i].name, strstr(f.text, bad[i].says) != NULL);
    }
    CHECK(scenario_load(&s, "/nowhere/x.ini", &f) == ERR_IO);
    CHECK(scenario_load(&s, TEST_DATA "/simulator/scenarios/city10-s1.ini", &f) == ERR_NONE);
    CHECK(s.config.big_to == 126 && strcmp(s.name, "city10-s1") == 0);
    test_movement("waypoint");
    test_movement("bus");
    test_movement("square");
    return check_report("scenario");
}
