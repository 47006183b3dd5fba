/* apps/messenger/watch.c - which tags are looked for. */
#include "apps/messenger/watch.h"

#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/hash.h"
#include "crypto/tags.h"

enum {
    PREFIX_SPAN  = 64,        /* days around today whose buckets are kept ready */
    PREFIX_BACK  = 31,
    ERA_DAY_MAX  = 36525,     /* a century after 2025: further expiries are noise, and chains are walked day by day */
    ERA_FRIENDS_A_WAKE = 4,   /* a day 20 years on costs 3 ms of hashing a session */
    SESSION_BACK = SESSION_GAP_MAX,   /* indices below the highest seen that may still come */
};

struct era {
    bool     is_used, is_whole;
    uint32_t number;
    uint32_t friends_done;    /* by place in the list; sessions are computed a share a wake */
    uint64_t used_s;
};

struct inbox {
    uint32_t id;
    uint8_t  secret[32];
    uint8_t  bits;
    uint32_t prefix[PREFIX_SPAN];
};

struct watch {
    struct messenger *m;
    struct tagbook *expected, *strays;
    uint32_t today;
    struct inbox *inboxes;
    size_t inbox_count;
    struct era eras[ERAS_MAX];
    uint32_t wanted[ERAS_WANTED_MAX], wanted_count;
    uint32_t tokens;
    uint64_t tokens_s;
    uint64_t *found;
    size_t found_first, found_count, found_cap;   /* first come, first opened */
    uint64_t *early;
    size_t early_count, early_cap;
    bool is_early_hopeful;            /* something was opened since they were tried */
    uint64_t sweep_due_s, swept_s;    /* due 0: nothing to sweep for */
    uint32_t sweep_friend;            /* the number to go on from; 0: not under way */
    uint8_t (*tags)[TAG_LEN];         /* SESSION_LOOKAHEAD_IDLE of them */
};

/* ---- Numbers in the table ---- */

static uint64_t pack(const struct expected *x)
{
    return (uint64_t)(x->kind & 3u) | (uint64_t)(x->slot & 3u) << 2 | (uint64_t)(x->day & 0xfffffu) << 4 |
           (uint64_t)x->index << 24 | (uint64_t)(x->owner & 0xffffffu) << 40;
}

static struct expected unpack(uint64_t v)
{
    struct expected x;

    x.kind = v & 3;
    x.slot = v >> 2 & 3;
    x.day = (uint32_t)(v >> 4 & 0xfffff);
    x.index = (uint16_t)(v >> 24 & 0xffff);
    x.owner = (uint32_t)(v >> 40);
    return x;
}

/* ---- Life ---- */

enum err watch_new(struct watch **out, struct messenger *m)
{
    struct watch *w = calloc(1, sizeof *w);
    enum err e;

    if (w == NULL)
        return ERR_NO_MEMORY;
    w->m = m;
    w->tokens = ERA_TOKENS_MAX;
    w->tags = malloc(SESSION_LOOKAHEAD_IDLE * sizeof *w->tags);
    e = w->tags != NULL ? tagbook_new(&w->expected, &m->config.rng) : ERR_NO_MEMORY;
    if (e == ERR_NONE)
        e = tagbook_new(&w->strays, &m->config.rng);
    if (e != ERR_NONE) {
        watch_free(w);
        return e;
    }
    *out = w;
    return ERR_NONE;
}

static void inboxes_clear(struct watch *w)
{
    if (w->inboxes != NULL)
        secret_wipe(w->inboxes, w->inbox_count * sizeof *w->inboxes);
    free(w->inboxes);
    w->inboxes = NULL;
    w->inbox_count = 0;
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    tagbook_free(w->expected);
    tagbook_free(w->strays);
    inboxes_clear(w);
    free(w->found);
    free(w->early);
    free(w->tags);
    free(w);
}

/* ---- Days ---- */

static uint32_t before(uint32_t day, uint32_t days) { return day > days ? day - days : 0; }

static bool is_own_day(const struct watch *w, uint32_t day)
{
    return day >= before(w->today, WATCH_DAYS_BACK) && day <= w->today + WATCH_DAYS_AHEAD;
}

static bool is_era_day(const struct watch *w, uint32_t day)
{
    for (unsigned i = 0; i < ERAS_MAX; i++) {
        if (w->eras[i].is_used && w->eras[i].number == day / ERA_DAYS)
            return true;
    }
    return false;
}

/* A session whose other end lives in a later time is watched there too, without an era. */
static bool is_session_day(const struct watch *w, const struct expected *x)
{
    const struct friend *f = friend_by_number(w->m, x->owner);

    if (x->kind != EXPECTED_SESSION || f == NULL || !f->slots[x->slot].is_used)
        return false;
    uint32_t day = f->slots[x->slot].day;
    return x->day >= before(day, WATCH_DAYS_BACK) && x->day <= day + WATCH_DAYS_AHEAD;
}

static bool keeps_day(void *ctx, uint64_t value)
{
    const struct watch *w = ctx;
    struct expected x = unpack(value);

    return is_own_day(w, x.day) || is_era_day(w, x.day) || is_session_day(w, &x);
}

/* Calls `visit` for every day that is watched for everybody. */
typedef enum err day_visit(struct watch *w, void *ctx, uint32_t day);
static enum err days_walk(struct watch *w, day_visit *visit, void *ctx)
{
    enum err e = ERR_NONE;

    for (uint32_t d = before(w->today, WATCH_DAYS_BACK); d <= w->today + WATCH_DAYS_AHEAD && e == ERR_NONE; d++)
        e = visit(w, ctx, d);
    for (unsigned i = 0; i < ERAS_MAX && e == ERR_NONE; i++) {
        uint32_t first = w->eras[i].number * ERA_DAYS;

        for (uint32_t d = first; w->eras[i].is_used && d < first + ERA_DAYS && e == ERR_NONE; d++) {
            if (!is_own_day(w, d))
                e = visit(w, ctx, d);
        }
    }
    return e;
}

/* ---- Adding tags ---- */

static enum err seq_add(uint64_t **list, size_t *count, size_t *cap, uint64_t seq)
{
    if (*count == *cap) {
        size_t want = *cap == 0 ? 16 : *cap * 2;
        uint64_t *more = realloc(*list, want * sizeof *more);

        if (more == NULL)
            return ERR_NO_MEMORY;
        *list = more;
        *cap = want;
    }
    (*list)[(*count)++] = seq;
    return ERR_NONE;
}

static enum err found_add(struct watch *w, uint64_t seq)
{
    return seq_add(&w->found, &w->found_count, &w->found_cap, seq);
}

static enum err expect(struct watch *w, const uint8_t tag[TAG_LEN], const struct expected *x)
{
    enum err e = tagbook_add(w->expected, tag, pack(x));
    uint64_t seq;

    while (e == ERR_NONE && tagbook_count(w->strays) > 0 && tagbook_find(w->strays, tag, 0, &seq)) {
        tagbook_remove(w->strays, tag, seq);
        e = found_add(w, seq);
    }
    return e;
}

static enum err expect_slots(struct watch *w, uint8_t tags[TAG_SLOTS][TAG_LEN], struct expected x)
{
    enum err e = ERR_NONE;

    for (unsigned i = 0; i < TAG_SLOTS && e == ERR_NONE; i++)
        e = expect(w, tags[i], &x);
    return e;
}

static enum err inbox_day(struct watch *w, void *ctx, uint32_t day)
{
    const struct inbox_view *inbox = ctx;
    uint8_t tags[TAG_SLOTS][TAG_LEN];

    tags_of_inbox(inbox->secret, day, tags);
    return expect_slots(w, tags, (struct expected){ .kind = EXPECTED_F1, .day = day, .owner = inbox->inbox_id });
}

static enum err friend_day(struct watch *w, void *ctx, uint32_t day)
{
    const struct friend *f = ctx;
    uint8_t tags[TAG_SLOTS][TAG_LEN];

    tags_of_pair(f->r.pair_root, f->r.card.dh_key, day, tags);
    return expect_slots(w, tags, (struct expected){ .kind = EXPECTED_F2, .day = day, .owner = f->number });
}

struct watched_session { const struct friend *f; unsigned slot; const struct session *s; };

static enum err expect_indices(struct watch *w, const struct watched_session *x, uint32_t day, uint32_t from, uint32_t count)
{
    if (count > SESSION_LOOKAHEAD_IDLE)
        count = SESSION_LOOKAHEAD_IDLE;
    if (count == 0 || session_expect(x->s, day, from, count, w->tags) != ERR_NONE)
        return ERR_NONE;   /* erased, or before the session: nothing can come */
    enum err e = ERR_NONE;
    for (uint32_t i = 0; i < count && from + i <= UINT16_MAX && e == ERR_NONE; i++) {
        struct expected meant = { .kind = EXPECTED_SESSION, .slot = (uint8_t)x->slot, .index = (uint16_t)(from + i),
                                  .day = day, .owner = x->f->number };

        e = expect(w, w->tags[i], &meant);
    }
    return e;
}

static enum err session_day_visit(struct watch *w, void *ctx, uint32_t day)
{
    const struct watched_session *x = ctx;
    uint32_t seen = session_expect_from(x->s, day), from = before(seen, SESSION_BACK);

    return expect_indices(w, x, day, from, seen - from + SESSION_LOOKAHEAD);
}

/* ---- What to look for ---- */

static uint32_t prefix_day(const struct watch *w, unsigned i) { return before(w->today, PREFIX_BACK) + i; }

static enum err inboxes_read(struct watch *w)
{
    size_t count = identity_inbox_count(w->m->identity);
    struct inbox *inboxes = calloc(count, sizeof *inboxes);

    if (inboxes == NULL)
        return ERR_NO_MEMORY;
    inboxes_clear(w);
    for (size_t i = 0; i < count; i++) {
        struct inbox_view v;

        identity_inbox(w->m->identity, i, &v);
        inboxes[i].id = v.inbox_id;
        inboxes[i].bits = v.mailbox_bits;
        memcpy(inboxes[i].secret, v.secret, sizeof inboxes[i].secret);
        for (unsigned d = 0; d < PREFIX_SPAN; d++)
            inboxes[i].prefix[d] = bucket_prefix(v.secret, prefix_day(w, d), v.mailbox_bits);
    }
    w->inboxes = inboxes;
    w->inbox_count = count;
    return ERR_NONE;
}

static enum err watch_slots(struct watch *w, const struct friend *f)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        struct session *s;

        if (!f->slots[i].is_used || slot_load(w->m, f, i, &s) != ERR_NONE)
            continue;
        enum err e = watch_session(w, f, i, s);
        session_free(s);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

enum err watch_rebuild(struct watch *w)
{
    enum err e;

    w->today = messenger_day(w->m);
    if ((e = tagbook_keep(w->expected, keeps_day, w)) != ERR_NONE || (e = inboxes_read(w)) != ERR_NONE)
        return e;
    for (size_t i = 0; i < w->inbox_count && e == ERR_NONE; i++) {
        struct inbox_view v;

        identity_inbox(w->m->identity, i, &v);
        e = days_walk(w, inbox_day, &v);
    }
    for (uint32_t i = 0; i < w->m->friend_count && e == ERR_NONE; i++) {
        e = watch_friend(w, w->m->friends[i]);
        if (e == ERR_NONE)
            e = watch_slots(w, w->m->friends[i]);
    }
    return e;
}

enum err watch_inbox(struct watch *w, const struct inbox_view *inbox)
{
    struct inbox_view v = *inbox;
    enum err e = inboxes_read(w);

    return e == ERR_NONE ? days_walk(w, inbox_day, &v) : e;
}

enum err watch_friend(struct watch *w, const struct friend *f)
{
    return days_walk(w, friend_day, (void *)(uintptr_t)f);
}

enum err watch_session(struct watch *w, const struct friend *f, unsigned slot, const struct session *s)
{
    struct watched_session x = { f, slot, s };
    enum err e = days_walk(w, session_day_visit, &x);
    uint32_t day = session_day(s, w->today);

    for (uint32_t d = before(day, WATCH_DAYS_BACK); d <= day + WATCH_DAYS_AHEAD && e == ERR_NONE; d++) {
        if (!is_own_day(w, d) && !is_era_day(w, d))
            e = session_day_visit(w, &x, d);
    }
    return e;
}

enum err watch_advance(struct watch *w, const struct friend *f, unsigned slot, const struct session *s, uint32_t day,
                       uint32_t from)
{
    struct watched_session x = { f, slot, s };
    uint32_t to = session_expect_from(s, day);

    if (to <= from)
        return ERR_NONE;
    return expect_indices(w, &x, day, from + SESSION_LOOKAHEAD, to - from);
}

struct forgotten { uint32_t friend_number; };

static bool keeps_others(void *ctx, uint64_t value)
{
    const struct forgotten *gone = ctx;
    struct expected x = unpack(value);

    return x.kind == EXPECTED_F1 || x.owner != gone->friend_number;
}

enum err watch_forget(struct watch *w, uint32_t friend_number)
{
    struct forgotten gone = { friend_number };

    return tagbook_keep(w->expected, keeps_others, &gone);
}

bool watch_find(struct watch *w, const uint8_t tag[TAG_LEN], unsigned nth, struct expected *out)
{
    uint64_t value;

    if (!tagbook_find(w->expected, tag, nth, &value))
        return false;
    *out = unpack(value);
    return true;
}

/* ---- Strays ---- */

static bool is_in_bucket(const struct watch *w, uint32_t bucket, uint32_t day)
{
    uint32_t first = prefix_day(w, 0);

    for (size_t i = 0; i < w->inbox_count; i++) {
        const struct inbox *b = &w->inboxes[i];
        uint32_t mask = 0xffffffu & 0xffffffu << (24 - b->bits);
        uint32_t prefix = day >= first && day < first + PREFIX_SPAN ? b->prefix[day - first]
                                                                    : bucket_prefix(b->secret, day, b->bits);

        if (((bucket ^ prefix) & mask) == 0)
            return true;
    }
    return false;
}

static void want_era(struct watch *w, uint32_t number)
{
    for (uint32_t i = 0; i < w->wanted_count; i++) {
        if (w->wanted[i] == number)
            return;
    }
    if (w->wanted_count < ERAS_WANTED_MAX)
        w->wanted[w->wanted_count++] = number;
}

void watch_stray(struct watch *w, const struct store_entry *entry)
{
    uint32_t last = entry->expiry_h / 24;
    bool is_maybe_ours = false;

    if (last > ERA_DAY_MAX)
        return;
    for (uint32_t d = before(last, BUNDLE_DAYS_MAX); d <= last; d++) {
        if (!is_in_bucket(w, entry->bucket, d))
            continue;
        is_maybe_ours = true;
        if (!is_own_day(w, d) && !is_era_day(w, d))
            want_era(w, d / ERA_DAYS);
    }
    if (!is_maybe_ours)
        return;
    /* Many of one tag stand in one run, which each of them would make slower for all. Honest ones share a tag by chance. */
    uint64_t seq;
    if (tagbook_find(w->strays, entry->tag, STRAYS_SAME_MAX - 1, &seq)) {
        unsigned nth = (unsigned)(rng_u64(&w->m->config.rng) % STRAYS_SAME_MAX);

        if (tagbook_find(w->strays, entry->tag, nth, &seq))
            tagbook_remove(w->strays, entry->tag, seq);
    }
    if (tagbook_count(w->strays) >= STRAYS_MAX)
        tagbook_remove_any(w->strays, rng_u64(&w->m->config.rng));
    messenger_fail(w->m, tagbook_add(w->strays, entry->tag, entry->seq));
    if (w->sweep_due_s == 0) {
        uint64_t soon = messenger_clock_s(w->m) + SWEEP_DELAY_S, pause = w->swept_s + SWEEP_PAUSE_S;

        w->sweep_due_s = w->swept_s != 0 && pause > soon ? pause : soon;
    }
}

void watch_dropped(struct watch *w, const struct store_entry *entry)
{
    tagbook_remove(w->strays, entry->tag, entry->seq);
}

void watch_found(struct watch *w, const struct store_entry *entry)
{
    tagbook_remove(w->strays, entry->tag, entry->seq);
    messenger_fail(w->m, found_add(w, entry->seq));
}

void watch_early(struct watch *w, const struct store_entry *entry)
{
    if (w->early_count < EARLY_MAX)
        messenger_fail(w->m, seq_add(&w->early, &w->early_count, &w->early_cap, entry->seq));
}

/* Backwards: a neighbour has given the newest first. */
static enum err early_again(struct watch *w)
{
    enum err e = ERR_NONE;

    while (w->early_count > 0 && e == ERR_NONE)
        e = found_add(w, w->early[--w->early_count]);
    w->is_early_hopeful = false;
    return e;
}

bool watch_next_found(struct watch *w, uint64_t *seq)
{
    if (w->found_first == w->found_count) {
        w->found_first = w->found_count = 0;
        return false;
    }
    *seq = w->found[w->found_first++];
    return true;
}

void watch_hit(struct watch *w, uint32_t day)
{
    w->is_early_hopeful = true;
    for (unsigned i = 0; i < ERAS_MAX; i++) {
        if (w->eras[i].is_used && w->eras[i].number == day / ERA_DAYS)
            w->eras[i].used_s = messenger_clock_s(w->m);
    }
}

/* ---- Eras ---- */

static void tokens_refill(struct watch *w)
{
    uint64_t now_s = messenger_clock_s(w->m), gained = (now_s - w->tokens_s) / ERA_TOKEN_S;

    if (w->tokens + gained >= ERA_TOKENS_MAX) {
        w->tokens = ERA_TOKENS_MAX;
        w->tokens_s = now_s;
    } else {
        w->tokens += (uint32_t)gained;
        w->tokens_s += gained * ERA_TOKEN_S;
    }
}

static struct era *era_room(struct watch *w)
{
    struct era *oldest = &w->eras[0];

    for (unsigned i = 0; i < ERAS_MAX; i++) {
        if (!w->eras[i].is_used)
            return &w->eras[i];
        if (w->eras[i].used_s < oldest->used_s)
            oldest = &w->eras[i];
    }
    return oldest;
}

/* First messages of everybody at once, sessions a share a wake. */
static enum err era_begin(struct watch *w, uint32_t number)
{
    struct era *era = era_room(w);
    enum err e = ERR_NONE;

    if (era->is_used) {
        era->is_used = false;
        if ((e = tagbook_keep(w->expected, keeps_day, w)) != ERR_NONE)
            return e;
    }
    *era = (struct era){ .is_used = true, .number = number, .used_s = messenger_clock_s(w->m) };
    for (uint32_t d = number * ERA_DAYS; d < (number + 1) * ERA_DAYS; d++) {
        for (size_t i = 0; i < w->inbox_count && e == ERR_NONE; i++) {
            struct inbox_view v = { w->inboxes[i].id, w->inboxes[i].secret, w->inboxes[i].bits, false };

            e = inbox_day(w, &v, d);
        }
        for (uint32_t i = 0; i < w->m->friend_count && e == ERR_NONE; i++)
            e = friend_day(w, w->m->friends[i], d);
    }
    return e;
}

static enum err era_go_on(struct watch *w, struct era *era)
{
    enum err e = ERR_NONE;

    for (unsigned n = 0; n < ERA_FRIENDS_A_WAKE && era->friends_done < w->m->friend_count; n++, era->friends_done++) {
        const struct friend *f = w->m->friends[era->friends_done];

        for (unsigned i = 0; i < SLOTS_MAX && e == ERR_NONE; i++) {
            struct watched_session x = { f, i, NULL };
            struct session *s;

            if (!f->slots[i].is_used || slot_load(w->m, f, i, &s) != ERR_NONE)
                continue;
            x.s = s;
            for (uint32_t d = era->number * ERA_DAYS; d < (era->number + 1) * ERA_DAYS && e == ERR_NONE; d++)
                e = session_day_visit(w, &x, d);
            session_free(s);
        }
    }
    era->is_whole = era->friends_done >= w->m->friend_count;
    return e;
}

static struct era *era_unfinished(struct watch *w)
{
    for (unsigned i = 0; i < ERAS_MAX; i++) {
        if (w->eras[i].is_used && !w->eras[i].is_whole)
            return &w->eras[i];
    }
    return NULL;
}

/* ---- Searching ahead ---- */

static enum err sweep_day(struct watch *w, void *ctx, uint32_t day)
{
    const struct watched_session *x = ctx;
    uint32_t from = session_expect_from(x->s, day) + SESSION_LOOKAHEAD;
    uint32_t count = SESSION_LOOKAHEAD_IDLE - SESSION_LOOKAHEAD;
    enum err e = ERR_NONE;

    if (from + count > UINT16_MAX || session_expect(x->s, day, from, count, w->tags) != ERR_NONE)
        return ERR_NONE;
    for (uint32_t i = 0; i < count && e == ERR_NONE; i++) {
        uint64_t seq;
        struct expected meant = { .kind = EXPECTED_SESSION, .slot = (uint8_t)x->slot, .index = (uint16_t)(from + i),
                                  .day = day, .owner = x->f->number };

        if (tagbook_find(w->strays, w->tags[i], 0, &seq))
            e = expect(w, w->tags[i], &meant);
    }
    return e;
}

static const struct friend *friend_from(const struct watch *w, uint32_t number)
{
    for (uint32_t i = 0; i < w->m->friend_count; i++) {
        if (w->m->friends[i]->number >= number)
            return w->m->friends[i];
    }
    return NULL;
}

/* One friend a wake: some 8 ms a session. */
static enum err sweep_go_on(struct watch *w)
{
    const struct friend *f = tagbook_count(w->strays) > 0 ? friend_from(w, w->sweep_friend) : NULL;
    enum err e = ERR_NONE;

    if (f == NULL) {
        w->sweep_friend = 0;
        w->sweep_due_s = 0;
        w->swept_s = messenger_clock_s(w->m);
        return ERR_NONE;
    }
    for (unsigned i = 0; i < SLOTS_MAX && e == ERR_NONE; i++) {
        struct session *s;

        if (!f->slots[i].is_used || slot_load(w->m, f, i, &s) != ERR_NONE)
            continue;
        struct watched_session x = { f, i, s };
        e = days_walk(w, sweep_day, &x);
        session_free(s);
    }
    w->sweep_friend = f->number + 1;
    w->sweep_due_s = messenger_clock_s(w->m) + 1;
    return e;
}

enum err watch_wake(struct watch *w)
{
    struct era *era = era_unfinished(w);

    tokens_refill(w);
    if (w->early_count > 0 && w->is_early_hopeful)
        return early_again(w);
    if (era != NULL)
        return era_go_on(w, era);
    if (w->wanted_count > 0 && w->tokens > 0) {
        uint32_t number = w->wanted[0];

        w->wanted_count--;
        memmove(w->wanted, w->wanted + 1, w->wanted_count * sizeof w->wanted[0]);
        if (is_era_day(w, number * ERA_DAYS))
            return ERR_NONE;
        w->tokens--;
        return era_begin(w, number);
    }
    if (w->sweep_due_s != 0 && messenger_clock_s(w->m) >= w->sweep_due_s)
        return sweep_go_on(w);
    return ERR_NONE;
}

uint64_t watch_due_s(const struct watch *w)
{
    uint64_t due = w->sweep_due_s != 0 ? w->sweep_due_s : UINT64_MAX;

    for (unsigned i = 0; i < ERAS_MAX; i++) {
        if (w->eras[i].is_used && !w->eras[i].is_whole)
            return 0;
    }
    if (w->found_first < w->found_count || (w->early_count > 0 && w->is_early_hopeful) || (w->wanted_count > 0 && w->tokens > 0))
        return 0;
    if (w->wanted_count > 0 && w->tokens_s + ERA_TOKEN_S < due)
        due = w->tokens_s + ERA_TOKEN_S;
    return due;
}

size_t watch_tag_count(const struct watch *w) { return tagbook_count(w->expected); }
size_t watch_stray_count(const struct watch *w) { return tagbook_count(w->strays); }
