/* mesh/links/lan_pace.h - when to send the next beacon.
 *
 * Three quick ones after a change, then ever slower down to one in half a minute: a newcomer or a new bundle is
 * noticed within a second, and silence costs next to nothing. Pure; times are the caller's.
 */
#ifndef STA_LINKS_LAN_PACE_H
#define STA_LINKS_LAN_PACE_H

#include <stdbool.h>

#include "mesh/base/rng.h"

enum {
    PACE_QUICK_COUNT   = 3,
    PACE_QUICK_MS      = 1000,
    PACE_SLOWEST_MS    = 30000,
    PACE_BURSTS        = 6,      /* at once, and then one in ten seconds: a store that changes all the time */
    PACE_BURST_GAP_MS  = 10000,  /* costs five beacons in ten seconds */
    PACE_SENT_GAP_MS   = 250,    /* between any two */
    PACE_ANSWERS       = 4,      /* to newcomers at once, and then one in five seconds: adverts are free to invent */
    PACE_ANSWER_GAP_MS = 5000,
};

struct lan_pace {
    uint64_t next_at_ms, sent_at_ms, bursts_at_ms, answers_at_ms;
    uint32_t interval_ms;
    uint8_t  quick_left, bursts_left, answers_left;
    bool     has_sent, is_burst_owed, is_answer_owed;
};

/* Starts with a burst. */
void lan_pace_init(struct lan_pace *p, uint64_t now_ms, const struct rng *g);

/* The store, the advert or an interface changed. */
void lan_pace_changed(struct lan_pace *p, uint64_t now_ms, const struct rng *g);

/* Somebody new was heard: they should hear us too. */
void lan_pace_newcomer(struct lan_pace *p, uint64_t now_ms, const struct rng *g);

/* True when a beacon is to be sent now, which counts as sent. `is_quick`: by every way there is. */
bool lan_pace_take(struct lan_pace *p, uint64_t now_ms, const struct rng *g, bool *is_quick);

#endif
