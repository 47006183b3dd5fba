/* apps/gateway/entry.h - the one moment in which a connection becomes a link: its first request holds an invite's token. */
#ifndef STA_GATEWAY_ENTRY_H
#define STA_GATEWAY_ENTRY_H

#include "apps/gateway/gate.h"
#include "apps/service/log.h"

struct bufferevent;

/* Lent, all of it. */
struct entry {
    const struct log *log;
    struct host *host;
    struct gate *gate;
    uint64_t (*now_unix_s)(void);   /* 0: no clock */
};

/* What a request's head has shown. */
struct entrant {
    const struct invite *invite;              /* lent until the next gate_tend */
    uint8_t binding[TOKEN_BINDING_LEN];       /* of the link */
    char websocket_key[WEBSOCKET_KEY_LEN + 1];
};

/* `binding` is that of the TLS connection; NULL: there is none, and the link's is made of the invite's secret
 * (docs/protocol.md section 11.5). False: no invite. */
bool entry_judge(const struct entry *a, struct bytes head, const uint8_t binding[TOKEN_BINDING_LEN], struct entrant *out);

/* Answers, and makes a link of the connection, which is taken whatever comes of it. False: it is closed. */
bool entry_open(const struct entry *a, struct bufferevent *bev, const struct entrant *who);

#endif
