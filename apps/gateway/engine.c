/* apps/gateway/engine.c - see engine.h */
#define _DEFAULT_SOURCE
#include "apps/gateway/engine.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "apps/gateway/engine_sql.h"
#include "apps/gateway/pg.h"
#include "apps/service/clock.h"
#include "crypto/random.h"
#include "mesh/base/reader.h"
#include "mesh/base/writer.h"

enum {
    BATCH_MAX = 256, BATCH_BYTES = 1 << 20, PAGE_MAX = 256, REMOVALS_MAX = 1 << 16,
    HOLD_MS = 2000,            /* an engine that is away or slow keeps users waiting so long */
    TICK_MS = 250, TAIL_EVERY_MS = 1000, TEND_EVERY_MS = 600000, KEEP_EVERY_MS = 10000, RETRY_MS = 1000, REREAD = 1000,
    OID_INT4 = 23, OID_INT8 = 20, OID_TEXT = 25, OID_INT4_ARRAY = 1007, OID_BYTEA = 17, OID_BYTEA_ARRAY = 1001,
    ARRAY_HEAD_LEN = 20, SPOOL_PERCENT_MAX = 50, OCTETS = 256, NAME_LEN = 24,
    REMOVAL_HEAD_LEN = 8, REMOVAL_KEY_LEN = REMOVAL_HEAD_LEN + 1 + 8, REMOVAL_LEN = 4 + 16,
};

static const char SQL_PUT[] =
    "WITH new AS (SELECT * FROM unnest($1::int4[], $2::bytea[], $3::int4[], $4::int4[], $5::int4[], $6::bytea[])"
    " AS t(day, id, bucket, life, hops, body)),"
    " put AS (INSERT INTO bundles (day, id, bucket, deadline, source, hops, body)"
    " SELECT day, id, bucket, now() + life * interval '1 second', $7, hops, body FROM new ON CONFLICT (day, id) DO NOTHING RETURNING id)"
    " SELECT b.id FROM new n JOIN bundles b ON b.day = n.day AND b.id = n.id WHERE b.body IS NULL"
    " UNION ALL SELECT decode(pg_notify('staffetta', '')::text, 'hex') WHERE EXISTS (SELECT 1 FROM put)";
static const char SQL_REMOVE[] =
    "WITH gone AS (INSERT INTO bundles AS b (day, id, bucket, deadline, source, hops, body)"
    " SELECT day, id, 0, now() + interval '15 days', $3, 0, NULL FROM unnest($1::int4[], $2::bytea[]) AS t(day, id)"
    " ON CONFLICT (day, id) DO UPDATE SET body = NULL, source = $3, change = pg_current_xact_id() WHERE b.body IS NOT NULL RETURNING 1)"
    " SELECT pg_notify('staffetta', '') WHERE EXISTS (SELECT 1 FROM gone)";
/* What became visible since the snapshot of `$1`, in pages; and the oldest transaction that is under way now. */
static const char SQL_TAIL[] =
    "SELECT pg_snapshot_xmin(pg_current_snapshot()), r.change, r.day, r.id, r.hops, r.life, r.body FROM (SELECT 1) one LEFT JOIN LATERAL"
    " (SELECT change, day, id, hops, ceil(extract(epoch FROM deadline - now()) / 3600)::int4 AS life, body FROM bundles"
    " WHERE (change, day, id) > ($1::xid8, $2::int4, $3::bytea) AND source <> $4 AND deadline > now()"
    " AND (body IS NULL OR (bucket >> 16) = ANY($5::int4[])) ORDER BY change, day, id LIMIT 256) r ON true";
static const char SQL_LOAD[] =
    "SELECT day, id, hops, ceil(extract(epoch FROM deadline - now()) / 3600)::int4, body FROM bundles"
    " WHERE (bucket >> 16) = $1 AND body IS NOT NULL AND deadline > now() AND (day, id) > ($2, $3) ORDER BY day, id LIMIT 256";

/* `number` names it in the database of this gateway, where it stands until the cluster knows. */
struct removal { uint64_t number; uint32_t day; struct bundle_id id; };

/* Where a reader goes on. */
struct place { uint64_t change; uint32_t day; struct bundle_id id; };

struct shard {
    struct engine *e;
    unsigned index;
    char name[NAME_LEN];
    struct pg *writer, *reader;

    uint64_t pushed;             /* all of ours up to this arrival number is in the database */
    uint64_t pushing[BATCH_MAX]; /* the batch under way */
    size_t pushing_count;
    uint64_t progress_ms;        /* when a batch was last done, or there was nothing to do */
    uint64_t retry_at_ms;
    bool is_spooling;            /* what comes is acknowledged from the spool */
    bool is_spool_durable;       /* and all that waits is safe from eviction, durably */
    uint64_t tended_ms;
    bool is_tended;
    bool has_schema;             /* the writer has made sure of it */
    struct removal *removals;
    size_t removal_count, removing_count;
    uint64_t removal_next;

    uint64_t tail_from;          /* rows of this transaction and later are yet to be read */
    uint64_t tail_next;          /* the same once this sweep is through */
    struct place at;             /* of the sweep */
    bool is_sweeping, is_told;
    uint64_t swept_ms, kept_ms, kept_from;
    int loading;                 /* first octet, or -1 */
    struct place load_at;
    bool is_load_whole;
};

struct engine {
    struct event_base *base;
    const struct log *log;
    struct db *db;
    struct store *store;
    struct node *node;
    struct host *host;
    struct event *tick;
    uint64_t source;
    uint8_t followed[MAILBOX_OCTETS_LEN];   /* first octets of buckets that users asked for */
    uint8_t complete[MAILBOX_OCTETS_LEN];   /* all that the cluster holds of them is here */
    uint8_t wanted[MAILBOX_OCTETS_LEN];     /* to be loaded */
    size_t shard_count;
    struct shard shards[GW_DATABASES_MAX];
};

static bool has(const uint8_t *map, unsigned i)
{
    return (map[i >> 3] >> (i & 7) & 1) != 0;
}

static void set(uint8_t *map, unsigned i, bool is_set)
{
    map[i >> 3] = (uint8_t)((map[i >> 3] & ~(1u << (i & 7))) | (unsigned)is_set << (i & 7));
}

static unsigned octet_of(uint32_t bucket)
{
    return bucket >> 16 & 0xff;
}

static struct shard *shard_of(struct engine *e, unsigned octet)
{
    return &e->shards[octet * e->shard_count / OCTETS];
}

static uint32_t day_of_expiry(uint32_t expiry_h)
{
    return expiry_h / 24;
}

static bool is_pushed_kind(const struct shard *s, const struct store_entry *entry)
{
    return entry->contributor != CONTRIBUTOR_IMPORT && shard_of(s->e, octet_of(entry->bucket)) == s;
}

/* ---- Numbers of a shard that outlive the program ---- */

static void number_key(char key[NAME_LEN], const char *what, unsigned index)
{
    snprintf(key, NAME_LEN, "engine %s %u", what, index);
}

static uint64_t number_read(struct db *db, const char *what, unsigned index)
{
    char key[NAME_LEN];
    struct bytes value;

    number_key(key, what, index);
    if (db_get(db, DB_META, bytes_of_text(key), &value) != ERR_NONE || value.len != 8)
        return 0;
    struct reader r = reader_of(value);
    return reader_u64(&r);
}

static void number_write(struct db *db, const char *what, unsigned index, uint64_t v)
{
    char key[NAME_LEN];
    uint8_t octets[8];
    struct writer w = writer_of(octets, sizeof octets);

    number_key(key, what, index);
    writer_u64(&w, v);
    (void)db_put(db, DB_META, bytes_of_text(key), writer_bytes(&w));   /* the commit says so */
}

/* ---- Removals that the cluster does not know of yet: durable with what they removed ---- */

static const char REMOVAL_HEAD[] = "removal ";

static struct bytes removal_key(uint8_t key[REMOVAL_KEY_LEN], unsigned index, uint64_t number)
{
    memcpy(key, REMOVAL_HEAD, REMOVAL_HEAD_LEN);
    key[REMOVAL_HEAD_LEN] = (uint8_t)index;
    for (unsigned i = 0; i < 8; i++)   /* big-endian: found again in this order */
        key[REMOVAL_HEAD_LEN + 1 + i] = (uint8_t)(number >> (56 - 8 * i));
    return bytes_of(key, REMOVAL_KEY_LEN);
}

/* Too many: what is beyond goes with its day. */
static void removal_add(struct shard *s, uint32_t day, const struct bundle_id *id)
{
    uint8_t key[REMOVAL_KEY_LEN], value[REMOVAL_LEN];
    struct writer w = writer_of(value, sizeof value);

    if (s->removal_count == REMOVALS_MAX)
        return;
    writer_u32(&w, day);
    writer_copy(&w, bytes_of(id->octets, sizeof id->octets));
    (void)db_put(s->e->db, DB_META, removal_key(key, s->index, s->removal_next), writer_bytes(&w));   /* the commit says so */
    s->removals[s->removal_count++] = (struct removal){ s->removal_next++, day, *id };
}

static void removals_done(struct shard *s, size_t count)
{
    uint8_t key[REMOVAL_KEY_LEN];

    for (size_t i = 0; i < count; i++)
        (void)db_delete(s->e->db, DB_META, removal_key(key, s->index, s->removals[i].number));
    s->removal_count -= count;
    memmove(s->removals, s->removals + count, s->removal_count * sizeof *s->removals);
}

static bool removal_load(void *ctx, struct bytes key, struct bytes value)
{
    struct shard *s = ctx;
    struct reader k = reader_of(key), r = reader_of(value);
    struct removal one = { 0 };
    char head[REMOVAL_HEAD_LEN];

    reader_copy(&k, head, sizeof head);
    if (k.failed || memcmp(head, REMOVAL_HEAD, sizeof head) != 0 || reader_u8(&k) != s->index || s->removal_count == REMOVALS_MAX)
        return false;
    for (unsigned i = 0; i < 8; i++)
        one.number = one.number << 8 | reader_u8(&k);
    one.day = reader_u32(&r);
    reader_copy(&r, one.id.octets, sizeof one.id.octets);
    s->removal_next = one.number + 1;
    if (reader_is_done(&k) && reader_is_done(&r))
        s->removals[s->removal_count++] = one;
    return true;
}

static enum err removals_load(struct shard *s)
{
    uint8_t key[REMOVAL_KEY_LEN];

    return db_walk(s->e->db, DB_META, removal_key(key, s->index, 0), removal_load, s);
}

/* ---- PostgreSQL's binary formats: big-endian ---- */

static void put_be32(struct writer *w, uint32_t v)
{
    uint8_t octets[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

    writer_copy(w, bytes_of(octets, sizeof octets));
}

static void put_be64(uint8_t to[8], uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_be(const PGresult *r, int row, int column, int len)
{
    const uint8_t *at = (const uint8_t *)PQgetvalue(r, row, column);
    uint64_t v = 0;

    if (PQgetisnull(r, row, column) || PQgetlength(r, row, column) != len)
        return 0;
    for (int i = 0; i < len; i++)
        v = v << 8 | at[i];
    return v;
}

static bool get_id(const PGresult *r, int row, int column, struct bundle_id *id)
{
    if (PQgetisnull(r, row, column) || PQgetlength(r, row, column) != (int)sizeof id->octets)
        return false;
    memcpy(id->octets, PQgetvalue(r, row, column), sizeof id->octets);
    return true;
}

static void begin_array(struct writer *w, uint32_t type, size_t count)
{
    put_be32(w, 1);
    put_be32(w, 0);
    put_be32(w, type);
    put_be32(w, (uint32_t)count);
    put_be32(w, 1);
}

static void put_int(struct writer *w, uint32_t v)
{
    put_be32(w, 4);
    put_be32(w, v);
}

static void put_octets(struct writer *w, struct bytes b)
{
    put_be32(w, (uint32_t)b.len);
    writer_copy(w, b);
}

static struct pg_param param_of(Oid type, const struct writer *w)
{
    struct bytes b = writer_bytes(w);

    return (struct pg_param){ type, b.at, (int)b.len, false };
}

/* ---- Into the database ---- */

struct gathering { struct shard *s; uint64_t seen; size_t bytes; bool is_full; };

static bool gather_one(void *ctx, const struct store_entry *entry)
{
    struct gathering *g = ctx;
    struct shard *s = g->s;

    if (is_pushed_kind(s, entry)) {
        g->is_full = s->pushing_count == BATCH_MAX || (s->pushing_count > 0 && g->bytes + entry->len > BATCH_BYTES);
        if (g->is_full)
            return false;
        s->pushing[s->pushing_count++] = entry->seq;
        g->bytes += entry->len;
    }
    g->seen = entry->seq;
    return true;
}

static void gather(struct shard *s, struct gathering *g)
{
    *g = (struct gathering){ .s = s, .seen = s->pushed };
    s->pushing_count = 0;
    store_walk_since(s->e->store, s->pushed, gather_one, g);
}

static bool is_of_shard(void *ctx, const struct store_entry *entry)
{
    struct gathering *g = ctx;

    g->is_full = is_pushed_kind(g->s, entry);
    if (!g->is_full)
        g->seen = entry->seq;
    return !g->is_full;
}

/* Something waits to flow on. Goes past what does not. */
static bool has_waiting(struct shard *s)
{
    struct gathering g = { .s = s, .seen = s->pushed };

    store_walk_since(s->e->store, s->pushed, is_of_shard, &g);
    if (s->pushing_count == 0)
        s->pushed = g.seen;
    return g.is_full;
}

/* A bundle in the spool goes back to the share it would have had. */
static void let_go(struct engine *e, uint64_t seq)
{
    const struct store_entry *at = store_find_seq(e->store, seq);

    if (at == NULL || at->quota_class != QUOTA_OWN)
        return;
    struct store_entry entry = *at;
    entry.quota_class = entry.bundle_class == CLASS_SOS ? QUOTA_SOS : entry.bundle_class == CLASS_PUBLIC ? QUOTA_PUBLIC : QUOTA_STRANGER;
    (void)store_update(e->store, &entry);
}

static void push(struct shard *s);

static void on_pushed(void *ctx, const PGresult *result)
{
    struct shard *s = ctx;
    struct engine *e = s->e;
    struct bundle_id id;

    if (result == NULL) {
        s->pushing_count = 0;
        s->retry_at_ms = host_now_ms(e->host) + RETRY_MS;
        return;
    }
    s->progress_ms = host_now_ms(e->host);
    for (size_t i = 0; i < s->pushing_count; i++)
        let_go(e, s->pushing[i]);
    if (s->pushing_count > 0)
        s->pushed = s->pushing[s->pushing_count - 1];
    s->pushing_count = 0;
    number_write(e->db, "pushed", s->index, s->pushed);
    /* Delivered before it came here. */
    for (int row = 0; row < PQntuples(result); row++)
        if (get_id(result, row, 0, &id))
            (void)node_release(e->node, &id, NULL, host_now_ms(e->host));
    host_poke(e->host);
    push(s);
}

static void send_batch(struct shard *s, size_t bytes)
{
    static const Oid types[] = { OID_INT4_ARRAY, OID_BYTEA_ARRAY, OID_INT4_ARRAY, OID_INT4_ARRAY, OID_INT4_ARRAY, OID_BYTEA_ARRAY };
    struct engine *e = s->e;
    size_t count = s->pushing_count, ints = ARRAY_HEAD_LEN + 8 * count, ids = ARRAY_HEAD_LEN + 20 * count;
    size_t lens[] = { ints, ids, ints, ints, ints, ARRAY_HEAD_LEN + 4 * count + bytes };
    struct pg_param params[7];
    struct writer w[6];
    uint8_t source[8], *block = malloc(4 * ints + ids + lens[5]), *to = block;
    uint32_t now_s = store_clock_s(e->store);
    struct bytes body;

    if (block == NULL) {
        s->pushing_count = 0;
        return;
    }
    for (size_t i = 0; i < 6; i++) {
        w[i] = writer_of(to, lens[i]);
        begin_array(&w[i], types[i] == OID_BYTEA_ARRAY ? OID_BYTEA : OID_INT4, count);
        to += lens[i];
    }
    for (size_t i = 0; i < count; i++) {
        const struct store_entry *entry = store_find_seq(e->store, s->pushing[i]);

        put_int(&w[0], day_of_expiry(entry->expiry_h));
        put_octets(&w[1], bytes_of(entry->id.octets, sizeof entry->id.octets));
        put_int(&w[2], entry->bucket);
        put_int(&w[3], entry->deadline_s > now_s ? entry->deadline_s - now_s : 0);
        put_int(&w[4], entry->hops);
        if (store_read(e->store, entry, &body) != ERR_NONE || body.len != entry->len)
            body = bytes_of(NULL, 0);   /* unreadable on our disk: readers pass over it */
        put_octets(&w[5], body);
    }
    for (size_t i = 0; i < 6; i++)
        params[i] = param_of(types[i], &w[i]);
    put_be64(source, e->source);
    params[6] = (struct pg_param){ OID_INT8, source, sizeof source, false };
    pg_query(s->writer, SQL_PUT, params, 7, on_pushed, s);
    free(block);
}

static void on_removed(void *ctx, const PGresult *result)
{
    struct shard *s = ctx;

    if (result == NULL)
        s->retry_at_ms = host_now_ms(s->e->host) + RETRY_MS;
    else
        removals_done(s, s->removing_count);
    s->removing_count = 0;
    host_poke(s->e->host);
}

static void send_removals(struct shard *s)
{
    uint8_t days[ARRAY_HEAD_LEN + 8 * BATCH_MAX], ids[ARRAY_HEAD_LEN + 20 * BATCH_MAX], source[8];
    struct writer d = writer_of(days, sizeof days), w = writer_of(ids, sizeof ids);

    s->removing_count = s->removal_count < BATCH_MAX ? s->removal_count : BATCH_MAX;
    begin_array(&d, OID_INT4, s->removing_count);
    begin_array(&w, OID_BYTEA, s->removing_count);
    for (size_t i = 0; i < s->removing_count; i++) {
        put_int(&d, s->removals[i].day);
        put_octets(&w, bytes_of(s->removals[i].id.octets, sizeof s->removals[i].id.octets));
    }
    put_be64(source, s->e->source);
    struct pg_param params[] = { param_of(OID_INT4_ARRAY, &d), param_of(OID_BYTEA_ARRAY, &w), { OID_INT8, source, sizeof source, false } };
    pg_query(s->writer, SQL_REMOVE, params, 3, on_removed, s);
}

static void on_tended(void *ctx, const PGresult *result)
{
    struct shard *s = ctx;

    (void)result;
    host_poke(s->e->host);
}

static void send_tend(struct shard *s, uint64_t now_ms)
{
    char text[16];

    s->is_tended = true;
    s->tended_ms = now_ms;
    snprintf(text, sizeof text, "%u", day_of_unix(clock_wall_unix_s()));
    struct pg_param today = { OID_TEXT, text, 0, true };
    pg_query(s->writer, "SELECT staffetta_tend($1::int4)", &today, 1, on_tended, s);
}

static void push(struct shard *s)
{
    uint64_t now_ms = host_now_ms(s->e->host);
    struct gathering g;

    if (!pg_is_idle(s->writer) || now_ms < s->retry_at_ms)
        return;
    if (!s->is_tended || now_ms - s->tended_ms >= TEND_EVERY_MS) {
        send_tend(s, now_ms);
        return;
    }
    if (s->removal_count > 0) {
        send_removals(s);
        return;
    }
    gather(s, &g);
    if (s->pushing_count > 0)
        send_batch(s, g.bytes);
    else
        s->pushed = g.seen;
}

/* ---- The spool ---- */

struct marking { struct shard *s; uint64_t next; bool is_any; };

static bool find_evictable(void *ctx, const struct store_entry *entry)
{
    struct marking *m = ctx;

    m->is_any = is_pushed_kind(m->s, entry) && entry->quota_class != QUOTA_OWN;
    m->next = entry->seq;
    return !m->is_any;
}

static bool has_spool_room(const struct engine *e)
{
    struct store_usage u;

    store_usage(e->store, &u);
    return u.class_bytes[QUOTA_OWN] < u.capacity_bytes / 100 * SPOOL_PERCENT_MAX;
}

static void keep(struct engine *e, const struct store_entry *at)
{
    struct store_entry entry = *at;

    entry.quota_class = QUOTA_OWN;
    (void)store_update(e->store, &entry);   /* a failure is the commit's */
}

/* All that waits is made safe from eviction; false: the spool is full, and what is left waits for the engine. */
static bool keep_waiting(struct shard *s)
{
    struct marking m = { .s = s, .next = s->pushed };

    for (;;) {
        m.is_any = false;
        store_walk_since(s->e->store, m.next, find_evictable, &m);
        if (!m.is_any)
            return true;
        if (!has_spool_room(s->e))
            return false;
        keep(s->e, store_find_seq(s->e->store, m.next));
    }
}

/* Up to which arrival number users may be told that what they brought is safe. */
static uint64_t settled_by(struct shard *s, uint64_t now_ms)
{
    if (!has_waiting(s)) {
        s->progress_ms = now_ms;
        if (s->is_spooling)
            log_line(s->e->log, LOG_LEVEL_INFO, "%s: all that was spooled has flowed on", s->name);
        s->is_spooling = s->is_spool_durable = false;
        return UINT64_MAX;
    }
    if (!s->is_spooling && now_ms - s->progress_ms >= HOLD_MS) {
        s->is_spooling = true;
        log_line(s->e->log, LOG_LEVEL_WARNING, "%s: away or slow; what comes is kept in the spool until it is back", s->name);
    }
    if (!s->is_spooling)
        return s->pushed;
    /* What was marked before this turn is durable by now; what is marked now in the next. */
    bool was_durable = s->is_spool_durable, is_dirty = db_is_dirty(s->e->db);
    s->is_spool_durable = keep_waiting(s);
    if (db_is_dirty(s->e->db) && !is_dirty)
        host_poke(s->e->host);
    return was_durable && s->is_spool_durable && !db_is_dirty(s->e->db) ? UINT64_MAX : s->pushed;
}

/* ---- Out of the database ---- */

static bool import(struct engine *e, const PGresult *r, int row, int hops, int life, int body)
{
    uint64_t hours = get_be(r, row, life, 4);
    struct bytes bundle = bytes_of((const uint8_t *)PQgetvalue(r, row, body), (size_t)PQgetlength(r, row, body));
    enum err why = node_import(e->node, bundle, (uint8_t)get_be(r, row, hops, 4), (uint16_t)(hours < UINT16_MAX ? hours : 0), host_now_ms(e->host));

    return why == ERR_NONE || why == ERR_EXISTS || why == ERR_MALFORMED || why == ERR_EXPIRED;
}

static void read_on(struct shard *s);

static void on_swept(void *ctx, const PGresult *r)
{
    struct shard *s = ctx;
    struct engine *e = s->e;
    struct place at = s->at;
    int rows = r != NULL ? PQntuples(r) : 0;

    s->swept_ms = host_now_ms(e->host);
    if (rows == 0) {
        s->is_sweeping = false;
        return;
    }
    if (s->tail_next == 0)
        s->tail_next = get_be(r, 0, 0, 8);
    for (int row = 0; row < rows && get_id(r, row, 3, &at.id); row++) {
        at.change = get_be(r, row, 1, 8);
        at.day = (uint32_t)get_be(r, row, 2, 4);
        if (PQgetisnull(r, row, 6))
            (void)node_release(e->node, &at.id, NULL, s->swept_ms);
        else
            (void)import(e, r, row, 4, 5, 6);
        host_poke(e->host);
    }
    s->at = at;
    if (rows < PAGE_MAX) {
        s->is_sweeping = false;
        s->tail_from = s->tail_next;
        if (s->tail_from != s->kept_from && s->swept_ms - s->kept_ms >= KEEP_EVERY_MS) {
            number_write(e->db, "read", s->index, s->tail_from);
            s->kept_from = s->tail_from;
            s->kept_ms = s->swept_ms;
            host_poke(e->host);
        }
    }
    read_on(s);
}

static void send_sweep(struct shard *s)
{
    uint8_t octets[ARRAY_HEAD_LEN + 8 * OCTETS], change[8], day[4], source[8];
    struct writer w = writer_of(octets, sizeof octets), d = writer_of(day, sizeof day);
    size_t count = 0;

    if (!s->is_sweeping) {
        s->is_sweeping = true;
        s->is_told = false;
        s->tail_next = 0;
        /* From the beginning of that transaction. A cluster that is new to us: from now on. */
        s->at = (struct place){ .change = s->tail_from > 0 ? s->tail_from - 1 : INT64_MAX, .day = INT32_MAX };
        memset(s->at.id.octets, 0xff, sizeof s->at.id.octets);
    }
    for (unsigned i = 0; i < OCTETS; i++)
        count += has(s->e->followed, i);
    begin_array(&w, OID_INT4, count);
    for (unsigned i = 0; i < OCTETS; i++)
        if (has(s->e->followed, i))
            put_int(&w, i);
    put_be64(change, s->at.change);
    put_be32(&d, s->at.day);
    put_be64(source, s->e->source);
    struct pg_param params[] = { { 5069, change, sizeof change, false }, param_of(OID_INT4, &d),
                                 { OID_BYTEA, s->at.id.octets, sizeof s->at.id.octets, false }, { OID_INT8, source, sizeof source, false },
                                 param_of(OID_INT4_ARRAY, &w) };
    pg_query(s->reader, SQL_TAIL, params, 5, on_swept, s);
}

static void on_loaded(void *ctx, const PGresult *r)
{
    struct shard *s = ctx;
    struct engine *e = s->e;
    int rows = r != NULL ? PQntuples(r) : 0;

    for (int row = 0; row < rows; row++) {
        s->load_at.day = (uint32_t)get_be(r, row, 0, 4);
        (void)get_id(r, row, 1, &s->load_at.id);
        s->is_load_whole = import(e, r, row, 2, 3, 4) && s->is_load_whole;
    }
    if (rows > 0)
        host_poke(e->host);
    if (rows < PAGE_MAX) {
        set(e->complete, (unsigned)s->loading, r != NULL && s->is_load_whole);
        s->loading = -1;
    }
    read_on(s);
}

static void send_load(struct shard *s)
{
    uint8_t octet[4], day[4];
    struct writer o = writer_of(octet, sizeof octet), d = writer_of(day, sizeof day);

    put_be32(&o, (uint32_t)s->loading);
    put_be32(&d, s->load_at.day);
    struct pg_param params[] = { param_of(OID_INT4, &o), param_of(OID_INT4, &d),
                                 { OID_BYTEA, s->load_at.id.octets, sizeof s->load_at.id.octets, false } };
    pg_query(s->reader, SQL_LOAD, params, 3, on_loaded, s);
}

static bool next_load(struct shard *s)
{
    struct engine *e = s->e;

    for (unsigned i = 0; i < OCTETS && s->loading < 0; i++) {
        if (!has(e->wanted, i) || shard_of(e, i) != s)
            continue;
        set(e->wanted, i, false);
        /* Followed from before the first page on, so that nothing falls between the pages and what comes. */
        s->loading = (int)i;
        s->load_at = (struct place){ .day = 0 };
        s->is_load_whole = true;
    }
    return s->loading >= 0;
}

/* What comes goes before what was there. */
static void read_on(struct shard *s)
{
    uint64_t now_ms = host_now_ms(s->e->host);

    if (!pg_is_idle(s->reader) || !s->has_schema)
        return;
    if (s->is_sweeping || s->is_told || now_ms - s->swept_ms >= TAIL_EVERY_MS)
        send_sweep(s);
    else if (next_load(s))
        send_load(s);
}

/* ---- Up and down ---- */

static void on_writer_up(void *ctx, const PGresult *setup)
{
    struct shard *s = ctx;

    log_line(s->e->log, LOG_LEVEL_INFO, "%s: connected", s->name);
    if (PQntuples(setup) == 1 && PQgetlength(setup, 0, 0) == 0)
        log_line(s->e->log, LOG_LEVEL_WARNING, "%s: has no synchronous standby (synchronous_standby_names); what it acknowledges is on one disk only", s->name);
    if (PQntuples(setup) == 1 && strcmp(PQgetvalue(setup, 0, 1), "on") != 0)
        log_line(s->e->log, LOG_LEVEL_WARNING, "%s: runs without fsync; what it acknowledges may be lost", s->name);
    s->retry_at_ms = 0;
    s->has_schema = true;
    push(s);
    read_on(s);
}

static void on_writer_down(void *ctx)
{
    struct shard *s = ctx;

    /* Whether the batch got there nobody knows: it is sent again, and its ids tell. */
    s->pushing_count = s->removing_count = 0;
}

static void on_reader_up(void *ctx, const PGresult *setup)
{
    struct shard *s = ctx;

    (void)setup;
    /* A standby that was promoted may give out again a few numbers of transactions that came to nothing. */
    if (s->tail_from > 0)
        s->tail_from = s->tail_from > REREAD ? s->tail_from - REREAD : 1;
    s->is_told = true;
    read_on(s);
}

static void on_reader_down(void *ctx)
{
    struct shard *s = ctx;

    s->is_sweeping = false;
    if (s->loading >= 0)
        set(s->e->wanted, (unsigned)s->loading, true);
    s->loading = -1;
}

static void on_reader_told(void *ctx)
{
    struct shard *s = ctx;

    s->is_told = true;
    read_on(s);
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}

/* ---- The turn ---- */

void engine_on_event(struct engine *e, const struct node_event *event)
{
    unsigned octet = octet_of(event->entry.bucket);
    struct shard *s = shard_of(e, octet);

    if (event->kind == NODE_DROPPED && event->why == ERR_NONE)
        removal_add(s, day_of_expiry(event->entry.expiry_h), &event->entry.id);
    else if (event->kind == NODE_DROPPED && event->why == ERR_FULL)
        set(e->complete, octet, false);
    else if (event->kind == NODE_STORED && s->is_spooling && is_pushed_kind(s, &event->entry) && has_spool_room(e)) {
        const struct store_entry *at = store_find(e->store, &event->entry.id);
        if (at != NULL)
            keep(e, at);
    }
}

void engine_on_turn(struct engine *e)
{
    uint64_t now_ms = host_now_ms(e->host), settled = UINT64_MAX;
    uint8_t fetched[MAILBOX_OCTETS_LEN];

    if (node_fetched(e->node, fetched)) {
        for (unsigned i = 0; i < OCTETS; i++) {
            if (has(fetched, i) && !has(e->complete, i))
                set(e->wanted, i, true);
            if (has(fetched, i))
                set(e->followed, i, true);
        }
    }
    for (size_t i = 0; i < e->shard_count; i++) {
        struct shard *s = &e->shards[i];
        uint64_t one = settled_by(s, now_ms);

        settled = one < settled ? one : settled;
        push(s);
        read_on(s);
    }
    if (node_settled(e->node, settled))
        host_poke(e->host);
}

void engine_info(const struct engine *e, struct engine_info *out)
{
    uint64_t now_ms = host_now_ms(e->host);
    struct store_usage u;

    memset(out, 0, sizeof *out);
    store_usage(e->store, &u);
    out->databases = e->shard_count;
    out->spooled = u.class_count[QUOTA_OWN];
    out->is_spool_full = !has_spool_room(e);
    for (size_t i = 0; i < e->shard_count; i++) {
        const struct shard *s = &e->shards[i];

        out->connected += pg_is_up(s->writer) && s->has_schema;
        out->spooling += s->is_spooling;
        out->removals += s->removal_count;
        if (s->is_spooling && now_ms - s->progress_ms > out->lag_ms)
            out->lag_ms = now_ms - s->progress_ms;
    }
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    engine_on_turn(ctx);
}

/* ---- Life ---- */

static enum err shard_open(struct shard *s, const struct gw_config *config)
{
    struct engine *e = s->e;
    struct pg_events writer = { s, on_writer_up, on_writer_down, on_nothing }, reader = { s, on_reader_up, on_reader_down, on_reader_told };
    enum err why;

    snprintf(s->name, sizeof s->name, "database %u", s->index + 1);
    s->loading = -1;
    s->pushed = number_read(e->db, "pushed", s->index);
    s->tail_from = s->kept_from = number_read(e->db, "read", s->index);
    s->progress_ms = host_now_ms(e->host);
    if ((s->removals = malloc(REMOVALS_MAX * sizeof *s->removals)) == NULL)
        return ERR_NO_MEMORY;
    if ((why = removals_load(s)) != ERR_NONE)
        return why;
    if ((why = pg_new(&s->writer, e->base, e->log, s->name, config->database[s->index], engine_schema_sql, &writer)) != ERR_NONE)
        return why;
    return pg_new(&s->reader, e->base, e->log, s->name, config->database[s->index], "SET statement_timeout = '15s'; LISTEN staffetta", &reader);
}

/* Drawn with the data folder: rows that this gateway wrote are not read back. */
static uint64_t source_number(struct db *db)
{
    struct rng rng = rng_system();
    uint64_t v = number_read(db, "source", 0);

    if (v == 0) {
        v = rng_u64(&rng) >> 1 | 1;
        number_write(db, "source", 0, v);
    }
    return v;
}

enum err engine_new(struct engine **out, struct event_base *base, const struct log *log, const struct gw_config *config, struct db *db,
                    struct store *store, struct node *node, struct host *host)
{
    struct timeval every = { 0, TICK_MS * 1000 };
    struct engine *e = calloc(1, sizeof *e);
    enum err why = ERR_NONE;

    if (e == NULL)
        return ERR_NO_MEMORY;
    *e = (struct engine){ .base = base, .log = log, .db = db, .store = store, .node = node, .host = host, .shard_count = config->database_count };
    e->source = source_number(db);
    for (size_t i = 0; i < e->shard_count && why == ERR_NONE; i++) {
        e->shards[i].e = e;
        e->shards[i].index = (unsigned)i;
        why = shard_open(&e->shards[i], config);
    }
    if (why == ERR_NONE && (e->tick = event_new(base, -1, EV_PERSIST, on_tick, e)) == NULL)
        why = ERR_NO_MEMORY;
    if (why != ERR_NONE) {
        engine_free(e);
        return why;
    }
    event_add(e->tick, &every);
    *out = e;
    return ERR_NONE;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    if (e->tick != NULL)
        event_free(e->tick);
    for (size_t i = 0; i < e->shard_count; i++) {
        pg_free(e->shards[i].writer);
        pg_free(e->shards[i].reader);
        free(e->shards[i].removals);
    }
    free(e);
}
