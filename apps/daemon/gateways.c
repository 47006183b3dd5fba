/* apps/daemon/gateways.c - see gateways.h */
#define _DEFAULT_SOURCE
#include "apps/daemon/gateways.h"

#include <stdlib.h>
#include <string.h>

#include "apps/service/clock.h"

enum { LINK_FILE_MAX = 64 * 1024, BUDGET_KEEP_BYTES = 1024 * 1024, BUDGET_KEEP_SHARE = 20, BUDGET_DAY_S = 86400 };

struct listing { struct parts *parts; struct gateway *at; size_t count; };

static void add_one(struct listing *l, const struct gateway *g)
{
    for (size_t i = 0; i < l->count; i++)
        if (memcmp(l->at[i].id, g->id, sizeof g->id) == 0)
            return;
    if (l->count < UPLINK_GATEWAYS_MAX)
        l->at[l->count++] = *g;
}

static bool visit(void *ctx, struct bytes name)
{
    struct listing *l = ctx;
    struct bytes record;
    struct gateway g;

    if (archive_get(l->parts->archive, ARCHIVE_GATEWAY, name, &record) == ERR_NONE && gateway_decode(&g, record) == ERR_NONE)
        add_one(l, &g);
    profile_wipe(&g, sizeof g);
    return true;
}

/* One link a line; empty lines and comments are left out. */
static void read_file(struct listing *l)
{
    const char *path = l->parts->config->gateways;
    FILE *f = fopen(path, "re");
    char *line = malloc(LINK_FILE_MAX);
    struct gateway_link *link = calloc(1, sizeof *link);

    if (f == NULL)
        log_line(l->parts->log, LOG_LEVEL_WARNING, "gateways = %.300s: the file cannot be read", path);
    while (f != NULL && line != NULL && link != NULL && fgets(line, LINK_FILE_MAX, f) != NULL) {
        if (line[0] == '#' || line[strspn(line, " \t\r\n")] == '\0')
            continue;
        if (gateway_link_read(link, bytes_of_text(line)) != ERR_NONE)
            log_line(l->parts->log, LOG_LEVEL_WARNING, "gateways = %.300s: a line is no gateway link", path);
        else
            for (size_t i = 0; i < link->count; i++)
                add_one(l, &link->gateways[i]);
    }
    if (f != NULL)
        fclose(f);
    free(line);
    free(link);
}

size_t gateways_list(struct parts *p, struct gateway out[UPLINK_GATEWAYS_MAX])
{
    struct listing l = { p, out, 0 };

    if (p->archive != NULL)
        (void)archive_list_walk(p->archive, ARCHIVE_GATEWAY, visit, &l);
    if (p->config->gateways[0] != '\0')
        read_file(&l);
    return l.count;
}

/* ---- Cursors: 'c' || key of the gateway -> bits || cursor ---- */

enum { CURSOR_NAME_LEN = 1 + GATEWAY_PUBLIC_LEN, CURSOR_RECORD_LEN = 1 + MAILBOX_CURSOR_LEN };

static struct bytes cursor_name(uint8_t to[CURSOR_NAME_LEN], const uint8_t key[GATEWAY_PUBLIC_LEN])
{
    to[0] = 'c';
    memcpy(to + 1, key, GATEWAY_PUBLIC_LEN);
    return bytes_of(to, CURSOR_NAME_LEN);
}

void gateways_keep_cursor(struct parts *p, const uint8_t key[GATEWAY_PUBLIC_LEN])
{
    uint8_t name[CURSOR_NAME_LEN], record[CURSOR_RECORD_LEN];
    struct uplink_cursor c;

    if (p->archive == NULL || !uplink_cursor(p->uplink, key, &c))
        return;
    record[0] = c.bits;
    memcpy(record + 1, c.cursor, MAILBOX_CURSOR_LEN);
    if (archive_put(p->archive, ARCHIVE_GATEWAY, cursor_name(name, key), bytes_of(record, sizeof record)) != ERR_NONE)
        log_line(p->log, LOG_LEVEL_DEBUG, "a gateway's cursor is not kept");
}

static void restore_cursor(struct parts *p, const uint8_t key[GATEWAY_PUBLIC_LEN])
{
    uint8_t name[CURSOR_NAME_LEN];
    struct uplink_cursor c;
    struct bytes record;

    if (archive_get(p->archive, ARCHIVE_GATEWAY, cursor_name(name, key), &record) != ERR_NONE || record.len != CURSOR_RECORD_LEN)
        return;
    c.bits = record.at[0];
    memcpy(c.cursor, record.at + 1, MAILBOX_CURSOR_LEN);
    uplink_restore_cursor(p->uplink, key, &c);
}

void gateways_load(struct parts *p)
{
    struct gateway *list = p->uplink != NULL ? calloc(UPLINK_GATEWAYS_MAX, sizeof *list) : NULL;

    if (list == NULL)
        return;
    uplink_set_proxy(p->uplink, &p->config->proxy);
    size_t count = gateways_list(p, list);
    (void)uplink_set_gateways(p->uplink, list, count);
    for (size_t i = 0; i < count && p->archive != NULL; i++)
        restore_cursor(p, list[i].key);
    profile_wipe(list, UPLINK_GATEWAYS_MAX * sizeof *list);
    free(list);
}

/* What day the gateway has, if we are linked to one; else ours. */
static uint32_t gateway_day(const struct parts *p)
{
    struct node_link_info link;
    struct uplink_info info;

    uplink_info(p->uplink, &info);
    if (info.link != 0 && node_link_info(p->node, info.link, &link) && link.peer_clock_min != UINT32_MAX)
        return link.peer_clock_min / (24 * 60);
    return day_of_unix(clock_wall_unix_s());
}

static void budget_path(const struct parts *p, char to[PROFILE_PATH_MAX + 16])
{
    snprintf(to, PROFILE_PATH_MAX + 16, "%s/uplink-use", p->paths->folder);
}

/* Counts what the link has carried and tells it what is left. Returns the link; 0: there is none. */
static uint32_t budget_apply(struct parts *p)
{
    struct node_link_info link;
    struct node_link_budget left;
    struct uplink_info info;

    uplink_info(p->uplink, &info);
    bool is_linked = info.link != 0 && node_link_info(p->node, info.link, &link);
    budget_count(&p->budget, clock_wall_unix_s() / BUDGET_DAY_S, is_linked ? info.link : 0, is_linked ? link.bytes_in + link.bytes_out : 0);
    if (!is_linked)
        return 0;
    budget_left(&p->budget, p->config->uplink_budget_bytes, &left);
    node_link_limit(p->node, info.link, &left);
    return info.link;
}

void gateways_link_ready(struct parts *p)
{
    if (p->config->uplink_budget_bytes > 0)
        (void)budget_apply(p);
}

void gateways_budget(struct parts *p)
{
    uint64_t limit = p->config->uplink_budget_bytes;
    uint64_t keep_bytes = limit / BUDGET_KEEP_SHARE < BUDGET_KEEP_BYTES ? limit / BUDGET_KEEP_SHARE : BUDGET_KEEP_BYTES;
    struct budget *b = &p->budget;
    char path[PROFILE_PATH_MAX + 16];

    if (p->uplink == NULL)
        return;
    if (limit == 0) {
        (void)budget_apply(p);
        uplink_pause(p->uplink, NULL);
        return;
    }
    budget_path(p, path);
    if (b->day == 0 && b->used == 0 && budget_read(b, path) == ERR_CORRUPT)
        log_line(p->log, LOG_LEVEL_WARNING, "%s is damaged: today's use of the data budget begins at nothing", path);
    enum budget_state before = budget_state(b, limit);
    uint32_t link = budget_apply(p);
    enum budget_state state = budget_state(b, limit);
    if (b->used < b->kept || b->used - b->kept > keep_bytes || state != before)
        if (budget_write(b, path) != ERR_NONE)
            log_line(p->log, LOG_LEVEL_DEBUG, "today's use of the data budget is not kept");
    uplink_pause(p->uplink, state == BUDGET_SPENT ? "the data budget of the day is used up (uplink-budget); it goes on after midnight UTC" : NULL);
    /* What was held back is offered on a new link. */
    if (before == BUDGET_SMALL && state == BUDGET_OPEN && link != 0)
        host_link_drop(p->host, link);
}

void gateways_ask(struct parts *p)
{
    static const struct mailbox_prefix all = { 0, 0 };
    struct mailbox_prefix *own;

    if (p->uplink == NULL)
        return;
    if (p->config->is_bridge) {
        (void)uplink_set_prefixes(p->uplink, &all, 1);
        return;
    }
    if (p->messenger == NULL) {
        (void)uplink_set_prefixes(p->uplink, NULL, 0);
        return;
    }
    if ((own = calloc(MAILBOX_PREFIXES_MAX, sizeof *own)) == NULL)
        return;
    size_t count = messenger_prefixes(p->messenger, gateway_day(p), own, MAILBOX_PREFIXES_MAX);
    (void)uplink_set_prefixes(p->uplink, own, count);
    free(own);
}

enum err gateways_add(struct parts *p, struct bytes link, size_t *count)
{
    struct gateway_link *l = calloc(1, sizeof *l);
    struct gateway *known = calloc(UPLINK_GATEWAYS_MAX, sizeof *known);
    uint8_t bytes[GATEWAY_BYTES_MAX];
    enum err e = l == NULL || known == NULL ? ERR_NO_MEMORY : gateway_link_read(l, link);

    if (e == ERR_NONE && p->archive == NULL)
        e = ERR_STATE;
    if (e == ERR_NONE && gateways_list(p, known) + l->count > UPLINK_GATEWAYS_MAX)
        e = ERR_FULL;
    for (size_t i = 0; e == ERR_NONE && i < l->count; i++) {
        struct bytes name = bytes_of(l->gateways[i].id, GATEWAY_ID_LEN);
        struct bytes record = bytes_of(bytes, gateway_encode(&l->gateways[i], bytes));

        e = archive_put(p->archive, ARCHIVE_GATEWAY, name, record);
        if (e == ERR_NONE && (e = archive_list_add(p->archive, ARCHIVE_GATEWAY, name)) == ERR_EXISTS)
            e = ERR_NONE;
    }
    if (e == ERR_NONE)
        *count = l->count;
    profile_wipe(bytes, sizeof bytes);
    if (l != NULL)
        profile_wipe(l, sizeof *l);
    free(l);
    free(known);
    if (e == ERR_NONE) {
        gateways_load(p);
        gateways_ask(p);
    }
    return e;
}

static bool has_address(const struct gateway *g, const char *host)
{
    char text[GATEWAY_HOST_MAX + 8];

    for (size_t i = 0; i < g->address_count; i++) {
        snprintf(text, sizeof text, "%s:%u", g->addresses[i].host, (unsigned)g->addresses[i].port);
        if (strcmp(g->addresses[i].host, host) == 0 || strcmp(text, host) == 0)
            return true;
    }
    return false;
}

enum err gateways_link(struct parts *p, const char *host, char to[GATEWAY_LINK_TEXT_MAX])
{
    struct gateway *list = calloc(UPLINK_GATEWAYS_MAX, sizeof *list);
    struct gateway_link *l = calloc(1, sizeof *l);
    enum err e = list == NULL || l == NULL ? ERR_NO_MEMORY : ERR_NONE;
    size_t known = e == ERR_NONE ? gateways_list(p, list) : 0;

    for (size_t i = 0; i < known && l->count < GATEWAYS_PER_LINK_MAX; i++)
        if (host[0] == '\0' || has_address(&list[i], host))
            l->gateways[l->count++] = list[i];
    if (e == ERR_NONE && l->count == 0)
        e = ERR_NOT_FOUND;
    if (e == ERR_NONE)
        gateway_link_write(l, to);
    if (list != NULL)
        profile_wipe(list, UPLINK_GATEWAYS_MAX * sizeof *list);
    if (l != NULL)
        profile_wipe(l, sizeof *l);
    free(list);
    free(l);
    return e;
}

enum err gateways_remove(struct parts *p, const char *host, size_t *count)
{
    struct gateway *list = calloc(UPLINK_GATEWAYS_MAX, sizeof *list);
    uint8_t cursor[CURSOR_NAME_LEN];
    enum err e = list == NULL ? ERR_NO_MEMORY : p->archive == NULL ? ERR_STATE : ERR_NONE;

    *count = 0;
    size_t known = e == ERR_NONE ? gateways_list(p, list) : 0;
    for (size_t i = 0; e == ERR_NONE && i < known; i++) {
        struct bytes name = bytes_of(list[i].id, GATEWAY_ID_LEN);

        if (!has_address(&list[i], host))
            continue;
        e = archive_list_remove(p->archive, ARCHIVE_GATEWAY, name);
        if (e == ERR_NOT_FOUND) {
            e = ERR_NONE;   /* of the file */
            continue;
        }
        if (e == ERR_NONE)
            e = archive_delete(p->archive, ARCHIVE_GATEWAY, name);
        if (e == ERR_NONE && (e = archive_delete(p->archive, ARCHIVE_GATEWAY, cursor_name(cursor, list[i].key))) == ERR_NOT_FOUND)
            e = ERR_NONE;
        ++*count;
    }
    free(list);
    if (e == ERR_NONE && *count > 0)
        gateways_load(p);
    return e != ERR_NONE ? e : *count > 0 ? ERR_NONE : ERR_NOT_FOUND;
}
