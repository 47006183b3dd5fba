/* mesh/links/lan_pace.c - see lan_pace.h */
#include "mesh/links/lan_pace.h"

static uint64_t not_before(uint64_t at, uint64_t floor) { return at > floor ? at : floor; }

static void pull_forward(struct lan_pace *p, uint64_t at_ms)
{
    if (p->has_sent)
        at_ms = not_before(at_ms, p->sent_at_ms + PACE_SENT_GAP_MS);
    if (at_ms < p->next_at_ms)
        p->next_at_ms = at_ms;
}

/* One more for each gap that passed, up to `most`. */
static void refill(uint8_t *left, uint64_t *since_ms, uint64_t now_ms, unsigned gap_ms, unsigned most)
{
    uint64_t earned = (now_ms - *since_ms) / gap_ms;

    *since_ms += earned * gap_ms;
    *left = (uint8_t)(earned + *left > most ? most : earned + *left);
}

static void burst_start(struct lan_pace *p)
{
    p->bursts_left--;
    p->is_burst_owed = false;
    p->quick_left = PACE_QUICK_COUNT;
    p->interval_ms = PACE_QUICK_MS;
}

void lan_pace_init(struct lan_pace *p, uint64_t now_ms, const struct rng *g)
{
    *p = (struct lan_pace){ .next_at_ms = UINT64_MAX, .bursts_left = PACE_BURSTS, .bursts_at_ms = now_ms,
                            .answers_left = PACE_ANSWERS, .answers_at_ms = now_ms };
    burst_start(p);
    pull_forward(p, now_ms + rng_below(g, 100));
}

void lan_pace_changed(struct lan_pace *p, uint64_t now_ms, const struct rng *g)
{
    /* The beacon that is about to go out tells this change, too. */
    if (p->quick_left > 0 && p->next_at_ms <= now_ms + PACE_SENT_GAP_MS)
        return;
    refill(&p->bursts_left, &p->bursts_at_ms, now_ms, PACE_BURST_GAP_MS, PACE_BURSTS);
    if (p->bursts_left == 0) {
        p->is_burst_owed = true;
        pull_forward(p, p->bursts_at_ms + PACE_BURST_GAP_MS);
        return;
    }
    burst_start(p);
    pull_forward(p, now_ms + rng_below(g, 50));
}

void lan_pace_newcomer(struct lan_pace *p, uint64_t now_ms, const struct rng *g)
{
    refill(&p->answers_left, &p->answers_at_ms, now_ms, PACE_ANSWER_GAP_MS, PACE_ANSWERS);
    if (p->is_answer_owed || p->answers_left == 0)
        return;
    p->answers_left--;
    p->is_answer_owed = true;
    pull_forward(p, now_ms + 50 + rng_below(g, 200));
}

bool lan_pace_take(struct lan_pace *p, uint64_t now_ms, const struct rng *g, bool *is_quick)
{
    uint32_t wait_ms;

    if (now_ms < p->next_at_ms)
        return false;
    refill(&p->bursts_left, &p->bursts_at_ms, now_ms, PACE_BURST_GAP_MS, PACE_BURSTS);
    if (p->is_burst_owed && p->bursts_left > 0)
        burst_start(p);
    *is_quick = p->quick_left > 0 || p->is_answer_owed;
    p->is_answer_owed = false;
    if (p->quick_left > 0)
        p->quick_left--;
    if (p->quick_left == 0) {
        p->interval_ms *= 2;
        if (p->interval_ms > PACE_SLOWEST_MS)
            p->interval_ms = PACE_SLOWEST_MS;
    }
    /* A tenth of jitter keeps a room full of nodes from speaking in chorus. */
    wait_ms = p->interval_ms - p->interval_ms / 20 + rng_below(g, p->interval_ms / 10);
    p->has_sent = true;
    p->sent_at_ms = now_ms;
    p->next_at_ms = now_ms + wait_ms;
    if (p->is_burst_owed)
        pull_forward(p, p->bursts_at_ms + PACE_BURST_GAP_MS);
    return true;
}
