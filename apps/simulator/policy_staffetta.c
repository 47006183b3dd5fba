#include "apps/simulator/policy.h"
static double never(struct world *w, uint32_t from, uint32_t to, const struct copy *c)
{
    (void)w, (void)from, (void)to, (void)c;
    return -1;
}
const struct policy_kind policy_staffetta = { .name = "staffetta", .paper = "docs/routing.md", .rank=never };
