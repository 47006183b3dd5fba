/* mesh/sketch.h - rateless set reconciliation (Yang, Gilad, Alizadeh: "Practical
 * Rateless Set Reconciliation", SIGCOMM 2024) over 48-bit short ids.
 *
 * Two nodes hold nearly equal sets. One encodes its set as an endless sequence of cells, of which any
 * prefix of about 1.35 to 1.7 times the difference decodes at the other, whatever the size of the sets.
 * Cell i holds each member with probability 1 / (1 + i/2); a cell is the XOR and the count of its members
 * and a XOR of their check words.
 *
 * Pure: no I/O, no randomness beyond the key. Bounded by SKETCH_CELLS_MAX and SKETCH_SET_MAX.
 */
#ifndef STA_MESH_SKETCH_H
#define STA_MESH_SKETCH_H

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

struct sketch_encoder;
struct sketch_decoder;

/* `sids` are distinct 48-bit short ids (upper bits zero), `key` 16 bytes known to both; the array is copied.
 * ERR_TOO_LARGE past SKETCH_SET_MAX, ERR_NO_MEMORY. */
enum err sketch_encoder_new(struct sketch_encoder **out, const uint64_t *sids, size_t count, const uint8_t key[16]);
void     sketch_encoder_free(struct sketch_encoder *s);

/* Writes the next cells, at most `max`, as many as fit in w; returns how many. Zero past SKETCH_CELLS_MAX.
 * Format: docs/protocol.md; counts are written as the difference from what chance expects, so a cell
 * takes about 9 bytes. */
size_t   sketch_encode(struct sketch_encoder *s, size_t max, struct writer *w);

enum err sketch_decoder_new(struct sketch_decoder **out, const uint64_t *sids, size_t count, const uint8_t key[16]);
void     sketch_decoder_free(struct sketch_decoder *s);

/* The size of the other side's set, which it states beforehand: needed to read counts. */
void     sketch_decoder_expect(struct sketch_decoder *s, uint64_t remote_count);

/* Takes `count` cells from r. ERR_MALFORMED; ERR_TOO_LARGE past SKETCH_CELLS_MAX. */
enum err sketch_decode(struct sketch_decoder *s, size_t count, struct reader *r);

/* All cells are explained: the two lists are the whole difference. */
bool     sketch_is_decoded(const struct sketch_decoder *s);

/* How many more cells will probably do: from the variance of the counts while little is decoded,
 * slightly short for large differences (a further ask is cheaper than an overshoot); at least 8. */
size_t   sketch_cells_wanted(const struct sketch_decoder *s);

/* Lend until the next call. Only whole once sketch_is_decoded. */
const uint64_t *sketch_remote_only(const struct sketch_decoder *s, size_t *count);
const uint64_t *sketch_local_only(const struct sketch_decoder *s, size_t *count);

#endif
