/* tests/fuzz/fuzz_talk.c - any bytes as a text that refers, or as a remark; what decodes encodes to the same. */
#include <assert.h>
#include <stdlib.h>

#include "apps/messenger/remark.h"
#include "apps/messenger/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[TALK_LEN_MAX];
    struct writer w = writer_of(again, sizeof again);
    struct bytes in = bytes_of(data, size);
    struct talk t;
    struct remark r;

    if (size == 0)
        return 0;
    in = bytes_of(data + 1, size - 1);
    if (data[0] % 2 == 0 && talk_decode(&t, in) == ERR_NONE)
        talk_encode(&t, &w);
    else if (data[0] % 2 == 1 && remark_decode(&r, in) == ERR_NONE)
        remark_encode(&r, &w);
    else
        return 0;
    assert(!w.failed && bytes_are_equal(writer_bytes(&w), in));
    return 0;
}
