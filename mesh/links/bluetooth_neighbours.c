/* mesh/links/bluetooth_neighbours.c - see bluetooth_neighbours.h */
#include "mesh/links/bluetooth_neighbours.h"

#include <stdlib.h>
#include <string.h>

struct bluetooth_neighbours {
    struct node *node;
    struct rng rng;
    uint64_t tokens_ms;      /* newcomers are rationed in thousandths */
    uint32_t tokens;
    struct bluetooth_neighbour at[NEIGHBOURS_BT_MAX];
};

struct bluetooth_neighbour *bluetooth_neighbours_find(struct bluetooth_neighbours *t, const struct bt_address *address)
{
    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++)
        if (t->at[i].is_used && bluetooth_address_is_equal(&t->at[i].peer.address, address))
            return &t->at[i];
    return NULL;
}

struct bluetooth_neighbour *bluetooth_neighbours_find_advert(struct bluetooth_neighbours *t, const uint8_t advert[ADVERT_RANDOM_LEN])
{
    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++)
        if (t->at[i].is_used && memcmp(t->at[i].advert, advert, ADVERT_RANDOM_LEN) == 0)
            return &t->at[i];
    return NULL;
}

static bool token_take(struct bluetooth_neighbours *t, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - t->tokens_ms;
    uint64_t tokens = t->tokens + (elapsed_ms < 3600000 ? elapsed_ms : 3600000) * NEWCOMERS_PER_S;

    t->tokens = tokens < NEWCOMERS_BURST * 1000 ? (uint32_t)tokens : NEWCOMERS_BURST * 1000;
    t->tokens_ms = now_ms;
    if (t->tokens < 1000)
        return false;
    t->tokens -= 1000;
    return true;
}

/* Who failed most makes room, then who was heard longest ago; a link is never forgotten. */
static struct bluetooth_neighbour *room_make(struct bluetooth_neighbours *t)
{
    struct bluetooth_neighbour *worst = NULL;

    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++) {
        struct bluetooth_neighbour *n = &t->at[i];

        if (!n->is_used)
            return n;
        if (n->is_linked)
            continue;
        if (worst == NULL || n->failures > worst->failures ||
            (n->failures == worst->failures && n->heard_ms < worst->heard_ms))
            worst = n;
    }
    return worst;
}

static void plan(struct bluetooth_neighbours *t, struct bluetooth_neighbour *n, uint64_t now_ms)
{
    uint8_t advert[ADVERT_RANDOM_LEN];
    enum beacon_verdict verdict = node_beacon_judge(t->node, bytes_of(n->beacon, BEACON_LEN), advert);
    uint64_t at_ms = now_ms;

    if ((verdict != BEACON_CALL && verdict != BEACON_AWAIT) || n->is_stale || n->is_linked) {
        n->call_ms = UINT64_MAX;
        return;
    }
    if (verdict == BEACON_AWAIT && !n->has_answered)
        at_ms += NEIGHBOUR_AWAIT_MS + rng_below(&t->rng, NEIGHBOUR_AWAIT_MS / 2);
    if (at_ms < n->retry_ms)
        at_ms = n->retry_ms;
    if (at_ms < n->call_ms)
        n->call_ms = at_ms;
}

enum bluetooth_heard bluetooth_neighbours_heard(struct bluetooth_neighbours *t, const struct bluetooth_peer *peer,
                                                struct bytes data, uint64_t now_ms)
{
    uint8_t beacon[BEACON_LEN], advert[ADVERT_RANDOM_LEN], psm;
    enum bluetooth_heard heard = HEARD_AGAIN;
    enum beacon_verdict verdict;
    struct bluetooth_neighbour *n;

    if (bluetooth_data_decode(data, beacon, &psm) != ERR_NONE)
        return HEARD_MALFORMED;
    verdict = node_beacon_judge(t->node, bytes_of(beacon, BEACON_LEN), advert);
    if (verdict == BEACON_FOREIGN || verdict == BEACON_OURSELVES)
        return HEARD_FOREIGN;
    if ((n = bluetooth_neighbours_find(t, &peer->address)) == NULL) {
        if (!token_take(t, now_ms) || (n = room_make(t)) == NULL)
            return HEARD_DROPPED;
        *n = (struct bluetooth_neighbour){ .is_used = true, .call_ms = UINT64_MAX };
        heard = HEARD_NEWCOMER;
    } else if (memcmp(n->advert, advert, sizeof advert) != 0) {
        /* Another node, or another epoch, under a known address. What has failed before is of the address, and stays. */
        n->call_ms = UINT64_MAX;
        n->is_linked = false;
        heard = HEARD_NEWCOMER;
    }
    n->peer = *peer;
    n->psm = psm;
    n->heard_ms = now_ms;
    n->is_stale = false;
    memcpy(n->beacon, beacon, sizeof beacon);
    memcpy(n->advert, advert, sizeof advert);
    plan(t, n, now_ms);
    return heard;
}

bool bluetooth_neighbours_seen(struct bluetooth_neighbours *t, const struct bt_address *address, uint64_t now_ms)
{
    struct bluetooth_neighbour *n = bluetooth_neighbours_find(t, address);

    if (n == NULL)
        return false;
    n->heard_ms = now_ms;
    n->is_stale = false;
    plan(t, n, now_ms);
    return true;
}

struct bluetooth_neighbour *bluetooth_neighbours_next(struct bluetooth_neighbours *t, uint64_t now_ms, uint64_t *at_ms)
{
    struct bluetooth_neighbour *best = NULL;
    uint8_t advert[ADVERT_RANDOM_LEN];

    *at_ms = UINT64_MAX;
    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++) {
        struct bluetooth_neighbour *n = &t->at[i];
        enum beacon_verdict verdict;

        if (!n->is_used || n->call_ms == UINT64_MAX)
            continue;
        if (n->call_ms > now_ms) {
            if (n->call_ms < *at_ms)
                *at_ms = n->call_ms;
            continue;
        }
        /* What it was worth when it was heard may have changed while it waited. */
        verdict = node_beacon_judge(t->node, bytes_of(n->beacon, BEACON_LEN), advert);
        if ((verdict != BEACON_CALL && verdict != BEACON_AWAIT) || n->is_stale || now_ms - n->heard_ms > NEIGHBOUR_FRESH_MS) {
            n->call_ms = UINT64_MAX;
            continue;
        }
        if (best == NULL || n->failures < best->failures ||
            (n->failures == best->failures && n->heard_ms > best->heard_ms))
            best = n;
    }
    return best;
}

void bluetooth_neighbours_failed(struct bluetooth_neighbours *t, struct bluetooth_neighbour *n, uint64_t now_ms)
{
    uint64_t wait_ms = NEIGHBOUR_RETRY_MS;

    for (unsigned i = 0; i < n->failures && wait_ms < NEIGHBOUR_RETRY_MOST_MS; i++)
        wait_ms *= 2;
    if (wait_ms > NEIGHBOUR_RETRY_MOST_MS)
        wait_ms = NEIGHBOUR_RETRY_MOST_MS;
    n->failures++;
    n->has_answered = false;
    n->retry_ms = now_ms + wait_ms - wait_ms / 4 + rng_below(&t->rng, (uint32_t)wait_ms / 2);
    n->call_ms = n->retry_ms;
}

void bluetooth_neighbours_linked(struct bluetooth_neighbours *t, struct bluetooth_neighbour *n, uint32_t link, bool is_ours)
{
    (void)t;
    n->has_answered = is_ours;
    n->is_linked = true;
    n->link = link;
    n->call_ms = UINT64_MAX;
}

void bluetooth_neighbours_unlinked(struct bluetooth_neighbours *t, uint32_t link, bool was_useful, bool is_settled,
                                   uint64_t now_ms)
{
    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++) {
        struct bluetooth_neighbour *n = &t->at[i];

        if (!n->is_used || !n->is_linked || n->link != link)
            continue;
        n->is_linked = false;
        if (!was_useful) {
            bluetooth_neighbours_failed(t, n, now_ms);
            continue;
        }
        n->failures = 0;
        n->retry_ms = now_ms + NEIGHBOUR_AGAIN_MS + rng_below(&t->rng, NEIGHBOUR_AGAIN_MS);
        /* Its beacon of before the link says nothing of what it carries now. */
        n->is_stale = is_settled;
        plan(t, n, now_ms);
    }
}

unsigned bluetooth_neighbours_count(const struct bluetooth_neighbours *t, uint64_t now_ms)
{
    unsigned count = 0;

    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++)
        count += t->at[i].is_used && now_ms - t->at[i].heard_ms <= NEIGHBOUR_HEARD_MS;
    return count;
}

void bluetooth_neighbours_judge(struct bluetooth_neighbours *t, uint64_t now_ms)
{
    for (size_t i = 0; i < NEIGHBOURS_BT_MAX; i++)
        if (t->at[i].is_used && now_ms - t->at[i].heard_ms <= NEIGHBOUR_FRESH_MS)
            plan(t, &t->at[i], now_ms);
}

void bluetooth_neighbours_clear(struct bluetooth_neighbours *t)
{
    memset(t->at, 0, sizeof t->at);
}

enum err bluetooth_neighbours_new(struct bluetooth_neighbours **out, struct node *node, const struct rng *g)
{
    struct bluetooth_neighbours *t = calloc(1, sizeof *t);

    if (t == NULL)
        return ERR_NO_MEMORY;
    t->node = node;
    t->rng = *g;
    t->tokens = NEWCOMERS_BURST * 1000;
    *out = t;
    return ERR_NONE;
}

void bluetooth_neighbours_free(struct bluetooth_neighbours *t)
{
    free(t);
}
