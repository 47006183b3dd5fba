/* apps/profile/units.c - how people write times and sizes, and how programs do. */
#define _DEFAULT_SOURCE
#include "apps/profile/units.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const uint64_t DURATION_MAX_S = UINT64_C(10) * 366 * 86400;
static const uint64_t YEAR_9999_S = UINT64_C(253402300799);

/* Digits from the start of *text, moving it past them. */
static enum err digits(uint64_t *out, const char **text, uint64_t max)
{
    const char *at = *text;
    uint64_t v = 0;

    if (*at < '0' || *at > '9')
        return ERR_MALFORMED;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (v > (max - digit) / 10 || digit > max)
            return ERR_TOO_LARGE;
        v = v * 10 + digit;
    }
    *out = v;
    *text = at;
    return ERR_NONE;
}

enum err units_number(uint64_t *out, const char *text, uint64_t max)
{
    uint64_t v;
    enum err e = digits(&v, &text, max);

    if (e != ERR_NONE)
        return e;
    if (*text != '\0')
        return ERR_MALFORMED;
    *out = v;
    return ERR_NONE;
}

/* Multiplies by the unit named in the rest of the text. */
struct unit { const char *name; uint64_t factor; };

static enum err with_unit(uint64_t *out, const char *text, const struct unit *units, size_t count, uint64_t max)
{
    uint64_t v;
    enum err e = digits(&v, &text, UINT64_MAX);

    if (e != ERR_NONE)
        return e;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, units[i].name) != 0)
            continue;
        if (v > max / units[i].factor)
            return ERR_TOO_LARGE;
        *out = v * units[i].factor;
        return ERR_NONE;
    }
    return ERR_MALFORMED;
}

enum err units_duration(uint64_t *seconds, const char *text)
{
    static const struct unit units[] = {
        { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 },
    };
    return with_unit(seconds, text, units, sizeof units / sizeof units[0], DURATION_MAX_S);
}

enum err units_size(uint64_t *bytes, const char *text)
{
    static const uint64_t k = 1024, m = 1024 * 1024, g = 1024 * 1024 * 1024;
    const struct unit units[] = {
        { "", 1 }, { "B", 1 },
        { "k", k }, { "K", k }, { "kB", k }, { "KB", k }, { "KiB", k },
        { "M", m }, { "MB", m }, { "MiB", m },
        { "G", g }, { "GB", g }, { "GiB", g },
        { "T", g * 1024 }, { "TB", g * 1024 }, { "TiB", g * 1024 },
    };
    return with_unit(bytes, text, units, sizeof units / sizeof units[0], UINT64_C(1) << 50);
}

void units_rfc3339(char to[UNITS_RFC3339_LEN + 1], uint64_t unix_s)
{
    time_t t = (time_t)(unix_s < YEAR_9999_S ? unix_s : YEAR_9999_S);
    struct tm parts;

    gmtime_r(&t, &parts);
    strftime(to, UNITS_RFC3339_LEN + 1, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

enum err units_rfc3339_decode(uint64_t *unix_s, const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    char again[UNITS_RFC3339_LEN + 1];
    struct tm parts = { 0 };

    for (size_t i = 0; i < sizeof form; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';

        if (form[i] == 'd' ? !is_digit : text[i] != form[i])
            return ERR_MALFORMED;
    }
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
               &parts.tm_min, &parts.tm_sec) != 6)
        return ERR_MALFORMED;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    time_t t = timegm(&parts);
    if (t < 0)
        return ERR_MALFORMED;
    /* timegm accepts a 31st of February and makes March of it; writing it again tells. */
    units_rfc3339(again, (uint64_t)t);
    if (strcmp(again, text) != 0)
        return ERR_MALFORMED;
    *unix_s = (uint64_t)t;
    return ERR_NONE;
}

void units_size_text(char to[UNITS_SIZE_TEXT_MAX], uint64_t bytes)
{
    static const char *const names[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
    double v = (double)bytes / 1024;
    size_t i = 0;

    if (bytes < 1024) {
        snprintf(to, UNITS_SIZE_TEXT_MAX, "%u B", (unsigned)bytes);
        return;
    }
    for (; v >= 1024 && i + 1 < sizeof names / sizeof names[0]; i++)
        v /= 1024;
    snprintf(to, UNITS_SIZE_TEXT_MAX, v < 10 ? "%.1f %s" : "%.0f %s", v, names[i]);
}

void units_span_text(char to[UNITS_SPAN_TEXT_MAX], uint64_t seconds)
{
    static const struct unit units[] = { { "day", 86400 }, { "hour", 3600 }, { "minute", 60 }, { "second", 1 } };
    size_t i = 0;

    /* Two hours read better than "2 hours" only from two on: 90 minutes stay minutes. */
    while (i < 3 && seconds < 2 * units[i].factor)
        i++;
    uint64_t n = seconds / units[i].factor;
    snprintf(to, UNITS_SPAN_TEXT_MAX, "%llu %s%s", (unsigned long long)n, units[i].name, n == 1 ? "" : "s");
}
