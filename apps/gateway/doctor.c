/* apps/gateway/doctor.c - see doctor.h */
#define _GNU_SOURCE
#include "apps/gateway/doctor.h"

#include <errno.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "apps/gateway/listener.h"
#include "apps/gateway/tls.h"
#include "apps/profile/units.h"
#include "apps/service/clock.h"
#include "mesh/links/openssl.h"

enum {
    CALL_S             = 5,        /* for an address, a web site, a database that does not answer */
    RENEW_DAYS         = 14,       /* certbot renews at 30 */
    DESCRIPTORS_OTHER  = 128,      /* database, log, listeners, D-Bus */
    PRIVILEGED_PORTS   = 1024,
};

/* ---- Folder, disk, descriptors ---- */

static void examine_folder(struct findings *f, const struct gw_config *c)
{
    char remedy[PROFILE_PATH_MAX + 64], left[UNITS_SIZE_TEXT_MAX];
    struct profile_paths paths;
    struct statvfs disk;

    enum err e = profile_paths_init(&paths, c->data);
    if (e == ERR_NONE)
        e = profile_check_folder(&paths);
    if (e == ERR_NOT_FOUND) {
        findings_add(f, "data folder", "note", "staffetta-gateway, once, or the unit, makes it", "%.500s is not there yet", c->data);
        return;
    }
    if (e == ERR_REFUSED) {
        snprintf(remedy, sizeof remedy, "chmod 700 '%s'", c->data);
        findings_add(f, "data folder", "bad", remedy, "others on this machine can look into %.500s", c->data);
    } else if (access(c->data, R_OK | W_OK | X_OK) != 0) {
        findings_add(f, "data folder", "bad", "run this as the gateway's own user: sudo -u staffetta-gateway staffetta-gateway doctor",
                     "%.500s cannot be read by this user", c->data);
        return;
    } else {
        findings_add(f, "data folder", "good", "", "%.500s", c->data);
    }
    if (statvfs(c->data, &disk) != 0)
        return;
    uint64_t bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    units_size_text(left, bytes);
    if (bytes < c->capacity_bytes / 50)
        findings_add(f, "disk", "bad", "free some: when it is full, the gateway takes in nothing more", "only %s left", left);
    else if (bytes < c->capacity_bytes)
        findings_add(f, "disk", "note", "free some, or set a smaller `capacity`", "%s left, less than the gateway may want", left);
    else
        findings_add(f, "disk", "good", "", "%s left", left);
}

/* The running gateway's limit where it can be seen, else our own. */
static uint64_t descriptors_of(long pid)
{
    char path[64], line[256];
    unsigned long long soft = 0;
    struct rlimit own;

    snprintf(path, sizeof path, "/proc/%ld/limits", pid);
    FILE *limits = pid > 0 ? fopen(path, "re") : NULL;
    while (limits != NULL && fgets(line, sizeof line, limits) != NULL)
        if (sscanf(line, "Max open files %llu", &soft) == 1)
            break;
    if (limits != NULL)
        fclose(limits);
    /* The gateway raises its soft limit to the hard one when it starts. */
    if (soft == 0 && getrlimit(RLIMIT_NOFILE, &own) == 0)
        soft = own.rlim_max;
    return soft;
}

static void examine_descriptors(struct findings *f, const struct gw_config *c, long pid)
{
    uint64_t have = descriptors_of(pid);
    /* A visitor takes two: his own, and that of the web site. */
    uint64_t visitors = 2 * c->visitors_max + DESCRIPTORS_OTHER;

    if (have < visitors + 256)
        findings_add(f, "descriptors", "bad", "LimitNOFILE= in the unit, or `ulimit -n`; or a smaller `visitors-max`",
                     "%llu, of which strangers alone may take %llu", (unsigned long long)have, (unsigned long long)visitors);
    else
        findings_add(f, "descriptors", "good", "", "room for %llu links beside %llu strangers", (unsigned long long)(have - visitors),
                     (unsigned long long)c->visitors_max);
}

/* ---- Ports ---- */

/* The kernel keeps 15 characters of a program's name. */
static bool is_gateway(const char *program) { return strncmp("staffetta-gateway", program, 15) == 0; }

/* Returns the gateway's process id when it has the port. */
static long examine_port(struct findings *f, const char *at)
{
    char program[LISTENER_NAME_MAX], remedy[256], why[256];
    struct lan_place place;

    if (lan_place_parse(&place, at, true, why) != ERR_NONE || place.port == 0)
        return 0;
    unsigned long inode = listener_socket(place.port);
    if (inode == 0) {
        bool is_privileged = place.port < PRIVILEGED_PORTS && geteuid() != 0;

        findings_add(f, "port", "bad", "start it: systemctl start staffetta-gateway", "nothing listens on %u%s", (unsigned)place.port,
                     is_privileged ? ", which only the unit's capability, or root, may use" : "");
        return 0;
    }
    long pid = listener_owner(inode, program);
    if (pid != 0 && is_gateway(program)) {
        findings_add(f, "port", "good", "", "%u is the gateway's", (unsigned)place.port);
        return pid;
    }
    if (pid == 0) {
        findings_add(f, "port", "note", "run this as root to see whose it is", "somebody listens on %u", (unsigned)place.port);
        return 0;
    }
    snprintf(remedy, sizeof remedy, "stop %s, or put the gateway behind it, or set another `listen`", program);
    findings_add(f, "port", "bad", remedy, "%u is taken by %s (process %ld)", (unsigned)place.port, program, pid);
    return 0;
}

/* ---- Certificate ---- */

static int days_left(const X509 *x)
{
    int days = 0, seconds = 0;

    return ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) == 1 ? (seconds < 0 && days == 0 ? -1 : days) : 0;
}

/* As a node checks it that was given no pin: by the system's authorities. */
static int verify_chain(SSL_CTX *tls, X509 *x)
{
    STACK_OF(X509) *chain = NULL;
    X509_STORE *authorities = X509_STORE_new();
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    int error = X509_V_ERR_OUT_OF_MEM;

    SSL_CTX_get0_chain_certs(tls, &chain);
    if (authorities != NULL && check != NULL && X509_STORE_set_default_paths(authorities) == 1 &&
        X509_STORE_CTX_init(check, authorities, x, chain) == 1)
        error = X509_verify_cert(check) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(check);
    X509_STORE_CTX_free(check);
    X509_STORE_free(authorities);
    ERR_clear_error();
    return error;
}

static void examine_names(struct findings *f, const struct gw_config *c, X509 *x)
{
    for (size_t i = 0; i < c->address_count; i++) {
        struct lan_place place;
        struct lan_address numeric;
        char why[256];

        if (lan_place_parse(&place, c->address[i], false, why) != ERR_NONE)
            continue;
        bool is_numeric = lan_place_is_numeric(&place, &numeric);
        int good = is_numeric ? X509_check_ip_asc(x, place.host, 0) : X509_check_host(x, place.host, 0, 0, NULL);
        if (good != 1)
            findings_add(f, "certificate", "bad", "get one for this name, or set `address` to a name it has",
                         "it is not for %.253s, so nodes will not talk to it", place.host);
    }
}

/* The context of the certificate, for comparison with what the addresses show; NULL: there is none that can be used. */
static SSL_CTX *examine_certificate(struct findings *f, const struct gw_config *c)
{
    char why[GW_WHY_MAX] = "", own[PROFILE_PATH_MAX + 16];
    SSL_CTX *tls = NULL;

    snprintf(own, sizeof own, "%s/tls.pem", c->data);
    if (c->certificate[0] == '\0' && access(own, R_OK) != 0) {
        findings_add(f, "certificate", "note", "set `certificate` to a real one, which strangers find less strange",
                     "none is configured; one is made at the first start");
        return NULL;
    }
    if (tls_new(&tls, c, why) != ERR_NONE) {
        findings_add(f, "certificate", "bad",
                     "check the keys `certificate` and `certificate-key`, and that the gateway's user may read both", "%.400s", why);
        return NULL;
    }
    X509 *x = SSL_CTX_get0_certificate(tls);
    int days = days_left(x);
    if (days < 0)
        findings_add(f, "certificate", "bad", "renew it (certbot renew), then: systemctl reload staffetta-gateway", "it has expired");
    else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
        findings_add(f, "certificate", "bad", "set the clock", "it is not valid yet: this machine's clock is wrong, or the certificate is");
    else if (days < RENEW_DAYS)
        findings_add(f, "certificate", "note", "renew it (certbot renew), then: systemctl reload staffetta-gateway", "%d days left", days);
    if (c->certificate[0] == '\0') {
        findings_add(f, "certificate", "note", "set `certificate` to a real one, which strangers find less strange",
                     "self-signed, %d days left; its pin stands in the invites", days);
        return tls;
    }
    examine_names(f, c, x);
    int error = verify_chain(tls, x);
    if (error != X509_V_OK && error != X509_V_ERR_CERT_HAS_EXPIRED && error != X509_V_ERR_CERT_NOT_YET_VALID)
        findings_add(f, "certificate", "bad",
                     "put the whole chain into the file (certbot's fullchain.pem), or use an authority that nodes know", "nodes will not believe it: %s", X509_verify_cert_error_string(error));
    else if (error == X509_V_OK && days >= RENEW_DAYS)
        findings_add(f, "certificate", "good", "", "%d days left", days);
    return tls;
}

/* ---- The way from outside ---- */

static bool is_same_key(SSL_CTX *tls, SSL *there)
{
    X509 *x = SSL_get1_peer_certificate(there);
    bool is_same = x != NULL && EVP_PKEY_eq(X509_get0_pubkey(x), X509_get0_pubkey(SSL_CTX_get0_certificate(tls))) == 1;

    X509_free(x);
    return is_same;
}

/* A blocking call with a deadline. -1 with errno. */
static int call(const struct addrinfo *to)
{
    struct timeval patience = { CALL_S, 0 };
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* Linux takes the sending time-out for connect as well. */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return fd;
    int why = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = why;
    return -1;
}

static void examine_one(struct findings *f, const struct addrinfo *to, const char *address, SSL_CTX *own)
{
    char ip[NI_MAXHOST] = "?";
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    SSL *ssl = tls != NULL ? SSL_new(tls) : NULL;

    getnameinfo(to->ai_addr, to->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST);
    int fd = call(to);
    if (fd < 0)
        findings_add(f, "address", "bad",
                     "open the port in this machine's firewall and, behind a router, forward it here; see also \"port\"", "%.253s (%s) is not reached from here: %s", address, ip, strerror(errno));
    else if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        findings_add(f, "address", "bad", "see \"port\"; with proxy-protocol = yes call the server before it, not the gateway's own port",
                     "%.253s (%s) answers, but not in TLS 1.3", address, ip);
    else if (own != NULL && !is_same_key(own, ssl))
        findings_add(f, "address", "bad", "the name leads to another machine, or the gateway has not been reloaded since its key changed",
                     "%.253s (%s) shows another certificate than ours", address, ip);
    else
        findings_add(f, "address", "good", "", "%.253s (%s) leads here; ask somebody outside as well, for routers may tell them otherwise",
                     address, ip);
    if (fd >= 0)
        close(fd);
    SSL_free(ssl);
    SSL_CTX_free(tls);
    ERR_clear_error();
}

static void examine_address(struct findings *f, const char *address, SSL_CTX *own)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL;
    struct lan_place place;
    char port[8], why[256];

    if (lan_place_parse(&place, address, false, why) != ERR_NONE)
        return;
    snprintf(port, sizeof port, "%u", (unsigned)place.port);
    int error = getaddrinfo(place.host, port, &hints, &list);
    if (error != 0) {
        findings_add(f, "address", "bad", "make an A or AAAA record for it where your domain is kept, or correct `address`",
                     "the name %.253s is not found: %s", place.host, gai_strerror(error));
        return;
    }
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        examine_one(f, a, address, own);
    freeaddrinfo(list);
}

/* ---- Web site, engine ---- */

static void examine_site(struct findings *f, const struct gw_config *c)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    struct lan_place place;
    char port[8], index[PROFILE_PATH_MAX + 16], why[256];
    struct stat st;

    if (c->site[0] == '\0') {
        findings_add(f, "web site", "note", "set `site` to a folder of pages, or to a web server, that nobody finds strange",
                     "none: everybody sees the same plain page, which gives gateways away");
    } else if (stat(c->site, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(index, sizeof index, "%s/index.html", c->site);
        if (access(index, R_OK) == 0)
            findings_add(f, "web site", "good", "", "%.500s", c->site);
        else
            findings_add(f, "web site", "bad", "put an index.html there that the gateway's user may read", "%.500s has no first page",
                         c->site);
    } else if (lan_place_parse(&place, c->site, false, why) != ERR_NONE) {
        findings_add(f, "web site", "bad", "set `site` to a folder, or to HOST:PORT of a web server",
                     "%.500s is neither a folder nor a server", c->site);
    } else {
        snprintf(port, sizeof port, "%u", (unsigned)place.port);
        int fd = getaddrinfo(place.host, port, &hints, &list) == 0 ? call(list) : -1;

        if (fd >= 0)
            findings_add(f, "web site", "good", "", "a server answers at %.300s", c->site);
        else
            findings_add(f, "web site", "bad", "start it: without it a stranger is hung up on, which no web site does",
                         "no server answers at %.300s", c->site);
        if (fd >= 0)
            close(fd);
        if (list != NULL)
            freeaddrinfo(list);
    }
}

static void examine_database(struct findings *f, const char *conninfo, size_t number)
{
    static const char question[] = "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('synchronous_standby_names')";
    const char *const keys[] = { "dbname", "connect_timeout", NULL };
    char patience[8], who[32];
    const char *const values[] = { conninfo, patience, NULL };

    snprintf(patience, sizeof patience, "%d", CALL_S);
    snprintf(who, sizeof who, "database %zu", number);
    PGconn *db = PQconnectdbParams(keys, values, 1);
    PGresult *r = PQstatus(db) == CONNECTION_OK ? PQexec(db, question) : NULL;
    if (r == NULL || PQresultStatus(r) != PGRES_TUPLES_OK) {
        char text[300];

        snprintf(text, sizeof text, "%s", PQerrorMessage(db));
        text[strcspn(text, "\n")] = '\0';
        findings_add(f, who, "bad", "start PostgreSQL, or correct the key `database`; bundles wait in the spool until then", "%s", text);
    } else if (strcmp(PQgetvalue(r, 0, 0), "t") == 0) {
        findings_add(f, who, "bad", "promote a standby, or name the other servers in the key `database`",
                     "it is a standby and takes no bundles");
    } else if (strcmp(PQgetvalue(r, 0, 1), "on") != 0) {
        findings_add(f, who, "bad", "fsync = on in postgresql.conf", "it does not write to disk what it says it has written");
    } else if (PQgetvalue(r, 0, 2)[0] == '\0') {
        findings_add(f, who, "note", "synchronous_standby_names = 'ANY 1 (...)' in postgresql.conf, if you have standbys",
                     "it answers; a bundle is acknowledged as soon as one machine has it");
    } else {
        findings_add(f, who, "good", "", "it answers, and waits for %s", PQgetvalue(r, 0, 2));
    }
    PQclear(r);
    PQfinish(db);
}

/* ---- All of it ---- */

void doctor_examine(struct findings *f, const struct gw_config *c)
{
    long pid = 0;

    examine_folder(f, c);
    findings_add_clock(f);
    for (size_t i = 0; i < c->listen_count; i++) {
        long found = examine_port(f, c->listen[i]);

        pid = found != 0 ? found : pid;
    }
    if (c->redirect[0] != '\0')
        (void)examine_port(f, c->redirect);
    examine_descriptors(f, c, pid);
    SSL_CTX *tls = examine_certificate(f, c);
    if (c->address_count == 0)
        findings_add(f, "address", "bad", "set `address` to HOST:PORT as people outside reach it", "none is set, so no invite can be made");
    for (size_t i = 0; i < c->address_count; i++)
        examine_address(f, c->address[i], tls);
    tls_free(tls);
    examine_site(f, c);
    for (size_t i = 0; i < c->database_count && c->engine == GW_ENGINE_POSTGRESQL; i++)
        examine_database(f, c->database[i], i + 1);
}
