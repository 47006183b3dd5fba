/* apps/service/power.h - what this machine runs on, read from the kernel. */
#ifndef STA_SERVICE_POWER_H
#define STA_SERVICE_POWER_H

enum power_source { POWER_MAINS, POWER_BATTERY, POWER_LOW, POWER_SOURCE_COUNT };

enum { POWER_LOW_PERCENT = 15 };

#define POWER_SUPPLIES "/sys/class/power_supply"

/* From the supplies the kernel lists in `folder` (POWER_SUPPLIES). A plug that is in, or a battery that is being charged, is
 * mains; a battery at POWER_LOW_PERCENT or less is low. Batteries of mice and headsets do not count. A machine that tells
 * nothing (a Raspberry Pi, on whatever) is taken to be on mains: its owner may say otherwise. */
enum power_source power_source_read(const char *folder);

/* "mains", "battery", "low". */
const char *power_source_name(enum power_source source);

#endif
