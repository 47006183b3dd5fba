/* tests/messenger/test_messenger.c - single calls and single rules, with the inside open where a rule needs a liar. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "tests/messenger/town.h"
#include "tests/support/check.h"

static const uint64_t HOUR = 3600;

static struct friend *inside(struct town *t, int who, const char *name)
{
    struct friend *f = friend_by_number(t->people[who].m, town_friend(t, who, name));

    REQUIRE(f != NULL);
    return f;
}

/* Sends what an honest messenger would not. */
static void send_letter(struct town *t, int who, const char *to, uint8_t type, uint8_t flags, struct content content)
{
    struct letter l = { .type = type, .flags = flags, .time_unix_s = 1, .content = content, .life_s = LIFE_DEFAULT_S };
    struct sent sent;

    CHECK_ERR(to, outbox_send(t->people[who].m, inside(t, who, to), &l, &sent), ERR_NONE);
}

static void settle(struct town *t, int a, int b)
{
    for (int i = 0; i < 2; i++) {
        town_meet(t, a, b, 60);
        town_run(t, 30);
    }
}

/* ---- The address book ---- */

static enum err add(struct town *t, int who, int whom, const char *as, uint32_t *number)
{
    char link[CARD_LINK_MAX];

    messenger_card_link(t->people[whom].m, link);
    return messenger_friend_add(t->people[who].m, bytes_of_text(link), bytes_of_text(as), town_wall(t, who), number);
}

static void check_names(void)
{
    static struct town t;
    struct friend_info info;
    char one[SAFETY_NUMBER_LEN + 1], other[SAFETY_NUMBER_LEN + 1];
    uint32_t first, second, third, again;
    static const char long_name[] = "a name of sixty-four bytes, which is as long as a name here goes";

    town_init(&t, 50);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), ben2 = town_add(&t, "BEN", TOWN_UNIX_S);
    int dan = town_add(&t, "Dan", TOWN_UNIX_S);
    CHECK(strcmp(messenger_name(t.people[ana].m), "Ana") == 0);
    CHECK_ERR("", add(&t, ana, ben, "", &first), ERR_NONE);
    CHECK_ERR("", add(&t, ana, ben2, "", &second), ERR_NONE);
    CHECK_ERR("known", add(&t, ana, ben, "Other", &again), ERR_EXISTS);
    CHECK(again == first && first != second);
    CHECK_ERR("ourselves", add(&t, ana, ana, "", &again), ERR_REFUSED);
    CHECK_ERR("a line break in it", add(&t, ana, dan, "Da\nn", &again), ERR_MALFORMED);
    CHECK_ERR("no UTF-8", add(&t, ana, dan, "\xff", &again), ERR_MALFORMED);
    CHECK_ERR("", add(&t, ana, dan, "ben", &third), ERR_NONE);
    CHECK_ERR("no link", messenger_friend_add(t.people[ana].m, bytes_of_text("no link!"), bytes_of(NULL, 0), TOWN_UNIX_S, &again),
              ERR_MALFORMED);
    CHECK(town_friend(&t, ana, "bEN") == first && town_friend(&t, ana, "BEN 2") == second && town_friend(&t, ana, "ben 3") == third);
    CHECK(town_friend(&t, ana, "Bea") == 0);

    CHECK_ERR("", messenger_friend_rename(t.people[ana].m, second, bytes_of_text("Benedetta")), ERR_NONE);
    CHECK_ERR("taken", messenger_friend_rename(t.people[ana].m, second, bytes_of_text("BEN 3")), ERR_EXISTS);
    CHECK_ERR("its own", messenger_friend_rename(t.people[ana].m, second, bytes_of_text("BENEDETTA")), ERR_NONE);
    CHECK_ERR("empty", messenger_friend_rename(t.people[ana].m, second, bytes_of(NULL, 0)), ERR_MALFORMED);
    CHECK_ERR("nobody", messenger_friend_rename(t.people[ana].m, 99, bytes_of_text("x")), ERR_NOT_FOUND);
    CHECK_ERR("", messenger_friend_rename(t.people[ana].m, first, bytes_of(long_name, 64)), ERR_NONE);
    CHECK_ERR("too long", messenger_friend_rename(t.people[ana].m, first, bytes_of(long_name, 65)), ERR_MALFORMED);

    CHECK_ERR("", messenger_friend_verify(t.people[ana].m, second, true), ERR_NONE);
    town_reopen(&t, ana);
    CHECK_ERR("", messenger_friend_info(t.people[ana].m, second, &info), ERR_NONE);
    CHECK(strcmp(info.name, "BENEDETTA") == 0 && strcmp(info.card_name, "BEN") == 0 && info.state == FRIEND_VERIFIED);
    CHECK_ERR("", messenger_friend_verify(t.people[ana].m, second, false), ERR_NONE);
    CHECK_ERR("", messenger_friend_info(t.people[ana].m, second, &info), ERR_NONE);
    CHECK(info.state == FRIEND_ADDED && info.last_heard_unix_s == 0);

    CHECK_ERR("", add(&t, ben, ana, "", &again), ERR_NONE);
    CHECK_ERR("", messenger_safety_number(t.people[ana].m, first, one), ERR_NONE);
    CHECK_ERR("", messenger_safety_number(t.people[ben].m, again, other), ERR_NONE);
    CHECK(strlen(one) == SAFETY_NUMBER_LEN && strcmp(one, other) == 0);
    town_clear(&t);
}

/* ---- Sending ---- */

static uint32_t newest_len(struct town *t, int who)
{
    const struct store *s = t->net.nodes[t->people[who].node].store;
    uint32_t len = 0;

    for (uint64_t seq = 1; seq < 200; seq++) {
        const struct store_entry *e = store_find_seq(s, seq);

        if (e != NULL && e->contributor == 0)
            len = e->len;
    }
    return len;
}

static void check_sizes(void)
{
    static struct town t;
    static char text[TEXT_LEN_MAX + 2];
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 51);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    struct messenger *m = t.people[ana].m;
    uint32_t number = town_friend(&t, ana, "Ben");
    memset(text, 'x', sizeof text - 1);
    CHECK_ERR("", messenger_send_text(m, number, bytes_of(text, 100), 0, TOWN_UNIX_S, t.net.now_ms, id), ERR_NONE);
    CHECK_CASE("100 bytes to a stranger", newest_len(&t, ana) == 512);
    settle(&t, ana, ben);
    CHECK_ERR("", messenger_send_text(m, number, bytes_of(text, 100), 0, TOWN_UNIX_S, t.net.now_ms, id), ERR_NONE);
    CHECK_CASE("100 bytes", newest_len(&t, ana) == 256);
    CHECK_ERR("", messenger_send_text(m, number, bytes_of(text, TEXT_LEN_MAX), 0, TOWN_UNIX_S, t.net.now_ms, id), ERR_NONE);
    CHECK_CASE("the longest", newest_len(&t, ana) == 16384);
    CHECK_ERR("too long", messenger_send_text(m, number, bytes_of(text, TEXT_LEN_MAX + 1), 0, TOWN_UNIX_S, t.net.now_ms, id),
              ERR_TOO_LARGE);
    CHECK_ERR("empty", messenger_send_text(m, number, bytes_of(text, 0), 0, TOWN_UNIX_S, t.net.now_ms, id), ERR_MALFORMED);
    CHECK_ERR("no UTF-8", messenger_send_text(m, number, bytes_of_text("\xc0\xaf"), 0, TOWN_UNIX_S, t.net.now_ms, id),
              ERR_MALFORMED);
    CHECK_ERR("nobody", messenger_send_text(m, 77, bytes_of_text("x"), 0, TOWN_UNIX_S, t.net.now_ms, id), ERR_NOT_FOUND);
    settle(&t, ana, ben);
    text[TEXT_LEN_MAX] = '\0';
    CHECK(town_count(&t, ben, "Ana", text, true) == 1);
    CHECK(town_total(&t, ben, "Ana") == 3);
    town_clear(&t);
}

static void check_no_room(void)
{
    enum { FIT = 5, ALL = 7 };
    static struct town t;
    static char text[15001];
    char id[ALL][MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 52);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    t.net.nodes[t.people[ana].node].store_config.capacity_bytes = FIT * 16384 / 3 * 4 + 4;   /* three quarters are for own ones */
    town_run(&t, 1);
    town_crash(&t, ana);
    memset(text, 'y', sizeof text - 1);
    for (int i = 0; i < ALL; i++)
        town_send(&t, ana, "Ben", text, id[i]);
    struct message_info info = town_message(&t, ana, id[FIT]);
    CHECK(info.state == MESSAGE_QUEUED && info.tries == 0 && strstr(info.reason, "full") != NULL);
    CHECK(info.next_try_unix_s > town_wall(&t, ana));
    info = town_message(&t, ana, id[FIT - 1]);
    CHECK(info.tries == 1 && info.reason[0] == '\0');
    for (int i = 0; i < ALL - FIT + 1; i++)
        CHECK_ERR("", messenger_message_delete(t.people[ana].m, bytes_of_text(id[i])), ERR_NONE);
    town_run(&t, 2 * ROOM_PAUSE_S);
    info = town_message(&t, ana, id[ALL - 1]);
    CHECK(info.tries == 1 && info.reason[0] == '\0');
    settle(&t, ana, ben);
    CHECK(town_count(&t, ben, "Ana", text, true) == FIT - 1 && town_state(&t, ana, id[ALL - 1]) == MESSAGE_DELIVERED);
    town_clear(&t);
}

/* Neighbours that are nearly full take it for proof of work only: the person sees that, and it goes on by itself. */
static void check_proof_of_work(void)
{
    enum { FULL = 400 };
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 56);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), relay = town_add(&t, NULL, TOWN_UNIX_S);
    struct net_node *n = &t.net.nodes[t.people[ana].node];
    struct net_node *full = &t.net.nodes[t.people[relay].node];
    town_introduce(&t, ana, ben);
    full->store_config.capacity_bytes = FULL * 256;
    full->config.is_stamp_demanded = true;
    town_run(&t, 1);
    town_crash(&t, relay);
    net_submit(&t.net, t.people[relay].node, FULL * 73 / 100, 0, NULL);
    CHECK(town_turn(&t, relay));

    town_send(&t, ana, "Ben", "let me through", id);
    CHECK(town_message(&t, ana, id).reason[0] == '\0');
    town_meet(&t, ana, relay, 30);
    town_reopen(&t, ana);
    struct message_info info = town_message(&t, ana, id);
    CHECK(info.state == MESSAGE_QUEUED && info.copies == 0 && strstr(info.reason, "proof of work") != NULL);
    CHECK(node_has_stamp_work(n->node));
    while (node_stamp_work(n->node, 4096, t.net.now_ms) != STAMP_NONE)
        CHECK(town_turn(&t, ana));
    town_meet(&t, ana, relay, 30);
    info = town_message(&t, ana, id);
    CHECK(info.state == MESSAGE_CARRIED && info.copies == 1 && info.reason[0] == '\0');
    town_meet(&t, relay, ben, 30);
    CHECK(town_count(&t, ben, "Ana", "let me through", true) == 1);
    town_clear(&t);
}

static void check_gateway(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct node_event e = { .kind = NODE_CARRIED };
    struct link_open how = { .kind = LINK_UPLINK, .is_initiator = true };

    town_init(&t, 53);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "by the internet", id);
    struct net_node *n = &t.net.nodes[t.people[ana].node];
    for (uint64_t seq = 1; e.entry.seq == 0; seq++) {
        if (store_find_seq(n->store, seq) != NULL)
            e.entry = *store_find_seq(n->store, seq);
    }
    CHECK_ERR("", node_link_open(n->node, &how, &e.link, t.net.now_ms), ERR_NONE);
    messenger_on_event(t.people[ana].m, &e, TOWN_UNIX_S + 5, t.net.now_ms);
    CHECK(town_state(&t, ana, id) == MESSAGE_GATEWAY && town_message(&t, ana, id).gateway_unix_s == TOWN_UNIX_S + 5);
    e.link = 999;
    messenger_on_event(t.people[ana].m, &e, TOWN_UNIX_S + 9, t.net.now_ms);
    CHECK_CASE("never backwards", town_state(&t, ana, id) == MESSAGE_GATEWAY && town_message(&t, ana, id).copies == 2);
    CHECK(town_message(&t, ana, id).carried_unix_s == TOWN_UNIX_S + 5);
    town_clear(&t);
}

/* ---- Liars ---- */

static void check_liars(void)
{
    static struct town t;
    char to_ben[MESSAGE_ID_TEXT_LEN + 1], to_dan[MESSAGE_ID_TEXT_LEN + 1];
    struct content c = { .has_id = true };

    town_init(&t, 54);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), dan = town_add(&t, "Dan", TOWN_UNIX_S);
    int far = town_add(&t, NULL, TOWN_UNIX_S);
    town_introduce(&t, ana, dan);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Dan", "hello Dan", to_dan);
    settle(&t, ana, dan);
    town_send(&t, ana, "Ben", "hello Ben", to_ben);
    town_meet(&t, ana, far, 20);

    /* Dan says that Ben has read it. */
    struct place at;
    for (unsigned i = 0; i < MESSAGE_ID_LEN; i++) {
        unsigned octet;

        REQUIRE(sscanf(to_ben + 2 * i, "%2x", &octet) == 1);
        c.id.octets[i] = (uint8_t)octet;
    }
    REQUIRE(message_place(t.people[ana].m, &c.id, &at) == ERR_NONE);
    receipts_ack(t.people[dan].m, inside(&t, dan, "Ana"), &c.id);
    c.body = bytes_of(c.id.octets, sizeof c.id.octets);
    send_letter(&t, dan, "Ana", PAYLOAD_READ, 0, c);
    settle(&t, ana, dan);
    CHECK(town_state(&t, ana, to_ben) == MESSAGE_CARRIED && town_state(&t, ana, to_dan) == MESSAGE_DELIVERED);

    /* Dan sends a text under an id that stands for something else here: it replaces nothing. */
    c.body = bytes_of_text("not what you wrote");
    send_letter(&t, dan, "Ana", PAYLOAD_TEXT, PAYLOAD_WANTS_ACK, c);
    settle(&t, ana, dan);
    CHECK(strcmp(town_message(&t, ana, to_ben).text, "hello Ben") == 0);
    CHECK(town_count(&t, ana, "Dan", "not what you wrote", true) == 0);

    /* Somebody else's card. */
    char link[CARD_LINK_MAX];
    uint8_t card_bytes[CARD_LEN_MAX];
    struct card card;
    messenger_card_link(t.people[ben].m, link);
    REQUIRE(card_from_link(&card, bytes_of_text(link)) == ERR_NONE);
    c.body = bytes_of(card_bytes, card_encode(&card, card_bytes));
    send_letter(&t, dan, "Ana", PAYLOAD_CARD, PAYLOAD_WANTS_ACK, c);
    settle(&t, ana, dan);
    CHECK(strcmp(inside(&t, ana, "Dan")->r.card.name, "Dan") == 0);

    /* Of a later version: shown as such, once, and not acknowledged. */
    struct content odd = { .has_id = true, .id = { { 9, 9, 9 } }, .body = bytes_of_text("??") };
    unsigned before = town_total(&t, ana, "Dan");
    send_letter(&t, dan, "Ana", 99, PAYLOAD_WANTS_ACK, odd);
    send_letter(&t, dan, "Ana", 99, PAYLOAD_WANTS_ACK, odd);
    settle(&t, ana, dan);
    CHECK(town_total(&t, ana, "Dan") == before + 1);
    struct message_info info = town_message(&t, ana, "0909090000000000");
    CHECK(info.is_unreadable && info.is_incoming && info.text_len == 0 && strstr(info.reason, "newer version") != NULL);
    (void)ben;
    town_clear(&t);
}

/* A relay keeps the first message and plays it again after everything it belonged to was removed. */
static void check_replay(void)
{
    static struct town t;
    static uint8_t first[512];
    struct bytes lent;

    town_init(&t, 55);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), relay = town_add(&t, NULL, TOWN_UNIX_S);
    town_befriend(&t, ana, ben);
    town_send(&t, ana, "Ben", "once", NULL);
    town_meet(&t, ana, relay, 20);
    struct store *s = t.net.nodes[t.people[relay].node].store;
    REQUIRE(store_read(s, store_find_seq(s, 1), &lent) == ERR_NONE && lent.len == sizeof first);
    memcpy(first, lent.at, sizeof first);
    town_meet(&t, relay, ben, 20);
    CHECK(town_count(&t, ben, "Ana", "once", true) == 1);
    CHECK_ERR("", messenger_friend_remove(t.people[ben].m, town_friend(&t, ben, "Ana"), town_wall(&t, ben)), ERR_NONE);
    CHECK(town_friend(&t, ben, "Ana") == 0);
    /* Ben's node forgets that it saw the bundle. */
    struct net_node *n = &t.net.nodes[t.people[ben].node];
    struct bundle_id id;
    while (net_count(&t.net, t.people[ben].node) > 0) {
        for (uint64_t seq = 1; seq < 50; seq++) {
            if (store_find_seq(n->store, seq) == NULL)
                continue;
            id = store_find_seq(n->store, seq)->id;
            REQUIRE(store_remove(n->store, &id, false) == ERR_NONE);
        }
    }
    CHECK_ERR("", node_import(n->node, bytes_of(first, sizeof first), 1, 100, t.net.now_ms), ERR_NONE);
    town_run(&t, 10);
    CHECK(net_count(&t.net, t.people[ben].node) == 1 && town_friend(&t, ben, "Ana") == 0);
    town_clear(&t);
}

/* Whoever copies one tag many times crowds out only that. */
static void check_strays_of_one_tag(void)
{
    static struct town t;

    town_init(&t, 58);
    int ben = town_add(&t, "Ben", TOWN_UNIX_S);
    struct watch *w = t.people[ben].m->watch;
    struct store_entry e = { .expiry_h = NET_HOUR + 24 };
    for (uint32_t bucket = 0; bucket < 256; bucket++) {
        e.bucket = bucket << 16;
        for (int i = 0; i < 100; i++) {
            e.seq++;
            watch_stray(w, &e);
        }
    }
    size_t kept = watch_stray_count(w);
    CHECK(kept > 0 && kept <= STRAYS_SAME_MAX);
    e.tag[0] = 1;
    for (uint32_t bucket = 0; bucket < 256; bucket++) {
        e.bucket = bucket << 16;
        e.seq++;
        watch_stray(w, &e);
    }
    CHECK(watch_stray_count(w) > kept);
    town_clear(&t);
}

struct claims { unsigned contact, own; };

static bool count_claims(void *ctx, const struct store_entry *e)
{
    struct claims *c = ctx;

    c->contact += e->contributor != 0 && e->quota_class == QUOTA_CONTACT;
    c->own += e->contributor != 0 && e->quota_class == QUOTA_OWN;
    return true;
}

/* The own share, from which Ben sends, holds nothing that others wrote. */
static void check_claims(void)
{
    static struct town t;
    struct claims claims = { 0, 0 };

    town_init(&t, 57);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    for (int i = 0; i < 5; i++)
        town_send(&t, ana, "Ben", "a friend's", NULL);
    town_meet(&t, ana, ben, 60);
    CHECK(town_total(&t, ben, "Ana") == 5);
    store_walk(t.net.nodes[t.people[ben].node].store, CLASS_SEALED, count_claims, &claims);
    CHECK(claims.contact >= 5 && claims.own == 0);
    town_clear(&t);
}

static void check_requests_are_bounded(void)
{
    static struct town t;
    struct store_usage usage;

    town_init(&t, 56);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_befriend(&t, ana, ben);
    for (int i = 0; i < REQUEST_MESSAGES_MAX + 20; i++)
        town_send(&t, ana, "Ben", "let me in", NULL);
    town_meet(&t, ana, ben, 60);
    CHECK(town_total(&t, ben, "Ana") == REQUEST_MESSAGES_MAX);
    store_usage(t.net.nodes[t.people[ben].node].store, &usage);
    CHECK_CASE("a stranger's stay among the strangers'", usage.class_count[QUOTA_STRANGER] == REQUEST_MESSAGES_MAX + 20);
    CHECK_ERR("", messenger_friend_accept(t.people[ben].m, town_friend(&t, ben, "Ana")), ERR_NONE);
    settle(&t, ana, ben);
    town_run(&t, 7 * HOUR);
    settle(&t, ana, ben);
    CHECK_CASE("the rest comes by repeats", town_total(&t, ben, "Ana") == REQUEST_MESSAGES_MAX + 20);
    town_clear(&t);
}

/* Every way back was lost; what asks again is the repeat. */
static void check_repeat_is_acknowledged(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 59);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    t.people[ben].receipt_delay_s = RECEIPT_DELAY_MAX_S;
    town_reopen(&t, ben);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "again", id);
    town_meet(&t, ana, ben, 2);
    struct friend *f = inside(&t, ben, "Ana");
    CHECK(f->talk.r.ack_count == 1 && town_state(&t, ana, id) == MESSAGE_CARRIED);
    f->talk.r.ack_count = f->talk.r.recent_count = 0;
    f->talk.r.ack_due_s = f->r.card_due_s = 0;
    friend_touch(t.people[ben].m, f, DIRTY_FRIEND | DIRTY_CONVERSATION);
    town_run(&t, 7 * HOUR);
    CHECK(town_message(&t, ana, id).tries == 2);
    town_meet(&t, ana, ben, 2);
    CHECK(f->talk.r.ack_count == 1 && town_total(&t, ben, "Ana") == 1);
    town_run(&t, RECEIPT_DELAY_MAX_S);
    town_meet(&t, ana, ben, 20);
    CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);
    town_clear(&t);
}

/* ---- One session of two ---- */

static const struct slot *best(const struct friend *f)
{
    const struct slot *s = &f->slots[0];

    for (unsigned i = 1; i < SLOTS_MAX; i++) {
        if (f->slots[i].is_used && f->slots[i].rank > s->rank)
            s = &f->slots[i];
    }
    return s;
}

/* Both begin at once, and each has read the other's first message before it writes again. */
static void check_one_session(uint64_t seed)
{
    static struct town t;

    town_init(&t, seed);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    for (int i = 0; i < 2; i++) {
        t.people[i].receipt_delay_s = RECEIPT_DELAY_MAX_S;
        town_reopen(&t, i);
    }
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "first", NULL);
    town_send(&t, ben, "Ana", "first", NULL);
    town_meet(&t, ana, ben, 2);
    CHECK(town_total(&t, ana, "Ben") == 2 && town_total(&t, ben, "Ana") == 2);
    const struct slot *a = best(inside(&t, ana, "Ben")), *b = best(inside(&t, ben, "Ana"));
    CHECK(memcmp(a->start_hash, b->start_hash, sizeof a->start_hash) == 0 && a->is_ours != b->is_ours);
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        const struct slot *s = &inside(&t, ana, "Ben")->slots[i];

        CHECK(!s->is_used || memcmp(a->start_hash, s->start_hash, sizeof s->start_hash) <= 0);
    }
    town_clear(&t);
}

/* ---- Far ahead ---- */

/* Of fifty messages of a day only the last five arrive, past the look-ahead: they are found in idle time. */
static void check_search_ahead(void)
{
    enum { MANY = 50, LAST = 5 };
    static struct town t;
    char text[32];

    town_init(&t, 57);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_send(&t, ana, "Ben", "hello", NULL);
    settle(&t, ana, ben);
    struct net_node *n = &t.net.nodes[t.people[ana].node];
    uint64_t from = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "number %d", i);
        town_send(&t, ana, "Ben", text, NULL);
    }
    for (uint64_t seq = 1; seq < 500; seq++)
        from = store_find_seq(n->store, seq) != NULL ? seq : from;
    for (uint64_t seq = 1; seq + LAST <= from; seq++) {
        if (store_find_seq(n->store, seq) != NULL) {
            struct bundle_id id = store_find_seq(n->store, seq)->id;

            REQUIRE(store_remove(n->store, &id, true) == ERR_NONE);
        }
    }
    town_meet(&t, ana, ben, 20);
    CHECK(watch_stray_count(t.people[ben].m->watch) == LAST && town_total(&t, ben, "Ana") == 1);
    town_run(&t, 2 * SWEEP_DELAY_S);
    for (int i = MANY - LAST; i < MANY; i++) {
        snprintf(text, sizeof text, "number %d", i);
        CHECK_CASE(text, town_count(&t, ben, "Ana", text, true) == 1);
    }
    CHECK(watch_stray_count(t.people[ben].m->watch) == 0);
    town_clear(&t);
}

/* ---- Inbox and events ---- */

struct texts { char all[256]; unsigned count; };

static bool note_text(void *ctx, const struct message_info *info)
{
    struct texts *x = ctx;

    x->count++;
    snprintf(x->all + strlen(x->all), sizeof x->all - strlen(x->all), "%s;", info->text);
    return true;
}

static void check_inbox(void)
{
    static struct town t;
    struct texts x = { "", 0 };
    struct friend_info info;

    town_init(&t, 58);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), dan = town_add(&t, "Dan", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_introduce(&t, dan, ben);
    town_send(&t, dan, "Ben", "from Dan", NULL);
    town_meet(&t, dan, ben, 20);
    town_send(&t, ana, "Ben", "from Ana", NULL);
    town_meet(&t, ana, ben, 20);
    town_send(&t, ben, "Ana", "to Ana", NULL);
    town_send(&t, dan, "Ben", "again", NULL);
    town_meet(&t, dan, ben, 20);
    CHECK_ERR("", messenger_inbox(t.people[ben].m, note_text, &x), ERR_NONE);
    CHECK(x.count == 3 && strcmp(x.all, "from Dan;from Ana;again;") == 0);
    town_read_all(&t, ben, "Dan");
    town_reopen(&t, ben);
    x = (struct texts){ "", 0 };
    CHECK_ERR("", messenger_inbox(t.people[ben].m, note_text, &x), ERR_NONE);
    CHECK(strcmp(x.all, "from Ana;") == 0);
    CHECK_ERR("", messenger_friend_info(t.people[ben].m, town_friend(&t, ben, "Ana"), &info), ERR_NONE);
    CHECK(info.unread == 1 && info.message_count == 2);
    x = (struct texts){ "", 0 };
    CHECK_ERR("", messenger_messages(t.people[ben].m, town_friend(&t, ben, "Ana"), 2, note_text, &x), ERR_NONE);
    CHECK(strcmp(x.all, "to Ana;") == 0);
    CHECK(t.people[ben].events[MESSENGER_MESSAGE] == 4 && t.people[ben].events[MESSENGER_FRIEND] >= 2);
    CHECK(t.people[ana].events[MESSENGER_STATE] >= 2);

    /* Read marks are a choice. */
    CHECK_ERR("", messenger_set_read_marks(t.people[ben].m, false), ERR_NONE);
    town_reopen(&t, ben);
    town_read_all(&t, ben, "Ana");
    CHECK(inside(&t, ben, "Ana")->talk.r.read_count == 0);
    town_clear(&t);
}

/* What may wait for one friend is bounded, and no other friend is in its way. All of it arrives when they meet, though the newest
 * come first and run further ahead than a chain may be opened. */
static void check_waiting_is_bounded(void)
{
    static struct town t;
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 91);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S), dan = town_add(&t, "Dan", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    town_befriend(&t, ana, dan);
    struct messenger *m = t.people[ana].m;
    for (int i = 0; i < MESSAGES_WAITING_MAX; i++)
        REQUIRE(messenger_send_text(m, town_friend(&t, ana, "Ben"), bytes_of_text("x"), 0, TOWN_UNIX_S, t.net.now_ms, id) == ERR_NONE);
    CHECK_ERR("one more", messenger_send_text(m, town_friend(&t, ana, "Ben"), bytes_of_text("x"), 0, TOWN_UNIX_S, t.net.now_ms, id),
              ERR_STATE);
    CHECK(town_total(&t, ana, "Ben") == MESSAGES_WAITING_MAX);
    CHECK_ERR("Dan", messenger_send_text(m, town_friend(&t, ana, "Dan"), bytes_of_text("x"), 0, TOWN_UNIX_S, t.net.now_ms, id), ERR_NONE);
    town_meet(&t, ana, ben, 60);
    CHECK(town_total(&t, ben, "Ana") == MESSAGES_WAITING_MAX);
    town_meet(&t, ana, ben, 60);
    for (int i = 0; i < MESSAGES_WAITING_MAX; i++)
        REQUIRE(messenger_send_text(m, town_friend(&t, ana, "Ben"), bytes_of_text("y"), 0, TOWN_UNIX_S, t.net.now_ms, id) == ERR_NONE);
    town_meet(&t, ana, ben, 60);
    CHECK(town_total(&t, ben, "Ana") == 2 * MESSAGES_WAITING_MAX);
    CHECK_ERR("answered", messenger_send_text(m, town_friend(&t, ana, "Ben"), bytes_of_text("x"), 0, TOWN_UNIX_S, t.net.now_ms, id),
              ERR_NONE);
    town_clear(&t);
}

/* A neighbour gives the newest first; they are read in the order they were written. */
static void check_order(void)
{
    static struct town t;
    char text[16];
    struct texts x = { "", 0 };

    town_init(&t, 67);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S), ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_introduce(&t, ana, ben);
    for (int i = 1; i <= 4; i++) {
        snprintf(text, sizeof text, "%d", i);
        town_send(&t, ana, "Ben", text, NULL);
        town_run(&t, 60);
    }
    settle(&t, ana, ben);
    /* And of one second, in a session. */
    for (int i = 5; i <= 12; i++) {
        snprintf(text, sizeof text, "%d", i);
        town_send(&t, ana, "Ben", text, NULL);
    }
    settle(&t, ana, ben);
    town_reopen(&t, ben);
    CHECK_ERR("", messenger_messages(t.people[ben].m, town_friend(&t, ben, "Ana"), 1, note_text, &x), ERR_NONE);
    if (!CHECK(strcmp(x.all, "1;2;3;4;5;6;7;8;9;10;11;12;") == 0))
        fprintf(stderr, "    %s\n", x.all);
    /* Ids lead to where the messages are now. */
    for (uint32_t n = 1; n <= 12; n++) {
        struct message_record msg;
        struct place at;

        REQUIRE(message_load(t.people[ben].m, &inside(&t, ben, "Ana")->talk, n, &msg) == ERR_NONE);
        CHECK(message_place(t.people[ben].m, &msg.id, &at) == ERR_NONE && at.number == n);
    }
    town_clear(&t);
}

/* A conversation that is nobody's alone does what one with a friend does, and stays over a restart. */
static void check_shared(void)
{
    static struct town t;
    struct message_record msg = { .flags = MESSAGE_IS_INCOMING, .state = MESSAGE_RECEIVED, .disappear_s = 600 };
    struct conversation *c, *other;
    struct message_info info;
    struct texts x = { "", 0 };
    char id[MESSAGE_ID_TEXT_LEN + 1];

    town_init(&t, 68);
    int ana = town_add(&t, "Ana", TOWN_UNIX_S);
    REQUIRE(conversation_new_shared(t.people[ana].m, &c) == ERR_NONE && conversation_new_shared(t.people[ana].m, &other) == ERR_NONE);
    uint32_t number = c->number, other_number = other->number;
    CHECK(number & CONVERSATION_SHARED && number != other_number);
    msg.text = bytes_of_text("to all");
    message_draw_id(t.people[ana].m, &msg.id);
    message_id_text(&msg.id, id);
    CHECK_ERR("", message_append_incoming(t.people[ana].m, c, &msg, 0), ERR_NONE);
    CHECK_ERR("", messenger_settle(t.people[ana].m), ERR_NONE);
    CHECK(town_turn(&t, ana));
    town_reopen(&t, ana);
    struct messenger *m = t.people[ana].m;
    REQUIRE((c = conversation_by_number(m, number)) != NULL && (other = conversation_by_number(m, other_number)) != NULL);
    CHECK_ERR("", messenger_inbox(m, note_text, &x), ERR_NONE);
    CHECK(strcmp(x.all, "to all;") == 0 && c->r.unread == 1);
    CHECK(messenger_message(m, bytes_of_text(id), &info) == ERR_NONE && info.friend_number == number);
    CHECK_ERR("", messenger_mark_read(m, number, info.number, town_wall(&t, ana), t.net.now_ms), ERR_NONE);
    CHECK(c->r.unread == 0 && town_turn(&t, ana));
    /* What disappears, disappears here as well. */
    town_run(&t, 1200);
    CHECK(messenger_message(t.people[ana].m, bytes_of_text(id), &info) == ERR_NOT_FOUND);
    CHECK_ERR("", conversation_remove_shared(t.people[ana].m, conversation_by_number(t.people[ana].m, number)), ERR_NONE);
    CHECK(town_turn(&t, ana));
    town_reopen(&t, ana);
    CHECK(conversation_by_number(t.people[ana].m, number) == NULL && conversation_by_number(t.people[ana].m, other_number) != NULL);
    town_clear(&t);
}

int main(void)
{
    check_shared();
    check_waiting_is_bounded();
    check_order();
    check_names();
    check_sizes();
    check_no_room();
    check_proof_of_work();
    check_gateway();
    check_liars();
    check_replay();
    check_requests_are_bounded();
    check_claims();
    check_strays_of_one_tag();
    for (uint64_t seed = 60; seed < 66; seed++)
        check_one_session(seed);
    check_repeat_is_acknowledged();
    check_search_ahead();
    check_inbox();
    return check_report("messenger");
}
