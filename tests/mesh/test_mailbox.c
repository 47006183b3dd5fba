/* tests/mesh/test_mailbox.c - a gateway and its users: put, fetch by bucket, cursors, live, allowances, and what is not theirs. */
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/noise.h"
#include "mesh/mailbox.h"
#include "tests/mesh/net.h"
#include "tests/support/check.h"

enum { USERS = 3, GATEWAY = USERS };

struct world {
    struct net net;
    uint8_t secret[32], key[32];
    uint32_t up[USERS], client[USERS];       /* links; 0: none */
    unsigned carried[USERS], stored[USERS], cursors[USERS], faults;
    uint8_t cursor[USERS][MAILBOX_CURSOR_LEN];
};

static void open_world(struct world *w, uint64_t seed)
{
    struct node_config user = { .spread_delay_ms = 1 }, gateway = { .gateway_secret = w->secret, .mailbox_epoch = 77 };

    memset(w, 0, sizeof *w);
    net_init(&w->net, seed);
    struct rng rng = seeded_rng(&w->net.random);
    noise_keypair(w->secret, w->key, &rng);
    for (int i = 0; i < USERS; i++)
        net_add(&w->net, &user, NULL);
    net_add(&w->net, &gateway, NULL);
}

static struct node *node_of(const struct world *w, int i) { return w->net.nodes[i].node; }

static void connect(struct world *w, int user, uint64_t allowance, bool is_key_right)
{
    struct link_open up = { .kind = LINK_UPLINK, .is_initiator = true };
    struct link_open client = { .kind = LINK_CLIENT, .contributor = 5, .allowance = allowance };

    memcpy(up.gateway_key, w->key, sizeof up.gateway_key);
    up.gateway_key[0] ^= is_key_right ? 0 : 1;
    memset(up.binding, 3, sizeof up.binding);
    memset(client.binding, 3, sizeof client.binding);
    REQUIRE(node_link_open(node_of(w, user), &up, &w->up[user], w->net.now_ms) == ERR_NONE);
    REQUIRE(node_link_open(node_of(w, GATEWAY), &client, &w->client[user], w->net.now_ms) == ERR_NONE);
}

static void hang_up(struct world *w, int user)
{
    node_link_close(node_of(w, user), w->up[user], w->net.now_ms);
    node_link_close(node_of(w, GATEWAY), w->client[user], w->net.now_ms);
    w->up[user] = w->client[user] = 0;
}

static void turn(struct world *w, int i)
{
    struct node_event e;

    node_wake(node_of(w, i), w->net.now_ms);
    while (node_next_event(node_of(w, i), &e)) {
        w->faults += e.kind == NODE_PEER_FAULT;
        if (i == GATEWAY)
            continue;
        w->carried[i] += e.kind == NODE_CARRIED;
        w->stored[i] += e.kind == NODE_STORED;
        if (e.kind == NODE_CURSOR) {
            memcpy(w->cursor[i], e.cursor, sizeof e.cursor);
            w->cursors[i]++;
        }
    }
    REQUIRE(node_commit(node_of(w, i)) == ERR_NONE);
}

static bool pass(struct world *w, int from, uint32_t link, int to, uint32_t their_link)
{
    struct bytes frame;
    bool is_any = false;

    while (link != 0 && node_next_frame(node_of(w, from), link, &frame, w->net.now_ms)) {
        struct buffer copy = buffer_of_limit(1 << 16);

        REQUIRE(buffer_append(&copy, frame) == ERR_NONE);
        node_receive(node_of(w, to), their_link, buffer_bytes(&copy), w->net.now_ms);
        buffer_clear(&copy);
        is_any = true;
    }
    return is_any;
}

/* Only who is due is asked for frames, as the host does it. */
static bool pass_due(struct world *w)
{
    bool is_any = false;
    uint32_t link;

    while (node_next_due(node_of(w, GATEWAY), &link))
        for (int i = 0; i < USERS; i++)
            if (w->client[i] == link)
                is_any |= pass(w, GATEWAY, link, i, w->up[i]);
    return is_any;
}

static void run(struct world *w)
{
    for (int quiet = 0; quiet < 4; quiet++) {
        bool is_any = false;

        w->net.now_ms += 600;
        for (int i = 0; i <= GATEWAY; i++)
            turn(w, i);
        for (int i = 0; i < USERS; i++)
            is_any |= pass(w, i, w->up[i], GATEWAY, w->client[i]);
        turn(w, GATEWAY);
        is_any |= pass_due(w);
        if (is_any)
            quiet = -1;
    }
}

static void submit(struct world *w, int user, uint32_t bucket, uint8_t size_code, struct bundle_id *id)
{
    static uint8_t bundle[BUNDLE_LEN_MAX];
    struct net_bundle how = { .size_code = size_code, .bundle_class = CLASS_SEALED };
    size_t len = net_make_bundle(&w->net.random, &how, bundle);

    bundle[5] = (uint8_t)(bucket >> 16);
    bundle[6] = (uint8_t)(bucket >> 8);
    bundle[7] = (uint8_t)bucket;
    REQUIRE(node_submit(node_of(w, user), bytes_of(bundle, len), NET_HOUR, id, w->net.now_ms) == ERR_NONE);
}

static void fetch(struct world *w, int user, uint32_t prefix, uint8_t bits)
{
    struct mailbox_prefix p = { prefix, bits };

    CHECK(node_link_fetch(node_of(w, user), w->up[user], &p, 1, w->cursor[user]) == ERR_NONE);
}

static void check_put_and_fetch(void)
{
    struct world w;
    struct bundle_id mine, large, others, live;

    open_world(&w, 1);
    submit(&w, 0, 0xab1234, 0, &mine);
    submit(&w, 0, 0xabffff, 6, &large);      /* in parts */
    submit(&w, 0, 0xcd0000, 1, &others);
    connect(&w, 0, UINT64_MAX, true);
    run(&w);
    CHECK(net_count(&w.net, GATEWAY) == 3 && w.carried[0] == 3);
    /* Ben asks for one prefix and gets that, and all of it. */
    connect(&w, 1, UINT64_MAX, true);
    fetch(&w, 1, 0xab0000, 8);
    run(&w);
    CHECK(net_has(&w.net, 1, &mine) && net_has(&w.net, 1, &large) && !net_has(&w.net, 1, &others));
    CHECK(w.cursors[1] > 0 && w.stored[1] == 2);
    /* Live, and only what was asked for; the sender does not get its own back. */
    submit(&w, 0, 0xab0001, 0, &live);
    submit(&w, 0, 0xce0001, 0, &others);
    run(&w);
    CHECK(net_has(&w.net, 1, &live) && !net_has(&w.net, 1, &others) && w.stored[0] == 0);
    /* From the cursor on there is nothing; from the beginning nothing is sent that is there. */
    uint8_t last[MAILBOX_CURSOR_LEN];
    struct node_counters before, after;
    hang_up(&w, 1);
    node_counters(node_of(&w, GATEWAY), &before);
    connect(&w, 1, UINT64_MAX, true);
    fetch(&w, 1, 0xab0000, 8);
    run(&w);
    memcpy(last, w.cursor[1], sizeof last);
    memset(w.cursor[1], 0, sizeof w.cursor[1]);
    fetch(&w, 1, 0xab0000, 8);
    run(&w);
    node_counters(node_of(&w, GATEWAY), &after);
    CHECK(before.bundles_out == after.bundles_out && w.stored[1] == 3);
    CHECK(memcmp(last, w.cursor[1], sizeof last) == 0);
    /* Whoever asks for everything gets everything, once. */
    connect(&w, 2, UINT64_MAX, true);
    fetch(&w, 2, 0, 0);
    run(&w);
    CHECK(net_count(&w.net, 2) == 5 && w.stored[2] == 5);
    CHECK(w.faults == 0);
    net_clear(&w.net);
}

/* Away while much comes; cut off in the middle; nothing is missed and nothing told twice. */
static void check_cut_off(void)
{
    struct world w;
    struct bundle_id id;

    open_world(&w, 2);
    connect(&w, 0, UINT64_MAX, true);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 50; i++)
            submit(&w, 0, 0x100000u + (uint32_t)i, 0, &id);
        run(&w);
        connect(&w, 1, UINT64_MAX, true);
        fetch(&w, 1, 0x100000, 4);
        for (int k = 0; k < round; k++) {
            w.net.now_ms += 10;
            turn(&w, 1);
            pass(&w, 1, w.up[1], GATEWAY, w.client[1]);
            turn(&w, GATEWAY);
            pass_due(&w);
        }
        hang_up(&w, 1);
    }
    connect(&w, 1, UINT64_MAX, true);
    fetch(&w, 1, 0x100000, 4);
    run(&w);
    CHECK(net_count(&w.net, GATEWAY) == 600 && net_count(&w.net, 1) == 600 && w.stored[1] == 600 && w.faults == 0);
    net_clear(&w.net);
}

static void check_allowance(void)
{
    struct world w;
    struct bundle_id id;

    open_world(&w, 3);
    for (int i = 0; i < 10; i++)
        submit(&w, 0, (uint32_t)i, 0, &id);
    connect(&w, 0, 3 * 256 + 255, true);
    run(&w);
    CHECK(net_count(&w.net, GATEWAY) == 3 && w.carried[0] == 3);
    node_link_allow(node_of(&w, GATEWAY), w.client[0], 256);
    submit(&w, 0, 99, 0, &id);
    submit(&w, 0, 98, 0, &id);
    run(&w);
    CHECK(net_count(&w.net, GATEWAY) == 4);
    net_clear(&w.net);
}

/* Another key: the handshake fails at the gateway, and nothing was said. */
static void check_wrong_key(void)
{
    struct world w;
    struct bundle_id id;

    open_world(&w, 4);
    submit(&w, 0, 1, 0, &id);
    connect(&w, 0, UINT64_MAX, false);
    run(&w);
    CHECK(net_count(&w.net, GATEWAY) == 0 && w.faults > 0);
    CHECK(node_link_is_finished(node_of(&w, GATEWAY), w.client[0]));
    net_clear(&w.net);
}

static void check_links(void)
{
    struct link_open client = { .kind = LINK_CLIENT, .contributor = 5 };
    struct mailbox_prefix p = { 0, 0 };
    struct world w;
    uint32_t link, numbers[300];

    open_world(&w, 5);
    CHECK(node_link_open(node_of(&w, 0), &client, &link, 1) == ERR_STATE);   /* no gateway */
    /* More than neighbours may be, and each number once. */
    for (int i = 0; i < 300; i++)
        REQUIRE(node_link_open(node_of(&w, GATEWAY), &client, &numbers[i], 1) == ERR_NONE);
    for (int i = 0; i < 300; i++)
        for (int k = 0; k < i; k++)
            CHECK(numbers[i] != numbers[k]);
    CHECK(node_link_fetch(node_of(&w, GATEWAY), numbers[0], &p, 1, w.cursor[0]) == ERR_NOT_FOUND);
    for (int i = 0; i < 300; i += 2)
        node_link_close(node_of(&w, GATEWAY), numbers[i], 2);
    CHECK(node_link_is_finished(node_of(&w, GATEWAY), numbers[0]) && !node_link_is_finished(node_of(&w, GATEWAY), numbers[1]));
    /* A handshake that never comes ends. */
    w.net.now_ms = 60000;
    turn(&w, GATEWAY);
    CHECK(node_link_is_finished(node_of(&w, GATEWAY), numbers[1]));
    net_clear(&w.net);
}

static void check_filter(void)
{
    /* bits, prefix */
    static const uint8_t body[] = { 8, 0x12, 0, 0, 12, 0xab, 0xc0, 0, 20, 0xff, 0xff, 0xf0, 24, 1, 2, 3 };
    static const struct { uint32_t bucket; bool want; } cases[] = {
        { 0x120000, true }, { 0x12ffff, true }, { 0x130000, false }, { 0x11ffff, false }, { 0xabc000, true }, { 0xabcfff, true },
        { 0xabd000, false }, { 0xabbfff, false }, { 0xfffff0, true }, { 0xffffff, true }, { 0xffffef, false }, { 0x010203, true },
        { 0x010202, false }, { 0x010204, false }, { 0, false },
    };
    uint8_t cursor[CURSOR_LEN] = { 9, 0, 0, 0, 0, 0, 0, 0, 50 };
    struct mailbox *m;

    REQUIRE(mailbox_new(&m, bytes_of(body, sizeof body), cursor, 9, 60) == ERR_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK(mailbox_wants(m, cases[i].bucket) == cases[i].want);
    CHECK(mailbox_position(m) == 50 && !mailbox_cursor(m, 1, 1, cursor));
    /* Told once, then for a reason, or after a while. */
    mailbox_advance(m, 55);
    CHECK(mailbox_cursor(m, 0, 1, cursor));
    mailbox_told(m, 0, 1);
    mailbox_advance(m, 56);
    CHECK(!mailbox_cursor(m, 0, 2, cursor) && mailbox_cursor(m, 1, 2, cursor) && mailbox_cursor(m, 0, 1 + CURSOR_EVERY_MS, cursor));
    memset(cursor, 0, sizeof cursor);
    cursor[0] = 9;
    cursor[8] = 50;
    mailbox_free(m);
    /* Of another database, or of the future: from the beginning. */
    REQUIRE(mailbox_new(&m, bytes_of(body, sizeof body), cursor, 8, 60) == ERR_NONE);
    CHECK(mailbox_position(m) == 0);
    mailbox_free(m);
    cursor[8] = 61;
    REQUIRE(mailbox_new(&m, bytes_of(body, sizeof body), cursor, 9, 60) == ERR_NONE);
    CHECK(mailbox_position(m) == 0);
    mailbox_free(m);
    static uint8_t many[(MAILBOX_PREFIXES_MAX + 1) * FETCH_ENTRY_LEN];
    CHECK(mailbox_new(&m, bytes_of(many, sizeof many), cursor, 9, 60) == ERR_TOO_LARGE);
}

int main(void)
{
    REQUIRE(crypto_start() == ERR_NONE);
    check_filter();
    check_put_and_fetch();
    check_cut_off();
    check_allowance();
    check_wrong_key();
    check_links();
    return check_report("mailbox");
}
