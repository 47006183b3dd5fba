/* apps/messenger/ahead.h - bundles that are ours but ran too far ahead of their session to be opened yet.
 *
 * A chain may be opened at most SESSION_GAP_MAX messages ahead (protocol section 4), and neighbours give the newest first: of a
 * thousand messages that waited for a meeting the newest half is refused until the older ones have come. They are tried
 * again once something else was opened, so each round brings the session forward or is the last.
 */
#ifndef STA_MESSENGER_AHEAD_H
#define STA_MESSENGER_AHEAD_H

#include <stdint.h>

enum { AHEAD_MAX = 8192, AHEAD_PAUSE_S = 1 };

struct messenger;

struct ahead {
    uint64_t *seqs;
    uint32_t count, cap;
    uint64_t due_s;       /* 0: nothing was opened since the last round */
};

void     ahead_clear(struct ahead *a);

/* This bundle was refused for being too far ahead. Past AHEAD_MAX it is left to the sender's next try. */
void     ahead_keep(struct messenger *m, uint64_t seq);

/* A bundle was opened. */
void     ahead_moved(struct messenger *m);

/* Hands all to the watch as found, when it is time. UINT64_MAX: never. */
void     ahead_wake(struct messenger *m);
uint64_t ahead_due_s(const struct messenger *m);

#endif
