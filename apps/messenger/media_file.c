/* apps/messenger/media_file.c - contents at rest: pieces in sealed files, one file for one content, and uploads. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/media_shelf.h"
#include "crypto/hash.h"

/* ---- Pieces ---- */

size_t piece_len(const struct layout *l)
{
    return (size_t)l->capacity + PIECE_OVERHEAD;
}

enum err piece_write(struct messenger *m, const struct shelf_part *p, uint32_t index, const uint8_t *plain)
{
    struct media_shelf *s = m->media;

    piece_seal(p->blob_key, index, bytes_of(plain, p->l.capacity), s->sealed, &m->config.rng);
    if (s->read_blob == p->blob && s->read_place == index)
        s->read_blob = 0;
    return blobs_write(s->blobs, p->blob, (uint64_t)index * piece_len(&p->l), bytes_of(s->sealed, piece_len(&p->l)));
}

enum err piece_read(struct messenger *m, const struct shelf_part *p, uint32_t index, uint8_t *plain)
{
    struct media_shelf *s = m->media;
    enum err e = blobs_read(s->blobs, p->blob, (uint64_t)index * piece_len(&p->l), s->sealed, piece_len(&p->l));

    if (e == ERR_NONE && piece_open(p->blob_key, index, bytes_of(s->sealed, piece_len(&p->l)), plain) != ERR_NONE)
        e = ERR_CORRUPT;
    return e;
}

void blob_draw(struct messenger *m, uint64_t *blob, uint8_t key[32])
{
    do
        *blob = rng_u64(&m->config.rng);
    while (*blob == 0);
    rng_fill(&m->config.rng, key, 32);
}

/* ---- One file for one content ---- */

enum { CONTENT_NAME_LEN = 1 + CONTENT_HASH_LEN, CONTENT_RECORD_LEN = 1 + 8 + 32 + 4 };

static struct bytes content_name(uint8_t out[CONTENT_NAME_LEN], const uint8_t hash[CONTENT_HASH_LEN])
{
    out[0] = 'C';
    memcpy(out + 1, hash, CONTENT_HASH_LEN);
    return bytes_of(out, CONTENT_NAME_LEN);
}

struct content_record { uint64_t blob; uint8_t key[32]; uint32_t refs; };

static enum err content_load(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], struct content_record *out)
{
    uint8_t name[CONTENT_NAME_LEN];
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_MEDIA, content_name(name, hash), &in);

    if (e != ERR_NONE)
        return e;
    struct reader r = reader_of(in);
    uint8_t version = reader_u8(&r);
    out->blob = reader_u64(&r);
    reader_copy(&r, out->key, sizeof out->key);
    out->refs = reader_u32(&r);
    return reader_is_done(&r) && version == 1 ? ERR_NONE : ERR_CORRUPT;
}

static enum err content_save(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], const struct content_record *c)
{
    uint8_t name[CONTENT_NAME_LEN], record[CONTENT_RECORD_LEN];
    struct writer w = writer_of(record, sizeof record);

    writer_u8(&w, 1);
    writer_u64(&w, c->blob);
    writer_copy(&w, bytes_of(c->key, sizeof c->key));
    writer_u32(&w, c->refs);
    enum err e = archive_put(m->config.archive, ARCHIVE_MEDIA, content_name(name, hash), writer_bytes(&w));
    secret_wipe(record, sizeof record);
    return messenger_fail(m, e);
}

enum err content_find(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], uint64_t *blob, uint8_t key[32])
{
    struct content_record c;
    enum err e = content_load(m, hash, &c);

    if (e != ERR_NONE)
        return e;
    *blob = c.blob;
    memcpy(key, c.key, sizeof c.key);
    return ERR_NONE;
}

enum err content_share(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], uint64_t blob, const uint8_t key[32])
{
    struct content_record c;
    enum err e = content_load(m, hash, &c);

    if (e == ERR_NOT_FOUND) {
        c.blob = blob;
        c.refs = 0;
        memcpy(c.key, key, sizeof c.key);
    } else if (e != ERR_NONE) {
        return messenger_fail(m, e);
    }
    c.refs++;
    return content_save(m, hash, &c);
}

enum err content_release(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], bool *is_last)
{
    uint8_t name[CONTENT_NAME_LEN];
    struct content_record c;
    enum err e = content_load(m, hash, &c);

    *is_last = false;
    if (e != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_NONE : messenger_fail(m, e);
    if (c.refs > 1) {
        c.refs--;
        return content_save(m, hash, &c);
    }
    *is_last = true;
    return messenger_fail(m, archive_delete(m->config.archive, ARCHIVE_MEDIA, content_name(name, hash)));
}

/* ---- Uploads ---- */

static struct upload *upload_find(const struct messenger *m, uint32_t number)
{
    struct media_shelf *s = m->media;

    for (unsigned i = 0; s != NULL && number != 0 && i < UPLOADS_MAX; i++)
        if (s->uploads[i].number == number)
            return &s->uploads[i];
    return NULL;
}

/* Forgets it without touching its file. */
static void upload_clear(struct upload *u)
{
    content_hash_free(u->hash);
    if (u->piece != NULL)
        secret_wipe(u->piece, u->l.capacity);
    free(u->piece);
    secret_wipe(u, sizeof *u);
}

void uploads_clear(struct messenger *m)
{
    for (unsigned i = 0; i < UPLOADS_MAX; i++)
        upload_clear(&m->media->uploads[i]);
}

static void upload_end(struct messenger *m, struct upload *u)
{
    if (u->blob != 0)
        (void)blobs_remove(m->media->blobs, u->blob);
    upload_clear(u);
}

void uploads_wake(struct messenger *m)
{
    for (unsigned i = 0; i < UPLOADS_MAX; i++) {
        struct upload *u = &m->media->uploads[i];

        if (u->number != 0 && messenger_clock_s(m) >= u->used_s + UPLOAD_IDLE_S)
            upload_end(m, u);
    }
}

bool upload_holds(const struct messenger *m, uint64_t blob)
{
    for (unsigned i = 0; i < UPLOADS_MAX; i++)
        if (m->media->uploads[i].number != 0 && m->media->uploads[i].blob == blob)
            return true;
    return false;
}

enum err messenger_upload_begin(struct messenger *m, uint64_t size, uint32_t *upload)
{
    struct media_shelf *s = m->media;
    struct upload *u = NULL;
    struct layout l;
    enum err e;

    if (s == NULL)
        return ERR_UNSUPPORTED;
    if ((e = layout_of(&l, PART_ORIGINAL, size)) != ERR_NONE)
        return e;
    uploads_wake(m);
    for (unsigned i = 0; i < UPLOADS_MAX && u == NULL; i++)
        if (s->uploads[i].number == 0)
            u = &s->uploads[i];
    if (u == NULL)
        return ERR_FULL;
    u->l = l;
    if ((u->piece = malloc(l.capacity)) == NULL || (e = content_hash_new(&u->hash)) != ERR_NONE) {
        upload_clear(u);
        return ERR_NO_MEMORY;
    }
    u->number = ++s->next_upload;
    u->size = size;
    u->used_s = messenger_clock_s(m);
    blob_draw(m, &u->blob, u->key);
    *upload = u->number;
    return ERR_NONE;
}

static enum err upload_flush(struct messenger *m, struct upload *u, uint32_t index, uint32_t len)
{
    struct shelf_part p = { .l = u->l, .blob = u->blob };

    memcpy(p.blob_key, u->key, sizeof p.blob_key);
    memset(u->piece + len, 0, u->l.capacity - len);
    return piece_write(m, &p, index, u->piece);
}

enum err messenger_upload_write(struct messenger *m, uint32_t upload, uint64_t offset, struct bytes data, uint64_t *have)
{
    struct upload *u = upload_find(m, upload);

    if (m->media == NULL)
        return ERR_UNSUPPORTED;
    if (u == NULL)
        return ERR_NOT_FOUND;
    *have = u->have;
    if (offset != u->have)
        return ERR_STATE;
    if (data.len > u->size - u->have)
        return ERR_TOO_LARGE;
    while (data.len > 0) {
        uint32_t index = (uint32_t)(u->have / u->l.capacity), at = (uint32_t)(u->have % u->l.capacity);
        size_t len = u->l.capacity - at < data.len ? u->l.capacity - at : data.len;

        memcpy(u->piece + at, data.at, len);
        if (at + len == u->l.capacity || u->have + len == u->size) {
            enum err e = upload_flush(m, u, index, at + (uint32_t)len);

            if (e != ERR_NONE)
                return e;
        }
        content_hash_add(u->hash, bytes_of(data.at, len));
        u->have += len;
        *have = u->have;
        data = bytes_of(data.at + len, data.len - len);
    }
    u->used_s = messenger_clock_s(m);
    return ERR_NONE;
}

enum err messenger_upload_info(struct messenger *m, uint32_t upload, uint64_t *size, uint64_t *have)
{
    const struct upload *u = upload_find(m, upload);

    if (u == NULL)
        return ERR_NOT_FOUND;
    *size = u->size;
    *have = u->have;
    return ERR_NONE;
}

enum err messenger_upload_drop(struct messenger *m, uint32_t upload)
{
    struct upload *u = upload_find(m, upload);

    if (u == NULL)
        return ERR_NOT_FOUND;
    upload_end(m, u);
    return ERR_NONE;
}

enum err upload_take(struct messenger *m, uint32_t upload, struct shelf_part *out)
{
    struct upload *u = upload_find(m, upload);
    enum err e;

    if (u == NULL)
        return ERR_NOT_FOUND;
    if (u->have != u->size)
        return ERR_STATE;
    if ((e = blobs_sync(m->media->blobs, u->blob)) != ERR_NONE)
        return e;
    memset(out, 0, sizeof *out);
    out->l = u->l;
    out->blob = u->blob;
    memcpy(out->blob_key, u->key, sizeof out->blob_key);
    content_hash_end(u->hash, out->hash);
    uint64_t known;
    uint8_t key[32];
    if ((e = content_find(m, out->hash, &known, key)) == ERR_NONE) {
        /* It is here already: the new file is of no use. */
        (void)blobs_remove(m->media->blobs, u->blob);
        out->blob = known;
        memcpy(out->blob_key, key, sizeof key);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if ((e = content_share(m, out->hash, out->blob, out->blob_key)) != ERR_NONE)
        return e;
    upload_clear(u);
    return ERR_NONE;
}
