/* apps/daemon/budget.h - what the way to the internet may cost a day, where it is metered.
 *
 * The last tenth is for small bundles alone, texts and calls for help (mesh/ holds to it octet by octet, for a fast link can spend a
 * day's data in a second); when all is used there is no link to a gateway until the next day (of UTC: the only midnight that every
 * machine agrees on). What a link costs beside its own octets is estimated: TLS records and TCP headers as a share, a handshake for
 * each new link.
 */
#ifndef STA_DAEMON_BUDGET_H
#define STA_DAEMON_BUDGET_H

#include "mesh/node.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BUDGET_SMALL_LEN   = 4096,    /* of a bundle that still goes when little is left */
    BUDGET_LINK_COST   = 6144,    /* octets: a TLS handshake with a certificate chain, the request, our handshake */
    BUDGET_SHARE       = 20,      /* one part in so many is added for TLS and TCP */
    BUDGET_SMALL_TENTH = 9,       /* tenths after which only small bundles go */
};

enum budget_state { BUDGET_OPEN, BUDGET_SMALL, BUDGET_SPENT };

struct budget {
    uint64_t day, used;           /* of that day; days since 1970 */
    uint32_t link;                /* what `seen` is of; 0: none yet */
    uint64_t seen;
    uint64_t kept;                /* `used` as it stands on the disk */
};

/* `octets` have passed over this link so far, both ways; link 0: there is none. Without a clock (day 0) the day does not end. */
void budget_count(struct budget *b, uint64_t day, uint32_t link, uint64_t octets);

/* Against a limit; 0: none. */
enum budget_state budget_state(const struct budget *b, uint64_t limit);

/* What is left of it, for the link that was counted last. */
void budget_left(const struct budget *b, uint64_t limit, struct node_link_budget *out);

/* A file in the data folder. Reading: ERR_NOT_FOUND, ERR_CORRUPT (as if nothing were used). Writing is durable, and costs an fsync. */
enum err budget_read(struct budget *b, const char *path);
enum err budget_write(struct budget *b, const char *path);

#endif
