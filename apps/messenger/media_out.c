/* apps/messenger/media_out.c - contents that go from us: announced, sealed chunk by chunk as neighbours take them, until they say that it is there. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/media_shelf.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "crypto/text.h"

enum { DAY_S = 86400 };

/* ---- May it go ---- */

bool media_out_is_released(const struct messenger *m, const struct shelf_item *i)
{
    return i->flags & (MF_NOW | MF_WISHED) || layout_chunks(&i->part[PART_ORIGINAL].l) <= SMALL_CHUNKS || shelf_has_fast_link(m);
}

static uint32_t first_unsent(const struct shelf_part *p)
{
    uint32_t c = 0, all = p->l.size > 0 ? layout_chunks(&p->l) : 0;

    while (c < all && (bit_get(p->sent, c) || bit_get(p->have, c)))
        c++;
    return c;
}

/* The part and chunk to seal next. The light version first. */
static bool next_chunk(const struct messenger *m, const struct shelf_item *i, unsigned *part, uint32_t *index)
{
    static const unsigned order[] = { PART_LIGHT, PART_ORIGINAL };

    for (unsigned n = 0; n < PART_COUNT; n++) {
        const struct shelf_part *p = &i->part[order[n]];

        if (p->l.size == 0 || (order[n] == PART_ORIGINAL && !media_out_is_released(m, i)))
            continue;
        if ((*index = first_unsent(p)) < layout_chunks(&p->l)) {
            *part = order[n];
            return true;
        }
    }
    return false;
}

/* ---- Sealing ---- */

/* All parity of a block is made at once and kept until another block's turn. */
static enum err parity_piece(struct messenger *m, struct shelf_item *i, unsigned part, uint32_t index, uint8_t *plain)
{
    const struct shelf_part *p = &i->part[part];
    uint32_t block = layout_block(&p->l, index), k = layout_block_data(&p->l, block);
    enum err e;

    if (i->parity == NULL || i->parity_block != block || i->parity_part != part) {
        erasure_free(i->parity);
        i->parity = NULL;
        if ((e = erasure_encoder_new(&i->parity, k, p->l.parity, p->l.capacity)) != ERR_NONE)
            return e;
        i->parity_block = block;
        i->parity_part = (uint8_t)part;
        for (uint32_t row = 0; row < k; row++) {
            if ((e = piece_read(m, p, layout_index(&p->l, block, row), plain)) != ERR_NONE) {
                erasure_free(i->parity);
                i->parity = NULL;
                return e;
            }
            erasure_add(i->parity, row, plain);
        }
    }
    memcpy(plain, erasure_row(i->parity, layout_row(&p->l, index) - k), p->l.capacity);
    return ERR_NONE;
}

static enum err seal_chunk(struct messenger *m, struct shelf_item *i, const struct friend *f, unsigned part, uint32_t index)
{
    struct shelf_part *p = &i->part[part];
    struct chunk_name name = { (uint8_t)part, p->round, index };
    struct chunk_place place = { .size_code = p->l.size_code };
    uint32_t today = messenger_day(m), now_h = hour_of_unix(m->wall_unix_s);
    struct bundle_id id;
    enum err e = index < p->l.data ? piece_read(m, p, index, m->media->piece) : parity_piece(m, i, part, index, m->media->piece);

    if (e != ERR_NONE)
        return e == ERR_FULL ? ERR_IO : e;
    place.expiry_h = expiry_for_unix(m->wall_unix_s + i->life_s + rng_below(&m->config.rng, DAY_S));
    place.bucket = bucket_draw(f->r.card.inbox_secret, today, f->r.card.mailbox_bits, &m->config.rng);
    chunk_seal(m->bundle, i->key, name, &place, m->media->piece, &m->config.rng);
    e = node_submit(m->config.node, bytes_of(m->bundle, bundle_len_of_code(p->l.size_code)), now_h, &id, m->now_ms);
    if (e == ERR_NONE && p->round > 0)
        e = shelf_tag(m, i, name);
    if (e == ERR_NONE) {
        bit_set(p->sent, index);
        i->in_store++;
    }
    return e;
}

/* ---- What our store has of it ---- */

typedef void visit_ours(struct messenger *m, struct shelf_item *i, struct shelf_part *p, struct chunk_name name,
                        const struct store_entry *entry, void *ctx);

static void walk_ours(struct messenger *m, struct shelf_item *i, visit_ours *visit, void *ctx)
{
    if (m->config.store == NULL || m->config.node == NULL)
        return;
    for (unsigned n = 0; n < PART_COUNT; n++) {
        struct shelf_part *p = &i->part[n];

        for (uint32_t c = 0; p->l.size > 0 && c < layout_chunks(&p->l); c++) {
            for (unsigned r = 0; r <= p->round; r = round_next(r, p->round)) {
                struct chunk_name name = { (uint8_t)n, (uint8_t)r, c };
                const struct store_entry *entry;
                uint8_t tag[TAG_LEN];

                chunk_tag(i->key, name, tag);
                if ((entry = store_find_tag(m->config.store, tag)) != NULL)
                    visit(m, i, p, name, entry, ctx);
            }
        }
    }
}

static void note_ours(struct messenger *m, struct shelf_item *i, struct shelf_part *p, struct chunk_name name,
                      const struct store_entry *entry, void *ctx)
{
    (void)m;
    (void)ctx;
    bit_set(p->sent, name.index);
    if (entry->given == 0 && !bit_get(p->handed, name.index))
        i->in_store++;
}

void media_out_look(struct messenger *m, struct shelf_item *i)
{
    i->in_store = 0;
    for (unsigned n = 0; n < PART_COUNT; n++) {
        struct shelf_part *p = &i->part[n];

        /* What a neighbour has is under way, whether we still carry it or not. */
        if (p->l.size > 0)
            memcpy(p->sent, p->handed, BITMAP_LEN);
    }
    walk_ours(m, i, note_ours, NULL);
}

static void release_one(struct messenger *m, struct shelf_item *i, struct shelf_part *p, struct chunk_name name,
                        const struct store_entry *entry, void *ctx)
{
    const bool *has_arrived = ctx;
    struct bundle_id id = entry->id;
    uint8_t reveal[CHUNK_REVEAL_LEN];

    (void)p;
    chunk_reveal(i->key, name, reveal);
    messenger_fail(m, node_release(m->config.node, &id, *has_arrived ? reveal : NULL, m->now_ms));
}

void media_out_release(struct messenger *m, struct shelf_item *i, bool has_arrived)
{
    walk_ours(m, i, release_one, &has_arrived);
    i->in_store = 0;
}

static void release_handed(struct messenger *m, struct shelf_item *i, struct shelf_part *p, struct chunk_name name,
                           const struct store_entry *entry, void *ctx)
{
    bool no = false;
    uint32_t *left = ctx;

    if (*left == 0 || !bit_get(p->handed, name.index))
        return;
    (*left)--;
    release_one(m, i, p, name, entry, &no);
}

/* ---- What neighbours say ---- */

static void handed(struct shelf_item *i, struct shelf_part *p, uint32_t index)
{
    if (bit_get(p->handed, index))
        return;
    bit_set(p->handed, index);
    p->handed_count++;
    if (i->in_store > 0)
        i->in_store--;
}

static bool is_uplink(const struct messenger *m, uint32_t link)
{
    for (uint32_t n = 0; n < m->media->link_count; n++)
        if (m->media->links[n].link == link)
            return m->media->links[n].is_uplink;
    return false;
}

static void count_budget(struct messenger *m, uint64_t bytes)
{
    struct media_shelf *s = m->media;

    if (s->budget_day != messenger_day(m)) {
        s->budget_day = messenger_day(m);
        s->budget_used = 0;
    }
    s->budget_used += bytes;
}

void media_out_carried(struct messenger *m, struct shelf_item *i, struct chunk_name name, const struct node_event *event)
{
    if (is_uplink(m, event->link))
        count_budget(m, event->entry.len);
    handed(i, &i->part[name.part], name.index);
    shelf_courier(i, event->link);
    i->feed_s = 0;
    shelf_touch(m, i);
    shelf_tell(m, i);
}

void media_out_dropped(struct messenger *m, struct shelf_item *i, struct chunk_name name, const struct node_event *event)
{
    struct shelf_part *p = &i->part[name.part];

    if (event->why == ERR_NONE) {
        /* An anti-packet: only the recipient can have known what proves it. */
        handed(i, p, name.index);
        if (!bit_get(p->have, name.index)) {
            bit_set(p->have, name.index);
            p->have_count++;
        }
        shelf_tell(m, i);
    } else if (!bit_get(p->handed, name.index) && bit_get(p->sent, name.index)) {
        bit_clear(p->sent, name.index);
        if (i->in_store > 0)
            i->in_store--;
    }
    i->feed_s = messenger_clock_s(m) + (event->why == ERR_FULL ? ROOM_PAUSE_S : 0);
    shelf_touch(m, i);
}

/* ---- What the friend says ---- */

static void send_again(struct messenger *m, struct shelf_item *i, const struct report_part *r, struct shelf_part *p)
{
    if (r->round <= p->round)
        return;   /* a repeat of what was heard */
    p->round = r->round;
    for (uint32_t k = 0; k < r->run_count; k++) {
        for (uint32_t c = r->runs[k].first; c < r->runs[k].first + r->runs[k].count && c < layout_chunks(&p->l); c++) {
            if (bit_get(p->handed, c))
                p->handed_count--;
            if (bit_get(p->have, c))
                p->have_count--;
            bit_clear(p->sent, c);
            bit_clear(p->handed, c);
            bit_clear(p->have, c);
        }
    }
    (void)m;
    /* What of the older rounds still waits here goes under its old name as well; the window counts anew. */
    i->in_store = 0;
}

static void over(struct messenger *m, struct shelf_item *i, uint16_t flag)
{
    i->flags |= flag;
    media_out_release(m, i, flag == MF_COMPLETE);
    for (unsigned n = 0; n < PART_COUNT; n++)
        i->part[n].told = flag == MF_COMPLETE ? i->part[n].l.data : i->part[n].told;
    shelf_rest(m, i);
    shelf_touch(m, i);
    i->told_s = 0;
    shelf_tell(m, i);
}

void media_take_report(struct messenger *m, struct friend *f, struct bytes body)
{
    struct report *r = calloc(1, sizeof *r);
    struct message_id id;
    struct shelf_item *i;

    if (r != NULL && m->media != NULL && report_decode(r, body) == ERR_NONE) {
        memcpy(id.octets, r->id, sizeof id.octets);
        i = shelf_find(m, &id);
        if (i == NULL || i->friend_number != f->number || i->flags & (MF_INCOMING | MF_COMPLETE | MF_FREED)) {
            free(r);
            return;
        }
        if (r->flags & REPORT_COMPLETE) {
            over(m, i, MF_COMPLETE);
        } else if (r->flags & REPORT_STOP) {
            over(m, i, (uint16_t)(MF_STOPPED | (r->flags & REPORT_BROKEN ? MF_BROKEN : 0)));
        } else {
            if (r->flags & REPORT_WANTS)
                i->flags = (uint16_t)((i->flags & ~(MF_STOPPED | MF_EXPIRED)) | MF_WISHED);
            if (shelf_item_is_under_way(i) && messenger_fail(m, shelf_activate(m, i)) == ERR_NONE && i->is_active) {
                for (unsigned n = 0; n < PART_COUNT; n++) {
                    struct shelf_part *p = &i->part[n];

                    if (p->l.size == 0)
                        continue;
                    if (r->part[n].have <= p->l.data + p->l.blocks * p->l.parity && r->part[n].have > p->told)
                        p->told = r->part[n].have;
                    send_again(m, i, &r->part[n], p);
                }
                if (i->until_s < messenger_clock_s(m) + i->life_s)
                    i->until_s = messenger_clock_s(m) + i->life_s;
                i->feed_s = 0;
            }
            shelf_touch(m, i);
            shelf_tell(m, i);
        }
    }
    free(r);
}

/* ---- The clock ---- */

uint64_t media_out_due_s(const struct messenger *m, const struct shelf_item *i)
{
    const struct friend *f = friend_by_number(m, i->friend_number);
    unsigned part;
    uint32_t index;

    if (i->flags & MF_PREPARING)
        return UINT64_MAX;
    if (f != NULL && f->r.flags & FRIEND_IS_BLOCKED)
        return i->until_s;
    if (i->in_store < WINDOW_CHUNKS && next_chunk(m, i, &part, &index))
        return i->feed_s < i->until_s ? i->feed_s : i->until_s;
    return i->until_s;
}

void media_out_wake(struct messenger *m, struct shelf_item *i)
{
    const struct friend *f = friend_by_number(m, i->friend_number);
    uint64_t now_s = messenger_clock_s(m);
    unsigned part;
    uint32_t index;

    if (i->until_s <= now_s) {
        over(m, i, MF_EXPIRED);
        return;
    }
    if (f == NULL || f->r.flags & FRIEND_IS_BLOCKED || m->config.node == NULL || i->flags & MF_PREPARING || i->feed_s > now_s)
        return;
    for (unsigned n = 0; n < FEED_CHUNKS && i->in_store < WINDOW_CHUNKS && next_chunk(m, i, &part, &index); n++) {
        enum err e = seal_chunk(m, i, f, part, index);

        if (e == ERR_NONE)
            continue;
        if (e == ERR_FULL) {
            /* Others have what neighbours took; room for what nobody has. */
            uint32_t room = FEED_CHUNKS;

            walk_ours(m, i, release_handed, &room);
            i->feed_s = now_s + (room == FEED_CHUNKS ? ROOM_PAUSE_S : 1);
        } else if (e == ERR_CORRUPT || e == ERR_NOT_FOUND) {
            over(m, i, MF_BROKEN);   /* the file is damaged */
        } else {
            i->feed_s = now_s + DISK_PAUSE_S;
        }
        return;
    }
}

/* ---- Public calls ---- */

static enum err manifest_bytes(const struct manifest *mf, uint8_t out[MANIFEST_LEN_MAX], struct bytes *bytes)
{
    struct writer w = writer_of(out, MANIFEST_LEN_MAX);
    enum err e = manifest_encode(mf, &w);

    *bytes = writer_bytes(&w);
    return e;
}

enum err messenger_send_media(struct messenger *m, uint32_t friend_number, uint32_t upload, const struct media_offer *offer,
                              uint64_t wall_unix_s, uint64_t now_ms, char id[MESSAGE_ID_TEXT_LEN + 1])
{
    struct manifest mf = { .kind = offer->kind, .name = offer->name, .type = offer->type, .caption = offer->caption };
    uint8_t bytes[MANIFEST_LEN_MAX];
    struct bytes manifest;
    struct shelf_part taken;
    struct shelf_item *i;
    struct message_id mid;
    uint64_t size, have;
    struct friend *f;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if (m->media == NULL)
        return ERR_UNSUPPORTED;
    messenger_at(m, wall_unix_s, now_ms);
    if ((f = friend_by_number(m, friend_number)) == NULL || (e = messenger_upload_info(m, upload, &size, &have)) != ERR_NONE)
        return ERR_NOT_FOUND;
    if (f->r.flags & FRIEND_IS_BLOCKED)
        return ERR_REFUSED;
    if (have != size || f->flights.count >= MESSAGES_WAITING_MAX)
        return ERR_STATE;
    mf.size[PART_ORIGINAL] = size;
    /* All that can be refused is, before anything is changed. */
    if ((e = manifest_bytes(&mf, bytes, &manifest)) != ERR_NONE || (e = upload_take(m, upload, &taken)) != ERR_NONE)
        return e;
    memcpy(mf.hash[PART_ORIGINAL], taken.hash, sizeof taken.hash);
    rng_fill(&m->config.rng, mf.key, sizeof mf.key);
    message_draw_id(m, &mid);
    if ((e = manifest_bytes(&mf, bytes, &manifest)) != ERR_NONE || (e = shelf_add(m, &mid, &mf, manifest, &i)) != ERR_NONE)
        return messenger_fail(m, e);
    i->friend_number = friend_number;
    i->flags = (uint16_t)((offer->is_now ? MF_NOW : 0) | (offer->is_preparing ? MF_PREPARING : 0));
    i->part[PART_ORIGINAL] = taken;
    if ((e = messenger_queue_media(m, f, &mid, offer->caption, offer->life_s, offer->is_preparing, &i->life_s)) != ERR_NONE)
        return messenger_fail(m, e);
    i->until_s = messenger_clock_s(m) + i->life_s + DAY_S;
    if ((e = messenger_fail(m, shelf_activate(m, i))) != ERR_NONE)
        return e;
    shelf_touch(m, i);
    shelf_tell(m, i);
    message_id_text(&mid, id);
    return messenger_settle(m);
}

enum err media_announcement(struct messenger *m, const struct message_id *id, struct bytes *out)
{
    struct shelf_item *i = shelf_find(m, id);
    struct manifest mf;
    enum err e;

    if (i == NULL)
        return ERR_NOT_FOUND;
    if (i->flags & MF_PREPARING) {
        /* The helper took too long. */
        i->flags &= (uint16_t)~MF_PREPARING;
        shelf_touch(m, i);
    }
    if ((e = shelf_manifest(m, i, &mf)) != ERR_NONE)
        return e;
    *out = bytes_of(m->media->manifest, m->media->manifest_len);
    return ERR_NONE;
}

/* Puts the light version into a file of its own. False: it goes without. */
static bool add_light(struct messenger *m, struct shelf_item *i, struct manifest *mf, struct bytes light)
{
    struct shelf_part *p = &i->part[PART_LIGHT];
    uint64_t known;
    uint8_t key[32];

    if (light.len == 0 || i->kind != MEDIA_VOICE || layout_of(&p->l, PART_LIGHT, light.len) != ERR_NONE)
        return false;
    hash_derive_one(p->hash, sizeof p->hash, bytes_of(NULL, 0), "content", light);
    blob_draw(m, &p->blob, p->blob_key);
    if (content_find(m, p->hash, &known, key) == ERR_NONE) {
        p->blob = known;
        memcpy(p->blob_key, key, sizeof key);
    } else {
        enum err e = ERR_NONE;

        for (uint32_t c = 0; c < p->l.data && e == ERR_NONE; c++) {
            memset(m->media->piece, 0, p->l.capacity);
            memcpy(m->media->piece, light.at + (size_t)c * p->l.capacity, layout_len(&p->l, c));
            e = piece_write(m, p, c, m->media->piece);
        }
        if (e != ERR_NONE || blobs_sync(m->media->blobs, p->blob) != ERR_NONE) {
            shelf_forget_blob(m, p->blob);
            memset(p, 0, sizeof *p);
            return false;
        }
    }
    if (content_share(m, p->hash, p->blob, p->blob_key) != ERR_NONE)
        return false;
    mf->size[PART_LIGHT] = light.len;
    memcpy(mf->hash[PART_LIGHT], p->hash, CONTENT_HASH_LEN);
    return true;
}

enum err messenger_media_prepared(struct messenger *m, struct bytes id_text, const struct media_made *made, uint64_t wall_unix_s,
                                  uint64_t now_ms)
{
    uint8_t bytes[MANIFEST_LEN_MAX];
    struct bytes manifest;
    struct shelf_item *i;
    struct manifest mf;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if (m->media == NULL)
        return ERR_UNSUPPORTED;
    messenger_at(m, wall_unix_s, now_ms);
    if ((i = shelf_find_text(m, id_text)) == NULL)
        return ERR_NOT_FOUND;
    if (!(i->flags & MF_PREPARING))
        return ERR_NONE;
    if ((e = shelf_manifest(m, i, &mf)) != ERR_NONE)
        return e;
    mf.width = made->width;
    mf.height = made->height;
    mf.duration_ms = made->duration_ms;
    mf.preview = made->preview;
    /* Activated anew, for there may be a part more. */
    shelf_rest(m, i);
    (void)add_light(m, i, &mf, made->light);
    if (manifest_bytes(&mf, bytes, &manifest) != ERR_NONE) {
        /* What the helper made is not what it may be: without its picture. */
        mf.preview = bytes_of(NULL, 0);
        if ((e = manifest_bytes(&mf, bytes, &manifest)) != ERR_NONE)
            return e;
    }
    i->flags &= (uint16_t)~MF_PREPARING;
    if ((e = shelf_put_manifest(m, i, manifest)) != ERR_NONE || (e = messenger_fail(m, shelf_activate(m, i))) != ERR_NONE)
        return e;
    shelf_touch(m, i);
    messenger_release_media(m, i->friend_number, &i->id);
    shelf_tell(m, i);
    return messenger_settle(m);
}
