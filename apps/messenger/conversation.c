/* apps/messenger/conversation.c - messages by number and by id. */
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

enum err message_load(struct messenger *m, const struct conversation *c, uint32_t number, struct message_record *out)
{
    uint8_t name[MESSAGE_NAME_LEN];
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MESSAGE, message_name(name, c->number, number), &in);

    if (e != ERR_NONE || (e = message_decode(out, in)) != ERR_NONE)
        return e;
    if (out->text.len > 0)
        memcpy(m->text, out->text.at, out->text.len);
    m->text[out->text.len] = '\0';
    out->text.at = (const uint8_t *)m->text;
    return ERR_NONE;
}

enum err message_store(struct messenger *m, const struct conversation *c, uint32_t number, const struct message_record *msg)
{
    uint8_t name[MESSAGE_NAME_LEN];
    struct buffer *b = messenger_record(m);
    enum err e = message_encode(msg, b);

    if (e == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_MESSAGE, message_name(name, c->number, number), buffer_bytes(b));
    return messenger_fail(m, e);
}

enum err message_place(struct messenger *m, const struct message_id *id, struct place *out)
{
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MESSAGE_ID, id_name(id), &in);

    return e == ERR_NONE ? place_decode(out, in) : e;
}

enum err message_find(struct messenger *m, struct bytes id_text, struct conversation **c, uint32_t *number, struct message_record *msg)
{
    struct message_id id;
    struct place at;
    enum err e;

    if ((e = message_id_of_text(&id, id_text)) != ERR_NONE || (e = message_place(m, &id, &at)) != ERR_NONE)
        return e;
    if ((*c = conversation_by_number(m, at.conversation)) == NULL)
        return ERR_NOT_FOUND;
    *number = at.number;
    if ((e = message_load(m, *c, at.number, msg)) != ERR_NONE)
        return e;
    return msg->flags & MESSAGE_IS_REMARK ? ERR_NOT_FOUND : ERR_NONE;
}

/* Writes a message under a number, and its id. */
static enum err message_file(struct messenger *m, const struct conversation *c, uint32_t number, const struct message_record *msg)
{
    struct place at = { c->number, number };
    enum err e = message_store(m, c, number, msg);

    if (e != ERR_NONE)
        return e;
    struct buffer *b = messenger_record(m);
    if ((e = place_encode(&at, b)) == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_MESSAGE_ID, id_name(&msg->id), buffer_bytes(b));
    return messenger_fail(m, e);
}

static void message_counted(struct messenger *m, struct conversation *c, const struct message_record *msg)
{
    c->r.next_number++;
    conversation_touch(m, c, DIRTY_CONVERSATION);
    if (msg->flags & MESSAGE_IS_REMARK)
        return;
    c->r.message_count++;
    if (msg->flags & MESSAGE_IS_INCOMING)
        c->r.unread++;
    messenger_tell(m, MESSENGER_MESSAGE, c->number, &msg->id);
}

enum err message_append(struct messenger *m, struct conversation *c, const struct message_record *msg, uint32_t *number)
{
    enum err e;

    if (c->r.next_number == UINT32_MAX)
        return ERR_FULL;
    *number = c->r.next_number;
    c->burst.count = 0;
    if ((e = message_file(m, c, *number, msg)) == ERR_NONE)
        message_counted(m, c, msg);
    return e;
}

static bool is_written_before(const struct written *a, const struct written *b)
{
    if (a->time_unix_s != b->time_unix_s)
        return a->time_unix_s < b->time_unix_s;
    return a->index != 0 && b->index != 0 && a->index < b->index;
}

enum err message_append_incoming(struct messenger *m, struct conversation *c, const struct message_record *msg, uint32_t index)
{
    struct written key = { msg->time_unix_s, index };
    struct burst *b = &c->burst;
    enum err e;

    if (c->r.next_number == UINT32_MAX)
        return ERR_FULL;
    if (b->count == 0 || b->count == BURST_MAX || b->now_ms != m->now_ms || b->first <= c->r.read_up_to)
        *b = (struct burst){ .now_ms = m->now_ms, .first = c->r.next_number };
    uint32_t at = b->count;
    for (; at > 0 && is_written_before(&key, &b->keys[at - 1]); at--) {
        struct message_record later;

        if ((e = message_load(m, c, b->first + at - 1, &later)) != ERR_NONE ||
            (e = message_file(m, c, b->first + at, &later)) != ERR_NONE)
            return messenger_fail(m, e == ERR_NOT_FOUND ? ERR_CORRUPT : e);
        b->keys[at] = b->keys[at - 1];
    }
    b->keys[at] = key;
    b->count++;
    if ((e = message_file(m, c, b->first + at, msg)) == ERR_NONE)
        message_counted(m, c, msg);
    return e;
}

bool message_is_gone(const struct conversation *c, const struct message_id *id)
{
    for (uint32_t i = 0; i < c->gone.count; i++) {
        if (bytes_are_equal(id_name(&c->gone.at[i].id), id_name(id)))
            return true;
    }
    return false;
}

/* A repeat of a deleted message, or a remark on it, may still be under way: its id is remembered while that can be. */
static void remember_gone(struct messenger *m, struct conversation *c, const struct message_id *id)
{
    struct gone g = { *id, messenger_clock_s(m) + GONE_S };

    for (uint32_t i = c->gone.count; i-- > 0;) {
        if (c->gone.at[i].until_s < messenger_clock_s(m))
            gone_list_remove(&c->gone, i);
    }
    if (c->gone.count == GONE_MAX)
        gone_list_remove(&c->gone, 0);
    messenger_fail(m, gone_list_add(&c->gone, g, GONE_MAX));
    conversation_touch(m, c, DIRTY_GONE);
}

static void message_discounted(struct messenger *m, struct conversation *c, uint32_t number, const struct message_record *msg)
{
    remember_gone(m, c, &msg->id);
    if (msg->flags & MESSAGE_IS_INCOMING && number > c->r.read_up_to && c->r.unread > 0)
        c->r.unread--;
    if (c->r.message_count > 0)
        c->r.message_count--;
    messenger_tell(m, MESSENGER_GONE, c->number, &msg->id);
}

static bool due_forget(struct due_list *l, uint32_t number)
{
    struct due *d = due_list_find(l, number);

    if (d != NULL)
        due_list_remove(l, (uint32_t)(d - l->at));
    return d != NULL;
}

enum err message_remove(struct messenger *m, struct conversation *c, uint32_t number)
{
    struct message_record msg;
    uint8_t name[MESSAGE_NAME_LEN];
    enum err e = message_load(m, c, number, &msg);

    if (e != ERR_NONE)
        return e;
    if ((e = outbox_release(m, &msg, false)) != ERR_NONE ||
        (e = archive_delete(m->config.archive, ARCHIVE_MESSAGE_ID, id_name(&msg.id))) != ERR_NONE ||
        (e = archive_delete(m->config.archive, ARCHIVE_MESSAGE, message_name(name, c->number, number))) != ERR_NONE)
        return messenger_fail(m, e);
    if (msg.flags & MESSAGE_HAS_MEDIA)
        media_removed(m, &msg.id);
    c->burst.count = 0;
    unsigned dirty = DIRTY_CONVERSATION;
    if (c->friend != NULL && due_forget(&c->friend->flights, number))
        dirty |= DIRTY_FLIGHTS;
    if (due_forget(&c->fading, number))
        dirty |= DIRTY_FADING;
    conversation_touch(m, c, dirty);
    if (!(msg.flags & MESSAGE_IS_REMARK))
        message_discounted(m, c, number, &msg);
    return ERR_NONE;
}
