/* bench/bench_links.c - many users of one gateway, in one process.
 *
 *   bench_links LINK COUNT         opens COUNT links, says so, and waits for commands, a line each:
 *     ping                         asks on all links at once, and tells when the last has answered
 *     close                        ends
 *   bench_links --floor COUNT      CPU of OpenSSL alone for the server's side of COUNT handshakes
 *
 * A link is what a node makes: TLS 1.3, the request with its token, Noise_NK. Of a link's cost the harness measures the gateway's part
 * from outside (bench/gateways.py).
 */
#define _GNU_SOURCE
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/measure.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "mesh/link.h"
#include "mesh/links/gateway_link.h"
#include "mesh/links/gateway_token.h"
#include "mesh/links/lan_wire.h"
#include "mesh/links/openssl.h"
#include "mesh/record.h"

enum { AT_ONCE = 32, HELLO_VERSION = 1 };

struct user {
    struct bufferevent *bev;
    SSL *ssl;
    struct link *link;       /* NULL: the web's part is not over */
    uint8_t binding[TOKEN_BINDING_LEN];
    bool is_ready;
};

static struct event_base *base;
static struct gateway gateway;
static struct sockaddr_storage where;
static int where_len;
static SSL_CTX *tls;
static struct rng rng;
static struct user *users;
static size_t count, opened, ready, answers;
static double asked_ms;

static void fail(const char *what)
{
    fprintf(stderr, "bench_links: %s\n", what);
    exit(1);
}

static double wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void open_next(void);

/* ---- The link ---- */

static void begin_link(struct user *u)
{
    struct link_params p = { .is_initiator = true, .is_gateway = true, .remote_static = gateway.key, .binding = u->binding };
    uint8_t payload[LINK_PAYLOAD_LEN] = { HELLO_VERSION }, out[LINK_OUT_MAX];
    struct writer w = writer_of(out, sizeof out);

    if (link_new(&u->link, &p, &rng) != ERR_NONE || link_handshake(u->link, payload, &w) != ERR_NONE)
        fail("no handshake");
    bufferevent_write(u->bev, out, writer_len(&w));
}

static void send_ping(struct user *u)
{
    uint8_t out[LINK_OUT_MAX];
    struct writer w = writer_of(out + LINK_PREFIX_LEN, LINK_FRAME_MAX);

    if (!record_put_ping(&w, false, 1))
        fail("no room for a ping");
    size_t len = link_seal(u->link, out, writer_len(&w));
    bufferevent_write(u->bev, out, len);
}

static void hear_frame(struct bytes frame)
{
    struct reader r = reader_of(frame);
    struct record record;

    while (reader_left(&r) > 0) {
        if (record_next(&r, &record) != ERR_NONE)
            fail("a bad record");
        if (record.type == RECORD_PONG && ++answers == count) {
            printf("ping_ms=%.0f\n", wall_ms() - asked_ms);
            fflush(stdout);
        }
    }
}

static void hear_link(struct user *u, struct evbuffer *in)
{
    size_t len = evbuffer_get_length(in);
    struct bytes left = bytes_of(evbuffer_pullup(in, -1), len), out;
    enum err why = ERR_NONE;

    for (enum link_got got; (got = link_receive(u->link, &left, &out, &why)) != LINK_NOTHING;) {
        if (got == LINK_BROKEN)
            fail("a link broke");
        if (got == LINK_FRAME)
            hear_frame(out);
    }
    evbuffer_drain(in, len);
    if (u->is_ready || !link_is_ready(u->link))
        return;
    u->is_ready = true;
    if (++ready == count) {
        printf("ready=%zu\n", ready);
        fflush(stdout);
    }
    open_next();
}

static void on_readable(struct bufferevent *bev, void *ctx)
{
    static const char yes[] = "HTTP/1.1 101 ";
    struct evbuffer *in = bufferevent_get_input(bev);
    struct user *u = ctx;

    if (u->link == NULL) {
        size_t len = evbuffer_get_length(in);
        const uint8_t *at = evbuffer_pullup(in, -1);
        size_t head = request_head_len(bytes_of(at, len));

        if (head == 0)
            return;
        if (memcmp(at, yes, sizeof yes - 1) != 0)
            fail("the gateway shows its web site");
        evbuffer_drain(in, head);
        begin_link(u);
    }
    if (evbuffer_get_length(in) > 0)
        hear_link(u, in);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    char request[REQUEST_TEXT_MAX];
    uint8_t token[TOKEN_LEN];
    struct user *u = ctx;

    if ((what & BEV_EVENT_CONNECTED) == 0)
        fail("the gateway hung up");
    if (SSL_export_keying_material(u->ssl, u->binding, sizeof u->binding, TOKEN_EXPORTER_LABEL, sizeof TOKEN_EXPORTER_LABEL - 1, NULL,
                                   0, 0) != 1)
        fail("no exporter");
    token_make(&gateway, u->binding, &rng, token);
    bufferevent_write(bev, request, request_write(request, gateway.addresses[0].host, token, &rng));
}

static void open_next(void)
{
    if (opened == count)
        return;
    struct user *u = &users[opened++];

    u->ssl = SSL_new(tls);
    u->bev = u->ssl != NULL ? bufferevent_openssl_socket_new(base, -1, u->ssl, BUFFEREVENT_SSL_CONNECTING,
                                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
                            : NULL;
    if (u->bev == NULL)
        fail("out of memory");
    bufferevent_setcb(u->bev, on_readable, NULL, on_event, u);
    bufferevent_enable(u->bev, EV_READ | EV_WRITE);
    if (bufferevent_socket_connect(u->bev, (struct sockaddr *)&where, where_len) != 0)
        fail("no connection");
}

static void on_command(evutil_socket_t fd, short what, void *ctx)
{
    char line[32];
    ssize_t n = read(fd, line, sizeof line - 1);

    (void)what;
    (void)ctx;
    if (n <= 0 || strncmp(line, "close", 5) == 0) {
        event_base_loopexit(base, NULL);
        return;
    }
    answers = 0;
    asked_ms = wall_ms();
    for (size_t i = 0; i < count; i++)
        send_ping(&users[i]);
}

static int run(const char *link_text)
{
    struct gateway_link *l = calloc(1, sizeof *l);
    struct rlimit limit;
    struct lan_address at;

    if (l == NULL || gateway_link_read(l, bytes_of_text(link_text)) != ERR_NONE)
        fail("that is no gateway link");
    gateway = l->gateways[0];
    struct lan_place place = { .port = gateway.addresses[0].port };
    snprintf(place.host, sizeof place.host, "%s", gateway.addresses[0].host);
    if (!lan_place_is_numeric(&place, &at))
        fail("the link has no numeric address");
    where_len = (int)lan_address_to_system(&at, &where);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    tls = SSL_CTX_new(TLS_client_method());
    base = event_base_new();
    users = calloc(count, sizeof *users);
    struct event *commands = base != NULL ? event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_command, NULL) : NULL;
    if (tls == NULL || users == NULL || commands == NULL)
        fail("out of memory");
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    event_add(commands, NULL);
    for (size_t i = 0; i < AT_ONCE; i++)
        open_next();
    event_base_dispatch(base);
    return 0;
}

/* ---- The floor ---- */

/* As a gateway without a certificate of its operator's makes one: P-256. */
static SSL_CTX *make_server(void)
{
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();

    if (server == NULL || key == NULL || x == NULL || X509_set_version(x, X509_VERSION_3) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(x), 0) == NULL || X509_gmtime_adj(X509_getm_notAfter(x), 86400) == NULL ||
        X509_set_pubkey(x, key) != 1 || X509_sign(x, key, EVP_sha256()) == 0 || SSL_CTX_use_certificate(server, x) != 1 ||
        SSL_CTX_use_PrivateKey(server, key) != 1)
        fail("no certificate");
    X509_free(x);
    EVP_PKEY_free(key);
    SSL_CTX_set_min_proto_version(server, TLS1_3_VERSION);
    SSL_CTX_set_mode(server, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
    return server;
}

static double server_us(SSL_CTX *server, SSL_CTX *client)
{
    SSL *s = SSL_new(server), *c = SSL_new(client);
    BIO *ours, *theirs;
    double spent = 0;

    if (s == NULL || c == NULL || BIO_new_bio_pair(&ours, 0, &theirs, 0) != 1)
        fail("out of memory");
    SSL_set_bio(s, ours, ours);
    SSL_set_bio(c, theirs, theirs);
    SSL_set_accept_state(s);
    SSL_set_connect_state(c);
    while (!SSL_is_init_finished(s) || !SSL_is_init_finished(c)) {
        (void)SSL_do_handshake(c);
        double start = cpu_us();
        (void)SSL_do_handshake(s);
        spent += cpu_us() - start;
    }
    double start = cpu_us();
    SSL_free(s);
    spent += cpu_us() - start;
    SSL_free(c);
    return spent;
}

static int run_floor(void)
{
    SSL_CTX *server = make_server();
    double spent = 0;

    if ((tls = SSL_CTX_new(TLS_client_method())) == NULL)
        fail("out of memory");
    for (size_t i = 0; i < count; i++)
        spent += server_us(server, tls);
    printf("handshake_us=%.2f\n", spent / (double)count);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 || crypto_start() != ERR_NONE || (count = strtoul(argv[2], NULL, 10)) == 0)
        fail("usage: bench_links LINK|--floor COUNT");
    rng = rng_system();
    return strcmp(argv[1], "--floor") == 0 ? run_floor() : run(argv[1]);
}
