/* crypto/day_chain.h - the keys that change daily and give tags and masks (protocol section 3). For crypto/ and tests.
 *
 * K_{e+1} = H_32(K_e; "next"): whoever has a day's key has all later ones and none before. The chain of what we send
 * stands at the last day used; that of what we receive keeps the oldest day that may still come in.
 */
#ifndef STA_CRYPTO_DAY_CHAIN_H
#define STA_CRYPTO_DAY_CHAIN_H

#include "mesh/base/header.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum {
    DAY_ADVANCE_MAX = 7305,   /* 20 years: clocks that never were set still meet those that were; 3 ms of hashing */
    DAYS_KEPT       = 15,     /* before the highest day validly seen */
    DAY_MAX         = 0xffffff / 24,  /* what a bundle's expiry can express */
};

struct day_chain {
    uint8_t  key[32];
    uint32_t day;
};

/* The key of a later or the same day. ERR_NOT_FOUND: it lies before the chain, or further on than any
 * window needs (DAY_ADVANCE_MAX from its highest day). */
enum err day_chain_key(const struct day_chain *c, uint32_t day, uint8_t out[32]);

/* Goes on to `day`; the keys before it are gone. Same errors. */
enum err day_chain_advance(struct day_chain *c, uint32_t day);

/* r = H_16(K; "r"; index), index as 2 octets; tag = H_16(; "tag"; r); the mask key of the day. */
void day_key_tag(const uint8_t key[32], uint16_t index, uint8_t reveal[16], uint8_t tag[TAG_LEN]);
void day_key_mask(const uint8_t key[32], uint8_t out[32]);

/* The receiving side: the oldest key kept, and the highest index seen on each day since. */
struct day_window {
    struct day_chain oldest;
    uint32_t highest;          /* day validly seen, the root's at first */
    uint8_t  seen_count;
    struct { uint32_t day; uint32_t next; } seen[DAYS_KEPT + 1];   /* rising by day */
};

void     day_window_init(struct day_window *w, const uint8_t root[32], uint32_t day);
enum err day_window_key(const struct day_window *w, uint32_t day, uint8_t out[32]);

/* One past the highest index seen on `day`. */
uint32_t day_window_next(const struct day_window *w, uint32_t day);

/* A bundle of that day and index has opened: erases what lies more than DAYS_KEPT before the highest. */
void     day_window_seen(struct day_window *w, uint32_t day, uint32_t index);

#endif
