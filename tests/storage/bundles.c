/* tests/storage/bundles.c - bundles to fill a store with. */
#include "tests/storage/bundles.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/seeded.h"

static uint8_t made[BUNDLE_LEN_MAX];

struct store_entry entry_plain(void)
{
    struct store_entry e;

    memset(&e, 0, sizeof e);
    e.len = BUNDLE_LEN_MIN;
    e.deadline_s = 1000000;
    e.expiry_h = 6000;
    e.contributor = 1;
    e.bundle_class = CLASS_SEALED;
    e.quota_class = QUOTA_STRANGER;
    e.budget = 255;
    return e;
}

void id_numbered(struct bundle_id *id, uint64_t number)
{
    struct seeded g;

    seeded_init(&g, number * 2 + 1);
    struct rng rng = seeded_rng(&g);
    rng_fill(&rng, id->octets, sizeof id->octets);
}

static void fill(uint8_t *to, struct store_entry *entry, uint64_t number)
{
    struct header h;
    struct seeded g;

    seeded_init(&g, number * 2);
    struct rng rng = seeded_rng(&g);
    memset(&h, 0, sizeof h);
    h.bundle_class = entry->bundle_class;
    REQUIRE(size_code_for(&h.size_code, entry->len) == ERR_NONE && bundle_len_of_code(h.size_code) == entry->len);
    h.expiry_h = entry->expiry_h;
    h.bucket = (uint32_t)(rng_u64(&rng) & 0xffffff);
    rng_fill(&rng, h.tag, sizeof h.tag);
    header_encode(&h, to);
    rng_fill(&rng, to + HEADER_LEN, entry->len - HEADER_LEN);
    entry->bucket = h.bucket;
    memcpy(entry->tag, h.tag, sizeof h.tag);
}

struct bytes bundle_numbered(struct store_entry *entry, uint64_t number)
{
    fill(made, entry, number);
    id_numbered(&entry->id, number);
    return bytes_of(made, entry->len);
}

bool is_bundle_numbered(struct bytes bundle, uint64_t number)
{
    static uint8_t want[BUNDLE_LEN_MAX];
    struct store_entry e = entry_plain();
    struct header h;

    if (header_of_bundle(&h, bundle) != ERR_NONE)
        return false;
    e.len = (uint32_t)bundle.len;
    e.bundle_class = h.bundle_class;
    e.expiry_h = h.expiry_h;
    fill(want, &e, number);
    return bytes_are_equal(bundle, bytes_of(want, bundle.len));
}
