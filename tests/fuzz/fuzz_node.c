/* tests/fuzz/fuzz_node.c - whole conversations with a node.
 *
 * The first byte's lowest bit chooses: raw bytes into the stream, or a peer that has completed a real handshake and then
 * seals whatever the input says: each piece is u16 length and that many bytes of records. Its other bits choose who
 * called, what the node carries and the set sizes the peer stated. The node must stay within its limits, close such a
 * link at worst, and go on with an honest neighbour beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "mesh/bundle.h"
#include "mesh/link.h"
#include "mesh/node.h"
#include "mesh/record.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    struct seeded random;
    struct db *db;
    struct store *store;
    struct node *node;
    uint32_t link;
    struct link *peer;
    uint8_t wire[1 << 16];
    uint64_t now_ms;
};

static void must(bool claim)
{
    if (!claim)
        abort();
}

static void carry_some(struct story *s, size_t count)
{
    struct rng g = seeded_rng(&s->random);
    struct bundle_id id;
    static uint8_t bundle[8192];

    for (size_t i = 0; i < count; i++) {
        struct header h = { .bundle_class = CLASS_SEALED, .size_code = (uint8_t)(i % 8 == 7 ? 5 : 0), .expiry_h = 600 };

        rng_fill(&g, h.tag, sizeof h.tag);
        header_encode(&h, bundle);
        must(node_submit(s->node, bytes_of(bundle, bundle_len_of_code(h.size_code)), 480, &id, s->now_ms) == ERR_NONE);
        if (i % 5 == 4)
            must(node_release(s->node, &id, NULL, s->now_ms) == ERR_NONE);   /* remembered */
    }
}

/* Everything the node says reaches the peer, who follows the link but understands nothing. */
static void turn(struct story *s)
{
    struct node_event e;
    struct bytes out, plain;
    enum err why;

    while (node_next_event(s->node, &e))
        ;
    must(node_commit(s->node) == ERR_NONE);
    while (node_next_frame(s->node, s->link, &out, s->now_ms)) {
        while (s->peer != NULL && out.len > 0) {
            if (link_receive(s->peer, &out, &plain, &why) == LINK_BROKEN)
                abort();
        }
    }
    (void)node_stamp_work(s->node, 8, s->now_ms);
    s->now_ms += 7;
    if (node_wake_at_ms(s->node) <= s->now_ms)
        node_wake(s->node, s->now_ms);
}

static void shake_hands(struct story *s, bool is_caller, uint8_t stated)
{
    struct rng g = seeded_rng(&s->random);
    uint8_t secret[32], public_key[32], nothing[8] = { 0 }, payload[LINK_PAYLOAD_LEN] = { 1 };
    struct writer stating = writer_of(payload + 2, LINK_PAYLOAD_LEN - 2);

    writer_u32(&stating, 0xffffffff);
    writer_zero(&stating, 3);
    writer_u16(&stating, stated & 1 ? 40 : 0);
    writer_u24(&stating, stated & 2 ? 1000 : stated & 4 ? 5 : 0);
    writer_u24(&stating, stated & 8 ? 0xffffff : 0);
    writer_u8(&stating, stated & 2 ? 16 : stated & 4 ? 255 : 0);   /* pushes that are welcome */
    noise_keypair(secret, public_key, &g);
    struct link_params p = { .is_initiator = is_caller, .advert_ours = nothing, .advert_theirs = nothing, .static_secret = secret };
    must(link_new(&s->peer, &p, &g) == ERR_NONE);
    for (int i = 0; i < 4 && !link_is_ready(s->peer); i++) {
        if (link_owes_handshake(s->peer)) {
            struct writer w = writer_of(s->wire, sizeof s->wire);

            must(link_handshake(s->peer, payload, &w) == ERR_NONE);
            node_receive(s->node, s->link, writer_bytes(&w), s->now_ms);
        }
        turn(s);
    }
    must(link_is_ready(s->peer) && !node_link_is_finished(s->node, s->link));
}

static void say(struct story *s, struct bytes records)
{
    if (records.len == 0 || records.len > LINK_FRAME_MAX)
        return;
    memcpy(s->wire + LINK_PREFIX_LEN, records.at, records.len);
    size_t len = link_seal(s->peer, s->wire, records.len);
    node_receive(s->node, s->link, bytes_of(s->wire, len), s->now_ms);
    turn(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct story s;
    struct node_link_info info;

    if (size < 2)
        return 0;
    memset(&s, 0, sizeof s);
    s.now_ms = 1000;
    seeded_init(&s.random, 1);
    struct store_config small = { .capacity_bytes = 200 * 1024 };
    must(db_open_mem(&s.db) == ERR_NONE && store_open(&s.store, s.db, &small) == ERR_NONE);
    struct node_config config = { .store = s.store, .db = s.db, .rng = seeded_rng(&s.random), .now_ms = s.now_ms,
                                  .is_stamp_demanded = true };
    must(node_new(&s.node, &config) == ERR_NONE);
    carry_some(&s, data[0] & 8 ? 70 : data[0] & 4 ? 9 : 0);
    bool is_caller = (data[0] & 2) != 0;
    struct link_open how = { .kind = LINK_SIM, .is_initiator = !is_caller };
    must(node_link_open(s.node, &how, &s.link, s.now_ms) == ERR_NONE);
    if ((data[0] & 1) != 0) {
        turn(&s);
        node_receive(s.node, s.link, bytes_of(data + 1, size - 1), s.now_ms);
        turn(&s);
    } else {
        shake_hands(&s, is_caller, data[0] >> 4);
        struct reader r = reader_of(bytes_of(data + 1, size - 1));
        while (reader_left(&r) > 2 && !node_link_is_finished(s.node, s.link)) {
            size_t len = reader_u16(&r);
            say(&s, reader_take(&r, len < reader_left(&r) ? len : reader_left(&r)));
        }
    }
    (void)node_link_info(s.node, s.link, &info);
    s.now_ms += 700000;
    node_wake(s.node, s.now_ms);
    turn(&s);
    must(node_link_is_finished(s.node, s.link));   /* silence, if nothing else, ends it */
    node_link_close(s.node, s.link, s.now_ms);
    node_free(s.node);
    link_free(s.peer);
    store_close(s.store);
    db_close(s.db);
    return 0;
}
