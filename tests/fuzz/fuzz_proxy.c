/* tests/fuzz/fuzz_proxy.c - a proxy that answers anything: the first octet chooses its kind and how the answer comes in. */
#include <stdlib.h>

#include "mesh/links/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const urls[] = { "socks5://h", "socks5://ana:pw@h", "tor://h", "http://h" };
    struct lan_place to = { .host = "gw.example", .port = 443 };
    uint8_t say[PROXY_SAY_MAX];
    struct proxy_talk t;
    struct proxy p;
    char why[256];
    size_t said, used, at = 1, have = 0;

    if (len < 1)
        return 0;
    if (proxy_parse(&p, urls[data[0] & 3], why) != ERR_NONE)
        abort();
    size_t step = 1 + (data[0] >> 2);
    proxy_talk_begin(&t, &p, &to, bytes_of(NULL, 0), say, &said);
    while (at + have < len && t.step != PROXY_OPEN && t.step != PROXY_REFUSED) {
        have = len - at - have > step ? have + step : len - at;
        proxy_talk_hear(&t, bytes_of(data + at, have), &used, say, &said);
        if (used > have || said > sizeof say || (t.step == PROXY_REFUSED) != (t.why != NULL))
            abort();
        at += used;
        have -= used;
    }
    /* Nothing is taken beyond what opens the way. */
    if (t.step == PROXY_OPEN && have != 0)
        abort();
    return 0;
}
