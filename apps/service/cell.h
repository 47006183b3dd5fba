/* apps/service/cell.h - a program of somebody else's, started with little to hold and little to break.
 *
 * It gets what it is given as standard input and nothing else: no descriptor of ours, no new privileges, its own process group,
 * limits of memory, processor time, descriptors and file sizes, no core file. Where the kernel has Landlock (5.13 and later) it reads the
 * system's programs and libraries and the folders named here, and writes into one folder. Reaching sockets is not restricted.
 */
#ifndef STA_SERVICE_CELL_H
#define STA_SERVICE_CELL_H

#include <stdint.h>
#include <sys/types.h>

#include "mesh/base/err.h"

enum { CELL_READABLE_MAX = 4 };

struct cell {
    const char *program;
    char *const *argv, *const *envp;
    int in;                      /* becomes standard input; stays the caller's. Output goes nowhere */
    const char *folder;          /* where it works and may write; the only such place */
    const char *readable[CELL_READABLE_MAX];   /* folders beside the system's; NULL ends them */
    uint64_t memory_bytes, file_bytes;
    unsigned cpu_s, descriptors;
};

/* Starts it; the caller waits for *pid and ends the group -*pid. ERR_NOT_FOUND: no such program; ERR_REFUSED: it may not be
 * run; ERR_NO_MEMORY; ERR_IO. */
enum err cell_start(pid_t *pid, const struct cell *c);

#endif
