/* mesh/recon.h - finding out how the sets of two neighbours differ, one class at a time (protocol section 7.2).
 *
 * Both sides know both set sizes from the handshake, and so who says what: nothing when one set is empty, a list while
 * the smaller has few members, else a rateless sketch. The side that listens comes to know the whole difference.
 */
#ifndef STA_MESH_RECON_H
#define STA_MESH_RECON_H

#include "mesh/base/limits.h"
#include "mesh/difference.h"
#include "mesh/record.h"
#include "mesh/sketch.h"
#include "mesh/snapshot.h"

enum {
    RECON_FIRST_BURST   = 64,
    RECON_RECORD_CELLS  = 120,      /* a count of one byte */
    RECON_FAILS_MAX     = 2,        /* then everything is offered */
    RECON_ROUNDS_MAX    = 8,
    RECON_LARGE         = 8192,     /* members; such sets are reconciled with few neighbours at a time */
    RECON_LARGE_AT_ONCE = 2,
    RECON_IDLE_MS       = 15000,    /* a peer that says nothing for so long gives its place up ... */
    RECON_HOLD_MS       = 120000,   /* ... and after so long any peer does when others wait */
    RECON_BUILD_GAP_MS  = 1000,     /* between two sketches of a large set on one link: a word of theirs costs us many */
    RECON_WAITED_MS     = 1000,     /* those look again more often than that */
};

enum recon_role { RECON_DONE, RECON_AWAIT, RECON_LISTING, RECON_ENCODING, RECON_DECODING };

/* What every reconciliation of a node shares. */
struct recon_shared { struct store *store; unsigned large_count; uint64_t now_ms, large_missed_at_ms; };

struct recon {
    struct recon_shared *shared;
    enum recon_role role;
    uint8_t which, round;
    uint8_t fails;
    bool is_large_holder, is_deferred;
    uint8_t hash[64];
    uint64_t stated_ours, stated_theirs;
    uint64_t heard_at_ms, placed_at_ms;
    uint64_t built_at_ms;               /* the last sketch; 0: none yet */

    struct snapshot snapshot;
    bool has_snapshot;
    uint64_t used_at_ms;                /* the snapshot */

    struct sketch_encoder *encoder;
    uint64_t cells_sent, cells_due;
    struct sketch_decoder *decoder;
    uint64_t cells_got, cells_asked;

    bool is_list_due, is_settled_due;
    enum settled_how settled_how;
    uint64_t more_due;

    struct difference difference;       /* the result, which the contact works off */

    uint64_t lists, sketches, cells_total;  /* counted */
};

void recon_init(struct recon *r, struct recon_shared *shared, enum bundle_class which, const uint8_t hash[64],
                const uint8_t sid_key[16]);
void recon_clear(struct recon *r);

/* The set sizes as the handshake stated them. ERR_NO_MEMORY. */
enum err recon_start(struct recon *r, bool is_initiator, uint64_t ours, uint64_t theirs, uint64_t last_seq);

/* Writes what is due and fits. False: ERR_NO_MEMORY came up; the link cannot go on. */
bool recon_write(struct recon *r, struct writer *w);
bool recon_is_due(const struct recon *r);

/* Records that came. ERR_MALFORMED: a fault of the peer. Records that come late are ignored. */
enum err recon_on_list(struct recon *r, struct sids sids);
enum err recon_on_cells(struct recon *r, uint8_t round, uint64_t first, uint64_t count, uint64_t set_count,
                        struct bytes cells);
enum err recon_on_more(struct recon *r, uint64_t cells);
enum err recon_on_settled(struct recon *r, enum settled_how how);

/* The bundle a peer's short id names, as the set was when the link started. False: none. */
bool recon_find(struct recon *r, uint64_t sid, uint64_t *seq);

/* Frees what is not used; called now and then. */
void     recon_tend(struct recon *r);

#endif
