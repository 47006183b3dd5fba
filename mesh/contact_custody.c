/* mesh/contact_custody.c - who has taken what we gave: acknowledgements, copies, refusals. */
#include "mesh/bundle.h"
#include "mesh/contact.h"

static enum err count_given(struct contact *c, uint64_t seq)
{
    const struct store_entry *at = give_entry(c, seq);

    /* Not for ever: whoever only says that it takes could keep its place so. */
    if (c->core->now_ms - c->ready_ms < LINK_TAKING_MS)
        c->useful_ms = c->core->now_ms;
    if (at == NULL)
        return ERR_NONE;
    struct store_entry e = *at;
    bool is_ours = e.quota_class == QUOTA_OWN;
    if (e.given < UINT8_MAX)
        e.given++;
    e.budget = route_budget_kept(e.budget);
    /* A write for each copy of a stranger's bundle would tell nobody anything: only the first counts. */
    enum err failed = ERR_NONE;
    if (is_ours || e.given == 1 || e.budget != at->budget)
        failed = store_update(c->core->store, &e);
    struct node_event *event = is_ours ? core_event(c->core, NODE_CARRIED) : NULL;
    if (event != NULL) {
        event->link = c->id;
        event->entry = e;
    }
    return failed;
}

/* They had it already. If nobody is known to have been given it, an acknowledgement was lost, and this is it. */
static enum err count_known(struct contact *c, uint64_t seq)
{
    const struct store_entry *e = give_entry(c, seq);

    return e != NULL && e->given == 0 ? count_given(c, seq) : ERR_NONE;
}

void custody_note_carried(struct contact *c, uint64_t seq)
{
    enum err e = count_known(c, seq);

    if (e != ERR_NONE && e != ERR_NOT_FOUND)
        c->core->failed = e;
}

/* Their demand has risen, and what they say of it is under way: until it is here, the least that this bundle lacks. */
static void hear_demand(struct contact *c, const struct store_entry *e)
{
    if (c->peer.stamp_bits <= e->stamp_bits)
        c->peer.stamp_bits = stamp_demand_above(e->stamp_bits);
    core_want_stamp(c->core, e, c->peer.stamp_bits, c->id);
}

static void tell_refused(struct contact *c, uint64_t seq, uint8_t reason)
{
    const struct store_entry *e = give_entry(c, seq);

    c->core->counters.refused_out++;
    if (reason == REFUSAL_QUOTA && e != NULL && e->deadline_s > c->give.refused_deadline_s)
        c->give.refused_deadline_s = e->deadline_s;
    if (e == NULL || e->quota_class != QUOTA_OWN)
        return;
    struct node_event *event = core_event(c->core, NODE_REFUSED);
    if (event != NULL) {
        event->link = c->id;
        event->why = refusal_err((enum refusal)reason);
        event->entry = *e;
    }
    if (reason == REFUSAL_STAMP)
        hear_demand(c, e);
}

enum err custody_on_ack(struct contact *c, uint64_t count, struct bytes exceptions)
{
    struct giving *g = &c->give;
    struct reader r = reader_of(exceptions);
    uint64_t base = g->sent_first, index = 0, last = 0;
    uint8_t reason = 0;
    enum err failed = ERR_NONE;

    if (count < base || count - base > g->sent.len)
        return ERR_MALFORMED;
    bool has_exception = record_exception_next(&r, &index, &reason);
    for (uint64_t i = 0; i < count - base; i++) {
        uint64_t seq = *(uint64_t *)ring_at(&g->sent, 0);
        enum err e = ERR_NONE;

        if (has_exception && index == i) {
            if (reason == REFUSAL_DUPLICATE)
                e = count_known(c, seq);
            else
                tell_refused(c, seq, reason);
            last = index;
            has_exception = record_exception_next(&r, &index, &reason);
            if (has_exception && index <= last)
                return ERR_MALFORMED;
        } else {
            e = count_given(c, seq);
        }
        if (e != ERR_NONE && e != ERR_NOT_FOUND && failed == ERR_NONE)
            failed = e;
        ring_pop(&g->sent);
        g->sent_first++;
    }
    if (failed != ERR_NONE)
        c->core->failed = failed;
    return has_exception ? ERR_MALFORMED : ERR_NONE;
}
