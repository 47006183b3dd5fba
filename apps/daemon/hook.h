/* apps/daemon/hook.h - a program that is run for every message that comes in (key on-message, docs/scripts.md).
 *
 * Each message is a short-lived process of its own in a cell (apps/service/cell.h) that reads the message's JSON from its standard
 * input; a few run at a time, the others wait in a bounded queue. One that hangs or fails is ended and told in the log; the
 * message is in the conversation all the same.
 */
#ifndef STA_DAEMON_HOOK_H
#define STA_DAEMON_HOOK_H

#include <jansson.h>

#include "apps/daemon/parts.h"

struct hook;
struct event_base;

enum {
    HOOK_AT_ONCE     = 2,                 /* a Pi has other things to do */
    HOOK_WAITING_MAX = 256,               /* messages; with 16000 bytes of text each some 25 MB at worst */
    HOOK_MEMORY      = 512 * 1024 * 1024, /* of addresses: Python takes 100 MB of these to say hello */
    HOOK_FILE        = 64 * 1024 * 1024,
    HOOK_DESCRIPTORS = 64,
};

enum err hook_new(struct hook **out, struct event_base *base, const struct parts *parts);
void     hook_free(struct hook *h);      /* ends what runs; takes NULL */

/* A message came in and is durable. Borrows it. Nothing happens without the key. */
void     hook_take(struct hook *h, const json_t *message);

#endif
