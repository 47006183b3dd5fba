/* apps/simulator/policy.h - the routers that a world can be given; policy_table in policy.c names them all. */
#ifndef STA_SIMULATOR_POLICY_H
#define STA_SIMULATOR_POLICY_H

#include "apps/simulator/world.h"

extern const struct policy_kind policy_direct, policy_first, policy_epidemic, policy_spray, policy_prophet, policy_prophet2,
    policy_maxprop, policy_staffetta;

#endif
