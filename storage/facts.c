/* storage/facts.c - the record of one bundle's facts on disk. */
#include "storage/facts.h"

#include <assert.h>
#include <string.h>

/* FNV-1a: finds a page that a worn card gave back wrong, and promises nothing against a forger, who could
 * as well write the whole file. */
static uint32_t checksum(struct bytes in)
{
    uint32_t sum = 2166136261u;

    for (size_t i = 0; i < in.len; i++)
        sum = (sum ^ in.at[i]) * 16777619u;
    return sum;
}

void facts_encode(const struct store_entry *entry, uint8_t out[FACTS_LEN])
{
    struct writer w = writer_of(out, FACTS_LEN);

    writer_u8(&w, FACTS_VERSION);
    writer_u8(&w, entry->bundle_class);
    writer_u8(&w, entry->quota_class);
    writer_u8(&w, entry->stamp_bits);
    writer_u8(&w, entry->hops);
    writer_u8(&w, entry->budget);
    writer_u8(&w, entry->given);
    writer_u8(&w, 0);
    writer_u32(&w, entry->len);
    writer_u32(&w, entry->deadline_s);
    writer_u32(&w, entry->expiry_h);
    writer_u32(&w, entry->bucket);
    writer_u32(&w, entry->contributor);
    writer_u32(&w, 0);
    writer_copy(&w, bytes_of(entry->id.octets, sizeof entry->id.octets));
    writer_copy(&w, bytes_of(entry->tag, sizeof entry->tag));
    writer_u32(&w, checksum(writer_bytes(&w)));
    assert(!w.failed && writer_left(&w) == 0);
}

static bool is_bundle_len(uint32_t len)
{
    return len >= BUNDLE_LEN_MIN && len <= BUNDLE_LEN_MAX && (len & (len - 1)) == 0;
}

enum err facts_decode(struct store_entry *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct store_entry e;

    memset(&e, 0, sizeof e);
    uint8_t version = reader_u8(&r);
    e.bundle_class = reader_u8(&r);
    e.quota_class = reader_u8(&r);
    e.stamp_bits = reader_u8(&r);
    e.hops = reader_u8(&r);
    e.budget = reader_u8(&r);
    e.given = reader_u8(&r);
    uint8_t spare = reader_u8(&r);
    e.len = reader_u32(&r);
    e.deadline_s = reader_u32(&r);
    e.expiry_h = reader_u32(&r);
    e.bucket = reader_u32(&r);
    e.contributor = reader_u32(&r);
    uint32_t spares = reader_u32(&r);
    reader_copy(&r, e.id.octets, sizeof e.id.octets);
    reader_copy(&r, e.tag, sizeof e.tag);
    uint32_t sum = reader_u32(&r);

    if (!reader_is_done(&r) || sum != checksum(bytes_of(in.at, FACTS_LEN - 4)))
        return ERR_CORRUPT;
    if (version != FACTS_VERSION)
        return ERR_VERSION;
    if (spare != 0 || spares != 0 || e.bundle_class >= CLASS_COUNT || e.quota_class >= QUOTA_COUNT)
        return ERR_CORRUPT;
    if (!is_bundle_len(e.len) || e.expiry_h >> 24 != 0 || e.bucket >> 24 != 0)
        return ERR_CORRUPT;
    *out = e;
    return ERR_NONE;
}

bool facts_fix_checksum(uint8_t out[FACTS_LEN], struct bytes in)
{
    struct writer w = writer_of(out, FACTS_LEN);

    if (in.len != FACTS_LEN)
        return false;
    writer_copy(&w, bytes_of(in.at, FACTS_LEN - 4));
    writer_u32(&w, checksum(writer_bytes(&w)));
    return true;
}
