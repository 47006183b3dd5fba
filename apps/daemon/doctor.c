/* apps/daemon/doctor.c - what works, what does not, and what to do about it. */
#define _GNU_SOURCE
#include "apps/daemon/doctor.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "apps/profile/units.h"
#include "apps/service/clock.h"
#include "apps/service/findings.h"

static void check_folder(struct findings *f, const struct parts *p)
{
    char remedy[PROFILE_PATH_MAX + 64];
    struct stat st;

    switch (profile_check_folder(p->paths)) {
    case ERR_NONE:
        findings_add(f, "data folder", "good", "", "%.500s is yours alone", p->paths->folder);
        break;
    case ERR_REFUSED:
        snprintf(remedy, sizeof remedy, "chmod 700 '%s'", p->paths->folder);
        findings_add(f, "data folder", "bad", remedy, "others on this machine can look into %.500s", p->paths->folder);
        break;
    default:
        findings_add(f, "data folder", "bad", "restart staffettad; it makes the folder anew, without what was in it",
                     "%.500s is gone", p->paths->folder);
        return;
    }
    if (stat(p->paths->key, &st) == 0 && (st.st_mode & 077) != 0) {
        snprintf(remedy, sizeof remedy, "chmod 600 '%s'", p->paths->key);
        findings_add(f, "key file", "bad", remedy, "others on this machine can read the key file");
    }
}

static void check_disk(struct findings *f, const struct parts *p)
{
    char text[UNITS_SIZE_TEXT_MAX];
    struct statvfs disk;

    if (p->store == NULL || p->trouble[0] != '\0')
        findings_add(f, "storage", "bad", "free some disk space, or check the disk; the daemon tries again by itself", "%s",
                     p->trouble[0] != '\0' ? p->trouble : "opening");
    if (statvfs(p->paths->folder, &disk) != 0)
        return;
    uint64_t bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    units_size_text(text, bytes);
    if (p->db != NULL && !db_has_room(p->db))
        findings_add(f, "disk", "bad", "free some disk space: bundles of others are refused until then", "only %s left", text);
    else if (bytes < p->config->capacity_bytes / 4)
        findings_add(f, "disk", "note", "free some disk space, or set a smaller `capacity`", "%s left, less than this node may want", text);
    else
        findings_add(f, "disk", "good", "", "%s left", text);
}

static void check_store(struct findings *f, const struct parts *p)
{
    char bytes[UNITS_SIZE_TEXT_MAX], capacity[UNITS_SIZE_TEXT_MAX];
    struct store_usage u;

    if (p->store == NULL)
        return;
    store_usage(p->store, &u);
    units_size_text(bytes, u.bytes);
    units_size_text(capacity, u.capacity_bytes);
    findings_add(f, "store", u.fill_percent >= 95 ? "note" : "good", u.fill_percent >= 95 ? "raise `capacity` if the disk allows it" : "",
                 "%zu bundles, %s of %s (%u %%)", u.count, bytes, capacity, (unsigned)u.fill_percent);
}

/* ---- Network ---- */

static bool has_program(const char *name)
{
    static const char *const folders[] = { "/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/" };
    char path[64];

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Commands for the firewall that this machine has. */
static void firewall_hint(char to[256], unsigned udp_port, unsigned tcp_port)
{
    if (has_program("ufw"))
        snprintf(to, 256, "if a firewall runs: sudo ufw allow %u/udp; sudo ufw allow %u/tcp", udp_port, tcp_port);
    else if (has_program("firewall-cmd"))
        snprintf(to, 256, "if a firewall runs: sudo firewall-cmd --add-port=%u/udp --add-port=%u/tcp", udp_port, tcp_port);
    else if (has_program("nft"))
        snprintf(to, 256, "if a firewall runs: sudo nft add rule inet filter input udp dport %u accept; "
                          "sudo nft add rule inet filter input tcp dport %u accept", udp_port, tcp_port);
    else
        snprintf(to, 256, "if a firewall runs, open UDP port %u and TCP port %u in it", udp_port, tcp_port);
}

struct interfaces { unsigned up, multicast; char names[128]; };

static void count_interfaces(struct interfaces *out)
{
    struct ifaddrs *all, *i, *j;

    memset(out, 0, sizeof *out);
    if (getifaddrs(&all) != 0)
        return;
    for (i = all; i != NULL; i = i->ifa_next) {
        unsigned need = IFF_UP | IFF_RUNNING;

        /* One line an interface: the first entry with its name. */
        for (j = all; j != i && strcmp(j->ifa_name, i->ifa_name) != 0; j = j->ifa_next)
            continue;
        if (j != i || (i->ifa_flags & need) != need || (i->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        out->up++;
        out->multicast += (i->ifa_flags & IFF_MULTICAST) != 0;
        size_t used = strlen(out->names);
        snprintf(out->names + used, sizeof out->names - used, "%s%s", used > 0 ? ", " : "", i->ifa_name);
    }
    freeifaddrs(all);
}

static void check_network(struct findings *f, const struct parts *p)
{
    struct interfaces i;
    struct lan_info l;

    count_interfaces(&i);
    if (i.up == 0)
        findings_add(f, "network", "bad", "join a Wi-Fi, make a hotspot, or plug in a cable; a stick works without: staffetta export",
                     "no network interface is up");
    else if (i.multicast == 0 && p->config->is_discovery_on)
        findings_add(f, "network", "bad", "name neighbours by address: --peer ADDR:PORT", "%s: up, but without multicast", i.names);
    else
        findings_add(f, "network", "good", "", "%s", i.names);
    if (p->lan == NULL)
        return;
    lan_info(p->lan, &l);
    if (l.port == 0)
        findings_add(f, "listening", "bad", "choose a free port: --listen :PORT", "neighbours cannot connect here");
    else
        findings_add(f, "listening", "good", "", "TCP port %u", (unsigned)l.port);
    if (!p->config->is_discovery_on)
        findings_add(f, "discovery", "note", "leave out discovery = no (or --no-discovery) to find neighbours by themselves", "off, as configured");
    else if (l.interfaces == 0 && i.up > 0)
        findings_add(f, "discovery", "bad", "look for an error in the log; --peer ADDR:PORT works without discovery",
                     "beacons go out on no interface%s%s", l.last_error[0] != '\0' ? ": " : "", l.last_error);
    else
        findings_add(f, "discovery", "good", "", "beacons on %u interface%s, UDP port %u", l.interfaces, l.interfaces == 1 ? "" : "s",
                     (unsigned)p->config->beacon_port);
}

static void check_bluetooth(struct findings *f, const struct parts *p)
{
    struct bluetooth_info b = { .state = BLUETOOTH_NOT_BUILT };

    if (strcmp(p->config->bluetooth, "off") == 0) {
        findings_add(f, "bluetooth", "note", "set `bluetooth = auto` to meet neighbours over Bluetooth", "off, as configured");
        return;
    }
    if (p->bluetooth != NULL)
        bluetooth_info(p->bluetooth, &b);
    if (b.state != BLUETOOTH_ON)
        findings_add(f, "bluetooth", "note", bluetooth_state_advice(b.state), "%s", bluetooth_state_text(b.state));
    else if (!b.is_advertising)
        findings_add(f, "bluetooth", "bad", "look for an error in `journalctl -u bluetooth`", "%s is on, but does not advertise%s%s", b.adapter,
                     b.last_error[0] != '\0' ? ": " : "", b.last_error);
    else if (strcmp(p->config->bluetooth_classic, "off") != 0)
        findings_add(f, "bluetooth", "note", "where the hardware has LE, set `bluetooth-classic = off`",
                     "%s: %u heard, %u linked; classic Bluetooth shows its fixed address, so this node can be followed", b.adapter,
                     b.neighbours, b.links);
    else if (b.is_privacy_known && !b.is_private)
        findings_add(f, "bluetooth", "note", "write `Privacy = device` under [General] in /etc/bluetooth/main.conf, then systemctl restart bluetooth",
                     "%s works, but its fixed address lets a sniffer follow it", b.adapter);
    else
        findings_add(f, "bluetooth", "good", "", "%s: %u heard, %u linked; searching as on %s", b.adapter, b.neighbours, b.links,
                     power_source_name(p->power));
}

struct ready { const struct parts *parts; unsigned count; };

static void count_ready(void *ctx, uint32_t link, const char *label)
{
    struct ready *n = ctx;
    struct node_link_info i;

    (void)label;
    n->count += node_link_info(n->parts->node, link, &i) && i.is_ready;
}

static void check_neighbours(struct findings *f, const struct parts *p)
{
    char remedy[256] = "", span[UNITS_SPAN_TEXT_MAX];
    struct ready ready = { p, 0 };
    struct lan_info l = { 0 };

    if (p->lan == NULL || p->host == NULL)
        return;
    lan_info(p->lan, &l);
    host_walk(p->host, count_ready, &ready);
    firewall_hint(remedy, (unsigned)p->config->beacon_port, l.port != 0 ? l.port : LAN_PORT_DEFAULT);
    units_span_text(span, (clock_now_ms() - (p->last_link_ms != 0 ? p->last_link_ms : p->started_ms)) / 1000);
    if (ready.count > 0)
        findings_add(f, "neighbours", "good", "", "%u linked now", ready.count);
    else if (l.neighbours > 0 && p->last_link_ms == 0)
        findings_add(f, "neighbours", "note", remedy, "%u heard, but none could be linked yet", l.neighbours);
    else if (l.neighbours > 0)
        findings_add(f, "neighbours", "good", "", "%u in range, and nothing new to exchange with them", l.neighbours);
    else if (p->last_link_ms != 0)
        findings_add(f, "neighbours", "note", remedy, "nobody in range; the last one was linked %s ago", span);
    else
        findings_add(f, "neighbours", "note", remedy, "nobody has come by since the start, %s ago", span);
}

static void check_person(struct findings *f, const struct parts *p)
{
    enum profile_vault kind;

    switch (p->person) {
    case PERSON_NONE:
        findings_add(f, "identity", "note", "staffetta init --name NAME", "none: this node carries for others only");
        return;
    case PERSON_OFF:
        findings_add(f, "identity", "good", "", "only a relay, as configured");
        return;
    case PERSON_LOCKED:
        findings_add(f, "identity", "bad", "staffetta unlock", "the vault is locked: nothing of yours is received or sent");
        return;
    case PERSON_DAMAGED:
        findings_add(f, "identity", "bad", "restore the data folder from a copy", "%s", p->trouble);
        return;
    case PERSON_OPEN:
        findings_add(f, "identity", "good", "", "open");
        break;
    }
    if (profile_vault_kind(p->paths, &kind) == ERR_NONE && kind == PROFILE_VAULT_KEY_FILE)
        findings_add(f, "vault", "note", "staffetta passphrase", "opened by a key file beside it: whoever takes this disk can read it");
    else
        findings_add(f, "vault", "good", "", "sealed with a passphrase");
    if (p->has_been_restored)
        findings_add(f, "restored", "note", "never run two nodes from one identity",
                     "the database came from a copy; sessions were started anew");
}

json_t *doctor_checks(const struct parts *p)
{
    struct findings f = { .list = json_array() };

    check_folder(&f, p);
    check_disk(&f, p);
    check_store(&f, p);
    findings_add_clock(&f);
    check_network(&f, p);
    check_bluetooth(&f, p);
    check_neighbours(&f, p);
    check_person(&f, p);
    return f.list;
}
