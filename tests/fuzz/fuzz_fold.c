/* tests/fuzz/fuzz_fold.c - any bytes as a text to search in: words are whole, in order, within the text, and fold to themselves. */
#include <assert.h>
#include <string.h>

#include "apps/search/fold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen { size_t size, last; };

static bool note_one(void *ctx, struct bytes word, size_t from, size_t to)
{
    struct seen *s = ctx;

    assert(word.len > 0 && word.len <= FOLD_WORD_MAX && from < to && from >= s->last && to <= s->size);
    s->last = from + 1;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = { size, 0 };

    fold_words(bytes_of(data, size), note_one, &s);
    (void)fold_is_one_character(bytes_of(data, size));
    return 0;
}
