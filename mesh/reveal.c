/* mesh/reveal.c - anti-packets that proved something. */
#include "mesh/reveal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

void reveals_init(struct reveals *r, const uint8_t key[16])
{
    memset(r, 0, sizeof *r);
    memcpy(r->key, key, sizeof r->key);
    r->next_serial = 1;
}

void reveals_clear(struct reveals *r)
{
    free(r->all);
    r->all = NULL;
}

static size_t place(const struct reveals *r, const struct bundle_id *id)
{
    return (size_t)hash_short(r->key, bytes_of(id->octets, sizeof id->octets)) % REVEALS_MAX;
}

enum err reveals_add(struct reveals *r, const struct bundle_id *id, const uint8_t proof[REVEAL_LEN], uint32_t deadline_s)
{
    if (r->all == NULL && (r->all = calloc(REVEALS_MAX, sizeof *r->all)) == NULL)
        return ERR_NO_MEMORY;
    size_t at = place(r, id);
    struct reveal *to = &r->all[at];
    to->id = *id;
    memcpy(to->proof, proof, REVEAL_LEN);
    to->deadline_s = deadline_s;
    to->serial = r->next_serial++;
    r->recent[to->serial % REVEALS_RECENT] = (uint16_t)at;
    return ERR_NONE;
}

const struct reveal *reveals_find(const struct reveals *r, const struct bundle_id *id)
{
    if (r->all == NULL)
        return NULL;
    const struct reveal *at = &r->all[place(r, id)];
    return at->serial != 0 && memcmp(&at->id, id, sizeof *id) == 0 ? at : NULL;
}

const struct reveal *reveals_serial(const struct reveals *r, uint64_t serial)
{
    if (r->all == NULL || serial == 0 || serial >= r->next_serial || serial + REVEALS_RECENT < r->next_serial)
        return NULL;
    const struct reveal *at = &r->all[r->recent[serial % REVEALS_RECENT]];
    return at->serial == serial ? at : NULL;
}
