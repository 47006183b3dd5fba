/* storage/catalogue.c - the facts of all bundles in memory. */
#include "storage/catalogue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_SLOTS = 128, /* slots never move, and a small store stays small */
    HEADS_MIN   = 64,
};

struct slot *catalogue_at(const struct catalogue *c, uint32_t slot)
{
    return &c->chunks[slot / CHUNK_SLOTS][slot % CHUNK_SLOTS];
}

static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

uint32_t catalogue_hash(uint64_t seed, const uint8_t octets[16])
{
    uint64_t a, b;

    memcpy(&a, octets, sizeof a);
    memcpy(&b, octets + sizeof a, sizeof b);
    return (uint32_t)mix(mix(a ^ seed) + (b ^ (seed << 32 | seed >> 32)));
}

static uint32_t *id_head(const struct catalogue *c, const struct bundle_id *id)
{
    return &c->id_heads[catalogue_hash(c->hash_seed, id->octets) & (c->heads_count - 1)];
}

static uint32_t *tag_head(const struct catalogue *c, const uint8_t tag[TAG_LEN])
{
    return &c->tag_heads[catalogue_hash(c->hash_seed, tag) & (c->heads_count - 1)];
}

/* Arrival numbers are ours, so nobody can choose them, and neighbours in time are neighbours in memory. */
static uint32_t *seq_head(const struct catalogue *c, uint64_t seq)
{
    return &c->seq_heads[seq & (c->heads_count - 1)];
}

void catalogue_init(struct catalogue *c, uint64_t hash_seed)
{
    memset(c, 0, sizeof *c);
    c->hash_seed = hash_seed != 0 ? hash_seed : 0x6d65736831u;
    c->free_first = SLOT_NONE;
    for (int k = 0; k < CLASS_COUNT; k++)
        c->newest[k] = c->oldest[k] = SLOT_NONE;
}

void catalogue_clear(struct catalogue *c)
{
    for (uint32_t i = 0; i < c->chunks_count; i++)
        free(c->chunks[i]);
    free(c->chunks);
    free(c->id_heads);
    free(c->tag_heads);
    free(c->seq_heads);
    heap_clear(&c->deadlines);
    catalogue_init(c, c->hash_seed);
}

static void index_slot(struct catalogue *c, uint32_t at)
{
    struct slot *s = catalogue_at(c, at);
    uint32_t *id = id_head(c, &s->entry.id), *tag = tag_head(c, s->entry.tag), *seq = seq_head(c, s->entry.seq);

    s->id_next = *id;
    *id = at;
    s->seq_next = *seq;
    *seq = at;
    s->tag_prev = SLOT_NONE;
    s->tag_next = *tag;
    if (*tag != SLOT_NONE)
        catalogue_at(c, *tag)->tag_prev = at;
    *tag = at;
}

static enum err grow_heads(struct catalogue *c)
{
    uint32_t count = c->heads_count == 0 ? HEADS_MIN : c->heads_count * 2;
    uint32_t *heads[3];

    for (int i = 0; i < 3; i++) {
        if ((heads[i] = malloc(count * sizeof *heads[i])) == NULL) {
            while (i-- > 0)
                free(heads[i]);
            return ERR_NO_MEMORY;
        }
        memset(heads[i], 0xff, count * sizeof *heads[i]); /* SLOT_NONE */
    }
    free(c->id_heads);
    free(c->tag_heads);
    free(c->seq_heads);
    c->id_heads = heads[0];
    c->tag_heads = heads[1];
    c->seq_heads = heads[2];
    c->heads_count = count;
    for (int k = 0; k < CLASS_COUNT; k++) {
        for (uint32_t at = c->oldest[k]; at != SLOT_NONE; at = catalogue_at(c, at)->newer)
            index_slot(c, at);
    }
    return ERR_NONE;
}

static enum err grow_slots(struct catalogue *c)
{
    struct slot **chunks = realloc(c->chunks, (c->chunks_count + 1) * sizeof *chunks);

    if (chunks == NULL)
        return ERR_NO_MEMORY;
    c->chunks = chunks;
    struct slot *chunk = malloc(CHUNK_SLOTS * sizeof *chunk);
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    uint32_t first = c->chunks_count * CHUNK_SLOTS;
    c->chunks[c->chunks_count++] = chunk;
    for (uint32_t i = CHUNK_SLOTS; i-- > 0;) {
        chunk[i].id_next = c->free_first;
        c->free_first = first + i;
    }
    return ERR_NONE;
}

enum err catalogue_reserve(struct catalogue *c)
{
    enum err e;

    if (c->count >= c->heads_count && (e = grow_heads(c)) != ERR_NONE)
        return e;
    if (c->free_first == SLOT_NONE && (e = grow_slots(c)) != ERR_NONE)
        return e;
    return heap_reserve(&c->deadlines);
}

static void deadline_moved(void *ctx, uint32_t slot, uint32_t at)
{
    catalogue_at(ctx, slot)->deadline_at = at;
}

uint32_t catalogue_add(struct catalogue *c, const struct store_entry *entry)
{
    uint32_t at = c->free_first;
    struct slot *s = catalogue_at(c, at);
    uint8_t k = entry->bundle_class;

    assert(k < CLASS_COUNT);
    assert(c->newest[k] == SLOT_NONE || catalogue_at(c, c->newest[k])->entry.seq < entry->seq);
    c->free_first = s->id_next;
    s->entry = *entry;
    s->account = SLOT_NONE;
    index_slot(c, at);
    s->newer = SLOT_NONE;
    s->older = c->newest[k];
    if (s->older != SLOT_NONE)
        catalogue_at(c, s->older)->newer = at;
    else
        c->oldest[k] = at;
    c->newest[k] = at;
    heap_add(&c->deadlines, entry->deadline_s, at, deadline_moved, c);
    c->class_count[k]++;
    c->count++;
    return at;
}

static void unindex_slot(struct catalogue *c, uint32_t at)
{
    struct slot *s = catalogue_at(c, at);
    uint32_t *link;

    for (link = id_head(c, &s->entry.id); *link != at;)
        link = &catalogue_at(c, *link)->id_next;
    *link = s->id_next;
    for (link = seq_head(c, s->entry.seq); *link != at;)
        link = &catalogue_at(c, *link)->seq_next;
    *link = s->seq_next;
    if (s->tag_prev != SLOT_NONE)
        catalogue_at(c, s->tag_prev)->tag_next = s->tag_next;
    else
        *tag_head(c, s->entry.tag) = s->tag_next;
    if (s->tag_next != SLOT_NONE)
        catalogue_at(c, s->tag_next)->tag_prev = s->tag_prev;
}

void catalogue_remove(struct catalogue *c, uint32_t at)
{
    struct slot *s = catalogue_at(c, at);
    uint8_t k = s->entry.bundle_class;

    unindex_slot(c, at);
    if (s->newer != SLOT_NONE)
        catalogue_at(c, s->newer)->older = s->older;
    else
        c->newest[k] = s->older;
    if (s->older != SLOT_NONE)
        catalogue_at(c, s->older)->newer = s->newer;
    else
        c->oldest[k] = s->newer;
    heap_remove(&c->deadlines, s->deadline_at, deadline_moved, c);
    c->class_count[k]--;
    c->count--;
    s->id_next = c->free_first;
    c->free_first = at;
}

void catalogue_set_deadline(struct catalogue *c, uint32_t slot, uint32_t deadline_s)
{
    struct slot *s = catalogue_at(c, slot);

    s->entry.deadline_s = deadline_s;
    heap_change(&c->deadlines, s->deadline_at, deadline_s, deadline_moved, c);
}

uint32_t catalogue_find(const struct catalogue *c, const struct bundle_id *id)
{
    uint32_t at = SLOT_NONE;

    if (c->count == 0)
        return at;
    for (at = *id_head(c, id); at != SLOT_NONE; at = catalogue_at(c, at)->id_next) {
        if (memcmp(catalogue_at(c, at)->entry.id.octets, id->octets, sizeof id->octets) == 0)
            break;
    }
    return at;
}

uint32_t catalogue_find_seq(const struct catalogue *c, uint64_t seq)
{
    uint32_t at = SLOT_NONE;

    if (c->count == 0)
        return at;
    for (at = *seq_head(c, seq); at != SLOT_NONE; at = catalogue_at(c, at)->seq_next) {
        if (catalogue_at(c, at)->entry.seq == seq)
            break;
    }
    return at;
}

uint32_t catalogue_find_tag(const struct catalogue *c, const uint8_t tag[TAG_LEN])
{
    uint32_t at = SLOT_NONE;

    if (c->count == 0)
        return at;
    for (at = *tag_head(c, tag); at != SLOT_NONE; at = catalogue_at(c, at)->tag_next) {
        if (memcmp(catalogue_at(c, at)->entry.tag, tag, TAG_LEN) == 0)
            break;
    }
    return at;
}

uint32_t catalogue_soonest(const struct catalogue *c)
{
    return c->deadlines.count > 0 ? c->deadlines.at[0].item : SLOT_NONE;
}
