/* tests/daemon/test_budget.c - the data of a day: counting, limits, days and clocks that jump, and the file it is kept in. */
#define _DEFAULT_SOURCE
#include "apps/daemon/budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/vault_file.h"
#include "tests/support/check.h"

enum { DAY = 20000 };

static void check_counting(void)
{
    struct budget b = { 0 };

    budget_count(&b, DAY, 0, 0);
    CHECK(b.used == 0);
    budget_count(&b, DAY, 7, 2000);
    CHECK(b.used == BUDGET_LINK_COST + 2000 + 100);
    budget_count(&b, DAY, 7, 2000);
    CHECK(b.used == BUDGET_LINK_COST + 2100);
    budget_count(&b, DAY, 0, 0);
    budget_count(&b, DAY, 7, 4000);            /* it was not linked for a moment: the count of the link goes on */
    CHECK(b.used == BUDGET_LINK_COST + 4200);
    budget_count(&b, DAY, 8, 1000);            /* another begins at nothing */
    CHECK(b.used == 2 * BUDGET_LINK_COST + 4200 + 1050);
    budget_count(&b, 0, 8, 1000);              /* no clock: the day goes on */
    CHECK(b.used == 2 * BUDGET_LINK_COST + 5250);
    budget_count(&b, DAY + 1, 8, 3000);        /* of a link over midnight the rest */
    CHECK(b.used == 2100);
    budget_count(&b, DAY - 4000, 8, 3000);     /* the clock was years ahead */
    CHECK(b.used == 0);
}

static void check_states(void)
{
    static const struct { uint64_t used, limit; enum budget_state want; } cases[] = {
        { 0, 0, BUDGET_OPEN }, { UINT64_MAX, 0, BUDGET_OPEN }, { 0, 1000, BUDGET_OPEN }, { 899, 1000, BUDGET_OPEN }, { 900, 1000, BUDGET_SMALL },
        { 999, 1000, BUDGET_SMALL }, { 1000, 1000, BUDGET_SPENT }, { 0, 1, BUDGET_SMALL }, { 1, 1, BUDGET_SPENT },
        { UINT64_MAX / 2, UINT64_MAX, BUDGET_OPEN },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct budget b = { .used = cases[i].used };

        CHECK(budget_state(&b, cases[i].limit) == cases[i].want);
    }
}

static void check_left(void)
{
    struct budget b = { 0 };
    struct node_link_budget left;

    budget_left(&b, 0, &left);
    CHECK(left.small_len == UINT32_MAX && left.large_until == UINT64_MAX && left.all_until == UINT64_MAX);
    budget_count(&b, DAY, 7, 50000);
    budget_left(&b, 1000000, &left);
    CHECK(left.small_len == BUDGET_SMALL_LEN && left.large_until > 50000 && left.all_until > left.large_until);
    struct budget at_large = b, at_all = b;    /* what the link may carry brings it to the bound, and not beyond */
    budget_count(&at_large, DAY, 7, left.large_until);
    CHECK(at_large.used <= 900000 && at_large.used > 899990);
    budget_count(&at_all, DAY, 7, left.all_until);
    CHECK(at_all.used <= 1000000 && at_all.used > 999990);
    budget_left(&at_all, 500000, &left);       /* less is allowed now */
    CHECK(left.large_until == at_all.seen && left.all_until == at_all.seen);
}

static void put(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");

    REQUIRE(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void check_keeping(void)
{
    char folder[] = "/tmp/staffetta-budget-XXXXXX", path[64];
    struct budget a = { .day = DAY, .used = 123456789 }, b = { 0 };
    static const struct { const char *name, *bytes; size_t len; } bad[] = {
        { "empty", "", 0 }, { "short", "\1\0\0\0", 4 }, { "another version", "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17 },
        { "long", "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18 },
    };

    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/uplink-use", folder);
    CHECK(budget_read(&b, path) == ERR_NOT_FOUND);
    CHECK(budget_write(&a, path) == ERR_NONE && a.kept == a.used);
    CHECK(budget_read(&b, path) == ERR_NONE && b.day == DAY && b.used == 123456789 && b.kept == b.used);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct budget c = { .day = 3, .used = 4 };

        put(path, bad[i].bytes, bad[i].len);
        CHECK_CASE(bad[i].name, budget_read(&c, path) != ERR_NONE && c.day == 3 && c.used == 4);
    }
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    check_counting();
    check_states();
    check_left();
    check_keeping();
    return check_report("budget");
}
