/* apps/gateway/listener.c - see listener.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/listener.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned long listener_socket(unsigned port)
{
    static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
    enum { LISTENING = 0x0a };

    for (size_t i = 0; i < 2; i++) {
        FILE *table = fopen(tables[i], "re");
        char line[512];

        while (table != NULL && fgets(line, sizeof line, table) != NULL) {
            unsigned local, state;
            unsigned long inode;

            if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &local, &state, &inode) == 3 &&
                state == LISTENING && local == port) {
                fclose(table);
                return inode;
            }
        }
        if (table != NULL)
            fclose(table);
    }
    return 0;
}

static bool has_socket(const char *pid, unsigned long inode)
{
    char folder[300], want[64];
    bool is_found = false;

    snprintf(folder, sizeof folder, "/proc/%s/fd", pid);
    snprintf(want, sizeof want, "socket:[%lu]", inode);
    DIR *d = opendir(folder);
    for (struct dirent *e; d != NULL && !is_found && (e = readdir(d)) != NULL;) {
        char path[600], target[64];

        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        is_found = strcmp(target, want) == 0;
    }
    if (d != NULL)
        closedir(d);
    return is_found;
}

long listener_owner(unsigned long inode, char program[LISTENER_NAME_MAX])
{
    DIR *d = opendir("/proc");
    long pid = 0;

    snprintf(program, LISTENER_NAME_MAX, "a program of another user");
    for (struct dirent *e; d != NULL && pid == 0 && (e = readdir(d)) != NULL;) {
        char path[300], name[LISTENER_NAME_MAX];

        if (e->d_name[0] < '0' || e->d_name[0] > '9' || !has_socket(e->d_name, inode))
            continue;
        pid = strtol(e->d_name, NULL, 10);
        snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
        FILE *comm = fopen(path, "re");
        if (comm != NULL && fgets(name, sizeof name, comm) != NULL) {
            name[strcspn(name, "\n")] = '\0';
            snprintf(program, LISTENER_NAME_MAX, "%s", name);
        }
        if (comm != NULL)
            fclose(comm);
    }
    if (d != NULL)
        closedir(d);
    return pid;
}
