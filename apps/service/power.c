/* apps/service/power.c - see power.h */
#define _DEFAULT_SOURCE
#include "apps/service/power.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 32, PATH_LEN_MAX = 512 };

const char *power_source_name(enum power_source source)
{
    static const char *const names[POWER_SOURCE_COUNT] = {
        [POWER_MAINS] = "mains", [POWER_BATTERY] = "battery", [POWER_LOW] = "low",
    };

    return names[source];
}

/* One word of a supply; empty when it does not say. */
static void read_word(char word[VALUE_MAX], const char *folder, const char *supply, const char *property)
{
    char path[PATH_LEN_MAX];
    FILE *f;

    word[0] = '\0';
    if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", folder, supply, property) >= sizeof path || (f = fopen(path, "r")) == NULL)
        return;
    if (fgets(word, VALUE_MAX, f) == NULL)
        word[0] = '\0';
    word[strcspn(word, "\n")] = '\0';
    fclose(f);
}

struct seen { bool is_plugged, has_battery; long percent; /* of the fullest battery */ };

static void look_at(struct seen *s, const char *folder, const char *supply)
{
    char type[VALUE_MAX], scope[VALUE_MAX], word[VALUE_MAX], *end;
    long percent;

    read_word(type, folder, supply, "type");
    read_word(scope, folder, supply, "scope");
    if (strcmp(scope, "Device") == 0)
        return;
    if (strcmp(type, "Battery") != 0) {
        read_word(word, folder, supply, "online");
        s->is_plugged = s->is_plugged || strcmp(word, "1") == 0;
        return;
    }
    read_word(word, folder, supply, "status");
    if (strcmp(word, "Charging") == 0 || strcmp(word, "Full") == 0)
        s->is_plugged = true;
    read_word(word, folder, supply, "capacity");
    percent = strtol(word, &end, 10);
    if (end == word)
        percent = 100;   /* it does not tell how full it is, so nothing says that it is low */
    if (!s->has_battery || percent > s->percent)
        s->percent = percent;
    s->has_battery = true;
}

enum power_source power_source_read(const char *folder)
{
    struct seen s = { 0 };
    const struct dirent *entry;
    DIR *d = opendir(folder);

    while (d != NULL && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            look_at(&s, folder, entry->d_name);
    if (d != NULL)
        closedir(d);
    if (s.is_plugged || !s.has_battery)
        return POWER_MAINS;
    return s.percent <= POWER_LOW_PERCENT ? POWER_LOW : POWER_BATTERY;
}
