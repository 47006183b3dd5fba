/* apps/messenger/backup_content.h - what a backup holds, as bytes (protocol section 8.1).
 *
 * Who one is, whom one knows and who of them was verified; no ratchets, day chains, prekeys or messages. The bytes come from a
 * file that its owner opened with the right key; they are judged all the same.
 */
#ifndef STA_MESSENGER_BACKUP_CONTENT_H
#define STA_MESSENGER_BACKUP_CONTENT_H

#include "apps/messenger/records.h"

enum {
    BACKUP_CONTENT_MAX = 1 << 20,     /* FRIENDS_MAX friends of 310 bytes, and as much again for later kinds */
    BACKUP_PAD_LEN     = 256,         /* the length tells the number of friends only roughly */
};

struct backup_friend {
    char     name[FRIEND_NAME_MAX + 1];
    uint8_t  flags;                   /* of enum friend_flag those of BACKUP_FLAGS */
    uint32_t disappear_s;
    struct card card;
};

enum { BACKUP_FLAGS = FRIEND_HEARD | FRIEND_WRITTEN | FRIEND_IS_VERIFIED | FRIEND_IS_BLOCKED };

struct backup_content {
    struct identity_root self;
    bool is_marking_read;
    uint32_t friend_count;
    struct backup_friend *friends;
};

/* Appends. ERR_NO_MEMORY, ERR_TOO_LARGE. */
enum err backup_content_encode(const struct backup_content *c, struct buffer *to);

/* The friends are the caller's, to be given back by _clear. ERR_MALFORMED, ERR_VERSION (a part that this version does not know),
 * ERR_TOO_LARGE (friends past FRIENDS_MAX), ERR_AUTH (a card's signature), ERR_NO_MEMORY. */
enum err backup_content_decode(struct backup_content *out, struct bytes in);

/* Wipes, for it holds keys. */
void     backup_content_clear(struct backup_content *c);

#endif
