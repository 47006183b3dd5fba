/* apps/gateway/gate.h - who gets in: tokens judged against invites, and which links came by which invite.
 *
 * A token is checked against a secret whether its invite exists or not, so that both take the same time.
 */
#ifndef STA_GATEWAY_GATE_H
#define STA_GATEWAY_GATE_H

#include "apps/gateway/invites.h"
#include "mesh/links/gateway_token.h"
#include "mesh/links/host.h"

struct gate;

/* The invites stay the caller's. `key` is the gateway's public key. */
enum err gate_new(struct gate **out, struct invites *invites, const uint8_t key[GATEWAY_PUBLIC_LEN], const struct rng *rng);
void     gate_free(struct gate *g);   /* takes NULL */

const uint8_t *gate_key(const struct gate *g);   /* GATEWAY_PUBLIC_LEN octets; lent */

/* The invite that opens the gate; NULL: none does. Lent until the next gate_tend. */
const struct invite *gate_judge(struct gate *g, const uint8_t token[TOKEN_LEN], const uint8_t binding[TOKEN_BINDING_LEN],
                                uint64_t now_unix_s);

/* A link came in by this invite; it is gone. ERR_NO_MEMORY. */
enum err gate_join(struct gate *g, const struct invite *v, uint32_t link);
void     gate_leave(struct gate *g, uint32_t link);
size_t   gate_count(const struct gate *g);

/* What came by a contributor was kept. */
void     gate_count_use(struct gate *g, uint32_t contributor, uint64_t bytes, uint64_t now_unix_s);

/* Reads invites that are new, drops links whose invite is revoked or has expired, renews allowances. Every second. */
void     gate_tend(struct gate *g, struct host *host, struct node *node, uint64_t now_unix_s);

#endif
