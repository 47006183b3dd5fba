/* mesh/snapshot.c - one class of the store by short ids. */
#include "mesh/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/base/limits.h"

uint64_t sid_of(const uint8_t key[16], const struct bundle_id *id)
{
    return hash_short(key, bytes_of(id->octets, sizeof id->octets)) & 0xffffffffffffu;
}

static void set_member(uint32_t m[3], uint64_t sid, uint64_t seq)
{
    m[0] = (uint32_t)(sid >> 16);
    m[1] = (uint32_t)(sid & 0xffff) << 16 | (uint32_t)(seq >> 32 & 0xffff);
    m[2] = (uint32_t)seq;
}

uint64_t snapshot_sid(const struct snapshot *s, size_t i)
{
    return (uint64_t)s->members[i][0] << 16 | s->members[i][1] >> 16;
}

uint64_t snapshot_seq(const struct snapshot *s, size_t i)
{
    return (uint64_t)(s->members[i][1] & 0xffff) << 32 | s->members[i][2];
}

static bool is_after(const uint32_t a[3], const uint32_t b[3])
{
    return a[0] != b[0] ? a[0] > b[0] : a[1] >> 16 > b[1] >> 16;
}

/* Short ids are uniform, so counting by their top bits leaves buckets of a few, and one pass sorts. */
static enum err sort_members(struct snapshot *s)
{
    unsigned bits = 1;

    while (bits < 20 && (size_t)1 << (bits + 1) < s->count)
        bits++;
    size_t buckets = (size_t)1 << bits;
    uint32_t *start = calloc(buckets + 1, sizeof *start);
    uint32_t (*sorted)[3] = malloc(s->count * sizeof *sorted);
    if (start == NULL || sorted == NULL) {
        free(start);
        free(sorted);
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < s->count; i++)
        start[(s->members[i][0] >> (32 - bits)) + 1]++;
    for (size_t b = 0; b < buckets; b++)
        start[b + 1] += start[b];
    for (size_t i = 0; i < s->count; i++)
        memcpy(sorted[start[s->members[i][0] >> (32 - bits)]++], s->members[i], sizeof *sorted);
    for (size_t i = 1; i < s->count; i++) {
        uint32_t held[3];
        size_t at = i;

        memcpy(held, sorted[i], sizeof held);
        for (; at > 0 && is_after(sorted[at - 1], held); at--)
            memcpy(sorted[at], sorted[at - 1], sizeof held);
        memcpy(sorted[at], held, sizeof held);
    }
    free(start);
    free(s->members);
    s->members = sorted;
    return ERR_NONE;
}

static void drop_ambiguous(struct snapshot *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->count;) {
        size_t next = i + 1;

        while (next < s->count && snapshot_sid(s, next) == snapshot_sid(s, i))
            next++;
        if (next == i + 1)
            memmove(s->members[kept++], s->members[i], sizeof s->members[0]);
        i = next;
    }
    s->count = kept;
}

struct taking { struct snapshot *to; size_t cap; uint64_t last_seq; const uint8_t *key; };

static bool take_entry(void *ctx, const struct store_entry *e)
{
    struct taking *t = ctx;

    if (e->seq <= t->last_seq)
        set_member(t->to->members[t->to->count++], sid_of(t->key, &e->id), e->seq);
    return t->to->count < t->cap;
}

enum err snapshot_take(struct snapshot *out, const struct store *s, enum bundle_class which, uint64_t last_seq,
                       const uint8_t key[16])
{
    struct snapshot snap = { NULL, 0 };
    struct store_usage usage;
    enum err e;

    store_usage(s, &usage);
    size_t cap = usage.bundle_class_count[which];
    if (cap > SKETCH_SET_MAX)
        cap = SKETCH_SET_MAX;
    if (cap > 0) {
        snap.members = malloc(cap * sizeof *snap.members);
        if (snap.members == NULL)
            return ERR_NO_MEMORY;
        struct taking t = { &snap, cap, last_seq, key };
        store_walk(s, which, take_entry, &t);
        if (snap.count > 0 && (e = sort_members(&snap)) != ERR_NONE) {
            free(snap.members);
            return e;
        }
        drop_ambiguous(&snap);
    }
    *out = snap;
    return ERR_NONE;
}

void snapshot_clear(struct snapshot *s)
{
    free(s->members);
    s->members = NULL;
    s->count = 0;
}

bool snapshot_find(const struct snapshot *s, uint64_t sid, uint64_t *seq)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (snapshot_sid(s, mid) < sid)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == s->count || snapshot_sid(s, low) != sid)
        return false;
    *seq = snapshot_seq(s, low);
    return true;
}
