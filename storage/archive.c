/* storage/archive.c - sealed records of what a person keeps. */
#define _DEFAULT_SOURCE
#include "storage/archive.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/reader.h"
#include "storage/meta.h"

enum {
    KEY_LEN       = 16,
    RECORD_MAX    = 1 << 20,
    NAME_LEN_MAX  = 255,
    KEEP_MAX      = 64 * 1024, /* a larger block is given back at once */
    LIST_KIND     = 0x80,      /* added to a kind: its list, so that no name of a record can be the list's */
};

static const char generation_key[] = "generation";

struct archive {
    struct db *db;
    struct archive_sealer sealer;
    uint8_t *plain;   /* what archive_get lends */
    size_t plain_len, plain_cap;
};

enum err archive_open(struct archive **out, struct db *db, const struct archive_sealer *sealer)
{
    struct archive *a = calloc(1, sizeof *a);

    if (a == NULL)
        return ERR_NO_MEMORY;
    a->db = db;
    a->sealer = *sealer;
    *out = a;
    return ERR_NONE;
}

/* Ends what archive_get lent. */
static void wipe_lent(struct archive *a)
{
    if (a->plain_len > 0)
        explicit_bzero(a->plain, a->plain_len);
    a->plain_len = 0;
    if (a->plain_cap > KEEP_MAX) {
        free(a->plain);
        a->plain = NULL;
        a->plain_cap = 0;
    }
}

void archive_close(struct archive *a)
{
    if (a == NULL)
        return;
    wipe_lent(a);
    free(a->plain);
    free(a);
}

static bool is_kind(enum archive_kind kind)
{
    return (unsigned)kind < ARCHIVE_KIND_COUNT;
}

static enum err put_sealed(struct archive *a, unsigned kind, struct bytes name, struct bytes record)
{
    uint8_t key[KEY_LEN];
    size_t sealed_len = record.len + a->sealer.overhead;
    uint8_t *sealed = malloc(sealed_len > 0 ? sealed_len : 1);
    enum err e;

    if (sealed == NULL)
        return ERR_NO_MEMORY;
    a->sealer.key_hash(a->sealer.ctx, kind, name, key);
    if ((e = a->sealer.seal(a->sealer.ctx, kind, key, record, sealed)) == ERR_NONE)
        e = db_put(a->db, DB_ARCHIVE, bytes_of(key, sizeof key), bytes_of(sealed, sealed_len));
    free(sealed);
    return e;
}

/* Opens into a block of the caller's, which holds at least one byte; it is wiped and freed on failure. */
static enum err get_opened(struct archive *a, unsigned kind, struct bytes name, uint8_t **block, size_t *cap, size_t *len)
{
    uint8_t key[KEY_LEN];
    struct bytes sealed;
    enum err e;

    a->sealer.key_hash(a->sealer.ctx, kind, name, key);
    if ((e = db_get(a->db, DB_ARCHIVE, bytes_of(key, sizeof key), &sealed)) != ERR_NONE)
        return e;
    if (sealed.len < a->sealer.overhead || sealed.len - a->sealer.overhead > RECORD_MAX)
        return ERR_CORRUPT;
    size_t plain_len = sealed.len - a->sealer.overhead;
    if (plain_len > *cap || *block == NULL) {
        uint8_t *at = malloc(plain_len > 0 ? plain_len : 1);

        if (at == NULL)
            return ERR_NO_MEMORY;
        free(*block);
        *block = at;
        *cap = plain_len > 0 ? plain_len : 1;
    }
    e = a->sealer.open(a->sealer.ctx, kind, key, sealed, *block);
    if (e != ERR_NONE) {
        explicit_bzero(*block, plain_len);
        return e == ERR_AUTH ? ERR_CORRUPT : e;
    }
    *len = plain_len;
    return ERR_NONE;
}

enum err archive_put(struct archive *a, enum archive_kind kind, struct bytes name, struct bytes record)
{
    assert(is_kind(kind));
    if (record.len > RECORD_MAX)
        return ERR_TOO_LARGE;
    /* The record may be one that archive_get lent: it is wiped after it was sealed. */
    enum err e = put_sealed(a, kind, name, record);
    wipe_lent(a);
    return e;
}

enum err archive_get(struct archive *a, enum archive_kind kind, struct bytes name, struct bytes *record)
{
    enum err e;

    assert(is_kind(kind));
    wipe_lent(a);
    if ((e = get_opened(a, kind, name, &a->plain, &a->plain_cap, &a->plain_len)) == ERR_NONE)
        *record = bytes_of(a->plain, a->plain_len);
    return e;
}

enum err archive_delete(struct archive *a, enum archive_kind kind, struct bytes name)
{
    uint8_t key[KEY_LEN];

    assert(is_kind(kind));
    a->sealer.key_hash(a->sealer.ctx, kind, name, key);
    wipe_lent(a);
    return db_delete(a->db, DB_ARCHIVE, bytes_of(key, sizeof key));
}

/* ---- Lists: u8 length and name, one after the other ---- */

struct list {
    uint8_t *at;
    size_t len, cap;
};

static void list_clear(struct list *l)
{
    if (l->at != NULL)
        explicit_bzero(l->at, l->cap);
    free(l->at);
}

/* Opens a list with `spare` bytes of room behind it; one that is not there is empty. */
static enum err list_open(struct archive *a, enum archive_kind kind, size_t spare, struct list *l)
{
    struct list opened = { NULL, 0, 0 };
    enum err e = get_opened(a, (unsigned)kind + LIST_KIND, bytes_of(NULL, 0), &opened.at, &opened.cap, &opened.len);

    if (e == ERR_NOT_FOUND)
        e = ERR_NONE;
    if (e == ERR_NONE) {
        l->len = opened.len;
        l->cap = opened.len + spare;
        l->at = malloc(l->cap > 0 ? l->cap : 1);
        if (l->at != NULL && l->len > 0)
            memcpy(l->at, opened.at, l->len);
        if (l->at == NULL)
            e = ERR_NO_MEMORY;
    }
    list_clear(&opened);
    return e;
}

/* Where the name stands, as offset of its length byte; l->len when it does not. */
static enum err list_find(const struct list *l, struct bytes name, size_t *at)
{
    struct reader r = reader_of(bytes_of(l->at, l->len));

    while (reader_left(&r) > 0) {
        *at = l->len - reader_left(&r);
        struct bytes other = reader_take(&r, reader_u8(&r));
        if (r.failed)
            return ERR_CORRUPT;
        if (bytes_are_equal(other, name))
            return ERR_NONE;
    }
    *at = l->len;
    return ERR_NONE;
}

static enum err list_save(struct archive *a, enum archive_kind kind, const struct list *l)
{
    if (l->len > RECORD_MAX)
        return ERR_TOO_LARGE;
    return put_sealed(a, (unsigned)kind + LIST_KIND, bytes_of(NULL, 0), bytes_of(l->at, l->len));
}

enum err archive_list_add(struct archive *a, enum archive_kind kind, struct bytes name)
{
    struct list l = { NULL, 0, 0 };
    size_t at = 0;
    enum err e;

    assert(is_kind(kind) && name.len > 0 && name.len <= NAME_LEN_MAX);
    if ((e = list_open(a, kind, 1 + name.len, &l)) == ERR_NONE && (e = list_find(&l, name, &at)) == ERR_NONE) {
        if (at < l.len) {
            e = ERR_EXISTS;
        } else {
            l.at[l.len] = (uint8_t)name.len;
            memcpy(l.at + l.len + 1, name.at, name.len);
            l.len += 1 + name.len;
            e = list_save(a, kind, &l);
        }
    }
    list_clear(&l);
    wipe_lent(a);
    return e;
}

enum err archive_list_remove(struct archive *a, enum archive_kind kind, struct bytes name)
{
    struct list l = { NULL, 0, 0 };
    size_t at = 0;
    enum err e;

    assert(is_kind(kind) && name.len > 0 && name.len <= NAME_LEN_MAX);
    if ((e = list_open(a, kind, 0, &l)) == ERR_NONE && (e = list_find(&l, name, &at)) == ERR_NONE) {
        if (at == l.len) {
            e = ERR_NOT_FOUND;
        } else {
            size_t after = at + 1 + name.len;

            memmove(l.at + at, l.at + after, l.len - after);
            l.len -= 1 + name.len;
            e = list_save(a, kind, &l);
        }
    }
    list_clear(&l);
    wipe_lent(a);
    return e;
}

enum err archive_list_walk(struct archive *a, enum archive_kind kind, archive_visit *visit, void *ctx)
{
    struct list l = { NULL, 0, 0 };
    enum err e;

    assert(is_kind(kind));
    wipe_lent(a);
    if ((e = list_open(a, kind, 0, &l)) == ERR_NONE) {
        struct reader r = reader_of(bytes_of(l.at, l.len));

        while (reader_left(&r) > 0) {
            struct bytes name = reader_take(&r, reader_u8(&r));
            if (r.failed)
                e = ERR_CORRUPT;
            if (r.failed || !visit(ctx, name))
                break;
        }
    }
    list_clear(&l);
    return e;
}

enum err archive_generation(struct archive *a, uint64_t *out)
{
    return meta_get(a->db, generation_key, out);
}

enum err archive_generation_set(struct archive *a, uint64_t generation)
{
    return meta_put(a->db, generation_key, generation);
}
