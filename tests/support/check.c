/* tests/support/check.c - the few lines a test needs. */
#define _XOPEN_SOURCE 700
#include "tests/support/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long checks_run, checks_failed;
static char folder[256];

enum { FAILURES_PRINTED_MAX = 20 };

static void print_failure(const char *text, const char *file, int line, const char *label)
{
    if (checks_failed == FAILURES_PRINTED_MAX + 1)
        fprintf(stderr, "more failures are only counted\n");
    if (checks_failed > FAILURES_PRINTED_MAX)
        return;
    fprintf(stderr, "%s:%d: failed: %s%s%s%s\n", file, line, text, *label ? " [" : "", label, *label ? "]" : "");
}

bool check_that(bool claim, const char *text, const char *file, int line, const char *label)
{
    checks_run++;
    if (claim)
        return true;
    checks_failed++;
    print_failure(text, file, line, label);
    return false;
}

void require_that(bool claim, const char *text, const char *file, int line)
{
    if (check_that(claim, text, file, line, ""))
        return;
    fprintf(stderr, "cannot go on\n");
    exit(1);
}

bool check_err(enum err got, enum err want, const char *text, const char *file, int line, const char *label)
{
    if (check_that(got == want, text, file, line, label))
        return true;
    fprintf(stderr, "    got \"%s\", want \"%s\"\n", err_text(got), err_text(want));
    return false;
}

static void print_hex(const char *word, struct bytes b)
{
    fprintf(stderr, "    %s (%zu) ", word, b.len);
    for (size_t i = 0; i < b.len && i < 64; i++)
        fprintf(stderr, "%02x", b.at[i]);
    fprintf(stderr, "%s\n", b.len > 64 ? "..." : "");
}

bool check_bytes(struct bytes got, struct bytes want, const char *text, const char *file, int line, const char *label)
{
    if (check_that(bytes_are_equal(got, want), text, file, line, label))
        return true;
    print_hex("got ", got);
    print_hex("want", want);
    return false;
}

int check_report(const char *name)
{
    printf("%s: %lu checks, %lu failed\n", name, checks_run, checks_failed);
    if (checks_run == 0)
        fprintf(stderr, "%s: nothing was checked\n", name);
    return checks_failed == 0 && checks_run > 0 ? 0 : 1;
}

struct bytes check_hex(struct buffer *to, const char *hex)
{
    to->len = 0;
    for (; hex[0] != '\0'; hex += 2) {
        unsigned v = 0;
        char two[3] = { hex[0], hex[1], '\0' };

        require_that(hex[1] != '\0' && sscanf(two, "%2x", &v) == 1, "hex digits", __FILE__, __LINE__);
        uint8_t octet = (uint8_t)v;
        require_that(buffer_append(to, bytes_of(&octet, 1)) == ERR_NONE, "memory", __FILE__, __LINE__);
    }
    return buffer_bytes(to);
}

struct bytes check_file(struct buffer *to, const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t block[4096];
    size_t n;

    if (f == NULL)
        perror(path);
    require_that(f != NULL, "the file opens", __FILE__, __LINE__);
    to->len = 0;
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        require_that(buffer_append(to, bytes_of(block, n)) == ERR_NONE, "memory", __FILE__, __LINE__);
    fclose(f);
    return buffer_bytes(to);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *check_folder(void)
{
    const char *tmp = getenv("TMPDIR");

    if (folder[0] != '\0')
        return folder;
    snprintf(folder, sizeof folder, "%s/staffetta-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    require_that(mkdtemp(folder) != NULL, "a folder for the test", __FILE__, __LINE__);
    atexit(remove_folder);
    return folder;
}
