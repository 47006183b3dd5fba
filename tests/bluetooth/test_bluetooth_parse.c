/* What Bluetooth brings from outside: advertisements, addresses, GATT blocks and their order. */
#include <stdio.h>
#include <string.h>

#include "mesh/links/bluetooth.h"
#include "mesh/links/bluetooth_frame.h"
#include "mesh/links/bluetooth_wire.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

static size_t hex(uint8_t *to, const char *text)
{
    size_t len = 0;
    unsigned byte;

    for (; sscanf(text, "%2x", &byte) == 1; text += 2)
        to[len++] = (uint8_t)byte;
    return len;
}

static void advertisements(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "whole",           "0100" "0102030405060708" "112233445566" "00" "d7", ERR_NONE },
        { "empty",           "", ERR_MALFORMED },
        { "without a PSM",   "0100" "0102030405060708" "112233445566" "00", ERR_MALFORMED },
        { "one byte more",   "0100" "0102030405060708" "112233445566" "00" "d7" "00", ERR_MALFORMED },
        { "no dynamic PSM",  "0100" "0102030405060708" "112233445566" "00" "25", ERR_MALFORMED },
        { "PSM 0",           "0100" "0102030405060708" "112233445566" "00" "00", ERR_MALFORMED },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t in[64], beacon[BEACON_LEN], again[BLUETOOTH_DATA_LEN], psm;
        size_t len = hex(in, cases[i].hex);
        CHECK_ERR(cases[i].name, bluetooth_data_decode(bytes_of(in, len), beacon, &psm), cases[i].want);
        if (cases[i].want != ERR_NONE)
            continue;
        bluetooth_data_encode(again, beacon, psm);
        CHECK(memcmp(again, in, len) == 0);
    }
}

static void addresses(void)
{
    static const struct { const char *text; enum err want; } cases[] = {
        { "00:AA:01:00:00:42", ERR_NONE },  { "00_AA_01_00_00_42", ERR_NONE },  { "", ERR_MALFORMED },
        { "00:AA:01:00:00", ERR_MALFORMED }, { "00:AA:01:00:00:4", ERR_MALFORMED }, { "00:AA:01:00:00:42:", ERR_MALFORMED },
        { "0g:AA:01:00:00:42", ERR_MALFORMED }, { "00-AA-01-00-00-42", ERR_MALFORMED },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bt_address a;
        char text[18];
        CHECK_ERR(cases[i].text, bluetooth_address_parse(&a, cases[i].text), cases[i].want);
        if (cases[i].want != ERR_NONE)
            continue;
        bluetooth_address_text(&a, text);
        CHECK(strcmp(text, "00:AA:01:00:00:42") == 0);
        CHECK(a.octets[0] == 0x42 && a.octets[4] == 0xaa);
    }
}

static void blocks(void)
{
    static const struct { const char *name, *hex; enum err want; } cases[] = {
        { "open",             "07" "01" "0000" "aabbccdd" "01" "30", ERR_NONE },
        { "open of version 9","07" "01" "0000" "aabbccdd" "09" "30", ERR_NONE },
        { "opened",           "07" "02" "0000" "aabbccdd" "60", ERR_NONE },
        { "data",             "07" "03" "ffff" "00", ERR_NONE },
        { "grant",            "07" "04" "3000", ERR_NONE },
        { "close",            "07" "05" "0000" "02", ERR_NONE },
        { "empty",            "", ERR_MALFORMED },
        { "header cut",       "070300", ERR_MALFORMED },
        { "data of nothing",  "07030000", ERR_MALFORMED },
        { "open cut",         "07" "01" "0000" "aabbccdd" "01", ERR_MALFORMED },
        { "open too long",    "07" "01" "0000" "aabbccdd" "01" "30" "00", ERR_MALFORMED },
        { "no window",        "07" "01" "0000" "aabbccdd" "01" "00", ERR_MALFORMED },
        { "window too large", "07" "02" "0000" "aabbccdd" "c1", ERR_MALFORMED },
        { "grant with more",  "07" "04" "3000" "00", ERR_MALFORMED },
        { "close without why","07" "05" "0000", ERR_MALFORMED },
        { "kind 0",           "07000000", ERR_MALFORMED },
        { "kind 6",           "07060000", ERR_MALFORMED },
    };
    uint8_t in[FRAME_BLOCK_MAX + 1] = { 7, FRAME_DATA, 0 }, out[FRAME_BLOCK_MAX];
    struct frame_block b;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t block[64];
        size_t len = hex(block, cases[i].hex);
        CHECK_ERR(cases[i].name, frame_decode(&b, bytes_of(block, len)), cases[i].want);
        if (cases[i].want == ERR_NONE)
            CHECK(frame_encode(&b, out) == len && memcmp(out, block, len) == 0);
    }
    CHECK_ERR("", frame_decode(&b, bytes_of(in, FRAME_BLOCK_MAX)), ERR_NONE);
    CHECK_ERR("", frame_decode(&b, bytes_of(in, FRAME_BLOCK_MAX + 1)), ERR_MALFORMED);
}

/* A window at a time in any order; what came is handed on once, in order. */
static void order(void)
{
    struct seeded seed;
    struct frame_inbox x;
    struct frame_outbox sender = { 65500, (uint16_t)(65500 + 40) };
    uint16_t expected = 65500;   /* over the end of the numbers */

    seeded_init(&seed, 5);
    struct rng g = seeded_rng(&seed);

    frame_inbox_init(&x, 40);
    x.next = 65500;
    x.granted = sender.limit;
    for (int round = 0; round < 100; round++) {
        uint16_t waiting[FRAME_WINDOW_MAX], number;
        size_t count = 0;
        struct bytes body;

        while (frame_outbox_may_send(&sender))
            waiting[count++] = sender.next++;
        for (; count > 0; count--) {
            size_t i = rng_below(&g, (uint32_t)count);

            CHECK_ERR("", frame_inbox_put(&x, waiting[i], bytes_of(&waiting[i], 2)), ERR_NONE);
            CHECK_ERR("", frame_inbox_put(&x, waiting[i], bytes_of(&waiting[i], 2)), ERR_MALFORMED);
            waiting[i] = waiting[count - 1];
            while (frame_inbox_next(&x, &body))
                CHECK(body.len == 2 && memcmp(body.at, &expected, 2) == 0), expected++;
            /* An old grant that comes late changes nothing. */
            if (frame_inbox_grant(&x, &number)) {
                uint16_t before = sender.limit;

                CHECK_ERR("", frame_outbox_grant(&sender, number), ERR_NONE);
                CHECK_ERR("", frame_outbox_grant(&sender, before), ERR_NONE);
                CHECK(sender.limit == number);
            }
        }
    }
    CHECK_ERR("", frame_inbox_put(&x, x.granted, bytes_of("x", 1)), ERR_MALFORMED);
    CHECK_ERR("", frame_inbox_put(&x, (uint16_t)(x.next - 1), bytes_of("x", 1)), ERR_MALFORMED);
    CHECK_ERR("", frame_outbox_grant(&sender, (uint16_t)(sender.next + FRAME_WINDOW_MAX + 1)), ERR_MALFORMED);
}

static void words(void)
{
    for (int s = BLUETOOTH_NOT_BUILT; s <= BLUETOOTH_ON; s++) {
        CHECK(bluetooth_state_text((enum bluetooth_state)s)[0] != '\0');
        CHECK((bluetooth_state_advice((enum bluetooth_state)s)[0] == '\0') == (s == BLUETOOTH_ON));
    }
}

int main(void)
{
    advertisements();
    addresses();
    blocks();
    order();
    words();
    return check_report("bluetooth_parse");
}
