/* storage/seen.c - ids that left and are not to come back. */
#include "storage/seen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"
#include "storage/catalogue.h"

enum {
    RING_MIN   = 64,
    RECORD_LEN = 20,    /* id 16, until 4 */
    FORGET_MAX = 2,     /* expired ones deleted an addition: the queue shrinks, and no commit pays for a thousand */
};

_Static_assert((SEEN_MAX & (SEEN_MAX - 1)) == 0 && SEEN_MAX / RING_MIN > 0, "places are counted modulo a power of two");

static uint32_t *head_of(const struct seen *s, const struct bundle_id *id)
{
    return &s->heads[catalogue_hash(s->hash_seed, id->octets) & (s->cap - 1)];
}

static struct seen_item *item_at(const struct seen *s, uint32_t i)
{
    return &s->ring[(s->first + i) & (s->cap - 1)];
}

static void link_item(struct seen *s, struct seen_item *item)
{
    uint32_t *head = head_of(s, &item->id);

    item->next = *head;
    *head = (uint32_t)(item - s->ring);
}

static enum err grow(struct seen *s)
{
    uint32_t cap = s->cap == 0 ? RING_MIN : s->cap * 2;
    struct seen_item *ring = malloc(cap * sizeof *ring);
    uint32_t *heads = malloc(cap * sizeof *heads);

    if (ring == NULL || heads == NULL) {
        free(ring);
        free(heads);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < s->count; i++)
        ring[i] = *item_at(s, i);
    memset(heads, 0xff, cap * sizeof *heads); /* SLOT_NONE */
    free(s->ring);
    free(s->heads);
    s->ring = ring;
    s->heads = heads;
    s->cap = cap;
    s->first = 0;
    for (uint32_t i = 0; i < s->count; i++)
        link_item(s, item_at(s, i));
    return ERR_NONE;
}

static enum err push(struct seen *s, const struct seen_item *item)
{
    enum err e;

    assert(s->count < SEEN_MAX);
    if (s->count == s->cap && (e = grow(s)) != ERR_NONE)
        return e;
    struct seen_item *to = item_at(s, s->count++);
    *to = *item;
    link_item(s, to);
    s->seq_next = item->seq + 1;
    return ERR_NONE;
}

static void pop(struct seen *s)
{
    struct seen_item *item = item_at(s, 0);
    uint32_t at = (uint32_t)(item - s->ring);
    uint32_t *link;

    for (link = head_of(s, &item->id); *link != at;)
        link = &s->ring[*link].next;
    *link = item->next;
    s->first = (s->first + 1) & (s->cap - 1);
    s->count--;
}

struct load {
    struct seen *seen;
    uint64_t *surplus;      /* keys to be deleted */
    size_t surplus_count, surplus_cap;
    enum err e;
};

static enum err note_surplus(struct load *l, uint64_t seq)
{
    if (l->surplus_count == l->surplus_cap) {
        size_t cap = l->surplus_cap == 0 ? 16 : l->surplus_cap * 2;
        uint64_t *at = realloc(l->surplus, cap * sizeof *at);

        if (at == NULL)
            return ERR_NO_MEMORY;
        l->surplus = at;
        l->surplus_cap = cap;
    }
    l->surplus[l->surplus_count++] = seq;
    return ERR_NONE;
}

static bool load_one(void *ctx, uint64_t seq, struct bytes value)
{
    struct load *l = ctx;
    struct reader r = reader_of(value);
    struct seen_item item;

    reader_copy(&r, item.id.octets, sizeof item.id.octets);
    item.until_s = reader_u32(&r);
    item.seq = seq;
    item.next = SLOT_NONE;
    if (!reader_is_done(&r) || seq == UINT64_MAX) {
        l->seen->damaged_count++;
        l->e = note_surplus(l, seq);
        return l->e == ERR_NONE;
    }
    if (l->seen->count == SEEN_MAX) {
        l->e = note_surplus(l, item_at(l->seen, 0)->seq);
        pop(l->seen);
    }
    if (l->e == ERR_NONE)
        l->e = push(l->seen, &item);
    return l->e == ERR_NONE;
}

enum err seen_open(struct seen *s, struct db *db, uint64_t hash_seed)
{
    struct load l = { s, NULL, 0, 0, ERR_NONE };
    enum err e;

    memset(s, 0, sizeof *s);
    s->hash_seed = hash_seed;
    e = db_walk_seq(db, DB_SEEN, 0, load_one, &l);
    if (e == ERR_NONE)
        e = l.e;
    for (size_t i = 0; e == ERR_NONE && i < l.surplus_count; i++)
        e = db_delete_seq(db, DB_SEEN, l.surplus[i]);
    free(l.surplus);
    if (e != ERR_NONE)
        seen_clear(s);
    return e;
}

void seen_clear(struct seen *s)
{
    free(s->ring);
    free(s->heads);
    memset(s, 0, sizeof *s);
}

bool seen_has(const struct seen *s, const struct bundle_id *id, uint32_t clock_s)
{
    if (s->count == 0)
        return false;
    for (uint32_t at = *head_of(s, id); at != SLOT_NONE; at = s->ring[at].next) {
        /* An id that came back after its time and left again stands here twice; either may be the live one. */
        if (memcmp(s->ring[at].id.octets, id->octets, sizeof id->octets) == 0 && s->ring[at].until_s > clock_s)
            return true;
    }
    return false;
}

void seen_walk(const struct seen *s, uint32_t clock_s, store_visit_seen *visit, void *ctx)
{
    for (uint32_t i = s->count; i-- > 0;) {
        const struct seen_item *item = item_at(s, i);

        if (item->until_s > clock_s && !visit(ctx, &item->id))
            return;
    }
}

enum err seen_add(struct seen *s, struct db *db, const struct bundle_id *id, uint32_t until_s, uint32_t clock_s)
{
    uint8_t record[RECORD_LEN];
    struct writer w = writer_of(record, sizeof record);
    struct seen_item item = { s->seq_next, *id, until_s, SLOT_NONE };
    enum err e;

    for (int n = 0; s->count > 0 && n < FORGET_MAX; n++) {
        if (s->count < SEEN_MAX && item_at(s, 0)->until_s > clock_s)
            break;
        if ((e = db_delete_seq(db, DB_SEEN, item_at(s, 0)->seq)) != ERR_NONE)
            return e;
        pop(s);
    }
    writer_copy(&w, bytes_of(id->octets, sizeof id->octets));
    writer_u32(&w, until_s);
    assert(!w.failed && writer_left(&w) == 0);
    if ((e = db_put_seq(db, DB_SEEN, item.seq, writer_bytes(&w))) != ERR_NONE)
        return e;
    return push(s, &item);
}

