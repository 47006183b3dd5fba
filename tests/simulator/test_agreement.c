/* tests/simulator/test_agreement.c - The ONE's figures (tests/traces/README.md) beside ours, on the same replays.
 *
 * Without arguments the rows that take seconds; "all" runs every row there is. Delivery may differ by 0.02, overhead
 * and mean latency by 5 %; the mean of The ONE's single run has an error of its own, of which two are added. First
 * contact may be off by half as much again: its single copies make it the most sensitive to the order of events
 * within a tick, which The ONE's table does not tell.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/simulator/scenario.h"
#include "apps/simulator/series.h"
#include "tests/support/check.h"

enum { SEEDS = 3 };

static const struct row {
    const char *scenario, *policy;
    uint32_t copies;
    double delivery, mean_s, overhead;
    bool is_long;
} rows[] = {
    { "city10-50M-s1", "maxprop", 0, 0.8647, 4638, 19.5, false },
    { "city10-50M-s1", "spray", 16, 0.8612, 4456, 14.9, false },
    { "city10-50M-s1", "spray", 6, 0.8230, 5159, 5.8, false },
    { "city10-50M-s1", "epidemic", 0, 0.6753, 7158, 30.7, false },
    { "city10-50M-s1", "prophet2", 0, 0.6726, 7008, 24.9, false },
    { "city10-50M-s1", "prophet", 0, 0.6083, 6992, 31.6, false },
    { "city10-50M-s1", "direct", 0, 0.3513, 6933, 0, false },
    { "city10-50M-s1", "first", 0, 0.3240, 7385, 40.0, false },
    { "city10-s1", "maxprop", 0, 0.5523, 6315, 28.3, false },
    { "city10-s1", "spray", 16, 0.4593, 2856, 22.8, false },
    { "city10-s1", "spray", 6, 0.4443, 2811, 10.6, false },
    { "city10-s1", "prophet2", 0, 0.3342, 4370, 38.5, false },
    { "city10-s1", "direct", 0, 0.3233, 6334, 0, false },
    { "city10-s1", "prophet", 0, 0.2748, 4562, 62.8, false },
    { "city10-s1", "epidemic", 0, 0.2577, 4355, 81.6, false },
    { "city10-s1", "first", 0, 0.1941, 5331, 58.4, false },
    { "city10-s2", "maxprop", 0, 0.6061, 5946, 26.2, false },
    { "city10-s2", "spray", 16, 0.4819, 3022, 22.2, false },
    { "city10-s2", "spray", 6, 0.4573, 3009, 10.5, false },
    { "city10-s2", "direct", 0, 0.3488, 6507, 0, false },
    { "city10-s2", "prophet", 0, 0.2765, 4432, 60.4, false },
    { "city10-s2", "epidemic", 0, 0.2642, 4456, 78.3, false },
    { "city30-s1", "maxprop", 0, 0.9344, 2280, 62.8, false },
    { "city30-s1", "spray", 16, 0.8038, 1458, 17.8, false },
    { "city30-s1", "spray", 6, 0.7929, 1978, 6.2, false },
    { "city30-s1", "direct", 0, 0.5769, 5133, 0, false },
    { "city30-s1", "prophet2", 0, 0.4703, 2542, 84.5, false },
    { "city30-s1", "first", 0, 0.3506, 4409, 76.8, false },
    { "city30-s1", "prophet", 0, 0.3493, 2625, 149.0, false },
    { "city30-s1", "epidemic", 0, 0.3383, 2471, 194.9, false },
    { "city30-s2", "maxprop", 0, 0.9392, 2379, 61.5, false },
    { "city30-s2", "spray", 6, 0.8068, 2028, 6.1, false },
    { "city30-s2", "spray", 16, 0.7952, 1595, 18.0, false },
    { "city30-s2", "direct", 0, 0.5925, 5344, 0, false },
    { "city30-s2", "prophet", 0, 0.3652, 2703, 141.7, false },
    { "city30-s2", "epidemic", 0, 0.3297, 2476, 198.4, false },
    { "conference-s1", "maxprop", 0, 0.7643, 26386, 599.0, true },
    { "conference-s1", "spray", 16, 0.5060, 31602, 26.6, false },
    { "conference-s1", "prophet", 0, 0.3478, 38235, 1505.8, true },
    { "conference-s1", "spray", 6, 0.3133, 34348, 14.6, false },
    { "conference-s1", "epidemic", 0, 0.2173, 31454, 2973.0, true },
    { "conference-s1", "first", 0, 0.0885, 35178, 341.7, false },
    { "conference-s1", "direct", 0, 0.0625, 38511, 0, false },
    { "conference-s2", "spray", 16, 0.5075, 30406, 26.4, false },
    { "conference-s2", "spray", 6, 0.3090, 33711, 14.8, false },
    { "messenger-100k-s1", "maxprop", 0, 1.0000, 1120, 84.3, true },
    { "messenger-100k-s1", "spray", 6, 0.9975, 2780, 5.0, false },
    { "messenger-100k-s1", "spray", 16, 0.9935, 1566, 14.9, false },
    { "messenger-100k-s1", "direct", 0, 0.8255, 11769, 0, false },
    { "messenger-100k-s1", "epidemic", 0, 0.3981, 2451, 525.5, true },
    { "messenger-100k-s1", "prophet", 0, 0.3757, 2590, 512.8, true },
    { "messenger-100k-s2", "spray", 6, 0.9979, 2755, 5.0, false },
    { "messenger-100k-s2", "spray", 16, 0.9926, 1579, 14.9, false },
    { "messenger-100k-s2", "epidemic", 0, 0.3953, 2368, 555.5, true },
    { "messenger-s1", "maxprop", 0, 1.0000, 1117, 83.4, true },
    { "messenger-s1", "spray", 16, 1.0000, 1571, 14.8, false },
    { "messenger-s1", "spray", 6, 1.0000, 2768, 5.0, false },
    { "messenger-s1", "epidemic", 0, 0.8769, 4418, 270.8, true },
    { "messenger-s1", "first", 0, 0.8117, 12338, 70.3, true },
    { "messenger-s2", "spray", 16, 1.0000, 1573, 14.8, false },
    { "messenger-s2", "spray", 6, 0.9999, 2757, 5.0, false },
    { "office-s1", "maxprop", 0, 0.6335, 69068, 270.4, true },
    { "office-s1", "prophet", 0, 0.3868, 89425, 565.3, true },
    { "office-s1", "spray", 16, 0.2960, 74154, 38.6, false },
    { "office-s1", "spray", 6, 0.1680, 74503, 24.2, false },
    { "office-s1", "first", 0, 0.0643, 73598, 202.2, false },
    { "office-s1", "direct", 0, 0.0463, 74464, 0, false },
    { "office-s2", "maxprop", 0, 0.6398, 68521, 270.9, true },
    { "office-s2", "spray", 16, 0.3028, 74711, 38.0, false },
    { "office-s2", "spray", 6, 0.1723, 72904, 23.6, false },
};

struct tally {
    double delivery, mean_s, overhead, error; /* error: of the mean of one run, relative */
};

static double error_of(const struct series *run)
{
    double n = (double)run->latency_count, mean = run->figures.mean_s, sum = 0;

    for (size_t i = 0; i < run->latency_count; i++)
        sum += (run->latency_s[i] - mean) * (run->latency_s[i] - mean);
    return n > 1 ? sqrt(sum / (n - 1) / n) / mean : 0;
}

static struct tally mean_of(const struct scenario *s, const struct row *r, int seeds)
{
    struct tally sum = { 0, 0, 0, 0 };

    for (int seed = 1; seed <= seeds; seed++) {
        struct world_config c = s->config;
        struct series run;

        c.policy = policy_find(r->policy);
        c.spray_copies = r->copies;
        c.seed = (uint64_t)seed;
        series_run(&run, &c, false);
        sum.delivery += run.figures.delivery / seeds;
        sum.mean_s += run.figures.mean_s / seeds;
        sum.overhead += run.figures.overhead / seeds;
        sum.error += error_of(&run) / seeds;
        series_clear(&run);
    }
    return sum;
}

static double off_by(double ours, double theirs)
{
    return theirs > 0 ? (ours - theirs) / theirs : ours;
}

int main(int argc, char **argv)
{
    bool is_all = argc > 1 && strcmp(argv[1], "all") == 0;

    printf("%-18s %-9s %2s | delivery The ONE | mean s    The ONE  off | overhead The ONE  off\n", "scenario", "policy", "L");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct scenario s;
        struct trace_fault f;
        char path[512], label[64];

        if (r->is_long && !is_all)
            continue;
        snprintf(path, sizeof path, "%s/simulator/scenarios/%s.ini", TEST_DATA, r->scenario);
        snprintf(label, sizeof label, "%s %s", r->scenario, r->policy);
        REQUIRE(scenario_load(&s, path, &f) == ERR_NONE && scenario_open(&s, &f) == ERR_NONE);

        struct tally t = mean_of(&s, r, r->is_long ? 1 : SEEDS);
        double mean_off = off_by(t.mean_s, r->mean_s), overhead_off = off_by(t.overhead, r->overhead);

        printf("%-18s %-9s %2u | %.4f   %.4f  | %7.0f %9.0f %+4.0f%% | %7.1f %8.1f %+4.0f%%\n", r->scenario, r->policy, r->copies, t.delivery,
               r->delivery, t.mean_s, r->mean_s, mean_off * 100, t.overhead, r->overhead, overhead_off * 100);
        fflush(stdout);

        double wide = strcmp(r->policy, "first") == 0 ? 1.5 : 1, mean_most = 0.05 * wide + 2 * t.error;

        CHECK_CASE(label, fabs(t.delivery - r->delivery) < 0.02 * wide);
        CHECK_CASE(label, fabs(mean_off) < mean_most);
        CHECK_CASE(label, fabs(overhead_off) < 0.05 * wide);
        scenario_clear(&s);
    }
    return check_report("agreement");
}
