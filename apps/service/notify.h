/* apps/service/notify.h - what the service manager is told. Silent without one, or without libsystemd. */
#ifndef STA_SERVICE_NOTIFY_H
#define STA_SERVICE_NOTIFY_H

#include <stdint.h>

void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_alive(void);

/* How often notify_alive is due, in ms; 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
