/* A spool file from anybody's stick. Parsed whole and in parts, it gives the same records. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/links/spool_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen { uint64_t count, sum; };

static enum err on_bundle(void *ctx, struct bytes bundle, uint8_t hops, uint16_t life_h)
{
    struct seen *s = ctx;
    struct header h;

    assert(header_of_bundle(&h, bundle) == ERR_NONE);
    s->count++;
    s->sum = s->sum * 31 + hops + life_h + bundle.at[bundle.len - 1];
    return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = { 0, 0 }, parts = { 0, 0 };
    struct spool_scan scan = { on_bundle, &parts, 0, false };
    bool is_damaged = false;
    size_t from = SPOOL_HEADER_LEN, to = from, consumed;

    if (crypto_start() != ERR_NONE || spool_parse(bytes_of(data, size), on_bundle, &whole, &is_damaged) != ERR_NONE)
        return 0;
    while (to < size) {
        to = to + 777 < size ? to + 777 : size;
        if (spool_scan(&scan, bytes_of(data + from, to - from), to == size, &consumed) != ERR_NONE)
            return 0;
        from += consumed;
    }
    assert(whole.count == parts.count && whole.sum == parts.sum && is_damaged == scan.is_damaged);
    return 0;
}
