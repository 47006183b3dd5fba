/* apps/messenger/media_view.c - contents as a person sees them: progress, bytes, what they take and what is freed. */
#include <string.h>

#include "apps/messenger/media_shelf.h"

/* ---- Looking ---- */

static enum media_state state_of(const struct messenger *m, const struct shelf_item *i)
{
    if (i->flags & MF_FREED)
        return MEDIA_FREED;
    if (i->flags & MF_BROKEN)
        return MEDIA_BROKEN;
    if (i->flags & MF_COMPLETE)
        return MEDIA_COMPLETE;
    if (i->flags & (MF_STOPPED | MF_EXPIRED))
        return MEDIA_STOPPED;
    if (i->flags & MF_INCOMING)
        return MEDIA_COMING;
    if (i->flags & MF_PREPARING)
        return MEDIA_PREPARING;
    return i->part[PART_ORIGINAL].handed_count > 0 || media_out_is_released(m, i) ? MEDIA_GOING : MEDIA_WAITING;
}

static bool is_here(const struct shelf_item *i, enum media_part part)
{
    if (i->part[part].l.size == 0 || i->part[part].blob == 0 || (part == PART_ORIGINAL && i->flags & MF_FREED))
        return false;
    return !(i->flags & MF_INCOMING) || i->flags & (part == PART_ORIGINAL ? MF_COMPLETE : MF_LIGHT_COMPLETE);
}

static const char *reason_of(const struct shelf_item *i)
{
    bool is_incoming = (i->flags & MF_INCOMING) != 0;

    if (i->flags & MF_BROKEN)
        return is_incoming ? "what came is not what was announced, so nothing of it was kept"
                           : "what arrived there is not what was announced; send it again";
    if (i->flags & MF_EXPIRED)
        return is_incoming ? "it did not come in time; `staffetta media want ID` asks for it again"
                           : "it did not arrive in time; send it again if it still matters";
    if (i->flags & MF_STOPPED)
        return is_incoming ? "it is not being collected; `staffetta media want ID` asks for it"
                           : "they do not want it now";
    if (i->is_disk_full)
        return "the disk is full: it waits until there is room";
    return "";
}

static void fill_counts(const struct shelf_item *i, struct media_info *out)
{
    const struct shelf_part *p = &i->part[PART_ORIGINAL], *light = &i->part[PART_LIGHT];
    bool is_incoming = (i->flags & MF_INCOMING) != 0;
    uint32_t known = is_incoming || p->told < p->have_count ? p->have_count : p->told;

    out->chunks = layout_chunks(&p->l);
    out->needed = p->l.data;
    out->have = i->flags & MF_COMPLETE ? p->l.data : known + (is_incoming ? p->handed_count : 0);
    out->carried = is_incoming ? 0 : p->handed_count;
    out->couriers = i->courier_count;
    if (light->l.size > 0) {
        out->light_needed = light->l.data;
        out->light_have = i->flags & MF_LIGHT_COMPLETE ? light->l.data : light->have_count + (is_incoming ? light->handed_count : 0);
    }
}

static enum err fill(struct messenger *m, const struct shelf_item *i, struct media_info *out)
{
    struct media_shelf *s = m->media;
    struct manifest mf;
    enum err e = shelf_manifest(m, i, &mf);

    if (e != ERR_NONE)
        return e;
    memset(out, 0, sizeof *out);
    message_id_text(&i->id, out->id);
    memcpy(s->name, mf.name.at, mf.name.len);
    s->name[mf.name.len] = '\0';
    memcpy(s->type, mf.type.at, mf.type.len);
    s->type[mf.type.len] = '\0';
    out->friend_number = i->friend_number;
    out->is_incoming = (i->flags & MF_INCOMING) != 0;
    out->kind = i->kind;
    out->state = state_of(m, i);
    out->size = i->part[PART_ORIGINAL].l.size;
    out->light_size = i->part[PART_LIGHT].l.size;
    out->time_unix_s = i->time_unix_s;
    out->width = mf.width;
    out->height = mf.height;
    out->duration_ms = mf.duration_ms;
    out->preview_len = mf.preview.len;
    out->name = s->name;
    out->type = s->type;
    fill_counts(i, out);
    out->is_kept = (i->flags & MF_KEPT) != 0;
    out->is_wanted = (i->flags & (MF_WISHED | MF_NOW)) != 0;
    out->is_here = is_here(i, PART_ORIGINAL);
    out->is_light_here = is_here(i, PART_LIGHT);
    out->reason = reason_of(i);
    return ERR_NONE;
}

enum err messenger_media(struct messenger *m, struct bytes id_text, struct media_info *out)
{
    const struct shelf_item *i = m->media != NULL ? shelf_find_text(m, id_text) : NULL;

    return i == NULL ? ERR_NOT_FOUND : fill(m, i, out);
}

const struct media_info *media_of_message(struct messenger *m, const struct message_id *id)
{
    const struct shelf_item *i = shelf_find(m, id);

    return i != NULL && fill(m, i, &m->media->info) == ERR_NONE ? &m->media->info : NULL;
}

enum err messenger_media_list(struct messenger *m, messenger_media_visit *visit, void *ctx)
{
    struct media_shelf *s = m->media;
    struct media_info info;

    if (s == NULL)
        return ERR_NONE;
    for (uint32_t n = s->count; n-- > 0;) {
        if (s->items[n] == NULL)
            continue;
        enum err e = fill(m, s->items[n], &info);
        if (e != ERR_NONE)
            return e;
        if (!visit(ctx, &info))
            break;
    }
    return ERR_NONE;
}

/* ---- Bytes ---- */

enum err messenger_media_read(struct messenger *m, struct bytes id_text, enum media_part part, uint64_t offset, void *to, size_t len)
{
    const struct shelf_item *i = m->media != NULL ? shelf_find_text(m, id_text) : NULL;
    struct media_shelf *s = m->media;
    uint8_t *out = to;

    if (i == NULL || i->part[part].l.size == 0)
        return ERR_NOT_FOUND;
    if (!is_here(i, part))
        return ERR_STATE;
    const struct shelf_part *p = &i->part[part];
    if (offset > p->l.size || len > p->l.size - offset)
        return ERR_TOO_LARGE;
    while (len > 0) {
        uint32_t index = (uint32_t)(offset / p->l.capacity), at = (uint32_t)(offset % p->l.capacity);
        size_t n = p->l.capacity - at < len ? p->l.capacity - at : len;

        if (s->read_blob != p->blob || s->read_place != index) {
            enum err e = piece_read(m, p, index, s->cache);

            s->read_blob = e == ERR_NONE ? p->blob : 0;
            s->read_place = index;
            if (e != ERR_NONE)
                return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
        }
        memcpy(out, s->cache + at, n);
        out += n;
        offset += n;
        len -= n;
    }
    return ERR_NONE;
}

enum err messenger_media_preview(struct messenger *m, struct bytes id_text, uint8_t to[MEDIA_PREVIEW_MAX], size_t *len)
{
    const struct shelf_item *i = m->media != NULL ? shelf_find_text(m, id_text) : NULL;
    struct manifest mf;
    enum err e;

    if (i == NULL)
        return ERR_NOT_FOUND;
    if ((e = shelf_manifest(m, i, &mf)) != ERR_NONE)
        return e;
    if (mf.preview.len == 0)
        return ERR_NOT_FOUND;
    memcpy(to, mf.preview.at, mf.preview.len);
    *len = mf.preview.len;
    return ERR_NONE;
}

/* ---- Space ---- */

enum err messenger_media_keep(struct messenger *m, struct bytes id_text, bool is_kept)
{
    struct shelf_item *i = m->media != NULL ? shelf_find_text(m, id_text) : NULL;

    if (i == NULL)
        return ERR_NOT_FOUND;
    i->flags = (uint16_t)(is_kept ? i->flags | MF_KEPT : i->flags & ~MF_KEPT);
    shelf_touch(m, i);
    shelf_tell(m, i);
    return messenger_settle(m);
}

static enum err free_item(struct messenger *m, struct shelf_item *i, uint64_t *freed)
{
    struct shelf_part *p = &i->part[PART_ORIGINAL];
    bool is_incoming = (i->flags & MF_INCOMING) != 0, is_last = true;
    enum err e;

    *freed = 0;
    if (!is_incoming && !(i->flags & MF_COMPLETE))
        media_out_release(m, i, false);
    shelf_rest(m, i);
    if ((!is_incoming || i->flags & MF_COMPLETE) && (e = content_release(m, p->hash, &is_last)) != ERR_NONE)
        return e;
    if (is_last) {
        shelf_forget_blob(m, p->blob);
        *freed = (uint64_t)p->l.data * piece_len(&p->l);
    }
    p->blob = 0;
    p->have_count = p->handed_count = 0;
    i->flags |= MF_FREED;
    if (is_incoming)
        i->flags &= (uint16_t)~(MF_COMPLETE | MF_WISHED);
    shelf_touch(m, i);
    shelf_tell(m, i);
    return ERR_NONE;
}

enum err messenger_media_free(struct messenger *m, struct bytes id_text, uint64_t *freed)
{
    struct shelf_item *i = m->media != NULL ? shelf_find_text(m, id_text) : NULL;
    enum err e;

    if (m->failed != ERR_NONE)
        return m->failed;
    if (i == NULL)
        return ERR_NOT_FOUND;
    if (i->flags & (MF_KEPT | MF_FREED) || i->part[PART_ORIGINAL].blob == 0)
        return ERR_STATE;
    if ((e = free_item(m, i, freed)) != ERR_NONE)
        return e;
    return messenger_settle(m);
}

static bool may_be_freed(const struct messenger *m, const struct shelf_item *i, uint64_t older_s)
{
    return i != NULL && !(i->flags & (MF_KEPT | MF_FREED)) && i->part[PART_ORIGINAL].blob != 0 && !shelf_item_is_under_way(i) &&
           i->time_unix_s + older_s <= m->wall_unix_s;
}

enum err messenger_free_up(struct messenger *m, uint64_t older_s, uint64_t bytes, uint64_t *freed, uint32_t *count)
{
    struct media_shelf *s = m->media;

    *freed = 0;
    *count = 0;
    if (m->failed != ERR_NONE)
        return m->failed;
    for (uint32_t n = 0; s != NULL && n < s->count && (bytes == 0 || *freed < bytes); n++) {
        uint64_t one;
        enum err e;

        if (!may_be_freed(m, s->items[n], older_s))
            continue;
        if ((e = free_item(m, s->items[n], &one)) != ERR_NONE)
            return e;
        *freed += one;
        ++*count;
    }
    return messenger_settle(m);
}

enum err messenger_media_usage(struct messenger *m, struct media_usage *out)
{
    struct media_shelf *s = m->media;

    memset(out, 0, sizeof *out);
    if (s == NULL)
        return ERR_UNSUPPORTED;
    for (uint32_t n = 0; n < s->count; n++) {
        const struct shelf_item *i = s->items[n];
        const struct shelf_part *p;

        if (i == NULL)
            continue;
        p = &i->part[PART_ORIGINAL];
        if (i->flags & MF_KEPT && p->blob != 0)
            out->kept_bytes += (uint64_t)p->l.data * piece_len(&p->l);
        if (may_be_freed(m, i, FREE_UP_AGE_S))
            out->free_bytes += (uint64_t)p->l.data * piece_len(&p->l);
    }
    for (unsigned n = 0; n < UPLOADS_MAX; n++)
        out->uploads_bytes += s->uploads[n].number != 0 ? s->uploads[n].have : 0;
    out->gateway_budget_bytes = m->config.gateway_budget_bytes;
    out->gateway_today_bytes = s->budget_day == messenger_day(m) ? s->budget_used : 0;
    return blobs_usage(s->blobs, &out->bytes, &out->items);
}
