/* storage/disk.c - the folder and the disk under a database file. */
#define _GNU_SOURCE /* fallocate */
#define _FILE_OFFSET_BITS 64
#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum err err_of_errno(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_FULL;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

char *path_join(const char *folder, const char *name)
{
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path = malloc(len);

    if (path != NULL)
        snprintf(path, len, "%s/%s", folder, name);
    return path;
}

enum err folder_make(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_NONE : err_of_errno(errno);
}

enum err folder_lock(int *fd, const char *folder)
{
    char *path = path_join(folder, "lock");
    enum err e = ERR_NONE;

    if (path == NULL)
        return ERR_NO_MEMORY;
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        e = err_of_errno(errno);
    else if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        e = errno == EWOULDBLOCK ? ERR_LOCKED : err_of_errno(errno);
    free(path);
    if (e == ERR_NONE)
        *fd = lock;
    else if (lock >= 0)
        close(lock);
    return e;
}

enum err folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_of_errno(errno);
    /* Some file systems of sticks cannot sync a folder, and say so with EINVAL. */
    enum err e = fsync(fd) == 0 || errno == EINVAL ? ERR_NONE : err_of_errno(errno);
    close(fd);
    return e;
}

enum err folder_sync_parent(const char *path)
{
    char *copy = strdup(path);

    if (copy == NULL)
        return ERR_NO_MEMORY;
    enum err e = folder_sync(dirname(copy));
    free(copy);
    return e;
}

void disk_look(struct disk_room *room, const char *path, uint64_t used_bytes)
{
    struct statvfs fs;
    struct stat file;
    struct rlimit limit;

    room->left = UINT64_MAX / 2;
    room->aside = 0;
    if (statvfs(path, &fs) == 0)
        room->left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (stat(path, &file) == 0 && (uint64_t)file.st_blocks * 512 > used_bytes)
        room->aside = (uint64_t)file.st_blocks * 512 - used_bytes;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    uint64_t most = limit.rlim_cur > used_bytes ? limit.rlim_cur - used_bytes : 0;
    if (room->aside > most)
        room->aside = most;
    if (room->left > most - room->aside)
        room->left = most - room->aside;
}

void disk_set_aside(int fd, uint64_t used_bytes, uint64_t more)
{
    (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)used_bytes, (off_t)more);
}
