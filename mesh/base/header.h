/* mesh/base/header.h - the 32 bytes that every bundle starts with, and its id.
 *
 * All that relays and gateways see (protocol section 3). It stands on the ground
 * floor because three rooms need it: crypto/ seals over bytes 0-23, storage/
 * files bundles by it, mesh/ carries them. What a bundle must obey beyond its
 * layout (id, stamp) is mesh/bundle.h.
 */
#ifndef STA_BASE_HEADER_H
#define STA_BASE_HEADER_H

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum {
    HEADER_LEN       = 32,
    HEADER_AD_LEN    = 24, /* bytes 0-23: authenticated by a sealed body */
    BUNDLE_VERSION   = 1,
    BUNDLE_LEN_MIN   = 256,
    BUNDLE_LEN_MAX   = 65536,
    SIZE_CODE_MAX    = 8,  /* length is 256 << code */
    EXPIRY_STEP_H    = 6,
    TAG_LEN          = 16,
    STAMP_LEN        = 8,
};

enum bundle_class { CLASS_SOS = 0, CLASS_SEALED = 1, CLASS_PUBLIC = 2, CLASS_COUNT };

struct bundle_id { uint8_t octets[16]; };

struct header {
    uint8_t  bundle_class;      /* enum bundle_class */
    uint8_t  size_code;         /* 0..SIZE_CODE_MAX */
    uint32_t expiry_h;          /* hours since 2025-01-01 UTC, a multiple of 6, < 2^24 */
    uint32_t bucket;            /* 24 bits */
    uint8_t  tag[TAG_LEN];
    uint8_t  stamp[STAMP_LEN];  /* all zero: none */
};

/* Bytes of a bundle of this size code. */
static inline uint32_t bundle_len_of_code(uint8_t size_code)
{
    return (uint32_t)BUNDLE_LEN_MIN << size_code;
}

/* The smallest size code whose bundle holds `len` bytes in all. ERR_TOO_LARGE. */
enum err size_code_for(uint8_t *code, size_t len);

/* Reads exactly HEADER_LEN bytes. ERR_VERSION for another version nibble,
 * ERR_MALFORMED for an unknown class, size code or an expiry that is no multiple of 6. */
enum err header_decode(struct header *out, struct bytes in);
void     header_encode(const struct header *h, uint8_t to[HEADER_LEN]);

/* A whole bundle: the header decodes and the length is its size code's. */
enum err header_of_bundle(struct header *out, struct bytes bundle);

/* Time as the protocol counts it, from 2025-01-01 00:00 UTC. Before that: 0. */
uint32_t day_of_unix(uint64_t unix_s);
uint32_t hour_of_unix(uint64_t unix_s);
uint64_t unix_of_hour(uint32_t hour);

/* The expiry to write for a bundle that shall live until unix_s: rounded up to a step. */
uint32_t expiry_for_unix(uint64_t unix_s);

#endif
