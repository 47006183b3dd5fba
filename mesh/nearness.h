/* mesh/nearness.h - how far the internet is, in minutes: of age since somebody was linked to a gateway, and of neighbours in between.
 *
 * A node with a link to a gateway is at 0. Everybody else is as far as the nearest neighbour it has met was, a step for the hop, and
 * the time since. So what is told goes out of date by itself and nobody has to say that a gateway is gone (last-encounter ages, as
 * in Dubois-Ferriere, Grossglauser and Vetterli, "Age matters", MobiHoc 2003). Told in steps of a quarter of an hour, so that it
 * names no node. Claims cost nothing and are not proven: nothing may depend on them but where one copy more is put.
 */
#ifndef STA_MESH_NEARNESS_H
#define STA_MESH_NEARNESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    NEARNESS_UNKNOWN  = 0xffff,
    NEARNESS_HOP_MIN  = 15,
    NEARNESS_STEP_MIN = 15,              /* told in */
    NEARNESS_MAX_MIN  = 7 * 24 * 60,     /* what is further is unknown */
};

/* Zeros: unknown. */
struct nearness { bool is_known; int64_t zero_ms; };

/* There is a link to a gateway, or was one at `now_ms`. */
void nearness_arrived(struct nearness *n, uint64_t now_ms);

/* A neighbour tells, in minutes or NEARNESS_UNKNOWN. */
void nearness_hear(struct nearness *n, uint16_t told_min, uint64_t now_ms);

/* In minutes, as it is now; as it is told. */
uint16_t nearness_min(const struct nearness *n, uint64_t now_ms);
uint16_t nearness_told(const struct nearness *n, uint64_t now_ms);

/* By more than a hop's difference: who is only a neighbour of ours is no nearer. */
bool nearness_is_nearer(uint16_t theirs_min, uint16_t ours_min);

#endif
