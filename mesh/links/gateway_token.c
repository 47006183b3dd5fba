/* mesh/links/gateway_token.c - see gateway_token.h */
#define _DEFAULT_SOURCE
#include "mesh/links/gateway_token.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/hash.h"
#include "crypto/text.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { TOKEN_TEXT_LEN = (TOKEN_LEN * 4 + 2) / 3 };

static const char COOKIE[] = "sid=";

/* ---- The token: nonce 16 || id 8, masked || MAC 16 ---- */

static void mask_id(const uint8_t nonce[TOKEN_NONCE_LEN], const uint8_t gateway_key[GATEWAY_PUBLIC_LEN],
                    const uint8_t binding[TOKEN_BINDING_LEN], const uint8_t in[GATEWAY_ID_LEN], uint8_t out[GATEWAY_ID_LEN])
{
    struct bytes parts[] = { bytes_of(nonce, TOKEN_NONCE_LEN), bytes_of(binding, TOKEN_BINDING_LEN) };
    uint8_t mask[16];

    hash_derive(mask, sizeof mask, bytes_of(gateway_key, GATEWAY_PUBLIC_LEN), "gw.id", parts, 2);
    for (size_t i = 0; i < GATEWAY_ID_LEN; i++)
        out[i] = in[i] ^ mask[i];
}

static void mac(const uint8_t token[TOKEN_LEN], const uint8_t secret[GATEWAY_SECRET_LEN],
                const uint8_t binding[TOKEN_BINDING_LEN], uint8_t out[TOKEN_MAC_LEN])
{
    struct bytes parts[] = { bytes_of(token, TOKEN_NONCE_LEN + GATEWAY_ID_LEN), bytes_of(binding, TOKEN_BINDING_LEN) };

    hash_derive(out, TOKEN_MAC_LEN, bytes_of(secret, GATEWAY_SECRET_LEN), "gw.token", parts, 2);
}

void token_make(const struct gateway *g, const uint8_t binding[TOKEN_BINDING_LEN], const struct rng *rng,
                uint8_t out[TOKEN_LEN])
{
    rng_fill(rng, out, TOKEN_NONCE_LEN);
    mask_id(out, g->key, binding, g->id, out + TOKEN_NONCE_LEN);
    mac(out, g->secret, binding, out + TOKEN_NONCE_LEN + GATEWAY_ID_LEN);
}

void token_id(const uint8_t token[TOKEN_LEN], const uint8_t gateway_key[GATEWAY_PUBLIC_LEN],
              const uint8_t binding[TOKEN_BINDING_LEN], uint8_t id[GATEWAY_ID_LEN])
{
    mask_id(token, gateway_key, binding, token + TOKEN_NONCE_LEN, id);
}

bool token_is_proven(const uint8_t token[TOKEN_LEN], const uint8_t secret[GATEWAY_SECRET_LEN],
                     const uint8_t binding[TOKEN_BINDING_LEN])
{
    uint8_t right[TOKEN_MAC_LEN];

    mac(token, secret, binding, right);
    bool is_right = secret_is_equal(right, token + TOKEN_NONCE_LEN + GATEWAY_ID_LEN, TOKEN_MAC_LEN);
    secret_wipe(right, sizeof right);
    return is_right;
}

void token_plain_binding(const uint8_t gateway_key[GATEWAY_PUBLIC_LEN], uint8_t out[TOKEN_BINDING_LEN])
{
    hash_derive(out, TOKEN_BINDING_LEN, bytes_of(gateway_key, GATEWAY_PUBLIC_LEN), "gw.plain", NULL, 0);
}

void token_plain_link_binding(const uint8_t token[TOKEN_LEN], const uint8_t secret[GATEWAY_SECRET_LEN], uint8_t out[TOKEN_BINDING_LEN])
{
    struct bytes part = bytes_of(token, TOKEN_LEN);

    hash_derive(out, TOKEN_BINDING_LEN, bytes_of(secret, GATEWAY_SECRET_LEN), "gw.plain", &part, 1);
}

/* ---- The request ---- */

static void draw_websocket_key(char to[WEBSOCKET_KEY_LEN + 1], const struct rng *rng)
{
    uint8_t random[16];

    rng_fill(rng, random, sizeof random);
    assert(text_base64_padded_len(sizeof random) == WEBSOCKET_KEY_LEN);
    text_base64_padded(to, bytes_of(random, sizeof random));
}

size_t request_write(char to[REQUEST_TEXT_MAX], const char *host, const uint8_t token[TOKEN_LEN], const struct rng *rng)
{
    char text[TOKEN_TEXT_LEN + 1], key[WEBSOCKET_KEY_LEN + 1];
    bool is_ipv6 = strchr(host, ':') != NULL;

    assert(text_base64_len(TOKEN_LEN) == TOKEN_TEXT_LEN);
    text_base64(text, bytes_of(token, TOKEN_LEN));
    draw_websocket_key(key, rng);
    int n = snprintf(to, REQUEST_TEXT_MAX,
                     "GET / HTTP/1.1\r\nHost: %s%s%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nCookie: %s%s\r\n\r\n",
                     is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", key, COOKIE, text);
    assert(n > 0 && n < REQUEST_TEXT_MAX);
    return (size_t)n;
}

size_t request_head_len(struct bytes in)
{
    for (size_t i = 4; i <= in.len && i <= REQUEST_HEAD_MAX; i++)
        if (memcmp(in.at + i - 4, "\r\n\r\n", 4) == 0)
            return i;
    return 0;
}

/* The value of a header, without the space around it. False: another header. */
static bool header_value(struct bytes line, const char *name, struct bytes *value)
{
    size_t len = strlen(name);

    if (line.len <= len || line.at[len] != ':' || strncasecmp((const char *)line.at, name, len) != 0)
        return false;
    struct bytes v = bytes_of(line.at + len + 1, line.len - len - 1);
    while (v.len > 0 && v.at[0] == ' ') {
        v.at++;
        v.len--;
    }
    while (v.len > 0 && v.at[v.len - 1] == ' ')
        v.len--;
    *value = v;
    return true;
}

static bool is_text(struct bytes v, const char *text)
{
    return v.len == strlen(text) && strncasecmp((const char *)v.at, text, v.len) == 0;
}

/* Of "a=b; sid=...; c=d". */
static bool cookie_token(struct bytes cookies, uint8_t token[TOKEN_LEN])
{
    struct reader r = reader_of(cookies);

    while (reader_left(&r) > 0) {
        const uint8_t *end = memchr(r.at, ';', reader_left(&r));
        struct bytes one = reader_take(&r, end != NULL ? (size_t)(end - r.at) : reader_left(&r));
        size_t len;

        if (one.len == sizeof COOKIE - 1 + TOKEN_TEXT_LEN && memcmp(one.at, COOKIE, sizeof COOKIE - 1) == 0 &&
            text_base64_decode(token, TOKEN_LEN, &len, bytes_of(one.at + sizeof COOKIE - 1, TOKEN_TEXT_LEN)) == ERR_NONE &&
            len == TOKEN_LEN)
            return true;
        while (reader_left(&r) > 0 && (*r.at == ';' || *r.at == ' '))
            reader_u8(&r);
    }
    return false;
}

bool request_read(struct bytes head, uint8_t token[TOKEN_LEN], char websocket_key[WEBSOCKET_KEY_LEN + 1])
{
    struct reader r = reader_of(head);
    bool is_upgrade = false, has_token = false, has_key = false, is_first = true;

    while (reader_left(&r) > 0) {
        const uint8_t *end = memchr(r.at, '\r', reader_left(&r));
        struct bytes line = reader_take(&r, end != NULL ? (size_t)(end - r.at) : reader_left(&r)), value;

        reader_take(&r, reader_left(&r) < 2 ? reader_left(&r) : 2);
        if (is_first && (line.len < 4 || memcmp(line.at, "GET ", 4) != 0))
            return false;
        is_first = false;
        if (header_value(line, "Upgrade", &value)) {
            is_upgrade = is_text(value, "websocket");
        } else if (header_value(line, "Cookie", &value)) {
            has_token = has_token || cookie_token(value, token);
        } else if (header_value(line, "Sec-WebSocket-Key", &value) && value.len == WEBSOCKET_KEY_LEN) {
            memcpy(websocket_key, value.at, value.len);
            websocket_key[value.len] = '\0';
            has_key = true;
        }
    }
    return is_upgrade && has_token && has_key;
}
