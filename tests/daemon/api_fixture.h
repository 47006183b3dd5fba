/* tests/daemon/api_fixture.h - a node with a person in a folder of its own, without loop or network, for the API as a function. */
#ifndef STA_TESTS_API_FIXTURE_H
#define STA_TESTS_API_FIXTURE_H

#include "apps/daemon/api.h"

struct api_fixture {
    struct parts parts;
    struct profile_paths paths;
    struct config config;
    struct log log;
};

/* Opens database, store and node in `folder`, and no identity. In memory when `folder` is NULL. Ends the program on failure. */
struct api_fixture *api_fixture_new(const char *folder);
void api_fixture_free(struct api_fixture *f);

/* Calls the API, runs the turn that a host would, and gives the body (the caller's). */
json_t *api_fixture_call(struct api_fixture *f, enum api_method method, const char *target, const char *body, int *status);

#endif
