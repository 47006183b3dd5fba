/* tests/crypto/pair.c - two people and what a messenger does around their sessions. */
#include "tests/crypto/pair.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/payload.h"

enum { LIFE_DAYS = 14, STATE_LEN_MAX = 200000 };

void pair_init(struct pair *p, uint64_t seed, uint32_t day_a, uint32_t day_b)
{
    memset(p, 0, sizeof *p);
    seeded_init(&p->seed, seed);
    p->g = seeded_rng(&p->seed);
    REQUIRE(crypto_start() == ERR_NONE);
    REQUIRE(identity_new(&p->a.id, bytes_of_text("Ana"), day_a, &p->g) == ERR_NONE);
    REQUIRE(identity_new(&p->b.id, bytes_of_text("Ben"), day_b, &p->g) == ERR_NONE);
    pair_introduce(&p->a, &p->b);
}

void pair_introduce(struct person *to, const struct person *who)
{
    to->peer = *identity_card(who->id);
    to->knows_peer = true;
    REQUIRE(tags_pair_root(to->id, &to->peer, to->pair_root) == ERR_NONE);
}

void person_forget_sessions(struct person *me)
{
    while (me->session_count > 0)
        session_free(me->sessions[--me->session_count]);
}

void pair_clear(struct pair *p)
{
    person_forget_sessions(&p->a);
    person_forget_sessions(&p->b);
    identity_free(p->a.id);
    identity_free(p->b.id);
}

struct session *person_start(struct pair *p, struct person *me, enum session_form form, uint32_t day)
{
    struct session *s;

    REQUIRE(me->session_count < PAIR_SESSIONS_MAX);
    REQUIRE(session_start(&s, form, me->id, &me->peer, day, &p->g) == ERR_NONE);
    me->sessions[me->session_count++] = s;
    return s;
}

void session_bytes(const struct session *s, struct buffer *to)
{
    *to = buffer_of_limit(STATE_LEN_MAX);
    REQUIRE(session_encode(s, to) == ERR_NONE);
}

void session_reload(struct session **s)
{
    struct buffer before, after;

    session_bytes(*s, &before);
    session_free(*s);
    REQUIRE(session_decode(s, buffer_bytes(&before)) == ERR_NONE);
    session_bytes(*s, &after);
    CHECK(bytes_are_equal(buffer_bytes(&before), buffer_bytes(&after)));
    buffer_clear(&before);
    buffer_clear(&after);
}

enum err letter_seal(struct pair *p, struct person *me, struct session *s, uint32_t day, const char *text,
                     struct letter *out)
{
    uint8_t plain[PAIR_BUNDLE_MAX];
    struct writer w = writer_of(plain, sizeof plain);
    const struct payload payload = { .type = PAYLOAD_TEXT, .content = bytes_of_text(text) };
    enum session_form form = session_form_next(s);
    uint8_t code = 0;

    payload_encode(&payload, &w);
    REQUIRE(!w.failed);
    while (session_payload_max(form, code) < writer_len(&w))
        code++;
    out->day = session_day(s, day);
    out->len = bundle_len_of_code(code);
    REQUIRE(out->len <= sizeof out->bundle);
    /* 0 to 24 h of blur, on the grid. */
    uint32_t expiry = (out->day + LIFE_DAYS) * 24 + rng_below(&p->g, 5) * EXPIRY_STEP_H;
    return session_seal(s, &(struct seal_request){ .my_card = identity_card(me->id), .day = day, .expiry_h = expiry,
                                                   .bucket = rng_below(&p->g, 1 << 24), .size_code = code,
                                                   .payload = writer_bytes(&w) },
                        &p->g, out->bundle, &out->sealed);
}

static enum err text_of(const uint8_t *plain, const struct opened *o, char *text)
{
    struct payload payload;
    enum err e = payload_decode(&payload, bytes_of(plain, o->payload_len));

    if (e != ERR_NONE)
        return e;
    memcpy(text, payload.content.at, payload.content.len);
    text[payload.content.len] = '\0';
    return ERR_NONE;
}

/* The day in from..to on which one of sixteen tags is the letter's. */
typedef void tags_of_day(const struct person *me, const void *arg, uint32_t day, uint8_t tags[TAG_SLOTS][TAG_LEN]);

static bool find_slot(const struct person *me, const void *arg, tags_of_day *tags_of, const uint8_t *tag, uint32_t from,
                      uint32_t to, uint32_t *day)
{
    uint8_t tags[TAG_SLOTS][TAG_LEN];

    for (*day = from; *day <= to; ++*day) {
        tags_of(me, arg, *day, tags);
        for (int i = 0; i < TAG_SLOTS; i++) {
            if (memcmp(tags[i], tag, TAG_LEN) == 0)
                return true;
        }
    }
    return false;
}

static void inbox_tags(const struct person *me, const void *arg, uint32_t day, uint8_t tags[TAG_SLOTS][TAG_LEN])
{
    (void)me;
    tags_of_inbox(arg, day, tags);
}

static void pair_tags(const struct person *me, const void *arg, uint32_t day, uint8_t tags[TAG_SLOTS][TAG_LEN])
{
    (void)arg;
    tags_of_pair(me->pair_root, me->peer.dh_key, day, tags);
}

static struct session *session_of_start(const struct person *me, const uint8_t ek[32])
{
    uint8_t want[16], got[16];

    hash_derive_one(want, sizeof want, bytes_of(NULL, 0), "ek", bytes_of(ek, 32));
    for (size_t i = 0; i < me->session_count; i++) {
        session_start_key_hash(me->sessions[i], got);
        if (memcmp(want, got, sizeof got) == 0)
            return me->sessions[i];
    }
    return NULL;
}

static enum err open_first(struct person *me, enum session_form form, uint32_t inbox_id, const uint8_t *mask_secret,
                           uint32_t day, struct bytes bundle, uint8_t *plain, struct session **in, struct opened *out)
{
    uint8_t ek[32];
    struct session *s;
    enum err e;

    if ((e = session_first_key(form, mask_secret, me->peer.dh_key, day, bundle, ek)) != ERR_NONE)
        return e;
    if ((s = session_of_start(me, ek)) != NULL) {
        *in = s;
        return session_open_first(s, form, me->id, inbox_id, day, bundle, plain, out);
    }
    if (form == FORM_F1)
        e = session_accept_f1(&s, me->id, inbox_id, day, bundle, &me->peer, plain, out);
    else
        e = session_accept_f2(&s, me->id, &me->peer, me->pair_root, day, bundle, plain, out);
    if (e != ERR_NONE)
        return e;
    REQUIRE(me->session_count < PAIR_SESSIONS_MAX);
    me->sessions[me->session_count++] = s;
    if (!me->knows_peer) {
        me->knows_peer = true;
        REQUIRE(tags_pair_root(me->id, &me->peer, me->pair_root) == ERR_NONE);
    }
    *in = s;
    return ERR_NONE;
}

static enum err open_by_tag(struct person *me, const struct letter *l, uint8_t *plain, struct session **in,
                            struct opened *out)
{
    struct bytes bundle = bytes_of(l->bundle, l->len);
    struct header h;
    uint32_t day;
    enum err e = header_of_bundle(&h, bundle);

    if (e != ERR_NONE)
        return e;
    uint32_t to = h.expiry_h / 24, from = to > LIFE_DAYS + 1 ? to - LIFE_DAYS - 1 : 0;

    for (size_t i = 0; i < me->session_count; i++) {
        for (day = from; day <= to; day++) {
            uint8_t tags[SESSION_LOOKAHEAD_IDLE][TAG_LEN];
            /* Indices already seen are asked for too, so that duplicates reach the session. */
            uint32_t count = session_expect_from(me->sessions[i], day) + SESSION_LOOKAHEAD;

            count = count > SESSION_LOOKAHEAD_IDLE ? SESSION_LOOKAHEAD_IDLE : count;
            if (session_expect(me->sessions[i], day, 0, count, tags) != ERR_NONE)
                continue;
            for (uint32_t index = 0; index < count; index++) {
                if (memcmp(tags[index], h.tag, TAG_LEN) != 0)
                    continue;
                *in = me->sessions[i];
                return session_open(me->sessions[i], day, index, bundle, plain, out);
            }
        }
    }
    for (size_t i = 0; i < identity_inbox_count(me->id); i++) {
        struct inbox_view view;

        identity_inbox(me->id, i, &view);
        if (find_slot(me, view.secret, inbox_tags, h.tag, from, to, &day))
            return open_first(me, FORM_F1, view.inbox_id, view.secret, day, bundle, plain, in, out);
    }
    if (me->knows_peer && find_slot(me, NULL, pair_tags, h.tag, from, to, &day))
        return open_first(me, FORM_F2, 0, me->pair_root, day, bundle, plain, in, out);
    return ERR_NOT_FOUND;
}

enum err letter_open(struct pair *p, struct person *me, const struct letter *l, char *text, struct session **in,
                     struct opened *out)
{
    uint8_t plain[BUNDLE_LEN_MAX];
    struct buffer before[PAIR_SESSIONS_MAX];
    size_t count = me->session_count;
    enum err e;

    (void)p;
    *in = NULL;
    for (size_t i = 0; i < count; i++)
        session_bytes(me->sessions[i], &before[i]);
    e = open_by_tag(me, l, plain, in, out);
    for (size_t i = 0; i < count; i++) {
        struct buffer after;

        session_bytes(me->sessions[i], &after);
        if (e != ERR_NONE || me->sessions[i] != *in)
            CHECK(bytes_are_equal(buffer_bytes(&before[i]), buffer_bytes(&after)));
        buffer_clear(&before[i]);
        buffer_clear(&after);
    }
    CHECK(e == ERR_NONE || me->session_count == count);
    return e == ERR_NONE ? text_of(plain, out, text) : e;
}

void check_opens(struct pair *p, struct person *me, const struct letter *l, const char *want, const char *file, int line)
{
    char text[BUNDLE_LEN_MAX];
    struct session *in;
    struct opened o;
    enum err e = letter_open(p, me, l, text, &in, &o);

    if (check_err(e, ERR_NONE, want, file, line, want)) {
        check_that(strcmp(text, want) == 0, "the text that was sent", file, line, want);
        check_that(memcmp(o.message_id, l->sealed.message_id, MESSAGE_ID_LEN) == 0, "one message id at both ends", file,
                   line, want);
        check_that(o.has_reveal == l->sealed.has_reveal && memcmp(o.reveal, l->sealed.reveal, 16) == 0,
                   "one reveal at both ends", file, line, want);
    }
}

void seal(struct pair *p, struct person *me, uint32_t day, const char *text, struct letter *l)
{
    REQUIRE(letter_seal(p, me, me->sessions[0], day, text, l) == ERR_NONE);
}

enum err try_open(struct pair *p, struct person *me, const struct letter *l)
{
    char text[BUNDLE_LEN_MAX];
    struct session *in;
    struct opened o;

    return letter_open(p, me, l, text, &in, &o);
}

void pair_connected(struct pair *p, uint64_t seed)
{
    struct letter l;

    pair_init(p, seed, PAIR_DAY, PAIR_DAY);
    struct session *s = person_start(p, &p->a, FORM_F1, PAIR_DAY);
    REQUIRE(letter_seal(p, &p->a, s, PAIR_DAY, "hello", &l) == ERR_NONE);
    CHECK_OPENS(p, &p->b, &l, "hello");
    REQUIRE(p->b.session_count == 1);
    REQUIRE(letter_seal(p, &p->b, p->b.sessions[0], PAIR_DAY, "hello back", &l) == ERR_NONE);
    CHECK_OPENS(p, &p->a, &l, "hello back");
}
