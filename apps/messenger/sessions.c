/* apps/messenger/sessions.c - which sessions a friend has, and the one to send on (protocol section 4).
 *
 * A friend has at most four, each in a slot. The one of the highest rank is sent on: what was received on last, or what was
 * begun last. When both sides began at once, each with a session that the other has not answered, both settle on
 * the one whose starting key has the smaller hash; but when ours stays unanswered for long while theirs is heard, theirs
 * it is, for the prekey that ours was begun with may be gone.
 */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/hash.h"

enum { SLOT_NAME_LEN = 5 };

static struct bytes slot_name(uint8_t out[SLOT_NAME_LEN], const struct friend *f, unsigned slot)
{
    struct writer w = writer_of(out, SLOT_NAME_LEN);

    writer_u32(&w, f->number);
    writer_u8(&w, (uint8_t)slot);
    return writer_bytes(&w);
}

static enum err slot_read(struct messenger *m, const struct friend *f, unsigned slot, struct slot_record *r,
                          struct session **out)
{
    uint8_t name[SLOT_NAME_LEN];
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_SESSION, slot_name(name, f, slot), &in);

    if (e != ERR_NONE || (e = slot_decode(r, in)) != ERR_NONE)
        return e;
    e = session_decode(out, r->session);
    r->session = bytes_of(NULL, 0);
    return e;
}

enum err slot_load(struct messenger *m, const struct friend *f, unsigned slot, struct session **out)
{
    struct slot_record r;

    return slot_read(m, f, slot, &r, out);
}

void slot_note(struct slot *s, const struct session *session)
{
    s->is_established = session_is_established(session);
    s->day = session_day(session, 0);
    session_start_key_hash(session, s->start_hash);
}

enum err slot_facts(struct messenger *m, struct friend *f, unsigned slot)
{
    struct slot *s = &f->slots[slot];
    struct slot_record r;
    struct session *session;
    enum err e = slot_read(m, f, slot, &r, &session);

    if (e != ERR_NONE)
        return e;
    s->is_used = true;
    s->is_ours = r.is_ours;
    s->is_reset = r.is_reset;
    s->rank = r.rank;
    s->at_s = r.at_s;
    memcpy(s->start_key, r.start_key, sizeof s->start_key);
    slot_note(s, session);
    session_free(session);
    return ERR_NONE;
}

enum err slot_save(struct messenger *m, struct friend *f, unsigned slot, const struct session *session)
{
    struct slot *s = &f->slots[slot];
    struct slot_record r = { .is_ours = s->is_ours, .is_reset = s->is_reset, .rank = s->rank, .at_s = s->at_s };
    uint8_t name[SLOT_NAME_LEN];
    struct buffer bytes = buffer_of_limit(RECORD_LEN_MAX);
    enum err e = session_encode(session, &bytes);

    memcpy(r.start_key, s->start_key, sizeof r.start_key);
    r.session = buffer_bytes(&bytes);
    if (e == ERR_NONE)
        e = slot_encode(&r, messenger_record(m));
    if (e == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_SESSION, slot_name(name, f, slot), buffer_bytes(&m->record));
    secret_buffer_clear(&bytes);
    if (e != ERR_NONE)
        return messenger_fail(m, e);
    s->is_used = true;
    slot_note(s, session);
    return ERR_NONE;
}

void slot_drop(struct messenger *m, struct friend *f, unsigned slot)
{
    uint8_t name[SLOT_NAME_LEN];

    if (!f->slots[slot].is_used)
        return;
    messenger_fail(m, archive_delete(m->config.archive, ARCHIVE_SESSION, slot_name(name, f, slot)));
    secret_wipe(&f->slots[slot], sizeof f->slots[slot]);
}

void slots_drop_but(struct messenger *m, struct friend *f, int kept)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if ((int)i != kept)
            slot_drop(m, f, i);
    }
}

int slot_by_start(const struct friend *f, const uint8_t start_key[32])
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if (f->slots[i].is_used && !f->slots[i].is_ours &&
            memcmp(f->slots[i].start_key, start_key, sizeof f->slots[i].start_key) == 0)
            return (int)i;
    }
    return -1;
}

unsigned slot_room(struct messenger *m, struct friend *f)
{
    unsigned lowest = 0;

    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if (!f->slots[i].is_used)
            return i;
        if (f->slots[i].rank < f->slots[lowest].rank)
            lowest = i;
    }
    slot_drop(m, f, lowest);
    return lowest;
}

static void rank_raise(struct messenger *m, struct slot *s)
{
    s->rank = m->settings.next_rank++;
    m->is_settings_dirty = m->is_any_dirty = true;
}

void slot_received(struct messenger *m, struct friend *f, unsigned slot)
{
    struct slot *s = &f->slots[slot];

    rank_raise(m, s);
    s->at_s = messenger_clock_s(m);
    if (s->is_ours)
        return;
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        struct slot *ours = &f->slots[i];

        if (ours->is_used && ours->is_ours && !ours->is_established &&
            memcmp(ours->start_hash, s->start_hash, sizeof s->start_hash) < 0) {
            struct session *session;

            if (slot_load(m, f, i, &session) != ERR_NONE)
                continue;
            rank_raise(m, ours);
            slot_save(m, f, i, session);
            session_free(session);
        }
    }
}

/* ---- Sending ---- */

static bool is_given_up(const struct messenger *m, const struct friend *f, const struct slot *s)
{
    if (!s->is_ours || s->is_established || messenger_clock_s(m) < s->at_s + RETRY_FIRST_S)
        return false;
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if (f->slots[i].is_used && f->slots[i].is_established && f->slots[i].at_s >= s->at_s)
            return true;
    }
    return false;
}

/* The best slot that is not in `tried`, a set of bits; -1. */
static int slot_best(const struct messenger *m, const struct friend *f, unsigned tried)
{
    int best = -1;

    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if (f->slots[i].is_used && !(tried & 1u << i) && !is_given_up(m, f, &f->slots[i]) &&
            (best < 0 || f->slots[i].rank > f->slots[best].rank))
            best = (int)i;
    }
    return best;
}

/* A card that seems to be past its time is used all the same: perhaps it is our clock that is wrong. The session then
 * begins on the last day that the card allows. */
uint32_t first_day(const struct messenger *m, const struct friend *f)
{
    uint32_t day = messenger_day(m);

    return day > f->r.card.valid_until_day ? f->r.card.valid_until_day : day;
}

enum err slot_begin(struct messenger *m, struct friend *f, enum session_form form, unsigned *slot, struct session **out)
{
    struct session *s;
    enum err e = session_start(&s, form, m->identity, &f->r.card, first_day(m, f), &m->config.rng);

    if (e != ERR_NONE)
        return e;
    *slot = slot_room(m, f);
    f->slots[*slot] = (struct slot){ .is_ours = true, .at_s = messenger_clock_s(m) };
    rank_raise(m, &f->slots[*slot]);
    *out = s;
    return m->failed;
}

enum err slot_to_send(struct messenger *m, struct friend *f, unsigned *slot, struct session **out, bool *is_new)
{
    unsigned tried = 0;
    int best;

    while ((best = slot_best(m, f, tried)) >= 0) {
        enum err e = slot_load(m, f, (unsigned)best, out);

        if (e == ERR_NONE) {
            *slot = (unsigned)best;
            *is_new = false;
            return ERR_NONE;
        }
        tried |= 1u << best;
    }
    *is_new = true;
    return slot_begin(m, f, f->r.flags & FRIEND_HEARD ? FORM_F2 : FORM_F1, slot, out);
}
