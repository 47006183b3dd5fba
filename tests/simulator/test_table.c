/* tests/simulator/test_table.c - the map against a plain array, through a long random life. */
#include "apps/simulator/table.h"

#include "apps/simulator/dice.h"
#include "tests/support/check.h"

enum { KEYS = 3000, STEPS = 200000 };

int main(void)
{
    static uint32_t model[KEYS];
    struct table t = { 0 };
    struct dice d;
    size_t count = 0;
    bool is_same = true;

    dice_init(&d, 5);
    CHECK(table_find(&t, 7) == TABLE_NONE);
    table_remove(&t, 7);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t key = dice_below(&d, KEYS);

        if (dice_below(&d, 2) == 0) {
            count += model[key] == 0;
            model[key] = i + 1;
            table_put(&t, table_pair(key, ~key), i + 1);
        } else {
            count -= model[key] != 0;
            model[key] = 0;
            table_remove(&t, table_pair(key, ~key));
        }
        key = dice_below(&d, KEYS);
        is_same = is_same && table_find(&t, table_pair(key, ~key)) == (model[key] != 0 ? model[key] : TABLE_NONE);
    }
    CHECK(is_same);
    CHECK(t.count == count);
    table_clear(&t);
    return check_report("table");
}
