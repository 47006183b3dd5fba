/* mesh/record.h - what neighbours say to each other once a link is sealed (protocol section 7.2).
 *
 * A frame holds one or more whole records: u8 type, varint length, body. This file knows the bytes of each and no
 * contact. Decoded records lend from the frame they came in.
 */
#ifndef STA_MESH_RECORD_H
#define STA_MESH_RECORD_H

#include "mesh/base/header.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum record_type {
    RECORD_UNKNOWN   = 0,   /* of a newer version: skipped */
    RECORD_LIST      = 1,
    RECORD_CELLS     = 2,
    RECORD_MORE      = 3,
    RECORD_SETTLED   = 4,
    RECORD_OFFER     = 5,
    RECORD_WANT      = 6,
    RECORD_BUNDLE    = 7,
    RECORD_PART      = 8,
    RECORD_ACK       = 9,
    RECORD_REVEAL    = 10,
    RECORD_STATUS    = 11,
    RECORD_RECOGNISE = 12,
    RECORD_PING      = 13,
    RECORD_PONG      = 14,
    RECORD_BYE       = 15,
    RECORD_ASK       = 16,
    RECORD_GONE      = 17,
    RECORD_CALM      = 18,
    RECORD_CHUNK     = 19,
    RECORD_FETCH     = 20,  /* to a gateway */
    RECORD_CURSOR    = 21,  /* from a gateway */
};

enum {
    SID_LEN          = 6,
    REVEAL_LEN       = 16,
    REVEAL_ENTRY_LEN = REVEAL_LEN + 1,
    LIFE_UNIT_H      = 6,
    LIFE_UNITS_MAX   = 62,     /* LIFE_MAX_H */
    RECOGNISE_LEN    = 64,
    RECORD_HEAD_MAX  = 1 + 3,  /* bodies are shorter than 2 MiB */
    BUNDLE_META_LEN  = 3,
    PART_META_MAX    = 16 + 3 + 3 + 3,
    GONE_OFFERS      = 0xff,   /* in place of a class: offer numbers follow */
    CURSOR_LEN       = 16,
    FETCH_ENTRY_LEN  = 1 + 3,
    BUCKET_BITS_MAX  = 24,
    ASK_NAME         = 0x80,   /* on the class: offer these instead of sending them */
};

/* How a reconciliation round ended for the side that decodes. */
enum settled_how { SETTLED_KNOWN, SETTLED_AGAIN, SETTLED_ALL, SETTLED_HOW_COUNT };

/* Why a bundle that arrived whole was not kept. */
enum refusal {
    REFUSAL_NONE, REFUSAL_DUPLICATE, REFUSAL_QUOTA, REFUSAL_STAMP, REFUSAL_EXPIRED, REFUSAL_MALFORMED, REFUSAL_HOPS,
    REFUSAL_COUNT
};

enum bye_reason { BYE_DONE, BYE_EPOCH, BYE_BUSY, BYE_TWIN };

struct sids { const uint8_t *at; size_t count; };
struct ids { const uint8_t *at; size_t count; };

static inline uint64_t sids_at(struct sids s, size_t i)
{
    const uint8_t *p = s.at + i * SID_LEN;

    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40;
}

struct carry { uint8_t hops, budget, life; };  /* hops on arrival; life in units of LIFE_UNIT_H */

struct record {
    enum record_type type;
    union {
        struct { uint8_t which; struct sids sids; } list;
        struct { uint8_t which, round; uint64_t first, count, set_count; struct bytes cells; } cells;
        struct { uint8_t which; uint64_t cells; } more;
        struct { uint8_t which, how; } settled;
        struct { uint8_t which, size_code; struct ids ids; } offer;
        struct { uint64_t answered; struct bytes wants; } want;              /* see record_want_next */
        struct { struct carry carry; struct bytes bytes; } bundle;
        struct { struct bundle_id id; struct carry carry; uint32_t total, offset; struct bytes bytes; } part;
        struct { struct bytes bytes; } chunk;
        struct { uint64_t count; struct bytes exceptions; } ack;             /* see record_exception_next */
        struct { const uint8_t *at; size_t count; } reveal;                  /* REVEAL_ENTRY_LEN each: reveal, life */
        struct { uint8_t stamp_bits, fill_percent; uint16_t nearness; } status;
        struct { const uint8_t *tags; } recognise;
        struct { uint64_t echo; } ping;                                      /* PONG too */
        struct { uint8_t reason; uint64_t retry_s; } bye;
        struct { uint8_t which; bool is_name; struct sids sids; } ask;
        struct { bool is_sids; uint8_t which; struct sids sids; struct bytes offers; } gone;  /* offers: varints */
        struct { uint64_t fingerprint; } calm;
        struct { const uint8_t *cursor; struct bytes prefixes; } fetch;      /* see record_prefix_next */
        struct { const uint8_t *cursor; } cursor;
    } u;
};

/* The next record of a frame. ERR_MALFORMED: the peer broke the rules. Lends from the frame. */
enum err record_next(struct reader *frame, struct record *out);

/* Walks a WANT: offers by their number on this link, and where to start. False at the end; the whole list was
 * checked by record_next. */
bool record_want_next(struct reader *wants, uint64_t *offer, uint32_t *offset);

/* Walks an ACK: indices count from the previous ACK's count. */
bool record_exception_next(struct reader *exceptions, uint64_t *index, uint8_t *reason);

/* Walks a FETCH: bits up to BUCKET_BITS_MAX, and a prefix with no other bits set. */
bool record_prefix_next(struct reader *prefixes, uint32_t *prefix, uint8_t *bits);

/* Encoders write a whole record or nothing and then say false: it does not fit. */
bool record_put_list(struct writer *w, uint8_t which, const uint64_t *sids, size_t count);
bool record_put_more(struct writer *w, uint8_t which, uint64_t cells);
bool record_put_settled(struct writer *w, uint8_t which, enum settled_how how);
bool record_put_bundle(struct writer *w, struct carry carry, struct bytes bundle);
bool record_put_part(struct writer *w, const struct bundle_id *id, struct carry carry, uint32_t total, uint32_t offset,
                     struct bytes bytes);
bool record_put_chunk(struct writer *w, struct bytes bytes);
bool record_put_status(struct writer *w, uint8_t stamp_bits, uint8_t fill_percent, uint16_t nearness);
bool record_put_recognise(struct writer *w, const uint8_t *tags);
bool record_put_ping(struct writer *w, bool is_pong, uint64_t echo);
bool record_put_bye(struct writer *w, enum bye_reason reason, uint64_t retry_s);
bool record_put_calm(struct writer *w, uint64_t fingerprint);
bool record_put_cursor(struct writer *w, const uint8_t cursor[CURSOR_LEN]);

/* Records of many entries are built in place: open with the head's fixed part, append to the writer while
 * record_room says so, close. A record closed without entries (writer where open left it) vanishes when `is_empty_dropped`. */
struct record_open { struct writer *w; uint8_t *length_at; uint8_t *body_at; uint8_t *entries_at; };
bool record_begin(struct record_open *o, struct writer *w, enum record_type type, const uint8_t *head, size_t head_len);
bool record_end(struct record_open *o, bool is_empty_dropped);

#endif
