/* Addresses as people write them, what the network carries outside of links, and the pace of beacons. */
#include "mesh/links/lan_pace.h"
#include "mesh/links/lan_wire.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

#include <string.h>

static const struct { const char *text; bool may_be_any; enum err want; const char *host; unsigned port; } places[] = {
    { "192.0.2.7:7827",        false, ERR_NONE, "192.0.2.7", 7827 },
    { "[2001:db8::1]:1",       false, ERR_NONE, "2001:db8::1", 1 },
    { "[fe80::1%lo]:7827",     false, ERR_NONE, "fe80::1%lo", 7827 },
    { "relay.example.org:65535", false, ERR_NONE, "relay.example.org", 65535 },
    { "pi_2.local:80",         false, ERR_NONE, "pi_2.local", 80 },
    { ":7827",                 true,  ERR_NONE, "", 7827 },
    { "127.0.0.1:0",           true,  ERR_NONE, "127.0.0.1", 0 },
    { ":0",                    true,  ERR_NONE, "", 0 },
    { "",                      true,  ERR_MALFORMED, NULL, 0 },
    { ":",                     true,  ERR_MALFORMED, NULL, 0 },
    { ":7827",                 false, ERR_MALFORMED, NULL, 0 },
    { "127.0.0.1:0",           false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7",             false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7:",            false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7:78x",         false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7:-1",          false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7: 80",         false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7:65536",       false, ERR_MALFORMED, NULL, 0 },
    { "192.0.2.7:99999999999", false, ERR_MALFORMED, NULL, 0 },
    { "2001:db8::1:7827",      false, ERR_MALFORMED, NULL, 0 },
    { "[2001:db8::1]7827",     false, ERR_MALFORMED, NULL, 0 },
    { "[2001:db8::1:7827",     false, ERR_MALFORMED, NULL, 0 },
    { "[]:7827",               true,  ERR_MALFORMED, NULL, 0 },
    { "[192.0.2.7]:7827",      false, ERR_MALFORMED, NULL, 0 },
    { "[zz::1]:7827",          false, ERR_MALFORMED, NULL, 0 },
    { "[fe80::1%nosuchif]:1",  false, ERR_MALFORMED, NULL, 0 },
    { "re lay:7827",           false, ERR_MALFORMED, NULL, 0 },
    { "re/lay:7827",           false, ERR_MALFORMED, NULL, 0 },
};

static void test_places(void)
{
    char longest[400], why[256];
    struct lan_place p;

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        why[0] = '\0';
        enum err e = lan_place_parse(&p, places[i].text, places[i].may_be_any, why);

        CHECK_ERR(places[i].text, e, places[i].want);
        CHECK_CASE(places[i].text, (e != ERR_NONE) == (why[0] != '\0'));
        if (e == ERR_NONE) {
            CHECK_CASE(places[i].text, strcmp(p.host, places[i].host) == 0);
            CHECK_CASE(places[i].text, p.port == places[i].port);
        }
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 253, ":80", 4);
    CHECK_ERR("longest name", lan_place_parse(&p, longest, false, why), ERR_NONE);
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 254, ":80", 4);
    CHECK_ERR("name too long", lan_place_parse(&p, longest, false, NULL), ERR_MALFORMED);
}

static void check_round_trip(const char *text)
{
    struct lan_place p;
    struct lan_address a;
    char again[LAN_TEXT_LEN];

    CHECK_ERR(text, lan_place_parse(&p, text, true, NULL), ERR_NONE);
    CHECK_CASE(text, lan_place_is_numeric(&p, &a));
    lan_address_text(&a, again);
    CHECK_CASE(again, strcmp(text, again) == 0);
}

static struct lan_address address_of(const char *text)
{
    struct lan_place p;
    struct lan_address a;

    REQUIRE(lan_place_parse(&p, text, true, NULL) == ERR_NONE && lan_place_is_numeric(&p, &a));
    return a;
}

static void test_addresses(void)
{
    struct lan_address v4 = address_of("192.0.2.7:5"), other = address_of("192.0.2.7:6"), v6 = address_of("[fe80::1%lo]:5");
    struct lan_place name;

    check_round_trip("192.0.2.7:7827");
    check_round_trip("[2001:db8::1]:1");
    check_round_trip("[fe80::1%lo]:7827");
    CHECK(lan_address_is_ipv4(&v4) && !lan_address_is_ipv4(&v6));
    CHECK(lan_address_is_link_local(&v6) && !lan_address_is_link_local(&v4));
    CHECK(v6.scope != 0);
    CHECK(lan_address_is_same_host(&v4, &other) && !lan_address_is_equal(&v4, &other));
    CHECK(!lan_address_is_same_host(&v4, &v6));
    v4 = address_of("127.3.2.1:1");
    CHECK(lan_address_is_loopback(&v4) && !lan_address_is_any(&v4));
    v6 = address_of("[::1]:1");
    CHECK(lan_address_is_loopback(&v6) && !lan_address_is_any(&v6));
    v4 = address_of("0.0.0.0:1");
    v6 = address_of("[::]:1");
    CHECK(lan_address_is_any(&v4) && lan_address_is_any(&v6));
    REQUIRE(lan_place_parse(&name, "example.org:1", false, NULL) == ERR_NONE);
    CHECK(!lan_place_is_numeric(&name, &v4));
}

static void test_datagram(void)
{
    uint8_t beacon[BEACON_LEN], got[BEACON_LEN], octets[LAN_DATAGRAM_LEN + 1], advert[ADVERT_RANDOM_LEN];
    uint16_t port;

    for (size_t i = 0; i < sizeof beacon; i++)
        beacon[i] = (uint8_t)(i + 1);
    lan_datagram_encode(octets, beacon, 7827);
    octets[LAN_DATAGRAM_LEN] = 0;
    for (size_t len = 0; len <= sizeof octets; len++) {
        enum err want = len == LAN_DATAGRAM_LEN ? ERR_NONE : ERR_MALFORMED;

        CHECK_ERR("length", lan_datagram_decode(bytes_of(octets, len), got, &port), want);
    }
    CHECK(port == 7827);
    CHECK_BYTES("beacon", bytes_of(got, sizeof got), bytes_of(beacon, sizeof beacon));
    CHECK(octets[BEACON_LEN] == (7827 & 0xff) && octets[BEACON_LEN + 1] == 7827 >> 8);
    lan_advert_of_beacon(advert, beacon);
    CHECK_BYTES("advert", bytes_of(advert, sizeof advert), bytes_of(beacon + 2, ADVERT_RANDOM_LEN));
    octets[BEACON_LEN] = octets[BEACON_LEN + 1] = 0;
    CHECK_ERR("port 0", lan_datagram_decode(bytes_of(octets, LAN_DATAGRAM_LEN), got, &port), ERR_MALFORMED);
}

static void test_preamble(void)
{
    struct lan_preamble p, got;
    uint8_t octets[LAN_PREAMBLE_LEN + 1];

    memset(p.initiator, 0xa1, sizeof p.initiator);
    memset(p.responder, 0xb2, sizeof p.responder);
    lan_preamble_encode(octets, &p);
    octets[LAN_PREAMBLE_LEN] = 0;
    for (size_t len = 0; len <= sizeof octets; len++) {
        enum err want = len == LAN_PREAMBLE_LEN ? ERR_NONE : ERR_MALFORMED;

        CHECK_ERR("length", lan_preamble_decode(&got, bytes_of(octets, len)), want);
    }
    CHECK(memcmp(&got, &p, sizeof p) == 0);
    for (unsigned v = 0; v < 256; v++) {
        octets[0] = (uint8_t)v;
        CHECK_ERR("version", lan_preamble_decode(&got, bytes_of(octets, LAN_PREAMBLE_LEN)), v == 1 ? ERR_NONE : ERR_VERSION);
    }
}

/* Beacons of one interface in a time, and the quick ones among them. */
static unsigned count_beacons(struct lan_pace *p, const struct rng *g, uint64_t *now_ms, uint64_t for_ms, unsigned *quick)
{
    unsigned sent = 0;
    uint64_t end_ms = *now_ms + for_ms;
    bool is_quick;

    *quick = 0;
    for (; *now_ms < end_ms; ++*now_ms)
        if (lan_pace_take(p, *now_ms, g, &is_quick)) {
            sent++;
            *quick += is_quick;
        }
    return sent;
}

static void test_pace(void)
{
    struct seeded seed;
    struct lan_pace p;
    uint64_t now_ms = 5000, changed_ms;
    unsigned quick, sent;

    seeded_init(&seed, 1);
    struct rng g = seeded_rng(&seed);

    lan_pace_init(&p, now_ms, &g);
    sent = count_beacons(&p, &g, &now_ms, 3000, &quick);
    CHECK(quick == PACE_QUICK_COUNT && sent == PACE_QUICK_COUNT);
    count_beacons(&p, &g, &now_ms, 60000, &quick);
    CHECK(quick == 0);

    /* Silence: 47 or 67 bytes a beacon, from two nodes, stay far below 20 bytes a second. */
    sent = count_beacons(&p, &g, &now_ms, 600000, &quick);
    CHECK(sent >= 19 && sent <= 22 && quick == 0);

    /* A change is told within 50 ms. */
    changed_ms = now_ms;
    lan_pace_changed(&p, now_ms, &g);
    CHECK(p.next_at_ms <= changed_ms + 50);
    count_beacons(&p, &g, &now_ms, 3500, &quick);
    CHECK(quick == PACE_QUICK_COUNT);

    /* A store that changes every 10 ms for ten minutes. */
    sent = 0;
    for (int i = 0; i < 60000; i++) {
        lan_pace_changed(&p, now_ms, &g);
        sent += count_beacons(&p, &g, &now_ms, 10, &quick);
    }
    CHECK(sent <= 300 + PACE_BURSTS * PACE_QUICK_COUNT);

    /* The last change of a burst is told, too. */
    count_beacons(&p, &g, &now_ms, 20000, &quick);
    lan_pace_changed(&p, now_ms, &g);
    count_beacons(&p, &g, &now_ms, 3500, &quick);
    lan_pace_changed(&p, now_ms, &g);
    count_beacons(&p, &g, &now_ms, 10000, &quick);
    CHECK(quick == PACE_QUICK_COUNT);

    /* Newcomers hear us within 250 ms, but a flood of invented ones does not make us shout. */
    count_beacons(&p, &g, &now_ms, 100000, &quick);
    lan_pace_newcomer(&p, now_ms, &g);
    CHECK(count_beacons(&p, &g, &now_ms, 260, &quick) == 1 && quick == 1);
    sent = 0;
    for (int i = 0; i < 6000; i++) {
        lan_pace_newcomer(&p, now_ms, &g);
        sent += count_beacons(&p, &g, &now_ms, 10, &quick);
    }
    CHECK(sent <= 60000 / PACE_ANSWER_GAP_MS + PACE_ANSWERS + 4);
}

int main(void)
{
    test_places();
    test_addresses();
    test_datagram();
    test_preamble();
    test_pace();
    return check_report("test_lan_parse");
}
