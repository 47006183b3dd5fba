/* mesh/links/lan.c - see lan.h
 *
 * The table of neighbours: who was heard, whether a call is worth it, and when. Everything a beacon can make us do is bounded by the
 * table, by its source address and by the calls that may be under way: beacons are not signed, and anybody on the wire can
 * invent them.
 */
#include "mesh/links/lan.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/links/lan_beacon.h"
#include "mesh/links/lan_pace.h"
#include "mesh/links/lan_peers.h"
#include "mesh/links/lan_tcp.h"

enum {
    NEIGHBOURS_MAX   = LINKS_MAX * 4,
    SOURCES_MAX      = LINKS_MAX * 4,
    AWAIT_MS         = 2500,     /* theirs to call; then we do, for they may not have heard us */
    AWAIT_JITTER_MS  = 500,
    BUSY_MS          = 300,
    RETRY_FIRST_MS   = 1000,
    RETRY_MOST_MS    = 5 * 60 * 1000,
    STEADY_MS        = 10000,    /* a link that lasted so long was no failure */
    FRESH_MS         = 90000,    /* who was not heard for three beacons is gone */
    HEARD_MS         = 120000,   /* lan_info */
    /* Of one source address, which several nodes may share. */
    BEACONS_BURST = 32, BEACONS_PER_S = 4,
    CALLS_BURST   = 8,  CALLS_PER_S   = 1,
};

struct neighbour {
    bool is_used, is_calling, is_linked;
    uint8_t beacon[BEACON_LEN];
    uint8_t advert[ADVERT_RANDOM_LEN];
    struct lan_address address;
    uint64_t heard_ms;
    uint64_t call_ms;        /* UINT64_MAX: no call is planned */
    uint64_t retry_ms;       /* no call before */
    uint64_t linked_ms;
    uint32_t link;
    unsigned failures;
};

/* Token buckets in thousandths. */
struct source {
    bool is_used;
    struct lan_address address;
    uint64_t touched_ms;
    uint32_t beacons, calls;
};

struct lan {
    struct host *host;
    struct node *node;
    struct rng rng;
    struct lan_tcp *tcp;
    struct lan_beacon *beacon;   /* NULL: discovery is off */
    struct lan_peers *peers;
    struct lan_pace pace;
    struct event *timer;
    struct lan_info info;
    struct neighbour neighbours[NEIGHBOURS_MAX];
    struct source sources[SOURCES_MAX];
};

/* ---- Time ---- */

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void sleep_until_due(struct lan *l, uint64_t now_ms, uint64_t at_ms)
{
    uint64_t wait_ms;

    if (l->beacon != NULL)
        at_ms = least(at_ms, l->pace.next_at_ms);
    for (size_t i = 0; i < NEIGHBOURS_MAX; i++)
        if (l->neighbours[i].is_used)
            at_ms = least(at_ms, l->neighbours[i].call_ms);
    if (at_ms == UINT64_MAX) {
        event_del(l->timer);
        return;
    }
    wait_ms = at_ms > now_ms ? at_ms - now_ms : 1;
    struct timeval wait = { .tv_sec = (long)(wait_ms / 1000), .tv_usec = (long)(wait_ms % 1000 * 1000) };

    event_add(l->timer, &wait);
}

/* Something may be due: look at it from the loop, not from inside whoever told us. */
static void wake_soon(void *ctx)
{
    struct lan *l = ctx;

    event_active(l->timer, EV_TIMEOUT, 0);
}

/* ---- Sources ---- */

static uint32_t refilled(uint32_t tokens, uint64_t elapsed_ms, uint32_t per_s, uint32_t burst)
{
    uint64_t more = tokens + (elapsed_ms < 3600000 ? elapsed_ms : 3600000) * per_s;

    return (uint32_t)least(more, (uint64_t)burst * 1000);
}

static struct source *source_of(struct lan *l, const struct lan_address *a, uint64_t now_ms)
{
    struct source *oldest = &l->sources[0];

    for (size_t i = 0; i < SOURCES_MAX; i++) {
        struct source *s = &l->sources[i];

        if (s->is_used && lan_address_is_same_host(&s->address, a)) {
            s->beacons = refilled(s->beacons, now_ms - s->touched_ms, BEACONS_PER_S, BEACONS_BURST);
            s->calls = refilled(s->calls, now_ms - s->touched_ms, CALLS_PER_S, CALLS_BURST);
            s->touched_ms = now_ms;
            return s;
        }
        if (!s->is_used || (oldest->is_used && s->touched_ms < oldest->touched_ms))
            oldest = s;
    }
    *oldest = (struct source){ .is_used = true, .address = *a, .touched_ms = now_ms, .beacons = BEACONS_BURST * 1000,
                               .calls = CALLS_BURST * 1000 };
    return oldest;
}

static bool token_take(uint32_t *tokens)
{
    if (*tokens < 1000)
        return false;
    *tokens -= 1000;
    return true;
}

/* ---- Neighbours ---- */

static bool is_advert(const struct neighbour *n, const uint8_t advert[ADVERT_RANDOM_LEN])
{
    return n->is_used && memcmp(n->advert, advert, ADVERT_RANDOM_LEN) == 0;
}

/* The one heard longest ago makes room, unless it is being called. */
static struct neighbour *neighbour_of(struct lan *l, const uint8_t advert[ADVERT_RANDOM_LEN],
                                      const struct lan_address *from, bool *is_newcomer)
{
    struct neighbour *oldest = NULL;

    *is_newcomer = true;
    for (size_t i = 0; i < NEIGHBOURS_MAX; i++) {
        struct neighbour *n = &l->neighbours[i];

        if (is_advert(n, advert)) {
            *is_newcomer = false;
            if (lan_address_is_equal(&n->address, from))
                return n;
        }
        if (!n->is_used)
            oldest = oldest != NULL && !oldest->is_used ? oldest : n;
        else if (!n->is_calling && (oldest == NULL || (oldest->is_used && n->heard_ms < oldest->heard_ms)))
            oldest = n;
    }
    if (oldest != NULL) {
        *oldest = (struct neighbour){ .is_used = true, .address = *from, .call_ms = UINT64_MAX };
        memcpy(oldest->advert, advert, ADVERT_RANDOM_LEN);
    }
    return oldest;
}

static void neighbour_failed(struct lan *l, struct neighbour *n, uint64_t now_ms)
{
    n->retry_ms = now_ms + lan_backoff_ms(n->failures++, RETRY_FIRST_MS, RETRY_MOST_MS, &l->rng);
    n->call_ms = n->retry_ms;
}

static void on_heard(void *ctx, const struct lan_address *from, const uint8_t beacon[BEACON_LEN])
{
    struct lan *l = ctx;
    uint64_t now_ms = host_now_ms(l->host), at_ms;
    uint8_t advert[ADVERT_RANDOM_LEN];
    bool is_newcomer;
    enum beacon_verdict verdict;
    struct neighbour *n;

    if (!token_take(&source_of(l, from, now_ms)->beacons))
        return;
    verdict = node_beacon_judge(l->node, bytes_of(beacon, BEACON_LEN), advert);
    if (verdict == BEACON_FOREIGN || verdict == BEACON_OURSELVES)
        return;
    l->info.beacons_in++;
    if ((n = neighbour_of(l, advert, from, &is_newcomer)) == NULL)
        return;
    n->heard_ms = now_ms;
    memcpy(n->beacon, beacon, BEACON_LEN);
    if (verdict == BEACON_CALL || verdict == BEACON_AWAIT) {
        at_ms = verdict == BEACON_CALL ? now_ms : now_ms + AWAIT_MS + rng_below(&l->rng, AWAIT_JITTER_MS);
        if (at_ms < n->retry_ms)
            at_ms = n->retry_ms;
        if (!n->is_calling && at_ms < n->call_ms)
            n->call_ms = at_ms;
    } else {
        n->call_ms = UINT64_MAX;
    }
    if (is_newcomer && verdict != BEACON_LINKED)
        lan_pace_newcomer(&l->pace, now_ms, &l->rng);
    wake_soon(l);
}

/* ---- Calls ---- */

/* What the beacon was worth when it was heard may have changed while it waited. */
static bool is_worth_a_call(const struct lan *l, const struct neighbour *n, uint64_t now_ms)
{
    uint8_t advert[ADVERT_RANDOM_LEN];
    enum beacon_verdict verdict = node_beacon_judge(l->node, bytes_of(n->beacon, BEACON_LEN), advert);

    if ((verdict != BEACON_CALL && verdict != BEACON_AWAIT) || now_ms - n->heard_ms > FRESH_MS)
        return false;
    for (size_t i = 0; i < NEIGHBOURS_MAX; i++)
        if (l->neighbours[i].is_calling && is_advert(&l->neighbours[i], n->advert))
            return false;
    return !lan_peers_has(l->peers, &n->address);
}

static void neighbour_call(struct lan *l, struct neighbour *n, uint64_t now_ms)
{
    struct source *s;
    enum err e;

    n->call_ms = UINT64_MAX;
    if (!is_worth_a_call(l, n, now_ms))
        return;
    s = source_of(l, &n->address, now_ms);
    if (s->calls < 1000) {
        n->call_ms = now_ms + 1000 / CALLS_PER_S;
        return;
    }
    e = lan_tcp_call(l->tcp, &n->address, n->advert, (uint32_t)(n - l->neighbours));
    if (e == ERR_FULL) {
        n->call_ms = now_ms + BUSY_MS;
        return;
    }
    token_take(&s->calls);
    l->info.calls++;
    if (e == ERR_NONE) {
        n->is_calling = true;
    } else {
        l->info.calls_failed++;
        neighbour_failed(l, n, now_ms);
    }
}

static void on_call_done(void *ctx, uint32_t cookie, enum err e, int errno_seen, uint32_t link)
{
    struct lan *l = ctx;
    uint64_t now_ms = host_now_ms(l->host);

    if (e != ERR_NONE) {
        l->info.calls_failed++;
        snprintf(l->info.last_error, sizeof l->info.last_error, "call: %s",
                 errno_seen != 0 ? strerror(errno_seen) : err_text(e));
    }
    if (cookie >= LAN_PEER_COOKIE) {
        l->info.calls++;
        lan_peers_call_done(l->peers, cookie, e, link, now_ms);
        return;
    }
    struct neighbour *n = &l->neighbours[cookie];

    n->is_calling = false;
    if (e == ERR_NONE) {
        n->is_linked = true;
        n->link = link;
        n->linked_ms = now_ms;
    } else {
        neighbour_failed(l, n, now_ms);
    }
    wake_soon(l);
}

/* Two nodes that lost each other find each other by their beacons; so speak soon. */
static void on_link_gone(void *ctx, uint32_t link)
{
    struct lan *l = ctx;
    uint64_t now_ms = host_now_ms(l->host);

    for (size_t i = 0; i < NEIGHBOURS_MAX; i++) {
        struct neighbour *n = &l->neighbours[i];

        if (!n->is_used || !n->is_linked || n->link != link)
            continue;
        n->is_linked = false;
        if (now_ms - n->linked_ms >= STEADY_MS)
            n->failures = 0;
        else
            neighbour_failed(l, n, now_ms);
    }
    lan_tcp_link_gone(l->tcp, link);
    lan_peers_link_gone(l->peers, link, now_ms);
    lan_beacon_changed(l);
}

/* ---- Turns ---- */

static void on_timer(int fd, short what, void *ctx)
{
    struct lan *l = ctx;
    uint64_t now_ms = host_now_ms(l->host), next_ms;
    uint8_t beacon[BEACON_LEN];
    bool is_quick;

    (void)fd;
    (void)what;
    if (l->beacon != NULL && lan_pace_take(&l->pace, now_ms, &l->rng, &is_quick)) {
        node_beacon(l->node, beacon);
        l->info.beacons_out += lan_beacon_send(l->beacon, beacon, lan_tcp_address(l->tcp)->port, is_quick,
                                               l->info.last_error);
    }
    /* Who never failed goes first: a flood of invented neighbours does not keep a real one waiting. */
    for (int is_second = 0; is_second < 2; is_second++)
        for (size_t i = 0; i < NEIGHBOURS_MAX; i++) {
            struct neighbour *n = &l->neighbours[i];

            if (n->is_used && n->call_ms <= now_ms && (n->failures > 0) == (is_second != 0))
                neighbour_call(l, n, now_ms);
        }
    next_ms = lan_peers_wake(l->peers, now_ms);
    sleep_until_due(l, now_ms, next_ms);
}

/* What failed may have failed for want of an address: an IPv6 one can be heard with before it can be called from. */
static void on_interfaces(void *ctx)
{
    struct lan *l = ctx;
    uint64_t now_ms = host_now_ms(l->host);

    for (size_t i = 0; i < NEIGHBOURS_MAX; i++) {
        struct neighbour *n = &l->neighbours[i];

        n->retry_ms = 0;
        if (n->is_used && n->failures > 0 && n->call_ms != UINT64_MAX)
            n->call_ms = now_ms;
    }
    lan_tcp_check(l->tcp);
    lan_beacon_changed(l);
}

void lan_beacon_changed(struct lan *l)
{
    if (l->beacon == NULL)
        return;
    lan_pace_changed(&l->pace, host_now_ms(l->host), &l->rng);
    wake_soon(l);
}

/* ---- Life ---- */

enum err lan_new(struct lan **out, struct event_base *base, struct host *host, struct node *node, const struct rng *g,
                 const struct lan_config *config, char why[256])
{
    enum err e;
    struct lan *l = calloc(1, sizeof *l);
    struct lan_beacon_user user = { l, on_heard, on_interfaces };

    if (l == NULL)
        return ERR_NO_MEMORY;
    l->host = host;
    l->node = node;
    l->rng = *g;
    lan_pace_init(&l->pace, host_now_ms(host), g);
    if ((l->timer = event_new(base, -1, 0, on_timer, l)) == NULL) {
        e = ERR_NO_MEMORY;
        goto failed;
    }
    if ((e = lan_tcp_new(&l->tcp, base, host, node, config->listen, on_call_done, l, why)) != ERR_NONE)
        goto failed;
    if ((e = lan_peers_new(&l->peers, base, host, l->tcp, g, config, wake_soon, l, why)) != ERR_NONE)
        goto failed;
    if ((e = host_on_link_gone(host, on_link_gone, l)) != ERR_NONE)
        goto failed;
    /* Without discovery a node still has its static peers, so this is said and not fatal. */
    if (!config->is_discovery_off)
        (void)lan_beacon_new(&l->beacon, base, config->beacon_port != 0 ? config->beacon_port : LAN_PORT_DEFAULT,
                             lan_tcp_address(l->tcp), &user, l->info.last_error);
    wake_soon(l);
    *out = l;
    return ERR_NONE;
failed:
    lan_free(l);
    return e;
}

void lan_free(struct lan *l)
{
    if (l == NULL)
        return;
    host_off_link_gone(l->host, on_link_gone, l);
    lan_beacon_free(l->beacon);
    lan_peers_free(l->peers);
    lan_tcp_free(l->tcp);
    if (l->timer != NULL)
        event_free(l->timer);
    free(l);
}

void lan_info(const struct lan *l, struct lan_info *out)
{
    uint64_t now_ms = host_now_ms(l->host);

    *out = l->info;
    out->port = lan_tcp_address(l->tcp)->port;
    out->interfaces = l->beacon != NULL ? lan_beacon_interfaces(l->beacon) : 0;
    out->neighbours = 0;
    for (size_t i = 0; i < NEIGHBOURS_MAX; i++) {
        const struct neighbour *n = &l->neighbours[i];
        bool is_counted = !n->is_used || now_ms - n->heard_ms > HEARD_MS;

        /* Heard by both families is still one. */
        for (size_t j = 0; j < i && !is_counted; j++)
            is_counted = is_advert(&l->neighbours[j], n->advert) && now_ms - l->neighbours[j].heard_ms <= HEARD_MS;
        out->neighbours += !is_counted;
    }
}
