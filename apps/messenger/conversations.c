/* apps/messenger/conversations.c - what any conversation keeps, and those that are shared by several.
 *
 * Its records are named by a letter and its number. A friend's conversation lives in the friend; shared ones are listed here.
 */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "apps/messenger/talk.h"
#include "crypto/hash.h"

/* ---- Records ---- */

enum { NUMBER_NAME_LEN = 4, PART_NAME_LEN = 5 };
enum part { PART_COUNTERS = 'c', PART_FADING = 'd', PART_EARLY = 'e', PART_GONE = 'g' };

static struct bytes part_name(uint8_t out[PART_NAME_LEN], enum part part, uint32_t number)
{
    struct writer w = writer_of(out, PART_NAME_LEN);

    writer_u8(&w, (uint8_t)part);
    writer_u32(&w, number);
    return writer_bytes(&w);
}

static struct bytes number_name(uint8_t out[NUMBER_NAME_LEN], uint32_t number)
{
    struct writer w = writer_of(out, NUMBER_NAME_LEN);

    writer_u32(&w, number);
    return writer_bytes(&w);
}

static enum err part_put(struct messenger *m, const struct conversation *c, enum part part, enum err encoded)
{
    uint8_t name[PART_NAME_LEN];

    if (encoded != ERR_NONE)
        return encoded;
    return archive_put(m->config.archive, ARCHIVE_CONVERSATION, part_name(name, part, c->number), buffer_bytes(&m->record));
}

static enum err part_get(struct messenger *m, const struct conversation *c, enum part part, struct bytes *in)
{
    uint8_t name[PART_NAME_LEN];

    return archive_get(m->config.archive, ARCHIVE_CONVERSATION, part_name(name, part, c->number), in);
}

void conversation_begin(struct conversation *c, uint32_t number, struct friend *f)
{
    c->number = number;
    c->friend = f;
    c->r.next_number = 1;
}

enum err conversation_save(struct messenger *m, const struct conversation *c, unsigned dirty)
{
    enum err e = ERR_NONE;

    if (dirty & DIRTY_CONVERSATION)
        e = part_put(m, c, PART_COUNTERS, conversation_encode(&c->r, messenger_record(m)));
    if (e == ERR_NONE && dirty & DIRTY_FADING)
        e = part_put(m, c, PART_FADING, due_list_encode(&c->fading, messenger_record(m)));
    if (e == ERR_NONE && dirty & DIRTY_GONE)
        e = part_put(m, c, PART_GONE, gone_list_encode(&c->gone, messenger_record(m)));
    return e;
}

/* An absent list is an empty one. */
enum err conversation_load(struct messenger *m, struct conversation *c)
{
    struct bytes in;
    enum err e = part_get(m, c, PART_COUNTERS, &in);

    if (e != ERR_NONE || (e = conversation_decode(&c->r, in)) != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    if ((e = part_get(m, c, PART_FADING, &in)) == ERR_NONE)
        e = due_list_decode(&c->fading, in, FADING_MAX);
    if ((e == ERR_NONE || e == ERR_NOT_FOUND) && (e = part_get(m, c, PART_GONE, &in)) == ERR_NONE)
        e = gone_list_decode(&c->gone, in);
    if (e == ERR_NONE || e == ERR_NOT_FOUND)
        e = remarks_load(m, c);
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

enum err conversation_early(struct messenger *m, const struct conversation *c, struct bytes *in)
{
    return part_get(m, c, PART_EARLY, in);
}

enum err conversation_put_early(struct messenger *m, const struct conversation *c, uint32_t count)
{
    uint8_t name[PART_NAME_LEN];

    if (count > 0)
        return part_put(m, c, PART_EARLY, ERR_NONE);
    enum err e = archive_delete(m->config.archive, ARCHIVE_CONVERSATION, part_name(name, PART_EARLY, c->number));
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

enum err conversation_forget(struct messenger *m, struct conversation *c)
{
    static const enum part parts[] = { PART_COUNTERS, PART_FADING, PART_EARLY, PART_GONE };
    uint8_t name[PART_NAME_LEN];
    enum err e = ERR_NONE;

    for (uint32_t n = 1; n < c->r.next_number && (e == ERR_NONE || e == ERR_NOT_FOUND); n++)
        e = message_remove(m, c, n);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts && (e == ERR_NONE || e == ERR_NOT_FOUND); i++)
        e = archive_delete(m->config.archive, ARCHIVE_CONVERSATION, part_name(name, parts[i], c->number));
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

void conversation_clear(struct conversation *c)
{
    due_list_clear(&c->fading);
    gone_list_clear(&c->gone);
}

uint64_t conversation_due_s(const struct conversation *c)
{
    uint64_t due_s = UINT64_MAX;

    for (uint32_t i = 0; i < c->fading.count; i++) {
        if (c->fading.at[i].at_s < due_s)
            due_s = c->fading.at[i].at_s;
    }
    if (c->early_due_s != 0 && c->early_due_s < due_s)
        due_s = c->early_due_s;
    if (c->r.ack_due_s != 0 && c->r.ack_due_s < due_s)
        due_s = c->r.ack_due_s;
    if (c->r.read_due_s != 0 && c->r.read_due_s < due_s)
        due_s = c->r.read_due_s;
    return due_s;
}

void conversation_wake(struct messenger *m, struct conversation *c)
{
    disappear_wake(m, c);
    remarks_wake(m, c);
}

void conversation_touch(struct messenger *m, struct conversation *c, unsigned dirty)
{
    if (c->friend != NULL) {
        friend_touch(m, c->friend, dirty);
        return;
    }
    c->dirty |= (uint8_t)dirty;
    m->is_any_dirty = m->is_any_dirty || dirty != 0;
}

struct conversation *conversation_by_number(const struct messenger *m, uint32_t number)
{
    if (!(number & CONVERSATION_SHARED)) {
        struct friend *f = friend_by_number(m, number);

        return f != NULL ? &f->talk : NULL;
    }
    for (uint32_t i = 0; i < m->shared_count; i++) {
        if (m->shared[i]->number == number)
            return m->shared[i];
    }
    return NULL;
}

/* ---- Who takes part ---- */

bool conversation_member(struct messenger *m, const struct conversation *c, uint32_t index, struct member *out)
{
    const struct card *card;

    if (c->members != NULL)
        return c->members(m, c, index, out);
    if (c->friend == NULL || index > AUTHOR_FRIEND)
        return false;
    card = index == AUTHOR_ME ? identity_card(m->identity) : &c->friend->r.card;
    out->author = index;
    out->name = index == AUTHOR_ME ? messenger_name(m) : c->friend->r.name;
    mention_of_key(&out->mention, card->sign_key);
    return true;
}

bool conversation_member_by_author(struct messenger *m, const struct conversation *c, uint32_t author, struct member *out)
{
    for (uint32_t i = 0; conversation_member(m, c, i, out); i++) {
        if (out->author == author)
            return true;
    }
    return false;
}

bool conversation_member_by_mention(struct messenger *m, const struct conversation *c, const struct mention *mention, struct member *out)
{
    for (uint32_t i = 0; conversation_member(m, c, i, out); i++) {
        if (memcmp(out->mention.octets, mention->octets, sizeof mention->octets) == 0)
            return true;
    }
    return false;
}

bool conversation_member_by_name(struct messenger *m, const struct conversation *c, struct bytes name, struct member *out)
{
    for (uint32_t i = 0; conversation_member(m, c, i, out); i++) {
        if (name_is_same(out->name, name))
            return true;
    }
    return false;
}

/* ---- Shared ones ---- */

static void shared_free(struct conversation *c)
{
    conversation_clear(c);
    secret_wipe(c, sizeof *c);
    free(c);
}

/* Kept by rising number, which is the order they are made in. */
static enum err list_append(struct messenger *m, struct conversation *c)
{
    if (m->shared_count >= CONVERSATIONS_SHARED_MAX)
        return ERR_FULL;
    if (m->shared_count == m->shared_cap) {
        uint32_t cap = m->shared_cap == 0 ? 8 : m->shared_cap * 2;
        struct conversation **more = realloc(m->shared, cap * sizeof *more);

        if (more == NULL)
            return ERR_NO_MEMORY;
        m->shared = more;
        m->shared_cap = cap;
    }
    m->shared[m->shared_count++] = c;
    return ERR_NONE;
}

enum err conversation_new_shared(struct messenger *m, struct conversation **out)
{
    uint32_t last = m->shared_count == 0 ? CONVERSATION_SHARED : m->shared[m->shared_count - 1]->number;
    uint8_t name[NUMBER_NAME_LEN];
    struct conversation *c;
    enum err e;

    if (m->shared_count >= CONVERSATIONS_SHARED_MAX || last == UINT32_MAX)
        return ERR_FULL;
    if ((c = calloc(1, sizeof *c)) == NULL)
        return ERR_NO_MEMORY;
    conversation_begin(c, last + 1, NULL);
    if ((e = list_append(m, c)) != ERR_NONE) {
        shared_free(c);
        return e;
    }
    if ((e = archive_list_add(m->config.archive, ARCHIVE_CONVERSATION, number_name(name, c->number))) != ERR_NONE)
        return messenger_fail(m, e);
    conversation_touch(m, c, DIRTY_CONVERSATION);
    *out = c;
    return ERR_NONE;
}

enum err conversation_remove_shared(struct messenger *m, struct conversation *c)
{
    uint8_t name[NUMBER_NAME_LEN];
    enum err e = conversation_forget(m, c);
    uint32_t i = 0;

    if (e == ERR_NONE)
        e = archive_list_remove(m->config.archive, ARCHIVE_CONVERSATION, number_name(name, c->number));
    if (e != ERR_NONE)
        return messenger_fail(m, e);
    while (m->shared[i] != c)
        i++;
    m->shared_count--;
    memmove(m->shared + i, m->shared + i + 1, (m->shared_count - i) * sizeof *m->shared);
    shared_free(c);
    return ERR_NONE;
}

struct numbers { uint32_t at[CONVERSATIONS_SHARED_MAX]; uint32_t count; };

static bool note_number(void *ctx, struct bytes name)
{
    struct numbers *all = ctx;
    struct reader r = reader_of(name);
    uint32_t number = reader_u32(&r);

    if (reader_is_done(&r) && number & CONVERSATION_SHARED && all->count < CONVERSATIONS_SHARED_MAX)
        all->at[all->count++] = number;
    return true;
}

enum err conversations_load(struct messenger *m)
{
    struct numbers all = { .count = 0 };
    enum err e = archive_list_walk(m->config.archive, ARCHIVE_CONVERSATION, note_number, &all);

    if (e == ERR_NOT_FOUND)
        e = ERR_NONE;
    for (uint32_t i = 0; i < all.count && e == ERR_NONE; i++) {
        struct conversation *c = calloc(1, sizeof *c);

        if (c == NULL)
            return ERR_NO_MEMORY;
        conversation_begin(c, all.at[i], NULL);
        if ((e = conversation_load(m, c)) != ERR_NONE || (e = list_append(m, c)) != ERR_NONE)
            shared_free(c);
    }
    return e;
}

enum err conversations_save(struct messenger *m)
{
    enum err e = ERR_NONE;

    for (uint32_t i = 0; i < m->shared_count && e == ERR_NONE; i++) {
        e = conversation_save(m, m->shared[i], m->shared[i]->dirty);
        m->shared[i]->dirty = 0;
    }
    return e;
}

void conversations_wake(struct messenger *m)
{
    for (uint32_t i = 0; i < m->shared_count && m->failed == ERR_NONE; i++)
        conversation_wake(m, m->shared[i]);
}

uint64_t conversations_due_s(const struct messenger *m)
{
    uint64_t due_s = UINT64_MAX;

    for (uint32_t i = 0; i < m->shared_count; i++) {
        uint64_t at_s = conversation_due_s(m->shared[i]);

        if (at_s < due_s)
            due_s = at_s;
    }
    return due_s;
}

void conversations_free(struct messenger *m)
{
    for (uint32_t i = 0; i < m->shared_count; i++)
        shared_free(m->shared[i]);
    free(m->shared);
    m->shared = NULL;
    m->shared_count = 0;
}
