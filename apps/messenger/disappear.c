/* apps/messenger/disappear.c - messages that go after they were read.
 *
 * The deadline counts on the messenger's own clock and is kept with the conversation, so that a restart
 * or a wall clock set back does not lengthen a life.
 */
#include "apps/messenger/state.h"

void disappear_start(struct messenger *m, struct conversation *c, uint32_t number, uint32_t seconds)
{
    struct due d = { number, messenger_clock_s(m) + seconds, 0 };

    if (due_list_find(&c->fading, number) != NULL)
        return;
    enum err e = due_list_add(&c->fading, d, FADING_MAX);
    /* No room to remember when: too early is what was promised sooner than never. */
    if (e == ERR_FULL)
        message_remove(m, c, number);
    else
        messenger_fail(m, e);
    conversation_touch(m, c, DIRTY_FADING);
}

void disappear_wake(struct messenger *m, struct conversation *c)
{
    for (uint32_t i = c->fading.count; i-- > 0 && m->failed == ERR_NONE;) {
        struct due d = c->fading.at[i];

        if (d.at_s > messenger_clock_s(m))
            continue;
        if (message_remove(m, c, d.number) == ERR_NOT_FOUND) {
            due_list_remove(&c->fading, i);
            conversation_touch(m, c, DIRTY_FADING);
        }
    }
}
