/* tests/crypto/test_payload.c - layout of a payload (protocol section 3). */
#include "crypto/payload.h"

#include <string.h>

#include "tests/support/check.h"

static const struct { const char *name, *hex; enum err want; } cases[] = {
    { "empty", "", ERR_MALFORMED },
    { "head cut short", "0100010000000000", ERR_MALFORMED },
    { "nothing but a head", "000001000000000000", ERR_NONE },
    { "a text", "010201000000030000616263", ERR_NONE },
    { "a text and padding", "0102010000000300006162630000", ERR_NONE },
    { "content cut short", "0102010000000300006162", ERR_MALFORMED },
    { "content longer than all", "010201000000ffff00616263", ERR_MALFORMED },
    { "an ack", "0000010000000000011122334455667788", ERR_NONE },
    { "ack cut short", "00000100000000000111223344556677", ERR_MALFORMED },
    { "255 acks announced", "0000010000000000ff", ERR_MALFORMED },
    { "padding not zero", "0102010000000300006162630001", ERR_MALFORMED },
    { "first byte of padding not zero", "0102010000000300006162638000", ERR_MALFORMED },
    { "an unknown type and flags", "eeff01000000000000", ERR_NONE },
};

int main(void)
{
    struct buffer b = buffer_of_limit(4096);
    struct payload p;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_ERR(cases[i].name, payload_decode(&p, check_hex(&b, cases[i].hex)), cases[i].want);

    static uint8_t acks[PAYLOAD_ACKS_MAX][PAYLOAD_ACK_LEN];
    static uint8_t room[70000], content[65535];
    memset(acks, 0xab, sizeof acks);
    memset(content, 0xcd, sizeof content);
    static const struct { uint8_t ack_count; size_t content_len; } sizes[] = {
        { 0, 0 }, { 1, 1 }, { 255, 0 }, { 0, 65535 }, { 255, 60000 },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct payload in = { .type = PAYLOAD_TEXT, .flags = PAYLOAD_WANTS_ACK, .time_unix_s = 0xfedcba98,
                                    .ack_count = sizes[i].ack_count, .acks = (const uint8_t (*)[PAYLOAD_ACK_LEN])acks,
                                    .content = bytes_of(content, sizes[i].content_len) };
        memset(room, 0, sizeof room);
        struct writer w = writer_of(room, sizeof room);
        payload_encode(&in, &w);
        CHECK(!w.failed && writer_len(&w) == payload_len(&in));
        REQUIRE(payload_decode(&p, bytes_of(room, sizeof room)) == ERR_NONE);
        CHECK(p.type == in.type && p.flags == in.flags && p.time_unix_s == in.time_unix_s && p.ack_count == in.ack_count);
        CHECK(p.ack_count == 0 || memcmp(p.acks, acks, (size_t)p.ack_count * PAYLOAD_ACK_LEN) == 0);
        CHECK(bytes_are_equal(p.content, in.content));
        struct writer small = writer_of(room, payload_len(&in) - 1);
        payload_encode(&in, &small);
        CHECK(small.failed);
    }
    buffer_clear(&b);
    return check_report("payload");
}
