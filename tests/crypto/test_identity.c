/* tests/crypto/test_identity.c - prekeys, inboxes and invites over the days (protocol section 2). */
#include "crypto/identity_internal.h"

#include <string.h>

#include "crypto/hash.h"
#include "tests/crypto/pair.h"

enum { DAY = 690 };

static void check_reload(struct identity **id)
{
    struct buffer before = buffer_of_limit(20000), after = buffer_of_limit(20000);

    REQUIRE(identity_encode(*id, &before) == ERR_NONE);
    identity_free(*id);
    REQUIRE(identity_decode(id, buffer_bytes(&before)) == ERR_NONE);
    REQUIRE(identity_encode(*id, &after) == ERR_NONE);
    CHECK(bytes_are_equal(buffer_bytes(&before), buffer_bytes(&after)));
    buffer_clear(&before);
    buffer_clear(&after);
}

/* A letter to the card that a holds of b. */
static enum err write_to_card(struct pair *p, uint32_t day)
{
    struct letter l;
    char text[PAIR_BUNDLE_MAX];
    struct session *in;
    struct opened o;
    enum err e;

    person_forget_sessions(&p->a);
    person_forget_sessions(&p->b);
    struct session *s = person_start(p, &p->a, FORM_F1, p->a.peer.valid_until_day);
    if ((e = letter_seal(p, &p->a, s, day, "to the card", &l)) != ERR_NONE)
        return e;
    return letter_open(p, &p->b, &l, text, &in, &o);
}

static void test_rotation(void)
{
    struct pair p;
    struct inbox_view first, view;
    uint8_t secret[32];

    pair_init(&p, 1, DAY, DAY);
    struct identity *b = p.b.id;
    identity_inbox(b, 0, &first);
    memcpy(secret, first.secret, 32);
    CHECK(first.inbox_id != 0 && first.mailbox_bits == MAILBOX_BITS_DEFAULT && !first.is_one_time);
    for (uint32_t day = DAY; day < DAY + PREKEY_LIFE_DAYS; day++)
        CHECK(!identity_tend(b, day, &p.g));
    struct card old = *identity_card(b);
    CHECK(identity_tend(b, DAY + PREKEY_LIFE_DAYS, &p.g));
    CHECK(!identity_tend(b, DAY + PREKEY_LIFE_DAYS, &p.g));
    const struct card *now = identity_card(b);
    CHECK(now->prekey_id != old.prekey_id && memcmp(now->prekey, old.prekey, 32) != 0);
    CHECK(now->valid_until_day == DAY + PREKEY_LIFE_DAYS + CARD_LIFE_DAYS);
    CHECK(card_is_same_person(now, &old) && memcmp(now->inbox_secret, old.inbox_secret, 32) == 0);
    /* One inbox: the old prekey shares the secret, so its tags are the same. */
    CHECK(identity_inbox_count(b) == 1);
    identity_inbox(b, 0, &view);
    CHECK(view.inbox_id == first.inbox_id && memcmp(view.secret, secret, 32) == 0);
    check_reload(&p.b.id);

    p.a.peer = old;
    CHECK_ERR("to the old card", write_to_card(&p, DAY + 8), ERR_NONE);
    uint32_t last = old.valid_until_day + PREKEY_GRACE_DAYS;
    for (uint32_t day = DAY + 8; day <= last; day++)
        identity_tend(p.b.id, day, &p.g);
    CHECK_ERR("on its last day", write_to_card(&p, last), ERR_NONE);
    CHECK(identity_tend(p.b.id, last + 1, &p.g));
    CHECK_ERR("destroyed", write_to_card(&p, last), ERR_NOT_FOUND);
    p.a.peer = *identity_card(p.b.id);
    CHECK_ERR("to the present card", write_to_card(&p, last), ERR_NONE);

    /* A clock that was ahead and is set right: the card of the future goes. */
    CHECK(identity_tend(p.b.id, 20000, &p.g));
    CHECK(identity_tend(p.b.id, DAY, &p.g));
    CHECK(identity_card(p.b.id)->valid_until_day == DAY + CARD_LIFE_DAYS);
    pair_clear(&p);
}

static void test_changes(void)
{
    struct pair p;
    struct inbox_view view;

    pair_init(&p, 2, DAY, DAY);
    struct identity *b = p.b.id;
    struct card old = *identity_card(b);
    CHECK_ERR("rename", identity_rename(b, bytes_of_text("Benedikt"), DAY + 1, &p.g), ERR_NONE);
    CHECK(strcmp(identity_card(b)->name, "Benedikt") == 0);
    CHECK_ERR("a session is bound to the card's hash, and the old one still works", write_to_card(&p, DAY + 1), ERR_NONE);

    CHECK_ERR("too many bits", identity_set_mailbox_bits(b, MAILBOX_BITS_MAX + 1, DAY, &p.g), ERR_MALFORMED);
    uint16_t id = identity_card(b)->prekey_id;
    CHECK_ERR("the same", identity_set_mailbox_bits(b, MAILBOX_BITS_DEFAULT, DAY, &p.g), ERR_NONE);
    CHECK(identity_card(b)->prekey_id == id);
    CHECK_ERR("more", identity_set_mailbox_bits(b, 12, DAY, &p.g), ERR_NONE);
    CHECK(identity_card(b)->mailbox_bits == 12);
    identity_inbox(b, 0, &view);
    CHECK(view.mailbox_bits == MAILBOX_BITS_DEFAULT);  /* holders of older cards write fewer bits */

    CHECK_ERR("replace", identity_replace_inbox(b, DAY + 2, &p.g), ERR_NONE);
    CHECK(memcmp(identity_card(b)->inbox_secret, old.inbox_secret, 32) != 0);
    CHECK(identity_inbox_count(b) == 2);
    identity_inbox(b, 0, &view);
    CHECK(memcmp(view.secret, identity_card(b)->inbox_secret, 32) == 0 && view.mailbox_bits == 12);
    CHECK_ERR("what is under way to the old one", write_to_card(&p, DAY + 2), ERR_NONE);
    p.a.peer = *identity_card(b);
    CHECK_ERR("to the new one", write_to_card(&p, DAY + 2), ERR_NONE);
    check_reload(&p.b.id);
    CHECK_ERR("stored", write_to_card(&p, DAY + 2), ERR_NONE);
    pair_clear(&p);
}

static void test_invites(void)
{
    struct pair p;
    struct inbox_view view;
    struct card first, c;

    pair_init(&p, 3, DAY, DAY);
    struct identity *b = p.b.id;
    REQUIRE(identity_invite(b, &first, DAY, &p.g) == ERR_NONE);
    CHECK(first.flags == CARD_ONE_TIME && card_is_same_person(&first, identity_card(b)));
    CHECK(memcmp(first.inbox_secret, identity_card(b)->inbox_secret, 32) != 0);
    CHECK(identity_card(b)->flags == 0);
    p.a.peer = first;
    CHECK_ERR("by invite", write_to_card(&p, DAY), ERR_NONE);

    /* The oldest invite goes first, the standing card never. */
    uint32_t highest = 0;
    for (int i = 0; i < INBOXES_MAX * 2; i++) {
        REQUIRE(identity_invite(b, &c, DAY, &p.g) == ERR_NONE);
        CHECK(identity_inbox_count(b) <= INBOXES_MAX);
        identity_inbox(b, 1, &view);
        CHECK(view.inbox_id > highest && view.is_one_time);
        highest = view.inbox_id;
    }
    CHECK(identity_inbox_count(b) == INBOXES_MAX);
    identity_inbox(b, 0, &view);
    CHECK(!view.is_one_time);
    CHECK_ERR("pushed out", write_to_card(&p, DAY), ERR_NOT_FOUND);
    p.a.peer = c;
    CHECK_ERR("the newest", write_to_card(&p, DAY), ERR_NONE);
    check_reload(&p.b.id);
    CHECK_ERR("stored", write_to_card(&p, DAY), ERR_NONE);
    CHECK_ERR("destroy", identity_invite_destroy(p.b.id, highest), ERR_NONE);
    CHECK_ERR("destroyed", write_to_card(&p, DAY), ERR_NOT_FOUND);
    identity_inbox(p.b.id, 0, &view);
    CHECK_ERR("the standing inbox is no invite", identity_invite_destroy(p.b.id, view.inbox_id), ERR_NOT_FOUND);
    identity_tend(p.b.id, DAY + INVITE_LIFE_DAYS + PREKEY_GRACE_DAYS + 1, &p.g);
    CHECK(identity_inbox_count(p.b.id) == 1);
    pair_clear(&p);
}

static void test_bytes(void)
{
    struct pair p;
    struct card c;
    struct identity *id = NULL;
    struct buffer b = buffer_of_limit(20000);

    pair_init(&p, 4, DAY, DAY);
    REQUIRE(identity_invite(p.b.id, &c, DAY, &p.g) == ERR_NONE);
    REQUIRE(identity_encode(p.b.id, &b) == ERR_NONE);
    for (size_t len = 0; len < b.len; len++)
        CHECK(identity_decode(&id, bytes_of(b.at, len)) == ERR_CORRUPT);
    /* Secrets, card, counts: wherever it matters a changed byte is noticed. */
    static const size_t at[] = { 0, 1, 33, 75, 76, 80, 150, 275, 278 };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        b.at[at[i]] ^= 0x40;
        CHECK(identity_decode(&id, buffer_bytes(&b)) == ERR_CORRUPT);
        b.at[at[i]] ^= 0x40;
    }
    REQUIRE(buffer_append(&b, bytes_of("", 1)) == ERR_NONE);
    CHECK_ERR("a byte more", identity_decode(&id, buffer_bytes(&b)), ERR_CORRUPT);
    CHECK(id == NULL);
    identity_free(NULL);
    buffer_clear(&b);
    pair_clear(&p);
}

static void test_given_secrets(void)
{
    struct pair p;
    struct identity *id = NULL;
    const struct prekey *k;

    pair_init(&p, 5, DAY, DAY);
    const struct card *card = identity_card(p.b.id);
    k = identity_prekey_find(p.b.id, card->prekey_id);
    REQUIRE(k != NULL);
    CHECK_ERR("whole", identity_of_secrets(&id, card, identity_dh_secret(p.b.id), k->secret), ERR_NONE);
    identity_free(p.b.id);
    p.b.id = id;
    CHECK_ERR("opens", write_to_card(&p, DAY), ERR_NONE);
    card = identity_card(p.a.id);
    CHECK_ERR("another's secret", identity_of_secrets(&id, card, identity_dh_secret(p.b.id), NULL), ERR_AUTH);
    CHECK_ERR("another's prekey", identity_of_secrets(&id, card, identity_dh_secret(p.a.id), identity_dh_secret(p.a.id)),
              ERR_AUTH);
    pair_clear(&p);
}

int main(void)
{
    test_rotation();
    test_changes();
    test_invites();
    test_bytes();
    test_given_secrets();
    return check_report("identity");
}
