/* apps/cli/main.c - staffetta, the command. */
#define _DEFAULT_SOURCE
#include <locale.h>

#include "apps/cli/cli.h"
#include "crypto/hash.h"

int main(int argc, char **argv)
{
    /* Day names in the person's language. */
    setlocale(LC_TIME, "");
    if (crypto_start() != ERR_NONE)
        return fail(EXIT_FAILED, "the system gives no randomness");
    return cli_main(argc, argv);
}
