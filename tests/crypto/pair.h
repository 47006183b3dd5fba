/* tests/crypto/pair.h - two people and what a messenger does around their sessions, for the tests of sessions. */
#ifndef STA_TESTS_CRYPTO_PAIR_H
#define STA_TESTS_CRYPTO_PAIR_H

#include "crypto/session.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { PAIR_SESSIONS_MAX = 8, PAIR_BUNDLE_MAX = 1024, PAIR_DAY = 690 };

struct person {
    struct identity *id;
    struct card peer;             /* as we hold it */
    bool     knows_peer;
    uint8_t  pair_root[32];
    struct session *sessions[PAIR_SESSIONS_MAX];
    size_t   session_count;
};

struct pair {
    struct seeded seed;
    struct rng g;
    struct person a, b;
};

struct letter {
    uint8_t  bundle[PAIR_BUNDLE_MAX];
    size_t   len;
    uint32_t day;                 /* the session's */
    struct sealed sealed;
};

/* Both are new on these days; a holds b's card. */
void pair_init(struct pair *p, uint64_t seed, uint32_t day_a, uint32_t day_b);
/* The same on PAIR_DAY; a has written, b has answered, and the answer has been read. */
void pair_connected(struct pair *p, uint64_t seed);
void pair_clear(struct pair *p);
void pair_introduce(struct person *to, const struct person *who);

struct session *person_start(struct pair *p, struct person *me, enum session_form form, uint32_t day);
void person_forget_sessions(struct person *me);

/* Seals `text` in the smallest bundle, with a life of 14 days. */
enum err letter_seal(struct pair *p, struct person *me, struct session *s, uint32_t day, const char *text,
                     struct letter *out);

/* In the person's first session, or the end of the test. */
void seal(struct pair *p, struct person *me, uint32_t day, const char *text, struct letter *l);

/* Finds the session by its tags, as a messenger would, on the days that the expiry allows. Every failure is checked to
 * have changed nothing. *in is the session that opened it; `text` takes PAIR_BUNDLE_MAX. ERR_NOT_FOUND: no tag matches. */
enum err letter_open(struct pair *p, struct person *me, const struct letter *l, char *text, struct session **in,
                     struct opened *out);

/* The same, for what it says. */
enum err try_open(struct pair *p, struct person *me, const struct letter *l);

/* Opens and compares in one line. */
#define CHECK_OPENS(p, me, l, want) check_opens((p), (me), (l), (want), __FILE__, __LINE__)
void check_opens(struct pair *p, struct person *me, const struct letter *l, const char *want, const char *file, int line);

void     session_bytes(const struct session *s, struct buffer *to);
/* Replaces *s by what its bytes say; the bytes of that are the same. */
void     session_reload(struct session **s);

#endif
