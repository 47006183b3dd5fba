/* mesh/sketch.h - rateless set reconciliation (Yang, Gilad, Alizadeh: "Practical
 * Rateless Set Reconciliation", SIGCOMM 2024) over 48-bit short ids.
 *
 * Two nodes hold nearly equal sets. One encodes its set as an endless sequence of cells, of which any
 * prefix of about 1.36 (a large difference) to 1.8 (a small one) times the difference decodes at the other,
 * whatever the size of the sets. Cell i holds each member with probability 1 / (1 + i/2); a cell is the XOR
 * and the count of its members and a XOR of their check words. The bytes: docs/protocol.md section 7.3.
 *
 * Pure: no I/O, no randomness beyond the key. Bounded by SKETCH_CELLS_MAX and SKETCH_SET_MAX. A coder takes
 * 20 bytes a member, an encoder at most 64 kB more, a decoder some 24 bytes a cell and 64 an id found, of
 * which there are at most 16 more than cells: what a peer makes it hold is in proportion to what it really sent.
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
 * Counts are written as the difference from what chance expects, so a cell takes 9 bytes, or 10 while it
 * holds more than some 1000 members. w does not fail for want of room. */
size_t   sketch_encode(struct sketch_encoder *s, size_t max, struct writer *w);

enum err sketch_decoder_new(struct sketch_decoder **out, const uint64_t *sids, size_t count, const uint8_t key[16]);
void     sketch_decoder_free(struct sketch_decoder *s);

/* The size of the other side's set, which it states beforehand: needed to read counts. Has no effect once
 * cells have come. */
void     sketch_decoder_expect(struct sketch_decoder *s, uint64_t remote_count);

/* Takes `count` cells from r and leaves what follows. ERR_MALFORMED: bytes missing, or a count that no set of
 * the expected size has; ERR_TOO_LARGE past SKETCH_CELLS_MAX, or for a set expected past SKETCH_SET_MAX:
 * nothing was taken. ERR_MALFORMED also for ids chosen to collide, which no later call mends. ERR_NO_MEMORY. */
enum err sketch_decode(struct sketch_decoder *s, size_t count, struct reader *r);

/* All cells are explained: the two lists are the whole difference. */
bool     sketch_is_decoded(const struct sketch_decoder *s);

/* How many more cells will probably do: 64 to begin with, then from the variance of the counts, slightly short
 * for large differences (a further ask is cheaper than an overshoot), with some to spare for small ones. At least 8,
 * but zero once decoded, and when SKETCH_CELLS_MAX or a failure leaves no hope. */
size_t   sketch_cells_wanted(const struct sketch_decoder *s);

/* Lend until the next call. Only whole once sketch_is_decoded; until then an id in them may yet be taken back,
 * about once in some thousands of sketches. A peer that lies about its cells can put in ids that nobody has, or that
 * we have: look each up before acting on it. */
const uint64_t *sketch_remote_only(const struct sketch_decoder *s, size_t *count);
const uint64_t *sketch_local_only(const struct sketch_decoder *s, size_t *count);

#endif
