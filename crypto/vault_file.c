/* crypto/vault_file.c - how keyslot and key files reach the disk and leave it. */
#define _XOPEN_SOURCE 700
#include "crypto/vault_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_CAP         = 4096,
    DESTROY_LEN_MAX  = 1 << 16,   /* a path given by mistake costs no more than this */
    MODE_OWNER       = 0600,
};

static enum err err_of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

static bool path_beside(char to[PATH_CAP], const char *path)
{
    int n = snprintf(to, PATH_CAP, "%s.new", path);

    return n > 0 && n < PATH_CAP;
}

static enum err write_all(int fd, struct bytes content)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.at, content.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? ERR_IO : err_of_errno();
        content.at += n;
        content.len -= (size_t)n;
    }
    return ERR_NONE;
}

/* Closing can be the call that reports a lost write. */
static enum err sync_and_close(int fd, enum err e)
{
    if (e == ERR_NONE && fsync(fd) != 0)
        e = err_of_errno();
    if (close(fd) != 0 && e == ERR_NONE)
        e = err_of_errno();
    return e;
}

/* Without it a rename may not outlive a power cut. */
static enum err sync_folder_of(const char *path)
{
    char folder[PATH_CAP];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (len >= sizeof folder)
        return ERR_IO;
    if (slash == NULL)
        memcpy(folder, ".", 2);
    else if (len == 0)
        memcpy(folder, "/", 2);
    else {
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno();
    /* Some file systems have nothing to sync in a folder and say so. */
    enum err e = fsync(fd) != 0 && errno != EINVAL ? err_of_errno() : ERR_NONE;
    close(fd);
    return e;
}

static enum err fd_length(int fd, size_t *out)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_of_errno();
    if (!S_ISREG(st.st_mode))
        return ERR_CORRUPT;
    *out = st.st_size < DESTROY_LEN_MAX ? (size_t)st.st_size : DESTROY_LEN_MAX;
    return ERR_NONE;
}

/* Random bytes over all there is, from the start of an open file. */
static enum err fd_scramble(int fd)
{
    uint8_t block[4096];
    size_t len;
    enum err e = fd_length(fd, &len);

    if (e == ERR_NONE && lseek(fd, 0, SEEK_SET) != 0)
        e = err_of_errno();
    for (size_t at = 0; e == ERR_NONE && at < len; at += sizeof block) {
        randombytes_buf(block, sizeof block);
        e = write_all(fd, bytes_of(block, len - at < sizeof block ? len - at : sizeof block));
    }
    return e;
}

enum err vault_file_read(const char *path, uint8_t *to, size_t len)
{
    /* A pipe put in the file's place must not hold us up. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    size_t got = 0, length;
    uint8_t past;

    if (fd < 0)
        return err_of_errno();
    enum err e = fd_length(fd, &length);
    while (e == ERR_NONE && got < len) {
        ssize_t n = read(fd, to + got, len - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            e = n == 0 ? ERR_CORRUPT : ERR_IO;
        else
            got += (size_t)n;
    }
    if (e == ERR_NONE && read(fd, &past, 1) != 0)
        e = ERR_CORRUPT;
    close(fd);
    if (e != ERR_NONE)
        sodium_memzero(to, len);
    return e;
}

bool vault_file_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* Best effort, on a file that has no name any more: a file system may have put the bytes elsewhere already. */
static void forget_replaced(int fd)
{
    enum err e = fd_scramble(fd);

    sync_and_close(fd, e);
}

enum err vault_file_replace(const char *path, struct bytes content)
{
    char beside[PATH_CAP];

    if (!path_beside(beside, path))
        return ERR_TOO_LARGE;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, MODE_OWNER);
    if (fd < 0)
        return err_of_errno();
    enum err e = sync_and_close(fd, write_all(fd, content));
    if (e != ERR_NONE) {
        unlink(beside);
        return e;
    }
    int old = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (rename(beside, path) != 0) {
        e = err_of_errno();
        unlink(beside);
    }
    if (e == ERR_NONE)
        e = sync_folder_of(path);
    if (old >= 0 && e == ERR_NONE)
        forget_replaced(old);
    else if (old >= 0)
        close(old);
    return e;
}

enum err vault_file_overwrite(const char *path, size_t offset, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return err_of_errno();
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        close(fd);
        return ERR_IO;
    }
    return sync_and_close(fd, write_all(fd, content));
}

static enum err destroy_one(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    enum err e = ERR_NONE;

    /* A key file is often kept read-only. */
    if (fd < 0 && errno == EACCES && chmod(path, MODE_OWNER) == 0)
        fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ERR_NONE;
    if (fd < 0)
        e = err_of_errno();
    else
        e = sync_and_close(fd, fd_scramble(fd));
    if (unlink(path) != 0 && e == ERR_NONE)
        e = err_of_errno();
    return e;
}

enum err vault_file_tidy(const char *path)
{
    char beside[PATH_CAP];

    return path_beside(beside, path) ? destroy_one(beside) : ERR_NONE;
}

enum err vault_file_destroy(const char *path)
{
    enum err first = destroy_one(path), e = vault_file_tidy(path);

    if (first == ERR_NONE)
        first = e;
    e = sync_folder_of(path);
    if (first == ERR_NONE && e != ERR_NOT_FOUND)
        first = e;
    return first;
}
