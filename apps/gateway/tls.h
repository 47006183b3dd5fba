/* apps/gateway/tls.h - the certificate: the operator's, or one made here. */
#ifndef STA_GATEWAY_TLS_H
#define STA_GATEWAY_TLS_H

#include "apps/gateway/config.h"

struct ssl_ctx_st;

/* A context for servers, TLS 1.3. Makes DATA/tls.pem when no certificate is configured and there is none yet. ERR_NOT_FOUND,
 * ERR_MALFORMED, ERR_IO, with `why`. */
enum err tls_new(struct ssl_ctx_st **out, const struct gw_config *c, char why[GW_WHY_MAX]);
void     tls_free(struct ssl_ctx_st *tls);

/* SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER). */
enum err tls_pin(const struct ssl_ctx_st *tls, uint8_t pin[GATEWAY_PIN_LEN]);

#endif
