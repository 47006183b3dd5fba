/* mesh/admission.h - what a link may bring: rate, room, stamps, age (protocol section 10).
 *
 * Decides about one bundle from plain facts and changes nothing.
 */
#ifndef STA_MESH_ADMISSION_H
#define STA_MESH_ADMISSION_H

#include "mesh/record.h"
#include "storage/store.h"

enum {
    CLOCK_UNKNOWN_MIN   = 0xffffffff,        /* minutes since 2025 in a handshake: no clock */
    CLOCK_AGREE_MIN     = 2 * 24 * 60,       /* clocks this near agree */
    RATE_BYTES_PER_S    = 1 << 20,           /* a link's, once the store is half full */
    RATE_BURST_S        = 4,
    PRESSURE_PERCENT    = 50,                /* below, nobody is held to a rate or a share */
};

/* A token bucket in bytes. */
struct rate { int64_t tokens; uint64_t at_ms; bool is_started; };

/* Fills up by time; a rate of zero is unlimited. */
void rate_tick(struct rate *r, uint64_t bytes_per_s, uint64_t now_ms);
bool rate_has(const struct rate *r, uint64_t bytes_per_s);
/* May go below zero: what was asked for is paid when it comes. */
void rate_pay(struct rate *r, uint64_t bytes_per_s, uint64_t bytes);

/* What the node and a link's two clocks are when a bundle comes. */
struct admission {
    struct store_usage usage;
    uint64_t contributed;        /* bytes of the strangers' share this contributor holds */
    uint64_t stranger_room;      /* ... and could add at most in a full store */
    uint32_t residence_s;        /* the store's clock */
    uint32_t ours_min;           /* our clock; CLOCK_UNKNOWN_MIN */
    uint32_t theirs_min;
    bool is_ours_trusted, is_theirs_trusted;
    bool is_friend;
    uint8_t hops_max;
    uint8_t stamp_bits;          /* demanded of strangers now */
};

/* The header's expiry is to be believed: our clock is trusted, or a trusted one of theirs agrees with ours. */
bool admission_knows_expiry(const struct admission *f);

/* Whose share it counts against. */
enum quota_class admission_class(const struct admission *f, uint8_t bundle_class);

/* Bytes of this class to ask for at most; UINT64_MAX: no limit. More would be sent in vain. */
uint64_t admission_room(const struct admission *f, enum quota_class which);

/* REFUSAL_NONE, and its deadline on the residence clock. Duplicates and signatures are not its matter. */
enum refusal admission_judge(const struct admission *f, const struct header *h, const struct carry *carry,
                         uint8_t stamp_bits_there, uint32_t *deadline_s);

/* What a refusal is called outside of links. */
enum err refusal_err(enum refusal why);

#endif
