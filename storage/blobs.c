/* storage/blobs.c - large things of a person, as files in a folder. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "storage/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/disk.h"

enum {
    NAME_LEN      = 16,
    RESERVE_BYTES = 32 << 20,   /* twice the database's: messages go on when there is no room for media */
    ROOM_EVERY    = 4 << 20,    /* bytes written between two looks at the disk */
};

struct blobs {
    char *folder;
    int fd;                     /* of `name`, the blob last used; -1 */
    uint64_t name;
    bool is_new;                /* its name is not durable yet */
    uint64_t unseen_bytes;      /* written since the last look at the disk */
    blobs_fault *fault;
    void *fault_ctx;
    unsigned ops;
};

enum err blobs_open(struct blobs **out, const char *folder)
{
    struct blobs *b = calloc(1, sizeof *b);
    enum err e;

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->fd = -1;
    b->unseen_bytes = ROOM_EVERY;
    b->folder = strdup(folder);
    if (b->folder == NULL)
        e = ERR_NO_MEMORY;
    else if ((e = folder_make(folder)) == ERR_NONE)
        e = folder_sync_parent(folder);
    if (e != ERR_NONE) {
        blobs_close(b);
        return e;
    }
    *out = b;
    return ERR_NONE;
}

static void forget_file(struct blobs *b)
{
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
    b->is_new = false;
}

void blobs_close(struct blobs *b)
{
    if (b == NULL)
        return;
    forget_file(b);
    free(b->folder);
    free(b);
}

static enum err faulted(struct blobs *b)
{
    return b->fault != NULL ? b->fault(b->fault_ctx, b->ops++) : ERR_NONE;
}

void blobs_set_fault(struct blobs *b, blobs_fault *fault, void *ctx)
{
    b->fault = fault;
    b->fault_ctx = ctx;
    b->ops = 0;
}

static char *path_of(const struct blobs *b, uint64_t name)
{
    char text[NAME_LEN + 1];

    snprintf(text, sizeof text, "%016llx", (unsigned long long)name);
    return path_join(b->folder, text);
}

/* The file of a blob, open until another is asked for. */
static enum err use(struct blobs *b, uint64_t name, bool may_make)
{
    if (b->fd >= 0 && b->name == name)
        return ERR_NONE;
    /* A name that is not durable yet must not be lost from sight: its sync covers the folder. */
    if (b->fd >= 0 && b->is_new && folder_sync(b->folder) != ERR_NONE)
        return ERR_IO;
    forget_file(b);
    char *path = path_of(b, name);
    if (path == NULL)
        return ERR_NO_MEMORY;
    bool is_new = may_make && access(path, F_OK) != 0;
    b->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (may_make ? O_CREAT : 0), 0600);
    int code = errno;
    free(path);
    if (b->fd < 0)
        return code == ENOENT ? ERR_NOT_FOUND : err_of_errno(code);
    b->name = name;
    b->is_new = is_new;
    return ERR_NONE;
}

static enum err look_for_room(struct blobs *b, size_t more)
{
    struct statvfs v;

    b->unseen_bytes += more;
    if (b->unseen_bytes < ROOM_EVERY)
        return ERR_NONE;
    if (statvfs(b->folder, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < RESERVE_BYTES + (uint64_t)more)
        return ERR_FULL;
    b->unseen_bytes = 0;
    return ERR_NONE;
}

enum err blobs_write(struct blobs *b, uint64_t name, uint64_t offset, struct bytes data)
{
    enum err e;

    if ((e = faulted(b)) != ERR_NONE || (e = look_for_room(b, data.len)) != ERR_NONE || (e = use(b, name, true)) != ERR_NONE)
        return e;
    while (data.len > 0) {
        ssize_t n = pwrite(b->fd, data.at, data.len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? err_of_errno(errno) : ERR_IO;
        data = bytes_of(data.at + n, data.len - (size_t)n);
        offset += (uint64_t)n;
    }
    return ERR_NONE;
}

enum err blobs_read(struct blobs *b, uint64_t name, uint64_t offset, void *to, size_t len)
{
    uint8_t *at = to;
    enum err e = use(b, name, false);

    if (e != ERR_NONE)
        return e;
    while (len > 0) {
        ssize_t n = pread(b->fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? ERR_IO : ERR_CORRUPT;
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return ERR_NONE;
}

enum err blobs_sync(struct blobs *b, uint64_t name)
{
    enum err e;

    if ((e = faulted(b)) != ERR_NONE || (e = use(b, name, false)) != ERR_NONE)
        return e;
    if (fdatasync(b->fd) != 0)
        return err_of_errno(errno);
    if (b->is_new && (e = folder_sync(b->folder)) != ERR_NONE)
        return e;
    b->is_new = false;
    return ERR_NONE;
}

enum err blobs_remove(struct blobs *b, uint64_t name)
{
    enum err e = faulted(b);

    if (e != ERR_NONE)
        return e;
    if (b->fd >= 0 && b->name == name)
        forget_file(b);
    char *path = path_of(b, name);
    if (path == NULL)
        return ERR_NO_MEMORY;
    if (unlink(path) != 0)
        e = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    free(path);
    return e;
}

static bool name_of_file(const char *text, uint64_t *name)
{
    if (strlen(text) != NAME_LEN || strspn(text, "0123456789abcdef") != NAME_LEN)
        return false;
    *name = strtoull(text, NULL, 16);
    return true;
}

enum err blobs_keep(struct blobs *b, blobs_keep_if *keep, void *ctx)
{
    DIR *d = opendir(b->folder);
    enum err e = ERR_NONE;
    struct dirent *entry;
    uint64_t name;

    if (d == NULL)
        return ERR_IO;
    while (e == ERR_NONE && (entry = readdir(d)) != NULL) {
        if (name_of_file(entry->d_name, &name) && !keep(ctx, name))
            e = blobs_remove(b, name);
    }
    closedir(d);
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

enum err blobs_usage(struct blobs *b, uint64_t *bytes, uint64_t *count)
{
    DIR *d = opendir(b->folder);
    uint64_t sum = 0, files = 0, name;
    struct dirent *entry;
    struct stat st;

    if (d == NULL)
        return ERR_IO;
    while ((entry = readdir(d)) != NULL) {
        if (name_of_file(entry->d_name, &name) && fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            sum += (uint64_t)st.st_blocks * 512;
            files++;
        }
    }
    closedir(d);
    *bytes = sum;
    *count = files;
    return ERR_NONE;
}
