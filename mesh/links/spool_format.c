/* mesh/links/spool_format.c - see spool_format.h */
#include "mesh/links/spool_format.h"

#include <string.h>

#include "crypto/hash.h"

/* The first octet is no letter and the line ends are both kinds, so that a copy made as text shows at once. */
static const uint8_t magic[8] = { 0x89, 's', 't', 'a', 'f', '\r', '\n', 0x1a };
static const uint8_t marker[SPOOL_MARKER_LEN] = { 0xec, 'B', 'D', 'L' };

void spool_header_encode(uint8_t to[SPOOL_HEADER_LEN], const struct spool_header *h)
{
    struct writer w = writer_of(to, SPOOL_HEADER_LEN);

    writer_copy(&w, bytes_of(magic, sizeof magic));
    writer_u8(&w, SPOOL_VERSION);
    writer_zero(&w, 3);
    writer_u32(&w, h->clock_min);
}

enum err spool_header_decode(struct spool_header *out, struct bytes in)
{
    struct reader r = reader_of(in);
    uint8_t begins[sizeof magic];

    reader_copy(&r, begins, sizeof begins);
    uint8_t version = reader_u8(&r);

    (void)reader_take(&r, 3); /* reserved */
    uint32_t clock_min = reader_u32(&r);

    if (!reader_is_done(&r) || memcmp(begins, magic, sizeof magic) != 0)
        return ERR_MALFORMED;
    if (version != SPOOL_VERSION)
        return ERR_VERSION;
    out->clock_min = clock_min;
    return ERR_NONE;
}

/* The first 8 bytes of H_16(; "spool"; hops || life || bundle). */
static void checksum(uint8_t out[SPOOL_CHECKSUM_LEN], uint8_t hops, uint16_t life_h, struct bytes bundle)
{
    uint8_t hash[16], facts[3];
    struct writer w = writer_of(facts, sizeof facts);

    writer_u8(&w, hops);
    writer_u16(&w, life_h);
    struct bytes parts[] = { bytes_of(facts, sizeof facts), bundle };

    hash_derive(hash, sizeof hash, bytes_of(NULL, 0), "spool", parts, 2);
    memcpy(out, hash, SPOOL_CHECKSUM_LEN);
}

void spool_record_encode(struct writer *w, struct bytes bundle, uint8_t hops, uint16_t life_h)
{
    uint8_t sum[SPOOL_CHECKSUM_LEN];

    checksum(sum, hops, life_h, bundle);
    writer_copy(w, bytes_of(marker, sizeof marker));
    writer_u8(w, hops);
    writer_u16(w, life_h);
    writer_copy(w, bundle);
    writer_copy(w, bytes_of(sum, sizeof sum));
}

enum found { FOUND_RECORD, FOUND_PART, FOUND_DAMAGE };

struct record {
    uint8_t hops;
    uint16_t life_h;
    struct bytes bundle;
};

/* Moves `r` past the record only if it is whole. */
static enum found record_read(struct reader *r, struct record *out, unsigned *damages)
{
    struct reader t = *r, head;
    struct header h;
    uint8_t sum[SPOOL_CHECKSUM_LEN];
    struct bytes given;
    size_t marker_left = reader_left(&t) < SPOOL_MARKER_LEN ? reader_left(&t) : SPOOL_MARKER_LEN;

    if (memcmp(reader_take(&t, marker_left).at, marker, marker_left) != 0)
        return FOUND_DAMAGE;
    out->hops = reader_u8(&t);
    out->life_h = reader_u16(&t);
    head = t;
    struct bytes header = reader_take(&head, HEADER_LEN);

    if (head.failed)
        return FOUND_PART;
    if (header_decode(&h, header) != ERR_NONE)
        return FOUND_DAMAGE;
    out->bundle = reader_take(&t, bundle_len_of_code(h.size_code));
    given = reader_take(&t, SPOOL_CHECKSUM_LEN);
    if (t.failed)
        return FOUND_PART;
    checksum(sum, out->hops, out->life_h, out->bundle);
    if (!bytes_are_equal(given, bytes_of(sum, sizeof sum))) {
        (*damages)++;
        return FOUND_DAMAGE;
    }
    *r = t;
    return FOUND_RECORD;
}

/* On to what may be the next marker; the present byte is not one. */
static void resynchronise(struct reader *r)
{
    (void)reader_u8(r);
    struct reader rest = *r;
    struct bytes left = reader_rest(&rest);
    const uint8_t *next = left.len > 0 ? memchr(left.at, marker[0], left.len) : NULL;

    (void)reader_take(r, next != NULL ? (size_t)(next - left.at) : left.len);
}

enum err spool_scan(struct spool_scan *s, struct bytes in, bool is_last, size_t *consumed)
{
    struct reader r = reader_of(in);
    enum err e = ERR_NONE;

    while (e == ERR_NONE && reader_left(&r) > 0) {
        struct record record;
        enum found found = record_read(&r, &record, &s->damages);

        if (found == FOUND_RECORD) {
            e = s->visit(s->ctx, record.bundle, record.hops, record.life_h);
        } else if (found == FOUND_PART && !is_last) {
            break;
        } else {
            s->is_damaged = true;
            resynchronise(&r);
            if (s->damages > SPOOL_DAMAGES_MAX)
                e = ERR_CORRUPT;
        }
    }
    *consumed = in.len - reader_left(&r);
    return e;
}

enum err spool_parse(struct bytes file, spool_visit *visit, void *ctx, bool *is_damaged)
{
    struct reader r = reader_of(file);
    struct spool_header h;
    struct spool_scan scan = { visit, ctx, 0, false };
    size_t consumed;
    enum err e = spool_header_decode(&h, reader_take(&r, SPOOL_HEADER_LEN));

    if (e != ERR_NONE)
        return e;
    e = spool_scan(&scan, reader_rest(&r), true, &consumed);
    *is_damaged = scan.is_damaged;
    return e == ERR_CORRUPT ? ERR_NONE : e;
}
