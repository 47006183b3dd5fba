/* tests/media/test_report.c - progress and wishes as bytes, and what is refused of them. */
#include <string.h>

#include "apps/media/report.h"
#include "tests/support/check.h"

static struct report r, back;

static void test_round_trip(void)
{
    uint8_t bytes[REPORT_LEN_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);

    memset(&r, 0, sizeof r);
    memset(r.id, 0xab, sizeof r.id);
    r.flags = REPORT_WANTS;
    r.part[0] = (struct report_part){ .round = 3, .have = 14 };
    for (uint32_t i = 0; i < CHUNKS_MAX; i += i % 7 == 0 ? 3 : 1)
        if (!report_ask(&r.part[0], i))
            break;
    CHECK(r.part[0].run_count == REPORT_RUNS_MAX);
    report_encode(&r, &w);
    REQUIRE(!w.failed);
    REQUIRE(report_decode(&back, writer_bytes(&w)) == ERR_NONE);
    CHECK(memcmp(&r, &back, sizeof r) == 0);
    for (size_t len = 0; len < writer_len(&w); len++)
        CHECK(report_decode(&back, bytes_of(bytes, len)) != ERR_NONE);
}

static void test_refused(void)
{
    static const struct { const char *what, *hex; enum err want; } rows[] = {
        { "nothing asked", "0001020304050607 00 000000 000000", ERR_NONE },
        { "one chunk of round 1", "0001020304050607 00 0100010500 000000", ERR_NONE },
        { "empty", "", ERR_MALFORMED },
        { "an unknown flag", "0001020304050607 10 000000 000000", ERR_MALFORMED },
        { "a byte too many", "0001020304050607 00 000000 00000000", ERR_MALFORMED },
        { "asked for in no round", "0001020304050607 00 0000010500 000000", ERR_MALFORMED },
        { "past the last round", "0001020304050607 00 fb0000 000000", ERR_TOO_LARGE },
        { "a million chunks there", "0001020304050607 00 00c0843d00 000000", ERR_TOO_LARGE },
        { "a million chunks asked for", "0001020304050607 00 01000100c0843d 000000", ERR_TOO_LARGE },
        { "far away", "0001020304050607 00 010001ffffffffffffffffff0100 000000", ERR_TOO_LARGE },
        { "more runs than may be", "0001020304050607 00 01008102", ERR_TOO_LARGE },
        { "a number in too many bytes", "0001020304050607 00 00800000 000000", ERR_MALFORMED },
    };
    struct buffer hex = buffer_of_limit(256);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        size_t n = 0;

        for (const char *c = rows[i].hex; *c != '\0'; c++)
            if (*c != ' ')
                text[n++] = *c;
        text[n] = '\0';
        CHECK_ERR(rows[i].what, report_decode(&back, check_hex(&hex, text)), rows[i].want);
    }
    buffer_clear(&hex);
}

int main(void)
{
    test_round_trip();
    test_refused();
    return check_report("report");
}
