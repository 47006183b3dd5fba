/* tests/bluetooth/bt_liar.c - takes the name org.bluez on the system bus and gives bad answers to everybody who asks.
 *
 *   bt_liar silent     never answers
 *   bt_liar error      answers everything with an error
 *   bt_liar shape      answers everything with one string
 *   bt_liar types      tells of an adapter whose properties have other types than BlueZ's
 *   bt_liar flood      tells of a good adapter, agrees to everything, and reports COUNT devices, many of them malformed
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "tests/bluetooth/bt_core.h"
#include "tests/support/check.h"

#define ADAPTER "/org/bluez/hci0"
#define UUID    "000057af-0000-1000-8000-00805f9b34fb"

enum { COUNT = 3000 };

static bool is_mode(const char *mode, const char *name) { return strcmp(mode, name) == 0; }

static int append_adapter(sd_bus_message *m, bool is_good)
{
    int r = is_good ? sd_bus_message_append(m, "a{oa{sa{sv}}}", 1, ADAPTER, 3, "org.bluez.Adapter1", 3, "Address", "s",
                                            "00:11:22:33:44:55", "AddressType", "s", "public", "Powered", "b", 1,
                                            "org.bluez.LEAdvertisingManager1", 0, "org.bluez.GattManager1", 0)
                    : sd_bus_message_append(m, "a{oa{sa{sv}}}", 1, ADAPTER, 2, "org.bluez.Adapter1", 3, "Address", "u", 7,
                                            "AddressType", "ai", 2, 1, 2, "Powered", "s", "perhaps",
                                            "org.bluez.LEAdvertisingManager1", 1, "ActiveInstances", "s", "many");
    return r;
}

static int on_call(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    const char *mode = ctx;
    sd_bus_message *reply = NULL;
    int r;

    (void)error;
    if (is_mode(mode, "silent"))
        return 1;
    if (is_mode(mode, "error"))
        return sd_bus_reply_method_errorf(m, "org.bluez.Error.Failed", "no");
    if (is_mode(mode, "shape"))
        return sd_bus_reply_method_return(m, "s", "nonsense");
    if (!sd_bus_message_is_method_call(m, NULL, "GetManagedObjects"))
        return sd_bus_reply_method_return(m, "");
    REQUIRE(sd_bus_message_new_method_return(m, &reply) >= 0);
    REQUIRE(append_adapter(reply, is_mode(mode, "flood")) >= 0);
    r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r < 0 ? r : 1;
}

/* One device, well-formed or wrong in one of several ways. */
static void report(sd_bus *bus, const struct rng *g, unsigned i)
{
    uint8_t a[6], data[64];
    char path[64];
    sd_bus_message *m = NULL;
    size_t len = i % 3 == 0 ? 18 : rng_below(g, sizeof data);

    rng_fill(g, a, sizeof a);
    rng_fill(g, data, sizeof data);
    data[0] = 1;
    data[1] = 0;
    data[17] = 0xd7;
    snprintf(path, sizeof path, ADAPTER "/dev_%02X_%02X_%02X_%02X_%02X_%02X", a[0], a[1], a[2], a[3], a[4], a[5]);
    if (i % 7 == 0) {
        REQUIRE(sd_bus_emit_signal(bus, "/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "s", path) >= 0);
        return;
    }
    if (i % 7 == 1) {
        REQUIRE(sd_bus_emit_signal(bus, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                                   "org.bluez.Device1", 2, "RSSI", "s", "near", "ServiceData", "u", 1, 0) >= 0);
        return;
    }
    REQUIRE(sd_bus_message_new_signal(bus, &m, "/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded") >= 0);
    REQUIRE(sd_bus_message_append(m, "o", path) >= 0 && sd_bus_message_open_container(m, 'a', "{sa{sv}}") >= 0 &&
            sd_bus_message_open_container(m, 'e', "sa{sv}") >= 0 && sd_bus_message_append(m, "s", "org.bluez.Device1") >= 0 &&
            sd_bus_message_open_container(m, 'a', "{sv}") >= 0 &&
            sd_bus_message_append(m, "{sv}", "AddressType", "s", "random") >= 0 &&
            sd_bus_message_append(m, "{sv}", "RSSI", "n", -60) >= 0 && sd_bus_message_open_container(m, 'e', "sv") >= 0 &&
            sd_bus_message_append(m, "s", "ServiceData") >= 0 && sd_bus_message_open_container(m, 'v', "a{sv}") >= 0 &&
            sd_bus_message_open_container(m, 'a', "{sv}") >= 0 && sd_bus_message_open_container(m, 'e', "sv") >= 0 &&
            sd_bus_message_append(m, "s", UUID) >= 0 && sd_bus_message_open_container(m, 'v', "ay") >= 0 &&
            sd_bus_message_append_array(m, 'y', data, len) >= 0 && sd_bus_message_close_container(m) >= 0 &&
            sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0 &&
            sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0 &&
            sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0 &&
            sd_bus_message_close_container(m) >= 0);
    REQUIRE(sd_bus_send(bus, m, NULL) >= 0);
    sd_bus_message_unref(m);
}

int main(int argc, char **argv)
{
    struct rng g = rng_system();
    sd_bus *bus = NULL;
    unsigned told = 0;
    int r;

    REQUIRE(argc == 2);
    REQUIRE(crypto_start() == ERR_NONE);
    REQUIRE(sd_bus_open_system(&bus) >= 0);
    REQUIRE(sd_bus_add_fallback(bus, NULL, "/", on_call, argv[1]) >= 0);
    REQUIRE(sd_bus_request_name(bus, "org.bluez", 0) >= 0);
    bt_say("up", "%s", "");
    for (;;) {
        while ((r = sd_bus_process(bus, NULL)) > 0)
            continue;
        REQUIRE(r >= 0);
        if (is_mode(argv[1], "flood") && told < COUNT) {
            report(bus, &g, told);
            if (++told == COUNT)
                bt_say("told", ", \"devices\": %u", told);
        }
        REQUIRE(sd_bus_wait(bus, told < COUNT ? 1000 : 100000) >= 0);
    }
}
