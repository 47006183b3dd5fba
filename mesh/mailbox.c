/* mesh/mailbox.c - what one user of a gateway asked for. */
#include "mesh/mailbox.h"

#include <stdlib.h>
#include <string.h>

enum { MAP_BITS = 12, MAP_LEN = (1 << MAP_BITS) / 8 };

struct mailbox {
    uint64_t epoch, position;
    uint64_t told, told_given, told_ms;
    bool is_ever_told;
    uint8_t whole[MAP_LEN];            /* by the first 12 bits: all of it is wanted */
    uint8_t part[MAP_LEN];             /* some of it is */
    size_t long_count;
    struct mailbox_prefix longs[];     /* of more than 12 bits */
};

static void set_bit(uint8_t *map, uint32_t i)
{
    map[i >> 3] |= (uint8_t)(1u << (i & 7));
}

static bool has_bit(const uint8_t *map, uint32_t i)
{
    return (map[i >> 3] >> (i & 7) & 1) != 0;
}

static void add(struct mailbox *m, uint32_t prefix, uint8_t bits)
{
    uint32_t first = prefix >> (BUCKET_BITS_MAX - MAP_BITS);

    if (bits > MAP_BITS) {
        set_bit(m->part, first);
        m->longs[m->long_count++] = (struct mailbox_prefix){ prefix, bits };
        return;
    }
    for (uint32_t i = 0; i < 1u << (MAP_BITS - bits); i++)
        set_bit(m->whole, first + i);
}

/* Cursor: u64 epoch, u64 arrival number. */
static uint64_t read_cursor(const uint8_t cursor[CURSOR_LEN], uint64_t epoch, uint64_t last_seq)
{
    struct reader r = reader_of(bytes_of(cursor, CURSOR_LEN));
    uint64_t theirs = reader_u64(&r), seq = reader_u64(&r);

    return theirs == epoch && seq <= last_seq ? seq : 0;
}

enum err mailbox_new(struct mailbox **out, struct bytes prefixes, const uint8_t cursor[CURSOR_LEN], uint64_t epoch,
                     uint64_t last_seq)
{
    size_t count = prefixes.len / FETCH_ENTRY_LEN;
    struct reader r = reader_of(prefixes);
    uint32_t prefix;
    uint8_t bits;

    if (count > MAILBOX_PREFIXES_MAX)
        return ERR_TOO_LARGE;
    struct mailbox *m = calloc(1, sizeof *m + count * sizeof m->longs[0]);
    if (m == NULL)
        return ERR_NO_MEMORY;
    m->epoch = epoch;
    m->position = read_cursor(cursor, epoch, last_seq);
    m->told = m->position;
    while (record_prefix_next(&r, &prefix, &bits))
        add(m, prefix, bits);
    *out = m;
    return ERR_NONE;
}

void mailbox_free(struct mailbox *m)
{
    free(m);
}

bool mailbox_wants(const struct mailbox *m, uint32_t bucket)
{
    uint32_t first = bucket >> (BUCKET_BITS_MAX - MAP_BITS);

    if (has_bit(m->whole, first))
        return true;
    if (!has_bit(m->part, first))
        return false;
    for (size_t i = 0; i < m->long_count; i++) {
        if ((bucket ^ m->longs[i].prefix) >> (BUCKET_BITS_MAX - m->longs[i].bits) == 0)
            return true;
    }
    return false;
}

void mailbox_add_octets(const struct mailbox *m, uint8_t map[MAILBOX_OCTETS_LEN])
{
    for (uint32_t i = 0; i < 1u << MAP_BITS; i++)
        if (has_bit(m->whole, i) || has_bit(m->part, i))
            set_bit(map, i >> (MAP_BITS - 8));
}

uint64_t mailbox_position(const struct mailbox *m)
{
    return m->position;
}

void mailbox_advance(struct mailbox *m, uint64_t seq)
{
    if (seq > m->position)
        m->position = seq;
}

bool mailbox_cursor(const struct mailbox *m, uint64_t given, uint64_t now_ms, uint8_t out[CURSOR_LEN])
{
    struct writer w = writer_of(out, CURSOR_LEN);

    writer_u64(&w, m->epoch);
    writer_u64(&w, m->position);
    return m->position != m->told && (!m->is_ever_told || given != m->told_given || now_ms - m->told_ms >= CURSOR_EVERY_MS);
}

void mailbox_told(struct mailbox *m, uint64_t given, uint64_t now_ms)
{
    m->told = m->position;
    m->told_given = given;
    m->told_ms = now_ms;
    m->is_ever_told = true;
}
