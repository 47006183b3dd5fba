/* crypto/constant_time.h - where a secret is meant to become public.
 *
 * A build for tests/crypto/test_constant_time.c marks secrets as undefined memory and lets valgrind
 * report every branch and address that depends on them. A result that decides the control flow on purpose, such as
 * whether a tag is right or a shared secret is all zeros, says so here; in any other build this is nothing.
 */
#ifndef STA_CRYPTO_CONSTANT_TIME_H
#define STA_CRYPTO_CONSTANT_TIME_H

#include <stddef.h>

#ifdef STA_POISON_SECRETS
#include <valgrind/memcheck.h>
static inline void secret_reveal(void *at, size_t len)
{
    VALGRIND_MAKE_MEM_DEFINED(at, len);
}
#else
static inline void secret_reveal(void *at, size_t len)
{
    (void)at;
    (void)len;
}
#endif

#endif
