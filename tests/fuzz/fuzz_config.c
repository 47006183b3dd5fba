/* tests/fuzz/fuzz_config.c - configuration files. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct config c;
    char why[CONFIG_WHY_MAX] = "";

    config_init(&c);
    enum err e = config_read_text(&c, "fuzz", (const char *)at, len, why);
    /* A refusal always says where and what. */
    assert((e == ERR_NONE) == (why[0] == '\0'));
    assert(c.peer_count <= LAN_PEERS_MAX);
    return 0;
}
