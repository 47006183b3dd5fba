/* apps/messenger/ahead.c - bundles that ran ahead of their session. */
#include "apps/messenger/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"

void ahead_clear(struct ahead *a)
{
    free(a->seqs);
    memset(a, 0, sizeof *a);
}

void ahead_keep(struct messenger *m, uint64_t seq)
{
    struct ahead *a = &m->ahead;

    if (a->count == AHEAD_MAX)
        return;
    if (a->count == a->cap) {
        uint32_t cap = a->cap == 0 ? 64 : a->cap * 2;
        uint64_t *more = realloc(a->seqs, cap * sizeof *more);

        if (more == NULL)
            return;
        a->seqs = more;
        a->cap = cap;
    }
    a->seqs[a->count++] = seq;
}

void ahead_moved(struct messenger *m)
{
    if (m->ahead.count > 0 && m->ahead.due_s == 0)
        m->ahead.due_s = messenger_clock_s(m) + AHEAD_PAUSE_S;
}

void ahead_wake(struct messenger *m)
{
    struct ahead *a = &m->ahead;

    if (ahead_due_s(m) > messenger_clock_s(m))
        return;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct store_entry *entry = store_find_seq(m->config.store, a->seqs[i]);

        if (entry != NULL)
            watch_found(m->watch, entry);
    }
    a->count = 0;
    a->due_s = 0;
}

uint64_t ahead_due_s(const struct messenger *m)
{
    return m->ahead.due_s != 0 ? m->ahead.due_s : UINT64_MAX;
}
