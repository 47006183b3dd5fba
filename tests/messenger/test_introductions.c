/* tests/messenger/test_introductions.c - a friend introduces two others; and whatever is tried, nobody's keys change under their name. */
#include <stdio.h>
#include <string.h>

#include "tests/messenger/town.h"
#include "tests/support/check.h"

static struct friend_info about(struct town *t, int who, const char *name)
{
    struct friend_info f;

    REQUIRE(messenger_friend_info(t->people[who].m, town_friend(t, who, name), &f) == ERR_NONE);
    return f;
}

/* The newest incoming message from `name`. */
static bool newest(void *ctx, const struct message_info *info)
{
    struct message_info *out = ctx;

    if (info->is_incoming)
        *out = *info;
    return true;
}

static struct message_info newest_from(struct town *t, int who, const char *name)
{
    static struct message_info m;

    memset(&m, 0, sizeof m);
    REQUIRE(messenger_messages(t->people[who].m, town_friend(t, who, name), 0, newest, &m) == ERR_NONE);
    return m;
}

static enum err introduce(struct town *t, int who, const char *a, const char *b)
{
    char ids[2][MESSAGE_ID_TEXT_LEN + 1];

    return messenger_introduce(t->people[who].m, town_friend(t, who, a), town_friend(t, who, b), town_wall(t, who), t->net.now_ms, ids);
}

static void check_introduced(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], given[MESSAGE_ID_TEXT_LEN + 1];
    uint32_t number;

    town_init(&t, 70);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), caro = town_add(&t, "Caro", TOWN_UNIX_S);
    int dan = town_add(&t, "Dan", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_introduce(&t, ana, caro);
    town_send(&t, ana, "Ben", "hello", NULL);
    town_send(&t, ana, "Caro", "hello", NULL);
    town_exchange(&t, ana, ben, 3);
    town_exchange(&t, ana, caro, 3);

    CHECK_ERR("oneself", introduce(&t, ana, "Ben", "Ben"), ERR_REFUSED);
    CHECK_ERR("nobody", introduce(&t, ana, "Ben", "Erik"), ERR_NOT_FOUND);
    /* Of Dan there is only a one-time invite. */
    char link[CARD_LINK_MAX];
    REQUIRE(messenger_invite_link(t.people[dan].m, link) == ERR_NONE);
    REQUIRE(messenger_friend_add(t.people[ana].m, bytes_of_text(link), bytes_of(NULL, 0), town_wall(&t, ana), &number) == ERR_NONE);
    CHECK_ERR("an invite is for one", introduce(&t, ana, "Dan", "Ben"), ERR_STATE);
    REQUIRE(messenger_friend_block(t.people[ana].m, town_friend(&t, ana, "Caro"), true) == ERR_NONE);
    CHECK_ERR("blocked", introduce(&t, ana, "Caro", "Ben"), ERR_REFUSED);
    REQUIRE(messenger_friend_block(t.people[ana].m, town_friend(&t, ana, "Caro"), false) == ERR_NONE);

    CHECK_ERR("", introduce(&t, ana, "Ben", "Caro"), ERR_NONE);
    town_exchange(&t, ana, ben, 2);
    town_exchange(&t, ana, caro, 2);
    struct message_info to_ben = newest_from(&t, ben, "Ana");
    CHECK(strcmp(to_ben.introduces, "Caro") == 0 && to_ben.introduces_known == NULL && !to_ben.introduces_me);
    strcpy(given, to_ben.id);
    /* Ben takes it up and writes; Caro sees who asks, and takes it up as well. */
    CHECK_ERR("", messenger_introduced_add(t.people[ben].m, bytes_of_text(given), bytes_of(NULL, 0), town_wall(&t, ben), &number), ERR_NONE);
    CHECK_ERR("again", messenger_introduced_add(t.people[ben].m, bytes_of_text(given), bytes_of(NULL, 0), town_wall(&t, ben), &number), ERR_EXISTS);
    struct friend_info f = about(&t, ben, "Caro");
    CHECK(f.introduced_by != NULL && strcmp(f.introduced_by, "Ana") == 0 && f.state == FRIEND_ADDED);
    to_ben = newest_from(&t, ben, "Ana");
    CHECK(to_ben.introduces_known != NULL && strcmp(to_ben.introduces_known, "Caro") == 0);
    town_send(&t, ben, "Caro", "Ana says hello", id);
    town_exchange(&t, ben, caro, 2);
    f = about(&t, caro, "Ben");
    CHECK(f.is_request && f.introduced_by == NULL);
    struct message_info to_caro = newest_from(&t, caro, "Ana");
    CHECK(strcmp(to_caro.introduces, "Ben") == 0 && to_caro.introduces_known == NULL);
    strcpy(given, to_caro.id);
    CHECK_ERR("who asked", messenger_introduced_add(t.people[caro].m, bytes_of_text(given), bytes_of(NULL, 0), town_wall(&t, caro), &number), ERR_EXISTS);
    f = about(&t, caro, "Ben");
    CHECK(!f.is_request && f.introduced_by != NULL && strcmp(f.introduced_by, "Ana") == 0);
    town_reopen(&t, caro);
    CHECK(about(&t, caro, "Ben").introduced_by != NULL);
    town_exchange(&t, ben, caro, 3);
    CHECK(town_state(&t, ben, id) == MESSAGE_DELIVERED);
    /* What is no introduction. */
    char plain[MESSAGE_ID_TEXT_LEN + 1];
    town_send(&t, ana, "Ben", "staffetta:#AQ and more", NULL);
    town_exchange(&t, ana, ben, 2);
    strcpy(plain, newest_from(&t, ben, "Ana").id);
    CHECK(newest_from(&t, ben, "Ana").introduces[0] == '\0');
    CHECK_ERR("a text", messenger_introduced_add(t.people[ben].m, bytes_of_text(plain), bytes_of(NULL, 0), town_wall(&t, ben), &number), ERR_MALFORMED);
    CHECK_ERR("nothing", messenger_introduced_add(t.people[ben].m, bytes_of_text("0011223344556677"), bytes_of(NULL, 0), town_wall(&t, ben), &number),
              ERR_NOT_FOUND);
    /* The introducer is forgotten with the friend. */
    REQUIRE(messenger_friend_remove(t.people[caro].m, town_friend(&t, caro, "Ana"), town_wall(&t, caro)) == ERR_NONE);
    CHECK(about(&t, caro, "Ben").introduced_by == NULL);
    town_clear(&t);
}

/* Somebody else who calls himself Ben, by every way in: added by his card, by an introduction of a friend who lies or errs, by his own first
 * message, and by a card inside a session. Ben's number is what it was, and so is the mark. */
static void check_no_silent_change(void)
{
    static struct town t;
    char before[SAFETY_NUMBER_LEN + 1], after[SAFETY_NUMBER_LEN + 1], link[CARD_LINK_MAX];
    uint32_t number;

    town_init(&t, 71);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), mallory = town_add(&t, "Ben", TOWN_UNIX_S);
    int caro = town_add(&t, "Caro", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_introduce(&t, ana, caro);
    town_introduce(&t, caro, mallory);
    for (int i = 0; i < 2; i++) {
        town_send(&t, i == 0 ? ben : caro, "Ana", "hello", NULL);
        town_exchange(&t, ana, i == 0 ? ben : caro, 3);
    }
    town_send(&t, mallory, "Caro", "hello", NULL);
    town_exchange(&t, caro, mallory, 3);
    REQUIRE(messenger_friend_verify(t.people[ana].m, town_friend(&t, ana, "Ben"), true) == ERR_NONE);
    REQUIRE(messenger_safety_number(t.people[ana].m, town_friend(&t, ana, "Ben"), before) == ERR_NONE);

    CHECK_ERR("", introduce(&t, caro, "Ben", "Ana"), ERR_NONE);   /* Caro's Ben is Mallory */
    town_exchange(&t, ana, caro, 2);
    struct message_info m = newest_from(&t, ana, "Caro");
    CHECK(strcmp(m.introduces, "Ben") == 0 && m.introduces_known == NULL);
    char id[MESSAGE_ID_TEXT_LEN + 1];
    strcpy(id, m.id);
    CHECK_ERR("", messenger_introduced_add(t.people[ana].m, bytes_of_text(id), bytes_of(NULL, 0), town_wall(&t, ana), &number), ERR_NONE);
    CHECK(about(&t, ana, "Ben 2").state == FRIEND_ADDED);
    messenger_card_link(t.people[mallory].m, link);
    CHECK_ERR("", messenger_friend_add(t.people[ana].m, bytes_of_text(link), bytes_of_text("Ben"), town_wall(&t, ana), &number), ERR_EXISTS);
    CHECK(number == town_friend(&t, ana, "Ben 2"));
    /* Forgotten, he writes by himself. */
    REQUIRE(messenger_friend_remove(t.people[ana].m, number, town_wall(&t, ana)) == ERR_NONE);
    town_befriend(&t, mallory, ana);
    town_send(&t, mallory, "Ana", "it is me, Ben, with a new phone", NULL);
    town_exchange(&t, ana, mallory, 2);
    CHECK(about(&t, ana, "Ben 2").is_request);
    REQUIRE(messenger_friend_accept(t.people[ana].m, town_friend(&t, ana, "Ben 2")) == ERR_NONE);
    town_exchange(&t, ana, mallory, 3);   /* cards go inside the session */

    REQUIRE(messenger_safety_number(t.people[ana].m, town_friend(&t, ana, "Ben"), after) == ERR_NONE);
    CHECK(strcmp(before, after) == 0 && about(&t, ana, "Ben").state == FRIEND_VERIFIED && about(&t, ana, "Ben 2").state != FRIEND_VERIFIED);
    REQUIRE(messenger_safety_number(t.people[ana].m, town_friend(&t, ana, "Ben 2"), after) == ERR_NONE);
    CHECK(strcmp(before, after) != 0);
    /* Ben himself, restored with the keys that he had, is Ben; with a new identity he is somebody else. */
    char back[MESSAGE_ID_TEXT_LEN + 1];
    town_send(&t, ben, "Ana", "still me", back);
    town_exchange(&t, ana, ben, 2);
    CHECK(town_count(&t, ana, "Ben", "still me", true) == 1 && town_count(&t, ana, "Ben", "it is me, Ben, with a new phone", true) == 0);
    town_clear(&t);
}

int main(void)
{
    check_introduced();
    check_no_silent_change();
    return check_report("introductions");
}
