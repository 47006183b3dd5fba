/* tests/fuzz/fuzz_trace.c - a trace, a list of contacts, or a compressed one: the first byte says which. */
#include <stdlib.h>

#include "apps/simulator/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace t = { 0 };
    struct trace_fault f;

    if (size == 0)
        return 0;
    if (data[0] == 'z') {
        struct buffer text = buffer_of_limit(1 << 20);

        if (trace_inflate(&text, bytes_of(data + 1, size - 1), &f) == ERR_NONE)
            trace_parse(&t, buffer_bytes(&text), 0, &f);
        buffer_clear(&text);
    } else if (data[0] == 'c') {
        trace_parse_contacts(&t, bytes_of(data + 1, size - 1), &f);
    } else {
        trace_parse(&t, bytes_of(data + 1, size - 1), 16, &f);
    }
    /* What was accepted is in order, and links alternate. */
    for (size_t i = 1; i < t.event_count; i++)
        if (t.events[i].time_cs < t.events[i - 1].time_cs)
            abort();
    for (size_t i = 0; i < t.event_count; i++)
        if (t.events[i].kind != TRACE_MESSAGE && (t.events[i].a >= t.events[i].b || t.events[i].b >= t.node_count))
            abort();
    trace_clear(&t);
    return 0;
}
