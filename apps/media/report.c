/* apps/media/report.c - how far a content is, as bytes.
 *
 *   id 8 | flags 1 | twice: round 1, have varint, runs varint, each run: gap varint, count - 1 varint
 *
 * The gap counts from the end of the run before; between two runs there is at least one chunk, so it is one less there.
 */
#include "apps/media/report.h"

#include <string.h>

static void write_part(struct writer *w, const struct report_part *p)
{
    uint32_t next = 0;

    writer_u8(w, p->round);
    writer_varint(w, p->have);
    writer_varint(w, p->run_count);
    for (uint32_t i = 0; i < p->run_count; i++) {
        writer_varint(w, p->runs[i].first - next - (i > 0 ? 1 : 0));
        writer_varint(w, p->runs[i].count - 1);
        next = p->runs[i].first + p->runs[i].count;
    }
}

void report_encode(const struct report *r, struct writer *w)
{
    writer_copy(w, bytes_of(r->id, sizeof r->id));
    writer_u8(w, r->flags);
    for (unsigned i = 0; i < PART_COUNT; i++)
        write_part(w, &r->part[i]);
}

static enum err read_part(struct reader *r, struct report_part *p)
{
    uint64_t next = 0, have, count;

    p->round = reader_u8(r);
    have = reader_varint(r);
    count = reader_varint(r);
    if (r->failed)
        return ERR_MALFORMED;
    if (have > CHUNKS_MAX || count > REPORT_RUNS_MAX || p->round > ROUNDS_MAX)
        return ERR_TOO_LARGE;
    p->have = (uint32_t)have;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t gap = reader_varint(r), more = reader_varint(r);

        if (r->failed)
            return ERR_MALFORMED;
        if (gap > CHUNKS_MAX || more > CHUNKS_MAX)
            return ERR_TOO_LARGE;
        uint64_t first = next + gap + (i > 0 ? 1 : 0);
        next = first + more + 1;
        if (next > CHUNKS_MAX)
            return ERR_TOO_LARGE;
        p->runs[p->run_count++] = (struct run){ (uint32_t)first, (uint32_t)more + 1 };
    }
    return p->run_count > 0 && p->round == 0 ? ERR_MALFORMED : ERR_NONE;
}

enum err report_decode(struct report *out, struct bytes in)
{
    struct reader r = reader_of(in);
    enum err e = ERR_NONE;

    memset(out, 0, sizeof *out);
    reader_copy(&r, out->id, sizeof out->id);
    out->flags = reader_u8(&r);
    for (unsigned i = 0; i < PART_COUNT && e == ERR_NONE; i++)
        e = read_part(&r, &out->part[i]);
    if (e == ERR_NONE && (!reader_is_done(&r) || (out->flags & ~REPORT_FLAGS) != 0))
        e = ERR_MALFORMED;
    if (e != ERR_NONE)
        memset(out, 0, sizeof *out);
    return e;
}

bool report_ask(struct report_part *p, uint32_t index)
{
    struct run *last = p->run_count > 0 ? &p->runs[p->run_count - 1] : NULL;

    if (last != NULL && last->first + last->count == index) {
        last->count++;
        return true;
    }
    if (p->run_count == REPORT_RUNS_MAX)
        return false;
    p->runs[p->run_count++] = (struct run){ index, 1 };
    return true;
}
