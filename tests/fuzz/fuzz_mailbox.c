/* tests/fuzz/fuzz_mailbox.c - what a user asks a gateway for; every answer is compared with the plain reading of it. */
#include <stdlib.h>

#include "mesh/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_wanted(struct bytes prefixes, uint32_t bucket)
{
    struct reader r = reader_of(prefixes);
    uint32_t prefix;
    uint8_t bits;

    while (record_prefix_next(&r, &prefix, &bits))
        if (bits == 0 || (bucket ^ prefix) >> (24 - bits) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader frame = reader_of(bytes_of(data, len));
    uint8_t cursor[CURSOR_LEN];
    struct record rec;
    struct mailbox *m;

    while (reader_left(&frame) > 0 && record_next(&frame, &rec) == ERR_NONE) {
        if (rec.type != RECORD_FETCH)
            continue;
        struct bytes prefixes = rec.u.fetch.prefixes;
        if (mailbox_new(&m, prefixes, rec.u.fetch.cursor, 7, 1000) != ERR_NONE)
            continue;
        if (mailbox_position(m) > 1000)
            abort();
        for (uint32_t i = 0; i < 64; i++) {
            /* Near what was asked for, and anywhere. */
            uint32_t bucket = (i * 2654435761u) >> 8;
            if (i < 32 && prefixes.len >= FETCH_ENTRY_LEN) {
                const uint8_t *p = prefixes.at + i % (prefixes.len / FETCH_ENTRY_LEN) * FETCH_ENTRY_LEN;
                bucket = ((uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) ^ (i & 1 ? bucket >> p[0] : 1u << i % 24);
            }
            bucket &= 0xffffff;
            if (mailbox_wants(m, bucket) != is_wanted(prefixes, bucket))
                abort();
        }
        mailbox_advance(m, 900);
        if (mailbox_cursor(m, 0, 5, cursor))
            mailbox_told(m, 0, 5);
        if (mailbox_cursor(m, 1, CURSOR_EVERY_MS + 5, cursor))
            abort();
        mailbox_free(m);
    }
    return 0;
}
