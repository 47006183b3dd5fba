/* tests/daemon/test_units.c - times and sizes as people write them. */
#include <string.h>

#include "apps/profile/units.h"
#include "tests/support/check.h"

static const struct { const char *text; enum err want; uint64_t seconds; } durations[] = {
    { "0", ERR_NONE, 0 }, { "90", ERR_NONE, 90 }, { "90s", ERR_NONE, 90 }, { "15m", ERR_NONE, 900 },
    { "12h", ERR_NONE, 43200 }, { "3d", ERR_NONE, 259200 }, { "2w", ERR_NONE, 1209600 },
    { "", ERR_MALFORMED, 0 }, { "d", ERR_MALFORMED, 0 }, { "-1", ERR_MALFORMED, 0 }, { "+1", ERR_MALFORMED, 0 },
    { " 1", ERR_MALFORMED, 0 }, { "1 d", ERR_MALFORMED, 0 }, { "1.5h", ERR_MALFORMED, 0 }, { "1D", ERR_MALFORMED, 0 },
    { "1dd", ERR_MALFORMED, 0 }, { "0x10", ERR_MALFORMED, 0 }, { "3661d", ERR_TOO_LARGE, 0 },
    { "18446744073709551615", ERR_TOO_LARGE, 0 }, { "18446744073709551616", ERR_TOO_LARGE, 0 },
    { "99999999999999999999999999", ERR_TOO_LARGE, 0 }, { "30500568904943w", ERR_TOO_LARGE, 0 },
};

static const struct { const char *text; enum err want; uint64_t bytes; } sizes[] = {
    { "1048576", ERR_NONE, 1048576 }, { "64k", ERR_NONE, 65536 }, { "512M", ERR_NONE, UINT64_C(512) << 20 },
    { "512MB", ERR_NONE, UINT64_C(512) << 20 }, { "512MiB", ERR_NONE, UINT64_C(512) << 20 }, { "2G", ERR_NONE, UINT64_C(2) << 30 },
    { "1T", ERR_NONE, UINT64_C(1) << 40 }, { "M", ERR_MALFORMED, 0 }, { "512 M", ERR_MALFORMED, 0 }, { "512m", ERR_MALFORMED, 0 },
    { "1P", ERR_MALFORMED, 0 }, { "17592186044416T", ERR_TOO_LARGE, 0 },
};

static const struct { const char *text; enum err want; uint64_t unix_s; } times[] = {
    { "2026-11-22T07:41:00Z", ERR_NONE, 1795333260 }, { "1970-01-01T00:00:00Z", ERR_NONE, 0 },
    { "2024-02-29T00:00:00Z", ERR_NONE, 1709164800 }, { "2023-02-29T00:00:00Z", ERR_MALFORMED, 0 },
    { "2026-13-01T00:00:00Z", ERR_MALFORMED, 0 }, { "2026-11-22 07:41:00Z", ERR_MALFORMED, 0 },
    { "2026-11-22T07:41:00", ERR_MALFORMED, 0 }, { "2026-11-22T07:41:00ZZ", ERR_MALFORMED, 0 },
    { "2026-11-22T24:00:00Z", ERR_MALFORMED, 0 }, { "1969-12-31T23:59:59Z", ERR_MALFORMED, 0 }, { "", ERR_MALFORMED, 0 },
};

static const struct { uint64_t bytes; const char *want; } size_texts[] = {
    { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 kB" }, { 1536, "1.5 kB" }, { UINT64_C(512) << 20, "512 MB" },
    { UINT64_MAX, "16 EB" },
};

static const struct { uint64_t seconds; const char *want; } spans[] = {
    { 0, "0 seconds" }, { 1, "1 second" }, { 119, "119 seconds" }, { 120, "2 minutes" }, { 7200, "2 hours" }, { 172800, "2 days" },
};

int main(void)
{
    char text[64];
    uint64_t v;

    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        v = 77;
        CHECK_ERR(durations[i].text, units_duration(&v, durations[i].text), durations[i].want);
        CHECK_CASE(durations[i].text, v == (durations[i].want == ERR_NONE ? durations[i].seconds : 77));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        v = 77;
        CHECK_ERR(sizes[i].text, units_size(&v, sizes[i].text), sizes[i].want);
        CHECK_CASE(sizes[i].text, v == (sizes[i].want == ERR_NONE ? sizes[i].bytes : 77));
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        v = 77;
        CHECK_ERR(times[i].text, units_rfc3339_decode(&v, times[i].text), times[i].want);
        CHECK_CASE(times[i].text, v == (times[i].want == ERR_NONE ? times[i].unix_s : 77));
        if (times[i].want != ERR_NONE)
            continue;
        units_rfc3339(text, v);
        CHECK_CASE(times[i].text, strcmp(text, times[i].text) == 0);
    }
    units_rfc3339(text, UINT64_MAX);
    CHECK(strcmp(text, "9999-12-31T23:59:59Z") == 0);
    for (size_t i = 0; i < sizeof size_texts / sizeof size_texts[0]; i++) {
        units_size_text(text, size_texts[i].bytes);
        CHECK_CASE(text, strcmp(text, size_texts[i].want) == 0);
    }
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        units_span_text(text, spans[i].seconds);
        CHECK_CASE(text, strcmp(text, spans[i].want) == 0);
    }
    return check_report("units");
}
