/* crypto/payload.h - what is inside a sealed bundle (protocol section 3).
 *
 *   type 1 | flags 1 | time 4 | length 2 | ack count 1 | acks 8 each | content | zeros
 *
 * time is unix seconds of the sender's clock, as a claim to show, never to decide by.
 */
#ifndef STA_CRYPTO_PAYLOAD_H
#define STA_CRYPTO_PAYLOAD_H

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { PAYLOAD_HEAD_LEN = 9, PAYLOAD_ACKS_MAX = 255, PAYLOAD_ACK_LEN = 8 };

enum payload_type {
    PAYLOAD_NONE    = 0,  /* only acks */
    PAYLOAD_TEXT    = 1,  /* UTF-8; with flag DISAPPEARS: u32 seconds after reading come first */
    PAYLOAD_READ    = 2,  /* message ids, 8 bytes each, that were read */
    PAYLOAD_CARD    = 3,  /* the sender's present card */
    PAYLOAD_RESET   = 4,  /* state was restored: forget our sessions, send again what was not acknowledged */
    PAYLOAD_MEDIA   = 16, /* a content is announced (apps/media/manifest.h) */
    PAYLOAD_MEDIA_REPORT = 17,  /* how far it is at the receiver (apps/media/report.h) */
    PAYLOAD_TALK    = 64, /* a text that answers a message or names people (apps/messenger/talk.h) */
    PAYLOAD_REMARK  = 65, /* a reaction, an edit, a deletion for all (apps/messenger/remark.h) */
};

enum payload_flag {
    PAYLOAD_DISAPPEARS = 1,
    PAYLOAD_WANTS_ACK  = 2,
};

struct payload {
    uint8_t  type, flags;
    uint32_t time_unix_s;
    uint8_t  ack_count;
    const uint8_t (*acks)[PAYLOAD_ACK_LEN];  /* borrowed; may be NULL when ack_count is 0 */
    struct bytes content;                    /* borrowed; at most 65535 bytes */
};

size_t   payload_len(const struct payload *p);
void     payload_encode(const struct payload *p, struct writer *w);

/* Lends acks and content from `in`. ERR_MALFORMED when lengths disagree or the padding is not zero. Unknown types
 * and flags are passed on: they are for the messenger to show as "needs a newer version". */
enum err payload_decode(struct payload *out, struct bytes in);

#endif
