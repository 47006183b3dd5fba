/* tests/groups/test_group_roster.c - whoever knows the same operations sees the same group, in whatever order they came. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/groups/group_roster.h"
#include "tests/groups/guild.h"
#include "tests/support/check.h"

static struct soul people[GUILD_MAX];
enum { A, B, C, D, E, F };
enum { OPS_CAP = 256 };

static struct group_roster *empty(void)
{
    struct group_roster *r;

    REQUIRE(group_roster_new(&r) == ERR_NONE);
    return r;
}

static struct group_roster *copy_of(const struct group_roster *from)
{
    struct group_roster *r = empty();
    enum group_verdict v;

    for (size_t i = 0; i < group_roster_op_count(from); i++)
        REQUIRE(group_roster_add(r, group_roster_op(from, i), &v) == ERR_NONE && (v == GROUP_TAKEN || v == GROUP_FORKED));
    return r;
}

static enum group_verdict act(struct group_roster *r, int by, enum group_op_kind kind, int about, bool on, const char *name)
{
    struct op_bytes op = guild_op(r, &people[by], kind, about < 0 ? NULL : &people[about], on, name);

    return guild_add(r, &op);
}

/* Ana made it; Ben is an admin too, Carla is not. */
static struct group_roster *three(void)
{
    struct group_roster *r = empty();
    struct op_bytes create = guild_create(&people[A], "Bridge");

    REQUIRE(guild_add(r, &create) == GROUP_TAKEN);
    REQUIRE(act(r, A, GROUP_ADD, B, false, NULL) == GROUP_TAKEN);
    REQUIRE(act(r, A, GROUP_ADMIN, B, true, NULL) == GROUP_TAKEN);
    REQUIRE(act(r, B, GROUP_ADD, C, false, NULL) == GROUP_TAKEN);
    return r;
}

static bool has(const struct group_roster *r, int who) { return group_roster_find(r, people[who].key) != NULL; }
static bool is_admin(const struct group_roster *r, int who)
{
    const struct group_member *m = group_roster_find(r, people[who].key);

    return m != NULL && m->is_admin;
}

static void merge(struct group_roster *to, const struct group_roster *from)
{
    enum group_verdict v;

    for (size_t i = 0; i < group_roster_op_count(from); i++)
        REQUIRE(group_roster_add(to, group_roster_op(from, i), &v) == ERR_NONE && v != GROUP_EARLY);
}

/* ---- Every order ---- */

struct wish { enum group_op_kind kind; int about; bool on; const char *name; };
static const struct wish wishes[] = {
    { GROUP_REMOVE, A, false, NULL }, { GROUP_REMOVE, B, false, NULL }, { GROUP_REMOVE, C, false, NULL }, { GROUP_LEAVE, -1, false, NULL },
    { GROUP_RENAME, -1, false, "Dam" }, { GROUP_RENAME, -1, false, "Mill" }, { GROUP_ADD, D, false, NULL }, { GROUP_ADMIN, C, true, NULL },
    { GROUP_ADMIN, A, false, NULL }, { GROUP_ADMIN, B, false, NULL },
};
enum { WISHES = sizeof wishes / sizeof wishes[0] };

/* What `by` would do next by this wish; false: cannot. It is taken by `r`. */
static bool grant(struct group_roster *r, int by, const struct wish *w, struct op_bytes *out)
{
    if (!has(r, by) || (w->kind == GROUP_REMOVE && w->about == by))
        return false;
    *out = guild_op(r, &people[by], w->kind, w->about < 0 ? NULL : &people[w->about], w->on, w->name);
    return guild_add(r, out) == GROUP_TAKEN;
}

/* Takes them in the order given; what is early is tried again until nothing moves. */
static void deliver(struct group_roster *r, struct op_bytes *const *ops, size_t count)
{
    bool is_done[OPS_CAP] = { false }, has_moved = true;

    while (has_moved) {
        has_moved = false;
        for (size_t i = 0; i < count; i++) {
            enum group_verdict v = is_done[i] ? GROUP_EARLY : guild_add(r, ops[i]);

            if (v == GROUP_EARLY)
                continue;
            CHECK(v == GROUP_TAKEN || v == GROUP_KNOWN || v == GROUP_FORKED);
            is_done[i] = has_moved = true;
        }
    }
    for (size_t i = 0; i < count; i++)
        REQUIRE(is_done[i]);
}

struct tried { const struct group_roster *base; char want[GUILD_TEXT_MAX]; bool has_want; unsigned count; const char *label; };

static void try_orders(struct tried *t, struct op_bytes **ops, size_t count, size_t from)
{
    if (from == count) {
        struct group_roster *r = copy_of(t->base);
        char got[GUILD_TEXT_MAX];

        deliver(r, ops, count);
        guild_text(r, people, got);
        if (!t->has_want)
            strcpy(t->want, got);
        t->has_want = true;
        t->count++;
        if (!CHECK_CASE(t->label, strcmp(got, t->want) == 0))
            printf("  %s\n  %s\n", t->want, got);
        group_roster_free(r);
        return;
    }
    for (size_t i = from; i < count; i++) {
        struct op_bytes *x = ops[from];

        ops[from] = ops[i];
        ops[i] = x;
        try_orders(t, ops, count, from + 1);
        ops[i] = ops[from];
        ops[from] = x;
    }
}

/* Each of the three does any one thing without hearing of the others, and all orders are tried. */
static void test_every_order_of_three(void)
{
    struct group_roster *base = three();
    unsigned combinations = 0, orders = 0;

    for (unsigned w = 0; w < (WISHES + 1) * (WISHES + 1) * (WISHES + 1); w++) {
        unsigned pick[3] = { w % (WISHES + 1), w / (WISHES + 1) % (WISHES + 1), w / (WISHES + 1) / (WISHES + 1) };
        struct op_bytes made[3], *ops[3];
        char label[64];
        size_t count = 0;

        for (int by = 0; by < 3; by++) {
            struct group_roster *own = pick[by] == WISHES ? NULL : copy_of(base);

            if (own != NULL && grant(own, by, &wishes[pick[by]], &made[count])) {
                ops[count] = &made[count];
                count++;
            }
            group_roster_free(own);
        }
        if (count < 2)
            continue;
        snprintf(label, sizeof label, "wishes %u %u %u", pick[0], pick[1], pick[2]);
        struct tried t = { .base = base, .label = label };
        try_orders(&t, ops, count, 0);
        combinations++;
        orders += t.count;
    }
    printf("%u combinations, %u orders\n", combinations, orders);
    CHECK(combinations > 100 && orders > combinations);
    group_roster_free(base);
}

/* Two things each, some orders of all six. */
static void test_chains_of_three(void)
{
    struct group_roster *base = three();
    struct seeded s;
    struct rng g;

    seeded_init(&s, 5);
    g = seeded_rng(&s);
    for (int round = 0; round < 60; round++) {
        struct op_bytes made[6], *ops[6];
        char want[GUILD_TEXT_MAX] = "", got[GUILD_TEXT_MAX], label[32];
        size_t count = 0;

        for (int by = 0; by < 3; by++) {
            struct group_roster *own = copy_of(base);

            for (int k = 0; k < 2; k++) {
                if (grant(own, by, &wishes[rng_below(&g, WISHES)], &made[count]))
                    count++;
            }
            group_roster_free(own);
        }
        snprintf(label, sizeof label, "round %d", round);
        for (int order = 0; order < 12; order++) {
            struct group_roster *r = copy_of(base);

            for (size_t i = 0; i < count; i++)
                ops[i] = &made[i];
            for (size_t i = count; i > 1; i--) {
                size_t k = rng_below(&g, (uint32_t)i);
                struct op_bytes *x = ops[i - 1];

                ops[i - 1] = ops[k];
                ops[k] = x;
            }
            deliver(r, ops, count);
            guild_text(r, people, got);
            if (order == 0)
                strcpy(want, got);
            CHECK_CASE(label, strcmp(want, got) == 0);
            group_roster_free(r);
        }
    }
    group_roster_free(base);
}

/* Up to nine people act and hear of each other at random; in the end all have heard all. */
static void story(unsigned seed)
{
    struct group_roster *at[GUILD_MAX];
    struct seeded s;
    struct rng g;
    char want[GUILD_TEXT_MAX], got[GUILD_TEXT_MAX], label[32];
    static const char *const names[] = { "Dam", "Mill", "Ford", "Weir" };

    snprintf(label, sizeof label, "seed %u", seed);
    seeded_init(&s, seed);
    g = seeded_rng(&s);
    at[0] = three();
    for (int i = 1; i < GUILD_MAX; i++)
        at[i] = copy_of(at[0]);
    for (int step = 0; step < 60; step++) {
        int by = (int)rng_below(&g, GUILD_MAX), about = (int)rng_below(&g, GUILD_MAX);

        if (rng_below(&g, 3) == 0) {
            merge(at[by], at[about]);
        } else if (has(at[by], by)) {
            static const enum group_op_kind kinds[] = { GROUP_ADD, GROUP_ADD, GROUP_ADD, GROUP_REMOVE, GROUP_RENAME, GROUP_ADMIN, GROUP_ADMIN, GROUP_LEAVE };
            enum group_op_kind kind = kinds[rng_below(&g, 8)];

            if (kind == GROUP_LEAVE && rng_below(&g, 4) != 0)
                continue;
            enum group_verdict v = act(at[by], by, kind, about, rng_below(&g, 3) != 0, names[rng_below(&g, 4)]);
            CHECK_CASE(label, v == GROUP_TAKEN || v == GROUP_NOT_ADMIN || v == GROUP_NO_SENSE);
        }
        CHECK_CASE(label, group_roster_count(at[by]) <= GROUP_MEMBERS_MAX);
    }
    for (int i = 1; i < GUILD_MAX; i++)
        merge(at[0], at[i]);
    guild_text(at[0], people, want);
    for (int i = 1; i < GUILD_MAX; i++) {
        merge(at[i], at[0]);
        guild_text(at[i], people, got);
        if (!CHECK_CASE(label, strcmp(want, got) == 0))
            printf("  %s\n  %s\n", want, got);
        /* Merging again changes nothing. */
        merge(at[i], at[0]);
        guild_text(at[i], people, got);
        CHECK_CASE(label, strcmp(want, got) == 0);
    }
    bool has_admin = group_roster_count(at[0]) == 0;
    for (size_t i = 0; i < group_roster_count(at[0]); i++)
        has_admin = has_admin || group_roster_member(at[0], i)->is_admin;
    CHECK_CASE(label, has_admin);
    for (int i = 0; i < GUILD_MAX; i++)
        group_roster_free(at[i]);
}

/* ---- What the rules say ---- */

static void test_removal_wins(void)
{
    struct group_roster *ana = three(), *ben = copy_of(ana), *carla = copy_of(ana);

    /* Ben adds Dora while Ana removes Ben: Ben is out, and what he did meanwhile does not count. */
    CHECK(act(ana, A, GROUP_REMOVE, B, false, NULL) == GROUP_TAKEN);
    CHECK(act(ben, B, GROUP_ADD, D, false, NULL) == GROUP_TAKEN);
    CHECK(act(ben, B, GROUP_RENAME, -1, false, "Mine") == GROUP_TAKEN);
    merge(carla, ben);
    CHECK(has(carla, D) && has(carla, B));
    merge(carla, ana);
    CHECK(!has(carla, D) && !has(carla, B) && has(carla, A) && has(carla, C));
    CHECK(bytes_are_equal(group_roster_name(carla), bytes_of_text("Bridge")));
    /* What he makes later is refused, though he claims not to have heard of his removal: that is beside it, and void. */
    CHECK(act(ben, B, GROUP_ADD, E, false, NULL) == GROUP_TAKEN);
    merge(carla, ben);
    CHECK(!has(carla, E));
    group_roster_free(ana);
    group_roster_free(ben);
    group_roster_free(carla);
}

static void test_mutual_removal(void)
{
    struct group_roster *ana = three(), *ben = copy_of(ana);

    CHECK(act(ana, A, GROUP_REMOVE, B, false, NULL) == GROUP_TAKEN);
    CHECK(act(ben, B, GROUP_REMOVE, A, false, NULL) == GROUP_TAKEN);
    merge(ana, ben);
    merge(ben, ana);
    /* Ana was here first. */
    CHECK(has(ana, A) && !has(ana, B) && has(ben, A) && !has(ben, B));
    group_roster_free(ana);
    group_roster_free(ben);
}

static void test_readd(void)
{
    struct group_roster *r = three();

    CHECK(act(r, A, GROUP_REMOVE, B, false, NULL) == GROUP_TAKEN);
    CHECK(act(r, B, GROUP_RENAME, -1, false, "x") == GROUP_NOT_MEMBER);
    CHECK(act(r, A, GROUP_ADD, B, false, NULL) == GROUP_TAKEN);
    CHECK(has(r, B) && !is_admin(r, B));   /* what was granted before is gone */
    CHECK(act(r, A, GROUP_ADMIN, B, true, NULL) == GROUP_TAKEN);
    CHECK(is_admin(r, B));
    group_roster_free(r);
}

static void test_never_without_admin(void)
{
    struct group_roster *r = three();

    CHECK(act(r, A, GROUP_LEAVE, -1, false, NULL) == GROUP_TAKEN);
    CHECK(act(r, B, GROUP_LEAVE, -1, false, NULL) == GROUP_TAKEN);
    CHECK(group_roster_count(r) == 1 && is_admin(r, C));
    CHECK(act(r, C, GROUP_ADD, D, false, NULL) == GROUP_TAKEN);
    CHECK(act(r, C, GROUP_LEAVE, -1, false, NULL) == GROUP_TAKEN);
    CHECK(group_roster_count(r) == 1 && is_admin(r, D));
    group_roster_free(r);
}

/* Demoted while leaving: gone all the same. */
static void test_leave_is_never_void(void)
{
    struct group_roster *ana = three(), *ben = copy_of(ana);

    CHECK(act(ana, A, GROUP_ADMIN, B, false, NULL) == GROUP_TAKEN);
    CHECK(act(ben, B, GROUP_LEAVE, -1, false, NULL) == GROUP_TAKEN);
    merge(ana, ben);
    CHECK(!has(ana, B));
    group_roster_free(ana);
    group_roster_free(ben);
}

static void test_fork(void)
{
    struct group_roster *told_ana = three(), *told_carla = copy_of(told_ana);

    CHECK(act(told_ana, B, GROUP_RENAME, -1, false, "Dam") == GROUP_TAKEN);
    CHECK(act(told_carla, B, GROUP_ADD, D, false, NULL) == GROUP_TAKEN);
    enum group_verdict v;
    size_t last = group_roster_op_count(told_carla) - 1;
    REQUIRE(group_roster_add(told_ana, group_roster_op(told_carla, last), &v) == ERR_NONE);
    CHECK(v == GROUP_FORKED && group_roster_has_forked(told_ana, people[B].key));
    merge(told_carla, told_ana);
    CHECK(!has(told_ana, B) && !has(told_carla, B) && !has(told_ana, D) && !has(told_carla, D) && has(told_ana, C));
    CHECK(bytes_are_equal(group_roster_name(told_carla), bytes_of_text("Bridge")));
    CHECK(act(told_ana, B, GROUP_RENAME, -1, false, "again") == GROUP_NOT_MEMBER);
    CHECK(act(told_ana, A, GROUP_ADD, B, false, NULL) == GROUP_NO_SENSE);   /* only with a new key */
    group_roster_free(told_ana);
    group_roster_free(told_carla);
}

/* One who was removed cannot undo by a fork what he did before. */
static void test_late_fork(void)
{
    struct group_roster *r = three(), *old;

    CHECK(act(r, B, GROUP_ADD, D, false, NULL) == GROUP_TAKEN);
    old = three();
    CHECK(act(r, A, GROUP_REMOVE, B, false, NULL) == GROUP_TAKEN);
    CHECK(act(old, B, GROUP_RENAME, -1, false, "other") == GROUP_TAKEN);
    enum group_verdict v;
    REQUIRE(group_roster_add(r, group_roster_op(old, group_roster_op_count(old) - 1), &v) == ERR_NONE);
    CHECK(v == GROUP_FORKED && has(r, D) && has(r, C) && !has(r, B));
    group_roster_free(r);
    group_roster_free(old);
}

static void test_refused(void)
{
    struct group_roster *r = three(), *other = empty();
    struct op_bytes create = guild_create(&people[B], "Other"), op, same = guild_create(&people[A], "Bridge");
    struct group_op next;
    uint8_t hash[GROUP_HASH_LEN];
    struct writer w;

    CHECK(guild_add(r, &same) == GROUP_KNOWN);
    CHECK(guild_add(r, &create) == GROUP_FOREIGN);
    CHECK(guild_add(other, &create) == GROUP_TAKEN);
    op = guild_op(other, &people[B], GROUP_RENAME, NULL, false, "x");
    CHECK(guild_add(r, &op) == GROUP_FOREIGN);
    CHECK(act(r, C, GROUP_REMOVE, A, false, NULL) == GROUP_NOT_ADMIN);
    CHECK(act(r, D, GROUP_LEAVE, -1, false, NULL) == GROUP_NOT_MEMBER);
    CHECK(act(r, A, GROUP_ADD, B, false, NULL) == GROUP_NO_SENSE);
    CHECK(act(r, A, GROUP_REMOVE, D, false, NULL) == GROUP_NO_SENSE);
    CHECK(act(r, A, GROUP_ADMIN, B, true, NULL) == GROUP_NO_SENSE);
    CHECK(act(r, A, GROUP_ADMIN, D, true, NULL) == GROUP_NO_SENSE);
    CHECK(act(r, A, GROUP_REMOVE, A, false, NULL) == GROUP_NO_SENSE);

    /* Signed by another than it says. */
    REQUIRE(group_roster_next(r, people[A].key, &next) == ERR_NONE);
    next.kind = GROUP_RENAME;
    next.name = bytes_of_text("Forged");
    w = writer_of(op.at, sizeof op.at);
    REQUIRE(group_op_seal(&next, people[C].seed, &w) == ERR_NONE);
    op.len = writer_len(&w);
    CHECK(guild_add(r, &op) == GROUP_FORGED);

    /* A number that skips, and one that leaves the own last one out. */
    REQUIRE(group_roster_next(r, people[A].key, &next) == ERR_NONE);
    next.kind = GROUP_RENAME;
    next.name = bytes_of_text("Skips");
    next.sequence++;
    w = writer_of(op.at, sizeof op.at);
    REQUIRE(group_op_seal(&next, people[A].seed, &w) == ERR_NONE);
    op.len = writer_len(&w);
    CHECK(guild_add(r, &op) == GROUP_NO_SENSE);

    /* What it builds on is not here. */
    REQUIRE(group_roster_next(r, people[A].key, &next) == ERR_NONE);
    next.kind = GROUP_RENAME;
    next.name = bytes_of_text("Early");
    memset(next.parents[0], 0xee, GROUP_HASH_LEN);
    w = writer_of(op.at, sizeof op.at);
    REQUIRE(group_op_seal(&next, people[A].seed, &w) == ERR_NONE);
    op.len = writer_len(&w);
    CHECK(guild_add(r, &op) == GROUP_EARLY);

    /* Every bit that changes is noticed, and changes nothing. */
    op = guild_op(r, &people[A], GROUP_RENAME, NULL, false, "Dam");
    char before[GUILD_TEXT_MAX], after[GUILD_TEXT_MAX];
    guild_text(r, people, before);
    for (size_t i = 0; i < op.len; i++) {
        struct op_bytes bad = op;

        bad.at[i] ^= 0x20;
        enum group_verdict v = guild_add(r, &bad);
        CHECK(v == GROUP_FORGED || v == GROUP_MALFORMED || v == GROUP_UNKNOWN_VERSION || v == GROUP_FOREIGN);
    }
    guild_text(r, people, after);
    CHECK(strcmp(before, after) == 0);
    REQUIRE(guild_add(r, &op) == GROUP_TAKEN);
    struct group_op back;
    CHECK_ERR("it decodes", group_op_decode(&back, hash, op_view(&op)), ERR_NONE);
    group_roster_free(r);
    group_roster_free(other);
}

/* Sixty-four and no more; and many heads at once. */
static void test_limits(void)
{
    struct group_roster *r = empty();
    struct op_bytes create = guild_create(&people[A], "Large");
    static struct soul many[GROUP_MEMBERS_MAX];
    struct group_roster *branch[12];

    REQUIRE(guild_add(r, &create) == GROUP_TAKEN);
    for (int i = 1; i < GROUP_MEMBERS_MAX; i++) {
        many[i] = people[B];
        memset(many[i].seed, i, sizeof many[i].seed);
        signature_key(many[i].key, many[i].seed);
        struct op_bytes op = guild_op(r, &people[A], GROUP_ADD, &many[i], false, NULL);
        REQUIRE(guild_add(r, &op) == GROUP_TAKEN);
    }
    CHECK(group_roster_count(r) == GROUP_MEMBERS_MAX);
    CHECK(act(r, A, GROUP_ADD, C, false, NULL) == GROUP_CROWDED);
    for (int i = 0; i < 12; i++) {
        branch[i] = copy_of(r);
        struct op_bytes op = guild_op(branch[i], &many[i + 1], GROUP_LEAVE, NULL, false, NULL);
        REQUIRE(guild_add(branch[i], &op) == GROUP_TAKEN);
    }
    for (int i = 0; i < 12; i++) {
        merge(r, branch[i]);
        group_roster_free(branch[i]);
    }
    CHECK(group_roster_count(r) == GROUP_MEMBERS_MAX - 12);
    /* More heads than an operation names: it goes on all the same. */
    for (int i = 0; i < 4; i++)
        CHECK(act(r, A, GROUP_RENAME, -1, false, "Still large") == GROUP_TAKEN);
    group_roster_free(r);
}

int main(void)
{
    guild_make(people);
    test_every_order_of_three();
    test_chains_of_three();
    for (unsigned seed = 1; seed <= 12; seed++)
        story(seed);
    test_removal_wins();
    test_mutual_removal();
    test_readd();
    test_never_without_admin();
    test_leave_is_never_void();
    test_fork();
    test_late_fork();
    test_refused();
    test_limits();
    return check_report("group_roster");
}
