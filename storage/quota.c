/* storage/quota.c - accounts by contributor, and the choice of who goes. */
#include "storage/quota.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/limits.h"

enum {
    HEADS_MIN            = 16,
    LINK_SHARE_PART      = 10, /* of the strangers' share; protocol section 10 */
    LINK_SHARE_MIN       = 32 * 1024,
    LINK_SHARE_TINY_PART = 2,
    VICTIMS_MAX          = BUNDLE_LEN_MAX / BUNDLE_LEN_MIN,
    OTHERS_MIN           = 256 * 1024, /* left to others by own bundles, or a tenth if that is more; of a */
    OTHERS_TINY_PART     = 4,          /* tiny store a quarter is enough */
};

static const uint8_t default_shares[QUOTA_COUNT] = { 5, 10, 35, 40, 10 };

/* Ties in size are broken by the least stamp, so that work done is worth something there too. */
static uint32_t size_key(const struct account *a)
{
    uint64_t units = a->bytes / BUNDLE_LEN_MIN;
    uint32_t least_stamp = a->bundles.count > 0 ? a->bundles.at[0].key >> 24 : 0xff;

    return (0xffffffu - (uint32_t)(units < 0xffffffu ? units : 0xffffffu)) << 8 | least_stamp;
}

static uint32_t worth_key(const struct store_entry *e)
{
    return (uint32_t)e->stamp_bits << 24 | e->deadline_s >> 8;
}

/* ---- Accounts ---- */

static uint32_t *account_head(const struct quota *q, uint8_t quota_class, uint32_t contributor)
{
    uint8_t octets[16] = { quota_class };

    memcpy(octets + 4, &contributor, sizeof contributor);
    return &q->heads[catalogue_hash(q->catalogue->hash_seed, octets) & (q->heads_count - 1)];
}

static uint32_t account_find(const struct quota *q, uint8_t quota_class, uint32_t contributor)
{
    uint32_t at = SLOT_NONE;

    if (q->heads_count == 0)
        return at;
    for (at = *account_head(q, quota_class, contributor); at != SLOT_NONE; at = q->accounts[at].next) {
        if (q->accounts[at].contributor == contributor && q->accounts[at].quota_class == quota_class)
            break;
    }
    return at;
}

static void account_moved(void *ctx, uint32_t account, uint32_t at)
{
    ((struct quota *)ctx)->accounts[account].at = at;
}

static void bundle_moved(void *ctx, uint32_t slot, uint32_t at)
{
    catalogue_at(((struct quota *)ctx)->catalogue, slot)->account_at = at;
}

static enum err grow_accounts(struct quota *q)
{
    uint32_t heads_count = q->heads_count == 0 ? HEADS_MIN : q->heads_count * 2;
    struct account *accounts = realloc(q->accounts, heads_count * sizeof *accounts);
    uint32_t *heads;

    if (accounts == NULL)
        return ERR_NO_MEMORY;
    q->accounts = accounts;
    if ((heads = malloc(heads_count * sizeof *heads)) == NULL)
        return ERR_NO_MEMORY;
    memset(heads, 0xff, heads_count * sizeof *heads); /* SLOT_NONE */
    free(q->heads);
    q->heads = heads;
    q->heads_count = q->accounts_cap = heads_count;
    /* Called when every account is in use, so that all of them are to be found again. */
    for (uint32_t at = 0; at < q->accounts_count; at++) {
        uint32_t *head = account_head(q, accounts[at].quota_class, accounts[at].contributor);

        accounts[at].next = *head;
        *head = at;
    }
    return ERR_NONE;
}

static enum err account_open(struct quota *q, uint32_t *out, uint8_t quota_class, uint32_t contributor)
{
    uint32_t at = account_find(q, quota_class, contributor);
    enum err e;

    if (at != SLOT_NONE) {
        *out = at;
        return ERR_NONE;
    }
    if ((e = heap_reserve(&q->largest[quota_class])) != ERR_NONE)
        return e;
    if (q->free_first == SLOT_NONE && q->accounts_count == q->accounts_cap && (e = grow_accounts(q)) != ERR_NONE)
        return e;
    if (q->free_first != SLOT_NONE) {
        at = q->free_first;
        q->free_first = q->accounts[at].next;
    } else {
        at = q->accounts_count++;
    }
    struct account *a = &q->accounts[at];
    uint32_t *head = account_head(q, quota_class, contributor);
    memset(a, 0, sizeof *a);
    a->contributor = contributor;
    a->quota_class = quota_class;
    a->next = *head;
    *head = at;
    heap_add(&q->largest[quota_class], size_key(a), at, account_moved, q);
    *out = at;
    return ERR_NONE;
}

static void account_close_if_empty(struct quota *q, uint32_t at)
{
    struct account *a = &q->accounts[at];
    uint32_t *link = account_head(q, a->quota_class, a->contributor);

    if (a->bundles.count > 0)
        return;
    while (*link != at)
        link = &q->accounts[*link].next;
    *link = a->next;
    heap_remove(&q->largest[a->quota_class], a->at, account_moved, q);
    heap_clear(&a->bundles);
    a->next = q->free_first;
    q->free_first = at;
}

static void account_changed(struct quota *q, uint32_t at)
{
    struct account *a = &q->accounts[at];

    heap_change(&q->largest[a->quota_class], a->at, size_key(a), account_moved, q);
}

void quota_init(struct quota *q, struct catalogue *catalogue, const struct store_config *config)
{
    const uint8_t *percent = default_shares;

    memset(q, 0, sizeof *q);
    q->catalogue = catalogue;
    q->free_first = SLOT_NONE;
    q->capacity = STORE_BYTES_DEFAULT;
    if (config != NULL && config->capacity_bytes != 0)
        q->capacity = config->capacity_bytes;
    for (int k = 0; config != NULL && k < QUOTA_COUNT; k++) {
        if (config->share_percent[k] != 0)
            percent = config->share_percent;
    }
    for (int k = 0; k < QUOTA_COUNT; k++)
        q->share[k] = q->capacity / 100 * percent[k];
    uint64_t others = q->capacity / OTHERS_TINY_PART < OTHERS_MIN ? q->capacity / OTHERS_TINY_PART : OTHERS_MIN;
    q->own_max = q->capacity - (others > q->capacity / 10 ? others : q->capacity / 10);
}

void quota_clear(struct quota *q)
{
    for (int k = 0; k < QUOTA_COUNT; k++) {
        for (uint32_t i = 0; i < q->largest[k].count; i++)
            heap_clear(&q->accounts[q->largest[k].at[i].item].bundles);
        heap_clear(&q->largest[k]);
    }
    free(q->accounts);
    free(q->heads);
    free(q->victims);
}

enum err quota_reserve(struct quota *q, uint8_t quota_class, uint32_t contributor)
{
    uint32_t at;
    enum err e = account_open(q, &at, quota_class, contributor);

    if (e == ERR_NONE && (e = heap_reserve(&q->accounts[at].bundles)) != ERR_NONE)
        account_close_if_empty(q, at);
    return e;
}

void quota_settle(struct quota *q, uint8_t quota_class, uint32_t contributor)
{
    uint32_t at = account_find(q, quota_class, contributor);

    if (at != SLOT_NONE)
        account_close_if_empty(q, at);
}

static void enter_account(struct quota *q, uint32_t slot, uint32_t account)
{
    struct slot *s = catalogue_at(q->catalogue, slot);
    struct account *a = &q->accounts[account];

    s->account = account;
    heap_add(&a->bundles, worth_key(&s->entry), slot, bundle_moved, q);
    a->bytes += s->entry.len;
    account_changed(q, account);
    q->bytes += s->entry.len;
    q->class_bytes[a->quota_class] += s->entry.len;
    q->class_count[a->quota_class]++;
}

/* Keeps the account, even when it is empty now. */
static void leave_account(struct quota *q, uint32_t slot)
{
    struct slot *s = catalogue_at(q->catalogue, slot);
    struct account *a = &q->accounts[s->account];

    heap_remove(&a->bundles, s->account_at, bundle_moved, q);
    a->bytes -= s->entry.len;
    account_changed(q, s->account);
    q->bytes -= s->entry.len;
    q->class_bytes[a->quota_class] -= s->entry.len;
    q->class_count[a->quota_class]--;
}

void quota_enter(struct quota *q, uint32_t slot)
{
    const struct store_entry *e = &catalogue_at(q->catalogue, slot)->entry;
    uint32_t account = account_find(q, e->quota_class, e->contributor);

    assert(account != SLOT_NONE);
    enter_account(q, slot, account);
}

void quota_leave(struct quota *q, uint32_t slot)
{
    leave_account(q, slot);
    account_close_if_empty(q, catalogue_at(q->catalogue, slot)->account);
}

void quota_move(struct quota *q, uint32_t slot, uint8_t quota_class)
{
    struct slot *s = catalogue_at(q->catalogue, slot);
    uint32_t account = s->account;

    leave_account(q, slot);
    s->entry.quota_class = quota_class;
    quota_enter(q, slot);
    account_close_if_empty(q, account);
}

void quota_revalue(struct quota *q, uint32_t slot)
{
    struct slot *s = catalogue_at(q->catalogue, slot);

    heap_change(&q->accounts[s->account].bundles, s->account_at, worth_key(&s->entry), bundle_moved, q);
    account_changed(q, s->account);
}

uint64_t quota_contributed(const struct quota *q, uint8_t quota_class, uint32_t contributor)
{
    uint32_t at = account_find(q, quota_class, contributor);

    return at != SLOT_NONE ? q->accounts[at].bytes : 0;
}

/* ---- Who goes ---- */

/* Own bundles do not give way. Where they hold more than their share, the others divide what is left in the
 * proportion of theirs; else who came first would keep it, and a friend's acknowledgement could not come in. */
static uint64_t share_among_others(const struct quota *q, int k)
{
    uint64_t own = q->class_bytes[QUOTA_OWN], left = own < q->capacity ? q->capacity - own : 0;
    uint64_t share = q->share[k], whole = q->capacity - q->share[QUOTA_OWN];

    if (own <= q->share[QUOTA_OWN] || whole == 0)
        return share;
    /* In parts of 65,536: the product of two sizes could overflow. */
    uint64_t part = (left << 16) / whole;
    return (share >> 16) * part + ((share & 0xffff) * part >> 16);
}

/* Bytes by which a class is over its share, the newcomer counted. */
static int64_t over_share(const struct quota *q, int k, const struct store_entry *newcomer)
{
    uint64_t bytes = q->class_bytes[k] + (k == newcomer->quota_class ? newcomer->len : 0);
    uint64_t share = newcomer->quota_class == QUOTA_OWN ? q->share[k] : share_among_others(q, k);

    return (int64_t)bytes - (int64_t)share;
}

/* The class that gives way, or QUOTA_COUNT. */
static int yielding_class(const struct quota *q, const struct store_entry *newcomer)
{
    bool is_own = newcomer->quota_class == QUOTA_OWN;
    bool is_own_over = is_own && over_share(q, QUOTA_OWN, newcomer) > 0;
    int most = QUOTA_COUNT;

    if (is_own_over && q->class_count[QUOTA_STRANGER] > 0)
        return QUOTA_STRANGER;
    if (is_own_over && q->class_count[QUOTA_PUBLIC] > 0)
        return QUOTA_PUBLIC;
    for (int k = 0; k < QUOTA_COUNT; k++) {
        if (k == QUOTA_OWN || q->class_count[k] == 0)
            continue;
        if (most == QUOTA_COUNT || over_share(q, k, newcomer) > over_share(q, most, newcomer))
            most = k;
    }
    if (most != QUOTA_COUNT && over_share(q, most, newcomer) > 0)
        return most;
    /* Only our own bundles are over their share, and they do not go: the newcomer's class must do. */
    return is_own || q->class_count[newcomer->quota_class] == 0 ? QUOTA_COUNT : newcomer->quota_class;
}

static bool is_worth_more(const struct store_entry *a, const struct store_entry *b)
{
    if (a->stamp_bits != b->stamp_bits)
        return a->stamp_bits > b->stamp_bits;
    return a->deadline_s > b->deadline_s;
}

static uint32_t least_worthy(const struct quota *q, uint32_t account)
{
    const struct heap *h = &q->accounts[account].bundles;

    return h->count > 0 ? h->at[0].item : SLOT_NONE;
}

uint64_t quota_link_share(uint64_t stranger_share)
{
    uint64_t share = stranger_share / LINK_SHARE_PART, most = stranger_share / LINK_SHARE_TINY_PART;

    if (share < LINK_SHARE_MIN)
        share = LINK_SHARE_MIN < most ? LINK_SHARE_MIN : most;
    return share;
}

uint64_t quota_stranger_room(const struct quota *q, uint32_t contributor)
{
    const struct heap *largest = &q->largest[QUOTA_STRANGER];
    uint64_t most = largest->count > 0 ? q->accounts[largest->at[0].item].bytes : 0;
    uint64_t his = quota_contributed(q, QUOTA_STRANGER, contributor), limit = quota_link_share(q->share[QUOTA_STRANGER]);
    uint64_t free_bytes = q->bytes < q->capacity ? q->capacity - q->bytes : 0, over = 0;

    for (int k = 0; k < QUOTA_COUNT; k++) {
        uint64_t share = share_among_others(q, k);

        if (k != QUOTA_OWN && k != QUOTA_STRANGER && q->class_bytes[k] > share && q->class_bytes[k] - share > over)
            over = q->class_bytes[k] - share;
    }
    /* From other classes, while one of them is more over its share; then from whoever holds the most of this. */
    uint64_t fair_share = share_among_others(q, QUOTA_STRANGER) + over, held = q->class_bytes[QUOTA_STRANGER];
    uint64_t taken = held < fair_share ? fair_share - held : 0;

    if (his < limit && his + 1 < most) {
        uint64_t fair = (most - 1 < limit ? most - 1 : limit) - his;
        taken = taken > fair ? taken : fair;
    }
    return free_bytes > taken ? free_bytes : taken;
}

/* The bundle that goes for the newcomer, or SLOT_NONE when nothing less worthy is there. */
static uint32_t next_victim(const struct quota *q, const struct store_entry *newcomer)
{
    int k = yielding_class(q, newcomer);

    if (k == QUOTA_COUNT)
        return SLOT_NONE;
    uint32_t largest = q->largest[k].at[0].item;
    if (k != newcomer->quota_class)
        return least_worthy(q, largest);

    uint32_t his = account_find(q, newcomer->quota_class, newcomer->contributor);
    uint64_t mine = newcomer->len + (his != SLOT_NONE ? q->accounts[his].bytes : 0);
    uint64_t theirs = q->accounts[largest].bytes;
    bool is_past_link_share = k == QUOTA_STRANGER && mine > quota_link_share(q->share[k]);
    if (mine < theirs && !is_past_link_share)
        return least_worthy(q, largest);
    uint32_t rivals = mine == theirs && !is_past_link_share ? largest : his;
    uint32_t rival = rivals != SLOT_NONE ? least_worthy(q, rivals) : SLOT_NONE;
    if (rival == SLOT_NONE || !is_worth_more(newcomer, &catalogue_at(q->catalogue, rival)->entry))
        return SLOT_NONE;
    return rival;
}

static enum err reserve_victims(struct quota *q)
{
    if (q->victims_cap > 0)
        return ERR_NONE;
    q->victims = malloc(VICTIMS_MAX * sizeof *q->victims);
    if (q->victims == NULL)
        return ERR_NO_MEMORY;
    q->victims_cap = VICTIMS_MAX;
    return ERR_NONE;
}

enum err quota_plan(struct quota *q, const struct store_entry *newcomer)
{
    q->victims_count = 0;
    if (newcomer->len > q->capacity)
        return ERR_FULL;
    if (newcomer->quota_class == QUOTA_OWN && q->class_bytes[QUOTA_OWN] + newcomer->len > q->own_max)
        return ERR_FULL;
    while (q->bytes + newcomer->len > q->capacity) {
        enum err e = reserve_victims(q);
        uint32_t victim = e == ERR_NONE ? next_victim(q, newcomer) : SLOT_NONE;

        /* A store opened with less capacity than it had shrinks by this much a newcomer. */
        if (e == ERR_NONE && victim != SLOT_NONE && q->victims_count == q->victims_cap)
            return ERR_NONE;
        if (victim == SLOT_NONE) {
            quota_unplan(q);
            return e != ERR_NONE ? e : ERR_FULL;
        }
        leave_account(q, victim);
        q->victims[q->victims_count++] = victim;
    }
    return ERR_NONE;
}

void quota_unplan(struct quota *q)
{
    while (q->victims_count > 0) {
        uint32_t slot = q->victims[--q->victims_count];

        enter_account(q, slot, catalogue_at(q->catalogue, slot)->account);
    }
}

void quota_plan_done(struct quota *q)
{
    /* Several victims may share an account: the first closes it and the rest find nothing to close. */
    for (uint32_t i = 0; i < q->victims_count; i++) {
        const struct store_entry *e = &catalogue_at(q->catalogue, q->victims[i])->entry;

        quota_settle(q, e->quota_class, e->contributor);
    }
}
