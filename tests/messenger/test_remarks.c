/* tests/messenger/test_remarks.c - replies, reactions, edits and deletions: in any order, early, twice, and from who may not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/early.h"
#include "apps/messenger/state.h"
#include "crypto/hash.h"
#include "tests/messenger/town.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

/* ---- Orders: the message and what is said of it, in every order ---- */

enum { WRITER = 1, STORY_MAX = 7, AUTHORS = 4 };

struct said { uint8_t kind; uint32_t author; uint64_t time_unix_s; uint8_t id; const char *text; };

/* What a node knows: the message once it has come, and what waits for it. */
struct node_of { bool has_message; struct message_record msg; struct early_list early; char text[32]; };

static const struct message_id the_id = { { 7 } };

static struct message_record a_message(uint8_t kind)
{
    struct message_record msg = { .id = the_id, .flags = MESSAGE_IS_INCOMING, .state = MESSAGE_RECEIVED, .kind = kind, .author = WRITER,
                                  .time_unix_s = 1000, .text = bytes_of_text("first") };

    return msg;
}

static void hear(struct node_of *n, const struct said *s)
{
    struct early one = { { the_id, s->kind, bytes_of_text(s->text) }, s->author, { s->time_unix_s, { { s->id } } }, 1 };

    if (!n->has_message)
        early_add(&n->early, &one);
    else
        remark_apply(&n->msg, &one.remark, one.author, &one.order);
}

static void message_comes(struct node_of *n, const struct message_record *msg)
{
    n->msg = *msg;
    n->has_message = true;
    for (uint32_t i = n->early.count; i-- > 0;)
        remark_apply(&n->msg, &n->early.at[i].remark, n->early.at[i].author, &n->early.at[i].order);
    early_clear(&n->early);
}

/* What is shown, whatever the order of the reactions in the record. */
static void show(const struct node_of *n, char *to, size_t cap)
{
    int at = snprintf(to, cap, "%d %llu %.*s", n->msg.flags, (unsigned long long)n->msg.edited.time_unix_s, (int)n->msg.text.len,
                      n->msg.text.len > 0 ? (const char *)n->msg.text.at : "");

    for (uint32_t author = 0; author < AUTHORS; author++) {
        for (unsigned i = 0; i < n->msg.reaction_count; i++) {
            const struct reaction *r = &n->msg.reactions[i];

            if (r->author == author)
                at += snprintf(to + at, cap - (size_t)at, "|%u:%.*s", author, r->len, r->text);
        }
    }
}

/* order[i] is the i-th to come: an index into the story, or `count` for the message itself. */
static void play(const struct said *story, unsigned count, const unsigned *order, const struct message_record *msg, char *to, size_t cap)
{
    static struct node_of n;

    memset(&n, 0, sizeof n);
    for (unsigned i = 0; i <= count; i++) {
        if (order[i] == count)
            message_comes(&n, msg);
        else
            hear(&n, &story[order[i]]);
    }
    /* Repeats change nothing. */
    for (unsigned i = 0; i < count; i++)
        hear(&n, &story[order[i] < count ? order[i] : 0]);
    show(&n, to, cap);
}

static void swap(unsigned *a, unsigned *b)
{
    unsigned c = *a;

    *a = *b;
    *b = c;
}

struct trial { const struct said *story; unsigned count; struct message_record msg; char first[256]; const char *want; unsigned runs; };

static void every_order(struct trial *x, unsigned *order, unsigned at)
{
    char shown[256];

    if (at > x->count) {
        play(x->story, x->count, order, &x->msg, shown, sizeof shown);
        if (x->runs++ == 0)
            snprintf(x->first, sizeof x->first, "%s", shown);
        CHECK_CASE(shown, strcmp(shown, x->first) == 0);
        return;
    }
    for (unsigned i = at; i <= x->count; i++) {
        swap(&order[at], &order[i]);
        every_order(x, order, at + 1);
        swap(&order[at], &order[i]);
    }
}

static void check_orders(void)
{
    static const struct { const char *want; uint8_t message_kind; unsigned count; struct said story[STORY_MAX]; } rows[] = {
        { "1 1002 third", KIND_TEXT, 3, { { REMARK_EDIT, WRITER, 1001, 1, "second" }, { REMARK_EDIT, WRITER, 1002, 2, "third" },
                                          { REMARK_EDIT, 2, 1003, 3, "forged" } } },
        { "1 1001 greater id", KIND_TEXT, 2, { { REMARK_EDIT, WRITER, 1001, 1, "smaller id" }, { REMARK_EDIT, WRITER, 1001, 2, "greater id" } } },
        { "1 0 first|0:c|1:|3:d", KIND_TEXT, 6,
          { { REMARK_REACTION, 0, 1001, 1, "a" }, { REMARK_REACTION, 0, 1002, 2, "b" }, { REMARK_REACTION, 0, 1003, 3, "c" },
            { REMARK_REACTION, 1, 1002, 4, "" }, { REMARK_REACTION, 1, 1001, 5, "x" }, { REMARK_REACTION, 3, 5, 6, "d" } } },
        { "9 0 ", KIND_TEXT, 5,
          { { REMARK_DELETION, WRITER, 1001, 1, "" }, { REMARK_EDIT, WRITER, 1002, 2, "later" }, { REMARK_REACTION, 0, 1003, 3, "a" },
            { REMARK_REACTION, WRITER, 900, 4, "b" }, { REMARK_DELETION, WRITER, 1009, 5, "" } } },
        { "1 1001 mine|0:a", KIND_TEXT, 4,
          { { REMARK_DELETION, 0, 1001, 1, "" }, { REMARK_DELETION, 2, 1002, 2, "" }, { REMARK_EDIT, WRITER, 1001, 3, "mine" },
            { REMARK_REACTION, 0, 1, 4, "a" } } },
        { "1 0 first|2:a", KIND_SYSTEM, 3,
          { { REMARK_DELETION, WRITER, 1001, 1, "" }, { REMARK_EDIT, WRITER, 1002, 2, "x" }, { REMARK_REACTION, 2, 1003, 3, "a" } } },
        { "1 0 first", KIND_TEXT, 1, { { REMARK_EDIT, WRITER, 1000 + EDIT_MAX_S + 1, 1, "years later" } } },
    };
    unsigned runs = 0;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trial x = { rows[i].story, rows[i].count, a_message(rows[i].message_kind), "", rows[i].want, 0 };
        unsigned order[STORY_MAX + 1];

        for (unsigned k = 0; k <= x.count; k++)
            order[k] = k;
        every_order(&x, order, 0);
        CHECK_CASE(rows[i].want, strcmp(x.first, rows[i].want) == 0);
        runs += x.runs;
    }
    printf("%u orders\n", runs);
}

/* Longer stories in shuffled orders: people who react, edit and delete at will, some of them with clocks that stand still. */
static void check_shuffled(uint64_t seed)
{
    enum { LEN = 24 };
    static const char *const words[] = { "", "a", "b", "c", "dd" };
    struct said story[LEN];
    unsigned order[LEN + 1];
    char first[256], shown[256], label[64];
    struct seeded random;
    struct message_record msg = a_message(KIND_TEXT);

    seeded_init(&random, seed);
    struct rng g = seeded_rng(&random);
    bool may_delete = rng_below(&g, 4) == 0;
    for (unsigned i = 0; i < LEN; i++) {
        uint8_t kind = (uint8_t)(1 + rng_below(&g, may_delete ? 3 : 2));
        /* Of one person, kind and message only the last is kept while it waits; a person of whom more than 16 wait is no honest one. */
        story[i] = (struct said){ kind, rng_below(&g, AUTHORS), 1000 + rng_below(&g, 6), (uint8_t)i, words[rng_below(&g, 5)] };
        if (kind == REMARK_EDIT && story[i].text[0] == '\0')
            story[i].text = "e";
        if (kind == REMARK_DELETION)
            story[i].text = "";
        order[i] = i;
    }
    order[LEN] = LEN;
    for (unsigned run = 0; run < 20; run++) {
        for (unsigned i = LEN; i > 0; i--)
            swap(&order[i], &order[rng_below(&g, i + 1)]);
        play(story, LEN, order, &msg, shown, sizeof shown);
        if (run == 0)
            snprintf(first, sizeof first, "%s", shown);
        snprintf(label, sizeof label, "seed %llu run %u", (unsigned long long)seed, run);
        CHECK_CASE(label, strcmp(first, shown) == 0);
    }
}

/* ---- What waits is bounded ---- */

static struct early wait_of(uint8_t target, uint32_t author, uint64_t time_unix_s, struct bytes text)
{
    struct early one = { { { { target, (uint8_t)(author & 0xff) } }, REMARK_EDIT, text }, author, { time_unix_s, { { target } } }, 99 };

    return one;
}

static void check_early(void)
{
    static struct early_list l, again;
    static uint8_t text[TEXT_LEN_MAX];
    struct buffer b = buffer_of_limit(RECORD_LEN_MAX);
    struct early one;

    memset(text, 'x', sizeof text);
    for (uint8_t i = 0; i < 2 * EARLY_OF_ONE_MAX; i++) {
        one = wait_of(i, 1, 5, bytes_of(text, 1));
        CHECK(early_add(&l, &one));
    }
    CHECK(l.count == EARLY_OF_ONE_MAX && l.at[0].remark.target.octets[0] == EARLY_OF_ONE_MAX);
    one = wait_of(20, 1, 4, bytes_of(text, 1));
    CHECK_CASE("an older one", !early_add(&l, &one) && l.count == EARLY_OF_ONE_MAX);
    one = wait_of(20, 1, 6, bytes_of(text, 2));
    CHECK_CASE("a later one", early_add(&l, &one) && l.count == EARLY_OF_ONE_MAX && l.at[l.count - 1].remark.body.len == 2);
    for (uint32_t author = 2; author < 100; author++) {
        one = wait_of(1, author, 5, bytes_of(text, 1));
        CHECK(early_add(&l, &one));
    }
    CHECK(l.count == EARLY_REMARKS_MAX);
    CHECK_ERR("", early_encode(&l, &b), ERR_NONE);
    CHECK_ERR("", early_decode(&again, buffer_bytes(&b)), ERR_NONE);
    CHECK(again.count == l.count && again.at[3].author == l.at[3].author && again.at[3].until_s == 99);
    early_clear(&again);
    CHECK_ERR("cut short", early_decode(&again, bytes_of(b.at, b.len - 1)), ERR_CORRUPT);
    early_clear(&again);
    b.at[0]++;
    CHECK_ERR("of another version", early_decode(&again, buffer_bytes(&b)), ERR_CORRUPT);
    early_clear(&again);
    for (uint32_t author = 200; author < 250; author++) {
        one = wait_of(1, author, 5, bytes_of(text, sizeof text));
        CHECK(early_add(&l, &one));
    }
    CHECK_CASE("of long texts", l.count == EARLY_BYTES_MAX / TEXT_LEN_MAX);
    l.count = 0;
    buffer_clear(&b);
}

static void check_early_bytes(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "empty", "", ERR_CORRUPT },
        { "none", "0100", ERR_NONE },
        { "of another version", "0200", ERR_CORRUPT },
        { "too many", "0141", ERR_CORRUPT },
        { "one", "0101" "0102030405060708" "02" "01" "05" "1112131415161718" "09" "01" "68", ERR_NONE },
        { "of a kind of later", "0101" "0102030405060708" "04" "01" "05" "1112131415161718" "09" "01" "68", ERR_CORRUPT },
        { "a text that is none", "0101" "0102030405060708" "02" "01" "05" "1112131415161718" "09" "01" "ff", ERR_CORRUPT },
        { "a text cut short", "0101" "0102030405060708" "02" "01" "05" "1112131415161718" "09" "02" "68", ERR_CORRUPT },
        { "something behind it", "010000", ERR_CORRUPT },
    };
    struct buffer b = buffer_of_limit(256);
    static struct early_list l;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_ERR(cases[i].name, early_decode(&l, check_hex(&b, cases[i].hex)), cases[i].want);
        early_clear(&l);
    }
    buffer_clear(&b);
}

/* ---- In a town ---- */

struct two { struct town t; int ana, ben, dan, eve; };   /* dan and eve carry */

static void begin(struct two *s, uint64_t seed, bool is_restless)
{
    town_init(&s->t, seed);
    s->ana = town_add(&s->t, "Ana", TOWN_UNIX_S);
    s->ben = town_add(&s->t, "Ben", TOWN_UNIX_S);
    s->dan = town_add(&s->t, NULL, TOWN_UNIX_S);
    s->eve = town_add(&s->t, NULL, TOWN_UNIX_S);
    town_introduce(&s->t, s->ana, s->ben);
    s->t.is_restless = is_restless;
}

static void settle(struct two *s)
{
    for (int i = 0; i < 2; i++) {
        town_meet(&s->t, s->ana, s->ben, 60);
        town_run(&s->t, 1000);
    }
    town_meet(&s->t, s->ana, s->ben, 60);
}

static enum err react(struct two *s, int who, const char *id, const char *text)
{
    enum err e = messenger_react(s->t.people[who].m, bytes_of_text(id), bytes_of_text(text), town_wall(&s->t, who), s->t.net.now_ms);

    town_turn(&s->t, who);
    return e;
}

static enum err edit(struct two *s, int who, const char *id, const char *text)
{
    enum err e = messenger_edit(s->t.people[who].m, bytes_of_text(id), bytes_of_text(text), town_wall(&s->t, who), s->t.net.now_ms);

    town_turn(&s->t, who);
    return e;
}

static enum err delete_for_all(struct two *s, int who, const char *id)
{
    enum err e = messenger_delete_for_all(s->t.people[who].m, bytes_of_text(id), town_wall(&s->t, who), s->t.net.now_ms);

    town_turn(&s->t, who);
    return e;
}

static enum err answer(struct two *s, int who, const char *to, const char *text, const char *reply_to, const char *mention,
                       char id[MESSAGE_ID_TEXT_LEN + 1])
{
    struct bytes name = bytes_of_text(mention);
    struct outgoing o = { .text = bytes_of_text(text), .reply_to = bytes_of_text(reply_to), .mentions = &name,
                          .mention_count = mention[0] != '\0' };

    return messenger_send(s->t.people[who].m, town_friend(&s->t, who, to), &o, town_wall(&s->t, who), s->t.net.now_ms, id);
}

/* Waiting of Ana's for Ben. */
static uint32_t flights(struct two *s, int who, const char *name)
{
    return friend_by_number(s->t.people[who].m, town_friend(&s->t, who, name))->flights.count;
}

static void check_talk(bool is_restless)
{
    static struct two s;
    char one[MESSAGE_ID_TEXT_LEN + 1], two[MESSAGE_ID_TEXT_LEN + 1];
    struct message_info info;

    begin(&s, 80, is_restless);
    town_send(&s.t, s.ana, "Ben", "meet at the well", one);
    settle(&s);
    CHECK_ERR("", answer(&s, s.ben, "Ana", "which one, Ana?", one, "ana", two), ERR_NONE);
    settle(&s);
    info = town_message(&s.t, s.ana, two);
    CHECK(strcmp(info.reply_to, one) == 0 && strcmp(info.text, "which one, Ana?") == 0);
    CHECK(info.mention_count == 1 && strcmp(info.mentions[0], "Ana") == 0 && strcmp(info.from, "Ben") == 0);

    CHECK_ERR("", react(&s, s.ben, one, "\xf0\x9f\x91\x8d"), ERR_NONE);
    CHECK_ERR("", react(&s, s.ana, one, "\xe2\x9d\xa4\xef\xb8\x8f"), ERR_NONE);
    CHECK_ERR("", edit(&s, s.ana, one, "meet at the old well"), ERR_NONE);
    CHECK(strcmp(town_message(&s.t, s.ana, one).text, "meet at the old well") == 0);
    settle(&s);
    for (int who = s.ana; who <= s.ben; who++) {
        info = town_message(&s.t, who, one);
        CHECK(strcmp(info.text, "meet at the old well") == 0 && info.edited_unix_s != 0 && info.reaction_count == 2);
        for (unsigned i = 0; i < info.reaction_count; i++) {
            bool is_thumb = strcmp(info.reactions[i].text, "\xf0\x9f\x91\x8d") == 0;

            CHECK((info.reactions[i].from == NULL) == (is_thumb == (who == s.ben)));
        }
    }
    CHECK(flights(&s, s.ana, "Ben") == 0 && flights(&s, s.ben, "Ana") == 0);
    CHECK_CASE("remarks are no messages", town_total(&s.t, s.ana, "Ben") == 2 && town_total(&s.t, s.ben, "Ana") == 2);

    CHECK_ERR("taken back", react(&s, s.ben, one, ""), ERR_NONE);
    settle(&s);
    info = town_message(&s.t, s.ana, one);
    CHECK(info.reaction_count == 1 && info.reactions[0].from == NULL);

    CHECK_ERR("", delete_for_all(&s, s.ana, one), ERR_NONE);
    settle(&s);
    for (int who = s.ana; who <= s.ben; who++) {
        info = town_message(&s.t, who, one);
        CHECK(info.is_deleted && info.text_len == 0 && info.reaction_count == 0 && info.edited_unix_s == 0);
        CHECK(!town_remembers(&s.t, who, bytes_of_text("old well")) && !town_remembers(&s.t, who, bytes_of_text("at the well")));
        CHECK(town_remembers(&s.t, who, bytes_of_text("which one")));
    }
    CHECK(flights(&s, s.ana, "Ben") == 0);
    CHECK_ERR("once more", delete_for_all(&s, s.ana, one), ERR_STATE);
    CHECK_ERR("what is deleted", react(&s, s.ana, one, "x"), ERR_STATE);
    CHECK_ERR("an answer to what is deleted", answer(&s, s.ben, "Ana", "what was it?", one, "", two), ERR_NONE);
    town_clear(&s.t);
}

static void check_refusals(void)
{
    static struct two s;
    static char longest[TEXT_LEN_MAX + 2];
    char mine[MESSAGE_ID_TEXT_LEN + 1], theirs[MESSAGE_ID_TEXT_LEN + 1], id[MESSAGE_ID_TEXT_LEN + 1], elsewhere[MESSAGE_ID_TEXT_LEN + 1];

    begin(&s, 81, false);
    int fay = town_add(&s.t, "Fay", TOWN_UNIX_S);
    town_befriend(&s.t, s.ana, fay);
    town_send(&s.t, s.ana, "Ben", "mine", mine);
    town_send(&s.t, s.ben, "Ana", "theirs", theirs);
    town_send(&s.t, s.ana, "Fay", "to somebody else", elsewhere);
    settle(&s);
    memset(longest, 'x', sizeof longest - 1);
    CHECK_ERR("nothing", react(&s, s.ana, "0011223344556677", "x"), ERR_NOT_FOUND);
    CHECK_ERR("no id", react(&s, s.ana, "first", "x"), ERR_NOT_FOUND);
    CHECK_ERR("a word", react(&s, s.ana, theirs, "ok"), ERR_MALFORMED);
    CHECK_ERR("no UTF-8", react(&s, s.ana, theirs, "\xff"), ERR_MALFORMED);
    CHECK_ERR("too long", react(&s, s.ana, theirs, longest), ERR_TOO_LARGE);
    CHECK_ERR("to theirs", edit(&s, s.ana, theirs, "x"), ERR_REFUSED);
    CHECK_ERR("theirs", delete_for_all(&s, s.ana, theirs), ERR_REFUSED);
    CHECK_ERR("to nothing", edit(&s, s.ana, mine, ""), ERR_MALFORMED);
    CHECK_ERR("to too much", edit(&s, s.ana, mine, longest), ERR_TOO_LARGE);
    CHECK_ERR("an answer to nothing", answer(&s, s.ana, "Ben", "x", "0011223344556677", "", id), ERR_NOT_FOUND);
    CHECK_ERR("an answer to what is elsewhere", answer(&s, s.ana, "Ben", "x", elsewhere, "", id), ERR_NOT_FOUND);
    CHECK_ERR("who is not here", answer(&s, s.ana, "Ben", "x", "", "Fay", id), ERR_NOT_FOUND);
    CHECK(town_total(&s.t, s.ana, "Ben") == 2);
    CHECK_ERR("", messenger_friend_block(s.t.people[s.ana].m, town_friend(&s.t, s.ana, "Ben"), true), ERR_NONE);
    CHECK_ERR("blocked", edit(&s, s.ana, mine, "x"), ERR_REFUSED);
    CHECK_ERR("", messenger_friend_block(s.t.people[s.ana].m, town_friend(&s.t, s.ana, "Ben"), false), ERR_NONE);
    CHECK_ERR("", edit(&s, s.ana, mine, "mine still"), ERR_NONE);
    CHECK(flights(&s, s.ana, "Ben") == 1);
    CHECK_ERR("gives up", messenger_friend_block(s.t.people[s.ana].m, town_friend(&s.t, s.ana, "Ben"), true), ERR_NONE);
    CHECK(flights(&s, s.ana, "Ben") == 0 && town_total(&s.t, s.ana, "Ben") == 2);
    CHECK_ERR("", messenger_friend_block(s.t.people[s.ana].m, town_friend(&s.t, s.ana, "Ben"), false), ERR_NONE);
    town_run(&s.t, 16 * 86400);
    CHECK_ERR("too late", edit(&s, s.ana, mine, "x"), ERR_EXPIRED);
    town_clear(&s.t);
}

static void make_id(struct message_id *out, const char *text)
{
    REQUIRE(message_id_of_text(out, bytes_of_text(text)) == ERR_NONE);
}

/* Sends what an honest messenger would not. */
static void say(struct two *s, int who, const char *to, const char *target, uint8_t kind, const char *text, uint64_t time_unix_s)
{
    struct remark r = { .kind = kind, .body = bytes_of_text(text) };
    struct letter l = { .type = PAYLOAD_REMARK, .flags = PAYLOAD_WANTS_ACK, .time_unix_s = (uint32_t)time_unix_s, .life_s = LIFE_DEFAULT_S };
    uint8_t body[REMARK_LEN_MAX];
    struct writer w = writer_of(body, sizeof body);
    struct sent sent;

    make_id(&r.target, target);
    remark_encode(&r, &w);
    message_draw_id(s->t.people[who].m, &l.content.id);
    l.content.body = writer_bytes(&w);
    CHECK_ERR(text, outbox_send(s->t.people[who].m, friend_by_number(s->t.people[who].m, town_friend(&s->t, who, to)), &l, &sent), ERR_NONE);
    town_turn(&s->t, who);
}

static void check_liars(void)
{
    static struct two s;
    char to_ben[MESSAGE_ID_TEXT_LEN + 1], to_fay[MESSAGE_ID_TEXT_LEN + 1];
    struct message_info info;

    begin(&s, 82, false);
    int fay = town_add(&s.t, "Fay", TOWN_UNIX_S);
    town_introduce(&s.t, s.ana, fay);
    town_send(&s.t, s.ana, "Ben", "for Ben", to_ben);
    town_send(&s.t, s.ana, "Fay", "for Fay", to_fay);
    settle(&s);
    town_meet(&s.t, s.ana, fay, 60);
    town_run(&s.t, 1000);
    town_meet(&s.t, s.ana, fay, 60);

    say(&s, s.ben, "Ana", to_ben, REMARK_EDIT, "forged", TOWN_UNIX_S + 5);
    say(&s, s.ben, "Ana", to_ben, REMARK_DELETION, "", TOWN_UNIX_S + 5);
    say(&s, s.ben, "Ana", to_fay, REMARK_REACTION, "x", TOWN_UNIX_S + 5);
    say(&s, s.ben, "Ana", to_fay, REMARK_DELETION, "", TOWN_UNIX_S + 5);
    settle(&s);
    info = town_message(&s.t, s.ana, to_ben);
    CHECK(strcmp(info.text, "for Ben") == 0 && !info.is_deleted && info.edited_unix_s == 0);
    info = town_message(&s.t, s.ana, to_fay);
    CHECK(strcmp(info.text, "for Fay") == 0 && !info.is_deleted && info.reaction_count == 0);
    CHECK(friend_by_number(s.t.people[s.ana].m, town_friend(&s.t, s.ana, "Ben"))->talk.early_due_s == 0);
    /* The last counts by the clock of who wrote it, not by arrival. */
    say(&s, s.ana, "Ben", to_ben, REMARK_EDIT, "second", TOWN_UNIX_S + 9);
    settle(&s);
    say(&s, s.ana, "Ben", to_ben, REMARK_EDIT, "first", TOWN_UNIX_S + 8);
    say(&s, s.ana, "Ben", to_ben, REMARK_EDIT, "years off", TOWN_UNIX_S + 9 + EDIT_MAX_S);
    settle(&s);
    CHECK(strcmp(town_message(&s.t, s.ben, to_ben).text, "second") == 0);
    CHECK(!town_remembers(&s.t, s.ben, bytes_of_text("years off")));
    town_clear(&s.t);
}

/* The message goes with one courier, what was said of it with another who is faster. */
static void check_early_courier(bool is_restless, uint8_t kind)
{
    static struct two s;
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct message_info info;

    begin(&s, 83, is_restless);
    town_send(&s.t, s.ana, "Ben", "hello", NULL);
    settle(&s);
    town_send(&s.t, s.ana, "Ben", "with Dan", id);
    town_turn(&s.t, s.ana);
    town_meet(&s.t, s.ana, s.dan, 20);
    /* Eve must not carry the message itself. */
    struct message_id octets;
    struct message_record msg;
    struct place at;
    make_id(&octets, id);
    struct conversation *c = conversation_by_number(s.t.people[s.ana].m, town_friend(&s.t, s.ana, "Ben"));
    REQUIRE(message_place(s.t.people[s.ana].m, &octets, &at) == ERR_NONE);
    REQUIRE(message_load(s.t.people[s.ana].m, c, at.number, &msg) == ERR_NONE);
    CHECK_ERR("", outbox_release(s.t.people[s.ana].m, &msg, false), ERR_NONE);
    town_turn(&s.t, s.ana);
    if (kind == REMARK_EDIT)
        CHECK_ERR("", edit(&s, s.ana, id, "with Eve"), ERR_NONE);
    else if (kind == REMARK_DELETION)
        CHECK_ERR("", delete_for_all(&s, s.ana, id), ERR_NONE);
    else
        CHECK_ERR("", react(&s, s.ana, id, "!"), ERR_NONE);
    town_meet(&s.t, s.ana, s.eve, 20);
    town_meet(&s.t, s.eve, s.ben, 20);
    CHECK_ERR("not yet", messenger_message(s.t.people[s.ben].m, bytes_of_text(id), &info), ERR_NOT_FOUND);
    CHECK(friend_by_number(s.t.people[s.ben].m, town_friend(&s.t, s.ben, "Ana"))->talk.early_due_s != 0);
    town_meet(&s.t, s.dan, s.ben, 20);
    info = town_message(&s.t, s.ben, id);
    CHECK(info.is_deleted == (kind == REMARK_DELETION));
    if (kind == REMARK_EDIT)
        CHECK(strcmp(info.text, "with Eve") == 0 && info.edited_unix_s != 0);
    if (kind == REMARK_REACTION)
        CHECK(strcmp(info.text, "with Dan") == 0 && info.reaction_count == 1);
    CHECK(town_remembers(&s.t, s.ben, bytes_of_text("with Dan")) == (kind == REMARK_REACTION));
    CHECK(friend_by_number(s.t.people[s.ben].m, town_friend(&s.t, s.ben, "Ana"))->talk.early_due_s == 0);
    town_clear(&s.t);
}

/* What never finds its message goes; what was said of a message that is gone is not kept. */
static void check_given_up(void)
{
    static struct two s;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    begin(&s, 84, false);
    town_send(&s.t, s.ana, "Ben", "hello", id);
    settle(&s);
    say(&s, s.ana, "Ben", "0011223344556677", REMARK_EDIT, "of nothing", TOWN_UNIX_S + 5);
    settle(&s);
    CHECK(town_remembers(&s.t, s.ben, bytes_of_text("of nothing")));
    town_reopen(&s.t, s.ben);
    town_run(&s.t, GONE_S + 86400);
    CHECK(!town_remembers(&s.t, s.ben, bytes_of_text("of nothing")));

    CHECK_ERR("", messenger_message_delete(s.t.people[s.ben].m, bytes_of_text(id)), ERR_NONE);
    CHECK_ERR("", messenger_message_delete(s.t.people[s.ana].m, bytes_of_text(id)), ERR_NONE);
    town_turn(&s.t, s.ana);
    town_turn(&s.t, s.ben);
    say(&s, s.ana, "Ben", id, REMARK_EDIT, "of what is gone", TOWN_UNIX_S + 5);
    say(&s, s.ben, "Ana", id, REMARK_REACTION, "x", TOWN_UNIX_S + 5);
    settle(&s);
    CHECK(!town_remembers(&s.t, s.ben, bytes_of_text("of what is gone")));
    for (int who = s.ana; who <= s.ben; who++)
        CHECK(friend_by_number(s.t.people[who].m, town_friend(&s.t, who, who == s.ana ? "Ben" : "Ana"))->talk.early_due_s == 0);
    town_clear(&s.t);
}

/* A text that nobody has taken yet goes no further. */
static void check_deleted_before(void)
{
    static struct two s;
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct message_info info;

    begin(&s, 85, false);
    town_send(&s.t, s.ana, "Ben", "hello", NULL);
    settle(&s);
    town_send(&s.t, s.ana, "Ben", "never mind", id);
    CHECK_ERR("", delete_for_all(&s, s.ana, id), ERR_NONE);
    settle(&s);
    CHECK_ERR("", messenger_message(s.t.people[s.ben].m, bytes_of_text(id), &info), ERR_NOT_FOUND);
    CHECK(flights(&s, s.ana, "Ben") == 0 && town_total(&s.t, s.ben, "Ana") == 1);
    town_clear(&s.t);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_orders();
    for (uint64_t seed = 1; seed <= 500; seed++)
        check_shuffled(seed);
    check_early();
    check_early_bytes();
    check_talk(false);
    check_talk(true);
    check_refusals();
    check_liars();
    for (uint8_t kind = REMARK_REACTION; kind < REMARK_KIND_END; kind++) {
        check_early_courier(false, kind);
        check_early_courier(true, kind);
    }
    check_given_up();
    check_deleted_before();
    return check_report("remarks");
}
