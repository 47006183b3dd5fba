/* apps/messenger/remarks.c - what remarks do to messages, ours and theirs, in time and early. */
#include <string.h>

#include "apps/messenger/early.h"
#include "apps/messenger/state.h"

/* ---- Doing ---- */

static enum err done(struct messenger *m, struct conversation *c, uint32_t number, struct message_record *msg, bool had_media)
{
    enum err e;

    if (msg->flags & MESSAGE_IS_DELETED && (e = outbox_drop(m, c, number, msg)) != ERR_NONE)
        return e;
    if ((e = message_store(m, c, number, msg)) != ERR_NONE)
        return e;
    if (had_media && msg->flags & MESSAGE_IS_DELETED)
        media_removed(m, &msg->id);
    messenger_tell(m, MESSENGER_STATE, c->number, &msg->id);
    return ERR_NONE;
}

/* ---- Those that come before their message ---- */

/* Also when nothing is there: the list is then empty. */
static enum err early_load(struct messenger *m, const struct conversation *c, struct early_list *out)
{
    struct bytes in;
    enum err e;

    memset(out, 0, sizeof *out);
    if (c->early_due_s == 0)
        return ERR_NONE;
    return (e = conversation_early(m, c, &in)) == ERR_NONE ? early_decode(out, in) : e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

static uint64_t due_of(const struct early_list *l)
{
    uint64_t due_s = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        if (due_s == 0 || l->at[i].until_s < due_s)
            due_s = l->at[i].until_s;
    }
    return due_s;
}

static enum err early_save(struct messenger *m, struct conversation *c, const struct early_list *l)
{
    enum err e = l->count == 0 ? ERR_NONE : early_encode(l, messenger_record(m));

    if (e == ERR_NONE && (e = conversation_put_early(m, c, l->count)) == ERR_NONE)
        c->early_due_s = due_of(l);
    conversation_touch(m, c, DIRTY_CONVERSATION);   /* also: when it wakes next */
    return e;
}

static void keep(struct messenger *m, struct conversation *c, const struct remark *r, uint32_t author, const struct order *when)
{
    struct early one = { *r, author, *when, messenger_clock_s(m) + GONE_S };
    struct early_list l;
    enum err e = early_load(m, c, &l);

    if (e == ERR_NONE && early_add(&l, &one))
        e = early_save(m, c, &l);
    early_clear(&l);
    messenger_fail(m, e);
}

enum err remarks_load(struct messenger *m, struct conversation *c)
{
    struct early_list l;
    struct bytes in;
    enum err e = conversation_early(m, c, &in);

    if (e != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_NONE : e;
    if ((e = early_decode(&l, in)) == ERR_NONE)
        c->early_due_s = due_of(&l);
    early_clear(&l);
    return e;
}

void remarks_wake(struct messenger *m, struct conversation *c)
{
    struct early_list l;

    if (c->early_due_s == 0 || c->early_due_s > messenger_clock_s(m) || m->failed != ERR_NONE)
        return;
    enum err e = early_load(m, c, &l);
    for (uint32_t i = l.count; i-- > 0 && e == ERR_NONE;) {
        if (l.at[i].until_s <= messenger_clock_s(m))
            early_remove(&l, i);
    }
    if (e == ERR_NONE)
        e = early_save(m, c, &l);
    early_clear(&l);
    messenger_fail(m, e);
}

void remarks_catch_up(struct messenger *m, struct conversation *c, const struct message_id *id)
{
    struct message_record msg;
    struct early_list l;
    struct place at;
    enum err e;

    if (c->early_due_s == 0 || message_place(m, id, &at) != ERR_NONE || at.conversation != c->number)
        return;
    if ((e = early_load(m, c, &l)) == ERR_NONE && (e = message_load(m, c, at.number, &msg)) == ERR_NONE) {
        bool had_media = (msg.flags & MESSAGE_HAS_MEDIA) != 0, is_changed = false, is_used = false;

        for (uint32_t i = l.count; i-- > 0;) {
            if (memcmp(l.at[i].remark.target.octets, msg.id.octets, sizeof msg.id.octets) != 0)
                continue;
            struct early one = l.at[i];
            early_remove(&l, i);
            is_used = true;
            is_changed = remark_apply(&msg, &one.remark, one.author, &one.order) || is_changed;
        }
        if (is_changed)
            e = done(m, c, at.number, &msg, had_media);
        if (e == ERR_NONE && is_used)
            e = early_save(m, c, &l);
    }
    early_clear(&l);
    messenger_fail(m, e);
}

/* ---- Theirs ---- */

void remark_take(struct messenger *m, struct conversation *c, const struct remark *r, uint32_t author, const struct order *when)
{
    struct message_record msg;
    struct place at;
    enum err e;

    if (message_is_gone(c, &r->target))
        return;
    if ((e = message_place(m, &r->target, &at)) == ERR_NOT_FOUND) {
        keep(m, c, r, author, when);
        return;
    }
    /* A message of somewhere else is none of theirs. */
    if (messenger_fail(m, e) != ERR_NONE || at.conversation != c->number)
        return;
    if (messenger_fail(m, message_load(m, c, at.number, &msg)) != ERR_NONE)
        return;
    bool had_media = (msg.flags & MESSAGE_HAS_MEDIA) != 0;
    if (remark_apply(&msg, r, author, when))
        done(m, c, at.number, &msg, had_media);
}

/* ---- Ours ---- */

/* One that comes after what we said of it before, also within the same second and after a clock was set back. */
static void order_draw(struct messenger *m, const struct message_record *msg, uint8_t kind, struct order *when)
{
    const struct order *before = kind == REMARK_EDIT ? &msg->edited : NULL;

    for (unsigned i = 0; i < msg->reaction_count && kind == REMARK_REACTION; i++) {
        if (msg->reactions[i].author == AUTHOR_ME)
            before = &msg->reactions[i].order;
    }
    message_draw_id(m, &when->id);
    when->time_unix_s = m->wall_unix_s;
    if (before != NULL && !order_is_later(when, before))
        when->time_unix_s = before->time_unix_s + 1;
}

static enum err may(const struct messenger *m, const struct message_record *msg, const struct remark *r)
{
    if (r->body.len > (r->kind == REMARK_REACTION ? (size_t)REACTION_LEN_MAX : (size_t)TEXT_LEN_MAX))
        return ERR_TOO_LARGE;
    if (!remark_is_sound(r->kind, r->body))
        return ERR_MALFORMED;
    if (msg->flags & MESSAGE_IS_DELETED)
        return ERR_STATE;
    if (r->kind != REMARK_REACTION && (msg->flags & MESSAGE_IS_INCOMING || (msg->kind != KIND_TEXT && msg->kind != KIND_MEDIA)))
        return ERR_REFUSED;
    if (r->kind == REMARK_EDIT && m->wall_unix_s > msg->expires_unix_s)
        return ERR_EXPIRED;
    return ERR_NONE;
}

static enum err say(struct messenger *m, struct bytes id_text, uint8_t kind, struct bytes body, uint64_t wall_unix_s, uint64_t now_ms)
{
    struct message_record msg;
    struct remark r = { .kind = kind, .body = body };
    struct conversation *c;
    struct order when;
    uint32_t number;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    messenger_at(m, wall_unix_s, now_ms);
    if ((e = message_find(m, id_text, &c, &number, &msg)) != ERR_NONE)
        return e;
    r.target = msg.id;
    if ((e = may(m, &msg, &r)) != ERR_NONE)
        return e;
    if (c->friend == NULL && c->send_remark == NULL)
        return ERR_UNSUPPORTED;
    if (c->friend != NULL && c->friend->r.flags & FRIEND_IS_BLOCKED)
        return ERR_REFUSED;
    if (c->friend != NULL && c->friend->flights.count >= MESSAGES_WAITING_MAX)
        return ERR_FULL;
    order_draw(m, &msg, kind, &when);
    bool had_media = (msg.flags & MESSAGE_HAS_MEDIA) != 0;
    if (!remark_apply(&msg, &r, AUTHOR_ME, &when))
        return ERR_FULL;   /* as many people as may have reacted */
    if ((e = done(m, c, number, &msg, had_media)) != ERR_NONE)
        return e;
    e = c->friend != NULL ? outbox_queue_remark(m, c->friend, &r, &when) : c->send_remark(m, c, &r, &when);
    return e == ERR_NONE ? messenger_settle(m) : e;
}

enum err messenger_react(struct messenger *m, struct bytes id_text, struct bytes character, uint64_t wall_unix_s, uint64_t now_ms)
{
    return say(m, id_text, REMARK_REACTION, character, wall_unix_s, now_ms);
}

enum err messenger_edit(struct messenger *m, struct bytes id_text, struct bytes text, uint64_t wall_unix_s, uint64_t now_ms)
{
    return say(m, id_text, REMARK_EDIT, text, wall_unix_s, now_ms);
}

enum err messenger_delete_for_all(struct messenger *m, struct bytes id_text, uint64_t wall_unix_s, uint64_t now_ms)
{
    return say(m, id_text, REMARK_DELETION, bytes_of(NULL, 0), wall_unix_s, now_ms);
}
