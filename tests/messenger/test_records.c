/* tests/messenger/test_records.c - records survive their encoding; damaged ones are noticed. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/content.h"
#include "apps/messenger/records.h"
#include "crypto/hash.h"
#include "crypto/identity.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static struct seeded seed;
static struct rng g;

/* A record cut anywhere, or with a byte more, is not taken. */
#define CHECK_CUTS(label, b, decode)                                                                \
    do {                                                                                            \
        for (size_t cut_ = 0; cut_ < (b).len; cut_++)                                               \
            CHECK_CASE(label, (decode(bytes_of((b).at, cut_))) != ERR_NONE);                        \
        uint8_t version_ = (b).at[0];                                                               \
        (b).at[0] = 77;                                                                             \
        CHECK_CASE(label, (decode(buffer_bytes(&(b)))) == ERR_CORRUPT);                             \
        (b).at[0] = version_;                                                                       \
    } while (0)

static struct card card_of_somebody(void)
{
    struct identity *id;
    struct card c;

    REQUIRE(identity_new(&id, bytes_of_text("Ana"), 500, &g) == ERR_NONE);
    c = *identity_card(id);
    identity_free(id);
    return c;
}

static enum err settings_of(struct bytes in)
{
    struct settings_record s;

    return settings_decode(&s, in);
}

static void check_settings(void)
{
    struct settings_record a = { true, 7, 690, 1ull << 40, 12345, 1790000000 }, b;
    struct buffer to = buffer_of_limit(RECORD_LEN_MAX);

    CHECK_ERR("", settings_encode(&a, &to), ERR_NONE);
    CHECK_ERR("", settings_decode(&b, buffer_bytes(&to)), ERR_NONE);
    CHECK(b.is_marking_read && b.next_friend == 7 && b.tended_day == 690 && b.next_rank == 1ull << 40 &&
          b.clock_s == 12345 && b.clock_wall_unix_s == 1790000000);
    CHECK_CUTS("settings", to, settings_of);
    buffer_clear(&to);
}

static enum err friend_of(struct bytes in)
{
    struct friend_record f;

    return friend_decode(&f, in);
}

static void check_friend(void)
{
    struct friend_record a, b;
    struct buffer to = buffer_of_limit(RECORD_LEN_MAX), again = buffer_of_limit(RECORD_LEN_MAX);

    memset(&a, 0, sizeof a);
    strcpy(a.name, "Ana from the mill");
    a.card = card_of_somebody();
    rng_fill(&g, a.pair_root, sizeof a.pair_root);
    a.flags = FRIEND_HEARD | FRIEND_REQUEST;
    a.last_heard_unix_s = UINT64_MAX;
    a.disappear_s = UINT32_MAX;
    a.card_due_s = 1;
    CHECK_ERR("", friend_encode(&a, &to), ERR_NONE);
    CHECK_ERR("", friend_decode(&b, buffer_bytes(&to)), ERR_NONE);
    CHECK_ERR("", friend_encode(&b, &again), ERR_NONE);
    CHECK_BYTES("again", buffer_bytes(&again), buffer_bytes(&to));
    CHECK(strcmp(b.name, a.name) == 0 && b.flags == a.flags && b.last_heard_unix_s == UINT64_MAX);
    CHECK(card_is_same_person(&a.card, &b.card));
    CHECK_CUTS("friend", to, friend_of);
    to.len = again.len = 0;
    a.introducer = 7;
    CHECK_ERR("", friend_encode(&a, &to), ERR_NONE);
    CHECK_ERR("", friend_decode(&b, buffer_bytes(&to)), ERR_NONE);
    CHECK(b.introducer == 7);
    CHECK_CUTS("introduced friend", to, friend_of);
    to.len = 0;
    a.name[0] = '\0';
    CHECK_ERR("", friend_encode(&a, &to), ERR_NONE);
    CHECK_ERR("no name", friend_of(buffer_bytes(&to)), ERR_CORRUPT);
    buffer_clear(&to);
    buffer_clear(&again);
}

static enum err conversation_of(struct bytes in)
{
    struct conversation_record c;

    return conversation_decode(&c, in);
}

static void check_conversation(void)
{
    static struct conversation_record a, b;
    struct buffer to = buffer_of_limit(RECORD_LEN_MAX);

    a.next_number = 900;
    a.message_count = 899;
    a.unread = 5;
    a.read_up_to = 890;
    a.ack_count = ACKS_PENDING_MAX;
    a.read_count = READS_PENDING_MAX;
    a.recent_count = ACKS_RECENT_MAX;
    rng_fill(&g, a.acks, sizeof a.acks);
    rng_fill(&g, a.reads, sizeof a.reads);
    rng_fill(&g, a.recent, sizeof a.recent);
    CHECK_ERR("", conversation_encode(&a, &to), ERR_NONE);
    CHECK_ERR("", conversation_decode(&b, buffer_bytes(&to)), ERR_NONE);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK_CUTS("conversation", to, conversation_of);
    to.len = 0;
    a.unread = 900;
    CHECK_ERR("", conversation_encode(&a, &to), ERR_NONE);
    CHECK_ERR("more unread than messages", conversation_of(buffer_bytes(&to)), ERR_CORRUPT);
    buffer_clear(&to);
}

static enum err message_of(struct bytes in)
{
    struct message_record m;

    return message_decode(&m, in);
}

static void check_message(void)
{
    static char text[TEXT_LEN_MAX + 1];
    struct message_record a, b;
    struct buffer to = buffer_of_limit(RECORD_LEN_MAX), again = buffer_of_limit(RECORD_LEN_MAX);

    memset(&a, 0, sizeof a);
    memset(text, 'x', sizeof text);
    a.state = MESSAGE_GATEWAY;
    a.flags = MESSAGE_WANTS_ACK;
    a.copies = 3;
    a.try_count = TRIES_MAX;
    a.try[TRIES_MAX - 1].size_code = SIZE_CODE_MAX;
    a.try[TRIES_MAX - 1].has_reveal = 1;
    a.text = bytes_of(text, TEXT_LEN_MAX);
    a.flags |= MESSAGE_REPLIES;
    a.edited = (struct order){ 1795305600, { { 9 } } };
    a.mention_count = MENTIONS_MAX;
    a.reaction_count = REACTIONS_MAX;
    for (uint32_t i = 0; i < REACTIONS_MAX; i++)
        a.reactions[i] = (struct reaction){ UINT32_MAX - i, { UINT32_MAX, { { (uint8_t)i } } }, REACTION_LEN_MAX, "x" };
    CHECK_ERR("", message_encode(&a, &to), ERR_NONE);
    CHECK_ERR("", message_decode(&b, buffer_bytes(&to)), ERR_NONE);
    CHECK(b.copies == 3 && b.try_count == TRIES_MAX && b.text.len == TEXT_LEN_MAX && b.state == MESSAGE_GATEWAY);
    CHECK_ERR("", message_encode(&b, &again), ERR_NONE);
    CHECK_BYTES("again", buffer_bytes(&again), buffer_bytes(&to));
    to.len = 0;
    a.text = bytes_of(text, TEXT_LEN_MAX + 1);
    CHECK_ERR("", message_encode(&a, &to), ERR_NONE);
    CHECK_ERR("text too long", message_of(buffer_bytes(&to)), ERR_CORRUPT);
    to.len = 0;
    a.text = bytes_of(text, 0);
    CHECK_ERR("", message_encode(&a, &to), ERR_NONE);
    CHECK_CUTS("message", to, message_of);
    to.len = 0;
    a.flags = MESSAGE_IS_INCOMING;
    CHECK_ERR("", message_encode(&a, &to), ERR_NONE);
    CHECK_ERR("incoming, yet carried", message_of(buffer_bytes(&to)), ERR_CORRUPT);
    buffer_clear(&to);
    buffer_clear(&again);
}

/* What a build before replies and reactions kept. */
static void check_message_of_before(void)
{
    static const char hex[] = "01" "0102030405060708" "03" "06" "00" "8080e0aa06" "8180e0aa06" "00" "00" "00" "00" "00" "00" "00" "00" "00"
                              "00" "00" "6f6c64";
    struct buffer to = buffer_of_limit(64);
    struct message_record m;

    CHECK_ERR("", message_decode(&m, check_hex(&to, hex)), ERR_NONE);
    CHECK(m.kind == KIND_TEXT && m.author == AUTHOR_FRIEND && m.reaction_count == 0 && m.edited.time_unix_s == 0);
    CHECK_BYTES("", m.text, bytes_of_text("old"));
    buffer_clear(&to);
}

static enum err due_of(struct bytes in)
{
    struct due_list l = { NULL, 0, 0 };
    enum err e = due_list_decode(&l, in, MESSAGES_WAITING_MAX);

    due_list_clear(&l);
    return e;
}

static enum err gone_of(struct bytes in)
{
    struct gone_list l = { NULL, 0, 0 };
    enum err e = gone_list_decode(&l, in);

    gone_list_clear(&l);
    return e;
}

static enum err used_of(struct bytes in)
{
    struct used_list l = { NULL, 0, 0 };
    enum err e = used_list_decode(&l, in);

    used_list_clear(&l);
    return e;
}

static void check_lists(void)
{
    struct due_list due = { NULL, 0, 0 };
    struct gone_list gone = { NULL, 0, 0 };
    struct used_list used = { NULL, 0, 0 };
    struct buffer to = buffer_of_limit(RECORD_LEN_MAX);

    for (uint32_t i = 0; i < 300; i++)
        CHECK_ERR("", due_list_add(&due, (struct due){ i, i * 7ull, UINT32_MAX }, 300), ERR_NONE);
    CHECK_ERR("full", due_list_add(&due, (struct due){ 1, 1, 1 }, 300), ERR_FULL);
    CHECK_ERR("", due_list_encode(&due, &to), ERR_NONE);
    CHECK_ERR("more than the limit", due_list_decode(&due, buffer_bytes(&to), 299), ERR_CORRUPT);
    CHECK(due.count == 300);
    CHECK_ERR("", due_list_decode(&due, buffer_bytes(&to), 300), ERR_NONE);
    CHECK(due.count == 300 && due_list_find(&due, 299)->at_s == 299 * 7 && due_list_find(&due, 300) == NULL);
    CHECK_CUTS("due", to, due_of);

    to.len = 0;
    CHECK_ERR("", gone_list_add(&gone, (struct gone){ { { 1 } }, 5 }, GONE_MAX), ERR_NONE);
    CHECK_ERR("", gone_list_encode(&gone, &to), ERR_NONE);
    CHECK_CUTS("gone", to, gone_of);
    to.len = 0;
    CHECK_ERR("", used_list_add(&used, (struct used){ { 9 }, 3, 700 }, USED_MAX), ERR_NONE);
    CHECK_ERR("", used_list_encode(&used, &to), ERR_NONE);
    CHECK_CUTS("used", to, used_of);
    used_list_remove(&used, 0);
    CHECK(used.count == 0);
    due_list_clear(&due);
    gone_list_clear(&gone);
    used_list_clear(&used);

    /* The longest list that is kept fits a record. */
    to.len = 0;
    for (uint32_t i = 0; i < FADING_MAX; i++)
        CHECK_ERR("", due_list_add(&due, (struct due){ i, 1ull << 34, 0 }, FADING_MAX), ERR_NONE);
    CHECK_ERR("longest", due_list_encode(&due, &to), ERR_NONE);
    due_list_clear(&due);
    buffer_clear(&to);
}

static void check_small(void)
{
    struct place at = { 4000000000u, 17 }, back;
    struct slot_record s = { .is_ours = true, .rank = 9, .at_s = 3, .session = bytes_of_text("session bytes") }, t;
    struct buffer to = buffer_of_limit(RECORD_LEN_MAX);

    CHECK_ERR("", place_encode(&at, &to), ERR_NONE);
    CHECK_ERR("", place_decode(&back, buffer_bytes(&to)), ERR_NONE);
    CHECK(back.conversation == at.conversation && back.number == 17);
    to.len = 0;
    CHECK_ERR("", slot_encode(&s, &to), ERR_NONE);
    CHECK_ERR("", slot_decode(&t, buffer_bytes(&to)), ERR_NONE);
    CHECK(t.is_ours && !t.is_reset && t.rank == 9 && t.at_s == 3);
    CHECK_BYTES("session", t.session, bytes_of_text("session bytes"));
    to.at[1] = 2;
    CHECK_ERR("no boolean", slot_decode(&t, buffer_bytes(&to)), ERR_CORRUPT);
    buffer_clear(&to);
}

/* ---- Content ---- */

static const struct { const char *name; uint8_t type, flags; const char *hex; enum err want; } contents[] = {
    { "text",                 PAYLOAD_TEXT, PAYLOAD_WANTS_ACK, "0102030405060708" "6869", ERR_NONE },
    { "text without id",      PAYLOAD_TEXT, 0, "01020304050607", ERR_MALFORMED },
    { "text without text",    PAYLOAD_TEXT, 0, "0102030405060708", ERR_MALFORMED },
    { "text, seconds cut",    PAYLOAD_TEXT, PAYLOAD_DISAPPEARS, "010203", ERR_MALFORMED },
    { "text that disappears", PAYLOAD_TEXT, PAYLOAD_DISAPPEARS, "3c000000" "0102030405060708" "68", ERR_NONE },
    { "text, no UTF-8",       PAYLOAD_TEXT, 0, "0102030405060708" "ff", ERR_MALFORMED },
    { "text, overlong UTF-8", PAYLOAD_TEXT, 0, "0102030405060708" "c080", ERR_MALFORMED },
    { "nothing",              PAYLOAD_NONE, 0, "", ERR_NONE },
    { "nothing, with bytes",  PAYLOAD_NONE, 0, "00", ERR_MALFORMED },
    { "read",                 PAYLOAD_READ, 0, "0102030405060708" "0102030405060708", ERR_NONE },
    { "read, half an id",     PAYLOAD_READ, 0, "0102030405060708" "01020304", ERR_MALFORMED },
    { "read nothing",         PAYLOAD_READ, 0, "", ERR_MALFORMED },
    { "card with an id",      PAYLOAD_CARD, PAYLOAD_WANTS_ACK, "0102030405060708" "11", ERR_NONE },
    { "card, only an id",     PAYLOAD_CARD, PAYLOAD_WANTS_ACK, "0102030405060708", ERR_MALFORMED },
    { "reset",                PAYLOAD_RESET, 0, "", ERR_NONE },
    { "reset with bytes",     PAYLOAD_RESET, 0, "00", ERR_MALFORMED },
    { "unknown type",         200, PAYLOAD_WANTS_ACK, "0102030405060708" "99", ERR_VERSION },
    { "unknown type, cut",    200, PAYLOAD_WANTS_ACK, "01020304", ERR_MALFORMED },
    { "unknown flag",         PAYLOAD_TEXT, 0x80, "0102030405060708" "68", ERR_VERSION },
};

static void check_contents(void)
{
    struct buffer hex = buffer_of_limit(256);

    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        struct payload p = { .type = contents[i].type, .flags = contents[i].flags };
        uint8_t again[256];
        struct writer w = writer_of(again, sizeof again);
        struct content c;

        p.content = check_hex(&hex, contents[i].hex);
        CHECK_ERR(contents[i].name, content_decode(&c, &p), contents[i].want);
        if (contents[i].want != ERR_NONE)
            continue;
        content_encode(&c, p.type, p.flags, &w);
        CHECK_BYTES(contents[i].name, writer_bytes(&w), p.content);
    }
    buffer_clear(&hex);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    seeded_init(&seed, 11);
    g = seeded_rng(&seed);
    check_settings();
    check_friend();
    check_conversation();
    check_message();
    check_message_of_before();
    check_lists();
    check_small();
    check_contents();
    return check_report("records");
}
