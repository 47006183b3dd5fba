/* apps/daemon/doctor.h - what works, what does not, and what to do about it. */
#ifndef STA_DAEMON_DOCTOR_H
#define STA_DAEMON_DOCTOR_H

#include <jansson.h>

#include "apps/daemon/parts.h"

/* An array of {"check", "verdict", "text", "remedy"}; the verdict is "good", "note" (works, but) or "bad". Looks
 * only; changes nothing. */
json_t *doctor_checks(const struct parts *p);

#endif
