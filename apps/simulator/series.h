/* apps/simulator/series.h - one run, and what it looked like on the way. */
#ifndef STA_SIMULATOR_SERIES_H
#define STA_SIMULATOR_SERIES_H

#include "apps/simulator/world.h"

enum { SERIES_SAMPLES = 120 };

struct sample {
    double time_s, fill;              /* fill: share of all buffers in use */
    uint64_t created, delivered, relayed;
};

struct series {
    const char *policy;
    uint64_t seed;
    struct world_figures figures;
    struct sample samples[SERIES_SAMPLES];
    size_t sample_count;
    double *latency_s;                /* of delivered messages, ascending */
    size_t latency_count;
    double cpu_s;
};

/* Runs to the end. With is_watched a line about progress goes to standard error. */
void series_run(struct series *out, const struct world_config *config, bool is_watched);
void series_clear(struct series *s);

#endif
