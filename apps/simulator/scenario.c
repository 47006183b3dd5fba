/* apps/simulator/scenario.c - reading scenarios; libinih finds the lines. */
#include "apps/simulator/scenario.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; uint32_t bit; } parts[] = {
    { "antipackets", ABLATE_ANTIPACKETS }, { "promptness", ABLATE_PROMPTNESS }, { "refusal", ABLATE_REFUSAL },
    { "budget", ABLATE_BUDGET },           { "patience", ABLATE_PATIENCE },     { "order", ABLATE_ORDER },
    { "eviction", ABLATE_EVICTION },
};

bool scenario_parts(const char *words, uint32_t *out)
{
    uint32_t bits = 0;

    while (*words != '\0') {
        size_t len = strcspn(words, ","), i = 0, count = sizeof parts / sizeof *parts;

        while (i < count && (strlen(parts[i].name) != len || memcmp(parts[i].name, words, len) != 0))
            i++;
        if (i == count)
            return false;
        bits |= parts[i].bit;
        words += len + (words[len] == ',');
    }
    *out = bits;
    return true;
}

static const struct { const char *name; enum movement_kind kind; } movements[] = {
    { "none", MOVEMENT_NONE }, { "waypoint", MOVEMENT_WAYPOINT }, { "bus", MOVEMENT_BUS }, { "square", MOVEMENT_SQUARE },
};

/* Numbers and where they go: one row a key. */
struct number_key {
    const char *section, *key;
    double least, most;
    size_t at;
};

struct numbers {
    double nodes, duration, seed, width, height, speed_min, speed_max, pause, range, villages, buses, life, interval, size_min,
        size_max, until, rate, bytes, big_from, big_to, big_bytes, copies, black_holes, flooders;
};

#define KEY(section, key, least, most) { section, #key, least, most, offsetof(struct numbers, key) }
static const struct number_key number_keys[] = {
    KEY("world", nodes, 2, TRACE_NODES_MAX),
    KEY("world", duration, 1, 1e9),
    KEY("world", seed, 0, 9e15),
    KEY("movement", width, 1, 1e6),
    KEY("movement", height, 1, 1e6),
    KEY("movement", speed_min, 0.01, 100),
    KEY("movement", speed_max, 0.01, 100),
    KEY("movement", pause, 0, 1e6),
    KEY("movement", range, 0.1, 1e5),
    KEY("movement", villages, 1, 1000),
    KEY("movement", buses, 1, 1000),
    KEY("messages", life, 1, 1e8),
    KEY("messages", interval, 0.01, 1e8),
    KEY("messages", size_min, 1, TRACE_SIZE_MAX),
    KEY("messages", size_max, 1, TRACE_SIZE_MAX),
    KEY("messages", until, 0, 1e9),
    KEY("radio", rate, 1, 1e12),
    KEY("store", bytes, 1, 1e15),
    KEY("store", big_from, 0, TRACE_NODES_MAX),
    KEY("store", big_to, 0, TRACE_NODES_MAX),
    KEY("store", big_bytes, 1, 1e15),
    KEY("router", copies, 1, 255),
    KEY("faults", black_holes, 0, 1),
    KEY("faults", flooders, 0, 1),
};

struct reading {
    struct scenario *s;
    struct trace_fault *fault;
    const char *folder;
    int folder_len;
    struct numbers n;
    size_t line;
    bool is_bad;
};

static int refuse(struct reading *r, const char *section, const char *key, const char *why)
{
    if (!r->is_bad)
        snprintf(r->fault->text, sizeof r->fault->text, "[%.30s] %.40s: %s", section, key, why);
    r->is_bad = true;
    return 0;
}

static int on_word(struct reading *r, const char *section, const char *key, const char *value)
{
    struct scenario *s = r->s;

    if (strcmp(section, "world") == 0 && strcmp(key, "trace") == 0) {
        int n = snprintf(s->trace_path, sizeof s->trace_path, "%.*s%s", value[0] == '/' ? 0 : r->folder_len, r->folder, value);

        return n > 0 && (size_t)n < sizeof s->trace_path ? 1 : refuse(r, section, key, "too long");
    }
    if (strcmp(section, "world") == 0 && strcmp(key, "movement") == 0) {
        for (size_t i = 0; i < sizeof movements / sizeof *movements; i++)
            if (strcmp(value, movements[i].name) == 0) {
                s->movement.kind = movements[i].kind;
                return 1;
            }
        return refuse(r, section, key, "waypoint, bus or square");
    }
    if (strcmp(section, "router") == 0 && strcmp(key, "policy") == 0) {
        s->config.policy = policy_find(value);
        return s->config.policy != NULL ? 1 : refuse(r, section, key, "no such policy (staffetta-sim policies lists them)");
    }
    if (strcmp(section, "router") == 0 && strcmp(key, "without") == 0)
        return scenario_parts(value, &s->config.ablation) ? 1 : refuse(r, section, key, "not a part of the router");
    return refuse(r, section, key, "unknown key");
}

static int on_key(void *state, const char *section, const char *key, const char *value)
{
    struct reading *r = state;

    for (size_t i = 0; i < sizeof number_keys / sizeof *number_keys; i++) {
        const struct number_key *k = &number_keys[i];
        char *end;
        double v;

        if (strcmp(section, k->section) != 0 || strcmp(key, k->key) != 0)
            continue;
        errno = 0;
        v = strtod(value, &end);
        if (end == value || *end != '\0' || errno != 0 || !(v >= k->least && v <= k->most))
            return refuse(r, section, key, "not a number in its range");
        memcpy((char *)&r->n + k->at, &v, sizeof v);
        return 1;
    }
    return on_word(r, section, key, value);
}

static void fill(struct scenario *s, const struct numbers *n)
{
    struct world_config *c = &s->config;
    struct movement *m = &s->movement;

    s->nodes = (uint32_t)n->nodes;
    s->duration_s = n->duration;
    c->seed = (uint64_t)n->seed;
    c->spray_copies = (uint32_t)n->copies;
    c->ttl_ticks = (int64_t)(n->life * TICKS_PER_S);
    c->end_ticks = (int64_t)(n->duration * TICKS_PER_S);
    c->rate_bytes_per_s = (uint64_t)n->rate;
    c->buffer_bytes = (uint64_t)n->bytes;
    c->big_from = (uint32_t)n->big_from;
    c->big_to = n->big_bytes > 0 ? (uint32_t)n->big_to + 1 : 0;
    c->big_buffer_bytes = (uint64_t)n->big_bytes;
    c->black_holes = n->black_holes;
    c->flooders = n->flooders;
    *m = (struct movement){
        .kind = m->kind, .nodes = s->nodes, .duration_s = n->duration, .width_m = n->width, .height_m = n->height,
        .speed_min = n->speed_min, .speed_max = n->speed_max, .pause_s = n->pause, .range_m = n->range,
        .villages = (uint32_t)n->villages, .buses = (uint32_t)n->buses, .message_interval_s = n->interval,
        .size_min = (uint32_t)n->size_min, .size_max = (uint32_t)n->size_max, .messages_until_s = n->until,
    };
}

static const char *missing(const struct scenario *s, const struct numbers *n)
{
    const struct movement *m = &s->movement;

    if ((s->trace_path[0] == '\0') == (m->kind == MOVEMENT_NONE))
        return "[world] has either a trace or a movement";
    if (n->nodes == 0 || n->duration == 0)
        return "[world] nodes and duration are needed";
    if (n->life == 0 || n->rate == 0 || n->bytes == 0)
        return "[messages] life, [radio] rate and [store] bytes are needed";
    if (m->kind == MOVEMENT_NONE)
        return NULL;
    if (n->interval == 0 || n->size_min == 0 || n->size_max < n->size_min)
        return "[messages] interval, size_min and size_max are needed, in order";
    if (n->speed_max < n->speed_min)
        return "[movement] speed_max is below speed_min";
    if (m->kind == MOVEMENT_BUS && m->nodes < m->villages + m->buses)
        return "[movement] a bus line needs somebody in every village beside the buses";
    return NULL;
}

enum err scenario_load(struct scenario *s, const char *path, struct trace_fault *fault)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    struct reading r = {
        .s = s, .fault = fault, .folder = path, .folder_len = (int)(base - path),
        .n = { .width = 1000, .height = 1000, .speed_min = 0.5, .speed_max = 1.5, .pause = 120, .range = 10, .villages = 3,
               .buses = 2, .copies = 16, .seed = 1 },
    };

    memset(s, 0, sizeof *s);
    fault->line = 0;
    snprintf(s->name, sizeof s->name, "%.*s", (int)strcspn(base, "."), base);
    s->config.policy = policy_find("staffetta");

    int line = ini_parse(path, on_key, &r);

    if (line == -1) {
        snprintf(fault->text, sizeof fault->text, "cannot be opened");
        return ERR_IO;
    }
    if (line != 0) {
        fault->line = line > 0 ? (size_t)line : 0;
        if (!r.is_bad)
            snprintf(fault->text, sizeof fault->text, "neither a [section], a key = value nor a comment");
        return ERR_MALFORMED;
    }
    fill(s, &r.n);

    const char *why = missing(s, &r.n);

    if (why != NULL) {
        snprintf(fault->text, sizeof fault->text, "%s", why);
        return ERR_MALFORMED;
    }
    return ERR_NONE;
}

enum err scenario_open(struct scenario *s, struct trace_fault *fault)
{
    enum err e = ERR_NONE;

    if (s->movement.kind == MOVEMENT_NONE)
        e = trace_load(&s->trace, s->trace_path, s->nodes, fault);
    else
        movement_trace(&s->trace, &s->movement, s->config.seed);
    if (e == ERR_NONE)
        s->config.trace = &s->trace;
    return e;
}

void scenario_clear(struct scenario *s)
{
    trace_clear(&s->trace);
    s->config.trace = NULL;
}
