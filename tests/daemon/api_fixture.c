/* tests/daemon/api_fixture.c - a node with a person in a folder of its own. */
#include "tests/daemon/api_fixture.h"

#include <stdlib.h>

#include "apps/service/clock.h"
#include "apps/daemon/person.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "tests/support/check.h"

struct api_fixture *api_fixture_new(const char *folder)
{
    struct api_fixture *f = calloc(1, sizeof *f);

    REQUIRE(f != NULL && crypto_start() == ERR_NONE);
    REQUIRE(profile_paths_init(&f->paths, folder != NULL ? folder : "/nonexistent/staffetta") == ERR_NONE);
    config_init(&f->config);
    f->config.receipt_delay_s = 0;
    f->log = log_new(LOG_LEVEL_ERROR);
    f->parts = (struct parts){ .paths = &f->paths, .config = &f->config, .log = &f->log, .rng = rng_system() };
    if (folder != NULL)
        REQUIRE(profile_make_folder(&f->paths) == ERR_NONE && db_open_lmdb(&f->parts.db, f->paths.database, NULL) == ERR_NONE);
    else
        REQUIRE(db_open_mem(&f->parts.db) == ERR_NONE);
    REQUIRE(store_open(&f->parts.store, f->parts.db, NULL) == ERR_NONE);
    struct node_config node = { .store = f->parts.store, .db = f->parts.db, .rng = f->parts.rng, .now_ms = clock_now_ms(),
                                .wall_unix_s = clock_wall_or_none() };
    REQUIRE(node_new(&f->parts.node, &node) == ERR_NONE);
    REQUIRE(person_start(&f->parts) == ERR_NONE);
    return f;
}

void api_fixture_free(struct api_fixture *f)
{
    person_stop(&f->parts, true);
    node_free(f->parts.node);
    store_close(f->parts.store);
    db_close(f->parts.db);
    free(f);
}

json_t *api_fixture_call(struct api_fixture *f, enum api_method method, const char *target, const char *body, int *status)
{
    struct api_request q = { .method = method, .target = target, .body = body != NULL ? bytes_of_text(body) : bytes_of(NULL, 0) };
    struct api_reply reply;
    struct messenger_event event;

    api_handle(&f->parts, &q, &reply);
    parts_drain(&f->parts);
    REQUIRE(node_commit(f->parts.node) == ERR_NONE);
    while (f->parts.messenger != NULL && messenger_next_event(f->parts.messenger, &event)) {
        const char *name;
        json_t *about = api_event(&f->parts, &event, &name);

        CHECK(about != NULL);
        json_decref(about);
    }
    *status = reply.status;
    return reply.body;
}
