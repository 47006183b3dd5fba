/* apps/simulator/main.c - staffetta-sim: words for people, and the commands. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/simulator/report.h"
#include "apps/simulator/scenario.h"
#include "apps/simulator/stack.h"

enum { EXIT_USAGE = 2, POLICIES_MAX = 32, SEEDS_MAX = 1000 };

static const char usage[] =
    "staffetta-sim run SCENARIO [options]       one run; prints its figures\n"
    "staffetta-sim compare SCENARIO [options]   several policies and seeds side by side\n"
    "staffetta-sim report SCENARIO [options]    the same as one HTML file (and a CSV)\n"
    "staffetta-sim check TRACE                  reads a trace and says what is in it, or what is wrong\n"
    "staffetta-sim policies                     the routers there are, and their papers\n"
    "\n"
    "  --seed N          the seed of the run (also of made-up movement); a run is the same wherever it is repeated\n"
    "  --seeds N         compare, report: seeds 1 to N\n"
    "  --policy P        a router; compare and report take several, with commas\n"
    "  --copies L        of Spray and Wait\n"
    "  --without PARTS   switches off parts of ours: antipackets, promptness, refusal, budget, patience, order, eviction\n"
    "  --black-holes S   this share of the nodes takes everything and passes on nothing\n"
    "  --flooders S      --rules stack: this share makes bundles for nobody as fast as its links take them\n"
    "  --rules R         reference: those of tests/traces/README.md; run also takes stack: whole nodes, every byte charged\n"
    "  --until T         stops after T seconds\n"
    "  --trace FILE      run: writes what happened, a JSON object a line\n"
    "  --out FILE        report: the HTML file (standard output otherwise)\n"
    "  --csv FILE        compare, report: samples over time\n";

struct options {
    const char *command, *scenario, *trace, *out, *csv, *policies, *without;
    uint64_t seed, seeds;
    double until_s, black_holes, flooders;
    uint32_t copies;
    bool has_seed, is_stack;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "staffetta-sim: %s: %s\n", what, why);
    return EXIT_USAGE;
}

static bool number(const char *text, double least, double most, double *out)
{
    char *end;
    double v;

    errno = 0;
    v = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(v >= least && v <= most))
        return false;
    *out = v;
    return true;
}

static int read_option(struct options *o, const char *name, const char *value)
{
    static const struct { const char *name; size_t at; } words[] = {
        { "--policy", offsetof(struct options, policies) }, { "--without", offsetof(struct options, without) },
        { "--trace", offsetof(struct options, trace) },     { "--out", offsetof(struct options, out) },
        { "--csv", offsetof(struct options, csv) },
    };
    double v = 0;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i].name) == 0) {
            memcpy((char *)o + words[i].at, &value, sizeof value);
            return 0;
        }
    if (strcmp(name, "--rules") == 0)
        o->is_stack = strcmp(value, "stack") == 0;
    if (strcmp(name, "--rules") == 0)
        return o->is_stack || strcmp(value, "reference") == 0 ? 0 : fail(value, "the rules are reference or stack");
    if (strcmp(name, "--seed") == 0 && number(value, 0, 9e15, &v)) {
        o->seed = (uint64_t)v;
        o->has_seed = true;
    } else if (strcmp(name, "--seeds") == 0 && number(value, 1, SEEDS_MAX, &v)) {
        o->seeds = (uint64_t)v;
    } else if (strcmp(name, "--copies") == 0 && number(value, 1, 255, &v)) {
        o->copies = (uint32_t)v;
    } else if (strcmp(name, "--until") == 0 && number(value, 0, 1e9, &v)) {
        o->until_s = v;
    } else if (strcmp(name, "--black-holes") == 0 && number(value, 0, 1, &v)) {
        o->black_holes = v;
    } else if (strcmp(name, "--flooders") == 0 && number(value, 0, 1, &v)) {
        o->flooders = v;
    } else {
        return fail(name, "unknown, or its value makes no sense (staffetta-sim --help)");
    }
    return 0;
}

static int read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){ .until_s = -1, .black_holes = -1, .flooders = -1, .seeds = 1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->command = "help";
            return 0;
        }
        if (strncmp(argv[i], "--", 2) == 0) {
            if (i + 1 >= argc)
                return fail(argv[i], "needs a value");

            int status = read_option(o, argv[i], argv[i + 1]);

            if (status != 0)
                return status;
            i++;
        } else if (o->command == NULL) {
            o->command = argv[i];
        } else if (o->scenario == NULL) {
            o->scenario = argv[i];
        } else {
            return fail(argv[i], "one word too many");
        }
    }
    return 0;
}

/* ---- Scenarios ---- */

static int say_fault(const char *path, const struct trace_fault *f)
{
    if (f->line > 0)
        fprintf(stderr, "staffetta-sim: %s:%zu: %s\n", path, f->line, f->text);
    else
        fprintf(stderr, "staffetta-sim: %s: %s\n", path, f->text);
    return 1;
}

static int prepare(struct scenario *s, const struct options *o)
{
    struct trace_fault fault;

    if (o->scenario == NULL)
        return fail(o->command, "needs a scenario file");
    if (scenario_load(s, o->scenario, &fault) != ERR_NONE)
        return say_fault(o->scenario, &fault);
    if (o->without != NULL && !scenario_parts(o->without, &s->config.ablation))
        return fail(o->without, "no such part of the router");
    if (o->has_seed)
        s->config.seed = o->seed;
    if (o->copies > 0)
        s->config.spray_copies = o->copies;
    if (o->black_holes >= 0)
        s->config.black_holes = o->black_holes;
    if (o->flooders >= 0)
        s->config.flooders = o->flooders;
    if (s->config.flooders > 0 && !o->is_stack)
        return fail("flooders", "only under --rules stack");
    if (o->until_s >= 0 && o->until_s < s->duration_s)
        s->config.end_ticks = (int64_t)(o->until_s * TICKS_PER_S);
    if (scenario_open(s, &fault) != ERR_NONE)
        return say_fault(s->trace_path, &fault);
    return 0;
}

/* The policies named, with commas; 0: one is unknown. */
static size_t pick_policies(const char *names, const struct policy_kind *out[POLICIES_MAX])
{
    size_t count = 0;

    while (*names != '\0' && count < POLICIES_MAX) {
        char name[32];
        size_t len = strcspn(names, ",");

        snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), names);
        out[count] = policy_find(name);
        if (out[count++] == NULL) {
            fail(name, "no such policy (staffetta-sim policies lists them)");
            return 0;
        }
        names += len + (names[len] == ',');
    }
    return count;
}

/* ---- Commands ---- */

static void write_event(void *state, const struct world_event *e)
{
    static const char *const names[] = { "up", "down", "created", "started", "relayed", "delivered", "aborted", "dropped" };
    FILE *to = ((void **)state)[0];
    const struct trace *t = ((void **)state)[1];

    fprintf(to, "{\"time\":%lld.%lld,\"event\":\"%s\",\"node\":%lu", (long long)(e->tick / TICKS_PER_S), (long long)(e->tick % TICKS_PER_S),
            names[e->kind], (unsigned long)e->node);
    if (e->peer != NONE)
        fprintf(to, ",\"peer\":%lu", (unsigned long)e->peer);
    if (e->message != NONE && e->message < t->message_count)
        fprintf(to, ",\"message\":\"%s\"", t->messages[e->message].name);
    fputs("}\n", to);
}

static int run_stack(const struct options *o)
{
    struct scenario s;
    struct stack_figures f;
    int status = prepare(&s, o);

    if (status != 0)
        return status;
    if (o->policies != NULL || o->trace != NULL || s.config.black_holes > 0)
        return fail("--rules stack", "takes neither a policy, a trace nor black holes");
    if (stack_run(&f, &s.config) != ERR_NONE) {
        fputs("staffetta-sim: a node failed\n", stderr);
        return 1;
    }
    printf("delivered   %llu of %llu: %.4f (%llu refused where they were made)\n", (unsigned long long)f.delivered,
           (unsigned long long)f.created, f.delivery, (unsigned long long)f.refused);
    printf("latency     median %.0f s, mean %.0f s\n", f.median_s, f.mean_s);
    printf("links       %llu contacts, %llu handshakes, %llu faults\n", (unsigned long long)f.contacts,
           (unsigned long long)f.handshakes / 2, (unsigned long long)f.faults);
    printf("transfers   %llu new bundles, %llu duplicates, %llu not taken, %llu evicted\n", (unsigned long long)f.transfers,
           (unsigned long long)f.duplicates, (unsigned long long)f.turned_away, (unsigned long long)f.evicted);
    if (f.flooders > 0)
        printf("flood       %llu flooders made %llu bundles; messages from or to them are not counted\n", (unsigned long long)f.flooders,
               (unsigned long long)f.flood);
    printf("bytes       %llu on links, %.1f %% of them bundles new to the receiver\n", (unsigned long long)f.link_bytes,
           f.link_bytes > 0 ? 100.0 * (double)f.useful_bytes / (double)f.link_bytes : 0);
    printf("CPU         %.1f s\n", f.cpu_s);
    scenario_clear(&s);
    return 0;
}

static int run(const struct options *o)
{
    struct scenario s;
    struct series series;
    const struct policy_kind *policies[POLICIES_MAX];
    void *watch_state[2] = { NULL, &s.trace };
    int status = prepare(&s, o);

    if (status != 0)
        return status;
    if (o->policies != NULL) {
        if (pick_policies(o->policies, policies) != 1)
            return fail(o->policies, "run takes one policy, compare several");
        s.config.policy = policies[0];
    }
    if (o->trace != NULL) {
        FILE *to = fopen(o->trace, "w");

        if (to == NULL)
            return fail(o->trace, "cannot be written");
        watch_state[0] = to;
        s.config.watch = write_event;
        s.config.watch_state = watch_state;
    }
    series_run(&series, &s.config, isatty(STDERR_FILENO) != 0);
    report_text(stdout, &series, 1);
    if (watch_state[0] != NULL && fclose(watch_state[0]) != 0)
        status = fail(o->trace, "not written to the end");
    series_clear(&series);
    scenario_clear(&s);
    return status;
}

static void put_command(char *to, size_t room, int argc, char **argv)
{
    size_t at = (size_t)snprintf(to, room, "staffetta-sim");

    for (int i = 1; i < argc && at < room; i++)
        at += (size_t)snprintf(to + at, room - at, " %s", argv[i]);
}

static int write_to(const char *path, const struct scenario *s, const char *command, const struct series *runs, size_t count, bool is_html)
{
    FILE *to = path != NULL ? fopen(path, "w") : stdout;

    if (to == NULL)
        return fail(path, "cannot be written");
    if (is_html)
        report_html(to, s->name, command, runs, count);
    else
        report_csv(to, runs, count);
    if (to != stdout && fclose(to) != 0)
        return fail(path, "not written to the end");
    return 0;
}

/* Every policy with every seed, policies first. */
static int compare(const struct options *o, int argc, char **argv)
{
    struct scenario s;
    const struct policy_kind *policies[POLICIES_MAX];
    const char *names = o->policies != NULL ? o->policies : "staffetta,spray,maxprop,epidemic,direct";
    size_t policy_count = pick_policies(names, policies), count = 0;
    struct series *runs;
    char command[512];
    int status;

    if (o->is_stack)
        return fail("--rules stack", "only with run, so far");
    if (policy_count == 0)
        return EXIT_USAGE;
    if ((status = prepare(&s, o)) != 0)
        return status;
    runs = grow(NULL, policy_count * o->seeds, sizeof *runs);
    for (size_t i = 0; i < policy_count; i++)
        for (uint64_t seed = 0; seed < o->seeds; seed++) {
            struct world_config config = s.config;

            config.policy = policies[i];
            config.seed = s.config.seed + seed;
            series_run(&runs[count++], &config, isatty(STDERR_FILENO) != 0);
        }
    put_command(command, sizeof command, argc, argv);
    if (strcmp(o->command, "report") == 0)
        status = write_to(o->out, &s, command, runs, count, true);
    else
        report_text(stdout, runs, count);
    if (status == 0 && o->csv != NULL)
        status = write_to(o->csv, &s, command, runs, count, false);
    for (size_t i = 0; i < count; i++)
        series_clear(&runs[i]);
    free(runs);
    scenario_clear(&s);
    return status;
}

static int check(const struct options *o)
{
    struct trace t;
    struct trace_fault fault;
    size_t ups = 0;

    if (o->scenario == NULL)
        return fail("check", "needs a trace");
    if (trace_load(&t, o->scenario, 0, &fault) != ERR_NONE)
        return say_fault(o->scenario, &fault);
    for (size_t i = 0; i < t.event_count; i++)
        ups += t.events[i].kind == TRACE_UP;
    printf("%lu nodes, %zu contacts, %zu messages, %.2f s\n", (unsigned long)t.node_count, ups, t.message_count,
           (double)t.events[t.event_count - 1].time_cs / 100);
    trace_clear(&t);
    return 0;
}

static int list_policies(void)
{
    for (size_t i = 0; policy_table[i] != NULL; i++)
        printf("%-10s %s\n", policy_table[i]->name, policy_table[i]->paper);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    int status = read_options(&o, argc, argv);

    if (status != 0)
        return status;
    if (o.command == NULL || strcmp(o.command, "help") == 0) {
        fputs(usage, o.command != NULL ? stdout : stderr);
        return o.command != NULL ? 0 : EXIT_USAGE;
    }
    if (strcmp(o.command, "run") == 0)
        return o.is_stack ? run_stack(&o) : run(&o);
    if (strcmp(o.command, "compare") == 0 || strcmp(o.command, "report") == 0)
        return compare(&o, argc, argv);
    if (strcmp(o.command, "check") == 0)
        return check(&o);
    if (strcmp(o.command, "policies") == 0)
        return list_policies();
    return fail(o.command, "no such command (staffetta-sim --help)");
}
