/* mesh/links/bluetooth_mgmt.h - what the kernel says of a controller, without privileges. */
#ifndef STA_LINKS_BLUETOOTH_MGMT_H
#define STA_LINKS_BLUETOOTH_MGMT_H

#include "mesh/base/err.h"
#include <stdint.h>

enum { MGMT_SETTING_PRIVACY = 1 << 13 };

/* The current settings of hci<index>. ERR_UNSUPPORTED: no Bluetooth in the kernel. ERR_NOT_FOUND: no such controller. ERR_IO. */
enum err bluetooth_mgmt_settings(uint16_t index, uint32_t *settings);

#endif
