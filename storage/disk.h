/* storage/disk.h - the folder and the disk under a database file. Inside storage/ only. */
#ifndef STA_STORAGE_DISK_H
#define STA_STORAGE_DISK_H

#include "mesh/base/bytes.h"

/* What errno means to us. */
enum err err_of_errno(int code);

/* `folder`/`name` on the heap, NULL when memory is short. */
char *path_join(const char *folder, const char *name);

/* Makes the folder with mode 0700 unless it is there. */
enum err folder_make(const char *path);

/* Makes this process the only one to have the folder, until *fd is closed. ERR_LOCKED: another has it. */
enum err folder_lock(int *fd, const char *folder);

/* A new name in a folder is durable only when the folder is, and a new folder when its parent is. */
enum err folder_sync(const char *path);
enum err folder_sync_parent(const char *path);

/* How far a file of `used_bytes` may still grow, as far as the system tells. */
struct disk_room {
    uint64_t left;      /* on the disk, and within the limit on the size of files */
    uint64_t aside;     /* given to the file already, behind its end */
};
void disk_look(struct disk_room *room, const char *path, uint64_t used_bytes);

/* Gives the file `more` bytes behind its end. A file system that cannot do it does not. */
void disk_set_aside(int fd, uint64_t used_bytes, uint64_t more);

#endif
