/* tests/fuzz/fuzz_api.c - requests to the local API of a node with a person and a friend: method, target, body.
 *
 * First byte: the method. Then the target up to a line end; the rest is the body. Paths of files and what ends the
 * person are kept from it: the fuzzer shall not write where it pleases. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/daemon/api_fixture.h"
#include "tests/support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static struct api_fixture *node;

static void prepare(void)
{
    char folder[400], body[700];
    int status;

    snprintf(folder, sizeof folder, "%s/ben", check_folder());
    struct api_fixture *ben = api_fixture_new(folder);
    json_decref(api_fixture_call(ben, API_POST, "/v1/init", "{\"name\":\"Ben\"}", &status));
    json_t *card = api_fixture_call(ben, API_GET, "/v1/card", NULL, &status);
    snprintf(folder, sizeof folder, "%s/ana", check_folder());
    node = api_fixture_new(folder);
    json_decref(api_fixture_call(node, API_POST, "/v1/init", "{\"name\":\"Ana\"}", &status));
    snprintf(body, sizeof body, "{\"link\":\"%s\",\"as\":\"ben\"}", json_string_value(json_object_get(card, "link")));
    json_decref(api_fixture_call(node, API_POST, "/v1/friends", body, &status));
    assert(status == 201);
    json_decref(card);
    api_fixture_free(ben);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const char *const kept[] = { "export", "import", "panic", "passphrase", "unlock", "init" };
    const uint8_t *line = len > 1 ? memchr(at + 1, '\n', len - 1) : NULL;
    size_t target_len = line != NULL ? (size_t)(line - at - 1) : len > 0 ? len - 1 : 0;
    char *target = malloc(target_len + 1);
    int status;

    if (node == NULL)
        prepare();
    if (target == NULL)
        return 0;
    if (target_len > 0)
        memcpy(target, at + 1, target_len);
    target[target_len] = '\0';
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strstr(target, kept[i]) != NULL)
            target[0] = '\0';
    size_t rest = line != NULL ? len - target_len - 2 : 0;
    char *body = malloc(rest + 1);
    if (body != NULL) {
        if (rest > 0)
            memcpy(body, line + 1, rest);
        body[rest] = '\0';
        json_t *o = api_fixture_call(node, (enum api_method)(len > 0 ? at[0] % 3 : 0), target, body, &status);
        assert(json_is_object(o) && status >= 200 && status < 600);
        json_decref(o);
    }
    free(body);
    free(target);
    return 0;
}
