/* tests/groups/guild.c - people with keys and cards, and the operations they make. */
#include "tests/groups/guild.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/identity.h"
#include "crypto/text.h"
#include "tests/support/check.h"

void guild_make(struct soul people[GUILD_MAX])
{
    static const char *const names[GUILD_MAX] = { "Ana", "Ben", "Carla", "Dora", "Emil", "Fred", "Gina", "Hugo", "Ida" };
    struct seeded s;
    struct rng g;

    REQUIRE(crypto_start() == ERR_NONE);
    seeded_init(&s, 4711);
    g = seeded_rng(&s);
    for (int i = 0; i < GUILD_MAX; i++) {
        struct identity *id;

        REQUIRE(identity_new(&id, bytes_of_text(names[i]), 700, &g) == ERR_NONE);
        people[i].card_len = card_encode(identity_card(id), people[i].card);
        identity_free(id);
        rng_fill(&g, people[i].seed, sizeof people[i].seed);
        signature_key(people[i].key, people[i].seed);
    }
}

static struct op_bytes seal(struct group_op *op, const struct soul *by)
{
    struct op_bytes out;
    struct writer w = writer_of(out.at, sizeof out.at);

    REQUIRE(group_op_seal(op, by->seed, &w) == ERR_NONE);
    out.len = writer_len(&w);
    return out;
}

struct op_bytes guild_create(const struct soul *by, const char *name)
{
    struct group_op op = { .kind = GROUP_CREATE };

    memcpy(op.author, by->key, sizeof op.author);
    memset(op.salt, 0x11, sizeof op.salt);
    op.name = bytes_of_text(name);
    op.card = bytes_of(by->card, by->card_len);
    return seal(&op, by);
}

struct op_bytes guild_op(const struct group_roster *r, const struct soul *by, enum group_op_kind kind, const struct soul *about,
                         bool is_admin, const char *name)
{
    struct group_op op;

    REQUIRE(group_roster_next(r, by->key, &op) == ERR_NONE);
    op.kind = kind;
    op.is_admin = is_admin;
    if (about != NULL)
        memcpy(op.subject, about->key, sizeof op.subject);
    if (kind == GROUP_ADD)
        op.card = bytes_of(about->card, about->card_len);
    if (name != NULL)
        op.name = bytes_of_text(name);
    return seal(&op, by);
}

enum group_verdict guild_add(struct group_roster *r, const struct op_bytes *op)
{
    enum group_verdict v;

    REQUIRE(group_roster_add(r, op_view(op), &v) == ERR_NONE);
    return v;
}

void guild_text(const struct group_roster *r, const struct soul people[GUILD_MAX], char out[GUILD_TEXT_MAX])
{
    char hex[33];
    uint8_t digest[16];
    size_t at = 0;

    for (size_t i = 0; i < group_roster_count(r); i++) {
        const struct group_member *m = group_roster_member(r, i);

        for (int p = 0; p < GUILD_MAX; p++) {
            if (memcmp(people[p].key, m->key, GROUP_KEY_LEN) == 0)
                at += (size_t)snprintf(out + at, GUILD_TEXT_MAX - at, "%c%s ", 'A' + p, m->is_admin ? "*" : "");
        }
    }
    group_roster_digest(r, digest);
    text_hex(hex, bytes_of(digest, sizeof digest));
    struct bytes name = group_roster_name(r);
    snprintf(out + at, GUILD_TEXT_MAX - at, "\"%.*s\" %s", (int)name.len, (const char *)name.at, hex);
}
