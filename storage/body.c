/* storage/body.c - the bytes of a bundle in the database, in pieces. */
#include "storage/body.h"

#include <assert.h>
#include <string.h>

enum err body_put(struct db *db, uint64_t seq, struct bytes body)
{
    struct reader r = reader_of(body);
    enum err e = ERR_NONE;

    for (uint32_t piece = 0; reader_left(&r) > 0 && e == ERR_NONE; piece++) {
        size_t len = reader_left(&r) < BODY_PIECE_LEN ? reader_left(&r) : BODY_PIECE_LEN;

        e = db_put_seq(db, DB_BUNDLE_BODY, body_key(seq, piece), reader_take(&r, len));
    }
    return e;
}

enum err body_patch(struct db *db, uint64_t seq, uint32_t len, size_t at, struct bytes bytes)
{
    uint8_t piece[BODY_PIECE_LEN];
    size_t piece_len = len < BODY_PIECE_LEN ? len : BODY_PIECE_LEN;
    struct bytes old;
    enum err e = db_get_seq(db, DB_BUNDLE_BODY, body_key(seq, 0), &old);

    assert(bytes.len <= piece_len && at <= piece_len - bytes.len);
    if (e == ERR_NOT_FOUND || (e == ERR_NONE && old.len != piece_len))
        return ERR_CORRUPT;
    if (e != ERR_NONE)
        return e;
    memcpy(piece, old.at, piece_len);
    memcpy(piece + at, bytes.at, bytes.len);
    return db_put_seq(db, DB_BUNDLE_BODY, body_key(seq, 0), bytes_of(piece, piece_len));
}

enum err body_erase(struct db *db, uint64_t seq, uint32_t len)
{
    for (uint32_t piece = 0; piece < body_pieces(len); piece++) {
        enum err e = db_delete_seq(db, DB_BUNDLE_BODY, body_key(seq, piece));

        if (e != ERR_NONE && e != ERR_NOT_FOUND)
            return e;
    }
    return ERR_NONE;
}

enum err body_read(struct db *db, uint64_t seq, uint32_t len, struct buffer *whole, struct bytes *body)
{
    uint32_t pieces = body_pieces(len);
    struct bytes part = { NULL, 0 };
    enum err e = ERR_NONE;

    whole->len = 0;
    for (uint32_t piece = 0; piece < pieces && e == ERR_NONE; piece++) {
        e = db_get_seq(db, DB_BUNDLE_BODY, body_key(seq, piece), &part);
        if (e == ERR_NONE && pieces > 1)
            e = buffer_append(whole, part);
    }
    if (pieces > 1)
        part = buffer_bytes(whole);
    if (e == ERR_NOT_FOUND || e == ERR_TOO_LARGE || (e == ERR_NONE && part.len != len))
        return ERR_CORRUPT;
    if (e == ERR_NONE)
        *body = part;
    return e;
}
