/* Bundles for the tests of this room: well-formed, of random content. */
#ifndef STA_TESTS_SPOOL_BUNDLES_H
#define STA_TESTS_SPOOL_BUNDLES_H

#include "mesh/base/header.h"
#include "mesh/base/rng.h"

/* Fills bundle_len_of_code(size_code) bytes and returns them. */
static inline struct bytes bundle_make(uint8_t *to, const struct rng *g, uint8_t size_code, uint32_t expiry_h)
{
    uint32_t len = bundle_len_of_code(size_code);
    struct header h = { .bundle_class = CLASS_SEALED, .size_code = size_code, .expiry_h = expiry_h / 6 * 6 };

    rng_fill(g, to, len);
    rng_fill(g, h.tag, sizeof h.tag);
    header_encode(&h, to);
    return bytes_of(to, len);
}

#endif
