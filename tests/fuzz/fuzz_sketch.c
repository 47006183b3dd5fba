/* tests/fuzz/fuzz_sketch.c - arbitrary cells into a decoder with a fixed set.
 *
 * Input: how many of the fixed ids are ours (1), the other side's count (2), then portions: number of cells (1),
 * followed by their bytes.
 */
#include <stdlib.h>

#include "mesh/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    struct reader r = reader_of(bytes_of(data, size));
    size_t local_count = reader_u8(&r), cells = 0, remote_only, local_only;
    uint64_t remote_count = reader_u16(&r), local[256];
    struct sketch_decoder *s;

    for (size_t i = 0; i < local_count; i++)
        local[i] = 1000 + i * i;
    if (sketch_decoder_new(&s, local, local_count, key) != ERR_NONE)
        abort();
    sketch_decoder_expect(s, remote_count);
    while (!r.failed && reader_left(&r) > 0) {
        size_t count = reader_u8(&r);

        if (sketch_decode(s, count, &r) != ERR_NONE)
            break;
        cells += count;
        if (sketch_is_decoded(s) ? sketch_cells_wanted(s) != 0 : sketch_cells_wanted(s) < 8)
            abort();
    }

    const uint64_t *remote_list = sketch_remote_only(s, &remote_only), *local_list = sketch_local_only(s, &local_only);
    if (remote_only + local_only > cells + 16)
        abort();
    /* Whoever claims to have explained all cells has the two sizes right. */
    if (sketch_is_decoded(s) && local_count + remote_only != remote_count + local_only)
        abort();
    for (size_t i = 0; i < remote_only; i++)
        if (remote_list[i] >> 48 != 0)
            abort();
    for (size_t i = 0; i < local_only; i++)
        if (local_list[i] >> 48 != 0)
            abort();
    sketch_decoder_free(s);
    return 0;
}
