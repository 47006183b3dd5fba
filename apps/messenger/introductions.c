/* apps/messenger/introductions.c - two friends of ours are made known to each other (protocol section 9.6).
 *
 * Each gets a message that is the other's card and nothing else. Who takes it knows from whom it came; that the person is
 * who the card says is still to be verified.
 */
#include <string.h>

#include "apps/messenger/state.h"

static bool is_trusted(const struct friend *f) { return !(f->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED)); }

/* A card that serves one person, and has served, is no use to another. */
static bool is_ready(const struct friend *f)
{
    return !(f->r.card.flags & CARD_ONE_TIME) && f->flights.count < MESSAGES_WAITING_MAX;
}

static enum err send_card(struct messenger *m, const struct friend *to, const struct friend *who, uint64_t wall_unix_s, uint64_t now_ms,
                          char id[MESSAGE_ID_TEXT_LEN + 1])
{
    char link[CARD_LINK_MAX];

    card_link(&who->r.card, link);
    return messenger_send_text(m, to->number, bytes_of_text(link), 0, wall_unix_s, now_ms, id);
}

enum err messenger_introduce(struct messenger *m, uint32_t a, uint32_t b, uint64_t wall_unix_s, uint64_t now_ms,
                             char ids[2][MESSAGE_ID_TEXT_LEN + 1])
{
    const struct friend *one = friend_by_number(m, a), *other = friend_by_number(m, b);
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if (one == NULL || other == NULL)
        return ERR_NOT_FOUND;
    if (one == other || !is_trusted(one) || !is_trusted(other))
        return ERR_REFUSED;
    if (!is_ready(one) || !is_ready(other))
        return ERR_STATE;
    if ((e = send_card(m, other, one, wall_unix_s, now_ms, ids[0])) == ERR_NONE)
        e = send_card(m, one, other, wall_unix_s, now_ms, ids[1]);
    return e;
}

/* Only what begins like a link and could be one is looked at: this is asked of every text that is shown. */
static bool card_of_text(struct card *out, struct bytes text)
{
    static const char scheme[] = "staffetta:#";

    return text.len < CARD_LINK_MAX && text.len >= sizeof scheme && memcmp(text.at, scheme, sizeof scheme - 1) == 0 &&
           card_from_link(out, text) == ERR_NONE;
}

void introduction_fill(struct messenger *m, const struct message_record *msg, struct message_info *out)
{
    const struct friend *known;
    struct card card;

    if (msg->flags & (MESSAGE_IS_UNREADABLE | MESSAGE_IS_DELETED) || !card_of_text(&card, msg->text))
        return;
    memcpy(out->introduces, card.name, card.name_len);
    out->introduces_me = card_is_same_person(&card, identity_card(m->identity));
    known = friend_by_card(m, &card);
    out->introduces_known = known != NULL && !(known->r.flags & FRIEND_REQUEST) ? known->r.name : NULL;
}

enum err messenger_introduced_add(struct messenger *m, struct bytes id_text, struct bytes as, uint64_t wall_unix_s, uint32_t *number)
{
    char link[CARD_LINK_MAX];
    struct message_record msg;
    struct conversation *c;
    struct friend *f;
    struct card card;
    uint32_t at;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if ((e = message_find(m, id_text, &c, &at, &msg)) != ERR_NONE)
        return e;
    if (!card_of_text(&card, msg.text))
        return ERR_MALFORMED;
    bool is_taken_up = (f = friend_by_card(m, &card)) == NULL || f->r.flags & FRIEND_REQUEST;
    memcpy(link, msg.text.at, msg.text.len);
    e = messenger_friend_add(m, bytes_of(link, msg.text.len), as, wall_unix_s, number);
    if ((e != ERR_NONE && e != ERR_EXISTS) || !is_taken_up || c->friend == NULL || !(msg.flags & MESSAGE_IS_INCOMING) ||
        (f = friend_by_number(m, *number)) == NULL)
        return e;
    f->r.introducer = c->friend->number;
    friend_touch(m, f, DIRTY_FRIEND);
    enum err settled = messenger_settle(m);
    return settled != ERR_NONE ? settled : e;
}
