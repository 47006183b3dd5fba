/* apps/daemon/gateways.h - which gateways this node may use, and what it asks them for.
 *
 * A person's are in the archive, sealed; a relay's in a file of links that the configuration names.
 */
#ifndef STA_DAEMON_GATEWAYS_H
#define STA_DAEMON_GATEWAYS_H

#include "apps/daemon/parts.h"

/* Tells the uplink all that are known. Call when the person or the configuration has come or changed. */
void     gateways_load(struct parts *p);

/* Tells the uplink what to fetch. Costs a hundred hashes; call now and then, and when a card or invite was made. */
void     gateways_ask(struct parts *p);

/* How far this gateway has been fetched becomes durable with the turn's commit, so that a restart asks only for what is new. A relay has no
 * archive, and begins anew. */
void     gateways_keep_cursor(struct parts *p, const uint8_t key[GATEWAY_PUBLIC_LEN]);

/* Adds all gateways of a link; *count of them. Durable with the turn's commit. ERR_MALFORMED, ERR_VERSION, ERR_FULL,
 * ERR_STATE (no archive: a relay). */
enum err gateways_add(struct parts *p, struct bytes link, size_t *count);

/* A link of the gateways that have this address ("HOST" or "HOST:PORT"; empty: any), at most four, to be passed on to a friend. ERR_NOT_FOUND. */
enum err gateways_link(struct parts *p, const char *host, char to[GATEWAY_LINK_TEXT_MAX]);

/* By "HOST" or "HOST:PORT" of any of its addresses. ERR_NOT_FOUND, ERR_STATE. */
enum err gateways_remove(struct parts *p, const char *host, size_t *count);

/* A link to a gateway begins: it learns what is left of the day's data, before it carries anything. */
void     gateways_link_ready(struct parts *p);

/* Keeps the day's use within the budget that is configured. Every second or so. */
void     gateways_budget(struct parts *p);

/* All that are known: those of the archive first. Returns how many. */
size_t   gateways_list(struct parts *p, struct gateway out[UPLINK_GATEWAYS_MAX]);

#endif
