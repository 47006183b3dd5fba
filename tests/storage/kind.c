/* tests/storage/kind.c - one test source over both kinds of database. */
#include "tests/storage/kind.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

static bool is_lmdb;
static unsigned opened;
static char folder[512];

void kind_choose(int argc, char **argv)
{
    require_that(argc == 2 && (strcmp(argv[1], "lmdb") == 0 || strcmp(argv[1], "memory") == 0),
                 "the argument is lmdb or memory", __FILE__, __LINE__);
    is_lmdb = strcmp(argv[1], "lmdb") == 0;
}

bool kind_is_lmdb(void)
{
    return is_lmdb;
}

const char *kind_folder(void)
{
    return folder;
}

static struct db *open_again(const struct db_options *options)
{
    struct db *db = NULL;

    REQUIRE(db_open_lmdb(&db, folder, options) == ERR_NONE);
    return db;
}

struct db *kind_open(const struct db_options *options)
{
    struct db *db = NULL;

    if (!is_lmdb) {
        REQUIRE(db_open_mem(&db) == ERR_NONE);
        return db;
    }
    snprintf(folder, sizeof folder, "%s/db%u", check_folder(), opened++);
    return open_again(options);
}

struct db *kind_reopen(struct db *db, const struct db_options *options)
{
    db_set_fault(db, NULL, NULL);
    if (!is_lmdb) {
        db_rollback(db);
        return db;
    }
    db_close(db);
    return open_again(options);
}

void kind_close(struct db *db)
{
    db_close(db);
}

enum err fault_once(void *ctx, unsigned op)
{
    struct fault_once *f = ctx;

    f->met = op + 1;
    if (op != f->at || f->has_fired)
        return ERR_NONE;
    f->has_fired = true;
    return f->why;
}
