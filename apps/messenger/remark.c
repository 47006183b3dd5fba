/* apps/messenger/remark.c - what is said of a message that is there, as bytes. */
#include "apps/messenger/remark.h"

#include <string.h>

#include "apps/search/fold.h"
#include "crypto/text.h"

bool remark_is_sound(uint8_t kind, struct bytes body)
{
    switch (kind) {
    case REMARK_REACTION: return body.len == 0 || (body.len <= REACTION_LEN_MAX && fold_is_one_character(body));
    case REMARK_EDIT: return body.len > 0 && body.len <= TEXT_LEN_MAX && text_is_utf8(body);
    case REMARK_DELETION: return body.len == 0;
    default: return false;
    }
}

enum err remark_decode(struct remark *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct remark m;

    reader_copy(&r, m.target.octets, sizeof m.target.octets);
    m.kind = reader_u8(&r);
    m.body = reader_rest(&r);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    if (m.kind < REMARK_REACTION || m.kind >= REMARK_KIND_END)
        return ERR_VERSION;
    if (!remark_is_sound(m.kind, m.body))
        return ERR_MALFORMED;
    *out = m;
    return ERR_NONE;
}

bool order_is_later(const struct order *a, const struct order *b)
{
    if (a->time_unix_s != b->time_unix_s)
        return a->time_unix_s > b->time_unix_s;
    return memcmp(a->id.octets, b->id.octets, sizeof a->id.octets) > 0;
}

static bool react(struct message_record *msg, const struct remark *r, uint32_t author, const struct order *when)
{
    struct reaction *mine = NULL;

    for (unsigned i = 0; i < msg->reaction_count; i++) {
        if (msg->reactions[i].author == author)
            mine = &msg->reactions[i];
    }
    if (mine != NULL ? !order_is_later(when, &mine->order) : msg->reaction_count == REACTIONS_MAX)
        return false;
    if (mine == NULL)
        mine = &msg->reactions[msg->reaction_count++];
    *mine = (struct reaction){ .author = author, .order = *when, .len = (uint8_t)r->body.len };
    if (r->body.len > 0)
        memcpy(mine->text, r->body.at, r->body.len);
    return true;
}

bool remark_apply(struct message_record *msg, const struct remark *r, uint32_t author, const struct order *when)
{
    bool is_writer = msg->author == author && (msg->kind == KIND_TEXT || msg->kind == KIND_MEDIA);

    if (msg->flags & (MESSAGE_IS_DELETED | MESSAGE_IS_REMARK))
        return false;
    switch (r->kind) {
    case REMARK_REACTION:
        return react(msg, r, author, when);
    case REMARK_EDIT:
        if (!is_writer || msg->flags & MESSAGE_IS_UNREADABLE || when->time_unix_s > msg->time_unix_s + EDIT_MAX_S ||
            !order_is_later(when, &msg->edited))
            return false;
        msg->edited = *when;
        msg->text = r->body;
        return true;
    case REMARK_DELETION:
        if (!is_writer)
            return false;
        msg->flags = (uint8_t)((msg->flags | MESSAGE_IS_DELETED) & ~(MESSAGE_HAS_MEDIA | MESSAGE_REPLIES | MESSAGE_IS_UNREADABLE));
        msg->reason = REASON_NONE;
        msg->edited = (struct order){ .time_unix_s = 0 };
        msg->mention_count = msg->reaction_count = 0;
        msg->text = bytes_of(NULL, 0);
        return true;
    default:
        return false;
    }
}

void remark_encode(const struct remark *r, struct writer *w)
{
    writer_copy(w, bytes_of(r->target.octets, sizeof r->target.octets));
    writer_u8(w, r->kind);
    writer_copy(w, r->body);
}
