/* mesh/nearness.c - see nearness.h */
#include "mesh/nearness.h"

enum { MIN_MS = 60000 };

static void improve(struct nearness *n, int64_t zero_ms)
{
    if (!n->is_known || zero_ms > n->zero_ms)
        n->zero_ms = zero_ms;
    n->is_known = true;
}

void nearness_arrived(struct nearness *n, uint64_t now_ms)
{
    improve(n, (int64_t)now_ms);
}

void nearness_hear(struct nearness *n, uint16_t told_min, uint64_t now_ms)
{
    if (told_min <= NEARNESS_MAX_MIN)
        improve(n, (int64_t)now_ms - ((int64_t)told_min + NEARNESS_HOP_MIN) * MIN_MS);
}

uint16_t nearness_min(const struct nearness *n, uint64_t now_ms)
{
    int64_t min = n->is_known ? ((int64_t)now_ms - n->zero_ms) / MIN_MS : INT64_MAX;

    return min <= NEARNESS_MAX_MIN ? (uint16_t)(min > 0 ? min : 0) : NEARNESS_UNKNOWN;
}

uint16_t nearness_told(const struct nearness *n, uint64_t now_ms)
{
    uint16_t min = nearness_min(n, now_ms);

    if (min == NEARNESS_UNKNOWN)
        return min;
    return (uint16_t)((min + NEARNESS_STEP_MIN - 1) / NEARNESS_STEP_MIN * NEARNESS_STEP_MIN);
}

bool nearness_is_nearer(uint16_t theirs_min, uint16_t ours_min)
{
    if (theirs_min == NEARNESS_UNKNOWN)
        return false;
    return ours_min == NEARNESS_UNKNOWN || theirs_min + NEARNESS_HOP_MIN < ours_min;
}
