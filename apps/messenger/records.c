/* apps/messenger/records.c - what the messenger keeps, as bytes. */
#include "apps/messenger/records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/text.h"

/* ---- Common ground ---- */

enum { HEAD_BOUND = 1024, WORD_BOUND = 10, DUE_BOUND = 16 };   /* the fixed fields of any record; a varint; a struct due */

static enum err begin_version(struct writer *w, struct buffer *to, size_t bound, uint8_t version)
{
    enum err e = buffer_reserve(to, bound);

    if (e != ERR_NONE)
        return e;
    *w = writer_of(to->at + to->len, bound);
    writer_u8(w, version);
    return ERR_NONE;
}

static enum err begin(struct writer *w, struct buffer *to, size_t bound)
{
    return begin_version(w, to, bound, RECORD_VERSION);
}

static enum err end(const struct writer *w, struct buffer *to)
{
    if (w->failed)
        return ERR_TOO_LARGE;
    to->len += writer_len(w);
    return ERR_NONE;
}

static struct reader open_record(struct bytes in)
{
    struct reader r = reader_of(in);

    if (reader_u8(&r) != RECORD_VERSION)
        r.failed = true;
    return r;
}

/* A number of our own that must lie in 0..max. */
static uint64_t number(struct reader *r, uint64_t max)
{
    uint64_t v = reader_varint(r);

    if (v > max)
        r->failed = true;
    return r->failed ? 0 : v;
}

static uint32_t number_u32(struct reader *r) { return (uint32_t)number(r, UINT32_MAX); }
static bool flag(struct reader *r) { return number(r, 1) != 0; }

/* ---- Lists ---- */

static enum err grow(void **at, uint32_t *cap, uint32_t count, uint32_t max, size_t size)
{
    if (count < *cap)
        return ERR_NONE;
    if (count >= max)
        return ERR_FULL;
    uint32_t want = *cap == 0 ? 4 : *cap * 2;
    if (want > max)
        want = max;
    void *more = realloc(*at, want * size);
    if (more == NULL)
        return ERR_NO_MEMORY;
    *at = more;
    *cap = want;
    return ERR_NONE;
}

#define LIST(list, item)                                                                     \
    enum err list##_add(struct list *l, struct item one, uint32_t max)                       \
    {                                                                                        \
        void *at = l->at;                                                                    \
        enum err e = l->count >= max ? ERR_FULL : grow(&at, &l->cap, l->count, max, sizeof one); \
                                                                                             \
        if (e != ERR_NONE)                                                                   \
            return e;                                                                        \
        l->at = at;                                                                          \
        l->at[l->count++] = one;                                                             \
        return ERR_NONE;                                                                     \
    }                                                                                        \
    void list##_remove(struct list *l, uint32_t index)                                       \
    {                                                                                        \
        assert(index < l->count);                                                            \
        l->count--;                                                                          \
        memmove(l->at + index, l->at + index + 1, (l->count - index) * sizeof *l->at);       \
    }                                                                                        \
    void list##_clear(struct list *l)                                                        \
    {                                                                                        \
        free(l->at);                                                                         \
        memset(l, 0, sizeof *l);                                                             \
    }

LIST(due_list, due)
LIST(gone_list, gone)
LIST(used_list, used)

struct due *due_list_find(struct due_list *l, uint32_t which)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->at[i].number == which)
            return &l->at[i];
    }
    return NULL;
}

enum err due_list_encode(const struct due_list *l, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND + (size_t)l->count * DUE_BOUND);

    if (e != ERR_NONE)
        return e;
    writer_varint(&w, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        writer_varint(&w, l->at[i].number);
        writer_varint(&w, l->at[i].at_s);
        writer_varint(&w, l->at[i].until_s);
    }
    return end(&w, to);
}

enum err due_list_decode(struct due_list *l, struct bytes in, uint32_t max)
{
    struct reader r = open_record(in);
    struct due_list fresh = { NULL, 0, 0 };
    uint64_t count = number(&r, max);
    enum err e = ERR_NONE;

    for (uint64_t i = 0; i < count && !r.failed && e == ERR_NONE; i++) {
        struct due d;

        d.number = number_u32(&r);
        d.at_s = reader_varint(&r);
        d.until_s = reader_varint(&r);
        if (!r.failed)
            e = due_list_add(&fresh, d, max);
    }
    if (e == ERR_NONE && !reader_is_done(&r))
        e = ERR_CORRUPT;
    if (e != ERR_NONE) {
        due_list_clear(&fresh);
        return e;
    }
    due_list_clear(l);
    *l = fresh;
    return ERR_NONE;
}

enum err gone_list_encode(const struct gone_list *l, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND + (size_t)l->count * (WORD_BOUND + MESSAGE_ID_LEN));

    if (e != ERR_NONE)
        return e;
    writer_varint(&w, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        writer_copy(&w, bytes_of(l->at[i].id.octets, MESSAGE_ID_LEN));
        writer_varint(&w, l->at[i].until_s);
    }
    return end(&w, to);
}

enum err gone_list_decode(struct gone_list *l, struct bytes in)
{
    struct reader r = open_record(in);
    struct gone_list fresh = { NULL, 0, 0 };
    uint64_t count = number(&r, GONE_MAX);
    enum err e = ERR_NONE;

    for (uint64_t i = 0; i < count && !r.failed && e == ERR_NONE; i++) {
        struct gone g;

        reader_copy(&r, g.id.octets, MESSAGE_ID_LEN);
        g.until_s = reader_varint(&r);
        if (!r.failed)
            e = gone_list_add(&fresh, g, GONE_MAX);
    }
    if (e == ERR_NONE && !reader_is_done(&r))
        e = ERR_CORRUPT;
    if (e != ERR_NONE) {
        gone_list_clear(&fresh);
        return e;
    }
    gone_list_clear(l);
    *l = fresh;
    return ERR_NONE;
}

enum err used_list_encode(const struct used_list *l, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND + (size_t)l->count * sizeof(struct used));

    if (e != ERR_NONE)
        return e;
    writer_varint(&w, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        writer_copy(&w, bytes_of(l->at[i].key, sizeof l->at[i].key));
        writer_u32(&w, l->at[i].friend_number);
        writer_u32(&w, l->at[i].until_day);
    }
    return end(&w, to);
}

enum err used_list_decode(struct used_list *l, struct bytes in)
{
    struct reader r = open_record(in);
    struct used_list fresh = { NULL, 0, 0 };
    uint64_t count = number(&r, USED_MAX);
    enum err e = ERR_NONE;

    for (uint64_t i = 0; i < count && !r.failed && e == ERR_NONE; i++) {
        struct used u;

        reader_copy(&r, u.key, sizeof u.key);
        u.friend_number = reader_u32(&r);
        u.until_day = reader_u32(&r);
        if (!r.failed)
            e = used_list_add(&fresh, u, USED_MAX);
    }
    if (e == ERR_NONE && !reader_is_done(&r))
        e = ERR_CORRUPT;
    if (e != ERR_NONE) {
        used_list_clear(&fresh);
        return e;
    }
    used_list_clear(l);
    *l = fresh;
    return ERR_NONE;
}

/* ---- Settings ---- */

enum err settings_encode(const struct settings_record *s, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND);

    if (e != ERR_NONE)
        return e;
    writer_u8(&w, s->is_marking_read);
    writer_varint(&w, s->next_friend);
    writer_varint(&w, s->tended_day);
    writer_varint(&w, s->next_rank);
    writer_varint(&w, s->clock_s);
    writer_varint(&w, s->clock_wall_unix_s);
    return end(&w, to);
}

enum err settings_decode(struct settings_record *out, struct bytes in)
{
    struct reader r = open_record(in);
    struct settings_record s;

    s.is_marking_read = flag(&r);
    s.next_friend = number_u32(&r);
    s.tended_day = number_u32(&r);
    s.next_rank = reader_varint(&r);
    s.clock_s = reader_varint(&r);
    s.clock_wall_unix_s = reader_varint(&r);
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    *out = s;
    return ERR_NONE;
}

/* ---- Friends and their sessions ---- */

static void write_text(struct writer *w, struct bytes text)
{
    writer_varint(w, text.len);
    writer_copy(w, text);
}

bool friend_name_is_sound(struct bytes name)
{
    if (name.len == 0 || name.len > FRIEND_NAME_MAX || !text_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] < 0x20 || name.at[i] == 0x7f)
            return false;
    }
    return true;
}

/* Version 1 is that of a friend whom nobody introduced. */
enum { FRIEND_VERSION_INTRODUCED = 2 };

enum err friend_encode(const struct friend_record *f, struct buffer *to)
{
    uint8_t card[CARD_LEN_MAX];
    size_t card_len = card_encode(&f->card, card);
    struct writer w;
    enum err e = begin_version(&w, to, HEAD_BOUND, f->introducer != 0 ? FRIEND_VERSION_INTRODUCED : RECORD_VERSION);

    if (e != ERR_NONE)
        return e;
    write_text(&w, bytes_of_text(f->name));
    write_text(&w, bytes_of(card, card_len));
    writer_copy(&w, bytes_of(f->pair_root, sizeof f->pair_root));
    writer_u8(&w, f->flags);
    writer_varint(&w, f->last_heard_unix_s);
    writer_varint(&w, f->heard_s);
    writer_varint(&w, f->disappear_s);
    writer_varint(&w, f->invite_inbox);
    writer_varint(&w, f->card_due_s);
    writer_varint(&w, f->card_sent_s);
    writer_varint(&w, f->card_tries);
    writer_copy(&w, bytes_of(f->card_mark, sizeof f->card_mark));
    writer_varint(&w, f->reset_due_s);
    writer_varint(&w, f->reset_tries);
    writer_varint(&w, f->recovered_s);
    writer_varint(&w, f->recoveries);
    if (f->introducer != 0)
        writer_varint(&w, f->introducer);
    return end(&w, to);
}

enum err friend_decode(struct friend_record *out, struct bytes in)
{
    struct reader r = reader_of(in);
    uint8_t version = reader_u8(&r);
    struct friend_record f;

    if (version != RECORD_VERSION && version != FRIEND_VERSION_INTRODUCED)
        return ERR_CORRUPT;
    memset(&f, 0, sizeof f);
    size_t name_len = (size_t)number(&r, FRIEND_NAME_MAX);
    reader_copy(&r, f.name, name_len);
    struct bytes card = reader_take(&r, (size_t)number(&r, CARD_LEN_MAX));
    reader_copy(&r, f.pair_root, sizeof f.pair_root);
    f.flags = reader_u8(&r);
    f.last_heard_unix_s = reader_varint(&r);
    f.heard_s = reader_varint(&r);
    f.disappear_s = number_u32(&r);
    f.invite_inbox = number_u32(&r);
    f.card_due_s = reader_varint(&r);
    f.card_sent_s = reader_varint(&r);
    f.card_tries = number_u32(&r);
    reader_copy(&r, f.card_mark, sizeof f.card_mark);
    f.reset_due_s = reader_varint(&r);
    f.reset_tries = number_u32(&r);
    f.recovered_s = reader_varint(&r);
    f.recoveries = number_u32(&r);
    if (version == FRIEND_VERSION_INTRODUCED && (f.introducer = number_u32(&r)) == 0)
        return ERR_CORRUPT;
    if (!reader_is_done(&r) || (f.flags & ~FRIEND_FLAGS) != 0 || name_len == 0 || memchr(f.name, 0, name_len) != NULL ||
        card_decode(&f.card, card) != ERR_NONE)
        return ERR_CORRUPT;
    *out = f;
    return ERR_NONE;
}

enum err slot_encode(const struct slot_record *s, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND + s->session.len);

    if (e != ERR_NONE)
        return e;
    writer_u8(&w, s->is_ours);
    writer_u8(&w, s->is_reset);
    writer_varint(&w, s->rank);
    writer_varint(&w, s->at_s);
    writer_copy(&w, bytes_of(s->start_key, sizeof s->start_key));
    writer_copy(&w, s->session);
    return end(&w, to);
}

enum err slot_decode(struct slot_record *out, struct bytes in)
{
    struct reader r = open_record(in);
    struct slot_record s;

    s.is_ours = flag(&r);
    s.is_reset = flag(&r);
    s.rank = reader_varint(&r);
    s.at_s = reader_varint(&r);
    reader_copy(&r, s.start_key, sizeof s.start_key);
    s.session = reader_rest(&r);
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    *out = s;
    return ERR_NONE;
}

/* ---- Conversations ---- */

static void write_ids(struct writer *w, const struct message_id *ids, size_t count)
{
    writer_varint(w, count);
    for (size_t i = 0; i < count; i++)
        writer_copy(w, bytes_of(ids[i].octets, MESSAGE_ID_LEN));
}

static uint16_t read_ids(struct reader *r, struct message_id *ids, size_t max)
{
    uint16_t count = (uint16_t)number(r, max);

    for (uint16_t i = 0; i < count; i++)
        reader_copy(r, ids[i].octets, MESSAGE_ID_LEN);
    return count;
}

enum err conversation_encode(const struct conversation_record *c, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND + sizeof *c);

    if (e != ERR_NONE)
        return e;
    writer_varint(&w, c->next_number);
    writer_varint(&w, c->message_count);
    writer_varint(&w, c->unread);
    writer_varint(&w, c->read_up_to);
    writer_varint(&w, c->ack_due_s);
    writer_varint(&w, c->read_due_s);
    write_ids(&w, c->acks, c->ack_count);
    write_ids(&w, c->reads, c->read_count);
    write_ids(&w, c->recent, c->recent_count);
    return end(&w, to);
}

enum err conversation_decode(struct conversation_record *out, struct bytes in)
{
    struct reader r = open_record(in);
    struct conversation_record c;

    memset(&c, 0, sizeof c);
    c.next_number = number_u32(&r);
    c.message_count = number_u32(&r);
    c.unread = number_u32(&r);
    c.read_up_to = number_u32(&r);
    c.ack_due_s = reader_varint(&r);
    c.read_due_s = reader_varint(&r);
    c.ack_count = read_ids(&r, c.acks, ACKS_PENDING_MAX);
    c.read_count = read_ids(&r, c.reads, READS_PENDING_MAX);
    c.recent_count = read_ids(&r, c.recent, ACKS_RECENT_MAX);
    if (!reader_is_done(&r) || c.next_number == 0 || c.message_count >= c.next_number || c.unread > c.message_count)
        return ERR_CORRUPT;
    *out = c;
    return ERR_NONE;
}

/* ---- Messages ---- */

/* Version 1 had nothing of what people do with messages; it is still read. */
enum { MESSAGE_VERSION = 2, MESSAGE_VERSION_PLAIN = 1 };

static void write_id(struct writer *w, const struct message_id *id)
{
    writer_copy(w, bytes_of(id->octets, sizeof id->octets));
}

static void write_order(struct writer *w, const struct order *o)
{
    writer_varint(w, o->time_unix_s);
    if (o->time_unix_s != 0)
        write_id(w, &o->id);
}

static struct order read_order(struct reader *r)
{
    struct order o = { .time_unix_s = reader_varint(r) };

    if (o.time_unix_s != 0)
        reader_copy(r, o.id.octets, sizeof o.id.octets);
    return o;
}

static void write_talk(struct writer *w, const struct message_record *m)
{
    writer_u8(w, m->kind);
    writer_varint(w, m->author);
    if (m->flags & (MESSAGE_REPLIES | MESSAGE_IS_REMARK))
        write_id(w, &m->reply_to);
    write_order(w, &m->edited);
    writer_u8(w, m->mention_count);
    for (unsigned i = 0; i < m->mention_count; i++)
        writer_copy(w, bytes_of(m->mentions[i].octets, MENTION_LEN));
    writer_u8(w, m->reaction_count);
    for (unsigned i = 0; i < m->reaction_count; i++) {
        const struct reaction *one = &m->reactions[i];

        writer_varint(w, one->author);
        write_order(w, &one->order);
        writer_u8(w, one->len);
        writer_copy(w, bytes_of(one->text, one->len));
    }
}

static void read_talk(struct reader *r, struct message_record *m)
{
    m->kind = reader_u8(r);
    m->author = number_u32(r);
    if (m->flags & (MESSAGE_REPLIES | MESSAGE_IS_REMARK))
        reader_copy(r, m->reply_to.octets, MESSAGE_ID_LEN);
    m->edited = read_order(r);
    m->mention_count = (uint8_t)number(r, MENTIONS_MAX);
    for (unsigned i = 0; i < m->mention_count; i++)
        reader_copy(r, m->mentions[i].octets, MENTION_LEN);
    m->reaction_count = (uint8_t)number(r, REACTIONS_MAX);
    for (unsigned i = 0; i < m->reaction_count; i++) {
        struct reaction *one = &m->reactions[i];

        one->author = number_u32(r);
        one->order = read_order(r);
        one->len = (uint8_t)number(r, REACTION_LEN_MAX);
        reader_copy(r, one->text, one->len);
    }
}

static void read_plain(struct message_record *m)
{
    m->kind = m->flags & MESSAGE_HAS_MEDIA ? KIND_MEDIA : KIND_TEXT;
    m->author = m->flags & MESSAGE_IS_INCOMING ? AUTHOR_FRIEND : AUTHOR_ME;
}

enum err message_encode(const struct message_record *m, struct buffer *to)
{
    struct writer w;
    enum err e = begin_version(&w, to, HEAD_BOUND + sizeof *m + m->text.len, MESSAGE_VERSION);

    if (e != ERR_NONE)
        return e;
    writer_copy(&w, bytes_of(m->id.octets, MESSAGE_ID_LEN));
    writer_u8(&w, m->flags);
    writer_u8(&w, m->state);
    writer_u8(&w, m->reason);
    writer_varint(&w, m->time_unix_s);
    writer_varint(&w, m->arrived_unix_s);
    writer_varint(&w, m->carried_unix_s);
    writer_varint(&w, m->gateway_unix_s);
    writer_varint(&w, m->delivered_unix_s);
    writer_varint(&w, m->read_unix_s);
    writer_varint(&w, m->expires_unix_s);
    writer_varint(&w, m->copies);
    writer_varint(&w, m->tries);
    writer_varint(&w, m->life_s);
    writer_varint(&w, m->disappear_s);
    writer_varint(&w, m->first_try_s);
    writer_u8(&w, m->try_count);
    for (unsigned i = 0; i < m->try_count; i++) {
        writer_copy(&w, bytes_of(m->try[i].id.octets, sizeof m->try[i].id.octets));
        writer_u8(&w, m->try[i].has_reveal);
        writer_u8(&w, m->try[i].size_code);
        writer_copy(&w, bytes_of(m->try[i].reveal, sizeof m->try[i].reveal));
    }
    write_talk(&w, m);
    writer_copy(&w, m->text);
    return end(&w, to);
}

enum err message_decode(struct message_record *out, struct bytes in)
{
    struct reader r = reader_of(in);
    uint8_t version = reader_u8(&r);
    struct message_record m;

    if (version != MESSAGE_VERSION && version != MESSAGE_VERSION_PLAIN)
        return ERR_CORRUPT;
    memset(&m, 0, sizeof m);
    reader_copy(&r, m.id.octets, MESSAGE_ID_LEN);
    m.flags = reader_u8(&r);
    m.state = reader_u8(&r);
    m.reason = reader_u8(&r);
    m.time_unix_s = reader_varint(&r);
    m.arrived_unix_s = reader_varint(&r);
    m.carried_unix_s = reader_varint(&r);
    m.gateway_unix_s = reader_varint(&r);
    m.delivered_unix_s = reader_varint(&r);
    m.read_unix_s = reader_varint(&r);
    m.expires_unix_s = reader_varint(&r);
    m.copies = number_u32(&r);
    m.tries = number_u32(&r);
    m.life_s = number_u32(&r);
    m.disappear_s = number_u32(&r);
    m.first_try_s = reader_varint(&r);
    m.try_count = (uint8_t)number(&r, TRIES_MAX);
    for (unsigned i = 0; i < m.try_count; i++) {
        reader_copy(&r, m.try[i].id.octets, sizeof m.try[i].id.octets);
        m.try[i].has_reveal = flag(&r);
        m.try[i].size_code = (uint8_t)number(&r, SIZE_CODE_MAX);
        reader_copy(&r, m.try[i].reveal, sizeof m.try[i].reveal);
    }
    if (version == MESSAGE_VERSION)
        read_talk(&r, &m);
    else
        read_plain(&m);
    m.text = reader_rest(&r);
    if (!reader_is_done(&r) || (m.flags & ~MESSAGE_FLAGS) != 0 || m.kind >= KIND_COUNT || m.state > MESSAGE_RECEIVED || m.reason >= REASON_COUNT ||
        m.text.len > TEXT_LEN_MAX || ((m.flags & MESSAGE_IS_INCOMING) != 0) != (m.state == MESSAGE_RECEIVED))
        return ERR_CORRUPT;
    *out = m;
    return ERR_NONE;
}

enum err place_encode(const struct place *p, struct buffer *to)
{
    struct writer w;
    enum err e = begin(&w, to, HEAD_BOUND);

    if (e != ERR_NONE)
        return e;
    writer_u32(&w, p->conversation);
    writer_u32(&w, p->number);
    return end(&w, to);
}

enum err place_decode(struct place *out, struct bytes in)
{
    struct reader r = open_record(in);
    struct place p;

    p.conversation = reader_u32(&r);
    p.number = reader_u32(&r);
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    *out = p;
    return ERR_NONE;
}
