/* apps/messenger/media_record.c - what is kept of a content, as bytes. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/media_shelf.h"

enum { ITEM_VERSION = 1, HEAD_BOUND = 512 };

bool shelf_item_is_under_way(const struct shelf_item *i)
{
    bool is_over = (i->flags & (MF_BROKEN | MF_FREED | MF_EXPIRED | MF_STOPPED)) != 0;

    if (i->flags & MF_INCOMING)
        return !is_over && (!(i->flags & MF_COMPLETE) || (i->part[PART_LIGHT].l.size > 0 && !(i->flags & MF_LIGHT_COMPLETE)));
    return !is_over && !(i->flags & MF_COMPLETE);
}

static void write_map(struct writer *w, const uint8_t *map, uint32_t chunks)
{
    writer_u8(w, map != NULL);
    if (map != NULL)
        writer_copy(w, bytes_of(map, (chunks + 7) / 8));
}

static void write_part(struct writer *w, const struct shelf_part *p, bool is_incoming)
{
    writer_varint(w, p->l.size);
    if (p->l.size == 0)
        return;
    writer_copy(w, bytes_of(p->hash, sizeof p->hash));
    writer_u64(w, p->blob);
    writer_copy(w, bytes_of(p->blob_key, sizeof p->blob_key));
    writer_u8(w, p->round);
    writer_varint(w, p->told);
    write_map(w, p->have, layout_chunks(&p->l));
    /* What was not synced is not known after a crash. */
    write_map(w, is_incoming ? NULL : p->handed, layout_chunks(&p->l));
}

enum err shelf_item_encode(const struct shelf_item *i, struct buffer *to)
{
    size_t bound = HEAD_BOUND + (size_t)PART_COUNT * 2 * BITMAP_LEN;
    enum err e = buffer_reserve(to, bound);

    if (e != ERR_NONE)
        return e;
    struct writer w = writer_of(to->at + to->len, bound);
    writer_u8(&w, ITEM_VERSION);
    writer_copy(&w, bytes_of(i->id.octets, sizeof i->id.octets));
    writer_varint(&w, i->friend_number);
    writer_u16(&w, i->flags);
    writer_u8(&w, (uint8_t)i->kind);
    writer_copy(&w, bytes_of(i->key, sizeof i->key));
    writer_varint(&w, i->time_unix_s);
    writer_varint(&w, i->until_s);
    writer_varint(&w, i->life_s);
    writer_varint(&w, i->asks);
    writer_varint(&w, i->ask_s);
    for (unsigned p = 0; p < PART_COUNT; p++)
        write_part(&w, &i->part[p], (i->flags & MF_INCOMING) != 0);
    if (w.failed)
        return ERR_TOO_LARGE;
    to->len += writer_len(&w);
    return ERR_NONE;
}

static uint32_t count_bits(const uint8_t *map, uint32_t chunks)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < chunks; i++)
        n += bit_get(map, i);
    return n;
}

static enum err read_map(struct reader *r, uint8_t **map, uint32_t *count, uint32_t chunks)
{
    uint8_t is_there = reader_u8(r);

    if (r->failed || is_there > 1)
        return ERR_CORRUPT;
    if (is_there == 0)
        return ERR_NONE;
    if (*map == NULL && (*map = calloc(1, BITMAP_LEN)) == NULL)
        return ERR_NO_MEMORY;
    reader_copy(r, *map, (chunks + 7) / 8);
    *count = count_bits(*map, chunks);
    return r->failed ? ERR_CORRUPT : ERR_NONE;
}

static enum err read_part(struct reader *r, struct shelf_part *p, enum media_part which)
{
    uint64_t size = reader_varint(r);
    enum err e;

    if (r->failed)
        return ERR_CORRUPT;
    if (size == 0)
        return ERR_NONE;
    if (layout_of(&p->l, which, size) != ERR_NONE)
        return ERR_CORRUPT;
    reader_copy(r, p->hash, sizeof p->hash);
    p->blob = reader_u64(r);
    reader_copy(r, p->blob_key, sizeof p->blob_key);
    p->round = reader_u8(r);
    p->told = (uint32_t)reader_varint(r);
    if ((e = read_map(r, &p->have, &p->have_count, layout_chunks(&p->l))) == ERR_NONE)
        e = read_map(r, &p->handed, &p->handed_count, layout_chunks(&p->l));
    return e;
}

enum err shelf_item_decode(struct shelf_item *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct shelf_item i;
    enum err e = ERR_NONE;

    memset(&i, 0, sizeof i);
    if (reader_u8(&r) != ITEM_VERSION)
        r.failed = true;
    reader_copy(&r, i.id.octets, sizeof i.id.octets);
    i.friend_number = (uint32_t)reader_varint(&r);
    i.flags = reader_u16(&r);
    i.kind = (enum media_kind)reader_u8(&r);
    reader_copy(&r, i.key, sizeof i.key);
    i.time_unix_s = reader_varint(&r);
    i.until_s = reader_varint(&r);
    i.life_s = (uint32_t)reader_varint(&r);
    i.asks = (uint32_t)reader_varint(&r);
    i.ask_s = reader_varint(&r);
    for (unsigned p = 0; p < PART_COUNT && e == ERR_NONE; p++)
        e = read_part(&r, &i.part[p], (enum media_part)p);
    if (e == ERR_NONE && (!reader_is_done(&r) || (i.flags & ~MF_FLAGS) != 0 || i.kind >= MEDIA_KIND_COUNT ||
                          i.part[PART_ORIGINAL].l.size == 0))
        e = ERR_CORRUPT;
    if (e != ERR_NONE) {
        for (unsigned p = 0; p < PART_COUNT; p++) {
            free(i.part[p].have);
            free(i.part[p].handed);
        }
        return e;
    }
    *out = i;
    return ERR_NONE;
}
