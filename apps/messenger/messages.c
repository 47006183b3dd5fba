/* apps/messenger/messages.c - messages as a person sees them, and what a person does with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"

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
    case REASON_BLOCKED:
        return "you blocked them before it was answered";
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

static const char *name_of(struct messenger *m, const struct conversation *c, uint32_t author)
{
    struct member one;

    return author == AUTHOR_ME ? NULL : conversation_member_by_author(m, c, author, &one) ? one.name : "unknown";
}

static void fill_talk(struct messenger *m, const struct conversation *c, const struct message_record *msg, struct message_info *out)
{
    struct member one;

    out->kind = (enum message_kind)msg->kind;
    out->from = msg->flags & MESSAGE_IS_INCOMING ? name_of(m, c, msg->author) : NULL;
    if (msg->flags & MESSAGE_REPLIES)
        message_id_text(&msg->reply_to, out->reply_to);
    out->edited_unix_s = msg->edited.time_unix_s;
    out->is_deleted = (msg->flags & MESSAGE_IS_DELETED) != 0;
    for (unsigned i = 0; i < msg->reaction_count; i++) {
        struct reaction_info *r = &out->reactions[out->reaction_count];

        if (msg->reactions[i].len == 0)
            continue;
        r->from = name_of(m, c, msg->reactions[i].author);
        memcpy(r->text, msg->reactions[i].text, msg->reactions[i].len);
        out->reaction_count++;
    }
    for (unsigned i = 0; i < msg->mention_count; i++) {
        if (conversation_member_by_mention(m, c, &msg->mentions[i], &one))
            out->mentions[out->mention_count++] = one.name;
    }
}

void message_fill_info(struct messenger *m, const struct conversation *c, uint32_t number, const struct message_record *msg,
                       struct message_info *out)
{
    const struct due *flight = c->friend == NULL ? NULL : due_list_find(&c->friend->flights, number);

    memset(out, 0, sizeof *out);
    message_id_text(&msg->id, out->id);
    out->friend_number = c->number;
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
    fill_talk(m, c, msg, out);
    introduction_fill(m, msg, out);
}

/* ---- Public calls ---- */

enum err messenger_message(struct messenger *m, struct bytes id_text, struct message_info *out)
{
    struct message_record msg;
    struct conversation *c;
    uint32_t number;
    enum err e;

    if ((e = message_find(m, id_text, &c, &number, &msg)) != ERR_NONE)
        return e;
    message_fill_info(m, c, number, &msg, out);
    return ERR_NONE;
}

enum err messenger_messages(struct messenger *m, uint32_t friend_number, uint32_t from, messenger_message_visit *visit,
                            void *ctx)
{
    const struct conversation *c = conversation_by_number(m, friend_number);

    if (c == NULL)
        return ERR_NOT_FOUND;
    for (uint32_t n = from > 0 ? from : 1; n < c->r.next_number; n++) {
        struct message_record msg;
        struct message_info info;
        enum err e = message_load(m, c, n, &msg);

        if (e == ERR_NOT_FOUND)
            continue;   /* deleted */
        if (e != ERR_NONE)
            return e;
        if (msg.flags & MESSAGE_IS_REMARK)
            continue;
        message_fill_info(m, c, n, &msg, &info);
        if (!visit(ctx, &info))
            break;
    }
    return ERR_NONE;
}

enum err messenger_messages_before(struct messenger *m, uint32_t friend_number, uint32_t before, messenger_message_visit *visit,
                                   void *ctx)
{
    const struct conversation *c = conversation_by_number(m, friend_number);

    if (c == NULL)
        return ERR_NOT_FOUND;
    for (uint32_t n = before > 0 && before < c->r.next_number ? before : c->r.next_number; n > 1; n--) {
        struct message_record msg;
        struct message_info info;
        enum err e = message_load(m, c, n - 1, &msg);

        if (e == ERR_NOT_FOUND)
            continue;   /* deleted */
        if (e != ERR_NONE)
            return e;
        if (msg.flags & MESSAGE_IS_REMARK)
            continue;
        message_fill_info(m, c, n - 1, &msg, &info);
        if (!visit(ctx, &info))
            break;
    }
    return ERR_NONE;
}

struct unread { uint64_t arrived_unix_s; const struct conversation *c; uint32_t number; };

static int unread_order(const void *a, const void *b)
{
    const struct unread *x = a, *y = b;

    if (x->arrived_unix_s != y->arrived_unix_s)
        return x->arrived_unix_s < y->arrived_unix_s ? -1 : 1;
    if (x->c->number != y->c->number)
        return x->c->number < y->c->number ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Fills at most c->r.unread of them. */
static enum err unread_of(struct messenger *m, const struct conversation *c, struct unread *out, uint32_t *count)
{
    uint32_t found = 0;

    for (uint32_t n = c->r.read_up_to + 1; n < c->r.next_number && found < c->r.unread; n++) {
        struct message_record msg;
        enum err e = message_load(m, c, n, &msg);

        if (e == ERR_NOT_FOUND)
            continue;
        if (e != ERR_NONE)
            return e;
        if (msg.flags & MESSAGE_IS_INCOMING)
            out[found++] = (struct unread){ msg.arrived_unix_s, c, n };
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
        total += m->friends[i]->talk.r.unread;
    for (uint32_t i = 0; i < m->shared_count; i++)
        total += m->shared[i]->r.unread;
    if (total == 0)
        return ERR_NONE;
    struct unread *all = calloc(total, sizeof *all);
    if (all == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < m->friend_count && e == ERR_NONE; i++)
        e = unread_of(m, &m->friends[i]->talk, all + count, &count);
    for (uint32_t i = 0; i < m->shared_count && e == ERR_NONE; i++)
        e = unread_of(m, m->shared[i], all + count, &count);
    qsort(all, count, sizeof *all, unread_order);
    for (uint32_t i = 0; i < count && e == ERR_NONE; i++) {
        struct message_record msg;
        struct message_info info;

        if ((e = message_load(m, all[i].c, all[i].number, &msg)) != ERR_NONE)
            break;
        message_fill_info(m, all[i].c, all[i].number, &msg, &info);
        if (!visit(ctx, &info))
            break;
    }
    free(all);
    return e;
}

static enum err read_one(struct messenger *m, struct conversation *c, uint32_t number)
{
    struct message_record msg;
    enum err e = message_load(m, c, number, &msg);

    if (e == ERR_NOT_FOUND)
        return ERR_NONE;
    if (e != ERR_NONE || !(msg.flags & MESSAGE_IS_INCOMING))
        return messenger_fail(m, e);
    msg.read_unix_s = m->wall_unix_s;
    if ((e = message_store(m, c, number, &msg)) != ERR_NONE)
        return e;
    if (c->r.unread > 0)
        c->r.unread--;
    if (msg.disappear_s > 0)
        disappear_start(m, c, number, msg.disappear_s);
    if (m->settings.is_marking_read && msg.flags & MESSAGE_WANTS_ACK && c->friend != NULL &&
        !(c->friend->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED)))
        receipts_read(m, c->friend, &msg.id);
    messenger_tell(m, MESSENGER_STATE, c->number, &msg.id);
    return m->failed;
}

enum err messenger_mark_read(struct messenger *m, uint32_t friend_number, uint32_t number, uint64_t wall_unix_s,
                             uint64_t now_ms)
{
    struct conversation *c = conversation_by_number(m, friend_number);

    if (m->failed != ERR_NONE)
        return m->failed;
    messenger_at(m, wall_unix_s, now_ms);
    if (c == NULL)
        return ERR_NOT_FOUND;
    if (number >= c->r.next_number)
        number = c->r.next_number - 1;
    for (uint32_t n = c->r.read_up_to + 1; n <= number; n++) {
        enum err e = read_one(m, c, n);

        if (e != ERR_NONE)
            return e;
    }
    if (number > c->r.read_up_to)
        c->r.read_up_to = number;
    conversation_touch(m, c, DIRTY_CONVERSATION);
    return messenger_settle(m);
}

enum err messenger_message_delete(struct messenger *m, struct bytes id_text)
{
    struct message_record msg;
    struct conversation *c;
    uint32_t number;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if ((e = message_find(m, id_text, &c, &number, &msg)) != ERR_NONE || (e = message_remove(m, c, number)) != ERR_NONE)
        return e;
    return messenger_settle(m);
}
