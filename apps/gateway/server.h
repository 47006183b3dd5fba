/* apps/gateway/server.h - the running gateway: folder, key, store, node, web site and front on one loop. */
#ifndef STA_GATEWAY_SERVER_H
#define STA_GATEWAY_SERVER_H

#include "apps/gateway/config.h"

/* Reads the configuration again for a reload; the same as at the start. */
typedef enum err server_reread(void *ctx, struct gw_config *out, char why[GW_WHY_MAX]);

/* Runs until SIGTERM or SIGINT; the exit status. */
int server_run(struct gw_config *config, server_reread *reread, void *ctx);

/* The gateway's key pair (secret, public), made at first use. ERR_IO, ERR_CORRUPT. */
enum err server_key(const struct gw_config *c, uint8_t secret[GATEWAY_PUBLIC_LEN], uint8_t public_key[GATEWAY_PUBLIC_LEN]);

#endif
