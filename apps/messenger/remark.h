/* apps/messenger/remark.h - what is said of a message that is there: a reaction, another text, that it goes (protocol section 9.5).
 *
 *   message id 8 | kind 1 | reaction: one character, or nothing to take it back; edit: the text; deletion: nothing
 *
 * The same bytes stand in conversations of two and in shared ones. What a remark does, and who may make it, is in state.h.
 */
#ifndef STA_MESSENGER_REMARK_H
#define STA_MESSENGER_REMARK_H

#include "apps/messenger/records.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { EDIT_MAX_S = 15 * 86400 };   /* after the message, by the writer's clock: the longest life and a day */
enum { REMARK_LEN_MAX = MESSAGE_ID_LEN + 1 + TEXT_LEN_MAX };

struct remark {
    struct message_id target;
    uint8_t kind;                  /* enum remark_kind */
    struct bytes body;             /* decode: lent from the input */
};

/* ERR_VERSION: a kind that this build does not know. ERR_MALFORMED: cut short, or a body that its kind does not allow. */
enum err remark_decode(struct remark *out, struct bytes in);
void     remark_encode(const struct remark *r, struct writer *w);

/* The same judgement of a body alone. */
bool     remark_is_sound(uint8_t kind, struct bytes body);

/* Does it, if `author` may: true when the message is another than before. A new text is lent by the remark. What is deleted has
 * lost MESSAGE_HAS_MEDIA: the media itself is the caller's to remove. The outcome of several does not depend on their order. */
bool     remark_apply(struct message_record *msg, const struct remark *r, uint32_t author, const struct order *when);

bool     order_is_later(const struct order *a, const struct order *b);

#endif
