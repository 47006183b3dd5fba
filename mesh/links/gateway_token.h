/* mesh/links/gateway_token.h - the first words to a gateway: an HTTP request like any other, unless one knows the invite
 * (docs/protocol.md section 11.2).
 *
 * The token says which invite, under a mask, and proves its secret. It is bound to the TLS connection it is sent in (the
 * exporter of RFC 5705), so that nobody can replay it, and no clock is needed. Without TLS (section 11.5) it can be replayed, which
 * shows no more than what was there to see, for the handshake inside is bound to the invite's secret then.
 */
#ifndef STA_LINKS_GATEWAY_TOKEN_H
#define STA_LINKS_GATEWAY_TOKEN_H

#include "mesh/base/rng.h"
#include "mesh/links/gateway_link.h"

enum {
    TOKEN_NONCE_LEN   = 16,
    TOKEN_MAC_LEN     = 16,
    TOKEN_LEN         = TOKEN_NONCE_LEN + GATEWAY_ID_LEN + TOKEN_MAC_LEN,
    TOKEN_BINDING_LEN = 32,
    REQUEST_HEAD_MAX  = 8192,    /* of an HTTP request, as web servers commonly allow */
    REQUEST_TEXT_MAX  = 1024,    /* of ours */
    WEBSOCKET_KEY_LEN = 24,
};

#define TOKEN_EXPORTER_LABEL "EXPORTER-mesh1-gateway"

void token_make(const struct gateway *g, const uint8_t binding[TOKEN_BINDING_LEN], const struct rng *rng,
                uint8_t out[TOKEN_LEN]);

/* Without TLS: what a token is bound to, and, by it and the secret, what the link is. */
void token_plain_binding(const uint8_t gateway_key[GATEWAY_PUBLIC_LEN], uint8_t out[TOKEN_BINDING_LEN]);
void token_plain_link_binding(const uint8_t token[TOKEN_LEN], const uint8_t secret[GATEWAY_SECRET_LEN], uint8_t out[TOKEN_BINDING_LEN]);

/* The invite that a token claims. */
void token_id(const uint8_t token[TOKEN_LEN], const uint8_t gateway_key[GATEWAY_PUBLIC_LEN],
              const uint8_t binding[TOKEN_BINDING_LEN], uint8_t id[GATEWAY_ID_LEN]);

/* Constant time. */
bool token_is_proven(const uint8_t token[TOKEN_LEN], const uint8_t secret[GATEWAY_SECRET_LEN],
                     const uint8_t binding[TOKEN_BINDING_LEN]);

/* ---- In a request ---- */

/* The whole head of the request, ending in an empty line, with its length; a final zero. */
size_t request_write(char to[REQUEST_TEXT_MAX], const char *host, const uint8_t token[TOKEN_LEN], const struct rng *rng);

/* Length of the head at the beginning of `in`, the empty line included; 0: not there yet. */
size_t request_head_len(struct bytes in);

/* A head that asks for an upgrade and carries a token. */
bool request_read(struct bytes head, uint8_t token[TOKEN_LEN], char websocket_key[WEBSOCKET_KEY_LEN + 1]);

#endif
