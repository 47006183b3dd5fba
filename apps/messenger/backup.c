/* apps/messenger/backup.c - a person put away, and made again on another device (protocol section 8.1).
 *
 * Nothing of the old ratchets is kept, so nothing of them can be used twice: to everybody who has heard of us a reset goes, by F2,
 * and they begin anew and send again what was never acknowledged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/backup_content.h"
#include "apps/messenger/state.h"
#include "crypto/backup.h"
#include "crypto/hash.h"

/* ---- Away ---- */

static enum err collect(const struct messenger *m, struct backup_content *c)
{
    memset(c, 0, sizeof *c);
    identity_root(m->identity, &c->self);
    c->is_marking_read = m->settings.is_marking_read;
    c->friends = calloc(m->friend_count + 1u, sizeof *c->friends);
    if (c->friends == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < m->friend_count; i++) {
        const struct friend *f = m->friends[i];
        struct backup_friend *b = &c->friends[c->friend_count];

        if (f->r.flags & FRIEND_REQUEST && !(f->r.flags & FRIEND_IS_BLOCKED))
            continue;   /* not accepted: they can ask again */
        memcpy(b->name, f->r.name, sizeof b->name);
        b->flags = f->r.flags & BACKUP_FLAGS;
        b->disappear_s = f->r.disappear_s;
        b->card = f->r.card;
        c->friend_count++;
    }
    return ERR_NONE;
}

enum err messenger_backup(struct messenger *m, const struct backup_key *key, enum vault_cost cost, struct buffer *to, uint32_t *friends)
{
    struct buffer plain = buffer_of_limit(BACKUP_CONTENT_MAX);
    struct backup_content c;
    enum err e = m->failed != ERR_NONE ? m->failed : collect(m, &c);

    if (e != ERR_NONE)
        return e;
    *friends = c.friend_count;
    /* All at once: a block that grows leaves copies of the keys behind. */
    if ((e = buffer_reserve(&plain, BACKUP_PAD_LEN * 4 + c.friend_count * sizeof *c.friends)) == ERR_NONE)
        e = backup_content_encode(&c, &plain);
    if (e == ERR_NONE)
        e = backup_seal(to, buffer_bytes(&plain), key, cost, &m->config.rng);
    secret_buffer_clear(&plain);
    backup_content_clear(&c);
    return e;
}

/* ---- And back ---- */

static enum err put_friends(struct messenger *m, const struct backup_content *c)
{
    enum err e = ERR_NONE;

    for (uint32_t i = 0; i < c->friend_count && e == ERR_NONE; i++)
        e = friend_put_back(m, &c->friends[i]);
    return e;
}

static enum err put_back(struct messenger *m, const struct backup_content *c)
{
    enum err e = identity_of_root(&m->identity, &c->self, messenger_day(m), &m->config.rng);

    if (e != ERR_NONE)
        return e;
    m->settings.is_marking_read = c->is_marking_read;
    m->is_identity_dirty = m->is_settings_dirty = true;
    if ((e = put_friends(m, c)) == ERR_NONE)
        e = messenger_settle(m);
    return e;
}

enum err messenger_restore(const struct messenger_config *config, struct bytes file, const struct backup_key *key, uint32_t *friends)
{
    struct buffer plain = buffer_of_limit(BACKUP_CONTENT_MAX);
    struct backup_content c;
    struct messenger m;
    enum err e;

    if ((e = messenger_begin(&m, config)) != ERR_NONE)
        return e;
    if ((e = buffer_reserve(&plain, file.len < BACKUP_CONTENT_MAX ? file.len : BACKUP_CONTENT_MAX)) == ERR_NONE &&
        (e = backup_open(&plain, file, key)) == ERR_NONE && (e = backup_content_decode(&c, buffer_bytes(&plain))) == ERR_NONE) {
        *friends = c.friend_count;
        e = put_back(&m, &c);
        backup_content_clear(&c);
    }
    secret_buffer_clear(&plain);
    messenger_end(&m);
    return e;
}
