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

/* A free place, or the one whose link is gone the longest. */
static struct partial *make_place(struct partials *p)
{
    struct partial *oldest = NULL;

    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        struct partial *at = &p->all[i];

        if (at->at == NULL)
            return at;
        if (at->link == 0 && (oldest == NULL || at->used_at_ms < oldest->used_at_ms))
            oldest = at;
    }
    if (oldest != NULL)
        partial_drop(oldest);
    return oldest;
}

struct partial *partial_feed(struct partials *p, const struct bundle_id *id, uint32_t total, uint32_t offset,
                             uint32_t link, uint64_t now_ms)
{
    struct partial *at = find(p, id);

    if (at != NULL && at->link == 0 && at->total != total)
        partial_drop(at);   /* one of the two peers lies; the bytes at hand are worth more */
    if (at != NULL && at->at != NULL) {
        if ((at->link != 0 && at->link != link) || offset > at->have || at->total != total)
            return NULL;
    } else {
        if (offset != 0 || (at = make_place(p)) == NULL || (at->at = malloc(total)) == NULL)
            return NULL;
        at->id = *id;
        at->total = total;
        at->have = 0;
    }
    at->link = link;
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

void partial_release_link(struct partials *p, uint32_t link)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (p->all[i].link == link)
            p->all[i].link = 0;
    }
}

void partials_clear(struct partials *p)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++)
        partial_drop(&p->all[i]);
}
