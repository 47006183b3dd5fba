/* The table of who was heard: bounded whatever is on air, and fair to who has not failed. Time is an argument here. */
#define _DEFAULT_SOURCE
#include <event2/event.h>
#include <string.h>

#include "mesh/links/bluetooth_neighbours.h"
#include "mesh/links/bluetooth_scan.h"
#include "tests/links/party.h"
#include "tests/support/check.h"

static struct bluetooth_peer peer_of(uint32_t number)
{
    struct bluetooth_peer p = { .kind = BT_ADDR_LE_RANDOM };

    memcpy(p.address.octets, &number, sizeof number);
    p.address.octets[5] = 0xc0;
    return p;
}

/* A beacon as of another node with another store. */
static struct bytes data_of(uint8_t data[BLUETOOTH_DATA_LEN], const struct node *ours, uint8_t first, uint32_t number)
{
    uint8_t beacon[BEACON_LEN];

    node_beacon(ours, beacon);
    beacon[2] = first;   /* of the advert: decides whose call it is */
    memcpy(beacon + 4, &number, sizeof number);
    beacon[12] ^= 0x55;
    bluetooth_data_encode(data, beacon, BLUETOOTH_PSM);
    return bytes_of(data, BLUETOOTH_DATA_LEN);
}

static void flood(struct party *p)
{
    struct bluetooth_neighbours *t;
    uint8_t data[BLUETOOTH_DATA_LEN];
    unsigned dropped = 0, taken = 0;
    uint64_t at_ms;

    REQUIRE(bluetooth_neighbours_new(&t, p->node, &p->rng) == ERR_NONE);
    struct bluetooth_peer linked = peer_of(7);

    CHECK(bluetooth_neighbours_heard(t, &linked, data_of(data, p->node, 0, 7), 1000) == HEARD_NEWCOMER);
    bluetooth_neighbours_linked(t, bluetooth_neighbours_find(t, &linked.address), 1, true);
    for (uint32_t i = 0; i < 1000; i++) {
        struct bluetooth_peer peer = peer_of(1000 + i);
        enum bluetooth_heard heard = bluetooth_neighbours_heard(t, &peer, data_of(data, p->node, 0, 1000 + i), 1000 + i);

        dropped += heard == HEARD_DROPPED;
        taken += heard == HEARD_NEWCOMER;
    }
    /* Of a thousand in a second: the burst, and eight more. */
    CHECK(taken >= NEWCOMERS_BURST - 1 && taken <= NEWCOMERS_BURST + NEWCOMERS_PER_S + 1 && taken + dropped == 1000);
    CHECK(bluetooth_neighbours_count(t, 2000) <= NEIGHBOURS_BT_MAX);
    for (uint32_t s = 0; s < 3600; s++) {
        struct bluetooth_peer peer = peer_of(100000 + s);

        bluetooth_neighbours_heard(t, &peer, data_of(data, p->node, 0, 100000 + s), 10000 + s * 1000);
    }
    CHECK(bluetooth_neighbours_count(t, 10000) <= NEIGHBOURS_BT_MAX);
    /* A link is never pushed out. */
    CHECK(bluetooth_neighbours_find(t, &linked.address) != NULL);
    /* Who answered none of our calls stands behind who never was called. */
    struct bluetooth_peer honest = peer_of(8);
    uint64_t now_ms = 3700000;

    for (int i = 0; i < 200; i++) {
        struct bluetooth_neighbour *n = bluetooth_neighbours_next(t, now_ms, &at_ms);

        if (n == NULL)
            break;
        n->call_ms = UINT64_MAX;
        bluetooth_neighbours_failed(t, n, now_ms);
    }
    CHECK(bluetooth_neighbours_heard(t, &honest, data_of(data, p->node, 0, 8), now_ms) == HEARD_NEWCOMER);
    now_ms += 20000;
    CHECK(bluetooth_neighbours_seen(t, &honest.address, now_ms));
    CHECK(bluetooth_neighbours_next(t, now_ms, &at_ms) == bluetooth_neighbours_find(t, &honest.address));
    bluetooth_neighbours_free(t);
}

static void patience(struct party *p)
{
    struct bluetooth_neighbours *t;
    struct bluetooth_peer peer = peer_of(1);
    struct bluetooth_neighbour *n;
    uint8_t data[BLUETOOTH_DATA_LEN];
    uint64_t at_ms, now_ms = 1000, last_ms = 0;

    REQUIRE(bluetooth_neighbours_new(&t, p->node, &p->rng) == ERR_NONE);
    /* Theirs to call: we wait, and call all the same when they do not. */
    bluetooth_neighbours_heard(t, &peer, data_of(data, p->node, 0xff, 1), now_ms);
    CHECK(bluetooth_neighbours_next(t, now_ms, &at_ms) == NULL);
    CHECK(at_ms >= now_ms + NEIGHBOUR_AWAIT_MS && at_ms <= now_ms + 2 * NEIGHBOUR_AWAIT_MS);
    now_ms = at_ms;
    CHECK((n = bluetooth_neighbours_next(t, now_ms, &at_ms)) != NULL);
    REQUIRE(n != NULL);
    /* Each failure doubles the pause, up to its limit. */
    for (int i = 0; i < 12; i++) {
        bluetooth_neighbours_failed(t, n, now_ms);
        CHECK(n->call_ms > now_ms && n->call_ms - now_ms <= NEIGHBOUR_RETRY_MOST_MS * 5 / 4);
        CHECK(n->call_ms - now_ms >= last_ms * 7 / 6 || last_ms > NEIGHBOUR_RETRY_MOST_MS / 3);
        last_ms = n->call_ms - now_ms;
        now_ms = n->call_ms;
        bluetooth_neighbours_seen(t, &peer.address, now_ms);
    }
    /* A link that did its work makes up for it; one that settled needs news before the next. */
    bluetooth_neighbours_linked(t, n, 5, true);
    CHECK(bluetooth_neighbours_next(t, now_ms, &at_ms) == NULL && at_ms == UINT64_MAX);
    bluetooth_neighbours_unlinked(t, 5, true, false, now_ms);
    CHECK(n->failures == 0 && n->call_ms <= now_ms + 2 * NEIGHBOUR_AGAIN_MS);
    bluetooth_neighbours_linked(t, n, 6, true);
    bluetooth_neighbours_unlinked(t, 6, true, true, now_ms);
    CHECK(bluetooth_neighbours_next(t, now_ms + 10000, &at_ms) == NULL && at_ms == UINT64_MAX);
    bluetooth_neighbours_seen(t, &peer.address, now_ms + 11000);
    CHECK(bluetooth_neighbours_next(t, now_ms + 12000, &at_ms) == n);
    /* Who has gone is not called. */
    CHECK(bluetooth_neighbours_next(t, now_ms + 12000 + NEIGHBOUR_FRESH_MS, &at_ms) == NULL);
    bluetooth_neighbours_free(t);
}

/* Less power, more neighbours and a transfer never make a node search more. */
static void duties(void)
{
    for (int power = BLUETOOTH_MAINS; power <= BLUETOOTH_LOW; power++)
        for (int fresh = 0; fresh < 2; fresh++) {
            struct bluetooth_duty few = bluetooth_duty_of((enum bluetooth_power)power, 0, fresh, false);
            struct bluetooth_duty many = bluetooth_duty_of((enum bluetooth_power)power, 20, fresh, false);
            struct bluetooth_duty busy = bluetooth_duty_of((enum bluetooth_power)power, 0, fresh, true);

            CHECK(many.on_ms * (uint64_t)few.off_ms <= few.on_ms * (uint64_t)many.off_ms);
            CHECK(busy.off_ms > few.off_ms && busy.on_ms == few.on_ms);
            if (power > BLUETOOTH_MAINS) {
                struct bluetooth_duty more = bluetooth_duty_of((enum bluetooth_power)(power - 1), 0, fresh, false);

                CHECK(few.on_ms * (uint64_t)more.off_ms < more.on_ms * (uint64_t)few.off_ms);
            }
        }
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct party p;

    party_init(&p, base, 3, NULL);
    /* The first byte of our advert must lie between those that make it our call and theirs. */
    uint8_t beacon[BEACON_LEN];
    do {
        node_new_epoch(p.node, now_us() / 1000);
        node_beacon(p.node, beacon);
    } while (beacon[2] == 0 || beacon[2] == 0xff);
    flood(&p);
    patience(&p);
    duties();
    party_clear(&p);
    event_base_free(base);
    return check_report("bluetooth_neighbours");
}
