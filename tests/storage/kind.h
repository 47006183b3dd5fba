/* tests/storage/kind.h - one test source over both kinds of database. */
#ifndef STA_TESTS_KIND_H
#define STA_TESTS_KIND_H

#include "storage/db.h"

/* The program's argument is "lmdb" or "memory". */
void kind_choose(int argc, char **argv);
bool kind_is_lmdb(void);

/* A new, empty database. The memory kind has no second life, so kind_reopen only rolls it back. */
struct db *kind_open(const struct db_options *options);
struct db *kind_reopen(struct db *db, const struct db_options *options);
void       kind_close(struct db *db);

/* The folder of the database opened last. */
const char *kind_folder(void);

/* Fails the operation number `at`, with `why`, once. Counts all. */
struct fault_once { unsigned at; enum err why; unsigned met; bool has_fired; };
enum err fault_once(void *ctx, unsigned op);

#endif
