/* tests/bluetooth/bt_core.h - a node, its store and its host, driven by lines on standard input and telling of itself in
 * JSON lines: what the programs of this folder have in common.
 */
#ifndef STA_TESTS_BT_CORE_H
#define STA_TESTS_BT_CORE_H

#include <event2/event.h>

#include "mesh/links/host.h"
#include "storage/db.h"

struct bt_core {
    struct event_base *base;
    struct db *db;
    struct store *store;
    struct node *node;
    struct host *host;
    struct rng rng;
    struct event *input;
    char line[256];
    size_t line_len;
    uint64_t stored, carried, stored_told, carried_told;
    size_t quiet_below;   /* bundles of which nothing is said: telling costs time */
    void (*on_event)(void *ctx, const struct node_event *event);   /* may be NULL */
    void (*on_status)(void *ctx);                                  /* prints a line of its own */
    void *ctx;
};

/* `data`: a folder for LMDB, or NULL for memory. Ends the program when something fails. */
void bt_core_init(struct bt_core *c, const char *data);
void bt_core_clear(struct bt_core *c);

/* Prints {"t": ms, "ev": NAME, then the format's fields}. */
void bt_say(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
double bt_now_ms(void);

#endif
