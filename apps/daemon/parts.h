/* apps/daemon/parts.h - what a running node consists of.
 *
 * A plain struct that the engine fills and empties and the API reads; tests fill one by hand. A pointer is NULL while its part
 * is not there: the store after a disk failure, the messenger on a relay or while the vault is locked.
 */
#ifndef STA_DAEMON_PARTS_H
#define STA_DAEMON_PARTS_H

#include "apps/daemon/budget.h"
#include "apps/daemon/config.h"
#include "apps/messenger/messenger.h"
#include "apps/profile/profile.h"
#include "mesh/links/bluetooth.h"
#include "mesh/links/host.h"
#include "mesh/links/lan.h"
#include "mesh/links/spool.h"
#include "mesh/links/uplink.h"

enum person_state {
    PERSON_NONE,      /* no identity here: a relay until `init` */
    PERSON_LOCKED,    /* the vault waits for its passphrase */
    PERSON_OPEN,
    PERSON_OFF,       /* asked to be only a relay */
    PERSON_DAMAGED,   /* there is one and it does not open; trouble says why */
};

struct parts {
    const struct profile_paths *paths;
    const struct config *config;
    const struct log *log;
    struct rng rng;

    struct db *db;
    struct store *store;
    struct node *node;
    struct host *host;
    struct lan *lan;
    struct bluetooth *bluetooth;
    enum power_source power;             /* what its search follows */
    struct spool_watch *watch;
    struct uplink *uplink;
    struct budget budget;        /* of the uplink */
    bool is_mailbox_stale;       /* the gateway should be asked for other buckets: after the turn */

    struct vault *vault;
    struct archive *archive;
    struct blobs *blobs;
    struct workshop *workshop;           /* makes previews; NULL: there is none (tests) */
    struct messenger *messenger;
    enum person_state person;
    bool has_been_restored;      /* the database was older than its generation when it was opened */

    char trouble[160];           /* why something above is missing; empty when all is well */
    bool needs_reopen;           /* a commit failed outside the host's turn */
    bool is_panicking;           /* the keys are gone: answer, then end */
    uint64_t started_ms, last_link_ms;   /* monotonic; 0: no link yet */
    unsigned link_changes;       /* links that came up or went down since the start */
};

/* The clock of the turn. */
uint64_t parts_now_ms(const struct parts *p);

/* What an event of the node means to the rest: people, beacons, counters. */
void parts_on_event(struct parts *p, const struct node_event *event);

/* Hands all waiting events over; `ctx` is the parts. For imports that commit by themselves. */
void parts_drain(void *ctx);

#endif
