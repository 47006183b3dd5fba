/* tests/crypto/test_session.c - the rules of sessions (protocol section 4), one by one. */
#include "crypto/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/identity_internal.h"
#include "crypto/tags_internal.h"
#include "tests/crypto/pair.h"

enum { DAY = 690 };

static const char HUNDRED[] = "A text of one hundred characters, to be counted: it is the size that the protocol's table speaks of.";

/* Ana has written, Ben has answered, and the answer has been read. */
static void pair_connected(struct pair *p, uint64_t seed)
{
    struct letter l;

    pair_init(p, seed, DAY, DAY);
    struct session *s = person_start(p, &p->a, FORM_F1, DAY);
    REQUIRE(letter_seal(p, &p->a, s, DAY, "hello", &l) == ERR_NONE);
    CHECK_OPENS(p, &p->b, &l, "hello");
    REQUIRE(p->b.session_count == 1);
    REQUIRE(letter_seal(p, &p->b, p->b.sessions[0], DAY, "hello back", &l) == ERR_NONE);
    CHECK_OPENS(p, &p->a, &l, "hello back");
}

static enum err try_open(struct pair *p, struct person *me, const struct letter *l)
{
    char text[BUNDLE_LEN_MAX];
    struct session *in;
    struct opened o;

    return letter_open(p, me, l, text, &in, &o);
}

static void seal(struct pair *p, struct person *me, uint32_t day, const char *text, struct letter *l)
{
    REQUIRE(letter_seal(p, me, me->sessions[0], day, text, l) == ERR_NONE);
}

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

static void test_sizes(void)
{
    struct pair p;
    struct letter l;
    static uint8_t bundle[BUNDLE_LEN_MAX], plain[BUNDLE_LEN_MAX], content[BUNDLE_LEN_MAX];
    struct sealed sealed;
    struct opened o;

    pair_init(&p, 9, DAY, DAY);
    person_start(&p, &p.a, FORM_F1, DAY);
    CHECK(session_payload_max(FORM_F1, 0) == 0 && session_payload_max(FORM_F1, 1) == 172);
    CHECK(session_payload_max(FORM_F2, 0) == 164 && session_payload_max(FORM_SESSION, 0) == 164);
    CHECK(session_payload_max(FORM_SESSION, SIZE_CODE_MAX) == 65536 - 92);
    CHECK(session_payload_max(FORM_SESSION, SIZE_CODE_MAX + 1) == 0);
    struct seal_request q = { .my_card = identity_card(p.a.id), .day = DAY, .expiry_h = 24 };
    CHECK_ERR("no F1 in 256", session_seal(p.a.sessions[0], &q, &p.g, bundle, &sealed), ERR_TOO_LARGE);
    seal(&p, &p.a, DAY, "x", &l);
    CHECK_OPENS(&p, &p.b, &l, "x");
    for (uint8_t code = 0; code <= SIZE_CODE_MAX; code++) {
        size_t max = session_payload_max(FORM_SESSION, code);

        memset(content, 0xa5, max + 1);
        q.size_code = code;
        q.payload = bytes_of(content, max + 1);
        CHECK_ERR("a byte too many", session_seal(p.b.sessions[0], &q, &p.g, bundle, &sealed), ERR_TOO_LARGE);
        q.payload = bytes_of(content, max);
        CHECK_ERR("full", session_seal(p.b.sessions[0], &q, &p.g, bundle, &sealed), ERR_NONE);
        CHECK_ERR("full opens", session_open(p.a.sessions[0], DAY, code, bytes_of(bundle, bundle_len_of_code(code)), plain,
                                             &o), ERR_NONE);
        CHECK(o.payload_len == max && memcmp(plain, content, max) == 0);
    }
    pair_clear(&p);
}

/* No bit of a bundle may change, and a failed open changes nothing (letter_open and below check that). */
static void test_damage(void)
{
    struct pair p;
    struct letter l, good;
    struct buffer before, after;
    uint8_t plain[BUNDLE_LEN_MAX];
    struct opened o;

    pair_connected(&p, 10);
    seal(&p, &p.a, DAY, "whole", &good);
    struct session *b = p.b.sessions[0];
    session_bytes(b, &before);
    for (size_t i = 0; i < good.len; i++) {
        l = good;
        l.bundle[i] ^= (uint8_t)(1u << i % 8);
        bool is_stamp = i >= HEADER_AD_LEN && i < HEADER_LEN;
        if (is_stamp)
            continue;  /* not authenticated: anybody may stamp */
        CHECK(session_open(b, DAY, 0, bytes_of(l.bundle, l.len), plain, &o) != ERR_NONE);
        session_bytes(b, &after);
        CHECK(bytes_are_equal(buffer_bytes(&after), buffer_bytes(&before)));
        buffer_clear(&after);
    }
    CHECK_ERR("cut short", session_open(b, DAY, 0, bytes_of(good.bundle, good.len - 1), plain, &o), ERR_MALFORMED);
    CHECK_ERR("empty", session_open(b, DAY, 0, bytes_of(NULL, 0), plain, &o), ERR_MALFORMED);
    CHECK_ERR("another index", session_open(b, DAY, 1, bytes_of(good.bundle, good.len), plain, &o), ERR_AUTH);
    CHECK_ERR("another day", session_open(b, DAY + 1, 0, bytes_of(good.bundle, good.len), plain, &o), ERR_AUTH);
    CHECK_ERR("no such index", session_open(b, DAY, 1 << 16, bytes_of(good.bundle, good.len), plain, &o), ERR_AUTH);
    CHECK_ERR("a day before the session", session_open(b, DAY - 1, 0, bytes_of(good.bundle, good.len), plain, &o),
              ERR_NOT_FOUND);
    memset(good.bundle + HEADER_AD_LEN, 0x5a, STAMP_LEN);
    CHECK_OPENS(&p, &p.b, &good, "whole");
    buffer_clear(&before);
    pair_clear(&p);

    /* The same for a first message: no session comes of it. */
    pair_init(&p, 11, DAY, DAY);
    person_start(&p, &p.a, FORM_F1, DAY);
    seal(&p, &p.a, DAY, "first", &good);
    struct inbox_view view;
    identity_inbox(p.b.id, 0, &view);
    for (size_t i = 0; i < good.len; i++) {
        struct session *s = NULL;
        struct card card;

        l = good;
        l.bundle[i] ^= (uint8_t)(1u << i % 8);
        if (i >= HEADER_AD_LEN && i < HEADER_LEN)
            continue;
        CHECK(session_accept_f1(&s, p.b.id, view.inbox_id, DAY, bytes_of(l.bundle, l.len), &card, plain, &o) != ERR_NONE);
        CHECK(s == NULL);
    }
    CHECK_OPENS(&p, &p.b, &good, "first");
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

static void test_days(void)
{
    struct pair p;
    struct letter l, old;
    uint8_t tags[1][TAG_LEN];

    pair_connected(&p, 16);
    struct session *a = p.a.sessions[0], *b = p.b.sessions[0];
    seal(&p, &p.a, DAY, "held back", &old);
    CHECK(session_day(a, DAY - 100) == DAY && session_day(a, DAY + 5) == DAY + 5);
    seal(&p, &p.a, DAY + 5, "later", &l);
    CHECK(l.day == DAY + 5 && session_day(a, DAY) == DAY + 5);
    seal(&p, &p.a, DAY, "clock went back", &l);
    CHECK(l.day == DAY + 5);
    CHECK_OPENS(&p, &p.b, &l, "clock went back");
    CHECK(session_day(b, 0) == DAY + 5);

    CHECK_ERR("before the session", session_expect(b, DAY - 1, 0, 1, tags), ERR_NOT_FOUND);
    CHECK_ERR("first day", session_expect(b, DAY, 0, 1, tags), ERR_NONE);
    CHECK_ERR("20 years on", session_expect(b, DAY + 5 + DAY_ADVANCE_MAX, 0, 1, tags), ERR_NONE);
    CHECK_ERR("more", session_expect(b, DAY + 6 + DAY_ADVANCE_MAX, 0, 1, tags), ERR_NOT_FOUND);
    CHECK_ERR("no such index", session_expect(b, DAY, (1 << 16) - 1, 2, tags), ERR_NOT_FOUND);
    CHECK_ERR("last index", session_expect(b, DAY, (1 << 16) - 1, 1, tags), ERR_NONE);

    /* Our own clock erases no day key; what the other side was seen to use does. */
    session_tend(b, DAY + 1000);
    CHECK_ERR("tended", session_expect(b, DAY, 0, 1, tags), ERR_NONE);
    seal(&p, &p.a, DAY + DAYS_KEPT, "still kept", &l);
    CHECK_OPENS(&p, &p.b, &l, "still kept");
    CHECK_ERR("15 days before", session_expect(b, DAY, 0, 1, tags), ERR_NONE);
    seal(&p, &p.a, DAY + DAYS_KEPT + 1, "erased", &l);
    CHECK_OPENS(&p, &p.b, &l, "erased");
    CHECK_ERR("16 days before", session_expect(b, DAY, 0, 1, tags), ERR_NOT_FOUND);
    CHECK(try_open(&p, &p.b, &old) != ERR_NONE);

    /* A clock that leaps further than the other would follow needs a new session. */
    CHECK_ERR("leap", letter_seal(&p, &p.a, a, DAY + DAYS_KEPT + 2 + DAY_ADVANCE_MAX, "x", &l), ERR_STATE);
    CHECK_ERR("no leap", letter_seal(&p, &p.a, a, DAY + 1000, "x", &l), ERR_NONE);
    pair_clear(&p);
}

/* One clock was never set, the other is right, or years ahead. */
static void test_years_apart(uint32_t day_a, uint32_t day_b)
{
    struct pair p;
    struct letter l;

    pair_init(&p, 17 + day_a + day_b, day_a, day_b);
    /* The card says when it ends by its owner's clock; the messenger insists where that is long past. */
    struct session *s;
    uint32_t day = day_a < p.a.peer.valid_until_day ? day_a : p.a.peer.valid_until_day;
    REQUIRE(session_start(&s, FORM_F1, p.a.id, &p.a.peer, day, &p.g) == ERR_NONE);
    p.a.sessions[p.a.session_count++] = s;
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t now_a = day + i, now_b = day_b + i;

        seal(&p, &p.a, now_a, "from a", &l);
        CHECK_OPENS(&p, &p.b, &l, "from a");
        if (i % 3 == 0) {
            seal(&p, &p.b, now_b, "from b", &l);
            CHECK_OPENS(&p, &p.a, &l, "from b");
        }
        session_tend(p.a.sessions[0], now_a);
        session_tend(p.b.sessions[0], now_b);
    }
    CHECK(session_day(p.a.sessions[0], 0) >= day_b);
    pair_clear(&p);
}

static void test_bad_keys(void)
{
    /* Zero, one, the two points of order eight, p-1, p, p+1 (Wycheproof's low-order public keys). */
    static const char *const low_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct pair p;
    struct buffer key = buffer_of_limit(32);
    uint8_t root[32], bundle[512], mask_key[32], plain[BUNDLE_LEN_MAX];
    struct session *s = NULL;
    struct inbox_view view;

    pair_init(&p, 18, DAY, DAY);
    pair_introduce(&p.b, &p.a);
    identity_inbox(p.b.id, 0, &view);
    for (size_t i = 0; i < sizeof low_order / sizeof low_order[0]; i++) {
        struct card bad = p.a.peer;
        struct opened o;

        check_hex(&key, low_order[i]);
        memcpy(bad.prekey, key.at, 32);
        CHECK_ERR(low_order[i], session_start(&s, FORM_F1, p.a.id, &bad, DAY, &p.g), ERR_AUTH);
        bad = p.a.peer;
        memcpy(bad.dh_key, key.at, 32);
        CHECK_ERR(low_order[i], session_start(&s, FORM_F2, p.a.id, &bad, DAY, &p.g), ERR_AUTH);
        CHECK_ERR(low_order[i], tags_pair_root(p.a.id, &bad, root), ERR_AUTH);

        /* As an ephemeral key in F1, and in F2. */
        struct header h = { .bundle_class = CLASS_SEALED, .size_code = 1, .expiry_h = DAY * 24 };
        struct inner inner = { .pn = p.a.peer.prekey_id };
        uint8_t padded[CARD_LEN_MAX] = { 0 };
        memcpy(inner.ratchet_key, key.at, 32);
        inbox_tag(view.secret, DAY, 3, h.tag);
        inbox_mask_key(view.secret, DAY, mask_key);
        body_write(bundle, &(struct body_parts){ .header = &h, .salt = root, .mask_key = mask_key, .inner = &inner,
                                                 .card_key = root, .padded_card = padded, .payload_key = root });
        CHECK_ERR(low_order[i], session_accept_f1(&s, p.b.id, view.inbox_id, DAY, bytes_of(bundle, sizeof bundle), &bad,
                                                  plain, &o), ERR_AUTH);
        uint8_t day_key[32];
        pair_day_key(p.b.pair_root, p.b.peer.dh_key, DAY, day_key);
        pair_mask_key(day_key, mask_key);
        pair_tag(day_key, 3, h.tag);
        body_write(bundle, &(struct body_parts){ .header = &h, .salt = root, .mask_key = mask_key, .inner = &inner,
                                                 .payload_key = root });
        CHECK_ERR(low_order[i], session_accept_f2(&s, p.b.id, &p.b.peer, p.b.pair_root, DAY,
                                                  bytes_of(bundle, sizeof bundle), plain, &o), ERR_AUTH);
    }
    CHECK(s == NULL);
    CHECK_ERR("an expired card", session_start(&s, FORM_F1, p.a.id, &p.a.peer, p.a.peer.valid_until_day + 1u, &p.g),
              ERR_EXPIRED);
    CHECK_ERR("on its last day", session_start(&s, FORM_F1, p.a.id, &p.a.peer, p.a.peer.valid_until_day, &p.g), ERR_NONE);
    session_free(s);
    buffer_clear(&key);
    pair_clear(&p);
}

static void test_invites(void)
{
    struct pair p;
    struct card invite;
    struct letter l, repeat;

    pair_init(&p, 19, DAY, DAY);
    REQUIRE(identity_invite(p.b.id, &invite, DAY, &p.g) == ERR_NONE);
    CHECK(identity_inbox_count(p.b.id) == 2);
    p.a.peer = invite;
    struct session *s = person_start(&p, &p.a, FORM_F1, DAY);
    seal(&p, &p.a, DAY, "by invite", &l);
    seal(&p, &p.a, DAY, "repeat", &repeat);
    CHECK_OPENS(&p, &p.b, &l, "by invite");

    struct inbox_view view;
    identity_inbox(p.b.id, 1, &view);
    CHECK(view.is_one_time);
    CHECK_ERR("used up", identity_invite_destroy(p.b.id, view.inbox_id), ERR_NONE);
    CHECK_ERR("twice", identity_invite_destroy(p.b.id, view.inbox_id), ERR_NOT_FOUND);
    /* What another would make of the same invite finds nothing. */
    person_forget_sessions(&p.b);
    struct session *in = NULL;
    struct opened o;
    uint8_t plain[BUNDLE_LEN_MAX];
    CHECK_ERR("a used invite", session_accept_f1(&in, p.b.id, view.inbox_id, DAY, bytes_of(repeat.bundle, repeat.len),
                                                 &p.b.peer, plain, &o), ERR_NOT_FOUND);
    CHECK(in == NULL && session_form_next(s) == FORM_F1);
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

static void test_bytes(void)
{
    struct pair p;
    struct letter l;
    struct buffer b, again;
    struct session *s = NULL;

    pair_connected(&p, 21);
    for (int i = 0; i < 4; i++)
        seal(&p, &p.a, DAY + (uint32_t)i, "lost", &l);
    CHECK_OPENS(&p, &p.b, &l, "lost");
    session_bytes(p.b.sessions[0], &b);
    for (size_t len = 0; len < b.len; len++) {
        CHECK(session_decode(&s, bytes_of(b.at, len)) == ERR_CORRUPT);
        CHECK(s == NULL);
    }
    REQUIRE(buffer_append(&b, bytes_of("", 1)) == ERR_NONE);
    CHECK_ERR("a byte more", session_decode(&s, buffer_bytes(&b)), ERR_CORRUPT);
    b.len--;
    /* Any byte changed is refused or gives a state that encodes to the same. */
    for (size_t i = 0; i < b.len; i++) {
        b.at[i] ^= 0xff;
        if (session_decode(&s, buffer_bytes(&b)) == ERR_NONE) {
            session_bytes(s, &again);
            CHECK(bytes_are_equal(buffer_bytes(&b), buffer_bytes(&again)));
            buffer_clear(&again);
            session_free(s);
            s = NULL;
        }
        b.at[i] ^= 0xff;
    }
    buffer_clear(&b);
    session_free(NULL);
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
    test_number_limit();
    test_sizes();
    test_damage();
    test_simultaneous();
    test_rollback();
    test_responder_reset();
    test_days();
    test_years_apart(0, 690);
    test_years_apart(690, 0);
    test_years_apart(690, 690 + 20 * 365);
    test_bad_keys();
    test_invites();
    test_first_after_session();
    test_bytes();
    return check_report("session");
}
