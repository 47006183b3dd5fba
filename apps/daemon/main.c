/* apps/daemon/main.c - staffettad, the node. */
#define _DEFAULT_SOURCE
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/daemon.h"
#include "crypto/hash.h"

/* JSON passes passphrases and texts: what it frees is wiped. The length stands before each block. */
static void *wiped_malloc(size_t len)
{
    max_align_t *block = len <= SIZE_MAX - sizeof *block ? malloc(len + sizeof *block) : NULL;

    if (block == NULL)
        return NULL;
    memcpy(block, &len, sizeof len);
    return block + 1;
}

static void wiped_free(void *at)
{
    max_align_t *block = at;
    size_t len;

    if (block == NULL)
        return;
    memcpy(&len, --block, sizeof len);
    profile_wipe(block, len + sizeof *block);
    free(block);
}

int main(int argc, char **argv)
{
    struct config_command command;
    struct config *config = malloc(sizeof *config);
    char why[CONFIG_WHY_MAX];
    int status = 0;

    json_set_alloc_funcs(wiped_malloc, wiped_free);
    if (config == NULL || crypto_start() != ERR_NONE) {
        fputs("staffettad: no memory, or no randomness from the system\n", stderr);
        free(config);
        return 1;
    }
    if (config_command_read(&command, argc, argv, why) != ERR_NONE) {
        fprintf(stderr, "staffettad: %s\n", why);
        free(config);
        return 2;
    }
    switch (command.action) {
    case CONFIG_HELP:
        config_print_help(stdout);
        break;
    case CONFIG_VERSION:
        puts("staffettad " STAFFETTA_VERSION);
        break;
    case CONFIG_EXAMPLE:
        config_print_example(stdout);
        break;
    case CONFIG_COMPLETION:
        if (!config_print_completion(stdout, command.shell)) {
            fprintf(stderr, "staffettad: --completion wants bash, zsh or fish\n");
            status = 2;
        }
        break;
    case CONFIG_CHECK:
    case CONFIG_RUN:
        if (config_load(config, &command, why) != ERR_NONE) {
            fprintf(stderr, "staffettad: %s\n", why);
            status = 2;
        } else if (command.action == CONFIG_CHECK) {
            puts("the configuration is good");
        } else {
            status = daemon_run(&command, config);
        }
        break;
    }
    free(config);
    return status;
}
