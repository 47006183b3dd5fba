/* crypto/ratchet.h - the Double Ratchet (protocol section 4). For crypto/ and tests.
 *
 * Knows keys and numbers, no bundle and no day. Sending works on the value itself; opening is planned beside it
 * (struct ratchet_step) and taken over only once the seal has opened.
 *
 * The sending half of a DH step is done at the next seal, not when the other's new key arrives: a key lives no longer
 * than it must, and a device that only reads makes none.
 */
#ifndef STA_CRYPTO_RATCHET_H
#define STA_CRYPTO_RATCHET_H

#include "crypto/body.h"
#include "crypto/session.h"
#include "mesh/base/rng.h"

struct receive_chain {
    uint8_t  peer_key[32];
    uint32_t serial;         /* names the chain in skipped keys */
};

struct ratchet {
    uint8_t  root[32];
    bool     has_own_key;    /* false from the other's new key until our next seal */
    uint8_t  own_secret[32], own_public[32];
    uint8_t  send_chain[32];
    uint16_t send_n, send_pn;
    uint8_t  chain_count;    /* chains[0] is the one that goes on; the others have only skipped keys */
    struct receive_chain chains[SESSION_CHAINS_MAX];
    uint8_t  receive_key[32];
    uint32_t receive_n;
    uint32_t next_serial;
};

struct skipped_key {
    uint32_t serial;
    uint16_t n;
    uint32_t day;            /* by our own clock, when it was set aside */
    uint8_t  key[32];
};

/* Oldest first. */
struct skipped_keys {
    struct skipped_key *at;
    size_t count, cap;
};

/* RK || CK = H_64(SK; "init"). The starter sends on CK with EK as its key; the responder receives on it. */
void ratchet_init_starter(struct ratchet *r, const uint8_t sk[32], const uint8_t ek_secret[32]);
void ratchet_init_responder(struct ratchet *r, const uint8_t sk[32], const uint8_t ek_public[32]);

/* The key and header of the next message. ERR_STATE: SESSION_N_MAX without an answer; ERR_AUTH never for a peer whose
 * key has opened something. */
enum err ratchet_send(struct ratchet *r, const struct rng *g, struct inner *inner, uint8_t key[32]);

/* The number that ratchet_send would use, for a bound that is asked beforehand. */
bool ratchet_is_exhausted(const struct ratchet *r);

/* A message that may be about to open. */
struct ratchet_step {
    struct ratchet next;
    uint8_t key[32];
    bool    is_skipped;          /* the key was set aside earlier, at used_index */
    size_t  used_index;
    bool    has_dropped_chain;   /* one chain too many pushes the oldest out, keys and all */
    uint32_t dropped_serial;
    struct skipped_keys fresh;
};

/* Finds the message's key. is_first: the header names the starting chain, and pn is no count. `day` stamps what is
 * set aside. ERR_REPLAY, ERR_TOO_LARGE (gap), ERR_AUTH (no key of ours to answer, or a low-order point), ERR_NO_MEMORY.
 * On success the step ends with ratchet_accept or ratchet_abandon. */
enum err ratchet_receive(const struct ratchet *r, const struct skipped_keys *skipped, const struct inner *inner,
                         bool is_first, uint32_t day, struct ratchet_step *step);

/* ERR_NO_MEMORY: nothing changed and the step is abandoned. */
enum err ratchet_accept(struct ratchet *r, struct skipped_keys *skipped, struct ratchet_step *step);
void     ratchet_abandon(struct ratchet_step *step);

/* Erases keys set aside before `day`. True when there were any. */
bool     skipped_expire(struct skipped_keys *s, uint32_t day);
enum err skipped_append(struct skipped_keys *s, const struct skipped_key *more, size_t count);
void     skipped_clear(struct skipped_keys *s);

#endif
