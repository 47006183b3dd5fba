/* mesh/links/openssl.h - OpenSSL's headers, beside our own errors: both have a name ERR_STATE. */
#ifndef STA_LINKS_OPENSSL_H
#define STA_LINKS_OPENSSL_H

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#endif
