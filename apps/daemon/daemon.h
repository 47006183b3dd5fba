/* apps/daemon/daemon.h - staffettad from start to stop. */
#ifndef STA_DAEMON_DAEMON_H
#define STA_DAEMON_DAEMON_H

#include "apps/daemon/config.h"

/* Runs until SIGTERM, SIGINT or a panic. The exit status: 0 done, 1 failed (said on standard error). */
int daemon_run(const struct config_command *command, struct config *config);

#endif
