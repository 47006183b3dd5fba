/* apps/service/findings.c - see findings.h */
#define _GNU_SOURCE
#include "apps/service/findings.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "apps/service/clock.h"

enum { TEXT_MAX = 600 };

void findings_add(struct findings *f, const char *check, const char *verdict, const char *remedy, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    f->is_bad = f->is_bad || strcmp(verdict, "bad") == 0;
    json_array_append_new(f->list, json_pack("{s:s, s:s, s:s, s:s}", "check", check, "verdict", verdict, "text", text,
                                             "remedy", remedy));
}

void findings_add_clock(struct findings *f)
{
    char text[64] = "?";
    struct tm local;
    uint64_t wall = clock_wall_or_none();

    if (wall == 0) {
        findings_add(f, "clock", "bad", "set it: sudo date -s '2026-01-31 12:00'", "the clock stands before 2025");
        return;
    }
    /* As the clock on the wall shows it: that is what it will be compared with. */
    time_t t = (time_t)wall;
    if (localtime_r(&t, &local) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M %Z", &local);
    if (clock_is_synchronised())
        findings_add(f, "clock", "good", "", "%s, kept right by the network", text);
    else
        findings_add(f, "clock", "note", "if this time is wrong, set it: sudo date -s '2026-01-31 12:00'",
                     "%s; nothing checks it, so look at it yourself", text);
}

static const char *text_of(const json_t *check, const char *name)
{
    const char *text = json_string_value(json_object_get(check, name));

    return text != NULL ? text : "";
}

void findings_print(const struct findings *f, FILE *to, bool is_json)
{
    const json_t *check;
    size_t i;

    json_array_foreach(f->list, i, check) {
        const char *verdict = text_of(check, "verdict"), *remedy = text_of(check, "remedy");

        if (is_json) {
            json_dumpf(check, to, JSON_COMPACT | JSON_ENSURE_ASCII);
            fputc('\n', to);
            continue;
        }
        fprintf(to, "%-4s  %-12s %s\n", strcmp(verdict, "good") == 0 ? "ok" : strcmp(verdict, "bad") == 0 ? "BAD" : "note",
                text_of(check, "check"), text_of(check, "text"));
        if (remedy[0] != '\0')
            fprintf(to, "                   -> %s\n", remedy);
    }
}
