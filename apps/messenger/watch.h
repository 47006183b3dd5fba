/* apps/messenger/watch.h - which tags are looked for, and bundles that may be ours though no tag says so yet.
 *
 * Tags are computed for the days that our own clock allows, today - 15 to today + 1. A bundle whose expiry speaks of
 * other days was made by somebody with another clock: its era (a block of 16 days) is computed on demand, four at a time, and
 * only as often as a bucket of tokens allows. Bundles in one of our buckets that match nothing are strays: when a tag is added
 * later (a session has moved on, an era was computed, a friend added), strays that bear it are found in one
 * probe. In idle time strays are searched further ahead than the table reaches.
 */
#ifndef STA_MESSENGER_WATCH_H
#define STA_MESSENGER_WATCH_H

#include "apps/messenger/tagbook.h"
#include "crypto/session.h"
#include "storage/store.h"

struct messenger;
struct friend;
struct watch;

enum {
    WATCH_DAYS_BACK    = 15,
    WATCH_DAYS_AHEAD   = 1,
    BUNDLE_DAYS_MAX    = 16,      /* from the day a bundle is made to that of its expiry: 14 + 1 of blur + rounding */
    ERA_DAYS           = 16,
    ERAS_MAX           = 4,
    ERAS_WANTED_MAX    = 8,
    ERA_TOKENS_MAX     = 8,       /* eras computed at once; each costs some 0.1 s with 200 friends */
    ERA_TOKEN_S        = 300,     /* one more after */
    STRAYS_MAX         = 32768,
    STRAYS_SAME_MAX    = 64,      /* of one tag: a day's slots of first messages are few */
    EARLY_MAX          = 1024,    /* each costs an attempt after every hit */
    SWEEP_PAUSE_S      = 3600,
    SWEEP_DELAY_S      = 60,
};

/* What a tag was expected for. */
enum expected_kind { EXPECTED_SESSION = 0, EXPECTED_F1 = 1, EXPECTED_F2 = 2 };
struct expected {
    uint8_t  kind;       /* enum expected_kind */
    uint8_t  slot;       /* SESSION: of the friend's */
    uint16_t index;      /* SESSION */
    uint32_t day;
    uint32_t owner;      /* the friend's number; F1: the inbox's id */
};

enum err watch_new(struct watch **out, struct messenger *m);
void     watch_free(struct watch *w);

/* Computes everything anew for today. Strays stay. */
enum err watch_rebuild(struct watch *w);

/* Looks for what came later: call after each of these changed. */
enum err watch_inbox(struct watch *w, const struct inbox_view *inbox);
enum err watch_friend(struct watch *w, const struct friend *f);
enum err watch_session(struct watch *w, const struct friend *f, unsigned slot, const struct session *s);
/* An index was received: the window of its day moves from `from` (session_expect_from before) on. */
enum err watch_advance(struct watch *w, const struct friend *f, unsigned slot, const struct session *s, uint32_t day,
                       uint32_t from);

/* Forgets a friend's tags. */
enum err watch_forget(struct watch *w, uint32_t friend_number);

/* The nth meaning of a tag. */
bool     watch_find(struct watch *w, const uint8_t tag[TAG_LEN], unsigned nth, struct expected *out);

/* Keeps a bundle that matched nothing, if it may be ours. */
void     watch_stray(struct watch *w, const struct store_entry *entry);
void     watch_dropped(struct watch *w, const struct store_entry *entry);

/* A bundle whose tag has a meaning, to be opened when there is time. */
void     watch_found(struct watch *w, const struct store_entry *entry);

/* A stray that has a meaning by now, by its arrival number; false: none. */
bool     watch_next_found(struct watch *w, uint64_t *seq);

/* A bundle that could not be opened before others have been: it is found again at the wake after the next hit. */
void     watch_early(struct watch *w, const struct store_entry *entry);

/* A tag of this day was opened: its era is in use. */
void     watch_hit(struct watch *w, uint32_t day);

/* Computes wanted eras and searches ahead, a bounded share a call; watch_due_s says when it wants the next. */
enum err watch_wake(struct watch *w);
uint64_t watch_due_s(const struct watch *w);

/* For tests and bench: tags in the table, strays. */
size_t   watch_tag_count(const struct watch *w);
size_t   watch_stray_count(const struct watch *w);

#endif
