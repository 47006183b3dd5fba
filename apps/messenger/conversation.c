/* apps/messenger/conversation.c - messages by number and by id, and what a person does with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/text.h"

/* ---- Names of records ---- */

enum { MESSAGE_NAME_LEN = 8 };

static struct bytes message_name(uint8_t out[MESSAGE_NAME_LEN], uint32_t friend_number, uint32_t number)
{
    struct writer w = writer_of(out, MESSAGE_NAME_LEN);

    writer_u32(&w, friend_number);
    writer_u32(&w, number);
    return writer_bytes(&w);
}

static struct bytes id_name(const struct message_id *id)
{
    return bytes_of(id->octets, sizeof id->octets);
}

void message_id_text(const struct message_id *id, char out[MESSAGE_ID_TEXT_LEN + 1])
{
    text_hex(out, id_name(id));
}

enum err message_id_of_text(struct message_id *out, struct bytes text)
{
    size_t len;

    if (text.len != MESSAGE_ID_TEXT_LEN || text_hex_decode(out->octets, sizeof out->octets, &len, text) != ERR_NONE)
        return ERR_NOT_FOUND;
    return len == sizeof out->octets ? ERR_NONE : ERR_NOT_FOUND;
}

/* ---- Records ---- */

enum err message_load(struct messenger *m, const struct friend *f, uint32_t number, struct message_record *out)
{
    uint8_t name[MESSAGE_NAME_LEN];
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MESSAGE, message_name(name, f->number, number), &in);

    if (e != ERR_NONE || (e = message_decode(out, in)) != ERR_NONE)
        return e;
    if (out->text.len > 0)
        memcpy(m->text, out->text.at, out->text.len);
    m->text[out->text.len] = '\0';
    out->text.at = (const uint8_t *)m->text;
    return ERR_NONE;
}

enum err message_store(struct messenger *m, const struct friend *f, uint32_t number, const struct message_record *msg)
{
    uint8_t name[MESSAGE_NAME_LEN];
    struct buffer *b = messenger_record(m);
    enum err e = message_encode(msg, b);

    if (e == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_MESSAGE, message_name(name, f->number, number), buffer_bytes(b));
    return messenger_fail(m, e);
}

enum err message_place(struct messenger *m, const struct message_id *id, struct place *out)
{
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MESSAGE_ID, id_name(id), &in);

    return e == ERR_NONE ? place_decode(out, in) : e;
}

/* Writes a message under a number, and its id. */
static enum err message_file(struct messenger *m, const struct friend *f, uint32_t number, const struct message_record *msg)
{
    struct place at = { f->number, number };
    enum err e = message_store(m, f, number, msg);

    if (e != ERR_NONE)
        return e;
    struct buffer *b = messenger_record(m);
    if ((e = place_encode(&at, b)) == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_MESSAGE_ID, id_name(&msg->id), buffer_bytes(b));
    return messenger_fail(m, e);
}

static void message_counted(struct messenger *m, struct friend *f, const struct message_record *msg)
{
    f->c.next_number++;
    f->c.message_count++;
    if (msg->flags & MESSAGE_IS_INCOMING)
        f->c.unread++;
    friend_touch(m, f, DIRTY_CONVERSATION);
    messenger_tell(m, MESSENGER_MESSAGE, f->number, &msg->id);
}

enum err message_append(struct messenger *m, struct friend *f, const struct message_record *msg, uint32_t *number)
{
    enum err e;

    if (f->c.next_number == UINT32_MAX)
        return ERR_FULL;
    *number = f->c.next_number;
    f->burst.count = 0;
    if ((e = message_file(m, f, *number, msg)) == ERR_NONE)
        message_counted(m, f, msg);
    return e;
}

static bool is_written_before(const struct written *a, const struct written *b)
{
    if (a->time_unix_s != b->time_unix_s)
        return a->time_unix_s < b->time_unix_s;
    return a->index != 0 && b->index != 0 && a->index < b->index;
}

enum err message_append_incoming(struct messenger *m, struct friend *f, const struct message_record *msg, uint32_t index)
{
    struct written key = { msg->time_unix_s, index };
    struct burst *b = &f->burst;
    enum err e;

    if (f->c.next_number == UINT32_MAX)
        return ERR_FULL;
    if (b->count == 0 || b->count == BURST_MAX || b->now_ms != m->now_ms || b->first <= f->c.read_up_to)
        *b = (struct burst){ .now_ms = m->now_ms, .first = f->c.next_number };
    uint32_t at = b->count;
    for (; at > 0 && is_written_before(&key, &b->keys[at - 1]); at--) {
        struct message_record later;

        if ((e = message_load(m, f, b->first + at - 1, &later)) != ERR_NONE ||
            (e = message_file(m, f, b->first + at, &later)) != ERR_NONE)
            return messenger_fail(m, e == ERR_NOT_FOUND ? ERR_CORRUPT : e);
        b->keys[at] = b->keys[at - 1];
    }
    b->keys[at] = key;
    b->count++;
    if ((e = message_file(m, f, b->first + at, msg)) == ERR_NONE)
        message_counted(m, f, msg);
    return e;
}

bool message_is_gone(const struct friend *f, const struct message_id *id)
{
    for (uint32_t i = 0; i < f->gone.count; i++) {
        if (bytes_are_equal(id_name(&f->gone.at[i].id), id_name(id)))
            return true;
    }
    return false;
}

/* A repeat of a deleted message may still be under way: its id is remembered while that can be. */
static void remember_gone(struct messenger *m, struct friend *f, const struct message_id *id)
{
    struct gone g = { *id, messenger_clock_s(m) + GONE_S };

    for (uint32_t i = f->gone.count; i-- > 0;) {
        if (f->gone.at[i].until_s < messenger_clock_s(m))
            gone_list_remove(&f->gone, i);
    }
    if (f->gone.count == GONE_MAX)
        gone_list_remove(&f->gone, 0);
    messenger_fail(m, gone_list_add(&f->gone, g, GONE_MAX));
    friend_touch(m, f, DIRTY_GONE);
}

static bool due_forget(struct due_list *l, uint32_t number)
{
    struct due *d = due_list_find(l, number);

    if (d != NULL)
        due_list_remove(l, (uint32_t)(d - l->at));
    return d != NULL;
}

enum err message_remove(struct messenger *m, struct friend *f, uint32_t number)
{
    struct message_record msg;
    uint8_t name[MESSAGE_NAME_LEN];
    enum err e = message_load(m, f, number, &msg);

    if (e != ERR_NONE)
        return e;
    if ((e = outbox_release(m, &msg, false)) != ERR_NONE ||
        (e = archive_delete(m->config.archive, ARCHIVE_MESSAGE_ID, id_name(&msg.id))) != ERR_NONE ||
        (e = archive_delete(m->config.archive, ARCHIVE_MESSAGE, message_name(name, f->number, number))) != ERR_NONE)
        return messenger_fail(m, e);
    if (msg.flags & MESSAGE_HAS_MEDIA)
        media_removed(m, &msg.id);
    if (msg.flags & MESSAGE_IS_INCOMING) {
        remember_gone(m, f, &msg.id);
        if (number > f->c.read_up_to && f->c.unread > 0)
            f->c.unread--;
    }
    if (f->c.message_count > 0)
        f->c.message_count--;
    f->burst.count = 0;
    unsigned dirty = DIRTY_CONVERSATION;
    if (due_forget(&f->flights, number))
        dirty |= DIRTY_FLIGHTS;
    if (due_forget(&f->fading, number))
        dirty |= DIRTY_FADING;
    friend_touch(m, f, dirty);
    messenger_tell(m, MESSENGER_GONE, f->number, &msg.id);
    return ERR_NONE;
}

/* ---- Words for a person ---- */

static const char *days_text(char *to, size_t cap, uint64_t seconds)
{
    uint64_t days = (seconds + 43200) / 86400;

    if (days < 1)
        days = 1;
    snprintf(to, cap, "%llu day%s", (unsigned long long)days, days == 1 ? "" : "s");
    return to;
}

static const char *reason_text(struct messenger *m, const struct message_record *msg)
{
    char days[32];

    days_text(days, sizeof days, msg->life_s);
    switch ((enum message_reason)msg->reason) {
    case REASON_FULL:
        return "the space for own messages on this device is full; it is tried again as soon as there is room";
    case REASON_NOBODY:
        snprintf(m->reason, sizeof m->reason, "no one came by to carry it in %s, before it expired", days);
        return m->reason;
    case REASON_NO_ANSWER:
        snprintf(m->reason, sizeof m->reason, "carried by %u, but no answer came back in %s", msg->copies, days);
        return m->reason;
    case REASON_BAD_CARD:
        return "their card cannot be used; ask for a new one";
    case REASON_TOO_MANY:
        return "too many messages to this person wait for an answer";
    case REASON_VERSION:
        return "it needs a newer version of Staffetta to be shown";
    case REASON_STAMP:
        return "neighbours are nearly full and ask for proof of work first; this device does it in idle time";
    case REASON_NONE:
    case REASON_COUNT:
        break;
    }
    return "";
}

/* What lies ahead on our clock, as a wall clock shows it. */
static uint64_t unix_of_clock(const struct messenger *m, uint64_t at_s)
{
    uint64_t now_s = messenger_clock_s(m);

    return at_s > now_s ? m->wall_unix_s + (at_s - now_s) : m->wall_unix_s;
}

void message_fill_info(struct messenger *m, const struct friend *f, uint32_t number, const struct message_record *msg,
                       struct message_info *out)
{
    const struct due *flight = due_list_find((struct due_list *)(uintptr_t)&f->flights, number);

    memset(out, 0, sizeof *out);
    message_id_text(&msg->id, out->id);
    out->friend_number = f->number;
    out->number = number;
    out->is_incoming = (msg->flags & MESSAGE_IS_INCOMING) != 0;
    out->text = (const char *)msg->text.at;
    out->text_len = msg->text.len;
    out->time_unix_s = msg->time_unix_s;
    out->arrived_unix_s = msg->arrived_unix_s;
    out->state = (enum message_state)msg->state;
    out->copies = msg->copies;
    out->tries = msg->tries;
    out->carried_unix_s = msg->carried_unix_s;
    out->gateway_unix_s = msg->gateway_unix_s;
    out->delivered_unix_s = msg->delivered_unix_s;
    out->read_unix_s = msg->read_unix_s;
    out->expires_unix_s = msg->expires_unix_s;
    if (flight != NULL)
        out->next_try_unix_s = unix_of_clock(m, flight->at_s);
    out->disappear_s = msg->disappear_s;
    out->reason = reason_text(m, msg);
    out->media = msg->flags & MESSAGE_HAS_MEDIA ? media_of_message(m, &msg->id) : NULL;
    out->is_unreadable = (msg->flags & MESSAGE_IS_UNREADABLE) != 0;
}

/* ---- Public calls ---- */

/* ERR_NOT_FOUND unless both message and friend are here. */
static enum err find(struct messenger *m, struct bytes id_text, struct friend **f, uint32_t *number)
{
    struct message_id id;
    struct place at;
    enum err e;

    if ((e = message_id_of_text(&id, id_text)) != ERR_NONE || (e = message_place(m, &id, &at)) != ERR_NONE)
        return e;
    *f = friend_by_number(m, at.friend_number);
    *number = at.number;
    return *f != NULL ? ERR_NONE : ERR_NOT_FOUND;
}

enum err messenger_message(struct messenger *m, struct bytes id_text, struct message_info *out)
{
    struct message_record msg;
    struct friend *f;
    uint32_t number;
    enum err e;

    if ((e = find(m, id_text, &f, &number)) != ERR_NONE || (e = message_load(m, f, number, &msg)) != ERR_NONE)
        return e;
    message_fill_info(m, f, number, &msg, out);
    return ERR_NONE;
}

enum err messenger_messages(struct messenger *m, uint32_t friend_number, uint32_t from, messenger_message_visit *visit,
                            void *ctx)
{
    const struct friend *f = friend_by_number(m, friend_number);

    if (f == NULL)
        return ERR_NOT_FOUND;
    for (uint32_t n = from > 0 ? from : 1; n < f->c.next_number; n++) {
        struct message_record msg;
        struct message_info info;
        enum err e = message_load(m, f, n, &msg);

        if (e == ERR_NOT_FOUND)
            continue;   /* deleted */
        if (e != ERR_NONE)
            return e;
        message_fill_info(m, f, n, &msg, &info);
        if (!visit(ctx, &info))
            break;
    }
    return ERR_NONE;
}

enum err messenger_messages_before(struct messenger *m, uint32_t friend_number, uint32_t before, messenger_message_visit *visit,
                                   void *ctx)
{
    const struct friend *f = friend_by_number(m, friend_number);

    if (f == NULL)
        return ERR_NOT_FOUND;
    for (uint32_t n = before > 0 && before < f->c.next_number ? before : f->c.next_number; n > 1; n--) {
        struct message_record msg;
        struct message_info info;
        enum err e = message_load(m, f, n - 1, &msg);

        if (e == ERR_NOT_FOUND)
            continue;   /* deleted */
        if (e != ERR_NONE)
            return e;
        message_fill_info(m, f, n - 1, &msg, &info);
        if (!visit(ctx, &info))
            break;
    }
    return ERR_NONE;
}

struct unread { uint64_t arrived_unix_s; const struct friend *f; uint32_t number; };

static int unread_order(const void *a, const void *b)
{
    const struct unread *x = a, *y = b;

    if (x->arrived_unix_s != y->arrived_unix_s)
        return x->arrived_unix_s < y->arrived_unix_s ? -1 : 1;
    if (x->f->number != y->f->number)
        return x->f->number < y->f->number ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Fills at most f->c.unread of them. */
static enum err unread_of(struct messenger *m, const struct friend *f, struct unread *out, uint32_t *count)
{
    uint32_t found = 0;

    for (uint32_t n = f->c.read_up_to + 1; n < f->c.next_number && found < f->c.unread; n++) {
        struct message_record msg;
        enum err e = message_load(m, f, n, &msg);

        if (e == ERR_NOT_FOUND)
            continue;
        if (e != ERR_NONE)
            return e;
        if (msg.flags & MESSAGE_IS_INCOMING)
            out[found++] = (struct unread){ msg.arrived_unix_s, f, n };
    }
    *count += found;
    return ERR_NONE;
}

enum err messenger_inbox(struct messenger *m, messenger_message_visit *visit, void *ctx)
{
    size_t total = 0;
    uint32_t count = 0;
    enum err e = ERR_NONE;

    for (uint32_t i = 0; i < m->friend_count; i++)
        total += m->friends[i]->c.unread;
    if (total == 0)
        return ERR_NONE;
    struct unread *all = calloc(total, sizeof *all);
    if (all == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < m->friend_count && e == ERR_NONE; i++)
        e = unread_of(m, m->friends[i], all + count, &count);
    qsort(all, count, sizeof *all, unread_order);
    for (uint32_t i = 0; i < count && e == ERR_NONE; i++) {
        struct message_record msg;
        struct message_info info;

        if ((e = message_load(m, all[i].f, all[i].number, &msg)) != ERR_NONE)
            break;
        message_fill_info(m, all[i].f, all[i].number, &msg, &info);
        if (!visit(ctx, &info))
            break;
    }
    free(all);
    return e;
}

static enum err read_one(struct messenger *m, struct friend *f, uint32_t number)
{
    struct message_record msg;
    enum err e = message_load(m, f, number, &msg);

    if (e == ERR_NOT_FOUND)
        return ERR_NONE;
    if (e != ERR_NONE || !(msg.flags & MESSAGE_IS_INCOMING))
        return messenger_fail(m, e);
    msg.read_unix_s = m->wall_unix_s;
    if ((e = message_store(m, f, number, &msg)) != ERR_NONE)
        return e;
    if (f->c.unread > 0)
        f->c.unread--;
    if (msg.disappear_s > 0)
        disappear_start(m, f, number, msg.disappear_s);
    if (m->settings.is_marking_read && msg.flags & MESSAGE_WANTS_ACK && !(f->r.flags & FRIEND_REQUEST))
        receipts_read(m, f, &msg.id);
    messenger_tell(m, MESSENGER_STATE, f->number, &msg.id);
    return m->failed;
}

enum err messenger_mark_read(struct messenger *m, uint32_t friend_number, uint32_t number, uint64_t wall_unix_s,
                             uint64_t now_ms)
{
    struct friend *f = friend_by_number(m, friend_number);

    if (m->failed != ERR_NONE)
        return m->failed;
    messenger_at(m, wall_unix_s, now_ms);
    if (f == NULL)
        return ERR_NOT_FOUND;
    if (number >= f->c.next_number)
        number = f->c.next_number - 1;
    for (uint32_t n = f->c.read_up_to + 1; n <= number; n++) {
        enum err e = read_one(m, f, n);

        if (e != ERR_NONE)
            return e;
    }
    if (number > f->c.read_up_to)
        f->c.read_up_to = number;
    friend_touch(m, f, DIRTY_CONVERSATION);
    return messenger_settle(m);
}

enum err messenger_message_delete(struct messenger *m, struct bytes id_text)
{
    struct friend *f;
    uint32_t number;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if ((e = find(m, id_text, &f, &number)) != ERR_NONE || (e = message_remove(m, f, number)) != ERR_NONE)
        return e;
    return messenger_settle(m);
}
