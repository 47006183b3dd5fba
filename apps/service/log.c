/* apps/service/log.c - lines on standard error. */
#define _GNU_SOURCE
#include "apps/service/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* $JOURNAL_STREAM names the socket that systemd gave us as standard error, if it still is that. */
static bool is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 && fstat(2, &st) == 0 &&
           (unsigned long long)st.st_dev == device && (unsigned long long)st.st_ino == inode;
}

struct log log_new(enum log_level level)
{
    struct log log = { level, is_journal() };

    return log;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[LOG_LEVEL_COUNT] = { "error", "warning", "info", "debug" };

    return names[level];
}

void log_line(const struct log *log, enum log_level level, const char *format, ...)
{
    static const int priorities[LOG_LEVEL_COUNT] = { 3, 4, 6, 7 };   /* of syslog */
    char line[512];
    va_list args;

    if (level > log->level)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* A label from the network must not be able to begin a line of its own. */
    for (char *at = line; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    if (log->is_journal)
        fprintf(stderr, "<%d>%s\n", priorities[level], line);
    else
        fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, level < LOG_LEVEL_INFO ? log_level_name(level) : "",
                level < LOG_LEVEL_INFO ? ": " : "", line);
}
