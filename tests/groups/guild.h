/* tests/groups/guild.h - people with keys and cards, and the operations they make. */
#ifndef STA_TESTS_GUILD_H
#define STA_TESTS_GUILD_H

#include "apps/groups/group_roster.h"
#include "tests/support/seeded.h"

enum { GUILD_MAX = 9 };

struct soul {
    uint8_t seed[SIGNATURE_SEED_LEN], key[GROUP_KEY_LEN];
    uint8_t card[CARD_LEN_MAX];
    size_t  card_len;
};

struct op_bytes { uint8_t at[GROUP_OP_LEN_MAX]; size_t len; };

/* The same people each time. */
void guild_make(struct soul people[GUILD_MAX]);

struct op_bytes guild_create(const struct soul *by, const char *name);
/* What `by` makes, knowing `r`. The subject may be NULL where there is none. */
struct op_bytes guild_op(const struct group_roster *r, const struct soul *by, enum group_op_kind kind, const struct soul *about,
                         bool is_admin, const char *name);
enum group_verdict guild_add(struct group_roster *r, const struct op_bytes *op);   /* ends the program without memory */
static inline struct bytes op_view(const struct op_bytes *op) { return bytes_of(op->at, op->len); }

/* Members, admins, name and digest in one line, to compare. */
enum { GUILD_TEXT_MAX = 2048 };
void guild_text(const struct group_roster *r, const struct soul people[GUILD_MAX], char out[GUILD_TEXT_MAX]);

#endif
