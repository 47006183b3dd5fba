/* tests/gateway/test_gateway_token.c - tokens, and the requests they hide in. */
#include "mesh/links/gateway_token.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "tests/support/check.h"

static void check_token(void)
{
    struct rng rng = rng_system();
    uint8_t binding[TOKEN_BINDING_LEN], other[TOKEN_BINDING_LEN], token[TOKEN_LEN], again[TOKEN_LEN], id[GATEWAY_ID_LEN];
    struct gateway g;

    memset(&g, 0, sizeof g);
    rng_fill(&rng, &g.key, sizeof g.key);
    rng_fill(&rng, &g.id, sizeof g.id);
    rng_fill(&rng, &g.secret, sizeof g.secret);
    rng_fill(&rng, binding, sizeof binding);
    rng_fill(&rng, other, sizeof other);
    token_make(&g, binding, &rng, token);
    token_id(token, g.key, binding, id);
    CHECK(memcmp(id, g.id, sizeof id) == 0 && token_is_proven(token, g.secret, binding));
    /* Another connection: neither proven nor the same invite. */
    token_id(token, g.key, other, id);
    CHECK(memcmp(id, g.id, sizeof id) != 0 && !token_is_proven(token, g.secret, other));
    for (size_t i = 0; i < TOKEN_LEN * 8; i++) {
        memcpy(again, token, sizeof again);
        again[i / 8] ^= (uint8_t)(1 << i % 8);
        CHECK(!token_is_proven(again, g.secret, binding));
    }
    for (size_t i = 0; i < GATEWAY_SECRET_LEN * 8; i++) {
        g.secret[i / 8] ^= (uint8_t)(1 << i % 8);
        CHECK(!token_is_proven(token, g.secret, binding));
        g.secret[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    /* Two tokens of one invite on one connection share no octets that name it. */
    token_make(&g, binding, &rng, again);
    CHECK(memcmp(token + TOKEN_NONCE_LEN, again + TOKEN_NONCE_LEN, GATEWAY_ID_LEN) != 0);
}

/* Without TLS: the token is anybody's to repeat, the link only theirs who know the secret. */
static void check_plain(void)
{
    uint8_t token[TOKEN_LEN], a[TOKEN_BINDING_LEN], b[TOKEN_BINDING_LEN], id[GATEWAY_ID_LEN];
    struct rng rng = rng_system();
    struct gateway g;

    memset(&g, 0, sizeof g);
    rng_fill(&rng, &g.key, sizeof g.key);
    rng_fill(&rng, &g.id, sizeof g.id);
    rng_fill(&rng, &g.secret, sizeof g.secret);
    token_plain_binding(g.key, a);
    token_make(&g, a, &rng, token);
    token_id(token, g.key, a, id);
    CHECK(memcmp(id, g.id, sizeof id) == 0 && token_is_proven(token, g.secret, a));
    token_plain_link_binding(token, g.secret, a);
    for (size_t i = 0; i < (GATEWAY_SECRET_LEN + TOKEN_LEN) * 8; i++) {
        uint8_t *at = i / 8 < GATEWAY_SECRET_LEN ? &g.secret[i / 8] : &token[i / 8 - GATEWAY_SECRET_LEN];

        *at ^= (uint8_t)(1 << i % 8);
        token_plain_link_binding(token, g.secret, b);
        CHECK(memcmp(a, b, sizeof a) != 0);
        *at ^= (uint8_t)(1 << i % 8);
    }
}

#define T54 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJw"
#define KEY24 "dGhlIHNhbXBsZSBub25jZQ=="

static const struct { const char *name, *head; bool want; } heads[] = {
    { "ours", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=" T54 "\r\n\r\n", true },
    { "among cookies", "GET /x HTTP/1.1\r\nupgrade: WebSocket\r\nsec-websocket-key: " KEY24 "\r\ncookie: a=b; sid=" T54 "; c\r\n\r\n", true },
    { "two lines of cookies", "GET / HTTP/1.1\r\nCookie: a\r\nCookie: sid=" T54 "\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\n\r\n", true },
    { "no upgrade", "GET / HTTP/1.1\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=" T54 "\r\n\r\n", false },
    { "another upgrade", "GET / HTTP/1.1\r\nUpgrade: h2c\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=" T54 "\r\n\r\n", false },
    { "another method", "POST / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=" T54 "\r\n\r\n", false },
    { "no cookie", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\n\r\n", false },
    { "another cookie", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sis=" T54 "\r\n\r\n", false },
    { "token cut short", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=AAEC\r\n\r\n", false },
    { "token too long", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=" T54 "A\r\n\r\n", false },
    { "token of other characters", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY24 "\r\nCookie: sid=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUm+w\r\n\r\n", false },
    { "no key", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nCookie: sid=" T54 "\r\n\r\n", false },
    { "key cut short", "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nCookie: sid=" T54 "\r\n\r\n", false },
    { "empty lines", "\r\n\r\n", false },
    { "one letter", "G", false },
    { "nothing", "", false },
    { "only colons", "GET ::::\r\n:\r\n::\r\n\r\n", false },
};

static void check_requests(void)
{
    uint8_t token[TOKEN_LEN], out[TOKEN_LEN];
    char key[WEBSOCKET_KEY_LEN + 1], text[REQUEST_TEXT_MAX];
    struct rng rng = rng_system();

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        CHECK_CASE(heads[i].name, request_read(bytes_of_text(heads[i].head), token, key) == heads[i].want);
    rng_fill(&rng, token, sizeof token);
    size_t len = request_write(text, "gw.example.org", token, &rng);
    CHECK(request_read(bytes_of(text, len), out, key) && memcmp(out, token, sizeof token) == 0);
    CHECK(strlen(key) == WEBSOCKET_KEY_LEN && strcmp(key + WEBSOCKET_KEY_LEN - 2, "==") == 0);
    CHECK(strstr(text, "Host: gw.example.org\r\n") != NULL);
    /* The head ends at its empty line, and nowhere before. */
    for (size_t i = 0; i < len; i++)
        CHECK(request_head_len(bytes_of(text, i)) == 0);
    CHECK(request_head_len(bytes_of(text, len)) == len);
    text[len] = 'x';
    CHECK(request_head_len(bytes_of(text, len + 1)) == len);
    request_write(text, "2001:db8::1", token, &rng);
    CHECK(strstr(text, "Host: [2001:db8::1]\r\n") != NULL);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_token();
    check_plain();
    check_requests();
    return check_report("gateway_token");
}
