/* tests/fuzz/fuzz_facts.c - the facts record, and a store that finds it on disk. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/body.h"
#include "storage/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t body[BUNDLE_LEN_MAX];
    struct store_entry e, again;
    uint8_t record[FACTS_LEN], fixed[FACTS_LEN];
    struct bytes in = bytes_of(data, size);
    struct db *db = NULL;
    struct store *s = NULL;
    struct store_usage u;

    enum err got = facts_decode(&e, in);
    if (got == ERR_NONE) {
        /* One record, one entry: what decodes is what encodes. */
        facts_encode(&e, record);
        assert(bytes_are_equal(in, bytes_of(record, sizeof record)));
    }
    /* The same with a checksum that fits, since no fuzzer finds one. */
    if (size == FACTS_LEN && facts_fix_checksum(fixed, in) && facts_decode(&again, bytes_of(fixed, sizeof fixed)) == ERR_NONE) {
        facts_encode(&again, record);
        assert(memcmp(record, fixed, sizeof record) == 0);
        in = bytes_of(fixed, sizeof fixed);
        e = again;
        got = ERR_NONE;
    }
    if (db_open_mem(&db) != ERR_NONE)
        return 0;
    if (db_put_seq(db, DB_BUNDLE_FACTS, 7, in) == ERR_NONE && body_put(db, 7, bytes_of(body, got == ERR_NONE ? e.len : 1)) == ERR_NONE &&
        store_open(&s, db, NULL) == ERR_NONE) {
        store_usage(s, &u);
        /* Either the record is damaged, or the number that should say how far arrivals have come. */
        assert(u.count == (got == ERR_NONE) && u.damaged_count == 1);
        if (u.count == 1) {
            struct bytes read;

            assert(store_read(s, store_find_seq(s, 7), &read) == ERR_CORRUPT); /* no header of any bundle */
            store_clock_advance(s, UINT32_MAX);
            store_expire(s, 1);
        }
        store_close(s);
    }
    db_close(db);
    return 0;
}
