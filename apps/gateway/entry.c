/* apps/gateway/entry.c - see entry.h */
#include "apps/gateway/entry.h"

#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>

#include "mesh/links/openssl.h"

bool entry_judge(const struct entry *a, struct bytes head, const uint8_t binding[TOKEN_BINDING_LEN], struct entrant *out)
{
    uint8_t token[TOKEN_LEN], plain[TOKEN_BINDING_LEN];

    if (!request_read(head, token, out->websocket_key))
        return false;
    token_plain_binding(gate_key(a->gate), plain);
    out->invite = gate_judge(a->gate, token, binding != NULL ? binding : plain, a->now_unix_s());
    if (out->invite == NULL)
        return false;
    if (binding != NULL)
        memcpy(out->binding, binding, sizeof out->binding);
    else
        token_plain_link_binding(token, out->invite->secret, out->binding);
    return true;
}

/* What a WebSocket server answers to a key (RFC 6455 section 4.2.2). */
static void accept_of_key(const char *key, char to[32])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[WEBSOCKET_KEY_LEN + sizeof guid];
    unsigned len = 0;

    snprintf(text, sizeof text, "%s%s", key, guid);
    EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)to, digest, (int)len);
}

bool entry_open(const struct entry *a, struct bufferevent *bev, const struct entrant *who)
{
    struct link_open how = { .kind = who->invite->is_peer ? LINK_PEER : LINK_CLIENT, .contributor = who->invite->contributor };
    char accepted[32], answer[256];
    uint32_t link;

    how.allowance = invite_allowance(who->invite, a->now_unix_s());
    memcpy(how.binding, who->binding, sizeof how.binding);
    accept_of_key(who->websocket_key, accepted);
    int n = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                            "Sec-WebSocket-Accept: %s\r\n\r\n", accepted);
    bufferevent_set_timeouts(bev, NULL, NULL);
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    if (bufferevent_write(bev, answer, (size_t)n) != 0) {
        bufferevent_free(bev);
        return false;
    }
    if (host_link_add(a->host, bev, &how, who->invite->label, &link) != ERR_NONE) {
        log_line(a->log, LOG_LEVEL_WARNING, "no room for another link");
        return false;
    }
    if (gate_join(a->gate, who->invite, link) != ERR_NONE)
        host_link_drop(a->host, link);
    return true;
}
