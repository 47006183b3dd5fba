/* apps/groups/group_roster.c - who is in a group, as all operations that are known say. */
#include "apps/groups/group_roster.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

enum { WORD_BITS = 64, WORDS = GROUP_OPS_MAX / WORD_BITS, NOBODY = UINT16_MAX };

struct past { uint64_t word[WORDS]; };

struct op_node {
    uint8_t *bytes;
    size_t   len;
    struct group_op op;          /* lends from bytes */
    uint8_t  hash[GROUP_HASH_LEN];
    uint32_t depth;              /* one more than the deepest it builds on */
    struct past past;            /* all that it builds on, near and far */
    uint16_t author, subject;    /* places in `people` */
    bool     has_child;
};

struct person {
    uint8_t  key[GROUP_KEY_LEN];
    uint16_t rank;               /* 0: the longest here; NOBODY: not in what was looked at */
    bool     has_fork;
    uint32_t fork_from;
    bool     is_member, is_admin;
    struct bytes card;
};

struct group_roster {
    struct op_node *ops[GROUP_OPS_MAX];
    uint16_t order[GROUP_OPS_MAX];          /* by depth, then hash: the same for all who have the same set */
    size_t   count;
    struct person people[GROUP_OPS_MAX + 1];
    size_t   people_count;
    bool     is_void[GROUP_OPS_MAX];        /* of the state last computed */
    uint16_t by_rank[GROUP_OPS_MAX + 1];
    size_t   ranked;
    struct group_member members[GROUP_MEMBERS_MAX];
    size_t   member_count;
    struct bytes name;
};

const char *group_verdict_text(enum group_verdict v)
{
    switch (v) {
    case GROUP_TAKEN: return "taken";
    case GROUP_KNOWN: return "it was here already";
    case GROUP_EARLY: return "what it builds on is not here yet";
    case GROUP_FORKED: return "its author told different things to different people, and is out";
    case GROUP_MALFORMED: return "it is damaged";
    case GROUP_FORGED: return "its signature is not right";
    case GROUP_UNKNOWN_VERSION: return "it needs a newer version of Staffetta";
    case GROUP_FOREIGN: return "it belongs to another group";
    case GROUP_NOT_MEMBER: return "its author was not in the group";
    case GROUP_NOT_ADMIN: return "its author was no admin of the group";
    case GROUP_NO_SENSE: return "it does not go with what it builds on";
    case GROUP_CROWDED: return "the group is full";
    }
    return "";
}

/* ---- Sets of operations ---- */

static bool past_has(const struct past *p, size_t i) { return (p->word[i / WORD_BITS] >> (i % WORD_BITS) & 1) != 0; }
static void past_put(struct past *p, size_t i) { p->word[i / WORD_BITS] |= (uint64_t)1 << (i % WORD_BITS); }

static bool is_before(const struct group_roster *r, size_t a, size_t b) { return past_has(&r->ops[b]->past, a); }
static bool is_beside(const struct group_roster *r, size_t a, size_t b)
{
    return a != b && !is_before(r, a, b) && !is_before(r, b, a);
}

/* ---- Life ---- */

enum err group_roster_new(struct group_roster **out)
{
    struct group_roster *r = calloc(1, sizeof *r);

    if (r == NULL)
        return ERR_NO_MEMORY;
    *out = r;
    return ERR_NONE;
}

void group_roster_free(struct group_roster *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++) {
        free(r->ops[i]->bytes);
        free(r->ops[i]);
    }
    free(r);
}

static uint16_t person_find(const struct group_roster *r, const uint8_t key[GROUP_KEY_LEN])
{
    for (size_t i = 0; i < r->people_count; i++) {
        if (memcmp(r->people[i].key, key, GROUP_KEY_LEN) == 0)
            return (uint16_t)i;
    }
    return NOBODY;
}

/* At most one for each addition, so there is room. */
static uint16_t person_of(struct group_roster *r, const uint8_t key[GROUP_KEY_LEN])
{
    uint16_t found = person_find(r, key);

    if (found != NOBODY)
        return found;
    memcpy(r->people[r->people_count].key, key, GROUP_KEY_LEN);
    return (uint16_t)r->people_count++;
}

/* ---- What a set of operations amounts to ---- */

static bool is_addition(const struct op_node *n) { return n->op.kind == GROUP_CREATE || n->op.kind == GROUP_ADD; }
static uint16_t added(const struct op_node *n) { return n->op.kind == GROUP_CREATE ? n->author : n->subject; }

static bool takes_away(const struct op_node *n)
{
    return n->op.kind == GROUP_REMOVE || n->op.kind == GROUP_LEAVE || (n->op.kind == GROUP_ADMIN && !n->op.is_admin);
}
static bool takes_out(const struct op_node *n) { return n->op.kind == GROUP_REMOVE || n->op.kind == GROUP_LEAVE; }
static uint16_t taken_from(const struct op_node *n) { return n->op.kind == GROUP_LEAVE ? n->author : n->subject; }
static bool grants_admin(const struct op_node *n) { return n->op.kind == GROUP_CREATE || (n->op.kind == GROUP_ADMIN && n->op.is_admin); }

/* `in` NULL: all. */
static bool is_in(const struct past *in, size_t i) { return in == NULL || past_has(in, i); }

static void find_forks(struct group_roster *r, const struct past *in)
{
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = 0; is_in(in, i) && k < i; k++) {
            const struct op_node *a = r->ops[i], *b = r->ops[k];
            struct person *p = &r->people[a->author];

            if (!is_in(in, k) || a->author != b->author || a->op.sequence != b->op.sequence)
                continue;
            if (!p->has_fork || a->op.sequence < p->fork_from)
                p->fork_from = a->op.sequence;
            p->has_fork = true;
        }
    }
}

static void rank_people(struct group_roster *r, const struct past *in)
{
    r->ranked = 0;
    for (size_t o = 0; o < r->count; o++) {
        const struct op_node *n = r->ops[r->order[o]];
        struct person *p = is_in(in, r->order[o]) && is_addition(n) ? &r->people[added(n)] : NULL;

        if (p != NULL && p->rank == NOBODY) {
            p->rank = (uint16_t)r->ranked;
            r->by_rank[r->ranked++] = added(n);
        }
    }
}

/* What a liar signed from his fork on does not count, but for what was settled by his removal: otherwise someone removed could
 * undo by a late fork what he did while he was trusted. */
static bool is_fork_void(const struct group_roster *r, const struct past *in, size_t o)
{
    const struct op_node *n = r->ops[o];
    const struct person *p = &r->people[n->author];

    if (!p->has_fork || n->op.sequence < p->fork_from)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        if (is_in(in, i) && r->ops[i]->op.kind == GROUP_REMOVE && r->ops[i]->subject == n->author &&
            r->ops[i]->author != n->author && is_before(r, o, i))
            return false;
    }
    return true;
}

/* Something was taken from the author of `o` at the same time, by another who counts. */
static bool is_beaten(const struct group_roster *r, const struct past *in, size_t o, bool only_by_seniors)
{
    const struct op_node *n = r->ops[o];

    for (size_t i = 0; i < r->count; i++) {
        const struct op_node *x = r->ops[i];

        if (is_in(in, i) && takes_away(x) && taken_from(x) == n->author && x->author != n->author && !r->is_void[i] &&
            (!only_by_seniors || r->people[x->author].rank < r->people[n->author].rank) && is_beside(r, i, o))
            return true;
    }
    return false;
}

/* First what takes away, from the longest here down: whether it counts hangs only on people before. Then all else. */
static void find_void(struct group_roster *r, const struct past *in)
{
    for (size_t i = 0; i < r->count; i++)
        r->is_void[i] = is_in(in, i) && is_fork_void(r, in, i);
    for (size_t k = 0; k < r->ranked; k++) {
        for (size_t i = 0; i < r->count; i++) {
            if (is_in(in, i) && r->ops[i]->author == r->by_rank[k] && takes_away(r->ops[i]) && r->ops[i]->op.kind != GROUP_LEAVE &&
                !r->is_void[i])
                r->is_void[i] = is_beaten(r, in, i, true);
        }
    }
    for (size_t i = 0; i < r->count; i++) {
        if (is_in(in, i) && !takes_away(r->ops[i]) && !r->is_void[i])
            r->is_void[i] = is_beaten(r, in, i, false);
    }
}

/* Everything that counts and was taken from this person had been seen by whoever made `o`. */
static bool saw_all_taken(const struct group_roster *r, const struct past *in, size_t o, uint16_t person, bool only_out)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct op_node *x = r->ops[i];

        if (is_in(in, i) && (only_out ? takes_out(x) : takes_away(x)) && taken_from(x) == person && !r->is_void[i] && !is_before(r, i, o))
            return false;
    }
    return true;
}

static void find_members(struct group_roster *r, const struct past *in)
{
    for (size_t o = 0; o < r->count; o++) {
        size_t i = r->order[o];
        const struct op_node *n = r->ops[i];

        if (!is_in(in, i) || r->is_void[i])
            continue;
        if (n->op.kind == GROUP_CREATE || n->op.kind == GROUP_RENAME)
            r->name = n->op.name;
        if (is_addition(n) && saw_all_taken(r, in, i, added(n), true)) {
            r->people[added(n)].is_member = !r->people[added(n)].has_fork;
            r->people[added(n)].card = n->op.card;
        }
        if (grants_admin(n)) {
            uint16_t who = n->op.kind == GROUP_CREATE ? n->author : n->subject;

            r->people[who].is_admin = r->people[who].is_admin || saw_all_taken(r, in, i, who, false);
        }
    }
}

/* `in` NULL: of all. */
static void compute(struct group_roster *r, const struct past *in)
{
    bool has_admin = false;

    for (size_t i = 0; i < r->people_count; i++) {
        struct person *p = &r->people[i];

        p->rank = NOBODY;
        p->has_fork = p->is_member = p->is_admin = false;
        p->fork_from = 0;
    }
    r->member_count = 0;
    find_forks(r, in);
    rank_people(r, in);
    find_void(r, in);
    find_members(r, in);
    for (size_t k = 0; k < r->ranked && r->member_count < GROUP_MEMBERS_MAX; k++) {
        const struct person *p = &r->people[r->by_rank[k]];
        struct group_member *m = &r->members[r->member_count];

        if (!p->is_member)
            continue;
        memcpy(m->key, p->key, sizeof m->key);
        m->is_admin = p->is_admin;
        m->card = p->card;
        has_admin = has_admin || p->is_admin;
        r->member_count++;
    }
    if (!has_admin && r->member_count > 0)
        r->members[0].is_admin = true;
}

/* ---- Taking one ---- */

static int op_find(const struct group_roster *r, const uint8_t hash[GROUP_HASH_LEN])
{
    for (size_t i = 0; i < r->count; i++) {
        if (memcmp(r->ops[i]->hash, hash, GROUP_HASH_LEN) == 0)
            return (int)i;
    }
    return -1;
}

static bool find_past(const struct group_roster *r, struct op_node *n)
{
    n->depth = 0;
    memset(&n->past, 0, sizeof n->past);
    for (unsigned i = 0; i < n->op.parent_count; i++) {
        int at = op_find(r, n->op.parents[i]);

        if (at < 0)
            return false;
        for (size_t w = 0; w < WORDS; w++)
            n->past.word[w] |= r->ops[at]->past.word[w];
        past_put(&n->past, (size_t)at);
        if (r->ops[at]->depth >= n->depth)
            n->depth = r->ops[at]->depth + 1;
    }
    return true;
}

/* What its author's last one in this past has as number; -1: none. */
static int64_t last_sequence(const struct group_roster *r, uint16_t author, const struct past *in)
{
    int64_t last = -1;

    for (size_t i = 0; i < r->count; i++) {
        if (is_in(in, i) && r->ops[i]->author == author && (int64_t)r->ops[i]->op.sequence > last)
            last = (int64_t)r->ops[i]->op.sequence;
    }
    return last;
}

/* Whether its author could make it, by what it names as seen. Leaves the state of that past computed. */
static enum group_verdict judge(struct group_roster *r, const struct op_node *n)
{
    const struct group_op *op = &n->op;
    uint16_t author = person_find(r, op->author);

    if (op->kind == GROUP_CREATE)
        return r->count == 0 ? GROUP_TAKEN : GROUP_FOREIGN;
    compute(r, &n->past);
    const struct group_member *by = group_roster_find(r, op->author);
    if (by == NULL)
        return GROUP_NOT_MEMBER;
    if ((int64_t)op->sequence != last_sequence(r, author, &n->past) + 1)
        return GROUP_NO_SENSE;
    if (op->kind == GROUP_LEAVE)
        return GROUP_TAKEN;
    if (!by->is_admin)
        return GROUP_NOT_ADMIN;
    if (op->kind == GROUP_RENAME)
        return GROUP_TAKEN;
    const struct group_member *about = group_roster_find(r, op->subject);
    if (op->kind == GROUP_ADD) {
        uint16_t who = person_find(r, op->subject);

        if (about != NULL || (who != NOBODY && r->people[who].has_fork))
            return GROUP_NO_SENSE;
        return r->member_count < GROUP_MEMBERS_MAX ? GROUP_TAKEN : GROUP_CROWDED;
    }
    if (about == NULL || (op->kind == GROUP_REMOVE && about == by) || (op->kind == GROUP_ADMIN && about->is_admin == op->is_admin))
        return GROUP_NO_SENSE;
    return GROUP_TAKEN;
}

static bool is_fork(const struct group_roster *r, const struct op_node *n)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->ops[i]->op.sequence == n->op.sequence && memcmp(r->ops[i]->op.author, n->op.author, GROUP_KEY_LEN) == 0)
            return true;
    }
    return false;
}

static int order_of(const struct op_node *a, const struct op_node *b)
{
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    return memcmp(a->hash, b->hash, GROUP_HASH_LEN);
}

static void insert(struct group_roster *r, struct op_node *n)
{
    size_t at = r->count;

    n->author = person_of(r, n->op.author);
    n->subject = n->op.kind == GROUP_ADD || n->op.kind == GROUP_REMOVE || n->op.kind == GROUP_ADMIN ? person_of(r, n->op.subject) : NOBODY;
    for (unsigned i = 0; i < n->op.parent_count; i++)
        r->ops[op_find(r, n->op.parents[i])]->has_child = true;
    r->ops[r->count] = n;
    for (; at > 0 && order_of(n, r->ops[r->order[at - 1]]) < 0; at--)
        r->order[at] = r->order[at - 1];
    r->order[at] = (uint16_t)r->count++;
}

static enum group_verdict verdict_of(enum err e)
{
    return e == ERR_VERSION ? GROUP_UNKNOWN_VERSION : e == ERR_AUTH ? GROUP_FORGED : GROUP_MALFORMED;
}

/* GROUP_TAKEN or GROUP_FORKED: n belongs in. */
static enum group_verdict examine(struct group_roster *r, struct op_node *n)
{
    enum err e = group_op_decode(&n->op, n->hash, bytes_of(n->bytes, n->len));

    if (e != ERR_NONE)
        return verdict_of(e);
    if (op_find(r, n->hash) >= 0)
        return GROUP_KNOWN;
    if (r->count == 0 && n->op.kind != GROUP_CREATE)
        return GROUP_EARLY;
    if (r->count > 0 && memcmp(n->op.group, r->ops[0]->op.group, GROUP_ID_LEN) != 0)
        return GROUP_FOREIGN;
    if (!find_past(r, n))
        return GROUP_EARLY;
    if (r->count == GROUP_OPS_MAX)
        return GROUP_CROWDED;
    enum group_verdict v = judge(r, n);
    return v == GROUP_TAKEN && is_fork(r, n) ? GROUP_FORKED : v;
}

enum err group_roster_add(struct group_roster *r, struct bytes op, enum group_verdict *verdict)
{
    struct op_node *n;

    if (op.len > GROUP_OP_LEN_MAX) {
        *verdict = GROUP_MALFORMED;
        return ERR_NONE;
    }
    if ((n = calloc(1, sizeof *n)) == NULL || (n->bytes = malloc(op.len + 1)) == NULL) {
        free(n);
        return ERR_NO_MEMORY;
    }
    if (op.len > 0)
        memcpy(n->bytes, op.at, op.len);
    n->len = op.len;
    *verdict = examine(r, n);
    if (*verdict == GROUP_TAKEN || *verdict == GROUP_FORKED) {
        insert(r, n);
    } else {
        free(n->bytes);
        free(n);
    }
    compute(r, NULL);
    return ERR_NONE;
}

/* ---- Looking ---- */

bool group_roster_is_empty(const struct group_roster *r) { return r->count == 0; }
const uint8_t *group_roster_id(const struct group_roster *r) { return r->ops[0]->op.group; }
struct bytes group_roster_name(const struct group_roster *r) { return r->name; }
size_t group_roster_count(const struct group_roster *r) { return r->member_count; }
const struct group_member *group_roster_member(const struct group_roster *r, size_t i) { return &r->members[i]; }
size_t group_roster_op_count(const struct group_roster *r) { return r->count; }
struct bytes group_roster_op(const struct group_roster *r, size_t i) { return bytes_of(r->ops[i]->bytes, r->ops[i]->len); }

const struct group_member *group_roster_find(const struct group_roster *r, const uint8_t key[GROUP_KEY_LEN])
{
    for (size_t i = 0; i < r->member_count; i++) {
        if (memcmp(r->members[i].key, key, GROUP_KEY_LEN) == 0)
            return &r->members[i];
    }
    return NULL;
}

bool group_roster_has_forked(const struct group_roster *r, const uint8_t key[GROUP_KEY_LEN])
{
    uint16_t who = person_find(r, key);

    return who != NOBODY && r->people[who].has_fork;
}

/* The operations that no other builds on, by rising hash. */
static size_t heads(const struct group_roster *r, uint16_t out[GROUP_OPS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < r->count; i++) {
        size_t at = count;

        if (r->ops[i]->has_child)
            continue;
        for (; at > 0 && memcmp(r->ops[i]->hash, r->ops[out[at - 1]]->hash, GROUP_HASH_LEN) < 0; at--)
            out[at] = out[at - 1];
        out[at] = (uint16_t)i;
        count++;
    }
    return count;
}

void group_roster_digest(const struct group_roster *r, uint8_t out[16])
{
    struct bytes parts[GROUP_OPS_MAX];
    uint16_t at[GROUP_OPS_MAX];
    size_t count = heads(r, at);

    for (size_t i = 0; i < count; i++)
        parts[i] = bytes_of(r->ops[at[i]]->hash, GROUP_HASH_LEN);
    hash_derive(out, 16, bytes_of(NULL, 0), "group heads", parts, count);
}

static int last_of(const struct group_roster *r, uint16_t author)
{
    int own = -1;

    for (size_t i = 0; i < r->count; i++) {
        if (r->ops[i]->author == author && (own < 0 || r->ops[i]->op.sequence > r->ops[own]->op.sequence))
            own = (int)i;
    }
    return own;
}

enum err group_roster_next(const struct group_roster *r, const uint8_t author[GROUP_KEY_LEN], struct group_op *out)
{
    uint16_t at[GROUP_OPS_MAX];
    size_t count = heads(r, at);
    int own = last_of(r, person_find(r, author));

    if (r->count == GROUP_OPS_MAX)
        return ERR_FULL;
    /* With more heads than fit, one that follows from the author's own last operation has to be among them. */
    for (size_t i = GROUP_PARENTS_MAX; own >= 0 && i < count; i++) {
        if (at[i] == own || is_before(r, (size_t)own, at[i]))
            at[GROUP_PARENTS_MAX - 1] = at[i];
    }
    memset(out, 0, sizeof *out);
    memcpy(out->group, group_roster_id(r), GROUP_ID_LEN);
    memcpy(out->author, author, GROUP_KEY_LEN);
    out->sequence = own < 0 ? 0 : r->ops[own]->op.sequence + 1;
    out->parent_count = (uint8_t)(count < GROUP_PARENTS_MAX ? count : GROUP_PARENTS_MAX);
    for (unsigned i = 0; i < out->parent_count; i++)
        memcpy(out->parents[i], r->ops[at[i]]->hash, GROUP_HASH_LEN);
    return ERR_NONE;
}
