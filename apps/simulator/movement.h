/* apps/simulator/movement.h - made-up places: people who walk, and the contacts that come of it.
 *
 * The result is a trace, so the same world runs on contacts that were measured and on these. Positions move on a
 * grid of half a second, in whole millimetres, so that a seed gives the same contacts on every machine.
 */
#ifndef STA_SIMULATOR_MOVEMENT_H
#define STA_SIMULATOR_MOVEMENT_H

#include "apps/simulator/trace.h"

enum movement_kind {
    MOVEMENT_NONE,
    MOVEMENT_WAYPOINT, /* everybody walks to a random place, rests, and walks on */
    MOVEMENT_BUS,      /* villages on a line, people stay in theirs, buses run from end to end */
    MOVEMENT_SQUARE,   /* a crowd: most drift a few metres, one in ten crosses the square */
};

struct movement {
    enum movement_kind kind;
    uint32_t nodes;
    double duration_s, width_m, height_m, speed_min, speed_max, pause_s, range_m;
    uint32_t villages, buses;
    double message_interval_s, messages_until_s; /* until 0: to the end */
    uint32_t size_min, size_max;
};

void movement_trace(struct trace *out, const struct movement *m, uint64_t seed);

#endif
