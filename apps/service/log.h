/* apps/service/log.h - lines on standard error.
 *
 * Never a secret, a name or a text: what people write and who they are is no business of a log. Addresses of neighbours
 * only at LOG_DEBUG. Under systemd's journal each line carries its priority.
 */
#ifndef STA_SERVICE_LOG_H
#define STA_SERVICE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_COUNT };

struct log {
    enum log_level level;
    bool is_journal;       /* standard error is the journal */
};

struct log log_new(enum log_level level);

/* "error", "warning", "info", "debug". */
const char *log_level_name(enum log_level level);

void log_line(const struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
