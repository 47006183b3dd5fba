/* apps/gateway/front.h - the doors to the internet: TLS, and behind it the web site for everybody.
 *
 * Every connection is passed, byte by byte as it comes, to the web site, until its first request turns out to hold the
 * token of an invite: only then it becomes a link. So whoever has none, whatever he sends, talks to the web server and nothing else,
 * with its answers, its errors, its limits and its time.
 */
#ifndef STA_GATEWAY_FRONT_H
#define STA_GATEWAY_FRONT_H

#include "apps/gateway/entry.h"
#include "mesh/links/lan_wire.h"

struct front;
struct event_base;
struct ssl_ctx_st;

struct front_config {
    struct entry entry;
    struct ssl_ctx_st *tls;              /* taken */
    size_t visitors_max;
    bool is_proxied;                     /* connections begin with a PROXY header */
    const char *site_socket;             /* a Unix socket; or NULL: */
    struct lan_address site;
};

enum err front_new(struct front **out, struct event_base *base, const struct front_config *config);
void     front_free(struct front *f);   /* takes NULL */

/* ERR_IO with errno. */
enum err front_listen(struct front *f, const struct lan_address *at);

/* For new connections; those that are open keep theirs. Takes `tls`. */
void     front_set_tls(struct front *f, struct ssl_ctx_st *tls);

/* No new connections; visitors are closed. */
void     front_stop(struct front *f);

struct front_info { size_t visitors; uint64_t accepted, turned_away, links; };
void     front_info(const struct front *f, struct front_info *out);

#endif
