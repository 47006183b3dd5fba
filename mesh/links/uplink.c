/* mesh/links/uplink.c - see uplink.h */
#define _DEFAULT_SOURCE
#include "mesh/links/uplink.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "mesh/links/gateway_token.h"
#include "mesh/links/lan_resolve.h"
#include "mesh/links/netif.h"
#include "mesh/links/openssl.h"

enum { TRIES_MAX = 4, DEAD_MS = 30000, NEWS_PAUSE_MS = 500 };

static_assert((int)GATEWAY_PUBLIC_LEN == (int)GATEWAY_KEY_LEN && (int)TOKEN_BINDING_LEN == (int)LINK_BINDING_LEN, "one key");

struct known {
    struct gateway gateway;
    bool has_cursor;
    struct uplink_cursor cursor;   /* zeros: the beginning */
};

/* An address on its way to a link. */
struct try {
    struct uplink *uplink;
    bool is_used;
    unsigned got;                  /* 0 nowhere, 1 connected, 2 right certificate */
    size_t gateway, address;
    struct lan_resolve *lookup;
    struct lan_address found[LAN_RESOLVE_MAX];
    size_t found_count, found_at;
    struct bufferevent *bev;       /* NULL: being looked up; until the proxy has agreed it is in clear, and `ssl` NULL */
    struct proxy_talk talk;
    SSL *ssl;                      /* bev owns it */
    uint8_t binding[TOKEN_BINDING_LEN];
};

struct uplink {
    struct event_base *base;
    struct host *host;
    struct node *node;
    enum link_kind kind;
    struct rng rng;
    SSL_CTX *tls;
    struct proxy proxy;
    struct event *timer;           /* the next try, or the next address of the race */
    struct event *news;
    struct known known[UPLINK_GATEWAYS_MAX];
    size_t known_count;
    struct mailbox_prefix *prefixes;
    size_t prefix_count;

    struct try tries[TRIES_MAX];
    size_t next;                   /* of all addresses, in the order of this race */
    bool is_racing, is_paused;
    uint64_t race_since_ms;
    size_t won_gateway, won_address;   /* what worked last, with TLS */

    uint32_t link;
    size_t link_gateway;
    bool is_ready;
    uint64_t link_since_ms, wake_at_ms;
    uint32_t pause_ms;             /* the next one */
    uint64_t links;
    char last_error[UPLINK_ERROR_MAX];
    unsigned got;                  /* how far the try of last_error got */
};

static void race_start(struct uplink *u);
static void race_go_on(struct uplink *u);
static void try_next_address(struct try *t);

static void set_timer(struct uplink *u, uint64_t ms)
{
    struct timeval t = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000 };

    u->wake_at_ms = host_now_ms(u->host) + ms;
    event_add(u->timer, &t);
}

/* ---- Tries ---- */

static void try_end(struct try *t)
{
    lan_resolve_cancel(t->lookup);
    t->lookup = NULL;
    if (t->bev != NULL)
        bufferevent_free(t->bev);
    t->bev = NULL;
    t->ssl = NULL;
    t->is_used = false;
}

static size_t tries_under_way(const struct uplink *u)
{
    size_t count = 0;

    for (size_t i = 0; i < TRIES_MAX; i++)
        count += u->tries[i].is_used;
    return count;
}

static void try_failed(struct try *t, const char *why)
{
    struct uplink *u = t->uplink;
    const struct gateway *g = &u->known[t->gateway].gateway;

    /* Of several addresses, the one that nearly worked tells a person most. */
    if (t->got >= u->got || u->last_error[0] == '\0') {
        snprintf(u->last_error, sizeof u->last_error, "%.60s: %.120s", g->addresses[t->address].host, why);
        u->got = t->got;
    }
    if (t->bev != NULL)
        bufferevent_free(t->bev);
    t->bev = NULL;
    t->ssl = NULL;
    if (t->found_at < t->found_count) {
        try_next_address(t);
        return;
    }
    try_end(t);
    race_go_on(u);
}

/* With a pin only the key counts; otherwise OpenSSL has checked name and chain already. */
static bool is_right_certificate(const struct try *t)
{
    const struct gateway *g = &t->uplink->known[t->gateway].gateway;
    unsigned char *der = NULL;
    unsigned char digest[32];
    unsigned len = 0;

    if (!g->is_pinned)
        return SSL_get_verify_result(t->ssl) == X509_V_OK;
    X509 *x = SSL_get1_peer_certificate(t->ssl);
    int n = x != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;
    bool is_right = n > 0 && EVP_Digest(der, (size_t)n, digest, &len, EVP_sha256(), NULL) == 1 && len == sizeof g->pin &&
                    memcmp(digest, g->pin, sizeof g->pin) == 0;
    OPENSSL_free(der);
    X509_free(x);
    return is_right;
}

static bool is_plain(const struct try *t)
{
    return t->uplink->known[t->gateway].gateway.addresses[t->address].is_plain;
}

static bool ask(struct try *t)
{
    const struct gateway *g = &t->uplink->known[t->gateway].gateway;
    char request[REQUEST_TEXT_MAX];
    uint8_t token[TOKEN_LEN];

    if (is_plain(t))
        token_plain_binding(g->key, t->binding);
    else if (SSL_export_keying_material(t->ssl, t->binding, sizeof t->binding, TOKEN_EXPORTER_LABEL,
                                   sizeof TOKEN_EXPORTER_LABEL - 1, NULL, 0, 0) != 1)
        return false;
    token_make(g, t->binding, &t->uplink->rng, token);
    if (is_plain(t))
        token_plain_link_binding(token, g->secret, t->binding);
    size_t len = request_write(request, g->addresses[t->address].host, token, &t->uplink->rng);
    return bufferevent_write(t->bev, request, len) == 0;
}

static void on_try_event(struct bufferevent *bev, short what, void *ctx)
{
    struct try *t = ctx;
    unsigned long tls = t->ssl != NULL ? bufferevent_get_openssl_error(bev) : 0;

    if ((what & BEV_EVENT_CONNECTED) != 0) {
        t->got = 1;
        if (t->ssl != NULL && !is_right_certificate(t)) {
            try_failed(t, "another certificate than the gateway's: a login page of this network, or somebody in between");
            return;
        }
        t->got = 2;
        if (!ask(t))
            try_failed(t, "out of memory");
        return;
    }
    if (tls != 0 && ERR_GET_REASON(tls) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        try_failed(t, "its certificate is not valid: a login page of this network, or a wrong clock");
    else if ((what & BEV_EVENT_TIMEOUT) != 0)
        try_failed(t, "no answer in time");
    else if ((what & BEV_EVENT_EOF) != 0 || tls != 0)
        try_failed(t, "hung up");
    else
        try_failed(t, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

static void try_won(struct try *t)
{
    struct uplink *u = t->uplink;
    struct link_open how = { .kind = u->kind, .is_initiator = true };
    struct known *k = &u->known[t->gateway];
    struct bufferevent *bev = t->bev;
    char label[LAN_TEXT_LEN];
    uint32_t link;

    memcpy(how.gateway_key, k->gateway.key, sizeof how.gateway_key);
    memcpy(how.binding, t->binding, sizeof how.binding);
    snprintf(label, sizeof label, "%.60s:%u", k->gateway.addresses[t->address].host,
             (unsigned)k->gateway.addresses[t->address].port);
    size_t gateway = t->gateway, address = t->address;
    t->bev = NULL;
    for (size_t i = 0; i < TRIES_MAX; i++)
        if (u->tries[i].is_used)
            try_end(&u->tries[i]);
    u->is_racing = false;
    event_del(u->timer);
    bufferevent_set_timeouts(bev, NULL, NULL);
    if (host_link_add(u->host, bev, &how, label, &link) != ERR_NONE) {
        snprintf(u->last_error, sizeof u->last_error, "too many links are open");
        set_timer(u, UPLINK_PAUSE_MAX_MS / 10);
        return;
    }
    u->link = link;
    u->link_gateway = gateway;
    if (!k->gateway.addresses[address].is_plain) {
        u->won_gateway = gateway;
        u->won_address = address;
    }
    u->link_since_ms = host_now_ms(u->host);
    u->links++;
    u->last_error[0] = '\0';
    if (u->prefix_count > 0)
        (void)node_link_fetch(u->node, link, u->prefixes, u->prefix_count, k->cursor.cursor);
}

static void on_try_readable(struct bufferevent *bev, void *ctx)
{
    static const char yes[] = "HTTP/1.1 101 ";
    struct evbuffer *in = bufferevent_get_input(bev);
    struct try *t = ctx;
    size_t len = evbuffer_get_length(in) < REQUEST_HEAD_MAX ? evbuffer_get_length(in) : REQUEST_HEAD_MAX;
    const uint8_t *at = evbuffer_pullup(in, (ev_ssize_t)len);
    size_t head = at != NULL ? request_head_len(bytes_of(at, len)) : 0;

    if (head == 0 && len < REQUEST_HEAD_MAX)
        return;
    if (head == 0 || memcmp(at, yes, sizeof yes - 1) != 0) {
        try_failed(t, "it shows its web site: the invite was revoked or has expired, or it is another machine");
        return;
    }
    evbuffer_drain(in, head);
    try_won(t);
}

/* Name checks, where a public authority stands for it. */
static bool prepare_tls(struct try *t)
{
    const struct gateway *g = &t->uplink->known[t->gateway].gateway;
    const char *host = g->addresses[t->address].host;
    struct lan_place place = { .port = 0 };
    struct lan_address numeric;

    if ((t->ssl = SSL_new(t->uplink->tls)) == NULL)
        return false;
    snprintf(place.host, sizeof place.host, "%s", host);
    bool is_numeric = lan_place_is_numeric(&place, &numeric);
    bool is_good = is_numeric || SSL_set_tlsext_host_name(t->ssl, host) == 1;
    if (!g->is_pinned) {
        SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
        is_good = is_good && (is_numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), host)
                                         : SSL_set1_host(t->ssl, host)) == 1;
    }
    if (!is_good) {
        SSL_free(t->ssl);
        t->ssl = NULL;
    }
    return is_good;
}

static bool begin_request(struct try *t, int fd);

static void on_proxy_event(struct bufferevent *bev, short what, void *ctx)
{
    struct try *t = ctx;
    const struct gateway *g = &t->uplink->known[t->gateway].gateway;
    struct lan_place to = { .port = g->addresses[t->address].port };
    uint8_t say[PROXY_SAY_MAX];
    size_t len;

    if ((what & BEV_EVENT_CONNECTED) == 0) {
        try_failed(t, (what & BEV_EVENT_TIMEOUT) != 0 ? "the proxy does not answer" :
                      (what & BEV_EVENT_EOF) != 0     ? "the proxy hung up" : "the proxy cannot be reached");
        return;
    }
    snprintf(to.host, sizeof to.host, "%s", g->addresses[t->address].host);
    proxy_talk_begin(&t->talk, &t->uplink->proxy, &to, bytes_of(g->key, sizeof g->key), say, &len);
    if (bufferevent_write(bev, say, len) != 0)
        try_failed(t, "out of memory");
    secret_wipe(say, sizeof say);
}

static void on_proxy_readable(struct bufferevent *bev, void *ctx)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct try *t = ctx;
    uint8_t say[PROXY_SAY_MAX];
    size_t heard = evbuffer_get_length(in), used, len;
    const uint8_t *at = evbuffer_pullup(in, -1);

    enum proxy_step step = proxy_talk_hear(&t->talk, bytes_of(at, heard), &used, say, &len);
    evbuffer_drain(in, used);
    if (step == PROXY_REFUSED) {
        try_failed(t, t->talk.why);
    } else if (step == PROXY_OPEN) {
        int fd = (int)bufferevent_getfd(bev);

        /* The descriptor outlives the clear part; its buffer is empty, for the gateway does not speak first. */
        bufferevent_setfd(bev, -1);
        bufferevent_free(bev);
        t->bev = NULL;
        if (!begin_request(t, fd))
            try_failed(t, "out of memory");
    } else if (len > 0 && bufferevent_write(bev, say, len) != 0) {
        try_failed(t, "out of memory");
    }
    secret_wipe(say, sizeof say);
}

/* Over a connection that is yet to be made, or, through a proxy, is there. False: out of memory, and `fd` is closed. */
static bool begin_tls(struct try *t, int fd)
{
    struct timeval patience = { UPLINK_TRY_MS / 1000, 0 };

    t->bev = prepare_tls(t) ? bufferevent_openssl_socket_new(t->uplink->base, fd, t->ssl, BUFFEREVENT_SSL_CONNECTING,
                                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
                            : NULL;
    if (t->bev == NULL) {
        SSL_free(t->ssl);
        t->ssl = NULL;
        close(fd);
        return false;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(t->bev, 1);
    bufferevent_setcb(t->bev, on_try_readable, NULL, on_try_event, t);
    bufferevent_set_timeouts(t->bev, &patience, &patience);
    bufferevent_enable(t->bev, EV_READ | EV_WRITE);
    return true;
}

/* The same in clear. */
static bool begin_clear(struct try *t, int fd, bufferevent_data_cb on_readable, bufferevent_event_cb on_event)
{
    struct timeval patience = { UPLINK_TRY_MS / 1000, 0 };

    t->bev = bufferevent_socket_new(t->uplink->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (t->bev == NULL) {
        close(fd);
        return false;
    }
    bufferevent_setcb(t->bev, on_readable, NULL, on_event, t);
    bufferevent_set_timeouts(t->bev, &patience, &patience);
    bufferevent_enable(t->bev, EV_READ | EV_WRITE);
    return true;
}

static bool begin_request(struct try *t, int fd)
{
    return is_plain(t) ? begin_clear(t, fd, on_try_readable, on_try_event) : begin_tls(t, fd);
}

static bool begin_proxy(struct try *t, int fd)
{
    if (!begin_clear(t, fd, on_proxy_readable, on_proxy_event))
        return false;
    bufferevent_setwatermark(t->bev, EV_READ, 0, PROXY_HEAR_MAX);
    return true;
}

static void try_next_address(struct try *t)
{
    struct uplink *u = t->uplink;
    struct sockaddr_storage to;
    unsigned dead_ms = DEAD_MS;

    memset(&to, 0, sizeof to);
    size_t len = lan_address_to_system(&t->found[t->found_at++], &to);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (len == 0 || fd < 0) {
        if (fd >= 0)
            close(fd);
        try_failed(t, "no socket");
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    if (!(u->proxy.kind == PROXY_NONE ? begin_request(t, fd) : begin_proxy(t, fd)))
        try_failed(t, "out of memory");
    else if (bufferevent_socket_connect(t->bev, (struct sockaddr *)&to, (int)len) != 0)
        try_failed(t, "unreachable");
}

/* Whom to call for the nth address of a gateway: the proxy if there is one, for names behind it are its own affair. */
static struct lan_place place_of(const struct uplink *u, size_t gateway, size_t address)
{
    const struct gateway *g = &u->known[gateway].gateway;
    struct lan_place place = { .port = g->addresses[address].port };

    if (u->proxy.kind != PROXY_NONE)
        return u->proxy.at;
    snprintf(place.host, sizeof place.host, "%s", g->addresses[address].host);
    return place;
}

static void on_resolved(void *ctx, const struct lan_address *list, size_t count)
{
    struct try *t = ctx;

    t->lookup = NULL;
    t->found_count = count < LAN_RESOLVE_MAX ? count : LAN_RESOLVE_MAX;
    t->found_at = 0;
    for (size_t i = 0; i < t->found_count; i++) {
        t->found[i] = list[i];
        t->found[i].port = place_of(t->uplink, t->gateway, t->address).port;
    }
    if (count == 0)
        try_failed(t, t->uplink->proxy.kind == PROXY_NONE ? "its name is not found" : "the proxy's name is not found");
    else
        try_next_address(t);
}

static void try_start(struct uplink *u, struct try *t, size_t gateway, size_t address)
{
    struct lan_place place = place_of(u, gateway, address);
    struct lan_address numeric;

    *t = (struct try){ .uplink = u, .is_used = true, .gateway = gateway, .address = address };
    if (lan_place_is_numeric(&place, &numeric))
        on_resolved(t, &numeric, 1);
    else if (lan_resolve_start(&t->lookup, u->base, &place, on_resolved, t) != ERR_NONE)
        try_failed(t, "its name cannot be looked up now");
}

/* ---- The race ---- */

/* The nth address to try: what worked last first, then all in order, those without TLS at the end. */
static bool candidate(const struct uplink *u, size_t n, size_t *gateway, size_t *address)
{
    bool has_won = u->won_gateway < u->known_count && u->won_address < u->known[u->won_gateway].gateway.address_count;

    if (has_won && n == 0) {
        *gateway = u->won_gateway;
        *address = u->won_address;
        return true;
    }
    n -= has_won;
    for (int plain = 0; plain <= 1; plain++) {
        for (size_t g = 0; g < u->known_count; g++) {
            for (size_t a = 0; a < u->known[g].gateway.address_count; a++) {
                if ((has_won && g == u->won_gateway && a == u->won_address) || u->known[g].gateway.addresses[a].is_plain != plain)
                    continue;
                if (n-- == 0) {
                    *gateway = g;
                    *address = a;
                    return true;
                }
            }
        }
    }
    return false;
}

static void race_lost(struct uplink *u)
{
    u->is_racing = false;
    set_timer(u, u->pause_ms / 2 + rng_below(&u->rng, u->pause_ms));
    u->pause_ms = u->pause_ms * 2 < UPLINK_PAUSE_MAX_MS ? u->pause_ms * 2 : UPLINK_PAUSE_MAX_MS;
}

/* One more address is on its way, if there is one. A try that fails at once comes back here by itself. */
static void race_go_on(struct uplink *u)
{
    size_t gateway, address;

    uint64_t so_far_ms = host_now_ms(u->host) - u->race_since_ms;

    if (!u->is_racing)
        return;
    for (size_t i = 0; i < TRIES_MAX; i++) {
        if (u->tries[i].is_used || !candidate(u, u->next, &gateway, &address))
            continue;
        if (u->known[gateway].gateway.addresses[address].is_plain && so_far_ms < UPLINK_PLAIN_MS && tries_under_way(u) > 0) {
            set_timer(u, UPLINK_PLAIN_MS - so_far_ms);
            return;
        }
        u->next++;
        set_timer(u, UPLINK_RACE_MS);
        try_start(u, &u->tries[i], gateway, address);
        return;
    }
    if (tries_under_way(u) == 0)
        race_lost(u);
}

static void race_start(struct uplink *u)
{
    if (u->link != 0 || u->is_racing || u->is_paused || u->known_count == 0)
        return;
    u->is_racing = true;
    u->race_since_ms = host_now_ms(u->host);
    u->got = 0;
    u->next = 0;
    race_go_on(u);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct uplink *u = ctx;

    (void)fd;
    (void)what;
    if (u->is_racing)
        race_go_on(u);
    else
        race_start(u);
}

/* Another network: what failed a moment ago may work now. */
static void on_news(evutil_socket_t fd, short what, void *ctx)
{
    struct uplink *u = ctx;

    (void)what;
    netif_news_drain(fd);
    if (u->link == 0 && !u->is_racing && !u->is_paused && u->known_count > 0) {
        u->pause_ms = UPLINK_PAUSE_MS;
        set_timer(u, NEWS_PAUSE_MS);
    }
}

/* ---- The link ---- */

static void on_link_gone(void *ctx, uint32_t link)
{
    struct uplink *u = ctx;

    if (u->link != link || link == 0)
        return;
    if (host_now_ms(u->host) - u->link_since_ms >= UPLINK_STEADY_MS)
        u->pause_ms = UPLINK_PAUSE_MS;
    u->link = 0;
    u->is_ready = false;
    if (!u->is_paused)
        race_lost(u);
}

static uint8_t shortest(const struct mailbox_prefix *prefixes, size_t count)
{
    uint8_t bits = UINT8_MAX;

    for (size_t i = 0; i < count; i++)
        bits = prefixes[i].bits < bits ? prefixes[i].bits : bits;
    return bits;
}

static void forget_cursor(struct known *k)
{
    k->has_cursor = false;
    memset(&k->cursor, 0, sizeof k->cursor);
}

static struct known *known_by_key(const struct uplink *u, const uint8_t key[GATEWAY_PUBLIC_LEN])
{
    for (size_t i = 0; i < u->known_count; i++)
        if (memcmp(u->known[i].gateway.key, key, GATEWAY_PUBLIC_LEN) == 0)
            return (struct known *)&u->known[i];
    return NULL;
}

bool uplink_cursor(const struct uplink *u, const uint8_t key[GATEWAY_PUBLIC_LEN], struct uplink_cursor *out)
{
    const struct known *k = known_by_key(u, key);

    if (k == NULL || !k->has_cursor)
        return false;
    *out = k->cursor;
    return true;
}

void uplink_restore_cursor(struct uplink *u, const uint8_t key[GATEWAY_PUBLIC_LEN], const struct uplink_cursor *cursor)
{
    struct known *k = known_by_key(u, key);

    if (k == NULL || k->has_cursor || (u->prefix_count > 0 && shortest(u->prefixes, u->prefix_count) < cursor->bits))
        return;
    k->has_cursor = true;
    k->cursor = *cursor;
}

static void learn_cursor(struct uplink *u, const uint8_t cursor[MAILBOX_CURSOR_LEN])
{
    struct known *k = &u->known[u->link_gateway];

    k->has_cursor = true;
    k->cursor.bits = shortest(u->prefixes, u->prefix_count);
    memcpy(k->cursor.cursor, cursor, MAILBOX_CURSOR_LEN);
}

void uplink_on_event(struct uplink *u, const struct node_event *event)
{
    if (u->link == 0 || event->link != u->link)
        return;
    if (event->kind == NODE_LINK_READY)
        u->is_ready = true;
    else if (event->kind == NODE_CURSOR)
        learn_cursor(u, event->cursor);
}

/* ---- What to reach, and what for ---- */

static void stop_tries(struct uplink *u)
{
    for (size_t i = 0; i < TRIES_MAX; i++)
        if (u->tries[i].is_used)
            try_end(&u->tries[i]);
    u->is_racing = false;
}

enum err uplink_set_gateways(struct uplink *u, const struct gateway *list, size_t count)
{
    struct known old[UPLINK_GATEWAYS_MAX];
    size_t old_count = u->known_count, linked_to = SIZE_MAX;

    if (count > UPLINK_GATEWAYS_MAX)
        return ERR_TOO_LARGE;
    bool is_same = count == old_count;
    for (size_t i = 0; is_same && i < count; i++)
        is_same = memcmp(&u->known[i].gateway, &list[i], sizeof list[i]) == 0;
    if (is_same)
        return ERR_NONE;
    memcpy(old, u->known, sizeof old);
    memset(u->known, 0, sizeof u->known);
    stop_tries(u);
    for (size_t i = 0; i < count; i++) {
        u->known[i].gateway = list[i];
        for (size_t k = 0; k < old_count; k++) {
            if (memcmp(old[k].gateway.key, list[i].key, sizeof list[i].key) != 0)
                continue;
            u->known[i].has_cursor = old[k].has_cursor;
            u->known[i].cursor = old[k].cursor;
            if (u->link != 0 && k == u->link_gateway && memcmp(old[k].gateway.id, list[i].id, sizeof list[i].id) == 0)
                linked_to = i;
        }
    }
    secret_wipe(old, sizeof old);
    u->known_count = count;
    u->won_gateway = linked_to;
    if (u->link != 0 && linked_to == SIZE_MAX)
        host_link_drop(u->host, u->link);
    u->link_gateway = linked_to;
    u->pause_ms = UPLINK_PAUSE_MS;
    if (u->link == 0 && count > 0)
        set_timer(u, 0);
    return ERR_NONE;
}

void uplink_set_proxy(struct uplink *u, const struct proxy *proxy)
{
    if (memcmp(&u->proxy, proxy, sizeof u->proxy) == 0)
        return;
    stop_tries(u);
    u->proxy = *proxy;
    u->pause_ms = UPLINK_PAUSE_MS;
    if (u->link != 0)
        host_link_drop(u->host, u->link);
    else if (u->known_count > 0)
        set_timer(u, 0);
}

void uplink_pause(struct uplink *u, const char *why)
{
    bool was_paused = u->is_paused;

    u->is_paused = why != NULL;
    if (u->is_paused) {
        snprintf(u->last_error, sizeof u->last_error, "%s", why);
        stop_tries(u);
        event_del(u->timer);
        if (u->link != 0)
            host_link_drop(u->host, u->link);
    } else if (was_paused) {
        u->last_error[0] = '\0';
        u->pause_ms = UPLINK_PAUSE_MS;
        if (u->known_count > 0)
            set_timer(u, 0);
    }
}

enum err uplink_set_prefixes(struct uplink *u, const struct mailbox_prefix *prefixes, size_t count)
{
    if (count > MAILBOX_PREFIXES_MAX)
        return ERR_TOO_LARGE;
    if (count == u->prefix_count && (count == 0 || memcmp(u->prefixes, prefixes, count * sizeof *prefixes) == 0))
        return ERR_NONE;
    struct mailbox_prefix *copy = calloc(count > 0 ? count : 1, sizeof *copy);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (count > 0)
        memcpy(copy, prefixes, count * sizeof *copy);
    /* Who asks for more than before has not seen all of what lies before the cursor. */
    for (size_t i = 0; i < u->known_count; i++)
        if (u->known[i].has_cursor && shortest(copy, count) < u->known[i].cursor.bits)
            forget_cursor(&u->known[i]);
    free(u->prefixes);
    u->prefixes = copy;
    u->prefix_count = count;
    if (u->link == 0)
        return ERR_NONE;
    host_poke(u->host);
    return node_link_fetch(u->node, u->link, u->prefixes, count, u->known[u->link_gateway].cursor.cursor);
}

void uplink_info(const struct uplink *u, struct uplink_info *out)
{
    uint64_t now_ms = host_now_ms(u->host);

    memset(out, 0, sizeof *out);
    out->gateway_count = u->known_count;
    out->link = u->link;
    out->gateway = u->link_gateway;
    if (u->link != 0 && u->link_gateway < u->known_count)
        memcpy(out->gateway_key, u->known[u->link_gateway].gateway.key, sizeof out->gateway_key);
    out->is_ready = u->is_ready;
    out->is_trying = u->is_racing;
    out->pause_ms = u->link == 0 && !u->is_racing && !u->is_paused && u->wake_at_ms > now_ms ? (uint32_t)(u->wake_at_ms - now_ms) : 0;
    out->links = u->links;
    memcpy(out->last_error, u->last_error, sizeof out->last_error);
}

/* ---- Life ---- */

static enum err make_tls(struct uplink *u)
{
    static const unsigned char alpn[] = "\x08http/1.1";

    if ((u->tls = SSL_CTX_new(TLS_client_method())) == NULL)
        return ERR_NO_MEMORY;
    SSL_CTX_set_mode(u->tls, SSL_MODE_RELEASE_BUFFERS);
    /* Without it a missing list of authorities is only found out when it is needed, which pinned gateways never do. */
    (void)SSL_CTX_set_default_verify_paths(u->tls);
    if (SSL_CTX_set_min_proto_version(u->tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(u->tls, alpn, sizeof alpn - 1) != 0)
        return ERR_UNSUPPORTED;
    return ERR_NONE;
}

enum err uplink_new(struct uplink **out, struct event_base *base, struct host *host, struct node *node, enum link_kind kind, const struct rng *rng)
{
    struct uplink *u = calloc(1, sizeof *u);
    enum err e;

    if (u == NULL)
        return ERR_NO_MEMORY;
    u->base = base;
    u->host = host;
    u->node = node;
    u->kind = kind;
    u->rng = *rng;
    u->pause_ms = UPLINK_PAUSE_MS;
    u->won_gateway = SIZE_MAX;
    u->timer = evtimer_new(base, on_timer, u);
    int fd = netif_news_open();
    if (fd >= 0 && (u->news = event_new(base, fd, EV_READ | EV_PERSIST, on_news, u)) == NULL)
        close(fd);
    e = u->timer == NULL ? ERR_NO_MEMORY : make_tls(u);
    if (e == ERR_NONE)
        e = host_on_link_gone(host, on_link_gone, u);
    if (e != ERR_NONE) {
        uplink_free(u);
        return e;
    }
    if (u->news != NULL)
        event_add(u->news, NULL);
    *out = u;
    return ERR_NONE;
}

void uplink_free(struct uplink *u)
{
    if (u == NULL)
        return;
    host_off_link_gone(u->host, on_link_gone, u);
    if (u->link != 0)
        host_link_drop(u->host, u->link);
    stop_tries(u);
    if (u->timer != NULL)
        event_free(u->timer);
    if (u->news != NULL) {
        close(event_get_fd(u->news));
        event_free(u->news);
    }
    SSL_CTX_free(u->tls);
    free(u->prefixes);
    secret_wipe(u, sizeof *u);
    free(u);
}
