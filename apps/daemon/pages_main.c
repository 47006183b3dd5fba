/* apps/daemon/pages_main.c - copies standard input to standard output and puts the table of keys in place of the line
 * ".KEYS". Runs while building; not installed. */
#include <string.h>

#include "apps/daemon/config.h"

int main(void)
{
    char line[4096];
    bool is_filled = false;

    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, ".KEYS\n") == 0) {
            config_print_manual_keys(stdout);
            is_filled = true;
        } else {
            fputs(line, stdout);
        }
    }
    if (!is_filled)
        fputs("no line .KEYS in the page\n", stderr);
    return is_filled && fflush(stdout) == 0 ? 0 : 1;
}
