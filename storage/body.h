/* storage/body.h - the bytes of a bundle in the database. Inside storage/ only.
 *
 * A bundle lies in pieces, two of which fill a page of LMDB, under keys of seq and piece number. A value longer than
 * that would take pages of its own in a row: after a few rounds of small and large bundles the free pages no
 * longer lie in rows, and the file grows although it is half empty (docs/decisions.md has figures).
 */
#ifndef STA_STORAGE_BODY_H
#define STA_STORAGE_BODY_H

#include "storage/store.h"

enum { BODY_PIECE_LEN = 2022, BODY_PIECES_MAX = 64 };

_Static_assert(BUNDLE_LEN_MAX <= BODY_PIECE_LEN * BODY_PIECES_MAX, "six bits hold the piece number");

static inline uint32_t body_pieces(uint32_t len)
{
    return (len + BODY_PIECE_LEN - 1) / BODY_PIECE_LEN;
}

/* The key of a piece, and back. */
static inline uint64_t body_key(uint64_t seq, uint32_t piece)
{
    return seq * BODY_PIECES_MAX + piece;
}

static inline uint64_t body_seq_of_key(uint64_t key)
{
    return key / BODY_PIECES_MAX;
}

static inline uint32_t body_piece_of_key(uint64_t key)
{
    return (uint32_t)(key % BODY_PIECES_MAX);
}

enum err body_put(struct db *db, uint64_t seq, struct bytes body);

/* Replaces bytes of the first piece: `at` + `bytes.len` is within it and within `len`. ERR_CORRUPT: it is not there. */
enum err body_patch(struct db *db, uint64_t seq, uint32_t len, size_t at, struct bytes bytes);

/* Pieces that are missing are no failure. */
enum err body_erase(struct db *db, uint64_t seq, uint32_t len);

/* Lends one piece as it lies, until the next change; more are put together in `whole`. ERR_CORRUPT: not
 * there, or not of this length. */
enum err body_read(struct db *db, uint64_t seq, uint32_t len, struct buffer *whole, struct bytes *body);

#endif
