/* apps/groups/group_roster.h - who is in a group, as all operations that are known say (protocol section 5.1).
 *
 * Operations come in any order, over any courier, from people who acted without hearing of each other. The roster is a
 * function of the set of operations alone, so that whoever has the same set sees the same members, admins and name:
 *
 *  - An operation is taken only when its author was allowed to make it by all that it names as seen. What is not is refused,
 *    by everybody, for that never changes.
 *  - A removal beats what happens at the same time: the addition of the same member, and what the removed did meanwhile. Of
 *    two admins who remove each other at the same time, the one who has been here longer stays.
 *  - Of names given at the same time the later in the graph counts, then the greater hash.
 *  - Who uses a sequence number twice tells different things to different people: both operations are kept as proof, neither
 *    counts, and its author is out.
 *  - When no admin is left, the member who has been here longest is one.
 *
 * No I/O, no clock. Owns copies of what it takes.
 */
#ifndef STA_GROUPS_GROUP_ROSTER_H
#define STA_GROUPS_GROUP_ROSTER_H

#include "apps/groups/group_op.h"

enum {
    GROUP_MEMBERS_MAX = 64,
    GROUP_OPS_MAX     = 1024,   /* a group that was changed more often is to be made anew; also bounds what a member can flood */
};

enum group_verdict {
    GROUP_TAKEN,
    GROUP_KNOWN,       /* it is here already: a repeat or a replay changes nothing */
    GROUP_EARLY,       /* something it builds on is not here yet: to be tried again when it is */
    GROUP_FORKED,      /* kept as proof that its author signed two for one number; its author is out */
    /* Refused for good: */
    GROUP_MALFORMED, GROUP_FORGED, GROUP_UNKNOWN_VERSION,
    GROUP_FOREIGN,     /* of another group */
    GROUP_NOT_MEMBER,  /* its author was not in the group when making it */
    GROUP_NOT_ADMIN,
    GROUP_NO_SENSE,    /* adds who is there, removes who is not, or a sequence that leaves its author's own last one out */
    GROUP_CROWDED,     /* past GROUP_MEMBERS_MAX or GROUP_OPS_MAX */
};
/* A sentence for a person. */
const char *group_verdict_text(enum group_verdict v);

struct group_member {
    uint8_t key[GROUP_KEY_LEN];
    bool    is_admin;
    struct bytes card;         /* lent while the roster lives */
};

struct group_roster;

/* An empty one; the first operation to be taken is its CREATE. ERR_NO_MEMORY. */
enum err group_roster_new(struct group_roster **out);
void     group_roster_free(struct group_roster *r);   /* takes NULL */

/* Takes an operation or says why not. ERR_NO_MEMORY: nothing has changed. */
enum err group_roster_add(struct group_roster *r, struct bytes op, enum group_verdict *verdict);

bool     group_roster_is_empty(const struct group_roster *r);
const uint8_t *group_roster_id(const struct group_roster *r);          /* GROUP_ID_LEN */
struct bytes   group_roster_name(const struct group_roster *r);

/* Members now, the longest here first. Lent until the next addition. */
size_t   group_roster_count(const struct group_roster *r);
const struct group_member *group_roster_member(const struct group_roster *r, size_t i);
/* NULL: not in the group. */
const struct group_member *group_roster_find(const struct group_roster *r, const uint8_t key[GROUP_KEY_LEN]);
/* Signed two operations under one number. */
bool     group_roster_has_forked(const struct group_roster *r, const uint8_t key[GROUP_KEY_LEN]);

/* All that was taken, in an order in which it can be taken. Lent while the roster lives. */
size_t   group_roster_op_count(const struct group_roster *r);
struct bytes group_roster_op(const struct group_roster *r, size_t i);

/* H_16(; "group heads"; the hashes that no other operation builds on, rising): equal for equal sets. */
void     group_roster_digest(const struct group_roster *r, uint8_t out[16]);

/* Fills group, author, sequence and parents for the next operation of this member. ERR_FULL: GROUP_OPS_MAX. */
enum err group_roster_next(const struct group_roster *r, const uint8_t author[GROUP_KEY_LEN], struct group_op *out);

#endif
