/* tests/daemon/test_words.c - what a person reads: custody, times, and texts that a terminal must not obey. */
#define _XOPEN_SOURCE 700
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apps/cli/cli.h"
#include "tests/support/check.h"

/* 2026-11-22 is a Sunday. */
static const uint64_t NOW = 1795352400;   /* 13:00 UTC */

static const struct { const char *json, *want; } custody[] = {
    { "{\"direction\":\"out\",\"state\":\"queued\",\"copies\":0,\"expires\":null,\"reason\":\"\"}",
      "queued here, nobody has come by yet" },
    { "{\"direction\":\"out\",\"state\":\"queued\",\"copies\":0,\"expires\":\"2026-11-26T10:00:00Z\",\"reason\":\"\"}",
      "queued here, nobody has come by yet · expires Thursday 10:00" },
    { "{\"direction\":\"out\",\"state\":\"queued\",\"copies\":0,\"expires\":null,\"reason\":\"the disk is full\"}",
      "queued here, the disk is full" },
    { "{\"direction\":\"out\",\"state\":\"carried\",\"copies\":3,\"expires\":\"2026-11-26T10:00:00Z\",\"reason\":\"\"}",
      "carried by 3 · expires Thursday 10:00" },
    { "{\"direction\":\"out\",\"state\":\"gateway\",\"gateway\":\"2026-11-22T11:30:00Z\",\"expires\":\"2026-12-24T10:00:00Z\"}",
      "taken by a gateway 11:30, not delivered yet · expires 2026-12-24 10:00" },
    { "{\"direction\":\"out\",\"state\":\"delivered\",\"delivered\":\"2026-11-22T11:30:00Z\"}", "delivered 11:30" },
    { "{\"direction\":\"out\",\"state\":\"read\",\"delivered\":\"2026-11-22T11:30:00Z\",\"read\":\"2026-11-22T12:05:00Z\"}",
      "delivered 11:30, read 12:05" },
    { "{\"direction\":\"out\",\"state\":\"expired\",\"expires\":\"2026-11-21T11:30:00Z\",\"reason\":\"nobody came by\"}",
      "expired Saturday 11:30: nobody came by" },
    { "{\"direction\":\"out\",\"state\":\"expired\",\"expires\":\"2026-11-21T11:30:00Z\",\"reason\":\"\"}",
      "expired Saturday 11:30: no acknowledgement came back; it may or may not have arrived" },
    { "{\"direction\":\"in\",\"state\":\"delivered\",\"arrived\":\"2026-11-22T11:30:00Z\",\"read\":null}",
      "received 11:30, not read yet" },
    { "{\"direction\":\"in\",\"state\":\"read\",\"arrived\":\"2026-11-22T11:30:00Z\",\"read\":\"2026-11-22T11:31:00Z\"}", "received 11:30" },
    { "{}", "" },
};

static const struct { const char *name, *text, *want; } texts[] = {
    { "plain", "hello", "hello" }, { "tab", "a\tb", "a\tb" }, { "umlaut and emoji", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a" },
    { "new line", "a\nb", "a\n    b" }, { "escape", "a\033[2Jb", "a\xef\xbf\xbd[2Jb" }, { "bell", "\a", "\xef\xbf\xbd" },
    { "carriage return", "real\rfake", "real\xef\xbf\xbd" "fake" }, { "delete", "\x7f", "\xef\xbf\xbd" },
    { "C1 introducer", "\xc2\x9b" "2J", "\xef\xbf\xbd" "2J" }, { "right-to-left override", "\xe2\x80\xae" "evil", "\xef\xbf\xbd" "evil" },
    { "isolate", "\xe2\x81\xa6", "\xef\xbf\xbd" }, { "line separator", "\xe2\x80\xa8", "\xef\xbf\xbd" },
    { "joiner stays", "\xe2\x80\x8d", "\xe2\x80\x8d" },
};

int main(void)
{
    char line[WORDS_CUSTODY_MAX];

    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t i = 0; i < sizeof custody / sizeof custody[0]; i++) {
        json_t *m = json_loads(custody[i].json, 0, NULL);

        REQUIRE(m != NULL);
        words_custody(line, m, NOW);
        if (!CHECK_CASE(custody[i].want, strcmp(line, custody[i].want) == 0))
            fprintf(stderr, "    got: %s\n", line);
        json_decref(m);
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *got = NULL;
        size_t len;
        FILE *f = open_memstream(&got, &len);

        REQUIRE(f != NULL);
        words_print_text(f, texts[i].text, 4);
        fclose(f);
        CHECK_BYTES(texts[i].name, bytes_of(got, len), bytes_of_text(texts[i].want));
        free(got);
    }
    return check_report("words");
}
