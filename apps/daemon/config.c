/* apps/daemon/config.c - the table of keys, and how a value is read. */
#define _DEFAULT_SOURCE
#include "apps/daemon/config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "apps/profile/units.h"
#include "mesh/links/bluetooth_wire.h"

#define FIELD(name) offsetof(struct config, name)

const struct config_key config_keys[] = {
    { "data", CONFIG_PATH, FIELD(data), "DIR", "", 0, 0, "the data folder",
      "Holds the identity, the messages and the bundles that are carried; made with mode 0700 when it does not exist. "
      "Without this key: $STAFFETTA_DATA, else $XDG_DATA_HOME/staffetta, else ~/.local/share/staffetta.", false },
    { "api", CONFIG_PATH, FIELD(api), "PATH", "", 0, 0, "the Unix socket of the local API",
      "Whoever can open this socket reads and writes as you; it has mode 0600. Without this key: api.sock in the data folder.",
      false },
    { "listen", CONFIG_ADDRESS, FIELD(listen), "ADDR:PORT", "", 0, 0, "where neighbours connect to (TCP)",
      "An IPv6 address stands in brackets: [::1]:7827. An empty address means all of them. Without this key: all addresses, "
      "port 7827 or the next free one.", true },
    { "peer", CONFIG_PEERS, FIELD(peers), "ADDR:PORT", "", 0, 0, "a neighbour to call by address (may be repeated)",
      "For networks that carry no multicast. Called again, with growing pauses, whenever the link is down. At most 32.", true },
    { "discovery", CONFIG_SWITCH, FIELD(is_discovery_on), NULL, "yes", 0, 0, "find neighbours on the local networks",
      "Sends a small beacon by UDP multicast on every interface, under no stable name, and listens for those of others. "
      "Without it, neighbours are reached only through peer, and through those who call us.", true },
    { "beacon-port", CONFIG_PORT, FIELD(beacon_port), "PORT", "7827", 1, 65535, "UDP port of the beacons",
      "Has to be the same on all nodes that shall find each other.", true },
    { "bluetooth", CONFIG_ADAPTER, FIELD(bluetooth), "ADAPTER", "auto", 0, 0, "meet neighbours over Bluetooth LE",
      "auto takes the first adapter that is on; hci0 or the like takes that one; off takes none. Where there is no Bluetooth the "
      "daemon runs without it, and staffetta doctor says why.", true },
    { "bluetooth-power", CONFIG_POWER, FIELD(bluetooth_power), "POWER", "auto", 0, 0, "what the Bluetooth search may cost",
      "auto follows the machine: mains while it is plugged in, battery, or low below 15 %. mains, battery and low stay what they are, "
      "for example for a Raspberry Pi on a power bank, which cannot tell.", true },
    { "bluetooth-classic", CONFIG_CLASSIC, FIELD(bluetooth_classic), "WHOM", "off", 0, 0, "also use Bluetooth without LE, for old hardware",
      "listen waits for others; an address such as 00:11:22:33:44:55 is called as well. Both sides have to be paired by their owners. "
      "Classic Bluetooth shows the adapter's fixed address to everybody in range: a node that uses it can be followed.", true },
    { "relay", CONFIG_SWITCH, FIELD(is_relay), NULL, "no", 0, 0, "only carry for others; open no identity",
      "Carries bundles without reading or writing any of its own, even when the data folder holds an identity. Without an "
      "identity the daemon does this anyway.", false },
    { "passphrase-file", CONFIG_PATH, FIELD(passphrase_file), "FILE", "", 0, 0, "first line: the passphrase of the vault",
      "For unattended starts. Under systemd a credential named passphrase is used as well. Without a passphrase the daemon "
      "carries for others until `staffetta unlock`.", false },
    { "watch-folder", CONFIG_PATH, FIELD(watch_folder), "DIR", "", 0, 0, "exchange bundles with sticks mounted under DIR",
      "For example /media/ana: a stick that takes part, by a folder named staffetta or a file that ends in .staffetta, is read and "
      "gets a file with what this node carries. Other sticks are left alone.", true },
    { "gateways", CONFIG_PATH, FIELD(gateways), "FILE", "", 0, 0, "file of gateway links, one a line",
      "For relays, which have no identity to keep them with; `staffetta gateway add` is for people. Whoever reads the file can use "
      "the invites.", true },
    { "proxy", CONFIG_PROXY, FIELD(proxy), "URL", "off", 0, 0, "reach the gateways through a proxy, such as tor://localhost:9050",
      "socks5://HOST:PORT, tor://HOST:PORT (a circuit of its own for each gateway) or http://HOST:PORT; USER:PASSWORD@ may stand before "
      "the host. Names are looked up by the proxy, and nothing goes to a gateway beside it. Neighbours are not called through it.", true },
    { "bridge", CONFIG_SWITCH, FIELD(is_bridge), NULL, "no", 0, 0, "fetch all that a gateway has, for the neighbours here",
      "Otherwise a node hands over to its gateway what it carries for anybody, and fetches only its own, hidden among "
      "decoys. A bridge brings a village on the internet's edge everybody's.", true },
    { "uplink-budget", CONFIG_SIZE, FIELD(uplink_budget_bytes), "SIZE", "0", 0, UINT64_C(1) << 50,
      "data a day to and from gateways, on metered links; 0: no limit",
      "The last tenth is kept for texts and calls for help. When all is used the link stays down until midnight UTC; neighbours are still "
      "served. Counted with what TLS and TCP add.", true },
    { "on-message", CONFIG_PATH, FIELD(on_message), "PROGRAM", "", 0, 0, "run PROGRAM for every message that comes in",
      "It gets the message as JSON on standard input (docs/scripts.md), runs for a short while with little memory, two at a time, and may write only into the "
      "folder that it lies in, which has to be apart from the data folder. When it fails or hangs the log says so, and the message is in its conversation all the same.", true },
    { "on-message-time", CONFIG_SPAN_S, FIELD(on_message_s), "SPAN", "30s", 1, 600, "how long that program may take", "After it, it is ended.", true },
    { "capacity", CONFIG_SIZE, FIELD(capacity_bytes), "SIZE", "512M", UINT64_C(1) << 20, UINT64_C(1) << 44,
      "disk for bundles, such as 512M or 4G",
      "Shared out: 5 % SOS, 10 % your own, 35 % friends', 40 % strangers', 10 % public; an unused share is lent.", true },
    { "media-budget", CONFIG_SIZE, FIELD(media_budget_bytes), "SIZE", "50M", UINT64_C(1) << 10, UINT64_C(1) << 44,
      "photos and files a day over a gateway, unasked",
      "Previews and voice notes at a low rate always go. Originals wait for a fast link; over a gateway they go while this lasts, "
      "or when the receiver asks for them.", true },
    { "receipt-delay", CONFIG_SPAN_S, FIELD(receipt_delay_s), "SPAN", "15m", 0, 86400,
      "longest random pause before a receipt travels",
      "Pauses hide from onlookers that two people are talking. 0 answers at once.", true },
    { "spread-delay", CONFIG_NUMBER_MS, FIELD(spread_delay_ms), "MS", "1500", 1, 3600000,
      "pause before a bundle goes to a second neighbour, in ms",
      "The first neighbour to get a bundle is a random one; the pause keeps a first offer from naming its author.", true },
    { "epoch", CONFIG_SPAN_S, FIELD(epoch_s), "SPAN", "1h", 60, 86400, "how long link keys and beacons stay the same",
      "After it, links close and open again under fresh keys, so that nobody can follow a node around. The pause is varied "
      "by a quarter either way.", true },
    { "log-level", CONFIG_LEVEL, FIELD(log_level), "LEVEL", "info", 0, 0, "error, warning, info or debug",
      "No level logs names, texts or keys; debug logs addresses of neighbours.", true },
};
const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

static enum err config_fail(enum err e, char why[CONFIG_WHY_MAX], const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum err config_fail(enum err e, char why[CONFIG_WHY_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, CONFIG_WHY_MAX, format, args);
    va_end(args);
    return e;
}

/* ---- Values ---- */

static enum err read_text(char *to, size_t cap, const char *text, char why[CONFIG_WHY_MAX])
{
    size_t len = strlen(text);

    if (len == 0)
        return config_fail(ERR_MALFORMED, why, "needs a value");
    if (len >= cap)
        return config_fail(ERR_TOO_LARGE, why, "is longer than %zu characters", cap - 1);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return config_fail(ERR_MALFORMED, why, "holds a control character");
    memcpy(to, text, len + 1);
    return ERR_NONE;
}

/* "HOST:PORT"; only the shape, for addresses are the system's to judge. */
static enum err read_address(char *to, const char *text, bool needs_host, char why[CONFIG_WHY_MAX])
{
    const char *colon = strrchr(text, ':');
    uint64_t port;

    if (colon == NULL || units_number(&port, colon + 1, 65535) != ERR_NONE)
        return config_fail(ERR_MALFORMED, why, "wants ADDRESS:PORT, such as 192.168.1.7:7827 or [fe80::1%%eth0]:7827");
    size_t host_len = (size_t)(colon - text);
    bool is_bracketed = host_len >= 2 && text[0] == '[' && colon[-1] == ']';
    if (!is_bracketed && memchr(text, ':', host_len) != NULL)
        return config_fail(ERR_MALFORMED, why, "wants an IPv6 address in brackets: [fe80::1%%eth0]:7827");
    if (needs_host && (host_len == 0 || (is_bracketed && host_len == 2) || port == 0))
        return config_fail(ERR_MALFORMED, why, "wants both an address and a port to call");
    return read_text(to, CONFIG_ADDRESS_MAX, text, why);
}

static enum err read_switch(bool *to, const char *text, char why[CONFIG_WHY_MAX])
{
    static const char *const yes[] = { "yes", "on", "true", "1" }, *const no[] = { "no", "off", "false", "0" };

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *to = strcasecmp(text, yes[i]) == 0;
            return ERR_NONE;
        }
    }
    return config_fail(ERR_MALFORMED, why, "wants yes or no");
}

static enum err read_level(uint64_t *to, const char *text, char why[CONFIG_WHY_MAX])
{
    for (enum log_level level = LOG_LEVEL_ERROR; level < LOG_LEVEL_COUNT; level++) {
        if (strcmp(text, log_level_name(level)) == 0) {
            *to = level;
            return ERR_NONE;
        }
    }
    return config_fail(ERR_MALFORMED, why, "wants error, warning, info or debug");
}

static enum err read_power(uint64_t *to, const char *text, char why[CONFIG_WHY_MAX])
{
    if (strcmp(text, "auto") == 0) {
        *to = CONFIG_POWER_AUTO;
        return ERR_NONE;
    }
    for (enum power_source source = POWER_MAINS; source < POWER_SOURCE_COUNT; source++) {
        if (strcmp(text, power_source_name(source)) == 0) {
            *to = source;
            return ERR_NONE;
        }
    }
    return config_fail(ERR_MALFORMED, why, "wants auto, mains, battery or low");
}

static enum err read_classic(char *to, const char *text, char why[CONFIG_WHY_MAX])
{
    struct bt_address address;

    if (strcmp(text, "off") != 0 && strcmp(text, "listen") != 0 && bluetooth_address_parse(&address, text) != ERR_NONE)
        return config_fail(ERR_MALFORMED, why, "wants off, listen or an address such as 00:11:22:33:44:55");
    return read_text(to, BLUETOOTH_ADDRESS_LEN, text, why);
}

static enum err read_proxy(struct proxy *to, const char *text, char why[CONFIG_WHY_MAX])
{
    char what[256] = "";
    enum err e = proxy_parse(to, text, what);

    return e == ERR_NONE ? e : config_fail(e, why, "%s", what);
}

static enum err read_quantity(uint64_t *to, const struct config_key *key, const char *text, char why[CONFIG_WHY_MAX])
{
    static const char *const forms[] = {
        [CONFIG_PORT] = "a number", [CONFIG_NUMBER_MS] = "a number of milliseconds",
        [CONFIG_SIZE] = "a size such as 512M or 4G", [CONFIG_SPAN_S] = "a time such as 90s, 15m, 12h or 3d",
    };
    uint64_t v;
    enum err e = key->kind == CONFIG_SIZE     ? units_size(&v, text)
                 : key->kind == CONFIG_SPAN_S ? units_duration(&v, text)
                                              : units_number(&v, text, UINT64_MAX);

    if (e == ERR_MALFORMED)
        return config_fail(e, why, "wants %s", forms[key->kind]);
    if (e != ERR_NONE || v < key->least || v > key->most)
        return config_fail(ERR_TOO_LARGE, why, "lies outside %llu to %llu%s", (unsigned long long)key->least,
                           (unsigned long long)key->most,
                           key->kind == CONFIG_SIZE ? " bytes" : key->kind == CONFIG_SPAN_S ? " seconds" : "");
    *to = v;
    return ERR_NONE;
}

/* `why` gets the rest of a sentence that begins with the key's name. */
static enum err read_value(struct config *c, const struct config_key *key, const char *text, char why[CONFIG_WHY_MAX])
{
    void *field = (char *)c + key->offset;

    switch (key->kind) {
    case CONFIG_PATH:
        return read_text(field, PROFILE_PATH_MAX, text, why);
    case CONFIG_ADDRESS:
        return read_address(field, text, false, why);
    case CONFIG_ADAPTER:
        return read_text(field, CONFIG_ADDRESS_MAX, text, why);
    case CONFIG_PEERS:
        if (c->peer_count == LAN_PEERS_MAX)
            return config_fail(ERR_TOO_LARGE, why, "may stand at most %d times", LAN_PEERS_MAX);
        enum err e = read_address(c->peers[c->peer_count], text, true, why);
        if (e == ERR_NONE)
            c->peer_count++;
        return e;
    case CONFIG_SWITCH:
        return read_switch(field, text, why);
    case CONFIG_LEVEL:
        return read_level(field, text, why);
    case CONFIG_POWER:
        return read_power(field, text, why);
    case CONFIG_PROXY:
        return read_proxy(field, text, why);
    case CONFIG_CLASSIC:
        return read_classic(field, text, why);
    case CONFIG_PORT:
    case CONFIG_SIZE:
    case CONFIG_SPAN_S:
    case CONFIG_NUMBER_MS:
        return read_quantity(field, key, text, why);
    }
    return ERR_UNSUPPORTED;
}

static const struct config_key *find_key(const char *name, size_t len)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strlen(config_keys[i].name) == len && memcmp(config_keys[i].name, name, len) == 0)
            return &config_keys[i];
    return NULL;
}

void config_init(struct config *c)
{
    char why[CONFIG_WHY_MAX];

    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].usual[0] != '\0')
            (void)read_value(c, &config_keys[i], config_keys[i].usual, why);
}

/* ---- The file ---- */

struct file_reading {
    struct config *config;
    const char *name;
    const char *at, *end;
    unsigned line;
    bool is_given[sizeof config_keys / sizeof config_keys[0]];
    enum err error;              /* the first; the rest is only skipped */
    char *why;
};

static void file_fail(struct file_reading *f, enum err e, const char *key, const char *why)
{
    if (f->error != ERR_NONE)
        return;
    f->error = e;
    snprintf(f->why, CONFIG_WHY_MAX, "%.200s:%u: %.64s%s%.200s", f->name, f->line, key, key[0] != '\0' ? " " : "", why);
}

/* Gives the parser one line at a time, and keeps from it what it would misread: lines longer than its buffer, which it
 * would take for two, and indentation, which it would take for a continued value. */
static char *next_line(char *to, int cap, void *ctx)
{
    struct file_reading *f = ctx;

    if (f->at == f->end || f->error != ERR_NONE)
        return NULL;
    const char *newline = memchr(f->at, '\n', (size_t)(f->end - f->at));
    const char *line = f->at, *stop = newline != NULL ? newline : f->end;
    f->at = newline != NULL ? newline + 1 : f->end;
    f->line++;
    while (line < stop && (*line == ' ' || *line == '\t'))
        line++;
    size_t len = (size_t)(stop - line);
    bool is_comment = len > 0 && (*line == '#' || *line == ';');
    if (memchr(line, '\0', len) != NULL)
        file_fail(f, ERR_MALFORMED, "", "a zero byte: this is no text file");
    else if (is_comment)
        len = 0;
    else if (len > (size_t)cap - 3)
        file_fail(f, ERR_TOO_LARGE, "", "the line is too long; give this key as a flag instead");
    if (f->error != ERR_NONE)
        return NULL;
    memcpy(to, line, len);
    to[len] = '\n';
    to[len + 1] = '\0';
    return to;
}

static int on_pair(void *ctx, const char *section, const char *name, const char *text)
{
    struct file_reading *f = ctx;
    char why[CONFIG_WHY_MAX];
    const struct config_key *key = find_key(name, strlen(name));

    if (section[0] != '\0') {
        file_fail(f, ERR_MALFORMED, name, "stands in a [section]; keys stand without one");
        return 0;
    }
    if (key == NULL) {
        file_fail(f, ERR_MALFORMED, name, "is no key; `staffettad --example-config` shows all");
        return 0;
    }
    if (f->is_given[key - config_keys] && key->kind != CONFIG_PEERS) {
        file_fail(f, ERR_MALFORMED, name, "is given twice");
        return 0;
    }
    f->is_given[key - config_keys] = true;
    enum err e = read_value(f->config, key, text, why);
    if (e != ERR_NONE)
        file_fail(f, e, name, why);
    return e == ERR_NONE;
}

enum err config_read_text(struct config *c, const char *name, const char *text, size_t len, char why[CONFIG_WHY_MAX])
{
    struct file_reading f = { .config = c, .name = name, .at = text, .end = text + len, .why = why };

    int line = ini_parse_stream(next_line, &f, on_pair, &f);
    if (f.error == ERR_NONE && line != 0) {
        f.line = line > 0 ? (unsigned)line : f.line;
        file_fail(&f, ERR_MALFORMED, "", "wants KEY = VALUE, or a # before a comment");
    }
    return f.error;
}

static enum err read_file(struct config *c, const char *path, bool is_asked_for, char why[CONFIG_WHY_MAX])
{
    FILE *f = fopen(path, "re");

    if (f == NULL && errno == ENOENT && !is_asked_for)
        return ERR_NONE;
    if (f == NULL)
        return config_fail(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, why, "%.400s: %s", path, strerror(errno));
    char *text = malloc(CONFIG_FILE_MAX + 1);
    size_t len = text != NULL ? fread(text, 1, CONFIG_FILE_MAX + 1, f) : 0;
    enum err e = ERR_NONE;
    if (text == NULL)
        e = config_fail(ERR_NO_MEMORY, why, "%.400s: out of memory", path);
    else if (ferror(f))
        e = config_fail(ERR_IO, why, "%.400s: %s", path, strerror(errno));
    else if (len > CONFIG_FILE_MAX)
        e = config_fail(ERR_TOO_LARGE, why, "%.400s: larger than %d bytes", path, CONFIG_FILE_MAX);
    else
        e = config_read_text(c, path, text, len, why);
    free(text);
    fclose(f);
    return e;
}

/* ---- Flags ---- */

struct flag {
    const struct config_key *key;
    const char *value;           /* lent; NULL when there is none */
    bool is_negated;
    size_t name_len;             /* without dashes */
};

/* Splits argv[i] at "=". The key stays NULL when the name is none. */
static struct flag flag_of(const char *word)
{
    struct flag f = { 0 };
    const char *name = word + 2, *equals = strchr(name, '=');

    f.name_len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    f.value = equals != NULL ? equals + 1 : NULL;
    f.key = find_key(name, f.name_len);
    if (f.key == NULL && f.name_len > 3 && memcmp(name, "no-", 3) == 0) {
        f.key = find_key(name + 3, f.name_len - 3);
        f.is_negated = true;
        if (f.key != NULL && f.key->kind != CONFIG_SWITCH && f.key->kind != CONFIG_ADAPTER)
            f.key = NULL;
    }
    return f;
}

static bool takes_value(const struct flag *f)
{
    return !f->is_negated && f->key->kind != CONFIG_SWITCH;
}

enum err config_command_read(struct config_command *out, int argc, char **argv, char why[CONFIG_WHY_MAX])
{
    struct config_command c = { .action = CONFIG_RUN, .argc = argc, .argv = argv };
    static const struct { const char *name; enum config_action action; } actions[] = {
        { "--help", CONFIG_HELP }, { "-h", CONFIG_HELP }, { "--version", CONFIG_VERSION },
        { "--example-config", CONFIG_EXAMPLE }, { "--check-config", CONFIG_CHECK },
    };

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool is_action = false;

        for (size_t k = 0; k < sizeof actions / sizeof actions[0]; k++) {
            if (strcmp(word, actions[k].name) == 0) {
                c.action = actions[k].action;
                is_action = true;
            }
        }
        if (is_action)
            continue;
        const char **named = strcmp(word, "--config") == 0 ? &c.file : strcmp(word, "--completion") == 0 ? &c.shell : NULL;
        if (named != NULL) {
            if (i + 1 == argc)
                return config_fail(ERR_MALFORMED, why, "%s needs a value", word);
            *named = argv[++i];
            if (named == &c.shell)
                c.action = CONFIG_COMPLETION;
            continue;
        }
        if (strncmp(word, "--config=", 9) == 0) {
            c.file = word + 9;
            continue;
        }
        if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
            return config_fail(ERR_MALFORMED, why, "\"%.100s\" is no flag; see staffettad --help", word);
        struct flag f = flag_of(word);
        if (f.key == NULL)
            return config_fail(ERR_MALFORMED, why, "%.100s is no flag; see staffettad --help", word);
        if (takes_value(&f) && f.value == NULL && ++i == argc)
            return config_fail(ERR_MALFORMED, why, "%.100s needs a value: %s", word, f.key->value);
    }
    *out = c;
    return ERR_NONE;
}

enum err config_read_flags(struct config *c, const struct config_command *command, char why[CONFIG_WHY_MAX])
{
    for (int i = 1; i < command->argc; i++) {
        const char *word = command->argv[i];
        char rest[CONFIG_WHY_MAX];

        if (strcmp(word, "--config") == 0 || strcmp(word, "--completion") == 0) {
            i++;
            continue;
        }
        if (strncmp(word, "--", 2) != 0)
            continue;
        struct flag f = flag_of(word);
        if (f.key == NULL)
            continue;
        const char *text = f.value;
        if (text == NULL)
            text = takes_value(&f) ? command->argv[++i] : f.key->kind == CONFIG_ADAPTER ? "off" : f.is_negated ? "no" : "yes";
        else if (f.is_negated)
            return config_fail(ERR_MALFORMED, why, "--%.*s takes no value", (int)f.name_len, word + 2);
        enum err e = read_value(c, f.key, text, rest);
        if (e != ERR_NONE)
            return config_fail(e, why, "--%.*s %.300s", (int)f.name_len, word + 2, rest);
    }
    return ERR_NONE;
}

/* $XDG_CONFIG_HOME/staffetta/staffetta.conf, else below ~/.config. Empty when no home is known. */
static void usual_file(char to[PROFILE_PATH_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = 0;

    to[0] = '\0';
    if (config != NULL && config[0] == '/')
        n = snprintf(to, PROFILE_PATH_MAX, "%s/staffetta/staffetta.conf", config);
    else if (home != NULL && home[0] == '/')
        n = snprintf(to, PROFILE_PATH_MAX, "%s/.config/staffetta/staffetta.conf", home);
    if (n < 0 || n >= PROFILE_PATH_MAX)
        to[0] = '\0';
}

enum err config_load(struct config *out, const struct config_command *command, char why[CONFIG_WHY_MAX])
{
    struct config *c = malloc(sizeof *c);
    char usual[PROFILE_PATH_MAX];
    enum err e;

    if (c == NULL)
        return config_fail(ERR_NO_MEMORY, why, "out of memory");
    usual_file(usual);
    config_init(c);
    const char *path = command->file != NULL ? command->file : usual;
    e = path[0] != '\0' ? read_file(c, path, command->file != NULL, why) : ERR_NONE;
    if (e == ERR_NONE)
        e = config_read_flags(c, command, why);
    if (e == ERR_NONE)
        *out = *c;
    free(c);
    return e;
}
