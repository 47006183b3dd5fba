/* apps/messenger/early.c - remarks that came before their messages. */
#include "apps/messenger/early.h"

#include <assert.h>
#include <string.h>

#include "crypto/hash.h"

enum { ENTRY_BOUND = 64 };

enum err early_decode(struct early_list *out, struct bytes in)
{
    enum err e;

    memset(out, 0, sizeof *out);
    out->bytes = buffer_of_limit(RECORD_LEN_MAX);
    if ((e = buffer_append(&out->bytes, in)) != ERR_NONE)
        return e;
    struct reader r = reader_of(buffer_bytes(&out->bytes));
    if (reader_u8(&r) != RECORD_VERSION)
        return ERR_CORRUPT;
    uint64_t count = reader_varint(&r);
    if (count > EARLY_REMARKS_MAX)
        return ERR_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        struct early *one = &out->at[i];

        reader_copy(&r, one->remark.target.octets, MESSAGE_ID_LEN);
        one->remark.kind = reader_u8(&r);
        uint64_t author = reader_varint(&r);
        one->order.time_unix_s = reader_varint(&r);
        reader_copy(&r, one->order.id.octets, MESSAGE_ID_LEN);
        one->until_s = reader_varint(&r);
        uint64_t len = reader_varint(&r);
        one->remark.body = reader_take(&r, len > TEXT_LEN_MAX ? SIZE_MAX : (size_t)len);
        one->author = (uint32_t)author;
        if (r.failed || author > UINT32_MAX || !remark_is_sound(one->remark.kind, one->remark.body))
            return ERR_CORRUPT;
    }
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    out->count = (uint32_t)count;
    return ERR_NONE;
}

static size_t bytes_of_all(const struct early_list *l)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < l->count; i++)
        sum += l->at[i].remark.body.len;
    return sum;
}

enum err early_encode(const struct early_list *l, struct buffer *to)
{
    size_t bound = ENTRY_BOUND + (size_t)l->count * ENTRY_BOUND + bytes_of_all(l);
    enum err e = buffer_reserve(to, bound);

    if (e != ERR_NONE)
        return e;
    struct writer w = writer_of(to->at + to->len, bound);
    writer_u8(&w, RECORD_VERSION);
    writer_varint(&w, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        const struct early *one = &l->at[i];

        writer_copy(&w, bytes_of(one->remark.target.octets, MESSAGE_ID_LEN));
        writer_u8(&w, one->remark.kind);
        writer_varint(&w, one->author);
        writer_varint(&w, one->order.time_unix_s);
        writer_copy(&w, bytes_of(one->order.id.octets, MESSAGE_ID_LEN));
        writer_varint(&w, one->until_s);
        writer_varint(&w, one->remark.body.len);
        writer_copy(&w, one->remark.body);
    }
    if (w.failed)
        return ERR_TOO_LARGE;
    to->len += writer_len(&w);
    return ERR_NONE;
}

void early_clear(struct early_list *l)
{
    secret_buffer_clear(&l->bytes);
    l->count = 0;
}

void early_remove(struct early_list *l, uint32_t index)
{
    assert(index < l->count);
    l->count--;
    memmove(l->at + index, l->at + index + 1, (l->count - index) * sizeof l->at[0]);
}

static uint32_t count_of(const struct early_list *l, uint32_t author, uint32_t *oldest)
{
    uint32_t count = 0;

    for (uint32_t i = l->count; i-- > 0;) {
        if (l->at[i].author == author) {
            *oldest = i;
            count++;
        }
    }
    return count;
}

bool early_add(struct early_list *l, const struct early *one)
{
    uint32_t oldest = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        const struct early *has = &l->at[i];

        if (has->author != one->author || has->remark.kind != one->remark.kind ||
            memcmp(has->remark.target.octets, one->remark.target.octets, MESSAGE_ID_LEN) != 0)
            continue;
        if (!order_is_later(&one->order, &has->order))
            return false;
        early_remove(l, i);
        break;
    }
    if (count_of(l, one->author, &oldest) >= EARLY_OF_ONE_MAX)
        early_remove(l, oldest);
    while (l->count > 0 && (l->count >= EARLY_REMARKS_MAX || bytes_of_all(l) + one->remark.body.len > EARLY_BYTES_MAX))
        early_remove(l, 0);
    l->at[l->count++] = *one;
    return true;
}
