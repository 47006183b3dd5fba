/* apps/gateway/tls.c - see tls.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/tls.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/vault_file.h"
#include "mesh/links/openssl.h"

enum { SELF_SIGNED_DAYS = 3650, PEM_MAX = 8192 };

/* ---- A certificate of our own ---- */

/* The name of the first address, if there is one: what a browser would be told by any small server. */
static void name_of(const struct gw_config *c, char to[GATEWAY_HOST_MAX + 1])
{
    struct lan_place place;

    snprintf(to, GATEWAY_HOST_MAX + 1, "localhost");
    if (c->address_count > 0 && lan_place_parse(&place, c->address[0], false, NULL) == ERR_NONE)
        snprintf(to, GATEWAY_HOST_MAX + 1, "%s", place.host);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    unsigned char serial[8];
    /* A common name holds 64 characters. */
    char common[65];

    snprintf(common, sizeof common, "%.64s", name);
    if (x == NULL || RAND_bytes(serial, sizeof serial) != 1)
        goto fail;
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    ASN1_INTEGER *asn = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    X509_NAME *subject = X509_get_subject_name(x);
    if (asn == NULL || X509_set_version(x, X509_VERSION_3) != 1 || X509_gmtime_adj(X509_getm_notBefore(x), -86400) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(x), 86400L * SELF_SIGNED_DAYS) == NULL || X509_set_pubkey(x, key) != 1 ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) != 1 ||
        X509_set_issuer_name(x, subject) != 1 || X509_sign(x, key, EVP_sha256()) == 0)
        goto fail;
    return x;
fail:
    X509_free(x);
    return NULL;
}

static enum err make_self_signed(const char *path, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = key != NULL ? make_certificate(key, name) : NULL;
    BIO *memory = BIO_new(BIO_s_secmem());
    enum err e = ERR_NO_MEMORY;
    char *at;

    if (x != NULL && memory != NULL && PEM_write_bio_X509(memory, x) == 1 &&
        PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long len = BIO_get_mem_data(memory, &at);

        e = vault_file_replace(path, bytes_of(at, (size_t)len));
    }
    BIO_free(memory);
    X509_free(x);
    EVP_PKEY_free(key);
    return e;
}

/* ---- The context ---- */

/* As most servers that speak HTTP/1.1 only. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
                           void *ctx)
{
    static const unsigned char ours[] = "\x08http/1.1";

    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

enum err tls_new(struct ssl_ctx_st **out, const struct gw_config *c, char why[GW_WHY_MAX])
{
    char own[PROFILE_PATH_MAX + 16], name[GATEWAY_HOST_MAX + 1];
    const char *certificate = c->certificate, *key = c->certificate_key[0] != '\0' ? c->certificate_key : c->certificate;
    SSL_CTX *tls;

    if (certificate[0] == '\0') {
        snprintf(own, sizeof own, "%s/tls.pem", c->data);
        name_of(c, name);
        if (!vault_file_exists(own) && make_self_signed(own, name) != ERR_NONE) {
            snprintf(why, GW_WHY_MAX, "no certificate can be written to %.300s", own);
            return ERR_IO;
        }
        certificate = key = own;
    }
    if ((tls = SSL_CTX_new(TLS_server_method())) == NULL) {
        snprintf(why, GW_WHY_MAX, "out of memory");
        return ERR_NO_MEMORY;
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1) {
        snprintf(why, GW_WHY_MAX, "%.300s holds no certificate that can be read (PEM, the whole chain)", certificate);
    } else if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(tls) != 1) {
        snprintf(why, GW_WHY_MAX, "%.300s holds no key that fits the certificate", key);
    } else {
        *out = tls;
        return ERR_NONE;
    }
    ERR_clear_error();
    SSL_CTX_free(tls);
    return ERR_MALFORMED;
}

void tls_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}

enum err tls_pin(const struct ssl_ctx_st *tls, uint8_t pin[GATEWAY_PIN_LEN])
{
    X509 *x = SSL_CTX_get0_certificate(tls);
    unsigned char *der = NULL;
    unsigned len = 0;
    int n = x != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;
    bool is_done = n > 0 && EVP_Digest(der, (size_t)n, pin, &len, EVP_sha256(), NULL) == 1 && len == GATEWAY_PIN_LEN;

    OPENSSL_free(der);
    return is_done ? ERR_NONE : ERR_CORRUPT;
}
