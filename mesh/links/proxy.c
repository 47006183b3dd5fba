/* mesh/links/proxy.c - see proxy.h */
#define _DEFAULT_SOURCE
#include "mesh/links/proxy.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/hash.h"
#include "crypto/text.h"
#include "mesh/base/writer.h"

enum {
    SOCKS_VERSION = 5, SOCKS_NO_LOGIN = 0, SOCKS_LOGIN = 2, SOCKS_NONE_OF_THESE = 0xff,
    SOCKS_LOGIN_VERSION = 1, SOCKS_CONNECT = 1, SOCKS_IPV4 = 1, SOCKS_NAME = 3, SOCKS_IPV6 = 4,
};

/* ---- Its address ---- */

static enum err wrong(char why[256], const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum err wrong(char why[256], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, 256, format, args);
    va_end(args);
    return ERR_MALFORMED;
}

/* A user name or password, up to `end`. False: too long, or a bad %XX. */
static bool read_word(char to[PROXY_WORD_MAX + 1], const char *from, const char *end)
{
    size_t len = 0;

    while (from < end) {
        uint8_t octet = (uint8_t)*from++;
        size_t n;

        if (octet == '%') {
            if (end - from < 2 || text_hex_decode(&octet, 1, &n, bytes_of(from, 2)) != ERR_NONE || octet == 0)
                return false;
            from += 2;
        }
        if (len == PROXY_WORD_MAX)
            return false;
        to[len++] = (char)octet;
    }
    to[len] = '\0';
    return true;
}

enum err proxy_parse(struct proxy *out, const char *text, char why[256])
{
    static const struct { const char *scheme; enum proxy_kind kind; unsigned port; } kinds[] = {
        { "socks5://", PROXY_SOCKS5, 1080 }, { "tor://", PROXY_TOR, 9050 }, { "http://", PROXY_HTTP, 8080 },
    };
    char place[PROXY_TEXT_MAX + 8];

    memset(out, 0, sizeof *out);
    if (strcmp(text, "off") == 0)
        return ERR_NONE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strncasecmp(text, kinds[i].scheme, strlen(kinds[i].scheme)) != 0)
            continue;
        const char *at = text + strlen(kinds[i].scheme), *login = strrchr(at, '@');

        if (strlen(at) > PROXY_TEXT_MAX)
            return wrong(why, "is longer than %d characters", PROXY_TEXT_MAX);
        if (login != NULL) {
            const char *colon = memchr(at, ':', (size_t)(login - at));

            if (kinds[i].kind == PROXY_TOR)
                return wrong(why, "wants no user for Tor; each gateway is given one");
            if (colon == NULL || colon == at || !read_word(out->user, at, colon) || !read_word(out->password, colon + 1, login))
                return wrong(why, "wants USER:PASSWORD before the @, each of at most %d octets, %%XX for those that mean something",
                             PROXY_WORD_MAX);
            at = login + 1;
        }
        size_t len = strcspn(at, "/");
        if (at[len] != '\0' && at[len + 1] != '\0')
            return wrong(why, "wants nothing after HOST:PORT");
        bool is_bracketed = at[0] == '[';
        const char *colon = is_bracketed ? strstr(at, "]:") : memchr(at, ':', len);
        snprintf(place, sizeof place, "%.*s", (int)len, at);
        if (colon == NULL)
            snprintf(place + len, sizeof place - len, ":%u", kinds[i].port);
        if (lan_place_parse(&out->at, place, false, why) != ERR_NONE)
            return ERR_MALFORMED;
        out->kind = kinds[i].kind;
        return ERR_NONE;
    }
    return wrong(why, "wants socks5://HOST:PORT, tor://HOST:PORT, http://HOST:PORT or off");
}

/* ---- The talk ---- */

static bool has_login(const struct proxy_talk *t) { return t->user[0] != '\0'; }

static enum proxy_step refused(struct proxy_talk *t, const char *why)
{
    t->why = why;
    return t->step = PROXY_REFUSED;
}

/* RFC 1928 section 4. */
static size_t socks_request(const struct proxy_talk *t, uint8_t say[PROXY_SAY_MAX])
{
    struct writer w = writer_of(say, PROXY_SAY_MAX);
    struct lan_address numeric;

    writer_u8(&w, SOCKS_VERSION);
    writer_u8(&w, SOCKS_CONNECT);
    writer_u8(&w, 0);
    if (!lan_place_is_numeric(&t->to, &numeric)) {
        size_t len = strlen(t->to.host);

        writer_u8(&w, SOCKS_NAME);
        writer_u8(&w, (uint8_t)len);
        writer_copy(&w, bytes_of(t->to.host, len));
    } else if (lan_address_is_ipv4(&numeric)) {
        writer_u8(&w, SOCKS_IPV4);
        writer_copy(&w, bytes_of(numeric.ip + 12, 4));
    } else {
        writer_u8(&w, SOCKS_IPV6);
        writer_copy(&w, bytes_of(numeric.ip, sizeof numeric.ip));
    }
    writer_u8(&w, (uint8_t)(t->to.port >> 8));
    writer_u8(&w, (uint8_t)t->to.port);
    return writer_len(&w);
}

/* RFC 1929. */
static size_t socks_login(const struct proxy_talk *t, uint8_t say[PROXY_SAY_MAX])
{
    struct writer w = writer_of(say, PROXY_SAY_MAX);

    writer_u8(&w, SOCKS_LOGIN_VERSION);
    writer_u8(&w, (uint8_t)strlen(t->user));
    writer_copy(&w, bytes_of_text(t->user));
    writer_u8(&w, (uint8_t)strlen(t->password));
    writer_copy(&w, bytes_of_text(t->password));
    return writer_len(&w);
}

static size_t http_request(const struct proxy_talk *t, uint8_t say[PROXY_SAY_MAX])
{
    char where[LAN_HOST_LEN + 16], login[2 * PROXY_WORD_MAX + 2], text[4 * (2 * PROXY_WORD_MAX + 3) / 3 + 4];
    bool is_ipv6 = strchr(t->to.host, ':') != NULL;
    int n;

    snprintf(where, sizeof where, "%s%s%s:%u", is_ipv6 ? "[" : "", t->to.host, is_ipv6 ? "]" : "", (unsigned)t->to.port);
    if (has_login(t)) {
        snprintf(login, sizeof login, "%s:%s", t->user, t->password);
        text_base64_padded(text, bytes_of_text(login));
        n = snprintf((char *)say, PROXY_SAY_MAX, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Basic %s\r\n\r\n", where,
                     where, text);
        secret_wipe(login, sizeof login);
        secret_wipe(text, sizeof text);
    } else {
        n = snprintf((char *)say, PROXY_SAY_MAX, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", where, where);
    }
    assert(n > 0 && n < PROXY_SAY_MAX);
    return (size_t)n;
}

void proxy_talk_begin(struct proxy_talk *t, const struct proxy *proxy, const struct lan_place *to, struct bytes circuit,
                      uint8_t say[PROXY_SAY_MAX], size_t *len)
{
    uint8_t digest[16];

    *t = (struct proxy_talk){ .proxy = proxy, .to = *to };
    snprintf(t->user, sizeof t->user, "%s", proxy->user);
    snprintf(t->password, sizeof t->password, "%s", proxy->password);
    if (proxy->kind == PROXY_HTTP) {
        t->step = PROXY_ASKED;
        *len = http_request(t, say);
        return;
    }
    if (proxy->kind == PROXY_TOR) {
        /* The same each time, for Tor to keep the circuit; any password will do. */
        hash_derive_one(digest, sizeof digest, bytes_of(NULL, 0), "proxy.circuit", circuit);
        text_hex(t->user, bytes_of(digest, sizeof digest));
        snprintf(t->password, sizeof t->password, "0");
    }
    t->step = PROXY_GREETED;
    say[0] = SOCKS_VERSION;
    say[1] = 1;
    say[2] = has_login(t) ? SOCKS_LOGIN : SOCKS_NO_LOGIN;
    *len = 3;
}

static const char *socks_reason(uint8_t reply)
{
    static const char *const reasons[] = {
        [1] = "the SOCKS proxy failed", [2] = "the SOCKS proxy's rules forbid this address",
        [3] = "the SOCKS proxy says that the network cannot be reached", [4] = "the SOCKS proxy says that the gateway cannot be reached",
        [5] = "the SOCKS proxy says that the gateway refuses", [6] = "the SOCKS proxy waited in vain",
        [7] = "the SOCKS proxy does not make connections", [8] = "the SOCKS proxy does not know this kind of address",
    };

    return reply < sizeof reasons / sizeof reasons[0] && reasons[reply] != NULL ? reasons[reply]
                                                                                : "the SOCKS proxy gave an answer that is none";
}

/* Length of the answer to a request; 0: not all there yet; SIZE_MAX: none that there is. */
static size_t socks_answer_len(struct bytes in)
{
    if (in.len < 5)
        return 0;
    size_t len = in.at[3] == SOCKS_IPV4   ? 4 + 4 + 2
                 : in.at[3] == SOCKS_IPV6 ? 4 + 16 + 2
                 : in.at[3] == SOCKS_NAME ? 4 + 1 + (size_t)in.at[4] + 2
                                          : SIZE_MAX;
    return len != SIZE_MAX && in.len < len ? 0 : len;
}

static enum proxy_step hear_socks(struct proxy_talk *t, struct bytes in, size_t *used, uint8_t say[PROXY_SAY_MAX], size_t *len)
{
    if (in.len >= 1 && in.at[0] != (t->step == PROXY_LOGGED_IN ? SOCKS_LOGIN_VERSION : SOCKS_VERSION))
        return refused(t, "what answers is no SOCKS5 proxy");
    if (t->step == PROXY_GREETED || t->step == PROXY_LOGGED_IN) {
        if (in.len < 2)
            return t->step;
        *used = 2;
        if (in.len > 2)
            return refused(t, "the SOCKS proxy speaks out of turn");
        if (t->step == PROXY_GREETED && in.at[1] == SOCKS_LOGIN && has_login(t)) {
            *len = socks_login(t, say);
            return t->step = PROXY_LOGGED_IN;
        }
        if (t->step == PROXY_GREETED && (in.at[1] != SOCKS_NO_LOGIN || has_login(t)))
            return refused(t, in.at[1] == SOCKS_NONE_OF_THESE && !has_login(t) ? "the SOCKS proxy wants a user and a password"
                                                                               : "the SOCKS proxy does not take our way to log in");
        if (t->step == PROXY_LOGGED_IN && in.at[1] != 0)
            return refused(t, "the SOCKS proxy does not take this user and password");
        *len = socks_request(t, say);
        return t->step = PROXY_ASKED;
    }
    if (in.len >= 2 && in.at[1] != 0)
        return refused(t, socks_reason(in.at[1]));
    size_t answer = socks_answer_len(in);
    if (answer == 0)
        return t->step;
    if (answer == SIZE_MAX)
        return refused(t, socks_reason(UINT8_MAX));
    *used = answer;
    return in.len > answer ? refused(t, "the SOCKS proxy speaks out of turn") : (t->step = PROXY_OPEN);
}

static size_t head_len(struct bytes in)
{
    for (size_t i = 4; i <= in.len && i <= PROXY_HEAR_MAX; i++)
        if (memcmp(in.at + i - 4, "\r\n\r\n", 4) == 0)
            return i;
    return 0;
}

static enum proxy_step hear_http(struct proxy_talk *t, struct bytes in, size_t *used)
{
    static const char version[] = "HTTP/1.";
    size_t head = head_len(in);

    if (memcmp(in.at, version, in.len < sizeof version - 1 ? in.len : sizeof version - 1) != 0)
        return refused(t, "what answers is no HTTP proxy");
    if (head == 0)
        return in.len >= PROXY_HEAR_MAX ? refused(t, "what answers is no HTTP proxy") : t->step;
    *used = head;
    /* "HTTP/1.1 200 ..." */
    if (head < 16 || in.at[8] != ' ' || in.at[9] < '1' || in.at[9] > '5')
        return refused(t, "what answers is no HTTP proxy");
    if (memcmp(in.at + 9, "407", 3) == 0)
        return refused(t, has_login(t) ? "the HTTP proxy does not take this user and password"
                                       : "the HTTP proxy wants a user and a password");
    if (memcmp(in.at + 9, "403", 3) == 0)
        return refused(t, "the HTTP proxy's rules forbid this address or port");
    if (in.at[9] == '5')
        return refused(t, "the HTTP proxy says that the gateway cannot be reached");
    if (in.at[9] != '2')
        return refused(t, "the HTTP proxy refuses");
    return in.len > head ? refused(t, "the HTTP proxy speaks out of turn") : (t->step = PROXY_OPEN);
}

enum proxy_step proxy_talk_hear(struct proxy_talk *t, struct bytes in, size_t *used, uint8_t say[PROXY_SAY_MAX], size_t *len)
{
    *used = *len = 0;
    if (t->step == PROXY_OPEN || t->step == PROXY_REFUSED || in.len == 0)
        return t->step;
    return t->proxy->kind == PROXY_HTTP ? hear_http(t, in, used) : hear_socks(t, in, used, say, len);
}
