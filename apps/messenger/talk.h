/* apps/messenger/talk.h - a text that refers: to a message it answers, to people it names (protocol section 9.5).
 *
 *   parts 1 [reply to 8] [count 1, marks 8 each] text
 *
 * A person is named by a mark, 8 bytes of a hash of the signing key, for names differ from address book to address book.
 * The same bytes stand in conversations of two and in shared ones.
 */
#ifndef STA_MESSENGER_TALK_H
#define STA_MESSENGER_TALK_H

#include "apps/messenger/records.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum talk_part { TALK_REPLIES = 1, TALK_MENTIONS = 2, TALK_PARTS = 3 };
enum { TALK_HEAD_MAX = 1 + MESSAGE_ID_LEN + 1 + MENTIONS_MAX * MENTION_LEN, TALK_LEN_MAX = TALK_HEAD_MAX + TEXT_LEN_MAX };

struct talk {
    bool has_reply;
    struct message_id reply_to;
    uint8_t mention_count;
    struct mention mentions[MENTIONS_MAX];
    struct bytes text;             /* decode: lent from the input */
};

/* A text without either is a plain text (type 1). */
bool     talk_refers(const struct talk *t);

/* ERR_VERSION: parts that this build does not know. ERR_MALFORMED: none, cut short, no or too many marks, one twice, a text that is
 * empty, too long or no UTF-8. */
enum err talk_decode(struct talk *out, struct bytes in);
void     talk_encode(const struct talk *t, struct writer *w);

/* How this person is named in mentions. */
void     mention_of_key(struct mention *out, const uint8_t sign_key[32]);

#endif
