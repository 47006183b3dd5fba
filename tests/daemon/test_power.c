/* tests/daemon/test_power.c - what a machine runs on, from folders as the kernel makes them. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/service/power.h"
#include "tests/support/check.h"

struct supply { const char *name, *type, *scope, *online, *status, *capacity; };

static const struct {
    const char *name;
    struct supply supplies[3];
    enum power_source want;
} cases[] = {
    { "a machine that tells nothing", { { 0 } }, POWER_MAINS },
    { "laptop on its plug", { { "AC", "Mains", NULL, "1", NULL, NULL }, { "BAT0", "Battery", NULL, NULL, "Not charging", "80" } }, POWER_MAINS },
    { "laptop", { { "AC", "Mains", NULL, "0", NULL, NULL }, { "BAT0", "Battery", NULL, NULL, "Discharging", "80" } }, POWER_BATTERY },
    { "laptop, nearly empty", { { "AC", "Mains", NULL, "0", NULL, NULL }, { "BAT0", "Battery", NULL, NULL, "Discharging", "15" } }, POWER_LOW },
    { "two batteries, one empty", { { "BAT0", "Battery", NULL, NULL, "Discharging", "2" }, { "BAT1", "Battery", NULL, NULL, "Discharging", "60" } }, POWER_BATTERY },
    { "charged over USB", { { "usb", "USB", NULL, "1", NULL, NULL }, { "battery", "Battery", "System", NULL, "Charging", "10" } }, POWER_MAINS },
    { "a hat that charges and has no plug of its own", { { "ups", "Battery", NULL, NULL, "Charging", "40" } }, POWER_MAINS },
    { "a mouse is no battery of the machine", { { "hid", "Battery", "Device", NULL, "Discharging", "5" } }, POWER_MAINS },
    { "a battery that does not say how full", { { "b", "Battery", NULL, NULL, "Discharging", NULL } }, POWER_BATTERY },
    { "a battery that says nonsense", { { "b", "Battery", NULL, NULL, "Discharging", "much" } }, POWER_BATTERY },
};

static void write_word(const char *folder, const char *supply, const char *property, const char *word)
{
    char path[256];
    FILE *f;

    if (word == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s/%s", folder, supply, property);
    REQUIRE((f = fopen(path, "w")) != NULL);
    fprintf(f, "%s\n", word);
    fclose(f);
}

int main(void)
{
    char root[] = "/tmp/test_power.XXXXXX", folder[128], path[256];

    REQUIRE(mkdtemp(root) != NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(folder, sizeof folder, "%s/%zu", root, i);
        REQUIRE(mkdir(folder, 0700) == 0);
        for (size_t k = 0; k < 3 && cases[i].supplies[k].name != NULL; k++) {
            const struct supply *s = &cases[i].supplies[k];

            snprintf(path, sizeof path, "%s/%s", folder, s->name);
            REQUIRE(mkdir(path, 0700) == 0);
            write_word(folder, s->name, "type", s->type);
            write_word(folder, s->name, "scope", s->scope);
            write_word(folder, s->name, "online", s->online);
            write_word(folder, s->name, "status", s->status);
            write_word(folder, s->name, "capacity", s->capacity);
        }
        CHECK_CASE(cases[i].name, power_source_read(folder) == cases[i].want);
    }
    CHECK(power_source_read("/nowhere/at/all") == POWER_MAINS);
    snprintf(path, sizeof path, "rm -r '%s'", root);
    REQUIRE(system(path) == 0);
    return check_report("power");
}
