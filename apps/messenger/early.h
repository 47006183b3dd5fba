/* apps/messenger/early.h - remarks that came before their messages, of one conversation.
 *
 * Bounded by number, by person and by bytes; the oldest give way. Of one kind, person and message only the last is kept.
 */
#ifndef STA_MESSENGER_EARLY_H
#define STA_MESSENGER_EARLY_H

#include "apps/messenger/remark.h"

enum {
    EARLY_REMARKS_MAX = 64,
    EARLY_OF_ONE_MAX  = 16,
    EARLY_BYTES_MAX   = 128 * 1024,    /* of texts: eight edits of the longest */
};

struct early {
    struct remark remark;            /* the body is lent by the list, or by whoever added it */
    uint32_t author;
    struct order order;
    uint64_t until_s;                /* on the messenger's clock */
};

struct early_list {
    struct early at[EARLY_REMARKS_MAX];
    uint32_t count;
    struct buffer bytes;             /* what was decoded from */
};

/* The list is used up to early_clear, also after a failure. ERR_CORRUPT, ERR_NO_MEMORY. */
enum err early_decode(struct early_list *out, struct bytes in);
enum err early_encode(const struct early_list *l, struct buffer *to);
void     early_clear(struct early_list *l);

/* False: there is a later one of its kind, and nothing changed. */
bool     early_add(struct early_list *l, const struct early *one);
void     early_remove(struct early_list *l, uint32_t index);

#endif
