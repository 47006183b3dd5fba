/* mesh/clients.c - the users linked to a gateway. */
#include "mesh/clients.h"

#include <assert.h>
#include <stdlib.h>

#include "mesh/contact.h"

enum { SWEEP_MS = 1000, PLACES = 2 * CLIENTS_MAX, NEWS_MAX = 256 };

static struct contact **place_of(const struct clients *c, uint32_t link)
{
    return &c->places[link & (c->cap - 1)];
}

enum err clients_place(struct clients *c, uint32_t *next_link, struct contact ***place, uint32_t *link)
{
    if (c->cap == 0) {
        if ((c->places = calloc(PLACES, sizeof *c->places)) == NULL)
            return ERR_NO_MEMORY;
        c->cap = PLACES;
    }
    if (c->count >= CLIENTS_MAX)
        return ERR_FULL;
    /* At least half of the places are free. */
    while (*place_of(c, *next_link) != NULL)
        ++*next_link;
    *link = (*next_link)++;
    *place = place_of(c, *link);
    return ERR_NONE;
}

struct contact *clients_find(const struct clients *c, uint32_t link)
{
    struct contact *at = c->cap > 0 ? *place_of(c, link) : NULL;

    return at != NULL && at->id == link ? at : NULL;
}

static void due_remove(struct clients *c, const struct contact *contact)
{
    struct contact *before = NULL;

    for (struct contact *at = c->due_first; at != NULL; before = at, at = at->next_due) {
        if (at != contact)
            continue;
        if (before != NULL)
            before->next_due = at->next_due;
        else
            c->due_first = at->next_due;
        if (c->due_last == at)
            c->due_last = before;
        return;
    }
}

static void unsettled_remove(struct clients *c, const struct contact *contact)
{
    for (struct contact **at = &c->unsettled; *at != NULL; at = &(*at)->next_unsettled) {
        if (*at == contact) {
            *at = contact->next_unsettled;
            return;
        }
    }
}

static void awaiting_remove(struct clients *c, const struct contact *contact)
{
    for (struct contact **at = &c->awaiting; *at != NULL; at = &(*at)->next_awaiting) {
        if (*at == contact) {
            *at = contact->next_awaiting;
            return;
        }
    }
}

void clients_remove(struct clients *c, struct contact *contact)
{
    if (contact->is_due)
        due_remove(c, contact);
    if (contact->is_unsettled)
        unsettled_remove(c, contact);
    if (contact->is_awaiting)
        awaiting_remove(c, contact);
    *place_of(c, contact->id) = NULL;
    c->count--;
}

void clients_clear(struct clients *c)
{
    for (size_t i = 0; i < c->cap; i++)
        contact_free(c->places[i]);
    free(c->places);
    *c = (struct clients){ .places = NULL };
}

void clients_due(struct clients *c, struct contact *contact)
{
    if (contact->is_due)
        return;
    contact->is_due = true;
    contact->next_due = NULL;
    if (c->due_last != NULL)
        c->due_last->next_due = contact;
    else
        c->due_first = contact;
    c->due_last = contact;
}

struct contact *clients_next_due(struct clients *c)
{
    struct contact *first = c->due_first;

    if (first == NULL)
        return NULL;
    c->due_first = first->next_due;
    if (c->due_first == NULL)
        c->due_last = NULL;
    first->is_due = false;
    return first;
}

void clients_heard(struct clients *c, struct contact *contact)
{
    if (contact->is_unsettled)
        return;
    contact->is_unsettled = true;
    contact->next_unsettled = c->unsettled;
    c->unsettled = contact;
}

void clients_leave(struct clients *c, int why)
{
    for (size_t i = 0; i < c->cap; i++) {
        if (c->places[i] != NULL) {
            contact_leave(c->places[i], (enum bye_reason)why);
            clients_due(c, c->places[i]);
        }
    }
}

void clients_committed(struct clients *c)
{
    while (c->unsettled != NULL) {
        struct contact *at = c->unsettled;

        c->unsettled = at->next_unsettled;
        at->is_unsettled = false;
        contact_committed(at);
        clients_due(c, at);
    }
}

void clients_stored(struct clients *c, uint64_t last_seq)
{
    for (struct contact *at = c->unsettled; at != NULL; at = at->next_unsettled)
        clients_due(c, at);
    if (c->awaiting != NULL || c->unsettled == NULL)
        return;
    c->awaiting_seq = last_seq;
    while (c->unsettled != NULL) {
        struct contact *at = c->unsettled;

        c->unsettled = at->next_unsettled;
        at->is_unsettled = false;
        at->take.awaited = at->take.received;
        at->is_awaiting = true;
        at->next_awaiting = c->awaiting;
        c->awaiting = at;
    }
}

bool clients_settled(struct clients *c, uint64_t seq)
{
    if (c->awaiting == NULL || seq < c->awaiting_seq)
        return false;
    while (c->awaiting != NULL) {
        struct contact *at = c->awaiting;

        c->awaiting = at->next_awaiting;
        at->is_awaiting = false;
        at->take.committed = at->take.awaited;
        clients_due(c, at);
    }
    return true;
}

/* Buckets of what came since they were told last; more than NEWS_MAX is news for everybody. */
struct news { uint32_t buckets[NEWS_MAX]; size_t count; bool is_too_much; };

static bool note_news(void *ctx, const struct store_entry *e)
{
    struct news *n = ctx;

    n->is_too_much = n->count == NEWS_MAX;
    if (!n->is_too_much)
        n->buckets[n->count++] = e->bucket;
    return !n->is_too_much;
}

static bool is_news_to(const struct news *n, const struct contact *at)
{
    if (at->mailbox == NULL)
        return false;
    for (size_t i = 0; i < n->count; i++)
        if (mailbox_wants(at->mailbox, n->buckets[i]))
            return true;
    return n->is_too_much;
}

static void tend_one(struct clients *c, struct contact *at, const struct news *news, bool is_time)
{
    if (is_news_to(news, at))
        clients_due(c, at);
    if (!is_time)
        return;
    uint64_t before = contact_wake_at_ms(at);
    contact_wake(at);
    if (before <= at->core->now_ms || contact_is_talk_due(at) || !take_is_idle(at))
        clients_due(c, at);
}

void clients_tend(struct clients *c, const struct store *store, uint64_t last_seq, uint64_t now_ms)
{
    struct news news = { .count = 0 };
    bool is_news = last_seq != c->considered_seq, is_time = now_ms - c->swept_ms >= SWEEP_MS;

    if (c->count == 0 || (!is_news && !is_time))
        return;
    if (is_news)
        store_walk_since(store, c->considered_seq, note_news, &news);
    for (size_t i = 0; i < c->cap; i++)
        if (c->places[i] != NULL)
            tend_one(c, c->places[i], &news, is_time);
    c->considered_seq = last_seq;
    if (is_time)
        c->swept_ms = now_ms;
}

uint64_t clients_wake_at_ms(const struct clients *c)
{
    return c->count > 0 ? c->swept_ms + SWEEP_MS : UINT64_MAX;
}
