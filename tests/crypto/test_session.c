/* tests/crypto/test_session.c - the rules of sessions (protocol section 4), one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/session_internal.h"
#include "tests/crypto/pair.h"

enum { DAY = PAIR_DAY };

static const char HUNDRED[] = "A text of one hundred characters, to be counted: it is the size that the protocol's table speaks of.";

static void test_beginning(void)
{
    struct pair p;
    struct letter l, repeat;
    uint8_t id_a[SESSION_ID_LEN], id_b[SESSION_ID_LEN], tag[TAG_LEN];

    pair_init(&p, 1, DAY, DAY);
    struct session *s = person_start(&p, &p.a, FORM_F1, DAY);
    CHECK(session_form_next(s) == FORM_F1 && !session_is_established(s));
    REQUIRE(strlen(HUNDRED) == 100);
    seal(&p, &p.a, DAY, HUNDRED, &l);
    CHECK(l.len == 512 && !l.sealed.has_reveal);
    seal(&p, &p.a, DAY, "again", &repeat);
    CHECK_OPENS(&p, &p.b, &l, HUNDRED);
    CHECK(card_is_same_person(&p.b.peer, identity_card(p.a.id)));
    CHECK(session_is_established(p.b.sessions[0]) && session_form_next(p.b.sessions[0]) == FORM_SESSION);
    CHECK_OPENS(&p, &p.b, &repeat, "again");
    CHECK(p.b.session_count == 1);
    CHECK_ERR("a first message twice", try_open(&p, &p.b, &l), ERR_REPLAY);

    seal(&p, &p.b, DAY, HUNDRED, &l);
    CHECK(l.len == 256 && l.sealed.has_reveal);
    tag_of_reveal(l.sealed.reveal, tag);
    CHECK_BYTES("the reveal proves the tag", bytes_of(tag, TAG_LEN), bytes_of(l.bundle + 8, TAG_LEN));
    CHECK_OPENS(&p, &p.a, &l, HUNDRED);
    CHECK(session_is_established(s) && session_form_next(s) == FORM_SESSION);
    session_id(s, id_a);
    session_id(p.b.sessions[0], id_b);
    CHECK_BYTES("session id", bytes_of(id_a, sizeof id_a), bytes_of(id_b, sizeof id_b));
    seal(&p, &p.a, DAY, HUNDRED, &l);
    CHECK(l.len == 256 && l.sealed.has_reveal);
    CHECK_OPENS(&p, &p.b, &l, HUNDRED);
    CHECK_ERR("a session message twice", try_open(&p, &p.b, &l), ERR_REPLAY);
    pair_clear(&p);
}

/* Every first message of the first days is lost: the responder has to learn when the day chains began. */
static void test_late_first(enum session_form form)
{
    for (uint32_t age = 0; age <= FIRST_AGE_MAX; age += age < 3 ? 1 : 7) {
        struct pair p;
        struct letter lost, l;

        pair_init(&p, 2 + age, DAY, DAY);
        pair_introduce(&p.b, &p.a);
        person_start(&p, &p.a, form, DAY);
        seal(&p, &p.a, DAY, "lost", &lost);
        seal(&p, &p.a, DAY + age, "found", &l);
        CHECK_OPENS(&p, &p.b, &l, "found");
        seal(&p, &p.b, DAY + age, "answer", &l);
        CHECK_OPENS(&p, &p.a, &l, "answer");
        seal(&p, &p.a, DAY + age + 1, "in session", &l);
        CHECK_OPENS(&p, &p.b, &l, "in session");
        CHECK_OPENS(&p, &p.b, &lost, "lost");
        pair_clear(&p);
    }
    struct pair p;
    struct letter l;
    pair_init(&p, 3, DAY, DAY);
    struct session *s = person_start(&p, &p.a, form, DAY);
    CHECK_ERR("too old to begin", letter_seal(&p, &p.a, s, DAY + FIRST_AGE_MAX + 1, "x", &l), ERR_STATE);
    CHECK_ERR("and still usable", letter_seal(&p, &p.a, s, DAY + FIRST_AGE_MAX, "x", &l), ERR_NONE);
    pair_clear(&p);
}

static void test_order_and_loss(void)
{
    enum { COUNT = 12 };
    static const int order[COUNT] = { 5, 2, 2, 0, 11, 4, 5, 1, 3, 10, 0, 7 };
    struct letter l[COUNT];
    bool seen[COUNT] = { false };
    char text[16];
    struct pair p;

    pair_connected(&p, 4);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "m%d", i);
        seal(&p, &p.a, DAY + (uint32_t)i / 4, text, &l[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        int which = order[i];

        snprintf(text, sizeof text, "m%d", which);
        if (seen[which])
            CHECK_ERR(text, try_open(&p, &p.b, &l[which]), ERR_REPLAY);
        else
            CHECK_OPENS(&p, &p.b, &l[which], text);
        seen[which] = true;
    }
    /* Both write before they read. */
    struct letter from_a[3], from_b[3];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            seal(&p, &p.a, DAY + 3, "from a", &from_a[i]);
            seal(&p, &p.b, DAY + 3, "from b", &from_b[i]);
        }
        for (int i = 2; i >= 0; i--) {
            CHECK_OPENS(&p, &p.a, &from_b[i], "from b");
            CHECK_OPENS(&p, &p.b, &from_a[i], "from a");
        }
    }
    CHECK_OPENS(&p, &p.b, &l[6], "m6");
    pair_clear(&p);
}

/* Opens with the index that the seal used, past what a table looks ahead. */
static enum err open_at(struct session *s, const struct letter *l, uint32_t index)
{
    uint8_t plain[BUNDLE_LEN_MAX];
    struct opened o;

    return session_open(s, l->day, index, bytes_of(l->bundle, l->len), plain, &o);
}

static void test_gaps(void)
{
    struct pair p;
    struct letter *l = malloc(sizeof *l * (SESSION_SKIPPED_MAX + 700));

    REQUIRE(l != NULL);
    pair_connected(&p, 5);
    struct session *b = p.b.sessions[0], *copy;
    uint32_t count = SESSION_SKIPPED_MAX + 700;
    for (uint32_t i = 0; i < count; i++)
        seal(&p, &p.a, DAY, "x", &l[i]);
    CHECK_ERR("gap + 1", open_at(b, &l[SESSION_GAP_MAX + 1], SESSION_GAP_MAX + 1), ERR_TOO_LARGE);
    REQUIRE(session_copy(&copy, b) == ERR_NONE);
    CHECK_ERR("gap", open_at(b, &l[SESSION_GAP_MAX], SESSION_GAP_MAX), ERR_NONE);
    CHECK_ERR("gap, in a copy", open_at(copy, &l[SESSION_GAP_MAX], SESSION_GAP_MAX), ERR_NONE);
    CHECK(session_expect_from(b, DAY) == SESSION_GAP_MAX + 1);
    session_free(copy);

    uint32_t at = SESSION_GAP_MAX;
    while (at + SESSION_GAP_MAX + 1 < count) {
        at += SESSION_GAP_MAX + 1;
        CHECK_ERR("another gap", open_at(b, &l[at], at), ERR_NONE);
        CHECK(b->skipped.count <= SESSION_SKIPPED_MAX);
    }
    CHECK(b->skipped.count == SESSION_SKIPPED_MAX);
    session_reload(&p.b.sessions[0]);
    b = p.b.sessions[0];
    CHECK_ERR("the oldest key made room", open_at(b, &l[0], 0), ERR_REPLAY);
    CHECK_ERR("the newest is there", open_at(b, &l[at - 1], at - 1), ERR_NONE);
    CHECK_ERR("once", open_at(b, &l[at - 1], at - 1), ERR_REPLAY);

    CHECK(!session_tend(b, DAY + SESSION_SKIPPED_DAYS));
    CHECK_ERR("on its last day", open_at(b, &l[at - 2], at - 2), ERR_NONE);
    CHECK(session_tend(b, DAY + SESSION_SKIPPED_DAYS + 1) && b->skipped.count == 0);
    CHECK(!session_tend(b, DAY + SESSION_SKIPPED_DAYS + 1));
    CHECK_ERR("after it", open_at(b, &l[at - 3], at - 3), ERR_REPLAY);
    free(l);
    pair_clear(&p);
}

/* What was lost at the end of a chain does not make the next one unreadable. */
static void test_lost_chain_end(void)
{
    struct pair p;
    struct letter l, first_lost;

    pair_connected(&p, 6);
    seal(&p, &p.a, DAY, "one", &l);
    CHECK_OPENS(&p, &p.b, &l, "one");
    seal(&p, &p.a, DAY, "first lost", &first_lost);
    for (int i = 0; i < SESSION_GAP_MAX + 100; i++)
        seal(&p, &p.a, DAY, "lost", &l);
    seal(&p, &p.b, DAY, "two", &l);
    CHECK_OPENS(&p, &p.a, &l, "two");
    seal(&p, &p.a, DAY + 1, "three", &l);
    CHECK_OPENS(&p, &p.b, &l, "three");
    CHECK(p.b.sessions[0]->skipped.count == SESSION_GAP_MAX);
    CHECK_OPENS(&p, &p.b, &first_lost, "first lost");
    pair_clear(&p);
}

static void test_chains(void)
{
    enum { ROUNDS = SESSION_CHAINS_MAX + 2 };
    struct letter late[ROUNDS], l;
    struct pair p;

    pair_connected(&p, 7);
    for (int i = 0; i < ROUNDS; i++) {
        seal(&p, &p.a, DAY, "late", &late[i]);
        seal(&p, &p.a, DAY, "a", &l);
        CHECK_OPENS(&p, &p.b, &l, "a");
        seal(&p, &p.b, DAY, "b", &l);
        CHECK_OPENS(&p, &p.a, &l, "b");
        CHECK(p.b.sessions[0]->ratchet.chain_count <= SESSION_CHAINS_MAX);
        CHECK(p.b.sessions[0]->skipped.count <= SESSION_CHAINS_MAX);
        session_reload(&p.b.sessions[0]);
    }
    CHECK(try_open(&p, &p.b, &late[0]) != ERR_NONE);
    CHECK(try_open(&p, &p.b, &late[ROUNDS - SESSION_CHAINS_MAX - 1]) != ERR_NONE);
    for (int i = ROUNDS - SESSION_CHAINS_MAX; i < ROUNDS; i++)
        CHECK_OPENS(&p, &p.b, &late[i], "late");
    pair_clear(&p);
}

/* One message lies on a courier's desk while a hundred others are answered. */
static void test_chain_outlives_answers(void)
{
    struct letter late, l;
    struct pair p;

    pair_connected(&p, 8);
    seal(&p, &p.a, DAY, "late", &late);
    for (int i = 0; i < 100; i++) {
        seal(&p, &p.a, DAY, "a", &l);
        CHECK_OPENS(&p, &p.b, &l, "a");
        seal(&p, &p.b, DAY, "b", &l);
        CHECK_OPENS(&p, &p.a, &l, "b");
        CHECK(p.b.sessions[0]->ratchet.chain_count <= SESSION_CHAINS_KEPT + 1);
        session_reload(&p.b.sessions[0]);
    }
    CHECK_OPENS(&p, &p.b, &late, "late");
    CHECK(try_open(&p, &p.b, &late) != ERR_NONE);
    pair_clear(&p);
}

static void test_number_limit(void)
{
    struct pair p;
    struct letter l;

    pair_connected(&p, 8);
    struct session *a = p.a.sessions[0];
    seal(&p, &p.a, DAY, "x", &l);
    for (uint32_t i = 1; i < SESSION_N_MAX; i++) {
        uint8_t bundle[256];
        struct sealed sealed;

        REQUIRE(session_seal(a, &(struct seal_request){ .day = DAY + i / 60, .expiry_h = 24 }, &p.g, bundle, &sealed) ==
                ERR_NONE);
    }
    struct buffer before, after;
    session_bytes(a, &before);
    CHECK_ERR("one too many", letter_seal(&p, &p.a, a, DAY + 2000, "x", &l), ERR_STATE);
    session_bytes(a, &after);
    CHECK_BYTES("nothing changed", buffer_bytes(&after), buffer_bytes(&before));
    buffer_clear(&before);
    buffer_clear(&after);
    /* An answer makes a new chain. */
    CHECK_OPENS(&p, &p.b, &l, "x");
    pair_clear(&p);
}

static void test_simultaneous(void)
{
    struct pair p;
    struct letter from_a, from_b, l;
    uint8_t hash_a[16], hash_b[16];

    pair_init(&p, 12, DAY, DAY);
    pair_introduce(&p.b, &p.a);
    person_start(&p, &p.a, FORM_F1, DAY);
    person_start(&p, &p.b, FORM_F1, DAY);
    seal(&p, &p.a, DAY, "from a", &from_a);
    seal(&p, &p.b, DAY, "from b", &from_b);
    CHECK_OPENS(&p, &p.a, &from_b, "from b");
    CHECK_OPENS(&p, &p.b, &from_a, "from a");
    CHECK(p.a.session_count == 2 && p.b.session_count == 2);
    /* sessions[1] of each is the other's start: both see the same two hashes. */
    session_start_key_hash(p.a.sessions[0], hash_a);
    session_start_key_hash(p.b.sessions[1], hash_b);
    CHECK_BYTES("a's start", bytes_of(hash_a, 16), bytes_of(hash_b, 16));
    session_start_key_hash(p.b.sessions[0], hash_b);
    CHECK(memcmp(hash_a, hash_b, 16) != 0);
    int of_a = memcmp(hash_a, hash_b, 16) < 0 ? 0 : 1;
    for (int i = 0; i < 3; i++) {
        REQUIRE(letter_seal(&p, &p.a, p.a.sessions[of_a], DAY, "settled a", &l) == ERR_NONE);
        CHECK_OPENS(&p, &p.b, &l, "settled a");
        REQUIRE(letter_seal(&p, &p.b, p.b.sessions[1 - of_a], DAY, "settled b", &l) == ERR_NONE);
        CHECK_OPENS(&p, &p.a, &l, "settled b");
    }
    CHECK(session_form_next(p.a.sessions[of_a]) == FORM_SESSION);
    pair_clear(&p);
}

/* A restored state seals again under a message key that was used: the nonce must differ. */
static void test_rollback(void)
{
    for (int with_step = 0; with_step < 2; with_step++) {
        struct pair p;
        struct letter first, second, l;
        struct session *old;

        pair_connected(&p, 13 + (uint64_t)with_step);
        if (!with_step) {
            seal(&p, &p.a, DAY, "takes the step", &l);
            CHECK_OPENS(&p, &p.b, &l, "takes the step");
        }
        REQUIRE(session_copy(&old, p.a.sessions[0]) == ERR_NONE);
        seal(&p, &p.a, DAY, "before", &first);
        session_free(p.a.sessions[0]);
        p.a.sessions[0] = old;
        seal(&p, &p.a, DAY, "after!", &second);
        CHECK_BYTES("the tag repeats", bytes_of(second.bundle + 8, TAG_LEN), bytes_of(first.bundle + 8, TAG_LEN));
        CHECK(memcmp(second.bundle + HEADER_LEN, first.bundle + HEADER_LEN, SALT_LEN) != 0);
        CHECK_OPENS(&p, &p.b, &first, "before");
        enum err e = try_open(&p, &p.b, &second);
        CHECK(e == (with_step ? ERR_AUTH : ERR_REPLAY));

        /* The other order of arrival. */
        seal(&p, &p.a, DAY, "more", &l);
        if (!with_step)
            CHECK_OPENS(&p, &p.b, &l, "more");

        /* State lost: a new session by F2 and both talk again. */
        person_forget_sessions(&p.a);
        person_start(&p, &p.a, FORM_F2, DAY + 1);
        seal(&p, &p.a, DAY + 1, "reset", &l);
        CHECK(l.len == 256);
        CHECK_OPENS(&p, &p.b, &l, "reset");
        REQUIRE(p.b.session_count == 2);
        REQUIRE(letter_seal(&p, &p.b, p.b.sessions[1], DAY + 1, "welcome back", &l) == ERR_NONE);
        CHECK_OPENS(&p, &p.a, &l, "welcome back");
        seal(&p, &p.a, DAY + 1, "thanks", &l);
        CHECK_OPENS(&p, &p.b, &l, "thanks");
        pair_clear(&p);
    }
}

/* The responder lost everything but its identity and its friends: the other's repeats cannot be opened, its own F2 can. */
static void test_responder_reset(void)
{
    struct pair p;
    struct letter l;

    pair_connected(&p, 15);
    person_forget_sessions(&p.b);
    seal(&p, &p.a, DAY, "unreadable", &l);
    CHECK_ERR("no session", try_open(&p, &p.b, &l), ERR_NOT_FOUND);
    person_start(&p, &p.b, FORM_F2, DAY + 2);
    seal(&p, &p.b, DAY + 2, "reset", &l);
    CHECK_OPENS(&p, &p.a, &l, "reset");
    REQUIRE(letter_seal(&p, &p.a, p.a.sessions[1], DAY + 2, "again", &l) == ERR_NONE);
    CHECK_OPENS(&p, &p.b, &l, "again");
    pair_clear(&p);
}

/* F1 repeats that arrive once the session goes on, and the wrong questions. */
static void test_first_after_session(void)
{
    struct pair p;
    struct letter l, early[2];
    uint8_t plain[BUNDLE_LEN_MAX];
    struct opened o;

    pair_init(&p, 20, DAY, DAY);
    struct session *a = person_start(&p, &p.a, FORM_F1, DAY);
    seal(&p, &p.a, DAY, "early 0", &early[0]);
    seal(&p, &p.a, DAY + 1, "early 1", &early[1]);
    seal(&p, &p.a, DAY + 1, "opens first", &l);
    CHECK_OPENS(&p, &p.b, &l, "opens first");
    for (int i = 0; i < 3; i++) {
        seal(&p, &p.b, DAY + 1, "b", &l);
        CHECK_OPENS(&p, &p.a, &l, "b");
        seal(&p, &p.a, DAY + 1, "a", &l);
        CHECK_OPENS(&p, &p.b, &l, "a");
        session_reload(&p.b.sessions[0]);
        session_reload(&p.a.sessions[0]);
    }
    a = p.a.sessions[0];
    CHECK_OPENS(&p, &p.b, &early[1], "early 1");
    CHECK_OPENS(&p, &p.b, &early[0], "early 0");
    CHECK_ERR("twice", try_open(&p, &p.b, &early[0]), ERR_REPLAY);
    struct bytes bundle = bytes_of(early[0].bundle, early[0].len);
    CHECK_ERR("asked of the starter", session_open_first(a, FORM_F1, p.a.id, 1, DAY, bundle, plain, &o), ERR_STATE);
    CHECK_ERR("the other form", session_open_first(p.b.sessions[0], FORM_F2, p.b.id, 1, DAY, bundle, plain, &o), ERR_STATE);
    CHECK_ERR("no such inbox", session_open_first(p.b.sessions[0], FORM_F1, p.b.id, 77, DAY, bundle, plain, &o),
              ERR_NOT_FOUND);
    CHECK_ERR("another day", session_open_first(p.b.sessions[0], FORM_F1, p.b.id, 1, DAY + 1, bundle, plain, &o), ERR_AUTH);
    pair_clear(&p);
}

int main(void)
{
    test_beginning();
    test_late_first(FORM_F1);
    test_late_first(FORM_F2);
    test_order_and_loss();
    test_gaps();
    test_lost_chain_end();
    test_chains();
    test_chain_outlives_answers();
    test_number_limit();
    test_simultaneous();
    test_rollback();
    test_responder_reset();
    test_first_after_session();
    return check_report("session");
}
