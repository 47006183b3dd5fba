/* apps/messenger/arrivals.c - bundles that are for us: opened, and what they say done.
 *
 * Everything that follows from one bundle is written before the commit of its turn: the text, the session's next state,
 * the claim on the bundle. What does not open changes nothing.
 */
#include <string.h>

#include "apps/media/manifest.h"
#include "apps/messenger/state.h"
#include "crypto/hash.h"

/* One bundle on its way in. */
struct arrival {
    const struct store_entry *entry;
    struct bytes bundle;
    enum session_form form;
    uint32_t day;
    uint32_t inbox_id;              /* F1 */
    struct friend *f;
    unsigned slot;
    struct session *session;        /* NULL until something opened */
    uint8_t  start_key[32];         /* F1, F2 */
    bool     is_new;                /* the session began with this bundle */
    uint32_t expected_from;         /* SESSION: session_expect_from before */
    uint32_t index;                 /* SESSION: of the tag, counted from 1; 0 otherwise */
    struct opened opened;
};

/* ---- What a payload says ---- */

static bool is_known(struct messenger *m, const struct friend *f, const struct message_id *id)
{
    struct place at;

    return message_is_gone(&f->talk, id) || message_place(m, id, &at) == ERR_NONE;
}

/* Only what came from this friend is acknowledged to it; an id that stands for something else here is nothing
 * that an honest sender makes. */
static bool is_repeat(struct messenger *m, const struct friend *f, const struct message_id *id)
{
    struct message_record msg;
    struct place at;

    if (message_is_gone(&f->talk, id))
        return true;
    return message_place(m, id, &at) == ERR_NONE && at.conversation == f->number &&
           message_load(m, &f->talk, at.number, &msg) == ERR_NONE && msg.flags & MESSAGE_IS_INCOMING;
}

/* The body was judged by content_decode. */
static void take_words(struct message_record *msg, uint8_t type, struct bytes body)
{
    struct talk t;

    msg->text = body;
    if (type != PAYLOAD_TALK || talk_decode(&t, body) != ERR_NONE)
        return;
    msg->text = t.text;
    if (t.has_reply)
        msg->flags |= MESSAGE_REPLIES;
    msg->reply_to = t.reply_to;
    msg->mention_count = t.mention_count;
    memcpy(msg->mentions, t.mentions, sizeof msg->mentions);
}

static void take_message(struct messenger *m, struct friend *f, uint32_t index, const struct payload *p,
                         const struct content *c, bool is_unreadable)
{
    bool wants_ack = (p->flags & PAYLOAD_WANTS_ACK) != 0 && !is_unreadable;
    struct message_record msg;

    if (is_known(m, f, &c->id)) {
        if (wants_ack && is_repeat(m, f, &c->id))
            receipts_ack(m, f, &c->id);
        return;
    }
    if (f->r.flags & FRIEND_REQUEST && f->talk.r.message_count >= REQUEST_MESSAGES_MAX)
        return;
    memset(&msg, 0, sizeof msg);
    msg.id = c->id;
    msg.flags = (uint8_t)(MESSAGE_IS_INCOMING | (wants_ack ? MESSAGE_WANTS_ACK : 0) |
                          (is_unreadable ? MESSAGE_IS_UNREADABLE : 0) |
                          (p->type == PAYLOAD_MEDIA && !is_unreadable ? MESSAGE_HAS_MEDIA : 0));
    msg.state = MESSAGE_RECEIVED;
    msg.kind = msg.flags & MESSAGE_HAS_MEDIA ? KIND_MEDIA : KIND_TEXT;
    msg.author = AUTHOR_FRIEND;
    msg.reason = is_unreadable ? REASON_VERSION : REASON_NONE;
    msg.time_unix_s = p->time_unix_s;
    msg.arrived_unix_s = m->wall_unix_s;
    msg.disappear_s = c->disappear_s;
    if (!is_unreadable)
        take_words(&msg, p->type, c->body);
    if (message_append_incoming(m, &f->talk, &msg, index) != ERR_NONE)
        return;
    if (wants_ack)
        receipts_ack(m, f, &c->id);
    remarks_catch_up(m, &f->talk, &c->id);
}

/* The message is the caption; what it announces is kept beside it. */
static void take_media(struct messenger *m, struct friend *f, uint32_t index, const struct payload *p, const struct content *c)
{
    struct content caption = *c;
    struct manifest manifest;
    struct place at;

    if (manifest_decode(&manifest, c->body) != ERR_NONE)
        return;
    bool is_new = !is_known(m, f, &c->id);
    caption.body = manifest.caption;
    take_message(m, f, index, p, &caption, false);
    if (is_new && message_place(m, &c->id, &at) == ERR_NONE)
        media_in_announced(m, f, &c->id, c->body, LIFE_DEFAULT_S);
}

static void take_remark(struct messenger *m, struct friend *f, const struct payload *p, const struct content *c)
{
    struct order when = { p->time_unix_s, c->id };
    struct remark r;

    if (remark_decode(&r, c->body) != ERR_NONE)
        return;
    remark_take(m, &f->talk, &r, AUTHOR_FRIEND, &when);
    if (p->flags & PAYLOAD_WANTS_ACK)
        receipts_ack(m, f, &c->id);
}

static void take_reads(struct messenger *m, struct friend *f, struct bytes ids)
{
    struct reader r = reader_of(ids);

    while (reader_left(&r) >= MESSAGE_ID_LEN) {
        struct message_id id;

        reader_copy(&r, id.octets, sizeof id.octets);
        outbox_delivered(m, f, &id, true);
    }
}

static void take_card(struct messenger *m, struct friend *f, const struct content *c)
{
    struct card card;

    if (card_decode(&card, c->body) != ERR_NONE || !card_is_same_person(&card, &f->r.card) || card.flags & CARD_ONE_TIME)
        return;
    friend_take_card(m, f, &card);
    if (c->has_id)
        receipts_ack(m, f, &c->id);
}

/* The friend lost its sessions: only this one is left, and what it never acknowledged is sent again. */
static void take_reset(struct messenger *m, struct friend *f, unsigned slot)
{
    if (f->slots[slot].is_reset)
        return;
    f->slots[slot].is_reset = true;
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        /* What we began and they have not answered may be our own reset, crossing theirs. */
        if (i != slot && !(f->slots[i].is_ours && !f->slots[i].is_established))
            slot_drop(m, f, i);
    }
    outbox_hurry(m, f);
}

static void take_payload(struct messenger *m, const struct arrival *a)
{
    struct payload p;
    struct content c;
    enum err e;

    if (payload_decode(&p, bytes_of(m->payload, a->opened.payload_len)) != ERR_NONE)
        return;
    for (unsigned i = 0; i < p.ack_count; i++) {
        struct message_id id;

        memcpy(id.octets, p.acks[i], sizeof id.octets);
        outbox_delivered(m, a->f, &id, false);
    }
    e = content_decode(&c, &p);
    if (e != ERR_NONE && e != ERR_VERSION)
        return;
    if (!c.has_id)
        memcpy(c.id.octets, a->opened.message_id, sizeof c.id.octets);
    if (e == ERR_VERSION)
        take_message(m, a->f, a->index, &p, &c, true);
    else if (p.type == PAYLOAD_TEXT || p.type == PAYLOAD_TALK)
        take_message(m, a->f, a->index, &p, &c, false);
    else if (p.type == PAYLOAD_MEDIA)
        take_media(m, a->f, a->index, &p, &c);
    else if (p.type == PAYLOAD_REMARK)
        take_remark(m, a->f, &p, &c);
    else if (p.type == PAYLOAD_MEDIA_REPORT)
        media_take_report(m, a->f, c.body);
    else if (p.type == PAYLOAD_READ)
        take_reads(m, a->f, c.body);
    else if (p.type == PAYLOAD_CARD)
        take_card(m, a->f, &c);
    else if (p.type == PAYLOAD_RESET && a->form == FORM_F2)
        take_reset(m, a->f, a->slot);
}

/* ---- Opening ---- */

static void note_heard(struct messenger *m, const struct arrival *a)
{
    struct friend *f = a->f;
    uint8_t mark[8];
    bool is_first = !(f->r.flags & FRIEND_HEARD);

    f->r.flags |= FRIEND_HEARD;
    f->r.last_heard_unix_s = m->wall_unix_s;
    f->r.heard_s = messenger_clock_s(m);
    if (a->form == FORM_SESSION) {
        f->r.reset_due_s = 0;
        if (f->r.flags & FRIEND_BY_INVITE) {
            f->r.flags &= (uint8_t)~FRIEND_BY_INVITE;
            self_invite_used(m, f->r.invite_inbox);
        }
    }
    self_card_mark(m, mark);
    if (is_first && memcmp(mark, f->r.card_mark, sizeof mark) != 0)
        receipts_owe_card(m, f);
    friend_touch(m, f, DIRTY_FRIEND);
    if (is_first)
        messenger_tell(m, MESSENGER_FRIEND, f->number, NULL);
}

/* The look-out moves with the session. */
static enum err watch_on(struct messenger *m, const struct arrival *a, uint32_t day_before)
{
    if (a->is_new || a->f->slots[a->slot].day != day_before)
        return watch_session(m->watch, a->f, a->slot, a->session);
    if (a->form == FORM_SESSION)
        return watch_advance(m->watch, a->f, a->slot, a->session, a->day, a->expected_from);
    return ERR_NONE;
}

static void take(struct messenger *m, const struct arrival *a)
{
    struct slot *s = &a->f->slots[a->slot];
    uint32_t day_before = s->day;
    bool is_blocked = (a->f->r.flags & FRIEND_IS_BLOCKED) != 0;

    if (a->is_new) {
        *s = (struct slot){ .is_used = false };
        memcpy(s->start_key, a->start_key, sizeof s->start_key);
        self_use(m, a->start_key, a->f->number);
    }
    slot_note(s, a->session);
    slot_received(m, a->f, a->slot);
    /* The session goes on, so that after unblocking both still have it. */
    if (!is_blocked) {
        note_heard(m, a);
        take_payload(m, a);
    }
    if (m->failed != ERR_NONE || slot_save(m, a->f, a->slot, a->session) != ERR_NONE)
        return;
    /* A stranger's stays among the strangers'; so does that of who is blocked, for a claim may tell the sender that it arrived. */
    if (m->config.node != NULL && !is_blocked && !(a->f->r.flags & FRIEND_REQUEST)) {
        enum err e = node_claim(m->config.node, &a->entry->id);

        messenger_fail(m, e);
    }
    messenger_fail(m, watch_on(m, a, day_before));
    watch_hit(m->watch, a->day);
}

static enum err open_in_session(struct messenger *m, struct arrival *a, const struct expected *as)
{
    enum err e;

    a->f = friend_by_number(m, as->owner);
    a->slot = as->slot;
    if (a->f == NULL || !a->f->slots[as->slot].is_used)
        return ERR_NOT_FOUND;
    if ((e = slot_load(m, a->f, as->slot, &a->session)) != ERR_NONE)
        return e;
    a->expected_from = session_expect_from(a->session, as->day);
    a->index = as->index + 1u;
    return session_open(a->session, as->day, as->index, a->bundle, m->payload, &a->opened);
}

/* A further message of a start that is known. */
static enum err open_repeat(struct messenger *m, struct arrival *a)
{
    enum err e = slot_load(m, a->f, a->slot, &a->session);

    if (e != ERR_NONE)
        return e;
    return session_open_first(a->session, a->form, m->identity, a->inbox_id, a->day, a->bundle, m->payload, &a->opened);
}

static bool find_start(struct messenger *m, struct arrival *a)
{
    for (uint32_t i = 0; i < m->friend_count; i++) {
        int slot = slot_by_start(m->friends[i], a->start_key);

        if (slot >= 0) {
            a->f = m->friends[i];
            a->slot = (unsigned)slot;
            return true;
        }
    }
    return false;
}

static bool is_invite_taken(const struct messenger *m, uint32_t inbox_id, const struct friend *but)
{
    for (uint32_t i = 0; i < m->friend_count; i++) {
        if (m->friends[i] != but && m->friends[i]->r.flags & FRIEND_BY_INVITE && m->friends[i]->r.invite_inbox == inbox_id)
            return true;
    }
    return false;
}

/* Who may begin to talk to us by this inbox. */
static bool is_welcome(struct messenger *m, const struct card *card, const struct inbox_view *inbox, const struct friend *f)
{
    if (card_is_same_person(card, identity_card(m->identity)))
        return false;
    if (inbox->is_one_time)
        return !is_invite_taken(m, inbox->inbox_id, f);
    if (f != NULL)
        return true;
    if (self_is_used(m, card->dh_key) && !self_is_standing(m, inbox->inbox_id))
        return false;   /* removed, and by the card of that time */
    return friends_asking(m) < REQUESTS_MAX;
}

static enum err open_f1(struct messenger *m, struct arrival *a, const struct expected *as)
{
    struct inbox_view inbox;
    struct card card;
    enum err e;

    a->inbox_id = as->owner;
    if ((e = self_inbox(m, as->owner, &inbox)) != ERR_NONE ||
        (e = session_first_key(FORM_F1, inbox.secret, NULL, as->day, a->bundle, a->start_key)) != ERR_NONE)
        return e;
    if (find_start(m, a))
        return open_repeat(m, a);
    if (self_is_used(m, a->start_key))
        return ERR_REPLAY;
    if ((e = session_accept_f1(&a->session, m->identity, as->owner, as->day, a->bundle, &card, m->payload, &a->opened)) !=
        ERR_NONE)
        return e;
    a->f = friend_by_card(m, &card);
    if (!is_welcome(m, &card, &inbox, a->f))
        return ERR_REFUSED;
    a->is_new = true;
    if (a->f == NULL) {
        if ((e = friend_new(m, &card, bytes_of(NULL, 0), &a->f)) != ERR_NONE)
            return e;
        if (!inbox.is_one_time)
            a->f->r.flags |= FRIEND_REQUEST;
    } else {
        friend_take_card(m, a->f, &card);
    }
    if (inbox.is_one_time) {
        friend_accepted(m, a->f);
        a->f->r.flags |= FRIEND_BY_INVITE;
        a->f->r.invite_inbox = inbox.inbox_id;
    }
    a->slot = slot_room(m, a->f);
    return ERR_NONE;
}

static enum err open_f2(struct messenger *m, struct arrival *a, const struct expected *as)
{
    struct friend *f = friend_by_number(m, as->owner);
    enum err e;

    if (f == NULL)
        return ERR_NOT_FOUND;
    a->f = f;
    if ((e = session_first_key(FORM_F2, f->r.pair_root, f->r.card.dh_key, as->day, a->bundle, a->start_key)) != ERR_NONE)
        return e;
    int slot = slot_by_start(f, a->start_key);
    if (slot >= 0) {
        a->slot = (unsigned)slot;
        return open_repeat(m, a);
    }
    if (self_is_used(m, a->start_key))
        return ERR_REPLAY;
    if ((e = session_accept_f2(&a->session, m->identity, &f->r.card, f->r.pair_root, as->day, a->bundle, m->payload,
                               &a->opened)) != ERR_NONE)
        return e;
    a->is_new = true;
    a->slot = slot_room(m, f);
    return ERR_NONE;
}

enum err arrival_open(struct messenger *m, const struct store_entry *entry, const struct expected *as)
{
    struct arrival a;
    struct bytes bundle;
    enum err e;

    if (store_read(m->config.store, entry, &bundle) != ERR_NONE || bundle.len > BUNDLE_LEN_MAX)
        return ERR_NOT_FOUND;
    memcpy(m->bundle, bundle.at, bundle.len);
    memset(&a, 0, sizeof a);
    a.entry = entry;
    a.bundle = bytes_of(m->bundle, bundle.len);
    a.day = as->day;
    if (as->kind == EXPECTED_SESSION) {
        a.form = FORM_SESSION;
        e = open_in_session(m, &a, as);
    } else if (as->kind == EXPECTED_F1) {
        a.form = FORM_F1;
        e = open_f1(m, &a, as);
    } else {
        a.form = FORM_F2;
        e = open_f2(m, &a, as);
    }
    if (e == ERR_NONE)
        take(m, &a);
    session_free(a.session);
    secret_wipe(m->payload, BUNDLE_LEN_MAX);
    /* Not before the session is stored: what is sent goes on from there. */
    if (e == ERR_NONE && m->failed == ERR_NONE && a.f->talk.r.ack_count == ACKS_PENDING_MAX)
        receipts_wake(m, a.f);
    return e;
}
