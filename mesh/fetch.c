/* mesh/fetch.c - which bundle is being fetched over which link. */
#include "mesh/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

enum { FIRST_CAP = 64 };  /* a power of two, as every capacity is; at most three quarters full */

void fetch_init(struct fetch *f, const uint8_t key[16])
{
    memset(f, 0, sizeof *f);
    memcpy(f->key, key, sizeof f->key);
}

void fetch_clear(struct fetch *f)
{
    free(f->at);
    f->at = NULL;
    f->cap = f->count = 0;
}

static size_t home(const struct fetch *f, const struct bundle_id *id)
{
    return (size_t)hash_short(f->key, bytes_of(id->octets, sizeof id->octets)) & (f->cap - 1);
}

/* Where it is, or the free place where it would be. */
static size_t place(const struct fetch *f, const struct bundle_id *id)
{
    size_t i = home(f, id);

    while (f->at[i].link != 0 && memcmp(&f->at[i].id, id, sizeof *id) != 0)
        i = (i + 1) & (f->cap - 1);
    return i;
}

const struct fetch_entry *fetch_find(const struct fetch *f, const struct bundle_id *id)
{
    if (f->count == 0)
        return NULL;
    const struct fetch_entry *e = &f->at[place(f, id)];
    return e->link != 0 ? e : NULL;
}

static enum err grow(struct fetch *f)
{
    struct fetch old = *f;
    size_t cap = old.cap == 0 ? FIRST_CAP : old.cap * 2;
    struct fetch_entry *at = calloc(cap, sizeof *at);

    if (at == NULL)
        return ERR_NO_MEMORY;
    f->at = at;
    f->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.at[i].link != 0)
            f->at[place(f, &old.at[i].id)] = old.at[i];
    }
    free(old.at);
    return ERR_NONE;
}

enum err fetch_add(struct fetch *f, const struct fetch_entry *e)
{
    enum err failed;

    if (f->count >= FETCH_MAX)
        return ERR_FULL;
    if ((f->count + 1) * 4 > f->cap * 3 && (failed = grow(f)) != ERR_NONE)
        return failed;
    size_t i = place(f, &e->id);
    if (f->at[i].link != 0)
        return ERR_EXISTS;
    f->at[i] = *e;
    f->count++;
    return ERR_NONE;
}

/* Moves later entries of the run back, so that no mark of the removed one has to stay. */
static void remove_at(struct fetch *f, size_t hole)
{
    size_t mask = f->cap - 1;

    f->at[hole].link = 0;
    f->count--;
    for (size_t i = (hole + 1) & mask; f->at[i].link != 0; i = (i + 1) & mask) {
        size_t from_home = (i - home(f, &f->at[i].id)) & mask;

        if (from_home >= ((i - hole) & mask)) {
            f->at[hole] = f->at[i];
            f->at[i].link = 0;
            hole = i;
        }
    }
}

void fetch_remove(struct fetch *f, const struct bundle_id *id)
{
    if (f->count == 0)
        return;
    size_t i = place(f, id);
    if (f->at[i].link != 0)
        remove_at(f, i);
}

void fetch_remove_link(struct fetch *f, uint32_t link)
{
    for (size_t i = 0; i < f->cap && f->count > 0;) {
        if (f->at[i].link == link)
            remove_at(f, i);   /* another may have moved here: look again */
        else
            i++;
    }
    /* A removal at the end of the table may have moved an entry from its beginning there and back. */
    for (size_t i = 0; i < f->cap && f->count > 0; i++) {
        if (f->at[i].link == link)
            remove_at(f, i--);
    }
}
