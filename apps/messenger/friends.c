/* apps/messenger/friends.c - the address book. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/backup_content.h"
#include "apps/messenger/state.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "crypto/text.h"

/* ---- Records ----
 *
 * A friend's record is named by its number; what belongs to the conversation is named by a letter and the number. */

enum { FRIEND_NAME_LEN = 4, PART_NAME_LEN = 5 };

static struct bytes friend_name(uint8_t out[FRIEND_NAME_LEN], uint32_t number)
{
    struct writer w = writer_of(out, FRIEND_NAME_LEN);

    writer_u32(&w, number);
    return writer_bytes(&w);
}

/* Messages under way to a friend belong to the friend, not to what any conversation has. */
static struct bytes flights_name(uint8_t out[PART_NAME_LEN], uint32_t number)
{
    struct writer w = writer_of(out, PART_NAME_LEN);

    writer_u8(&w, 'o');
    writer_u32(&w, number);
    return writer_bytes(&w);
}

enum err friend_save(struct messenger *m, struct friend *f)
{
    uint8_t name[PART_NAME_LEN];
    enum err e = ERR_NONE;

    if (f->dirty & DIRTY_FRIEND) {
        e = friend_encode(&f->r, messenger_record(m));
        if (e == ERR_NONE)
            e = archive_put(m->config.archive, ARCHIVE_FRIEND, friend_name(name, f->number), buffer_bytes(&m->record));
    }
    if (e == ERR_NONE)
        e = conversation_save(m, &f->talk, f->dirty);
    if (e == ERR_NONE && f->dirty & DIRTY_FLIGHTS) {
        e = due_list_encode(&f->flights, messenger_record(m));
        if (e == ERR_NONE)
            e = archive_put(m->config.archive, ARCHIVE_CONVERSATION, flights_name(name, f->number), buffer_bytes(&m->record));
    }
    f->dirty = 0;
    return e;
}

static void earlier(uint64_t *due, uint64_t at_s)
{
    if (at_s < *due)
        *due = at_s;
}

static uint64_t due_of(const struct friend *f)
{
    uint64_t due = UINT64_MAX;

    for (uint32_t i = 0; i < f->flights.count; i++) {
        earlier(&due, f->flights.at[i].at_s);
        earlier(&due, f->flights.at[i].until_s);
    }
    earlier(&due, conversation_due_s(&f->talk));
    if (f->r.card_due_s != 0)
        earlier(&due, f->r.card_due_s);
    if (f->r.reset_due_s != 0)
        earlier(&due, f->r.reset_due_s);
    return due;
}

void friend_touch(struct messenger *m, struct friend *f, unsigned dirty)
{
    f->dirty |= (uint8_t)dirty;
    if (dirty != 0)
        m->is_any_dirty = true;
    f->due_s = due_of(f);
}

static void friend_free(struct friend *f)
{
    due_list_clear(&f->flights);
    conversation_clear(&f->talk);
    secret_wipe(f, sizeof *f);
    free(f);
}

void friends_free(struct messenger *m)
{
    for (uint32_t i = 0; i < m->friend_count; i++)
        friend_free(m->friends[i]);
    free(m->friends);
    m->friends = NULL;
    m->friend_count = 0;
}

/* Kept by rising number, which is the order they are made in. */
static enum err list_append(struct messenger *m, struct friend *f)
{
    if (m->friend_count >= FRIENDS_MAX)
        return ERR_FULL;
    if (m->friend_count == m->friend_cap) {
        uint32_t cap = m->friend_cap == 0 ? 8 : m->friend_cap * 2;
        struct friend **more = realloc(m->friends, cap * sizeof *more);

        if (more == NULL)
            return ERR_NO_MEMORY;
        m->friends = more;
        m->friend_cap = cap;
    }
    m->friends[m->friend_count++] = f;
    return ERR_NONE;
}

/* A session that cannot be read is lost, not the friend: both sides begin anew. */
static enum err slots_load(struct messenger *m, struct friend *f)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        enum err e = slot_facts(m, f, i);

        if (e == ERR_CORRUPT) {
            f->slots[i].is_used = true;
            slot_drop(m, f, i);
            if (f->r.flags & FRIEND_HEARD && !(f->r.flags & FRIEND_IS_BLOCKED))
                f->r.reset_due_s = messenger_clock_s(m);
            f->dirty |= DIRTY_FRIEND;
            m->is_any_dirty = true;
        } else if (e != ERR_NONE && e != ERR_NOT_FOUND) {
            return e;
        }
    }
    return m->failed;
}

static enum err friend_load(struct messenger *m, struct friend *f)
{
    uint8_t name[PART_NAME_LEN];
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_FRIEND, friend_name(name, f->number), &in);

    if (e != ERR_NONE || (e = friend_decode(&f->r, in)) != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    conversation_begin(&f->talk, f->number, f);
    if ((e = conversation_load(m, &f->talk)) != ERR_NONE)
        return e;
    if ((e = archive_get(m->config.archive, ARCHIVE_CONVERSATION, flights_name(name, f->number), &in)) == ERR_NONE)
        e = due_list_decode(&f->flights, in, MESSAGES_WAITING_MAX);
    if (e != ERR_NONE && e != ERR_NOT_FOUND)
        return e;
    return slots_load(m, f);
}

struct numbers { uint32_t at[FRIENDS_MAX]; uint32_t count; };

static bool note_number(void *ctx, struct bytes name)
{
    struct numbers *all = ctx;
    struct reader r = reader_of(name);
    uint32_t number = reader_u32(&r);

    if (reader_is_done(&r) && all->count < FRIENDS_MAX)
        all->at[all->count++] = number;
    return true;
}

enum err friends_load(struct messenger *m)
{
    struct numbers *all = calloc(1, sizeof *all);
    enum err e;

    if (all == NULL)
        return ERR_NO_MEMORY;
    e = archive_list_walk(m->config.archive, ARCHIVE_FRIEND, note_number, all);
    if (e == ERR_NOT_FOUND)
        e = ERR_NONE;
    for (uint32_t i = 0; i < all->count && e == ERR_NONE; i++) {
        struct friend *f = calloc(1, sizeof *f);

        if (f == NULL) {
            e = ERR_NO_MEMORY;
            break;
        }
        f->number = all->at[i];
        if ((e = friend_load(m, f)) != ERR_NONE || (e = list_append(m, f)) != ERR_NONE)
            friend_free(f);
        else
            f->due_s = due_of(f);
    }
    free(all);
    return e;
}

struct friend *friend_by_number(const struct messenger *m, uint32_t number)
{
    uint32_t from = 0, to = m->friend_count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (m->friends[middle]->number == number)
            return m->friends[middle];
        if (m->friends[middle]->number < number)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

struct friend *friend_by_card(const struct messenger *m, const struct card *c)
{
    for (uint32_t i = 0; i < m->friend_count; i++) {
        if (card_is_same_person(&m->friends[i]->r.card, c))
            return m->friends[i];
    }
    return NULL;
}

uint32_t friends_asking(const struct messenger *m)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < m->friend_count; i++)
        count += (m->friends[i]->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED)) == FRIEND_REQUEST;
    return count;
}

/* ---- Names ---- */

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

bool name_is_same(const char *a, struct bytes b)
{
    size_t len = strlen(a);

    if (len != b.len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower((uint8_t)a[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

static struct friend *by_name(const struct messenger *m, struct bytes name)
{
    for (uint32_t i = 0; i < m->friend_count; i++) {
        if (name_is_same(m->friends[i]->r.name, name))
            return m->friends[i];
    }
    return NULL;
}

/* The name itself, or with the first number that makes it unique. There is one: fewer friends than numbers. A long
 * name is cut at a whole character to make room for it. */
static void name_unique(const struct messenger *m, struct bytes wanted, char out[FRIEND_NAME_MAX + 1])
{
    enum { NUMBER_ROOM = 8 };
    size_t len = wanted.len;

    snprintf(out, FRIEND_NAME_MAX + 1, "%.*s", (int)len, (const char *)wanted.at);
    if (len > FRIEND_NAME_MAX - NUMBER_ROOM) {
        len = FRIEND_NAME_MAX - NUMBER_ROOM;
        while (len > 0 && (wanted.at[len] & 0xc0) == 0x80)
            len--;
    }
    for (unsigned n = 2; by_name(m, bytes_of_text(out)) != NULL; n++)
        snprintf(out, FRIEND_NAME_MAX + 1, "%.*s %u", (int)len, (const char *)wanted.at, n);
}

/* ---- New friends, new cards ---- */

/* A friend in list and archive, with nobody on the look-out for it yet. */
static enum err friend_make(struct messenger *m, const struct card *card, struct bytes as, struct friend **out)
{
    uint8_t name[FRIEND_NAME_LEN];
    struct friend *f;
    enum err e;

    if (m->friend_count >= FRIENDS_MAX)
        return ERR_FULL;
    if ((f = calloc(1, sizeof *f)) == NULL)
        return ERR_NO_MEMORY;
    f->number = m->settings.next_friend;
    f->r.card = *card;
    conversation_begin(&f->talk, f->number, f);
    name_unique(m, as.len > 0 ? as : bytes_of(card->name, card->name_len), f->r.name);
    if ((e = tags_pair_root(m->identity, card, f->r.pair_root)) != ERR_NONE) {
        friend_free(f);
        return e;
    }
    if ((e = archive_list_add(m->config.archive, ARCHIVE_FRIEND, friend_name(name, f->number))) != ERR_NONE ||
        (e = list_append(m, f)) != ERR_NONE) {
        friend_free(f);
        return messenger_fail(m, e);
    }
    m->settings.next_friend++;
    m->is_settings_dirty = true;
    friend_touch(m, f, DIRTY_FRIEND | DIRTY_CONVERSATION);
    *out = f;
    return ERR_NONE;
}

enum err friend_new(struct messenger *m, const struct card *card, struct bytes as, struct friend **out)
{
    enum err e = friend_make(m, card, as, out);

    if (e != ERR_NONE)
        return e;
    messenger_fail(m, watch_friend(m->watch, *out));
    messenger_tell(m, MESSENGER_FRIEND, (*out)->number, NULL);
    return m->failed;
}

enum err friend_put_back(struct messenger *m, const struct backup_friend *b)
{
    struct friend *f;
    enum err e;

    if (card_is_same_person(&b->card, identity_card(m->identity)))
        return ERR_MALFORMED;
    if ((e = friend_make(m, &b->card, bytes_of_text(b->name), &f)) != ERR_NONE)
        return e;
    f->r.flags = b->flags;
    f->r.disappear_s = b->disappear_s;
    if (b->flags & FRIEND_HEARD && !(b->flags & FRIEND_IS_BLOCKED))
        f->r.reset_due_s = f->r.card_due_s = messenger_soon_s(m) + 1;
    return ERR_NONE;
}

/* Prekeys are numbered as they are made, modulo 2^16; dates would not do, for a clock may have been set back. */
static bool card_is_older(const struct card *a, const struct card *b)
{
    return (int16_t)(uint16_t)(a->prekey_id - b->prekey_id) < 0;
}

/* A reset that has not been answered may have been for a prekey that is gone; the newer card has another. */
static void begin_again(struct messenger *m, struct friend *f)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if (f->slots[i].is_used && f->slots[i].is_ours && !f->slots[i].is_established)
            slot_drop(m, f, i);
    }
    f->r.reset_due_s = messenger_clock_s(m);
    f->r.reset_tries = 0;
}

/* A standing card replaces an invite's, and a newer one an older. */
void friend_take_card(struct messenger *m, struct friend *f, const struct card *card)
{
    bool is_invite = (card->flags & CARD_ONE_TIME) != 0, had_invite = (f->r.card.flags & CARD_ONE_TIME) != 0;

    if (is_invite && (!had_invite || f->r.flags & FRIEND_HEARD))
        return;
    if (is_invite == had_invite && card_is_older(card, &f->r.card))
        return;
    f->r.card = *card;
    if (f->r.reset_due_s != 0)
        begin_again(m, f);
    friend_touch(m, f, DIRTY_FRIEND);
    messenger_tell(m, MESSENGER_FRIEND, f->number, NULL);
}

static bool ack_waiting(void *ctx, const struct message_info *info)
{
    struct buffer *ids = ctx;
    struct message_id id;
    size_t len;

    if (info->is_incoming && !info->is_unreadable &&
        text_hex_decode(id.octets, sizeof id.octets, &len, bytes_of_text(info->id)) == ERR_NONE)
        (void)buffer_append(ids, bytes_of(id.octets, sizeof id.octets));
    return true;
}

/* What came while the person was asking is acknowledged now. */
void friend_accepted(struct messenger *m, struct friend *f)
{
    struct buffer ids = buffer_of_limit(REQUEST_MESSAGES_MAX * MESSAGE_ID_LEN);

    if (!(f->r.flags & FRIEND_REQUEST))
        return;
    f->r.flags &= (uint8_t)~FRIEND_REQUEST;
    messenger_messages(m, f->number, 1, ack_waiting, &ids);
    for (size_t i = 0; i + MESSAGE_ID_LEN <= ids.len; i += MESSAGE_ID_LEN) {
        struct message_id id;

        memcpy(id.octets, ids.at + i, MESSAGE_ID_LEN);
        receipts_ack(m, f, &id);
    }
    buffer_clear(&ids);
    receipts_owe_card(m, f);
    friend_touch(m, f, DIRTY_FRIEND);
    messenger_tell(m, MESSENGER_FRIEND, f->number, NULL);
}

/* ---- Public calls ---- */

enum err messenger_friend_add(struct messenger *m, struct bytes link, struct bytes as, uint64_t wall_unix_s, uint32_t *number)
{
    struct card card;
    struct friend *f;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    messenger_at(m, wall_unix_s, m->now_ms);
    if ((e = card_from_link(&card, link)) != ERR_NONE)
        return e;
    if (as.len > 0 && !friend_name_is_sound(as))
        return ERR_MALFORMED;
    if (card_is_same_person(&card, identity_card(m->identity)))
        return ERR_REFUSED;
    if ((f = friend_by_card(m, &card)) != NULL) {
        friend_take_card(m, f, &card);
        friend_accepted(m, f);
        *number = f->number;
        e = messenger_settle(m);
        return e == ERR_NONE ? ERR_EXISTS : e;
    }
    if ((e = friend_new(m, &card, as, &f)) != ERR_NONE)
        return e;
    *number = f->number;
    return messenger_settle(m);
}

enum err messenger_friend_find(struct messenger *m, struct bytes name, uint32_t *number)
{
    const struct friend *f = by_name(m, name);

    if (f == NULL)
        return ERR_NOT_FOUND;
    *number = f->number;
    return ERR_NONE;
}

void friend_fill_info(struct messenger *m, const struct friend *f, struct friend_info *out)
{
    memset(out, 0, sizeof *out);
    snprintf(m->card_name, sizeof m->card_name, "%.*s", (int)f->r.card.name_len, f->r.card.name);
    out->number = f->number;
    out->name = f->r.name;
    out->card_name = m->card_name;
    out->state = FRIEND_ADDED;
    if (f->r.flags & FRIEND_HEARD && f->r.flags & FRIEND_WRITTEN)
        out->state = FRIEND_CONNECTED;
    if (f->r.flags & FRIEND_IS_VERIFIED)
        out->state = FRIEND_VERIFIED;
    out->is_request = (f->r.flags & FRIEND_REQUEST) != 0;
    out->is_blocked = (f->r.flags & FRIEND_IS_BLOCKED) != 0;
    out->last_heard_unix_s = f->r.last_heard_unix_s;
    out->unread = f->talk.r.unread;
    out->message_count = f->talk.r.message_count;
    out->disappear_s = f->r.disappear_s;
    const struct friend *by = f->r.introducer != 0 ? friend_by_number(m, f->r.introducer) : NULL;
    out->introduced_by = by != NULL ? by->r.name : NULL;
}

enum err messenger_friend_info(struct messenger *m, uint32_t number, struct friend_info *out)
{
    const struct friend *f = friend_by_number(m, number);

    if (f == NULL)
        return ERR_NOT_FOUND;
    friend_fill_info(m, f, out);
    return ERR_NONE;
}

enum err messenger_friends(struct messenger *m, messenger_friend_visit *visit, void *ctx)
{
    for (uint32_t i = 0; i < m->friend_count; i++) {
        struct friend_info info;

        friend_fill_info(m, m->friends[i], &info);
        if (!visit(ctx, &info))
            break;
    }
    return ERR_NONE;
}

/* The friend that a change is for, once nothing has failed. */
static enum err begin_change(const struct messenger *m, uint32_t number, struct friend **f)
{
    if (m->failed != ERR_NONE)
        return m->failed;
    *f = friend_by_number(m, number);
    return *f != NULL ? ERR_NONE : ERR_NOT_FOUND;
}

static enum err end_change(struct messenger *m, struct friend *f)
{
    friend_touch(m, f, DIRTY_FRIEND);
    messenger_tell(m, MESSENGER_FRIEND, f->number, NULL);
    return messenger_settle(m);
}

enum err messenger_friend_accept(struct messenger *m, uint32_t number)
{
    struct friend *f;
    enum err e = begin_change(m, number, &f);

    if (e != ERR_NONE)
        return e;
    friend_accepted(m, f);
    return messenger_settle(m);
}

enum err messenger_friend_rename(struct messenger *m, uint32_t number, struct bytes name)
{
    struct friend *f, *other;
    enum err e = begin_change(m, number, &f);

    if (e != ERR_NONE)
        return e;
    if (!friend_name_is_sound(name))
        return ERR_MALFORMED;
    if ((other = by_name(m, name)) != NULL && other != f)
        return ERR_EXISTS;
    snprintf(f->r.name, sizeof f->r.name, "%.*s", (int)name.len, (const char *)name.at);
    return end_change(m, f);
}

enum err messenger_friend_set_disappear(struct messenger *m, uint32_t number, uint32_t seconds)
{
    struct friend *f;
    enum err e = begin_change(m, number, &f);

    if (e != ERR_NONE)
        return e;
    f->r.disappear_s = seconds;
    return end_change(m, f);
}

enum err messenger_friend_verify(struct messenger *m, uint32_t number, bool is_verified)
{
    struct friend *f;
    enum err e = begin_change(m, number, &f);

    if (e != ERR_NONE)
        return e;
    f->r.flags = (uint8_t)((f->r.flags & ~FRIEND_IS_VERIFIED) | (is_verified ? FRIEND_IS_VERIFIED : 0));
    return end_change(m, f);
}

/* Receipts owed, our card, a reset: none of it goes to who is blocked. */
static void owe_nothing(struct messenger *m, struct friend *f)
{
    f->r.card_due_s = f->r.reset_due_s = 0;
    f->talk.r.ack_due_s = f->talk.r.read_due_s = 0;
    f->talk.r.ack_count = f->talk.r.read_count = 0;
    friend_touch(m, f, DIRTY_FRIEND | DIRTY_CONVERSATION);
}

enum err messenger_friend_block(struct messenger *m, uint32_t number, bool is_blocked)
{
    struct friend *f;
    enum err e = begin_change(m, number, &f);

    if (e != ERR_NONE)
        return e;
    if (is_blocked == ((f->r.flags & FRIEND_IS_BLOCKED) != 0))
        return ERR_NONE;
    f->r.flags ^= FRIEND_IS_BLOCKED;
    if (is_blocked) {
        owe_nothing(m, f);
        outbox_give_up(m, f);
    } else {
        receipts_owe_card(m, f);   /* it may have changed meanwhile */
    }
    return end_change(m, f);
}

enum err messenger_safety_number(struct messenger *m, uint32_t number, char out[SAFETY_NUMBER_LEN + 1])
{
    const struct friend *f = friend_by_number(m, number);

    if (f == NULL)
        return ERR_NOT_FOUND;
    safety_number(identity_card(m->identity), &f->r.card, out);
    return ERR_NONE;
}

/* ---- Removal ---- */

static enum err forget_records(struct messenger *m, struct friend *f)
{
    uint8_t name[PART_NAME_LEN];
    enum err e = conversation_forget(m, &f->talk);

    if (e == ERR_NONE)
        e = archive_delete(m->config.archive, ARCHIVE_CONVERSATION, flights_name(name, f->number));
    if (e == ERR_NONE || e == ERR_NOT_FOUND)
        e = archive_delete(m->config.archive, ARCHIVE_FRIEND, friend_name(name, f->number));
    if (e == ERR_NONE || e == ERR_NOT_FOUND)
        e = archive_list_remove(m->config.archive, ARCHIVE_FRIEND, friend_name(name, f->number));
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

static void list_remove(struct messenger *m, struct friend *f)
{
    uint32_t i = 0;

    while (m->friends[i] != f)
        i++;
    m->friend_count--;
    memmove(m->friends + i, m->friends + i + 1, (m->friend_count - i) * sizeof *m->friends);
}

enum err messenger_friend_remove(struct messenger *m, uint32_t number, uint64_t wall_unix_s)
{
    struct friend *f;
    enum err e = begin_change(m, number, &f);

    if (e != ERR_NONE)
        return e;
    messenger_at(m, wall_unix_s, m->now_ms);
    slots_drop_but(m, f, -1);
    if ((e = forget_records(m, f)) != ERR_NONE)
        return messenger_fail(m, e);
    self_refuse(m, &f->r.card);
    list_remove(m, f);
    friend_free(f);
    if ((e = watch_forget(m->watch, number)) != ERR_NONE || (e = self_replace_inbox(m)) != ERR_NONE)
        return messenger_fail(m, e);
    messenger_tell(m, MESSENGER_FRIEND, number, NULL);
    return messenger_settle(m);
}
