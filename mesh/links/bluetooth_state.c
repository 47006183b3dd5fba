/* mesh/links/bluetooth_state.c - what state Bluetooth is in, in words for people. */
#include "mesh/links/bluetooth.h"

static const struct { const char *text, *advice; } states[] = {
    [BLUETOOTH_NOT_BUILT] = { "this build has no Bluetooth", "build with libsystemd-dev installed" },
    [BLUETOOTH_NO_KERNEL] = { "the kernel has no Bluetooth",
                              "load the module (modprobe bluetooth), or use a kernel that has it" },
    [BLUETOOTH_NO_BUS] = { "there is no system D-Bus", "install the package dbus and start it (systemctl start dbus)" },
    [BLUETOOTH_FORBIDDEN] = { "D-Bus does not let this user speak to BlueZ",
                              "add the user to the group bluetooth, or install staffetta's file in /usr/share/dbus-1/system.d, "
                              "then log in again" },
    [BLUETOOTH_NO_BLUEZ] = { "bluetoothd does not run",
                             "install the package bluez and start it (systemctl enable --now bluetooth)" },
    [BLUETOOTH_NO_ADAPTER] = { "there is no Bluetooth adapter",
                               "plug one in; on a Raspberry Pi, remove dtoverlay=disable-bt from config.txt" },
    [BLUETOOTH_OFF] = { "the Bluetooth adapter is off",
                        "switch it on (bluetoothctl power on); if it is blocked, rfkill unblock bluetooth" },
    [BLUETOOTH_TOO_OLD] = { "this adapter or this BlueZ cannot advertise over Bluetooth LE",
                            "use BlueZ 5.50 or newer and an adapter with Bluetooth 4.0 or newer" },
    [BLUETOOTH_ON] = { "Bluetooth works", "" },
};

const char *bluetooth_state_text(enum bluetooth_state state) { return states[state].text; }
const char *bluetooth_state_advice(enum bluetooth_state state) { return states[state].advice; }
