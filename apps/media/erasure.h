/* apps/media/erasure.h - parity for a block of chunks, and lost chunks from it: a systematic Reed-Solomon code over bytes.
 *
 * Rows 0..k-1 of a block are its data as it is, rows k..k+p-1 parity, by a Cauchy matrix (ISA-L's gf_gen_cauchy1_matrix): any k
 * rows give all back. Both directions take their input a row at a time, so that a block never has to be in memory
 * whole: only what is being made is.
 */
#ifndef STA_MEDIA_ERASURE_H
#define STA_MEDIA_ERASURE_H

#include "mesh/base/bytes.h"

struct erasure;

/* Makes all `p` parity rows of a block of k data rows of `len` bytes each. 1 <= k, 1 <= p, k + p <= 255. ERR_NO_MEMORY. */
enum err erasure_encoder_new(struct erasure **out, uint32_t k, uint32_t p, size_t len);

/* Makes the data rows `wanted` (rising, below k) out of the k rows `given` (any k different rows, rising). ERR_STATE: the rows do not
 * suffice. */
enum err erasure_decoder_new(struct erasure **out, uint32_t k, uint32_t p, size_t len, const uint8_t *given,
                             const uint8_t *wanted, uint32_t wanted_count);
void     erasure_free(struct erasure *e);      /* takes NULL */

/* The nth input row (encoder: data row n; decoder: given[n]), each exactly once, in any order. */
void     erasure_add(struct erasure *e, uint32_t nth, const uint8_t *row);

/* Lends the nth output row (encoder: parity row n; decoder: wanted[n]) once all inputs were added. */
const uint8_t *erasure_row(const struct erasure *e, uint32_t nth);

#endif
