/* mesh/clients.h - the users linked to a gateway, found by link number; who of them has something to send, and who
 * waits for the commit. Private to node.c and contact*.c.
 *
 * Neighbours are few and are asked one by one; users are tens of thousands, of whom a few have something to say at a time.
 */
#ifndef STA_MESH_CLIENTS_H
#define STA_MESH_CLIENTS_H

#include "mesh/base/bytes.h"

struct contact;
struct store;

struct clients {
    struct contact **places;            /* by link number, modulo `cap`; twice as many as there may be */
    size_t cap, count;
    struct contact *due_first, *due_last;      /* node_next_due */
    struct contact *unsettled;          /* heard since the last commit */
    struct contact *awaiting;           /* what they brought has to be durable elsewhere too, up to this arrival number */
    uint64_t awaiting_seq;
    uint64_t swept_ms, considered_seq;  /* timers; bundles told to those who listen */
};

/* Where a client of the next free number goes; *next_link is passed it. ERR_FULL, ERR_NO_MEMORY. */
enum err clients_place(struct clients *c, uint32_t *next_link, struct contact ***place, uint32_t *link);

struct contact *clients_find(const struct clients *c, uint32_t link);   /* NULL: none */
void     clients_remove(struct clients *c, struct contact *contact);    /* does not free it */
void     clients_clear(struct clients *c);                              /* frees all of them */

/* Each is in each list once. */
void     clients_due(struct clients *c, struct contact *contact);
struct contact *clients_next_due(struct clients *c);
void     clients_heard(struct clients *c, struct contact *contact);

/* Says goodbye to all. */
void     clients_leave(struct clients *c, int why);

/* Of all who were heard: what they brought is durable, and they are due. */
void     clients_committed(struct clients *c);

/* The same where that is not enough: they are due, and their acknowledgements wait for clients_settled. One round of them
 * is under way at a time; who is heard meanwhile is in the next. */
void     clients_stored(struct clients *c, uint64_t last_seq);
bool     clients_settled(struct clients *c, uint64_t seq);   /* somebody is due now */

/* Those who wait for something that came up to `last_seq` are due; those whose time has come are woken. */
void     clients_tend(struct clients *c, const struct store *store, uint64_t last_seq, uint64_t now_ms);
uint64_t clients_wake_at_ms(const struct clients *c);

#endif
