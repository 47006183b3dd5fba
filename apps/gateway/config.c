/* apps/gateway/config.c - see config.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/config.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <string.h>

#include "apps/profile/units.h"
#include "crypto/hash.h"

#define FIELD(name) offsetof(struct gw_config, name)

const struct gw_key gw_keys[] = {
    { "data", "DIR", "/var/lib/staffetta-gateway", "the data folder",
      "Holds the gateway's key, the invites and the bundles that wait; made with mode 0700.", GW_TEXT, FIELD(data), 0, 0 },
    { "listen", "ADDR:PORT", "", "where to listen, TLS (may be repeated)",
      "An empty address means all of them. Without this key: ports 443 and 5222 of all addresses.", GW_LISTEN, FIELD(listen), 0, 0 },
    { "address", "HOST:PORT", "", "how users reach this gateway; stands in invites (may be repeated, up to 4)",
      "A name with a certificate, or a number. Needed to make invites.", GW_ADDRESS, FIELD(address), 0, 0 },
    { "plain-address", "HOST:PORT", "", "how users reach the port of redirect; stands in invites for networks that let no TLS through",
      "Such as gw.example.org:80. Links there are encrypted and as private in content, but show that they are none of a browser's. Without this key: no links without TLS.",
      GW_REACHED, FIELD(plain_address), 0, 0 },
    { "site", "DIR|HOST:PORT", "", "the web site that everybody else sees",
      "A folder of files, or a web server on this machine that is passed every byte. Without this key: one plain page.",
      GW_TEXT, FIELD(site), 0, 0 },
    { "certificate", "FILE", "", "PEM file of the certificate and its chain",
      "Read again on reload (systemctl reload, SIGHUP). Without it a self-signed certificate is made, and invites carry its pin.",
      GW_TEXT, FIELD(certificate), 0, 0 },
    { "certificate-key", "FILE", "", "PEM file of its key", "", GW_TEXT, FIELD(certificate_key), 0, 0 },
    { "capacity", "SIZE", "4G", "disk for bundles that wait", "", GW_SIZE, FIELD(capacity_bytes), UINT64_C(1) << 20, UINT64_C(1) << 44 },
    { "engine", "lmdb|postgresql", "lmdb", "where bundles are kept",
      "lmdb: in the data folder. postgresql: in databases that several gateways share (key database); the data folder is a cache and a spool then.",
      GW_ENGINE, FIELD(engine), 0, 0 },
    { "database", "CONNINFO", "", "of engine = postgresql: a connection string of libpq (may be repeated, up to 8: shards)",
      "Such as: host=10.0.0.1,10.0.0.2 port=5432 dbname=staffetta user=staffetta. All gateways name the same ones in the same order.",
      GW_DATABASE, FIELD(database), 0, 0 },
    { "peer", "LINK|FILE", "", "another gateway to share bundles with (may be repeated, up to 8)",
      "What `staffetta-gateway invite --for-gateway` printed there, or the path of a file that holds it: in this file a line ends at 199 characters. One of the two names the other; what either is brought both hand out.",
      GW_PEER, FIELD(peer), 0, 0 },
    { "visitors-max", "N", "1024", "connections at a time that have shown no invite",
      "Browsers, probes and users on their way in. Beyond, new connections are closed at once.", GW_NUMBER, FIELD(visitors_max), 4, 65536 },
    { "proxy-protocol", "yes|no", "no", "connections begin with a PROXY line",
      "Behind a load balancer that sends one (HAProxy send-proxy, nginx proxy_protocol on). All must then.", GW_SWITCH, FIELD(is_proxied), 0, 0 },
    { "redirect", "ADDR:PORT", "", "where to listen in clear and send browsers to https, such as :80",
      "Also answers certificate challenges. Wants an address. Without this key: nowhere.", GW_PLACE, FIELD(redirect), 0, 0 },
    { "challenges", "DIR", "", "folder that holds .well-known/acme-challenge",
      "What certbot calls webroot. Without this key: the folder of the site, if it is one.", GW_TEXT, FIELD(challenges), 0, 0 },
    { "status", "PATH|ADDR:PORT", "", "where /healthz and /metrics are, for monitoring",
      "The path of a Unix socket, or a loopback address: never seen from outside. Without this key: nowhere.", GW_TEXT, FIELD(status), 0, 0 },
    { "log-level", "LEVEL", "info", "error, warning, info or debug", "No level logs addresses or who uses which invite.", GW_LEVEL,
      FIELD(log_level), 0, 0 },
};
const size_t gw_key_count = sizeof gw_keys / sizeof gw_keys[0];

static enum err fail(enum err e, char why[GW_WHY_MAX], const char *text)
{
    snprintf(why, GW_WHY_MAX, "%s", text);
    return e;
}

static enum err copy_text(char *to, size_t cap, const char *text, char why[GW_WHY_MAX])
{
    if (text[0] == '\0')
        return fail(ERR_MALFORMED, why, "needs a value");
    if (strlen(text) >= cap)
        return fail(ERR_TOO_LARGE, why, "is too long");
    memcpy(to, text, strlen(text) + 1);
    return ERR_NONE;
}

static enum err add_place(char (*list)[GW_ADDRESS_MAX], size_t *count, size_t max, const char *text, bool may_be_any,
                          char why[GW_WHY_MAX])
{
    struct lan_place place;
    char shape[256];
    enum err e;

    if (*count == max)
        return fail(ERR_TOO_LARGE, why, "stands too many times");
    if (lan_place_parse(&place, text, may_be_any, shape) != ERR_NONE)
        return fail(ERR_MALFORMED, why, shape);
    if (!may_be_any && !gateway_host_is_valid(bytes_of_text(place.host)))
        return fail(ERR_MALFORMED, why, "wants a host name or a number, and a port");
    if ((e = copy_text(list[*count], GW_ADDRESS_MAX, text, why)) == ERR_NONE)
        ++*count;
    return e;
}

static enum err set_place(char *to, const char *text, char why[GW_WHY_MAX])
{
    struct lan_place place;
    char shape[256];

    if (lan_place_parse(&place, text, true, shape) != ERR_NONE)
        return fail(ERR_MALFORMED, why, shape);
    return copy_text(to, GW_ADDRESS_MAX, text, why);
}

/* As it stands in invites. */
static enum err set_reached(char (*to)[GW_ADDRESS_MAX], const char *text, char why[GW_WHY_MAX])
{
    size_t none = 0;

    return add_place(to, &none, 1, text, false, why);
}

static enum err set_level(uint64_t *to, const char *text, char why[GW_WHY_MAX])
{
    for (enum log_level level = LOG_LEVEL_ERROR; level < LOG_LEVEL_COUNT; level++) {
        if (strcmp(text, log_level_name(level)) == 0) {
            *to = level;
            return ERR_NONE;
        }
    }
    return fail(ERR_MALFORMED, why, "wants error, warning, info or debug");
}

static enum err set_quantity(uint64_t *to, const struct gw_key *key, const char *text, char why[GW_WHY_MAX])
{
    uint64_t v;

    if ((key->kind == GW_SIZE ? units_size(&v, text) : units_number(&v, text, UINT64_MAX)) != ERR_NONE)
        return fail(ERR_MALFORMED, why, key->kind == GW_SIZE ? "wants a size such as 512M or 4G" : "wants a number");
    if (v < key->least || v > key->most)
        return fail(ERR_TOO_LARGE, why, "is out of range");
    *to = v;
    return ERR_NONE;
}

static enum err add_database(struct gw_config *c, const char *text, char why[GW_WHY_MAX])
{
    enum err e;

    if (c->database_count == GW_DATABASES_MAX)
        return fail(ERR_TOO_LARGE, why, "stands too many times");
    if ((e = copy_text(c->database[c->database_count], GW_DATABASE_MAX, text, why)) == ERR_NONE)
        c->database_count++;
    return e;
}

/* Cut off where a link could not go on. */
static enum err read_link_file(const char *path, char to[GATEWAY_LINK_TEXT_MAX], char why[GW_WHY_MAX])
{
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        snprintf(why, GW_WHY_MAX, "%.300s: %s", path, strerror(errno));
        return ERR_IO;
    }
    to[fread(to, 1, GATEWAY_LINK_TEXT_MAX - 1, f)] = '\0';
    fclose(f);
    return ERR_NONE;
}

static enum err add_peers(struct gw_config *c, const char *text, char why[GW_WHY_MAX])
{
    char kept[GATEWAY_LINK_TEXT_MAX];
    struct gateway_link link;
    enum err e;

    if (text[0] == '/' && (e = read_link_file(text, kept, why)) != ERR_NONE)
        return e;
    e = gateway_link_read(&link, bytes_of_text(text[0] == '/' ? kept : text));
    secret_wipe(kept, sizeof kept);
    if (e != ERR_NONE)
        e = fail(e, why, "wants a link that `staffetta-gateway invite --for-gateway` has printed, or the path of a file that holds it");
    else if (link.count > GW_PEERS_MAX - c->peer_count)
        e = fail(ERR_TOO_LARGE, why, "stands too many times");
    else
        memcpy(c->peer + c->peer_count, link.gateways, link.count * sizeof *c->peer);
    c->peer_count += e == ERR_NONE ? link.count : 0;
    secret_wipe(&link, sizeof link);
    return e;
}

enum err gw_config_set(struct gw_config *c, const char *name, const char *text, char why[GW_WHY_MAX])
{
    for (size_t i = 0; i < gw_key_count; i++) {
        const struct gw_key *key = &gw_keys[i];
        void *field = (char *)c + key->offset;

        if (strcmp(key->name, name) != 0)
            continue;
        switch (key->kind) {
        case GW_TEXT: return copy_text(field, PROFILE_PATH_MAX, text, why);
        case GW_PLACE: return set_place(field, text, why);
        case GW_REACHED: return set_reached(field, text, why);
        case GW_LISTEN: return add_place(c->listen, &c->listen_count, GW_LISTEN_MAX, text, true, why);
        case GW_ADDRESS: return add_place(c->address, &c->address_count, GATEWAY_ADDRESSES_MAX, text, false, why);
        case GW_DATABASE: return add_database(c, text, why);
        case GW_PEER: return add_peers(c, text, why);
        case GW_ENGINE:
            if (strcmp(text, "lmdb") != 0 && strcmp(text, "postgresql") != 0)
                return fail(ERR_MALFORMED, why, "wants lmdb or postgresql");
            *(uint64_t *)field = strcmp(text, "lmdb") == 0 ? GW_ENGINE_LMDB : GW_ENGINE_POSTGRESQL;
            return ERR_NONE;
        case GW_LEVEL: return set_level(field, text, why);
        case GW_SWITCH:
            if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
                return fail(ERR_MALFORMED, why, "wants yes or no");
            *(bool *)field = strcmp(text, "yes") == 0;
            return ERR_NONE;
        case GW_SIZE:
        case GW_NUMBER: return set_quantity(field, key, text, why);
        }
    }
    return fail(ERR_NOT_FOUND, why, "is no key; see staffetta-gateway --help");
}

void gw_config_init(struct gw_config *c)
{
    char why[GW_WHY_MAX];

    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < gw_key_count; i++)
        if (gw_keys[i].usual[0] != '\0')
            (void)gw_config_set(c, gw_keys[i].name, gw_keys[i].usual, why);
}

/* ---- The file ---- */

struct reading { struct gw_config *config; char *why; enum err error; };

static int on_pair(void *ctx, const char *section, const char *name, const char *text)
{
    struct reading *r = ctx;
    char why[GW_WHY_MAX];

    if (r->error != ERR_NONE)
        return 0;
    r->error = section[0] != '\0' ? fail(ERR_MALFORMED, why, "stands in a [section]; keys stand without one")
                                  : gw_config_set(r->config, name, text, why);
    if (r->error == ERR_NOT_FOUND)
        r->error = ERR_MALFORMED;
    if (r->error != ERR_NONE)
        snprintf(r->why, GW_WHY_MAX, "%.64s %.300s", name, why);
    return r->error == ERR_NONE;
}

enum err gw_config_file(struct gw_config *c, const char *path, char why[GW_WHY_MAX])
{
    struct reading r = { c, why, ERR_NONE };
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        snprintf(why, GW_WHY_MAX, "%.300s: %s", path, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    int line = ini_parse_file(f, on_pair, &r);
    fclose(f);
    if (r.error == ERR_NONE && line != 0) {
        snprintf(why, GW_WHY_MAX, "%.300s:%d: wants KEY = VALUE, or a # before a comment", path, line);
        return ERR_MALFORMED;
    }
    return r.error;
}

/* ---- For people ---- */

void gw_config_print_keys(FILE *to)
{
    for (size_t i = 0; i < gw_key_count; i++)
        fprintf(to, "  --%-16s %-14s %s%s%s%s\n", gw_keys[i].name, gw_keys[i].value, gw_keys[i].summary,
                gw_keys[i].usual[0] != '\0' ? " (" : "", gw_keys[i].usual, gw_keys[i].usual[0] != '\0' ? ")" : "");
}

void gw_config_print_example(FILE *to)
{
    fputs("# /etc/staffetta/gateway.conf\n", to);
    for (size_t i = 0; i < gw_key_count; i++)
        fprintf(to, "\n# %s. %s\n#%s = %s\n", gw_keys[i].summary, gw_keys[i].detail, gw_keys[i].name,
                gw_keys[i].usual[0] != '\0' ? gw_keys[i].usual : gw_keys[i].value);
}
