/* apps/gateway/doctor.h - what is right and wrong with a gateway on this machine, and what to do about it.
 *
 * A program of its own beside the running gateway: it looks, asks, calls the gateway's own addresses as a stranger would, and changes
 * nothing. It may take some seconds for each address that does not answer.
 */
#ifndef STA_GATEWAY_DOCTOR_H
#define STA_GATEWAY_DOCTOR_H

#include "apps/gateway/config.h"
#include "apps/service/findings.h"

void doctor_examine(struct findings *f, const struct gw_config *c);

#endif
