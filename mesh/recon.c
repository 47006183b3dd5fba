/* mesh/recon.c - finding out how two sets differ. */
#include "mesh/recon.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "mesh/base/limits.h"

static const uint64_t SID_MASK = 0xffffffffffffu;
static const uint64_t IS_RESOLVED = (uint64_t)1 << 63;
static const uint64_t IS_ASKED = (uint64_t)1 << 62;
enum { SNAPSHOT_IDLE_MS = 5000 };

void recon_init(struct recon *r, struct recon_shared *shared, enum bundle_class which, const uint8_t hash[64],
                const uint8_t sid_key[16])
{
    memset(r, 0, sizeof *r);
    r->shared = shared;
    r->which = (uint8_t)which;
    memcpy(r->hash, hash, sizeof r->hash);
    memcpy(r->sid_key, sid_key, sizeof r->sid_key);
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

void recon_drop_lacking(struct recon *r)
{
    free(r->lacking);
    r->lacking = NULL;
    r->lacking_count = r->lacking_open = r->lacking_asked = r->lacking_waiting = 0;
}

void recon_clear(struct recon *r)
{
    if (r->shared == NULL)
        return;
    release_place(r);
    drop_sketches(r);
    drop_snapshot(r);
    recon_drop_lacking(r);
    free(r->giving);
    r->giving = NULL;
    r->giving_count = r->giving_at = 0;
    r->is_giving_all = false;
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
    if (r->shared->large_count >= RECON_LARGE_AT_ONCE)
        return false;
    r->shared->large_count++;
    r->is_large_holder = true;
    return true;
}

static enum err need_snapshot(struct recon *r)
{
    enum err e;

    r->used_at_ms = r->shared->now_ms;
    if (r->has_snapshot)
        return ERR_NONE;
    if ((e = snapshot_take(&r->snapshot, r->shared->store, (enum bundle_class)r->which, r->last_seq, r->sid_key)) !=
        ERR_NONE)
        return e;
    r->has_snapshot = true;
    return ERR_NONE;
}

/* ---- What is to be given ---- */

/* Worth within a class: small before large, then new before old; one number orders both. */
static uint64_t worth_key(const struct store_entry *e)
{
    uint64_t size_code = 0;

    for (uint32_t len = e->len; len > BUNDLE_LEN_MIN; len >>= 1)
        size_code++;
    return size_code << 48 | (SID_MASK - (e->seq & SID_MASK));
}

static int order_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void order_giving(struct recon *r)
{
    /* Often sorted already: bundles of one size, newest first. */
    for (size_t i = 1; i < r->giving_count; i++) {
        if (r->giving[i - 1] > r->giving[i]) {
            qsort(r->giving, r->giving_count, sizeof *r->giving, order_numbers);
            break;
        }
    }
    for (size_t i = 0; i < r->giving_count; i++)
        r->giving[i] = SID_MASK - (r->giving[i] & SID_MASK);
}

static bool is_known(const struct recon *r, const struct bundle_id *id)
{
    uint64_t sid = r->known_count > 0 ? sid_of(r->sid_key, id) : 0;

    for (size_t i = 0; i < r->known_count && r->known[i] <= sid; i++) {
        if (r->known[i] == sid)
            return true;
    }
    return false;
}

struct gathering { struct recon *r; uint64_t after, size; bool is_larger; };

/* A walk goes from new to old, which within a size is the order of worth. */
static bool gather_entry(void *ctx, const struct store_entry *e)
{
    struct gathering *g = ctx;
    uint64_t key = worth_key(e);

    if (e->seq > g->r->last_seq)
        return true;
    if (key >> 48 > g->size)
        g->is_larger = true;
    if (key >> 48 == g->size && key > g->after && !is_known(g->r, &e->id))
        g->r->giving[g->r->giving_count++] = key;
    return g->r->giving_count < RECON_GATHER_MAX;
}

static void drop_giving(struct recon *r)
{
    free(r->giving);
    r->giving = NULL;
    r->giving_count = r->giving_at = 0;
}

/* The next piece of everything; false when there is no more. */
static bool gather(struct recon *r)
{
    struct gathering g = { r, r->giving_after, r->giving_after >> 48, true };

    drop_giving(r);
    if ((r->giving = malloc(RECON_GATHER_MAX * sizeof *r->giving)) == NULL)
        return false;
    for (; g.is_larger && r->giving_count == 0; g.size++) {
        g.is_larger = false;
        store_walk(r->shared->store, (enum bundle_class)r->which, gather_entry, &g);
    }
    if (r->giving_count == 0)
        return false;
    r->giving_after = r->giving[r->giving_count - 1];
    order_giving(r);
    return true;
}

static enum err give_all(struct recon *r)
{
    drop_giving(r);
    r->is_giving_all = true;
    r->giving_after = 0;
    return ERR_NONE;
}

bool recon_is_giving(const struct recon *r)
{
    return r->is_giving_all || r->giving_at < r->giving_count;
}

bool recon_peek_giving(struct recon *r, uint64_t *seq)
{
    if (r->giving_at == r->giving_count && r->is_giving_all && !gather(r))
        r->is_giving_all = false;
    if (r->giving_at == r->giving_count) {
        drop_giving(r);
        return false;
    }
    *seq = r->giving[r->giving_at];
    return true;
}

void recon_take_giving(struct recon *r)
{
    r->giving_at++;
}

/* Takes both halves of the difference: short ids that only they have, and only we have. */
static enum err take_result(struct recon *r, const uint64_t *theirs, size_t theirs_count, const uint64_t *ours,
                            size_t ours_count)
{
    recon_drop_lacking(r);
    drop_giving(r);
    if (theirs_count > 0) {
        if ((r->lacking = malloc(theirs_count * sizeof *r->lacking)) == NULL)
            return ERR_NO_MEMORY;
        memcpy(r->lacking, theirs, theirs_count * sizeof *r->lacking);
        qsort(r->lacking, theirs_count, sizeof *r->lacking, order_numbers);
        r->lacking_count = r->lacking_open = theirs_count;
    }
    if (ours_count > 0) {
        if ((r->giving = malloc(ours_count * sizeof *r->giving)) == NULL)
            return ERR_NO_MEMORY;
        for (size_t i = 0; i < ours_count; i++) {
            uint64_t seq;
            const struct store_entry *e;

            if (snapshot_find(&r->snapshot, ours[i], &seq) && (e = store_find_seq(r->shared->store, seq)) != NULL)
                r->giving[r->giving_count++] = worth_key(e);
        }
        order_giving(r);
    }
    return ERR_NONE;
}

static void say_settled(struct recon *r, enum settled_how how)
{
    r->is_settled_due = true;
    r->settled_how = how;
}

/* Bundles that came since the set was stated are not lacking, however they came. */
static bool resolve_arrived(void *ctx, const struct store_entry *e)
{
    struct recon *r = ctx;

    if (e->bundle_class == r->which)
        recon_resolve(r, sid_of(r->sid_key, &e->id));
    return r->lacking_open > 0;
}

static enum err settle(struct recon *r, const uint64_t *theirs, size_t theirs_count, const uint64_t *ours,
                       size_t ours_count)
{
    enum err e = take_result(r, theirs, theirs_count, ours, ours_count);

    if (e != ERR_NONE)
        return e;
    if (r->lacking_open > 0)
        store_walk_since(r->shared->store, r->last_seq, resolve_arrived, r);
    say_settled(r, SETTLED_KNOWN);
    finish(r);
    return ERR_NONE;
}

/* ---- Start ---- */

enum err recon_start(struct recon *r, bool is_initiator, uint64_t ours, uint64_t theirs, uint64_t last_seq)
{
    r->last_seq = last_seq;
    r->stated_ours = ours;
    r->stated_theirs = theirs;
    r->heard_at_ms = r->shared->now_ms;
    r->role = RECON_DONE;
    if (ours == 0)
        return ERR_NONE;
    if (theirs == 0)
        return give_all(r);
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
static uint64_t *snapshot_numbers(const struct snapshot *s)
{
    uint64_t *sids = malloc((s->count > 0 ? s->count : 1) * sizeof *sids);

    for (size_t i = 0; sids != NULL && i < s->count; i++)
        sids[i] = snapshot_sid(s, i);
    return sids;
}

static enum err need_encoder(struct recon *r)
{
    uint8_t key[16];
    enum err e;

    if (r->encoder != NULL)
        return ERR_NONE;
    if ((e = need_snapshot(r)) != ERR_NONE)
        return e;
    uint64_t *sids = snapshot_numbers(&r->snapshot);
    if (sids == NULL)
        return ERR_NO_MEMORY;
    sketch_key(r, key);
    e = sketch_encoder_new(&r->encoder, sids, r->snapshot.count, key);
    free(sids);
    r->cells_sent = 0;
    r->sketches++;
    return e;
}

static bool write_list(struct recon *r, struct writer *w)
{
    uint64_t *sids;
    bool is_written;

    if (need_snapshot(r) != ERR_NONE || (sids = snapshot_numbers(&r->snapshot)) == NULL)
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

        if (!has_place(r))
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
    if (r->is_deferred && has_place(r)) {
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
        if (r->settled_how == SETTLED_ALL && give_all(r) != ERR_NONE)
            return false;
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
    size_t theirs_count = 0;
    for (size_t i = 0; i < list.count; i++) {
        uint64_t seq;

        r->known[i] = sids_at(list, i);
        if (!snapshot_find(&r->snapshot, r->known[i], &seq))
            theirs[theirs_count++] = r->known[i];
    }
    r->known_count = list.count;
    qsort(r->known, list.count, sizeof *r->known, order_numbers);
    if (r->stated_ours >= RECON_LARGE)
        drop_snapshot(r);
    if ((e = settle(r, theirs, theirs_count, NULL, 0)) != ERR_NONE)
        return e;
    return give_all(r);
}

static enum err start_decoding(struct recon *r, uint64_t set_count)
{
    uint8_t key[16];
    enum err e;

    drop_sketches(r);
    if (set_count > SKETCH_SET_MAX)
        return ERR_MALFORMED;
    if ((e = need_snapshot(r)) != ERR_NONE)
        return e;
    uint64_t *sids = snapshot_numbers(&r->snapshot);
    if (sids == NULL)
        return ERR_NO_MEMORY;
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
    r->sketches++;
    return ERR_NONE;
}

static enum err take_decoded(struct recon *r)
{
    size_t theirs_count, ours_count;
    const uint64_t *theirs = sketch_remote_only(r->decoder, &theirs_count);
    const uint64_t *ours = sketch_local_only(r->decoder, &ours_count);

    return settle(r, theirs, theirs_count, ours, ours_count);
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
        if (!has_place(r)) {
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
    return how == SETTLED_ALL ? give_all(r) : ERR_NONE;
}

/* ---- After it ---- */

bool recon_find(struct recon *r, uint64_t sid, uint64_t *seq)
{
    return need_snapshot(r) == ERR_NONE && snapshot_find(&r->snapshot, sid, seq);
}

static uint64_t *find_lacking(const struct recon *r, uint64_t sid)
{
    size_t low = 0, high = r->lacking_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if ((r->lacking[mid] & SID_MASK) < sid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < r->lacking_count && (r->lacking[low] & SID_MASK) == sid ? &r->lacking[low] : NULL;
}

unsigned recon_resolve(struct recon *r, uint64_t sid)
{
    uint64_t *at = r->lacking_open > 0 ? find_lacking(r, sid) : NULL;
    unsigned was = LACKING_RESOLVED;

    if (at == NULL || (*at & IS_RESOLVED) != 0)
        return 0;
    was |= LACKING_WAS_OPEN;
    if ((*at & IS_ASKED) != 0) {
        was |= LACKING_WAS_ASKED;
        r->lacking_waiting--;
    }
    *at |= IS_RESOLVED;
    if (--r->lacking_open == 0)
        recon_drop_lacking(r);
    return was;
}

bool recon_is_asked(const struct recon *r, uint64_t sid)
{
    const uint64_t *at = r->lacking_waiting > 0 ? find_lacking(r, sid) : NULL;

    return at != NULL && (*at & IS_ASKED) != 0 && (*at & IS_RESOLVED) == 0;
}

bool recon_next_lacking(struct recon *r, uint64_t *sid)
{
    for (; r->lacking_asked < r->lacking_count; r->lacking_asked++) {
        uint64_t *at = &r->lacking[r->lacking_asked];

        if ((*at & IS_RESOLVED) == 0) {
            *at |= IS_ASKED;
            *sid = *at & SID_MASK;
            r->lacking_asked++;
            r->lacking_waiting++;
            return true;
        }
    }
    return false;
}

void recon_tend(struct recon *r)
{
    uint64_t now_ms = r->shared->now_ms;

    if (r->has_snapshot && r->role != RECON_DECODING && r->encoder == NULL &&
        now_ms - r->used_at_ms >= SNAPSHOT_IDLE_MS)
        drop_snapshot(r);
    if (r->is_large_holder && r->role == RECON_ENCODING && now_ms - r->heard_at_ms >= RECON_IDLE_MS) {
        drop_sketches(r);
        release_place(r);
    }
    /* A decoder is not rebuilt: its cells would be gone. It asks for another round when there is place. */
    if (r->is_large_holder && r->role == RECON_DECODING && now_ms - r->heard_at_ms >= RECON_IDLE_MS) {
        drop_sketches(r);
        release_place(r);
        r->role = RECON_AWAIT;
        r->is_deferred = true;
    }
}
