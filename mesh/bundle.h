/* mesh/bundle.h - what a bundle must obey to be carried, and its stamp
 * (protocol sections 3 and 10). The layout is mesh/base/header.h.
 */
#ifndef STA_MESH_BUNDLE_H
#define STA_MESH_BUNDLE_H

#include "mesh/base/header.h"

/* H_16(; "id"; bundle without its stamp). `bundle` is at least HEADER_LEN bytes. */
void bundle_id_of(struct bundle_id *out, struct bytes bundle);

static inline bool bundle_id_is_equal(const struct bundle_id *a, const struct bundle_id *b)
{
    return bytes_are_equal(bytes_of(a->octets, sizeof a->octets), bytes_of(b->octets, sizeof b->octets));
}

/* Leading zero bits of H_32(; "pow"; id || stamp); 0 for the zero stamp. */
uint8_t stamp_bits(const struct bundle_id *id, const uint8_t stamp[STAMP_LEN]);

/* Tries `tries` stamps from *counter on and moves it; true when one of at least `bits` was found and
 * written into the bundle. The caller decides how long it may take in all. */
bool stamp_search(uint8_t *bundle, const struct bundle_id *id, uint8_t bits, uint64_t *counter, uint32_t tries);

enum { STAMP_BITS_MAX = 22 };

/* Bits demanded of strangers' bundles at this fill of the store, in percent; STAMP_BITS_MAX at most. */
uint8_t stamp_demand(uint8_t fill_percent);

/* The least demand that a bundle with so many bits does not meet; above STAMP_BITS_MAX: none does. */
uint8_t stamp_demand_above(uint8_t bits);

/* Verifies the signature of the plain classes before they are stored (section 5). ERR_NONE for sealed bundles,
 * whose seal only the ends can check. ERR_AUTH, ERR_MALFORMED. */
enum err bundle_verify_plain(const struct header *h, struct bytes bundle);

#endif
