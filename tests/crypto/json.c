/* tests/crypto/json.c - vectors in JSON. */
#include "tests/crypto/json.h"

#include <stdio.h>

#include "tests/support/check.h"

json_t *vectors_load(const char *name)
{
    char path[512];
    json_error_t error;

    snprintf(path, sizeof path, "%s/vectors/%s", TEST_DATA, name);
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL)
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
    REQUIRE(root != NULL);
    return root;
}

bool vectors_hex(struct buffer *to, const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    to->len = 0;
    if (!json_is_string(value))
        return false;
    check_hex(to, json_string_value(value));
    return true;
}

const char *vectors_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text != NULL ? text : "";
}
