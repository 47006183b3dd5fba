/* mesh/record.c - the bytes of every record (protocol section 7.2). */
#include "mesh/record.h"

#include <assert.h>
#include <string.h>

/* Records built in place state their length in a varint of this many bytes when short ones are not known
 * beforehand; record_end moves the body down when fewer do. */
enum { LENGTH_GAP = 3, LENGTH_MAX = (1 << 21) - 1, ROUNDS_MAX = 8 };

static struct sids take_sids(struct reader *r)
{
    struct bytes b = reader_rest(r);
    struct sids s = { b.at, b.len / SID_LEN };

    if (b.len % SID_LEN != 0)
        r->failed = true;
    return s;
}

static struct ids take_ids(struct reader *r)
{
    struct bytes b = reader_rest(r);
    struct ids ids = { b.at, b.len / sizeof(struct bundle_id) };

    if (b.len % sizeof(struct bundle_id) != 0)
        r->failed = true;
    return ids;
}

static uint8_t take_below(struct reader *r, uint8_t bound)
{
    uint8_t v = reader_u8(r);

    if (v >= bound)
        r->failed = true;
    return v;
}

static void take_carry(struct reader *r, struct carry *c)
{
    c->hops = reader_u8(r);
    c->budget = reader_u8(r);
    c->life = reader_u8(r);
}

static void take_part(struct reader *r, struct record *out)
{
    reader_copy(r, out->u.part.id.octets, sizeof out->u.part.id.octets);
    take_carry(r, &out->u.part.carry);
    uint64_t total = reader_varint(r), offset = reader_varint(r);
    out->u.part.bytes = reader_rest(r);
    if (total < BUNDLE_LEN_MIN || total > BUNDLE_LEN_MAX || (total & (total - 1)) != 0 || offset >= total ||
        out->u.part.bytes.len > total - offset || out->u.part.bytes.len == 0)
        r->failed = true;
    out->u.part.total = (uint32_t)total;
    out->u.part.offset = (uint32_t)offset;
}

static void check_wants(struct reader *r, struct bytes wants)
{
    struct reader walk = reader_of(wants);

    while (!walk.failed && reader_left(&walk) > 0) {
        reader_varint(&walk);
        if (reader_varint(&walk) >= BUNDLE_LEN_MAX)
            r->failed = true;
    }
    if (walk.failed)
        r->failed = true;
}

static void check_exceptions(struct reader *r, struct bytes exceptions)
{
    struct reader walk = reader_of(exceptions);

    while (!walk.failed && reader_left(&walk) > 0) {
        reader_varint(&walk);
        uint8_t reason = reader_u8(&walk);
        if (reason == REFUSAL_NONE || reason >= REFUSAL_COUNT)
            r->failed = true;
    }
    if (walk.failed)
        r->failed = true;
}

bool record_prefix_next(struct reader *prefixes, uint32_t *prefix, uint8_t *bits)
{
    if (reader_left(prefixes) == 0)
        return false;
    *bits = reader_u8(prefixes);
    *prefix = reader_u24_be(prefixes);
    if (*bits > BUCKET_BITS_MAX || (*prefix & (0xffffffu >> *bits)) != 0)
        prefixes->failed = true;
    return !prefixes->failed;
}

static void check_prefixes(struct reader *r, struct bytes prefixes)
{
    struct reader walk = reader_of(prefixes);
    uint32_t prefix;
    uint8_t bits;

    while (record_prefix_next(&walk, &prefix, &bits)) {
    }
    r->failed |= walk.failed;
}

static void take_body(struct reader *r, uint8_t type, struct record *out)
{
    out->type = (enum record_type)type;
    switch (out->type) {
    case RECORD_LIST:
        out->u.list.which = take_below(r, CLASS_COUNT);
        out->u.list.sids = take_sids(r);
        break;
    case RECORD_CELLS:
        out->u.cells.which = take_below(r, CLASS_COUNT);
        out->u.cells.round = take_below(r, ROUNDS_MAX);
        out->u.cells.first = reader_varint(r);
        out->u.cells.set_count = out->u.cells.first == 0 ? reader_varint(r) : 0;
        out->u.cells.count = reader_varint(r);
        out->u.cells.cells = reader_rest(r);
        break;
    case RECORD_MORE:
        out->u.more.which = take_below(r, CLASS_COUNT);
        out->u.more.cells = reader_varint(r);
        break;
    case RECORD_SETTLED:
        out->u.settled.which = take_below(r, CLASS_COUNT);
        out->u.settled.how = take_below(r, SETTLED_HOW_COUNT);
        break;
    case RECORD_OFFER:
        out->u.offer.which = take_below(r, CLASS_COUNT);
        out->u.offer.size_code = take_below(r, SIZE_CODE_MAX + 1);
        out->u.offer.ids = take_ids(r);
        break;
    case RECORD_WANT:
        out->u.want.answered = reader_varint(r);
        out->u.want.wants = reader_rest(r);
        check_wants(r, out->u.want.wants);
        break;
    case RECORD_BUNDLE:
        take_carry(r, &out->u.bundle.carry);
        out->u.bundle.bytes = reader_rest(r);
        break;
    case RECORD_PART:
        take_part(r, out);
        break;
    case RECORD_CHUNK:
        out->u.chunk.bytes = reader_rest(r);
        if (out->u.chunk.bytes.len == 0)
            r->failed = true;
        break;
    case RECORD_ACK:
        out->u.ack.count = reader_varint(r);
        out->u.ack.exceptions = reader_rest(r);
        check_exceptions(r, out->u.ack.exceptions);
        break;
    case RECORD_REVEAL: {
        struct bytes b = reader_rest(r);
        out->u.reveal.at = b.at;
        out->u.reveal.count = b.len / REVEAL_ENTRY_LEN;
        if (b.len % REVEAL_ENTRY_LEN != 0)
            r->failed = true;
        break;
    }
    case RECORD_STATUS:
        out->u.status.stamp_bits = reader_u8(r);
        out->u.status.fill_percent = reader_u8(r);
        out->u.status.nearness = reader_u16(r);
        break;
    case RECORD_RECOGNISE:
        out->u.recognise.tags = reader_take(r, RECOGNISE_LEN).at;
        break;
    case RECORD_PING:
    case RECORD_PONG:
        out->u.ping.echo = reader_u64(r);
        break;
    case RECORD_BYE:
        out->u.bye.reason = reader_u8(r);
        out->u.bye.retry_s = reader_varint(r);
        break;
    case RECORD_ASK: {
        uint8_t which = reader_u8(r);
        out->u.ask.is_name = (which & ASK_NAME) != 0;
        out->u.ask.which = which & (uint8_t)~ASK_NAME;
        if (out->u.ask.which >= CLASS_COUNT)
            r->failed = true;
        out->u.ask.sids = take_sids(r);
        break;
    }
    case RECORD_GONE: {
        uint8_t which = reader_u8(r);
        out->u.gone.is_sids = which != GONE_OFFERS;
        out->u.gone.which = which;
        if (out->u.gone.is_sids) {
            out->u.gone.sids = take_sids(r);
            if (which >= CLASS_COUNT)
                r->failed = true;
        } else {
            out->u.gone.offers = reader_rest(r);
            struct reader walk = reader_of(out->u.gone.offers);
            while (!walk.failed && reader_left(&walk) > 0)
                reader_varint(&walk);
            r->failed |= walk.failed;
        }
        break;
    }
    case RECORD_CALM:
        out->u.calm.fingerprint = reader_u48(r);
        break;
    case RECORD_FETCH:
        out->u.fetch.cursor = reader_take(r, CURSOR_LEN).at;
        out->u.fetch.prefixes = reader_rest(r);
        check_prefixes(r, out->u.fetch.prefixes);
        break;
    case RECORD_CURSOR:
        out->u.cursor.cursor = reader_take(r, CURSOR_LEN).at;
        break;
    case RECORD_UNKNOWN:
    default:
        out->type = RECORD_UNKNOWN;
        reader_rest(r);
    }
}

enum err record_next(struct reader *frame, struct record *out)
{
    struct record rec;

    uint8_t type = reader_u8(frame);
    uint64_t len = reader_varint(frame);
    if (frame->failed || len > reader_left(frame))
        return ERR_MALFORMED;
    struct reader body = reader_sub(frame, (size_t)len);
    take_body(&body, type, &rec);
    if (!reader_is_done(&body))
        return ERR_MALFORMED;
    *out = rec;
    return ERR_NONE;
}

bool record_want_next(struct reader *wants, uint64_t *offer, uint32_t *offset)
{
    if (reader_left(wants) == 0)
        return false;
    *offer = reader_varint(wants);
    *offset = (uint32_t)reader_varint(wants);
    return !wants->failed;
}

bool record_exception_next(struct reader *exceptions, uint64_t *index, uint8_t *reason)
{
    if (reader_left(exceptions) == 0)
        return false;
    *index = reader_varint(exceptions);
    *reason = reader_u8(exceptions);
    return !exceptions->failed;
}

/* Opens a record of a known length; false when it does not fit whole. */
static bool put_head(struct writer *w, enum record_type type, size_t len)
{
    if (w->failed || writer_left(w) < 1 + writer_varint_len(len) + len)
        return false;
    writer_u8(w, (uint8_t)type);
    writer_varint(w, len);
    return true;
}

bool record_put_list(struct writer *w, uint8_t which, const uint64_t *sids, size_t count)
{
    if (!put_head(w, RECORD_LIST, 1 + count * SID_LEN))
        return false;
    writer_u8(w, which);
    for (size_t i = 0; i < count; i++)
        writer_u48(w, sids[i]);
    return true;
}

bool record_put_more(struct writer *w, uint8_t which, uint64_t cells)
{
    if (!put_head(w, RECORD_MORE, 1 + writer_varint_len(cells)))
        return false;
    writer_u8(w, which);
    writer_varint(w, cells);
    return true;
}

bool record_put_settled(struct writer *w, uint8_t which, enum settled_how how)
{
    if (!put_head(w, RECORD_SETTLED, 2))
        return false;
    writer_u8(w, which);
    writer_u8(w, (uint8_t)how);
    return true;
}

static void put_carry(struct writer *w, struct carry c)
{
    writer_u8(w, c.hops);
    writer_u8(w, c.budget);
    writer_u8(w, c.life);
}

bool record_put_bundle(struct writer *w, struct carry carry, struct bytes bundle)
{
    if (!put_head(w, RECORD_BUNDLE, BUNDLE_META_LEN + bundle.len))
        return false;
    put_carry(w, carry);
    writer_copy(w, bundle);
    return true;
}

bool record_put_part(struct writer *w, const struct bundle_id *id, struct carry carry, uint32_t total, uint32_t offset,
                     struct bytes bytes)
{
    size_t len = sizeof id->octets + BUNDLE_META_LEN + writer_varint_len(total) + writer_varint_len(offset) + bytes.len;

    if (!put_head(w, RECORD_PART, len))
        return false;
    writer_copy(w, bytes_of(id->octets, sizeof id->octets));
    put_carry(w, carry);
    writer_varint(w, total);
    writer_varint(w, offset);
    writer_copy(w, bytes);
    return true;
}

bool record_put_chunk(struct writer *w, struct bytes bytes)
{
    if (!put_head(w, RECORD_CHUNK, bytes.len))
        return false;
    writer_copy(w, bytes);
    return true;
}

bool record_put_status(struct writer *w, uint8_t stamp_bits, uint8_t fill_percent, uint16_t nearness)
{
    if (!put_head(w, RECORD_STATUS, 4))
        return false;
    writer_u8(w, stamp_bits);
    writer_u8(w, fill_percent);
    writer_u16(w, nearness);
    return true;
}

bool record_put_recognise(struct writer *w, const uint8_t *tags)
{
    if (!put_head(w, RECORD_RECOGNISE, RECOGNISE_LEN))
        return false;
    writer_copy(w, bytes_of(tags, RECOGNISE_LEN));
    return true;
}

bool record_put_ping(struct writer *w, bool is_pong, uint64_t echo)
{
    if (!put_head(w, is_pong ? RECORD_PONG : RECORD_PING, 8))
        return false;
    writer_u64(w, echo);
    return true;
}

bool record_put_bye(struct writer *w, enum bye_reason reason, uint64_t retry_s)
{
    if (!put_head(w, RECORD_BYE, 1 + writer_varint_len(retry_s)))
        return false;
    writer_u8(w, (uint8_t)reason);
    writer_varint(w, retry_s);
    return true;
}

bool record_put_calm(struct writer *w, uint64_t fingerprint)
{
    if (!put_head(w, RECORD_CALM, 6))
        return false;
    writer_u48(w, fingerprint);
    return true;
}

bool record_put_cursor(struct writer *w, const uint8_t cursor[CURSOR_LEN])
{
    if (!put_head(w, RECORD_CURSOR, CURSOR_LEN))
        return false;
    writer_copy(w, bytes_of(cursor, CURSOR_LEN));
    return true;
}

bool record_begin(struct record_open *o, struct writer *w, enum record_type type, const uint8_t *head, size_t head_len)
{
    if (w->failed || writer_left(w) < 1 + LENGTH_GAP + head_len)
        return false;
    o->w = w;
    writer_u8(w, (uint8_t)type);
    o->length_at = writer_gap(w, LENGTH_GAP);
    o->body_at = w->at;
    writer_copy(w, bytes_of(head, head_len));
    o->entries_at = w->at;
    return true;
}

bool record_end(struct record_open *o, bool is_empty_dropped)
{
    size_t len = (size_t)(o->w->at - o->body_at);

    assert(!o->w->failed && len <= LENGTH_MAX);
    if (is_empty_dropped && o->w->at == o->entries_at) {
        o->w->at = o->length_at - 1;
        return false;
    }
    struct writer w = writer_of(o->length_at, LENGTH_GAP);
    writer_varint(&w, len);
    memmove(w.at, o->body_at, len);
    o->w->at = w.at + len;
    return true;
}
