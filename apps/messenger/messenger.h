/* apps/messenger/messenger.h - people: an identity, friends, conversations, custody.
 *
 * Sits between the local API (apps/daemon) and the parts that carry and seal. Sans-IO like the mesh: bytes, events and
 * time come in, changes and events come out. Everything it keeps is in the archive, which shares the store's database,
 * so that a message, its ratchet and its bundle become durable in the one commit of the turn (host.h).
 *
 * It opens bundles that tags say are ours, on NODE_STORED, before the turn's commit. It never shows as delivered what
 * was not: "delivered" is an acknowledgement sealed by the friend.
 *
 * Strings in structs are UTF-8 with a final zero and lent until the next messenger_ call.
 */
#ifndef STA_MESSENGER_MESSENGER_H
#define STA_MESSENGER_MESSENGER_H

#include "crypto/backup.h"
#include "crypto/card.h"
#include "crypto/vault.h"
#include "mesh/node.h"
#include "storage/archive.h"
#include "storage/blobs.h"

struct messenger;
struct media_info;

enum {
    TEXT_LEN_MAX         = 16000,       /* bytes; larger is a file's business */
    FRIENDS_MAX          = 1000,
    MESSAGES_WAITING_MAX = 1000,        /* unanswered, to one friend */
    LIFE_DEFAULT_S       = 7 * 86400,
    RETRY_FIRST_S        = 6 * 3600,    /* seal again after, if nothing came back; doubles, within the message's life */
    RECEIPT_DELAY_MAX_S  = 900,         /* protocol section 9: batched, random */
    MESSAGE_ID_TEXT_LEN  = 16,          /* hex of the 8 bytes that name a message at both ends */
};

struct messenger_config {
    struct archive *archive;
    struct store *store;
    struct node *node;
    struct rng rng;
    uint64_t wall_unix_s;
    uint32_t receipt_delay_s;      /* the longest random pause before an acknowledgement travels; at least as the person set */
    bool     has_been_restored;    /* the database is older than its generation (protocol section 8) */
    struct blobs *blobs;           /* files of contents (media.h); NULL: none are sent or gathered */
    uint64_t gateway_budget_bytes; /* of contents, a day, over a gateway without anybody's wish */
};

/* Opens what init made. ERR_NOT_FOUND: no identity yet. ERR_CORRUPT. All objects of the config stay the caller's. */
enum err messenger_open(struct messenger **out, const struct messenger_config *config);
void     messenger_close(struct messenger *m);

/* Makes the identity in a fresh archive (works without a node: config.node may be NULL). ERR_EXISTS; ERR_MALFORMED: the name. */
enum err messenger_init(const struct messenger_config *config, struct bytes name);

/* ---- Backup ---- */

/* Appends a sealed file to `to` (its limit at least BACKUP_FILE_LEN_MAX) that holds who one is, friends and who of them was verified; no
 * messages, no sessions. *friends says how many. Changes nothing. Errors of backup_seal. */
enum { BACKUP_FILE_LEN_MAX = (1 << 20) + 4096 };
enum err messenger_backup(struct messenger *m, const struct backup_key *key, enum vault_cost cost, struct buffer *to, uint32_t *friends);

/* Instead of messenger_init: makes the person of such a file in a fresh archive. Sessions begin anew with every friend. ERR_EXISTS;
 * errors of backup_open, and ERR_MALFORMED, ERR_VERSION, ERR_AUTH of what it holds. */
enum err messenger_restore(const struct messenger_config *config, struct bytes file, const struct backup_key *key, uint32_t *friends);

/* ---- People ---- */

enum friend_state {
    FRIEND_ADDED,        /* we have their card; nothing came back yet */
    FRIEND_CONNECTED,    /* both sides have written */
    FRIEND_VERIFIED,     /* safety numbers were compared */
};

struct friend_info {
    uint32_t number;             /* local, stable */
    const char *name;            /* as named here */
    const char *card_name;       /* as they name themselves */
    enum friend_state state;
    bool     is_request;         /* wrote to us first and is not accepted yet: no receipts are sent */
    bool     is_blocked;
    uint64_t last_heard_unix_s;  /* 0: never */
    uint32_t unread;
    uint32_t message_count;
    uint32_t disappear_s;        /* of new messages, after reading; 0: never */
    const char *introduced_by;   /* the friend whose introduction was taken; NULL: nobody, or removed since */
};

void     messenger_card_link(struct messenger *m, char to[CARD_LINK_MAX]);
enum err messenger_invite_link(struct messenger *m, char to[CARD_LINK_MAX]);
const char *messenger_name(const struct messenger *m);

/* `as` may be empty: the card's name, numbered when taken. ERR_EXISTS with the friend's number in *number when the person is
 * known (the card is renewed); ERR_REFUSED: our own card; card_from_link's errors; ERR_EXPIRED. */
enum err messenger_friend_add(struct messenger *m, struct bytes link, struct bytes as, uint64_t wall_unix_s, uint32_t *number);
/* Makes two friends known to each other: each gets the other's card as a message; ids[0] is that to b. ERR_NOT_FOUND; ERR_REFUSED: the same
 * person, blocked, or not accepted; ERR_STATE: one of them has not answered yet, so that only a one-time invite of theirs is here, or too much waits for them. */
enum err messenger_introduce(struct messenger *m, uint32_t a, uint32_t b, uint64_t wall_unix_s, uint64_t now_ms, char ids[2][MESSAGE_ID_TEXT_LEN + 1]);

/* Adds the person whom this message introduces. Errors of messenger_friend_add; ERR_NOT_FOUND: no such message; ERR_MALFORMED: it introduces nobody. */
enum err messenger_introduced_add(struct messenger *m, struct bytes id_text, struct bytes as, uint64_t wall_unix_s, uint32_t *number);

enum err messenger_friend_find(struct messenger *m, struct bytes name, uint32_t *number);   /* case-insensitive for ASCII */
enum err messenger_friend_info(struct messenger *m, uint32_t number, struct friend_info *out);
enum err messenger_friend_accept(struct messenger *m, uint32_t number);
enum err messenger_friend_rename(struct messenger *m, uint32_t number, struct bytes name);
enum err messenger_friend_set_disappear(struct messenger *m, uint32_t number, uint32_t seconds);
enum err messenger_friend_verify(struct messenger *m, uint32_t number, bool is_verified);

/* What a blocked person sends is dropped when it has been told whose it is, without a receipt or an anti-packet: to them it looks as
 * if we were out of reach. Messages to them that wait for an answer are given up. Unblocking brings back nothing that was
 * dropped; what they still repeat comes. */
enum err messenger_friend_block(struct messenger *m, uint32_t number, bool is_blocked);
enum err messenger_safety_number(struct messenger *m, uint32_t number, char out[SAFETY_NUMBER_LEN + 1]);

/* Forgets friend, sessions and messages; our inbox secret is replaced and the others are told. */
enum err messenger_friend_remove(struct messenger *m, uint32_t number, uint64_t wall_unix_s);

typedef bool messenger_friend_visit(void *ctx, const struct friend_info *info);
enum err messenger_friends(struct messenger *m, messenger_friend_visit *visit, void *ctx);

/* ---- Messages ---- */

enum message_state {
    MESSAGE_QUEUED,      /* here, nobody has taken it */
    MESSAGE_CARRIED,     /* at least one neighbour has committed it */
    MESSAGE_GATEWAY,     /* a gateway has committed it */
    MESSAGE_DELIVERED,   /* the friend's device says so, sealed */
    MESSAGE_READ,
    MESSAGE_EXPIRED,     /* its life ended without an acknowledgement; `reason` says more */
    MESSAGE_RECEIVED,    /* incoming */
};

enum message_kind { KIND_TEXT, KIND_MEDIA, KIND_SOS, KIND_STATUS, KIND_FORM, KIND_SYSTEM, KIND_COUNT };

enum {
    MESSAGE_REACTIONS_MAX = 64,  /* people who react to one message */
    MESSAGE_MENTIONS_MAX  = 16,
    MESSAGE_REACTION_LEN  = 48,  /* bytes of one character as people count */
};

struct reaction_info {
    const char *from;            /* NULL: me */
    char        text[MESSAGE_REACTION_LEN + 1];
};

struct message_info {
    char     id[MESSAGE_ID_TEXT_LEN + 1];
    uint32_t friend_number;      /* of the conversation: a friend's, or that of one that is shared */
    uint32_t number;             /* in the conversation, rising */
    bool     is_incoming;
    const char *text;
    size_t   text_len;
    uint64_t time_unix_s;        /* outgoing: when written; incoming: as the sender's clock claims */
    uint64_t arrived_unix_s;     /* incoming: by our clock */
    enum message_state state;
    uint32_t copies;             /* outgoing: neighbours that have committed a copy */
    uint32_t tries;              /* times sealed */
    uint64_t carried_unix_s, gateway_unix_s, delivered_unix_s, read_unix_s, expires_unix_s;   /* 0: not (yet) */
    uint64_t next_try_unix_s;
    uint32_t disappear_s;
    const char *reason;          /* a sentence for a person when something went wrong; empty otherwise */
    bool     is_unreadable;      /* of a type this version does not know */
    enum message_kind kind;
    const char *from;            /* who wrote it, as called here; NULL: me */
    char     reply_to[MESSAGE_ID_TEXT_LEN + 1];   /* empty: to nothing; that message need not be here */
    uint64_t edited_unix_s;      /* 0: never; by the writer's clock */
    bool     is_deleted;         /* for all, by its writer: nothing but this marker is left */
    uint8_t  reaction_count, mention_count;
    struct reaction_info reactions[MESSAGE_REACTIONS_MAX];
    const char *mentions[MESSAGE_MENTIONS_MAX];   /* names, as called here; who is not in the conversation is left out */
    char     introduces[CARD_NAME_MAX + 1];       /* the text is this person's card; empty: it is not */
    bool     introduces_me;
    const char *introduces_known;                 /* what this person is called here already; NULL: unknown, or only asks */
    const struct media_info *media;   /* of a content that it announces (media.h; the text is its caption), or NULL */
};

/* Queues a text. life_s 0: LIFE_DEFAULT_S; clamped to 14 days. ERR_TOO_LARGE, ERR_MALFORMED (no UTF-8, or empty), ERR_NOT_FOUND,
 * ERR_STATE (MESSAGES_WAITING_MAX), ERR_REFUSED (blocked), ERR_FULL (the disk). The message is in the conversation when this returns and durable after the turn's commit. */
enum err messenger_send_text(struct messenger *m, uint32_t friend_number, struct bytes text, uint32_t life_s,
                             uint64_t wall_unix_s, uint64_t now_ms, char id[MESSAGE_ID_TEXT_LEN + 1]);

/* A text that may answer a message of the conversation and name people of it. */
struct outgoing {
    struct bytes text;
    uint32_t life_s;
    struct bytes reply_to;            /* a message's id; empty: to nothing */
    const struct bytes *mentions;     /* names, as called here; one given twice counts once */
    size_t mention_count;             /* at most MESSAGE_MENTIONS_MAX */
};

/* As messenger_send_text; ERR_NOT_FOUND also: the message it answers, or a person it names, is not in this conversation. */
enum err messenger_send(struct messenger *m, uint32_t friend_number, const struct outgoing *o, uint64_t wall_unix_s, uint64_t now_ms,
                        char id[MESSAGE_ID_TEXT_LEN + 1]);

enum err messenger_message(struct messenger *m, struct bytes id_text, struct message_info *out);

/* From number `from` upwards. */
typedef bool messenger_message_visit(void *ctx, const struct message_info *info);
enum err messenger_messages(struct messenger *m, uint32_t friend_number, uint32_t from, messenger_message_visit *visit, void *ctx);

/* From number `before` - 1 downwards; 0: from the newest. */
enum err messenger_messages_before(struct messenger *m, uint32_t friend_number, uint32_t before, messenger_message_visit *visit,
                                   void *ctx);

/* All incoming and unread, of all friends, oldest first. */
enum err messenger_inbox(struct messenger *m, messenger_message_visit *visit, void *ctx);

/* The person has seen messages up to `number`: read marks travel back (unless switched off), disappearing ones start to count. */
enum err messenger_mark_read(struct messenger *m, uint32_t friend_number, uint32_t number, uint64_t wall_unix_s,
                             uint64_t now_ms);
enum err messenger_message_delete(struct messenger *m, struct bytes id_text);

/* What a person says of a message that is there. It goes to the others as a message does, repeated until it is acknowledged, and is
 * done here at once. ERR_NOT_FOUND: no such message; ERR_STATE: it was deleted for all; ERR_REFUSED: not ours to change, or the
 * person is blocked; ERR_FULL: too much waits for an answer, or as many people as may have reacted; ERR_UNSUPPORTED: not in this
 * kind of conversation. */

/* One character as people count, in place of the reaction before; empty: it is taken back. ERR_MALFORMED, ERR_TOO_LARGE. */
enum err messenger_react(struct messenger *m, struct bytes id_text, struct bytes character, uint64_t wall_unix_s, uint64_t now_ms);

/* Another text (of a content: caption); the one before is not kept. ERR_EXPIRED: the message's life is over; ERR_MALFORMED, ERR_TOO_LARGE. */
enum err messenger_edit(struct messenger *m, struct bytes id_text, struct bytes text, uint64_t wall_unix_s, uint64_t now_ms);

/* Leaves a marker without text, content, or reactions, here and there. Who has read it has read it. */
enum err messenger_delete_for_all(struct messenger *m, struct bytes id_text, uint64_t wall_unix_s, uint64_t now_ms);

enum err messenger_set_read_marks(struct messenger *m, bool is_on);

/* ---- Gateways ---- */

/* The buckets to ask a gateway for: those of our inboxes, of all days that bundles may still come from, and as fixed a set of
 * decoys, in order. `other_day`: a day that may be today as well, where clocks disagree. Returns how many, at most `max`. */
size_t   messenger_prefixes(struct messenger *m, uint32_t other_day, struct mailbox_prefix *out, size_t max);

/* ---- The turn ---- */

/* Hand every node event over, in order. */
void     messenger_on_event(struct messenger *m, const struct node_event *event, uint64_t wall_unix_s, uint64_t now_ms);

/* Timers: retries, batched receipts, disappearing messages, daily rotation. */
void     messenger_wake(struct messenger *m, uint64_t wall_unix_s, uint64_t now_ms);
uint64_t messenger_wake_at_ms(const struct messenger *m);

enum messenger_event_kind {
    MESSENGER_MESSAGE,        /* a message came in, or one of ours was queued */
    MESSENGER_STATE,          /* a message changed its state, copies or times */
    MESSENGER_GONE,           /* a message was deleted or has disappeared */
    MESSENGER_FRIEND,         /* a friend is new, changed, or asks */
    MESSENGER_MEDIA,          /* the progress or state of a content (media.h) */
};
struct messenger_event {
    enum messenger_event_kind kind;
    uint32_t friend_number;
    char     message_id[MESSAGE_ID_TEXT_LEN + 1];
};
/* Events of the turn; hand them out only after its commit (host_app.on_turn). */
bool     messenger_next_event(struct messenger *m, struct messenger_event *out);

#endif
