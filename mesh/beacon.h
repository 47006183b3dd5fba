/* mesh/beacon.h - the 17 bytes that a node says about itself to anyone (protocol section 7.2).
 *
 * version 1, load 1, advert 8, fingerprint 6, flags 1. The fingerprint is SipHash of the XOR of all carried ids
 * under the advert: two nodes with equal sets see it without a word, nobody else learns anything.
 */
#ifndef STA_MESH_BEACON_H
#define STA_MESH_BEACON_H

#include "mesh/base/bytes.h"

enum { BEACON_VERSION = 1, BEACON_BYTES = 17, BEACON_ADVERT_LEN = 8, BEACON_PRINT_LEN = 6 };

struct beacon {
    uint8_t load;                       /* links open, of 255 */
    uint8_t advert[BEACON_ADVERT_LEN];
    uint64_t fingerprint;               /* 48 bits */
    uint8_t flags;                      /* none are known; ignored */
};

void beacon_encode(const struct beacon *b, uint8_t out[BEACON_BYTES]);

/* ERR_VERSION for another version, ERR_MALFORMED for another length. */
enum err beacon_decode(struct beacon *out, struct bytes in);

/* The fingerprint of a set, given by the XOR of its ids, under an advert. */
uint64_t beacon_fingerprint(const uint8_t set_xor[16], const uint8_t advert[BEACON_ADVERT_LEN]);

/* All zeros stand for an advert that nobody heard. */
bool advert_is_heard(const uint8_t advert[BEACON_ADVERT_LEN]);

#endif
