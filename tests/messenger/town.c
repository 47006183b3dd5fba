/* tests/messenger/town.c - people in one process. */
#include "tests/messenger/town.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "tests/support/check.h"

static void on_event(struct net *net, int node, const struct node_event *e, void *ctx)
{
    struct town *t = ctx;

    for (int i = 0; i < t->count; i++) {
        if (t->people[i].node == node && t->people[i].m != NULL)
            messenger_on_event(t->people[i].m, e, town_wall(t, i), net->now_ms);
    }
}

void town_init(struct town *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    REQUIRE(crypto_start() == ERR_NONE);
    net_init(&t->net, seed);
    seeded_init(&t->random, seed + 1);
    t->net.on_event = on_event;
    t->net.ctx = t;
    t->net.is_cut = true;
}

uint64_t town_wall(const struct town *t, int who)
{
    return t->people[who].wall0_unix_s + t->net.now_ms / 1000;
}

static struct messenger_config config_of(struct town *t, int who)
{
    struct person *p = &t->people[who];
    struct net_node *n = &t->net.nodes[p->node];
    struct messenger_config c = { .archive = p->archive, .store = n->store, .node = n->node, .rng = seeded_rng(&p->random),
                                  .wall_unix_s = town_wall(t, who), .receipt_delay_s = p->receipt_delay_s,
                                  .has_been_restored = p->is_restored, .blobs = p->blobs };

    return c;
}

static void close_person(struct person *p)
{
    messenger_close(p->m);
    archive_close(p->archive);
    p->m = NULL;
    p->archive = NULL;
}

static void open_person(struct town *t, int who)
{
    struct person *p = &t->people[who];

    REQUIRE(archive_open(&p->archive, t->net.nodes[p->node].db, &p->sealer) == ERR_NONE);
    struct messenger_config c = config_of(t, who);
    REQUIRE(messenger_open(&p->m, &c) == ERR_NONE);
    p->is_restored = false;
}

int town_add(struct town *t, const char *name, uint64_t wall_unix_s)
{
    REQUIRE(t->count < PEOPLE_MAX);
    struct person *p = &t->people[t->count];
    struct node_config node = { .wall_unix_s = wall_unix_s, .spread_delay_ms = 1 };
    struct rng g = seeded_rng(&t->random);

    memset(p, 0, sizeof *p);
    p->name = name;
    p->wall0_unix_s = wall_unix_s - t->net.now_ms / 1000;
    p->node = net_add(&t->net, &node, NULL);
    seeded_init(&p->random, rng_u64(&g));
    if (name == NULL)
        return t->count++;

    char path[512];
    struct vault_key key = { .passphrase = bytes_of_text(name) };
    static unsigned vaults;
    snprintf(path, sizeof path, "%s/media-%u", check_folder(), vaults);
    REQUIRE(blobs_open(&p->blobs, path) == ERR_NONE);
    snprintf(path, sizeof path, "%s/vault-%u", check_folder(), vaults++);
    REQUIRE(vault_create(&p->vault, path, &key, VAULT_COST_TEST, &g) == ERR_NONE);
    p->sealer = (struct archive_sealer){ p->vault, VAULT_SEAL_OVERHEAD, vault_key_hash, vault_seal, vault_open_value };
    p->has_messenger = true;
    REQUIRE(archive_open(&p->archive, t->net.nodes[p->node].db, &p->sealer) == ERR_NONE);
    struct messenger_config c = config_of(t, t->count);
    c.node = NULL;
    REQUIRE(messenger_init(&c, bytes_of_text(name)) == ERR_NONE);
    CHECK_ERR("", messenger_init(&c, bytes_of_text(name)), ERR_EXISTS);
    REQUIRE(db_commit(t->net.nodes[p->node].db) == ERR_NONE);
    archive_close(p->archive);
    open_person(t, t->count);
    return t->count++;
}

void town_clear(struct town *t)
{
    for (int i = 0; i < t->count; i++) {
        close_person(&t->people[i]);
        vault_close(t->people[i].vault);
        blobs_close(t->people[i].blobs);
    }
    net_clear(&t->net);
}

void town_reopen(struct town *t, int who)
{
    if (!t->people[who].has_messenger)
        return;
    close_person(&t->people[who]);
    open_person(t, who);
}

void town_crash(struct town *t, int who)
{
    close_person(&t->people[who]);
    net_crash(&t->net, t->people[who].node);
    if (t->people[who].has_messenger)
        open_person(t, who);
}

static void drain(struct person *p)
{
    struct messenger_event e;

    while (messenger_next_event(p->m, &e))
        p->events[e.kind]++;
}

/* A program whose commit failed ends, and the service manager starts it again. */
static bool restart_failed(struct town *t, int who)
{
    struct net_node *n = &t->net.nodes[t->people[who].node];

    if (n->commit_failed == ERR_NONE)
        return false;
    db_set_fault(n->db, NULL, NULL);
    town_crash(t, who);
    return true;
}

bool town_turn(struct town *t, int who)
{
    net_turn(&t->net, t->people[who].node);
    return !restart_failed(t, who);
}

static void step(struct town *t, uint64_t until_ms)
{
    uint64_t at_ms = until_ms;

    for (int i = 0; i < t->count; i++) {
        struct person *p = &t->people[i];

        if (p->m == NULL)
            continue;
        /* Bounded: somebody who always wants to be woken at once would stop the town. */
        for (unsigned n = 0; n < 1000 && messenger_wake_at_ms(p->m) <= t->net.now_ms; n++)
            messenger_wake(p->m, town_wall(t, i), t->net.now_ms);
        CHECK_CASE("always awake", messenger_wake_at_ms(p->m) > t->net.now_ms);
        drain(p);
        if (messenger_wake_at_ms(p->m) < at_ms)
            at_ms = messenger_wake_at_ms(p->m);
    }
    net_step(&t->net, at_ms);
    if (++t->steps == t->crash_at)
        town_crash(t, t->crash_who);
    for (int i = 0; i < t->count; i++) {
        restart_failed(t, i);
        if (t->is_restless)
            town_reopen(t, i);
    }
}

void town_run(struct town *t, uint64_t seconds)
{
    uint64_t until_ms = t->net.now_ms + seconds * 1000;

    while (t->net.now_ms < until_ms)
        step(t, until_ms);
    /* What the last step brought in. */
    for (int i = 0; i < t->count; i++)
        town_turn(t, i);
}

void town_meet(struct town *t, int a, int b, uint64_t seconds)
{
    int wire = net_connect(&t->net, t->people[a].node, t->people[b].node, 5, 1 << 20, 0);

    town_run(t, seconds);
    if (t->net.wires[wire].is_up)
        net_break(&t->net, wire);
    town_run(t, 1);
}

void town_exchange(struct town *t, int a, int b, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        town_meet(t, a, b, 60);
        town_run(t, 60);
    }
}

static void add_card(struct town *t, int who, const char *link)
{
    uint32_t number;

    CHECK_ERR("", messenger_friend_add(t->people[who].m, bytes_of_text(link), bytes_of(NULL, 0), town_wall(t, who), &number),
              ERR_NONE);
}

void town_befriend(struct town *t, int a, int b)
{
    char link[CARD_LINK_MAX];

    messenger_card_link(t->people[b].m, link);
    add_card(t, a, link);
}

void town_introduce(struct town *t, int a, int b)
{
    town_befriend(t, a, b);
    town_befriend(t, b, a);
}

uint32_t town_friend(struct town *t, int who, const char *name)
{
    uint32_t number;

    return messenger_friend_find(t->people[who].m, bytes_of_text(name), &number) == ERR_NONE ? number : 0;
}

void town_send(struct town *t, int who, const char *to, const char *text, char id[MESSAGE_ID_TEXT_LEN + 1])
{
    char unwanted[MESSAGE_ID_TEXT_LEN + 1];

    CHECK_ERR(text, messenger_send_text(t->people[who].m, town_friend(t, who, to), bytes_of_text(text), 0, town_wall(t, who),
                                        t->net.now_ms, id != NULL ? id : unwanted), ERR_NONE);
}

struct message_info town_message(struct town *t, int who, const char *id)
{
    struct message_info info;

    REQUIRE(messenger_message(t->people[who].m, bytes_of_text(id), &info) == ERR_NONE);
    return info;
}

enum message_state town_state(struct town *t, int who, const char *id)
{
    return town_message(t, who, id).state;
}

struct counting { const char *text; bool is_incoming; unsigned count, total; };

static bool count_one(void *ctx, const struct message_info *info)
{
    struct counting *c = ctx;

    c->total++;
    c->count += c->text != NULL && info->is_incoming == c->is_incoming && strcmp(info->text, c->text) == 0;
    return true;
}

unsigned town_count(struct town *t, int who, const char *name, const char *text, bool is_incoming)
{
    struct counting c = { text, is_incoming, 0, 0 };

    (void)messenger_messages(t->people[who].m, town_friend(t, who, name), 0, count_one, &c);
    return c.count;
}

unsigned town_total(struct town *t, int who, const char *name)
{
    struct counting c = { NULL, false, 0, 0 };

    (void)messenger_messages(t->people[who].m, town_friend(t, who, name), 0, count_one, &c);
    return c.total;
}

void town_read_all(struct town *t, int who, const char *name)
{
    CHECK_ERR(name, messenger_mark_read(t->people[who].m, town_friend(t, who, name), UINT32_MAX, town_wall(t, who),
                                        t->net.now_ms), ERR_NONE);
}

/* ---- Databases ---- */

struct looking { struct bytes what; bool is_found; uint64_t records; };

static bool contains(struct bytes in, struct bytes what)
{
    for (size_t i = 0; i + what.len <= in.len; i++) {
        if (in.at[i] == what.at[0] && memcmp(in.at + i, what.at, what.len) == 0)
            return true;
    }
    return false;
}

static bool look(void *ctx, struct bytes key, struct bytes value)
{
    struct looking *l = ctx;

    l->records++;
    l->is_found = l->is_found || contains(key, l->what) || contains(value, l->what);
    return true;
}

static bool look_seq(void *ctx, uint64_t seq, struct bytes value)
{
    (void)seq;
    return look(ctx, bytes_of(NULL, 0), value);
}

bool town_holds(struct town *t, int who, struct bytes what)
{
    struct db *db = t->net.nodes[t->people[who].node].db;
    struct looking l = { what, false, 0 };

    REQUIRE(what.len > 0);
    for (int table = 0; table < DB_TABLE_COUNT; table++) {
        if (table == DB_META || table == DB_ARCHIVE)
            REQUIRE(db_walk(db, (enum db_table)table, bytes_of(NULL, 0), look, &l) == ERR_NONE);
        else
            REQUIRE(db_walk_seq(db, (enum db_table)table, 0, look_seq, &l) == ERR_NONE);
    }
    return l.is_found;
}

struct remembering { struct vault *vault; struct bytes what; bool is_found; };

static bool open_and_look(void *ctx, struct bytes key, struct bytes value)
{
    struct remembering *r = ctx;
    struct looking l = { r->what, false, 0 };
    uint8_t *plain = malloc(value.len + 1);

    REQUIRE(plain != NULL);
    /* A list stands under its kind and 128 (storage/archive.c). */
    for (unsigned kind = 0; kind < 256 && value.len >= VAULT_SEAL_OVERHEAD && key.len == 16 && !l.is_found; kind++) {
        if (vault_open_value(r->vault, kind, key.at, value, plain) == ERR_NONE) {
            look(&l, key, bytes_of(plain, value.len - VAULT_SEAL_OVERHEAD));
            break;
        }
    }
    free(plain);
    r->is_found = l.is_found;
    return !l.is_found;
}

bool town_remembers(struct town *t, int who, struct bytes what)
{
    struct remembering r = { t->people[who].vault, what, false };

    REQUIRE(what.len > 0);
    REQUIRE(db_walk(t->net.nodes[t->people[who].node].db, DB_ARCHIVE, bytes_of(NULL, 0), open_and_look, &r) == ERR_NONE);
    return r.is_found;
}

uint64_t town_records(struct town *t, int who)
{
    return db_count(t->net.nodes[t->people[who].node].db, DB_ARCHIVE);
}

static bool copy_bytes(void *ctx, struct bytes key, struct bytes value)
{
    struct db **to = ctx;

    return db_put(to[0], (enum db_table)(uintptr_t)to[1], key, value) == ERR_NONE;
}

static bool copy_seq(void *ctx, uint64_t seq, struct bytes value)
{
    struct db **to = ctx;

    return db_put_seq(to[0], (enum db_table)(uintptr_t)to[1], seq, value) == ERR_NONE;
}

struct db *town_copy_db(struct town *t, int who)
{
    struct db *from = t->net.nodes[t->people[who].node].db, *to[2];

    REQUIRE(db_open_mem(&to[0]) == ERR_NONE);
    for (int table = 0; table < DB_TABLE_COUNT; table++) {
        to[1] = (struct db *)(uintptr_t)table;
        if (table == DB_META || table == DB_ARCHIVE)
            REQUIRE(db_walk(from, (enum db_table)table, bytes_of(NULL, 0), copy_bytes, to) == ERR_NONE);
        else
            REQUIRE(db_walk_seq(from, (enum db_table)table, 0, copy_seq, to) == ERR_NONE);
    }
    REQUIRE(db_commit(to[0]) == ERR_NONE);
    return to[0];
}

static void put_db(struct town *t, int who, struct db *copy, bool is_restored)
{
    struct net_node *n = &t->net.nodes[t->people[who].node];
    struct db *old = n->db;

    close_person(&t->people[who]);
    /* The net closes store and node itself; only the database under them is another. */
    for (int i = 0; i < t->net.wire_count; i++) {
        if (t->net.wires[i].is_up)
            net_break(&t->net, i);
    }
    db_rollback(old);
    net_crash(&t->net, t->people[who].node);
    node_free(n->node);
    store_close(n->store);
    db_close(old);
    n->db = copy;
    n->config.db = copy;
    REQUIRE(store_open(&n->store, n->db, &n->store_config) == ERR_NONE);
    n->config.store = n->store;
    REQUIRE(node_new(&n->node, &n->config) == ERR_NONE);
    t->people[who].is_restored = is_restored;
    open_person(t, who);
}

void town_restore_db(struct town *t, int who, struct db *copy)
{
    put_db(t, who, copy, true);
}

enum err town_rebirth(struct town *t, int who, struct bytes file, const struct backup_key *key)
{
    struct person *p = &t->people[who];
    struct messenger_config c = config_of(t, who);
    struct archive *archive;
    uint32_t friends;
    struct db *fresh;

    REQUIRE(db_open_mem(&fresh) == ERR_NONE && archive_open(&archive, fresh, &p->sealer) == ERR_NONE);
    c.archive = archive;
    c.node = NULL;
    c.store = NULL;
    enum err e = messenger_restore(&c, file, key, &friends);
    if (e == ERR_NONE)
        CHECK_ERR("", messenger_restore(&c, file, key, &friends), ERR_EXISTS);
    REQUIRE(e != ERR_NONE || db_commit(fresh) == ERR_NONE);
    archive_close(archive);
    if (e == ERR_NONE)
        put_db(t, who, fresh, false);
    else
        db_close(fresh);
    return e;
}
