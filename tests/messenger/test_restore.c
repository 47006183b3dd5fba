/* tests/messenger/test_restore.c - a lost device, and its person on a new one: friends, verification and conversations go on, and
 * nothing of the old sessions is used again. */
#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "tests/messenger/town.h"
#include "tests/support/check.h"

static const uint64_t DAY = 86400;
static const uint8_t code[CODE_LEN] = { 9, 8, 7 };
static const struct backup_key key = { .code = code };

static void put_away(struct town *t, int who, struct buffer *file, uint32_t friends_wanted)
{
    uint32_t friends;

    *file = buffer_of_limit(BACKUP_FILE_LEN_MAX);
    REQUIRE(messenger_backup(t->people[who].m, &key, VAULT_COST_TEST, file, &friends) == ERR_NONE);
    CHECK(friends == friends_wanted);
}

static enum friend_state state_of(struct town *t, int who, const char *name)
{
    struct friend_info f;

    REQUIRE(messenger_friend_info(t->people[who].m, town_friend(t, who, name), &f) == ERR_NONE);
    return f.state;
}

/* `days` pass between backup and restore; `is_busy`: both write meanwhile, so that ratchets and cards are far from what was put away. */
static void check_heals(uint64_t days, bool is_busy)
{
    static struct town t;
    char before[MESSAGE_ID_TEXT_LEN + 1], lost[MESSAGE_ID_TEXT_LEN + 1], after[MESSAGE_ID_TEXT_LEN + 1], mine[MESSAGE_ID_TEXT_LEN + 1];
    char safety[SAFETY_NUMBER_LEN + 1], again[SAFETY_NUMBER_LEN + 1];
    struct buffer file;

    town_init(&t, 30 + days + is_busy);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), caro = town_add(&t, "Caro", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_befriend(&t, ben, caro);   /* whom Ben has added and who has never answered */
    town_send(&t, ben, "Ana", "hello", before);
    town_exchange(&t, ana, ben, 3);
    CHECK(town_state(&t, ben, before) == MESSAGE_DELIVERED);
    REQUIRE(messenger_friend_verify(t.people[ben].m, town_friend(&t, ben, "Ana"), true) == ERR_NONE);
    REQUIRE(messenger_friend_rename(t.people[ben].m, town_friend(&t, ben, "Ana"), bytes_of_text("Anna from next door")) == ERR_NONE);
    REQUIRE(messenger_safety_number(t.people[ben].m, town_friend(&t, ben, "Anna from next door"), safety) == ERR_NONE);
    put_away(&t, ben, &file, 2);
    for (uint64_t day = 0; day < days; day++) {
        if (is_busy) {
            town_send(&t, ana, "Ben", "meanwhile", NULL);
            town_send(&t, ben, "Anna from next door", "meanwhile, too", NULL);
            town_exchange(&t, ana, ben, 2);
        }
        town_run(&t, DAY);
    }
    /* What Ana writes now reaches only the old device's session. */
    town_send(&t, ana, "Ben", "are you there?", lost);

    REQUIRE(town_rebirth(&t, ben, buffer_bytes(&file), &key) == ERR_NONE);
    REQUIRE(messenger_safety_number(t.people[ben].m, town_friend(&t, ben, "Anna from next door"), again) == ERR_NONE);
    CHECK(strcmp(safety, again) == 0 && state_of(&t, ben, "Anna from next door") == FRIEND_VERIFIED);
    CHECK(state_of(&t, ben, "Caro") == FRIEND_ADDED && town_total(&t, ben, "Anna from next door") == 0);
    town_reopen(&t, ben);
    town_exchange(&t, ana, ben, 4);
    CHECK(town_count(&t, ben, "Anna from next door", "are you there?", true) == 1);
    CHECK(town_state(&t, ana, lost) == MESSAGE_DELIVERED);
    /* Both ways, and Ana's own mark of Ben is untouched: the keys are the same. */
    town_send(&t, ana, "Ben", "welcome back", after);
    town_send(&t, ben, "Anna from next door", "new phone", mine);
    town_exchange(&t, ana, ben, 3);
    CHECK(town_state(&t, ana, after) == MESSAGE_DELIVERED && town_state(&t, ben, mine) == MESSAGE_DELIVERED);
    CHECK(town_count(&t, ana, "Ben", "new phone", true) == 1 && town_count(&t, ana, "Ben", "hello", true) == 1);
    /* Ana took the new card: a stranger's way in by it works, and so does a second loss. */
    REQUIRE(town_rebirth(&t, ben, buffer_bytes(&file), &key) == ERR_NONE);
    town_send(&t, ana, "Ben", "again?", after);
    town_exchange(&t, ana, ben, 4);
    CHECK(town_state(&t, ana, after) == MESSAGE_DELIVERED && town_count(&t, ben, "Anna from next door", "again?", true) == 1);
    buffer_clear(&file);
    town_clear(&t);
}

/* After so long the friend's prekey of the backup is gone, and so is ours that she holds. Her new card, scanned, is enough. */
static void check_too_old(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1], link[CARD_LINK_MAX];
    struct buffer file;
    uint32_t number;

    town_init(&t, 60);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ben, "Ana", "hello", NULL);
    town_exchange(&t, ana, ben, 3);
    put_away(&t, ben, &file, 1);
    for (unsigned week = 0; week < 15; week++) {
        town_run(&t, 7 * DAY);
        town_exchange(&t, ana, ben, 1);
    }
    REQUIRE(town_rebirth(&t, ben, buffer_bytes(&file), &key) == ERR_NONE);
    town_send(&t, ben, "Ana", "after a summer", id);
    town_exchange(&t, ana, ben, 3);
    CHECK(town_state(&t, ben, id) != MESSAGE_DELIVERED && town_count(&t, ana, "Ben", "after a summer", true) == 0);
    messenger_card_link(t.people[ana].m, link);
    CHECK_ERR("", messenger_friend_add(t.people[ben].m, bytes_of_text(link), bytes_of(NULL, 0), town_wall(&t, ben), &number), ERR_EXISTS);
    town_exchange(&t, ana, ben, 2);
    town_run(&t, DAY);
    town_exchange(&t, ana, ben, 3);
    CHECK(town_state(&t, ben, id) == MESSAGE_DELIVERED && town_count(&t, ana, "Ben", "after a summer", true) == 1);
    buffer_clear(&file);
    town_clear(&t);
}

/* Blocked people stay blocked and hear nothing; who was only asking is not in it. */
static void check_who(void)
{
    static struct town t;
    struct friend_info f;
    struct buffer file;

    town_init(&t, 61);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), caro = town_add(&t, "Caro", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "hello", NULL);
    town_exchange(&t, ana, ben, 3);
    town_befriend(&t, caro, ben);
    town_send(&t, caro, "Ben", "a stranger", NULL);
    town_exchange(&t, caro, ben, 2);
    CHECK(town_friend(&t, ben, "Caro") != 0);
    REQUIRE(messenger_friend_block(t.people[ben].m, town_friend(&t, ben, "Ana"), true) == ERR_NONE);
    put_away(&t, ben, &file, 1);
    /* Changed, or with another key: refused, and nobody is made. */
    static const uint8_t other[CODE_LEN] = { 1 };
    const struct backup_key wrong = { .code = other };
    CHECK_ERR("", town_rebirth(&t, ben, buffer_bytes(&file), &wrong), ERR_AUTH);
    CHECK_ERR("", town_rebirth(&t, ben, bytes_of(file.at, file.len - 1), &key), ERR_AUTH);
    REQUIRE(town_rebirth(&t, ben, buffer_bytes(&file), &key) == ERR_NONE);
    CHECK(town_friend(&t, ben, "Caro") == 0);
    REQUIRE(messenger_friend_info(t.people[ben].m, town_friend(&t, ben, "Ana"), &f) == ERR_NONE && f.is_blocked);
    unsigned heard = town_total(&t, ana, "Ben");
    town_exchange(&t, ana, ben, 3);
    CHECK(town_total(&t, ana, "Ben") == heard && town_total(&t, ben, "Ana") == 0);
    buffer_clear(&file);
    town_clear(&t);
}

/* Nothing of prekeys or ratchets lies in what is sealed: the content is opened and looked through. */
static void check_holds_no_session(void)
{
    static struct town t;
    struct buffer file, plain = buffer_of_limit(BACKUP_PLAIN_MAX);

    town_init(&t, 62);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    put_away(&t, ana, &file, 1);
    REQUIRE(backup_open(&plain, buffer_bytes(&file), &key) == ERR_NONE);
    size_t before = plain.len;
    town_send(&t, ana, "Ben", "hello", NULL);
    for (unsigned i = 0; i < 10; i++) {
        town_send(&t, ben, "Ana", "hello to you", NULL);
        town_exchange(&t, ana, ben, 1);
    }
    buffer_clear(&file);
    put_away(&t, ana, &file, 1);
    plain.len = 0;
    REQUIRE(backup_open(&plain, buffer_bytes(&file), &key) == ERR_NONE);
    /* A conversation of twenty messages has added not a byte. */
    CHECK(plain.len == before && plain.len <= 768);
    buffer_clear(&file);
    buffer_clear(&plain);
    town_clear(&t);
}

int main(void)
{
    check_heals(0, false);
    check_heals(1, true);
    check_heals(20, true);
    check_too_old();
    check_who();
    check_holds_no_session();
    return check_report("restore");
}
