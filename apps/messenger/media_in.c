/* apps/messenger/media_in.c - contents that come to us: gathered, asked for again, put together, judged.
 *
 * A chunk that came is opened and written to the content's file at once, unsynced; its bundle stays in the store. Some time later the
 * file is synced once for all of them, the record says that they are there, and the bundles are let go, in one commit with that.
 */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/media_shelf.h"

static uint16_t complete_flag(unsigned part)
{
    return part == PART_ORIGINAL ? MF_COMPLETE : MF_LIGHT_COMPLETE;
}

static bool is_open(const struct shelf_item *i, unsigned part)
{
    return i->part[part].l.size > 0 && !(i->flags & complete_flag(part));
}

/* ---- What is there suffices ---- */

static bool block_suffices(const struct shelf_part *p, uint32_t block)
{
    uint32_t k = layout_block_data(&p->l, block), there = 0;

    for (uint32_t row = 0; row < k + p->l.parity && there < k; row++)
        there += bit_get(p->have, layout_index(&p->l, block, row));
    return there >= k;
}

static bool part_suffices(const struct shelf_part *p)
{
    if (p->have_count < p->l.data)
        return false;
    for (uint32_t b = 0; b < p->l.blocks; b++)
        if (!block_suffices(p, b))
            return false;
    return true;
}

/* ---- Asking ---- */

static uint64_t ask_pause(const struct messenger *m, const struct shelf_item *i)
{
    uint64_t pause = ASK_BASE_S + m->config.receipt_delay_s;

    for (uint32_t n = 0; n < i->asks && pause < ASK_MAX_S; n++)
        pause *= 2;
    /* Nothing of it has come, and it may well be waiting for a better link. */
    if (i->part[PART_ORIGINAL].have_count == 0 && !(i->flags & MF_WISHED) && !is_open(i, PART_LIGHT) && pause < ASK_PATIENCE_S)
        pause = ASK_PATIENCE_S;
    return pause < ASK_MAX_S ? pause : ASK_MAX_S;
}

/* Of each block what it lacks, and a quarter more, for some of that will be lost as well. */
static void ask_for_missing(const struct shelf_part *p, struct report_part *out)
{
    static const uint32_t spare = 4;
    uint32_t left[CHUNKS_MAX / BLOCK_DATA_MAX + 2];

    for (uint32_t b = 0; b < p->l.blocks; b++) {
        uint32_t k = layout_block_data(&p->l, b), there = 0;

        for (uint32_t row = 0; row < k + p->l.parity; row++)
            there += bit_get(p->have, layout_index(&p->l, b, row));
        left[b] = there >= k ? 0 : (k - there) + (k - there) / spare + 1;
    }
    for (uint32_t c = 0; c < layout_chunks(&p->l); c++) {
        uint32_t b = layout_block(&p->l, c);

        if (bit_get(p->have, c) || left[b] == 0)
            continue;
        if (!report_ask(out, c))
            return;
        left[b]--;
    }
}

static void report_send(struct messenger *m, struct shelf_item *i, bool is_asking)
{
    struct friend *f = friend_by_number(m, i->friend_number);
    struct report *r = calloc(1, sizeof *r);
    uint8_t body[REPORT_LEN_MAX];
    struct writer w = writer_of(body, sizeof body);
    struct sent sent;

    if (f == NULL || r == NULL || f->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED) || m->config.node == NULL) {
        free(r);
        i->is_report_due = false;
        return;
    }
    memcpy(r->id, i->id.octets, sizeof r->id);
    if (i->flags & MF_COMPLETE && !is_open(i, PART_LIGHT))
        r->flags |= REPORT_COMPLETE;
    if (i->flags & (MF_STOPPED | MF_FREED) && !(i->flags & MF_COMPLETE))
        r->flags |= REPORT_STOP;
    if (i->flags & MF_BROKEN)
        r->flags |= REPORT_STOP | REPORT_BROKEN;
    if (i->flags & MF_WISHED && is_open(i, PART_ORIGINAL))
        r->flags |= REPORT_WANTS;
    for (unsigned n = 0; n < PART_COUNT; n++) {
        struct shelf_part *p = &i->part[n];
        bool may_come = n == PART_LIGHT || p->have_count > 0 || i->flags & MF_WISHED || i->asks > 0;

        r->part[n].have = i->flags & complete_flag(n) ? p->l.data : p->have_count;
        if (!is_asking || !is_open(i, n) || !may_come || p->round >= ROUNDS_MAX || p->have == NULL)
            continue;
        ask_for_missing(p, &r->part[n]);
        if (r->part[n].run_count == 0)
            continue;
        r->part[n].round = ++p->round;
        for (uint32_t k = 0; k < r->part[n].run_count; k++)
            for (uint32_t c = r->part[n].runs[k].first; c < r->part[n].runs[k].first + r->part[n].runs[k].count; c++)
                messenger_fail(m, shelf_tag(m, i, (struct chunk_name){ (uint8_t)n, p->round, c }));
        shelf_touch(m, i);
    }
    report_encode(r, &w);
    struct letter l = { .type = PAYLOAD_MEDIA_REPORT, .time_unix_s = (uint32_t)m->wall_unix_s, .life_s = LIFE_DEFAULT_S };
    l.content.body = writer_bytes(&w);
    if (outbox_send(m, f, &l, &sent) == ERR_NONE)
        i->is_report_due = false;
    else
        i->report_s = messenger_clock_s(m) + ROOM_PAUSE_S;
    free(r);
}

static void report_soon(struct messenger *m, struct shelf_item *i)
{
    i->is_report_due = true;
    i->report_s = messenger_soon_s(m);
}

/* ---- Arrival ---- */

static uint32_t active_of_friend(const struct messenger *m, uint32_t friend_number)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < m->media->count; k++)
        n += m->media->items[k] != NULL && m->media->items[k]->is_active && m->media->items[k]->friend_number == friend_number;
    return n;
}

/* The same content is here, from whomever: nothing has to come. */
static bool take_known(struct messenger *m, struct shelf_item *i, unsigned part)
{
    struct shelf_part *p = &i->part[part];

    if (content_find(m, p->hash, &p->blob, p->blob_key) != ERR_NONE || content_share(m, p->hash, p->blob, p->blob_key) != ERR_NONE)
        return false;
    i->flags |= complete_flag(part);
    return true;
}

void media_in_announced(struct messenger *m, struct friend *f, const struct message_id *id, struct bytes manifest, uint32_t life_s)
{
    struct manifest mf;
    struct shelf_item *i;

    if (m->media == NULL || manifest_decode(&mf, manifest) != ERR_NONE || shelf_add(m, id, &mf, manifest, &i) != ERR_NONE)
        return;
    i->friend_number = f->number;
    i->flags = MF_INCOMING;
    i->life_s = life_s;
    i->until_s = messenger_clock_s(m) + 30 * 86400;
    for (unsigned p = 0; p < PART_COUNT; p++) {
        if (i->part[p].l.size > 0 && !take_known(m, i, p))
            blob_draw(m, &i->part[p].blob, i->part[p].blob_key);
    }
    if (i->flags & MF_COMPLETE)
        report_soon(m, i);
    /* A stranger's, and more at a time than can be borne, wait until they are wanted. */
    if (f->r.flags & FRIEND_REQUEST || m->media->active_count >= MEDIA_ACTIVE_MAX ||
        active_of_friend(m, f->number) >= MEDIA_ACTIVE_MAX / 2)
        i->flags |= MF_STOPPED;
    else if (shelf_item_is_under_way(i) || i->is_report_due)
        messenger_fail(m, shelf_activate(m, i));
    i->ask_s = messenger_clock_s(m) + ask_pause(m, i);
    shelf_touch(m, i);
    shelf_tell(m, i);
}

/* True when it was this chunk, whatever became of it. */
bool media_in_stored(struct messenger *m, struct shelf_item *i, struct chunk_name name, const struct store_entry *entry)
{
    struct shelf_part *p = &i->part[name.part];
    struct media_shelf *s = m->media;
    struct bytes bundle;

    if (store_read(m->config.store, entry, &bundle) != ERR_NONE ||
        chunk_open(i->key, name, p->l.size_code, bundle, s->piece) != ERR_NONE)
        return false;
    const struct friend *f = friend_by_number(m, i->friend_number);
    if (f != NULL && f->r.flags & FRIEND_IS_BLOCKED)
        return true;   /* not even an anti-packet tells them that it came */
    if (!is_open(i, name.part) || bit_get(p->have, name.index)) {
        uint8_t reveal[CHUNK_REVEAL_LEN];

        chunk_reveal(i->key, name, reveal);
        messenger_fail(m, node_release(m->config.node, &entry->id, reveal, m->now_ms));
        return true;
    }
    messenger_fail(m, node_claim(m->config.node, &entry->id));
    if (bit_get(p->handed, name.index))
        return true;
    if (i->pending_count == PIECES_PENDING || piece_write(m, p, name.index, s->piece) != ERR_NONE) {
        /* It stays in the store, and is looked for there when there is room. */
        i->is_disk_full = i->pending_count < PIECES_PENDING;
        i->spill_s = messenger_clock_s(m) + (i->is_disk_full ? DISK_PAUSE_S : 0);
        return true;
    }
    bit_set(p->handed, name.index);
    p->handed_count++;
    i->pending[i->pending_count++] = (struct pending){ entry->id, name.index, name.part, name.round };
    if (entry->contributor != 0)
        shelf_courier(i, entry->contributor);
    i->asks = 0;
    i->ask_s = messenger_clock_s(m) + ask_pause(m, i);
    i->spill_s = messenger_clock_s(m) + SPILL_PAUSE_S;
    if (i->pending_count == PIECES_PENDING || p->have_count + p->handed_count == p->l.data)
        i->spill_s = messenger_clock_s(m);
    shelf_tell(m, i);
    return true;
}

void media_in_look(struct messenger *m, struct shelf_item *i)
{
    i->is_disk_full = false;
    if (m->config.store == NULL || m->config.node == NULL)
        return;
    for (unsigned n = 0; n < PART_COUNT; n++) {
        struct shelf_part *p = &i->part[n];

        for (uint32_t c = 0; is_open(i, n) && c < layout_chunks(&p->l) && i->pending_count < PIECES_PENDING; c++) {
            for (unsigned r = 0; r <= p->round && !bit_get(p->have, c) && !bit_get(p->handed, c);
                 r = round_next(r, p->round)) {
                struct chunk_name name = { (uint8_t)n, (uint8_t)r, c };
                const struct store_entry *entry;
                uint8_t tag[TAG_LEN];

                chunk_tag(i->key, name, tag);
                if ((entry = store_find_tag(m->config.store, tag)) != NULL) {
                    struct store_entry copy = *entry;

                    (void)media_in_stored(m, i, name, &copy);
                    if (i->is_disk_full)
                        return;
                }
            }
        }
    }
}

/* ---- From the store to the file ---- */

static void forget_pending(struct shelf_item *i)
{
    for (uint32_t k = 0; k < i->pending_count; k++) {
        struct shelf_part *p = &i->part[i->pending[k].part];

        bit_clear(p->handed, i->pending[k].index);
        p->handed_count--;
    }
    i->pending_count = 0;
}

static void let_go(struct messenger *m, struct shelf_item *i, const struct pending *x)
{
    uint8_t reveal[CHUNK_REVEAL_LEN];

    if (m->config.node == NULL || store_find(m->config.store, &x->id) == NULL)
        return;
    chunk_reveal(i->key, (struct chunk_name){ x->part, x->round, x->index }, reveal);
    enum err e = node_release(m->config.node, &x->id, reveal, m->now_ms);
    messenger_fail(m, e == ERR_NOT_FOUND ? ERR_NONE : e);
}

static void spill(struct messenger *m, struct shelf_item *i)
{
    bool is_written[PART_COUNT] = { false, false };
    uint32_t count = i->pending_count;

    for (uint32_t k = 0; k < count; k++)
        is_written[i->pending[k].part] = true;
    for (unsigned n = 0; n < PART_COUNT; n++) {
        if (is_written[n] && blobs_sync(m->media->blobs, i->part[n].blob) != ERR_NONE) {
            /* Nothing was promised: the bundles are still in the store, and are written again. */
            forget_pending(i);
            i->is_disk_full = true;
            i->spill_s = messenger_clock_s(m) + DISK_PAUSE_S;
            return;
        }
    }
    for (uint32_t k = 0; k < count; k++) {
        const struct pending *x = &i->pending[k];
        struct shelf_part *p = &i->part[x->part];

        bit_clear(p->handed, x->index);
        p->handed_count--;
        bit_set(p->have, x->index);
        p->have_count++;
        let_go(m, i, x);
    }
    i->pending_count = 0;
    i->spill_s = UINT64_MAX;
    shelf_touch(m, i);
    /* What found no place among the pending lies in the store. */
    if (count == PIECES_PENDING)
        media_in_look(m, i);
    for (unsigned n = 0; n < PART_COUNT && !i->is_building; n++) {
        if (is_open(i, n) && part_suffices(&i->part[n])) {
            i->is_building = true;
            i->build_part = (uint8_t)n;
            i->build_block = i->build_piece = 0;
        }
    }
    shelf_tell(m, i);
}

/* ---- Putting together ---- */

/* Makes the data rows that a block lacks out of those that it has. */
static enum err build_block(struct messenger *m, const struct shelf_part *p, uint32_t block)
{
    uint32_t k = layout_block_data(&p->l, block), given_count = 0, wanted_count = 0;
    uint8_t given[BLOCK_DATA_MAX], wanted[BLOCK_DATA_MAX];
    struct erasure *code = NULL;
    enum err e;

    for (uint32_t row = 0; row < k; row++)
        if (!bit_get(p->have, layout_index(&p->l, block, row)))
            wanted[wanted_count++] = (uint8_t)row;
    if (wanted_count == 0)
        return ERR_NONE;
    for (uint32_t row = 0; row < k + p->l.parity && given_count < k; row++)
        if (bit_get(p->have, layout_index(&p->l, block, row)))
            given[given_count++] = (uint8_t)row;
    if ((e = erasure_decoder_new(&code, k, p->l.parity, p->l.capacity, given, wanted, wanted_count)) != ERR_NONE)
        return e;
    for (uint32_t n = 0; n < k && e == ERR_NONE; n++)
        if ((e = piece_read(m, p, layout_index(&p->l, block, given[n]), m->media->piece)) == ERR_NONE)
            erasure_add(code, n, m->media->piece);
    for (uint32_t n = 0; n < wanted_count && e == ERR_NONE; n++)
        e = piece_write(m, p, layout_index(&p->l, block, wanted[n]), erasure_row(code, n));
    erasure_free(code);
    return e;
}

static void finish(struct messenger *m, struct shelf_item *i)
{
    struct shelf_part *p = &i->part[i->build_part];
    uint8_t hash[CONTENT_HASH_LEN];

    content_hash_end(i->build_hash, hash);
    content_hash_free(i->build_hash);
    i->build_hash = NULL;
    i->is_building = false;
    if (memcmp(hash, p->hash, sizeof hash) != 0) {
        /* Every chunk was sealed by the sender: what is wrong is what was announced. */
        i->flags |= MF_BROKEN;
        shelf_forget_blob(m, p->blob);
        p->blob = 0;
    } else if (content_share(m, p->hash, p->blob, p->blob_key) == ERR_NONE) {
        i->flags |= complete_flag(i->build_part);
    }
    shelf_touch(m, i);
    i->told_s = 0;
    shelf_tell(m, i);
    report_send(m, i, false);
    if (!shelf_item_is_under_way(i) && !i->is_report_due)
        shelf_rest(m, i);
    else
        i->spill_s = messenger_clock_s(m);   /* the other part may be whole as well */
}

/* The disk failed under it: from the start again, after a pause. What the record counts is not touched. */
static void build_later(struct messenger *m, struct shelf_item *i)
{
    content_hash_free(i->build_hash);
    i->build_hash = NULL;
    i->is_building = false;
    i->spill_s = messenger_clock_s(m) + DISK_PAUSE_S;
}

/* A piece is not what was written there: the disk has lost it, and it is asked for again. */
static void piece_lost(struct messenger *m, struct shelf_item *i)
{
    struct shelf_part *p = &i->part[i->build_part];

    for (uint32_t c = 0; c < layout_chunks(&p->l); c++) {
        enum err e = bit_get(p->have, c) ? piece_read(m, p, c, m->media->piece) : ERR_NONE;

        if (e == ERR_CORRUPT || e == ERR_NOT_FOUND) {
            bit_clear(p->have, c);
            p->have_count--;
        }
    }
    shelf_touch(m, i);
    build_later(m, i);
    i->ask_s = messenger_clock_s(m);
}

static void build_step(struct messenger *m, struct shelf_item *i)
{
    struct shelf_part *p = &i->part[i->build_part];
    enum err e = ERR_NONE;

    if (i->build_block < p->l.blocks) {
        e = build_block(m, p, i->build_block);
        if (e == ERR_NONE && ++i->build_block == p->l.blocks && (e = blobs_sync(m->media->blobs, p->blob)) == ERR_NONE)
            e = content_hash_new(&i->build_hash);
    } else {
        for (unsigned n = 0; n < VERIFY_PIECES && i->build_piece < p->l.data && e == ERR_NONE; n++) {
            if ((e = piece_read(m, p, i->build_piece, m->media->piece)) == ERR_NONE)
                content_hash_add(i->build_hash, bytes_of(m->media->piece, layout_len(&p->l, i->build_piece++)));
        }
        if (e == ERR_NONE && i->build_piece == p->l.data) {
            finish(m, i);
            return;
        }
    }
    if (e == ERR_CORRUPT || e == ERR_NOT_FOUND)
        piece_lost(m, i);
    else if (e != ERR_NONE)
        build_later(m, i);
}

/* ---- The clock ---- */

uint64_t media_in_due_s(const struct messenger *m, const struct shelf_item *i)
{
    uint64_t due_s = i->ask_s;

    if (i->is_building)
        return messenger_clock_s(m);
    if ((i->pending_count > 0 || i->is_disk_full || i->spill_s != UINT64_MAX) && i->spill_s < due_s)
        due_s = i->spill_s;
    if (i->is_report_due && i->report_s < due_s)
        due_s = i->report_s;
    return due_s;
}

void media_in_wake(struct messenger *m, struct shelf_item *i)
{
    uint64_t now_s = messenger_clock_s(m);

    if (i->is_building) {
        build_step(m, i);
        return;
    }
    if (i->spill_s <= now_s) {
        if (i->is_disk_full)
            media_in_look(m, i);
        spill(m, i);
    }
    if (!i->is_active)
        return;
    if (i->until_s <= now_s && !i->is_building) {
        i->flags |= MF_EXPIRED;
        shelf_touch(m, i);
        shelf_tell(m, i);
        shelf_rest(m, i);
        return;
    }
    if (i->ask_s <= now_s) {
        bool is_open_still = shelf_item_is_under_way(i) && !i->is_building;

        if (is_open_still) {
            report_send(m, i, true);
            i->asks++;
            shelf_touch(m, i);
        }
        i->ask_s = now_s + ask_pause(m, i);
    } else if (i->is_report_due && i->report_s <= now_s) {
        report_send(m, i, false);
    }
    if (!shelf_item_is_under_way(i) && !i->is_report_due)
        shelf_rest(m, i);
}

/* ---- Wishes ---- */

enum err messenger_media_want(struct messenger *m, struct bytes id_text, bool is_wanted, uint64_t wall_unix_s, uint64_t now_ms)
{
    struct shelf_item *i;

    if (m->failed != ERR_NONE)
        return m->failed;
    if (m->media == NULL)
        return ERR_UNSUPPORTED;
    messenger_at(m, wall_unix_s, now_ms);
    if ((i = shelf_find_text(m, id_text)) == NULL)
        return ERR_NOT_FOUND;
    if (!(i->flags & MF_INCOMING) || i->flags & (MF_COMPLETE | MF_BROKEN))
        return ERR_STATE;
    struct friend *f = friend_by_number(m, i->friend_number);
    if (f == NULL || f->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED))
        return ERR_REFUSED;
    i->asks = 0;
    if (is_wanted) {
        i->flags = (uint16_t)((i->flags & ~(MF_STOPPED | MF_FREED | MF_EXPIRED)) | MF_WISHED);
        i->until_s = messenger_clock_s(m) + 30 * 86400;
        for (unsigned p = 0; p < PART_COUNT; p++)
            if (i->part[p].l.size > 0 && i->part[p].blob == 0)
                blob_draw(m, &i->part[p].blob, i->part[p].blob_key);
        messenger_fail(m, shelf_activate(m, i));
        i->ask_s = messenger_clock_s(m) + ask_pause(m, i);
    } else {
        i->flags = (uint16_t)((i->flags & ~MF_WISHED) | MF_STOPPED);
    }
    report_send(m, i, false);
    if (!is_wanted && !i->is_report_due)
        shelf_rest(m, i);
    shelf_touch(m, i);
    i->told_s = 0;
    shelf_tell(m, i);
    return messenger_settle(m);
}
