/* apps/daemon/api_node.c - the node over the local API: status, neighbours, sticks. */
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "apps/daemon/api_call.h"
#include "apps/service/clock.h"
#include "apps/daemon/doctor.h"

/* ---- Status ---- */

static const char *person_name(enum person_state s)
{
    static const char *const names[] = {
        [PERSON_NONE] = "none", [PERSON_LOCKED] = "locked", [PERSON_OPEN] = "open", [PERSON_OFF] = "relay",
        [PERSON_DAMAGED] = "damaged",
    };
    return names[s];
}

static json_t *store_json(const struct parts *p)
{
    static const char *const classes[QUOTA_COUNT] = { "sos", "own", "friends", "strangers", "public" };
    struct store_usage u;

    if (p->store == NULL)
        return json_null();
    store_usage(p->store, &u);
    json_t *by_class = json_object();
    for (int i = 0; i < QUOTA_COUNT; i++)
        json_object_set_new(by_class, classes[i], json_pack("{s:I, s:I}", "bundles", (json_int_t)u.class_count[i],
                                                            "bytes", (json_int_t)u.class_bytes[i]));
    return json_pack("{s:I, s:I, s:I, s:i, s:I, s:b, s:o}", "bundles", (json_int_t)u.count, "bytes", (json_int_t)u.bytes,
                     "capacity", (json_int_t)u.capacity_bytes, "fill_percent", (int)u.fill_percent,
                     "file_bytes", (json_int_t)db_used_bytes(p->db), "disk_has_room", db_has_room(p->db), "classes", by_class);
}

static json_t *lan_json(const struct parts *p)
{
    struct lan_info l;

    if (p->lan == NULL)
        return json_null();
    lan_info(p->lan, &l);
    return json_pack("{s:i, s:i, s:i, s:b, s:I, s:I, s:I, s:I, s:s}", "port", (int)l.port, "interfaces", (int)l.interfaces,
                     "heard", (int)l.neighbours, "discovery", p->config->is_discovery_on, "beacons_in", (json_int_t)l.beacons_in,
                     "beacons_out", (json_int_t)l.beacons_out, "calls", (json_int_t)l.calls,
                     "calls_failed", (json_int_t)l.calls_failed, "last_error", l.last_error);
}

static json_t *bluetooth_json(const struct parts *p, const char **text)
{
    struct bluetooth_info b;

    *text = strcmp(p->config->bluetooth, "off") == 0 ? "off" : bluetooth_state_text(BLUETOOTH_NOT_BUILT);
    if (p->bluetooth == NULL)
        return json_null();
    bluetooth_info(p->bluetooth, &b);
    *text = b.state == BLUETOOTH_ON ? "on" : bluetooth_state_text(b.state);
    return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "adapter", b.adapter,
                     "power", power_source_name(p->power), "classic", strcmp(p->config->bluetooth_classic, "off") != 0,
                     "advertising", b.is_advertising, "scanning", b.is_scanning, "gatt", b.is_gatt_on, "private", b.is_private,
                     "heard", (int)b.neighbours, "links", (int)b.links, "adverts_in", (json_int_t)b.adverts_in,
                     "adverts_malformed", (json_int_t)b.adverts_malformed, "adverts_dropped", (json_int_t)b.adverts_dropped,
                     "calls", (json_int_t)b.calls, "calls_failed", (json_int_t)b.calls_failed,
                     "accepted", (json_int_t)b.accepted, "bus_faults", (json_int_t)b.bus_faults, "last_error", b.last_error);
}

static json_t *counters_json(const struct parts *p)
{
    struct node_counters n;

    if (p->node == NULL)
        return json_null();
    node_counters(p->node, &n);
    const struct { const char *key; uint64_t v; } rows[] = {
        { "bundles_in", n.bundles_in }, { "bundles_out", n.bundles_out }, { "duplicates_in", n.duplicates_in },
        { "refused_in", n.refused_in }, { "bytes_in", n.bytes_in }, { "bytes_out", n.bytes_out },
        { "handshakes", n.handshakes }, { "handshakes_failed", n.handshakes_failed }, { "faults", n.faults },
        { "sketches", n.sketches }, { "sketch_cells", n.sketch_cells }, { "lists", n.lists },
        { "antipackets", n.antipackets }, { "expired", n.expired }, { "evicted", n.evicted },
        { "oversized", n.oversized }, { "stamps_missing", n.stamps_missing }, { "stamps_made", n.stamps_made },
        { "rate_limited", n.rate_limited },
    };
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        json_object_set_new(o, rows[i].key, json_integer((json_int_t)rows[i].v));
    return o;
}

struct people { unsigned friends, requests, unread; };

static bool count_friend(void *ctx, const struct friend_info *f)
{
    struct people *n = ctx;

    n->friends++;
    n->requests += f->is_request;
    n->unread += f->unread;
    return true;
}

static json_t *nearness_json(uint16_t min)
{
    return min == NEARNESS_UNKNOWN ? json_null() : json_integer(min);
}

struct links { const struct parts *parts; json_t *list; unsigned ready; };

static void visit_link(void *ctx, uint32_t link, const char *label)
{
    static const char *const kinds[LINK_KIND_COUNT] = {
        [LINK_LAN] = "lan", [LINK_BLUETOOTH] = "bluetooth", [LINK_BLUETOOTH_GATT] = "bluetooth-gatt",
        [LINK_UPLINK] = "uplink", [LINK_SPOOL] = "spool", [LINK_SIM] = "simulator", [LINK_CLIENT] = "client", [LINK_PEER] = "peer",
    };
    struct links *l = ctx;
    struct node_link_info i;

    if (!node_link_info(l->parts->node, link, &i))
        return;
    l->ready += i.is_ready;
    if (l->list == NULL)
        return;
    uint64_t now_ms = parts_now_ms(l->parts);
    json_array_append_new(l->list, json_pack(
        "{s:s, s:s, s:b, s:b, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
        "address", label != NULL ? label : "unknown", "kind", kinds[i.kind], "ready", i.is_ready, "friend", i.is_friend,
        "settled", i.is_settled, "fill_percent", (int)i.peer_fill_percent,
        "connected_s", (json_int_t)(now_ms > i.since_ms ? (now_ms - i.since_ms) / 1000 : 0),
        "bytes_in", (json_int_t)i.bytes_in, "bytes_out", (json_int_t)i.bytes_out,
        "bundles_in", (json_int_t)i.bundles_in, "bundles_out", (json_int_t)i.bundles_out,
        "to_come", (json_int_t)i.bundles_to_come, "to_give", (json_int_t)i.bundles_to_give,
        "rtt_ms", (json_int_t)i.rtt_ms, "internet_min", nearness_json(i.nearness_min)));
}

static void walk_links(struct links *l)
{
    if (l->parts->host != NULL && l->parts->node != NULL)
        host_walk(l->parts->host, visit_link, l);
}

void api_status(struct api_call *c)
{
    const struct parts *p = c->parts;
    struct links links = { .parts = p };
    struct people people = { 0 };
    bool has_failed = p->store == NULL || p->needs_reopen;

    if (!api_fields(c, NULL, 0))
        return;
    walk_links(&links);
    if (p->messenger != NULL)
        (void)messenger_friends(p->messenger, count_friend, &people);
    const char *state = p->trouble[0] != '\0'                ? p->trouble
                        : has_failed                         ? "storage: opening"
                        : p->db != NULL && !db_has_room(p->db) ? "storage: the disk is nearly full; others' bundles are refused"
                                                               : "ok";
    const char *bluetooth_text;
    json_t *bluetooth = bluetooth_json(p, &bluetooth_text);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:o, s:s, s:i, s:I, s:i, s:o, s:o, s:o, s:{s:o, s:b}, s:{s:i, s:i, s:i}, s:s, s:o}",
        "version", STAFFETTA_VERSION, "state", state, "identity", person_name(p->person),
        "name", p->messenger != NULL ? json_string(messenger_name(p->messenger)) : json_null(), "data", p->paths->folder,
        "pid", (int)getpid(), "uptime_s", (json_int_t)((clock_now_ms() - p->started_ms) / 1000),
        "neighbours", (int)links.ready, "store", store_json(p), "lan", lan_json(p), "counters", counters_json(p),
        "clock", "time", api_time(c->wall_unix_s), "trusted", clock_is_synchronised(),
        "people", "friends", (int)people.friends, "requests", (int)people.requests, "unread", (int)people.unread,
        "bluetooth", bluetooth_text, "bluetooth_info", bluetooth);
    json_object_set_new(o, "internet_min", nearness_json(p->node != NULL ? node_nearness(p->node, parts_now_ms(p)) : NEARNESS_UNKNOWN));
    api_answer(c, 200, o);
}

void api_neighbours(struct api_call *c)
{
    struct links l = { .parts = c->parts };

    if (!api_fields(c, NULL, 0) || !api_needs_node(c))
        return;
    l.list = json_array();
    walk_links(&l);
    api_answer(c, 200, json_pack("{s:o}", "neighbours", l.list));
}

void api_doctor(struct api_call *c)
{
    if (api_fields(c, NULL, 0))
        api_answer(c, 200, json_pack("{s:o}", "checks", doctor_checks(c->parts)));
}

/* ---- Sticks ---- */

/* The daemon may run as somebody else than who asks. */
static const char *user_name(void)
{
    const struct passwd *p = getpwuid(geteuid());

    return p != NULL ? p->pw_name : "it";
}

/* The caller's folder is not ours, so only a path from the root means the same to both. */
static bool take_path(struct api_call *c, char to[PROFILE_PATH_MAX])
{
    struct bytes path = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "path", API_TEXT, true, 1, PROFILE_PATH_MAX - 1, &path } };

    if (!api_fields(c, fields, 1) || !api_needs_node(c))
        return false;
    memcpy(to, path.at, path.len);
    to[path.len] = '\0';
    if (to[0] == '/')
        return true;
    api_refuse(c, 400, "malformed", "\"path\" has to begin with /");
    return false;
}

static void answer_spool(struct api_call *c, const char *path, const struct spool_result *r)
{
    api_answer(c, 200, json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "path", path, "bundles", (json_int_t)r->bundles,
                                 "known", (json_int_t)r->known, "refused", (json_int_t)r->refused,
                                 "bytes", (json_int_t)r->bytes, "damaged", r->is_damaged));
}

void api_export(struct api_call *c)
{
    struct spool_result r = { 0 };
    char path[PROFILE_PATH_MAX];

    if (!take_path(c, path))
        return;
    enum err e = spool_export(c->parts->node, c->parts->store, path, 0, &r);
    if (e == ERR_FULL)
        api_refuse(c, 507, "full", "there is no room for %.400s: use a larger stick", path);
    else if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", "the folder of %.400s does not exist; is the stick mounted?", path);
    else if (e == ERR_IO)
        api_refuse(c, 500, "io", "%.400s cannot be written; is the stick mounted, and may %s (the daemon's user) write there?", path,
                   user_name());
    else if (e != ERR_NONE)
        api_fail(c, e, "the export");
    else
        answer_spool(c, path, &r);
}

void api_import(struct api_call *c)
{
    struct spool_result r = { 0 };
    char path[PROFILE_PATH_MAX];

    if (!take_path(c, path))
        return;
    enum err e = spool_import(c->parts->node, path, parts_drain, c->parts, c->now_ms, &r);
    switch (e) {
    case ERR_NONE:
        answer_spool(c, path, &r);
        break;
    case ERR_NOT_FOUND:
        api_refuse(c, 404, "not-found", "%.400s does not exist", path);
        break;
    case ERR_MALFORMED:
        api_refuse(c, 400, "malformed", "%.400s is no file that `staffetta export` wrote", path);
        break;
    case ERR_VERSION:
        api_refuse(c, 422, "version", "%.400s was written by a newer Staffetta: update this one", path);
        break;
    case ERR_FULL:
    case ERR_IO:
        /* It commits by itself, and a failed commit leaves memory ahead of the disk; opening anew is right for both. */
        c->parts->needs_reopen = true;
        api_refuse(c, e == ERR_FULL ? 507 : 500, e == ERR_FULL ? "full" : "io",
                   e == ERR_FULL ? "the disk is full; what was taken in before stays (%.300s)"
                                 : "%.300s cannot be read to its end, or the disk failed", path);
        break;
    default:
        api_fail(c, e, "the import");
        break;
    }
}
