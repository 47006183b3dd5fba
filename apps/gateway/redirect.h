/* apps/gateway/redirect.h - port 80, as web sites have it: sends browsers to https, and answers certificate challenges. Where TLS is
 * blocked, whoever proves an invite gets a link here (docs/protocol.md section 11.5).
 *
 * One short answer a connection. Bounded in connections, octets and time, whatever is sent.
 */
#ifndef STA_GATEWAY_REDIRECT_H
#define STA_GATEWAY_REDIRECT_H

#include "apps/gateway/entry.h"
#include "mesh/links/lan_wire.h"

struct redirect;
struct event_base;

enum { REDIRECT_TARGET_MAX = 2048, CHALLENGE_TOKEN_MAX = 128 };

/* `host` as it stands in links ("gw.example.org", "[::1]:8443"); `folder` (may be NULL) holds .well-known/acme-challenge;
 * `entry` (may be NULL: no links here) is lent.
 * ERR_IO with errno, ERR_UNSUPPORTED, ERR_NO_MEMORY. */
enum err redirect_new(struct redirect **out, struct event_base *base, const struct lan_address *at, const char *host, const char *folder,
                      const struct entry *entry);
void     redirect_free(struct redirect *r);   /* takes NULL */

/* The path and query that a request's first line asks for, lent: printable ASCII, of at most REDIRECT_TARGET_MAX octets.
 * ERR_UNSUPPORTED: neither GET nor HEAD. ERR_MALFORMED. */
enum err redirect_target(struct bytes head, struct bytes *target);

/* True: the target names a challenge, whose token is copied. */
bool redirect_challenge(struct bytes target, char token[CHALLENGE_TOKEN_MAX + 1]);

#endif
