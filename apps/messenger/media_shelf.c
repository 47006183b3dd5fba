/* apps/messenger/media_shelf.c - contents by message, their tags, open and close, and the turn. */
#include "apps/messenger/media_shelf.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

enum { ITEM_NAME_LEN = 1 + MESSAGE_ID_LEN };

/* ---- Names ---- */

static struct bytes item_name(uint8_t out[ITEM_NAME_LEN], char which, const struct message_id *id)
{
    out[0] = (uint8_t)which;
    memcpy(out + 1, id->octets, MESSAGE_ID_LEN);
    return bytes_of(out, ITEM_NAME_LEN);
}

/* A tag's meaning: slot, round, part and index of a chunk. */
static uint64_t meaning_of(uint32_t slot, struct chunk_name n)
{
    return (uint64_t)slot << 40 | (uint64_t)n.round << 32 | (uint64_t)n.part << 31 | n.index;
}

static struct chunk_name name_of_meaning(uint64_t v)
{
    return (struct chunk_name){ (uint8_t)(v >> 31 & 1), (uint8_t)(v >> 32), (uint32_t)(v & 0x7fffffff) };
}

enum err shelf_tag(struct messenger *m, const struct shelf_item *i, struct chunk_name name)
{
    uint8_t tag[TAG_LEN];

    chunk_tag(i->key, name, tag);
    return tagbook_add(m->media->tags, tag, meaning_of(i->slot, name));
}

/* ---- Finding ---- */

struct shelf_item *shelf_find(const struct messenger *m, const struct message_id *id)
{
    const struct media_shelf *s = m->media;

    for (uint32_t n = s != NULL ? s->count : 0; n-- > 0;)
        if (s->items[n] != NULL && memcmp(s->items[n]->id.octets, id->octets, MESSAGE_ID_LEN) == 0)
            return s->items[n];
    return NULL;
}

struct shelf_item *shelf_find_text(const struct messenger *m, struct bytes id_text)
{
    struct message_id id;

    return message_id_of_text(&id, id_text) == ERR_NONE ? shelf_find(m, &id) : NULL;
}

void shelf_touch(struct messenger *m, struct shelf_item *i)
{
    i->is_dirty = true;
    m->media->is_dirty = true;
}

void shelf_tell(struct messenger *m, struct shelf_item *i)
{
    uint64_t now_s = messenger_clock_s(m);

    if (i->is_active && now_s < i->told_s + 1) {
        i->is_told_due = true;
        return;
    }
    i->is_told_due = false;
    i->told_s = now_s;
    messenger_tell(m, MESSENGER_MEDIA, i->friend_number, &i->id);
}

void shelf_courier(struct shelf_item *i, uint32_t who)
{
    for (uint32_t n = 0; n < i->courier_count; n++)
        if (i->courier[n] == who)
            return;
    if (i->courier_count < COURIERS_MAX)
        i->courier[i->courier_count++] = who;
}

void shelf_forget_blob(struct messenger *m, uint64_t blob)
{
    struct media_shelf *s = m->media;

    if (blob == 0)
        return;
    if (s->trash_count == s->trash_cap) {
        uint32_t cap = s->trash_cap == 0 ? 16 : s->trash_cap * 2;
        struct trash *more = realloc(s->trash, cap * sizeof *more);

        /* A leftover is found at the next start. */
        if (more == NULL)
            return;
        s->trash = more;
        s->trash_cap = cap;
    }
    s->trash[s->trash_count++] = (struct trash){ blob, m->now_ms };
    if (s->read_blob == blob)
        s->read_blob = 0;
}

/* The commit of the turn that let go of them is past once time has moved on; after one that failed the messenger is closed. */
static void trash_empty(struct messenger *m)
{
    struct media_shelf *s = m->media;
    uint32_t kept = 0;

    for (uint32_t n = 0; n < s->trash_count; n++) {
        if (s->trash[n].now_ms < m->now_ms)
            (void)blobs_remove(s->blobs, s->trash[n].blob);
        else
            s->trash[kept++] = s->trash[n];
    }
    s->trash_count = kept;
}

/* ---- Under way, and at rest ---- */

static void drop_maps(struct shelf_item *i)
{
    for (unsigned p = 0; p < PART_COUNT; p++) {
        free(i->part[p].have);
        free(i->part[p].handed);
        free(i->part[p].sent);
        i->part[p].have = i->part[p].handed = i->part[p].sent = NULL;
    }
    free(i->pending);
    i->pending = NULL;
    i->pending_count = 0;
    erasure_free(i->parity);
    i->parity = NULL;
    content_hash_free(i->build_hash);
    i->build_hash = NULL;
    i->is_building = false;
}

static void item_free(struct shelf_item *i)
{
    if (i == NULL)
        return;
    drop_maps(i);
    secret_wipe(i, sizeof *i);
    free(i);
}

static enum err make_maps(struct shelf_item *i)
{
    for (unsigned n = 0; n < PART_COUNT; n++) {
        struct shelf_part *p = &i->part[n];
        uint8_t **maps[] = { &p->have, &p->handed, &p->sent };

        for (unsigned k = 0; p->l.size > 0 && k < 3; k++)
            if (*maps[k] == NULL && (*maps[k] = calloc(1, BITMAP_LEN)) == NULL)
                return ERR_NO_MEMORY;
    }
    if (i->flags & MF_INCOMING && i->pending == NULL &&
        (i->pending = calloc(PIECES_PENDING, sizeof *i->pending)) == NULL)
        return ERR_NO_MEMORY;
    return ERR_NONE;
}

enum err shelf_activate(struct messenger *m, struct shelf_item *i)
{
    enum err e;

    if (i->is_active)
        return ERR_NONE;
    if ((e = make_maps(i)) != ERR_NONE)
        return e;
    for (unsigned n = 0; n < PART_COUNT && e == ERR_NONE; n++) {
        struct shelf_part *p = &i->part[n];

        for (uint32_t c = 0; p->l.size > 0 && c < layout_chunks(&p->l) && e == ERR_NONE; c++) {
            /* What is here needs no tag; what is under way may bear that of any round so far. */
            for (unsigned r = 0; r <= p->round && e == ERR_NONE; r = round_next(r, p->round))
                if (!bit_get(p->have, c))
                    e = shelf_tag(m, i, (struct chunk_name){ (uint8_t)n, (uint8_t)r, c });
        }
    }
    if (e != ERR_NONE)
        return e;
    i->is_active = true;
    m->media->active_count++;
    if (i->flags & MF_INCOMING)
        media_in_look(m, i);
    else
        media_out_look(m, i);
    return ERR_NONE;
}

static bool is_of_another(void *ctx, uint64_t value)
{
    return value >> 40 != *(const uint32_t *)ctx;
}

void shelf_rest(struct messenger *m, struct shelf_item *i)
{
    if (!i->is_active)
        return;
    i->is_active = false;
    m->media->active_count--;
    (void)tagbook_keep(m->media->tags, is_of_another, &i->slot);
    drop_maps(i);
}

/* ---- Records ---- */

static enum err item_save(struct messenger *m, struct shelf_item *i)
{
    uint8_t name[ITEM_NAME_LEN];
    struct buffer *b = messenger_record(m);
    enum err e = shelf_item_encode(i, b);

    if (e == ERR_NONE)
        e = archive_put(m->config.archive, ARCHIVE_MEDIA, item_name(name, 'S', &i->id), buffer_bytes(b));
    if (e == ERR_NONE)
        i->is_dirty = false;
    return messenger_fail(m, e);
}

enum err media_settle(struct messenger *m)
{
    struct media_shelf *s = m->media;
    enum err e = ERR_NONE;

    if (s == NULL || !s->is_dirty)
        return ERR_NONE;
    for (uint32_t n = 0; n < s->count && e == ERR_NONE; n++)
        if (s->items[n] != NULL && s->items[n]->is_dirty)
            e = item_save(m, s->items[n]);
    s->is_dirty = e != ERR_NONE;
    return e;
}

static enum err items_grow(struct media_shelf *s)
{
    if (s->count < s->cap)
        return ERR_NONE;
    uint32_t cap = s->cap == 0 ? 16 : s->cap * 2;
    struct shelf_item **more = realloc(s->items, cap * sizeof *more);

    if (more == NULL)
        return ERR_NO_MEMORY;
    s->items = more;
    s->cap = cap;
    return ERR_NONE;
}

enum err shelf_put_manifest(struct messenger *m, const struct shelf_item *i, struct bytes manifest)
{
    uint8_t name[ITEM_NAME_LEN];

    return messenger_fail(m, archive_put(m->config.archive, ARCHIVE_MEDIA, item_name(name, 'M', &i->id), manifest));
}

enum err shelf_manifest(struct messenger *m, const struct shelf_item *i, struct manifest *out)
{
    uint8_t name[ITEM_NAME_LEN];
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MEDIA, item_name(name, 'M', &i->id), &in);

    if (e != ERR_NONE)
        return e;
    if (in.len > MANIFEST_LEN_MAX)
        return ERR_CORRUPT;
    memcpy(m->media->manifest, in.at, in.len);
    m->media->manifest_len = in.len;
    return manifest_decode(out, bytes_of(m->media->manifest, in.len)) == ERR_NONE ? ERR_NONE : ERR_CORRUPT;
}

enum err shelf_add(struct messenger *m, const struct message_id *id, const struct manifest *mf, struct bytes manifest,
                   struct shelf_item **out)
{
    struct media_shelf *s = m->media;
    struct shelf_item *i;
    uint8_t name[ITEM_NAME_LEN];
    enum err e;

    if (s->count >= MEDIA_ITEMS_MAX)
        return ERR_FULL;
    if ((e = items_grow(s)) != ERR_NONE)
        return e;
    if ((i = calloc(1, sizeof *i)) == NULL)
        return ERR_NO_MEMORY;
    i->id = *id;
    i->slot = s->count;
    i->kind = mf->kind;
    memcpy(i->key, mf->key, sizeof i->key);
    i->time_unix_s = m->wall_unix_s;
    for (unsigned p = 0; p < PART_COUNT; p++) {
        if (mf->size[p] > 0)
            (void)layout_of(&i->part[p].l, (enum media_part)p, mf->size[p]);
        memcpy(i->part[p].hash, mf->hash[p], CONTENT_HASH_LEN);
    }
    e = messenger_fail(m, archive_list_add(m->config.archive, ARCHIVE_MEDIA, item_name(name, 'S', id)));
    if (e == ERR_NONE)
        e = shelf_put_manifest(m, i, manifest);
    if (e != ERR_NONE) {
        item_free(i);
        return e;
    }
    s->items[s->count++] = i;
    shelf_touch(m, i);
    *out = i;
    return ERR_NONE;
}

/* ---- Open and close ---- */

static bool load_item(void *ctx, struct bytes name)
{
    struct messenger *m = ctx;
    struct media_shelf *s = m->media;
    struct shelf_item *i = NULL;
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MEDIA, name, &in);

    if (e == ERR_NONE)
        e = items_grow(s);
    if (e == ERR_NONE && (i = calloc(1, sizeof *i)) == NULL)
        e = ERR_NO_MEMORY;
    if (e == ERR_NONE && (e = shelf_item_decode(i, in)) == ERR_NONE) {
        i->slot = s->count;
        s->items[s->count++] = i;
        return true;
    }
    free(i);
    s->load = e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    return false;
}

static bool is_in_use(void *ctx, uint64_t blob)
{
    const struct messenger *m = ctx;
    const struct media_shelf *s = m->media;

    for (uint32_t n = 0; n < s->count; n++)
        for (unsigned p = 0; s->items[n] != NULL && p < PART_COUNT; p++)
            if (s->items[n]->part[p].blob == blob)
                return true;
    return upload_holds(m, blob);
}

static void note_links(struct messenger *m, uint32_t but)
{
    struct media_shelf *s = m->media;
    struct node_link_info info;

    s->link_count = 0;
    for (uint32_t link = 0; (link = node_link_next(m->config.node, link)) != 0 && s->link_count < LINKS_MAX;) {
        if (link == but || !node_link_info(m->config.node, link, &info) || !info.is_ready)
            continue;
        s->links[s->link_count].link = link;
        s->links[s->link_count].is_fast = !info.is_slow && info.kind != LINK_UPLINK && info.kind != LINK_CLIENT;
        s->links[s->link_count].is_uplink = info.kind == LINK_UPLINK;
        s->link_count++;
    }
}

/* The helper's work did not survive: what was to be prepared goes out as it is. */
static void go_unprepared(struct messenger *m, struct shelf_item *i)
{
    i->flags &= (uint16_t)~MF_PREPARING;
    shelf_touch(m, i);
}

enum err media_open(struct messenger *m)
{
    struct media_shelf *s;
    enum err e;

    if (m->config.blobs == NULL)
        return ERR_NONE;
    if ((s = calloc(1, sizeof *s)) == NULL)
        return ERR_NO_MEMORY;
    m->media = s;
    s->blobs = m->config.blobs;
    s->piece = malloc(BUNDLE_LEN_MAX);
    s->sealed = malloc(BUNDLE_LEN_MAX);
    s->cache = malloc(BUNDLE_LEN_MAX);
    s->manifest = malloc(MANIFEST_LEN_MAX);
    if (s->piece == NULL || s->sealed == NULL || s->cache == NULL || s->manifest == NULL)
        return ERR_NO_MEMORY;
    if ((e = tagbook_new(&s->tags, &m->config.rng)) != ERR_NONE ||
        (e = archive_list_walk(m->config.archive, ARCHIVE_MEDIA, load_item, m)) != ERR_NONE || (e = s->load) != ERR_NONE)
        return e;
    (void)blobs_keep(s->blobs, is_in_use, m);
    if (m->config.node != NULL)
        note_links(m, 0);
    for (uint32_t n = 0; n < s->count; n++) {
        struct shelf_item *i = s->items[n];

        if (i->flags & MF_PREPARING)
            go_unprepared(m, i);
        if (shelf_item_is_under_way(i)) {
            if ((e = shelf_activate(m, i)) != ERR_NONE)
                return e;
        } else {
            drop_maps(i);
        }
    }
    return ERR_NONE;
}

void media_close(struct messenger *m)
{
    struct media_shelf *s = m->media;

    if (s == NULL)
        return;
    uploads_clear(m);
    for (uint32_t n = 0; n < s->count; n++)
        item_free(s->items[n]);
    free(s->items);
    free(s->trash);
    tagbook_free(s->tags);
    uint8_t *secrets[] = { s->piece, s->sealed, s->cache };
    for (unsigned n = 0; n < 3; n++) {
        if (secrets[n] != NULL)
            secret_wipe(secrets[n], BUNDLE_LEN_MAX);
        free(secrets[n]);
    }
    if (s->manifest != NULL)
        secret_wipe(s->manifest, MANIFEST_LEN_MAX);
    free(s->manifest);
    secret_wipe(s, sizeof *s);
    free(s);
    m->media = NULL;
}

/* A message goes, and what it announced with it. */
void media_removed(struct messenger *m, const struct message_id *id)
{
    struct shelf_item *i = shelf_find(m, id);
    uint8_t name[ITEM_NAME_LEN];

    if (i == NULL)
        return;
    if (!(i->flags & MF_INCOMING))
        media_out_release(m, i, false);
    shelf_rest(m, i);
    for (unsigned n = 0; n < PART_COUNT; n++) {
        struct shelf_part *p = &i->part[n];
        bool is_shared = !(i->flags & MF_INCOMING) || i->flags & (n == PART_ORIGINAL ? MF_COMPLETE : MF_LIGHT_COMPLETE), is_last = true;

        if (p->blob != 0 && is_shared && content_release(m, p->hash, &is_last) != ERR_NONE)
            return;
        if (p->blob != 0 && is_last)
            shelf_forget_blob(m, p->blob);
    }
    static const char records[] = { 'S', 'M' };
    for (unsigned n = 0; n < 2; n++)
        messenger_fail(m, archive_delete(m->config.archive, ARCHIVE_MEDIA, item_name(name, records[n], id)));
    messenger_fail(m, archive_list_remove(m->config.archive, ARCHIVE_MEDIA, item_name(name, 'S', id)));
    m->media->items[i->slot] = NULL;
    item_free(i);
}

/* ---- The turn ---- */

static bool find_chunk(struct messenger *m, const uint8_t tag[TAG_LEN], unsigned nth, struct shelf_item **i, struct chunk_name *name)
{
    struct media_shelf *s = m->media;
    uint64_t v;

    if (s == NULL || !tagbook_find(s->tags, tag, nth, &v))
        return false;
    *i = s->items[v >> 40];
    *name = name_of_meaning(v);
    return true;
}

bool media_on_event(struct messenger *m, const struct node_event *event)
{
    struct chunk_name name;
    struct shelf_item *i;

    for (unsigned nth = 0; find_chunk(m, event->entry.tag, nth, &i, &name); nth++) {
        if (i == NULL || !i->is_active)
            continue;
        if (i->flags & MF_INCOMING) {
            if (event->kind == NODE_STORED && media_in_stored(m, i, name, &event->entry))
                return true;
        } else if (event->kind == NODE_CARRIED) {
            media_out_carried(m, i, name, event);
            return true;
        } else if (event->kind == NODE_DROPPED) {
            media_out_dropped(m, i, name, event);
            return true;
        }
    }
    return false;
}

void media_on_link(struct messenger *m, const struct node_event *event)
{
    struct media_shelf *s = m->media;

    if (s == NULL || m->config.node == NULL)
        return;
    note_links(m, event->kind == NODE_LINK_CLOSED ? event->link : 0);
    for (uint32_t n = 0; n < s->count; n++)
        if (s->items[n] != NULL && s->items[n]->is_active && !(s->items[n]->flags & MF_INCOMING))
            s->items[n]->feed_s = 0;
}

bool shelf_has_fast_link(const struct messenger *m)
{
    const struct media_shelf *s = m->media;
    bool has_budget = s->budget_day != messenger_day(m) || s->budget_used < m->config.gateway_budget_bytes;

    for (uint32_t n = 0; n < s->link_count; n++)
        if (s->links[n].is_fast || (s->links[n].is_uplink && has_budget))
            return true;
    return false;
}

static uint64_t item_due_s(const struct messenger *m, const struct shelf_item *i)
{
    uint64_t due_s = i->flags & MF_INCOMING ? media_in_due_s(m, i) : media_out_due_s(m, i);

    if (i->is_told_due && i->told_s + 1 < due_s)
        due_s = i->told_s + 1;
    return due_s;
}

uint64_t media_due_s(const struct messenger *m)
{
    const struct media_shelf *s = m->media;
    uint64_t due_s = UINT64_MAX;

    for (uint32_t n = 0; s != NULL && s->active_count > 0 && n < s->count; n++) {
        if (s->items[n] == NULL || !s->items[n]->is_active)
            continue;
        uint64_t item_s = item_due_s(m, s->items[n]);
        if (item_s < due_s)
            due_s = item_s;
    }
    if (s != NULL && s->trash_count > 0 && due_s > messenger_clock_s(m) + 1)
        due_s = messenger_clock_s(m) + 1;
    for (unsigned n = 0; s != NULL && n < UPLOADS_MAX; n++)
        if (s->uploads[n].number != 0 && s->uploads[n].used_s + UPLOAD_IDLE_S < due_s)
            due_s = s->uploads[n].used_s + UPLOAD_IDLE_S;
    return due_s;
}

void media_wake(struct messenger *m)
{
    struct media_shelf *s = m->media;

    if (s == NULL)
        return;
    trash_empty(m);
    uploads_wake(m);
    for (uint32_t n = 0; n < s->count && m->failed == ERR_NONE; n++) {
        struct shelf_item *i = s->items[n];

        if (i == NULL || !i->is_active || item_due_s(m, i) > messenger_clock_s(m))
            continue;
        if (i->is_told_due && messenger_clock_s(m) > i->told_s)
            shelf_tell(m, i);
        if (i->flags & MF_INCOMING)
            media_in_wake(m, i);
        else
            media_out_wake(m, i);
    }
}
