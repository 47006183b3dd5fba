/* apps/messenger/content.h - what a payload says, by type (docs/protocol.md section 9).
 *
 *   [u32 seconds, with flag DISAPPEARS] [message id 8, with TEXT, MEDIA, TALK, REMARK or flag WANTS_ACK] body
 *
 * The id names the message at both ends, in acknowledgements and read marks. It stays when the same message is
 * sealed again into another bundle, so that a repeat is known as one.
 */
#ifndef STA_MESSENGER_CONTENT_H
#define STA_MESSENGER_CONTENT_H

#include "apps/messenger/records.h"
#include "crypto/payload.h"

enum { CONTENT_HEAD_MAX = 4 + MESSAGE_ID_LEN };

struct content {
    uint32_t disappear_s;      /* 0: stays */
    bool     has_id;
    struct message_id id;
    struct bytes body;         /* text, card, or message ids; lent from the payload */
};

/* ERR_MALFORMED: cut short, a body that its type does not allow (text: UTF-8, not empty, at most TEXT_LEN_MAX; read
 * marks: whole ids). ERR_VERSION: a type, flag or part this build does not know; then id and body
 * are still given, as far as they can be. */
enum err content_decode(struct content *out, const struct payload *p);

/* The mirror image; type and flags decide which fields are written. */
void     content_encode(const struct content *c, uint8_t type, uint8_t flags, struct writer *w);

#endif
