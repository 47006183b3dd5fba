/* apps/media/erasure.c - a systematic Reed-Solomon code over bytes, by ISA-L. */
#include "apps/media/erasure.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 255, TABLE_LEN = 32, ALIGN = 64 };

struct erasure {
    uint32_t inputs, outputs;
    size_t len, stride;
    unsigned char *tables;      /* ISA-L's, 32 bytes for each pair of input and output */
    uint8_t *rows;              /* outputs, `stride` bytes each */
    unsigned char *at[ROWS_MAX];
};

/* `matrix` has a row for each output and a column for each input. */
static enum err start(struct erasure **out, uint32_t inputs, uint32_t outputs, size_t len, unsigned char *matrix)
{
    struct erasure *e = calloc(1, sizeof *e);

    if (e == NULL)
        return ERR_NO_MEMORY;
    e->inputs = inputs;
    e->outputs = outputs;
    e->len = len;
    e->stride = (len + ALIGN - 1) / ALIGN * ALIGN;
    e->tables = malloc((size_t)inputs * outputs * TABLE_LEN);
    e->rows = aligned_alloc(ALIGN, e->stride * outputs);
    if (e->tables == NULL || e->rows == NULL) {
        erasure_free(e);
        return ERR_NO_MEMORY;
    }
    memset(e->rows, 0, e->stride * outputs);
    for (uint32_t i = 0; i < outputs; i++)
        e->at[i] = e->rows + i * e->stride;
    ec_init_tables((int)inputs, (int)outputs, matrix, e->tables);
    *out = e;
    return ERR_NONE;
}

enum err erasure_encoder_new(struct erasure **out, uint32_t k, uint32_t p, size_t len)
{
    unsigned char *matrix = NULL;
    enum err e = ERR_NO_MEMORY;

    assert(k >= 1 && p >= 1 && k + p <= ROWS_MAX);
    if ((matrix = malloc((size_t)(k + p) * k)) != NULL) {
        gf_gen_cauchy1_matrix(matrix, (int)(k + p), (int)k);
        e = start(out, k, p, len, matrix + (size_t)k * k);
    }
    free(matrix);
    return e;
}

enum err erasure_decoder_new(struct erasure **out, uint32_t k, uint32_t p, size_t len, const uint8_t *given,
                             const uint8_t *wanted, uint32_t wanted_count)
{
    unsigned char *all = malloc((size_t)(k + p) * k), *some = malloc((size_t)k * k), *inverse = malloc((size_t)k * k);
    enum err e = ERR_NO_MEMORY;

    assert(k >= 1 && p >= 1 && k + p <= ROWS_MAX && wanted_count >= 1 && wanted_count <= k);
    if (all != NULL && some != NULL && inverse != NULL) {
        gf_gen_cauchy1_matrix(all, (int)(k + p), (int)k);
        for (uint32_t i = 0; i < k; i++)
            memcpy(some + (size_t)i * k, all + (size_t)given[i] * k, k);
        e = gf_invert_matrix(some, inverse, (int)k) == 0 ? ERR_NONE : ERR_STATE;
    }
    if (e == ERR_NONE) {
        for (uint32_t i = 0; i < wanted_count; i++)
            memcpy(some + (size_t)i * k, inverse + (size_t)wanted[i] * k, k);
        e = start(out, k, wanted_count, len, some);
    }
    free(all);
    free(some);
    free(inverse);
    return e;
}

void erasure_free(struct erasure *e)
{
    if (e == NULL)
        return;
    free(e->tables);
    free(e->rows);
    free(e);
}

void erasure_add(struct erasure *e, uint32_t nth, const uint8_t *row)
{
    assert(nth < e->inputs);
    ec_encode_data_update((int)e->len, (int)e->inputs, (int)e->outputs, (int)nth, e->tables,
                          (unsigned char *)(uintptr_t)row, e->at);
}

const uint8_t *erasure_row(const struct erasure *e, uint32_t nth)
{
    assert(nth < e->outputs);
    return e->at[nth];
}
