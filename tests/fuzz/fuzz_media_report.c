/* tests/fuzz/fuzz_media_report.c - any bytes as what a receiver tells of a content. */
#include <assert.h>

#include "apps/media/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[8192];
    static struct report r, back;
    struct writer w = writer_of(again, sizeof again);

    if (report_decode(&r, bytes_of(data, size)) != ERR_NONE)
        return 0;
    for (unsigned i = 0; i < PART_COUNT; i++) {
        for (uint32_t n = 0; n < r.part[i].run_count; n++)
            assert(r.part[i].runs[n].count > 0 && r.part[i].runs[n].first + r.part[i].runs[n].count <= CHUNKS_MAX);
    }
    report_encode(&r, &w);
    assert(!w.failed && report_decode(&back, writer_bytes(&w)) == ERR_NONE);
    return 0;
}
