/* mesh/links/bluetooth_advert.h - our advertisement, as an object that BlueZ reads (org.bluez.LEAdvertisement1).
 *
 * One UUID and service data, in all 29 of the 31 bytes that every controller can send: no name, no power level,
 * nothing that lasts longer than an epoch.
 */
#ifndef STA_LINKS_BLUETOOTH_ADVERT_H
#define STA_LINKS_BLUETOOTH_ADVERT_H

#include "mesh/links/bluetooth_bus.h"

struct bluetooth_advert;

/* `changed` is called when is_on or the error has changed. */
enum err bluetooth_advert_new(struct bluetooth_advert **out, struct bluetooth_bus *bus, void (*changed)(void *ctx), void *ctx);
void     bluetooth_advert_free(struct bluetooth_advert *a);

/* Goes on air, with a new address where the controller has privacy. */
void     bluetooth_advert_start(struct bluetooth_advert *a, const char *adapter, const uint8_t data[BLUETOOTH_DATA_LEN]);
/* Other data; off the air for a moment. */
void     bluetooth_advert_update(struct bluetooth_advert *a, const uint8_t data[BLUETOOTH_DATA_LEN]);
/* `is_lost`: BlueZ or the adapter is gone and has forgotten us already. */
void     bluetooth_advert_stop(struct bluetooth_advert *a, bool is_lost);

bool        bluetooth_advert_is_on(const struct bluetooth_advert *a);
bool        bluetooth_advert_is_wanted(const struct bluetooth_advert *a);   /* on, or being put on */
const char *bluetooth_advert_error(const struct bluetooth_advert *a);       /* empty: none */

#endif
