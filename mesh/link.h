/* mesh/link.h - one encrypted stream: handshake, frames, rekeying (protocol section 7.1).
 *
 * Bytes in, frames out; it knows no record. Every message on the stream is u16 length || bytes. Anything wrong with it
 * breaks the link for good.
 */
#ifndef STA_MESH_LINK_H
#define STA_MESH_LINK_H

#include "crypto/noise.h"
#include "mesh/base/limits.h"
#include "mesh/base/rng.h"

struct link;

enum {
    LINK_PAYLOAD_LEN = 24,                                   /* of handshake messages 2 and 3 */
    LINK_PREFIX_LEN  = 2,
    LINK_OUT_MAX     = LINK_PREFIX_LEN + LINK_FRAME_MAX + NOISE_TAG_LEN,
    LINK_ADVERT_LEN  = 8,
    LINK_BINDING_BYTES = 32,
};

struct link_params {
    bool is_initiator;
    const uint8_t *advert_ours, *advert_theirs;   /* LINK_ADVERT_LEN each */
    const uint8_t *static_secret;                 /* of this epoch; a gateway's own to its clients */
    /* To a gateway, Noise_NK in place of XX: the initiator knows the key and has none. `is_peer`: it is a gateway too. */
    bool is_gateway, is_peer;
    const uint8_t *remote_static;                 /* is_gateway and initiator */
    const uint8_t *binding;                       /* is_gateway: LINK_BINDING_BYTES */
};

enum err link_new(struct link **out, const struct link_params *p, const struct rng *g);
void     link_free(struct link *l);               /* wipes; takes NULL */

enum link_got {
    LINK_NOTHING,   /* *in is used up */
    LINK_PAYLOAD,   /* a handshake message; `out` is its payload */
    LINK_FRAME,     /* `out` is a frame's plaintext, never empty */
    LINK_BROKEN     /* *why says; the link is dead */
};

/* Takes from *in up to the next whole message. `out` is lent until the next link_ call. */
enum link_got link_receive(struct link *l, struct bytes *in, struct bytes *out, enum err *why);

/* A handshake message of ours is due: link_handshake writes it. */
bool link_owes_handshake(const struct link *l);
/* The payload (LINK_PAYLOAD_LEN bytes) is not sent in the first message, except to a gateway. */
enum err link_handshake(struct link *l, const uint8_t *payload, struct writer *w);

/* Both ways are sealed. */
bool link_is_ready(const struct link *l);
const uint8_t *link_hash(const struct link *l);           /* NOISE_HASH_LEN bytes, once ready */
const uint8_t *link_remote_static(const struct link *l);  /* NOISE_KEY_LEN bytes, once ready */

/* Seals in place: `at` has LINK_PREFIX_LEN free bytes, then `len` of plaintext, then room for the tag. The whole
 * message, prefix included, has the length returned. */
size_t link_seal(struct link *l, uint8_t *at, size_t len);

#endif
