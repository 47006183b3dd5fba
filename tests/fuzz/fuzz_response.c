/* tests/fuzz/fuzz_response.c - HTTP answers and the events in them. The first byte says how the rest is cut. */
#include <assert.h>

#include "apps/cli/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static enum err on_event(void *ctx, const char *name, struct bytes data)
{
    (void)ctx;
    assert(name[0] != '\0' && data.len <= RESPONSE_EVENT_MAX);
    return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct event_reader events;
    struct response r;
    size_t piece = len > 0 ? (size_t)at[0] + 1 : 1;

    event_reader_init(&events, on_event, NULL);
    response_init(&r, UINT64_MAX, event_reader_feed, &events);
    for (size_t i = 1; i < len; i += piece)
        if (response_feed(&r, bytes_of(at + i, len - i < piece ? len - i : piece)) != ERR_NONE)
            break;
    response_clear(&r);
    event_reader_clear(&events);
    return 0;
}
