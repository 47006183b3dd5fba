/* tests/crypto/test_session_edges.c - what a session refuses: sizes, damage, days out of reach, bad keys, used invites,
 * stored bytes that are not its own. */
#include <string.h>

#include "crypto/identity_internal.h"
#include "crypto/session_internal.h"
#include "crypto/tags_internal.h"
#include "tests/crypto/pair.h"

enum { DAY = PAIR_DAY };

static void test_sizes(void)
{
    struct pair p;
    struct letter l;
    static uint8_t bundle[BUNDLE_LEN_MAX], plain[BUNDLE_LEN_MAX], content[BUNDLE_LEN_MAX];
    struct sealed sealed;
    struct opened o;

    pair_init(&p, 9, DAY, DAY);
    person_start(&p, &p.a, FORM_F1, DAY);
    CHECK(session_payload_max(FORM_F1, 0) == 0 && session_payload_max(FORM_F1, 1) == 172);
    CHECK(session_payload_max(FORM_F2, 0) == 164 && session_payload_max(FORM_SESSION, 0) == 164);
    CHECK(session_payload_max(FORM_SESSION, SIZE_CODE_MAX) == 65536 - 92);
    CHECK(session_payload_max(FORM_SESSION, SIZE_CODE_MAX + 1) == 0);
    struct seal_request q = { .my_card = identity_card(p.a.id), .day = DAY, .expiry_h = 24 };
    CHECK_ERR("no F1 in 256", session_seal(p.a.sessions[0], &q, &p.g, bundle, &sealed), ERR_TOO_LARGE);
    seal(&p, &p.a, DAY, "x", &l);
    CHECK_OPENS(&p, &p.b, &l, "x");
    for (uint8_t code = 0; code <= SIZE_CODE_MAX; code++) {
        size_t max = session_payload_max(FORM_SESSION, code);

        memset(content, 0xa5, max + 1);
        q.size_code = code;
        q.payload = bytes_of(content, max + 1);
        CHECK_ERR("a byte too many", session_seal(p.b.sessions[0], &q, &p.g, bundle, &sealed), ERR_TOO_LARGE);
        q.payload = bytes_of(content, max);
        CHECK_ERR("full", session_seal(p.b.sessions[0], &q, &p.g, bundle, &sealed), ERR_NONE);
        CHECK_ERR("full opens", session_open(p.a.sessions[0], DAY, code, bytes_of(bundle, bundle_len_of_code(code)), plain,
                                             &o), ERR_NONE);
        CHECK(o.payload_len == max && memcmp(plain, content, max) == 0);
    }
    pair_clear(&p);
}

/* No bit of a bundle may change, and a failed open changes nothing (letter_open and below check that). */
static void test_damage(void)
{
    struct pair p;
    struct letter l, good;
    struct buffer before, after;
    uint8_t plain[BUNDLE_LEN_MAX];
    struct opened o;

    pair_connected(&p, 10);
    seal(&p, &p.a, DAY, "whole", &good);
    struct session *b = p.b.sessions[0];
    session_bytes(b, &before);
    for (size_t i = 0; i < good.len; i++) {
        l = good;
        l.bundle[i] ^= (uint8_t)(1u << i % 8);
        bool is_stamp = i >= HEADER_AD_LEN && i < HEADER_LEN;
        if (is_stamp)
            continue;  /* not authenticated: anybody may stamp */
        CHECK(session_open(b, DAY, 0, bytes_of(l.bundle, l.len), plain, &o) != ERR_NONE);
        session_bytes(b, &after);
        CHECK(bytes_are_equal(buffer_bytes(&after), buffer_bytes(&before)));
        buffer_clear(&after);
    }
    CHECK_ERR("cut short", session_open(b, DAY, 0, bytes_of(good.bundle, good.len - 1), plain, &o), ERR_MALFORMED);
    CHECK_ERR("empty", session_open(b, DAY, 0, bytes_of(NULL, 0), plain, &o), ERR_MALFORMED);
    CHECK_ERR("another index", session_open(b, DAY, 1, bytes_of(good.bundle, good.len), plain, &o), ERR_AUTH);
    CHECK_ERR("another day", session_open(b, DAY + 1, 0, bytes_of(good.bundle, good.len), plain, &o), ERR_AUTH);
    CHECK_ERR("no such index", session_open(b, DAY, 1 << 16, bytes_of(good.bundle, good.len), plain, &o), ERR_AUTH);
    CHECK_ERR("a day before the session", session_open(b, DAY - 1, 0, bytes_of(good.bundle, good.len), plain, &o),
              ERR_NOT_FOUND);
    memset(good.bundle + HEADER_AD_LEN, 0x5a, STAMP_LEN);
    CHECK_OPENS(&p, &p.b, &good, "whole");
    buffer_clear(&before);
    pair_clear(&p);

    /* The same for a first message: no session comes of it. */
    pair_init(&p, 11, DAY, DAY);
    person_start(&p, &p.a, FORM_F1, DAY);
    seal(&p, &p.a, DAY, "first", &good);
    struct inbox_view view;
    identity_inbox(p.b.id, 0, &view);
    for (size_t i = 0; i < good.len; i++) {
        struct session *s = NULL;
        struct card card;

        l = good;
        l.bundle[i] ^= (uint8_t)(1u << i % 8);
        if (i >= HEADER_AD_LEN && i < HEADER_LEN)
            continue;
        CHECK(session_accept_f1(&s, p.b.id, view.inbox_id, DAY, bytes_of(l.bundle, l.len), &card, plain, &o) != ERR_NONE);
        CHECK(s == NULL);
    }
    CHECK_OPENS(&p, &p.b, &good, "first");
    pair_clear(&p);
}

static void test_days(void)
{
    struct pair p;
    struct letter l, old;
    uint8_t tags[1][TAG_LEN];

    pair_connected(&p, 16);
    struct session *a = p.a.sessions[0], *b = p.b.sessions[0];
    seal(&p, &p.a, DAY, "held back", &old);
    CHECK(session_day(a, DAY - 100) == DAY && session_day(a, DAY + 5) == DAY + 5);
    seal(&p, &p.a, DAY + 5, "later", &l);
    CHECK(l.day == DAY + 5 && session_day(a, DAY) == DAY + 5);
    seal(&p, &p.a, DAY, "clock went back", &l);
    CHECK(l.day == DAY + 5);
    CHECK_OPENS(&p, &p.b, &l, "clock went back");
    CHECK(session_day(b, 0) == DAY + 5);

    CHECK_ERR("before the session", session_expect(b, DAY - 1, 0, 1, tags), ERR_NOT_FOUND);
    CHECK_ERR("first day", session_expect(b, DAY, 0, 1, tags), ERR_NONE);
    CHECK_ERR("20 years on", session_expect(b, DAY + 5 + DAY_ADVANCE_MAX, 0, 1, tags), ERR_NONE);
    CHECK_ERR("more", session_expect(b, DAY + 6 + DAY_ADVANCE_MAX, 0, 1, tags), ERR_NOT_FOUND);
    CHECK_ERR("no such index", session_expect(b, DAY, (1 << 16) - 1, 2, tags), ERR_NOT_FOUND);
    CHECK_ERR("last index", session_expect(b, DAY, (1 << 16) - 1, 1, tags), ERR_NONE);

    /* Our own clock erases no day key; what the other side was seen to use does. */
    session_tend(b, DAY + 1000);
    CHECK_ERR("tended", session_expect(b, DAY, 0, 1, tags), ERR_NONE);
    seal(&p, &p.a, DAY + DAYS_KEPT, "still kept", &l);
    CHECK_OPENS(&p, &p.b, &l, "still kept");
    CHECK_ERR("15 days before", session_expect(b, DAY, 0, 1, tags), ERR_NONE);
    seal(&p, &p.a, DAY + DAYS_KEPT + 1, "erased", &l);
    CHECK_OPENS(&p, &p.b, &l, "erased");
    CHECK_ERR("16 days before", session_expect(b, DAY, 0, 1, tags), ERR_NOT_FOUND);
    CHECK(try_open(&p, &p.b, &old) != ERR_NONE);

    /* A clock that leaps further than the other would follow needs a new session. */
    CHECK_ERR("leap", letter_seal(&p, &p.a, a, DAY + DAYS_KEPT + 2 + DAY_ADVANCE_MAX, "x", &l), ERR_STATE);
    CHECK_ERR("no leap", letter_seal(&p, &p.a, a, DAY + 1000, "x", &l), ERR_NONE);
    pair_clear(&p);
}

/* One clock was never set, the other is right, or years ahead. */
static void test_years_apart(uint32_t day_a, uint32_t day_b)
{
    struct pair p;
    struct letter l;

    pair_init(&p, 17 + day_a + day_b, day_a, day_b);
    /* The card says when it ends by its owner's clock; the messenger insists where that is long past. */
    struct session *s;
    uint32_t day = day_a < p.a.peer.valid_until_day ? day_a : p.a.peer.valid_until_day;
    REQUIRE(session_start(&s, FORM_F1, p.a.id, &p.a.peer, day, &p.g) == ERR_NONE);
    p.a.sessions[p.a.session_count++] = s;
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t now_a = day + i, now_b = day_b + i;

        seal(&p, &p.a, now_a, "from a", &l);
        CHECK_OPENS(&p, &p.b, &l, "from a");
        if (i % 3 == 0) {
            seal(&p, &p.b, now_b, "from b", &l);
            CHECK_OPENS(&p, &p.a, &l, "from b");
        }
        session_tend(p.a.sessions[0], now_a);
        session_tend(p.b.sessions[0], now_b);
    }
    CHECK(session_day(p.a.sessions[0], 0) >= day_b);
    pair_clear(&p);
}

static void test_bad_keys(void)
{
    /* Zero, one, the two points of order eight, p-1, p, p+1 (Wycheproof's low-order public keys). */
    static const char *const low_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct pair p;
    struct buffer key = buffer_of_limit(32);
    uint8_t root[32] = { 1 }, bundle[512], mask_key[32], plain[BUNDLE_LEN_MAX];
    struct session *s = NULL;
    struct inbox_view view;

    pair_init(&p, 18, DAY, DAY);
    pair_introduce(&p.b, &p.a);
    identity_inbox(p.b.id, 0, &view);
    for (size_t i = 0; i < sizeof low_order / sizeof low_order[0]; i++) {
        struct card bad = p.a.peer;
        struct opened o;

        check_hex(&key, low_order[i]);
        memcpy(bad.prekey, key.at, 32);
        CHECK_ERR(low_order[i], session_start(&s, FORM_F1, p.a.id, &bad, DAY, &p.g), ERR_AUTH);
        bad = p.a.peer;
        memcpy(bad.dh_key, key.at, 32);
        CHECK_ERR(low_order[i], session_start(&s, FORM_F2, p.a.id, &bad, DAY, &p.g), ERR_AUTH);
        CHECK_ERR(low_order[i], tags_pair_root(p.a.id, &bad, root), ERR_AUTH);

        /* As an ephemeral key in F1, and in F2. */
        struct header h = { .bundle_class = CLASS_SEALED, .size_code = 1, .expiry_h = DAY * 24 };
        struct inner inner = { .pn = p.a.peer.prekey_id };
        uint8_t padded[CARD_LEN_MAX] = { 0 };
        memcpy(inner.ratchet_key, key.at, 32);
        inbox_tag(view.secret, DAY, 3, h.tag);
        inbox_mask_key(view.secret, DAY, mask_key);
        body_write(bundle, &(struct body_parts){ .header = &h, .salt = root, .mask_key = mask_key, .inner = &inner,
                                                 .card_key = root, .padded_card = padded, .payload_key = root });
        CHECK_ERR(low_order[i], session_accept_f1(&s, p.b.id, view.inbox_id, DAY, bytes_of(bundle, sizeof bundle), &bad,
                                                  plain, &o), ERR_AUTH);
        uint8_t day_key[32];
        pair_day_key(p.b.pair_root, p.b.peer.dh_key, DAY, day_key);
        pair_mask_key(day_key, mask_key);
        pair_tag(day_key, 3, h.tag);
        body_write(bundle, &(struct body_parts){ .header = &h, .salt = root, .mask_key = mask_key, .inner = &inner,
                                                 .payload_key = root });
        CHECK_ERR(low_order[i], session_accept_f2(&s, p.b.id, &p.b.peer, p.b.pair_root, DAY,
                                                  bytes_of(bundle, sizeof bundle), plain, &o), ERR_AUTH);
    }
    CHECK(s == NULL);
    CHECK_ERR("an expired card", session_start(&s, FORM_F1, p.a.id, &p.a.peer, p.a.peer.valid_until_day + 1u, &p.g),
              ERR_EXPIRED);
    CHECK_ERR("on its last day", session_start(&s, FORM_F1, p.a.id, &p.a.peer, p.a.peer.valid_until_day, &p.g), ERR_NONE);
    session_free(s);
    buffer_clear(&key);
    pair_clear(&p);
}

static void test_invites(void)
{
    struct pair p;
    struct card invite;
    struct letter l, repeat;

    pair_init(&p, 19, DAY, DAY);
    REQUIRE(identity_invite(p.b.id, &invite, DAY, &p.g) == ERR_NONE);
    CHECK(identity_inbox_count(p.b.id) == 2);
    p.a.peer = invite;
    struct session *s = person_start(&p, &p.a, FORM_F1, DAY);
    seal(&p, &p.a, DAY, "by invite", &l);
    seal(&p, &p.a, DAY, "repeat", &repeat);
    CHECK_OPENS(&p, &p.b, &l, "by invite");

    struct inbox_view view;
    identity_inbox(p.b.id, 1, &view);
    CHECK(view.is_one_time);
    CHECK_ERR("used up", identity_invite_destroy(p.b.id, view.inbox_id), ERR_NONE);
    CHECK_ERR("twice", identity_invite_destroy(p.b.id, view.inbox_id), ERR_NOT_FOUND);
    /* What another would make of the same invite finds nothing. */
    person_forget_sessions(&p.b);
    struct session *in = NULL;
    struct opened o;
    uint8_t plain[BUNDLE_LEN_MAX];
    CHECK_ERR("a used invite", session_accept_f1(&in, p.b.id, view.inbox_id, DAY, bytes_of(repeat.bundle, repeat.len),
                                                 &p.b.peer, plain, &o), ERR_NOT_FOUND);
    CHECK(in == NULL && session_form_next(s) == FORM_F1);
    pair_clear(&p);
}

static void test_bytes(void)
{
    struct pair p;
    struct letter l;
    struct buffer b, again;
    struct session *s = NULL;

    pair_connected(&p, 21);
    for (int i = 0; i < 4; i++)
        seal(&p, &p.a, DAY + (uint32_t)i, "lost", &l);
    CHECK_OPENS(&p, &p.b, &l, "lost");
    session_bytes(p.b.sessions[0], &b);
    for (size_t len = 0; len < b.len; len++) {
        CHECK(session_decode(&s, bytes_of(b.at, len)) == ERR_CORRUPT);
        CHECK(s == NULL);
    }
    REQUIRE(buffer_append(&b, bytes_of("", 1)) == ERR_NONE);
    CHECK_ERR("a byte more", session_decode(&s, buffer_bytes(&b)), ERR_CORRUPT);
    b.len--;
    /* Any byte changed is refused or gives a state that encodes to the same. */
    for (size_t i = 0; i < b.len; i++) {
        b.at[i] ^= 0xff;
        if (session_decode(&s, buffer_bytes(&b)) == ERR_NONE) {
            session_bytes(s, &again);
            CHECK(bytes_are_equal(buffer_bytes(&b), buffer_bytes(&again)));
            buffer_clear(&again);
            session_free(s);
            s = NULL;
        }
        b.at[i] ^= 0xff;
    }
    buffer_clear(&b);
    session_free(NULL);
    pair_clear(&p);
}

int main(void)
{
    test_sizes();
    test_damage();
    test_days();
    test_years_apart(0, 690);
    test_years_apart(690, 0);
    test_years_apart(690, 690 + 20 * 365);
    test_bad_keys();
    test_invites();
    test_bytes();
    return check_report("session_edges");
}
