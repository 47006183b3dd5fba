/* apps/daemon/budget.c - see budget.h */
#include "apps/daemon/budget.h"

#include <string.h>

#include "crypto/vault_file.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { FILE_VERSION = 1, FILE_LEN = 1 + 8 + 8 };

void budget_count(struct budget *b, uint64_t day, uint32_t link, uint64_t octets)
{
    /* Either way: a clock that was years ahead must not keep the link closed for years. */
    if (day != 0 && day != b->day) {
        b->day = day;
        b->used = 0;
    }
    if (link == 0)
        return;
    if (link != b->link) {
        b->link = link;
        b->seen = 0;
        b->used += BUDGET_LINK_COST;
    }
    uint64_t more = octets > b->seen ? octets - b->seen : 0;
    b->seen += more;
    b->used += more + more / BUDGET_SHARE;
}

enum budget_state budget_state(const struct budget *b, uint64_t limit)
{
    if (limit == 0 || b->used < limit / 10 * BUDGET_SMALL_TENTH)
        return BUDGET_OPEN;
    return b->used < limit ? BUDGET_SMALL : BUDGET_SPENT;
}

/* In octets of the link: until `used` comes to `bound`. */
static uint64_t left_until(const struct budget *b, uint64_t bound)
{
    uint64_t more = b->used < bound ? bound - b->used : 0;

    return b->seen + (more - more / (BUDGET_SHARE + 1));
}

void budget_left(const struct budget *b, uint64_t limit, struct node_link_budget *out)
{
    *out = (struct node_link_budget){ UINT32_MAX, UINT64_MAX, UINT64_MAX };
    if (limit > 0)
        *out = (struct node_link_budget){ BUDGET_SMALL_LEN, left_until(b, limit / 10 * BUDGET_SMALL_TENTH), left_until(b, limit) };
}

enum err budget_read(struct budget *b, const char *path)
{
    uint8_t file[FILE_LEN];
    enum err e = vault_file_read(path, file, sizeof file);

    if (e != ERR_NONE)
        return e;
    struct reader r = reader_of(bytes_of(file, sizeof file));
    uint8_t version = reader_u8(&r);
    uint64_t day = reader_u64(&r), used = reader_u64(&r);
    if (version != FILE_VERSION || !reader_is_done(&r))
        return ERR_CORRUPT;
    b->day = day;
    b->used = b->kept = used;
    return ERR_NONE;
}

enum err budget_write(struct budget *b, const char *path)
{
    uint8_t file[FILE_LEN];
    struct writer w = writer_of(file, sizeof file);

    writer_u8(&w, FILE_VERSION);
    writer_u64(&w, b->day);
    writer_u64(&w, b->used);
    enum err e = vault_file_replace(path, writer_bytes(&w));
    if (e == ERR_NONE)
        b->kept = b->used;
    return e;
}
