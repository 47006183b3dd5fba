/* mesh/links/bluetooth_scan.h - looking for advertisements of ours, and how much of the time (docs/bluetooth.md).
 *
 * A search of ours is a session of its own in BlueZ: it ends when we end it, and nobody else's is touched.
 */
#ifndef STA_LINKS_BLUETOOTH_SCAN_H
#define STA_LINKS_BLUETOOTH_SCAN_H

#include "mesh/links/bluetooth_bus.h"

/* ---- Duty ---- */

struct bluetooth_duty { uint32_t on_ms, off_ms; };

/* What the scan does now. `heard` is the number of neighbours of late; `is_fresh`: something new is likely, for a minute after
 * the start and after a newcomer. */
struct bluetooth_duty bluetooth_duty_of(enum bluetooth_power power, unsigned heard, bool is_fresh, bool is_transferring);

/* ---- The search ---- */

struct bluetooth_scan;

enum err bluetooth_scan_new(struct bluetooth_scan **out, struct bluetooth_bus *bus, void (*changed)(void *ctx), void *ctx);
void     bluetooth_scan_free(struct bluetooth_scan *s);

/* BlueZ is there with this adapter; or it has forgotten us. */
void     bluetooth_scan_attach(struct bluetooth_scan *s, const char *adapter);
void     bluetooth_scan_detach(struct bluetooth_scan *s, bool is_lost);

/* Wants the search on or off; it follows as soon as BlueZ has answered what was asked before. */
void     bluetooth_scan_want(struct bluetooth_scan *s, bool is_on);
bool     bluetooth_scan_is_on(const struct bluetooth_scan *s);
bool     bluetooth_scan_is_quiet(const struct bluetooth_scan *s);   /* off, and nothing asked */
const char *bluetooth_scan_error(const struct bluetooth_scan *s);

#endif
