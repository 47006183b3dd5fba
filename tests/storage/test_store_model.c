/* tests/storage/test_store_model.c - random stories against a model that is too simple to be wrong.
 *
 * The model is a list. It knows the rules of storage/store.h by heart and follows none of its shortcuts: every
 * answer of the store is compared with what a walk over the whole list says, and of every
 * eviction it is asked whether the rules of section 10 allow that very bundle to go.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"
#include "tests/storage/bundles.h"
#include "tests/storage/kind.h"
#include "tests/support/check.h"
#include "tests/support/seeded.h"

enum { ROOM = 120, MODEL_MAX = 400, NUMBERS = 600, STEPS = 6000,
       OWN_MAX = ROOM * BUNDLE_LEN_MIN - ROOM * BUNDLE_LEN_MIN / 4,
       LINK_SHARE = ROOM * BUNDLE_LEN_MIN / 100 * 40 / 2 };   /* a tiny store: half of the strangers' share */

static const struct store_config config = { ROOM * BUNDLE_LEN_MIN, { 5, 10, 35, 40, 10 }, 99 };

struct model_bundle { struct store_entry e; uint64_t number; };

struct model {
    struct model_bundle at[MODEL_MAX];
    size_t count;
    uint32_t seen_until[NUMBERS];
    uint32_t clock_s;
};

static struct model now, committed;
static char label[48];

static uint64_t bytes_of_class(const struct model *m, int k)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->count; i++)
        sum += m->at[i].e.quota_class == k ? m->at[i].e.len : 0;
    return sum;
}

static uint64_t bytes_of_account(const struct model *m, int k, uint32_t contributor)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->count; i++)
        sum += m->at[i].e.quota_class == k && m->at[i].e.contributor == contributor ? m->at[i].e.len : 0;
    return sum;
}

static uint64_t bytes_of_all(const struct model *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->count; i++)
        sum += m->at[i].e.len;
    return sum;
}

static bool is_worth_less(const struct store_entry *a, const struct store_entry *b)
{
    return a->stamp_bits != b->stamp_bits ? a->stamp_bits < b->stamp_bits : a->deadline_s < b->deadline_s;
}

/* No bundle of the same account is worth clearly less; deadlines are told apart by some four minutes. */
static bool is_least_of_account(const struct model *m, const struct store_entry *v)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct store_entry *o = &m->at[i].e;

        if (o->quota_class != v->quota_class || o->contributor != v->contributor)
            continue;
        if (o->stamp_bits < v->stamp_bits || (o->stamp_bits == v->stamp_bits && o->deadline_s + 256 < v->deadline_s))
            return false;
    }
    return true;
}

static bool is_largest_account(const struct model *m, const struct store_entry *v)
{
    uint64_t his = bytes_of_account(m, v->quota_class, v->contributor);

    for (size_t i = 0; i < m->count; i++) {
        const struct store_entry *o = &m->at[i].e;

        if (o->quota_class == v->quota_class && bytes_of_account(m, o->quota_class, o->contributor) > his)
            return false;
    }
    return true;
}

/* Others divide what own bundles leave beyond their share. */
static uint64_t share_of(const struct model *m, int k, const struct store_entry *e)
{
    uint64_t share = config.capacity_bytes / 100 * config.share_percent[k], own = bytes_of_class(m, QUOTA_OWN);
    uint64_t own_share = config.capacity_bytes / 100 * config.share_percent[QUOTA_OWN];

    if (e->quota_class == QUOTA_OWN || own <= own_share)
        return share;
    return share * ((own < config.capacity_bytes ? config.capacity_bytes - own : 0) * 65536 / (config.capacity_bytes - own_share)) / 65536;
}

static int64_t over(const struct model *m, int k, const struct store_entry *e)
{
    uint64_t share = share_of(m, k, e);

    return (int64_t)bytes_of_class(m, k) + (k == e->quota_class ? e->len : 0) - (int64_t)share;
}

static bool may_go(const struct model *m, const struct store_entry *v, const struct store_entry *e)
{
    if (v->quota_class == QUOTA_OWN || bytes_of_all(m) + e->len <= config.capacity_bytes || !is_least_of_account(m, v))
        return false;
    if (v->quota_class != e->quota_class) {
        if (!is_largest_account(m, v))
            return false;
        if (e->quota_class == QUOTA_OWN && over(m, QUOTA_OWN, e) > 0) {
            if (v->quota_class == QUOTA_STRANGER)
                return true;
            if (bytes_of_class(m, QUOTA_STRANGER) > 0)
                return false;
            if (v->quota_class == QUOTA_PUBLIC)
                return true;
            if (bytes_of_class(m, QUOTA_PUBLIC) > 0)
                return false;
        }
        for (int k = 0; k < QUOTA_COUNT; k++) {
            if (k != QUOTA_OWN && bytes_of_class(m, k) > 0 && over(m, k, e) > over(m, v->quota_class, e))
                return false;
        }
        return over(m, v->quota_class, e) > 0;
    }
    uint64_t mine = bytes_of_account(m, e->quota_class, e->contributor) + e->len;
    uint64_t his = bytes_of_account(m, v->quota_class, v->contributor);
    bool is_past = e->quota_class == QUOTA_STRANGER && mine > LINK_SHARE;
    if (v->contributor != e->contributor && (is_past || mine > his))
        return false;
    if (v->contributor != e->contributor && mine < his)
        return is_largest_account(m, v);
    return !is_worth_less(e, v);
}

static size_t find(const struct model *m, const struct bundle_id *id)
{
    for (size_t i = 0; i < m->count; i++) {
        if (memcmp(&m->at[i].e.id, id, sizeof *id) == 0)
            return i;
    }
    return MODEL_MAX;
}

static void drop(struct model *m, size_t i)
{
    memmove(&m->at[i], &m->at[i + 1], (m->count - i - 1) * sizeof m->at[0]);
    m->count--;
}

static void check_all(struct store *s)
{
    struct store_usage u;
    uint8_t print[16], want[16] = { 0 };
    uint32_t soonest = UINT32_MAX;

    store_usage(s, &u);
    CHECK_CASE(label, u.count == now.count && u.bytes == bytes_of_all(&now) && u.damaged_count == 0);
    for (int k = 0; k < QUOTA_COUNT; k++)
        CHECK_CASE(label, u.class_bytes[k] == bytes_of_class(&now, k));
    for (size_t i = 0; i < now.count; i++) {
        const struct model_bundle *m = &now.at[i];
        const struct store_entry *e = store_find(s, &m->e.id);
        struct bytes b;

        if (!CHECK_CASE(label, e != NULL))
            continue;
        CHECK_CASE(label, memcmp(e, &m->e, sizeof *e) == 0 && store_find_seq(s, m->e.seq) == e && store_find_tag(s, m->e.tag) == e);
        CHECK_CASE(label, store_contributed(s, e->contributor) == bytes_of_account(&now, QUOTA_STRANGER, e->contributor));
        CHECK_CASE(label, store_read(s, e, &b) == ERR_NONE && is_bundle_numbered(b, m->number));
        for (size_t j = 0; j < 16; j++)
            want[j] ^= e->id.octets[j];
        soonest = m->e.deadline_s < soonest ? m->e.deadline_s : soonest;
    }
    store_fingerprint(s, print);
    CHECK_CASE(label, memcmp(print, want, 16) == 0 && store_next_deadline_s(s) == soonest);
    for (uint64_t n = 0; n < NUMBERS; n++) {
        struct bundle_id id;

        id_numbered(&id, n);
        CHECK_CASE(label, store_has_seen(s, &id) == (find(&now, &id) < MODEL_MAX || now.seen_until[n] > now.clock_s));
    }
}

static void step_put(struct store *s, const struct rng *rng)
{
    struct store_entry e = entry_plain(), left;
    uint64_t number = rng_below(rng, NUMBERS);
    bool is_known;
    enum err why;

    e.len = bundle_len_of_code((uint8_t)(rng_below(rng, 4) == 0 ? rng_below(rng, 4) : 0));
    e.quota_class = (uint8_t)rng_below(rng, QUOTA_COUNT);
    e.quota_class = rng_below(rng, 2) == 0 ? QUOTA_STRANGER : e.quota_class;
    e.bundle_class = (uint8_t)rng_below(rng, CLASS_COUNT);
    e.contributor = rng_below(rng, rng_below(rng, 2) == 0 ? 4 : 40);
    e.stamp_bits = (uint8_t)(rng_below(rng, 3) * 8);
    e.deadline_s = now.clock_s + 1 + rng_below(rng, 20000);
    struct bytes b = bundle_numbered(&e, number);
    is_known = find(&now, &e.id) < MODEL_MAX || now.seen_until[number] > now.clock_s;
    uint64_t room = store_stranger_room(s, e.contributor), his = bytes_of_account(&now, QUOTA_STRANGER, e.contributor);
    bool is_own_full = e.quota_class == QUOTA_OWN && bytes_of_class(&now, QUOTA_OWN) + e.len > OWN_MAX;
    enum err got = store_put(s, &e, b);
    if (is_known) {
        CHECK_ERR(label, got, ERR_EXISTS);
        return;
    }
    while (store_next_evicted(s, &left, &why)) {
        size_t i = find(&now, &left.id);

        if (!CHECK_CASE(label, got == ERR_NONE && why == ERR_FULL && i < MODEL_MAX))
            return;
        CHECK_CASE(label, may_go(&now, &now.at[i].e, &e));
        drop(&now, i);
    }
    CHECK_CASE(label, !is_own_full || got == ERR_FULL);
    if (got == ERR_NONE) {
        CHECK_CASE(label, bytes_of_all(&now) + e.len <= config.capacity_bytes);
        /* A place that was not foreseen is the contributor's own, or that of an equal. */
        if (e.quota_class == QUOTA_STRANGER && bytes_of_account(&now, QUOTA_STRANGER, e.contributor) == his)
            CHECK_CASE(label, e.len <= room + 1);
        CHECK_CASE(label, now.count == 0 || e.seq > now.at[now.count - 1].e.seq);
        REQUIRE(now.count < MODEL_MAX);
        now.at[now.count].e = e;
        now.at[now.count++].number = number;
        return;
    }
    CHECK_ERR(label, got, ERR_FULL);
    if (is_own_full)
        return;
    CHECK_CASE(label, bytes_of_all(&now) + e.len > config.capacity_bytes);
    if (e.len > BUNDLE_LEN_MIN)
        return;
    /* Where any one victim would have been enough, none with a lower stamp was to be had. (Of accounts that tie in
     * size and least stamp, either may be asked.) */
    for (size_t i = 0; i < now.count; i++) {
        if (bytes_of_all(&now) - now.at[i].e.len + e.len <= config.capacity_bytes && is_largest_account(&now, &now.at[i].e))
            CHECK_CASE(label, !may_go(&now, &now.at[i].e, &e) || now.at[i].e.stamp_bits >= e.stamp_bits);
    }
}

static void step_update(struct store *s, const struct rng *rng)
{
    size_t i = rng_below(rng, (uint32_t)now.count);
    struct store_entry e = now.at[i].e;

    e.given = (uint8_t)rng_below(rng, 3);
    e.budget = (uint8_t)rng_below(rng, 3);
    if (rng_below(rng, 3) == 0)
        e.quota_class = (uint8_t)rng_below(rng, QUOTA_COUNT);
    if (rng_below(rng, 3) == 0)
        e.deadline_s = now.clock_s + rng_below(rng, 20000);
    CHECK_ERR(label, store_update(s, &e), ERR_NONE);
    if (e.deadline_s > now.at[i].e.deadline_s)
        e.deadline_s = now.at[i].e.deadline_s;
    now.at[i].e = e;
}

static void step_stamp(struct store *s, const struct rng *rng)
{
    struct store_entry *e = &now.at[rng_below(rng, (uint32_t)now.count)].e;
    static const uint8_t none[STAMP_LEN];

    e->stamp_bits = (uint8_t)(rng_below(rng, 3) * 8);
    CHECK_ERR(label, store_stamp(s, &e->id, none, e->stamp_bits), ERR_NONE);
}

static void step_remove(struct store *s, const struct rng *rng)
{
    size_t i = rng_below(rng, (uint32_t)now.count);
    bool is_remembered = rng_below(rng, 2) == 0;

    CHECK_ERR(label, store_remove(s, &now.at[i].e.id, is_remembered), ERR_NONE);
    if (is_remembered)
        now.seen_until[now.at[i].number] = now.clock_s + LIFE_MAX_H * 3600;
    drop(&now, i);
}

static void step_time(struct store *s, const struct rng *rng)
{
    uint32_t elapsed_s = rng_below(rng, 4) == 0 ? rng_below(rng, LIFE_MAX_H * 360) : rng_below(rng, 1000);
    size_t want = 0, max = rng_below(rng, 2) == 0 ? 1000 : 5;
    struct store_entry left;
    enum err why;

    store_clock_advance(s, elapsed_s);
    now.clock_s += elapsed_s;
    for (size_t i = 0; i < now.count; i++)
        want += now.at[i].e.deadline_s <= now.clock_s;
    size_t got = store_expire(s, max);
    CHECK_CASE(label, got == (want < max ? want : max));
    while (store_next_evicted(s, &left, &why)) {
        size_t i = find(&now, &left.id);

        if (!CHECK_CASE(label, why == ERR_EXPIRED && i < MODEL_MAX && now.at[i].e.deadline_s <= now.clock_s))
            return;
        drop(&now, i);
        got--;
    }
    CHECK_CASE(label, got == 0);
}

static void run(uint64_t seed)
{
    struct db *db = kind_open(NULL);
    struct store *s = NULL;
    struct seeded g;

    seeded_init(&g, seed);
    struct rng rng = seeded_rng(&g);
    memset(&now, 0, sizeof now);
    committed = now;
    REQUIRE(store_open(&s, db, &config) == ERR_NONE);
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = rng_below(&rng, 100);

        snprintf(label, sizeof label, "seed %lu step %d", (unsigned long)seed, step);
        if (what < 60) {
            step_put(s, &rng);
        } else if (what < 70 && now.count > 0) {
            if (rng_below(&rng, 4) == 0)
                step_stamp(s, &rng);
            else
                step_update(s, &rng);
        } else if (what < 82 && now.count > 0) {
            step_remove(s, &rng);
        } else if (what < 86) {
            step_time(s, &rng);
        } else if (what < 95) {
            CHECK_ERR(label, db_commit(db), ERR_NONE);
            committed = now;
        } else if (what < 97) {
            uint32_t clock_s = now.clock_s;

            store_close(s);
            db = kind_reopen(db, NULL);
            REQUIRE(store_open(&s, db, &config) == ERR_NONE);
            now = committed;
            /* The clock on disk may be a little behind; it is never ahead, and what it says is what counts. */
            CHECK_CASE(label, store_clock_s(s) <= clock_s);
            now.clock_s = store_clock_s(s);
        }
        if (step % 100 == 0)
            check_all(s);
    }
    check_all(s);
    store_close(s);
    kind_close(db);
}

int main(int argc, char **argv)
{
    kind_choose(argc, argv);
    for (uint64_t seed = 1; seed <= 8; seed++)
        run(seed);
    return check_report("store_model");
}
