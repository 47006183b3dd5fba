/* apps/daemon/config.h - what a person may set.
 *
 * One table of keys (config_keys) drives the file, the flags, --help, --example-config, the manual page and
 * the completion. A key `beacon-port` is `beacon-port = 7827` in the file and `--beacon-port 7827` as a flag; a switch is
 * `relay = yes` and `--relay`, `--no-relay`. Flags win over the file, the file over the defaults.
 */
#ifndef STA_DAEMON_CONFIG_H
#define STA_DAEMON_CONFIG_H

#include <stdio.h>

#include "apps/service/log.h"
#include "apps/service/power.h"
#include "apps/profile/profile.h"
#include "mesh/links/bluetooth.h"
#include "mesh/links/lan.h"
#include "mesh/links/proxy.h"

enum {
    CONFIG_ADDRESS_MAX = 300,        /* "HOST:PORT"; a host name has at most 253 characters */
    CONFIG_FILE_MAX    = 64 * 1024,
    CONFIG_LINE_MAX    = 1200,       /* a path and its key */
    CONFIG_WHY_MAX     = 512,
    CONFIG_POWER_AUTO  = POWER_SOURCE_COUNT,
};

struct config {
    char data[PROFILE_PATH_MAX];
    char api[PROFILE_PATH_MAX];              /* empty: api.sock in the data folder */
    char listen[CONFIG_ADDRESS_MAX];         /* empty: any address, the usual port */
    char peers[LAN_PEERS_MAX][CONFIG_ADDRESS_MAX];
    size_t   peer_count;
    bool     is_discovery_on;
    uint64_t beacon_port;
    char bluetooth[CONFIG_ADDRESS_MAX];      /* "off", or an adapter */
    uint64_t bluetooth_power;                /* enum power_source, or CONFIG_POWER_AUTO */
    char bluetooth_classic[BLUETOOTH_ADDRESS_LEN];   /* "off", "listen" or an address */
    bool     is_relay;
    char passphrase_file[PROFILE_PATH_MAX];
    char watch_folder[PROFILE_PATH_MAX];
    char gateways[PROFILE_PATH_MAX];         /* a file of links; empty: none */
    struct proxy proxy;                      /* towards the gateways */
    bool     is_bridge;
    uint64_t uplink_budget_bytes;            /* a day; 0: no limit */
    char on_message[PROFILE_PATH_MAX];       /* a program; empty: none */
    uint64_t on_message_s;                   /* how long it may take */
    uint64_t capacity_bytes;
    uint64_t media_budget_bytes;
    uint64_t receipt_delay_s;
    uint64_t spread_delay_ms;
    uint64_t epoch_s;
    uint64_t log_level;                      /* enum log_level */
};

enum config_kind {
    CONFIG_PATH, CONFIG_ADDRESS, CONFIG_PEERS, CONFIG_SWITCH, CONFIG_PORT, CONFIG_SIZE, CONFIG_SPAN_S, CONFIG_NUMBER_MS,
    CONFIG_LEVEL, CONFIG_ADAPTER, CONFIG_POWER, CONFIG_CLASSIC,
    CONFIG_PROXY,
};

struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;              /* of its field in struct config; peers: of the array */
    const char *value;          /* what stands for the value in --help; NULL for a switch */
    const char *usual;          /* the default as it would be written; empty: nothing */
    uint64_t least, most;       /* of numbers */
    const char *summary;        /* one line for --help */
    const char *detail;         /* sentences for the manual page and the example */
    bool is_live;               /* SIGHUP changes it; otherwise a restart is needed */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* What the command line asks for beside keys. */
enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_EXAMPLE, CONFIG_CHECK, CONFIG_COMPLETION };

struct config_command {
    enum config_action action;
    const char *file;           /* --config; NULL: the usual place, if there is a file */
    const char *shell;          /* CONFIG_COMPLETION */
    int argc;
    char **argv;
};

/* Reads only what is no key; config_load reads the rest, again at each SIGHUP. On ERR_MALFORMED `why` says which word
 * and what to do. */
enum err config_command_read(struct config_command *out, int argc, char **argv, char why[CONFIG_WHY_MAX]);

/* Defaults, then the file, then the flags. ERR_NOT_FOUND and ERR_IO: the file that was asked for; ERR_MALFORMED,
 * ERR_TOO_LARGE. `why` then holds "FILE:LINE: what is wrong" or the flag. */
enum err config_load(struct config *out, const struct config_command *command, char why[CONFIG_WHY_MAX]);

/* The parts of it, for tests and the fuzzer. */
void     config_init(struct config *c);
enum err config_read_text(struct config *c, const char *name, const char *text, size_t len, char why[CONFIG_WHY_MAX]);
enum err config_read_flags(struct config *c, const struct config_command *command, char why[CONFIG_WHY_MAX]);

/* apps/daemon/config_page.c: the table for people and shells. */
void config_print_help(FILE *to);
void config_print_example(FILE *to);
void config_print_manual_keys(FILE *to);
bool config_print_completion(FILE *to, const char *shell);   /* false: no such shell */

#endif
