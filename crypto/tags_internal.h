/* crypto/tags_internal.h - mask keys and single tags, for the files of crypto/ and tests. */
#ifndef STA_CRYPTO_TAGS_INTERNAL_H
#define STA_CRYPTO_TAGS_INTERNAL_H

#include "crypto/tags.h"

/* Days enter hashes as four octets. */
void day_octets(uint32_t day, uint8_t out[4]);

void inbox_tag(const uint8_t secret[32], uint32_t day, uint8_t slot, uint8_t out[TAG_LEN]);
void inbox_mask_key(const uint8_t secret[32], uint32_t day, uint8_t out[32]);

/* P of the direction in which `sender_dh_key` writes, and what follows from it. */
void pair_day_key(const uint8_t pair_root[32], const uint8_t sender_dh_key[32], uint32_t day, uint8_t out[32]);
void pair_tag(const uint8_t day_key[32], uint8_t slot, uint8_t out[TAG_LEN]);
void pair_mask_key(const uint8_t day_key[32], uint8_t out[32]);

enum err pair_root_of(const uint8_t dh_secret[32], const uint8_t peer_dh_key[32], uint8_t out[32]);

#endif
