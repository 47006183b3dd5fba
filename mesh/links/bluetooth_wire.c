/* mesh/links/bluetooth_wire.c - see bluetooth_wire.h */
#include "mesh/links/bluetooth_wire.h"

#include <stdio.h>
#include <string.h>

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum err bluetooth_data_decode(struct bytes in, uint8_t beacon[BEACON_LEN], uint8_t *psm)
{
    struct reader r = reader_of(in);
    struct bytes first = reader_take(&r, BEACON_LEN);
    uint8_t port = reader_u8(&r);

    if (!reader_is_done(&r) || port < BLUETOOTH_PSM_FIRST)
        return ERR_MALFORMED;
    memcpy(beacon, first.at, BEACON_LEN);
    *psm = port;
    return ERR_NONE;
}

void bluetooth_data_encode(uint8_t to[BLUETOOTH_DATA_LEN], const uint8_t beacon[BEACON_LEN], uint8_t psm)
{
    struct writer w = writer_of(to, BLUETOOTH_DATA_LEN);

    writer_copy(&w, bytes_of(beacon, BEACON_LEN));
    writer_u8(&w, psm);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err bluetooth_address_parse(struct bt_address *out, const char *text)
{
    struct bt_address a;

    if (strlen(text) != 17)
        return ERR_MALFORMED;
    for (size_t i = 0; i < 6; i++) {
        int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':' && text[3 * i + 2] != '_'))
            return ERR_MALFORMED;
        a.octets[5 - i] = (uint8_t)(high * 16 + low);
    }
    *out = a;
    return ERR_NONE;
}

void bluetooth_address_text(const struct bt_address *a, char to[18])
{
    const uint8_t *o = a->octets;

    snprintf(to, 18, "%02X:%02X:%02X:%02X:%02X:%02X", o[5], o[4], o[3], o[2], o[1], o[0]);
}

bool bluetooth_address_is_equal(const struct bt_address *a, const struct bt_address *b)
{
    return memcmp(a->octets, b->octets, sizeof a->octets) == 0;
}

enum err bluetooth_address_kind(uint8_t *out, const char *text)
{
    if (strcmp(text, "public") == 0)
        *out = BT_ADDR_LE_PUBLIC;
    else if (strcmp(text, "random") == 0)
        *out = BT_ADDR_LE_RANDOM;
    else
        return ERR_MALFORMED;
    return ERR_NONE;
}
