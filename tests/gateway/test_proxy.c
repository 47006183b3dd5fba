/* tests/gateway/test_proxy.c - what a node says to a proxy, octet by octet, and what it makes of the answers. */
#include "mesh/links/proxy.h"

#include <stdio.h>
#include <string.h>

#include "crypto/text.h"
#include "tests/support/check.h"

static const struct { const char *text; enum err want; enum proxy_kind kind; const char *host; unsigned port; const char *user, *password; } urls[] = {
    { "off", ERR_NONE, PROXY_NONE, "", 0, "", "" },
    { "tor://localhost", ERR_NONE, PROXY_TOR, "localhost", 9050, "", "" },
    { "tor://127.0.0.1:9150/", ERR_NONE, PROXY_TOR, "127.0.0.1", 9150, "", "" },
    { "socks5://[::1]", ERR_NONE, PROXY_SOCKS5, "::1", 1080, "", "" },
    { "socks5://[::1]:9", ERR_NONE, PROXY_SOCKS5, "::1", 9, "", "" },
    { "SOCKS5://ana:s%40l%3at@proxy.example:1081", ERR_NONE, PROXY_SOCKS5, "proxy.example", 1081, "ana", "s@l:t" },
    { "socks5://a:@h", ERR_NONE, PROXY_SOCKS5, "h", 1080, "a", "" },
    { "http://p:8080", ERR_NONE, PROXY_HTTP, "p", 8080, "", "" },
    { "http://a:b:c@p", ERR_NONE, PROXY_HTTP, "p", 8080, "a", "b:c" },
    { "", ERR_MALFORMED, 0, "", 0, "", "" },
    { "localhost:9050", ERR_MALFORMED, 0, "", 0, "", "" },
    { "https://p:8080", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks4://p", ERR_MALFORMED, 0, "", 0, "", "" },
    { "tor://a:b@localhost", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://a@localhost", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://:b@localhost", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://a:%4@localhost", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://a:%00@localhost", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://h:0", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://h:65536", ERR_MALFORMED, 0, "", 0, "", "" },
    { "http://h:80/path", ERR_MALFORMED, 0, "", 0, "", "" },
    { "socks5://::1:1080", ERR_MALFORMED, 0, "", 0, "", "" },
};

static void parses(void)
{
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct proxy p;
        char why[256] = "";

        CHECK_ERR(urls[i].text, proxy_parse(&p, urls[i].text, why), urls[i].want);
        if (urls[i].want != ERR_NONE) {
            CHECK_CASE(urls[i].text, why[0] != '\0');
            continue;
        }
        CHECK_CASE(urls[i].text, p.kind == urls[i].kind && strcmp(p.at.host, urls[i].host) == 0 && p.at.port == urls[i].port);
        CHECK_CASE(urls[i].text, strcmp(p.user, urls[i].user) == 0 && strcmp(p.password, urls[i].password) == 0);
    }
}

/* A talk: what is said at first, then what is heard and said in turn, in hex; and how it ends. */
struct turn { const char *hear, *say; };
static const struct {
    const char *name, *url, *host;
    const char *first;
    struct turn turns[4];
    enum proxy_step end;
    const char *why;
} talks[] = {
    { "a name", "socks5://h", "gw.example", "050100",
      { { "0500", "05010003" "0a" "67772e6578616d706c65" "01bb" }, { "05000001" "00000000" "0000", "" } }, PROXY_OPEN, NULL },
    { "IPv4", "socks5://h", "192.0.2.1", "050100", { { "0500", "05010001c000020101bb" }, { "05000001000000000000", "" } }, PROXY_OPEN, NULL },
    { "IPv6", "socks5://h", "2001:db8::1", "050100",
      { { "0500", "0501000420010db800000000000000000000000101bb" },
        { "0500000400000000000000000000000000000000" "0000", "" } }, PROXY_OPEN, NULL },
    { "a name in the answer", "socks5://h", "192.0.2.1", "050100",
      { { "0500", "05010001c000020101bb" }, { "0500000302686901bb", "" } }, PROXY_OPEN, NULL },
    { "octet by octet", "socks5://h", "192.0.2.1", "050100",
      { { "05", "" }, { "0500", "05010001c000020101bb" }, { "050000010000000000", "" }, { "05000001000000000000", "" } }, PROXY_OPEN, NULL },
    { "log-in", "socks5://ana:pw@h", "192.0.2.1", "050102",
      { { "0502", "0103616e61027077" }, { "0100", "05010001c000020101bb" }, { "05000001000000000000", "" } }, PROXY_OPEN, NULL },
    { "wrong password", "socks5://ana:pw@h", "192.0.2.1", "050102", { { "0502", "0103616e61027077" }, { "0101", "" } }, PROXY_REFUSED,
      "the SOCKS proxy does not take this user and password" },
    { "log-in wanted", "socks5://h", "192.0.2.1", "050100", { { "05ff", "" } }, PROXY_REFUSED, "the SOCKS proxy wants a user and a password" },
    { "log-in not asked for", "socks5://ana:pw@h", "192.0.2.1", "050102", { { "0500", "" } }, PROXY_REFUSED, NULL },
    { "a method that was not offered", "socks5://h", "192.0.2.1", "050100", { { "0502", "" } }, PROXY_REFUSED, NULL },
    { "SOCKS4", "socks5://h", "192.0.2.1", "050100", { { "005a", "" } }, PROXY_REFUSED, "what answers is no SOCKS5 proxy" },
    { "a web server", "socks5://h", "192.0.2.1", "050100", { { "485454502f312e31", "" } }, PROXY_REFUSED, NULL },
    { "too eager", "socks5://h", "192.0.2.1", "050100", { { "0500050000", "" } }, PROXY_REFUSED, "the SOCKS proxy speaks out of turn" },
    { "gateway refuses", "socks5://h", "192.0.2.1", "050100", { { "0500", "05010001c000020101bb" }, { "0505", "" } }, PROXY_REFUSED,
      "the SOCKS proxy says that the gateway refuses" },
    { "unknown reply", "socks5://h", "192.0.2.1", "050100", { { "0500", "05010001c000020101bb" }, { "0577", "" } }, PROXY_REFUSED, NULL },
    { "unknown address type", "socks5://h", "192.0.2.1", "050100",
      { { "0500", "05010001c000020101bb" }, { "05000009000000000000", "" } }, PROXY_REFUSED, NULL },
    { "more than the answer", "socks5://h", "192.0.2.1", "050100",
      { { "0500", "05010001c000020101bb" }, { "0500000100000000000016", "" } }, PROXY_REFUSED, NULL },
};

static const struct { const char *name, *url, *host, *first, *hear; enum proxy_step end; const char *why; } http[] = {
    { "a name", "http://h", "gw.example", "CONNECT gw.example:443 HTTP/1.1\r\nHost: gw.example:443\r\n\r\n",
      "HTTP/1.1 200 Connection established\r\n\r\n", PROXY_OPEN, NULL },
    { "IPv6", "http://h", "2001:db8::1", "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n",
      "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", PROXY_OPEN, NULL },
    { "log-in", "http://ana:pw@h", "g", "CONNECT g:443 HTTP/1.1\r\nHost: g:443\r\nProxy-Authorization: Basic YW5hOnB3\r\n\r\n",
      "HTTP/1.1 204 \r\n\r\n", PROXY_OPEN, NULL },
    { "not yet", "http://h", "g", NULL, "HTTP/1.1 200 OK\r\n\r", PROXY_ASKED, NULL },
    { "log-in wanted", "http://h", "g", NULL, "HTTP/1.1 407 No\r\n\r\n", PROXY_REFUSED, "the HTTP proxy wants a user and a password" },
    { "wrong password", "http://a:b@h", "g", NULL, "HTTP/1.1 407 No\r\n\r\n", PROXY_REFUSED,
      "the HTTP proxy does not take this user and password" },
    { "forbidden", "http://h", "g", NULL, "HTTP/1.1 403 Filtered\r\n\r\n", PROXY_REFUSED, NULL },
    { "unreachable", "http://h", "g", NULL, "HTTP/1.1 502 Bad\r\n\r\n", PROXY_REFUSED, "the HTTP proxy says that the gateway cannot be reached" },
    { "a redirect", "http://h", "g", NULL, "HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", PROXY_REFUSED, "the HTTP proxy refuses" },
    { "no number", "http://h", "g", NULL, "HTTP/1.1 OK200\r\n\r\n", PROXY_REFUSED, NULL },
    { "not HTTP", "http://h", "g", NULL, "SSH-2.0-x\r\n\r\n", PROXY_REFUSED, "what answers is no HTTP proxy" },
    { "HTTP/2", "http://h", "g", NULL, "HTTP/2 200\r\n\r\n", PROXY_REFUSED, NULL },
    { "too eager", "http://h", "g", NULL, "HTTP/1.1 200 OK\r\n\r\n\x16", PROXY_REFUSED, "the HTTP proxy speaks out of turn" },
};

static void begin(struct proxy_talk *t, struct proxy *p, const char *url, const char *host, uint8_t say[PROXY_SAY_MAX], size_t *len)
{
    struct lan_place to = { .port = 443 };
    char why[256];

    snprintf(to.host, sizeof to.host, "%s", host);
    REQUIRE(proxy_parse(p, url, why) == ERR_NONE);
    proxy_talk_begin(t, p, &to, bytes_of_text("one gateway"), say, len);
}

static bool is_hex(struct bytes got, const char *hex)
{
    uint8_t want[128];
    size_t len;

    REQUIRE(text_hex_decode(want, sizeof want, &len, bytes_of_text(hex)) == ERR_NONE);
    return bytes_are_equal(got, bytes_of(want, len));
}

static void talks_socks(void)
{
    for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
        uint8_t say[PROXY_SAY_MAX], hear[128];
        struct proxy_talk t;
        struct proxy p;
        size_t len, used, heard;

        begin(&t, &p, talks[i].url, talks[i].host, say, &len);
        CHECK_CASE(talks[i].name, is_hex(bytes_of(say, len), talks[i].first));
        for (size_t k = 0; k < 4 && talks[i].turns[k].hear != NULL; k++) {
            REQUIRE(text_hex_decode(hear, sizeof hear, &heard, bytes_of_text(talks[i].turns[k].hear)) == ERR_NONE);
            proxy_talk_hear(&t, bytes_of(hear, heard), &used, say, &len);
            CHECK_CASE(talks[i].name, used <= heard && is_hex(bytes_of(say, len), talks[i].turns[k].say));
        }
        CHECK_CASE(talks[i].name, t.step == talks[i].end);
        CHECK_CASE(talks[i].name, talks[i].why == NULL || (t.why != NULL && strcmp(t.why, talks[i].why) == 0));
        CHECK_CASE(talks[i].name, (t.step == PROXY_REFUSED) == (t.why != NULL));
    }
}

static void talks_http(void)
{
    for (size_t i = 0; i < sizeof http / sizeof http[0]; i++) {
        uint8_t say[PROXY_SAY_MAX];
        struct proxy_talk t;
        struct proxy p;
        size_t len, used;

        begin(&t, &p, http[i].url, http[i].host, say, &len);
        CHECK_CASE(http[i].name, http[i].first == NULL || bytes_are_equal(bytes_of(say, len), bytes_of_text(http[i].first)));
        /* All beginnings of the answer are waited for, or refused. */
        for (size_t n = 1; n < strlen(http[i].hear) && t.step == PROXY_ASKED; n++)
            CHECK_CASE(http[i].name, proxy_talk_hear(&t, bytes_of(http[i].hear, n), &used, say, &len) != PROXY_OPEN ||
                                         http[i].end == PROXY_REFUSED);
        begin(&t, &p, http[i].url, http[i].host, say, &len);
        CHECK_CASE(http[i].name, proxy_talk_hear(&t, bytes_of_text(http[i].hear), &used, say, &len) == http[i].end);
        CHECK_CASE(http[i].name, http[i].why == NULL || (t.why != NULL && strcmp(t.why, http[i].why) == 0));
    }
}

/* An answer without an end is no answer. */
static void is_bounded(void)
{
    static uint8_t endless[PROXY_HEAR_MAX];
    uint8_t say[PROXY_SAY_MAX];
    struct proxy_talk t;
    struct proxy p;
    size_t len, used;

    memset(endless, 'x', sizeof endless);
    memcpy(endless, "HTTP/1.1 200 ", 13);
    begin(&t, &p, "http://h", "g", say, &len);
    CHECK(proxy_talk_hear(&t, bytes_of(endless, sizeof endless - 1), &used, say, &len) == PROXY_ASKED);
    CHECK(proxy_talk_hear(&t, bytes_of(endless, sizeof endless), &used, say, &len) == PROXY_REFUSED);
}

/* Tor keeps apart who gives different user names: one for each gateway, always the same. */
static void tor_keeps_gateways_apart(void)
{
    uint8_t say[3][PROXY_SAY_MAX];
    const char *circuits[] = { "gateway 1", "gateway 2", "gateway 1" };
    size_t len[3], used;

    for (size_t i = 0; i < 3; i++) {
        struct lan_place to = { .host = "gw.example", .port = 443 };
        struct proxy_talk t;
        struct proxy p;
        char why[256];

        REQUIRE(proxy_parse(&p, "tor://localhost", why) == ERR_NONE);
        proxy_talk_begin(&t, &p, &to, bytes_of_text(circuits[i]), say[i], &len[i]);
        CHECK(is_hex(bytes_of(say[i], len[i]), "050102"));
        CHECK(proxy_talk_hear(&t, bytes_of("\x05\x02", 2), &used, say[i], &len[i]) == PROXY_LOGGED_IN);
        CHECK(len[i] == 1 + 1 + 32 + 1 + 1);
    }
    CHECK(!bytes_are_equal(bytes_of(say[0], len[0]), bytes_of(say[1], len[1])));
    CHECK(bytes_are_equal(bytes_of(say[0], len[0]), bytes_of(say[2], len[2])));
}

int main(void)
{
    parses();
    talks_socks();
    talks_http();
    is_bounded();
    tor_keeps_gateways_apart();
    return check_report("proxy");
}
