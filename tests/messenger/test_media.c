/* tests/messenger/test_media.c - contents over neighbours and couriers: in any order, cut anywhere, asked for again, lied about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/media_shelf.h"
#include "tests/messenger/town.h"
#include "tests/support/check.h"

static const uint64_t HOUR = 3600;
static const uint8_t jpeg[] = { 0xff, 0xd8, 0xff, 0xe0, 9, 8, 7 };

struct thing { uint8_t *at; size_t len; };

static struct thing thing_of(uint64_t seed, size_t len)
{
    struct thing c = { malloc(len), len };
    struct seeded g;
    struct rng r = seeded_rng(&g);

    REQUIRE(c.at != NULL);
    seeded_init(&g, seed);
    rng_fill(&r, c.at, len);
    return c;
}

static uint32_t upload(struct town *t, int who, const struct thing *c)
{
    struct messenger *m = t->people[who].m;
    uint32_t number = 0;
    uint64_t have = 0;

    REQUIRE(messenger_upload_begin(m, c->len, &number) == ERR_NONE);
    /* Pieces that fit nothing. */
    while (have < c->len) {
        size_t n = c->len - have < 50001 ? c->len - have : 50001;

        REQUIRE(messenger_upload_write(m, number, have, bytes_of(c->at + have, n), &have) == ERR_NONE);
    }
    return number;
}

static enum err offer(struct town *t, int who, const char *to, const struct thing *c, enum media_kind kind, bool is_preparing,
                      char id[MESSAGE_ID_TEXT_LEN + 1])
{
    struct media_offer o = { .kind = kind, .name = bytes_of_text("thing.bin"), .caption = bytes_of_text("look"), .is_preparing = is_preparing };
    uint32_t number = upload(t, who, c);

    o.type = bytes_of_text(kind == MEDIA_PHOTO ? "image/jpeg" : kind == MEDIA_VOICE ? "audio/wav" : "application/octet-stream");
    return messenger_send_media(t->people[who].m, town_friend(t, who, to), number, &o, town_wall(t, who), t->net.now_ms, id);
}

static void offer_surely(struct town *t, int who, const char *to, const struct thing *c, enum media_kind kind,
                         char id[MESSAGE_ID_TEXT_LEN + 1])
{
    REQUIRE(offer(t, who, to, c, kind, false, id) == ERR_NONE);
    REQUIRE(town_turn(t, who));
}

static struct media_info look(struct town *t, int who, const char *id)
{
    struct media_info info;

    memset(&info, 0, sizeof info);
    info.state = MEDIA_BROKEN;
    (void)messenger_media(t->people[who].m, bytes_of_text(id), &info);
    return info;
}

static bool is_same(struct town *t, int who, const char *id, enum media_part part, const struct thing *c)
{
    uint8_t *got = malloc(c->len);
    enum err e = messenger_media_read(t->people[who].m, bytes_of_text(id), part, 0, got, c->len);
    bool same = e == ERR_NONE && memcmp(got, c->at, c->len) == 0;

    /* And a range of it, cut anywhere. */
    if (same && c->len > 40000)
        same = messenger_media_read(t->people[who].m, bytes_of_text(id), part, 32700, got, 20) == ERR_NONE &&
               memcmp(got, c->at + 32700, 20) == 0;
    free(got);
    return same;
}

static void pair(struct town *t, uint64_t seed, int *ana, int *ben)
{
    town_init(t, seed);
    *ana = town_add(t, "Ana", TOWN_UNIX_S);
    *ben = town_add(t, "Ben", TOWN_UNIX_S);
    town_introduce(t, *ana, *ben);
    town_run(t, 1);
}

/* ---- One neighbour ---- */

static void test_direct(void)
{
    static const size_t sizes[] = { 1, 32712, 32713, 300000, 5000000 };

    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        struct thing c = thing_of(k, sizes[k]);
        char id[MESSAGE_ID_TEXT_LEN + 1];
        struct town t;
        int ana, ben;

        pair(&t, k + 1, &ana, &ben);
        offer_surely(&t, ana, "Ben", &c, MEDIA_PHOTO, id);
        CHECK(is_same(&t, ana, id, PART_ORIGINAL, &c));
        town_meet(&t, ana, ben, 30);
        CHECK(look(&t, ben, id).state == MEDIA_COMPLETE && look(&t, ben, id).is_here);
        CHECK(is_same(&t, ben, id, PART_ORIGINAL, &c));
        CHECK(town_count(&t, ben, "Ana", "look", true) == 1);
        town_run(&t, HOUR);
        town_meet(&t, ana, ben, 5);
        CHECK(look(&t, ana, id).state == MEDIA_COMPLETE && look(&t, ana, id).have == look(&t, ana, id).needed);
        CHECK(town_state(&t, ana, id) == MESSAGE_DELIVERED);
        /* Nothing of it is carried on by either. */
        struct store_usage u;
        store_usage(t.net.nodes[t.people[ana].node].store, &u);
        CHECK(u.bytes < 100000);
        store_usage(t.net.nodes[t.people[ben].node].store, &u);
        CHECK(u.bytes < 100000);
        town_clear(&t);
        free(c.at);
    }
}

/* ---- Couriers cut at random ---- */

static void couriers(uint64_t seed, bool is_restless)
{
    struct thing c = thing_of(seed, 1000000);
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct seeded g;
    struct rng r = seeded_rng(&g);
    struct town t;
    int ana, ben, courier[3], meetings = 0;

    seeded_init(&g, seed);
    pair(&t, seed, &ana, &ben);
    for (int i = 0; i < 3; i++)
        courier[i] = town_add(&t, NULL, TOWN_UNIX_S);
    t.is_restless = is_restless;
    offer_surely(&t, ana, "Ben", &c, MEDIA_PHOTO, id);
    while (look(&t, ben, id).state != MEDIA_COMPLETE && meetings++ < 60) {
        int who = courier[rng_below(&r, 3)];
        int wire = net_connect(&t.net, t.people[rng_below(&r, 2) == 0 ? ana : ben].node, t.people[who].node, 5, 1 << 20, 0);

        /* Torn off in the middle of whatever it is. */
        t.net.wires[wire].is_up = true;
        uint64_t until_ms = t.net.now_ms + 300 + rng_below(&r, 700);
        while (t.net.now_ms < until_ms)
            town_run(&t, 1);
        if (t.net.wires[wire].is_up)
            net_break(&t.net, wire);
        town_run(&t, 2 * HOUR);
    }
    char label[64];
    snprintf(label, sizeof label, "seed %llu: %d meetings", (unsigned long long)seed, meetings);
    CHECK_CASE(label, look(&t, ben, id).state == MEDIA_COMPLETE);
    CHECK_CASE(label, is_same(&t, ben, id, PART_ORIGINAL, &c));
    town_clear(&t);
    free(c.at);
}

static void test_couriers(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        couriers(seed, false);
    couriers(7, true);
}

/* All that a courier had is lost: what is missing is asked for, and comes in another round. */
static void test_asked_for_again(void)
{
    struct thing c = thing_of(5, 600000);
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct town t;
    int ana, ben, lost, caro;

    pair(&t, 11, &ana, &ben);
    lost = town_add(&t, NULL, TOWN_UNIX_S);
    caro = town_add(&t, NULL, TOWN_UNIX_S);
    offer_surely(&t, ana, "Ben", &c, MEDIA_PHOTO, id);
    /* The announcement and a part of it arrive; the rest is with somebody who never comes back. */
    int wire = net_connect(&t.net, t.people[ana].node, t.people[ben].node, 5, 100000, 0);
    while (look(&t, ben, id).have < 5)
        town_run(&t, 1);
    net_break(&t.net, wire);
    town_meet(&t, ana, lost, 30);
    struct shelf_item *i = shelf_find_text(t.people[ana].m, bytes_of_text(id));
    REQUIRE(i != NULL && i->part[0].handed_count == layout_chunks(&i->part[0].l));
    /* Ana's own copies expire as well: her store forgets what others have. */
    media_out_release(t.people[ana].m, i, false);
    CHECK(look(&t, ben, id).state == MEDIA_COMING);
    for (int n = 0; n < 12 && look(&t, ben, id).state == MEDIA_COMING; n++) {
        town_run(&t, 6 * HOUR);
        town_meet(&t, ben, caro, 10);
        town_meet(&t, caro, ana, 10);
        town_meet(&t, ana, caro, 10);
        town_meet(&t, caro, ben, 10);
    }
    CHECK(look(&t, ben, id).state == MEDIA_COMPLETE);
    CHECK(is_same(&t, ben, id, PART_ORIGINAL, &c));
    i = shelf_find_text(t.people[ana].m, bytes_of_text(id));
    REQUIRE(i != NULL);
    CHECK(i->part[0].round >= 1);
    town_clear(&t);
    free(c.at);
}

/* ---- Content that is known, wishes, strangers ---- */

static void test_duplicates_cost_nothing(void)
{
    struct thing c = thing_of(6, 900000);
    char first[MESSAGE_ID_TEXT_LEN + 1], second[MESSAGE_ID_TEXT_LEN + 1], third[MESSAGE_ID_TEXT_LEN + 1];
    struct node_counters before, after;
    struct media_usage usage, usage2;
    struct town t;
    int ana, ben, caro;

    pair(&t, 12, &ana, &ben);
    caro = town_add(&t, "Caro", TOWN_UNIX_S);
    town_introduce(&t, caro, ben);
    offer_surely(&t, ana, "Ben", &c, MEDIA_PHOTO, first);
    town_meet(&t, ana, ben, 20);
    REQUIRE(look(&t, ben, first).state == MEDIA_COMPLETE);
    REQUIRE(messenger_media_usage(t.people[ben].m, &usage) == ERR_NONE && usage.items == 1);
    node_counters(t.net.nodes[t.people[ben].node].node, &before);
    /* From another, as the announcement alone; chunks that come all the same are not kept. */
    offer_surely(&t, caro, "Ben", &c, MEDIA_PHOTO, second);
    town_meet(&t, caro, ben, 20);
    CHECK(look(&t, ben, second).state == MEDIA_COMPLETE && is_same(&t, ben, second, PART_ORIGINAL, &c));
    /* Sent on by Ben: no second file. */
    offer_surely(&t, ben, "Ana", &c, MEDIA_PHOTO, third);
    town_run(&t, 5);
    REQUIRE(messenger_media_usage(t.people[ben].m, &usage2) == ERR_NONE);
    CHECK(usage2.items == 1 && usage2.bytes == usage.bytes);
    node_counters(t.net.nodes[t.people[ben].node].node, &after);
    struct store_usage u;
    town_run(&t, HOUR);
    town_meet(&t, caro, ben, 20);
    town_meet(&t, ana, ben, 20);
    CHECK(look(&t, caro, second).state == MEDIA_COMPLETE && look(&t, ben, third).state == MEDIA_COMPLETE);
    store_usage(t.net.nodes[t.people[ben].node].store, &u);
    CHECK(u.bytes < 100000);
    /* The file goes with the last message that has it. */
    REQUIRE(messenger_message_delete(t.people[ben].m, bytes_of_text(first)) == ERR_NONE);
    REQUIRE(messenger_message_delete(t.people[ben].m, bytes_of_text(third)) == ERR_NONE);
    town_run(&t, 5);
    CHECK(is_same(&t, ben, second, PART_ORIGINAL, &c));
    REQUIRE(messenger_message_delete(t.people[ben].m, bytes_of_text(second)) == ERR_NONE);
    town_run(&t, 5);
    REQUIRE(messenger_media_usage(t.people[ben].m, &usage2) == ERR_NONE);
    CHECK(usage2.items == 0 && usage2.bytes == 0);
    town_clear(&t);
    free(c.at);
}

/* The light version goes at once, over whatever there is; of the original not one chunk before it is asked for. */
static void test_waits_for_a_wish(void)
{
    struct thing c = thing_of(8, 400000), light = thing_of(9, 30000);
    struct media_made made = { .preview = bytes_of(NULL, 0), .light = bytes_of(light.at, light.len), .duration_ms = 30000 };
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct store_usage u;
    struct town t;
    int ana, ben;

    pair(&t, 13, &ana, &ben);
    REQUIRE(offer(&t, ana, "Ben", &c, MEDIA_VOICE, true, id) == ERR_NONE);
    REQUIRE(town_turn(&t, ana));
    CHECK(look(&t, ana, id).state == MEDIA_PREPARING);
    CHECK(messenger_media_prepared(t.people[ana].m, bytes_of_text(id), &made, town_wall(&t, ana), t.net.now_ms) == ERR_NONE);
    town_run(&t, 5);
    CHECK(look(&t, ana, id).state == MEDIA_WAITING && look(&t, ana, id).light_needed == 4);
    /* The light version is ready to go: 5 chunks of 8 KiB and the message. */
    store_usage(t.net.nodes[t.people[ana].node].store, &u);
    CHECK(u.count == 6 && u.bytes < 45000);
    t.net.is_slow = true;
    int wire = net_connect(&t.net, t.people[ana].node, t.people[ben].node, 5, 1 << 20, 0);
    town_run(&t, 20);
    CHECK(look(&t, ben, id).is_light_here && !look(&t, ben, id).is_here);
    CHECK(is_same(&t, ben, id, PART_LIGHT, &light));
    net_break(&t.net, wire);
    town_run(&t, HOUR);
    CHECK(messenger_media_want(t.people[ben].m, bytes_of_text(id), true, town_wall(&t, ben), t.net.now_ms) == ERR_NONE);
    wire = net_connect(&t.net, t.people[ana].node, t.people[ben].node, 5, 1 << 20, 0);
    town_run(&t, 30);
    CHECK(look(&t, ana, id).is_wanted);
    CHECK(look(&t, ben, id).state == MEDIA_COMPLETE && is_same(&t, ben, id, PART_ORIGINAL, &c));
    town_clear(&t);
    free(c.at);
    free(light.at);
}

static void test_stopped_and_strangers(void)
{
    struct thing c = thing_of(10, 3000000);
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct town t;
    int ana, ben;

    /* A stranger's is not gathered before it is accepted and wanted. */
    town_init(&t, 14);
    ana = town_add(&t, "Ana", TOWN_UNIX_S);
    ben = town_add(&t, "Ben", TOWN_UNIX_S);
    town_befriend(&t, ana, ben);
    town_run(&t, 1);
    offer_surely(&t, ana, "Ben", &c, MEDIA_FILE, id);
    town_meet(&t, ana, ben, 30);
    CHECK(look(&t, ben, id).state == MEDIA_STOPPED);
    CHECK(messenger_media_want(t.people[ben].m, bytes_of_text(id), true, town_wall(&t, ben), t.net.now_ms) == ERR_REFUSED);
    REQUIRE(messenger_friend_accept(t.people[ben].m, town_friend(&t, ben, "Ana")) == ERR_NONE);
    CHECK(messenger_media_want(t.people[ben].m, bytes_of_text(id), true, town_wall(&t, ben), t.net.now_ms) == ERR_NONE);
    town_meet(&t, ana, ben, 30);
    CHECK(look(&t, ben, id).state == MEDIA_COMPLETE);
    /* Not wanted: the sender learns it and carries nothing on. */
    struct thing d = thing_of(11, 5000000);
    offer_surely(&t, ana, "Ben", &d, MEDIA_FILE, id);
    int wire = net_connect(&t.net, t.people[ana].node, t.people[ben].node, 5, 100000, 0);
    while (look(&t, ben, id).have < 3)
        town_run(&t, 1);
    CHECK(messenger_media_want(t.people[ben].m, bytes_of_text(id), false, town_wall(&t, ben), t.net.now_ms) == ERR_NONE);
    net_break(&t.net, wire);
    town_meet(&t, ben, ana, 5);
    CHECK(look(&t, ana, id).state == MEDIA_STOPPED && look(&t, ben, id).state == MEDIA_STOPPED);
    town_clear(&t);
    free(c.at);
    free(d.at);
}

/* ---- Lies ---- */

static void test_lying_hash(void)
{
    struct thing c = thing_of(15, 200000);
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct media_made made = { .preview = bytes_of(jpeg, sizeof jpeg) };
    uint8_t bytes[MANIFEST_LEN_MAX], preview[MEDIA_PREVIEW_MAX], byte;
    struct manifest mf;
    struct media_usage usage;
    struct town t;
    size_t len;
    int ana, ben;

    pair(&t, 16, &ana, &ben);
    REQUIRE(offer(&t, ana, "Ben", &c, MEDIA_PHOTO, true, id) == ERR_NONE);
    struct messenger *m = t.people[ana].m;
    struct shelf_item *i = shelf_find_text(m, bytes_of_text(id));
    struct writer w = writer_of(bytes, sizeof bytes);
    REQUIRE(i != NULL && shelf_manifest(m, i, &mf) == ERR_NONE);
    mf.hash[0][5] ^= 1;
    REQUIRE(manifest_encode(&mf, &w) == ERR_NONE && shelf_put_manifest(m, i, writer_bytes(&w)) == ERR_NONE);
    REQUIRE(messenger_media_prepared(m, bytes_of_text(id), &made, town_wall(&t, ana), t.net.now_ms) == ERR_NONE);
    REQUIRE(town_turn(&t, ana));
    town_meet(&t, ana, ben, 20);
    struct media_info info = look(&t, ben, id);
    CHECK(info.state == MEDIA_BROKEN && !info.is_here && info.reason[0] != '\0');
    CHECK(messenger_media_read(t.people[ben].m, bytes_of_text(id), PART_ORIGINAL, 0, &byte, 1) == ERR_STATE);
    CHECK(messenger_media_preview(t.people[ben].m, bytes_of_text(id), preview, &len) == ERR_NONE && len == sizeof jpeg);
    town_meet(&t, ana, ben, 20);
    CHECK(look(&t, ana, id).state == MEDIA_BROKEN);
    CHECK(messenger_media_usage(t.people[ben].m, &usage) == ERR_NONE && usage.bytes == 0);
    /* The message itself stands. */
    CHECK(town_count(&t, ben, "Ana", "look", true) == 1);
    town_clear(&t);
    free(c.at);
}

/* ---- Cuts and faults ---- */

struct fault { unsigned at; bool has_fired; };

static enum err fail_once(void *ctx, unsigned op)
{
    struct fault *f = ctx;

    if (op != f->at || f->has_fired)
        return ERR_NONE;
    f->has_fired = true;
    return ERR_IO;
}

/* Every write, sync and removal of the media files fails once, and every step of the receiver is a crash once: in the end it is there, whole. */
static void story_with(unsigned fault_at, unsigned crash_at, bool *was_hit)
{
    struct thing c = thing_of(20, 150000);
    char id[MESSAGE_ID_TEXT_LEN + 1];
    struct fault fault = { fault_at, false };
    char label[64];
    struct town t;
    int ana, ben;

    snprintf(label, sizeof label, "fault %u, crash %u", fault_at, crash_at);
    pair(&t, 21, &ana, &ben);
    offer_surely(&t, ana, "Ben", &c, MEDIA_PHOTO, id);
    if (fault_at != UINT32_MAX)
        blobs_set_fault(t.people[ben].blobs, fail_once, &fault);
    if (crash_at != 0) {
        t.crash_at = t.steps + crash_at;
        t.crash_who = ben;
    }
    for (int n = 0; n < 6 && look(&t, ben, id).state != MEDIA_COMPLETE; n++) {
        town_meet(&t, ana, ben, 6);
        town_run(&t, 7 * HOUR);
    }
    CHECK_CASE(label, look(&t, ben, id).state == MEDIA_COMPLETE && is_same(&t, ben, id, PART_ORIGINAL, &c));
    CHECK_CASE(label, town_count(&t, ben, "Ana", "look", true) == 1);
    *was_hit = fault_at != UINT32_MAX ? fault.has_fired : t.steps >= t.crash_at && crash_at != 0;
    blobs_set_fault(t.people[ben].blobs, NULL, NULL);
    /* And it stays there over a restart, with no file too many. */
    town_reopen(&t, ben);
    struct media_usage usage;
    CHECK_CASE(label, messenger_media_usage(t.people[ben].m, &usage) == ERR_NONE && usage.items == 1);
    CHECK_CASE(label, is_same(&t, ben, id, PART_ORIGINAL, &c));
    town_clear(&t);
    free(c.at);
}

static void test_faults(void)
{
    bool was_hit = true;

    for (unsigned at = 0; was_hit; at++)
        story_with(at, 0, &was_hit);
    for (unsigned at = 1; at <= 60; at++)
        story_with(UINT32_MAX, at, &was_hit);
}

/* ---- Space ---- */

static void test_space(void)
{
    struct thing c = thing_of(30, 500000), d = thing_of(31, 700000);
    char first[MESSAGE_ID_TEXT_LEN + 1], second[MESSAGE_ID_TEXT_LEN + 1];
    struct media_usage usage;
    uint64_t freed = 0;
    uint32_t count = 0;
    struct town t;
    int ana, ben;

    pair(&t, 31, &ana, &ben);
    offer_surely(&t, ana, "Ben", &c, MEDIA_PHOTO, first);
    offer_surely(&t, ana, "Ben", &d, MEDIA_PHOTO, second);
    town_meet(&t, ana, ben, 30);
    REQUIRE(look(&t, ben, first).is_here && look(&t, ben, second).is_here);
    struct messenger *m = t.people[ben].m;
    CHECK(messenger_media_keep(m, bytes_of_text(first), true) == ERR_NONE);
    CHECK(messenger_media_free(m, bytes_of_text(first), &freed) == ERR_STATE);
    CHECK(messenger_free_up(m, FREE_UP_AGE_S, 0, &freed, &count) == ERR_NONE && count == 0);
    town_run(&t, 31 * 24 * HOUR);
    CHECK(messenger_media_usage(m, &usage) == ERR_NONE && usage.free_bytes > 700000 && usage.kept_bytes > 500000);
    CHECK(messenger_free_up(m, FREE_UP_AGE_S, 0, &freed, &count) == ERR_NONE && count == 1 && freed > 700000);
    town_run(&t, 5);
    CHECK(messenger_media_usage(m, &usage) == ERR_NONE && usage.items == 1);
    CHECK(look(&t, ben, second).state == MEDIA_FREED && look(&t, ben, first).is_here);
    town_reopen(&t, ben);
    CHECK(look(&t, ben, second).state == MEDIA_FREED && is_same(&t, ben, first, PART_ORIGINAL, &c));
    /* Nothing of a content or its name lies open on the disk. */
    CHECK(!town_holds(&t, ben, bytes_of_text("thing.bin")) && !town_holds(&t, ben, bytes_of(c.at, 24)));
    town_clear(&t);
    free(c.at);
    free(d.at);
}

static void test_uploads(void)
{
    uint32_t number, numbers[UPLOADS_MAX];
    uint64_t have, size;
    struct town t;
    int ana, ben;

    pair(&t, 40, &ana, &ben);
    struct messenger *m = t.people[ana].m;
    CHECK(messenger_upload_begin(m, 0, &number) == ERR_MALFORMED);
    CHECK(messenger_upload_begin(m, MEDIA_SIZE_MAX + 1, &number) == ERR_TOO_LARGE);
    for (unsigned n = 0; n < UPLOADS_MAX; n++)
        CHECK(messenger_upload_begin(m, 100, &numbers[n]) == ERR_NONE);
    CHECK(messenger_upload_begin(m, 100, &number) == ERR_FULL);
    CHECK(messenger_upload_write(m, numbers[0], 5, bytes_of("x", 1), &have) == ERR_STATE && have == 0);
    CHECK(messenger_upload_write(m, numbers[0], 0, bytes_of(jpeg, sizeof jpeg), &have) == ERR_NONE && have == sizeof jpeg);
    uint8_t much[200] = { 0 };
    CHECK(messenger_upload_write(m, numbers[0], have, bytes_of(much, sizeof much), &have) == ERR_TOO_LARGE);
    struct media_offer o = { .name = bytes_of_text("a/b"), .type = bytes_of_text("text/plain") };
    char id[MESSAGE_ID_TEXT_LEN + 1];
    CHECK(messenger_send_media(m, town_friend(&t, ana, "Ben"), numbers[0], &o, town_wall(&t, ana), t.net.now_ms, id) == ERR_STATE);
    CHECK(messenger_upload_write(m, numbers[0], have, bytes_of(much, 100 - have), &have) == ERR_NONE && have == 100);
    CHECK(messenger_send_media(m, town_friend(&t, ana, "Ben"), numbers[0], &o, town_wall(&t, ana), t.net.now_ms, id) == ERR_MALFORMED);
    /* Refused, it is still there. */
    CHECK(messenger_upload_info(m, numbers[0], &size, &have) == ERR_NONE && size == 100 && have == 100);
    CHECK(messenger_upload_drop(m, numbers[1]) == ERR_NONE && messenger_upload_drop(m, numbers[1]) == ERR_NOT_FOUND);
    town_run(&t, UPLOAD_IDLE_S + 10);
    CHECK(messenger_upload_info(m, numbers[0], &size, &have) == ERR_NOT_FOUND);
    town_clear(&t);
}

int main(void)
{
    test_direct();
    test_couriers();
    test_asked_for_again();
    test_duplicates_cost_nothing();
    test_waits_for_a_wish();
    test_stopped_and_strangers();
    test_lying_hash();
    test_faults();
    test_space();
    test_uploads();
    return check_report("media");
}
