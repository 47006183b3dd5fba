/* apps/messenger/state.h - the inside of a messenger, for the files of this room.
 *
 * Friends and the facts of their sessions and conversations stand in memory, read at open; sessions and messages are read
 * from the archive when they are touched. What changed is marked dirty and written at the end of the public call
 * (messenger_settle), so that one call writes each record once. The first failure of archive or store sticks: from then on
 * nothing is done, for the database has spoiled the transaction and the turn's commit will say so.
 */
#ifndef STA_MESSENGER_STATE_H
#define STA_MESSENGER_STATE_H

#include "apps/messenger/content.h"
#include "apps/messenger/records.h"
#include "apps/messenger/remark.h"
#include "apps/messenger/talk.h"
#include "apps/messenger/watch.h"

enum {
    REQUESTS_MAX         = 100,    /* strangers waiting to be accepted */
    REQUEST_MESSAGES_MAX = 50,     /* of one of them */
    USED_PER_FRIEND_MAX  = 64,     /* a friend who starts more sessions only pushes out keys of his own */
    USED_DAYS            = PREKEY_LIFE_DAYS + CARD_LIFE_DAYS + PREKEY_GRACE_DAYS + 1,
    CARD_PAUSE_S         = 14 * 86400,
    RECOVER_S            = 7 * 86400,   /* without an answer: begin anew by F2 */
    CONVERSATIONS_SHARED_MAX = 1000,
    ROOM_PAUSE_S         = 60,     /* after the store had no room for an own bundle */
    GONE_S               = 30 * 86400,
    CLOCK_SAVE_S         = 600,
    OFF_MAX_S            = 30 * 86400,  /* time off that a wall clock is believed about */
    EVENTS_MAX           = 65536,
    BURST_MAX            = 32,
    PLAIN_MAX            = PAYLOAD_HEAD_LEN + PAYLOAD_ACKS_MAX * PAYLOAD_ACK_LEN + CONTENT_HEAD_MAX + TALK_LEN_MAX,
};

/* In the number of a conversation that is not a friend's. */
#define CONVERSATION_SHARED 0x80000000u

/* As friend number of a key that was used: it is the key of a person who was removed. */
#define USED_REMOVED UINT32_MAX

struct friend;
struct conversation;

enum dirty { DIRTY_FRIEND = 1, DIRTY_CONVERSATION = 2, DIRTY_FLIGHTS = 4, DIRTY_FADING = 8, DIRTY_GONE = 16, DIRTY_ALL = 31 };

struct slot {
    bool     is_used, is_ours, is_reset, is_established;
    uint32_t day;                 /* session_day when it was last touched */
    uint64_t rank, at_s;          /* as in struct slot_record */
    uint8_t  start_key[32];
    uint8_t  start_hash[16];
};

/* Messages of one turn: a neighbour gives the newest first, a person wants to read them as they were written. Until the
 * turn's commit nobody has seen their numbers, so they can still change places. */
struct burst {
    uint64_t now_ms;
    uint32_t first, count;        /* numbers first..first+count-1; count 0: none */
    struct written { uint64_t time_unix_s; uint32_t index; } keys[BURST_MAX];
};

/* Who takes part in a conversation. The file that owns a shared one sets it; among two it is known. */
struct member { uint32_t author; const char *name; struct mention mention; };
/* The index-th of them, ourselves with AUTHOR_ME among them; the name is lent as long as the conversation is as it is. False: there are not so many. */
typedef bool member_at(struct messenger *m, const struct conversation *c, uint32_t index, struct member *out);

/* Takes a remark of ours, done here already, to the others of a shared conversation. */
typedef enum err send_remark(struct messenger *m, struct conversation *c, const struct remark *r, const struct order *when);

/* With a friend, or shared by several: a group, a channel, the room. What a person does with messages works on either. */
struct conversation {
    uint32_t number;              /* the friend's; shared ones have CONVERSATION_SHARED in theirs */
    struct friend *friend;        /* NULL: it is shared */
    member_at *members;           /* NULL in one with a friend */
    send_remark *send_remark;     /* NULL: none are made in it */
    uint64_t early_due_s;         /* when the first of the remarks kept for messages to come is given up; 0: there are none */
    struct conversation_record r;
    struct due_list fading;
    struct gone_list gone;
    struct burst burst;
    uint8_t  dirty;               /* enum dirty; of a shared one only, otherwise the friend's counts */
};

struct friend {
    uint32_t number;
    struct friend_record r;
    struct slot slots[SLOTS_MAX];
    struct conversation talk;
    struct due_list flights;
    uint8_t  dirty;               /* enum dirty */
    uint64_t due_s;               /* the soonest of all that waits for the clock */
};

struct messenger {
    struct messenger_config config;
    enum err failed;              /* sticks */

    struct identity *identity;
    struct settings_record settings;
    struct used_list used;
    bool is_identity_dirty, is_settings_dirty, is_used_dirty, is_any_dirty;

    struct friend **friends;      /* by rising number */
    uint32_t friend_count, friend_cap;

    struct conversation **shared; /* by rising number */
    uint32_t shared_count, shared_cap;

    struct watch *watch;
    struct media_shelf *media;    /* NULL without blobs */

    uint64_t now_ms, wall_unix_s; /* of the call under way, or the last one */
    uint64_t base_ms, base_s;     /* the clock: base_s at base_ms */
    bool     is_clock_set;        /* the first now_ms has been seen */
    uint64_t saved_s;             /* when the clock was last written */
    uint64_t day_ends_ms;

    struct messenger_event *events;
    uint32_t event_first, event_count, event_cap;

    struct buffer record;         /* for encoding */
    uint8_t *bundle, *payload;    /* BUNDLE_LEN_MAX each: read or sealed; opened */
    uint8_t *plain;               /* PLAIN_MAX: to be sealed */
    char    *text;                /* of the message last loaded */
    char     card_name[CARD_NAME_MAX + 1];
    char     reason[160];
};

/* ---- messenger.c ---- */

/* Notes the time of a call. */
void     messenger_at(struct messenger *m, uint64_t wall_unix_s, uint64_t now_ms);
uint64_t messenger_clock_s(const struct messenger *m);
uint32_t messenger_day(const struct messenger *m);
void     messenger_tell(struct messenger *m, enum messenger_event_kind kind, uint32_t friend_number,
                        const struct message_id *id);

/* Keeps the first error other than ERR_NONE and ERR_NOT_FOUND; returns e. */
enum err messenger_fail(struct messenger *m, enum err e);

/* Writes what is dirty. */
enum err messenger_settle(struct messenger *m);

/* Wipes the encoding buffer and gives it back, empty. */
struct buffer *messenger_record(struct messenger *m);

/* A pause that tells nobody when something was read or written. */
uint64_t messenger_soon_s(struct messenger *m);

/* Sets up a messenger on the stack around an archive in which nobody is yet: for who makes a person. ERR_EXISTS. */
enum err messenger_begin(struct messenger *m, const struct messenger_config *config);
void     messenger_end(struct messenger *m);

/* ---- self.c ---- */
enum err self_load(struct messenger *m);
enum err self_save(struct messenger *m);
void     self_tend(struct messenger *m);
bool     self_is_used(const struct messenger *m, const uint8_t key[16]);
void     self_use(struct messenger *m, const uint8_t key[16], uint32_t friend_number);
/* Names the card's content that friends must know: it changes with name, inbox and mailbox bits, not with the prekey. */
void     self_card_mark(const struct messenger *m, uint8_t out[8]);
/* A removed person's next first message is refused, unless it comes by a card handed out since. */
void     self_refuse(struct messenger *m, const struct card *card);
enum err self_replace_inbox(struct messenger *m);
void     self_invite_used(struct messenger *m, uint32_t inbox_id);
bool     self_is_standing(const struct messenger *m, uint32_t inbox_id);
/* ERR_NOT_FOUND. */
enum err self_inbox(const struct messenger *m, uint32_t inbox_id, struct inbox_view *out);

/* ---- friends.c ---- */
struct backup_friend;
struct friend *friend_by_number(const struct messenger *m, uint32_t number);
struct friend *friend_by_card(const struct messenger *m, const struct card *c);
enum err friends_load(struct messenger *m);
enum err friend_save(struct messenger *m, struct friend *f);
void     friends_free(struct messenger *m);
void     friend_touch(struct messenger *m, struct friend *f, unsigned dirty);
/* `as` empty: the card's name. */
enum err friend_new(struct messenger *m, const struct card *card, struct bytes as, struct friend **out);
/* A friend from a backup, before there is anything to look out for. A reset is owed to who has heard of us. */
enum err friend_put_back(struct messenger *m, const struct backup_friend *b);
void     friend_take_card(struct messenger *m, struct friend *f, const struct card *card);
void     friend_accepted(struct messenger *m, struct friend *f);
void     friend_fill_info(struct messenger *m, const struct friend *f, struct friend_info *out);
/* Without regard to ASCII case. */
bool     name_is_same(const char *a, struct bytes b);
uint32_t friends_asking(const struct messenger *m);

/* ---- sessions.c ---- */

/* All that follow lend nothing: the caller frees the session. */
enum err slot_load(struct messenger *m, const struct friend *f, unsigned slot, struct session **out);
/* Reads the facts of a slot at open. ERR_NOT_FOUND: it is free. */
enum err slot_facts(struct messenger *m, struct friend *f, unsigned slot);
void     slot_note(struct slot *s, const struct session *session);
enum err slot_save(struct messenger *m, struct friend *f, unsigned slot, const struct session *s);
void     slot_drop(struct messenger *m, struct friend *f, unsigned slot);
void     slots_drop_but(struct messenger *m, struct friend *f, int kept);
/* The slot of the session that this key of theirs started; -1. */
int      slot_by_start(const struct friend *f, const uint8_t start_key[32]);
/* The session to send on, begun when there is none. *is_new: not in the archive yet. */
enum err slot_to_send(struct messenger *m, struct friend *f, unsigned *slot, struct session **out, bool *is_new);
uint32_t first_day(const struct messenger *m, const struct friend *f);
enum err slot_begin(struct messenger *m, struct friend *f, enum session_form form, unsigned *slot, struct session **out);
/* A free slot, made by dropping the lowest rank if need be. */
unsigned slot_room(struct messenger *m, struct friend *f);
/* Something of theirs opened on it: it is the one to send on, unless both started at once and ours wins. */
void     slot_received(struct messenger *m, struct friend *f, unsigned slot);

/* ---- conversations.c ---- */

/* NULL: there is none. */
struct conversation *conversation_by_number(const struct messenger *m, uint32_t number);
/* A new shared one, empty; its number is not used by another and stays. ERR_FULL past CONVERSATIONS_SHARED_MAX. */
enum err conversation_new_shared(struct messenger *m, struct conversation **out);
/* Forgets it with all its messages; c is gone. */
enum err conversation_remove_shared(struct messenger *m, struct conversation *c);
/* Marks for messenger_settle. */
void     conversation_touch(struct messenger *m, struct conversation *c, unsigned dirty);
bool     conversation_member(struct messenger *m, const struct conversation *c, uint32_t index, struct member *out);
bool     conversation_member_by_author(struct messenger *m, const struct conversation *c, uint32_t author, struct member *out);
bool     conversation_member_by_mention(struct messenger *m, const struct conversation *c, const struct mention *mention, struct member *out);
/* Case-insensitive for ASCII, as names of friends are. */
bool     conversation_member_by_name(struct messenger *m, const struct conversation *c, struct bytes name, struct member *out);

/* For friends.c and messenger.c: the parts that any conversation has. */
void     conversation_begin(struct conversation *c, uint32_t number, struct friend *f);
enum err conversation_load(struct messenger *m, struct conversation *c);
enum err conversation_save(struct messenger *m, const struct conversation *c, unsigned dirty);
enum err conversation_forget(struct messenger *m, struct conversation *c);
/* The record of early remarks, lent as the archive does; and `count` of them from m->record in its place, 0: none. */
enum err conversation_early(struct messenger *m, const struct conversation *c, struct bytes *in);
enum err conversation_put_early(struct messenger *m, const struct conversation *c, uint32_t count);
void     conversation_clear(struct conversation *c);
void     conversation_wake(struct messenger *m, struct conversation *c);
uint64_t conversation_due_s(const struct conversation *c);
enum err conversations_load(struct messenger *m);
enum err conversations_save(struct messenger *m);
void     conversations_wake(struct messenger *m);
uint64_t conversations_due_s(const struct messenger *m);
void     conversations_free(struct messenger *m);

/* ---- conversation.c ---- */
void     message_id_text(const struct message_id *id, char out[MESSAGE_ID_TEXT_LEN + 1]);

/* The message's text stands in m->text until the next load. ERR_NOT_FOUND. */
enum err message_load(struct messenger *m, const struct conversation *c, uint32_t number, struct message_record *out);
enum err message_store(struct messenger *m, const struct conversation *c, uint32_t number, const struct message_record *msg);
enum err message_place(struct messenger *m, const struct message_id *id, struct place *out);
/* Gives it the next number, writes it and its id. */
enum err message_append(struct messenger *m, struct conversation *c, const struct message_record *msg, uint32_t *number);
/* An incoming one finds its place among those that came in the same turn: by the sender's clock, then by index (that of
 * its tag, or 0). */
enum err message_append_incoming(struct messenger *m, struct conversation *c, const struct message_record *msg, uint32_t index);
/* Deletes every record of it; what of its bundles is still carried is let go. */
enum err message_remove(struct messenger *m, struct conversation *c, uint32_t number);
void     message_fill_info(struct messenger *m, const struct conversation *c, uint32_t number, const struct message_record *msg,
                           struct message_info *out);
bool     message_is_gone(const struct conversation *c, const struct message_id *id);

/* ERR_NOT_FOUND: no id. */
enum err message_id_of_text(struct message_id *out, struct bytes text);

/* By its id as a person gives it. ERR_NOT_FOUND unless both message and conversation are here; a remark is no message. */
enum err message_find(struct messenger *m, struct bytes id_text, struct conversation **c, uint32_t *number, struct message_record *msg);

/* ---- remarks.c ---- */

/* What a remark of `author`, not us, does: now, or when its message comes. What its author may not is dropped. */
void     remark_take(struct messenger *m, struct conversation *c, const struct remark *r, uint32_t author, const struct order *when);
/* A message has come: what was said of it before is done. */
void     remarks_catch_up(struct messenger *m, struct conversation *c, const struct message_id *id);
enum err remarks_load(struct messenger *m, struct conversation *c);
void     remarks_wake(struct messenger *m, struct conversation *c);

/* ---- outbox.c ---- */

/* Replies and mentions into the record. ERR_NOT_FOUND: no such message in this conversation, or nobody of that name; ERR_TOO_LARGE. */
enum err message_refer(struct messenger *m, const struct conversation *c, const struct outgoing *o, struct message_record *msg);
enum err outbox_queue_remark(struct messenger *m, struct friend *f, const struct remark *r, const struct order *when);
/* Its text goes no further from here: bundles are let go, no more are made. */
enum err outbox_drop(struct messenger *m, struct conversation *c, uint32_t number, struct message_record *msg);

struct letter {                 /* something to seal */
    uint8_t type, flags;
    uint32_t time_unix_s;
    struct content content;
    uint32_t life_s;
};
struct sent {
    struct bundle_id id;
    struct sealed sealed;
    uint8_t  size_code;
    uint64_t expires_s;         /* on our clock */
};
/* Seals, with as many waiting acknowledgements as fit, and gives it to the node. Nothing changed on failure. */
enum err outbox_send(struct messenger *m, struct friend *f, const struct letter *l, struct sent *out);
/* A message is tried now if it can be; otherwise it waits with its reason. */
void     outbox_try(struct messenger *m, struct friend *f, uint32_t number);
/* All unanswered messages are tried again at the next turn. */
void     outbox_hurry(struct messenger *m, struct friend *f);
/* An id that nothing here has. */
void     message_draw_id(struct messenger *m, struct message_id *id);
/* The message that announces a content, under an id drawn before. While it is being prepared it is held back, for a minute at most. */
enum err messenger_queue_media(struct messenger *m, struct friend *f, const struct message_id *id, struct bytes caption, uint32_t life_s,
                               bool is_preparing, uint32_t *life);
void     messenger_release_media(struct messenger *m, uint32_t friend_number, const struct message_id *id);
/* All unanswered messages are over, and no longer carried: the friend is blocked. */
void     outbox_give_up(struct messenger *m, struct friend *f);
void     outbox_wake(struct messenger *m, struct friend *f);
void     outbox_on_carried(struct messenger *m, const struct node_event *event);
void     outbox_on_stamp_wanted(struct messenger *m, const struct node_event *event);
void     outbox_on_dropped(struct messenger *m, const struct node_event *event);
/* The friend's device has it; or the person has read it. */
void     outbox_delivered(struct messenger *m, struct friend *f, const struct message_id *id, bool is_read);
/* Stops carrying its bundles. */
enum err outbox_release(struct messenger *m, const struct message_record *msg, bool is_delivered);

/* ---- receipts.c ---- */
void     receipts_ack(struct messenger *m, struct friend *f, const struct message_id *id);
void     receipts_read(struct messenger *m, struct friend *f, const struct message_id *id);
/* Which acknowledgements go into a letter with room for `room` ids: the first *waiting of them are due, which
 * receipts_sent notes once it was sent; the others are repeats. */
uint8_t  receipts_fill(const struct friend *f, size_t room, uint8_t (*out)[PAYLOAD_ACK_LEN], uint16_t *waiting);
void     receipts_sent(struct messenger *m, struct friend *f, uint16_t waiting);
void     receipts_wake(struct messenger *m, struct friend *f);
void     receipts_owe_card(struct messenger *m, struct friend *f);

/* ---- introductions.c ---- */
void     introduction_fill(struct messenger *m, const struct message_record *msg, struct message_info *out);

/* ---- disappear.c ---- */
void     disappear_start(struct messenger *m, struct conversation *c, uint32_t number, uint32_t seconds);
void     disappear_wake(struct messenger *m, struct conversation *c);

/* ---- media_shelf.c, media_in.c, media_out.c: contents (media_shelf.h). All are harmless without blobs. ---- */
enum err media_open(struct messenger *m);
void     media_close(struct messenger *m);
enum err media_settle(struct messenger *m);
void     media_wake(struct messenger *m);
uint64_t media_due_s(const struct messenger *m);
/* True when the bundle was a chunk. */
bool     media_on_event(struct messenger *m, const struct node_event *event);
void     media_on_link(struct messenger *m, const struct node_event *event);
void     media_in_announced(struct messenger *m, struct friend *f, const struct message_id *id, struct bytes manifest, uint32_t life_s);
void     media_take_report(struct messenger *m, struct friend *f, struct bytes body);
void     media_removed(struct messenger *m, const struct message_id *id);
/* Lent until the next messenger_ call; NULL: nothing is known of it. */
const struct media_info *media_of_message(struct messenger *m, const struct message_id *id);
/* What announces it, lent until the next media_ call. ERR_NOT_FOUND. */
enum err media_announcement(struct messenger *m, const struct message_id *id, struct bytes *out);

/* ---- arrivals.c ---- */

/* Tries to open a carried bundle as what its tag was expected for. ERR_TOO_LARGE: too far ahead of what has come, to be
 * tried again when more has; any other error: not ours, or not again. */
enum err arrival_open(struct messenger *m, const struct store_entry *entry, const struct expected *as);

#endif
