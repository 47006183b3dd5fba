/* tests/crypto/test_tags.c - tags, buckets, recognition and day chains (protocol sections 3 and 7). The values are in
 * the known answers; here are the properties. */
#include "crypto/tags_internal.h"

#include <string.h>

#include "crypto/day_chain.h"
#include "crypto/hash.h"
#include "tests/crypto/pair.h"

enum { DAY = 690 };

static void test_buckets(const struct rng *g)
{
    uint8_t secret[32];

    rng_fill(g, secret, sizeof secret);
    uint32_t all = bucket_prefix(secret, DAY, 24);
    CHECK(all <= 0xffffff && bucket_prefix(secret, DAY, 0) == 0 && bucket_prefix(secret, DAY + 1, 24) != all);
    for (uint8_t bits = 0; bits <= MAILBOX_BITS_MAX; bits++) {
        uint32_t prefix = bucket_prefix(secret, DAY, bits), low = 0;

        CHECK(prefix == (bits == 0 ? 0 : all >> (24 - bits) << (24 - bits)));
        for (int i = 0; i < 100; i++) {
            uint32_t drawn = bucket_draw(secret, DAY, bits, g);

            CHECK(drawn <= 0xffffff && (bits == 0 || drawn >> (24 - bits) == all >> (24 - bits)));
            low |= drawn ^ prefix;
        }
        CHECK(low == 0xffffffu >> bits);  /* every free bit was seen set */
    }
}

static void test_first_tags(struct pair *p)
{
    uint8_t tags[3][TAG_SLOTS][TAG_LEN], root_a[32], root_b[32];

    pair_introduce(&p->b, &p->a);
    REQUIRE(tags_pair_root(p->a.id, &p->a.peer, root_a) == ERR_NONE);
    REQUIRE(tags_pair_root(p->b.id, &p->b.peer, root_b) == ERR_NONE);
    CHECK_BYTES("pair root", bytes_of(root_a, 32), bytes_of(root_b, 32));
    tags_of_pair(root_a, p->a.peer.dh_key, DAY, tags[0]);
    tags_of_pair(root_a, p->b.peer.dh_key, DAY, tags[1]);
    tags_of_inbox(p->a.peer.inbox_secret, DAY, tags[2]);
    for (int i = 0; i < 3 * TAG_SLOTS; i++) {
        for (int j = 0; j < i; j++)
            CHECK(memcmp(tags[i / TAG_SLOTS][i % TAG_SLOTS], tags[j / TAG_SLOTS][j % TAG_SLOTS], TAG_LEN) != 0);
    }

    uint8_t of_initiator[8], of_responder[8], again[8];
    recognition_tag(root_a, bytes_of_text("link hash"), 0, of_initiator);
    recognition_tag(root_b, bytes_of_text("link hash"), 0, again);
    recognition_tag(root_b, bytes_of_text("link hash"), 1, of_responder);
    CHECK(memcmp(of_initiator, again, 8) == 0 && memcmp(of_initiator, of_responder, 8) != 0);
    recognition_tag(root_b, bytes_of_text("another link"), 0, again);
    CHECK(memcmp(of_initiator, again, 8) != 0);
}

static void test_day_chain(const struct rng *g)
{
    struct day_chain c, d;
    uint8_t key[32], other[32];

    rng_fill(g, c.key, sizeof c.key);
    c.day = DAY;
    d = c;
    CHECK_ERR("itself", day_chain_key(&c, DAY, key), ERR_NONE);
    CHECK_BYTES("itself", bytes_of(key, 32), bytes_of(c.key, 32));
    CHECK_ERR("before", day_chain_key(&c, DAY - 1, key), ERR_NOT_FOUND);
    CHECK_ERR("years", day_chain_key(&c, DAY + DAY_ADVANCE_MAX, key), ERR_NONE);
    for (uint32_t day = DAY; day <= DAY + DAY_ADVANCE_MAX; day += 487)
        CHECK_ERR("in steps", day_chain_advance(&d, day), ERR_NONE);
    CHECK(day_chain_advance(&d, DAY + DAY_ADVANCE_MAX) == ERR_NONE && memcmp(d.key, key, 32) == 0);
    CHECK_ERR("too far", day_chain_key(&c, DAY + DAY_ADVANCE_MAX + DAYS_KEPT + 1, key), ERR_NOT_FOUND);
    CHECK_ERR("past what an expiry can say", day_chain_key(&(struct day_chain){ .day = DAY_MAX }, DAY_MAX + 1, key),
              ERR_NOT_FOUND);

    struct day_window w;
    day_window_init(&w, c.key, DAY);
    CHECK(day_window_next(&w, DAY) == 0);
    /* Days in any order, each with its own count; never more than the window holds. */
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t highest = w.highest, day = w.oldest.day + rng_below(g, DAYS_KEPT + 3);
        uint32_t index = rng_below(g, 100), next = day_window_next(&w, day);

        day_window_seen(&w, day, index);
        CHECK(w.highest == (day > highest ? day : highest));
        CHECK(day_window_next(&w, day) == (index + 1 > next ? index + 1 : next));
        CHECK(w.seen_count <= DAYS_KEPT + 1 && w.highest - w.oldest.day <= DAYS_KEPT);
        CHECK(day_chain_key(&c, w.oldest.day, other) == ERR_NONE && memcmp(other, w.oldest.key, 32) == 0);
    }
}

int main(void)
{
    struct pair p;

    pair_init(&p, 1, DAY, DAY);
    test_buckets(&p.g);
    test_first_tags(&p);
    test_day_chain(&p.g);
    pair_clear(&p);
    return check_report("tags");
}
