/* mesh/links/spool.c - see spool.h: whole files at once, for the command line. The steps are spool_io.c's. */
#define _GNU_SOURCE
#include "mesh/links/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mesh/links/spool_io.h"

enum { PATH_LEN_MAX = 4096, PART_BYTES = 4 << 20 };

/* Opens the folder of a path and lends its last name. */
static int folder_open(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_LEN_MAX];
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    if (len >= sizeof folder)
        return -1;
    *name = slash == NULL ? path : slash + 1;
    if (slash == NULL)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memcpy(folder, path, len);
    folder[len] = '\0';
    return open(len == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum err spool_export(struct node *n, struct store *s, const char *path, uint64_t max_bytes, struct spool_result *out)
{
    const char *name;
    int folder_fd = folder_open(path, &name);
    struct spool_writer *w = NULL;
    bool is_done = false;
    enum err e;

    (void)n; /* the store has all there is to write */
    if (folder_fd < 0)
        return ERR_IO;
    e = *name == '\0' ? ERR_IO : spool_writer_new(&w, s, folder_fd, name, max_bytes);
    close(folder_fd);
    while (e == ERR_NONE && !is_done)
        e = spool_writer_step(w, &is_done);
    if (e == ERR_NONE)
        spool_writer_result(w, out);
    spool_writer_free(w);
    return e;
}

enum err spool_import(struct node *n, const char *path, void (*drain)(void *ctx), void *ctx, uint64_t now_ms,
                      struct spool_result *out)
{
    struct spool_reader *r = NULL;
    struct spool_result result = { 0 };
    struct stat st;
    uint64_t committed = 0;
    bool is_done = false;
    enum err e;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ERR_IO;
    }
    e = spool_reader_new(&r, fd);
    while (e == ERR_NONE && !is_done) {
        if ((e = spool_reader_step(r, n, now_ms, &is_done)) != ERR_NONE)
            break;
        spool_reader_result(r, &result);
        /* The app's share of a bundle belongs to the commit of the bundle, so it is asked first. */
        if (drain != NULL)
            drain(ctx);
        if (!is_done && result.bytes - committed >= PART_BYTES) {
            committed = result.bytes;
            e = node_commit(n);
        }
    }
    if (e == ERR_NONE)
        *out = result;
    spool_reader_free(r);
    return e;
}
