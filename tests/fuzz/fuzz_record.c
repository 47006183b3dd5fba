/* tests/fuzz/fuzz_record.c - frames of records; and what decodes, walks. */
#include "mesh/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader frame = reader_of(bytes_of(data, size));
    struct record r;
    uint64_t sum = 0, number;
    uint32_t offset;
    uint8_t reason;

    while (reader_left(&frame) > 0 && record_next(&frame, &r) == ERR_NONE) {
        struct reader walk;

        switch (r.type) {
        case RECORD_LIST:
            for (size_t i = 0; i < r.u.list.sids.count; i++)
                sum += sids_at(r.u.list.sids, i);
            break;
        case RECORD_WANT:
            walk = reader_of(r.u.want.wants);
            while (record_want_next(&walk, &number, &offset))
                sum += number + offset;
            if (!reader_is_done(&walk))
                abort();
            break;
        case RECORD_ACK:
            walk = reader_of(r.u.ack.exceptions);
            while (record_exception_next(&walk, &number, &reason))
                sum += number + reason;
            if (!reader_is_done(&walk))
                abort();
            break;
        case RECORD_PART:
            if (r.u.part.offset + r.u.part.bytes.len > r.u.part.total || r.u.part.total > BUNDLE_LEN_MAX)
                abort();
            break;
        case RECORD_REVEAL:
            for (size_t i = 0; i < r.u.reveal.count * REVEAL_ENTRY_LEN; i++)
                sum += r.u.reveal.at[i];
            break;
        case RECORD_RECOGNISE:
            sum += r.u.recognise.tags[RECOGNISE_LEN - 1];
            break;
        default:
            break;
        }
    }
    return sum == UINT64_MAX ? 0 : 0;
}
