/* tests/simulator/test_reach.c - what our router reaches on the traces: it shall not get worse unnoticed.
 *
 * The bounds stand just outside what docs/routing.md reports (mean of both traces and three seeds), so this says
 * nothing about how good that is: docs/routing.md does.
 */
#include <stdio.h>

#include "apps/simulator/scenario.h"
#include "apps/simulator/series.h"
#include "tests/support/check.h"

static const struct { const char *name; double delivery_least, overhead_most, median_most_s; } floors[] = {
    { "city10", 0.68, 10, 4800 },        { "city30", 0.945, 12.3, 1500 },     { "messenger", 0.999, 12.5, 1390 },
    { "messenger-100k", 0.999, 12.5, 1390 }, { "conference", 0.635, 43, 18500 }, { "office", 0.39, 52, 82000 },
};

int main(void)
{
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++) {
        double delivery = 0, overhead = 0, median_s = 0;

        for (int trace = 1; trace <= 2; trace++) {
            struct scenario s;
            struct trace_fault f;
            char path[512];

            snprintf(path, sizeof path, "%s/simulator/scenarios/%s-s%d.ini", TEST_DATA, floors[i].name, trace);
            REQUIRE(scenario_load(&s, path, &f) == ERR_NONE && scenario_open(&s, &f) == ERR_NONE);
            for (uint64_t seed = 1; seed <= 3; seed++) {
                struct series run;

                s.config.seed = seed;
                series_run(&run, &s.config, false);
                delivery += run.figures.delivery / 6;
                overhead += run.figures.overhead / 6;
                median_s += run.figures.median_s / 6;
                series_clear(&run);
            }
            scenario_clear(&s);
        }
        printf("%-15s delivery %.4f overhead %5.1f median %6.0f s\n", floors[i].name, delivery, overhead, median_s);
        CHECK_CASE(floors[i].name, delivery >= floors[i].delivery_least);
        CHECK_CASE(floors[i].name, overhead <= floors[i].overhead_most);
        CHECK_CASE(floors[i].name, median_s <= floors[i].median_most_s);
    }
    return check_report("reach");
}
