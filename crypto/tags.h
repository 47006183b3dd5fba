/* crypto/tags.h - the one-time tags and buckets that address bundles (protocol section 3).
 *
 * A recipient computes ahead the tags it may see and recognises bundles by table
 * look-up. Which days to compute for is the caller's matter: a bundle's expiry tells the days it can
 * have been made in, whatever our own clock says.
 */
#ifndef STA_CRYPTO_TAGS_H
#define STA_CRYPTO_TAGS_H

#include "crypto/card.h"
#include "crypto/identity.h"
#include "mesh/base/header.h"
#include "mesh/base/rng.h"

enum { TAG_SLOTS = 16 };  /* of F1 and F2, a day */

/* H_16(S; "f1"; day || slot) for all slots. */
void tags_of_inbox(const uint8_t secret[32], uint32_t day, uint8_t out[TAG_SLOTS][TAG_LEN]);

/* The pair root H_32(DH(IKd,IKd'); "pair"): kept by the caller with its friend, for it costs a DH.
 * ERR_AUTH when the other key is a low-order point. */
enum err tags_pair_root(const struct identity *me, const struct card *peer, uint8_t out[32]);

/* F2 tags of one direction: P = H_32(pair root; "dir"; sender's IKd || day). */
void tags_of_pair(const uint8_t pair_root[32], const uint8_t sender_dh_key[32], uint32_t day,
                  uint8_t out[TAG_SLOTS][TAG_LEN]);

/* The top `bits` bits of H_16(S; "bucket"; day), as the top of a 24-bit number; the rest zero. */
uint32_t bucket_prefix(const uint8_t secret[32], uint32_t day, uint8_t bits);

/* The same with random low bits: what a sender writes. */
uint32_t bucket_draw(const uint8_t secret[32], uint32_t day, uint8_t bits, const struct rng *g);

/* Anti-packets (section 9): the tag that a revealed r proves: H_16(; "tag"; r). */
void tag_of_reveal(const uint8_t reveal[16], uint8_t out[TAG_LEN]);

/* Recognition on a link (section 7): H_16(pair root; "rec"; h || role)[0..8), role 0 initiator. */
void recognition_tag(const uint8_t pair_root[32], struct bytes link_hash, uint8_t role, uint8_t out[8]);

#endif
