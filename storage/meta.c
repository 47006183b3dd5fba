/* storage/meta.c - numbers kept in DB_META. */
#include "storage/meta.h"

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum err meta_put(struct db *db, const char *key, uint64_t value)
{
    uint8_t record[8];
    struct writer w = writer_of(record, sizeof record);

    writer_u64(&w, value);
    return db_put(db, DB_META, bytes_of_text(key), writer_bytes(&w));
}

enum err meta_get(struct db *db, const char *key, uint64_t *value)
{
    struct bytes record;
    enum err e = db_get(db, DB_META, bytes_of_text(key), &record);

    if (e == ERR_NOT_FOUND) {
        *value = 0;
        return ERR_NONE;
    }
    if (e != ERR_NONE)
        return e;
    struct reader r = reader_of(record);
    uint64_t v = reader_u64(&r);
    if (!reader_is_done(&r))
        return ERR_CORRUPT;
    *value = v;
    return ERR_NONE;
}
