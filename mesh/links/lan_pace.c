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

static void burst_start(struct lan_pace *p, uint64_t now_ms)
{
    p->burst_at_ms = now_ms;
    p->is_burst_owed = false;
    p->quick_left = PACE_QUICK_COUNT;
    p->interval_ms = PACE_QUICK_MS;
}

void lan_pace_init(struct lan_pace *p, uint64_t now_ms, const struct rng *g)
{
    *p = (struct lan_pace){ .next_at_ms = UINT64_MAX, .answers_left = PACE_ANSWERS, .answers_at_ms = now_ms };
    burst_start(p, now_ms);
    pull_forward(p, now_ms + rng_below(g, 100));
}

void lan_pace_changed(struct lan_pace *p, uint64_t now_ms, const struct rng *g)
{
    if (now_ms < p->burst_at_ms + PACE_BURST_GAP_MS) {
        p->is_burst_owed = true;
        pull_forward(p, p->burst_at_ms + PACE_BURST_GAP_MS);
        return;
    }
    burst_start(p, now_ms);
    pull_forward(p, now_ms + rng_below(g, 50));
}

void lan_pace_newcomer(struct lan_pace *p, uint64_t now_ms, const struct rng *g)
{
    uint64_t earned = (now_ms - p->answers_at_ms) / PACE_ANSWER_GAP_MS;

    if (earned > 0) {
        p->answers_at_ms += earned * PACE_ANSWER_GAP_MS;
        p->answers_left = (uint8_t)(earned + p->answers_left > PACE_ANSWERS ? PACE_ANSWERS : earned + p->answers_left);
    }
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
    if (p->is_burst_owed && now_ms >= p->burst_at_ms + PACE_BURST_GAP_MS)
        burst_start(p, now_ms);
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
        pull_forward(p, p->burst_at_ms + PACE_BURST_GAP_MS);
    return true;
}
