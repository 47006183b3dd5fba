/* tests/messenger/town.h - people with real nodes, stores, archives behind a vault, and messengers, in one process.
 *
 * Stands on the virtual net of tests/mesh/net.h: nothing sleeps, every draw is seeded. A person may be restarted after
 * every step, so that nothing can live in memory alone.
 */
#ifndef STA_TESTS_TOWN_H
#define STA_TESTS_TOWN_H

#include "apps/messenger/messenger.h"
#include "tests/mesh/net.h"

enum { PEOPLE_MAX = 6, SEEN_EVENTS = 5 };

struct person {
    const char *name;
    int node;
    uint64_t wall0_unix_s;          /* what its clock said at virtual time 0 */
    struct vault *vault;
    struct archive_sealer sealer;
    struct archive *archive;
    struct blobs *blobs;
    struct messenger *m;
    struct seeded random;
    uint32_t receipt_delay_s;
    bool     is_restored;           /* at the next start */
    bool     has_messenger;         /* a relay has none */
    unsigned events[SEEN_EVENTS];
};

struct town {
    struct net net;
    struct person people[PEOPLE_MAX];
    int count;
    bool is_restless;               /* every messenger is opened anew after every step */
    unsigned steps, crash_at;       /* after so many steps (0: never) `crash_who` loses what is not committed */
    int crash_who;
    struct seeded random;
};

static const uint64_t TOWN_UNIX_S = 1795305600;   /* 2026-11-22 00:00 UTC */

void town_init(struct town *t, uint64_t seed);
void town_clear(struct town *t);

/* A person whose clock says `wall_unix_s`; NULL name: a relay without people. */
int  town_add(struct town *t, const char *name, uint64_t wall_unix_s);
uint64_t town_wall(const struct town *t, int who);

/* A turn of one, as the daemon makes after each request: false when its commit failed, and it was restarted. */
bool town_turn(struct town *t, int who);

/* Closes and opens the messenger; a crash also rolls the database back and restarts the node. */
void town_reopen(struct town *t, int who);
void town_crash(struct town *t, int who);

void town_run(struct town *t, uint64_t seconds);
/* Two are in range until everything is exchanged, `seconds` at most. */
void town_meet(struct town *t, int a, int b, uint64_t seconds);
/* They meet so many times, a minute each and a minute apart: what is answered is answered. */
void town_exchange(struct town *t, int a, int b, unsigned times);

/* Words. The friend is named by its name in the address book. */
void town_befriend(struct town *t, int a, int b);                  /* a adds b by b's card */
void town_introduce(struct town *t, int a, int b);                 /* both add each other */
uint32_t town_friend(struct town *t, int who, const char *name);   /* 0: none */
void town_send(struct town *t, int who, const char *to, const char *text, char id[MESSAGE_ID_TEXT_LEN + 1]);
struct message_info town_message(struct town *t, int who, const char *id);   /* ends the program when there is none */
enum message_state town_state(struct town *t, int who, const char *id);
/* How many messages with this text and this direction `who` has from or to `name`. */
unsigned town_count(struct town *t, int who, const char *name, const char *text, bool is_incoming);
unsigned town_total(struct town *t, int who, const char *name);
void town_read_all(struct town *t, int who, const char *name);

/* The bytes occur anywhere in the person's database, bundles included. */
bool town_holds(struct town *t, int who, struct bytes what);
/* The bytes occur in anything that is kept for the person, once it is opened. */
bool town_remembers(struct town *t, int who, struct bytes what);
uint64_t town_records(struct town *t, int who);

/* A copy of a database, and putting it back in the place of the present one (both memory databases). */
struct db *town_copy_db(struct town *t, int who);
void town_restore_db(struct town *t, int who, struct db *copy);

/* The person on a new device, from a backup; all else of theirs is gone. */
enum err town_rebirth(struct town *t, int who, struct bytes file, const struct backup_key *key);

#endif
