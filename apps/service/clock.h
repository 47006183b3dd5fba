/* apps/service/clock.h - the machine's clocks, read in one place. */
#ifndef STA_SERVICE_CLOCK_H
#define STA_SERVICE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in milliseconds; clock_boot_ms also counts suspend. */
uint64_t clock_now_ms(void);
uint64_t clock_boot_ms(void);

/* Unix seconds, right or wrong: what people are shown. */
uint64_t clock_wall_unix_s(void);

/* The same for deciding: 0 when the clock stands before 2025, which is a machine without one. */
uint64_t clock_wall_or_none(void);

/* The kernel says that something (NTP, a GPS) keeps the clock right. */
bool clock_is_synchronised(void);

#endif
