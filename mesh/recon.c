/* mesh/recon.c - finding out how two sets differ. */
#include "mesh/recon.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/base/limits.h"

enum { SNAPSHOT_IDLE_MS = 5000 };

void recon_init(struct recon *r, struct recon_shared *shared, enum bundle_class which, const uint8_t hash[64],
                const uint8_t sid_key[16])
{
    memset(r, 0, sizeof *r);
    r->shared = shared;
    r->which = (uint8_t)which;
    memcpy(r->hash, hash, sizeof r->hash);
    difference_init(&r->difference, shared->store, which, sid_key);
}

static void release_place(struct recon *r)
{
    if (r->is_large_holder)
        r->shared->large_count--;
    r->is_large_holder = false;
}

static void drop_sketches(struct recon *r)
{
    sketch_encoder_free(r->encoder);
    sketch_decoder_free(r->decoder);
    r->encoder = NULL;
    r->decoder = NULL;
}

static void drop_snapshot(struct recon *r)
{
    snapshot_clear(&r->snapshot);
    r->has_snapshot = false;
}

void recon_clear(struct recon *r)
{
    if (r->shared == NULL)
        return;
    release_place(r);
    drop_sketches(r);
    drop_snapshot(r);
    difference_clear(&r->difference);
    r->role = RECON_DONE;
}

static void finish(struct recon *r)
{
    r->role = RECON_DONE;
    drop_sketches(r);
    release_place(r);
}

/* Sketches of large sets take megabytes, so few are worked on at a time. */
static bool has_place(struct recon *r)
{
    if (r->is_large_holder || r->stated_ours < RECON_LARGE)
        return true;
    if (r->shared->large_count >= RECON_LARGE_AT_ONCE) {
        r->shared->large_missed_at_ms = r->shared->now_ms;
        return false;
    }
    r->shared->large_count++;
    r->placed_at_ms = r->shared->now_ms;
    r->is_large_holder = true;
    return true;
}

/* Whether another sketch may be made now. Sketches of small sets cost little. */
static bool may_build(const struct recon *r)
{
    return r->stated_ours < RECON_LARGE || r->built_at_ms == 0 || r->shared->now_ms - r->built_at_ms >= RECON_BUILD_GAP_MS;
}

static void note_built(struct recon *r)
{
    r->sketches++;
    r->built_at_ms = r->shared->now_ms > 0 ? r->shared->now_ms : 1;
}

static enum err need_snapshot(struct recon *r)
{
    enum err e;

    r->used_at_ms = r->shared->now_ms;
    if (r->has_snapshot)
        return ERR_NONE;
    if ((e = snapshot_take(&r->snapshot, r->shared->store, (enum bundle_class)r->which, r->difference.last_seq,
                           r->difference.sid_key)) !=
        ERR_NONE)
        return e;
    r->has_snapshot = true;
    return ERR_NONE;
}

static void say_settled(struct recon *r, enum settled_how how)
{
    r->is_settled_due = true;
    r->settled_how = how;
}

/* ---- Start ---- */

enum err recon_start(struct recon *r, bool is_initiator, uint64_t ours, uint64_t theirs, uint64_t last_seq)
{
    r->difference.last_seq = last_seq;
    r->stated_ours = ours;
    r->stated_theirs = theirs;
    r->heard_at_ms = r->shared->now_ms;
    r->role = RECON_DONE;
    if (ours == 0)
        return ERR_NONE;
    if (theirs == 0) {
        difference_is_all(&r->difference);
        return ERR_NONE;
    }
    uint64_t least = ours < theirs ? ours : theirs;
    bool is_first = ours == theirs ? is_initiator : ours < theirs;
    if (least < LIST_MAX) {
        r->role = is_first ? RECON_LISTING : RECON_AWAIT;
        r->is_list_due = is_first;
    } else {
        r->role = is_initiator ? RECON_ENCODING : RECON_AWAIT;
        r->cells_due = is_initiator ? RECON_FIRST_BURST : 0;
    }
    return ERR_NONE;
}

/* ---- Writing ---- */

static void sketch_key(const struct recon *r, uint8_t key[16])
{
    uint8_t data[2] = { r->which, r->round };

    hash_derive_one(key, 16, bytes_of(r->hash, sizeof r->hash), "cells", bytes_of(data, sizeof data));
}

/* The snapshot's short ids as the sketch wants them; the caller frees. */
static enum err need_sids(struct recon *r, uint64_t **out)
{
    enum err e = need_snapshot(r);
    uint64_t *sids;

    if (e != ERR_NONE)
        return e;
    if ((sids = malloc((r->snapshot.count > 0 ? r->snapshot.count : 1) * sizeof *sids)) == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < r->snapshot.count; i++)
        sids[i] = snapshot_sid(&r->snapshot, i);
    *out = sids;
    return ERR_NONE;
}

static enum err need_encoder(struct recon *r)
{
    uint8_t key[16];
    uint64_t *sids;
    enum err e;

    if (r->encoder != NULL)
        return ERR_NONE;
    if ((e = need_sids(r, &sids)) != ERR_NONE)
        return e;
    sketch_key(r, key);
    e = sketch_encoder_new(&r->encoder, sids, r->snapshot.count, key);
    free(sids);
    r->cells_sent = 0;
    note_built(r);
    return e;
}

static bool write_list(struct recon *r, struct writer *w)
{
    uint64_t *sids;
    bool is_written;

    if (need_sids(r, &sids) != ERR_NONE)
        return false;
    /* Fewer than LIST_MAX were stated, and a set does not grow backwards. */
    is_written = record_put_list(w, r->which, sids, r->snapshot.count);
    free(sids);
    if (is_written) {
        r->is_list_due = false;
        r->lists++;
    }
    return true;
}

static bool write_cells(struct recon *r, struct writer *w)
{
    while (r->cells_due > 0) {
        struct writer before = *w;
        struct record_open o;
        uint8_t head[2] = { r->which, r->round };

        if (!has_place(r) || (r->encoder == NULL && !may_build(r)))
            return true;
        if (need_encoder(r) != ERR_NONE)
            return false;
        if (writer_left(w) < 64 || !record_begin(&o, w, RECORD_CELLS, head, sizeof head))
            return true;
        writer_varint(w, r->cells_sent);
        if (r->cells_sent == 0)
            writer_varint(w, r->snapshot.count);
        uint8_t *count_at = writer_gap(w, 1);
        size_t max = r->cells_due < RECON_RECORD_CELLS ? (size_t)r->cells_due : RECON_RECORD_CELLS;
        size_t n = sketch_encode(r->encoder, max, w);
        if (n == 0) {
            *w = before;
            if (writer_left(w) > 1024)
                r->cells_due = 0;   /* the sketch is at its end */
            return true;
        }
        *count_at = (uint8_t)n;
        record_end(&o, false);
        r->cells_sent += n;
        r->cells_due -= n;
        r->cells_total += n;
    }
    return true;
}

bool recon_is_due(const struct recon *r)
{
    return r->is_settled_due || r->more_due > 0 || r->is_list_due || r->is_deferred ||
           (r->role == RECON_ENCODING && r->cells_due > 0);
}

static void fail_round(struct recon *r)
{
    drop_sketches(r);
    if (++r->fails >= RECON_FAILS_MAX || r->round + 1 >= RECON_ROUNDS_MAX) {
        say_settled(r, SETTLED_ALL);
        finish(r);
    } else {
        say_settled(r, SETTLED_AGAIN);
        r->role = RECON_AWAIT;
    }
}

bool recon_write(struct recon *r, struct writer *w)
{
    if (!recon_is_due(r))
        return true;
    if (r->is_deferred && may_build(r) && has_place(r)) {
        r->is_deferred = false;
        if (r->round + 1 >= RECON_ROUNDS_MAX) {
            r->fails = RECON_FAILS_MAX;
            fail_round(r);
        } else {
            say_settled(r, SETTLED_AGAIN);
        }
    }
    if (r->is_settled_due && record_put_settled(w, r->which, r->settled_how)) {
        r->is_settled_due = false;
        if (r->settled_how == SETTLED_AGAIN)
            r->round++;
        if (r->settled_how == SETTLED_ALL)
            difference_is_all(&r->difference);
    }
    if (r->more_due > 0 && record_put_more(w, r->which, r->more_due))
        r->more_due = 0;
    if (r->is_list_due && !write_list(r, w))
        return false;
    return r->role != RECON_ENCODING || write_cells(r, w);
}

/* ---- Hearing ---- */

enum err recon_on_list(struct recon *r, struct sids list)
{
    enum err e;

    if (r->role != RECON_AWAIT)
        return ERR_NONE;
    if (list.count >= LIST_MAX)
        return ERR_MALFORMED;
    if ((e = need_snapshot(r)) != ERR_NONE)
        return e;
    r->heard_at_ms = r->shared->now_ms;
    uint64_t theirs[LIST_MAX];
    for (size_t i = 0; i < list.count; i++)
        theirs[i] = sids_at(list, i);
    if ((e = difference_of_list(&r->difference, &r->snapshot, theirs, list.count)) != ERR_NONE)
        return e;
    if (r->stated_ours >= RECON_LARGE)
        drop_snapshot(r);
    say_settled(r, SETTLED_KNOWN);
    finish(r);
    return ERR_NONE;
}

static enum err start_decoding(struct recon *r, uint64_t set_count)
{
    uint8_t key[16];
    uint64_t *sids;
    enum err e;

    drop_sketches(r);
    if (set_count > SKETCH_SET_MAX)
        return ERR_MALFORMED;
    if ((e = need_sids(r, &sids)) != ERR_NONE)
        return e;
    sketch_key(r, key);
    e = sketch_decoder_new(&r->decoder, sids, r->snapshot.count, key);
    free(sids);
    if (e != ERR_NONE)
        return e;
    sketch_decoder_expect(r->decoder, set_count);
    r->role = RECON_DECODING;
    r->cells_got = 0;
    r->cells_asked = RECON_FIRST_BURST;
    r->stated_theirs = set_count;
    note_built(r);
    return ERR_NONE;
}

static enum err take_decoded(struct recon *r)
{
    size_t theirs_count, ours_count;
    const uint64_t *theirs = sketch_remote_only(r->decoder, &theirs_count);
    const uint64_t *ours = sketch_local_only(r->decoder, &ours_count);

    enum err e = difference_of_sketch(&r->difference, &r->snapshot, theirs, theirs_count, ours, ours_count);
    if (e != ERR_NONE)
        return e;
    say_settled(r, SETTLED_KNOWN);
    finish(r);
    return ERR_NONE;
}

/* A difference cannot be larger than both sets; a peer whose cells never add up is not listened to for ever. */
static uint64_t cells_max(const struct recon *r)
{
    uint64_t most = 2 * (r->snapshot.count + r->stated_theirs) + 1024;

    return most < SKETCH_CELLS_MAX ? most : SKETCH_CELLS_MAX;
}

enum err recon_on_cells(struct recon *r, uint8_t round, uint64_t first, uint64_t count, uint64_t set_count,
                        struct bytes cells)
{
    enum err e;

    if ((r->role != RECON_AWAIT && r->role != RECON_DECODING) || r->is_deferred)
        return ERR_NONE;
    if (round < r->round || (round > r->round && first != 0))
        return ERR_NONE;
    if (count == 0 || count > SKETCH_CELLS_MAX)
        return ERR_MALFORMED;
    r->heard_at_ms = r->shared->now_ms;
    if (r->role == RECON_AWAIT || round > r->round) {
        if (first != 0)
            return ERR_NONE;   /* of a round given up */
        r->round = round;
        if (!has_place(r) || !may_build(r)) {
            r->is_deferred = true;
            return ERR_NONE;
        }
        if ((e = start_decoding(r, set_count)) != ERR_NONE)
            return e;
    }
    if (first != r->cells_got)
        return ERR_MALFORMED;
    struct reader in = reader_of(cells);
    e = sketch_decode(r->decoder, (size_t)count, &in);
    if (e == ERR_MALFORMED || (e == ERR_NONE && !reader_is_done(&in)))
        return ERR_MALFORMED;
    if (e == ERR_NO_MEMORY)
        return e;
    r->cells_got += count;
    r->cells_total += count;
    if (e == ERR_NONE && sketch_is_decoded(r->decoder))
        return take_decoded(r);
    if (e != ERR_NONE || r->cells_got >= cells_max(r)) {
        fail_round(r);
        return ERR_NONE;
    }
    if (r->cells_got >= r->cells_asked) {
        uint64_t wanted = sketch_cells_wanted(r->decoder);

        if (wanted > SKETCH_CELLS_MAX - r->cells_got)
            wanted = SKETCH_CELLS_MAX - r->cells_got;
        r->cells_asked = r->cells_got + wanted;
        r->more_due += wanted;
        if (wanted == 0)
            fail_round(r);
    }
    return ERR_NONE;
}

enum err recon_on_more(struct recon *r, uint64_t cells)
{
    if (r->role != RECON_ENCODING)
        return ERR_NONE;
    if (cells == 0 || cells > SKETCH_CELLS_MAX)
        return ERR_MALFORMED;
    r->heard_at_ms = r->shared->now_ms;
    r->cells_due += cells;
    if (r->cells_due > SKETCH_CELLS_MAX)
        r->cells_due = SKETCH_CELLS_MAX;
    /* Given up for idleness: the next round starts afresh. */
    if (r->encoder == NULL && r->cells_sent > 0) {
        if (r->round + 1 >= RECON_ROUNDS_MAX)
            return ERR_MALFORMED;
        r->round++;
        r->cells_sent = 0;
        r->cells_due = RECON_FIRST_BURST;
    }
    return ERR_NONE;
}

enum err recon_on_settled(struct recon *r, enum settled_how how)
{
    if (r->role != RECON_ENCODING && r->role != RECON_LISTING)
        return ERR_NONE;
    r->heard_at_ms = r->shared->now_ms;
    if (how == SETTLED_AGAIN && r->role == RECON_ENCODING) {
        if (r->round + 1 >= RECON_ROUNDS_MAX)
            return ERR_MALFORMED;
        r->round++;
        drop_sketches(r);
        r->cells_sent = 0;
        r->cells_due = RECON_FIRST_BURST;
        return ERR_NONE;
    }
    finish(r);
    r->is_list_due = false;
    if (how == SETTLED_ALL)
        difference_is_all(&r->difference);
    return ERR_NONE;
}

/* ---- After it ---- */

bool recon_find(struct recon *r, uint64_t sid, uint64_t *seq)
{
    return need_snapshot(r) == ERR_NONE && snapshot_find(&r->snapshot, sid, seq);
}

/* A peer that says a word now and then must not keep its place for ever. */
static bool is_place_over(const struct recon *r, uint64_t now_ms)
{
    if (!r->is_large_holder)
        return false;
    bool is_waited_for = r->shared->large_missed_at_ms != 0 && now_ms - r->shared->large_missed_at_ms < RECON_WAITED_MS;
    return now_ms - r->heard_at_ms >= RECON_IDLE_MS || (is_waited_for && now_ms - r->placed_at_ms >= RECON_HOLD_MS);
}

void recon_tend(struct recon *r)
{
    uint64_t now_ms = r->shared->now_ms;

    if (r->has_snapshot && r->role != RECON_DECODING && r->encoder == NULL &&
        now_ms - r->used_at_ms >= SNAPSHOT_IDLE_MS)
        drop_snapshot(r);
    if (is_place_over(r, now_ms) && r->role == RECON_ENCODING) {
        drop_sketches(r);
        release_place(r);
    }
    /* A decoder is not rebuilt: its cells would be gone. It asks for another round when there is place. */
    if (is_place_over(r, now_ms) && r->role == RECON_DECODING) {
        drop_sketches(r);
        release_place(r);
        r->role = RECON_AWAIT;
        r->is_deferred = true;
    }
}
