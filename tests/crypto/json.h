/* tests/crypto/json.h - vectors in JSON: loading a file, and its hex members as bytes. */
#ifndef STA_TESTS_JSON_H
#define STA_TESTS_JSON_H

#include <jansson.h>

#include "mesh/base/bytes.h"

/* A file under tests/vectors/, or the end of the program. The caller drops the reference. */
json_t *vectors_load(const char *name);

/* The hex text of a member in `to`; false when there is no such member. */
bool vectors_hex(struct buffer *to, const json_t *object, const char *member);

/* A member's text, or "". */
const char *vectors_text(const json_t *object, const char *member);

#endif
