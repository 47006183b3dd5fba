/* bench/measure.h - CPU time of this process, by the one clock that all parts are measured with.
 *
 * The file that includes this asks for POSIX first.
 */
#ifndef STA_BENCH_MEASURE_H
#define STA_BENCH_MEASURE_H

#include <time.h>

static inline double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline double cpu_ms(void)
{
    return cpu_us() / 1e3;
}

#endif
