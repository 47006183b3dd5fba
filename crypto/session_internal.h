/* crypto/session_internal.h - what a session is made of. For session*.c and tests. */
#ifndef STA_CRYPTO_SESSION_INTERNAL_H
#define STA_CRYPTO_SESSION_INTERNAL_H

#include "crypto/day_chain.h"
#include "crypto/ratchet.h"
#include "crypto/session.h"

enum {
    FIRST_AGE_MAX = 31,  /* days a starter repeats itself before it has to start anew */
};

/* What the starter needs to repeat its first message; zero once the other side has answered, and at the responder. */
struct first_keys {
    uint8_t  mask_root[32];    /* F1: the inbox secret; F2: the pair root */
    uint8_t  card_key[32];     /* k1 of F1 */
    uint8_t  own_dh_key[32];   /* the direction of F2 tags */
    uint16_t prekey_id;
};

struct session {
    uint8_t  id[SESSION_ID_LEN];
    uint8_t  start_key[32];    /* EK */
    uint8_t  peer_dh_key[32];
    uint8_t  form;             /* FORM_F1 or FORM_F2: how it began */
    bool     is_starter;
    bool     is_established;
    uint32_t start_day;        /* both day chains begin here */
    uint32_t day;              /* the last one used or accepted */
    uint32_t own_day;          /* the highest that our own clock has shown, 0: not known; stamps skipped keys */
    struct day_chain send_days;
    uint32_t send_index;       /* of the next tag on send_days.day */
    struct day_window receive_days;
    struct ratchet ratchet;
    struct skipped_keys skipped;
    struct first_keys first;
};

/* The part of a new session that follows from SK: id, day chains, ratchet is the caller's. */
void session_init_days(struct session *s, const uint8_t sk[32], uint32_t start_day);

/* Seals in the first form; session_seal has checked the size. */
enum err session_seal_first(struct session *s, const struct seal_request *q, const struct rng *g, uint8_t *bundle,
                            struct sealed *out);

/* Our own clock says `day`. True when keys set aside before it was known were stamped with it. */
bool session_note_own_day(struct session *s, uint32_t day);

void message_id_of(const uint8_t message_key[32], uint8_t out[MESSAGE_ID_LEN]);

static inline bool has_card(enum session_form form)
{
    return form == FORM_F1;
}

static inline uint32_t later_day(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

#endif
