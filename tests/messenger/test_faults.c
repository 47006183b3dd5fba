/* tests/messenger/test_faults.c - a story in which every write and every commit fails once, and every step is a crash once.
 *
 * Whatever breaks: nothing is shown twice, nothing that was accepted is lost, nothing is delivered that was not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/messenger/town.h"
#include "tests/support/check.h"

static const uint64_t HOUR = 3600;

struct fault { unsigned at; bool has_fired; };

static enum err fail_once(void *ctx, unsigned op)
{
    struct fault *f = ctx;

    if (op != f->at || f->has_fired)
        return ERR_NONE;
    f->has_fired = true;
    return ERR_IO;
}

/* A person presses send until the program says that it has the message. */
static void send_surely(struct town *t, int who, const char *to, const char *text, char id[MESSAGE_ID_TEXT_LEN + 1])
{
    for (int i = 0; i < 3; i++) {
        enum err e = messenger_send_text(t->people[who].m, town_friend(t, who, to), bytes_of_text(text), 0, town_wall(t, who),
                                         t->net.now_ms, id);
        bool is_durable = town_turn(t, who);

        if (e == ERR_NONE && is_durable)
            return;
    }
    CHECK_CASE(text, !"sent");
}

/* The net gives out a node's events and commits; what the story does in between may hit the fault as well. */
static void read_surely(struct town *t, int who, const char *name)
{
    for (int i = 0; i < 3; i++) {
        enum err e = messenger_mark_read(t->people[who].m, town_friend(t, who, name), UINT32_MAX, town_wall(t, who),
                                         t->net.now_ms);
        bool is_durable = town_turn(t, who);

        if (e == ERR_NONE && is_durable)
            return;
    }
    CHECK_CASE(name, !"marked as read");
}

enum saying { SAY_REACTION, SAY_EDIT, SAY_DELETION };

/* What may be said again after a failure that took nothing back says the same. */
static void say_surely(struct town *t, int who, enum saying what, const char *id, const char *text)
{
    for (int i = 0; i < 3; i++) {
        struct messenger *m = t->people[who].m;
        uint64_t wall = town_wall(t, who), now = t->net.now_ms;
        enum err e = what == SAY_REACTION ? messenger_react(m, bytes_of_text(id), bytes_of_text(text), wall, now)
                     : what == SAY_EDIT   ? messenger_edit(m, bytes_of_text(id), bytes_of_text(text), wall, now)
                                          : messenger_delete_for_all(m, bytes_of_text(id), wall, now);
        bool is_durable = town_turn(t, who);

        if (e == ERR_NONE && is_durable)
            return;
    }
    CHECK_CASE(id, !"said");
}

struct story { int ana, ben; char from_ana[3][MESSAGE_ID_TEXT_LEN + 1], from_ben[MESSAGE_ID_TEXT_LEN + 1]; };

static void begin(struct town *t, struct story *s, uint64_t seed)
{
    town_init(t, seed);
    s->ana = town_add(t, "Ana", TOWN_UNIX_S);
    s->ben = town_add(t, "Ben", TOWN_UNIX_S);
    town_introduce(t, s->ana, s->ben);
    town_run(t, 1);
}

static void tell(struct town *t, struct story *s)
{
    send_surely(t, s->ana, "Ben", "one", s->from_ana[0]);
    town_meet(t, s->ana, s->ben, 10);
    send_surely(t, s->ben, "Ana", "two", s->from_ben);
    send_surely(t, s->ana, "Ben", "three", s->from_ana[1]);
    town_meet(t, s->ana, s->ben, 10);
    read_surely(t, s->ben, "Ana");
    say_surely(t, s->ben, SAY_REACTION, s->from_ana[0], "+");
    say_surely(t, s->ana, SAY_EDIT, s->from_ana[1], "three!");
    send_surely(t, s->ana, "Ben", "four", s->from_ana[2]);
    town_meet(t, s->ana, s->ben, 10);
    say_surely(t, s->ana, SAY_DELETION, s->from_ana[2], "");
    town_meet(t, s->ana, s->ben, 10);
}

static void check_said(struct town *t, struct story *s, int who, const char *label)
{
    struct message_info info = town_message(t, who, s->from_ana[0]);

    CHECK_CASE(label, info.reaction_count == 1 && strcmp(info.reactions[0].text, "+") == 0 && info.edited_unix_s == 0);
    info = town_message(t, who, s->from_ana[1]);
    CHECK_CASE(label, strcmp(info.text, "three!") == 0 && info.edited_unix_s != 0);
    /* Where the break kept it from leaving, it was deleted before anybody had it. */
    bool is_there = messenger_message(t->people[who].m, bytes_of_text(s->from_ana[2]), &info) == ERR_NONE;
    CHECK_CASE(label, is_there ? info.is_deleted && info.text_len == 0 : who == s->ben);
    CHECK_CASE(label, town_total(t, who, who == s->ana ? "Ben" : "Ana") == (is_there ? 4 : 3));
    CHECK_CASE(label, !town_remembers(t, who, bytes_of_text("four")));
}

static void check_end(struct town *t, struct story *s, const char *label)
{
    for (int i = 0; i < 3; i++) {
        town_run(t, 7 * HOUR);
        town_meet(t, s->ana, s->ben, 10);
        town_run(t, 60);
        town_meet(t, s->ana, s->ben, 10);
    }
    CHECK_CASE(label, town_count(t, s->ben, "Ana", "one", true) == 1);
    CHECK_CASE(label, town_count(t, s->ben, "Ana", "three!", true) == 1);
    CHECK_CASE(label, town_count(t, s->ana, "Ben", "two", true) == 1);
    check_said(t, s, s->ana, label);
    check_said(t, s, s->ben, label);
    CHECK_CASE(label, town_state(t, s->ana, s->from_ana[0]) >= MESSAGE_DELIVERED);
    CHECK_CASE(label, town_state(t, s->ana, s->from_ana[1]) >= MESSAGE_DELIVERED);
    CHECK_CASE(label, town_state(t, s->ana, s->from_ana[1]) != MESSAGE_EXPIRED);
    CHECK_CASE(label, town_state(t, s->ben, s->from_ben) == MESSAGE_DELIVERED);
}

/* Fails the nth write of one of the two, for every n. */
static unsigned check_writes(int which)
{
    unsigned n = 0;

    for (bool is_done = false; !is_done; n++) {
        static struct town t;
        struct story s;
        struct fault f = { n, false };
        char label[64];

        snprintf(label, sizeof label, "write %u of %s", n, which == 0 ? "Ana" : "Ben");
        begin(&t, &s, 40);
        db_set_fault(t.net.nodes[t.people[which].node].db, fail_once, &f);
        tell(&t, &s);
        is_done = !f.has_fired;
        db_set_fault(t.net.nodes[t.people[which].node].db, NULL, NULL);
        check_end(&t, &s, label);
        town_clear(&t);
    }
    return n;
}

/* Pulls the plug of one of the two after every step. */
static unsigned check_crashes(int which)
{
    unsigned n = 1;

    for (bool is_done = false; !is_done; n++) {
        static struct town t;
        struct story s;
        char label[64];

        snprintf(label, sizeof label, "crash of %s after step %u", which == 0 ? "Ana" : "Ben", n);
        begin(&t, &s, 41);
        t.crash_at = t.steps + n;
        t.crash_who = which == 0 ? s.ana : s.ben;
        tell(&t, &s);
        is_done = t.steps < t.crash_at;
        t.crash_at = 0;
        check_end(&t, &s, label);
        town_clear(&t);
    }
    return n;
}

int main(void)
{
    for (int which = 0; which < 2; which++) {
        unsigned writes = check_writes(which), crashes = check_crashes(which);

        printf("%s: %u writes failed, %u crashes\n", which == 0 ? "Ana" : "Ben", writes - 1, crashes - 2);
        CHECK(writes > 50 && crashes > 20);
    }
    return check_report("faults");
}
