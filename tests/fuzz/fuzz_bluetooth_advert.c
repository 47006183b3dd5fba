/* What an advertisement can bring: service data, and the addresses and paths under which BlueZ tells of it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mesh/links/bluetooth_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t beacon[BEACON_LEN], again[BLUETOOTH_DATA_LEN], psm, kind;
    struct bt_address a;
    char text[64];

    if (bluetooth_data_decode(bytes_of(data, size), beacon, &psm) == ERR_NONE) {
        bluetooth_data_encode(again, beacon, psm);
        assert(size == sizeof again && memcmp(again, data, size) == 0);
    }
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (bluetooth_address_parse(&a, text) == ERR_NONE)
            bluetooth_address_text(&a, text);
        (void)bluetooth_address_kind(&kind, text);
    }
    return 0;
}
