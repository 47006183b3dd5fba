/* tests/fuzz/replay.c - runs a fuzz target over files and folders, without libFuzzer. */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long files_run;

static int run_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return 1;
    fseek(f, 0, SEEK_END);
    long len = ftell(f);
    rewind(f);
    /* Exactly as long as the input, so that a read past the end is caught. */
    uint8_t *at = malloc(len > 0 ? (size_t)len : 1);
    size_t got = at != NULL ? fread(at, 1, (size_t)len, f) : 0;
    fclose(f);
    LLVMFuzzerTestOneInput(at, got);
    free(at);
    files_run++;
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (nftw(argv[i], run_file, 16, FTW_PHYS) != 0) {
            perror(argv[i]);
            return 1;
        }
    }
    printf("%lu inputs\n", files_run);
    return files_run > 0 ? 0 : 1;
}
