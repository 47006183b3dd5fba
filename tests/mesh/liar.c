/* tests/mesh/liar.c - see liar.h */
#include "tests/mesh/liar.h"

#include <string.h>

#include "mesh/snapshot.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

void liar_hear(struct liar *l)
{
    struct bytes out, plain;
    enum err why;

    net_turn(l->net, l->node);
    while (node_next_frame(l->net->nodes[l->node].node, l->link, &out, l->net->now_ms)) {
        while (out.len > 0) {
            enum link_got got = link_receive(l->peer, &out, &plain, &why);

            REQUIRE(got != LINK_BROKEN);
            if (got != LINK_FRAME)
                continue;
            struct reader r = reader_of(plain);
            struct record rec;
            while (reader_left(&r) > 0) {
                REQUIRE(record_next(&r, &rec) == ERR_NONE);
                l->heard[rec.type]++;
            }
        }
    }
}

void liar_meet(struct liar *l, struct net *net, int node, bool is_caller, uint32_t sealed)
{
    struct rng g = seeded_rng(&net->random);
    uint8_t secret[32], public_key[32], advert[2][8] = { { 0 }, { 0 } }, payload[LINK_PAYLOAD_LEN] = { 1 };
    struct writer stating = writer_of(payload + 2, LINK_PAYLOAD_LEN - 2);

    memset(l, 0, sizeof *l);
    l->net = net;
    l->node = node;
    writer_u32(&stating, 0xffffffff);
    writer_zero(&stating, 3);
    writer_u16(&stating, 0);
    writer_u24(&stating, sealed);
    writer_u24(&stating, 0);
    noise_keypair(secret, public_key, &g);
    struct link_params p = { .is_initiator = is_caller, .advert_ours = advert[0], .advert_theirs = advert[1], .static_secret = secret };
    struct link_open how = { .kind = LINK_SIM, .is_initiator = !is_caller };
    REQUIRE(link_new(&l->peer, &p, &g) == ERR_NONE);
    REQUIRE(node_link_open(net->nodes[node].node, &how, &l->link, net->now_ms) == ERR_NONE);
    for (int i = 0; i < 4 && !link_is_ready(l->peer); i++) {
        if (link_owes_handshake(l->peer)) {
            struct writer w = writer_of(l->wire, sizeof l->wire);

            REQUIRE(link_handshake(l->peer, payload, &w) == ERR_NONE);
            node_receive(net->nodes[node].node, l->link, writer_bytes(&w), net->now_ms);
        }
        liar_hear(l);
    }
    REQUIRE(link_is_ready(l->peer));
    liar_hear(l);
}

void liar_leave(struct liar *l)
{
    node_link_close(l->net->nodes[l->node].node, l->link, l->net->now_ms);
    link_free(l->peer);
    l->peer = NULL;
}

struct writer liar_begin(struct liar *l)
{
    return writer_of(l->said, sizeof l->said);
}

void liar_say(struct liar *l, const struct writer *w)
{
    size_t len = writer_len(w);

    REQUIRE(!w->failed && len > 0);
    memcpy(l->wire + LINK_PREFIX_LEN, l->said, len);
    len = link_seal(l->peer, l->wire, len);
    node_receive(l->net->nodes[l->node].node, l->link, bytes_of(l->wire, len), l->net->now_ms);
    liar_hear(l);
}

void liar_say_bundle(struct liar *l, struct carry carry, struct bytes bundle)
{
    struct writer w = liar_begin(l);

    REQUIRE(record_put_bundle(&w, carry, bundle));
    liar_say(l, &w);
}

void liar_say_part(struct liar *l, const struct bundle_id *id, uint32_t total, struct bytes bytes)
{
    struct writer w = liar_begin(l);

    REQUIRE(record_put_part(&w, id, (struct carry){ 1, 255, 20 }, total, 0, bytes));
    liar_say(l, &w);
}

void liar_say_offer(struct liar *l, uint8_t size_code, const struct bundle_id *id)
{
    struct writer w = liar_begin(l);
    struct record_open o;
    uint8_t head[2] = { CLASS_SEALED, size_code };

    REQUIRE(record_begin(&o, &w, RECORD_OFFER, head, sizeof head));
    writer_copy(&w, bytes_of(id->octets, sizeof id->octets));
    record_end(&o, false);
    liar_say(l, &w);
}

void liar_say_list(struct liar *l, const struct bundle_id *id)
{
    struct writer w = liar_begin(l);
    uint8_t key[16];

    hash_derive_one(key, sizeof key, bytes_of(link_hash(l->peer), NOISE_HASH_LEN), "sid", bytes_of(NULL, 0));
    uint64_t sid = sid_of(key, id);
    REQUIRE(record_put_list(&w, CLASS_SEALED, &sid, 1));
    liar_say(l, &w);
}

void liar_say_ping(struct liar *l)
{
    struct writer w = liar_begin(l);

    REQUIRE(record_put_ping(&w, false, 7));
    liar_say(l, &w);
}

void liar_say_gone(struct liar *l)
{
    struct writer w = liar_begin(l);
    struct record_open o;
    uint8_t kind = CLASS_SEALED;

    REQUIRE(record_begin(&o, &w, RECORD_GONE, &kind, 1));
    record_end(&o, false);
    liar_say(l, &w);
}

bool liar_is_heard(const struct liar *l)
{
    return !node_link_is_finished(l->net->nodes[l->node].node, l->link);
}
