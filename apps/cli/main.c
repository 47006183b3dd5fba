/* apps/cli/main.c - staffetta, the command. */
#define _DEFAULT_SOURCE
#include <locale.h>

#include "apps/cli/cli.h"

int main(int argc, char **argv)
{
    /* Day names in the person's language. */
    setlocale(LC_TIME, "");
    return cli_main(argc, argv);
}
