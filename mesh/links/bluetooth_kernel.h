/* mesh/links/bluetooth_kernel.h - what the kernel calls Bluetooth: its socket addresses and options.
 *
 * The numbers are Linux's user-space ABI (include/net/bluetooth/, which it does not export); libbluetooth's headers
 * would be a dependency for one screen of constants.
 */
#ifndef STA_LINKS_BLUETOOTH_KERNEL_H
#define STA_LINKS_BLUETOOTH_KERNEL_H

#include <stdint.h>
#include <sys/socket.h>

#ifndef AF_BLUETOOTH
#define AF_BLUETOOTH 31
#endif

enum {
    BT_PROTO_L2CAP = 0,
    BT_PROTO_HCI   = 1,
    BT_SOL         = 274,  /* SOL_BLUETOOTH */
    BT_OPT_SECURITY = 4,
    BT_OPT_SNDMTU  = 12,
    BT_OPT_RCVMTU  = 13,
    BT_SOL_L2CAP   = 6,
    BT_OPT_L2CAP_OPTIONS = 1,
    BT_L2CAP_ERTM  = 3,    /* retransmission on BR/EDR: a stream without holes */
    BT_LEVEL_LOW   = 1,    /* no pairing: the link's own handshake protects it */

    BT_ADDR_BREDR     = 0,
    BT_ADDR_LE_PUBLIC = 1,
    BT_ADDR_LE_RANDOM = 2,

    BT_HCI_CHANNEL_CONTROL = 3,
    BT_HCI_DEV_NONE = 0xffff,
};

/* Little-endian octets, as on the air. */
struct bt_address { uint8_t octets[6]; };

struct bt_sockaddr_l2 {
    sa_family_t       family;
    uint16_t          psm;       /* little-endian */
    struct bt_address address;
    uint16_t          cid;       /* little-endian */
    uint8_t           kind;      /* BT_ADDR_ */
};

struct bt_sockaddr_hci {
    sa_family_t family;
    uint16_t    device;
    uint16_t    channel;
};

/* BR/EDR only; LE has BT_OPT_SNDMTU and BT_OPT_RCVMTU. */
struct bt_l2cap_options {
    uint16_t omtu, imtu, flush_to;
    uint8_t  mode, fcs, max_tx;
    uint16_t txwin_size;
};

struct bt_security { uint8_t level, key_size; };

#endif
