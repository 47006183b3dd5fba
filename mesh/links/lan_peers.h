/* mesh/links/lan_peers.h - static peers: addresses a person wrote down, called and called again.
 *
 * All addresses of a name are tried, of both families, then after a pause that doubles to a minute again, forever.
 */
#ifndef STA_LINKS_LAN_PEERS_H
#define STA_LINKS_LAN_PEERS_H

#include "mesh/links/lan.h"
#include "mesh/links/lan_tcp.h"

struct lan_peers;

enum { LAN_PEER_COOKIE = 1 << 16 };  /* cookies of our calls are this and above */

/* `wake` is called when lan_peers_wake has something to do. ERR_MALFORMED: `why` says which peer and what is wrong. */
enum err lan_peers_new(struct lan_peers **out, struct event_base *base, struct host *host, struct lan_tcp *tcp,
                       const struct rng *g, const struct lan_config *config, void (*wake)(void *ctx), void *ctx,
                       char why[256]);
void     lan_peers_free(struct lan_peers *p);

/* Starts the calls that are due; returns when to be woken next. */
uint64_t lan_peers_wake(struct lan_peers *p, uint64_t now_ms);

void lan_peers_call_done(struct lan_peers *p, uint32_t cookie, enum err e, uint32_t link, uint64_t now_ms);
void lan_peers_link_gone(struct lan_peers *p, uint32_t link, uint64_t now_ms);

/* A link to this address is there already, or being made. */
bool lan_peers_has(const struct lan_peers *p, const struct lan_address *a);

/* How long to wait after so many failures: `first_ms` doubled up to `most_ms`, with a quarter of jitter. */
uint32_t lan_backoff_ms(unsigned failures, uint32_t first_ms, uint32_t most_ms, const struct rng *g);

#endif
