/* apps/simulator/policy.c - the table. */
#include "apps/simulator/policy.h"

#include <string.h>

const struct policy_kind *const policy_table[] = {
    &policy_direct, &policy_first, &policy_epidemic, &policy_spray, &policy_prophet, &policy_prophet2, &policy_maxprop,
    &policy_staffetta, NULL,
};

const struct policy_kind *policy_find(const char *name)
{
    for (size_t i = 0; policy_table[i] != NULL; i++)
        if (strcmp(policy_table[i]->name, name) == 0)
            return policy_table[i];
    return NULL;
}
