/* crypto/session.h - a double-ratchet session between two people (protocol section 4).
 *
 * A session is a value: sealing and opening give a new state, and the caller stores
 * state, plaintext and bundle in one commit or drops all three. A failed open changes
 * nothing.
 *
 * Life: session_start (from a card, form F1 for a stranger or F2 when both hold cards), sealing in that form with rising N
 * until the first bundle of the session comes back, then in the session form. The other side
 * begins with session_accept_f1 or _f2.
 *
 * The day. Tags change daily; `day` is the sender's. A session never goes back in days: it uses
 * the later of the day given and the last day used or accepted, so two people whose clocks are years apart
 * still meet. session_day says which day a seal will use; the bundle's expiry must be counted from it.
 */
#ifndef STA_CRYPTO_SESSION_H
#define STA_CRYPTO_SESSION_H

#include "crypto/identity.h"
#include "crypto/tags.h"

struct session;

enum session_form { FORM_F1 = 1, FORM_F2 = 2, FORM_SESSION = 3 };

enum {
    SESSION_LOOKAHEAD      = 32,    /* tags computed past the highest seen, a day */
    SESSION_LOOKAHEAD_IDLE = 1024,  /* searched in idle time for unmatched bundles */
    SESSION_GAP_MAX        = 512,
    SESSION_SKIPPED_MAX    = 2000,
    SESSION_CHAINS_KEPT    = 5,     /* receiving chains kept whatever they hold */
    SESSION_CHAINS_MAX     = 64,    /* kept while a key set aside belongs to them */
    SESSION_SKIPPED_DAYS   = 21,
    SESSION_N_MAX          = 60000,
    SESSION_ID_LEN         = 16,
    MESSAGE_ID_LEN         = 8,
};

/* Bytes of payload that fit in a bundle of this size code in this form. */
size_t session_payload_max(enum session_form form, uint8_t size_code);

/* Starts as the one who writes first. ERR_EXPIRED: the card's time is over by `day` (the caller
 * may still insist with a day it believes in). ERR_AUTH: a key is a low-order point. */
enum err session_start(struct session **out, enum session_form form, const struct identity *me,
                       const struct card *peer, uint32_t day, const struct rng *g);

/* A deep copy, for work that may fail; wipes and frees (takes NULL). */
enum err session_copy(struct session **out, const struct session *s);
void     session_free(struct session *s);

enum err session_encode(const struct session *s, struct buffer *to);
enum err session_decode(struct session **out, struct bytes in);

/* 16 bytes, equal at both ends, unlike any other session's. */
void session_id(const struct session *s, uint8_t out[SESSION_ID_LEN]);

/* The form the next seal will have, and the day it will use if `day` is today. */
enum session_form session_form_next(const struct session *s);
uint32_t          session_day(const struct session *s, uint32_t day);

/* True once a bundle of the other side in this session has opened. */
bool session_is_established(const struct session *s);

struct sealed {
    uint8_t message_id[MESSAGE_ID_LEN];
    uint8_t reveal[16];       /* r of the tag, for an anti-packet */
    bool    has_reveal;       /* only the session form has one */
};

/* Seals `payload`, padded to the size code, and writes the whole bundle (header included, stamp zero)
 * of bundle_len_of_code(size_code) bytes into `bundle`. `s` becomes the next state. `my_card` is carried inside F1.
 * ERR_TOO_LARGE: the payload does not fit. ERR_STATE: SESSION_N_MAX messages or 31 days without an answer,
 * or a clock that has leapt by more than 20 years; start anew (F2, or F1 with a stranger). After any error nothing has changed. */
struct seal_request {
    const struct card *my_card;
    uint32_t day;             /* today */
    uint32_t expiry_h;
    uint32_t bucket;
    uint8_t  size_code;
    struct bytes payload;
};
enum err session_seal(struct session *s, const struct seal_request *q, const struct rng *g,
                      uint8_t *bundle, struct sealed *out);

/* The tags that the other side's next bundles in this session may carry on `day`: indices from..from+count-1,
 * count <= SESSION_LOOKAHEAD_IDLE. ERR_NOT_FOUND: that day's key is erased or lies before the session. */
enum err session_expect(const struct session *s, uint32_t day, uint32_t from, uint32_t count,
                        uint8_t (*out)[TAG_LEN]);

/* The first index worth expecting on `day`: one past the highest seen. */
uint32_t session_expect_from(const struct session *s, uint32_t day);

struct opened {
    uint8_t  message_id[MESSAGE_ID_LEN];
    uint8_t  reveal[16];
    bool     has_reveal;
    size_t   payload_len;     /* padding included; payload.h finds the end */
};

/* Opens a bundle in the session form. `day` and `index` come from the table that found its tag. `s` becomes the next state
 * only on success. `payload` takes up to BUNDLE_LEN_MAX bytes. ERR_AUTH, ERR_REPLAY, ERR_TOO_LARGE (gap), ERR_NOT_FOUND (the
 * day's key is erased or out of reach), ERR_MALFORMED, ERR_NO_MEMORY. */
enum err session_open(struct session *s, uint32_t day, uint32_t index, struct bytes bundle,
                      uint8_t *payload, struct opened *out);

/* Opens the repeats that the starter sends before our answer reaches it: the same EK, other N. ERR_STATE: not a session that
 * the other side began in this form. ERR_NOT_FOUND: the inbox is gone. Else as session_open. */
enum err session_open_first(struct session *s, enum session_form form, const struct identity *me, uint32_t inbox_id,
                            uint32_t day, struct bytes bundle, uint8_t *payload, struct opened *out);

/* The EK of an F1 or F2 bundle, read from its masked header, to tell a repeat from a new start.
 * For F1 `mask_secret` is the inbox secret; for F2 the pair root. */
enum err session_first_key(enum session_form form, const uint8_t mask_secret[32], const uint8_t sender_dh_key[32],
                           uint32_t day, struct bytes bundle, uint8_t ephemeral[32]);

/* A stranger's first message to inbox `inbox_id`: gives its card (verified) and a session. The caller has checked
 * the EK against the list of those used. ERR_NOT_FOUND: the inbox or its prekey is gone (an invite used up). ERR_AUTH,
 * ERR_MALFORMED, ERR_VERSION. Outputs are written only on success. */
enum err session_accept_f1(struct session **out, const struct identity *me, uint32_t inbox_id, uint32_t day,
                           struct bytes bundle, struct card *peer, uint8_t *payload, struct opened *opened);

/* A friend starts anew (both hold cards; also "reset" after a restore). */
enum err session_accept_f2(struct session **out, const struct identity *me, const struct card *peer,
                           const uint8_t pair_root[32], uint32_t day, struct bytes bundle,
                           uint8_t *payload, struct opened *opened);

/* H_16(EK): the smaller wins when both started at once. */
void session_start_key_hash(const struct session *s, uint8_t out[16]);

/* Once a day, with the day of our own clock: erases skipped keys past their time. Day keys go when later days are seen
 * from the other side. True when it changed. */
bool session_tend(struct session *s, uint32_t day);

#endif
