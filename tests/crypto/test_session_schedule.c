/* tests/crypto/test_session_schedule.c - random schedules of two people with loss, reordering, duplicates, days
 * that pass, clocks years apart, and states that are stored and read back between any two steps.
 *
 * Every payload that arrives opens once and in full; what arrives again, or damaged, changes nothing. A letter may
 * stay closed only where protocol section 4 says so: its chain is older than the five that are kept, it was under
 * way longer than its life, or the other's day has leapt past it by more than 15 (a clock that lags follows ours by leaps).
 *
 *     test_session_schedule [SEEDS [FIRST]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/session_internal.h"
#include "tests/crypto/pair.h"

enum { LETTERS_MAX = 64, STEPS = 400, LIFE = 14, RUN_MAX = 300 };

struct mail {
    struct letter letter;
    bool     is_used, is_opened;
    bool     to_b;
    uint32_t number;
    uint32_t sent_day;             /* of the true calendar */
    uint8_t  start[16];            /* which session */
    uint32_t chain;                /* which sending chain of that session and direction */
};

/* What one side has done in one session, told by the hash of its start. */
struct trail {
    uint8_t  start[16];
    uint32_t sent_chain;           /* chains begun */
    uint8_t  sent_key[32];
    uint32_t received_chain;       /* highest */
    uint32_t received_day;
    uint32_t sent_since_heard;
};

struct side {
    struct person *person;
    uint32_t clock;                /* added to the true day */
    struct trail trails[PAIR_SESSIONS_MAX];
    size_t trail_count;
    uint32_t sent, received;
};

struct world {
    struct pair pair;
    struct side a, b;
    struct mail mails[LETTERS_MAX];
    uint32_t day, number;
    char label[64];
    unsigned opened, repeated, closed, damaged;
};

static struct trail *trail_of(struct side *side, const uint8_t start[16])
{
    for (size_t i = 0; i < side->trail_count; i++) {
        if (memcmp(side->trails[i].start, start, 16) == 0)
            return &side->trails[i];
    }
    REQUIRE(side->trail_count < PAIR_SESSIONS_MAX);
    struct trail *t = &side->trails[side->trail_count++];
    memset(t, 0, sizeof *t);
    memcpy(t->start, start, 16);
    return t;
}

/* The session to write in: simultaneous starts settle on the smaller hash. */
static struct session *choose(struct side *side)
{
    struct session *best = NULL;
    uint8_t best_hash[16], hash[16];

    for (size_t i = 0; i < side->person->session_count; i++) {
        session_start_key_hash(side->person->sessions[i], hash);
        if (best == NULL || memcmp(hash, best_hash, 16) < 0) {
            best = side->person->sessions[i];
            memcpy(best_hash, hash, 16);
        }
    }
    return best;
}

static void text_of(char *to, uint32_t number)
{
    /* 1 to 121 characters; the last ones fill a bundle of 256 in the session form. */
    snprintf(to, 160, "%u:%.*s", number, (int)(number % 120),
             "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789"
             "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789");
}

static struct mail *mail_free_slot(struct world *w)
{
    for (size_t i = 0; i < LETTERS_MAX; i++) {
        if (!w->mails[i].is_used)
            return &w->mails[i];
    }
    return &w->mails[rng_below(&w->pair.g, LETTERS_MAX)];  /* the network is full: one is lost */
}

static void step_send(struct world *w, struct side *from)
{
    struct session *s = choose(from);
    char text[160];

    if (s == NULL)
        return;
    struct mail *m = mail_free_slot(w);
    memset(m, 0, sizeof *m);
    session_start_key_hash(s, m->start);
    struct trail *t = trail_of(from, m->start);
    if (t->sent_since_heard >= RUN_MAX)
        return;
    m->to_b = from == &w->a;
    m->number = w->number++;
    m->sent_day = w->day;
    text_of(text, m->number);
    enum err e = letter_seal(&w->pair, from->person, s, w->day + from->clock, text, &m->letter);
    if (e == ERR_STATE && session_form_next(s) != FORM_SESSION)
        return;  /* unanswered for a month */
    CHECK_ERR(w->label, e, ERR_NONE);
    m->is_used = e == ERR_NONE;
    if (memcmp(t->sent_key, s->ratchet.own_public, 32) != 0) {
        memcpy(t->sent_key, s->ratchet.own_public, 32);
        t->sent_chain++;
    }
    m->chain = t->sent_chain;
    t->sent_since_heard++;
    from->sent++;
}

/* The five newest chains of the sender that have reached us are kept, and fifteen days before the latest. */
static bool may_stay_closed(const struct trail *t, const struct mail *m)
{
    return m->chain + SESSION_CHAINS_MAX <= t->received_chain || m->letter.day + DAYS_KEPT < t->received_day;
}

static void step_deliver(struct world *w)
{
    struct mail *m = &w->mails[rng_below(&w->pair.g, LETTERS_MAX)];
    struct side *to = m->to_b ? &w->b : &w->a;
    struct session *in;
    struct opened o;
    char text[PAIR_BUNDLE_MAX], want[160];

    if (!m->is_used)
        return;
    if (w->day - m->sent_day > LIFE) {
        m->is_used = false;
        return;
    }
    if (rng_below(&w->pair.g, 8) == 0) {
        struct letter bad = m->letter;

        /* Not the stamp, which anybody may change. */
        size_t at = rng_below(&w->pair.g, (uint32_t)bad.len - HEADER_LEN) + HEADER_LEN;
        bad.bundle[at] ^= (uint8_t)(1u << rng_below(&w->pair.g, 8));
        CHECK_CASE(w->label, letter_open(&w->pair, to->person, &bad, text, &in, &o) != ERR_NONE);
        w->damaged++;
    }
    enum err e = letter_open(&w->pair, to->person, &m->letter, text, &in, &o);
    struct trail *t = trail_of(to, m->start);
    if (m->is_opened) {
        CHECK_CASE(w->label, e == ERR_REPLAY || (e != ERR_NONE && may_stay_closed(t, m)));
        w->repeated++;
    } else if (e == ERR_NONE) {
        text_of(want, m->number);
        CHECK_CASE(w->label, strcmp(text, want) == 0);
        CHECK_CASE(w->label, memcmp(o.message_id, m->letter.sealed.message_id, MESSAGE_ID_LEN) == 0);
        m->is_opened = true;
        t->received_chain = m->chain > t->received_chain ? m->chain : t->received_chain;
        t->received_day = m->letter.day > t->received_day ? m->letter.day : t->received_day;
        t->sent_since_heard = 0;
        to->received++;
        w->opened++;
    } else {
        CHECK_CASE(w->label, may_stay_closed(t, m));
        if (!may_stay_closed(t, m))
            fprintf(stderr, "    letter %u of chain %u (highest %u): %s\n", m->number, m->chain, t->received_chain,
                    err_text(e));
        w->closed++;
    }
    if (rng_below(&w->pair.g, 4) != 0)
        m->is_used = false;  /* else it stays, to come again */
}

static void step_store(struct world *w, struct side *side)
{
    (void)w;
    for (size_t i = 0; i < side->person->session_count; i++)
        session_reload(&side->person->sessions[i]);
}

static void step_day(struct world *w)
{
    w->day += 1 + rng_below(&w->pair.g, 3);
    for (int i = 0; i < 2; i++) {
        struct side *side = i == 0 ? &w->a : &w->b;

        for (size_t k = 0; k < side->person->session_count; k++)
            session_tend(side->person->sessions[k], w->day + side->clock);
    }
}

static unsigned long opened, repeated, closed, damaged;

static void run(uint64_t seed)
{
    static struct world w;
    static const uint32_t clocks[][2] = { { 690, 690 }, { 690, 691 }, { 0, 690 }, { 690, 0 }, { 5000, 690 }, { 691, 690 } };

    memset(&w, 0, sizeof w);
    snprintf(w.label, sizeof w.label, "seed %llu", (unsigned long long)seed);
    const uint32_t *clock = clocks[seed % (sizeof clocks / sizeof clocks[0])];
    w.a.clock = clock[0];
    w.b.clock = clock[1];
    pair_init(&w.pair, seed, w.a.clock, w.b.clock);
    w.a.person = &w.pair.a;
    w.b.person = &w.pair.b;
    uint32_t start = w.a.clock < w.pair.a.peer.valid_until_day ? w.a.clock : w.pair.a.peer.valid_until_day;
    bool is_both = seed % 3 == 0, is_f2 = seed % 4 == 1;
    if (is_both || is_f2)
        pair_introduce(&w.pair.b, &w.pair.a);
    person_start(&w.pair, &w.pair.a, is_f2 ? FORM_F2 : FORM_F1, start);
    if (is_both) {
        start = w.b.clock < w.pair.b.peer.valid_until_day ? w.b.clock : w.pair.b.peer.valid_until_day;
        person_start(&w.pair, &w.pair.b, is_f2 ? FORM_F2 : FORM_F1, start);
    }
    /* A clock far ahead of the card's owner cannot be insisted on in first messages; it is then the answer that leaps. */
    if (w.a.clock > start + FIRST_AGE_MAX && w.a.clock > w.pair.a.peer.valid_until_day)
        w.a.clock = w.pair.a.peer.valid_until_day;
    if (is_both && w.b.clock > w.pair.b.peer.valid_until_day)
        w.b.clock = w.pair.b.peer.valid_until_day;

    for (int i = 0; i < STEPS; i++) {
        uint32_t lot = rng_below(&w.pair.g, 100);

        if (lot < 22)
            step_send(&w, &w.a);
        else if (lot < 44)
            step_send(&w, &w.b);
        else if (lot < 82)
            step_deliver(&w);
        else if (lot < 88)
            w.mails[rng_below(&w.pair.g, LETTERS_MAX)].is_used = false;
        else if (lot < 97)
            step_store(&w, lot % 2 == 0 ? &w.a : &w.b);
        else
            step_day(&w);
    }
    opened += w.opened;
    repeated += w.repeated;
    closed += w.closed;
    damaged += w.damaged;
    pair_clear(&w.pair);
}

int main(int argc, char **argv)
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 60;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    for (uint64_t seed = first; seed < first + seeds; seed++)
        run(seed);
    printf("%lu opened, %lu came again, %lu too late, %lu damaged\n", opened, repeated, closed, damaged);
    /* A schedule that opens next to nothing tests nothing. */
    CHECK(opened > seeds * 20 && closed * 50 < opened);
    return check_report("session_schedule");
}
