/* apps/groups/group_op.h - one operation on a group's membership: who comes, who goes, what it is called (protocol section 5.1).
 *
 *   version 1 | kind 1 | group 16 | author 32 | sequence 4 | count 1 | parents 32 each | body | signature 64
 *
 * Signed with the author's key for this group, which is drawn for it and says nothing of the person's identity. An operation
 * names what its author had seen (its parents), so that all operations form a graph. It is known by the hash of all but
 * the signature. What operations amount to is group_roster.h.
 */
#ifndef STA_GROUPS_GROUP_OP_H
#define STA_GROUPS_GROUP_OP_H

#include "crypto/card.h"
#include "crypto/signature.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum {
    GROUP_ID_LEN        = 16,
    GROUP_KEY_LEN       = SIGNATURE_KEY_LEN,
    GROUP_HASH_LEN      = 32,
    GROUP_NAME_MAX      = 64,     /* bytes of UTF-8 */
    GROUP_PARENTS_MAX   = 8,      /* more heads than this are joined by the operations after */
    GROUP_OP_VERSION    = 1,
    GROUP_OP_LEN_MAX    = 56 + GROUP_PARENTS_MAX * GROUP_HASH_LEN + GROUP_KEY_LEN + 1 + CARD_LEN_MAX + SIGNATURE_LEN,
};

enum group_op_kind {
    GROUP_CREATE,   /* body: salt 16, name length 1, name, card length 1, card; the author is the first admin */
    GROUP_ADD,      /* subject's key 32, card length 1, card */
    GROUP_REMOVE,   /* subject's key 32 */
    GROUP_LEAVE,    /* empty: the author goes */
    GROUP_RENAME,   /* name length 1, name */
    GROUP_ADMIN,    /* subject's key 32, 1 or 0: is one from now on, or no more */
    GROUP_OP_KIND_COUNT
};

struct group_op {
    enum group_op_kind kind;
    uint8_t  group[GROUP_ID_LEN];        /* CREATE: zero as sent; set from the hash by decode and seal */
    uint8_t  author[GROUP_KEY_LEN];
    uint32_t sequence;                   /* of the author's operations here, from 0; a number used twice is a fork */
    uint8_t  parent_count;               /* CREATE: 0; all others at least 1 */
    uint8_t  parents[GROUP_PARENTS_MAX][GROUP_HASH_LEN];   /* rising, none twice */
    uint8_t  salt[16];                   /* CREATE */
    uint8_t  subject[GROUP_KEY_LEN];     /* ADD, REMOVE, ADMIN */
    bool     is_admin;                   /* ADMIN */
    struct bytes name;                   /* CREATE, RENAME; borrowed */
    struct bytes card;                   /* CREATE, ADD: an encoded card that decodes; borrowed */
};

/* A name that fits one line: 1 to GROUP_NAME_MAX bytes of UTF-8 without control or direction characters. */
bool group_name_is_sound(struct bytes name);

/* Writes and signs; sets op->group of a CREATE. `seed` is that of op->author. ERR_MALFORMED: what group_op_decode would not take. */
enum err group_op_seal(struct group_op *op, const uint8_t seed[SIGNATURE_SEED_LEN], struct writer *w);

/* Lends name and card from `in`. ERR_MALFORMED, ERR_VERSION (another version or kind), ERR_AUTH: the signature. `hash` is its name in parents. */
enum err group_op_decode(struct group_op *out, uint8_t hash[GROUP_HASH_LEN], struct bytes in);

#endif
