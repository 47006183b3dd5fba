/* tests/mesh/test_record.c - the bytes of every record: what is malformed, and round trips. */
#include "mesh/record.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

#define SID "010203040506"
#define ID "000102030405060708090a0b0c0d0e0f"
#define T64 ID ID ID ID

static const struct { const char *name, *hex; enum err want; } cases[] = {
    { "empty frame", "", ERR_MALFORMED },
    { "type alone", "0d", ERR_MALFORMED },
    { "length cut short", "0d80", ERR_MALFORMED },
    { "length not shortest", "0d8800" "0000000000000000", ERR_MALFORMED },
    { "length of eleven bytes", "0dffffffffffffffffffff01", ERR_MALFORMED },
    { "longer than the frame", "0d09" "0000000000000000", ERR_MALFORMED },
    { "length near 2^64", "0dffffffffffffffffff01", ERR_MALFORMED },
    { "unknown type", "7f03aabbcc", ERR_NONE },
    { "type 0", "0000", ERR_NONE },
    { "list", "010d00" SID SID, ERR_NONE },
    { "list, empty", "010101", ERR_NONE },
    { "list without class", "0100", ERR_MALFORMED },
    { "list, class 3", "010103", ERR_MALFORMED },
    { "list, half an id", "01040001" "0203", ERR_MALFORMED },
    { "cells", "020801000040" "01aabbcc", ERR_NONE },
    { "cells, later", "02060101400ab0b1", ERR_NONE },
    { "cells, class 3", "020403000001", ERR_MALFORMED },
    { "cells, round 8", "020401080001", ERR_MALFORMED },
    { "cells, no count", "0203010000", ERR_MALFORMED },
    { "more", "03020140", ERR_NONE },
    { "more, trailing", "0303014000", ERR_MALFORMED },
    { "more, short", "030101", ERR_MALFORMED },
    { "settled", "04020002", ERR_NONE },
    { "settled, how 3", "04020003", ERR_MALFORMED },
    { "settled, short", "040100", ERR_MALFORMED },
    { "offer", "05120100" ID, ERR_NONE },
    { "offer, size code 9", "05120109" ID, ERR_MALFORMED },
    { "offer, class 3", "05120300" ID, ERR_MALFORMED },
    { "offer, half an id", "0504010000ff", ERR_MALFORMED },
    { "want", "06050500000102", ERR_NONE },
    { "want, nothing", "060105", ERR_NONE },
    { "want, odd", "06020500", ERR_MALFORMED },
    { "want, offset 65536", "06050500808004", ERR_MALFORMED },
    { "want, empty", "0600", ERR_MALFORMED },
    { "bundle", "0704020601" "aa", ERR_NONE },
    { "bundle, no life", "07020206", ERR_MALFORMED },
    { "part", "081702010101" "" "", ERR_MALFORMED },
    { "part, whole", "0818" ID "01ff3e" "8002" "00" "aabb", ERR_NONE },
    { "part, total 255", "0818" ID "01ff3e" "ff01" "00" "aabb", ERR_MALFORMED },
    { "part, total 300", "0818" ID "01ff3e" "ac02" "00" "aabb", ERR_MALFORMED },
    { "part, total 131072", "0819" ID "01ff3e" "808008" "00" "aabb", ERR_MALFORMED },
    { "part, offset at end", "0819" ID "01ff3e" "8002" "8002" "aabb", ERR_MALFORMED },
    { "part, beyond the end", "0819" ID "01ff3e" "8002" "ff01" "aabb", ERR_MALFORMED },
    { "part, no bytes", "0816" ID "01ff3e" "8002" "00", ERR_MALFORMED },
    { "ack", "090105", ERR_NONE },
    { "ack, exceptions", "090505" "0001" "0302", ERR_NONE },
    { "ack, reason 0", "09030500" "00", ERR_MALFORMED },
    { "ack, reason 7", "09030500" "07", ERR_MALFORMED },
    { "ack, cut", "09020500", ERR_MALFORMED },
    { "ack, empty", "0900", ERR_MALFORMED },
    { "reveal", "0a11" ID "10", ERR_NONE },
    { "reveal, none", "0a00", ERR_NONE },
    { "reveal, without life", "0a10" ID, ERR_MALFORMED },
    { "status", "0b0410200000", ERR_NONE },
    { "status, short", "0b03102000", ERR_MALFORMED },
    { "status, long", "0b051020000000", ERR_MALFORMED },
    { "recognise", "0c40" T64, ERR_NONE },
    { "recognise, seven", "0c38" ID ID ID "0001020304050607", ERR_MALFORMED },
    { "ping", "0d080102030405060708", ERR_NONE },
    { "pong", "0e080102030405060708", ERR_NONE },
    { "ping, long", "0d09010203040506070809", ERR_MALFORMED },
    { "bye", "0f02013c", ERR_NONE },
    { "bye, short", "0f0101", ERR_MALFORMED },
    { "ask", "100701" SID, ERR_NONE },
    { "ask for names", "100781" SID, ERR_NONE },
    { "ask, class 3", "100783" SID, ERR_MALFORMED },
    { "ask, half an id", "10030101" "02", ERR_MALFORMED },
    { "gone, short ids", "110701" SID, ERR_NONE },
    { "gone, offers", "1103ff05" "06", ERR_NONE },
    { "gone, offer cut", "1102ff80", ERR_MALFORMED },
    { "gone, class 3", "110703" SID, ERR_MALFORMED },
    { "calm", "120601020304" "0506", ERR_NONE },
    { "calm, short", "12050102030405", ERR_MALFORMED },
    { "chunk", "1301aa", ERR_NONE },
    { "chunk, empty", "1300", ERR_MALFORMED },
};

static void test_malformed(void)
{
    struct buffer b = buffer_of_limit(1024);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record rec;

        struct reader r = reader_of(check_hex(&b, cases[i].hex));
        CHECK_ERR(cases[i].name, record_next(&r, &rec), cases[i].want);
    }
    /* Every record cut at every byte is malformed. */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].want != ERR_NONE)
            continue;
        struct bytes whole = check_hex(&b, cases[i].hex);
        for (size_t len = 0; len < whole.len; len++) {
            struct record rec;
            struct reader r = reader_of(bytes_of(whole.at, len));
            CHECK_ERR(cases[i].name, record_next(&r, &rec), ERR_MALFORMED);
        }
    }
    buffer_clear(&b);
}

static struct record decode(struct writer *w)
{
    struct reader r = reader_of(writer_bytes(w));
    struct record rec;

    REQUIRE(record_next(&r, &rec) == ERR_NONE && reader_left(&r) == 0);
    w->at = w->start;
    return rec;
}

static void test_round_trips(void)
{
    uint8_t space[2048], bundle[256] = { 1, 2, 3 }, tags[64] = { 4, 5 };
    struct writer w = writer_of(space, sizeof space);
    struct bundle_id id = { { 9, 8, 7 } };
    struct carry carry = { 3, 255, 28 };
    uint64_t sids[2] = { 0x0102030405ff, 0xffffffffffff };
    struct record r;

    CHECK(record_put_list(&w, CLASS_PUBLIC, sids, 2));
    r = decode(&w);
    CHECK(r.type == RECORD_LIST && r.u.list.which == CLASS_PUBLIC && r.u.list.sids.count == 2);
    CHECK(sids_at(r.u.list.sids, 0) == sids[0] && sids_at(r.u.list.sids, 1) == sids[1]);
    CHECK(record_put_more(&w, 1, 300));
    r = decode(&w);
    CHECK(r.type == RECORD_MORE && r.u.more.cells == 300);
    CHECK(record_put_settled(&w, 2, SETTLED_AGAIN));
    r = decode(&w);
    CHECK(r.type == RECORD_SETTLED && r.u.settled.which == 2 && r.u.settled.how == SETTLED_AGAIN);
    CHECK(record_put_bundle(&w, carry, bytes_of(bundle, 256)));
    CHECK(writer_len(&w) == 262);
    r = decode(&w);
    CHECK(r.type == RECORD_BUNDLE && r.u.bundle.carry.hops == 3 && r.u.bundle.carry.budget == 255 && r.u.bundle.carry.life == 28);
    CHECK_BYTES("bundle", r.u.bundle.bytes, bytes_of(bundle, 256));
    CHECK(record_put_part(&w, &id, carry, 65536, 1000, bytes_of(bundle, 100)));
    r = decode(&w);
    CHECK(r.type == RECORD_PART && r.u.part.total == 65536 && r.u.part.offset == 1000 && r.u.part.bytes.len == 100);
    CHECK(memcmp(&r.u.part.id, &id, sizeof id) == 0);
    CHECK(record_put_chunk(&w, bytes_of(bundle, 7)));
    r = decode(&w);
    CHECK(r.type == RECORD_CHUNK && r.u.chunk.bytes.len == 7);
    CHECK(record_put_status(&w, 16, 75, 0xffff));
    r = decode(&w);
    CHECK(r.type == RECORD_STATUS && r.u.status.stamp_bits == 16 && r.u.status.fill_percent == 75 && r.u.status.nearness == 0xffff);
    CHECK(record_put_recognise(&w, tags));
    r = decode(&w);
    CHECK(r.type == RECORD_RECOGNISE && memcmp(r.u.recognise.tags, tags, 64) == 0);
    CHECK(record_put_ping(&w, true, UINT64_MAX - 1));
    r = decode(&w);
    CHECK(r.type == RECORD_PONG && r.u.ping.echo == UINT64_MAX - 1);
    CHECK(record_put_bye(&w, BYE_EPOCH, 3600));
    r = decode(&w);
    CHECK(r.type == RECORD_BYE && r.u.bye.reason == BYE_EPOCH && r.u.bye.retry_s == 3600);
    CHECK(record_put_calm(&w, 0xabcdef012345));
    r = decode(&w);
    CHECK(r.type == RECORD_CALM && r.u.calm.fingerprint == 0xabcdef012345);

    /* Wants and exceptions, built in place. */
    struct record_open o;
    CHECK(record_begin(&o, &w, RECORD_WANT, NULL, 0));
    writer_varint(&w, 1000);
    for (uint64_t i = 0; i < 50; i++) {
        writer_varint(&w, i * 3);
        writer_varint(&w, i * 1000);
    }
    CHECK(record_end(&o, false));
    r = decode(&w);
    CHECK(r.type == RECORD_WANT && r.u.want.answered == 1000);
    struct reader walk = reader_of(r.u.want.wants);
    uint64_t number, count = 0;
    uint32_t offset;
    for (; record_want_next(&walk, &number, &offset); count++)
        CHECK(number == count * 3 && offset == count * 1000);
    CHECK(count == 50);
    CHECK(record_begin(&o, &w, RECORD_REVEAL, NULL, 0));
    CHECK(!record_end(&o, true) && writer_len(&w) == 0);
    uint8_t head[2] = { 1, 0 };
    CHECK(record_begin(&o, &w, RECORD_OFFER, head, 2));
    CHECK(!record_end(&o, true) && writer_len(&w) == 0);
}

/* What does not fit leaves the writer as it was. */
static void test_no_room(void)
{
    uint8_t space[300], bundle[256] = { 0 };
    struct carry carry = { 1, 1, 1 };
    struct bundle_id id = { { 0 } };
    uint64_t sid = 1;

    for (size_t cap = 0; cap < 262; cap++) {
        struct writer w = writer_of(space, cap);

        CHECK(!record_put_bundle(&w, carry, bytes_of(bundle, 256)) && writer_len(&w) == 0 && !w.failed);
        if (cap < 26)
            CHECK(!record_put_part(&w, &id, carry, 256, 0, bytes_of(bundle, 4)) && writer_len(&w) == 0);
        if (cap < 10)
            CHECK(!record_put_ping(&w, false, 1) && writer_len(&w) == 0);
        if (cap < 9)
            CHECK(!record_put_list(&w, 1, &sid, 1) && writer_len(&w) == 0);
    }
    struct writer w = writer_of(space, 262);
    CHECK(record_put_bundle(&w, carry, bytes_of(bundle, 256)) && writer_left(&w) == 0);
}

int main(void)
{
    test_malformed();
    test_round_trips();
    test_no_room();
    return check_report("record");
}
