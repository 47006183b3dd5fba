/* tests/messenger/test_stories.c - what people live through with their messengers, on real nodes. */
#include <stdio.h>
#include <string.h>

#include "tests/messenger/town.h"
#include "tests/support/check.h"

static const uint64_t HOUR = 3600, DAY = 86400;

/* Ana and Ben never meet; Caro walks between them. */
static void one_way_and_back(struct town *t, int from, int caro, int to)
{
    town_meet(t, from, caro, 20);
    town_meet(t, caro, to, 20);
    town_run(t, 60);
    town_meet(t, to, caro, 20);
    town_meet(t, caro, from, 20);
    town_run(t, 60);
}

/* ---- The main job ---- */

static void check_first_contact(bool is_restless)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], back[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 1);
    t.is_restless = is_restless;
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), caro = town_add(&t, "Caro", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "I am OK", id);
    CHECK(town_state(&t, ana, id) == MESSAGE_QUEUED && town_message(&t, ana, id).copies == 0);

    town_meet(&t, ana, caro, 20);
    CHECK(town_state(&t, ana, id) == MESSAGE_CARRIED);
    CHECK(town_message(&t, ana, id).copies == 1 && town_message(&t, ana, id).carried_unix_s >= TOWN_UNIX_S);
    CHECK(town_total(&t, caro, "Ana") == 0);

    town_meet(&t, caro, ben, 20);
    CHECK(town_count(&t, ben, "Ana", "I am OK", true) == 1);
    CHECK(town_state(&t, ana, id) == MESSAGE_CARRIED);
    town_run(&t, 30);
    town_meet(&t, ben, caro, 20);
    town_meet(&t, caro, ana, 20);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED && town_message(&t, ana, id).delivered_unix_s != 0);

    town_send(&t, ben, "Ana", "so am I", back);
    one_way_and_back(&t, ben, caro, ana);
    CHECK(town_count(&t, ana, "Ben", "so am I", true) == 1);
    CHECK(town_state(&t, ben, back) == MESSAGE_DELIVERED);
    town_read_all(&t, ana, "Ben");
    one_way_and_back(&t, ana, caro, ben);
    CHECK(town_state(&t, ben, back) == MESSAGE_READ && town_message(&t, ben, back).read_unix_s != 0);

    struct friend_info info;
    CHECK_ERR("", messenger_friend_info(t.people[ana].m, town_friend(&t, ana, "Ben"), &info), ERR_NONE);
    CHECK(info.state == FRIEND_CONNECTED && !info.is_request && info.unread == 0 && info.message_count == 2);
    CHECK(strcmp(info.name, "Ben") == 0 && strcmp(info.card_name, "Ben") == 0);

    /* Caro's database knows nothing of them. */
    CHECK(!town_holds(&t, caro, bytes_of_text("I am OK")) && !town_holds(&t, caro, bytes_of_text("so am I")));
    CHECK(!town_holds(&t, caro, bytes_of_text("Ana")) && !town_holds(&t, caro, bytes_of_text("Ben")));
    CHECK(!town_holds(&t, caro, bytes_of(id, MESSAGE_ID_TEXT_LEN)));
    for (int i = 0; i < 2; i++) {
        char link[CARD_LINK_MAX];
        struct card card;

        messenger_card_link(t.people[i == 0 ? ana : ben].m, link);
        REQUIRE(card_from_link(&card, bytes_of_text(link)) == ERR_NONE);
        CHECK(!town_holds(&t, caro, bytes_of(card.sign_key, 16)) && !town_holds(&t, caro, bytes_of(card.dh_key, 16)));
        CHECK(!town_holds(&t, caro, bytes_of(card.prekey, 16)) && !town_holds(&t, caro, bytes_of(card.inbox_secret, 16)));
    }
    /* Nor does Ana's say it in the clear. */
    CHECK(!town_holds(&t, ana, bytes_of_text("I am OK")) && !town_holds(&t, ana, bytes_of_text("Ben")));
    town_clear(&t);
}

/* ---- Who knows whom ---- */

static void check_stranger(void)
{
    static struct town t;
    struct friend_info info;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 2);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_befriend(&t, ana, ben);
    town_send(&t, ana, "Ben", "you do not know me", id);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "you do not know me", true) == 1);
    REQUIRE(town_friend(&t, ben, "Ana") != 0);
    CHECK_ERR("", messenger_friend_info(t.people[ben].m, town_friend(&t, ben, "Ana"), &info), ERR_NONE);
    CHECK(info.is_request && info.state == FRIEND_ADDED && info.unread == 1);
    town_read_all(&t, ben, "Ana");
    town_run(&t, HOUR);
    town_meet(&t, ana, ben, 60);
    CHECK_CASE("no receipts before acceptance", town_state(&t, ana, id) == MESSAGE_CARRIED);

    CHECK_ERR("", messenger_friend_accept(t.people[ben].m, town_friend(&t, ben, "Ana")), ERR_NONE);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);
    CHECK_ERR("", messenger_friend_info(t.people[ben].m, town_friend(&t, ben, "Ana"), &info), ERR_NONE);
    CHECK(!info.is_request && info.state == FRIEND_CONNECTED);
    town_clear(&t);
}

static bool is_blocked(struct town *t, int who, const char *name)
{
    struct friend_info info;

    CHECK_ERR("", messenger_friend_info(t->people[who].m, town_friend(t, who, name), &info), ERR_NONE);
    return info.is_blocked;
}

/* Who is blocked is not shown, gets nothing back and cannot tell; what is repeated after unblocking comes. */
static void check_blocking(void)
{
    static struct town t;
    char before[MESSAGE_ID_TEXT_LEN + 1], during[MESSAGE_ID_TEXT_LEN + 1], waiting[MESSAGE_ID_TEXT_LEN + 1],
        after[MESSAGE_ID_TEXT_LEN + 1], unused[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 9);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "before", before);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    REQUIRE(town_state(&t, ana, before) == MESSAGE_DELIVERED);

    town_send(&t, ben, "Ana", "on its way", waiting);
    CHECK_ERR("", messenger_friend_block(t.people[ben].m, town_friend(&t, ben, "Ana"), true), ERR_NONE);
    CHECK(town_turn(&t, ben));
    CHECK_CASE("what waits is given up", town_state(&t, ben, waiting) == MESSAGE_EXPIRED && *town_message(&t, ben, waiting).reason != '\0');
    town_reopen(&t, ben);
    CHECK_CASE("outlasts a restart", is_blocked(&t, ben, "Ana"));
    CHECK_ERR("", messenger_send_text(t.people[ben].m, town_friend(&t, ben, "Ana"), bytes_of_text("no"), 0, town_wall(&t, ben),
                                      t.net.now_ms, unused), ERR_REFUSED);
    town_send(&t, ana, "Ben", "during", during);
    town_meet(&t, ana, ben, 60);
    town_read_all(&t, ben, "Ana");
    town_run(&t, 6 * HOUR);
    town_meet(&t, ana, ben, 60);
    CHECK_CASE("not shown", town_count(&t, ben, "Ana", "during", true) == 0);
    CHECK_CASE("not told", town_state(&t, ana, during) == MESSAGE_CARRIED);
    CHECK_CASE("given up is not sent", town_count(&t, ana, "Ben", "on its way", true) == 0);

    CHECK_ERR("", messenger_friend_block(t.people[ben].m, town_friend(&t, ben, "Ana"), false), ERR_NONE);
    CHECK(town_turn(&t, ben) && !is_blocked(&t, ben, "Ana"));
    town_send(&t, ana, "Ben", "after", after);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "after", true) == 1 && town_state(&t, ana, after) == MESSAGE_DELIVERED);
    town_send(&t, ben, "Ana", "and back", waiting);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ana, "Ben", "and back", true) == 1);
    town_clear(&t);
}

static void check_invite(void)
{
    static struct town t;
    struct friend_info info;
    char link[CARD_LINK_MAX], id[MESSAGE_ID_TEXT_LEN + 1], late[MESSAGE_ID_TEXT_LEN + 1];
    uint32_t number;

    town_init(&t, 3);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), eve = town_add(&t, "Eve", TOWN_UNIX_S);
    CHECK_ERR("", messenger_invite_link(t.people[ben].m, link), ERR_NONE);
    town_reopen(&t, ben);
    CHECK_ERR("", messenger_friend_add(t.people[ana].m, bytes_of_text(link), bytes_of(NULL, 0), TOWN_UNIX_S, &number), ERR_NONE);
    CHECK_ERR("", messenger_friend_add(t.people[eve].m, bytes_of_text(link), bytes_of(NULL, 0), TOWN_UNIX_S, &number), ERR_NONE);
    CHECK_ERR("own", messenger_friend_add(t.people[ben].m, bytes_of_text(link), bytes_of(NULL, 0), TOWN_UNIX_S, &number),
              ERR_REFUSED);
    town_send(&t, ana, "Ben", "by invitation", id);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "by invitation", true) == 1);
    CHECK_ERR("", messenger_friend_info(t.people[ben].m, town_friend(&t, ben, "Ana"), &info), ERR_NONE);
    CHECK(!info.is_request);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 120);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);

    /* It was for one person. */
    town_send(&t, eve, "Ben", "by the same invitation", late);
    town_meet(&t, eve, ben, 60);
    CHECK(town_friend(&t, ben, "Eve") == 0 && town_state(&t, eve, late) == MESSAGE_CARRIED);

    /* Ana has Ben's standing card by now, so a new session can begin without the invite. */
    struct db *old = town_copy_db(&t, ana);
    town_restore_db(&t, ana, old);
    town_send(&t, ana, "Ben", "after a restore", id);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "after a restore", true) == 1 && town_state(&t, ana, id) == MESSAGE_DELIVERED);
    town_clear(&t);
}

static void check_both_at_once(uint64_t seed)
{
    static struct town t;
    char a[MESSAGE_ID_TEXT_LEN + 1], b[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, seed);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "first from Ana", a);
    town_send(&t, ben, "Ana", "first from Ben", b);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "first from Ana", true) == 1 && town_count(&t, ana, "Ben", "first from Ben", true) == 1);
    CHECK(town_state(&t, ana, a) == MESSAGE_DELIVERED && town_state(&t, ben, b) == MESSAGE_DELIVERED);
    for (int i = 0; i < 4; i++) {
        town_send(&t, ana, "Ben", "more from Ana", a);
        town_send(&t, ben, "Ana", "more from Ben", b);
        town_meet(&t, ana, ben, 60);
        town_run(&t, 30);
        town_meet(&t, ana, ben, 60);
        CHECK(town_state(&t, ana, a) == MESSAGE_DELIVERED && town_state(&t, ben, b) == MESSAGE_DELIVERED);
    }
    CHECK(town_count(&t, ben, "Ana", "more from Ana", true) == 4 && town_count(&t, ana, "Ben", "more from Ben", true) == 4);
    town_clear(&t);
}

static void check_removal(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], fresh[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 5);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), dan = town_add(&t, "Dan", TOWN_UNIX_S);
    uint64_t before = town_records(&t, ben);
    town_introduce(&t, dan, ben);
    town_send(&t, dan, "Ben", "hello", NULL);
    town_meet(&t, dan, ben, 60);
    uint64_t with_dan = town_records(&t, ben);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "to be forgotten", NULL);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    town_meet(&t, dan, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "to be forgotten", true) == 1);
    CHECK(town_records(&t, ben) > with_dan && with_dan > before);

    CHECK_ERR("", messenger_friend_remove(t.people[ben].m, town_friend(&t, ben, "Ana"), town_wall(&t, ben)), ERR_NONE);
    CHECK(town_friend(&t, ben, "Ana") == 0);
    town_run(&t, 30);
    CHECK_CASE("no record is left", town_records(&t, ben) <= with_dan + 1);
    town_reopen(&t, ben);
    CHECK(town_friend(&t, ben, "Ana") == 0 && town_friend(&t, ben, "Dan") != 0);

    town_send(&t, ana, "Ben", "are you there", id);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 8 * DAY);
    town_meet(&t, ana, ben, 60);
    CHECK(town_friend(&t, ben, "Ana") == 0 && town_state(&t, ana, id) != MESSAGE_DELIVERED);

    /* Dan learned the new card and still gets through, also as one who begins anew. */
    town_meet(&t, dan, ben, 60);
    town_restore_db(&t, dan, town_copy_db(&t, dan));
    town_send(&t, dan, "Ben", "still here", fresh);
    town_meet(&t, dan, ben, 60);
    town_run(&t, 30);
    town_meet(&t, dan, ben, 60);
    CHECK(town_count(&t, ben, "Dan", "still here", true) == 1 && town_state(&t, dan, fresh) == MESSAGE_DELIVERED);
    town_clear(&t);
}

/* ---- Losses ---- */

static void check_lost_first(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], second[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 6);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), lost = town_add(&t, NULL, TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "lost at first", id);
    town_meet(&t, ana, lost, 20);   /* somebody takes it and is never seen again */
    town_run(&t, 8 * HOUR);
    struct message_info info = town_message(&t, ana, id);
    CHECK(info.state == MESSAGE_CARRIED && info.tries == 2 && info.copies == 1 && info.next_try_unix_s > town_wall(&t, ana));
    town_send(&t, ana, "Ben", "second", second);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    CHECK_CASE("a repeat is shown once", town_count(&t, ben, "Ana", "lost at first", true) == 1);
    CHECK(town_count(&t, ben, "Ana", "second", true) == 1);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED && town_state(&t, ana, second) == MESSAGE_DELIVERED);
    CHECK(town_message(&t, ana, id).copies >= 2);
    /* The one who had it comes after all. */
    town_meet(&t, lost, ben, 20);
    town_meet(&t, lost, ana, 20);
    CHECK(town_count(&t, ben, "Ana", "lost at first", true) == 1 && town_state(&t, ana, id) == MESSAGE_DELIVERED);
    town_clear(&t);
}

/* The acknowledgement is lost; the repeat is acknowledged again. */
static void check_lost_receipt(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 7);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    t.people[ben].receipt_delay_s = RECEIPT_DELAY_MAX_S;
    town_reopen(&t, ben);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "did you get it", id);
    town_meet(&t, ana, ben, 2);
    CHECK(town_count(&t, ben, "Ana", "did you get it", true) == 1 && town_state(&t, ana, id) == MESSAGE_CARRIED);
    town_run(&t, HOUR);
    /* Everything Ben has to say goes up in smoke. */
    struct store *s = t.net.nodes[t.people[ben].node].store;
    while (net_count(&t.net, t.people[ben].node) > 0) {
        struct store_entry first = { .seq = 0 };

        for (uint64_t seq = 1; first.seq == 0; seq++) {
            const struct store_entry *e = store_find_seq(s, seq);

            if (e != NULL)
                first = *e;
        }
        REQUIRE(store_remove(s, &first.id, false) == ERR_NONE);
    }
    town_meet(&t, ana, ben, 60);
    CHECK(town_state(&t, ana, id) == MESSAGE_CARRIED);
    town_run(&t, 8 * HOUR);
    town_meet(&t, ana, ben, 60);
    town_run(&t, RECEIPT_DELAY_MAX_S);
    town_meet(&t, ana, ben, 60);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED && town_count(&t, ben, "Ana", "did you get it", true) == 1);
    town_clear(&t);
}

static void check_out_of_order(void)
{
    enum { MANY = 120 };
    static struct town t;
    static char ids[MANY][MESSAGE_ID_TEXT_LEN + 1];
    char text[32];

    town_init(&t, 8);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "hello", NULL);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    /* More than the look-ahead, and a neighbour gives the newest first. */
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "number %d", i);
        town_send(&t, ana, "Ben", text, ids[i]);
    }
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "number %d", i);
        CHECK_CASE(text, town_count(&t, ben, "Ana", text, true) == 1);
        CHECK_CASE(text, town_state(&t, ana, ids[i]) == MESSAGE_DELIVERED);
    }
    town_clear(&t);
}

/* More first messages than a session opens ahead, and the newest come first. */
static void check_many_firsts(void)
{
    enum { MANY = 900 };
    static struct town t;
    char text[32];

    town_init(&t, 18);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "number %d", i);
        town_send(&t, ana, "Ben", text, NULL);
    }
    town_meet(&t, ana, ben, 60);
    CHECK(town_total(&t, ben, "Ana") == MANY);
    for (int i = 0; i < MANY; i += 7) {
        snprintf(text, sizeof text, "number %d", i);
        CHECK_CASE(text, town_count(&t, ben, "Ana", text, true) == 1);
    }
    town_clear(&t);
}

static void check_expiry(void)
{
    static struct town t;
    char nobody[MESSAGE_ID_TEXT_LEN + 1], silent[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 9);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), caro = town_add(&t, NULL, TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    REQUIRE(messenger_send_text(t.people[ana].m, town_friend(&t, ana, "Ben"), bytes_of_text("alone"), (uint32_t)DAY,
                                town_wall(&t, ana), t.net.now_ms, nobody) == ERR_NONE);
    town_run(&t, 3 * DAY);
    struct message_info info = town_message(&t, ana, nobody);
    CHECK(info.state == MESSAGE_EXPIRED && info.copies == 0);
    CHECK(strcmp(info.reason, "no one came by to carry it in 1 day, before it expired") == 0);

    town_send(&t, ana, "Ben", "into the void", silent);
    town_meet(&t, ana, caro, 20);
    town_run(&t, 9 * DAY);
    info = town_message(&t, ana, silent);
    CHECK(info.state == MESSAGE_EXPIRED && info.copies >= 1 && info.next_try_unix_s == 0);
    CHECK(strncmp(info.reason, "carried by ", 11) == 0 && strstr(info.reason, "no answer came back in 7 days") != NULL);
    (void)ben;
    town_clear(&t);
}

/* ---- Going ---- */

static void check_disappearing(void)
{
    static struct town t;
    struct message_info info;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 10);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "stays", NULL);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    town_read_all(&t, ben, "Ana");
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    uint64_t ana_before = town_records(&t, ana), ben_before = town_records(&t, ben);

    CHECK_ERR("", messenger_friend_set_disappear(t.people[ana].m, town_friend(&t, ana, "Ben"), 600), ERR_NONE);
    town_send(&t, ana, "Ben", "goes", id);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ben, "Ana", "goes", true) == 1 && town_message(&t, ben, id).disappear_s == 600);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);
    town_read_all(&t, ben, "Ana");
    town_run(&t, 300);
    town_reopen(&t, ben);
    CHECK(town_count(&t, ben, "Ana", "goes", true) == 1);
    town_meet(&t, ana, ben, 60);
    CHECK(town_state(&t, ana, id) == MESSAGE_READ);
    town_run(&t, 400);
    CHECK(town_count(&t, ben, "Ana", "goes", true) == 0);
    town_reopen(&t, ana);
    town_run(&t, 700);
    CHECK(town_count(&t, ana, "Ben", "goes", false) == 0 && town_count(&t, ana, "Ben", "stays", false) == 1);
    CHECK_ERR("", messenger_message(t.people[ana].m, bytes_of_text(id), &info), ERR_NOT_FOUND);
    CHECK_ERR("", messenger_message(t.people[ben].m, bytes_of_text(id), &info), ERR_NOT_FOUND);

    /* The reader's time begins with reading, whenever that is. */
    town_send(&t, ana, "Ben", "goes later", id);
    town_meet(&t, ana, ben, 60);
    town_run(&t, DAY);
    CHECK(town_count(&t, ben, "Ana", "goes later", true) == 1 && town_count(&t, ana, "Ben", "goes later", false) == 0);
    town_read_all(&t, ben, "Ana");
    town_run(&t, 590);
    CHECK(town_count(&t, ben, "Ana", "goes later", true) == 1);
    town_run(&t, 20);
    CHECK(town_count(&t, ben, "Ana", "goes later", true) == 0);
    /* Only the empty list of what fades, and the ids of what is gone, may be new. */
    CHECK(town_records(&t, ana) <= ana_before + 2 && town_records(&t, ben) <= ben_before + 2);
    CHECK(!town_remembers(&t, ana, bytes_of_text("goes")) && !town_remembers(&t, ben, bytes_of_text("goes")));
    town_clear(&t);
}

static void check_deleted_is_not_shown_again(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 11);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), lost = town_add(&t, NULL, TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "delete me", id);
    town_meet(&t, ana, lost, 20);
    town_run(&t, 7 * HOUR);
    town_meet(&t, ana, ben, 2);
    CHECK(town_count(&t, ben, "Ana", "delete me", true) == 1);
    CHECK_ERR("", messenger_message_delete(t.people[ben].m, bytes_of_text(id)), ERR_NONE);
    town_reopen(&t, ben);
    town_meet(&t, lost, ben, 20);
    CHECK(town_count(&t, ben, "Ana", "delete me", true) == 0);
    town_run(&t, 60);
    town_meet(&t, ana, ben, 20);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);
    town_clear(&t);
}

/* ---- Clocks and restores ---- */

static void check_clocks(uint64_t ana_unix_s, uint64_t ben_unix_s, const char *label)
{
    static struct town t;
    char a[MESSAGE_ID_TEXT_LEN + 1], b[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 12);
    int ana = town_add(&t, "Ana", ana_unix_s), ben = town_add(&t, "Ben", ben_unix_s);
    town_introduce(&t, ana, ben);
    for (int i = 0; i < 3; i++) {
        char text[32];

        snprintf(text, sizeof text, "from Ana %d", i);
        town_send(&t, ana, "Ben", text, a);
        town_meet(&t, ana, ben, 120);
        CHECK_CASE(label, town_count(&t, ben, "Ana", text, true) == 1);
        snprintf(text, sizeof text, "from Ben %d", i);
        town_send(&t, ben, "Ana", text, b);
        town_meet(&t, ben, ana, 120);
        CHECK_CASE(label, town_count(&t, ana, "Ben", text, true) == 1);
        town_run(&t, 30);
        town_meet(&t, ana, ben, 120);
        CHECK_CASE(label, town_state(&t, ana, a) == MESSAGE_DELIVERED && town_state(&t, ben, b) == MESSAGE_DELIVERED);
        town_run(&t, i == 1 ? 3 * DAY : HOUR);
    }
    town_clear(&t);
}

static void check_rollback(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], lost[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 13);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    for (int i = 0; i < 3; i++) {
        town_send(&t, ana, "Ben", "before", NULL);
        town_meet(&t, ana, ben, 60);
        town_send(&t, ben, "Ana", "answer", NULL);
        town_meet(&t, ana, ben, 60);
    }
    struct db *old = town_copy_db(&t, ben);
    for (int i = 0; i < 3; i++) {
        town_send(&t, ben, "Ana", "after the copy", NULL);
        town_send(&t, ana, "Ben", "after the copy", NULL);
        town_meet(&t, ana, ben, 60);
        town_run(&t, 60);
    }
    town_send(&t, ana, "Ben", "on its way", lost);
    town_restore_db(&t, ben, old);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 60);
    town_meet(&t, ana, ben, 60);
    CHECK_CASE("sent again after the reset", town_count(&t, ben, "Ana", "on its way", true) == 1);
    CHECK(town_state(&t, ana, lost) == MESSAGE_DELIVERED);
    town_send(&t, ben, "Ana", "I am back", id);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 60);
    town_meet(&t, ana, ben, 60);
    CHECK(town_count(&t, ana, "Ben", "I am back", true) == 1 && town_state(&t, ben, id) == MESSAGE_DELIVERED);
    CHECK_CASE("nothing twice", town_count(&t, ana, "Ben", "answer", true) == 3);

    /* Both at once. */
    struct db *old_ana = town_copy_db(&t, ana), *old_ben = town_copy_db(&t, ben);
    town_send(&t, ana, "Ben", "forgotten by both", NULL);
    town_meet(&t, ana, ben, 60);
    town_restore_db(&t, ana, old_ana);
    town_restore_db(&t, ben, old_ben);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 60);
    for (int i = 0; i < 2; i++) {
        char a[MESSAGE_ID_TEXT_LEN + 1], b[MESSAGE_ID_TEXT_LEN + 1];

        town_send(&t, ana, "Ben", "both restored", a);
        town_send(&t, ben, "Ana", "both restored", b);
        town_meet(&t, ana, ben, 60);
        town_run(&t, 60);
        town_meet(&t, ana, ben, 60);
        CHECK(town_state(&t, ana, a) == MESSAGE_DELIVERED && town_state(&t, ben, b) == MESSAGE_DELIVERED);
    }
    town_clear(&t);
}

/* A rollback that nobody noticed: after a week without an answer a new session begins. */
static void check_unnoticed_rollback(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 14);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    struct db *old = town_copy_db(&t, ben);
    town_send(&t, ana, "Ben", "hello", NULL);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    town_restore_db(&t, ben, old);
    town_crash(&t, ben);   /* what the notice of the restore changed was not committed */
    REQUIRE(messenger_send_text(t.people[ana].m, town_friend(&t, ana, "Ben"), bytes_of_text("hear me"), 14 * (uint32_t)DAY,
                                town_wall(&t, ana), t.net.now_ms, id) == ERR_NONE);
    for (int day = 0; day < 6; day++) {
        town_meet(&t, ana, ben, 60);
        town_run(&t, DAY);
    }
    CHECK(town_state(&t, ana, id) == MESSAGE_CARRIED && town_count(&t, ben, "Ana", "hear me", true) == 0);
    for (int day = 6; day < 13; day++) {
        town_run(&t, DAY);
        town_meet(&t, ana, ben, 60);
    }
    CHECK(town_count(&t, ben, "Ana", "hear me", true) == 1 && town_state(&t, ana, id) == MESSAGE_DELIVERED);
    town_clear(&t);
}

static void check_clock_jumps(void)
{
    static const int64_t jumps[] = { 8 * 365 * 86400ll, -5 * 365 * 86400ll, 40 * 86400, -3 * 86400, 400 };
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], under_way[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 15);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S - 7 * 365 * DAY), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        town_send(&t, ana, "Ben", "sent before the jump", under_way);
        town_run(&t, 60);
        t.people[ana].wall0_unix_s += (uint64_t)jumps[i];
        town_run(&t, HOUR);
        CHECK_CASE("a jump ends no life", town_state(&t, ana, under_way) == MESSAGE_QUEUED);
        if (i % 2 == 1)
            town_reopen(&t, ana);
        town_send(&t, ben, "Ana", "from Ben", id);
        town_meet(&t, ana, ben, 120);
        town_run(&t, 60);
        town_meet(&t, ana, ben, 120);
        /* A clock that leapt has destroyed the prekey of the card that Ben holds: the repeat goes by Ana's session. */
        for (int later = 0; i == 0 && later < 2; later++) {
            town_run(&t, 7 * HOUR);
            town_meet(&t, ana, ben, 120);
        }
        CHECK(town_state(&t, ben, id) == MESSAGE_DELIVERED);
        CHECK(town_state(&t, ana, under_way) == MESSAGE_DELIVERED);
    }
    CHECK(town_count(&t, ben, "Ana", "sent before the jump", true) == sizeof jumps / sizeof jumps[0]);
    town_clear(&t);
}

/* Two months of a message a day each: prekeys rotate, cards travel, old keys go. */
static void check_two_months(void)
{
    static struct town t;
    char a[MESSAGE_ID_TEXT_LEN + 1], b[MESSAGE_ID_TEXT_LEN + 1], link[CARD_LINK_MAX], later[CARD_LINK_MAX];

    town_init(&t, 16);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    messenger_card_link(t.people[ana].m, link);
    for (int day = 0; day < 60; day++) {
        town_send(&t, ana, "Ben", "good morning", a);
        town_send(&t, ben, "Ana", "good day", b);
        town_meet(&t, ana, ben, 60);
        town_run(&t, HOUR);
        town_meet(&t, ana, ben, 60);
        CHECK(town_state(&t, ana, a) == MESSAGE_DELIVERED && town_state(&t, ben, b) == MESSAGE_DELIVERED);
        town_run(&t, DAY - HOUR);
        if (day % 10 == 9)
            town_reopen(&t, day % 20 == 9 ? ana : ben);
    }
    CHECK(town_count(&t, ben, "Ana", "good morning", true) == 60 && town_count(&t, ana, "Ben", "good day", true) == 60);
    messenger_card_link(t.people[ana].m, later);
    CHECK(strcmp(link, later) != 0);
    /* The card that Ben holds of Ana is one that she still answers to: Ben loses everything but the card. */
    town_restore_db(&t, ben, town_copy_db(&t, ben));
    town_send(&t, ben, "Ana", "anew", b);
    town_meet(&t, ana, ben, 60);
    town_run(&t, 30);
    town_meet(&t, ana, ben, 60);
    CHECK(town_state(&t, ben, b) == MESSAGE_DELIVERED);
    town_clear(&t);
}

/* Receipts end: nobody acknowledges an acknowledgement. */
static void check_silence(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 17);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "hello", id);
    for (int i = 0; i < 4; i++) {
        town_meet(&t, ana, ben, 60);
        town_run(&t, 60);
    }
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);
    size_t before = net_count(&t.net, t.people[ana].node);
    for (int i = 0; i < 20; i++) {
        town_meet(&t, ana, ben, 60);
        town_run(&t, 2 * HOUR);
    }
    CHECK(net_count(&t.net, t.people[ana].node) == before && before <= 5);
    town_clear(&t);
}

int main(void)
{
    static const uint64_t year_2019 = 1546300800, year_2031 = 1924992000;

    check_first_contact(false);
    check_first_contact(true);
    check_stranger();
    check_blocking();
    check_invite();
    for (uint64_t seed = 20; seed < 24; seed++)
        check_both_at_once(seed);
    check_removal();
    check_lost_first();
    check_lost_receipt();
    check_out_of_order();
    check_many_firsts();
    check_expiry();
    check_disappearing();
    check_deleted_is_not_shown_again();
    check_clocks(year_2019, TOWN_UNIX_S, "Ana in 2019");
    check_clocks(TOWN_UNIX_S, year_2019, "Ben in 2019");
    check_clocks(year_2031, TOWN_UNIX_S, "Ana in 2031");
    check_clocks(TOWN_UNIX_S, year_2031, "Ben in 2031");
    check_clocks(year_2019, year_2031, "2019 and 2031");
    check_clocks(TOWN_UNIX_S + 5 * 86400, TOWN_UNIX_S, "five days ahead");
    check_clocks(TOWN_UNIX_S, TOWN_UNIX_S + 20 * 86400, "twenty days ahead");
    check_rollback();
    check_unnoticed_rollback();
    check_clock_jumps();
    check_two_months();
    check_silence();
    return check_report("stories");
}
