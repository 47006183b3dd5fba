/* mesh/difference.h - what two sets of one class turned out to differ in, and what is still to be done about it.
 *
 * Two halves: short ids that only they have, asked for and resolved one by one; and bundles that only we have, given in
 * order of worth. recon.c finds it out and fills it in, the contact works it off. Sorted arrays, freed when worked off.
 */
#ifndef STA_MESH_DIFFERENCE_H
#define STA_MESH_DIFFERENCE_H

#include "mesh/base/limits.h"
#include "mesh/snapshot.h"

enum {
    GATHER_MAX = 4096,                  /* arrival numbers gathered at a time, when everything is given */
    PROMISED_MS = 60000,                /* what was asked for so long ago, or up to twice, may be asked of others */
};

struct difference {
    const struct store *store;
    uint8_t which;                      /* enum bundle_class */
    uint8_t sid_key[16];
    uint64_t last_seq;                  /* our set: all that arrived no later */

    uint64_t *lacking;                  /* sorted short ids that only they have, with marks in the high bits */
    size_t lacking_count;
    size_t lacking_open;                /* neither come nor given up */
    size_t lacking_asked;               /* cursor: all before were asked for or resolved */
    size_t lacking_waiting;             /* asked for and open */
    size_t lacking_old, lacking_mark;   /* cursors of some time ago */
    uint64_t lacking_mark_ms;

    uint64_t *giving;                   /* arrival numbers that only we have */
    size_t giving_count, giving_at;
    /* When nearly all is to be given, a piece at a time: a list of all for each newcomer would not be bounded. */
    bool is_giving_all;
    uint64_t giving_after;              /* worth of the last gathered */
    uint64_t known[LIST_MAX];           /* sorted short ids that they have, left out of everything */
    size_t known_count;

    uint64_t *carried;                  /* arrival numbers of own bundles that they have, and nobody was known to have */
    size_t carried_count;
};

void difference_init(struct difference *d, const struct store *store, enum bundle_class which, const uint8_t sid_key[16]);
void difference_clear(struct difference *d);

/* They have few: these short ids, everything else of ours is to be given. Fewer than LIST_MAX. ERR_NO_MEMORY. */
enum err difference_of_list(struct difference *d, const struct snapshot *ours, const uint64_t *theirs, size_t count);

/* Both halves as a sketch gave them. ERR_NO_MEMORY. */
enum err difference_of_sketch(struct difference *d, const struct snapshot *ours, const uint64_t *theirs_only,
                              size_t theirs_count, const uint64_t *ours_only, size_t ours_count);

/* Nothing is known of their set: everything is to be given. */
void difference_is_all(struct difference *d);

/* ---- What only we have: the next to give, lent to look at until it is taken ---- */

bool difference_peek_giving(struct difference *d, uint64_t *seq);
void difference_take_giving(struct difference *d);
bool difference_is_giving(const struct difference *d);
uint64_t difference_giving_left(const struct difference *d);   /* a piece of everything counts as what is gathered and one more */

/* ---- What we lack ---- */

bool difference_next_lacking(struct difference *d, uint64_t *sid, uint64_t now_ms);   /* marks it asked for */
bool difference_is_asked(const struct difference *d, uint64_t sid);  /* of late, and open */

/* Called now and then. True: something asked for may now be asked of others, for a promise must not hold for ever. */
bool difference_age(struct difference *d, uint64_t now_ms);

/* It came, or will not, or is not wanted. */
enum lacking { LACKING_NOT, LACKING_UNASKED, LACKING_ASKED };
enum lacking difference_resolve(struct difference *d, uint64_t sid); /* says what it was until now */
void difference_drop_lacking(struct difference *d);

/* Own bundles in their set of which no acknowledgement had come: each is told once. */
bool difference_next_carried(struct difference *d, uint64_t *seq);

#endif
