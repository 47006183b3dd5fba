/* mesh/links/proxy.h - through whom a node reaches its gateways: SOCKS5 (RFC 1928, RFC 1929), Tor, or an HTTP proxy (CONNECT,
 * RFC 9110 section 9.3.6).
 *
 * Names are the proxy's to look up, so that nobody near the node learns which gateway it uses; with Tor, each gateway
 * has a circuit of its own (Tor separates callers by the user name they give). What is here only speaks; the caller connects,
 * carries the octets, and begins TLS where the talk ends.
 */
#ifndef STA_LINKS_PROXY_H
#define STA_LINKS_PROXY_H

#include "mesh/links/lan_wire.h"

enum {
    PROXY_WORD_MAX = 255,    /* RFC 1929: of a user name, of a password */
    PROXY_TEXT_MAX = 900,
    PROXY_SAY_MAX  = 2048,   /* of what we say at once */
    PROXY_HEAR_MAX = 8192,   /* of an answer; a longer one is no proxy's */
};

enum proxy_kind { PROXY_NONE, PROXY_SOCKS5, PROXY_TOR, PROXY_HTTP };

struct proxy {
    enum proxy_kind kind;
    struct lan_place at;
    char user[PROXY_WORD_MAX + 1], password[PROXY_WORD_MAX + 1];   /* user empty: none */
};

/* "socks5://[USER:PASSWORD@]HOST[:PORT]", "tor://HOST[:PORT]", "http://[USER:PASSWORD@]HOST[:PORT]"; "off" is PROXY_NONE. In user and
 * password, %XX stands for an octet. Usual ports: 1080, 9050, 8080. ERR_MALFORMED, with what is wrong. */
enum err proxy_parse(struct proxy *out, const char *text, char why[256]);

enum proxy_step { PROXY_GREETED, PROXY_LOGGED_IN, PROXY_ASKED, PROXY_OPEN, PROXY_REFUSED };

/* One conversation. `proxy` is lent for its length. */
struct proxy_talk {
    const struct proxy *proxy;
    enum proxy_step step;
    struct lan_place to;
    char user[PROXY_WORD_MAX + 1], password[PROXY_WORD_MAX + 1];
    const char *why;         /* PROXY_REFUSED: a sentence for people */
};

/* Begins it; `say` gets the first `*len` octets to send. `circuit` is any text that tells destinations apart which shall not share a Tor
 * circuit; only a hash of it is sent. */
void proxy_talk_begin(struct proxy_talk *t, const struct proxy *proxy, const struct lan_place *to, struct bytes circuit,
                      uint8_t say[PROXY_SAY_MAX], size_t *len);

/* All that the proxy has said and that was not used yet. `*used` octets of it are done with, and `*len` are to be sent. After
 * PROXY_OPEN the connection is the gateway's. Anything behind the last answer is a lie, for the gateway does not speak first: PROXY_REFUSED. */
enum proxy_step proxy_talk_hear(struct proxy_talk *t, struct bytes in, size_t *used, uint8_t say[PROXY_SAY_MAX], size_t *len);

#endif
