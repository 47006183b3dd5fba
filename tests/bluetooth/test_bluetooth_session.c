/* Two nodes over GATT blocks, without BlueZ between them: what is lost on neither side, in which order blocks come, and what
 * a stream over them costs.
 */
#define _DEFAULT_SOURCE
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "mesh/links/bluetooth_session.h"
#include "tests/links/party.h"
#include "tests/support/check.h"

enum { QUEUE_MAX = 512, CARRIED_A_PASS = 16 };

/* One direction of the air: holds little, and carries a few blocks a millisecond, not always in order. */
struct air {
    struct event_base *base;
    struct event *tick;
    struct bluetooth_session *to, *from;
    struct rng *rng;
    uint8_t blocks[QUEUE_MAX][FRAME_BLOCK_MAX];
    size_t lens[QUEUE_MAX], count;
    uint64_t carried, full;
    bool is_choked;
};

struct side { struct party party; struct bluetooth_session *session; struct air *out; bool is_over; };

static bool on_send(void *ctx, struct bytes block)
{
    struct air *a = ((struct side *)ctx)->out;
    struct timeval soon = { 0, 1000 };

    if (a->count == 32) {
        a->is_choked = true;
        return false;
    }
    memcpy(a->blocks[a->count], block.at, block.len);
    a->lens[a->count++] = block.len;
    a->full += block.len == FRAME_BLOCK_MAX;
    if (!evtimer_pending(a->tick, NULL))
        evtimer_add(a->tick, &soon);
    return true;
}

static void on_over(void *ctx, enum frame_reason reason)
{
    (void)reason;
    ((struct side *)ctx)->is_over = true;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct air *a = ctx;
    struct timeval soon = { 0, 1000 };

    (void)fd;
    (void)what;
    for (int i = 0; i < CARRIED_A_PASS && a->count > 0; i++) {
        size_t which = rng_below(a->rng, (uint32_t)(a->count < 4 ? a->count : 4));
        struct frame_block b;
        uint8_t block[FRAME_BLOCK_MAX];
        size_t len = a->lens[which];

        memcpy(block, a->blocks[which], len);
        a->count--;
        memmove(a->blocks[which], a->blocks[which + 1], (a->count - which) * sizeof a->blocks[0]);
        memmove(&a->lens[which], &a->lens[which + 1], (a->count - which) * sizeof a->lens[0]);
        REQUIRE(frame_decode(&b, bytes_of(block, len)) == ERR_NONE);
        CHECK(bluetooth_session_take(a->to, &b) == ERR_NONE);
        a->carried++;
    }
    if (a->is_choked) {
        a->is_choked = false;
        bluetooth_session_pump(a->from);
    }
    if (a->count > 0)
        evtimer_add(a->tick, &soon);
}

struct pair { struct side *a, *b; size_t want; };

static bool both_have(void *ctx)
{
    struct pair *p = ctx;

    return party_count(&p->a->party) == p->want && party_count(&p->b->party) == p->want;
}

static void exchange(unsigned count, uint8_t size_code, uint8_t window)
{
    static struct air there, back;
    struct event_base *base = event_base_new();
    struct side a = { .out = &there }, b = { .out = &back };
    struct bluetooth_session_user ua = { &a, on_send, on_over }, ub = { &b, on_send, on_over };
    struct link_open how = { .kind = LINK_BLUETOOTH_GATT, .is_initiator = true, .frame_max = LINK_FRAME_MAX_BT, .is_slow = true };
    struct bufferevent *stream;
    struct rusage before, after;
    uint32_t link;
    char label[40];

    snprintf(label, sizeof label, "%u of code %u, window %u", count, size_code, window);
    party_init(&a.party, base, 1, NULL);
    party_init(&b.party, base, 2, NULL);
    party_submit(&a.party, count, size_code);
    party_submit(&b.party, 5, 0);
    REQUIRE(bluetooth_session_new(&a.session, base, 9, window, window, FRAME_BLOCK_MAX, &ua, &stream) == ERR_NONE);
    memcpy(how.advert_ours, "aaaaaaaa", 8);
    memcpy(how.advert_theirs, "bbbbbbbb", 8);
    REQUIRE(host_link_add(a.party.host, stream, &how, "there", &link) == ERR_NONE);
    REQUIRE(bluetooth_session_new(&b.session, base, 9, window, window, FRAME_BLOCK_MAX, &ub, &stream) == ERR_NONE);
    how.is_initiator = false;
    memcpy(how.advert_ours, "bbbbbbbb", 8);
    memcpy(how.advert_theirs, "aaaaaaaa", 8);
    REQUIRE(host_link_add(b.party.host, stream, &how, "back", &link) == ERR_NONE);
    there = (struct air){ .base = base, .to = b.session, .from = a.session, .rng = &a.party.rng };
    back = (struct air){ .base = base, .to = a.session, .from = b.session, .rng = &b.party.rng };
    there.tick = evtimer_new(base, on_tick, &there);
    back.tick = evtimer_new(base, on_tick, &back);

    struct pair p = { &a, &b, count + 5u };
    getrusage(RUSAGE_SELF, &before);
    CHECK_CASE(label, run_until(base, 20000, both_have, &p));
    getrusage(RUSAGE_SELF, &after);
    long ms = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000 +
              (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1000;

    printf("%s: %llu blocks there (%llu full), %llu back, %ld ms of processor\n", label, (unsigned long long)there.carried,
           (unsigned long long)there.full, (unsigned long long)back.carried, ms);
    /* Blocks are full but for the ends of what was to say; the way back carries grants and acks, not a block for each. */
    if (count * (256u << size_code) > 100000) {
        CHECK_CASE(label, there.full * 10 > there.carried * 8);
        CHECK_CASE(label, back.carried * 3 < there.carried);
    }
    CHECK_CASE(label, !a.is_over && !b.is_over);

    /* One side hangs up: the other learns it by a block. */
    party_clear(&a.party);
    for (int i = 0; i < 50 && !a.is_over; i++)
        run_for(base, 20);
    CHECK_CASE(label, a.is_over);
    event_free(there.tick);
    event_free(back.tick);
    bluetooth_session_free(a.session);
    bluetooth_session_free(b.session);
    run_for(base, 20);
    party_clear(&b.party);
    event_base_free(base);
}

int main(void)
{
    exchange(3, 0, 4);
    exchange(100, 0, 192);
    exchange(240, 4, 192);
    exchange(8, 7, 31);
    return check_report("bluetooth_session");
}
