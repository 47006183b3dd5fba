/* apps/messenger/receipts.c - what goes back unasked: acknowledgements, read marks, our card, a reset.
 *
 * Acknowledgements wait a random time and ride in whatever is sent meanwhile. They are themselves not acknowledged: a repeat
 * of the message asks again, and the last few are repeated in padding that would be zeros otherwise.
 */
#include <string.h>

#include "apps/messenger/state.h"

static bool id_is(const struct message_id *a, const struct message_id *b)
{
    return memcmp(a->octets, b->octets, sizeof a->octets) == 0;
}

static bool has_id(const struct message_id *ids, size_t count, const struct message_id *id)
{
    for (size_t i = 0; i < count; i++) {
        if (id_is(&ids[i], id))
            return true;
    }
    return false;
}

void receipts_ack(struct messenger *m, struct friend *f, const struct message_id *id)
{
    if (f->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED) || has_id(f->talk.r.acks, f->talk.r.ack_count, id))
        return;
    if (f->talk.r.ack_count == ACKS_PENDING_MAX)
        return;   /* the batch is stuck for want of room; the repeat asks again */
    f->talk.r.acks[f->talk.r.ack_count++] = *id;
    if (f->talk.r.ack_due_s == 0)
        f->talk.r.ack_due_s = messenger_soon_s(m);
    if (f->talk.r.ack_count == ACKS_PENDING_MAX)
        f->talk.r.ack_due_s = messenger_clock_s(m);
    friend_touch(m, f, DIRTY_CONVERSATION);
}

static bool send_reads(struct messenger *m, struct friend *f);

void receipts_read(struct messenger *m, struct friend *f, const struct message_id *id)
{
    if (f->talk.r.read_count == READS_PENDING_MAX && !send_reads(m, f))
        return;
    f->talk.r.reads[f->talk.r.read_count++] = *id;
    if (f->talk.r.read_due_s == 0)
        f->talk.r.read_due_s = messenger_soon_s(m);
    friend_touch(m, f, DIRTY_CONVERSATION);
}

uint8_t receipts_fill(const struct friend *f, size_t room, uint8_t (*out)[PAYLOAD_ACK_LEN], uint16_t *waiting)
{
    size_t count = 0;

    if (room > PAYLOAD_ACKS_MAX)
        room = PAYLOAD_ACKS_MAX;
    for (; count < f->talk.r.ack_count && count < room; count++)
        memcpy(out[count], f->talk.r.acks[count].octets, PAYLOAD_ACK_LEN);
    *waiting = (uint16_t)count;
    for (size_t i = 0; i < f->talk.r.recent_count && count < room; i++)
        memcpy(out[count++], f->talk.r.recent[i].octets, PAYLOAD_ACK_LEN);
    return (uint8_t)count;
}

/* The newest stands first. */
static void remember(struct friend *f, const struct message_id *id)
{
    if (has_id(f->talk.r.recent, f->talk.r.recent_count, id))
        return;
    if (f->talk.r.recent_count < ACKS_RECENT_MAX)
        f->talk.r.recent_count++;
    memmove(f->talk.r.recent + 1, f->talk.r.recent, (f->talk.r.recent_count - 1u) * sizeof f->talk.r.recent[0]);
    f->talk.r.recent[0] = *id;
}

void receipts_sent(struct messenger *m, struct friend *f, uint16_t waiting)
{
    for (uint16_t i = 0; i < waiting; i++)
        remember(f, &f->talk.r.acks[i]);
    f->talk.r.ack_count = (uint16_t)(f->talk.r.ack_count - waiting);
    memmove(f->talk.r.acks, f->talk.r.acks + waiting, f->talk.r.ack_count * sizeof f->talk.r.acks[0]);
    if (f->talk.r.ack_count == 0)
        f->talk.r.ack_due_s = 0;
    friend_touch(m, f, DIRTY_CONVERSATION);
}

void receipts_owe_card(struct messenger *m, struct friend *f)
{
    uint8_t mark[8];

    if (f->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED) || !(f->r.flags & FRIEND_HEARD))
        return;
    self_card_mark(m, mark);
    if (f->r.card_due_s != 0 && (f->r.card_tries == 0 || memcmp(mark, f->r.card_mark, sizeof mark) == 0))
        return;   /* it is on its way */
    f->r.card_due_s = messenger_soon_s(m);
    f->r.card_tries = 0;
    f->r.flags &= (uint8_t)~FRIEND_HAS_CARD;
    friend_touch(m, f, DIRTY_FRIEND);
}

/* ---- Sending them ---- */

static uint64_t pause_after(uint32_t tries)
{
    uint64_t pause = RETRY_FIRST_S;

    while (tries-- > 0 && pause < CARD_PAUSE_S)
        pause *= 2;
    return pause < CARD_PAUSE_S ? pause : CARD_PAUSE_S;
}

static struct letter letter_of(const struct messenger *m, uint8_t type, uint8_t flags)
{
    struct letter l;

    memset(&l, 0, sizeof l);
    l.type = type;
    l.flags = flags;
    l.time_unix_s = (uint32_t)m->wall_unix_s;
    l.life_s = LIFE_DEFAULT_S;
    return l;
}

static bool send_reads(struct messenger *m, struct friend *f)
{
    struct letter l = letter_of(m, PAYLOAD_READ, 0);
    struct sent sent;

    l.content.body = bytes_of(f->talk.r.reads, f->talk.r.read_count * sizeof f->talk.r.reads[0]);
    if (outbox_send(m, f, &l, &sent) != ERR_NONE) {
        f->talk.r.read_due_s = messenger_clock_s(m) + ROOM_PAUSE_S;
        return false;
    }
    f->talk.r.read_count = 0;
    f->talk.r.read_due_s = 0;
    return true;
}

/* It is repeated until it is acknowledged, under one id: the card's mark. */
static void send_card(struct messenger *m, struct friend *f)
{
    struct letter l = letter_of(m, PAYLOAD_CARD, PAYLOAD_WANTS_ACK);
    uint8_t card[CARD_LEN_MAX];
    struct sent sent;

    l.content.body = bytes_of(card, card_encode(identity_card(m->identity), card));
    self_card_mark(m, l.content.id.octets);
    if (outbox_send(m, f, &l, &sent) != ERR_NONE) {
        f->r.card_due_s = messenger_clock_s(m) + ROOM_PAUSE_S;
        return;
    }
    memcpy(f->r.card_mark, l.content.id.octets, sizeof f->r.card_mark);
    f->r.card_sent_s = messenger_clock_s(m);
    f->r.card_due_s = messenger_clock_s(m) + pause_after(f->r.card_tries++);
}

/* Repeated until something of theirs comes in a session that began after. */
static void send_reset(struct messenger *m, struct friend *f)
{
    struct letter l = letter_of(m, PAYLOAD_RESET, 0);
    struct sent sent;

    if (outbox_send(m, f, &l, &sent) != ERR_NONE) {
        f->r.reset_due_s = messenger_clock_s(m) + ROOM_PAUSE_S;
        return;
    }
    f->r.reset_due_s = messenger_clock_s(m) + pause_after(f->r.reset_tries++);
}

static void send_acks(struct messenger *m, struct friend *f)
{
    struct letter l = letter_of(m, PAYLOAD_NONE, 0);
    struct sent sent;

    if (outbox_send(m, f, &l, &sent) != ERR_NONE)
        f->talk.r.ack_due_s = messenger_clock_s(m) + ROOM_PAUSE_S;
}

static bool is_due(const struct messenger *m, uint64_t at_s)
{
    return at_s != 0 && at_s <= messenger_clock_s(m) && m->failed == ERR_NONE;
}

void receipts_wake(struct messenger *m, struct friend *f)
{
    if (!is_due(m, f->r.reset_due_s) && !is_due(m, f->r.card_due_s) && !is_due(m, f->talk.r.read_due_s) &&
        !is_due(m, f->talk.r.ack_due_s))
        return;
    if (is_due(m, f->r.reset_due_s))
        send_reset(m, f);
    if (is_due(m, f->r.card_due_s))
        send_card(m, f);
    if (is_due(m, f->talk.r.read_due_s))
        send_reads(m, f);
    if (is_due(m, f->talk.r.ack_due_s))
        send_acks(m, f);
    friend_touch(m, f, DIRTY_FRIEND | DIRTY_CONVERSATION);
}
