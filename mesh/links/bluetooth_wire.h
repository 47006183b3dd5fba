/* mesh/links/bluetooth_wire.h - the bytes of an advertisement, and addresses as people and the kernel write them
 * (docs/protocol.md section 7.6). Pure.
 */
#ifndef STA_LINKS_BLUETOOTH_WIRE_H
#define STA_LINKS_BLUETOOTH_WIRE_H

#include "mesh/base/bytes.h"
#include "mesh/links/bluetooth_kernel.h"
#include "mesh/node.h"

/* A 16-bit UUID: with a 128-bit one nothing would be left of the 31 bytes (docs/decisions.md). */
#define BLUETOOTH_UUID "000057af-0000-1000-8000-00805f9b34fb"

enum {
    BLUETOOTH_DATA_LEN  = BEACON_LEN + 1,   /* of the 20 that flags and UUID leave */
    BLUETOOTH_PSM_FIRST = 0x80,             /* dynamic PSMs of LE */
    BLUETOOTH_PSM_LAST  = 0xff,
    BLUETOOTH_PSM       = 0xd7,             /* the first one tried */
    BLUETOOTH_PSM_CLASSIC = 0x1c57,         /* dynamic PSM of BR/EDR */
};

/* beacon || PSM. ERR_MALFORMED: another length, or no dynamic PSM. */
enum err bluetooth_data_decode(struct bytes in, uint8_t beacon[BEACON_LEN], uint8_t *psm);
void     bluetooth_data_encode(uint8_t to[BLUETOOTH_DATA_LEN], const uint8_t beacon[BEACON_LEN], uint8_t psm);

/* "00:11:22:33:44:55", or with '_' between, as in BlueZ's paths. ERR_MALFORMED. */
enum err bluetooth_address_parse(struct bt_address *out, const char *text);
void     bluetooth_address_text(const struct bt_address *a, char to[18]);
bool     bluetooth_address_is_equal(const struct bt_address *a, const struct bt_address *b);

/* BT_ADDR_LE_ of BlueZ's "public" and "random". ERR_MALFORMED. */
enum err bluetooth_address_kind(uint8_t *out, const char *text);

#endif
