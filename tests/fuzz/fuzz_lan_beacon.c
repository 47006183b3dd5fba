/* What the local network can bring outside of links: datagrams and preambles; and addresses from a configuration. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mesh/links/lan_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t beacon[BEACON_LEN], again[LAN_DATAGRAM_LEN];
    uint16_t port;
    struct lan_preamble p;
    struct lan_place place;
    struct lan_address a;
    char text[300], why[256], shown[LAN_TEXT_LEN];

    if (lan_datagram_decode(bytes_of(data, size), beacon, &port) == ERR_NONE) {
        lan_datagram_encode(again, beacon, port);
        assert(size == sizeof again && memcmp(again, data, size) == 0);
    }
    if (lan_preamble_decode(&p, bytes_of(data, size)) == ERR_NONE) {
        lan_preamble_encode(again, &p);
        assert(size == LAN_PREAMBLE_LEN && memcmp(again, data, size) == 0);
    }
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (lan_place_parse(&place, text, true, why) == ERR_NONE && lan_place_is_numeric(&place, &a)) {
            struct lan_place shown_place;
            struct lan_address same;

            lan_address_text(&a, shown);
            assert(lan_place_parse(&shown_place, shown, true, why) == ERR_NONE);
            assert(lan_place_is_numeric(&shown_place, &same) && lan_address_is_equal(&a, &same));
        }
    }
    return 0;
}
