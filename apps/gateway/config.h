/* apps/gateway/config.h - what an operator may set: one table for the file, the flags and --help. */
#ifndef STA_GATEWAY_CONFIG_H
#define STA_GATEWAY_CONFIG_H

#include <stdio.h>

#include "apps/profile/profile.h"
#include "apps/service/log.h"
#include "mesh/links/gateway_link.h"
#include "mesh/links/lan_wire.h"

enum { GW_LISTEN_MAX = 8, GW_ADDRESS_MAX = 300, GW_WHY_MAX = 512, GW_DATABASES_MAX = 8, GW_DATABASE_MAX = 512, GW_PEERS_MAX = 8 };

enum gw_engine { GW_ENGINE_LMDB, GW_ENGINE_POSTGRESQL };

struct gw_config {
    char data[PROFILE_PATH_MAX];
    char listen[GW_LISTEN_MAX][GW_ADDRESS_MAX];
    size_t listen_count;
    char address[GATEWAY_ADDRESSES_MAX][GW_ADDRESS_MAX];   /* as users reach it: "HOST:PORT" */
    size_t address_count;
    char plain_address[GW_ADDRESS_MAX];  /* the same of `redirect`, for links without TLS; empty: there are none */
    char site[PROFILE_PATH_MAX];         /* a folder, or "HOST:PORT"; empty: a page of our own */
    char certificate[PROFILE_PATH_MAX];  /* PEM, the whole chain; empty: a self-signed one is made */
    char certificate_key[PROFILE_PATH_MAX];
    uint64_t capacity_bytes;
    uint64_t engine;                     /* enum gw_engine */
    char database[GW_DATABASES_MAX][GW_DATABASE_MAX];   /* connection strings of libpq, a shard each */
    size_t database_count;
    struct gateway peer[GW_PEERS_MAX];   /* each as a link of its `invite --for-gateway` names it */
    size_t peer_count;
    uint64_t visitors_max;
    bool     is_proxied;
    char redirect[GW_ADDRESS_MAX];       /* "ADDR:PORT" in clear; empty: nowhere */
    char challenges[PROFILE_PATH_MAX];
    char status[PROFILE_PATH_MAX];       /* a socket's path, or a loopback "ADDR:PORT"; empty: nowhere */
    uint64_t log_level;
};

struct gw_key {
    const char *name, *value, *usual, *summary, *detail;
    enum { GW_TEXT, GW_PLACE, GW_LISTEN, GW_ADDRESS, GW_REACHED, GW_SIZE, GW_NUMBER, GW_SWITCH, GW_LEVEL, GW_ENGINE, GW_DATABASE, GW_PEER } kind;
    size_t offset;
    uint64_t least, most;
};
extern const struct gw_key gw_keys[];
extern const size_t gw_key_count;

void     gw_config_init(struct gw_config *c);
enum err gw_config_set(struct gw_config *c, const char *name, const char *text, char why[GW_WHY_MAX]);

/* ERR_NOT_FOUND, ERR_IO, ERR_MALFORMED, with `why`. */
enum err gw_config_file(struct gw_config *c, const char *path, char why[GW_WHY_MAX]);

void     gw_config_print_keys(FILE *to);
void     gw_config_print_example(FILE *to);

#endif
