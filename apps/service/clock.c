/* apps/service/clock.c - the machine's clocks, read in one place. */
#define _GNU_SOURCE
#include "apps/service/clock.h"

#include <sys/timex.h>
#include <time.h>

static const uint64_t START_OF_2025 = UINT64_C(1735689600);   /* day 0 of the protocol */

static uint64_t read_ms(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t clock_now_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_wall_unix_s(void)
{
    return read_ms(CLOCK_REALTIME) / 1000;
}

uint64_t clock_wall_or_none(void)
{
    uint64_t unix_s = clock_wall_unix_s();

    return unix_s >= START_OF_2025 ? unix_s : 0;
}

bool clock_is_synchronised(void)
{
    struct timex t = { .modes = 0 };   /* only asks */

    return adjtimex(&t) != -1 && (t.status & STA_UNSYNC) == 0;
}
