/* tests/fuzz/fuzz_paper.c - any text as the scanned parts of a printed backup. */
#include <assert.h>

#include "apps/messenger/paper.h"
#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer file = buffer_of_limit(PAPER_FILE_MAX);
    unsigned missing = 0;

    if (crypto_start() != ERR_NONE)
        return 0;
    enum err e = paper_join(&file, bytes_of(data, size), &missing);
    assert((e == ERR_NONE) == (file.len > 0) && (e == ERR_NOT_FOUND) == (missing > 0));
    buffer_clear(&file);
    return 0;
}
