/* mesh/spread.c - when a new bundle may be given to whom. */
#include "mesh/spread.h"

#include <assert.h>

static struct spread_batch *batch(const struct spread *s, size_t i)
{
    return (struct spread_batch *)&s->all[(s->first + i) % SPREAD_BATCHES_MAX];
}

static void forget_oldest(struct spread *s)
{
    s->first = (s->first + 1) % SPREAD_BATCHES_MAX;
    s->count--;
}

/* A moment ends when its chosen link is gone, so that the next bundle finds another. */
static bool is_same_moment(const struct spread *s, const struct spread_batch *b, uint64_t release_at_ms)
{
    return b->release_at_ms == release_at_ms ||
           (b->chosen != 0 && release_at_ms - b->release_at_ms <= s->delay_ms / SPREAD_MOMENTS);
}

bool spread_note(struct spread *s, uint64_t seq, uint32_t origin, bool was_asked, uint64_t now_ms)
{
    while (s->count > 0 && batch(s, 0)->release_at_ms <= now_ms)
        forget_oldest(s);
    if (s->count > 0) {
        struct spread_batch *last = batch(s, s->count - 1);

        if (last->origin == origin && last->was_asked == was_asked && is_same_moment(s, last, now_ms + s->delay_ms)) {
            last->last_seq = seq;
            return false;
        }
    }
    /* A node so busy gives the oldest to everybody early: waiting for a pause could last for ever. */
    if (s->count == SPREAD_BATCHES_MAX)
        forget_oldest(s);
    *batch(s, s->count++) = (struct spread_batch){ seq, seq, now_ms + s->delay_ms, 0, origin, 0, was_asked };
    return true;
}

void spread_choose(struct spread *s, uint32_t chosen)
{
    assert(s->count > 0);
    batch(s, s->count - 1)->chosen = chosen;
}

uint64_t spread_released(const struct spread *s, uint64_t last_seq, uint64_t now_ms)
{
    for (size_t i = 0; i < s->count; i++) {
        if (batch(s, i)->release_at_ms > now_ms)
            return batch(s, i)->first_seq - 1;
    }
    return last_seq;
}

static struct spread_batch *early_batch(const struct spread *s, uint32_t link)
{
    for (size_t i = 0; i < s->count; i++) {
        struct spread_batch *b = batch(s, i);

        if (b->chosen == link && b->done_seq < b->last_seq)
            return b;
    }
    return NULL;
}

static uint64_t early_seq(const struct spread_batch *b)
{
    return b->done_seq < b->first_seq ? b->first_seq : b->done_seq + 1;
}

uint64_t spread_peek_early(const struct spread *s, uint32_t link)
{
    const struct spread_batch *b = early_batch(s, link);

    return b != NULL ? early_seq(b) : 0;
}

void spread_take_early(struct spread *s, uint32_t link)
{
    struct spread_batch *b = early_batch(s, link);

    if (b != NULL)
        b->done_seq = early_seq(b);
}

bool spread_was_early(const struct spread *s, uint64_t seq, uint32_t link)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct spread_batch *b = batch(s, i);

        if (seq >= b->first_seq && seq <= b->last_seq)
            return b->chosen == link && seq <= b->done_seq;
    }
    return false;
}

void spread_drop_link(struct spread *s, uint32_t link)
{
    for (size_t i = 0; i < s->count; i++) {
        struct spread_batch *b = batch(s, i);

        if (b->chosen == link)
            b->chosen = 0;
    }
}

uint64_t spread_wake_at_ms(const struct spread *s, uint64_t now_ms)
{
    for (size_t i = 0; i < s->count; i++) {
        if (batch(s, i)->release_at_ms > now_ms)
            return batch(s, i)->release_at_ms;
    }
    return UINT64_MAX;
}
