/* tests/simulator/test_trace.c - what a trace says, and what is said about one that is wrong. */
#include "apps/simulator/trace.h"

#include <string.h>

#include "tests/support/check.h"

static const struct { const char *name, *text; uint32_t nodes; size_t line; const char *says; } bad[] = {
    { "empty", "", 0, 0, "no events" },
    { "comments only", "# nothing\n\n", 0, 0, "no events" },
    { "no time", "x CONN 0 1 up\n", 0, 1, "not a time" },
    { "negative time", "-1 CONN 0 1 up\n", 0, 1, "not a time" },
    { "three decimals", "0.001 CONN 0 1 up\n", 0, 1, "not a time" },
    { "a point and nothing", "1. CONN 0 1 up\n", 0, 1, "not a time" },
    { "time beyond all", "99999999999999999999 CONN 0 1 up\n", 0, 1, "not a time" },
    { "back in time", "2 CONN 0 1 up\n1.99 CONN 0 1 down\n", 0, 2, "time goes back" },
    { "unknown event", "1 FROB 0 1 up\n", 0, 1, "CONN or MSG" },
    { "no event", "1\n", 0, 1, "CONN or MSG" },
    { "unknown node", "1 CONN 0 5 up\n", 5, 1, "node 5 is unknown" },
    { "not a node", "1 CONN 0 one up\n", 0, 1, "not a node number" },
    { "node too high", "1 CONN 0 1048576 up\n", 0, 1, "not a node number" },
    { "node missing", "1 CONN 0\n", 0, 1, "not a node number" },
    { "to itself", "1 CONN 3 3 up\n", 0, 1, "linked to itself" },
    { "neither up nor down", "1 CONN 0 1 sideways\n", 0, 1, "'up' or 'down'" },
    { "down, never up", "1 CONN 0 1 up\n2 CONN 0 2 down\n", 0, 2, "was not up" },
    { "up twice, other way round", "1 CONN 0 1 up\n2 CONN 1 0 up\n", 0, 2, "up already" },
    { "a word too many", "1 CONN 0 1 up now\n", 0, 1, "more words" },
    { "message to itself", "1 MSG a 2 2 10\n", 0, 1, "to itself" },
    { "message of nothing", "1 MSG a 1 2 0\n", 0, 1, "size" },
    { "message without size", "1 MSG a 1 2\n", 0, 1, "size" },
    { "message too large", "1 MSG a 1 2 1073741825\n", 0, 1, "size" },
    { "message without id", "1 MSG\n", 0, 1, "message id" },
    { "id too long", "1 MSG aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 2 3\n", 0, 1, "message id" },
    { "id with a quote", "1 MSG a\"b 1 2 3\n", 0, 1, "not plain" },
    { "id twice", "1 MSG a 1 2 3\n# between\n2 MSG a 2 1 3\n", 0, 3, "created twice" },
};

static void test_malformed(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct trace t;
        struct trace_fault f = { 99, "" };

        CHECK_ERR(bad[i].name, trace_parse(&t, bytes_of_text(bad[i].text), bad[i].nodes, &f), ERR_MALFORMED);
        CHECK_CASE(bad[i].name, f.line == bad[i].line);
        CHECK_CASE(bad[i].name, strstr(f.text, bad[i].says) != NULL);
        CHECK_CASE(bad[i].name, t.event_count == 0 && t.events == NULL);
    }
}

static void test_good(void)
{
    struct trace t;
    struct trace_fault f;

    REQUIRE(trace_parse(&t, bytes_of_text("# hello\n0.1 CONN 4 2 up\r\n\n7 MSG M1 2 4 500\n7.25 CONN 2 4 down"), 0, &f) == ERR_NONE);
    CHECK(t.node_count == 5 && t.event_count == 3 && t.message_count == 1);
    CHECK(t.events[0].time_cs == 10 && t.events[0].kind == TRACE_UP && t.events[0].a == 2 && t.events[0].b == 4);
    CHECK(t.events[1].kind == TRACE_MESSAGE && strcmp(t.messages[0].name, "M1") == 0 && t.messages[0].size == 500);
    CHECK(t.events[2].time_cs == 725 && t.events[2].kind == TRACE_DOWN);
    trace_clear(&t);
}

static void test_contacts(void)
{
    struct trace t;
    struct trace_fault f;

    /* Two windows that touch are one contact; ids are renumbered; the clock starts with the first window. */
    REQUIRE(trace_parse_contacts(&t, bytes_of_text("100 9 1170\n120 9 1170\n120 20 9 A B\n180 1170 9\n"), &f) == ERR_NONE);
    CHECK(t.node_count == 3 && t.event_count == 6);
    CHECK(t.events[0].time_cs == 0 && t.events[0].kind == TRACE_UP && t.events[0].a == 0 && t.events[0].b == 2);
    CHECK(t.events[1].time_cs == 2000 && t.events[1].a == 0 && t.events[1].b == 1);
    CHECK(t.events[2].time_cs == 4000 && t.events[2].kind == TRACE_DOWN);
    CHECK(t.events[4].time_cs == 8000 && t.events[4].kind == TRACE_UP);
    CHECK(t.events[5].time_cs == 10000 && t.events[5].kind == TRACE_DOWN);
    trace_clear(&t);
    CHECK(trace_parse_contacts(&t, bytes_of_text("100 9 9\n"), &f) == ERR_MALFORMED && f.line == 1);
    CHECK(trace_parse_contacts(&t, bytes_of_text("100 9 8\n60 9 8\n"), &f) == ERR_MALFORMED && f.line == 2);
    CHECK(trace_parse_contacts(&t, bytes_of_text("100 9\n"), &f) == ERR_MALFORMED && f.line == 1);
    CHECK(trace_parse_contacts(&t, bytes_of_text(""), &f) == ERR_MALFORMED && f.line == 0);
}

static void test_zstd(void)
{
    struct buffer file = buffer_of_limit(1 << 20), text = buffer_of_limit(1 << 24);
    struct bytes whole = check_file(&file, TEST_DATA "/traces/conference-s1.txt.zst");
    struct trace t;
    struct trace_fault f;

    REQUIRE(trace_inflate(&text, whole, &f) == ERR_NONE);
    REQUIRE(trace_parse(&t, buffer_bytes(&text), 403, &f) == ERR_NONE);
    CHECK(t.node_count == 403 && t.message_count == 4000);
    trace_clear(&t);
    buffer_clear(&text);
    for (size_t cut = 1; cut < whole.len; cut += whole.len / 7) {
        text = buffer_of_limit(1 << 24);
        CHECK(trace_inflate(&text, bytes_of(whole.at, cut + 3), &f) != ERR_NONE || cut + 3 < 4);
        buffer_clear(&text);
    }
    file.at[whole.len / 2] ^= 0x55;
    text = buffer_of_limit(1 << 24);
    CHECK(trace_inflate(&text, whole, &f) != ERR_NONE || trace_parse(&t, buffer_bytes(&text), 403, &f) != ERR_NONE);
    buffer_clear(&text);
    text = buffer_of_limit(1 << 18);
    file.at[whole.len / 2] ^= 0x55;
    CHECK(trace_inflate(&text, whole, &f) != ERR_NONE && strstr(f.text, "larger") != NULL);
    buffer_clear(&text);
    buffer_clear(&file);
    CHECK(trace_load(&t, TEST_DATA "/traces/not-there", 0, &f) == ERR_IO);
}

int main(void)
{
    test_malformed();
    test_good();
    test_contacts();
    test_zstd();
    return check_report("trace");
}
