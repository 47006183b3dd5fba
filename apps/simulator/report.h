/* apps/simulator/report.h - runs side by side: one HTML file that needs nothing else, and a CSV. */
#ifndef STA_SIMULATOR_REPORT_H
#define STA_SIMULATOR_REPORT_H

#include <stdio.h>

#include "apps/simulator/series.h"

/* command: the line that makes this report again. */
void report_html(FILE *to, const char *scenario, const char *command, const struct series *runs, size_t count);

/* One row a sample and run. */
void report_csv(FILE *to, const struct series *runs, size_t count);

/* One row a run, as a table for people. */
void report_text(FILE *to, const struct series *runs, size_t count);

#endif
