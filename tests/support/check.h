/* tests/support/check.h - the few lines a test needs.
 *
 * CHECK goes on after a failure and counts it; REQUIRE ends the program, for what
 * the rest cannot do without. main ends with `return check_report("name");`, which prints
 * how many checks ran and gives the exit status.
 */
#ifndef STA_TESTS_CHECK_H
#define STA_TESTS_CHECK_H

#include "mesh/base/bytes.h"

#define CHECK(claim) check_that((claim), #claim, __FILE__, __LINE__, "")
#define REQUIRE(claim) require_that((claim), #claim, __FILE__, __LINE__)
/* The label (a table row's name, a seed) is printed with a failure. */
#define CHECK_CASE(label, claim) check_that((claim), #claim, __FILE__, __LINE__, (label))
#define CHECK_ERR(label, got, want) check_err((got), (want), #got, __FILE__, __LINE__, (label))
#define CHECK_BYTES(label, got, want) check_bytes((got), (want), #got, __FILE__, __LINE__, (label))

bool check_that(bool claim, const char *text, const char *file, int line, const char *label);
void require_that(bool claim, const char *text, const char *file, int line);
bool check_err(enum err got, enum err want, const char *text, const char *file, int line, const char *label);
bool check_bytes(struct bytes got, struct bytes want, const char *text, const char *file, int line, const char *label);
int  check_report(const char *name);

/* Bytes of a hex string in static memory of the buffer given. Ends the program on bad hex. */
struct bytes check_hex(struct buffer *to, const char *hex);

/* A whole file, or the end of the program. */
struct bytes check_file(struct buffer *to, const char *path);

/* A fresh folder under $TMPDIR (or /tmp), removed with its content at exit. */
const char *check_folder(void);

#endif
