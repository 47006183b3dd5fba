/* tests/groups/test_group_op.c - operations as bytes: known answers, and what is refused. */
#include <string.h>

#include "apps/groups/group_roster.h"
#include "crypto/hash.h"
#include "tests/groups/guild.h"
#include "tests/support/check.h"

static struct soul people[GUILD_MAX];

static const struct { int kind; const char *op, *hash; } vectors[] = {
#include "tests/vectors/group_ops.inc"
};
enum { VECTORS = sizeof vectors / sizeof vectors[0] };

static void test_vectors(void)
{
    struct buffer op = buffer_of_limit(4096), hash = buffer_of_limit(64);
    struct group_roster *r;
    uint8_t got[GROUP_HASH_LEN];
    struct group_op back;
    enum group_verdict v;

    REQUIRE(group_roster_new(&r) == ERR_NONE);
    for (int i = 0; i < VECTORS - 1; i++) {
        struct bytes in = check_hex(&op, vectors[i].op);

        CHECK_ERR("decodes", group_op_decode(&back, got, in), ERR_NONE);
        CHECK(back.kind == (enum group_op_kind)vectors[i].kind);
        CHECK_BYTES("hash", bytes_of(got, sizeof got), check_hex(&hash, vectors[i].hash));
        REQUIRE(group_roster_add(r, in, &v) == ERR_NONE);
        CHECK(v == GROUP_TAKEN);
        if (i == 4) {
            group_roster_digest(r, got);
            CHECK_BYTES("digest", bytes_of(got, 16), check_hex(&hash, vectors[VECTORS - 1].hash));
            CHECK(group_roster_count(r) == 2);
        }
    }
    CHECK(group_roster_count(r) == 0);
    group_roster_free(r);
    buffer_clear(&op);
    buffer_clear(&hash);
}

/* Whatever is signed anew after a change is judged by its form alone. */
static void test_form(void)
{
    static const struct { const char *what; size_t at; const char *hex; } rows[] = {
        { "a group in a CREATE", 2, "01" }, { "a number in a CREATE", 50, "01" }, { "a parent in a CREATE", 54, "01" },
        { "more parents than there may be", 54, "09" }, { "all the parents a byte can say", 54, "ff" }, { "no name", 71, "00" },
        { "a name past the end", 71, "ff" }, { "a name longer than names are", 71, "41" }, { "a line break", 72, "0a" },
        { "a zero", 72, "00" }, { "a delete", 73, "7f" }, { "no UTF-8", 73, "ff" }, { "a turn of direction", 72, "e280ae" },
        { "an isolate", 72, "e281a6" }, { "a line separator", 72, "e280a8" }, { "no card", 78, "00" }, { "a card past the end", 78, "ff" },
        { "a card of another version", 79, "21" }, { "a card that was changed", 120, "ff" }, { "an invite", 80, "01" },
    };
    struct op_bytes create = guild_create(&people[0], "Bridge");
    struct buffer hex = buffer_of_limit(64);
    uint8_t hash[GROUP_HASH_LEN];
    struct group_op back;

    REQUIRE(create.at[71] == 6 && create.at[72] == 'B');
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes lie = check_hex(&hex, rows[i].hex), part = bytes_of(create.at, create.len - SIGNATURE_LEN);
        struct op_bytes bad = create;

        memcpy(bad.at + rows[i].at, lie.at, lie.len);
        part.at = bad.at;
        signature_make(bad.at + part.len, people[0].seed, "group op", &part, 1);
        memset(&back, 0x5a, sizeof back);
        CHECK_ERR(rows[i].what, group_op_decode(&back, hash, op_view(&bad)), ERR_MALFORMED);
        CHECK_CASE(rows[i].what, back.sequence == 0x5a5a5a5a);
    }
    for (size_t len = 0; len < create.len; len++)
        CHECK(group_op_decode(&back, hash, bytes_of(create.at, len)) != ERR_NONE);
    create.at[create.len] = 0;
    CHECK_ERR("a byte too many", group_op_decode(&back, hash, bytes_of(create.at, create.len + 1)), ERR_MALFORMED);
    create.at[0] = 2;
    CHECK_ERR("another version", group_op_decode(&back, hash, op_view(&create)), ERR_VERSION);
    create.at[0] = 1;
    create.at[1] = GROUP_OP_KIND_COUNT;
    CHECK_ERR("another kind", group_op_decode(&back, hash, op_view(&create)), ERR_VERSION);
    buffer_clear(&hex);
}

/* Parents out of order, or one twice. */
static void test_parents(void)
{
    struct group_op op = { .kind = GROUP_LEAVE, .parent_count = 2 };
    uint8_t bytes[GROUP_OP_LEN_MAX], hash[GROUP_HASH_LEN];
    struct writer w = writer_of(bytes, sizeof bytes);

    memcpy(op.author, people[0].key, sizeof op.author);
    memset(op.parents[0], 2, GROUP_HASH_LEN);
    memset(op.parents[1], 2, GROUP_HASH_LEN);
    CHECK_ERR("twice", group_op_seal(&op, people[0].seed, &w), ERR_MALFORMED);
    memset(op.parents[1], 1, GROUP_HASH_LEN);
    CHECK_ERR("falling", group_op_seal(&op, people[0].seed, &w), ERR_MALFORMED);
    memset(op.parents[1], 3, GROUP_HASH_LEN);
    REQUIRE(group_op_seal(&op, people[0].seed, &w) == ERR_NONE);
    CHECK_ERR("rising", group_op_decode(&op, hash, writer_bytes(&w)), ERR_NONE);
    struct writer small = writer_of(bytes, 100);
    CHECK_ERR("no room", group_op_seal(&op, people[0].seed, &small), ERR_TOO_LARGE);
}

static void test_names(void)
{
    static const struct { const char *name; bool want; } rows[] = {
        { "a", true }, { "Brücke", true }, { "мост", true }, { "橋", true }, { "x\xc2\xa0y", true }, { "", false }, { "a\tb", false },
        { "\xc2\x85", false }, { "\xe2\x80\x8f", false }, { "\xef\xbb\xbf", false },
    };
    char longest[GROUP_NAME_MAX + 2];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_CASE(rows[i].name, group_name_is_sound(bytes_of_text(rows[i].name)) == rows[i].want);
    memset(longest, 'n', sizeof longest);
    CHECK(group_name_is_sound(bytes_of(longest, GROUP_NAME_MAX)) && !group_name_is_sound(bytes_of(longest, GROUP_NAME_MAX + 1)));
}

int main(void)
{
    guild_make(people);
    test_vectors();
    test_form();
    test_parents();
    test_names();
    return check_report("group_op");
}
