/* mesh/partial.c - beginnings of large bundles. */
#include "mesh/partial.h"

#include <stdlib.h>
#include <string.h>

static struct partial *find(const struct partials *p, const struct bundle_id *id)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (p->all[i].at != NULL && memcmp(&p->all[i].id, id, sizeof *id) == 0)
            return (struct partial *)&p->all[i];
    }
    return NULL;
}

uint32_t partial_have(const struct partials *p, const struct bundle_id *id)
{
    const struct partial *at = find(p, id);

    return at != NULL ? at->have : 0;
}

/* A link feeds one at a time, so there always is a free place. */
static struct partial *make_place(struct partials *p)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (p->all[i].at == NULL)
            return &p->all[i];
    }
    return NULL;
}

static void drop_old(struct partials *p, uint64_t now_ms)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        struct partial *at = &p->all[i];

        if (at->at != NULL && at->link == 0 && now_ms - at->used_at_ms >= PARTIAL_KEEP_MS)
            partial_drop(at);
    }
}

struct partial *partial_feed(struct partials *p, const struct bundle_id *id, uint32_t total, uint32_t offset,
                             uint32_t link, bool is_asked, uint64_t now_ms)
{
    drop_old(p, now_ms);
    struct partial *at = find(p, id);

    if (at != NULL && at->link == 0 && (at->total != total || (offset == 0 && at->by != link)))
        partial_drop(at);   /* one of the two peers may lie; the bytes at hand are worth more */
    if (at != NULL && at->at != NULL) {
        if ((at->link != 0 && at->link != link) || offset > at->have || at->total != total)
            return NULL;
    } else {
        if (offset != 0 || (at = make_place(p)) == NULL || (at->at = malloc(total)) == NULL)
            return NULL;
        at->id = *id;
        at->total = total;
        at->have = 0;
        at->by = link;
        at->is_asked = at->is_mixed = false;
    }
    at->is_mixed = at->is_mixed || at->by != link;
    at->is_asked = at->is_asked || is_asked;
    at->link = at->by = link;
    at->used_at_ms = now_ms;
    return at;
}

bool partial_append(struct partial *at, uint32_t offset, struct bytes bytes, uint64_t now_ms)
{
    if (offset > at->have || bytes.len > at->total - offset)
        return false;
    at->used_at_ms = now_ms;
    uint32_t end = offset + (uint32_t)bytes.len;
    if (end <= at->have)
        return true;
    /* What is there already stays: the two copies agree, or the id will not. */
    uint32_t known = at->have - offset;
    memcpy(at->at + at->have, bytes.at + known, bytes.len - known);
    at->have = end;
    return true;
}

void partial_drop(struct partial *at)
{
    free(at->at);
    memset(at, 0, sizeof *at);
}

void partial_release(struct partials *p, struct partial *at)
{
    struct partial *oldest = NULL;
    size_t idle = 0;

    at->link = 0;
    if (!at->is_asked)
        partial_drop(at);
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        struct partial *one = &p->all[i];

        if (one->at == NULL || one->link != 0)
            continue;
        idle++;
        if (oldest == NULL || one->used_at_ms < oldest->used_at_ms)
            oldest = one;
    }
    if (idle > PARTIALS_IDLE_MAX)
        partial_drop(oldest);
}

void partial_release_link(struct partials *p, uint32_t link)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (p->all[i].at != NULL && p->all[i].link == link)
            partial_release(p, &p->all[i]);
    }
}

void partials_clear(struct partials *p)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++)
        partial_drop(&p->all[i]);
}
