/* mesh/links/bluetooth_mgmt.c - see bluetooth_mgmt.h
 *
 * BlueZ does not tell over D-Bus whether privacy is on. The kernel's management socket does, to anybody: Read Controller
 * Information, answered before the write returns.
 */
#define _GNU_SOURCE
#include "mesh/links/bluetooth_mgmt.h"

#include <errno.h>
#include <unistd.h>

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"
#include "mesh/links/bluetooth_kernel.h"

enum {
    READ_INFO = 0x0004, COMMAND_COMPLETE = 0x0001, COMMAND_STATUS = 0x0002,
    HEADER_LEN_MGMT = 6,
    EVENTS_MAX = 32,   /* others' news that may stand before the answer */
    SETTINGS_AT = 6 + 1 + 2 + 4,   /* address, version, manufacturer, supported settings */
};

/* True when this was the answer. */
static bool answer_take(struct bytes in, uint16_t index, uint32_t *settings, enum err *e)
{
    struct reader r = reader_of(in);
    uint16_t event = reader_u16(&r), of = reader_u16(&r);

    (void)reader_u16(&r);
    if ((event != COMMAND_COMPLETE && event != COMMAND_STATUS) || of != index || reader_u16(&r) != READ_INFO)
        return false;
    if (reader_u8(&r) != 0) {
        *e = ERR_NOT_FOUND;
        return true;
    }
    (void)reader_take(&r, SETTINGS_AT);
    *settings = reader_u32(&r);
    *e = r.failed ? ERR_MALFORMED : ERR_NONE;
    return true;
}

enum err bluetooth_mgmt_settings(uint16_t index, uint32_t *settings)
{
    struct bt_sockaddr_hci a = { .family = AF_BLUETOOTH, .device = BT_HCI_DEV_NONE, .channel = BT_HCI_CHANNEL_CONTROL };
    uint8_t buffer[512];
    struct writer w = writer_of(buffer, sizeof buffer);
    int fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, BT_PROTO_HCI);
    enum err e = ERR_IO;
    uint32_t found = 0;

    if (fd < 0)
        return errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT ? ERR_UNSUPPORTED : ERR_IO;
    writer_u16(&w, READ_INFO);
    writer_u16(&w, index);
    writer_u16(&w, 0);
    if (bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 &&
        write(fd, buffer, writer_len(&w)) == (ssize_t)writer_len(&w))
        for (int i = 0; i < EVENTS_MAX; i++) {
            ssize_t len = read(fd, buffer, sizeof buffer);

            if (len < HEADER_LEN_MGMT || answer_take(bytes_of(buffer, (size_t)len), index, &found, &e))
                break;
        }
    close(fd);
    if (e == ERR_NONE)
        *settings = found;
    return e;
}
