/* mesh/links/bluetooth_props.h - what BlueZ's properties say, out of D-Bus messages into plain structs.
 *
 * Each reads one a{sv} at which the message stands and returns sd-bus's code: negative when it has another shape.
 */
#ifndef STA_LINKS_BLUETOOTH_PROPS_H
#define STA_LINKS_BLUETOOTH_PROPS_H

#include "mesh/links/bluetooth_bus.h"

int bluetooth_props_adapter(sd_bus_message *m, struct bluetooth_adapter *a);

/* Adds to a report that bluetooth_props_path began. */
int bluetooth_props_device(sd_bus_message *m, struct bluetooth_report *report);

/* Clears the report and takes the address out of ".../dev_00_11_22_33_44_55". ERR_MALFORMED. */
enum err bluetooth_props_path(struct bluetooth_report *report, const char *path);

/* The value of one uint16 option in a{sv}, such as "mtu"; `missing` when it is not there. Leaves the message behind it. */
int bluetooth_props_u16(sd_bus_message *m, const char *name, uint16_t missing, uint16_t *out);

#endif
