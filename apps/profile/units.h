/* apps/profile/units.h - how people write times and sizes, and how programs do. */
#ifndef STA_PROFILE_UNITS_H
#define STA_PROFILE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/err.h"

enum { UNITS_RFC3339_LEN = 20, UNITS_SIZE_TEXT_MAX = 24, UNITS_SPAN_TEXT_MAX = 32 };

/* A whole decimal number up to `max`: digits only, nothing around them. ERR_MALFORMED, ERR_TOO_LARGE. */
enum err units_number(uint64_t *out, const char *text, uint64_t max);

/* "90" or "90s", "15m", "12h", "3d", "2w", in seconds up to ten years. ERR_MALFORMED, ERR_TOO_LARGE. */
enum err units_duration(uint64_t *seconds, const char *text);

/* "1048576", "64k", "512M", "2G" (powers of 1024; "MB" and "MiB" mean the same). ERR_MALFORMED, ERR_TOO_LARGE. */
enum err units_size(uint64_t *bytes, const char *text);

/* "2026-11-22T07:41:00Z". Years past 9999 are written as 9999-12-31T23:59:59Z. */
void units_rfc3339(char to[UNITS_RFC3339_LEN + 1], uint64_t unix_s);

/* The reverse, for exactly this form. ERR_MALFORMED. */
enum err units_rfc3339_decode(uint64_t *unix_s, const char *text);

/* "312 B", "1.4 MB" for people. */
void units_size_text(char to[UNITS_SIZE_TEXT_MAX], uint64_t bytes);

/* "45 seconds", "3 minutes", "2 hours", "5 days": one unit, for people. */
void units_span_text(char to[UNITS_SPAN_TEXT_MAX], uint64_t seconds);

#endif
