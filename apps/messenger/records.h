/* apps/messenger/records.h - what the messenger keeps in the archive, as plain structs and as bytes.
 *
 * Knows no behaviour. Every record starts with a version; bytes of another version, cut short, too long or with a
 * number out of its range are ERR_CORRUPT, for they are our own. Times that end in _unix_s are a wall clock's,
 * to show; times that end in _s count on the messenger's own clock (clock.h) and decide.
 */
#ifndef STA_MESSENGER_RECORDS_H
#define STA_MESSENGER_RECORDS_H

#include "apps/messenger/messenger.h"
#include "crypto/session.h"

enum {
    RECORD_VERSION    = 1,
    FRIEND_NAME_MAX   = 64,    /* bytes of the name given here */
    SLOTS_MAX         = 4,     /* sessions of one friend, protocol section 4 */
    ACKS_PENDING_MAX  = 128,   /* the batch leaves early when it is full */
    READS_PENDING_MAX = 128,
    ACKS_RECENT_MAX   = 16,    /* repeated in spare padding, for an acknowledgement is itself not acknowledged */
    TRIES_MAX         = 16,    /* bundles of one message: six by the doubling pause in 14 days, the rest for losses */
    FADING_MAX        = 60000, /* fits one record of the archive */
    GONE_MAX          = 1024,  /* ids of deleted messages whose repeats may still come */
    USED_MAX          = 8192,  /* first-message keys remembered against replay */
    RECORD_LEN_MAX    = 1 << 20,
    MENTION_LEN       = 8,
    MENTIONS_MAX      = 16,    /* people that one message names */
    REACTION_LEN_MAX  = 48,    /* bytes; the longest in use, a family with colours of skin, has 41 */
    REACTIONS_MAX     = 64,    /* people who react to one message: as many as a group has */
};

struct message_id { uint8_t octets[MESSAGE_ID_LEN]; };

/* ---- Lists ---- */

/* A message that waits for a time: a try (at_s) within its life (until_s), or its removal (at_s). */
struct due { uint32_t number; uint64_t at_s, until_s; };
struct due_list { struct due *at; uint32_t count, cap; };

struct gone { struct message_id id; uint64_t until_s; };
struct gone_list { struct gone *at; uint32_t count, cap; };

/* The key that started a session of a friend, kept while the prekey that could open it again may exist. */
struct used { uint8_t key[16]; uint32_t friend_number; uint32_t until_day; };
struct used_list { struct used *at; uint32_t count, cap; };

/* ERR_FULL past `max`, ERR_NO_MEMORY. */
enum err due_list_add(struct due_list *l, struct due d, uint32_t max);
void     due_list_remove(struct due_list *l, uint32_t index);
struct due *due_list_find(struct due_list *l, uint32_t number);
enum err gone_list_add(struct gone_list *l, struct gone g, uint32_t max);
void     gone_list_remove(struct gone_list *l, uint32_t index);
enum err used_list_add(struct used_list *l, struct used u, uint32_t max);
void     used_list_remove(struct used_list *l, uint32_t index);

/* Free the block; the list is empty again. */
void     due_list_clear(struct due_list *l);
void     gone_list_clear(struct gone_list *l);
void     used_list_clear(struct used_list *l);

/* ---- Records ---- */

struct settings_record {
    bool     is_marking_read;
    uint32_t next_friend;
    uint32_t tended_day;
    uint64_t next_rank;
    uint64_t clock_s, clock_wall_unix_s;   /* the clock, and what the wall clock said then */
};

enum friend_flag {
    FRIEND_HEARD    = 1,    /* something of theirs opened: they hold a card of ours */
    FRIEND_WRITTEN  = 2,    /* something was sealed for them */
    FRIEND_IS_VERIFIED = 4,
    FRIEND_REQUEST  = 8,
    FRIEND_BY_INVITE = 16,  /* came by invite_inbox, which still exists */
    FRIEND_HAS_CARD = 32,   /* acknowledged the card of card_mark */
    FRIEND_IS_BLOCKED = 64, /* nothing of theirs is shown, nothing of ours goes to them */
    FRIEND_FLAGS    = 127,
};

struct friend_record {
    char     name[FRIEND_NAME_MAX + 1];
    struct card card;
    uint8_t  pair_root[32];
    uint8_t  flags;                     /* enum friend_flag */
    uint64_t last_heard_unix_s, heard_s;
    uint32_t disappear_s;
    uint32_t invite_inbox;
    uint64_t card_due_s, card_sent_s;   /* our card for them: when next (0: not), when last */
    uint32_t card_tries;
    uint8_t  card_mark[8];              /* names the card last sent */
    uint64_t reset_due_s;               /* 0: no reset is owed */
    uint32_t reset_tries;
    uint64_t recovered_s;               /* when a session was last begun for want of answers */
    uint32_t recoveries;
    uint32_t introducer;                /* the number of the friend whose introduction was taken; 0: none */
};

/* Facts of a session beside the session's own bytes. */
struct slot_record {
    bool     is_ours;                   /* we started it */
    bool     is_reset;                  /* a reset was obeyed in it */
    uint64_t rank;                      /* the highest of a friend's is the one to send on */
    uint64_t at_s;                      /* when it was begun by us, or last received on */
    uint8_t  start_key[32];             /* EK of the one who started, when it was not us */
    struct bytes session;               /* decode: borrowed from the input */
};

struct conversation_record {
    uint32_t next_number;               /* numbers start at 1 */
    uint32_t message_count, unread;
    uint32_t read_up_to;                /* incoming messages up to this number are read */
    uint64_t ack_due_s, read_due_s;     /* 0: nothing is due */
    uint16_t ack_count, read_count, recent_count;
    struct message_id acks[ACKS_PENDING_MAX], reads[READS_PENDING_MAX], recent[ACKS_RECENT_MAX];
};

enum message_flag {
    MESSAGE_IS_INCOMING = 1, MESSAGE_IS_UNREADABLE = 2, MESSAGE_WANTS_ACK = 4,
    MESSAGE_IS_DELETED  = 8,            /* for all, by its writer: a marker without a text */
    MESSAGE_IS_REMARK   = 16,           /* of ours, on its way: shown to nobody, and gone when it has arrived */
    MESSAGE_REPLIES     = 32,
    MESSAGE_HAS_MEDIA = 128,            /* a content goes with it (media.h) */
    MESSAGE_FLAGS = 191,
};

enum message_reason {
    REASON_NONE, REASON_FULL, REASON_NOBODY, REASON_NO_ANSWER, REASON_BAD_CARD, REASON_TOO_MANY, REASON_VERSION,
    REASON_STAMP, REASON_BLOCKED,
    REASON_COUNT,
};

struct try {
    struct bundle_id id;
    uint8_t has_reveal, size_code;
    uint8_t reveal[16];
};

/* Who somebody is in a conversation; shared ones number their members themselves. */
enum { AUTHOR_ME = 0, AUTHOR_FRIEND = 1 };

/* A person, as mentions name one. */
struct mention { uint8_t octets[MENTION_LEN]; };

/* What is said of a message (remark.h). */
enum remark_kind { REMARK_REACTION = 1, REMARK_EDIT = 2, REMARK_DELETION = 3, REMARK_KIND_END };

/* Of several remarks of one person the one with the latest time counts, and of those of one second the one with the greatest id,
 * so that all who have them agree. */
struct order { uint64_t time_unix_s; struct message_id id; };

/* A reaction that was taken back stays, empty, lest an older one come after it. */
struct reaction {
    uint32_t author;
    struct order order;
    uint8_t  len;
    char     text[REACTION_LEN_MAX];
};

struct message_record {
    struct message_id id;
    uint8_t  flags;                     /* enum message_flag */
    uint8_t  state;                     /* enum message_state */
    uint8_t  reason;                    /* enum message_reason */
    uint64_t time_unix_s, arrived_unix_s;
    uint64_t carried_unix_s, gateway_unix_s, delivered_unix_s, read_unix_s, expires_unix_s;
    uint32_t copies, tries;
    uint32_t life_s, disappear_s;
    uint64_t first_try_s;
    uint8_t  try_count;
    struct try try[TRIES_MAX];          /* the latest ones */
    uint8_t  kind;                      /* enum message_kind; of a remark enum remark_kind */
    uint32_t author;                    /* AUTHOR_ME in what we wrote */
    struct message_id reply_to;         /* with MESSAGE_REPLIES; of a remark its target */
    struct order edited;                /* time 0: never */
    uint8_t  mention_count, reaction_count;
    struct mention mentions[MENTIONS_MAX];
    struct reaction reactions[REACTIONS_MAX];
    struct bytes text;                  /* decode: borrowed from the input */
};

struct place { uint32_t conversation, number; };   /* where a message or a bundle belongs */

/* Encoders append to `to`. ERR_NO_MEMORY, ERR_TOO_LARGE. */
enum err settings_encode(const struct settings_record *r, struct buffer *to);
enum err settings_decode(struct settings_record *out, struct bytes in);
/* A name that a friend may be given here: UTF-8 that is not empty, at most FRIEND_NAME_MAX bytes, no control characters. */
bool     friend_name_is_sound(struct bytes name);

enum err friend_encode(const struct friend_record *r, struct buffer *to);
enum err friend_decode(struct friend_record *out, struct bytes in);
enum err slot_encode(const struct slot_record *r, struct buffer *to);
enum err slot_decode(struct slot_record *out, struct bytes in);
enum err conversation_encode(const struct conversation_record *r, struct buffer *to);
enum err conversation_decode(struct conversation_record *out, struct bytes in);
enum err message_encode(const struct message_record *r, struct buffer *to);
enum err message_decode(struct message_record *out, struct bytes in);
enum err place_encode(const struct place *r, struct buffer *to);
enum err place_decode(struct place *out, struct bytes in);

/* Replace the list, which is unchanged on failure. */
enum err due_list_encode(const struct due_list *l, struct buffer *to);
enum err due_list_decode(struct due_list *l, struct bytes in, uint32_t max);
enum err gone_list_encode(const struct gone_list *l, struct buffer *to);
enum err gone_list_decode(struct gone_list *l, struct bytes in);
enum err used_list_encode(const struct used_list *l, struct buffer *to);
enum err used_list_decode(struct used_list *l, struct bytes in);

#endif
