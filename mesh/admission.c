/* mesh/admission.c - what a link may bring. */
#include "mesh/admission.h"

#include "mesh/base/limits.h"

enum { STRANGER_SHARE_PERCENT = 40, MIN_PER_H = 60, S_PER_H = 3600 };

void rate_tick(struct rate *r, uint64_t bytes_per_s, uint64_t now_ms)
{
    int64_t burst = (int64_t)(bytes_per_s * RATE_BURST_S);

    if (!r->is_started || r->tokens > burst) {
        r->tokens = burst;
    } else {
        uint64_t passed_ms = now_ms > r->at_ms ? now_ms - r->at_ms : 0;
        if (passed_ms > RATE_BURST_S * 2000)
            passed_ms = RATE_BURST_S * 2000;
        r->tokens += (int64_t)(bytes_per_s * passed_ms / 1000);
        if (r->tokens > burst)
            r->tokens = burst;
        /* Fractions of a byte wait for the next tick. */
        if (bytes_per_s * passed_ms < 1000)
            return;
    }
    r->is_started = true;
    r->at_ms = now_ms;
}

bool rate_has(const struct rate *r, uint64_t bytes_per_s)
{
    return bytes_per_s == 0 || r->tokens > 0;
}

void rate_pay(struct rate *r, uint64_t bytes_per_s, uint64_t bytes)
{
    if (bytes_per_s > 0)
        r->tokens -= (int64_t)bytes;
}

bool admission_knows_expiry(const struct admission *f)
{
    if (f->ours_min == CLOCK_UNKNOWN_MIN)
        return false;
    if (f->is_ours_trusted)
        return true;
    if (f->theirs_min == CLOCK_UNKNOWN_MIN || !f->is_theirs_trusted)
        return false;
    uint32_t apart = f->ours_min > f->theirs_min ? f->ours_min - f->theirs_min : f->theirs_min - f->ours_min;
    return apart <= CLOCK_AGREE_MIN;
}

static uint64_t link_share(const struct admission *f)
{
    return store_link_share(f->usage.capacity_bytes / 100 * STRANGER_SHARE_PERCENT);
}

enum quota_class admission_class(const struct admission *f, uint8_t bundle_class)
{
    if (bundle_class == CLASS_SOS)
        return QUOTA_SOS;
    if (bundle_class == CLASS_PUBLIC)
        return QUOTA_PUBLIC;
    return f->is_friend ? QUOTA_CONTACT : QUOTA_STRANGER;
}

/* May the link hold `len` bytes more? Whether there is a place for them is the store's matter. */
static bool is_within_share(const struct admission *f, enum quota_class which, uint32_t len)
{
    return which != QUOTA_STRANGER || f->usage.fill_percent < PRESSURE_PERCENT || f->contributed + len <= link_share(f);
}

uint64_t admission_room(const struct admission *f, enum quota_class which)
{
    if (which != QUOTA_STRANGER)
        return UINT64_MAX;
    uint64_t most = link_share(f), half = f->usage.capacity_bytes / 100 * PRESSURE_PERCENT, room = 0;

    if (f->usage.fill_percent < PRESSURE_PERCENT && f->usage.bytes < half)
        room = half - f->usage.bytes;
    if (f->contributed < most && most - f->contributed > room)
        room = most - f->contributed;
    return room < f->stranger_room ? room : f->stranger_room;
}

enum refusal admission_judge(const struct admission *f, const struct header *h, const struct carry *carry,
                         uint8_t stamp_bits_there, uint32_t *deadline_s)
{
    enum quota_class which = admission_class(f, h->bundle_class);

    if (carry->hops > f->hops_max)
        return REFUSAL_HOPS;
    if (carry->life == 0 || carry->life > LIFE_UNITS_MAX)
        return REFUSAL_EXPIRED;
    uint32_t life_s = (uint32_t)carry->life * LIFE_UNIT_H * S_PER_H;
    if (admission_knows_expiry(f)) {
        uint64_t expiry_min = (uint64_t)h->expiry_h * MIN_PER_H;
        if (expiry_min <= f->ours_min || expiry_min - f->ours_min > (uint64_t)LIFE_MAX_H * MIN_PER_H)
            return REFUSAL_EXPIRED;
        uint32_t left_s = (uint32_t)(expiry_min - f->ours_min) * 60;
        if (left_s < life_s)
            life_s = left_s;
    }
    if (which != QUOTA_SOS && which != QUOTA_CONTACT && stamp_bits_there < f->stamp_bits)
        return REFUSAL_STAMP;
    if (!is_within_share(f, which, bundle_len_of_code(h->size_code)))
        return REFUSAL_QUOTA;
    *deadline_s = f->residence_s + life_s;
    return REFUSAL_NONE;
}

enum err refusal_err(enum refusal why)
{
    switch (why) {
    case REFUSAL_DUPLICATE: return ERR_EXISTS;
    case REFUSAL_QUOTA: return ERR_FULL;
    case REFUSAL_EXPIRED: return ERR_EXPIRED;
    case REFUSAL_MALFORMED: return ERR_MALFORMED;
    case REFUSAL_STAMP:
    case REFUSAL_HOPS: return ERR_REFUSED;
    default: return ERR_NONE;
    }
}
