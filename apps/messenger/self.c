/* apps/messenger/self.c - our own identity: card, invites, daily care, keys that were used once. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/hash.h"

static const char IDENTITY_NAME[] = "identity";
static const char USED_NAME[] = "used";

/* ---- Records ---- */

enum err self_load(struct messenger *m)
{
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_SELF, bytes_of_text(IDENTITY_NAME), &in);

    if (e != ERR_NONE || (e = identity_decode(&m->identity, in)) != ERR_NONE)
        return e;
    e = archive_get(m->config.archive, ARCHIVE_SELF, bytes_of_text(USED_NAME), &in);
    if (e == ERR_NOT_FOUND)
        return ERR_NONE;
    return e == ERR_NONE ? used_list_decode(&m->used, in) : e;
}

enum err self_save(struct messenger *m)
{
    enum err e = ERR_NONE;

    if (m->is_identity_dirty) {
        e = identity_encode(m->identity, messenger_record(m));
        if (e == ERR_NONE)
            e = archive_put(m->config.archive, ARCHIVE_SELF, bytes_of_text(IDENTITY_NAME), buffer_bytes(&m->record));
    }
    if (e == ERR_NONE && m->is_used_dirty) {
        e = used_list_encode(&m->used, messenger_record(m));
        if (e == ERR_NONE)
            e = archive_put(m->config.archive, ARCHIVE_SELF, bytes_of_text(USED_NAME), buffer_bytes(&m->record));
    }
    m->is_identity_dirty = m->is_used_dirty = false;
    return e;
}

static void identity_changed(struct messenger *m)
{
    m->is_identity_dirty = m->is_any_dirty = true;
}

/* ---- Keys that were used ---- */

bool self_is_used(const struct messenger *m, const uint8_t key[16])
{
    for (uint32_t i = 0; i < m->used.count; i++) {
        if (memcmp(m->used.at[i].key, key, sizeof m->used.at[i].key) == 0)
            return true;
    }
    return false;
}

/* Room is made among the friend's own keys, so that nobody can push out another's. */
static void used_make_room(struct messenger *m, uint32_t friend_number)
{
    uint32_t count = 0, oldest = UINT32_MAX;

    for (uint32_t i = m->used.count; i-- > 0;) {
        if (m->used.at[i].friend_number == friend_number) {
            count++;
            oldest = i;
        }
    }
    if (count >= USED_PER_FRIEND_MAX)
        used_list_remove(&m->used, oldest);
    else if (m->used.count == USED_MAX)
        used_list_remove(&m->used, 0);
}

void self_use(struct messenger *m, const uint8_t key[16], uint32_t friend_number)
{
    struct used u = { .friend_number = friend_number, .until_day = messenger_day(m) + USED_DAYS };

    memcpy(u.key, key, sizeof u.key);
    if (friend_number != USED_REMOVED)
        used_make_room(m, friend_number);
    else if (m->used.count == USED_MAX)
        used_list_remove(&m->used, 0);
    messenger_fail(m, used_list_add(&m->used, u, USED_MAX));
    m->is_used_dirty = m->is_any_dirty = true;
}

void self_refuse(struct messenger *m, const struct card *card)
{
    if (!self_is_used(m, card->dh_key))
        self_use(m, card->dh_key, USED_REMOVED);
}

/* ---- Card and inboxes ---- */

void self_card_mark(const struct messenger *m, uint8_t out[8])
{
    const struct card *c = identity_card(m->identity);
    uint8_t full[16];
    const struct bytes parts[] = { bytes_of(c->inbox_secret, sizeof c->inbox_secret), bytes_of(&c->mailbox_bits, 1),
                                   bytes_of(c->name, c->name_len) };

    hash_derive(full, sizeof full, bytes_of(NULL, 0), "card mark", parts, sizeof parts / sizeof parts[0]);
    memcpy(out, full, 8);
}

enum err self_inbox(const struct messenger *m, uint32_t inbox_id, struct inbox_view *out)
{
    size_t count = identity_inbox_count(m->identity);

    for (size_t i = 0; i < count; i++) {
        identity_inbox(m->identity, i, out);
        if (out->inbox_id == inbox_id)
            return ERR_NONE;
    }
    return ERR_NOT_FOUND;
}

bool self_is_standing(const struct messenger *m, uint32_t inbox_id)
{
    struct inbox_view v;

    identity_inbox(m->identity, 0, &v);
    return v.inbox_id == inbox_id;
}

enum err self_replace_inbox(struct messenger *m)
{
    struct inbox_view v;
    enum err e = identity_replace_inbox(m->identity, messenger_day(m), &m->config.rng);

    if (e != ERR_NONE)
        return e;
    identity_changed(m);
    identity_inbox(m->identity, 0, &v);
    for (uint32_t i = 0; i < m->friend_count; i++)
        receipts_owe_card(m, m->friends[i]);
    return watch_inbox(m->watch, &v);
}

void self_invite_used(struct messenger *m, uint32_t inbox_id)
{
    if (identity_invite_destroy(m->identity, inbox_id) == ERR_NONE)
        identity_changed(m);
}

/* ---- Daily care ---- */

static void tend_used(struct messenger *m)
{
    uint32_t day = messenger_day(m);

    for (uint32_t i = m->used.count; i-- > 0;) {
        if (m->used.at[i].until_day >= day)
            continue;
        used_list_remove(&m->used, i);
        m->is_used_dirty = m->is_any_dirty = true;
    }
}

static void tend_sessions(struct messenger *m, struct friend *f)
{
    for (unsigned i = 0; i < SLOTS_MAX && m->failed == ERR_NONE; i++) {
        struct session *s;

        if (!f->slots[i].is_used || slot_load(m, f, i, &s) != ERR_NONE)
            continue;
        if (session_tend(s, messenger_day(m)))
            messenger_fail(m, slot_save(m, f, i, s));
        session_free(s);
    }
}

static void tend_card(struct messenger *m, struct friend *f)
{
    uint8_t mark[8];

    self_card_mark(m, mark);
    if (memcmp(mark, f->r.card_mark, sizeof mark) != 0 || messenger_clock_s(m) >= f->r.card_sent_s + CARD_PAUSE_S)
        receipts_owe_card(m, f);
}

void self_tend(struct messenger *m)
{
    uint32_t day = messenger_day(m);

    if (day == m->settings.tended_day)
        return;
    if (identity_tend(m->identity, day, &m->config.rng))
        identity_changed(m);
    tend_used(m);
    for (uint32_t i = 0; i < m->friend_count; i++) {
        tend_sessions(m, m->friends[i]);
        tend_card(m, m->friends[i]);
    }
    m->settings.tended_day = day;
    m->is_settings_dirty = true;
}

/* ---- Public calls ---- */

void messenger_card_link(struct messenger *m, char to[CARD_LINK_MAX])
{
    card_link(identity_card(m->identity), to);
}

enum err messenger_invite_link(struct messenger *m, char to[CARD_LINK_MAX])
{
    struct inbox_view v;
    struct card invite;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if ((e = identity_invite(m->identity, &invite, messenger_day(m), &m->config.rng)) != ERR_NONE)
        return e;
    identity_changed(m);
    /* The newest invite stands right behind the standing inbox. */
    identity_inbox(m->identity, 1, &v);
    if ((e = watch_inbox(m->watch, &v)) != ERR_NONE)
        return messenger_fail(m, e);
    if ((e = messenger_settle(m)) == ERR_NONE)
        card_link(&invite, to);
    secret_wipe(&invite, sizeof invite);
    return e;
}

const char *messenger_name(const struct messenger *m)
{
    return identity_card(m->identity)->name;
}
