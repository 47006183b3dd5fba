/* apps/simulator/series.c - runs a world in slices and looks at it between them. */
#include "apps/simulator/series.h"

#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

static double cpu_now(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

static void show_progress(const struct world *w, double spent_s)
{
    double done = (double)w->now / (double)w->config.end_ticks;

    if (done > 0.02)
        fprintf(stderr, "\r%s: %3.0f %%, about %.0f s left   ", w->config.policy->name, done * 100, spent_s / done - spent_s);
}

void series_run(struct series *out, const struct world_config *config, bool is_watched)
{
    double from = cpu_now(), shown = from;
    struct world *w = world_new(config);

    memset(out, 0, sizeof *out);
    out->policy = config->policy->name;
    out->seed = config->seed;
    for (int i = 1; i <= SERIES_SAMPLES; i++) {
        world_run(w, config->end_ticks * i / SERIES_SAMPLES);
        out->samples[out->sample_count++] = (struct sample){
            .time_s = (double)(config->end_ticks * i / SERIES_SAMPLES) / TICKS_PER_S,
            .fill = (double)w->used_sum / (double)w->buffer_sum,
            .created = w->sums.created, .delivered = w->sums.delivered, .relayed = w->sums.relayed,
        };
        if (is_watched && cpu_now() - shown > 1) {
            shown = cpu_now();
            show_progress(w, shown - from);
        }
    }
    if (is_watched && shown > from)
        fprintf(stderr, "\r%60s\r", "");
    world_figures(w, &out->figures);
    out->latency_s = grow(NULL, w->message_count, sizeof *out->latency_s);
    for (size_t i = 0; i < w->message_count; i++)
        if (w->messages[i].delivered >= 0)
            out->latency_s[out->latency_count++] = (double)(w->messages[i].delivered - w->messages[i].created) / TICKS_PER_S;
    qsort(out->latency_s, out->latency_count, sizeof *out->latency_s, by_value);
    world_free(w);
    out->cpu_s = cpu_now() - from;
}

void series_clear(struct series *s)
{
    free(s->latency_s);
    s->latency_s = NULL;
}
