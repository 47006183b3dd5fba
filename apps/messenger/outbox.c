/* apps/messenger/outbox.c - messages under way: sealing, trying again, what is known of their copies.
 *
 * A message goes queued, carried, gateway, delivered, read, never back; or expired, from which only the friend's own late
 * acknowledgement leads on.
 */
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "crypto/text.h"

enum { DAY_S = 86400, REVEAL_CODE_MIN = 4, PREPARE_MAX_S = 60, LIFE_LONGEST_S = 14 * DAY_S };   /* anti-packets from 4 KiB on, protocol section 9 */

/* ---- Sealing ---- */

/* Lives are of four lengths only, so that they tell little. */
static uint32_t life_round(uint64_t life_s)
{
    static const uint32_t lives[] = { 1 * DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S };

    for (unsigned i = 0; i < 3; i++) {
        if (life_s <= lives[i])
            return lives[i];
    }
    return lives[3];
}

static size_t content_len(const struct letter *l)
{
    return l->content.body.len + (l->flags & PAYLOAD_DISAPPEARS ? 4 : 0) +
           (l->type == PAYLOAD_TEXT || l->flags & PAYLOAD_WANTS_ACK ? MESSAGE_ID_LEN : 0);
}

/* The smallest size that holds the content; acknowledgements make a bundle larger only when it is sent for them. */
static enum err size_for(const struct friend *f, const struct letter *l, enum session_form form, uint8_t *code, size_t *acks)
{
    size_t len = PAYLOAD_HEAD_LEN + content_len(l), own = l->type == PAYLOAD_NONE ? (size_t)f->talk.r.ack_count * PAYLOAD_ACK_LEN : 0;

    for (uint8_t c = 0; c <= SIZE_CODE_MAX; c++) {
        size_t max = session_payload_max(form, c);

        if (max >= len + own) {
            *code = c;
            *acks = (max - len) / PAYLOAD_ACK_LEN;
            return ERR_NONE;
        }
    }
    return ERR_TOO_LARGE;
}

/* The plaintext of a letter, in m->plain. *waiting: how many acknowledgements of those due are in it. */
static struct bytes compose(struct messenger *m, const struct friend *f, const struct letter *l, size_t ack_room,
                            uint16_t *waiting)
{
    uint8_t acks[PAYLOAD_ACKS_MAX][PAYLOAD_ACK_LEN], content[CONTENT_HEAD_MAX + TALK_LEN_MAX];
    struct writer c = writer_of(content, sizeof content), w = writer_of(m->plain, PLAIN_MAX);
    struct payload p = { .type = l->type, .flags = l->flags, .time_unix_s = l->time_unix_s };

    content_encode(&l->content, l->type, l->flags, &c);
    p.content = writer_bytes(&c);
    p.ack_count = f->r.flags & FRIEND_REQUEST ? 0 : receipts_fill(f, ack_room, acks, waiting);
    p.acks = (const uint8_t (*)[PAYLOAD_ACK_LEN])acks;
    payload_encode(&p, &w);
    secret_wipe(content, sizeof content);
    return writer_bytes(&w);
}

struct sealing {
    struct session *session;
    unsigned slot;
    bool     is_new;
    enum session_form form;
    uint32_t base_h;            /* the hour that the session believes in */
    uint32_t expiry_h;
    uint16_t acks;
};

static enum err seal_on_day(struct messenger *m, struct friend *f, const struct letter *l, uint32_t day, struct sealing *x,
                            struct sent *out)
{
    struct seal_request q = { .my_card = identity_card(m->identity) };
    uint32_t today = messenger_day(m), used = session_day(x->session, day);
    size_t ack_room;
    enum err e;

    x->form = session_form_next(x->session);
    x->acks = 0;
    if ((e = size_for(f, l, x->form, &q.size_code, &ack_room)) != ERR_NONE)
        return e;
    x->base_h = used == today ? hour_of_unix(m->wall_unix_s) : used * 24 + hour_of_unix(m->wall_unix_s) % 24;
    x->expiry_h = expiry_for_unix(unix_of_hour(x->base_h) + life_round(l->life_s) + rng_below(&m->config.rng, DAY_S));
    q.day = day;
    q.expiry_h = x->expiry_h;
    q.bucket = bucket_draw(f->r.card.inbox_secret, used, f->r.card.mailbox_bits, &m->config.rng);
    q.payload = compose(m, f, l, ack_room, &x->acks);
    e = session_seal(x->session, &q, &m->config.rng, m->bundle, &out->sealed);
    secret_wipe(m->plain, PLAIN_MAX);
    out->size_code = q.size_code;
    return e;
}

/* Today, or the day the card or the session allows when our clock has leapt away from it. */
static enum err seal(struct messenger *m, struct friend *f, const struct letter *l, struct sealing *x, struct sent *out)
{
    bool is_first = session_form_next(x->session) != FORM_SESSION;
    enum err e = seal_on_day(m, f, l, is_first ? first_day(m, f) : messenger_day(m), x, out);

    return e == ERR_STATE && !is_first ? seal_on_day(m, f, l, 0, x, out) : e;
}

/* What the friend learned, and we did, by a letter that went out. */
static enum err note_sent(struct messenger *m, struct friend *f, struct sealing *x)
{
    enum err e = slot_save(m, f, x->slot, x->session);

    if (e == ERR_NONE && x->is_new)
        e = messenger_fail(m, watch_session(m->watch, f, x->slot, x->session));
    if (x->form == FORM_F1) {
        self_card_mark(m, f->r.card_mark);
        f->r.card_sent_s = messenger_clock_s(m);
    }
    if (!(f->r.flags & FRIEND_WRITTEN) || x->form == FORM_F1) {
        f->r.flags |= FRIEND_WRITTEN;
        friend_touch(m, f, DIRTY_FRIEND);
    }
    receipts_sent(m, f, x->acks);
    return e;
}

enum err outbox_send(struct messenger *m, struct friend *f, const struct letter *l, struct sent *out)
{
    struct sealing x;
    enum err e;

    if (m->config.node == NULL)
        return ERR_STATE;
    if ((e = slot_to_send(m, f, &x.slot, &x.session, &x.is_new)) != ERR_NONE)
        return e;
    e = seal(m, f, l, &x, out);
    if (e == ERR_STATE && !x.is_new) {
        /* Worn out, or begun too long ago: begin anew. */
        session_free(x.session);
        if ((e = slot_begin(m, f, f->r.flags & FRIEND_HEARD ? FORM_F2 : FORM_F1, &x.slot, &x.session)) != ERR_NONE)
            return e;
        x.is_new = true;
        e = seal(m, f, l, &x, out);
    }
    if (e == ERR_NONE)
        e = node_submit(m->config.node, bytes_of(m->bundle, bundle_len_of_code(out->size_code)), x.base_h, &out->id, m->now_ms);
    if (e == ERR_NONE) {
        out->expires_s = messenger_clock_s(m) + (uint64_t)(x.expiry_h - x.base_h) * 3600;
        e = note_sent(m, f, &x);
    }
    session_free(x.session);
    return e;
}

/* ---- Records of bundles under way ---- */

static struct bytes bundle_name(const struct bundle_id *id)
{
    return bytes_of(id->octets, sizeof id->octets);
}

static enum err under_way_add(struct messenger *m, const struct friend *f, uint32_t number, const struct bundle_id *id)
{
    struct place at = { f->number, number };
    struct buffer *b = messenger_record(m);
    enum err e = place_encode(&at, b);

    if (e == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_OUTBOX, bundle_name(id), buffer_bytes(b));
    return messenger_fail(m, e);
}

static enum err under_way_remove(struct messenger *m, const struct bundle_id *id)
{
    enum err e = archive_delete(m->config.archive, ARCHIVE_OUTBOX, bundle_name(id));

    return messenger_fail(m, e == ERR_NOT_FOUND ? ERR_NONE : e);
}

/* The message that a bundle of ours carries. */
static enum err under_way_find(struct messenger *m, const struct bundle_id *id, struct friend **f, uint32_t *number)
{
    struct place at;
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_OUTBOX, bundle_name(id), &in);

    if (e != ERR_NONE || (e = place_decode(&at, in)) != ERR_NONE)
        return e;
    *f = friend_by_number(m, at.conversation);
    *number = at.number;
    return *f != NULL ? ERR_NONE : ERR_NOT_FOUND;
}

static enum err try_release(struct messenger *m, const struct try *t, bool is_delivered)
{
    bool has_proof = is_delivered && t->has_reveal && t->size_code >= REVEAL_CODE_MIN;
    enum err e = under_way_remove(m, &t->id);

    if (e != ERR_NONE || m->config.node == NULL || store_find(m->config.store, &t->id) == NULL)
        return e;
    e = node_release(m->config.node, &t->id, has_proof ? t->reveal : NULL, m->now_ms);
    return messenger_fail(m, e == ERR_NOT_FOUND ? ERR_NONE : e);
}

enum err outbox_release(struct messenger *m, const struct message_record *msg, bool is_delivered)
{
    enum err e = ERR_NONE;

    for (unsigned i = 0; i < msg->try_count && e == ERR_NONE; i++)
        e = try_release(m, &msg->try[i], is_delivered);
    return e;
}

/* ---- Trying ---- */

static uint64_t pause_after(uint32_t tries)
{
    uint64_t pause = RETRY_FIRST_S;

    for (uint32_t i = 1; i < tries && pause < 14 * DAY_S; i++)
        pause *= 2;
    return pause;
}

static void flight_end(struct messenger *m, struct friend *f, uint32_t number)
{
    struct due *d = due_list_find(&f->flights, number);

    if (d != NULL)
        due_list_remove(&f->flights, (uint32_t)(d - f->flights.at));
    friend_touch(m, f, DIRTY_FLIGHTS);
}

/* Stores a changed message and tells of it. */
static void changed(struct messenger *m, struct friend *f, uint32_t number, const struct message_record *msg)
{
    message_store(m, &f->talk, number, msg);
    if (!(msg->flags & MESSAGE_IS_REMARK))
        messenger_tell(m, MESSENGER_STATE, f->number, &msg->id);
}

/* A remark has done its work, or will never. */
static void remark_over(struct messenger *m, struct friend *f, uint32_t number)
{
    messenger_fail(m, message_remove(m, &f->talk, number));
}

static void expire(struct messenger *m, struct friend *f, uint32_t number, struct message_record *msg,
                   enum message_reason reason)
{
    if (msg->flags & MESSAGE_IS_REMARK) {
        remark_over(m, f, number);
        return;
    }
    outbox_release(m, msg, false);
    msg->try_count = 0;
    msg->state = MESSAGE_EXPIRED;
    msg->reason = (uint8_t)reason;
    flight_end(m, f, number);
    changed(m, f, number, msg);
    if (msg->disappear_s > 0)
        disappear_start(m, &f->talk, number, msg->disappear_s);
}

/* Whether the latest bundle of it still waits here for the first neighbour. */
static bool is_waiting_here(const struct messenger *m, const struct message_record *msg)
{
    const struct store_entry *entry;

    if (msg->try_count == 0 || m->config.store == NULL)
        return false;
    entry = store_find(m->config.store, &msg->try[msg->try_count - 1].id);
    return entry != NULL && entry->given == 0;
}

/* Nothing was heard since the first try, a week ago: what the friend knows of our session may be lost. Every second
 * time as a stranger, for the friend may have been restored from before it knew us. */
static void recover(struct messenger *m, struct friend *f, const struct message_record *msg)
{
    uint64_t now_s = messenger_clock_s(m);
    struct session *s;
    unsigned slot;

    if (msg->first_try_s == 0 || now_s < msg->first_try_s + RECOVER_S || f->r.heard_s > msg->first_try_s ||
        now_s < f->r.recovered_s + RECOVER_S)
        return;
    enum session_form form = f->r.flags & FRIEND_HEARD && f->r.recoveries % 2 == 0 ? FORM_F2 : FORM_F1;
    if (slot_begin(m, f, form, &slot, &s) != ERR_NONE)
        return;
    if (slot_save(m, f, slot, s) == ERR_NONE)
        messenger_fail(m, watch_session(m->watch, f, slot, s));
    session_free(s);
    f->r.recovered_s = now_s;
    f->r.recoveries++;
    friend_touch(m, f, DIRTY_FRIEND);
}

static void note_try(struct messenger *m, struct friend *f, uint32_t number, struct message_record *msg, struct due *flight,
                     const struct sent *sent)
{
    uint64_t now_s = messenger_clock_s(m);

    if (msg->try_count == TRIES_MAX) {
        try_release(m, &msg->try[0], false);
        memmove(msg->try, msg->try + 1, (TRIES_MAX - 1) * sizeof msg->try[0]);
        msg->try_count--;
    }
    struct try *t = &msg->try[msg->try_count++];
    t->id = sent->id;
    t->size_code = sent->size_code;
    t->has_reveal = sent->sealed.has_reveal;
    memcpy(t->reveal, sent->sealed.reveal, sizeof t->reveal);
    if (msg->tries++ == 0) {
        msg->first_try_s = now_s;
        flight->until_s = sent->expires_s;
        msg->expires_unix_s = m->wall_unix_s + (sent->expires_s - now_s);
    }
    msg->reason = REASON_NONE;
    flight->at_s = now_s + pause_after(msg->tries);
    under_way_add(m, f, number, &sent->id);
}

/* A time of 0 in the list says that what was sealed before is worthless: its session is gone. */
static bool is_forced(const struct due *flight) { return flight->at_s == 0; }

/* What says this message; `body` has room for any, and must stay as long as the letter. ERR_NOT_FOUND: the content it announces. */
static enum err write_letter(struct messenger *m, const struct message_record *msg, uint8_t body[TALK_LEN_MAX], struct letter *l)
{
    struct writer w = writer_of(body, TALK_LEN_MAX);

    memset(l, 0, sizeof *l);
    l->flags = PAYLOAD_WANTS_ACK;
    l->time_unix_s = (uint32_t)msg->time_unix_s;
    l->content.id = msg->id;
    if (msg->disappear_s > 0) {
        l->flags |= PAYLOAD_DISAPPEARS;
        l->content.disappear_s = msg->disappear_s;
    }
    if (msg->flags & MESSAGE_HAS_MEDIA) {
        l->type = PAYLOAD_MEDIA;
        return media_announcement(m, &msg->id, &l->content.body);
    }
    if (msg->flags & MESSAGE_IS_REMARK) {
        struct remark r = { msg->reply_to, msg->kind, msg->text };

        l->type = PAYLOAD_REMARK;
        remark_encode(&r, &w);
        l->content.body = writer_bytes(&w);
        return ERR_NONE;
    }
    struct talk t = { .has_reply = (msg->flags & MESSAGE_REPLIES) != 0, .reply_to = msg->reply_to, .mention_count = msg->mention_count,
                      .text = msg->text };
    memcpy(t.mentions, msg->mentions, sizeof t.mentions);
    l->type = talk_refers(&t) ? PAYLOAD_TALK : PAYLOAD_TEXT;
    if (l->type == PAYLOAD_TALK)
        talk_encode(&t, &w);
    l->content.body = l->type == PAYLOAD_TALK ? writer_bytes(&w) : msg->text;
    return ERR_NONE;
}

void outbox_try(struct messenger *m, struct friend *f, uint32_t number)
{
    struct due *flight = due_list_find(&f->flights, number);
    struct message_record msg;
    uint64_t now_s = messenger_clock_s(m);
    enum err e = message_load(m, &f->talk, number, &msg);

    if (flight == NULL || e == ERR_NOT_FOUND) {
        flight_end(m, f, number);
        return;
    }
    if (messenger_fail(m, e) != ERR_NONE)
        return;
    if (!is_forced(flight) && is_waiting_here(m, &msg)) {
        flight->at_s = now_s + RETRY_FIRST_S;
        friend_touch(m, f, DIRTY_FLIGHTS);
        return;
    }
    if (is_forced(flight) && is_waiting_here(m, &msg))
        try_release(m, &msg.try[--msg.try_count], false);
    recover(m, f, &msg);

    struct letter l;
    struct sent sent;
    uint8_t body[TALK_LEN_MAX];
    if ((e = write_letter(m, &msg, body, &l)) != ERR_NONE) {
        messenger_fail(m, e == ERR_NOT_FOUND ? ERR_CORRUPT : e);
        return;
    }
    l.life_s = life_round(msg.tries == 0 ? msg.life_s : flight->until_s - now_s);
    e = outbox_send(m, f, &l, &sent);
    secret_wipe(body, sizeof body);
    if (e == ERR_AUTH) {
        expire(m, f, number, &msg, REASON_BAD_CARD);
        return;
    }
    if (e == ERR_NONE) {
        note_try(m, f, number, &msg, flight, &sent);
    } else {
        flight->at_s = now_s + ROOM_PAUSE_S;
        msg.reason = e == ERR_FULL ? REASON_FULL : REASON_NONE;
        if (e != ERR_FULL && e != ERR_STATE && e != ERR_NO_MEMORY)
            messenger_fail(m, e);
    }
    friend_touch(m, f, DIRTY_FLIGHTS);
    changed(m, f, number, &msg);
}

void outbox_hurry(struct messenger *m, struct friend *f)
{
    for (uint32_t i = 0; i < f->flights.count; i++)
        f->flights.at[i].at_s = 0;
    friend_touch(m, f, DIRTY_FLIGHTS);
}

void outbox_give_up(struct messenger *m, struct friend *f)
{
    while (f->flights.count > 0 && m->failed == ERR_NONE) {
        uint32_t number = f->flights.at[0].number;
        struct message_record msg;
        enum err e = message_load(m, &f->talk, number, &msg);

        if (e == ERR_NOT_FOUND)
            flight_end(m, f, number);
        else if (messenger_fail(m, e) == ERR_NONE)
            expire(m, f, number, &msg, REASON_BLOCKED);
    }
}

static void life_ended(struct messenger *m, struct friend *f, uint32_t number)
{
    struct message_record msg;
    enum err e = message_load(m, &f->talk, number, &msg);

    if (e == ERR_NOT_FOUND)
        flight_end(m, f, number);
    else if (messenger_fail(m, e) == ERR_NONE)
        expire(m, f, number, &msg, msg.copies == 0 ? REASON_NOBODY : REASON_NO_ANSWER);
}

void outbox_wake(struct messenger *m, struct friend *f)
{
    uint64_t now_s = messenger_clock_s(m);

    for (uint32_t i = 0; i < f->flights.count && m->failed == ERR_NONE;) {
        uint32_t number = f->flights.at[i].number;

        if (f->flights.at[i].until_s <= now_s)
            life_ended(m, f, number);
        else if (f->flights.at[i].at_s <= now_s)
            outbox_try(m, f, number);
        if (i < f->flights.count && f->flights.at[i].number == number)
            i++;
    }
}

/* ---- What is known of copies ---- */

static bool is_gateway(const struct messenger *m, uint32_t link)
{
    struct node_link_info info;

    return m->config.node != NULL && node_link_info(m->config.node, link, &info) && info.kind == LINK_UPLINK;
}

void outbox_on_carried(struct messenger *m, const struct node_event *event)
{
    struct message_record msg;
    struct friend *f;
    uint32_t number;

    if (under_way_find(m, &event->entry.id, &f, &number) != ERR_NONE || message_load(m, &f->talk, number, &msg) != ERR_NONE ||
        msg.state > MESSAGE_GATEWAY)
        return;
    msg.copies++;
    if (msg.carried_unix_s == 0)
        msg.carried_unix_s = m->wall_unix_s;
    if (msg.state == MESSAGE_QUEUED)
        msg.state = MESSAGE_CARRIED;
    if (msg.reason == REASON_STAMP)
        msg.reason = REASON_NONE;
    if (msg.state == MESSAGE_CARRIED && is_gateway(m, event->link)) {
        msg.state = MESSAGE_GATEWAY;
        msg.gateway_unix_s = m->wall_unix_s;
    }
    changed(m, f, number, &msg);
}

void outbox_on_stamp_wanted(struct messenger *m, const struct node_event *event)
{
    struct message_record msg;
    struct friend *f;
    uint32_t number;

    /* Once others have taken it, one that would not is no news. */
    if (under_way_find(m, &event->entry.id, &f, &number) != ERR_NONE || message_load(m, &f->talk, number, &msg) != ERR_NONE ||
        msg.state != MESSAGE_QUEUED || msg.reason == REASON_STAMP)
        return;
    msg.reason = REASON_STAMP;
    changed(m, f, number, &msg);
}

void outbox_on_dropped(struct messenger *m, const struct node_event *event)
{
    struct due *flight;
    struct friend *f;
    uint32_t number;

    if (under_way_find(m, &event->entry.id, &f, &number) != ERR_NONE)
        return;
    under_way_remove(m, &event->entry.id);
    flight = due_list_find(&f->flights, number);
    /* An anti-packet says that it arrived; the acknowledgement will come. */
    if (flight == NULL || event->why == ERR_NONE)
        return;
    uint64_t soon_s = messenger_clock_s(m) + (event->why == ERR_FULL ? ROOM_PAUSE_S : 0);
    if (soon_s < flight->at_s)
        flight->at_s = soon_s;
    friend_touch(m, f, DIRTY_FLIGHTS);
}

static bool is_our_card(struct messenger *m, struct friend *f, const struct message_id *id)
{
    if (f->r.card_tries == 0 || memcmp(id->octets, f->r.card_mark, sizeof f->r.card_mark) != 0)
        return false;
    f->r.flags |= FRIEND_HAS_CARD;
    f->r.card_due_s = 0;
    f->r.card_tries = 0;
    friend_touch(m, f, DIRTY_FRIEND);
    return true;
}

void outbox_delivered(struct messenger *m, struct friend *f, const struct message_id *id, bool is_read)
{
    struct message_record msg;
    struct place at;

    if (is_our_card(m, f, id) || message_place(m, id, &at) != ERR_NONE || at.conversation != f->number ||
        message_load(m, &f->talk, at.number, &msg) != ERR_NONE || msg.flags & MESSAGE_IS_INCOMING)
        return;
    if (msg.state == MESSAGE_READ || (msg.state == MESSAGE_DELIVERED && !is_read))
        return;
    outbox_release(m, &msg, true);
    if (msg.flags & MESSAGE_IS_REMARK) {
        remark_over(m, f, at.number);
        return;
    }
    msg.try_count = 0;
    msg.state = is_read ? MESSAGE_READ : MESSAGE_DELIVERED;
    msg.reason = REASON_NONE;
    if (msg.delivered_unix_s == 0)
        msg.delivered_unix_s = m->wall_unix_s;
    if (is_read)
        msg.read_unix_s = m->wall_unix_s;
    flight_end(m, f, at.number);
    changed(m, f, at.number, &msg);
    if (msg.disappear_s > 0)
        disappear_start(m, &f->talk, at.number, msg.disappear_s);
}

enum err outbox_drop(struct messenger *m, struct conversation *c, uint32_t number, struct message_record *msg)
{
    enum err e = outbox_release(m, msg, false);

    msg->try_count = 0;
    if (c->friend != NULL)
        flight_end(m, c->friend, number);
    return e;
}

/* ---- Something new ---- */

void message_draw_id(struct messenger *m, struct message_id *id)
{
    struct place taken;

    do
        rng_fill(&m->config.rng, id->octets, sizeof id->octets);
    while (message_place(m, id, &taken) == ERR_NONE);
}

/* A message of ours in the conversation, tried at once or after a pause. */
static enum err queue(struct messenger *m, struct friend *f, struct message_record *msg, uint32_t life_s, uint64_t pause_s, uint32_t *number)
{
    uint64_t now_s = messenger_clock_s(m);
    enum err e;

    friend_accepted(m, f);
    msg->flags |= MESSAGE_WANTS_ACK;
    msg->state = MESSAGE_QUEUED;
    msg->life_s = life_round(life_s == 0 ? LIFE_DEFAULT_S : life_s);
    msg->expires_unix_s = m->wall_unix_s + msg->life_s;
    if ((e = message_append(m, &f->talk, msg, number)) != ERR_NONE)
        return e;
    struct due flight = { *number, now_s + pause_s, now_s + msg->life_s + DAY_S };
    if ((e = messenger_fail(m, due_list_add(&f->flights, flight, MESSAGES_WAITING_MAX))) != ERR_NONE)
        return e;
    friend_touch(m, f, DIRTY_FLIGHTS);
    if (pause_s == 0)
        outbox_try(m, f, *number);
    return ERR_NONE;
}

enum err messenger_queue_media(struct messenger *m, struct friend *f, const struct message_id *id, struct bytes caption, uint32_t life_s,
                               bool is_preparing, uint32_t *life)
{
    struct message_record msg;
    uint32_t number;

    memset(&msg, 0, sizeof msg);
    msg.id = *id;
    msg.flags = MESSAGE_HAS_MEDIA;
    msg.kind = KIND_MEDIA;
    msg.time_unix_s = m->wall_unix_s;
    msg.disappear_s = f->r.disappear_s;
    msg.text = caption;
    enum err e = queue(m, f, &msg, life_s, is_preparing ? PREPARE_MAX_S : 0, &number);
    *life = msg.life_s;
    return e;
}

void messenger_release_media(struct messenger *m, uint32_t friend_number, const struct message_id *id)
{
    struct friend *f = friend_by_number(m, friend_number);
    struct place at;

    if (f != NULL && message_place(m, id, &at) == ERR_NONE && at.conversation == friend_number)
        outbox_try(m, f, at.number);
}

enum err outbox_queue_remark(struct messenger *m, struct friend *f, const struct remark *r, const struct order *when)
{
    struct message_record msg;
    uint32_t number;

    memset(&msg, 0, sizeof msg);
    msg.id = when->id;
    msg.flags = MESSAGE_IS_REMARK;
    msg.kind = r->kind;
    msg.reply_to = r->target;
    msg.time_unix_s = when->time_unix_s;
    msg.text = r->body;
    return queue(m, f, &msg, LIFE_LONGEST_S, 0, &number);
}

static bool has_mention(const struct message_record *msg, const struct mention *one)
{
    for (unsigned i = 0; i < msg->mention_count; i++) {
        if (memcmp(msg->mentions[i].octets, one->octets, sizeof one->octets) == 0)
            return true;
    }
    return false;
}

enum err message_refer(struct messenger *m, const struct conversation *c, const struct outgoing *o, struct message_record *msg)
{
    struct message_record answered;
    struct conversation *there;
    struct member one;
    uint32_t number;

    if (o->reply_to.len > 0) {
        enum err e = message_find(m, o->reply_to, &there, &number, &answered);

        if (e != ERR_NONE || there != c)
            return e == ERR_NONE ? ERR_NOT_FOUND : e;
        msg->flags |= MESSAGE_REPLIES;
        msg->reply_to = answered.id;
    }
    if (o->mention_count > MENTIONS_MAX)
        return ERR_TOO_LARGE;
    for (size_t i = 0; i < o->mention_count; i++) {
        if (!conversation_member_by_name(m, c, o->mentions[i], &one))
            return ERR_NOT_FOUND;
        if (!has_mention(msg, &one.mention))
            msg->mentions[msg->mention_count++] = one.mention;
    }
    return ERR_NONE;
}

enum err messenger_send_text(struct messenger *m, uint32_t friend_number, struct bytes text, uint32_t life_s,
                             uint64_t wall_unix_s, uint64_t now_ms, char id[MESSAGE_ID_TEXT_LEN + 1])
{
    struct outgoing o = { .text = text, .life_s = life_s };

    return messenger_send(m, friend_number, &o, wall_unix_s, now_ms, id);
}

enum err messenger_send(struct messenger *m, uint32_t friend_number, const struct outgoing *o, uint64_t wall_unix_s, uint64_t now_ms,
                        char id[MESSAGE_ID_TEXT_LEN + 1])
{
    struct message_record msg;
    struct friend *f;
    uint32_t number;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    messenger_at(m, wall_unix_s, now_ms);
    if ((f = friend_by_number(m, friend_number)) == NULL)
        return ERR_NOT_FOUND;
    if (o->text.len > TEXT_LEN_MAX)
        return ERR_TOO_LARGE;
    if (o->text.len == 0 || !text_is_utf8(o->text))
        return ERR_MALFORMED;
    if (f->r.flags & FRIEND_IS_BLOCKED)
        return ERR_REFUSED;
    if (f->flights.count >= MESSAGES_WAITING_MAX)
        return ERR_STATE;
    memset(&msg, 0, sizeof msg);
    if ((e = message_refer(m, &f->talk, o, &msg)) != ERR_NONE)
        return e;
    message_draw_id(m, &msg.id);
    msg.time_unix_s = m->wall_unix_s;
    msg.disappear_s = f->r.disappear_s;
    msg.text = o->text;
    if ((e = queue(m, f, &msg, o->life_s, 0, &number)) != ERR_NONE)
        return e;
    message_id_text(&msg.id, id);
    return messenger_settle(m);
}
