/* mesh/links/lan_wire.c - see lan_wire.h */
#define _DEFAULT_SOURCE
#include "mesh/links/lan_wire.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum { BEACON_ADVERT_AT = 2 };

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool lan_address_is_ipv4(const struct lan_address *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

bool lan_address_is_any(const struct lan_address *a)
{
    static const uint8_t none[16];

    return memcmp(a->ip + 12, none, 4) == 0 && (lan_address_is_ipv4(a) || memcmp(a->ip, none, sizeof none) == 0);
}

bool lan_address_is_loopback(const struct lan_address *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    return lan_address_is_ipv4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, sizeof one) == 0;
}

bool lan_address_is_link_local(const struct lan_address *a)
{
    return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

bool lan_address_is_same_host(const struct lan_address *a, const struct lan_address *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->scope == b->scope;
}

bool lan_address_is_equal(const struct lan_address *a, const struct lan_address *b)
{
    return lan_address_is_same_host(a, b) && a->port == b->port;
}

void lan_address_text(const struct lan_address *a, char to[LAN_TEXT_LEN])
{
    char ip[INET6_ADDRSTRLEN], scope[IF_NAMESIZE + 1] = "";

    if (lan_address_is_ipv4(a)) {
        inet_ntop(AF_INET, a->ip + 12, ip, sizeof ip);
        snprintf(to, LAN_TEXT_LEN, "%s:%u", ip, a->port);
        return;
    }
    inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
    if (a->scope != 0) {
        scope[0] = '%';
        if (if_indextoname(a->scope, scope + 1) == NULL)
            snprintf(scope + 1, sizeof scope - 1, "%u", (unsigned)a->scope);
    }
    snprintf(to, LAN_TEXT_LEN, "[%s%s]:%u", ip, scope, a->port);
}

size_t lan_address_to_system(const struct lan_address *a, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    if (lan_address_is_ipv4(a)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)to;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        memcpy(&v4->sin_addr, a->ip + 12, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(a->port);
    v6->sin6_scope_id = a->scope;
    memcpy(&v6->sin6_addr, a->ip, 16);
    return sizeof *v6;
}

bool lan_address_of_system(struct lan_address *out, const struct sockaddr_storage *from)
{
    memset(out, 0, sizeof *out);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;

        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + 12, &v4->sin_addr, 4);
        out->port = ntohs(v4->sin_port);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

    memcpy(out->ip, &v6->sin6_addr, 16);
    out->port = ntohs(v6->sin6_port);
    /* The system gives a scope with global addresses too at times; there it would only spoil comparison. */
    if (lan_address_is_link_local(out))
        out->scope = v6->sin6_scope_id;
    return true;
}

static enum err wrong(char why[256], const char *text, const char *what)
{
    if (why != NULL)
        snprintf(why, 256, "\"%.80s\" %s", text, what);
    return ERR_MALFORMED;
}

static bool is_port(const char *digits, uint16_t *out)
{
    size_t len = strspn(digits, "0123456789");

    if (len == 0 || len > 5 || digits[len] != '\0')
        return false;
    long v = strtol(digits, NULL, 10);

    *out = (uint16_t)v;
    return v <= 65535;
}

enum err lan_place_parse(struct lan_place *out, const char *text, bool may_be_any, char why[256])
{
    static const char host_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *host = text, *colon = strrchr(text, ':'), *host_end;
    struct lan_place p;
    bool is_bracketed = text[0] == '[';

    memset(&p, 0, sizeof p);
    if (is_bracketed) {
        const char *close = strchr(text, ']');

        if (close == NULL)
            return wrong(why, text, "has no closing bracket: write [ADDRESS]:PORT");
        host = text + 1;
        host_end = close;
        colon = close[1] == ':' ? close + 1 : NULL;
    } else {
        if (colon != NULL && strchr(text, ':') != colon)
            return wrong(why, text, "looks like IPv6 without brackets: write [ADDRESS]:PORT");
        host_end = colon;
    }
    if (colon == NULL)
        return wrong(why, text, "has no port: write ADDRESS:PORT");
    if (!is_port(colon + 1, &p.port))
        return wrong(why, text, "has no valid port: it must be a number up to 65535");
    if (p.port == 0 && !may_be_any)
        return wrong(why, text, "has port 0, which nobody can call");
    size_t len = (size_t)(host_end - host);

    if (len == 0 && (is_bracketed || !may_be_any))
        return wrong(why, text, "has no address before the port");
    if (len >= sizeof p.host)
        return wrong(why, text, "has a name that is too long");
    memcpy(p.host, host, len);
    if (is_bracketed) {
        struct lan_address a;

        if (strchr(p.host, ':') == NULL || !lan_place_is_numeric(&p, &a))
            return wrong(why, text, strchr(p.host, '%') != NULL ? "is no IPv6 address of an interface that is there"
                                                                : "is no IPv6 address");
    } else if (strspn(p.host, host_chars) != len) {
        return wrong(why, text, "has a character that no address or name has");
    }
    *out = p;
    return ERR_NONE;
}

bool lan_place_is_numeric(const struct lan_place *p, struct lan_address *out)
{
    struct lan_address a;
    char ip[LAN_HOST_LEN];
    char *percent;

    memset(&a, 0, sizeof a);
    a.port = p->port;
    if (inet_pton(AF_INET, p->host, a.ip + 12) == 1) {
        memcpy(a.ip, mapped, sizeof mapped);
        *out = a;
        return true;
    }
    memcpy(ip, p->host, sizeof ip);
    if ((percent = strchr(ip, '%')) != NULL) {
        *percent = '\0';
        a.scope = if_nametoindex(percent + 1);
        if (a.scope == 0)
            return false;
    }
    if (inet_pton(AF_INET6, ip, a.ip) != 1)
        return false;
    *out = a;
    return true;
}

enum err lan_datagram_decode(struct bytes in, uint8_t beacon[BEACON_LEN], uint16_t *tcp_port)
{
    struct reader r = reader_of(in);
    uint8_t octets[BEACON_LEN];

    reader_copy(&r, octets, sizeof octets);
    uint16_t port = reader_u16(&r);

    if (!reader_is_done(&r) || port == 0)
        return ERR_MALFORMED;
    memcpy(beacon, octets, sizeof octets);
    *tcp_port = port;
    return ERR_NONE;
}

void lan_datagram_encode(uint8_t to[LAN_DATAGRAM_LEN], const uint8_t beacon[BEACON_LEN], uint16_t tcp_port)
{
    struct writer w = writer_of(to, LAN_DATAGRAM_LEN);

    writer_copy(&w, bytes_of(beacon, BEACON_LEN));
    writer_u16(&w, tcp_port);
}

enum err lan_preamble_decode(struct lan_preamble *out, struct bytes in)
{
    struct reader r = reader_of(in);
    struct lan_preamble p;
    uint8_t version = reader_u8(&r);

    reader_copy(&r, p.initiator, sizeof p.initiator);
    reader_copy(&r, p.responder, sizeof p.responder);
    if (!reader_is_done(&r))
        return ERR_MALFORMED;
    if (version != LAN_PREAMBLE_VERSION)
        return ERR_VERSION;
    *out = p;
    return ERR_NONE;
}

void lan_preamble_encode(uint8_t to[LAN_PREAMBLE_LEN], const struct lan_preamble *p)
{
    struct writer w = writer_of(to, LAN_PREAMBLE_LEN);

    writer_u8(&w, LAN_PREAMBLE_VERSION);
    writer_copy(&w, bytes_of(p->initiator, sizeof p->initiator));
    writer_copy(&w, bytes_of(p->responder, sizeof p->responder));
}

void lan_advert_of_beacon(uint8_t out[ADVERT_RANDOM_LEN], const uint8_t beacon[BEACON_LEN])
{
    memcpy(out, beacon + BEACON_ADVERT_AT, ADVERT_RANDOM_LEN);
}
