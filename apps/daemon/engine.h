/* apps/daemon/engine.h - the node and all it stands on, wired to the loop.
 *
 * Opens database, store, node, host, local network, sticks and person; closes them in reverse. When a commit fails,
 * memory is ahead of the disk (storage/db.h), so everything from the database up is closed and opened anew, with growing
 * pauses, while the API stays up and says why. */
#ifndef STA_DAEMON_ENGINE_H
#define STA_DAEMON_ENGINE_H

#include "apps/daemon/parts.h"

struct engine;
struct event_base;

struct engine_hooks {
    void *ctx;
    void (*on_turn)(void *ctx);                   /* a turn was committed and sent */
    void (*on_trouble)(void *ctx, enum err why);  /* the turn's commit failed: nothing since the last was kept */
};

/* `parts` must have paths, config, log and rng; the engine fills the rest. Start-up fails (ERR_IO, ERR_LOCKED, ERR_CORRUPT,
 * ERR_VERSION, with parts->trouble) only for what a later try would not mend; a full disk is waited for. */
enum err engine_new(struct engine **out, struct event_base *base, struct parts *parts, const struct engine_hooks *hooks);
void     engine_free(struct engine *e);

/* Something touched the node or the messenger: a turn follows, and on_turn after it. False: there is no node now. */
bool engine_poke(struct engine *e);

/* parts->config has changed from `old`. ERR_IO: the new addresses cannot be had (`why`); the caller restores the old
 * values and calls again. */
enum err engine_reload(struct engine *e, const struct config *old, char why[256]);

#endif
