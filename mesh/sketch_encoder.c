/* mesh/sketch_encoder.c - the cells of our set, as many as are asked for. */
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"
#include "mesh/sketch.h"
#include "mesh/sketch_set.h"

struct sketch_encoder {
    struct sketch_set members;
    struct sketch_cell *cells;       /* those of from..made-1 */
    uint32_t cells_cap, from, made, sent;
};

enum err sketch_encoder_new(struct sketch_encoder **out, const uint64_t *sids, size_t count, const uint8_t key[16])
{
    struct sketch_key k = sketch_key_of(key);
    struct sketch_encoder *s = calloc(1, sizeof *s);
    enum err e = ERR_NO_MEMORY;

    if (s == NULL)
        return e;
    /* A block in proportion to the set: small ones are not worth 64 kB. */
    s->cells_cap = count < 8 * SKETCH_BLOCK_MAX ? 2 * SKETCH_BLOCK_MIN + (uint32_t)count / 8 : SKETCH_BLOCK_MAX;
    if ((s->cells = malloc(s->cells_cap * sizeof *s->cells)) == NULL)
        goto fail;
    if ((e = sketch_set_init(&s->members, sids, count, &k)) != ERR_NONE)
        goto fail;
    *out = s;
    return ERR_NONE;
fail:
    sketch_encoder_free(s);
    return e;
}

void sketch_encoder_free(struct sketch_encoder *s)
{
    if (s == NULL)
        return;
    sketch_set_clear(&s->members);
    free(s->cells);
    free(s);
}

static void encoder_extend(struct sketch_encoder *s, uint64_t want)
{
    uint32_t end = sketch_block_end(s->made, want);

    if (end - s->made > s->cells_cap)
        end = s->made + s->cells_cap;
    s->from = s->made;
    s->made = end;
    memset(s->cells, 0, (end - s->from) * sizeof *s->cells);
    sketch_set_walk(&s->members, s->cells, s->from, end, 1);
}

static uint64_t zigzag(int64_t v)
{
    return v < 0 ? ~((uint64_t)v << 1) : (uint64_t)v << 1;
}

size_t sketch_encode(struct sketch_encoder *s, size_t max, struct writer *w)
{
    size_t written = 0;

    for (; written < max && s->sent < SKETCH_CELLS_MAX; written++, s->sent++) {
        size_t room = writer_left(w) / SKETCH_CELL_LEN_MIN, left = max - written;

        if (w->failed || room == 0)
            break;
        if (s->sent == s->made)
            encoder_extend(s, s->made + (uint64_t)(left < room ? left : room));

        const struct sketch_cell *c = &s->cells[s->sent - s->from];
        uint64_t count = zigzag(c->count - sketch_expected(s->members.count, s->sent));
        if (writer_left(w) < 8 + writer_varint_len(count))
            break;
        writer_u64(w, c->sum);
        writer_varint(w, count);
    }
    return written;
}
