/* tests/messenger/test_backup_content.c - what a backup holds as bytes, and as texts on paper; and what is refused of both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/backup_content.h"
#include "apps/messenger/paper.h"
#include "crypto/hash.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static struct rng dice;

static void make_card(struct card *out, const char *name)
{
    struct identity *id;

    REQUIRE(identity_new(&id, bytes_of_text(name), 700, &dice) == ERR_NONE);
    *out = *identity_card(id);
    identity_free(id);
}

static void make_content(struct backup_content *c, uint32_t friends)
{
    struct identity *id;

    REQUIRE(identity_new(&id, bytes_of_text("Ana"), 700, &dice) == ERR_NONE);
    memset(c, 0, sizeof *c);
    identity_root(id, &c->self);
    identity_free(id);
    c->is_marking_read = true;
    c->friend_count = friends;
    c->friends = calloc(friends + 1, sizeof *c->friends);
    REQUIRE(c->friends != NULL);
    for (uint32_t i = 0; i < friends; i++) {
        snprintf(c->friends[i].name, sizeof c->friends[i].name, "friend %u", i);
        c->friends[i].flags = i % 2 != 0 ? FRIEND_HEARD | FRIEND_WRITTEN : FRIEND_IS_VERIFIED;
        c->friends[i].disappear_s = i;
        make_card(&c->friends[i].card, c->friends[i].name);
    }
}

static void check_round_trip(void)
{
    for (uint32_t friends = 0; friends < 7; friends += 3) {
        struct buffer b = buffer_of_limit(BACKUP_CONTENT_MAX);
        struct backup_content c, back;

        make_content(&c, friends);
        REQUIRE(backup_content_encode(&c, &b) == ERR_NONE && b.len % BACKUP_PAD_LEN == 0);
        REQUIRE(backup_content_decode(&back, buffer_bytes(&b)) == ERR_NONE);
        CHECK(memcmp(&back.self, &c.self, sizeof c.self) == 0 && back.is_marking_read && back.friend_count == friends);
        CHECK(friends == 0 || memcmp(back.friends, c.friends, friends * sizeof *c.friends) == 0);
        backup_content_clear(&back);
        /* Cut in a part, or with a bit in the padding: nothing. */
        for (size_t cut = 0; cut < 100; cut++)
            CHECK(backup_content_decode(&back, bytes_of(b.at, cut)) == ERR_MALFORMED);
        b.at[b.len - 1] ^= 1;
        CHECK(b.at[b.len - 2] != 0 || backup_content_decode(&back, buffer_bytes(&b)) != ERR_NONE);
        backup_content_clear(&c);
        buffer_clear(&b);
    }
}

/* The same person on another device: same keys and inbox, another prekey with a later number. */
static void check_root(void)
{
    struct identity *id, *again;
    struct identity_root root;
    struct card old;

    REQUIRE(identity_new(&id, bytes_of_text("Ana"), 700, &dice) == ERR_NONE);
    old = *identity_card(id);
    identity_root(id, &root);
    for (uint32_t day = 690; day < 3000; day += 310) {
        REQUIRE(identity_of_root(&again, &root, day, &dice) == ERR_NONE);
        const struct card *fresh = identity_card(again);
        CHECK(card_is_same_person(&old, fresh) && memcmp(old.inbox_secret, fresh->inbox_secret, 32) == 0);
        CHECK(memcmp(old.prekey, fresh->prekey, 32) != 0 && (int16_t)(uint16_t)(fresh->prekey_id - old.prekey_id) > 0);
        CHECK(strcmp(fresh->name, "Ana") == 0 && fresh->valid_until_day == day + CARD_LIFE_DAYS);
        identity_free(again);
    }
    root.mailbox_bits = MAILBOX_BITS_MAX + 1;
    CHECK_ERR("mailbox bits", identity_of_root(&again, &root, 700, &dice), ERR_MALFORMED);
    root.mailbox_bits = 8;
    root.name[0] = '\n';
    CHECK_ERR("name", identity_of_root(&again, &root, 700, &dice), ERR_MALFORMED);
    identity_free(id);
}

#define KEYS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" \
             "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" \
             "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SELF "01" "6b000000" KEYS "08" "bc020000" "0200" "01" "416e61"

static void check_malformed(void)
{
    static const struct { const char *name, *hex; enum err want; } rows[] = {
        { "no friends", "01" SELF, ERR_NONE },
        { "with padding", "01" SELF "0000", ERR_NONE },
        { "empty", "", ERR_MALFORMED },
        { "only a version", "01", ERR_MALFORMED },
        { "a later version", "02" SELF, ERR_VERSION },
        { "nobody", "01" "0000", ERR_MALFORMED },
        { "twice", "01" SELF SELF, ERR_MALFORMED },
        { "a friend first", "01" "02" "06000000" "000000000000", ERR_MALFORMED },
        { "a part of a later version", "01" SELF "03" "00000000", ERR_VERSION },
        { "longer than there is", "01" "01" "ffffffff" KEYS, ERR_MALFORMED },
        { "no name", "01" "01" "68000000" KEYS "08" "bc020000" "0200" "01", ERR_MALFORMED },
        { "too many mailbox bits", "01" "01" "6b000000" KEYS "19" "bc020000" "0200" "01" "416e61", ERR_MALFORMED },
        { "neither yes nor no", "01" "01" "6b000000" KEYS "08" "bc020000" "0200" "02" "416e61", ERR_MALFORMED },
        { "a friend without a card", "01" SELF "02" "07000000" "00000000000142", ERR_MALFORMED },
        { "a friend with a flag unknown", "01" SELF "02" "07000000" "80000000000142", ERR_MALFORMED },
        { "a friend with a line break", "01" SELF "02" "07000000" "0000000000010a", ERR_MALFORMED },
        { "a friend without a name", "01" SELF "02" "06000000" "000000000000", ERR_MALFORMED },
        { "padding that is not zero", "01" SELF "000001", ERR_MALFORMED },
    };
    struct buffer hex = buffer_of_limit(4096);
    struct backup_content c;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (CHECK_ERR(rows[i].name, backup_content_decode(&c, check_hex(&hex, rows[i].hex)), rows[i].want) && rows[i].want == ERR_NONE)
            backup_content_clear(&c);
    }
    buffer_clear(&hex);
}

static void check_same_friend_twice(void)
{
    struct buffer b = buffer_of_limit(BACKUP_CONTENT_MAX);
    struct backup_content c, back;

    make_content(&c, 2);
    c.friends[1].card = c.friends[0].card;
    REQUIRE(backup_content_encode(&c, &b) == ERR_NONE);
    CHECK_ERR("", backup_content_decode(&back, buffer_bytes(&b)), ERR_MALFORMED);
    b.len = 0;
    make_card(&c.friends[1].card, "Ben");
    c.friends[1].card.signature[5] ^= 1;
    REQUIRE(backup_content_encode(&c, &b) == ERR_NONE);
    CHECK_ERR("", backup_content_decode(&back, buffer_bytes(&b)), ERR_AUTH);
    backup_content_clear(&c);
    buffer_clear(&b);
}

/* ---- Paper ---- */

static void check_paper(void)
{
    static const size_t lengths[] = { 1, PAPER_PIECE_LEN, PAPER_PIECE_LEN + 1, 5000, PAPER_FILE_MAX };
    uint8_t *file = malloc(PAPER_FILE_MAX);

    REQUIRE(file != NULL);
    rng_fill(&dice, file, PAPER_FILE_MAX);
    CHECK(paper_count(0) == 0 && paper_count(PAPER_FILE_MAX + 1) == 0 && paper_count(PAPER_FILE_MAX) == PAPER_PARTS_MAX);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buffer text = buffer_of_limit(1 << 20), back = buffer_of_limit(PAPER_FILE_MAX);
        struct bytes in = bytes_of(file, lengths[i]);
        unsigned count = paper_count(in.len), missing = 0;
        char part[PAPER_PART_MAX];

        /* In any order, one of them twice. */
        for (unsigned k = 0; k <= count; k++) {
            paper_part(part, in, (count - k) % count);
            REQUIRE(buffer_append(&text, bytes_of_text(part)) == ERR_NONE && buffer_append(&text, bytes_of_text(k % 2 ? "\n" : " \r\n\t")) == ERR_NONE);
        }
        CHECK(paper_is(buffer_bytes(&text)));
        REQUIRE(paper_join(&back, buffer_bytes(&text), &missing) == ERR_NONE);
        CHECK_BYTES("", buffer_bytes(&back), in);
        back.len = 0;
        for (unsigned without = 0; without < count && count > 1; without += 1 + count / 7) {
            text.len = 0;
            for (unsigned k = 0; k < count; k++) {
                paper_part(part, in, k);
                if (k != without)
                    REQUIRE(buffer_append(&text, bytes_of_text(part)) == ERR_NONE && buffer_append(&text, bytes_of_text("\n")) == ERR_NONE);
            }
            CHECK_ERR("", paper_join(&back, buffer_bytes(&text), &missing), ERR_NOT_FOUND);
            CHECK(missing == without + 1 && back.len == 0);
        }
        /* One of another backup among them. */
        paper_part(part, in, 0);
        text.len = 0;
        REQUIRE(buffer_append(&text, bytes_of_text(part)) == ERR_NONE && buffer_append(&text, bytes_of_text("\n")) == ERR_NONE);
        file[0] ^= 1;
        paper_part(part, in, 0);
        file[0] ^= 1;
        REQUIRE(buffer_append(&text, bytes_of_text(part)) == ERR_NONE);
        CHECK_ERR("", paper_join(&back, buffer_bytes(&text), &missing), ERR_STATE);
        buffer_clear(&text);
        buffer_clear(&back);
    }
    free(file);
    static const struct { const char *name, *text; enum err want; } rows[] = {
        { "nothing", "", ERR_MALFORMED }, { "spaces", " \n", ERR_MALFORMED },
        { "a card's link", "staffetta:#AQIDBA", ERR_MALFORMED }, { "no base64", "staffetta-backup:#AQ==", ERR_MALFORMED },
        { "empty", "staffetta-backup:#", ERR_MALFORMED }, { "cut in the head", "staffetta-backup:#AQAAAAAA", ERR_MALFORMED },
        { "a later version", "staffetta-backup:#AgAAAAAAAQE", ERR_VERSION },
        { "no piece", "staffetta-backup:#AQAAAAAAAQ", ERR_MALFORMED },
        { "no parts", "staffetta-backup:#AQAAAAAAAAE", ERR_MALFORMED }, { "past the last", "staffetta-backup:#AQAAAAABAQE", ERR_MALFORMED },
        { "255 parts", "staffetta-backup:#AQAAAAAA_wE", ERR_MALFORMED }, { "a short one in the middle", "staffetta-backup:#AQAAAAAAAgE", ERR_MALFORMED },
        { "not what was printed", "staffetta-backup:#AQAAAAAAAQE", ERR_AUTH },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer back = buffer_of_limit(PAPER_FILE_MAX);
        unsigned missing = 0;

        CHECK_ERR(rows[i].name, paper_join(&back, bytes_of_text(rows[i].text), &missing), rows[i].want);
        CHECK_CASE(rows[i].name, back.len == 0);
        buffer_clear(&back);
    }
}

int main(void)
{
    struct seeded s;

    REQUIRE(crypto_start() == ERR_NONE);
    seeded_init(&s, 11);
    dice = seeded_rng(&s);
    check_round_trip();
    check_root();
    check_malformed();
    check_same_friend_twice();
    check_paper();
    return check_report("backup content");
}
