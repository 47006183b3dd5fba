/* crypto/ratchet.c - the Double Ratchet (protocol section 4). */
#include "crypto/ratchet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/curve.h"
#include "crypto/hash.h"

static const struct bytes NO_BYTES = { NULL, 0 };

static void root_and_chain(uint8_t root[32], uint8_t chain[32], const uint8_t key[32], const char *label, struct bytes data)
{
    uint8_t both[64];

    hash_derive_one(both, sizeof both, bytes_of(key, 32), label, data);
    memcpy(root, both, 32);
    memcpy(chain, both + 32, 32);
    secret_wipe(both, sizeof both);
}

/* Takes the message key off a chain and moves it on. */
static void chain_take(uint8_t chain[32], uint8_t key[32])
{
    hash_derive_one(key, 32, bytes_of(chain, 32), "mk", NO_BYTES);
    hash_derive_one(chain, 32, bytes_of(chain, 32), "ck", NO_BYTES);
}

void ratchet_init_starter(struct ratchet *r, const uint8_t sk[32], const uint8_t ek_secret[32])
{
    memset(r, 0, sizeof *r);
    root_and_chain(r->root, r->send_chain, sk, "init", NO_BYTES);
    memcpy(r->own_secret, ek_secret, sizeof r->own_secret);
    curve_public(r->own_public, ek_secret);
    r->has_own_key = true;
}

void ratchet_init_responder(struct ratchet *r, const uint8_t sk[32], const uint8_t ek_public[32])
{
    memset(r, 0, sizeof *r);
    root_and_chain(r->root, r->receive_key, sk, "init", NO_BYTES);
    memcpy(r->chains[0].peer_key, ek_public, sizeof r->chains[0].peer_key);
    r->chain_count = 1;
    r->next_serial = 1;
}

/* ---- Sending ---- */

bool ratchet_is_exhausted(const struct ratchet *r)
{
    return r->has_own_key && r->send_n >= SESSION_N_MAX;
}

static enum err step_to_send(struct ratchet *r, const struct rng *g)
{
    uint8_t secret[32], shared[32];
    enum err e;

    assert(r->chain_count > 0);
    rng_fill(g, secret, sizeof secret);
    e = curve_dh(shared, secret, r->chains[0].peer_key);
    if (e == ERR_NONE) {
        root_and_chain(r->root, r->send_chain, r->root, "rk", bytes_of(shared, sizeof shared));
        memcpy(r->own_secret, secret, sizeof r->own_secret);
        curve_public(r->own_public, secret);
        r->has_own_key = true;
        r->send_pn = r->send_n;
        r->send_n = 0;
    }
    secret_wipe(secret, sizeof secret);
    secret_wipe(shared, sizeof shared);
    return e;
}

enum err ratchet_send(struct ratchet *r, const struct rng *g, struct inner *inner, uint8_t key[32])
{
    enum err e;

    if (ratchet_is_exhausted(r))
        return ERR_STATE;
    if (!r->has_own_key && (e = step_to_send(r, g)) != ERR_NONE)
        return e;
    chain_take(r->send_chain, key);
    memcpy(inner->ratchet_key, r->own_public, sizeof inner->ratchet_key);
    inner->pn = r->send_pn;
    inner->n = r->send_n++;
    return ERR_NONE;
}

/* ---- Keys set aside ---- */

static enum err skipped_reserve(struct skipped_keys *s, size_t more)
{
    size_t need = s->count + more;

    if (need <= s->cap)
        return ERR_NONE;
    /* Not realloc: it may leave keys behind in the block it frees. */
    struct skipped_key *at = malloc(need * sizeof *at);
    if (at == NULL)
        return ERR_NO_MEMORY;
    if (s->count > 0)
        memcpy(at, s->at, s->count * sizeof *at);
    if (s->at != NULL)
        secret_wipe(s->at, s->cap * sizeof *at);
    free(s->at);
    s->at = at;
    s->cap = need;
    return ERR_NONE;
}

static void skipped_remove(struct skipped_keys *s, size_t index, size_t count)
{
    memmove(&s->at[index], &s->at[index + count], (s->count - index - count) * sizeof s->at[0]);
    s->count -= count;
    secret_wipe(&s->at[s->count], count * sizeof s->at[0]);
}

enum err skipped_append(struct skipped_keys *s, const struct skipped_key *more, size_t count)
{
    enum err e;

    assert(count <= SESSION_SKIPPED_MAX);
    if (count == 0)
        return ERR_NONE;
    if ((e = skipped_reserve(s, count)) != ERR_NONE)
        return e;
    memcpy(&s->at[s->count], more, count * sizeof *more);
    s->count += count;
    if (s->count > SESSION_SKIPPED_MAX)
        skipped_remove(s, 0, s->count - SESSION_SKIPPED_MAX);
    return ERR_NONE;
}

bool skipped_expire(struct skipped_keys *s, uint32_t day)
{
    size_t old = 0;

    /* Stamps never fall: they are the highest day that our clock has shown. */
    while (old < s->count && s->at[old].day < day)
        old++;
    if (old == 0)
        return false;
    skipped_remove(s, 0, old);
    return true;
}

static void skipped_drop_chain(struct skipped_keys *s, uint32_t serial)
{
    size_t kept = 0, before = s->count;

    for (size_t i = 0; i < before; i++) {
        if (s->at[i].serial != serial)
            s->at[kept++] = s->at[i];
    }
    s->count = kept;
    if (kept < before)
        secret_wipe(&s->at[kept], (before - kept) * sizeof s->at[0]);
}

void skipped_clear(struct skipped_keys *s)
{
    if (s->at != NULL)
        secret_wipe(s->at, s->cap * sizeof s->at[0]);
    free(s->at);
    memset(s, 0, sizeof *s);
}

static bool skipped_find(const struct skipped_keys *s, uint32_t serial, uint16_t n, size_t *index)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->at[i].serial == serial && s->at[i].n == n) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* ---- Receiving ---- */

/* Sets `count` keys of the going chain aside; there is room in step->fresh. */
static void set_aside(struct ratchet_step *step, uint32_t count, uint32_t day)
{
    struct ratchet *r = &step->next;

    for (; count > 0; count--) {
        struct skipped_key *k = &step->fresh.at[step->fresh.count++];

        assert(step->fresh.count <= step->fresh.cap);
        k->serial = r->chains[0].serial;
        k->n = (uint16_t)r->receive_n++;
        k->day = day;
        chain_take(r->receive_key, k->key);
    }
}

static bool has_skipped(const struct skipped_keys *s, uint32_t serial)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->at[i].serial == serial)
            return true;
    }
    return false;
}

/* Room for one more chain. A courier may be days late with a message of a chain that many answers have
 * followed since, so a chain is kept while a key of it is: past SESSION_CHAINS_KEPT the oldest
 * without any goes first, and one with keys only when there are SESSION_CHAINS_MAX of them. */
static void chain_make_room(struct ratchet_step *step, const struct skipped_keys *skipped)
{
    struct ratchet *r = &step->next;
    uint8_t i = r->chain_count;

    if (r->chain_count < SESSION_CHAINS_KEPT)
        return;
    while (i > 1 && (has_skipped(skipped, r->chains[i - 1].serial) || has_skipped(&step->fresh, r->chains[i - 1].serial)))
        i--;
    if (i <= 1 && r->chain_count < SESSION_CHAINS_MAX)
        return;
    if (i <= 1) {
        i = r->chain_count;
        step->has_dropped_chain = true;
        step->dropped_serial = r->chains[i - 1].serial;
    }
    memmove(&r->chains[i - 1], &r->chains[i], (size_t)(r->chain_count - i) * sizeof r->chains[0]);
    r->chain_count--;
}

static void chain_push(struct ratchet_step *step, const struct skipped_keys *skipped, const uint8_t peer_key[32])
{
    struct ratchet *r = &step->next;

    chain_make_room(step, skipped);
    memmove(&r->chains[1], &r->chains[0], r->chain_count * sizeof r->chains[0]);
    memcpy(r->chains[0].peer_key, peer_key, sizeof r->chains[0].peer_key);
    r->chains[0].serial = r->next_serial++;
    r->chain_count++;
    r->receive_n = 0;
}

/* The receiving half of a DH step. Of the chain that ends, at most SESSION_GAP_MAX missing keys are kept: what was
 * lost there must not make what comes now unreadable. */
static enum err step_to_receive(struct ratchet_step *step, const struct skipped_keys *skipped, const struct inner *inner,
                                uint32_t day)
{
    struct ratchet *r = &step->next;
    uint8_t shared[32];
    enum err e;

    if (!r->has_own_key)
        return ERR_AUTH;
    if ((e = curve_dh(shared, r->own_secret, inner->ratchet_key)) != ERR_NONE)
        return e;
    if (r->chain_count > 0 && inner->pn > r->receive_n) {
        uint32_t missing = inner->pn - r->receive_n;

        set_aside(step, missing < SESSION_GAP_MAX ? missing : SESSION_GAP_MAX, day);
    }
    root_and_chain(r->root, r->receive_key, r->root, "rk", bytes_of(shared, sizeof shared));
    secret_wipe(shared, sizeof shared);
    secret_wipe(r->own_secret, sizeof r->own_secret);
    r->has_own_key = false;
    chain_push(step, skipped, inner->ratchet_key);
    return ERR_NONE;
}

static enum err receive_new(struct ratchet_step *step, const struct skipped_keys *skipped, const struct inner *inner,
                            bool is_new_key, uint32_t day)
{
    uint32_t from = is_new_key ? 0 : step->next.receive_n;
    enum err e;

    if (inner->n < from)
        return ERR_REPLAY;
    if (inner->n - from > SESSION_GAP_MAX)
        return ERR_TOO_LARGE;
    size_t room = inner->n - from + (is_new_key ? (size_t)SESSION_GAP_MAX : 0);
    if ((e = skipped_reserve(&step->fresh, room)) != ERR_NONE)
        return e;
    if (is_new_key && (e = step_to_receive(step, skipped, inner, day)) != ERR_NONE)
        return e;
    set_aside(step, inner->n - from, day);
    chain_take(step->next.receive_key, step->key);
    step->next.receive_n++;
    return ERR_NONE;
}

enum err ratchet_receive(const struct ratchet *r, const struct skipped_keys *skipped, const struct inner *inner,
                         bool is_first, uint32_t day, struct ratchet_step *step)
{
    uint8_t chain = 0;
    enum err e;

    memset(step, 0, sizeof *step);
    while (chain < r->chain_count &&
           !secret_is_equal(r->chains[chain].peer_key, inner->ratchet_key, sizeof inner->ratchet_key))
        chain++;
    if (chain == r->chain_count && is_first)
        return ERR_REPLAY;  /* the starting chain is long past */
    if (chain < r->chain_count && skipped_find(skipped, r->chains[chain].serial, inner->n, &step->used_index)) {
        step->is_skipped = true;
        memcpy(step->key, skipped->at[step->used_index].key, sizeof step->key);
        return ERR_NONE;
    }
    if (chain > 0 && chain < r->chain_count)
        return ERR_REPLAY;
    step->next = *r;
    e = receive_new(step, skipped, inner, chain == r->chain_count, day);
    if (e != ERR_NONE)
        ratchet_abandon(step);
    return e;
}

enum err ratchet_accept(struct ratchet *r, struct skipped_keys *skipped, struct ratchet_step *step)
{
    enum err e = ERR_NONE;

    if (step->is_skipped) {
        skipped_remove(skipped, step->used_index, 1);
    } else if ((e = skipped_append(skipped, step->fresh.at, step->fresh.count)) == ERR_NONE) {
        *r = step->next;
        if (step->has_dropped_chain)
            skipped_drop_chain(skipped, step->dropped_serial);
    }
    ratchet_abandon(step);
    return e;
}

void ratchet_abandon(struct ratchet_step *step)
{
    skipped_clear(&step->fresh);
    secret_wipe(step, sizeof *step);
}
