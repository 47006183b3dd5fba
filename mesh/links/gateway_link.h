/* mesh/links/gateway_link.h - what an invite to a gateway says, and how it is written: the link that people pass on
 * (docs/protocol.md section 11.1).
 *
 * "staffetta-gw:#" and base64url. The fragment never reaches a web server when somebody pastes it into a browser.
 */
#ifndef STA_LINKS_GATEWAY_LINK_H
#define STA_LINKS_GATEWAY_LINK_H

#include "mesh/base/bytes.h"

enum {
    GATEWAY_ID_LEN        = 8,
    GATEWAY_SECRET_LEN    = 16,
    GATEWAY_PUBLIC_LEN    = 32,
    GATEWAY_PIN_LEN       = 32,
    GATEWAY_HOST_MAX      = 253,   /* characters of a DNS name */
    GATEWAY_ADDRESSES_MAX = 4,
    GATEWAYS_PER_LINK_MAX = 4,
    GATEWAY_BYTES_MAX     = 1 + GATEWAY_PUBLIC_LEN + GATEWAY_ID_LEN + GATEWAY_SECRET_LEN + GATEWAY_PIN_LEN + 1 +
                            GATEWAY_ADDRESSES_MAX * (1 + GATEWAY_HOST_MAX + 2),
    GATEWAY_LINK_BYTES_MAX = 2 + GATEWAYS_PER_LINK_MAX * GATEWAY_BYTES_MAX,
    GATEWAY_LINK_TEXT_MAX = 16 + (GATEWAY_LINK_BYTES_MAX + 2) / 3 * 4,
};

/* One gateway, as one invite reaches it. */
struct gateway {
    uint8_t key[GATEWAY_PUBLIC_LEN];     /* Noise static */
    uint8_t id[GATEWAY_ID_LEN];          /* of the invite */
    uint8_t secret[GATEWAY_SECRET_LEN];  /* of the invite */
    bool    is_pinned;                   /* no public authority stands for its certificate: */
    uint8_t pin[GATEWAY_PIN_LEN];        /* SHA-256 of its public key (SubjectPublicKeyInfo, DER) */
    uint8_t address_count;
    struct {
        char host[GATEWAY_HOST_MAX + 1];
        uint16_t port;
        bool is_plain;                   /* without TLS, for networks that let none through: the last resort */
    } addresses[GATEWAY_ADDRESSES_MAX];
};

struct gateway_link { uint8_t count; struct gateway gateways[GATEWAYS_PER_LINK_MAX]; };

/* Host names and numbers: letters, digits, dots, hyphens, and colons of an IPv6 address. */
bool gateway_host_is_valid(struct bytes host);

/* One gateway alone, as it is kept. ERR_MALFORMED. */
enum err gateway_decode(struct gateway *out, struct bytes in);
size_t   gateway_encode(const struct gateway *g, uint8_t to[GATEWAY_BYTES_MAX]);

/* The text: also bare, with another "scheme:#" or "https://host/path#" before it, and white space around it.
 * ERR_MALFORMED, ERR_VERSION. */
enum err gateway_link_read(struct gateway_link *out, struct bytes text);
void     gateway_link_write(const struct gateway_link *l, char to[GATEWAY_LINK_TEXT_MAX]);

/* A whole link as gateway_link_write makes it and nothing else, as friends pass it on in a message. */
bool     gateway_link_is_text(struct bytes text, struct gateway_link *out);

#endif
